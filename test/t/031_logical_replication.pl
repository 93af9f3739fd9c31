# Logical replication to a subscriber with the extension installed: rows arrive as
# they are, the history is not written twice, a changed workflow is in force there
# at once, and once the subscription is dropped the subscriber goes on by itself.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$publisher->init(allows_streaming => 'logical');
$subscriber->init(allows_streaming => 'logical');
$_->start for $publisher, $subscriber;
$subscriber->safe_psql('postgres', 'CREATE TABLE something_else ()'); # objects have other OIDs there
$_->safe_psql('postgres', 'CREATE EXTENSION crm') for $publisher, $subscriber;

$publisher->safe_psql('postgres', <<'SQL');
INSERT INTO crm.workflows (name, definition) VALUES ('w', E'[*] --> a\na --> b : go\nb --> c : go\nc --> [*]');
INSERT INTO crm.customers (id, name) VALUES (1, '王小明');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT g, 1, 'w' FROM generate_series(1, 5) g;
SELECT crm_advance_order(1, 'go', 'before the subscription', 'key 1');
CREATE PUBLICATION everything FOR ALL TABLES;
SQL
# The rows that an installation brings are there already: they come from the publisher.
my $tables = $subscriber->safe_psql('postgres', q(SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
	WHERE relnamespace = 'crm'::regnamespace AND relkind IN ('r', 'p')));
$subscriber->safe_psql('postgres', "TRUNCATE $tables");
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION here CONNECTION '$connection' PUBLICATION everything WITH (binary = true)");
$subscriber->wait_for_subscription_sync($publisher, 'here');

my @queries = ('TABLE crm.orders ORDER BY id', 'TABLE crm.order_events ORDER BY order_id, seq',
	'TABLE crm.workflows ORDER BY name', 'TABLE crm.workflow_versions ORDER BY workflow, version', 'TABLE crm.settings');

sub same
{
	my ($when) = @_;
	$publisher->wait_for_catchup('here');
	is($subscriber->safe_psql('postgres', $_), $publisher->safe_psql('postgres', $_), "$when: $_") for @queries;
	return;
}
same('first copy');

# This session keeps workflows in memory.
my $session = $subscriber->background_psql('postgres', on_error_stop => 0);
$session->query('\set VERBOSITY sqlstate');
is($session->query("BEGIN; INSERT INTO crm.orders (id, customer_id, workflow) VALUES (100, 1, 'w'); SELECT crm_advance_order(100, 'go'); ROLLBACK"), 'b',
	'the subscriber knows the workflow');

$publisher->safe_psql('postgres', <<'SQL');
SELECT crm_advance_order(1, 'go');
SELECT * FROM crm_advance_orders('{2,3}', 'go');
UPDATE crm.orders SET status = 'b' WHERE id = 4;
INSERT INTO crm.orders (id, customer_id, workflow, status) VALUES (6, 1, 'w', 'c');
SELECT crm_force_order(6, 'a', 'a mistake');
ALTER TABLE crm.settings DISABLE TRIGGER settings_keep_currency; -- there are orders
UPDATE crm.settings SET currency = 'CNY';
SQL
same('steps');

$publisher->safe_psql('postgres', <<'SQL');
SELECT crm_migrate_workflow('w', E'[*] --> a\na --> x : walk\nx --> c : walk\nc --> [*]', '{"b": "x"}');
SELECT crm_advance_order(2, 'walk');
SQL
same('a migration');

# The figures, merged on the publisher and not, and where the subscriber thinks they begin
my $sums = 'SELECT status, orders FROM crm.orders_by_status ORDER BY 1; SELECT from_status, to_status, events FROM crm.steps_by_day ORDER BY 1, 2';
sub same_sums
{
	my ($when) = @_;
	$publisher->wait_for_catchup('here');
	is($subscriber->safe_psql('postgres', $sums), $publisher->safe_psql('postgres', $sums), "$when: same figures");
	is($subscriber->safe_psql('postgres', 'SELECT * FROM crm_check_rollups()'), '', "$when: they are those of the tables");
	is($subscriber->safe_psql('postgres', 'SELECT bool_and(written_by IS NULL) FROM crm.change_tables'), 't', "$when: pages of the publisher say nothing here");
	return;
}
same_sums('before a merge');
cmp_ok($publisher->safe_psql('postgres', 'SELECT crm_merge_rollups()'), '>', 0, 'a merge on the publisher');
same_sums('after a merge');
$publisher->safe_psql('postgres', "INSERT INTO crm.orders (id, customer_id, workflow) VALUES (7, 1, 'w'); SELECT crm_merge_rollups()");
same_sums('after another');
$publisher->safe_psql('postgres', 'SELECT crm_rebuild_rollups()');
same_sums('after all sums were made anew');
is($session->query("BEGIN; INSERT INTO crm.orders (id, customer_id, workflow) VALUES (100, 1, 'w') RETURNING currency; SELECT crm_advance_order(100, 'walk'); ROLLBACK"),
	"CNY\nx", 'the new workflow and settings are in force in a session that had the old ones');

