# On a hot standby orders can be read and not moved; once promoted it goes on where
# the primary was, with the rules that were last in force there. A report there keeps
# its snapshot while the primary merges, and empties the change tables.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
INSERT INTO crm.guards (workflow, name, condition) VALUES ('w', 'divides', '1 / (id - id) = 1');
INSERT INTO crm.workflows (name, definition) VALUES
    ('w', E'[*] --> a\na --> b : go\na --> b : halt [divides]\nb --> [*]');
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.orders (customer_id, workflow) VALUES (1, 'w'), (1, 'w'), (1, 'w');
SELECT crm_advance_order(1, 'go');
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "wal_receiver_status_interval = 1s\nmax_standby_streaming_delay = 1s");
$standby->start;
$primary->safe_psql('postgres', "SELECT crm_advance_order(2, 'go', 'after the backup')");
$primary->wait_for_catchup($standby);

for my $query ('TABLE crm.orders ORDER BY id', 'TABLE crm.order_events ORDER BY order_id, seq',
	'TABLE crm.workflows ORDER BY name', 'TABLE crm.settings')
{
	is($standby->safe_psql('postgres', $query), $primary->safe_psql('postgres', $query),
		"readable on the standby: $query");
}

is($standby->safe_psql('postgres', 'SELECT event, allowed, reason FROM crm_available_events(3)'),
	qq(go|t|\nhalt|f|division by zero (guard "divides")), 'so is what is possible, also if a guard raises an error');

# Figures, merged and not
for my $merge ('SELECT 1', 'SELECT crm_merge_rollups()')
{
	$primary->safe_psql('postgres', "INSERT INTO crm.orders (customer_id, workflow) VALUES (1, 'w'); $merge");
	$primary->wait_for_catchup($standby);
	is($standby->safe_psql('postgres', 'SELECT status, sum(orders) FROM crm.orders_by_status GROUP BY 1 ORDER BY 1'),
		$standby->safe_psql('postgres', 'SELECT status, count(*) FROM crm.orders GROUP BY 1 ORDER BY 1'), 'figures on the standby are those of its tables');
	is($standby->safe_psql('postgres', 'SELECT * FROM crm_check_rollups()'), '', 'all of them');
}
is($standby->safe_psql('postgres', 'SELECT waiting_changes FROM crm.rollup_status'), '0', 'it knows what waits');

# Changes are written, merged, and the change tables emptied, as soon as nobody has a snapshot that shows what was in them.
# (Owners with long names, so that they grow with few.)
$primary->safe_psql('postgres', q(INSERT INTO crm.orders (customer_id, workflow) SELECT 1, 'w' FROM generate_series(1, 2000)));
sub change_much
{
	$primary->safe_psql('postgres', "UPDATE crm.orders SET owner = rpad('$_', 400, '.')") for 1 .. 13;
	return;
}
sub merge_and_empty
{
	my $bytes = $primary->safe_psql('postgres', 'SELECT bytes FROM crm.rollup_status');
	$primary->safe_psql('postgres', 'SELECT crm_merge_rollups()') for 1 .. 3;
	$primary->wait_for_catchup($standby);
	return $primary->safe_psql('postgres', "SELECT bytes < $bytes / 2 FROM crm.rollup_status") eq 't';
}
my $tables = q(SELECT string_agg(s::text, ' ') FROM (SELECT status, count(*) FROM crm.orders GROUP BY 1 ORDER BY 1) s);
my $view = q(SELECT string_agg(s::text, ' ') FROM (SELECT status, sum(orders) FROM crm.orders_by_status GROUP BY 1 ORDER BY 1) s);
my $differences = 'SELECT count(*) FROM crm_check_rollups()';
$primary->safe_psql('postgres', 'ALTER DATABASE postgres SET crm.merge_worker = off');

# A standby that tells of its snapshots is waited for
$standby->safe_psql('postgres', 'ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf()');
change_much();
$primary->wait_for_catchup($standby);
my $report = $standby->background_psql('postgres');
my $before = $report->query("BEGIN ISOLATION LEVEL REPEATABLE READ; $tables");
my $xmin = $report->query('SELECT pg_snapshot_xmin(pg_current_snapshot())');
ok($primary->poll_query_until('postgres', "SELECT backend_xmin = '$xmin'::xid FROM pg_stat_replication"), 'the primary is told of a snapshot');
$primary->safe_psql('postgres', q(SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT id FROM crm.orders WHERE id > 100 AND id % 3 = 0), 'go')));
ok(!merge_and_empty(), 'it merges, and does not empty what the snapshot shows');
is($report->query($view), $before, 'the report sees the figures of its time');
is($report->query($differences), 0, 'and its tables say the same');
change_much();
ok(!merge_and_empty(), 'even later');
is($report->query($tables), $before, 'its tables');
is($report->query($view), $before, 'and figures are what they were');
is($report->query($differences), 0, 'all of them');
$report->quit;
ok($primary->poll_query_until('postgres', "SELECT backend_xmin <> '$xmin'::xid FROM pg_stat_replication"), 'the report is gone');
ok(merge_and_empty(), 'and then the change tables are emptied');
is($standby->safe_psql('postgres', $differences), 0, 'new reports are right');

