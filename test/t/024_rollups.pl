# The one law of the sales figures: in every snapshot each view equals the plain query over the tables. Eight
# clients write by every way there is, merge, and change categories, regions, the time zone and what counts as sold;
# others rewrite tables (VACUUM FULL, CLUSTER), create rollups and drop them. In the middle a backend dies (kill -9),
# or the worker that merges, or the server. All the while REPEATABLE READ readers compare, and one of them keeps
# its snapshot to the end.
#
# CRM_STORM_SECONDS (4) is how long the longer part of a round takes, CRM_STORM_ROUNDS (3) how many there are.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seconds = $ENV{CRM_STORM_SECONDS} // 4;
my $rounds = $ENV{CRM_STORM_ROUNDS} // 3;
my $seed = $ENV{CRM_SEED} // int(rand(2**31));
diag("CRM_SEED=$seed");
my $orders = 60;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
log_statement = none
max_connections = 40
deadlock_timeout = 100ms
max_prepared_transactions = 20
autovacuum_naptime = 1s
restart_after_crash = on
crm.merge_threshold = 1000
jit = off
CONF
$node->start;
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION crm;
SELECT crm_create_rollup('by_everything', 'line', '{day,product,category,customer,region,owner,currency,workflow}');
SELECT crm_create_rollup('regions_and_categories', 'line', '{region,category}');
SELECT crm_create_rollup('orders_by_region', 'order', '{status,region,month,owner}');
SELECT crm_create_rollup('steps_in_months', 'event', '{event,month}');
INSERT INTO crm.customers (id, name, region) SELECT n, 'c' || n, 'r' || n % 3 FROM generate_series(1, 8) n;
INSERT INTO crm.products (id, sku, name, category, price) SELECT n, 's' || n, 'p' || n, 'k' || n % 3, n * 1.01 FROM generate_series(1, 8) n;
INSERT INTO crm.workflows (name, definition) VALUES ('loop', E'[*] --> a\\na --> b : next\\nb --> c : next\\nc --> a : next\\na --> [*]\\nclass b,c booked\\nclass a,b,c editable');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT n, 1 + n % 8, 'loop' FROM generate_series(1, $orders) n;
SELECT setval('crm.orders_id_seq', 1000);
INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT 1 + n % $orders, 1 + n % 8, n FROM generate_series(1, 200) n;
ALTER TABLE crm.order_events DROP CONSTRAINT order_events_belong_to_an_order;  -- orders are deleted, too
CREATE SCHEMA storm;
-- Some requests are refused, or meet each other, which would end a client of pgbench. Any other error does.
CREATE FUNCTION storm.try(statement text) RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN others THEN
    IF SQLSTATE NOT LIKE 'SL%' AND SQLSTATE NOT IN ('40001', '40P01', '23503', '23505') THEN
        RAISE;
    END IF;
    RETURN SQLSTATE;
END \$\$;
-- Rollups come and go; each has a name of its own, as one who looks back would find another one behind the same.
CREATE SEQUENCE storm.passing;
CREATE FUNCTION storm.create_passing(n int) RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
    SET LOCAL client_min_messages = warning;
    RETURN crm_create_rollup('passing_' || nextval('storm.passing'), CASE n WHEN 1 THEN 'event' WHEN 2 THEN 'order' ELSE 'line' END,
        (CASE n WHEN 1 THEN '{day,event}' WHEN 2 THEN '{status,region}' WHEN 3 THEN '{category,day}' ELSE '{region,owner,month}' END)::text[]);
END \$\$;
CREATE FUNCTION storm.drop_passing() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
    passing text := (SELECT r.name FROM crm.rollups r WHERE r.name LIKE 'passing%' ORDER BY random() LIMIT 1);
BEGIN
    IF passing IS NOT NULL THEN
        PERFORM crm_drop_rollup(passing);
    END IF;
    RETURN passing;
EXCEPTION WHEN undefined_object THEN  -- somebody else was quicker
    RETURN NULL;
END \$\$;
-- Waits until a worker merges, for some seconds
CREATE FUNCTION storm.merging_worker() RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE
    found int;
BEGIN
    FOR n IN 1 .. 5000 LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT a.pid INTO found FROM pg_stat_activity a WHERE a.backend_type = 'crm merge worker' AND a.backend_xid IS NOT NULL;
        EXIT WHEN found IS NOT NULL;
        PERFORM pg_sleep(0.001);
    END LOOP;
    RETURN found;
