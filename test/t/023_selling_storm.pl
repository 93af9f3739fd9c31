# A shop at rush hour: eight clients place orders, edit lines, pay, refund, take steps and
# cancel, by functions and by plain statements, on a few orders at a time and with the
# rights of a clerk. A refusal is a normal answer, an unexpected SQLSTATE is not. Then
# plain SQL audits the end state: it asks the tables alone, and none of our functions.
#
# CRM_STORM_SECONDS (20) is how long it takes; CRM_SEED repeats what the clients ask for.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{CRM_STORM_SECONDS} // 20;
my $seed = $ENV{CRM_SEED} // int(rand(2**31));
diag("CRM_SEED=$seed");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nmax_connections = 40\ndeadlock_timeout = 100ms");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION crm;
CREATE SCHEMA storm;
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA crm, storm TO clerk;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.orders, crm.order_lines TO clerk;
GRANT SELECT, INSERT ON crm.payments TO clerk;
GRANT SELECT, UPDATE ON crm.products TO clerk;
INSERT INTO crm.customers (id, name, region) SELECT n, 'Customer ' || n, 'Region ' || n % 2 FROM generate_series(1, 5) n;
INSERT INTO crm.products (id, sku, name, category, price) SELECT n, 'P' || n, 'Product ' || n, 'Category ' || n % 3, n * 1.37 FROM generate_series(1, 8) n;
INSERT INTO crm.exchange_rates VALUES ('USD', '2020-01-01', 0.8731);
-- The steps that there are, as the audit sees them
CREATE TABLE storm.edges (from_status text, event text, to_status text);
INSERT INTO storm.edges VALUES ('pending', 'submit', 'submitted'), ('pending', 'cancel', 'cancelled'), ('submitted', 'cancel', 'cancelled'),
    ('submitted', 'pay', 'paid'), ('paid', 'ship', 'shipped'), ('shipped', 'complete', 'completed'),
    ('paid', 'refund', 'refunded'), ('shipped', 'refund', 'refunded'), ('completed', 'refund', 'refunded');
-- What the clients were told, written in the transactions in which they were; and what came of each request
CREATE TABLE storm.answers (kind text, order_id bigint, payment_no int, amount numeric, request_key text, customer_id bigint);
CREATE TABLE storm.outcomes (request text, sqlstate text);
-- What an order cost when it was submitted
CREATE TABLE storm.submitted (order_id bigint PRIMARY KEY, line_count int, total numeric);
GRANT INSERT ON storm.answers, storm.outcomes, storm.submitted TO clerk;
CREATE FUNCTION storm.note_submitted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storm.submitted VALUES (new.id, new.line_count, new.total);
    RETURN NULL;
END $$;
CREATE TRIGGER note_submitted AFTER UPDATE ON crm.orders FOR EACH ROW
    WHEN (old.status = 'pending' AND new.status = 'submitted') EXECUTE FUNCTION storm.note_submitted();
-- Lines to ask for: the same for the same number, some with a product that does not exist
CREATE FUNCTION storm.lines(n bigint, price numeric DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('sku', 'P' || CASE WHEN n % 40 = 0 THEN 99 ELSE 1 + (n + l) % 8 END, 'quantity', (1 + n * l % 3000) / 1000.0,
                                        'tax', n % 7 / 100.0, 'unit_price', price))
    FROM generate_series(1, 1 + n % 4) l
