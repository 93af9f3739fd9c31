# Tables of crm are tables like any other: what the DBA has made of them comes back
# from every kind of dump, rows and rules alike, and removing the extension does not
# take the data along.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @tables = qw(customers products orders order_lines order_events payments exchange_rates opportunities opportunity_lines opportunity_events stage_probabilities activities workflows workflow_versions guards settings
	rollups line_changes_1 line_changes_2 order_changes_1 order_changes_2 event_changes_1 event_changes_2 dimension_changes change_tables buyers_by_month merge_state rollup_categories rollup_regions sales_by_day_cells sales_by_product_month_cells sales_by_category_month_cells sales_by_region_month_cells sales_by_customer_month_cells orders_by_status_cells steps_by_day_cells);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE clerk LOGIN');

# The SQLSTATE that a statement ends with; empty if it succeeds.
sub sqlstate
{
	my ($db, $sql) = @_;
	my ($status, $stdout, $stderr) =
	  $node->psql($db, "\\set VERBOSITY sqlstate\n$sql", on_error_stop => 1);
	return $stderr =~ /ERROR:\s+(\w{5})/ ? $1 : $stderr;
}

# A shop in which everything has been changed that a DBA may change.
sub make_shop
{
	my ($db, $schema) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$node->safe_psql($db, <<"SQL");
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS $schema;
CREATE EXTENSION crm SCHEMA $schema;
GRANT USAGE ON SCHEMA crm, $schema TO clerk;
SQL
	$node->safe_psql($db, <<'SQL' =~ s/SCHEMA\./$schema./gr);
INSERT INTO crm.customers (name, region, kind, birth_date, tags) VALUES
    ('José García', 'ES', 'person', '2000-02-29', '{vip,"late payer"}'), ('王小明', 'CN', 'company', NULL, '{}');
INSERT INTO crm.activities (customer_id, kind, subject, due_at) VALUES (2, 'visit', '品茶', '2030-01-01 09:00+08');
INSERT INTO crm.activities (customer_id, kind, subject, done_at, outcome) VALUES (1, 'call', 'Reminder', now(), 'pays today');
ALTER VIEW crm.follow_ups_due SET (security_barrier = true);
GRANT SELECT ON crm.follow_ups_due, crm.neglected_customers TO clerk;
INSERT INTO crm.products (sku, name, price) VALUES ('P1', 'Pen', 1.5), ('P2', 'Ink', 7.25);
INSERT INTO crm.workflows (name, definition) VALUES
    ('审批', E'[*] --> 草稿\n草稿 --> 已批准 : 批准\n已批准 --> [*]');
INSERT INTO crm.guards (workflow, name, condition, message) VALUES ('loan', 'assigned', 'owner IS NOT NULL', 'Nobody owns it.');
INSERT INTO crm.workflows (name, definition) VALUES ('loan',
    E'[*] --> all\nstate "Alles" as all {\n[*] --> a\na --> b : go [assigned]\n}\nall --> c : after 14 days [assigned]\nc --> [*]');

UPDATE crm.workflows SET definition = E'[*] --> 草稿\n草稿 --> 已批准 : 批准\n草稿 --> 拒绝\n已批准 --> [*]\n拒绝 --> [*]' WHERE name = '审批';

INSERT INTO crm.opportunities (customer_id, name, amount, currency, probability) VALUES (1, 'Pens', 100, 'CNY', NULL), (2, 'Ink', 7, 'CNY', 12.5);
INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price, tax) VALUES (1, 1, 1, 10, 1.4, 2.66);
SELECT SCHEMA.crm_advance('crm.opportunities', 1, 'visit');
UPDATE crm.stage_probabilities SET probability = 30 WHERE status = 'visited';

ALTER TABLE crm.orders ADD COLUMN priority integer NOT NULL DEFAULT 3;
ALTER TABLE crm.order_events ADD COLUMN client text DEFAULT 'psql';
CREATE INDEX orders_by_priority ON crm.orders (priority) WHERE status <> 'completed';
CREATE INDEX order_events_by_event ON crm.order_events (event);
CREATE POLICY cheap_only ON crm.orders TO clerk USING (priority >= 3);
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE (status, owner) ON crm.orders TO clerk;
GRANT SELECT ON crm.order_events TO clerk;
CREATE TABLE public.seen (order_id bigint, status text);
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
    $$ BEGIN INSERT INTO public.seen VALUES (new.id, new.status); RETURN NULL; END $$;
