# The one law of the sales figures: in every snapshot each view equals the plain query over the tables. Eight
# clients write by every way there is, merge, and change categories, regions and what counts as sold; a backend
# dies in the middle (kill -9), then the server. All the while a REPEATABLE READ reader compares.
#
# CRM_STORM_SECONDS (6) is how long half a round takes, CRM_STORM_ROUNDS (2) how many there are.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seconds = $ENV{CRM_STORM_SECONDS} // 6;
my $rounds = $ENV{CRM_STORM_ROUNDS} // 2;
my $seed = $ENV{CRM_SEED} // int(rand(2**31));
note("CRM_SEED=$seed");
my $orders = 60;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nmax_connections = 40\ndeadlock_timeout = 100ms\nmax_prepared_transactions = 10\ncrm.merge_threshold = 1000");
$node->start;
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION crm;
SELECT crm_create_rollup('by_everything', 'line', '{day,product,category,customer,region,owner,currency,workflow}');
SELECT crm_create_rollup('regions_and_categories', 'line', '{region,category}');
SELECT crm_create_rollup('orders_by_region', 'order', '{status,region,month,owner}');
INSERT INTO crm.customers (id, name, region) SELECT n, 'c' || n, 'r' || n % 3 FROM generate_series(1, 8) n;
INSERT INTO crm.products (id, sku, name, category, price) SELECT n, 's' || n, 'p' || n, 'k' || n % 3, n * 1.01 FROM generate_series(1, 8) n;
INSERT INTO crm.workflows (name, definition) VALUES ('loop', E'[*] --> a\\na --> b : next\\nb --> c : next\\nc --> a : next\\na --> [*]\\nclass b,c booked\\nclass a,b,c editable');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT n, 1 + n % 8, 'loop' FROM generate_series(1, $orders) n;
SELECT setval('crm.orders_id_seq', 1000);
INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT 1 + n % $orders, 1 + n % 8, n FROM generate_series(1, 200) n;
CREATE SCHEMA storm;
-- Some requests are refused, or meet each other, which would end a client of pgbench. Any other error does.
CREATE FUNCTION storm.try(statement text) RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN others THEN
    IF SQLSTATE NOT LIKE 'SL%' AND SQLSTATE NOT IN ('40001', '40P01', '23505') THEN
        RAISE;
    END IF;
    RETURN SQLSTATE;
END \$\$;
-- The oracle, written out by hand; it knows which statuses the diagram of the day calls booked.
CREATE VIEW storm.booked AS SELECT regexp_split_to_table((regexp_match(definition::text, 'class ([a-z,]+) booked'))[1], ',') AS status
    FROM crm.workflows WHERE name = 'loop';
CREATE VIEW storm.sold AS
SELECT o.placed_on AS day, date_trunc('month', o.placed_on)::date AS month, l.product_id, p.category, o.customer_id, c.region,
       o.owner, o.currency, o.workflow, l.quantity, round(l.amount * o.exchange_rate, 2) AS amount
FROM crm.order_lines l JOIN crm.orders o ON o.id = l.order_id JOIN crm.products p ON p.id = l.product_id JOIN crm.customers c ON c.id = o.customer_id
WHERE o.status IN (SELECT status FROM storm.booked);
CREATE FUNCTION storm.differences() RETURNS TABLE (name text, n bigint) STABLE LANGUAGE plpgsql AS \$\$
DECLARE
    pair text[];