END \$\$;
CREATE SEQUENCE storm.merges MINVALUE 0;
CREATE SEQUENCE storm.checks MINVALUE 0;
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
        ['SELECT * FROM crm.steps_by_day', 'SELECT from_status, to_status, (at AT TIME ZONE time_zone)::date, count(*), coalesce(sum(extract(epoch FROM dwell)), 0) FROM crm.order_events, crm.settings GROUP BY 1, 2, 3'],
        ['SELECT * FROM crm.steps_in_months', 'SELECT event, date_trunc(''month'', (at AT TIME ZONE time_zone)::date)::date, count(*), coalesce(sum(extract(epoch FROM dwell)), 0) FROM crm.order_events, crm.settings GROUP BY 1, 2']]
    LOOP
        name := pair[1];
        EXECUTE format('SELECT count(*) FROM ((%1\$s EXCEPT ALL %2\$s) UNION ALL (%2\$s EXCEPT ALL %1\$s)) d', '(' || pair[1] || ')', '(' || pair[2] || ')') INTO n;
        IF n <> 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    BEGIN
        RETURN QUERY SELECT 'crm_check_rollups: ' || rollup, count(*) FROM crm_check_rollups() GROUP BY 1;
        PERFORM nextval('storm.checks');
    EXCEPTION WHEN undefined_table THEN
        -- a rollup that a snapshot knows may be dropped all the same
        IF SQLERRM NOT LIKE '%crm.passing\\_%' THEN
            RAISE;
        END IF;
    END;
END \$\$;
CREATE FUNCTION storm.compare() RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
    found text := (SELECT string_agg(d::text, ' ') FROM storm.differences() d);
BEGIN
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'the views differ: %', found;
    END IF;
END \$\$;
-- What the views show, for who looks twice
CREATE FUNCTION storm.figures() RETURNS text LANGUAGE sql AS \$\$
    SELECT concat_ws(' ', (SELECT md5(string_agg(v::text, ';' ORDER BY v::text)) FROM crm.by_everything v), (SELECT md5(string_agg(v::text, ';' ORDER BY v::text)) FROM crm.sales_by_month v),
        (SELECT md5(string_agg(v::text, ';' ORDER BY v::text)) FROM crm.regions_and_categories v), (SELECT md5(string_agg(v::text, ';' ORDER BY v::text)) FROM crm.orders_by_region v),
        (SELECT md5(string_agg(v::text, ';' ORDER BY v::text)) FROM crm.orders_by_status v), (SELECT md5(string_agg(v::text, ';' ORDER BY v::text)) FROM crm.steps_by_day v))
\$\$;
SQL
my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/lines", join '', map { (1 + $_ % 5) . "\t" . (1 + $_ % 8) . "\t$_\n" } 1 .. 30);

