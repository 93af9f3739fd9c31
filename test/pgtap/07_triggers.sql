-- Triggers of the user's own on crm.orders: they see a step as they would see the statement, and what they do
-- meanwhile is theirs, not part of the step.
SET client_min_messages = warning;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
BEGIN;
SELECT plan(11);

INSERT INTO crm.customers (id, name) VALUES (1, 'Éva Nagy');
INSERT INTO crm.orders (id, customer_id) SELECT n, 1 FROM generate_series(1, 9) n;
CREATE SCHEMA crm_test;

-- A plain UPDATE of the same order inside its step is no step, and takes none of the step's event.
CREATE FUNCTION crm_test.assign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'submitted' AND NEW.owner IS NULL THEN
        UPDATE crm.orders SET owner = 'Maria' WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER assign AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.assign();
SELECT is(crm_advance_order(1, 'submit', 'mine'), 'submitted', 'a step whose AFTER trigger updates the order');
SELECT results_eq('SELECT status, owner, version FROM crm.orders WHERE id = 1', $$VALUES ('submitted', 'Maria', 2)$$,
    'the order has both');
SELECT results_eq('SELECT event, note FROM crm.order_events WHERE order_id = 1 ORDER BY seq',
    $$VALUES ('create', NULL), ('submit', 'mine')$$, 'the history has the step alone');
DROP TRIGGER assign ON crm.orders;

-- A trigger that drives the order on by a plain UPDATE makes a step of its own, without our note.
CREATE FUNCTION crm_test.drive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'submitted' THEN
        UPDATE crm.orders SET status = 'paid' WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER zzz AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.drive();
SELECT lives_ok($$SELECT crm_advance_order(2, 'submit', 'mine')$$, 'a step whose AFTER trigger takes the next one');
SELECT results_eq('SELECT event, note, to_status FROM crm.order_events WHERE order_id = 2 ORDER BY seq',
    $$VALUES ('create', NULL, 'pending'), ('submit', 'mine', 'submitted'), ('pay', NULL, 'paid')$$, 'both are in the history');
DROP TRIGGER zzz ON crm.orders;

-- Statement triggers fire for a step as for an UPDATE.
CREATE TABLE crm_test.fired (what text);
CREATE FUNCTION crm_test.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm_test.fired VALUES (TG_WHEN || ' ' || TG_LEVEL);
    RETURN NULL;
END $$;
CREATE TRIGGER before_it BEFORE UPDATE ON crm.orders FOR EACH STATEMENT EXECUTE FUNCTION crm_test.note();
SELECT crm_advance_order(3, 'submit') \g /dev/null
DROP TRIGGER before_it ON crm.orders;
CREATE TRIGGER after_it AFTER UPDATE ON crm.orders FOR EACH STATEMENT EXECUTE FUNCTION crm_test.note();
SELECT crm_advance_order(6, 'submit') \g /dev/null
DROP TRIGGER after_it ON crm.orders;
SELECT bag_eq('SELECT what FROM crm_test.fired', $$VALUES ('BEFORE STATEMENT'), ('AFTER STATEMENT')$$, 'statement triggers fire');
TRUNCATE crm_test.fired;
CREATE TRIGGER on_status AFTER UPDATE OF status ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.note();
SELECT crm_advance_order(4, 'submit') \g /dev/null
SELECT bag_eq('SELECT what FROM crm_test.fired', $$VALUES ('AFTER ROW')$$, 'triggers of the column too');
DROP TRIGGER on_status ON crm.orders;

-- A rule that swallows updates
CREATE RULE swallow AS ON UPDATE TO crm.orders DO INSTEAD NOTHING;
SELECT throws_ok('SELECT crm_advance_order(6, ''cancel'')', '09000', 'order 6 was not advanced', 'a rule that swallows a step');
SELECT throws_ok('INSERT INTO crm.payments (order_id, amount) VALUES (6, 1)', '09000', 'the totals of orders were not written', 'or totals');
DROP RULE swallow ON crm.orders;

-- A second trigger with our function could say something else of the table.
CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION crm_enforce_workflow('reference');
SELECT throws_ok($$UPDATE crm.orders SET status = 'completed' WHERE id = 5$$, '42P17',
    'triggers "aaa" and "orders_enforce_workflow" of table crm.orders call the same function', 'two workflow triggers are refused');
DROP TRIGGER aaa ON crm.orders;
CREATE TRIGGER aaa AFTER UPDATE ON crm.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION crm_record_event('elsewhere');
SELECT throws_ok($$UPDATE crm.orders SET status = 'submitted' WHERE id = 5$$, '42P17',
    'triggers "aaa" and "orders_record_event" of table crm.orders call the same function', 'and so are two histories');

SELECT * FROM finish();
ROLLBACK;
