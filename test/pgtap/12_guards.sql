-- Guards: conditions in SQL that a step needs.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(68);

ALTER TABLE crm.orders ADD approved boolean, ADD amount numeric(14, 2) NOT NULL DEFAULT 0;
INSERT INTO crm.customers (name) VALUES ('José');
INSERT INTO crm.guards (workflow, name, condition, message) VALUES
    ('sale', 'approved', 'approved', 'Somebody has to approve it.'),
    ('sale', 'large', 'amount >= 1000', NULL),
    ('sale', '小', 'amount < 1000', '金额太大');
INSERT INTO crm.workflows (name, definition) VALUES ('sale', $$
    [*] --> draft
    draft --> boss : submit [large]
    draft --> approved : submit [approved]
    draft --> waiting : submit
    boss --> approved : approve [approved]
    waiting --> approved : approve [approved]
    state open {
        draft
        waiting
        boss
    }
    open --> gone : drop, forget [小]
    approved --> [*]
    gone --> [*]
$$);
INSERT INTO crm.orders (customer_id, workflow, amount, approved) VALUES
    (1, 'sale', 10, NULL), (1, 'sale', 1000, NULL), (1, 'sale', 10, true), (1, 'sale', 5000, true), (1, 'sale', 10, NULL);

-- One event, several edges: the first whose guard holds
SELECT is(crm_advance_order(1, 'submit'), 'waiting', 'no guard holds: the last edge, which has none');
SELECT is(crm_advance_order(2, 'submit'), 'boss', 'the first guard holds');
SELECT is(crm_advance_order(3, 'submit'), 'approved', 'only the second guard holds');
SELECT is(crm_advance_order(4, 'submit'), 'boss', 'both hold: the first in the drawing');
SELECT is((SELECT string_agg(format('%s %s', event, to_status), ', ' ORDER BY order_id) FROM crm.order_events WHERE seq = 2),
    'submit waiting, submit boss, submit approved, submit boss', 'and so it is recorded');

