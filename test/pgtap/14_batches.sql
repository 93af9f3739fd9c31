-- Many orders at once.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
SELECT plan(29);

ALTER TABLE crm.orders ADD amount integer NOT NULL DEFAULT 1;
INSERT INTO crm.customers (name) VALUES ('José');
INSERT INTO crm.guards (workflow, name, condition, message) VALUES
    ('loan', 'small', '10 / amount > 1', 'The amount is too large.'), ('loan', 'large', 'amount > 1', NULL);
INSERT INTO crm.workflows (name, definition) VALUES ('loan', $$
    [*] --> asked
    asked --> granted : decide [small]
    asked --> refused : decide [large]
    asked --> withdrawn : withdraw
    asked --> forgotten : after 30 days
    granted --> [*]
    refused --> [*]
    withdrawn --> [*]
    forgotten --> [*]
    refused --> asked : again [small]
$$);
INSERT INTO crm.orders (customer_id, workflow, amount) VALUES
    (1, 'loan', 1), (1, 'loan', 20), (1, 'loan', 2), (1, 'order', 1), (1, 'order', 1), (1, 'loan', 0);

-- Without errors: one statement for all
SELECT results_eq($$SELECT * FROM crm_advance_orders('{5,4,3,2,1,1,NULL,99}', 'decide', 'in a batch')$$, $$VALUES
    (1::bigint, 'advanced', 'granted', NULL), (2, 'advanced', 'refused', NULL), (3, 'advanced', 'granted', NULL),
    (4, 'refused', 'pending', 'workflow "order" has no event "decide"'),
    (5, 'refused', 'pending', 'workflow "order" has no event "decide"'), (99, 'not_found', NULL, NULL)$$,
    'one row an order, in order, duplicates and NULLs left out');
SELECT results_eq('SELECT order_id, seq, event, to_status, note FROM crm.order_events WHERE seq > 1 ORDER BY 1', $$VALUES
    (1::bigint, 2, 'decide', 'granted', 'in a batch'), (2, 2, 'decide', 'refused', 'in a batch'), (3, 2, 'decide', 'granted', 'in a batch')$$,
    'each step has its row of history, those refused none');
SELECT results_eq($$SELECT * FROM crm_advance_orders('{1,2}', 'again')$$, $$VALUES
    (1::bigint, 'refused', 'granted', 'Its status is "granted", in workflow "loan".'), (2, 'refused', 'refused', 'The amount is too large.')$$,
    'from another status, and with a guard that does not hold');
SELECT is_empty($$SELECT * FROM crm_advance_orders('{}', 'decide')$$, 'no orders, no rows');
SELECT is_empty($$SELECT * FROM crm_advance_orders('{NULL,NULL}', 'decide')$$, 'NULLs are no orders');
SELECT results_eq($$SELECT order_id, outcome FROM crm_advance_orders('{{4},{5}}', 'submit')$$,
    $$VALUES (4::bigint, 'advanced'), (5, 'advanced')$$, 'an array of any shape');
SELECT throws_ok($$SELECT crm_advance_orders(NULL, 'submit')$$, '22004', 'order_ids must not be null', 'no array');
SELECT throws_ok($$SELECT crm_advance_orders('{1}', NULL)$$, '22004', 'event must not be null', 'no event');

-- A guard that raises refuses its order only
INSERT INTO crm.orders (customer_id, workflow, amount) VALUES (1, 'loan', 3), (1, 'loan', 30);
SELECT results_eq($$SELECT * FROM crm_advance_orders('{6,7,8,4,99}', 'decide', 'again')$$, $$VALUES
    (4::bigint, 'refused', 'submitted', 'workflow "order" has no event "decide"'),
    (6, 'refused', 'asked', 'division by zero (guard "small")'), (7, 'advanced', 'granted', NULL), (8, 'advanced', 'refused', NULL), (99, 'not_found', NULL, NULL)$$,
    'the others go on');
SELECT results_eq('SELECT order_id, seq, note FROM crm.order_events WHERE order_id IN (6, 7, 8) AND seq > 1 ORDER BY 1',
    $$VALUES (7::bigint, 2, 'again'), (8, 2, 'again')$$, 'each with one row of history');