# A repeat of a request, sent to the wrong server, finds its first answer there, too.
is($subscriber->safe_psql('postgres', "SELECT crm_advance_order(1, 'go', request_key => 'key 1')"), 'b', 'request keys are known on the subscriber');

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION here');
is($session->query("SELECT crm_advance_order(3, 'walk')"), 'c', 'the subscriber goes on by itself');
is($subscriber->safe_psql('postgres', 'SELECT version, (SELECT count(*) FROM crm.order_events WHERE order_id = 3) FROM crm.orders WHERE id = 3'), '4|4',
	'and records its steps');
$session->{stderr} = '';
$session->query("UPDATE crm.workflows SET definition = E'[*] --> a\na --> c : walk\nc --> [*]' WHERE name = 'w'");
like($session->{stderr}, qr/SL013/, 'by the rules of before');
$session->quit;

# As the README has it for busy servers: the subscriber keeps the sums itself.
my ($publish) = slurp_file('README.md') =~ /^```sql\n(CREATE PUBLICATION sales .*?)^```/ms;
my ($always) = slurp_file('README.md') =~ /^```sql\n(DO \$\$\nDECLARE\n    t record;.*?)^```/ms;
my $own = PostgreSQL::Test::Cluster->new('own');
$own->init;
$own->start;
my ($published) = $publish =~ /FOR TABLE (.*);/s;
$own->safe_psql('postgres', "CREATE EXTENSION crm; TRUNCATE $published; $always");
$publisher->safe_psql('postgres', $publish);
$publisher->safe_psql('postgres', q(INSERT INTO crm.products (id, sku, name, category, price) VALUES (1, 'TEA', 'Tea', 'tea', 4.90), (2, 'CUP', 'Cup', 'ware', 3);
	INSERT INTO crm.orders (id, customer_id) SELECT g, 1 FROM generate_series(11, 13) g;
	INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT g, 1, g FROM generate_series(11, 13) g;
	SELECT crm_advance_orders('{11,12}', 'submit'), crm_record_payment(11, 53.90);
	INSERT INTO crm.orders (id, customer_id, status) SELECT g, 1, 'paid' FROM generate_series(21, 200) g;
	INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT g, 2, 1 FROM generate_series(21, 200) g));
$own->safe_psql('postgres', "CREATE SUBSCRIPTION own CONNECTION '$connection' PUBLICATION sales");
$own->wait_for_subscription_sync($publisher, 'own');
$own->safe_psql('postgres', 'SELECT crm_rebuild_rollups()');
is($own->safe_psql('postgres', 'SELECT * FROM crm_check_rollups()'), '', 'sums of its own after the first copy');
is($own->safe_psql('postgres', 'SELECT sum(lines) FROM crm.sales_by_month'), 180, 'there are some');
$publisher->safe_psql('postgres', q(SELECT crm_advance_order(11, 'pay'); UPDATE crm.order_lines SET quantity = 2.5 WHERE order_id = 13;
	UPDATE crm.products SET category = 'green tea' WHERE id = 1; SELECT crm_advance_order(11, 'ship'); SELECT crm_advance_order(12, 'cancel');
	UPDATE crm.settings SET time_zone = 'Asia/Taipei'));
$sums .= '; SELECT category, quantity, amount FROM crm.sales_by_category_month';
for my $merged (0, 1)
{
	$publisher->wait_for_catchup('own');
	is($own->safe_psql('postgres', $sums), $publisher->safe_psql('postgres', $sums), 'sums of its own: the same');
	like($own->safe_psql('postgres', $sums), qr/^green tea\|11.000\|53.90$/m, 'something is sold');
	is($own->safe_psql('postgres', 'SELECT * FROM crm_check_rollups()'), '', 'they are those of the tables');
	$own->safe_psql('postgres', 'SELECT crm_merge_rollups()') if !$merged;
}
$own->stop;

$_->stop for $publisher, $subscriber;
done_testing();
