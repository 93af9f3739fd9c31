# Applications learn of steps without polling: a trigger that notifies, and logical
# decoding of the event table. Neither misses a step, nor tells of one that was not
# committed; after the server has crashed, a decoding slot may tell of a step again.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $pkglibdir = qx("$ENV{PG_CONFIG}" --pkglibdir));

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->start;
# newer releases of PostgreSQL want to be told which libraries may decode
if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'") > 0)
{
	$node->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput, test_decoding, wal2json'");
	$node->reload;
}
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';
INSERT INTO crm.customers (id, name) VALUES (1, '王小明');
SQL

# The ways to take a step, and some that come to nothing
sub take_steps
{
	my ($first) = @_;
	my ($a, $b, $c) = ($first, $first + 1, $first + 2);
	$node->psql('postgres', <<"SQL", on_error_stop => 0);
INSERT INTO crm.orders (id, customer_id) SELECT g, 1 FROM generate_series($a, $c) g;
SELECT crm_advance_order($a, 'submit', 'a "note"');
SELECT crm_advance_order($a, 'ship');
BEGIN; SELECT crm_advance_order($a, 'pay'); ROLLBACK;
BEGIN; SAVEPOINT s; SELECT crm_advance_order($b, 'submit'); ROLLBACK TO s; SELECT crm_advance_order($b, 'cancel'); COMMIT;
UPDATE crm.orders SET status = 'submitted' WHERE id = $c;
SELECT * FROM crm_advance_orders('{$a,$b,$c}', 'pay');
SELECT crm_force_order($b, 'pending', 'a mistake');
SQL
	return;
}

my $truth = 'SELECT order_id, seq, event, from_status, to_status FROM crm.order_events WHERE order_id >= %d ORDER BY order_id, seq';

# What a reader of changes has been told, in the order of the table
sub as_rows
{
	return join "\n", map { join '|', map { $_ // '' } @$_ }
	  sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @_;
}

# LISTEN and NOTIFY
{
	$node->safe_psql('postgres', q(CREATE TRIGGER order_events_notify AFTER INSERT ON crm.order_events
		FOR EACH ROW EXECUTE FUNCTION crm_notify_event('steps')));
	my $listener = $node->background_psql('postgres');
	$listener->query('LISTEN steps');
	take_steps(1);
	my $heard = $listener->query('SELECT 1') . $listener->query('SELECT 2');
	my @rows = map {
		my $step = decode_json($_);
		is($step->{table}, 'crm.order_events', 'a notification names the table');
		[ @$step{qw(key seq event from to)} ];
	} $heard =~ /notification "steps" with payload "(.*)" received/g;
	is(as_rows(@rows), $node->safe_psql('postgres', sprintf $truth, 1), 'listeners hear of every step, and of no other');
	$listener->quit;
	is($node->safe_psql('postgres', "SELECT crm_advance_order(3, 'ship')"), 'shipped', 'nobody has to listen');

	my ($status, $out, $err) = $node->psql('postgres', "BEGIN; SELECT crm_advance_order(3, 'complete'); PREPARE TRANSACTION 'x'");
	like($err, qr/cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/,
		'a transaction that notifies cannot be prepared: PostgreSQL\'s own rule');
	$node->safe_psql('postgres', 'DROP TRIGGER order_events_notify ON crm.order_events');
}

# Logical decoding: test_decoding comes with PostgreSQL
sub decoded_by_test_decoding
{
	my @rows;
	for my $line (split /\n/, $node->safe_psql('postgres', "SELECT data FROM pg_logical_slot_get_changes('t', NULL, NULL, 'skip-empty-xacts', '1')"))
	{
		next unless $line =~ /^table crm\.order_events: (\w+): /;
		is($1, 'INSERT', 'history is only added to');
		my %row = $line =~ /(\w+)\[[^]]+\]:('(?:[^']|'')*'|\S+)/g;
		push @rows, [ map { $row{$_} eq 'null' ? undef : $row{$_} =~ s/^'|'$//gr } qw(order_id seq event from_status to_status) ];
	}
	return as_rows(@rows);
}

sub decoded_by_wal2json
{
	my @rows;
	for my $line (split /\n/, $node->safe_psql('postgres', "SELECT data FROM pg_logical_slot_get_changes('w', NULL, NULL,
		'format-version', '2', 'include-transaction', 'false', 'add-tables', 'crm.order_events')"))
	{
		my $change = decode_json($line);
		is($change->{action}, 'I', 'history is only added to');
		my %row = map { $_->{name} => $_->{value} } @{ $change->{columns} };
		push @rows, [ @row{qw(order_id seq event from_status to_status)} ];
	}
	return as_rows(@rows);
}

my @plugins = (
	[ 't', 'test_decoding', \&decoded_by_test_decoding ],
	[ 'w', 'wal2json', \&decoded_by_wal2json ]);
for my $plugin (@plugins)
{
	my ($slot, $name, $decoded) = @$plugin;
  SKIP: {
		skip "$name is not installed", 1 unless -f "$pkglibdir/$name.so" || -f "$pkglibdir/$name.dylib";
		$node->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('$slot', '$name')");
		my $first = $node->safe_psql('postgres', 'SELECT max(id) + 1 FROM crm.orders');
		take_steps($first);
		is($decoded->(), $node->safe_psql('postgres', sprintf $truth, $first), "$name: every step, and no other");
		is($decoded->(), '', "$name: each once");

		take_steps($first + 3);
		$node->stop('immediate');
		$node->start;
		# a slot may go back to the last checkpoint then: changes come again, none is missing
		is(join("\n", grep { /^(\d+)/ && $1 >= $first + 3 } split /\n/, $decoded->()),
			$node->safe_psql('postgres', sprintf $truth, $first + 3), "$name: goes on after a crash");
		is($decoded->(), '', "$name: and comes to an end");

		# a prepared transaction is told of when it is committed
		$node->safe_psql('postgres', "BEGIN; SELECT crm_advance_order($first, 'ship'); PREPARE TRANSACTION 'p'");
		is($decoded->(), '', "$name: not while it is prepared");
		$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
		is($decoded->(), "$first|4|ship|paid|shipped", "$name: once it is committed");
		$node->safe_psql('postgres', "SELECT pg_drop_replication_slot('$slot')");
	}
}

$node->stop;
done_testing();
