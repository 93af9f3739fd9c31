# The background worker that merges: it comes by itself, alone, goes, survives what is done to it, and says so if there is
# no place for it. And readers beside a report that holds a snapshot open. Waits for states, never for times.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# one place is taken by the launcher of logical replication
$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_parallel_workers = 0\nautovacuum = off\nrestart_after_crash = on\nmax_prepared_transactions = 2");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
INSERT INTO crm.customers (name, region) SELECT 'c' || n, 'r' || n % 5 FROM generate_series(1, 100) n;
INSERT INTO crm.products (sku, name, category, price) SELECT 's' || n, 'p' || n, 'k' || n % 5, n FROM generate_series(1, 100) n;
INSERT INTO crm.workflows (name, definition) VALUES ('round', E'[*] --> a\na --> b : go\nb --> a : go\na --> [*]\nclass a,b booked');
INSERT INTO crm.orders (customer_id, workflow) SELECT 1 + n % 100, 'round' FROM generate_series(1, 3000) n;
-- somebody's, which numbers as they are written would fit better: not called, by no merge below
CREATE FUNCTION public.crm_merge_rollups(integer, integer) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$;
SQL

sub value { return $node->safe_psql('postgres', $_[0]) }
sub step_all { return "SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT g::bigint FROM generate_series(1, 3000) g), 'go');" }
sub is_exact
{
	my ($name) = @_;
	is(value('SELECT * FROM crm_check_rollups()'), '', $name);
	is(value('SELECT sum(orders) FROM crm.orders_by_status'), value('SELECT count(*) FROM crm.orders'), "$name: orders");
	is(value('SELECT sum(events) FROM crm.steps_by_day'), value('SELECT count(*) FROM crm.order_events'), "$name: steps");
}
my $workers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'crm merge worker');
my $waiting = 'SELECT waiting_changes FROM crm.rollup_status';

# It comes, and goes
cmp_ok(value($waiting), '<', 10000, 'few changes wait');
is(value($workers), 0, 'and there is no worker');
is(value('SELECT lag_seconds >= 0 AND merged_at IS NULL AND failed_at IS NULL FROM crm.rollup_status'), 't', 'how old they are is known before there was a merge');
value(step_all()) for 1 .. 2;
ok($node->poll_query_until('postgres', 'SELECT waiting_changes = 0 FROM crm.rollup_status'), 'when enough wait, they are merged');
ok($node->poll_query_until('postgres', 'SELECT worker_pid IS NULL FROM crm.rollup_status'), 'and the worker goes');
is(value('SELECT failure IS NULL AND merged_at IS NOT NULL AND lag_seconds = 0 FROM crm.rollup_status'), 't', 'rollup_status says so');
is_exact('after a merge');

# With the setting off it does not come
value('ALTER DATABASE postgres SET crm.merge_worker = off');
value(step_all()) for 1 .. 4;
is(value($waiting), 12000, 'changes wait, a step is one');
is(value($workers), 0, 'there is no worker');
is_exact('while they wait');

# How far behind the sums are is the age of the oldest change that waits
value('SELECT crm_merge_rollups()');
is(value('SELECT lag_seconds FROM crm.rollup_status'), 0, 'no lag when nothing waits');
$node->safe_psql('postgres', q(SELECT pg_sleep(2); SELECT crm_advance_order(1, 'go');));
my $lag = 'SELECT lag_seconds FROM crm.rollup_status';
is(value('SELECT lag_seconds < extract(epoch FROM clock_timestamp() - merged_at) - 1 FROM crm.rollup_status'), 't', 'it is not the time since the last merge');
for my $change (q(UPDATE crm.products SET category = 'moved' WHERE id = 100), q(INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 1); DELETE FROM crm.order_lines), q(SELECT crm_advance_order(1, 'go')))
{
	value('SELECT crm_merge_rollups()');
	value("$change; SELECT pg_sleep(1.1)");
	value(q(SELECT crm_advance_order(2, 'go')));
	cmp_ok(value($lag), '>=', 1, "but that of the first of several: $change");
}
value('ALTER DATABASE postgres RESET crm.merge_worker');

# Never two: one that cannot merge yet, as somebody else does, is not joined by others
my $other = $node->background_psql('postgres');
$other->query('BEGIN; LOCK TABLE crm.rollups IN SHARE UPDATE EXCLUSIVE MODE;');
value(step_all()) for 1 .. 2;
ok($node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'crm merge worker' AND wait_event_type = 'Lock')), 'a worker waits for its turn');
value(step_all()) for 1 .. 4;
is(value($workers), 1, 'there is one');

