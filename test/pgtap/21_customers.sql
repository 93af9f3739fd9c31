-- Customers: who they are, how they are found, and what happened with them.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SET LOCAL TimeZone = 'UTC';
SELECT plan(31);

-- What is welcome (what is not is in 05_tables.sql)
INSERT INTO crm.customers (id, name) VALUES (1, 'José García');
ALTER TABLE crm.customers ALTER COLUMN id RESTART WITH 10;
ALTER TABLE crm.orders ALTER COLUMN id RESTART WITH 1000;
ALTER TABLE crm.opportunities ALTER COLUMN id RESTART WITH 1000;
SELECT is((SELECT kind FROM crm.customers WHERE id = 1), 'person', 'a customer is a person, unless something else is said');
SELECT lives_ok($$INSERT INTO crm.customers (kind, name, email, tags) VALUES ('company', '清风茶馆', 'service@茶.example', '{vip,"late payer",vip}')$$, 'a company');
SELECT lives_ok($$INSERT INTO crm.customers (name, gender, birth_date) VALUES ('Leap', 'female', '2000-02-29'), ('Old', NULL, '1850-01-01')$$, 'birthdays on a leap day and long ago');
SELECT throws_ok($$INSERT INTO crm.customers (name, birth_date) VALUES ('No leap', '1900-02-29')$$, '22008', NULL, 'not on a leap day that was none');
SELECT lives_ok($$SET LOCAL TimeZone = 'Pacific/Kiritimati'; INSERT INTO crm.customers (name, birth_date) VALUES ('Born today', current_date)$$, 'a child that is born today, where days begin');
SELECT lives_ok($$SET LOCAL TimeZone = 'Etc/GMT+12'; UPDATE crm.customers SET birth_date = birth_date, region = 'x' WHERE name = 'Born today'$$, 'stays valid where it is still yesterday');
SET LOCAL TimeZone = 'UTC';

-- Nobody who is needed is deleted, in PostgreSQL's words.
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
SELECT throws_ok('DELETE FROM crm.customers WHERE id = 1', '23503',
    'update or delete on table "customers" violates foreign key constraint "orders_belong_to_a_customer" on table "orders"', 'a customer with orders stays');
INSERT INTO crm.customers (id, name) VALUES (1000, 'Visited'), (1001, 'Asked'), (1002, 'Unknown');
INSERT INTO crm.activities (customer_id, kind, subject, due_at) VALUES (1000, 'visit', 'x', now());
SELECT throws_ok('DELETE FROM crm.customers WHERE id = 1000', '23503',
    'update or delete on table "customers" violates foreign key constraint "activities_are_for_a_customer" on table "activities"', 'one with activities');
INSERT INTO crm.opportunities (customer_id, name) VALUES (1001, 'x');
SELECT throws_ok('DELETE FROM crm.customers WHERE id = 1001', '23503',
    'update or delete on table "customers" violates foreign key constraint "opportunities_are_of_a_customer" on table "opportunities"', 'one with opportunities');
SELECT lives_ok('DELETE FROM crm.customers WHERE id = 1002', 'one without may go');

-- How customers are found
INSERT INTO crm.customers (id, name, email, address, tags, attributes)
SELECT 2000 + i, 'Name' || i, format('Mail%s@Example.com', i), repeat('Am Markt 1 ', 20), CASE WHEN i % 500 = 0 THEN '{vip}' ELSE ARRAY['t' || i % 50] END,
       jsonb_build_object('size', i % 997, 'shoes', jsonb_build_object('brand', 'b' || i % 499))