BEGIN
    FOREACH pair SLICE 1 IN ARRAY ARRAY[
        ['SELECT * FROM crm.sales_by_day', 'SELECT day, count(*), sum(quantity), sum(amount) FROM storm.sold GROUP BY 1'],
        ['SELECT * FROM crm.sales_by_month', 'SELECT date_trunc(''month'', o.placed_on)::date, count(DISTINCT o.id), count(DISTINCT o.customer_id) FILTER (WHERE l.order_id IS NOT NULL), count(l.order_id), coalesce(sum(l.quantity), 0), coalesce(sum(round(l.amount * o.exchange_rate, 2)), 0) FROM crm.orders o LEFT JOIN crm.order_lines l ON l.order_id = o.id WHERE o.status IN (SELECT status FROM storm.booked) GROUP BY 1'],
        ['SELECT * FROM crm.sales_by_category_month', 'SELECT category, month, count(*), sum(quantity), sum(amount) FROM storm.sold GROUP BY 1, 2'],
        ['SELECT * FROM crm.sales_by_region_month', 'SELECT region, month, count(*), sum(quantity), sum(amount) FROM storm.sold GROUP BY 1, 2'],
        ['SELECT * FROM crm.sales_by_product_month', 'SELECT product_id, month, count(*), sum(quantity), sum(amount) FROM storm.sold GROUP BY 1, 2'],
        ['SELECT * FROM crm.sales_by_customer_month', 'SELECT customer_id, month, count(*), sum(quantity), sum(amount) FROM storm.sold GROUP BY 1, 2'],
        ['SELECT * FROM crm.regions_and_categories', 'SELECT region, category, count(*), sum(quantity), sum(amount) FROM storm.sold GROUP BY 1, 2'],
        ['SELECT * FROM crm.by_everything', 'SELECT day, product_id, category, customer_id, region, owner, currency, workflow, count(*), sum(quantity), sum(amount) FROM storm.sold GROUP BY 1, 2, 3, 4, 5, 6, 7, 8'],
        ['SELECT * FROM crm.orders_by_status', 'SELECT workflow, status, placed_on, count(*), sum(reporting_total) FROM crm.orders GROUP BY 1, 2, 3'],
        ['SELECT * FROM crm.orders_by_region', 'SELECT status, region, date_trunc(''month'', placed_on)::date, o.owner, count(*), sum(reporting_total) FROM crm.orders o JOIN crm.customers c ON c.id = customer_id GROUP BY 1, 2, 3, 4'],
        ['SELECT * FROM crm.steps_by_day', 'SELECT from_status, to_status, (at AT TIME ZONE time_zone)::date, count(*), coalesce(sum(extract(epoch FROM dwell)), 0) FROM crm.order_events, crm.settings GROUP BY 1, 2, 3']]
    LOOP
        name := pair[1];
        EXECUTE format('SELECT count(*) FROM ((%1\$s EXCEPT ALL %2\$s) UNION ALL (%2\$s EXCEPT ALL %1\$s)) d', '(' || pair[1] || ')', '(' || pair[2] || ')') INTO n;
        IF n <> 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    RETURN QUERY SELECT 'crm_check_rollups: ' || rollup, count(*) FROM crm_check_rollups() GROUP BY 1;
END \$\$;
CREATE FUNCTION storm.compare() RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
    found text := (SELECT string_agg(d::text, ' ') FROM storm.differences() d);
BEGIN
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'the views differ: %', found;
    END IF;
END \$\$;
SQL

# statement => weight; :id and :other are orders, :n another number
my %scripts = (
	"SELECT crm_advance_order(:id, 'next');" => 30,
	"SELECT storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (' || :id || ', 1 + ' || :n || ' % 8, 1 + ' || :n || ' % 7)');" => 20,
	"SELECT storm.try('UPDATE crm.order_lines SET quantity = 1 + ' || :n || ' % 9, product_id = 1 + ' || :n || ' % 8 WHERE order_id = ' || :id || ' AND line_no % 3 = ' || :n || ' % 3');" => 15,
	"SELECT storm.try('DELETE FROM crm.order_lines WHERE order_id = ' || :id || ' AND line_no > 5');" => 8,
	"SELECT storm.try('UPDATE crm.order_lines SET order_id = ' || :other || ', line_no = 10000 + ' || :n || ' WHERE order_id = ' || :id || ' AND line_no = 2');" => 5,
	"SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT g FROM generate_series(1, $orders) g WHERE g % 7 = :n % 7), 'next');" => 5,
	"SELECT storm.try('UPDATE crm.orders SET owner = ''o' || :n % 3 || ''', customer_id = 1 + ' || :n || ' % 8 WHERE id % 5 = ' || :id || ' % 5');" => 4,
	"SELECT storm.try('UPDATE crm.orders SET placed_at = placed_at - interval ''' || :n % 40 || ' days'' WHERE id = ' || :id);" => 4,
	"SELECT storm.try('UPDATE crm.products SET category = ''k' || :n % 4 || ''' WHERE id = 1 + ' || :id || ' % 8');" => 4,
	"SELECT storm.try('UPDATE crm.customers SET region = nullif(''r' || :n % 4 || ''', ''r0'') WHERE id % 3 = ' || :id || ' % 3');" => 3,
	"BEGIN; SAVEPOINT s; SELECT crm_advance_order(:id, 'next'); SELECT storm.try('DELETE FROM crm.order_lines WHERE order_id = ' || :id); ROLLBACK TO s; SELECT crm_advance_order(:id, 'next'); COMMIT;" => 5,
	"BEGIN; SELECT crm_advance_order(:id, 'next'); ROLLBACK;" => 3,
	"BEGIN; SELECT crm_advance_order(:id, 'next'); SELECT crm_merge_rollups(); SELECT storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (' || :id || ', 3, 3)'); COMMIT;" => 2,
	"SELECT storm.try('WITH o AS (INSERT INTO crm.orders (customer_id, workflow, status) VALUES (1 + ' || :n || ' % 8, ''loop'', ''b'') RETURNING id) INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT id, 2, 2 FROM o');" => 4,
	"SELECT storm.try('UPDATE crm.workflows SET definition = regexp_replace(definition::text, ''class [a-z,]+ booked'', ''class ' || (ARRAY['b', 'c', 'b,c', 'a,c'])[1 + :n % 4] || ' booked'')::crm_workflow WHERE name = ''loop''');" => 1,
	"SELECT crm_merge_rollups();" => 3,
	"SET client_min_messages = warning; SELECT crm_rebuild_rollups('sales_by_category_month');" => 1);