# It is terminated: the next writers start another
is(value(q(SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'crm merge worker')), 't', 'it is terminated');
is(value($workers), 0, 'and gone');
value(step_all()) for 1 .. 4;
ok($node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'crm merge worker' AND wait_event_type = 'Lock')), 'there is another');

# It is killed, and all sessions with it
my $pid = value(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'crm merge worker'));
kill 'KILL', $pid;
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), 'it is killed');
eval { $other->quit };
is_exact('after the crash');
value(step_all()) for 1 .. 4;
ok($node->poll_query_until('postgres', 'SELECT waiting_changes < 10000 FROM crm.rollup_status'), 'yet another one merges');
is_exact('and that is right');

# What fails is told
$node->poll_query_until('postgres', 'SELECT worker_pid IS NULL FROM crm.rollup_status');
value('ALTER TABLE crm.steps_by_day_cells ADD CONSTRAINT stop CHECK (false) NOT VALID');
value(step_all()) for 1 .. 4;
ok($node->poll_query_until('postgres', q(SELECT failure LIKE '%violates check constraint "stop"' FROM crm.rollup_status)), 'rollup_status tells what fails');
is_exact('nothing is lost');
is(value('SELECT failed_at > merged_at FROM crm.rollup_status'), 't', 'and when');
value('ALTER TABLE crm.steps_by_day_cells DROP CONSTRAINT stop');
$node->poll_query_until('postgres', 'SELECT worker_pid IS NULL FROM crm.rollup_status');
value('SELECT crm_merge_rollups()');
is(value('SELECT failed_at IS NULL AND failure IS NULL FROM crm.rollup_status'), 't', 'until a merge has succeeded');

