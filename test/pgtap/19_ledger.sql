-- Payments and refunds: what is recorded, what is refused, and the sums that follow.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(70);

CREATE ROLE crm_test_clerk;
CREATE ROLE crm_test_stranger;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk, crm_test_stranger;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON crm.payments TO crm_test_clerk;
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Green tea', 10);
INSERT INTO crm.orders (id, customer_id) SELECT n, 1 FROM generate_series(1, 9) n;
INSERT INTO crm.orders (id, customer_id, currency, exchange_rate) VALUES (10, 1, 'USD', 0.9);
INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) SELECT id, 1, 10, 10 FROM crm.orders WHERE id <> 9;

CREATE FUNCTION pg_temp.sums(bigint) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', paid, refunded, balance, payment_status) FROM crm.orders WHERE id = $1
$$;
\ir include/outcome.sql
-- The oracle
CREATE FUNCTION pg_temp.wrong() RETURNS SETOF crm.orders LANGUAGE sql AS $$
    SELECT o.* FROM crm.orders o LEFT JOIN (
        SELECT order_id, sum(amount) FILTER (WHERE kind = 'payment') AS paid, sum(amount) FILTER (WHERE kind = 'refund') AS refunded
        FROM crm.payments GROUP BY order_id) AS p ON p.order_id = o.id
    WHERE (o.paid, o.refunded) IS DISTINCT FROM (coalesce(p.paid, 0), coalesce(p.refunded, 0)) OR o.refunded > o.paid
       OR o.balance <> o.total - o.paid + o.refunded
$$;

-- A clerk who has no right on the orders
SET LOCAL ROLE crm_test_clerk;
SET LOCAL crm.actor = 'Zoé';
SELECT is(crm_record_payment(1, 30, 'card', 'tx 1', NULL, 'on account'), 1, 'a payment has a number');
SELECT is(crm_record_payment(1, 70), 2, 'and the next one the next');
SELECT is(crm_record_refund(1, 0.01, note => 'one cent'), 3, 'refunds are counted along');
RESET ROLE;
SELECT results_eq($$SELECT payment_no, kind, amount, currency, method, reference, note, at BETWEEN now() AND clock_timestamp(), settled_on = (at AT TIME ZONE 'UTC')::date, actor, role, request_key
    FROM crm.payments WHERE order_id = 1 ORDER BY 1$$, $$VALUES
    (1, 'payment', 30.00, 'EUR', 'card', 'tx 1', 'on account', true, true, 'Zoé', 'crm_test_clerk', NULL::text),
    (2, 'payment', 70.00, 'EUR', NULL, NULL, NULL, true, true, 'Zoé', 'crm_test_clerk', NULL),
    (3, 'refund', 0.01, 'EUR', NULL, NULL, 'one cent', true, true, 'Zoé', 'crm_test_clerk', NULL)$$, 'the ledger says who, when and how');

-- Every payment status, order 2: 100.00
CREATE FUNCTION pg_temp.status_after(kind text, amount numeric) RETURNS text LANGUAGE sql AS $$
    INSERT INTO crm.payments (order_id, kind, amount) VALUES (2, $1, $2);
    SELECT pg_temp.sums(2);
$$;
SELECT is(pg_temp.sums(2), '0.00 0.00 100.00 unpaid', 'unpaid');
SELECT is(pg_temp.status_after('payment', 99.99), '99.99 0.00 0.01 partial', 'partial');
SELECT is(pg_temp.status_after('payment', 0.01), '100.00 0.00 0.00 paid', 'paid');
SELECT is(pg_temp.status_after('payment', 0.01), '100.01 0.00 -0.01 overpaid', 'overpaid');
SELECT is(pg_temp.status_after('refund', 0.01), '100.01 0.01 0.00 partly_refunded', 'partly_refunded');
SELECT is(pg_temp.status_after('refund', 100), '100.01 100.01 100.00 refunded', 'refunded');
SELECT is(pg_temp.status_after('payment', 5), '105.01 100.01 95.00 partly_refunded', 'and paid again');
SELECT is(pg_temp.sums(9), '0.00 0.00 0.00 unpaid', 'an order without lines is unpaid');
SELECT is(crm_record_payment(9, 1), 1, 'a deposit');
SELECT is(pg_temp.sums(9), '1.00 0.00 -1.00 overpaid', 'is too much for nothing');

-- The cap
SELECT is(pg_temp.outcome('SELECT public.crm_record_refund(1, 100)'),
    'SL006 more would be given back on order 1 than was paid Paid: 100.00, given back before: 0.01, asked for now: 100.00. Give back 99.99 at most.',
    'a refund of 0.01 too much');
