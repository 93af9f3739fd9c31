# Steps in transactions that are prepared first (two-phase commit): they hold their
# order and their request key until they are committed or rolled back, also over a
# crash; a change of the workflow waits for them.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
INSERT INTO crm.workflows (name, definition) VALUES ('w', E'[*] --> a\na --> b : go\nb --> c : go\nc --> [*]');
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT g, 1, 'w' FROM generate_series(1, 4) g;
SQL

# What a statement says, or the error that it ends with
sub said
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nSET lock_timeout = '200ms';\n$sql");
	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : $out;
}

# Waits until somebody waits for a lock
sub somebody_waits
{
	return $node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%crm_advance_order%'");
}

sub history
{
	my ($order) = @_;
	return $node->safe_psql('postgres', "SELECT status, version, (SELECT string_agg(event || coalesce(' ' || request_key, ''), ', ' ORDER BY seq)
		FROM crm.order_events WHERE order_id = id) FROM crm.orders WHERE id = $order");
}

for my $end ('commit', 'rollback')
{
	my $order = $end eq 'commit' ? 1 : 2;
	is(said("BEGIN; SELECT crm_advance_order($order, 'go', request_key => 'key $end'); PREPARE TRANSACTION '$end'"), 'b', "$end: a step is prepared");
	is(history($order), 'a|1|create', "$end: nobody sees it");
	is(said("SELECT crm_advance_order($order, 'go')"), '55P03', "$end: it holds its order");
	is(said("SELECT crm_advance_order($order, 'go', request_key => 'key $end')"), '55P03', "$end: a repeat of the request waits, too");
	is(said("SELECT crm_advance_order(3, 'go', request_key => 'key $end')"), '55P03', "$end: and so does who uses the key for another order");
	is(said("UPDATE crm.workflows SET definition = E'[*] --> a\\na --> c : go\\nc --> [*]' WHERE name = 'w'"), '55P03', "$end: a change that takes its status away waits");

	$node->stop('immediate');
	$node->start;
	is(said("SELECT crm_advance_order($order, 'go')"), '55P03', "$end: all that over a crash");

	# both wait, and each finds what the end of the transaction has made of it
	my $repeat = $node->background_psql('postgres', on_error_stop => 0);
	$repeat->query_until(qr/sent/, "\\echo sent\nSELECT crm_advance_order($order, 'go', request_key => 'key $end');\n");
	ok(somebody_waits(), "$end: a repeat is on its way");
	$node->safe_psql('postgres', "$end PREPARED '$end'");
	is($repeat->query('SELECT 1') =~ s/\s*1$//r, 'b', "$end: the repeat gets the answer");
	$repeat->quit;
	is(history($order), "b|2|create, go key $end", "$end: the step is there once");
}
is(said("SELECT crm_advance_order(3, 'go', request_key => 'key commit')"), 'SL012', 'the key is used up');
is(said("UPDATE crm.workflows SET definition = E'[*] --> a\\na --> c : go\\nc --> [*]' WHERE name = 'w'"), 'SL013', 'and the status is in use');

# The other way round: the workflow changes in a prepared transaction
is(said(q(BEGIN; SELECT crm_migrate_workflow('w', E'[*] --> a\na --> x : go\nx --> c : go\nc --> [*]', '{"b": "x"}'); PREPARE TRANSACTION 'migration')), '2', 'a migration is prepared');
is(said("SELECT crm_advance_order(4, 'go')"), '55P03', 'steps wait');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "COMMIT PREPARED 'migration'");
is(said("SELECT crm_advance_order(4, 'go')"), 'x', 'and go by the new workflow');
is(said("SELECT string_agg(status, ' ' ORDER BY id) FROM crm.orders"), 'x x a x', 'all rows are moved');

# Figures: what is prepared counts when it is committed, whatever is merged meanwhile.
my $sums = q(SELECT string_agg(status || ' ' || orders, ', ' ORDER BY status) FROM (SELECT status, sum(orders) AS orders FROM crm.orders_by_status GROUP BY 1) s);
is(said($sums), 'a 1, x 3', 'figures');
is(said("BEGIN; INSERT INTO crm.orders (id, customer_id, workflow) SELECT g, 1, 'w' FROM generate_series($_ * 10, $_ * 10 + 4) g; PREPARE TRANSACTION 'figures $_'"), '', 'orders are prepared')
  for 1, 2;
is(said($sums), 'a 1, x 3', 'they do not count yet');
cmp_ok(said('SELECT crm_merge_rollups()'), '>', 0, 'what others have done is merged');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "COMMIT PREPARED 'figures 1'");
is(said($sums), 'a 6, x 3', 'those that are committed count');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'figures 2'");
is(said('SELECT crm_merge_rollups()'), '5', 'they are merged: an order and its first event are one change');
is(said($sums), 'a 6, x 3', 'and count once');
is(said('SELECT * FROM crm_check_rollups()'), '', 'as in the tables');

# What is noted when an order changes in the midst of a statement (nested_changes.c) is over with the transaction, however that ends.
$node->safe_psql('postgres', <<'SQL');
INSERT INTO crm.workflows (name, definition) VALUES ('till', E'[*] --> sold\nsold --> [*]\nclass sold editable\nclass sold booked');
INSERT INTO crm.customers (id, name) VALUES (2, 'Bo');
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Tea', 5);
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (100, 1, 'till');
CREATE FUNCTION hand_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE crm.orders SET customer_id = 3 - customer_id WHERE id = new.order_id; RETURN new; END $$;
CREATE TRIGGER z_hand_over BEFORE INSERT ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION hand_over();
SQL
my $line = 'INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (100, 1, 1);';
is(said("$line BEGIN; $line COMMIT; BEGIN; $line ROLLBACK; BEGIN; $line PREPARE TRANSACTION 'line'; COMMIT PREPARED 'line'; $line
	SELECT customer_id, lines FROM crm.sales_by_customer_month WHERE lines <> 0"), '1|4', 'an order that changes hands with each line');
is(said('SELECT * FROM crm_check_rollups()'), '', 'as in the tables');

$node->stop;
done_testing();
