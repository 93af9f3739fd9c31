# What is refused leaves nothing behind: each statement is a transaction of its own here, no
# savepoint or exception block of a test undoes it. And the session goes on as if nothing had been.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA crm TO clerk;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.orders, crm.order_lines, crm.opportunities, crm.opportunity_lines TO clerk;
GRANT SELECT, INSERT ON crm.payments TO clerk;
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.products (id, sku, name, price, active) VALUES (1, 'TEA', 'Tea', 4.90, true), (2, 'OLD', 'Old', 1, false);
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1), (2, 1), (3, 1);
INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT o, 1, 2 FROM generate_series(1, 3) o, generate_series(1, 2);
SELECT crm_record_payment(1, 10), crm_advance_order(2, 'submit');
INSERT INTO crm.opportunities (id, customer_id, name, currency, status) VALUES (1, 1, 'x', 'CHF', 'quoted');
INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) VALUES (1, 1, 1, 1, 1);
ALTER TABLE crm.orders ALTER id RESTART 100;
SQL

# SQLSTATE => what is refused; the fault often comes when part of the work is done
my @refused = (
	'SL015' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}, {"sku": "X", "quantity": 1}]')),
	'SL016' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}, {"sku": "OLD", "quantity": 1}]')),
	'22023' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}, {"sku": "TEA", "quantity": -1}]', request_key => 'bad')),
	'22023' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1, "tax": "NaN"}]')),
	'22P02' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}')),
	'22003' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 90000000, "unit_price": 10000}, {"sku": "TEA", "quantity": 90000000, "unit_price": 10000}]')),
	'22003' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1, "unit_price": 1}]', currency => 'USD', exchange_rate => 1e100)),
	'23503' => q(SELECT crm_place_order(99, '[{"sku": "TEA", "quantity": 1}]', request_key => 'bad')),
	'23514' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]', attributes => '[]', request_key => 'bad')),
	'23514' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1, "unit_price": 1}]', currency => 'ABC')),
	'SL018' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1, "unit_price": 1}]', currency => 'CHF')),
	'22012' => q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]', request_key => 'bad') / 0),
	'SL008' => q(INSERT INTO crm.orders (customer_id, status) VALUES (1, 'pending'), (1, 'paid')),
	'23514' => q(INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 1), (1, 1, 0)),
	'22003' => q(INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) VALUES (1, 1, 1, 1), (1, 1, 100, 9999999999), (1, 1, 100, 9999999999)),
	'SL014' => q(INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 1), (2, 1, 1)),
	'SL014' => q(UPDATE crm.order_lines SET quantity = 7),
	'SL014' => q(DELETE FROM crm.order_lines),
	'SL014' => "COPY crm.order_lines (order_id, product_id, quantity) FROM STDIN;\n1\t1\t1\n2\t1\t1\n\\.\n",
	'22P02' => "COPY crm.order_lines (order_id, product_id, quantity) FROM STDIN;\n1\t1\t1\n1\t1\tx\n\\.\n",
	'SL006' => q(SELECT crm_record_refund(1, 10.01)),
	'SL006' => q(INSERT INTO crm.payments (order_id, kind, amount) VALUES (1, 'payment', 1), (1, 'refund', 5), (1, 'refund', 6.01)),
	'SL017' => q(INSERT INTO crm.payments (order_id, amount, currency) VALUES (1, 1, 'EUR'), (3, 1, 'USD')),
	'SL004' => q(UPDATE crm.orders SET status = CASE id WHEN 2 THEN 'paid' ELSE 'submitted' END WHERE id IN (2, 3)),
	'SL018' => q(SELECT crm_advance('crm.opportunities', 1, 'win')));
my @states = @refused[ grep { $_ % 2 == 0 } 0 .. $#refused ];
my @statements = @refused[ grep { $_ % 2 == 1 } 0 .. $#refused ];

# Runs them one after the other, as one session; returns the SQLSTATEs of what was refused.
sub run_all
{
	my (@sql) = @_;
	my $script = "\\set VERBOSITY sqlstate\n" . join '', map { /\n\z/ ? $_ : "$_;\n" } @sql;
	my ($code, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0, extra_params => [ '--username=clerk' ]);
	return [ $err =~ /ERROR:\s+(\w+)/g ];
}

my @tables = qw(orders order_lines order_events payments opportunities opportunity_lines opportunity_events line_changes_1 line_changes_2 order_changes_1 order_changes_2 event_changes_1 event_changes_2 dimension_changes);

sub contents
{
	return { map { $_ => $node->safe_psql('postgres', "SELECT t FROM crm.$_ t ORDER BY t::text") } @tables };
}

my $before = contents();
is_deeply(run_all(@statements), \@states, 'each is refused');
is_deeply(contents(), $before, 'and leaves nothing');

# An order that is placed right after each of them
my $good = q(SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}, {"sku": "TEA", "quantity": 2}]'));
is_deeply(run_all(map { ($_, $good) } @statements), \@states, 'each is refused, what comes next is not');
is($node->safe_psql('postgres', q(SELECT count(*), min(line_count), max(line_count), min(total), max(total),
	(SELECT count(*) FROM crm.order_lines WHERE order_id >= 100), (SELECT sum(amount) FROM crm.order_lines WHERE order_id >= 100),
	(SELECT count(*) FROM crm.order_events WHERE order_id >= 100 AND request_key IS NULL) FROM crm.orders WHERE id >= 100)),
	join('|', scalar @states, 2, 2, '14.70', '14.70', 2 * @states, sprintf('%.2f', 14.70 * @states), scalar @states), 'each of these orders is whole');

# With a transaction around: all or nothing, or from a savepoint on
$before = contents();
is_deeply(run_all(map { ('BEGIN', $good, $_, 'COMMIT') } @statements), \@states, 'within a transaction');
is_deeply(contents(), $before, 'nothing is left of all of it');
is_deeply(run_all(map { ('BEGIN', 'SAVEPOINT s', $_, 'ROLLBACK TO s', $good, 'COMMIT') } @statements), \@states, 'behind a savepoint');
is($node->safe_psql('postgres', q(SELECT count(*) FROM crm.orders WHERE id >= 100 AND line_count = 2 AND total = 14.70)), 2 * @states, 'what comes afterwards is there');
is($node->safe_psql('postgres', 'SELECT * FROM crm_check_rollups()'), '', 'the figures are those of the tables');

$node->stop;
done_testing();