# One that does not tell: its reports are right, or cancelled as PostgreSQL does with others (40001), but never wrong.
# Once as it has read figures already, once when it has read something else only.
$standby->safe_psql('postgres', 'ALTER SYSTEM SET hot_standby_feedback = off; SELECT pg_reload_conf()');
ok($primary->poll_query_until('postgres', 'SELECT backend_xmin IS NULL FROM pg_stat_replication'), 'the standby does not tell any more');
for my $first ($view, 'SELECT count(*) FROM crm.settings')
{
	change_much();
	$primary->safe_psql('postgres', q(INSERT INTO crm.orders (customer_id, workflow) SELECT 1, 'w' FROM generate_series(1, 500)));
	$primary->wait_for_catchup($standby);
	$report = $standby->background_psql('postgres', on_error_stop => 0);
	$report->query('\set VERBOSITY sqlstate');
	$report->query("BEGIN ISOLATION LEVEL REPEATABLE READ; $first");
	ok(merge_and_empty(), 'the primary empties what it has merged');
	$report->{stderr} = '';
	my ($shown, $expected, $n) = map { my $query = $_; eval { $report->query($query) } // '' } $view, $tables, $differences;
	my ($refusal) = $report->{stderr} =~ /(?:ERROR|FATAL):\s+(\w{5})/;
	note(defined $refusal ? "cancelled: $refusal" : "shown: $shown, in the tables: $expected");
	ok(defined $refusal ? $refusal eq '40001' : $shown eq $expected && $n eq '0', 'a report there is right, or cancelled');
	eval { $report->quit };
	is($standby->safe_psql('postgres', $differences), 0, 'new ones are right');
}

# This session lives on through the promotion.
my $session = $standby->background_psql('postgres', on_error_stop => 0);
$session->query('\set VERBOSITY verbose');

sub refusal
{
	my ($sql) = @_;
	$session->{stderr} = '';
	$session->query($sql);
	my ($refusal) = $session->{stderr} =~ /ERROR:\s+(.*)/;
	$session->{stderr} = '';
	return $refusal;
}

is(refusal("SELECT crm_advance_order(3, 'go');"),
	'25006: cannot execute crm_advance_order() in a read-only transaction',
	'crm_advance_order() is refused on a standby');
is(refusal("SELECT crm_run_timers();"),
	'25006: cannot execute crm_run_timers() in a read-only transaction', 'no timer comes on a standby');
is(refusal("SELECT crm_merge_rollups();") =~ /^25006: /, 1, 'nothing is merged on a standby');
is(refusal("SELECT crm_place_order(1, '[]');") =~ /^25006: /, 1, 'no order is placed on a standby');
is(refusal("SELECT crm_record_payment(1, 1);") =~ /^25006: /, 1, 'and no money taken');
is(refusal("SELECT crm_advance_order(404, 'no such event');"),
	'25006: cannot execute crm_advance_order() in a read-only transaction',
	'whatever its arguments');
is(refusal("UPDATE crm.orders SET status = 'b' WHERE id = 3;"),
	'25006: cannot execute UPDATE in a read-only transaction', 'and so is an UPDATE');
is($session->query(q(SELECT definition::text ~ 'go' FROM crm.workflows WHERE name = 'w')), 't',
	'the session knows the first workflow');

$primary->safe_psql('postgres', <<'SQL');
UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : went\nb --> [*]' WHERE name = 'w';
ALTER TABLE crm.settings DISABLE TRIGGER settings_keep_currency; -- there are orders
UPDATE crm.settings SET currency = 'CNY';
SQL
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;

like(refusal("SELECT crm_advance_order(3, 'go');"), qr/^SL002: /, 'after promotion the old rule is gone');
is($session->query("SELECT crm_advance_order(3, 'went')"), 'b', 'and the new one is in force');
is($session->query('SELECT seq, event, from_status, to_status FROM crm.order_events
	WHERE order_id = 3 ORDER BY seq'), "1|create||a\n2|went|a|b", 'the step is recorded');
is($session->query('INSERT INTO crm.orders (customer_id) VALUES (1) RETURNING id > 3, currency'),
	't|CNY', 'a new order gets a fresh id and follows the settings');
$session->quit;

$standby->stop;
done_testing();
