# Everything at once: eight clients take steps by every way there is, on few orders,
# while the workflow changes under them and is migrated; a backend and then the
# server die in the middle (kill -9). Afterwards plain SQL finds in every history a
# way through the versions of the workflow, no request key twice, and orders that
# agree with their history; and the indexes, which history is written to past the
# executor, hold what the tables hold.
#
# CRM_STORM_SECONDS (5) is how long each round takes, CRM_STORM_ROUNDS (2) how many
# there are: a backend dies in the odd ones, the server in the even ones.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seconds = $ENV{CRM_STORM_SECONDS} // 5;
my $rounds = $ENV{CRM_STORM_ROUNDS} // 2;
my $seed = $ENV{CRM_SEED} // int(rand(2**31));
diag("CRM_SEED=$seed");
my $clients = 8;
my $orders = 40;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nmax_connections = 40\nrestart_after_crash = on");
$node->start;
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION crm;
CREATE EXTENSION amcheck;
CREATE SCHEMA storm;
-- What the machines are, as the audit sees them: it asks nothing of ours.
CREATE TABLE storm.machines (number int PRIMARY KEY, definition crm_workflow);
CREATE TABLE storm.edges (number int, from_status text, event text, to_status text);
INSERT INTO storm.edges VALUES
    (1, 'a', 'next', 'b'), (1, 'b', 'next', 'c'), (1, 'c', 'next', 'a'), (1, 'a', 'jump', 'c'), (1, 'c', 'after 1 second', 'b'),
    (2, 'a', 'next', 'c'), (2, 'c', 'next', 'b'), (2, 'b', 'next', 'a'), (2, 'b', 'jump', 'c'),
    (3, 'a', 'next', 'b'), (3, 'b', 'next', 'c'), (3, 'c', 'next', 'd'), (3, 'd', 'next', 'a'), (3, 'd', 'jump', 'c'), (3, 'b', 'after 2 seconds', 'd');
-- A guard bars "jump" for some orders (8, 18, ...), and for others it raises an error (3, 13, ...).
INSERT INTO storm.machines SELECT number, (E'[*] --> a\\na --> [*]\\n' || string_agg(format('%s --> %s : %s%s', from_status, to_status, event,
    CASE event WHEN 'jump' THEN ' [free]' END), E'\\n'))::crm_workflow
FROM storm.edges GROUP BY number;
INSERT INTO crm.guards (workflow, name, condition) VALUES ('loop', 'free', '10 / (id % 10 - 3) <> 2');
INSERT INTO crm.workflows (name, definition) SELECT 'loop', definition FROM storm.machines WHERE number = 1;
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.orders (customer_id, workflow) SELECT 1, 'loop' FROM generate_series(1, $orders);
CREATE TABLE tickets (id uuid PRIMARY KEY, status text);
INSERT INTO tickets SELECT md5(g::text)::uuid FROM generate_series(1, $orders) g;
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('loop', 'free', 'tickets', 'true');
SELECT crm_attach_workflow('tickets', 'status', 'loop');
-- Some requests are refused, which would end a client of pgbench. Any other error does.
CREATE FUNCTION storm.try(statement text) RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN others THEN
    IF SQLSTATE NOT LIKE 'SL%' AND SQLERRM <> 'division by zero' THEN
        RAISE;
    END IF;
    RETURN SQLSTATE;
END \$\$;
SQL