CREATE TRIGGER zz_see AFTER UPDATE ON crm.orders
    FOR EACH ROW WHEN (old.status <> new.status) EXECUTE FUNCTION public.see();

UPDATE crm.settings SET currency = 'CNY';
-- the day of these orders depends on the zone of then
INSERT INTO crm.orders (customer_id, placed_at, attributes)
    SELECT 1 + i % 2, timestamptz '2024-03-01 20:00+00' + i * interval '1 day', '{"gift": true}'
    FROM generate_series(1, 6) i;
UPDATE crm.settings SET time_zone = 'Asia/Shanghai';
INSERT INTO crm.orders (customer_id, placed_at, workflow, priority)
    VALUES (2, '2024-03-01 20:00+00', '审批', 1);
INSERT INTO crm.orders (customer_id, placed_at, status, status_since)
    VALUES (2, '2023-03-01 20:00+00', 'refunded', '2023-04-01');
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price)
    SELECT o.id, p.id, p.id, o.id, p.price FROM crm.orders o, crm.products p;
INSERT INTO crm.exchange_rates VALUES ('USD', '2024-01-01', 7.1), ('USD', '2024-02-01', 7.2);
INSERT INTO crm.orders (customer_id, placed_at, currency) VALUES (1, '2024-01-15 12:00+08', 'USD');
INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price, discount, tax) VALUES (9, 2, 1.5, 3.3333, 0.10, 0.33);

SET crm.actor = 'Ada';
SELECT SCHEMA.crm_record_payment(3, 10, 'card', request_key => 'paid 3'), SCHEMA.crm_record_payment(9, 5);
SELECT SCHEMA.crm_record_refund(3, 2.50, note => 'broken');
SELECT SCHEMA.crm_advance_order(id, 'submit', 'note ' || id) FROM crm.orders WHERE id BETWEEN 2 AND 6;
SELECT SCHEMA.crm_record_payment(id, balance) FROM crm.orders WHERE id BETWEEN 3 AND 5;
SELECT SCHEMA.crm_advance_order(id, 'pay') FROM crm.orders WHERE id BETWEEN 3 AND 5;
UPDATE crm.guards SET condition = 'refunded = paid AND paid > 0', message = '退款未完成' WHERE name = 'fully_refunded';
SELECT SCHEMA.crm_advance_order(id, 'ship') FROM crm.orders WHERE id BETWEEN 4 AND 5;
SELECT SCHEMA.crm_advance_order(5, 'complete', request_key => 'key of 5');
UPDATE crm.orders SET status = 'cancelled' WHERE id = 6;

-- a workflow on tables of the user's
CREATE TABLE public.tickets (id uuid PRIMARY KEY, urgent boolean NOT NULL DEFAULT true, "Stand" text);
CREATE TABLE public.parts (id bigint PRIMARY KEY, status text) PARTITION BY HASH (id);
CREATE TABLE public.parts_0 PARTITION OF public.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.tickets SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid FROM generate_series(1, 3) i;
INSERT INTO public.parts SELECT i FROM generate_series(1, 9) i;
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('ticket', 'urgent', 'public.tickets', 'tickets.urgent'),
    ('ticket', 'urgent', 'public.parts', 'id > 4');
INSERT INTO crm.workflows (name, definition) VALUES ('ticket', E'[*] --> open\nopen --> closed : close [urgent]\nclosed --> [*]');
SELECT SCHEMA.crm_attach_workflow('public.tickets', 'Stand', 'ticket'), SCHEMA.crm_attach_workflow('public.parts', 'status', 'ticket');
SELECT SCHEMA.crm_advance('public.tickets', '00000000-0000-0000-0000-000000000001', 'close', request_key => 'key of 1');
SELECT SCHEMA.crm_advance('public.parts', 9, 'close');
CREATE TABLE public.cases (id integer PRIMARY KEY, process text NOT NULL, status text);
INSERT INTO public.cases VALUES (1, 'opportunity', 'visited'), (2, 'loan', NULL);
SELECT SCHEMA.crm_attach_workflow('public.cases', 'status', workflow_column => 'process');
CREATE TABLE public.asleep (id integer PRIMARY KEY, status text);
SELECT SCHEMA.crm_attach_workflow('public.asleep', 'status', 'opportunity');
ALTER TABLE public.asleep DISABLE TRIGGER asleep_enforce_workflow, DISABLE TRIGGER asleep_record_event;
-- a timer that could not come was put off; by its status alone it would be due
INSERT INTO crm.orders (customer_id, workflow, status_since) VALUES (1, 'loan', now() - interval '20 days');
SELECT SCHEMA.crm_run_timers();
SQL
	return;
}

