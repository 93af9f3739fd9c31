-- When an order became a sale: orders.booked_at, which the database keeps and nothing takes away.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(29);
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.workflows (name, definition) VALUES ('s', $$
    [*] --> asked
    asked --> agreed : agree
    agreed --> asked : rework
    agreed --> sold : sell
    sold --> sent : send
    sold --> asked : rework
    sent --> sold : rework
    sent --> returned : give_back
    returned --> [*]
    class sold,sent booked
    class returned lost
$$), ('other', $$
    [*] --> asked
    asked --> sold : sell
    sold --> [*]
    asked --> [*]
    class asked,sold booked
$$);
ALTER TABLE crm.orders ALTER COLUMN id RESTART WITH 100;

-- Steps
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (1, 1, 's');
SELECT is((SELECT booked_at FROM crm.orders WHERE id = 1), NULL, 'a new order is no sale');
SELECT crm_advance_order(1, 'agree') AS ignored \gset
SELECT is((SELECT booked_at FROM crm.orders WHERE id = 1), NULL, 'nor is it after any step');
SELECT crm_advance_order(1, 'sell') AS ignored \gset
SELECT ok((SELECT booked_at = status_since AND booked_at = (SELECT at FROM crm.order_events WHERE order_id = 1 AND to_status = 'sold') FROM crm.orders WHERE id = 1), 'it is one from the step on that books it');
SELECT booked_at AS booked FROM crm.orders WHERE id = 1 \gset
SELECT count(crm_advance_order(1, event)) AS ignored FROM unnest('{send,rework,rework,agree,sell,send,give_back}'::text[]) AS event \gset
SELECT results_eq('SELECT status, booked_at FROM crm.orders WHERE id = 1', format('VALUES (%L, timestamptz %L)', 'returned', :'booked'), 'whatever becomes of it afterwards');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT n, 1, 's' FROM generate_series(2, 9) AS n;
SELECT count(*) AS ignored FROM crm_advance_orders('{2,3,4}', 'agree') \gset
SELECT count(*) AS ignored FROM crm_advance_orders('{2,3}', 'sell') \gset
SELECT results_eq('SELECT id, booked_at = status_since FROM crm.orders WHERE id BETWEEN 2 AND 4 ORDER BY 1', 'VALUES (2::bigint, true), (3, true), (4, NULL)', 'by a batch');
UPDATE crm.orders SET status = 'sold' WHERE id = 4;
SELECT ok((SELECT booked_at = status_since FROM crm.orders WHERE id = 4), 'by an UPDATE');
SELECT crm_force_order(5, 'sent', 'by telephone') AS ignored \gset
SELECT ok((SELECT booked_at = status_since FROM crm.orders WHERE id = 5), 'by force');
UPDATE crm.orders SET workflow = 'other' WHERE id = 6;
SELECT ok((SELECT booked_at = status_since FROM crm.orders WHERE id = 6), 'by coming to a process where its status is booked');
UPDATE crm.orders SET workflow = 's' WHERE id = 6;
SELECT isnt((SELECT booked_at FROM crm.orders WHERE id = 6), NULL, 'which it stays');

-- By hand
SELECT throws_ok(statement, 'SL010', 'column "booked_at" of order ' || id || ' is kept by the database', statement)
FROM (VALUES (7, 'UPDATE crm.orders SET booked_at = now() WHERE id = 7'), (5, 'UPDATE crm.orders SET booked_at = NULL WHERE id = 5'),
             (7, $$UPDATE crm.orders SET booked_at = now(), status = 'agreed' WHERE id = 7$$)) AS v (id, statement);
SELECT lives_ok('UPDATE crm.orders SET booked_at = booked_at', 'writing back what one has read is allowed');
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT SELECT, INSERT, UPDATE ON crm.orders TO crm_test_clerk;
SET ROLE crm_test_clerk;
INSERT INTO crm.orders (id, customer_id, workflow, booked_at) VALUES (10, 1, 's', '2000-01-01');
RESET ROLE;
SELECT is((SELECT booked_at FROM crm.orders WHERE id = 10), NULL, 'what anybody''s INSERT says does not count');