FROM generate_series(1, 20000) i;
ANALYZE crm.customers;
CREATE FUNCTION pg_temp.index_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN (SELECT string_agg(DISTINCT i #>> '{}', ', ') FROM jsonb_path_query(plan, '$.**."Index Name"') i);
END $$;
SELECT is(pg_temp.index_of('SELECT id FROM crm.customers WHERE ' || condition), index, condition)
FROM (VALUES
    ($$attributes @> '{"size": 7}'$$, 'customers_by_attribute'),
    ($$attributes @> '{"shoes": {"brand": "b7"}}'$$, 'customers_by_attribute'),
    ($$attributes @@ '$.shoes.brand == "b7"'$$, 'customers_by_attribute'),
    ($$tags @> '{vip}'$$, 'customers_by_tag'),
    ($$tags && '{vip,t7}' AND tags @> '{vip}'$$, 'customers_by_tag'),
    ($$lower(name) = lower('NAME77')$$, 'customers_by_name'),
    ($$lower(name) LIKE lower('Name77') || '%'$$, 'customers_by_name'),
    ($$lower(email) = lower('mail77@EXAMPLE.com')$$, 'customers_by_email'),
    ($$lower(email) LIKE 'mail77@%'$$, 'customers_by_email')) AS cases (condition, index);
SELECT results_eq($$SELECT id FROM crm.customers WHERE lower(email) = lower('mail77@EXAMPLE.com')$$, ARRAY[2077::bigint], 'an e-mail address in any case');
SELECT is((SELECT count(*) FROM crm.customers WHERE tags @> '{vip}'), 41::bigint, 'a tag');

-- The timeline
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Green tea', 4.90);
INSERT INTO crm.customers (id, name) VALUES (100, 'Zoë'), (101, 'Somebody else');
INSERT INTO crm.orders (id, customer_id, placed_at, currency, exchange_rate) VALUES (100, 100, '2024-02-01 09:00+00', 'CHF', 1.05), (101, 101, '2024-02-01 09:00+00', 'CHF', 1.05);
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) SELECT o, l, 1, 2, 4.90 FROM (VALUES (100), (101)) AS o (o), generate_series(1, 2) l;
INSERT INTO crm.orders (id, reference, customer_id, placed_at, status, status_since)
VALUES (102, 'R-7', 100, '2023-05-01 09:00+00', 'completed', '2023-05-09 09:00+00');
INSERT INTO crm.opportunities (id, customer_id, name, amount, currency, created_at)
VALUES (100, 100, 'Tea for the canteen', 80, 'CHF', '2023-04-02 09:00+00'), (101, 101, 'Something else', 1, 'CHF', now());
SET LOCAL crm.actor = 'Maria';
SELECT crm_advance_order(100, 'submit', 'by telephone');
SELECT crm_record_payment(100, 20, 'card', note => 'at the door'), crm_record_refund(100, 0.40);
SELECT crm_advance('crm.opportunities', 100, 'lose', 'too dear');
INSERT INTO crm.activities (customer_id, order_id, opportunity_id, kind, subject, done_at, outcome, owner) VALUES
    (100, NULL, 100, 'visit', 'First visit', '2023-04-01 09:00+00', 'wants tea', 'Tom'),
    (100, 102, NULL, 'call', 'Is it good?', '2023-05-20 09:00+00', NULL, NULL),
    (101, 101, NULL, 'call', 'Is it good?', '2023-05-20 09:00+00', NULL, NULL);
INSERT INTO crm.activities (customer_id, kind, subject, due_at) VALUES (100, 'visit', 'To come', now()), (100, 'call', 'Was to come', '2023-01-01');
RESET crm.actor;
SELECT results_eq($$SELECT at < now() - interval '1 day', kind, order_id, opportunity_id, subject, amount, currency, note, actor FROM crm_customer_timeline(100)$$, $$VALUES
    (false, 'step', NULL::bigint, 100::bigint, 'lose: lead -> lost', NULL::numeric, NULL::text, 'too dear', 'Maria'),
    (false, 'refund', 100, NULL, 'refund', 0.40, 'CHF', NULL, 'Maria'),
    (false, 'payment', 100, NULL, 'card', 20.00, 'CHF', 'at the door', 'Maria'),
    (false, 'step', 100::bigint, NULL::bigint, 'submit: pending -> submitted', NULL::numeric, NULL::text, 'by telephone', 'Maria'),
    (true, 'order', 100, NULL, 'order 100', 19.60, 'CHF', NULL, session_user::text COLLATE "default"),
    (true, 'call', 102, NULL, 'Is it good?', NULL, NULL, NULL, 'Maria'),
    (true, 'step', 102, NULL, 'import: completed', NULL, NULL, NULL, session_user::text COLLATE "default"),
    (true, 'order', 102, NULL, 'R-7', 0.00, 'EUR', NULL, session_user::text COLLATE "default"),
    (true, 'opportunity', NULL, 100, 'Tea for the canteen', 80.00, 'CHF', NULL, session_user::text COLLATE "default"),
    (true, 'visit', NULL, 100, 'First visit', NULL, NULL, 'wants tea', 'Tom')$$,
    'everything that happened, the newest first; what is only planned has not');
SELECT is((SELECT count(*) FROM (SELECT at, lead(at) OVER () AS before FROM crm_customer_timeline(100)) t WHERE before > at), 0::bigint, 'in this order');
SELECT is_empty('SELECT * FROM crm_customer_timeline(404)', 'nothing has happened with a customer who does not exist');
SELECT is_empty('SELECT * FROM crm_customer_timeline(NULL)', 'nor with none');

-- It runs with the rights of the caller,
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
SET LOCAL ROLE crm_test_clerk;
SELECT throws_ok('SELECT * FROM crm_customer_timeline(100)', '42501', NULL, 'who may not read the orders does not read the timeline');
RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO crm_test_clerk;
ALTER TABLE crm.activities ENABLE ROW LEVEL SECURITY;
CREATE POLICY tom ON crm.activities USING (owner = 'Tom');
SET LOCAL ROLE crm_test_clerk;
SELECT results_eq($$SELECT subject FROM crm_customer_timeline(100) WHERE kind IN ('visit', 'call')$$, ARRAY['First visit'], 'and sees what policies let through');
RESET ROLE;
-- on our tables,
CREATE TEMP TABLE orders AS SELECT 666 AS id, 100 AS customer_id;
CREATE SCHEMA evil;
CREATE FUNCTION evil.never(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil operator'; END $$;
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.never);
SELECT set_config('search_path', 'evil, pg_temp, public, pg_catalog', true) AS ignored \gset
SELECT pg_catalog.count(*) AS happened FROM public.crm_customer_timeline(100) \gset
SELECT pg_catalog.set_config('search_path', 'public', true) AS ignored \gset
SELECT is(:happened, 10, 'a hostile search_path makes no difference');
SELECT lives_ok('SET LOCAL transaction_read_only = on; SELECT * FROM crm_customer_timeline(100)', 'a read-only transaction is enough');
SET LOCAL transaction_read_only = off;

-- and by their indexes, of 25,000 orders with 100,000 events.
INSERT INTO crm.orders (customer_id, placed_at) SELECT 2001 + i % 20000, now() - i * interval '1 minute' FROM generate_series(1, 25000) i;
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) SELECT id, 1, 1, 1, 4.90 FROM crm.orders WHERE customer_id > 2000;
UPDATE crm.orders SET status = 'submitted' WHERE status = 'pending' AND customer_id > 2000;
INSERT INTO crm.payments (order_id, amount) SELECT id, 4.90 FROM crm.orders WHERE customer_id > 2000;
UPDATE crm.orders SET status = 'paid' WHERE status = 'submitted' AND customer_id > 2000;
UPDATE crm.orders SET status = 'shipped' WHERE status = 'paid' AND customer_id > 2000;
INSERT INTO crm.activities (customer_id, kind, subject, done_at) SELECT 2001 + i % 20000, 'call', 'x', now() FROM generate_series(1, 25000) i;
INSERT INTO crm.opportunities (customer_id, name, amount) SELECT 2001 + i % 20000, 'x', i FROM generate_series(1, 25000) i;
ANALYZE crm.orders, crm.order_events, crm.payments, crm.activities, crm.opportunities, crm.opportunity_events;
SELECT sum(seq_scan) AS before FROM pg_stat_xact_all_tables WHERE schemaname = 'crm' \gset
SELECT is((SELECT count(*) FROM crm_customer_timeline(2077)), 14::bigint, 'a customer among many');
SELECT is((SELECT sum(seq_scan) FROM pg_stat_xact_all_tables WHERE schemaname = 'crm'), :before::numeric, 'no table was read as a whole');

SELECT * FROM finish();
ROLLBACK;