sub contents
{
	my ($db, $table, $columns) = @_;
	$columns //= '*';
	my $key = $table =~ /_changes$|_cells$|_values$/ ? 't::text' : $table =~ /^(order_|opportunity_|stage_|payments|exchange_rates)|versions$/ ? '1, 2' : $table =~ /^(fact|dim|cohort)_/ ? '1, 2, 3' : '1';
	return $node->safe_psql($db, "COPY (SELECT $columns FROM crm.$table t ORDER BY $key) TO STDOUT");
}

# The lines of a dump; newer versions of pg_dump put a random word into it.
sub dump_of
{
	my ($db) = @_;
	my ($stdout, $stderr) = run_command([ 'pg_dump', '--dbname', $node->connstr($db) ]);
	die $stderr if $stderr ne '';
	return [ grep { !/^\\(un)?restrict / } split /\n/, $stdout ];
}

# Everything of $original is in $copy, and everything works there.
sub check_copy
{
	my ($original, $copy, $schema, $how) = @_;

	is($node->safe_psql($copy, "SELECT count(*) FROM crm.orders WHERE status_until > now() AND workflow = 'loan'"), '1', "$how: a timer that was put off");
	is(contents($copy, $_), contents($original, $_), "$how: same rows in $_") for @tables;
	is(contents($copy, $_), contents($original, $_), "$how: the same figures in $_")
	  for qw(fact_sales dim_customer cohort_retention);
	is_deeply(dump_of($copy), dump_of($original), "$how: dumped again, it is the same dump");
	is($node->safe_psql($copy, q(
		SELECT count(*) FILTER (WHERE deptype = 'e') FROM pg_depend
		WHERE objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'crm'::regnamespace))), '0',
		"$how: no table or sequence belongs to the extension");

	my $advance = "SELECT $schema.crm_advance_order";
	is(sqlstate($copy, "$advance(1, 'ship')"), 'SL003', "$how: the function refuses an illegal step");
	is(sqlstate($copy, "UPDATE crm.orders SET status = 'shipped' WHERE id = 1"), 'SL003',
		"$how: an UPDATE is refused as well");
	is(sqlstate($copy, "$advance(7, '草稿')"), 'SL002', "$how: the second workflow is there");
	is($node->safe_psql($copy, "$advance(7, '批准')"), '已批准', "$how: and takes a step");
	is(sqlstate($copy, "UPDATE crm.workflows SET definition = E'[*] --> x\\nx --> [*]' WHERE name = '审批'"), 'SL013',
		"$how: a change that leaves rows behind is refused");
	is($node->safe_psql($copy, q(UPDATE crm.workflows SET definition = E'[*] --> 草稿\n草稿 --> 已批准 : 批准\n已批准 --> [*]'
		WHERE name = '审批' RETURNING version)), '3', "$how: another is counted on");
	is(sqlstate($copy, 'SET ROLE clerk; DELETE FROM crm.order_events'), '42501',
		"$how: a right that was not granted");
	is(sqlstate($copy, "GRANT INSERT ON crm.order_events TO clerk; SET ROLE clerk;
		INSERT INTO crm.order_events VALUES (1, 9, now(), 'x', 'x', 'x', NULL, 'x', 'x')"), 'SL011',
		"$how: history is protected");
	is(sqlstate($copy, "GRANT ALL ON crm.payments, crm.order_lines TO clerk; SET ROLE clerk; DELETE FROM crm.payments"), 'SL011',
		"$how: the ledger is protected");
	is(sqlstate($copy, 'UPDATE crm.orders SET total = 1 WHERE id = 3'), 'SL010', "$how: sums are kept");
	is(sqlstate($copy, 'SET ROLE clerk; DELETE FROM crm.order_lines WHERE order_id = 3'), 'SL014',
		"$how: lines of an order that is paid");
	is($node->safe_psql($copy, "BEGIN; UPDATE crm.order_lines SET discount = 0 WHERE order_id = 9;
		SELECT line_count, total, reporting_total, paid, balance, payment_status FROM crm.orders WHERE id = 9"),
		'1|5.33|37.84|5.00|0.33|partial', "$how: and follow the lines");
	is(sqlstate($copy, "SELECT $schema.crm_record_refund(3, 26.26)"), 'SL006', "$how: refunds have their cap");
	is($node->safe_psql($copy, "SELECT $schema.crm_record_payment(3, 10, request_key => 'paid 3')"), '1',
		"$how: a request that comes again is known");

	# tables of the user's
	my $any = "SELECT $schema.crm_advance";
	is($node->safe_psql($copy, "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM public.$_ t"),
		$node->safe_psql($original, "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM public.$_ t"),
		"$how: same rows in $_") for qw(tickets tickets_events parts parts_events cases cases_events);
	is($node->safe_psql($copy, "$any('public.cases', 1, 'quote')"), 'quoted', "$how: a row takes a step of the workflow that it names");
	is($node->safe_psql($copy, "$any('public.tickets', '00000000-0000-0000-0000-000000000002', 'close')"), 'closed',
		"$how: a row of a table of the user's takes a step");
	is($node->safe_psql($copy, "$any('public.tickets', '00000000-0000-0000-0000-000000000001', 'close', request_key => 'key of 1')"),
		'closed', "$how: a request is known");
	is($node->safe_psql($copy, "$any('public.parts', 8, 'close')"), 'closed', "$how: so does one in a partition");
	is(sqlstate($copy, "$any('public.parts', 3, 'close')"), 'SL004', "$how: held to the guards of its table");
	is(sqlstate($copy, "UPDATE public.parts SET status = 'open' WHERE id = 9"), 'SL003', "$how: an UPDATE is refused as well");
	is($node->safe_psql($copy, "SELECT count(*) FROM public.parts_events WHERE parts_id = 8"), '2', "$how: it is recorded");
	is(sqlstate($copy, "$any('public.asleep', 1, 'submit')"), 'SL001', "$how: a table whose triggers are disabled");
	is($node->safe_psql($copy, "INSERT INTO public.asleep VALUES (1, 'any', now()) RETURNING status"), 'any', "$how: takes anything");

	is($node->safe_psql($copy, "SET ROLE clerk; $advance(1, 'submit', 'hello')"), 'submitted',
		"$how: a granted right lets a clerk take a step");
	is($node->safe_psql($copy, 'SELECT seq, event, from_status, to_status, actor, role, note, client
		FROM crm.order_events WHERE order_id = 1 ORDER BY seq DESC LIMIT 1'),
		'2|submit|pending|submitted|clerk|clerk|hello|psql',
		"$how: it is recorded, default of the added column too");
	is($node->safe_psql($copy, 'SELECT * FROM public.seen WHERE order_id = 1'), '1|submitted',
		"$how: the user's trigger fires");
	is(sqlstate($copy, "SET ROLE clerk; $advance(7, '批准')"), 'SL001', "$how: the policy hides an order");
	is($node->safe_psql($copy, "SET enable_seqscan = off;
		EXPLAIN (COSTS off) SELECT FROM crm.orders WHERE priority = 1 AND status <> 'completed'")
		=~ /orders_by_priority/, 1, "$how: the index is used");

	is($node->safe_psql($copy, "SELECT $schema.crm_advance('crm.opportunities', '1', 'quote'),
		$schema.crm_advance('crm.opportunities', '1', 'win')"), 'quoted|won', "$how: an opportunity is won");
	is($node->safe_psql($copy, 'SELECT o.amount, count(*), sum(l.amount) FROM crm.opportunities o
		JOIN crm.order_lines l USING (order_id) WHERE id = 1 GROUP BY 1'), '16.66|1|16.66',
		"$how: and becomes an order");

	for my $new (
		[ customers => "(name) VALUES ('new')" ],
		[ activities => "(customer_id, kind, subject, due_at) VALUES (1, 'call', 'new', now())" ],
		[ opportunities => "(customer_id, name) VALUES (1, 'new')" ],
		[ products => "(sku, name, price) VALUES ('new', 'new', 1)" ],
		[ orders => '(customer_id) VALUES (1)' ])
	{
		my ($table, $values) = @$new;
		my $max = $node->safe_psql($copy, "SELECT max(id) FROM crm.$table");
		cmp_ok($node->safe_psql($copy, "INSERT INTO crm.$table $values RETURNING id"), '>', $max,
			"$how: a new row of $table gets a fresh id");
	}
	is($node->safe_psql($copy, q(SELECT currency, status, version,
		placed_on = (placed_at AT TIME ZONE 'Asia/Shanghai')::date
		FROM crm.orders ORDER BY id DESC LIMIT 1)), 'CNY|pending|1|t', "$how: and follows the settings");
	is(sqlstate($copy, "INSERT INTO crm.orders (customer_id, currency, exchange_rate) VALUES (1, 'ABC', 1)"), '23514',
		"$how: its currency is one that there is");
	return;
}

# DROP EXTENSION is refused, and CASCADE takes no more than the rules.
sub check_drop
{
	my ($db, $how) = @_;
	# definition is of our type, it has to go, with the views that read it or call our functions
	my %columns = (workflows => 'name, description, version', workflow_versions => 'workflow, version, since, role');
	my $ids = q(SELECT table_name, column_name, is_identity FROM information_schema.columns
		JOIN information_schema.tables USING (table_schema, table_name)
		WHERE table_schema = 'crm' AND table_type = 'BASE TABLE' AND column_name IN ('id', 'order_id', 'name')
		ORDER BY 1, 2);
	my %before = map { $_ => contents($db, $_, $columns{$_}) } @tables;
	my $ids_before = $node->safe_psql($db, $ids);

	is(sqlstate($db, 'DROP EXTENSION crm'), '2BP01', "$how: DROP EXTENSION is refused");
	$node->safe_psql($db, 'SET client_min_messages = warning; DROP EXTENSION crm CASCADE');
	is(contents($db, $_, $columns{$_}), $before{$_}, "$how: CASCADE keeps every row of $_") for @tables;
	is($node->safe_psql($db, $ids), $ids_before, "$how: and every id column");
	is(sqlstate($db, "INSERT INTO crm.customers (name) VALUES ('afterwards')"), '',
		"$how: ids are still given");
	return;
}

sub empty_database
{
	my ($db) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	return $node->connstr($db);
}

my $dir = PostgreSQL::Test::Utils::tempdir;

# pg_dump | psql
sub copy_plain
{
	my ($from, $to) = @_;
	command_ok([ 'pg_dump', '--file', "$dir/$to.sql", '--dbname', $node->connstr($from) ], "$to: pg_dump");
	command_ok([ 'psql', '-X', '--quiet', '--set', 'ON_ERROR_STOP=1', '--single-transaction',
			'--output', "$dir/psql.log", '--file', "$dir/$to.sql", '--dbname', empty_database($to) ],
		"$to: psql");
	return;
}

sub copy_archive
{
	my ($from, $to, $dump_options, $restore_options) = @_;
	command_ok([ 'pg_dump', @$dump_options, '--file', "$dir/$to.dump", '--dbname', $node->connstr($from) ],
		"$to: pg_dump @$dump_options");
	command_ok([ 'pg_restore', '--exit-on-error', @$restore_options,
			'--dbname', empty_database($to), "$dir/$to.dump" ],
		"$to: pg_restore @$restore_options");
	return;
}

# Code in schema public, all formats
make_shop('shop', 'public');
is($node->safe_psql('shop', 'SELECT count(DISTINCT status) FROM crm.orders'), '9', 'orders at all statuses');

copy_plain('shop', 'plain');
check_copy('shop', 'plain', 'public', 'plain');
check_drop('plain', 'plain');

copy_archive('shop', 'custom', ['--format=custom'], []);
check_copy('shop', 'custom', 'public', 'custom');

copy_archive('shop', 'directory', [ '--format=directory', '--jobs=2' ], ['--jobs=2']);
check_copy('shop', 'directory', 'public', 'directory');

# Over a database that has crm already. (PostgreSQL cannot drop the key of a partition, as --clean wants it.)
$node->safe_psql('custom', 'DROP TABLE public.parts, public.parts_events');
command_ok([ 'pg_restore', '--exit-on-error', '--clean', '--if-exists',
		'--dbname', $node->connstr('custom'), "$dir/custom.dump" ], 'pg_restore --clean');
check_copy('shop', 'custom', 'public', 'clean');

# With row security on, the install script cannot tell that it is a restore: the setting does.
{
	local $ENV{PGOPTIONS} = '-c crm.create_tables=off';
	copy_archive('shop', 'rls', ['--format=custom'], ['--enable-row-security']);
}
check_copy('shop', 'rls', 'public', 'row security');

# Code in schema crm itself, beside the data
make_shop('beside', 'crm');
copy_archive('beside', 'beside_copy', ['--format=custom'], []);
check_copy('beside', 'beside_copy', 'crm', 'schema crm');
check_drop('beside_copy', 'schema crm');

# Code in a schema of its own that is on no search_path
make_shop('apart', 'ext');
copy_plain('apart', 'apart_copy');
check_copy('apart', 'apart_copy', 'ext', 'schema ext');
check_drop('apart_copy', 'schema ext');

$node->stop;
done_testing();