# script => weight; :id is an order, :n another number. (Not with --protocol=prepared: pgbench then waits for one
# client alone while it prepares a statement, and another of its clients may hold the lock that this waits for.)
my %scripts = (
	"SELECT crm_advance_order(:id, 'next');" => 30,
	"SELECT crm_advance_order(:id, 'next', 'with a key', 'key ' || :id || ' ' || :n % 50);" => 20,
	"SELECT crm_advance('tickets', md5((:id)::text)::uuid, 'next', request_key => 'key ' || :id || ' ' || :n % 50);" => 10,
	"BEGIN; SELECT crm_advance_order(:id, 'next', request_key => 'lost ' || :id || ' ' || :n % 50); ROLLBACK;" => 5,
	"SELECT storm.try('SELECT crm_advance_order(' || :id || ', ''jump'')');" => 10,
	"SELECT storm.try('SELECT crm_advance_order(' || :id || ', ''next'', expected_version => ' || :n || ')');" => 3,
	"SELECT storm.try('UPDATE crm.orders SET status = ''' || substr('abcd', 1 + :n % 4, 1) || ''' WHERE id = ' || :id);" => 15,
	"SELECT count(*) FROM crm_advance_orders(ARRAY[:id, :n, :id + 7, :n % 13, :id - 5, NULL, :id], 'next');" => 10,
	"SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT g FROM generate_series(1, $orders) g ORDER BY random()), 'jump');" => 3,
	"BEGIN; SAVEPOINT s; SELECT crm_advance_order(:id, 'next'); ROLLBACK TO s; SELECT crm_advance_order(:id, 'next'); COMMIT;" => 5,
	"SELECT crm_run_timers(20);" => 5,
	"SELECT crm_force_order(:id, 'a', 'forced by a storm');" => 5,
	"INSERT INTO crm.orders (customer_id, workflow, status) VALUES (1, 'loop', 'c');" => 1,
	"SELECT storm.try('UPDATE crm.workflows SET definition = (SELECT definition FROM storm.machines WHERE number = ' || 1 + :n % 3 || ') WHERE name = ''loop''');" => 2,
	"SELECT storm.try('SELECT crm_migrate_workflow(''loop'', (SELECT definition FROM storm.machines WHERE number = ' || 1 + :n % 2 || '), ''{\"d\": \"a\"}'')');" => 1,
	"SELECT storm.try('SELECT crm_migrate_workflow(''loop'', (SELECT definition FROM storm.machines WHERE number = 3), ''{\"a\": \"d\", \"b\": \"a\"}'')');" => 1);
my $dir = PostgreSQL::Test::Utils::tempdir;
my @files;
for my $script (sort keys %scripts)
{
	my $file = "$dir/" . @files . '.sql';
	append_to_file($file, "\\set id random(1, $orders)\n\\set n random(1, 1000)\n" . $script =~ s/; /;\n/gr . "\n");
	push @files, "--file=$file\@$scripts{$script}";
}

sub postmaster
{
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	return $pid;
}

# kill -9 of a backend that takes steps: PostgreSQL starts over by itself
sub kill_backend
{
	my $pid = $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY state = 'active' DESC LIMIT 1));
	my $offset = -s $node->logfile;
	return kill('KILL', $pid) && $node->wait_for_log(qr/\(PID $pid\) was terminated by signal 9/, $offset)
		&& $node->wait_for_log(qr/database system is ready to accept connections/, $offset);
}

# kill -9 of the server: started again, it finds what it did not shut down
sub kill_server
{
	my $pid = postmaster();
	my $offset = -s $node->logfile;
	$node->kill9;
	for (1 .. 100)
	{
		sleep 0.1;
		return slurp_file($node->logfile, $offset) =~ /was not properly shut down/ if !kill(0, $pid) && $node->start(fail_ok => 1);
	}
	return 0;
}