$$;
-- Does it and returns what came of it; a refusal that is not expected ends the client.
CREATE FUNCTION storm.try(request text, expected text[], statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE statement;
        INSERT INTO storm.outcomes VALUES (request, '00000');
    EXCEPTION WHEN others THEN
        IF SQLSTATE <> ALL (expected) THEN
            RAISE;
        END IF;
        INSERT INTO storm.outcomes VALUES (request, SQLSTATE);
    END;
    RETURN NULL;
END $$;
SQL

# request => [ weight, SQLSTATEs that are normal answers, statement ]. :id and :other are two of the last orders, some of
# which were rolled back, :last is the last one, :n a number. Whoever changes lines may meet a deadlock: a row that is
# updated is locked before its triggers, so a line comes before its order, and one that changes several lines of an order
# can wait for another that changes one of them.
my $missing = 'SL001';
my $step = "$missing SL003 SL004";
my $edit = 'SL014 40P01';
my $product = 'SL015 SL016';
my %requests = (
	'place' => [ 6, $product, "INSERT INTO storm.answers (kind, order_id, customer_id)
		SELECT 'order', crm_place_order(1 + :n % 5, storm.lines(:n)), 1 + :n % 5" ],
	'place in USD' => [ 4, $product, "INSERT INTO storm.answers (kind, order_id, customer_id)
		SELECT 'order', crm_place_order(1 + :n % 5, storm.lines(:n, 0.0749 * (1 + :n % 99)), currency => 'USD'), 1 + :n % 5" ],
	# several clients send the same request
	'place with a key' => [ 6, $product, "INSERT INTO storm.answers (kind, request_key, order_id, customer_id)
		SELECT 'order', 'place ' || :last / 4, crm_place_order(1 + :last / 4 % 5, storm.lines(:last / 4), request_key => 'place ' || :last / 4), 1 + :last / 4 % 5" ],
	'place by statements' => [ 3, 'SL016', "WITH o AS (INSERT INTO crm.orders (customer_id) VALUES (1 + :n % 5) RETURNING id)
		INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT o.id, 1 + (:n + l) % 8, l FROM o, generate_series(1, 3) l" ],
	'sell at once' => [ 4, 'SL016', "DO \$\$ DECLARE o bigint; BEGIN
		o := crm_place_order(1, '[{\"sku\": \"P1\", \"quantity\": 3}]', request_key => 'sale :n :id'); UPDATE crm.order_lines SET quantity = 2 WHERE order_id = o;
		PERFORM crm_advance_order(o, 'submit'); INSERT INTO storm.answers SELECT 'payment', o, crm_record_payment(o, total), total FROM crm.orders WHERE id = o;
		PERFORM crm_advance_order(o, 'pay'); END \$\$" ],
	'add a line' => [ 8, "$edit SL016 SL017 23503", "INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (:id, 1 + :n % 8, :n % 5000 / 1000.0 + 0.001)" ],
	'add lines' => [ 4, "$edit SL016", "INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price, tax)
		SELECT o.id, 1 + (:n + l) % 8, l, 0.3333 * l, 0.01 FROM (SELECT id FROM crm.orders WHERE id IN (:id, :other) ORDER BY id) o, generate_series(1, 2) l" ],
	'change a line' => [ 8, $edit, "UPDATE crm.order_lines SET quantity = 1 + :n % 777 / 100.0, discount = round((1 + :n % 777 / 100.0) * unit_price / 2, 2)
		WHERE order_id = :id AND line_no = 1 + :n % 3" ],
	'change all lines' => [ 3, $edit, "UPDATE crm.order_lines SET tax = :n % 100 / 100.0, product_id = product_id WHERE order_id = :id" ],
	'move a line' => [ 4, "$edit SL017 23503 23505", "UPDATE crm.order_lines SET order_id = :other, line_no = 5 + :n % 1000 WHERE order_id = :id AND line_no = 1 + :n % 3" ],
	'delete a line' => [ 4, $edit, "DELETE FROM crm.order_lines WHERE order_id = :id AND line_no = 1 + :n % 3" ],
	'another rate' => [ 2, '', "UPDATE crm.orders SET exchange_rate = 0.5 + :n % 1000 / 777.0 WHERE id = :id AND currency = 'USD'" ],
	'another price' => [ 3, '', "UPDATE crm.products SET price = 0.05 + :n % 999 / 100.0, active = :n % 12 <> 0 WHERE id = 2 + :n % 7" ],
	'pay what is owed' => [ 15, '', "INSERT INTO storm.answers SELECT 'payment', id, crm_record_payment(id, balance), balance FROM crm.orders WHERE id = :id AND balance > 0" ],
	'pay some' => [ 5, '23503', "INSERT INTO storm.answers SELECT 'payment', :id, crm_record_payment(:id, 1.11), 1.11" ],
	'pay with a key' => [ 6, '23503', "INSERT INTO storm.answers SELECT 'payment', :id, crm_record_payment(:id, 1 + :n % 3, request_key => 'pay :id ' || :n % 3), 1 + :n % 3, 'pay :id ' || :n % 3" ],
	'refund some' => [ 8, 'SL006 23503', "INSERT INTO storm.answers SELECT 'refund', :id, crm_record_refund(:id, 0.01 + :n % 9), 0.01 + :n % 9" ],
	'refund all' => [ 8, 'SL006', "INSERT INTO storm.answers SELECT 'refund', id, crm_record_refund(id, paid - refunded), paid - refunded FROM crm.orders WHERE id = :id AND paid > refunded" ],
	'refund with a key' => [ 4, 'SL006 23503', "INSERT INTO storm.answers SELECT 'refund', :id, crm_record_refund(:id, 1, request_key => 'refund :id'), 1, 'refund :id'" ],
	'refund by statement' => [ 3, 'SL006 23503', "INSERT INTO crm.payments (order_id, kind, amount, method, reference)
		SELECT :id, kind, amount, 'cash', pg_current_xact_id() FROM (VALUES ('refund', 2), ('payment', 1), ('refund', 1)) v (kind, amount)" ],
	(map { ("step $_->[0]" => [ $_->[1], $step, "SELECT crm_advance_order(:id, '$_->[0]')" ]) }
		[ 'submit', 14 ], [ 'pay', 16 ], [ 'ship', 8 ], [ 'complete', 6 ], [ 'cancel', 4 ], [ 'refund', 10 ]),
	'step with a key' => [ 5, $step, "SELECT crm_advance_order(:id, 'submit', request_key => 'submit :id')" ],
	'steps of many' => [ 3, '', "SELECT crm_advance_orders(ARRAY[:id, :other, NULL, :last], (ARRAY['submit', 'pay', 'ship'])[1 + :n % 3])" ],
	'step by statement' => [ 5, 'SL003 SL004', "UPDATE crm.orders SET status = 'submitted', owner = 'Zoé' WHERE id = :id" ]);
my %repeatable = map { ("$_, repeatable read" => [ 2, "$requests{$_}[1] 40001", $requests{$_}[2] ]) }
  'place', 'add a line', 'change a line', 'pay what is owed', 'refund all', 'step submit', 'step pay';

my $dir = PostgreSQL::Test::Utils::tempdir;
my @files;

sub add_script
{
	my ($weight, $script) = @_;
	my $file = "$dir/" . @files . '.sql';
	append_to_file($file, "SELECT last_value AS last FROM crm.orders_id_seq \\gset\n\\set id greatest(1, :last - random(0, 11))\n"
		. "\\set other greatest(1, :last - random(0, 11))\n\\set n random(1, 1000000)\n$script\n");
	push @files, "--file=$file\@$weight";
}

sub try_sql
{
	my ($name, $expected, $statement) = @_;
	return "SELECT storm.try('$name', '{" . join(',', split(' ', $expected)) . "}', \$try\$" . $statement =~ s/\s+/ /gr . '$try$);';
}

for my $name (sort keys %requests)
{
	my ($weight, $expected, $statement) = @{ $requests{$name} };
	add_script($weight, try_sql($name, $expected, $statement));
}
for my $name (sort keys %repeatable)
{
	my ($weight, $expected, $statement) = @{ $repeatable{$name} };
	add_script($weight, "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM crm.orders WHERE id > :id;\n"
		. try_sql($name, $expected, $statement) . "\nCOMMIT;");
}
add_script(4, "BEGIN;\n"
	. try_sql('is lost', $product, "INSERT INTO storm.answers (kind, request_key, order_id) SELECT 'order', 'lost :n', crm_place_order(1, storm.lines(:n), request_key => 'lost :n')") . "\n"
	. try_sql('is lost', '23503', "SELECT crm_record_payment(:id, 5, request_key => 'lost :n')") . "\nROLLBACK;");

$node->safe_psql('postgres', q(GRANT SELECT ON SEQUENCE crm.orders_id_seq TO clerk; SELECT crm_place_order(1, storm.lines(1))));
$node->safe_psql('postgres', 'INSERT INTO storm.answers (kind, order_id, customer_id) VALUES (\'order\', 1, 1)');
my $log = "$dir/log";
my $ok = IPC::Run::run([ 'pgbench', '--no-vacuum', '--client=8', '--jobs=2', "--time=$seconds", "--random-seed=$seed", '--username=clerk',
	@files, $node->connstr('postgres') ], '<', \undef, '>', "$dir/out", '2>', $log);
my $errors = join "\n", grep { /ERROR|FATAL|aborted/ } split /\n/, slurp_file($log);
ok($ok, 'a storm');
is($errors, '', 'no client met another error than the refusals that its request may meet');
note($node->safe_psql('postgres', q(SELECT request || ': ' || string_agg(sqlstate || ' ' || n, ', ' ORDER BY sqlstate)
	FROM (SELECT request, sqlstate, count(*) AS n FROM storm.outcomes GROUP BY 1, 2) o GROUP BY request ORDER BY 1)));
is($node->safe_psql('postgres', q(SELECT count(DISTINCT request) FROM storm.outcomes WHERE sqlstate = '00000')),
	keys(%requests) + keys(%repeatable), 'every request was granted at times');
is($node->safe_psql('postgres', q(SELECT count(DISTINCT to_status) FROM crm.order_events)), 7, 'orders came to every status');
is($node->safe_psql('postgres', q(SELECT count(DISTINCT payment_status) FROM crm.orders)), 6, 'and to every payment status');

# What each audit finds is a fault.
my %audits = (
	'totals equal lines to the cent, in both currencies' => q(
		SELECT o.id, o.line_count, o.discount, o.tax, o.total, o.reporting_total, l.*
		FROM crm.orders o CROSS JOIN LATERAL (
			SELECT count(*) AS n, coalesce(sum(discount), 0) AS discount, coalesce(sum(tax), 0) AS tax,
				coalesce(sum(round(quantity * unit_price, 2) - discount + tax), 0) AS amount,
				coalesce(sum(round((round(quantity * unit_price, 2) - discount + tax) * o.exchange_rate, 2)), 0) AS reporting
			FROM crm.order_lines WHERE order_id = o.id) l
		WHERE (o.line_count, o.discount, o.tax, o.total, o.reporting_total) IS DISTINCT FROM (l.n::int, l.discount, l.tax, l.amount, l.reporting)),
	'paid and refunded equal the ledger, and the rest follows' => q(
		SELECT o.id, o.paid, o.refunded, o.balance, o.payment_status, p.*
		FROM crm.orders o CROSS JOIN LATERAL (
			SELECT coalesce(sum(amount) FILTER (WHERE kind = 'payment'), 0) AS paid, coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded
			FROM crm.payments WHERE order_id = o.id) p
		WHERE (o.paid, o.refunded, o.balance) IS DISTINCT FROM (p.paid, p.refunded, o.total - p.paid + p.refunded)
		   OR o.payment_status IS DISTINCT FROM CASE
			WHEN p.refunded > 0 THEN CASE WHEN p.refunded = p.paid THEN 'refunded' ELSE 'partly_refunded' END
			WHEN p.paid = 0 AND (o.total > 0 OR o.line_count = 0) THEN 'unpaid'
			WHEN p.paid < o.total THEN 'partial' WHEN p.paid = o.total AND o.line_count > 0 THEN 'paid' ELSE 'overpaid' END),
	'no more is given back than is paid' => q(SELECT id, paid, refunded FROM crm.orders WHERE NOT coalesce(0 <= refunded AND refunded <= paid, false)),
	# a statement that writes several payments counts as a whole: it has a reference of its own
	'never was more given back than was paid' => q(
		SELECT * FROM (SELECT order_id, payment_no, reference, sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END) OVER (PARTITION BY order_id ORDER BY payment_no) AS held,
				row_number() OVER (PARTITION BY order_id ORDER BY payment_no) AS n, lead(reference) OVER (PARTITION BY order_id ORDER BY payment_no) AS next_reference
			FROM crm.payments) p WHERE (held < 0 AND coalesce(reference <> next_reference, true)) OR n <> payment_no),
	'every history is a way through the workflow' => q(
		WITH steps AS (
			SELECT *, row_number() OVER w AS n, lag(to_status) OVER w AS previous, lag(at) OVER w AS previous_at
			FROM crm.order_events WINDOW w AS (PARTITION BY order_id ORDER BY seq)
		)
		SELECT * FROM steps
		WHERE seq <> n OR from_status IS DISTINCT FROM previous OR at < previous_at OR forced
		   OR NOT CASE WHEN n = 1 THEN event = 'create' AND to_status = 'pending'
			ELSE (from_status, event, to_status) IN (SELECT from_status, event, to_status FROM storm.edges) END),
	'status and version of an order are those of its last event' => q(
		SELECT o.id, o.status, o.version FROM crm.orders o
		WHERE (o.version, o.status) IS DISTINCT FROM (SELECT (e.seq, e.to_status) FROM crm.order_events e WHERE e.order_id = o.id ORDER BY e.seq DESC LIMIT 1)),
	'lines stay what they were when the order was submitted' => q(
		SELECT o.id, o.line_count, o.total, s.* FROM crm.orders o FULL JOIN storm.submitted s ON s.order_id = o.id
		WHERE s.order_id IS NULL AND EXISTS (SELECT FROM crm.order_events e WHERE e.order_id = o.id AND e.event = 'submit')
		   OR s.order_id IS NOT NULL AND (o.line_count, o.total) IS DISTINCT FROM (s.line_count, s.total)),
	'no step was taken before its condition was met' => q(
		SELECT e.order_id, e.event, e.at, s.line_count, s.total, held.amount FROM crm.order_events e LEFT JOIN storm.submitted s ON s.order_id = e.order_id
		CROSS JOIN LATERAL (SELECT coalesce(sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END), 0) AS amount
			FROM crm.payments p WHERE p.order_id = e.order_id AND p.at < e.at) held
		WHERE CASE e.event WHEN 'submit' THEN s.line_count = 0 WHEN 'pay' THEN held.amount < s.total WHEN 'refund' THEN held.amount <> 0 END),
	'nothing is an orphan' => q(
		SELECT 'line', order_id FROM crm.order_lines WHERE order_id NOT IN (SELECT id FROM crm.orders)
		UNION ALL SELECT 'payment', order_id FROM crm.payments WHERE order_id NOT IN (SELECT id FROM crm.orders)
		UNION ALL SELECT 'event', order_id FROM crm.order_events WHERE order_id NOT IN (SELECT id FROM crm.orders)
		UNION ALL SELECT 'product of', order_id FROM crm.order_lines WHERE product_id NOT IN (SELECT id FROM crm.products)
		UNION ALL SELECT 'customer of', id FROM crm.orders WHERE customer_id NOT IN (SELECT id FROM crm.customers)),
	'no request key is there twice, and none of a request that was rolled back' => q(
		SELECT request_key, count(*) FROM (SELECT request_key FROM crm.order_events UNION ALL SELECT 'payment ' || request_key FROM crm.payments) k
		WHERE request_key IS NOT NULL GROUP BY 1 HAVING count(*) > 1 OR request_key LIKE '%lost%'),
	'a request that came again was told the same, and all were told the truth' => q(
		SELECT a.* FROM storm.answers a LEFT JOIN crm.orders o ON o.id = a.order_id
		LEFT JOIN crm.payments p ON p.order_id = a.order_id AND p.payment_no = a.payment_no
		WHERE CASE a.kind WHEN 'order' THEN o.customer_id IS DISTINCT FROM a.customer_id
				OR a.request_key IS DISTINCT FROM (SELECT request_key FROM crm.order_events e WHERE e.order_id = a.order_id AND e.seq = 1)
			ELSE (p.kind, p.amount, p.request_key) IS DISTINCT FROM (a.kind, a.amount, a.request_key) END),
	'what was done was done once' => q(
		(SELECT order_id, payment_no FROM crm.payments WHERE method IS NULL EXCEPT ALL SELECT order_id, payment_no FROM (
			SELECT order_id, payment_no FROM storm.answers WHERE kind <> 'order' AND request_key IS NULL
			UNION ALL SELECT DISTINCT order_id, payment_no FROM storm.answers WHERE kind <> 'order' AND request_key IS NOT NULL) a)
		UNION ALL
		(SELECT order_id, NULL FROM storm.answers WHERE kind = 'order' AND request_key IS NULL GROUP BY 1 HAVING count(*) > 1)),
	'settlements are the ledger' => q(
		(SELECT * FROM (SELECT day, method, currency, payments, refunds, net FROM crm.settlements) s
		 EXCEPT ALL SELECT settled_on, coalesce(method, 'unknown'), currency, coalesce(sum(amount) FILTER (WHERE kind = 'payment'), 0),
			coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0), sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END) FROM crm.payments GROUP BY 1, 2, 3)));

is($node->safe_psql('postgres', $audits{$_}), '', $_) for sort keys %audits;

$node->stop;
done_testing();