# [ weight, statement, ... ]; :id and :other are orders, :n, :of3, ... other numbers, :rare a product or customer that comes and goes
my $variables = <<"VARIABLES";
\\set id random(1, $orders)
\\set other random(1, $orders)
\\set n random(1, 1000)
\\set of3 :n % 3
\\set of4 1 + :n % 4
\\set of7 :n % 7
\\set of8 1 + :n % 8
\\set pause :n * 20
\\set rare random(9, 12)
\\set rarer random(9, 12)
VARIABLES
my $step = "SELECT crm_advance_order(:id, 'next');";
my @writers = (
	[ 30, $step ],
	[ 20, q(SELECT storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (:id, :of8, 1 + :of7)');) ],
	[ 15, q(SELECT storm.try('UPDATE crm.order_lines SET quantity = 1 + :of7, product_id = :of8 WHERE order_id = :id AND line_no % 3 = :of3');) ],
	[ 8, q(SELECT storm.try('DELETE FROM crm.order_lines WHERE order_id = :id AND line_no > 5');) ],
	[ 5, q(SELECT storm.try('UPDATE crm.order_lines SET order_id = :other, line_no = 10000 + :n WHERE order_id = :id AND line_no = 2');) ],
	# many at once
	[ 5, "SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT g FROM generate_series(1, $orders) g WHERE g % 7 = :of7), 'next');" ],
	# (some owners have names as long as may be: the change tables grow until they are emptied)
	[ 4, q(SELECT storm.try('UPDATE crm.orders SET owner = rpad(''o:of3'', CASE :of3 WHEN 2 THEN 400 ELSE 2 END, ''x''), customer_id = :of8 WHERE id % 5 = :id % 5');) ],
	[ 4, q(SELECT storm.try('UPDATE crm.orders SET placed_at = placed_at - interval ''1 day'' * (:n % 40) WHERE id = :id');) ],
	[ 1, "SELECT storm.try('COPY crm.order_lines (order_id, product_id, quantity) FROM ''$dir/lines''');" ],
	[ 1, q(SELECT storm.try('DELETE FROM crm.order_lines WHERE line_no > 8 AND order_id > :id');) ],
	[ 1, q(SELECT storm.try('DELETE FROM crm.orders WHERE id > 1000 AND id % 3 = :of3');) ],
	# money
	[ 6, q(SELECT storm.try('SELECT crm_record_payment(:id, 0.01 * :n)');) ],
	[ 4, q(SELECT storm.try('SELECT crm_record_refund(:id, 0.01 * :n)');) ],
	[ 2, q(SELECT storm.try('UPDATE crm.orders SET currency = (ARRAY[''EUR'', ''USD'', ''JPY''])[1 + :of3], exchange_rate = (ARRAY[1, 0.8765, 0.0061])[1 + :of3] WHERE id = :id');) ],
	# what lines and orders are counted by
	[ 4, q(SELECT storm.try('UPDATE crm.products SET category = ''k:of4'' WHERE id = 1 + :id % 8');) ],
	[ 3, q(SELECT storm.try('UPDATE crm.customers SET region = nullif(''r:of4'', ''r1'') WHERE id % 3 = :id % 3');) ],
	[ 4, q(SELECT storm.try('INSERT INTO crm.products (id, sku, name, category, price) VALUES (:rare, ''s:rare'', ''p'', ''k:of4'', :n)');) ],
	[ 4, q(SELECT storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (:id, :rare, :n)');) ],
	[ 2, q(SELECT storm.try('DELETE FROM crm.order_lines WHERE product_id = :rare');), q(SELECT storm.try('DELETE FROM crm.products WHERE id = :rare');) ],
	[ 2, q(SELECT storm.try('UPDATE crm.products SET id = :rarer, category = ''k:of4'' WHERE id = :rare');) ],
	[ 2, 'BEGIN;', q(SELECT storm.try('DELETE FROM crm.order_lines WHERE product_id = :rare');), q(SELECT storm.try('DELETE FROM crm.products WHERE id = :rare');),
		q(SELECT storm.try('INSERT INTO crm.products (id, sku, name, category, price) VALUES (:rare, ''s:rare'', ''p'', ''again'', :n)');),
		q(SELECT storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (:id, :rare, 1)');), 'COMMIT;' ],
	[ 3, q(SELECT storm.try('INSERT INTO crm.customers (id, name, region) VALUES (:rare, ''c'', ''r:of4'')');) ],
	[ 3, q(SELECT storm.try('UPDATE crm.orders SET customer_id = :rare WHERE id % 10 = :of7');) ],
	[ 2, q(SELECT storm.try('UPDATE crm.orders SET customer_id = :of8 WHERE customer_id = :rare');), q(SELECT storm.try('DELETE FROM crm.customers WHERE id = :rare');) ],
	[ 2, q(SELECT storm.try('UPDATE crm.customers SET id = :rarer WHERE id = :rare');) ],
	# transactions that end in every way
	[ 5, 'BEGIN;', 'SAVEPOINT s;', $step, q(SELECT storm.try('DELETE FROM crm.order_lines WHERE order_id = :id');), 'ROLLBACK TO s;', $step, 'COMMIT;' ],
	[ 3, 'BEGIN;', $step, 'ROLLBACK;' ],
	[ 2, 'BEGIN;', $step, 'SELECT crm_merge_rollups();', q(SELECT storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (:id, 3, 3)');), 'COMMIT;' ],
	[ 1, 'BEGIN;', $step, q(SELECT storm.try('UPDATE crm.products SET category = ''k:of4'' WHERE id = :of8');), 'SELECT storm.compare();', 'COMMIT;' ],
	[ 2, 'BEGIN;', $step, q(SELECT storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (:id, 2, 2)');), q(PREPARE TRANSACTION ':client_id';), '\sleep :pause us', q(COMMIT PREPARED ':client_id';) ],
	[ 2, 'BEGIN;', $step, q(SELECT storm.try('UPDATE crm.products SET category = ''k:of4'' WHERE id = :of8');), q(PREPARE TRANSACTION ':client_id';), '\sleep :pause us', q(ROLLBACK PREPARED ':client_id';) ],
	[ 2, 'BEGIN ISOLATION LEVEL REPEATABLE READ;', $step, q(SELECT storm.try('UPDATE crm.order_lines SET quantity = :of8 WHERE order_id = :id');), 'COMMIT;' ],
	[ 1, 'BEGIN ISOLATION LEVEL REPEATABLE READ;', $step, q(SELECT storm.try('DELETE FROM crm.order_lines WHERE order_id = :id AND line_no > 3');), 'SELECT storm.compare();', 'COMMIT;' ],
	[ 2, 'BEGIN ISOLATION LEVEL SERIALIZABLE;', $step, q(SELECT storm.try('UPDATE crm.order_lines SET quantity = :of8 WHERE order_id = :id');), 'COMMIT;' ],
	[ 4, q(SELECT storm.try('WITH o AS (INSERT INTO crm.orders (customer_id, workflow, status) VALUES (:of8, ''loop'', ''b'') RETURNING id) INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT id, 2, 2 FROM o');) ],
	# what counts
	[ 1, q(UPDATE crm.workflows SET definition = regexp_replace(definition::text, 'class [a-z,]+ booked', 'class ' || (ARRAY['b', 'c', 'b,c', 'a,c'])[:of4] || ' booked')::crm_workflow WHERE name = 'loop';) ],
	[ 1, q(UPDATE crm.settings SET time_zone = (ARRAY['UTC', 'Asia/Taipei', 'Pacific/Kiritimati', 'Pacific/Pago_Pago'])[:of4];) ],
	# the sums
	[ 3, q(SELECT crm_merge_rollups(), nextval('storm.merges');) ],
	[ 1, 'SET client_min_messages = warning;', q(SELECT crm_rebuild_rollups('sales_by_category_month');) ],
	[ 1, q(SELECT storm.create_passing(:of4);) ],
	[ 1, q(SELECT storm.drop_passing();) ]);

# Tables are rewritten, those of the figures as well, whatever their names. One client, with pauses: everybody waits for it.
my $any_table = q(SELECT oid::regclass AS relation FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'passing%' ORDER BY random() LIMIT 1 \gset);
my $any_index = q(SELECT c.oid::regclass AS relation, quote_ident(i.relname) AS index FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
	WHERE c.relnamespace = 'crm'::regnamespace AND c.relname NOT LIKE 'passing%' AND x.indpred IS NULL AND i.relam = (SELECT oid FROM pg_am WHERE amname = 'btree') ORDER BY random() LIMIT 1 \gset) =~ s/\n\t/ /r;
my @rewriters = ([ 3, $any_table, 'VACUUM :relation;', '\sleep 50 ms' ], [ 1, $any_table, 'VACUUM (FREEZE) :relation;', '\sleep 50 ms' ],
	[ 3, $any_table, 'VACUUM FULL :relation;', '\sleep 300 ms' ], [ 3, $any_index, 'CLUSTER :relation USING :index;', '\sleep 300 ms' ]);

# In one snapshot after the other
my @readers = ([ 1, 'BEGIN ISOLATION LEVEL REPEATABLE READ;', 'SELECT storm.compare();', 'SELECT storm.compare();', 'COMMIT;' ]);
my $compared = 0;

# The arguments of pgbench for such scripts
sub files
{
	my ($name, @scripts) = @_;
	my @files;
	for my $script (@scripts)
	{
		my ($weight, @statements) = @$script;
		my $file = "$dir/$name" . @files;
		append_to_file($file, join "\n", "$variables", @statements, '');
		push @files, "--file=$file\@$weight";
	}
	return @files;
}
my @clients = ([ '--client=8', '--jobs=2', files('writer', @writers) ], [ files('reader', @readers) ], [ files('rewriter', @rewriters) ]);

# Some deadlock, so clients try again, if this pgbench can.
push @$_, '--max-tries=0' for (`pgbench --version` =~ /(\d+)/)[0] >= 15 ? @clients : ();

my $logs = 0;
sub start_all
{
	my ($round_seed) = @_;
	my @runs;
	for my $arguments (@clients)
	{
		my $log = "$dir/log" . $logs++;
		push @runs, [ IPC::Run::start([ 'pgbench', '--no-vacuum', "--time=$seconds", "--random-seed=$round_seed", @$arguments, $node->connstr('postgres') ],
			'<', \undef, '>', $log, '2>&1'), $log ];
	}
	return @runs;
}

sub errors
{
	my ($run, $log) = @{ $_[0] };
	$run->finish;
	return join "\n", grep { /ERROR/ && !/deadlock detected|could not serialize/ } split /\n/, slurp_file($log);
}

sub transactions
{
	my ($run, $log) = @{ $_[0] };
	return slurp_file($log) =~ /transactions actually processed: (\d+)/ ? $1 : 0;
}

sub value { return $node->safe_psql('postgres', $_[0]) }

sub kill_backend
{
	my ($what, $query) = @_;
	my $from = -s $node->logfile;
	my $pid = '';
	for (1 .. 20)
	{
		$pid = value($query);
		# or it has gone since
		last if $pid ne '' && kill 'KILL', $pid;
	}
	my $was_hit = 0;
	for (1 .. 100)
	{
		$was_hit = $pid ne '' && slurp_file($node->logfile, $from) =~ /\(PID $pid\) was terminated by signal 9/ and last;
		sleep 0.1;
	}
	ok($was_hit, "$what was hit");
	# not poll_query_until: a psql that is refused ends before it has read the query, and that may end us, too
	my $is_back = 0;
	for (1 .. 600)
	{
		$is_back = run_log([ 'pg_isready', '-q', '-d', $node->connstr('postgres') ]) and last;
		sleep 0.1;
	}
	ok($is_back, 'the server comes back');
}

# One who is between the two phases when it happens
sub prepare
{
	value("BEGIN; SELECT crm_advance_order($_[0], 'next'), storm.try('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES ($_[0], 1, 1)'); PREPARE TRANSACTION '10$_[0]'");
}

my %kill = (
	'a backend' => sub { prepare(1); kill_backend('a backend', q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1)) },
	'the worker' => sub {
		# there is one now, if there was none; looked for in the same session, as it may not be there for long
		kill_backend('the worker, which merged,', "DO \$\$ BEGIN PERFORM storm.try('SELECT crm_advance_orders(ARRAY(SELECT generate_series(1, $orders)), ''next'') FROM generate_series(1, 40)'); END \$\$; SELECT storm.merging_worker()");
	},
	'the server' => sub {
		prepare(2);
		my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
		$node->kill9;
		for (1 .. 100)
		{
			sleep 0.1;
			last if !kill(0, $pid) && $node->start(fail_ok => 1);
		}
	});

for my $round (1 .. $rounds)
{
	my $victim = ('a backend', 'the worker', 'the server')[ ($round - 1) % 3 ];
	my @runs = start_all($seed + $round);
	sleep $seconds / 2;
	$kill{$victim}->();
	is(errors($_), '', "round $round: only the death of $victim ends a client") for @runs;
	is(value('SELECT * FROM storm.differences()'), '', "round $round: the views equal the plain queries");
	for my $prepared (split /\n/, value('SELECT gid FROM pg_prepared_xacts'))
	{
		value(($prepared % 2 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$prepared'");
		is(value('SELECT * FROM storm.differences()'), '', "round $round: also as what was prepared ends ($prepared)");
	}

	# who looks at the beginning is gone when the others come, and so are the locks
	my $holder = $node->background_psql('postgres');
	my $snapshot = $holder->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot()');
	my $figures = value("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '$snapshot'; SELECT storm.figures()");
	my $merges = value(q(SELECT nextval('storm.merges')));
	@runs = start_all($seed - $round);
	is(errors($_), '', "round $round: nothing ends one afterwards") for @runs;
	$compared += transactions($runs[1]);
	$merges = value(q(SELECT nextval('storm.merges'))) - $merges;
	cmp_ok($merges, '>', 1, "round $round: there were merges meanwhile");
	is($holder->query('SELECT storm.figures()'), $figures, "round $round: a snapshot from before all that shows what it did");
	is($holder->query('SELECT * FROM storm.differences()'), '', "round $round: which is what the tables show it");
	$holder->quit;
	isnt(value('SELECT storm.figures()'), $figures, "round $round: and a new one does not");
	is(value('SELECT * FROM storm.differences()'), '', "round $round: exact in the end");
	cmp_ok(value('SELECT crm_merge_rollups()'), '>=', 0, "round $round: merged");
	is(value('SELECT * FROM storm.differences()'), '', "round $round: and after that, too");
	note("round $round: ", transactions($runs[0]), " transactions, $merges merges by clients, ", transactions($runs[2]), ' tables rewritten or vacuumed');
}
note("$compared snapshots were compared");
cmp_ok($compared, '>', 0, 'snapshots were compared while others wrote');
cmp_ok(value(q(SELECT nextval('storm.checks'))), '>', $compared, 'also by crm_check_rollups()');
my (undef, undef, $stderr) = $node->psql('postgres', 'SELECT crm_merge_changes(1, true)');
like($stderr, qr/crm_merge_changes\(\) is a part of crm_merge_rollups\(\)/, 'no part of a merge runs beside another one');

$node->stop;
done_testing();