# What each audit finds is a fault.
my %audits = (
	'status and version of an order are those of its last event' => q(
		SELECT o.id, o.status, o.version FROM crm.orders o
		WHERE (o.version, o.status) IS DISTINCT FROM (SELECT (e.seq, e.to_status) FROM crm.order_events e WHERE e.order_id = o.id ORDER BY e.seq DESC LIMIT 1)
		   OR o.version <> (SELECT count(*) FROM crm.order_events e WHERE e.order_id = o.id)),
	'and those of a ticket' => q(
		SELECT t.id, t.status, t.version FROM tickets t
		WHERE (t.version, t.status) IS DISTINCT FROM (SELECT (e.seq, e.to_status) FROM tickets_events e WHERE e.tickets_id = t.id ORDER BY e.seq DESC LIMIT 1)
		   OR t.version <> (SELECT count(*) FROM tickets_events e WHERE e.tickets_id = t.id)),
	'every history is a way through the versions of its workflow' => q(
		WITH events AS (
			SELECT order_id::text AS key, seq, at, event, from_status, to_status, forced, workflow_version FROM crm.order_events
			UNION ALL
			SELECT tickets_id::text, seq, at, event, from_status, to_status, forced, workflow_version FROM tickets_events
		), steps AS (
			SELECT *, row_number() OVER w AS n, lag(to_status) OVER w AS previous, lag(at) OVER w AS previous_at, lag(workflow_version) OVER w AS previous_version
			FROM events WINDOW w AS (PARTITION BY key ORDER BY seq)
		)
		SELECT s.* FROM steps s
		LEFT JOIN crm.workflow_versions v ON v.workflow = 'loop' AND v.version = s.workflow_version
		LEFT JOIN storm.machines m ON m.definition = v.definition
		WHERE s.seq <> s.n OR s.from_status IS DISTINCT FROM s.previous OR s.at < s.previous_at OR s.workflow_version < s.previous_version
		   OR NOT EXISTS (SELECT FROM storm.edges e WHERE e.number = m.number AND e.from_status = s.to_status) -- there is such a status
		   OR NOT CASE WHEN s.n = 1 THEN s.event = CASE s.to_status WHEN 'a' THEN 'create' ELSE 'import' END AND NOT s.forced
			WHEN s.forced THEN s.event IN ('force', 'migrate')
			ELSE (m.number, s.from_status, s.event, s.to_status) IN (SELECT e.number, e.from_status, e.event, e.to_status FROM storm.edges e) END),
	'no order was past its guard' => q(SELECT order_id, seq FROM crm.order_events WHERE event = 'jump' AND order_id % 10 IN (3, 8)),
	'no request key is there twice, and none of a request that was rolled back' => q(
		SELECT request_key, count(*) FROM (SELECT request_key FROM crm.order_events UNION ALL SELECT 'ticket ' || request_key FROM tickets_events) AS e
		WHERE request_key IS NOT NULL GROUP BY request_key HAVING count(*) > 1 OR request_key LIKE 'lost%'),
	'a key names the order that it was used for' => q(
		SELECT order_id, request_key FROM crm.order_events WHERE request_key IS NOT NULL AND split_part(request_key, ' ', 2) <> order_id::text),
	'every version of the workflow is kept' => q(
		SELECT w.version FROM crm.workflows w WHERE w.name = 'loop'
		AND (w.version <> (SELECT count(*) FROM crm.workflow_versions v WHERE v.workflow = w.name)
		     OR w.definition IS DISTINCT FROM (SELECT v.definition FROM crm.workflow_versions v WHERE v.workflow = w.name AND v.version = w.version))));

for my $round (1 .. $rounds)
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM crm.order_events');
	my $log = "$dir/log$round";
	my $run = IPC::Run::start([ 'pgbench', '--no-vacuum', "--client=$clients", '--jobs=2', "--time=$seconds", '--random-seed=' . ($seed + $round),
		@files, $node->connstr('postgres') ], '<', \undef, '>', "$dir/out$round", '2>', $log);
	my $deadline = time + $seconds / 2;
	sleep 0.1 while time < $deadline;
	ok($node->poll_query_until('postgres', "SELECT count(*) > $before + 200 FROM crm.order_events"), "round $round: a storm");
	ok($round % 2 ? kill_backend() : kill_server(), "round $round: a kill -9 hits, and the server is there again");
	$run->finish;

	my $errors = join "\n", grep { /ERROR/ && !/terminating connection|server closed|recovery mode/ } split /\n/, slurp_file($log);
	is($errors, '', "round $round: no client met another error than a refusal");
	ok($node->safe_psql('postgres', "SELECT count(*) FROM crm.order_events WHERE event = 'jump' AND order_id % 10 NOT IN (3, 8)") > 0, "round $round: guards let others pass");
	note('events: ', $node->safe_psql('postgres', 'SELECT count(*) FROM crm.order_events'), ', versions: ',
		$node->safe_psql('postgres', "SELECT version FROM crm.workflows WHERE name = 'loop'"), ', moved: ',
		$node->safe_psql('postgres', "SELECT count(*) FROM crm.order_events WHERE event = 'migrate'"), ', by timers: ',
		$node->safe_psql('postgres', "SELECT count(*) FROM crm.order_events WHERE actor = 'timer'"));
	is($node->safe_psql('postgres', $audits{$_}), '', "round $round: $_") for sort keys %audits;
	is(($node->psql('postgres', q(SELECT bt_index_parent_check(indexrelid, true) FROM pg_index
		WHERE indrelid IN ('crm.orders'::regclass, 'crm.order_events'::regclass, 'tickets'::regclass, 'tickets_events'::regclass))))[2], '',
		"round $round: the indexes hold what the tables hold");
}

$node->stop;
done_testing();