my $dir = PostgreSQL::Test::Utils::tempdir;
my @files;
for my $script (sort keys %scripts)
{
	my $file = "$dir/" . @files . '.sql';
	append_to_file($file, "\\set id random(1, $orders)\n\\set other random(1, $orders)\n\\set n random(1, 1000)\n" . $script =~ s/; /;\n/gr . "\n");
	push @files, "--file=$file\@$scripts{$script}";
}

# One more client compares, in one snapshot after the other.
append_to_file("$dir/compare.sql", "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT storm.compare();\nSELECT storm.compare();\nCOMMIT;\n");
my $compared = 0;

sub start
{
	my ($round_seed, @arguments) = @_;
	my $log = "$dir/log" . int(rand(2**31));
	my $run = IPC::Run::start([ 'pgbench', '--no-vacuum', "--time=$seconds", "--random-seed=$round_seed", @arguments, $node->connstr('postgres') ],
		'<', \undef, '>', $log, '2>&1');
	return [ $run, $log ];
}

sub errors
{
	my ($run, $log) = @{ $_[0] };
	$run->finish;
	my $text = slurp_file($log);
	return join "\n", grep { /ERROR/ } split /\n/, $text;
}

for my $round (1 .. $rounds)
{
	my @runs = (start($seed + $round, '--client=8', '--jobs=2', @files), start($seed, "--file=$dir/compare.sql"));
	sleep $seconds / 2;
	if ($round % 2)
	{
		kill 'KILL', (split /\n/, $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench')))[0];
		sleep 0.5;
		$node->poll_query_until('postgres', 'SELECT true');
	}
	else
	{
		my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
		$node->kill9;
		for (1 .. 100)
		{
			sleep 0.1;
			last if !kill(0, $pid) && $node->start(fail_ok => 1);
		}
	}
	is(errors($_), '', "round $round: only the crash ends a client") for @runs;
	is($node->safe_psql('postgres', 'SELECT * FROM storm.differences()'), '', "round $round: after it the views equal the plain queries");

	@runs = (start($seed - $round, '--client=8', '--jobs=2', @files), start($seed, "--file=$dir/compare.sql"));
	is(errors($_), '', "round $round: nothing ends one afterwards") for @runs;
	$compared += $1 if slurp_file($runs[1][1]) =~ /transactions actually processed: (\d+)/;
	is($node->safe_psql('postgres', 'SELECT * FROM storm.differences()'), '', "round $round: and in the end");
	cmp_ok($node->safe_psql('postgres', 'SELECT crm_merge_rollups()'), '>=', 0, "round $round: merged");
	is($node->safe_psql('postgres', 'SELECT * FROM storm.differences()'), '', "round $round: and after that, too");
}
note("$compared snapshots were compared");
cmp_ok($compared, '>', 0, 'snapshots were compared while others wrote');

$node->stop;
done_testing();