SELECT is(pg_temp.outcome('SELECT public.crm_record_refund(1, 99.99)'), '00001 done', 'and one of 0.00 too much');
SELECT is(pg_temp.outcome('SELECT public.crm_record_refund(3, 0.01)'),
    'SL006 more would be given back on order 3 than was paid Paid: 0.00, given back before: 0.00, asked for now: 0.01. Give back 0.00 at most.', 'or of nothing that was paid');
SELECT is(left(pg_temp.outcome($$INSERT INTO crm.payments (order_id, kind, amount) VALUES (1, 'refund', 60), (1, 'refund', 60)$$), 5), 'SL006', 'two in one statement');
SELECT is(pg_temp.outcome($$INSERT INTO crm.payments (order_id, kind, amount) VALUES (3, 'refund', 60), (3, 'payment', 60)$$), '00001 done', 'a statement counts as a whole');
SELECT is(left(pg_temp.outcome($$INSERT INTO crm.payments (order_id, kind, amount) SELECT id, 'refund', 1 FROM crm.orders WHERE id IN (1, 3)$$, current_user), 54),
    'SL006 more would be given back on order 3 than was pai', 'of several orders the one that is too much is named');

-- Bad input
SELECT is(pg_temp.outcome(format('SELECT public.crm_record_payment(4, %s)', amount)),
    format('22023 an amount of money is above zero and has two decimals at most This one is %s. A refund is above zero, too: crm_record_refund() gives it back.', shown), 'an amount of ' || shown)
FROM (VALUES ('0', '0'), ('-1', '-1'), ('0.001', '0.001'), ($$'NaN'$$, 'NaN'), ($$'Infinity'$$, 'Infinity'), ($$'-Infinity'$$, '-Infinity')) AS v (amount, shown);
SELECT is(pg_temp.outcome('SELECT public.crm_record_payment(4, 1.500)'), '00001 done', 'zeros behind do no harm');
SELECT is(left(pg_temp.outcome('SELECT public.crm_record_payment(4, 1000000000000)'), 5), '22003', 'too much for the column');
SELECT is(pg_temp.outcome('SELECT public.crm_record_payment(4, 999999999999.99), public.crm_record_payment(4, 999999999999.99)'),
    '22003 column "paid" of order 4 would become too large It has room for 12 digits before the point. Make more than one order of it.', 'too much for an order');
SELECT is(left(pg_temp.outcome($$INSERT INTO crm.payments (order_id, amount) VALUES (4, 'NaN')$$), 5), '23514', 'NaN by INSERT');
SELECT is(left(pg_temp.outcome($$INSERT INTO crm.payments (order_id, amount) VALUES (4, 'Infinity')$$), 5), '22003', 'Infinity by INSERT');
SELECT is(pg_temp.outcome($$SELECT public.crm_record_payment(4, 1, currency => 'USD')$$),
    'SL017 order 4 is not paid in USD Its currency is EUR. Record what was received in EUR.', 'a payment in another currency');
SELECT is(left(pg_temp.outcome($$INSERT INTO crm.payments (order_id, amount, currency) VALUES (10, 1, 'EUR')$$), 5), 'SL017', 'by INSERT');
SELECT is(pg_temp.outcome($$SELECT public.crm_record_payment(10, 1, currency => 'USD')$$), '00001 done', 'in that of the order');
SELECT is(left(pg_temp.outcome('SELECT public.crm_record_payment(99, 1)'), 29), '23503 order 99 does not exist', 'an order that does not exist');
SELECT is(pg_temp.outcome('SELECT public.crm_record_payment(NULL, 1)'),
    '22004 order_id must not be null crm_record_payment() was called with a null order_id. Give it a value.', 'no order');
SELECT is(pg_temp.outcome('SELECT public.crm_record_refund(1, NULL)'),
    '22004 amount must not be null crm_record_refund() was called with a null amount. Give it a value.', 'no amount');
SELECT is(left(pg_temp.outcome('INSERT INTO crm.payments (amount) VALUES (1)'), 5), '23502', 'no order by INSERT');

-- Once
SELECT is(crm_record_payment(5, 10, 'card', request_key => 'a'), 1, 'a request');
SELECT is(crm_record_payment(5, 10.00, 'card', request_key => 'a'), 1, 'that comes again');
SELECT is(crm_record_payment(5, 10, request_key => 'b'), 2, 'and another one');
SELECT is(pg_temp.sums(5), '20.00 0.00 80.00 partial', 'are two payments');
SELECT is(pg_temp.outcome(format('SELECT public.%s, request_key => ''a'')', call)),
    format('SL012 request key "a" was used before It was not used for %s. Choose a new key for each request; the same one only to repeat it.', what), what)
FROM (VALUES ('crm_record_payment(5, 11', 'a payment of 11 on order 5'), ('crm_record_payment(6, 10', 'a payment of 10 on order 6'),
    ('crm_record_refund(5, 10', 'a refund of 10 on order 5')) AS v (call, what);