SELECT is((SELECT string_agg(status, ',' ORDER BY id) FROM crm.orders), 'granted,refused,granted,submitted,submitted,asked,granted,refused', 'all is as told');

-- So does a trigger of the user's
CREATE FUNCTION pg_temp.no_five() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = 5 THEN RAISE EXCEPTION 'five is unlucky' USING ERRCODE = 'UE005'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_five AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.no_five();
SELECT results_eq($$SELECT * FROM crm_advance_orders('{4,5}', 'pay')$$, $$VALUES
    (4::bigint, 'advanced', 'paid', NULL), (5, 'refused', 'submitted', 'five is unlucky')$$, 'an AFTER trigger that raises');
DROP TRIGGER no_five ON crm.orders;
CREATE FUNCTION pg_temp.skip_five() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN NEW.id <> 5 THEN NEW END;
END $$;
CREATE TRIGGER z_skip BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.skip_five();
SELECT results_eq($$SELECT * FROM crm_advance_orders('{4,5}', 'refund')$$, $$VALUES
    (4::bigint, 'advanced', 'refunded', NULL), (5, 'refused', 'submitted', 'Its status is "submitted", in workflow "order".')$$, 'refused before the other trigger');
SELECT results_eq($$SELECT * FROM crm_advance_orders('{5}', 'pay')$$,
    $$VALUES (5::bigint, 'refused', 'submitted', 'order 5 was not advanced')$$, 'a BEFORE trigger that suppresses the update');
SELECT is((SELECT status FROM crm.orders WHERE id = 5), 'submitted', 'leaves the order where it was');
DROP TRIGGER z_skip ON crm.orders;

