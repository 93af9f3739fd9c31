-- Requests that come again, rows that have changed meanwhile, steps that are forced.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
SELECT plan(41);

INSERT INTO crm.customers (name) VALUES ('José');
INSERT INTO crm.orders (customer_id) SELECT 1 FROM generate_series(1, 6);

-- A request key
SELECT is(crm_advance_order(1, 'submit', 'first', 'key-1'), 'submitted', 'a request with a key takes the step');
SELECT is(crm_advance_order(1, 'submit', 'again', 'key-1'), 'submitted', 'its repeat gives the same answer');
SELECT results_eq('SELECT seq, event, note, request_key FROM crm.order_events WHERE order_id = 1 ORDER BY seq',
    $$VALUES (1, 'create', NULL, NULL), (2, 'submit', 'first', 'key-1')$$, 'and does nothing');
SELECT is((SELECT version FROM crm.orders WHERE id = 1), 2, 'not even to the version');
SELECT is(crm_advance_order(1, 'pay', request_key => 'key-2'), 'paid', 'the next request');
SELECT is(crm_advance_order(1, 'submit', request_key => 'key-1'), 'submitted',
    'the first answer stays the answer, when the order is further on too');
SELECT is((SELECT status FROM crm.orders WHERE id = 1), 'paid', 'and the order stays there');
SELECT throws_ok($$SELECT crm_advance_order(1, 'ship', request_key => 'key-1')$$, 'SL012', 'request key "key-1" was used before',
    'the key of another event');
SELECT throws_ok($$SELECT crm_advance_order(2, 'submit', request_key => 'key-1')$$, 'SL012', 'request key "key-1" was used before',
    'the key of another order');
SELECT throws_ok($$SELECT crm_advance_order(2, 'submt', request_key => 'key-1')$$, 'SL012', NULL, 'also with an event that does not exist');
SELECT throws_ok($$SELECT crm_advance_order(99, 'submit', request_key => 'key-1')$$, 'SL001', NULL, 'an order that does not exist');
SELECT throws_ok($$SELECT crm_advance_order(2, 'pay', request_key => 'key-3')$$, 'SL003', NULL, 'a step that is refused');
SELECT is(crm_advance_order(2, 'submit', request_key => 'key-3'), 'submitted', 'does not use its key up');
SELECT throws_ok($$SELECT crm_advance_order(3, 'submit', request_key => '')$$, '22023', 'a request key has 1 to 255 bytes', 'an empty key');
SELECT throws_ok($$SELECT crm_advance_order(3, 'submit', request_key => repeat('ü', 128))$$, '22023', NULL, 'a key that is too long');
SELECT is(crm_advance_order(3, 'submit', request_key => repeat('ü', 127)), 'submitted', 'one that just fits');
SELECT is(crm_advance_order(4, 'submit', request_key => NULL), 'submitted', 'NULL is no key');
SELECT is(crm_advance_order(5, 'submit', request_key => NULL), 'submitted', 'nor the same one twice');

-- Within a transaction, a subtransaction that was rolled back has used nothing up
SAVEPOINT s;
SELECT is(crm_advance_order(6, 'submit', request_key => 'key-4'), 'submitted', 'a step that is rolled back');
ROLLBACK TO s;
SELECT is((SELECT status FROM crm.orders WHERE id = 6), 'pending', 'is undone');
SELECT is(crm_advance_order(6, 'submit', request_key => 'key-4'), 'submitted', 'and its key is free again');

-- By statement too: a rule of the house that makes the update no plain one
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER a_statement AFTER UPDATE ON crm.orders FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.nothing();
SELECT is(crm_advance_order(6, 'submit', request_key => 'key-4'), 'submitted', 'a repeat by statement');
SELECT throws_ok($$SELECT crm_advance_order(6, 'pay', expected_version => 1)$$, 'SL005', NULL, 'a stale version by statement');
DROP TRIGGER a_statement ON crm.orders;

-- The version that the caller has seen
SELECT throws_ok($$SELECT crm_advance_order(6, 'pay', expected_version => 1)$$, 'SL005', 'order 6 is not as expected any more', 'an old version');
SELECT throws_ok($$SELECT crm_advance_order(6, 'pay', expected_version => 3)$$, 'SL005', NULL, 'a future one');
SELECT throws_ok($$SELECT crm_advance_order(6, 'pay', expected_version => -5)$$, 'SL005', NULL, 'one that cannot be');
SELECT is(crm_advance_order(6, 'pay', request_key => 'key-5', expected_version => 2), 'paid', 'the right one');
SELECT is(crm_advance_order(6, 'pay', request_key => 'key-5', expected_version => 2), 'paid', 'a repeat comes before the version');

-- Event tables without the column
ALTER TABLE crm.order_events DROP request_key;
SELECT throws_ok($$SELECT crm_advance_order(5, 'pay', request_key => 'key-6')$$, '55000', 'event table crm.order_events keeps no request keys',
    'without the column');
SELECT is(crm_advance_order(5, 'pay'), 'paid', 'only keys are refused');
ALTER TABLE crm.order_events ADD request_key text;
SELECT throws_ok($$SELECT crm_advance_order(5, 'ship', request_key => 'key-6')$$, '55000', NULL, 'without an index');

-- Forced steps
SELECT is(crm_force_order(1, 'pending', 'paid by mistake'), 'pending', 'the owner forces a status');
SELECT results_eq('SELECT event, from_status, to_status, note, forced FROM crm.order_events WHERE order_id = 1 AND seq = 4',
    $$VALUES ('force', 'paid', 'pending', 'paid by mistake', true)$$, 'which is marked in the history');
SELECT is((SELECT count(*) FROM crm.order_events WHERE NOT forced), (SELECT count(*) FROM crm.order_events) - 1, 'as no other step is');
SELECT throws_ok($$SELECT crm_force_order(1, 'pendig', 'x')$$, 'SL007', NULL, 'to a status that there is');
SELECT throws_ok($$SELECT crm_force_order(1, 'paid', E' \t\n')$$, '22023', 'a forced step needs a note', 'with a reason');
SELECT throws_ok($$SELECT crm_force_order(1, 'paid', NULL)$$, '22004', 'note must not be null', 'that is not null');
SELECT throws_ok($$SELECT crm_force_order(99, 'paid', 'x')$$, 'SL001', NULL, 'for an order that exists');
ALTER TABLE crm.workflows DISABLE TRIGGER workflows_strand_no_rows;
UPDATE crm.workflows SET definition = E'[*] --> pending\npending --> open : go\nopen --> [*]';
SELECT is(crm_force_order(6, 'open', 'the process has changed'), 'open', 'also from a status that the workflow does not have any more');
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT SELECT, UPDATE ON crm.orders TO crm_test_clerk;
SET ROLE crm_test_clerk;
SELECT throws_ok($$SELECT crm_force_order(1, 'open', 'x')$$, '42501', 'order 1 cannot be forced to another status', 'nobody else does');
SELECT is(crm_advance_order(1, 'go'), 'open', 'who may take steps');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
