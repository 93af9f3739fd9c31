-- What an order can do now: the buttons of a screen.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(13);

ALTER TABLE crm.orders ADD amount integer NOT NULL DEFAULT 1;
INSERT INTO crm.customers (name) VALUES ('José');
INSERT INTO crm.guards (workflow, name, condition, message) VALUES
    ('loan', 'small', '10 / amount > 1', 'The amount is too large.'), ('loan', 'large', 'amount > 1', NULL), ('loan', 'huge', 'amount > 100', '太小');
INSERT INTO crm.workflows (name, definition) VALUES ('loan', $$
    [*] --> asked
    asked --> granted : decide [small]
    asked --> withdrawn : withdraw
    asked --> refused : decide [large]
    asked --> gone : vanish [huge]
    asked --> forgotten : after 30 days
    state all {
        granted
        refused
    }
    all --> gone : forget
    gone --> [*]
    withdrawn --> [*]
    forgotten --> [*]
$$);
INSERT INTO crm.orders (customer_id, workflow, amount) VALUES (1, 'loan', 3), (1, 'loan', 30), (1, 'loan', 0), (1, 'loan', -20);
SELECT results_eq('SELECT * FROM crm_available_events(1)', $$VALUES
    ('decide', 'granted', true, NULL), ('withdraw', 'withdrawn', true, NULL), ('vanish', 'gone', false, '太小')$$,
    'events in the order of the drawing, timers left out');
SELECT results_eq('SELECT * FROM crm_available_events(2)', $$VALUES
    ('decide', 'refused', true, NULL), ('withdraw', 'withdrawn', true, NULL), ('vanish', 'gone', false, '太小')$$,
    'each with where it leads now');
SELECT results_eq('SELECT * FROM crm_available_events(4)', $$VALUES
    ('decide', 'granted', false, 'The amount is too large.'), ('withdraw', 'withdrawn', true, NULL), ('vanish', 'gone', false, '太小')$$,
    'if no guard holds, the reason is that of the first');
SELECT results_eq('SELECT * FROM crm_available_events(3)', $$VALUES
    ('decide', 'granted', false, 'division by zero (guard "small")'), ('withdraw', 'withdrawn', true, NULL), ('vanish', 'gone', false, '太小')$$,
    'a guard that raises an error bars its event only');
UPDATE crm.guards SET condition = '1 / (amount - amount) > 1' WHERE name = 'large';
SELECT results_eq('SELECT * FROM crm_available_events(4)', $$VALUES
    ('decide', 'refused', false, 'division by zero (guard "large")'), ('withdraw', 'withdrawn', true, NULL), ('vanish', 'gone', false, '太小')$$,
    'where the step would end');
CREATE FUNCTION pg_temp.sleeps() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(600); RETURN true; END $$;
UPDATE crm.guards SET condition = 'pg_temp.sleeps()' WHERE name = 'huge';
CREATE FUNCTION pg_temp.cancelled() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm_available_events(3);
    RETURN 'no';
EXCEPTION WHEN query_canceled THEN
    RETURN 'cancelled';
END $$;
SET LOCAL statement_timeout = '100ms';
SELECT is(pg_temp.cancelled(), 'cancelled', 'a statement that is cancelled is cancelled');
SET LOCAL statement_timeout = 0;
UPDATE crm.guards SET condition = 'amount > 100' WHERE name = 'huge';
SELECT is(crm_advance_order(1, 'decide'), 'granted', 'a step');
SELECT results_eq('SELECT * FROM crm_available_events(1)', $$VALUES ('forget', 'gone', true, NULL)$$, 'the edge of a composite');
SELECT is(crm_advance_order(1, 'forget'), 'gone', 'the last step');
SELECT is_empty('SELECT * FROM crm_available_events(1)', 'nothing is possible at the end');
SELECT throws_ok('SELECT crm_available_events(99)', 'SL001', NULL, 'an order that does not exist');
SELECT is_empty('SELECT * FROM crm_available_events(NULL)', 'no order');
SET TRANSACTION READ ONLY;
SELECT is((SELECT reason FROM crm_available_events(3) WHERE NOT allowed LIMIT 1), 'division by zero (guard "small")', 'in a read-only transaction, too');

SELECT * FROM finish();
ROLLBACK;