-- Imports
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since) VALUES (11, 1, 's', 'sent', '2025-05-05 12:00+00'), (12, 1, 's', 'returned', '2025-05-05');
INSERT INTO crm.orders (id, customer_id, workflow, status) VALUES (13, 1, 's', 'sold');
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, booked_at) VALUES
    (14, 1, 's', 'sent', '2025-05-05', '2025-05-01'), (15, 1, 's', 'returned', '2025-05-05', '2025-05-01');
SELECT results_eq('SELECT id, booked_at FROM crm.orders WHERE id IN (11, 12) ORDER BY 1', $$VALUES (11::bigint, timestamptz '2025-05-05 12:00+00'), (12, NULL)$$, 'an import is a sale since it is in its status');
SELECT ok((SELECT booked_at = status_since FROM crm.orders WHERE id = 13), 'or since now');
SELECT is((SELECT count(*) FROM crm.orders WHERE id IN (14, 15) AND booked_at = '2025-05-01'), 2::bigint, 'but the owner may know better');
SELECT throws_ok($$INSERT INTO crm.orders (customer_id, workflow, status, booked_at) VALUES (1, 's', 'sold', 'infinity')$$, '22008', 'column "booked_at" cannot be infinite', 'if not for ever');
SELECT is((SELECT count(*) FROM crm.orders WHERE status IN ('sold', 'sent') AND booked_at IS NULL), 0::bigint, 'no sale is without');

-- The process changes
SELECT crm_advance_order(7, 'agree') AS ignored \gset
CREATE TEMP TABLE before AS SELECT id, booked_at FROM crm.orders;
SELECT lives_ok($$SELECT crm_migrate_workflow('s', E'[*] --> asked\nasked --> agreed : agree\nagreed --> gone : sell\ngone --> sent : send\nsent --> returned : give_back\nreturned --> [*]\nclass gone,sent booked', '{"sold": "gone"}')$$,
    'a booked status gets another name');
SELECT is_empty('SELECT id FROM crm.orders JOIN before USING (id) WHERE orders.booked_at IS DISTINCT FROM before.booked_at', 'no sale becomes another one');
SELECT lives_ok($$UPDATE crm.workflows SET definition = E'[*] --> asked\nasked --> agreed : agree\nagreed --> gone : sell\ngone --> sent : send\nsent --> returned : give_back\nreturned --> [*]\nclass sent booked' WHERE name = 's'$$,
    'a status is booked no longer');
SELECT is_empty('SELECT id FROM crm.orders JOIN before USING (id) WHERE orders.booked_at IS DISTINCT FROM before.booked_at', 'what was a sale was one');
SELECT lives_ok($$UPDATE crm.workflows SET definition = E'[*] --> asked\nasked --> agreed : agree\nagreed --> gone : sell\ngone --> sent : send\nsent --> returned : give_back\nreturned --> [*]\nclass agreed,gone,sent booked' WHERE name = 's'$$,
    'another one is booked now');
SELECT results_eq('SELECT o.id, o.booked_at = o.status_since FROM crm.orders o JOIN before USING (id) WHERE o.booked_at IS DISTINCT FROM before.booked_at', 'VALUES (7::bigint, true)', 'who stands there has been a sale since then');
SELECT is((SELECT count(*) FROM crm.order_events WHERE order_id = 7), 2::bigint, 'without a step');
SELECT lives_ok($$SELECT crm_migrate_workflow('s', E'[*] --> gone\ngone --> sent : send\nsent --> returned : give_back\nreturned --> [*]\nclass gone,sent booked', '{"asked": "gone", "agreed": "gone"}')$$,
    'who is moved to a booked status');
SELECT is((SELECT count(*) FROM crm.orders WHERE status = 'gone' AND booked_at IS NULL), 0::bigint, 'is a sale');

-- Tables of others may mean something else by it.
CREATE TABLE rooms (id bigint PRIMARY KEY, status text, booked_at date);
SELECT crm_attach_workflow('rooms', 'status', 'other') AS ignored \gset
INSERT INTO rooms (id, booked_at) VALUES (1, '2026-01-01');
SELECT lives_ok($$UPDATE rooms SET booked_at = '2026-01-02', status = 'sold'$$, 'a column of that name in another table is not ours');

SELECT * FROM finish();
ROLLBACK;