-- Whatever an order's error is called, and whatever its guard tries
CREATE FUNCTION pg_temp.vacuums() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'VACUUM crm.orders'; END $$;
CREATE FUNCTION pg_temp.tries(id bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE id
        WHEN 101 THEN EXECUTE 'DROP TABLE crm.order_lines';
        WHEN 102 THEN PERFORM pg_temp.tries(id);
        WHEN 103 THEN PERFORM pg_temp.vacuums();
        WHEN 104 THEN RAISE EXCEPTION 'it says that it lost a race' USING ERRCODE = 'serialization_failure';
        WHEN 105 THEN RAISE EXCEPTION 'it says that it was cancelled' USING ERRCODE = 'query_canceled';
        WHEN 106 THEN RAISE EXCEPTION 'it says that the disk is full' USING ERRCODE = 'disk_full';
        WHEN 107 THEN RAISE EXCEPTION 'it says that it waited for a lock' USING ERRCODE = 'lock_not_available';
        ELSE NULL;
    END CASE;
    RETURN true;
END $$;
INSERT INTO crm.guards (workflow, name, condition) VALUES ('tried', 'g', 'pg_temp.tries(id)');
INSERT INTO crm.workflows (name, definition) VALUES ('tried', E'[*] --> a\na --> b : go [g]\nb --> a : back\na --> [*]');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT i, 1, 'tried' FROM generate_series(100, 108) i;
SET LOCAL max_stack_depth = '1MB';
SELECT results_eq($$SELECT order_id, outcome, reason FROM crm_advance_orders((SELECT array_agg(id) FROM crm.orders WHERE workflow = 'tried'), 'go')$$, $$VALUES
    (100::bigint, 'advanced', NULL), (101, 'refused', 'DROP TABLE is not allowed in a non-volatile function (guard "g")'),
    (102, 'refused', 'stack depth limit exceeded (guard "g")'), (103, 'refused', 'VACUUM cannot run inside a transaction block (guard "g")'),
    (104, 'refused', 'it says that it lost a race (guard "g")'), (105, 'refused', 'it says that it was cancelled (guard "g")'), (106, 'refused', 'it says that the disk is full (guard "g")'),
    (107, 'refused', 'it says that it waited for a lock (guard "g")'), (108, 'advanced', NULL)$$, 'a guard refuses its order only, whatever it tries and says');
RESET max_stack_depth;
CREATE FUNCTION pg_temp.breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = 'internal_error'; END $$;
CREATE TRIGGER breaks AFTER UPDATE ON crm.orders FOR EACH ROW WHEN (new.id = 100) EXECUTE FUNCTION pg_temp.breaks();
SELECT results_eq($$SELECT order_id, outcome, reason FROM crm_advance_orders('{100,108}', 'back')$$, $$VALUES
    (100::bigint, 'refused', 'broken'), (108, 'advanced', NULL)$$, 'a trigger, too');
DROP TRIGGER breaks ON crm.orders;

-- Errors that are not about an order
CREATE FUNCTION pg_temp.sorts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM g FROM generate_series(1, 100000) g ORDER BY -g OFFSET 99999;
    RETURN NULL;
END $$;
CREATE TRIGGER sorts AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.sorts();
SET LOCAL work_mem = '64kB';
SET LOCAL temp_file_limit = '64kB';
SELECT throws_ok($$SELECT crm_advance_orders('{100,108}', 'back')$$, '53400', NULL, 'a server that has no room left is no fault of an order');
RESET temp_file_limit;
RESET work_mem;
DROP TRIGGER sorts ON crm.orders;
SELECT is((SELECT string_agg(status, '' ORDER BY id) FROM crm.orders WHERE workflow = 'tried'), 'baaaaaaaa', 'all is as told');
SET LOCAL statement_timeout = '300ms';
SAVEPOINT s;
CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(10); RETURN NEW; END $$;
CREATE TRIGGER slow AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.slow();
CREATE FUNCTION pg_temp.cancelled() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm_advance_orders('{5}', 'pay');
    RETURN 'no';
EXCEPTION WHEN query_canceled THEN
    RETURN 'cancelled';
END $$;
SELECT is(pg_temp.cancelled(), 'cancelled', 'a statement that is cancelled is cancelled');
ROLLBACK TO s;
SET LOCAL statement_timeout = 0;

-- Many
INSERT INTO crm.orders (id, customer_id) SELECT 1000 + i, 1 FROM generate_series(1, 5000) i;
SELECT results_eq($$SELECT outcome, status, count(*) FROM crm_advance_orders((SELECT array_agg(id ORDER BY random()) FROM crm.orders WHERE id > 1000), 'submit') GROUP BY 1, 2$$,
    $$VALUES ('advanced', 'submitted', 5000::bigint)$$, 'five thousand');
SELECT is((SELECT count(*) FROM crm.order_events WHERE order_id > 1000 AND event = 'submit'), 5000::bigint, 'with a row of history each');

-- Rights and policies
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
SET ROLE crm_test_clerk;
SELECT throws_ok($$SELECT crm_advance_orders('{5}', 'pay')$$, '42501', 'permission denied for table orders', 'a role without rights');
SELECT throws_ok($$SELECT crm_available_events(5)$$, '42501', 'permission denied for table orders', 'has no buttons, either');
RESET ROLE;
GRANT SELECT, UPDATE (status) ON crm.orders TO crm_test_clerk;
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON crm.orders TO crm_test_clerk USING (id <> 1001);
SET ROLE crm_test_clerk;
SELECT results_eq($$SELECT * FROM crm_advance_orders('{1001,1002}', 'pay')$$, $$VALUES
    (1001::bigint, 'not_found', NULL, NULL), (1002, 'advanced', 'paid', NULL)$$, 'a row that a policy hides is not there');
SELECT throws_ok($$SELECT crm_available_events(1001)$$, 'SL001', 'order 1001 does not exist', 'for buttons neither');
SELECT is((SELECT string_agg(event, ',') FROM crm_available_events(1002)), 'ship,refund', 'the others are');
RESET ROLE;
SET TRANSACTION READ ONLY;
SELECT throws_ok($$SELECT crm_advance_orders('{5}', 'pay')$$, '25006', NULL, 'not in a read-only transaction');
SELECT is((SELECT string_agg(event, ',') FROM crm_available_events(5)), 'pay,cancel', 'where buttons are shown all the same');

SELECT * FROM finish();
ROLLBACK;
