# The server dies under load (kill -9): afterwards the status of every order is the
# one that its last event left, the history has no gap, every step that a client was
# told of is there, and nothing that no client asked for.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $clients = 4;
my $orders = 10;
my $crashes = 3;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'log_statement = none');
$node->start;
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION crm;
INSERT INTO crm.workflows (name, definition) VALUES
    ('loop', E'[*] --> a\\na --> b : next\\nb --> c : next\\nc --> a : next\\nc --> [*]');
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.orders (customer_id, workflow) SELECT 1, 'loop' FROM generate_series(1, $orders);
SQL

# Clients overlap on the same orders; every fourth step is a plain UPDATE, every
# fifth transaction is rolled back, and each prints what it is told when it is told.
my $dir = PostgreSQL::Test::Utils::tempdir;
for my $client (1 .. $clients)
{
	my $script = '';
	for my $i (1 .. 20000)
	{
		my $order = 1 + ($i * $client) % $orders;
		my $step = $i % 4 != 0 ? "SELECT 'step', $order, crm_advance_order($order, 'next');" :
		  "UPDATE crm.orders SET status = translate(status, 'abc', 'bca') WHERE id = $order
		   RETURNING 'step', id, status;";
		$step = "BEGIN; SELECT crm_advance_order($order, 'next'); ROLLBACK;" if $i % 5 == 0;
		$script .= "$step\n";
	}
	append_to_file("$dir/script$client", $script);
}

# kill -9, and a new start once the dead postmaster has left the process table and
# its children have noticed.
sub crash_and_start
{
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	$node->kill9;
	for (1 .. 100)
	{
		sleep 0.1;
		return 1 if !kill(0, $pid) && $node->start(fail_ok => 1);
	}
	return 0;
}

my $broken = q(
	SELECT id FROM crm.orders o
	WHERE (SELECT (count(*), max(seq), min(seq)) FROM crm.order_events WHERE order_id = id)
	      IS DISTINCT FROM (version::bigint, version, 1)
	   OR (SELECT to_status FROM crm.order_events WHERE order_id = id ORDER BY seq DESC LIMIT 1)
	      IS DISTINCT FROM status
	UNION ALL
	SELECT order_id FROM (
		SELECT order_id, event, from_status,
		       lag(to_status) OVER (PARTITION BY order_id ORDER BY seq) AS before
		FROM crm.order_events) e
	WHERE from_status IS DISTINCT FROM before
	   OR event <> CASE WHEN before IS NULL THEN 'create' ELSE 'next' END);

my $steps_before = 0;
for my $crash (1 .. $crashes)
{
	my @runs = map {
		IPC::Run::start([ 'psql', '-XAtq', '--dbname', $node->connstr('postgres') ],
			'<', "$dir/script$_", '>', "$dir/out$_", '2>', "$dir/err$_")
	} 1 .. $clients;
	# until there is something to lose
	my $running = $node->poll_query_until('postgres',
		"SELECT count(*) > $steps_before + 500 FROM crm.order_events");
	sleep 0.2 * $crash;
	ok($running && crash_and_start(), "crash $crash: the server starts again");

	$_->finish for @runs;
	my $told = 0;
	for my $client (1 .. $clients)
	{
		$told += () = slurp_file("$dir/out$client") =~ /^step\|\d+\|[abc]$/mg;
		my ($error) = slurp_file("$dir/err$client") =~ /(ERROR: .*)/;
		is($error, undef, "crash $crash: no step of client $client is refused");
	}
	my $steps = $node->safe_psql('postgres', 'SELECT count(*) FROM crm.order_events') - $orders;
	note("told: $told, found: ", $steps - $steps_before);
	cmp_ok($told, '>', 0, "crash $crash: there was a load");
	cmp_ok($steps - $steps_before, '>=', $told, "crash $crash: no step is lost");
	cmp_ok($steps - $steps_before, '<=', $told + $clients, "crash $crash: none is there twice");
	$steps_before = $steps;

	is($node->safe_psql('postgres', $broken), '', "crash $crash: orders and their history agree");
	is($node->safe_psql('postgres', "SELECT count(crm_advance_order(id, 'next')) FROM crm.orders"),
		$orders, "crash $crash: every order goes on");
	$steps_before += $orders;
}

$node->stop;
done_testing();
