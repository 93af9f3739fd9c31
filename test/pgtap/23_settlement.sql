-- What came in and went out each day, and who owes what since when.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SET LOCAL TimeZone = 'UTC';
SELECT plan(50);

INSERT INTO crm.customers (id, name, owner, phone) VALUES (1, 'Ada', 'Anna', '+44 1'), (2, 'Bob', NULL, NULL);
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Green tea', 10);
INSERT INTO crm.exchange_rates VALUES ('CHF', '2000-01-01', 1.05);

-- An order over that many euros, that took these steps
CREATE FUNCTION pg_temp.place(id bigint, total int, VARIADIC steps text[] DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    step text;
BEGIN
    INSERT INTO crm.orders (id, customer_id, owner) VALUES (id, 1, 'Tom');
    INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (id, 1, 1, total, 1);
    FOREACH step IN ARRAY steps LOOP
        IF step ~ '^\d' THEN
            PERFORM crm_record_payment(id, step::numeric);
        ELSIF step ~ '^-' THEN
            PERFORM crm_record_refund(id, - step::numeric);
        ELSE
            PERFORM crm_advance_order(id, step);
        END IF;
    END LOOP;
END $$;
-- What is owed: by the customer, or below zero to the customer
CREATE FUNCTION pg_temp.owed(id bigint) RETURNS text LANGUAGE sql AS $$
    SELECT (owed_by_customer - owed_to_customer) || ' ' || payment_status FROM crm.unsettled_orders WHERE order_id = $1
$$;
CREATE FUNCTION pg_temp.owed_after(total int, VARIADIC steps text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := (SELECT coalesce(max(o.id), 0) + 1 FROM crm.orders o);
BEGIN
    PERFORM pg_temp.place(id, total, VARIADIC steps);
    RETURN pg_temp.owed(id);
END $$;

-- Who owes what
SELECT is(pg_temp.owed_after(100, VARIADIC '{}'), NULL, 'an order that is still being written is no debt');
SELECT is(pg_temp.owed_after(100, 'cancel'), NULL, 'nor is one that came to nothing');
SELECT is(pg_temp.owed_after(100, '30'), NULL, 'nor is money in advance, while it is not too much');
SELECT is(pg_temp.owed_after(100, '130'), '-30.00 overpaid', 'which is owed to the customer');
SELECT is(pg_temp.owed_after(100, 'submit'), '100.00 unpaid', 'a submitted order is a debt');
SELECT is(pg_temp.owed_after(100, 'submit', '40'), '60.00 partial', 'of what is not paid');
SELECT is(pg_temp.owed_after(100, 'submit', '40', '60', 'pay'), NULL, 'until it is paid');
SELECT is(pg_temp.owed_after(100, 'submit', '100', 'pay', 'ship', 'complete'), NULL, 'a completed order is settled');
SELECT is(pg_temp.owed_after(100, 'submit', '100.01', 'pay', 'ship'), '-0.01 overpaid', 'unless a cent too much was paid');
SELECT is(pg_temp.owed_after(100, 'submit', '100.01', 'pay', 'ship', '-0.01'), NULL, 'and is given back');
SELECT is(pg_temp.owed_after(100, 'submit', '100', 'pay', '-25'), '25.00 partly_refunded', 'a refund on an order that stands makes a debt again');
SELECT is(pg_temp.owed_after(100, 'submit', '40', 'cancel'), '-40.00 partial', 'what was paid for a cancelled order is owed to the customer');
SELECT is(pg_temp.owed_after(100, 'submit', '100', 'cancel'), '-100.00 paid', 'also if it was all');
SELECT is(pg_temp.owed_after(100, 'submit', '40', 'cancel', '-15'), '-25.00 partly_refunded', 'until it is given back');
SELECT is(pg_temp.owed_after(100, 'submit', '40', 'cancel', '-40'), NULL, 'altogether');
SELECT is(pg_temp.owed_after(100, 'submit', '100', 'pay', '-100', 'refund'), NULL, 'so with a refunded order');
-- against each other
SELECT is((SELECT count(*) FROM crm.unsettled_orders u FULL JOIN (
    SELECT o.id, CASE WHEN o.status IN ('cancelled', 'refunded') THEN l.back - l.paid WHEN o.status = 'pending' THEN least(s.total - l.paid + l.back, 0) ELSE s.total - l.paid + l.back END AS owed
    FROM crm.orders o
    CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM crm.order_lines WHERE order_id = o.id) s
    CROSS JOIN LATERAL (SELECT coalesce(sum(amount) FILTER (WHERE kind = 'payment'), 0) AS paid, coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS back
        FROM crm.payments WHERE order_id = o.id) l) plain ON plain.id = u.order_id
    WHERE coalesce(owed_by_customer - owed_to_customer, 0) <> plain.owed OR owed_by_customer < 0 OR owed_to_customer < 0), 0::bigint, 'lines and ledger say the same');
SELECT is((SELECT count(*) FROM crm.unsettled_orders), 8::bigint, 'of eight orders');

-- To whom, and since when
SELECT pg_temp.place(100, 50, 'submit');
SELECT results_eq('SELECT customer_id, customer_name, phone, email, owner, status, total, paid, refunded, owed_by_customer, owed_to_customer, currency, days FROM crm.unsettled_orders WHERE order_id = 100',
    $$VALUES (1::bigint, 'Ada', '+44 1', NULL, 'Tom', 'submitted', 50.00, 0.00, 0.00, 50.00, 0::numeric, 'EUR', 0)$$, 'with whom to reach and how');
UPDATE crm.orders SET owner = NULL WHERE id = 100;
SELECT is((SELECT owner FROM crm.unsettled_orders WHERE order_id = 100), 'Anna', 'the salesperson of the customer, if the order has none');
INSERT INTO crm.orders (id, customer_id, status, status_since, placed_at) VALUES (101, 2, 'shipped', now() - interval '30 days', now() - interval '40 days');
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (101, 1, 1, 1, 20);
SELECT results_eq('SELECT owner, since, days FROM crm.unsettled_orders WHERE order_id = 101', $$VALUES ('nobody', now() - interval '30 days', 30)$$, 'an imported order, since the import says');
SELECT is((SELECT since FROM crm.unsettled_orders WHERE order_id = 100), (SELECT at FROM crm.order_events WHERE order_id = 100 AND event = 'submit'), 'a debt begins when the order is submitted');
SELECT crm_record_payment(100, 10), crm_force_order(100, 'shipped', 'on credit');
SELECT is((SELECT since FROM crm.unsettled_orders WHERE order_id = 100), (SELECT at FROM crm.order_events WHERE order_id = 100 AND event = 'submit'), 'part of the money and further steps change nothing about that');
SELECT crm_record_refund(100, 10);
SELECT is((SELECT since FROM crm.unsettled_orders WHERE order_id = 100), (SELECT at FROM crm.order_events WHERE order_id = 100 AND event = 'submit'), 'nor does a refund');
SELECT crm_record_payment(100, 60);
SELECT is((SELECT since FROM crm.unsettled_orders WHERE order_id = 100), (SELECT max(at) FROM crm.payments WHERE order_id = 100 AND kind = 'payment'), 'too much was paid since the payment');
SELECT crm_force_order(100, 'refunded', 'the goods came back');
SELECT is((SELECT since FROM crm.unsettled_orders WHERE order_id = 100), (SELECT status_since FROM crm.orders WHERE id = 100), 'what was paid for a lost order is owed since it was lost');
-- The age of a debt: an order over 100.00 that was shipped 60 days ago, and what came and went how many days ago (by the owner, who may say so)
CREATE FUNCTION pg_temp.age_after(status text, VARIADIC ledger numeric[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    new_id bigint := (SELECT max(o.id) + 1 FROM crm.orders o);
BEGIN
    INSERT INTO crm.orders (id, customer_id, status, status_since, placed_at) VALUES (new_id, 2, status, now() - interval '60 days', now() - interval '61 days');
    INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) VALUES (new_id, 1, 1, 100);
    FOR i IN 1 .. cardinality(ledger) BY 2 LOOP
        INSERT INTO crm.payments (order_id, kind, amount, at)
        VALUES (new_id, CASE WHEN ledger[i + 1] > 0 THEN 'payment' ELSE 'refund' END, abs(ledger[i + 1]), now() - make_interval(days => ledger[i]::integer));
    END LOOP;
    RETURN (SELECT format('%s for %s days', owed_by_customer - owed_to_customer, days) FROM crm.unsettled_orders WHERE order_id = new_id);
END $$;
SELECT is(pg_temp.age_after('shipped', VARIADIC '{}'), '100.00 for 60 days', 'a debt of 60 days');
SELECT is(pg_temp.age_after('shipped', 2, 1, 1, -1), '100.00 for 60 days', 'is one after a payment of 1.00 and its refund, too');
SELECT is(pg_temp.age_after('shipped', 30, 99.99), '0.01 for 60 days', 'and when almost all is paid');
SELECT is(pg_temp.age_after('shipped', 30, 100, 20, -5), '5.00 for 20 days', 'one that was paid is another one when something is given back');
SELECT is(pg_temp.age_after('shipped', 30, 100, 20, -5, 10, -5), '10.00 for 20 days', 'of the day when the first was given back');
SELECT is(pg_temp.age_after('shipped', 30, 100, 20, -5, 10, 5, 4, -2), '2.00 for 4 days', 'or the last, if it was settled in between');
SELECT is(pg_temp.age_after('shipped', 50, 150), '-50.00 for 50 days', 'what was paid too much is owed since then');
SELECT is(pg_temp.age_after('shipped', 50, 150, 1, 0.01), '-50.01 for 50 days', 'whatever is paid besides');
SELECT is(pg_temp.age_after('shipped', 50, 150, 40, -49.99), '-0.01 for 50 days', 'or has been given back of it');
SELECT is(pg_temp.age_after('shipped', 50, 150, 40, -60, 30, 15), '-5.00 for 30 days', 'and anew when the customer has owed something in between');
SELECT is(pg_temp.age_after('shipped', 50, 150, 40, -60), '10.00 for 40 days', 'who then owes it since that day');
SELECT is(pg_temp.age_after('shipped', 40, 20, 50, 100), '-20.00 for 40 days', 'in the order of their time, not of their numbers');
SELECT is(pg_temp.age_after('cancelled', 70, 40, 30, 1, 20, -1), '-40.00 for 60 days', 'for a lost order all is owed since it was lost');
SELECT is(pg_temp.age_after('cancelled', 30, 40, 20, 1), '-41.00 for 30 days', 'or since it was paid');
SELECT is(pg_temp.age_after('cancelled', 70, 40, 50, -40, 20, 7, 10, 3), '-10.00 for 20 days', 'again');
SELECT is(pg_temp.age_after('pending', 30, 120, 20, 5), '-25.00 for 30 days', 'for one that is still being written what is too much');
INSERT INTO crm.workflows (name, definition) VALUES ('loan', E'[*] --> asked\nasked --> granted : grant\ngranted --> [*]');
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (150, 1, 'loan');
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (150, 1, 1, 1, 20);
SELECT is(pg_temp.owed(150), '20.00 unpaid', 'where nothing is editable, an order is a debt from the first');

-- Each day
TRUNCATE crm.payments;
UPDATE crm.settings SET time_zone = 'Asia/Taipei';
INSERT INTO crm.orders (id, customer_id, currency) VALUES (200, 1, 'EUR'), (201, 2, 'CHF');
INSERT INTO crm.payments (order_id, kind, amount, method) VALUES (200, 'payment', 100, 'card'), (200, 'payment', 50.50, 'card'), (200, 'refund', 20.25, 'card'),
    (200, 'refund', 30, NULL), (201, 'payment', 7, 'card');
SET LOCAL TimeZone = 'America/Los_Angeles';
SELECT results_eq('SELECT * FROM crm.settlements ORDER BY method, currency', $$
    SELECT (now() AT TIME ZONE 'Asia/Taipei')::date, * FROM (VALUES
    ('card', 'CHF', 1::bigint, 7.00, 0::bigint, 0::numeric, 7.00),
    ('card', 'EUR', 2, 150.50, 1, 20.25, 130.25),
    ('unknown', 'EUR', 0, 0, 1, 30.00, -30.00)) v$$, 'each method and currency by itself');
SELECT is_empty($$SELECT * FROM crm.settlements s FULL JOIN (SELECT settled_on AS day, coalesce(method, 'unknown') AS method, currency, sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END) AS net FROM crm.payments GROUP BY 1, 2, 3) p
    USING (day, method, currency) WHERE s.net IS DISTINCT FROM p.net OR s.net <> payments - refunds$$, 'and the days are those of the ledger');

-- Midnight of Taipei is 16:00 UTC
TRUNCATE crm.payments;
INSERT INTO crm.payments (order_id, kind, amount, method, at) VALUES (200, 'payment', 5, 'cash', '2026-03-07 15:59:59.999999Z'),
    (200, 'payment', 3, 'cash', '2026-03-07 16:00Z'), (200, 'refund', 1, 'cash', '2026-03-08 15:59:59Z'), (200, 'payment', 2, 'cash', '2026-03-08 16:00Z');
SELECT results_eq('SELECT day, payments, refunds, net FROM crm.settlements ORDER BY day',
    $$VALUES ('2026-03-07'::date, 5.00, 0::numeric, 5.00), ('2026-03-08', 3.00, 1.00, 2.00), ('2026-03-09', 2.00, 0, 2.00)$$, 'a day begins at midnight of the reporting time zone');
UPDATE crm.payments SET at = '2026-03-07 16:00Z' WHERE payment_no = 1;
SELECT results_eq('SELECT day, payments FROM crm.settlements ORDER BY day LIMIT 1', $$VALUES ('2026-03-08'::date, 8.00)$$, 'a corrected time moves its payment to its day');

-- Rights
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT SELECT ON crm.unsettled_orders, crm.settlements, crm.payments TO crm_test_clerk;
SET LOCAL ROLE crm_test_clerk;
SELECT lives_ok('SELECT * FROM crm.settlements', 'who may read the ledger reads what it comes to');
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN throws_ok('SELECT * FROM crm.unsettled_orders', '42501', NULL, 'but not who owes what')
    ELSE skip('a view of PostgreSQL 14 reads with the rights of its owner', 1) END;
RESET ROLE;
SELECT lives_ok('SELECT * FROM crm.unsettled_orders', 'as the owner does');

SELECT * FROM finish();
ROLLBACK;