# There is no place for it: a worker of another database has the only one
value('CREATE DATABASE busy');
$node->safe_psql('busy', <<'SQL');
CREATE EXTENSION crm;
INSERT INTO crm.customers (name) VALUES ('c');
INSERT INTO crm.workflows (name, definition) VALUES ('round', E'[*] --> a\na --> [*]');
SQL
my $busy = $node->background_psql('busy');
$busy->query('BEGIN; LOCK TABLE crm.rollups IN SHARE UPDATE EXCLUSIVE MODE;');
$node->safe_psql('busy', q(INSERT INTO crm.orders (customer_id, workflow) SELECT 1, 'round' FROM generate_series(1, 15000)));
ok($node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'crm merge worker' AND datname = 'busy')), 'another database has a worker');
for (1 .. 4)
{
	my ($result, $out, $err) = $node->psql('postgres', step_all());
	is("$result $err", '0 ', 'writers go on');
}
like(slurp_file($node->logfile), qr/LOG:  no background worker is free to merge the sales figures/, 'the log tells');
# nothing that is said in the middle of a commit may fail: not even where the name of a procedure is not to be had in the client's encoding
value(q(CREATE DATABASE other TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'));
$node->safe_psql('other', <<"SQL");
CREATE EXTENSION crm;
INSERT INTO crm.customers (name) VALUES ('c');
INSERT INTO crm.workflows (name, definition) VALUES ('round', E'[*] --> a\\na --> [*]');
SET client_encoding = 'UTF8';
CREATE PROCEDURE "\xd0\xb7\xd0\xb0"() LANGUAGE plpgsql AS \$\$BEGIN INSERT INTO crm.orders (customer_id, workflow) SELECT 1, 'round' FROM generate_series(1, 15000); COMMIT; END\$\$;
CREATE PROCEDURE load() LANGUAGE plpgsql AS \$\$BEGIN CALL "\xd0\xb7\xd0\xb0"(); END\$\$;
SQL
{
	local $ENV{PGCLIENTENCODING} = 'LATIN1';
	is(($node->psql('other', 'CALL load()'))[0], 0, 'in no encoding');
}
is($node->safe_psql('other', 'SELECT sum(orders) FROM crm.orders_by_status'), 15000, 'all is there');
is_exact('the figures are right');
cmp_ok(value('SELECT crm_merge_rollups()'), '>', 10000, 'and merged by hand');
$busy->quit;
$node->poll_query_until('postgres', $workers =~ s/count\(\*\)/count(*) = 0/r);

# A report holds a snapshot. Many merges later a new reader reads few pages, and the old one is right.
value('ALTER DATABASE postgres SET crm.merge_worker = off');
my $report = $node->background_psql('postgres');
$report->query('BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TEMP TABLE before AS SELECT * FROM crm.orders_by_status, crm.rollup_status;');
my $before = $report->query('SELECT status, orders FROM crm.orders_by_status ORDER BY 1');
my $writer = $node->background_psql('postgres');
for (1 .. 10)
{
	value(step_all());
	if ($_ == 5)
	{
		# an open transaction that has written: readers begin at its change, and skip no more than that
		$writer->query(q(BEGIN; INSERT INTO crm.orders (customer_id, workflow) VALUES (1, 'round');));
	}
	value('SELECT crm_merge_rollups()');
}
$writer->query('COMMIT');
value('SELECT crm_merge_rollups()');
my $size = value('SELECT bytes / 8192 FROM crm.rollup_status');
my ($read) = value('EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT count(*) FROM ' . value(q(SELECT crm_waiting_rows('order'))) . ' c') =~ /Buffers: shared hit=(\d+)/;
cmp_ok($size, '>', 100, 'merged changes cannot go away');
cmp_ok($read, '<', 20, 'a new reader does not step over them');
is($report->query('SELECT status, orders FROM crm.orders_by_status ORDER BY 1'), $before, 'the report shows what it did');
is($report->query('SELECT count(*) FROM crm_check_rollups()'), 0, 'which is what its tables show');
is_exact('new readers are right');
value('VACUUM');
is_exact('after VACUUM');
value(step_all());
is_exact('and what comes then');
value(step_all());
is($report->query('SELECT count(*) FROM crm_check_rollups()'), 0, 'the report, after all that');

# Nor does it step over what merges leave behind of the kept sums
value(q(INSERT INTO crm.orders (customer_id, workflow, placed_at)
	SELECT 1, 'round', timestamptz '2020-01-01 12:00Z' + n * interval '1 day' FROM generate_series(1, 1000) n));
my $step_each_day = q(SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT id FROM crm.orders WHERE placed_on < '2023-01-01'), 'go'));
sub step_and_merge
{
	for (1 .. $_[0])
	{
		value($step_each_day);
		value('SELECT crm_merge_rollups()');
	}
}
my $pages = q(SELECT pg_relation_size('crm.orders_by_status_cells') / 8192);
step_and_merge(40);
cmp_ok(value($pages), '>', 400, 'sums that were cannot go away');
($read) = value('EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT * FROM crm.orders_by_status') =~ /Buffers: shared hit=(\d+)/;
cmp_ok($read, '<', 250, 'a new reader does not step over them');
($read) = value(q(EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT * FROM crm.orders_by_status WHERE workflow = 'round' AND status = 'a' AND day = '2022-01-01')) =~ /Buffers: shared hit=(\d+)/;
cmp_ok($read, '<', 30, 'nor does one who asks for a day');
is($report->query('SELECT count(*) FROM crm_check_rollups()'), 0, 'the report sees those of its time');
is($report->query('SELECT status, orders FROM crm.orders_by_status ORDER BY 1'), $before, 'as before');
is_exact('sums that have moved');

# A dump with waiting changes says nothing about pages
value(step_all()) for 1 .. 2;
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->run_log([ 'bash', '-c', 'pg_dump -Fc -d "' . $node->connstr('postgres') . '" | pg_restore -d "' . $node->connstr('copy') . '"' ]);
is($node->safe_psql('copy', 'SELECT * FROM crm_check_rollups()'), '', 'a restored dump is right');
is($node->safe_psql('copy', $waiting), value($waiting), 'with as many changes that wait');
cmp_ok($node->safe_psql('copy', 'SELECT crm_merge_rollups()'), '>=', 6000, 'they are merged');
is($node->safe_psql('copy', 'SELECT * FROM crm_check_rollups()'), '', 'and then, too');