SELECT is(left(pg_temp.outcome($$SELECT public.crm_record_payment(5, 1, request_key => '')$$), 38), '22023 a request key has 1 to 255 bytes', 'an empty key');
SELECT is(left(pg_temp.outcome($$SELECT public.crm_record_payment(5, 1, request_key => repeat('x', 256))$$), 5), '22023', 'one that is too long');

-- Nobody changes what is recorded, or says who it was
SELECT is(pg_temp.outcome(statement),
    'SL011 payments in table crm.payments are not changed or deleted Role "crm_test_clerk" does not own the table. Record the opposite: a refund of a payment, a payment of a refund.', statement)
FROM unnest(ARRAY['UPDATE crm.payments SET note = ''x''', 'DELETE FROM crm.payments WHERE order_id = 77', 'TRUNCATE crm.payments',
    'INSERT INTO crm.payments (order_id, amount, request_key) VALUES (5, 1, ''a'') ON CONFLICT (request_key) WHERE request_key IS NOT NULL DO UPDATE SET note = ''x''']) AS statement;
SELECT is(left(pg_temp.outcome(format('INSERT INTO crm.payments (order_id, amount, %s) VALUES (5, 1, %s)', c, v)), 5), 'SL010', c || ' is given by the database')
FROM (VALUES ('payment_no', '77'), ('at', '''2020-01-01'''), ('settled_on', '''2020-01-01'''), ('actor', '''Bob'''), ('role', '''postgres''')) AS g (c, v);
SELECT is(left(pg_temp.outcome('SELECT public.crm_record_payment(5, 10)', 'crm_test_stranger'), 44), '42501 permission denied for table payments', 'it needs a right');
SELECT is(left(pg_temp.outcome('SELECT public.crm_record_payment(5, 10, request_key => ''a'')', 'crm_test_stranger'), 44), '42501 permission denied for table payments', 'even for an answer that was given');

-- The owner imports and corrects; the sums follow
UPDATE crm.settings SET time_zone = 'Asia/Taipei';
INSERT INTO crm.payments (order_id, payment_no, amount, at, actor, role) VALUES (6, 5, 60, '2024-02-29 20:00+00', 'Bob', 'old system');
SELECT results_eq('SELECT payment_no, settled_on, actor, role FROM crm.payments WHERE order_id = 6', $$VALUES (5, date '2024-03-01', 'Bob', 'old system')$$, 'the owner imports payments');
SELECT is(crm_record_payment(6, 1), 6, 'numbers go on from there');
UPDATE crm.payments SET at = '2024-02-29 12:00+00', amount = 61 WHERE order_id = 6 AND payment_no = 5;
SELECT is((SELECT settled_on FROM crm.payments WHERE order_id = 6 AND payment_no = 5), date '2024-02-29', 'and corrects them');
UPDATE crm.payments SET order_id = 7 WHERE order_id = 6 AND payment_no = 5;
DELETE FROM crm.payments WHERE order_id = 5 AND payment_no = 1;
SELECT is(pg_temp.sums(5) || ', ' || pg_temp.sums(6) || ', ' || pg_temp.sums(7), '10.00 0.00 90.00 partial, 1.00 0.00 99.00 partial, 61.00 0.00 39.00 partial', 'the sums follow');
SELECT is(left(pg_temp.outcome('UPDATE crm.payments SET amount = 0.5 WHERE order_id = 2 AND kind = ''payment''', current_user), 5), 'SL006', 'but not below what was given back');
COPY crm.payments (order_id, kind, amount) FROM STDIN;
8	payment	10
8	refund	3
8	payment	0.5
\.
SELECT is(pg_temp.sums(8), '10.50 3.00 92.50 partly_refunded', 'COPY');
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'all orders have the sums of their payments');

-- Orders with payments
SELECT is(left(pg_temp.outcome('DELETE FROM crm.orders WHERE id = 8', current_user), 5), '23503', 'an order with payments is not deleted');
SELECT is(pg_temp.outcome('UPDATE crm.orders SET currency = ''GBP'', exchange_rate = 1.2 WHERE id = 8', current_user),
    'SL017 the currency of order 8 cannot be changed any more It has payments in EUR. Cancel it, and place another one.', 'nor changes its currency');
SELECT lives_ok('UPDATE crm.order_lines SET quantity = 0.7 WHERE order_id = 8', 'its lines may change');
SELECT is(pg_temp.sums(8), '10.50 3.00 -0.50 partly_refunded', 'and with them what is owed');
TRUNCATE crm.payments;
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'after TRUNCATE by the owner nothing is paid');

SELECT * FROM finish();
ROLLBACK;
