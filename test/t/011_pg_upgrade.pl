# pg_upgrade takes a database with crm along, rows and rules.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = PostgreSQL::Test::Cluster->new('old');
my $new = PostgreSQL::Test::Cluster->new('new');
$_->init for $old, $new;

$old->start;
$old->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
ALTER TABLE crm.orders ADD COLUMN priority integer NOT NULL DEFAULT 3;
INSERT INTO crm.customers (name) VALUES ('王小明');
INSERT INTO crm.opportunities (customer_id, name, amount) VALUES (1, 'Tea', 100);
INSERT INTO crm.activities (customer_id, kind, subject, done_at) VALUES (1, 'visit', '品茶', now());
INSERT INTO crm.orders (customer_id) SELECT 1 FROM generate_series(1, 3);
INSERT INTO crm.products (sku, name, price) VALUES ('TEA', '茶', 4.90);
INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (2, 1, 1), (3, 1, 2);
SELECT crm_record_payment(3, 9.80);
INSERT INTO crm.exchange_rates VALUES ('CNY', '2024-01-01', 0.13);
SELECT crm_advance_order(id, 'submit') FROM crm.orders WHERE id > 1;
SELECT crm_advance_order(3, 'pay', 'cash');
SQL
my @queries = ('TABLE crm.customers', 'TABLE crm.orders ORDER BY id',
	'TABLE crm.order_events ORDER BY order_id, seq', 'TABLE crm.order_lines', 'TABLE crm.payments', 'TABLE crm.exchange_rates',
	'TABLE crm.activities', 'TABLE crm.opportunities', 'TABLE crm.opportunity_lines', 'TABLE crm.opportunity_events',
	'TABLE crm.stage_probabilities ORDER BY 1, 2', 'TABLE crm.workflows', 'TABLE crm.workflow_versions', 'TABLE crm.rollups ORDER BY 1', 'TABLE crm.orders_by_status ORDER BY 1, 2', 'TABLE crm.sales_by_day', 'TABLE crm.steps_by_day ORDER BY 1, 2', 'TABLE crm.guards', 'TABLE crm.settings');
my %before = map { $_ => $old->safe_psql('postgres', $_) } @queries;
$old->stop;

chomp(my $bindir = qx("$ENV{PG_CONFIG}" --bindir));
# it writes into the directory that it is started in
chdir PostgreSQL::Test::Utils::tempdir or die;
command_ok([ 'pg_upgrade', '--no-sync', '--link',
		'--old-datadir', $old->data_dir, '--new-datadir', $new->data_dir,
		'--old-bindir', $bindir, '--new-bindir', $bindir,
		'--socketdir', $new->host, '--old-port', $old->port, '--new-port', $new->port ],
	'pg_upgrade');

$new->start;
is($new->safe_psql('postgres', $_), $before{$_}, "same rows: $_") for @queries;
my ($status, $stdout, $stderr) = $new->psql('postgres',
	"\\set VERBOSITY sqlstate\nUPDATE crm.orders SET status = 'shipped' WHERE id = 1");
like($stderr, qr/SL003/, 'an illegal step is refused');
is($new->safe_psql('postgres', "SELECT crm_advance_order(3, 'ship')"), 'shipped', 'a legal one is taken');
is($new->safe_psql('postgres', 'UPDATE crm.order_lines SET quantity = 1; SELECT total, payment_status FROM crm.orders WHERE id = 3'),
	'4.90|overpaid', 'totals are kept');
is($new->safe_psql('postgres', 'INSERT INTO crm.orders (customer_id) VALUES (1) RETURNING id, status, version'),
	'4|pending|1', 'a new order gets a fresh id');
is($new->safe_psql('postgres', 'SELECT order_id, seq, to_status FROM crm.order_events
	WHERE order_id IN (3, 4) ORDER BY 1, 2'),
	"3|1|pending\n3|2|submitted\n3|3|paid\n3|4|shipped\n4|1|pending", 'both are recorded');
is($new->safe_psql('postgres', 'SELECT * FROM crm_check_rollups()'), '', 'figures are kept on');
cmp_ok($new->safe_psql('postgres', 'SELECT crm_merge_rollups()'), '>', 0, 'and merged');
is($new->safe_psql('postgres', 'SELECT * FROM crm_check_rollups()'), '', 'also afterwards');
like(($new->psql('postgres', 'DROP EXTENSION crm'))[2], qr/because other objects depend on it/,
	'DROP EXTENSION is refused');
$new->stop;
done_testing();