# Prepared transactions, and what is rolled back to a savepoint, are no exception
value(q(BEGIN; SELECT crm_advance_order(7, 'go'); PREPARE TRANSACTION 'p'));
value('SELECT crm_merge_rollups()');
value(step_all() =~ s/generate_series\(1,/generate_series(8,/r);
value('SELECT crm_merge_rollups()');
value(q(COMMIT PREPARED 'p'));
is_exact('a prepared transaction comes late');
value('SELECT crm_merge_rollups()');
is_exact('and is merged');

# The space is given back
value(step_all()) for 1 .. 20;
value('SELECT crm_merge_rollups()');
cmp_ok(value('SELECT bytes FROM crm.rollup_status'), '>', 16_000_000, 'change tables have grown');
value('SELECT crm_merge_rollups()');
cmp_ok(value('SELECT bytes FROM crm.rollup_status'), '>', 16_000_000, 'and are not emptied while the report is there');
is($report->query('SELECT count(*) FROM crm_check_rollups()'), 0, 'as that would see');
$report->query('COMMIT');
value('SELECT crm_merge_rollups()');
cmp_ok(value('SELECT bytes FROM crm.rollup_status'), '<', 1_000_000, 'then they are');
is_exact('empty');
my $with_dead = value($pages);
for (1 .. 2)
{
	value('VACUUM crm.orders_by_status_cells');
	step_and_merge(10);
}
value('VACUUM crm.orders_by_status_cells');
cmp_ok(value($pages), '<', $with_dead / 2, 'the space of the sums that were is used again, or given back');
note("$with_dead pages before, ", value($pages), ' after');
is_exact('at its beginning');
value(step_all());
is_exact('and on');
value('SELECT crm_merge_rollups()');
is_exact('and on, merged');
value(step_all()) for 1 .. 2;
value('SELECT crm_merge_rollups()');
value(step_all());
cmp_ok(value(q(SELECT first_page FROM crm.change_tables WHERE name = 'order_changes_1')), '>', 10, 'readers begin late');
value('VACUUM FULL crm.order_changes_1');
value('VACUUM FULL crm.orders_by_status_cells');
is_exact('and early after VACUUM FULL');
value(step_all());
value('SELECT crm_merge_rollups()');
is_exact('merged then');
$report->quit;
$writer->quit;

# Who alters a table waits for a part of a large merge, not for all of it
value('SELECT crm_merge_rollups()');
value("UPDATE crm.orders SET owner = 'o$_' WHERE id <= 3000") for 1 .. 40;
cmp_ok(value($waiting), '>=', 240_000, 'very much waits');
$other = $node->background_psql('postgres');
$other->query('BEGIN; LOCK TABLE crm.rollups IN SHARE UPDATE EXCLUSIVE MODE;');
value('ALTER DATABASE postgres RESET crm.merge_worker');
value(step_all()) for 1 .. 2;
ok($node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'crm merge worker' AND wait_event_type = 'Lock')), 'a worker is about to merge it');
my $alter = $node->background_psql('postgres');
$alter->query_until(qr/sent/, "\\echo sent\nBEGIN; ALTER TABLE crm.orders ADD COLUMN colour text;\n");
ok($node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_locks WHERE relation = 'crm.orders'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted)), 'somebody alters a table');
$other->quit;
my ($left) = $alter->query($waiting) =~ /(\d+)\s*$/;
note("$left changes wait when it is altered");
cmp_ok($left, '>', 50_000, 'and need not wait until all is merged');
cmp_ok($left, '<', 240_000, 'only until a part is');
$alter->query('COMMIT');
$alter->quit;
ok($node->poll_query_until('postgres', 'SELECT waiting_changes = 0 FROM crm.rollup_status'), 'then the rest is merged, too');
is_exact('after that');

# A bulk load leaves little for the next reader
ok($node->poll_query_until('postgres', 'SELECT worker_pid IS NULL FROM crm.rollup_status'), 'the worker has gone');
my $file = PostgreSQL::Test::Utils::tempdir . '/lines';
value("COPY (SELECT 1 + n % 3000, 1 + n % 100, 1 + n % 7, 1.5 FROM generate_series(1, 200000) n) TO '$file'");
is(value("COPY crm.order_lines (order_id, product_id, quantity, unit_price) FROM '$file'; $waiting") <= 10000, 1, 'what a bulk load brings is merged as it commits, but for what a reader can add up quickly');
is(value('SELECT sum(lines) FROM crm.sales_by_day'), 200_000, 'and it is there');
is_exact('after a bulk load');
($read) = value('EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT * FROM crm.sales_by_day') =~ /Buffers: shared hit=(\d+)/;
cmp_ok($read, '<', 200, 'a reader after a bulk load does not step over what was merged');

