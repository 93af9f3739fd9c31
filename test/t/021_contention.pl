# Many sessions move one order at the same time: each call waits for its turn and
# takes its step. None fails, none is lost; also when the order's row moves from page
# to page and has an index on its status, and when the table is altered all the while.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 8;
my $calls = 2000;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
INSERT INTO crm.workflows (name, definition) VALUES
    ('loop', E'[*] --> a\na --> b : next\nb --> c : next\nc --> a : next\nc --> [*]');
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (1, 1, 'loop'), (2, 1, 'loop'), (3, 1, 'loop'), (4, 1, 'loop');
SQL

# pgbench gives up a client at its first error
sub race
{
	my ($order, $how) = @_;
	my $script = $node->basedir . "/race$order.sql";
	append_to_file($script, "SELECT crm_advance_order($order, 'next');\n");
	my ($stdout, $stderr) = run_command([ 'pgbench', '--no-vacuum', '--protocol=prepared',
		"--client=$clients", '--jobs=2', "--transactions=$calls", "--file=$script",
		$node->connstr('postgres') ]);
	is($stderr =~ /^pgbench: error: (.*)/m ? $1 : '', '', "$how: no call fails");
	my $steps = $clients * $calls;
	is($node->safe_psql('postgres', "SELECT version - 1, (SELECT count(*) - 1 FROM crm.order_events
		WHERE order_id = id) FROM crm.orders WHERE id = $order"), "$steps|$steps", "$how: each is one step");
	return;
}

race(1, 'as installed');
$node->safe_psql('postgres', 'CREATE INDEX ON crm.orders (status)');
race(2, 'with an index on status');

# sessions forget what they knew of the table, also while they look it up again
my $script = $node->basedir . '/alter.sql';
append_to_file($script, "ALTER TABLE crm.orders ALTER COLUMN owner SET STATISTICS 10;\nANALYZE crm.orders;\n");
my $altering = IPC::Run::start([ 'pgbench', '--no-vacuum', '--client=3', '--time=600', "--file=$script", $node->connstr('postgres') ], '<', \undef, '>', \my $altered, '2>&1');
race(3, 'beside changes of the table');
$altering->kill_kill;

$node->safe_psql('postgres', 'ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY');
race(4, 'with row-level security');

$node->stop;
done_testing();