-- Not met
SELECT throws_ok($$SELECT crm_advance_order(1, 'approve')$$, 'SL004', 'order 1 cannot take the event "approve"', 'NULL does not hold');
SELECT throws_ok($$UPDATE crm.orders SET status = 'approved' WHERE id = 1$$, 'SL004', 'order 1 cannot become "approved"', 'nor for an UPDATE');
SELECT throws_ok($$SELECT crm_advance_order(2, 'forget')$$, 'SL004', NULL, 'an edge of a composite has guards, too');
CREATE FUNCTION pg_temp.said(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
    context text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    RETURN concat_ws(' | ', nullif(detail, ''), nullif(hint, ''), substring(context FROM '^guard [^\n]*'));
END $$;
SELECT is(pg_temp.said($$SELECT crm_advance_order(1, 'approve')$$),
    'Somebody has to approve it. | The event "approve" (to "approved") is possible once that is met.', 'the message of the guard is the detail');
SELECT is(pg_temp.said($$SELECT crm_advance_order(2, 'forget')$$),
    '金额太大 | The event "forget" (to "gone") is possible once that is met.', 'in any language');
UPDATE crm.guards SET message = NULL WHERE name = '小';
SELECT is(pg_temp.said($$SELECT crm_advance_order(2, 'forget')$$),
    'The guard "小" does not hold. | The event "forget" (to "gone") is possible once that is met.', 'without one, its name; a change holds at once');

-- Which row the guard sees: the new one, in its old status
SELECT lives_ok($$UPDATE crm.orders SET status = 'approved', approved = true WHERE id = 1$$, 'what the same UPDATE sets counts');
SELECT throws_ok($$UPDATE crm.orders SET status = 'approved', approved = false WHERE id = 4$$, 'SL004', NULL, 'in both directions');
UPDATE crm.guards SET condition = 'approved AND status <> ''approved'' AND version = 2 AND status_since <= now() + interval ''1 hour''' WHERE name = 'approved';
SELECT lives_ok($$UPDATE crm.orders SET status = 'approved' WHERE id = 4$$, 'status, version and date are those before the step');
SELECT throws_ok($$UPDATE crm.orders SET status = 'boss' WHERE id = 5$$, 'SL004', NULL, 'an UPDATE to the target of a guarded edge');
SELECT lives_ok($$UPDATE crm.orders SET status = 'waiting' WHERE id = 5$$, 'to that of the edge that is left');
INSERT INTO crm.orders (customer_id, workflow, amount) VALUES (1, 'sale', 1000);
SELECT throws_ok($$UPDATE crm.orders SET status = 'waiting' WHERE id = 6$$, 'SL003', NULL,
    'not to the target of an edge that another one precedes');
SELECT is((SELECT event FROM crm.order_events WHERE order_id = 4 AND seq = 3), 'approve', 'the event of an UPDATE is that of the edge taken');

-- A trigger that runs behind ours cannot take the ground away from a guard
CREATE FUNCTION pg_temp.reset() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.amount := 0; RETURN NEW; END $$;
CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.reset();
SELECT throws_ok($$UPDATE crm.orders SET status = 'boss' WHERE id = 6$$, 'SL010', NULL, 'the guard must hold for the row that is written');
DROP TRIGGER zzz ON crm.orders;

-- What is no condition
CREATE FUNCTION pg_temp.guard(condition text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm.guards (workflow, name, condition) VALUES ('sale', 'test', condition);
    RETURN 'accepted';
EXCEPTION WHEN others THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE DOMAIN pg_temp.positive AS numeric CHECK (VALUE > 0);
SELECT is(pg_temp.guard(condition), wanted, format('refused: %s', condition)) FROM (VALUES
    ('amoun > 0', '42703 column "amoun" does not exist'),
    ('amount', '42804 argument of a guard must be type boolean, not type numeric'),
    ('amount >', '42601 syntax error at end of input'),
    ('', '42P17 the condition of a guard is more than one expression'),
    ('true FROM crm.orders', '42P17 the condition of a guard is more than one expression'),
    ('true AS x', '42P17 the condition of a guard is more than one expression'),
    ('true, true', '42P17 the condition of a guard is more than one expression'),
    ('true ORDER BY 1', '42P17 the condition of a guard is more than one expression'),
    ('true UNION SELECT true', '42601 syntax error at or near "UNION"'),
    ('true; DROP TABLE crm.orders', '42601 syntax error at or near ";"'),
    ('EXISTS (SELECT 1)', '0A000 cannot use subquery in check constraint'),
    ('count(*) > 0', '42803 aggregate functions are not allowed in check constraints'),
    ('generate_series(1, 2) = 1', '0A000 set-returning functions are not allowed in check constraints'),
    ('random() > 0', '42P17 the condition of a guard calls a volatile function'),
    ('set_config(''a.b'', ''c'', true) IS NULL', '42P17 the condition of a guard calls a volatile function'),
    ('public.crm_advance_order(id, ''x'') = ''y''', '42P17 the condition of a guard calls a volatile function'),
    ('amount::pg_temp.positive > 1', '42P17 the condition of a guard converts to a domain'),
    ('(ARRAY[amount]::pg_temp.positive[])[1] > 1', '42P17 the condition of a guard converts to a domain'),
    ('ctid IS NULL', '42P10 system column "ctid" reference in check constraint is invalid')
) AS t(condition, wanted);

-- Guards that are not there
SELECT throws_ok($$INSERT INTO crm.workflows (name, definition) VALUES ('x', E'[*] --> a\na --> b : go [nope]\nb --> [*]')$$,
    '42704', 'workflow "x" names a guard "nope" that does not exist', 'a workflow needs its guards');
SELECT throws_ok($$DELETE FROM crm.guards WHERE name = 'large'$$,
    '42704', 'workflow "sale" names a guard "large" that does not exist', 'they stay as long as it names them');
SELECT throws_ok($$UPDATE crm.guards SET name = 'huge' WHERE name = 'large'$$, '42704', NULL, 'under their names');
SELECT throws_ok($$UPDATE crm.workflows SET name = 'sales' WHERE name = 'sale'$$, NULL, NULL, 'a renamed workflow needs guards of its new name');
CREATE TABLE deals (id bigint PRIMARY KEY, status text, status_since timestamptz, version integer, amount numeric, approved boolean);
SELECT throws_ok($$UPDATE crm.guards SET relation = 'deals' WHERE name = 'large'$$,
    '42704', 'workflow "sale" names a guard "large" that does not exist for table crm.orders', 'for their table');
SELECT throws_ok($$INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('sale', 'large', 'deals', 'true');
    DELETE FROM crm.guards WHERE name = 'large' AND relation = 'crm.orders'::regclass$$,
    '42704', 'workflow "sale" names a guard "large" that does not exist for table crm.orders', 'or first for another one, too');
SELECT lives_ok($$INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('sale', 'large', 'deals', 'true'); DELETE FROM crm.guards WHERE relation = 'deals'::regclass$$,
    'what is not for one of its tables may go');
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('sale', 'large', 'deals', 'true');
SELECT throws_ok($$UPDATE crm.workflows SET description = 'x' WHERE name = 'sale'$$,
    '42704', 'workflow "sale" names a guard "approved" that does not exist for table public.deals', 'a table that has one guard of a workflow has all');
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('sale', 'approved', 'deals', 'true'), ('sale', '小', 'deals', 'true');
SELECT lives_ok($$UPDATE crm.workflows SET description = 'x' WHERE name = 'sale'$$, 'now it has');
DELETE FROM crm.guards WHERE relation = 'deals'::regclass;
CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON deals FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status', 'sale');
SELECT throws_ok($$UPDATE crm.workflows SET description = 'x' WHERE name = 'sale'$$,
    '42704', 'workflow "sale" names a guard "approved" that does not exist for table public.deals', 'so has one that is attached to it');
CREATE ROLE crm_test_somebody;
ALTER TABLE deals OWNER TO crm_test_somebody;
SELECT lives_ok($$UPDATE crm.workflows SET description = 'y' WHERE name = 'sale'$$, 'unless it is the table of a role that is not trusted');
ALTER TABLE deals OWNER TO CURRENT_USER;
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('sale', 'large', 'deals', 'true');
DROP TABLE deals;
SELECT lives_ok($$UPDATE crm.workflows SET description = 'x' WHERE name = 'sale'$$, 'a table that was dropped needs none');
SELECT lives_ok($$DELETE FROM crm.guards WHERE relation <> 'crm.orders'::regclass$$, 'and keeps none');
SET CONSTRAINTS ALL DEFERRED;
SELECT lives_ok($$INSERT INTO crm.workflows (name, definition) VALUES ('x', E'[*] --> a\na --> b : go [yes]\nb --> [*]');
    INSERT INTO crm.guards (workflow, name, condition) VALUES ('x', 'yes', 'true'); SET CONSTRAINTS ALL IMMEDIATE$$,
    'in any order, if the constraints are deferred');
TRUNCATE crm.guards;
SELECT throws_ok($$SELECT crm_advance_order(6, 'submit')$$, '42704', 'guard "large" of workflow "sale" does not exist for table crm.orders',
    'without its guards, a step is refused');

-- A function that a guard calls, changed or made anew
CREATE SCHEMA crm_test;
CREATE FUNCTION crm_test.f(bigint) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';
INSERT INTO crm.guards (workflow, name, condition) VALUES ('house', 'rule', 'crm_test.f(id)');
INSERT INTO crm.workflows (name, definition) VALUES ('house', E'[*] --> a\na --> a : go [rule]\na --> [*]');
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (70, 1, 'house');
SELECT throws_ok($$SELECT crm_advance_order(70, 'go')$$, 'SL004', NULL, 'a guard that calls a function');
CREATE OR REPLACE FUNCTION crm_test.f(bigint) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
SELECT is(crm_advance_order(70, 'go'), 'a', 'calls it as it is now');
DROP FUNCTION crm_test.f(bigint);
SELECT throws_ok($$SELECT crm_advance_order(70, 'go')$$, '42883', NULL, 'not if it is not there');
CREATE FUNCTION crm_test.f(bigint) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
SELECT is(crm_advance_order(70, 'go'), 'a', 'and again once it is');
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm, crm_test TO crm_test_clerk;
GRANT SELECT, UPDATE ON crm.orders TO crm_test_clerk;
REVOKE EXECUTE ON FUNCTION crm_test.f(bigint) FROM PUBLIC;
SET ROLE crm_test_clerk;
SELECT throws_ok($$SELECT crm_advance_order(70, 'go')$$, '42501', 'permission denied for function f', 'with the rights of the caller');
-- nor does a caller put words into its mouth
CREATE FUNCTION pg_temp.f(bigint) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
SET LOCAL search_path = pg_temp, public, pg_catalog;
SELECT throws_ok($$SELECT crm_advance_order(70, 'go')$$, '42501', NULL, 'whatever the search_path');
RESET ROLE;
SET LOCAL search_path = public;
CREATE FUNCTION public.always_less(numeric, numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR public.< (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = public.always_less);
SET LOCAL search_path = public, pg_catalog;
UPDATE crm.guards SET condition = '2.0 < 1.0' WHERE name = 'rule';
SELECT throws_ok($$SELECT crm_advance_order(70, 'go')$$, 'SL004', NULL, 'an operator that shadows PostgreSQL''s is not seen');
RESET search_path;

-- Nobody takes a timer by request, by whatever way
INSERT INTO crm.guards (workflow, name, condition) VALUES ('timed', 'yes', 'true'), ('timed', 'no', 'false');
INSERT INTO crm.workflows (name, definition) VALUES ('timed', $$
    [*] --> a
    a --> b : after 1 day
    a --> c : after 2 days [yes]
    a --> c : go [no]
    a --> d : go
    b --> [*]
    c --> [*]
    d --> [*]
$$);
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (71, 1, 'timed');
SELECT throws_ok($$SELECT crm_advance_order(71, 'after 1 day')$$, 'SL003', NULL, 'a timer');
SELECT throws_ok($$SELECT crm_advance_order(71, 'after 2 days')$$, 'SL003', NULL, 'a timer with a guard');
SELECT throws_ok($$UPDATE crm.orders SET status = 'b' WHERE id = 71$$, 'SL003', NULL, 'the status that only a timer leads to');
SELECT throws_ok($$UPDATE crm.orders SET status = 'c' WHERE id = 71$$, 'SL004', NULL, 'one that a guarded edge leads to, too');

-- Guards that fail when they run
INSERT INTO crm.guards (workflow, name, condition) VALUES
    ('sale', 'large', '1000 / (amount - 1000) > 0'), ('sale', 'approved', 'true'), ('sale', '小', 'true');
SELECT throws_ok($$SELECT crm_advance_order(6, 'submit')$$, '22012', 'division by zero', 'an error of a guard refuses the step');
SELECT is(pg_temp.said($$SELECT crm_advance_order(6, 'submit')$$), 'guard "large" of workflow "sale"', 'and is told with its name');
SELECT is((SELECT status FROM crm.orders WHERE id = 6), 'draft', 'the order stays where it is');
ALTER TABLE crm.orders DROP amount;
SELECT throws_ok($$SELECT crm_advance_order(6, 'submit')$$, '42703', 'column "amount" does not exist', 'a guard of a column that was dropped');

SELECT * FROM finish();
ROLLBACK;