# A product and a customer that move: readers look at all that they bought until it is merged, so that is done soon
$node->poll_query_until('postgres', 'SELECT waiting_changes = 0 AND worker_pid IS NULL FROM crm.rollup_status');
value(q(UPDATE crm.products SET category = 'other' WHERE id = 1; UPDATE crm.customers SET region = 'other' WHERE id = 1));
ok($node->poll_query_until('postgres', 'SELECT waiting_changes = 0 FROM crm.rollup_status'), 'what moves is merged');
is(value(q(SELECT sum(lines) FROM crm.sales_by_category_month WHERE category = 'other')), 2000, 'and has moved');
is_exact('moved');

# VACUUM that is told to cut off what is empty
$node->poll_query_until('postgres', 'SELECT worker_pid IS NULL FROM crm.rollup_status');
value('ALTER DATABASE postgres SET crm.merge_worker = off');
value(step_all()) for 1 .. 2;
value('SELECT crm_merge_rollups()');
my $change_pages = q(SELECT pg_relation_size('crm.order_changes_1') / 8192);
my $merged_pages = value($change_pages);
value('VACUUM (TRUNCATE)');
cmp_ok(value($change_pages), '>=', $merged_pages, 'VACUUM leaves the pages that readers skip');
value(step_all());
is_exact('after VACUUM (TRUNCATE)');
value('SELECT crm_merge_rollups()');
$merged_pages = value($change_pages);
$node->safe_psql('postgres', 'BEGIN; ' . step_all() . ' ROLLBACK');
cmp_ok(value($change_pages), '>', $merged_pages + 10, 'somebody rolls back');
value('VACUUM (TRUNCATE)');
cmp_ok(value($change_pages), '<=', $merged_pages + 1, 'VACUUM cuts off what comes behind them');
value(step_all());
is_exact('and then');
value('SELECT crm_merge_rollups()');
is_exact('and merged');

value('ALTER DATABASE postgres RESET crm.merge_worker');
# Whoever has written very much merges it as he commits, unless that would have him wait; deferred triggers on the sums have their turn
my $writes_much = q(INSERT INTO crm.orders (customer_id, workflow) SELECT 1, 'round' FROM generate_series(1, 11000));
value('ALTER DATABASE postgres SET crm.merge_threshold = 1000');
my $rebuilding = $node->background_psql('postgres');
$rebuilding->query(q(BEGIN; SELECT crm_rebuild_rollups('sales_by_day')));
value($writes_much);
cmp_ok(value($waiting), '>', 10000, 'a writer does not wait for somebody who makes sums anew');
$rebuilding->query('COMMIT');
$rebuilding->quit;
value('SELECT crm_merge_rollups()');
value(<<'SQL');
CREATE TABLE public.fired (n bigint);
CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.fired VALUES (1); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER fire AFTER INSERT OR UPDATE ON crm.orders_by_status_cells DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.fire();
SQL
value($writes_much);
cmp_ok(value($waiting), '<', 100, 'he merges it if he can');
cmp_ok(value('SELECT count(*) FROM public.fired'), '>', 0, 'a deferred trigger has fired');
value('DROP TRIGGER fire ON crm.orders_by_status_cells');
value('ALTER DATABASE postgres RESET crm.merge_threshold');
is_exact('after that');

# Two transactions keep a change open in either table: merges go on behind them
$node->poll_query_until('postgres', $workers =~ s/count\(\*\)/count(*) = 0/r);
my @open = map { $node->background_psql('postgres') } 1 .. 2;
$open[0]->query(q(BEGIN; INSERT INTO crm.orders (customer_id, workflow) VALUES (2, 'round')));
value("SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT id FROM crm.orders), 'go')") for 1 .. 6;
$open[1]->query(q(BEGIN; INSERT INTO crm.orders (customer_id, workflow) VALUES (2, 'round')));
value("SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT id FROM crm.orders), 'go')") for 1 .. 6;
ok($node->poll_query_until('postgres', "SELECT waiting_changes < 20000 FROM crm.rollup_status"), 'the worker goes on behind changes that are open');
$_->query('ROLLBACK') for @open;
$_->quit for @open;
is_exact('in the end');
$node->poll_query_until('postgres', $workers =~ s/count\(\*\)/count(*) = 0/r);

$node->stop;
done_testing();
