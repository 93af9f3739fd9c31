-- History: complete, written by the machine only, and a table like any other to its owner.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
SELECT plan(97);

-- Not superusers: the rights of the machine must suffice.
CREATE ROLE crm_test_owner;
CREATE ROLE crm_test_clerk;
CREATE ROLE crm_test_mallory;
ALTER SCHEMA crm OWNER TO crm_test_owner;
ALTER TABLE crm.settings OWNER TO crm_test_owner;
ALTER TABLE crm.workflows OWNER TO crm_test_owner;
ALTER TABLE crm.customers OWNER TO crm_test_owner;
ALTER TABLE crm.products OWNER TO crm_test_owner;
ALTER TABLE crm.orders OWNER TO crm_test_owner;
ALTER TABLE crm.order_lines OWNER TO crm_test_owner;
ALTER TABLE crm.order_events OWNER TO crm_test_owner;
-- A clerk has next to nothing, Mallory everything that can be granted.
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT SELECT, UPDATE (status) ON crm.orders TO crm_test_clerk;
GRANT ALL ON SCHEMA crm TO crm_test_mallory;
GRANT ALL ON ALL TABLES IN SCHEMA crm TO crm_test_mallory;
GRANT ALL ON ALL SEQUENCES IN SCHEMA crm TO crm_test_mallory;
GRANT pg_execute_server_program TO crm_test_mallory;
CREATE SCHEMA crm_test AUTHORIZATION crm_test_mallory;

CREATE FUNCTION pg_temp.refusal(statement text, OUT state text, OUT message text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := '00000';
    message := 'not refused';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
END $$;
CREATE FUNCTION pg_temp.place(id bigint) RETURNS text
LANGUAGE sql SECURITY DEFINER AS $$
    SELECT format('%s %s: %s', o.status, o.version,
        (SELECT string_agg(e.event, ' ' ORDER BY e.seq) FROM crm.order_events e WHERE e.order_id = o.id))
    FROM crm.orders o WHERE o.id = $1
$$;

SET LOCAL ROLE crm_test_owner;
INSERT INTO crm.customers (id, name) VALUES (1, 'José García');
INSERT INTO crm.workflows (name, definition) VALUES ('loop', E'[*] --> pending\npending --> completed : jump\ncompleted --> pending : back\ncompleted --> [*]');
INSERT INTO crm.orders (id, customer_id, reference) SELECT g, 1, 'R' || g FROM generate_series(1, 60) g;

-- Complete
SELECT crm_advance_order(1, 'submit', 'first note') AS ignored \gset
UPDATE crm.orders SET status = 'paid' WHERE id = 1;
SELECT pg_sleep(0.01) AS ignored \gset
SELECT crm_advance_order(1, 'ship') AS ignored, crm_advance_order(1, 'complete', '完成') AS ignored \gset
SELECT results_eq($$SELECT seq, event, from_status, to_status, note FROM crm.order_events WHERE order_id = 1 ORDER BY seq$$,
    $$VALUES (1, 'create', NULL, 'pending', NULL), (2, 'submit', 'pending', 'submitted', 'first note'), (3, 'pay', 'submitted', 'paid', NULL),
      (4, 'ship', 'paid', 'shipped', NULL), (5, 'complete', 'shipped', 'completed', '完成')$$,
    'each step has its row: number, event, from, to, note');
SELECT is((SELECT version FROM crm.orders WHERE id = 1), 5, 'the last number is the version');
SELECT is_empty($$
    SELECT * FROM (SELECT seq, at, from_status, dwell, lag(to_status) OVER w AS came_from, at - lag(at) OVER w AS took
                   FROM crm.order_events WHERE order_id = 1 WINDOW w AS (ORDER BY seq)) e
    WHERE (from_status, dwell) IS DISTINCT FROM (came_from, took)$$, 'each starts where the one before ended, and dwell is the time between');
SELECT cmp_ok((SELECT dwell FROM crm.order_events WHERE order_id = 1 AND seq = 4), '>=', interval '10 milliseconds', 'dwell goes by the clock, not by the transaction');
SELECT is((SELECT at FROM crm.order_events WHERE order_id = 1 AND seq = 5), (SELECT status_since FROM crm.orders WHERE id = 1), 'the last one was at status_since');
SELECT is((SELECT dwell FROM crm.order_events WHERE order_id = 1 AND seq = 1), NULL, 'the first has no dwell');
INSERT INTO crm.orders (id, customer_id, status, status_since) VALUES (201, 1, 'paid', '2999-01-01'), (202, 1, 'paid', '0044-03-15 BC');
SELECT is(crm_advance_order(201, 'ship') || crm_advance_order(202, 'ship'), 'shippedshipped', 'imports with a date from the future and from long ago');
SELECT is((SELECT dwell FROM crm.order_events WHERE order_id = 201 AND seq = 2), interval '0', 'no dwell is negative');
SELECT is((SELECT at - dwell FROM crm.order_events WHERE order_id = 202 AND seq = 2), '0044-03-15 BC'::timestamptz, 'a long one is exact');

-- Who
SELECT is((SELECT DISTINCT actor || ' ' || role FROM crm.order_events WHERE order_id = 1), 'crm_test_owner crm_test_owner', 'who did it: the role after SET ROLE');
SET LOCAL crm.actor = 'maria@example.com';
SELECT crm_advance_order(2, 'submit') AS ignored \gset
SET LOCAL crm.actor = '王小明';
UPDATE crm.orders SET status = 'paid' WHERE id = 2;
SET LOCAL crm.actor = '';
SELECT crm_advance_order(2, 'ship') AS ignored \gset
SELECT results_eq('SELECT actor, role FROM crm.order_events WHERE order_id = 2 ORDER BY seq', $$VALUES
    ('crm_test_owner', 'crm_test_owner'), ('maria@example.com', 'crm_test_owner'), ('王小明', 'crm_test_owner'), ('crm_test_owner', 'crm_test_owner')$$,
    'crm.actor names the actor, the role stays');
RESET ROLE;
CREATE FUNCTION pg_temp.submit_as_definer(id bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE crm.orders o SET status = 'paid' WHERE o.id = $1 AND o.status = 'submitted';
    RETURN public.crm_advance_order($1, CASE WHEN FOUND THEN 'ship' ELSE 'submit' END);
END $$;
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.submit_as_definer(3) || pg_temp.submit_as_definer(3), 'submittedshipped', 'steps in a SECURITY DEFINER function');
RESET ROLE;
SELECT is((SELECT string_agg(actor || '/' || role, ' ' ORDER BY seq) FROM crm.order_events WHERE order_id = 3),
    'crm_test_owner/crm_test_owner crm_test_clerk/crm_test_clerk crm_test_clerk/crm_test_clerk crm_test_clerk/crm_test_clerk',
    'are of the role that called it');

-- A role with UPDATE (status) and SELECT
SET LOCAL ROLE crm_test_clerk;
SELECT is(crm_advance_order(4, 'submit', 'by clerk'), 'submitted', 'UPDATE (status) and SELECT suffice for a step');
SELECT lives_ok($$UPDATE crm.orders SET status = 'paid' WHERE id = 4$$, 'by plain UPDATE too');
SELECT throws_ok('SELECT * FROM crm.order_events', '42501', 'permission denied for table order_events', 'without any right on the history');
SELECT throws_ok('INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role) SELECT 1, 9, now(), $$x$$, $$x$$, $$x$$, $$x$$', '42501',
    'permission denied for table order_events', 'which cannot be written');
SELECT is(current_user::text, 'crm_test_clerk', 'the rights of the owner end with the step');
SELECT is((pg_temp.refusal($$SELECT crm_advance_order(4, 'pay')$$)).state || ' ' || current_user, 'SL003 crm_test_clerk', 'also if it failed');
RESET ROLE;
SELECT is(pg_temp.place(4), 'paid 3: create submit pay', 'it is written all the same');
SELECT is((SELECT string_agg(role, ' ' ORDER BY seq) FROM crm.order_events WHERE order_id = 4 AND seq > 1), 'crm_test_clerk crm_test_clerk', 'in the name of the clerk');

-- Unforgeable: a role with every right that can be granted
CREATE TEMP TABLE before AS SELECT * FROM crm.order_events;
SET LOCAL ROLE crm_test_mallory;
SELECT throws_ok(statement, 'SL011', 'history in table crm.order_events cannot be changed by hand', statement) FROM unnest(ARRAY[
    $$INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role) VALUES (5, 2, now(), 'pay', 'paid', 'x', 'x')$$,
    $$INSERT INTO crm.order_events SELECT * FROM crm.order_events WHERE false$$,
    $$INSERT INTO crm.order_events SELECT * FROM crm.order_events WHERE order_id = 5 ON CONFLICT (order_id, seq) DO UPDATE SET note = 'forged'$$,
    $$INSERT INTO crm.order_events SELECT * FROM crm.order_events WHERE order_id = 5 ON CONFLICT DO NOTHING$$,
    $$UPDATE crm.order_events SET note = 'forged'$$,
    $$UPDATE crm.order_events SET note = 'forged' WHERE false$$,
    $$DELETE FROM crm.order_events WHERE order_id = 5$$,
    $$DELETE FROM ONLY crm.order_events USING crm.orders WHERE false$$,
    $$TRUNCATE crm.order_events$$,
    $$TRUNCATE crm.order_events RESTART IDENTITY CASCADE$$,
    $$TRUNCATE crm.orders CASCADE$$,
    $$TRUNCATE crm.customers CASCADE$$,
    $$WITH d AS (DELETE FROM crm.order_events RETURNING 1) SELECT * FROM d$$,
    $$WITH d AS (INSERT INTO crm.order_events SELECT * FROM crm.order_events RETURNING 1) UPDATE crm.orders SET owner = 'x'$$,
    $$COPY crm.order_events FROM PROGRAM 'true'$$,
    $$COPY crm.order_events (order_id, seq, at, event, to_status, actor, role) FROM PROGRAM 'echo 5,2,2020-01-01,pay,paid,x,x' (FORMAT csv)$$,
    $$CREATE VIEW crm_test.v AS SELECT * FROM crm.order_events; UPDATE crm_test.v SET note = 'forged'$$,
    $$CREATE VIEW crm_test.v AS SELECT * FROM crm.order_events; DELETE FROM crm_test.v$$,
    $$CREATE TABLE crm_test.t (i int); CREATE RULE r AS ON INSERT TO crm_test.t DO INSTEAD UPDATE crm.order_events SET note = 'forged'; INSERT INTO crm_test.t VALUES (1)$$,
    $$CREATE FUNCTION crm_test.f() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'UPDATE crm.order_events SET note = ''forged'''; SELECT crm_test.f()$$,
    $$CREATE FUNCTION crm_test.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE crm.order_events SET note = ''forged''; RETURN NULL; END';
      CREATE TRIGGER f AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.f(); SELECT public.crm_advance_order(5, 'submit')$$
]) AS statement;
SELECT CASE WHEN current_setting('server_version_num')::int < 150000 THEN skip('MERGE came with PostgreSQL 15', 2) ELSE
    throws_ok($$MERGE INTO crm.order_events e USING crm.orders o ON e.order_id = o.id AND e.seq = 2 WHEN MATCHED THEN UPDATE SET note = 'forged'
        WHEN NOT MATCHED THEN INSERT (order_id, seq, at, event, to_status, actor, role) VALUES (o.id, 2, now(), 'pay', 'paid', 'x', 'x')$$,
        'SL011', 'history in table crm.order_events cannot be changed by hand', 'MERGE that inserts and updates')
    || E'\n' || throws_ok($$MERGE INTO crm.order_events e USING crm.orders o ON e.order_id = o.id WHEN MATCHED THEN DELETE$$,
        'SL011', 'history in table crm.order_events cannot be changed by hand', 'MERGE that deletes') END;
SELECT throws_ok(statement, '42501', message, statement) FROM (VALUES
    ($$ALTER TABLE crm.order_events DISABLE TRIGGER order_events_protect_history$$, 'must be owner of table order_events'),
    ($$ALTER TABLE crm.orders DISABLE TRIGGER USER$$, 'must be owner of table orders'),
    ($$DROP TRIGGER order_events_protect_history ON crm.order_events$$, 'must be owner of relation order_events'),
    ($$CREATE RULE r AS ON UPDATE TO crm.order_events DO INSTEAD NOTHING$$, 'must be owner of table order_events'),
    ($$ALTER TABLE crm.order_events RENAME TO old_events$$, 'must be owner of table order_events'),
    ($$CREATE TABLE crm_test.child () INHERITS (crm.order_events)$$, 'must be owner of table order_events'),
    ($$SET LOCAL session_replication_role = replica$$, 'permission denied to set parameter "session_replication_role"'),
    ($$DROP SCHEMA crm CASCADE$$, 'must be owner of schema crm')) AS t(statement, message);
SELECT throws_ok($$DELETE FROM crm.orders WHERE id = 5$$, '23503', NULL, 'an order with a history is not deleted');
SELECT throws_ok($$UPDATE crm.orders SET id = 905 WHERE id = 5$$, NULL, NULL, 'nor numbered anew');

-- our triggers on tables of her own
CREATE TABLE crm.forge (id bigint PRIMARY KEY, status text NOT NULL, status_since timestamptz NOT NULL, version int NOT NULL);
CREATE TRIGGER e BEFORE INSERT OR UPDATE ON crm.forge FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('status', 'order');
CREATE TRIGGER r AFTER INSERT OR UPDATE ON crm.forge FOR EACH ROW EXECUTE FUNCTION public.crm_record_event('order_events');
SELECT throws_ok($$INSERT INTO crm.forge VALUES (5)$$, '42501', 'the owner of table crm.forge does not own its event table crm.order_events',
    'a table of one''s own with the recorder on it');
CREATE TABLE crm_test.forge (id bigint PRIMARY KEY, status text NOT NULL, status_since timestamptz NOT NULL, version int NOT NULL);
CREATE TRIGGER e BEFORE INSERT OR UPDATE ON crm_test.forge FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('status', 'order');
CREATE TRIGGER r AFTER INSERT OR UPDATE ON crm_test.forge FOR EACH ROW EXECUTE FUNCTION public.crm_record_event('crm.order_events');
SELECT throws_ok($$INSERT INTO crm_test.forge VALUES (5)$$, '42P01', 'event table "crm.order_events" of table crm_test.forge does not exist',
    'or one in another schema');
DROP TABLE crm.forge, crm_test.forge;

-- our triggers once more on orders: the arguments of a second one must not open the door
SELECT is((pg_temp.refusal($$CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION public.crm_enforce_workflow('reference');
    UPDATE crm.orders SET status = 'completed' WHERE id = 6$$)).message = 'not refused', false, 'a second enforcer that names another column');
RESET ROLE;
DROP TRIGGER IF EXISTS aaa ON crm.orders;
SET LOCAL ROLE crm_test_mallory;
SELECT is((pg_temp.refusal($$CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION public.crm_enforce_workflow('status', 'loop');
    UPDATE crm.orders SET status = 'completed' WHERE id = 7$$)).message = 'not refused', false, 'or another workflow');
RESET ROLE;
DROP TRIGGER IF EXISTS aaa ON crm.orders;
CREATE TABLE crm.shadow (LIKE crm.order_events INCLUDING ALL);
ALTER TABLE crm.shadow OWNER TO crm_test_owner;
SET LOCAL ROLE crm_test_mallory;
SELECT pg_temp.refusal($$CREATE TRIGGER aaa AFTER UPDATE ON crm.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION public.crm_record_event('shadow');
    UPDATE crm.orders SET status = 'submitted' WHERE id = 8$$) AS ignored \gset
RESET ROLE;
DROP TRIGGER IF EXISTS aaa ON crm.orders;
DROP TABLE crm.shadow;
SELECT ok(pg_temp.place(6) = 'pending 1: create' AND pg_temp.place(7) = 'pending 1: create', 'no order jumped: ' || pg_temp.place(6) || ', ' || pg_temp.place(7));
SELECT ok(pg_temp.place(8) IN ('pending 1: create', 'submitted 2: create submit'), 'a second recorder does not lead the history elsewhere: ' || pg_temp.place(8));
DELETE FROM crm.order_events WHERE order_id = 8;

-- triggers of hers that change the row behind ours
SET LOCAL ROLE crm_test_mallory;
CREATE FUNCTION crm_test.set_workflow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.workflow := 'loop'; RETURN NEW; END $$;
CREATE FUNCTION crm_test.set_since() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status_since := '1999-01-01'; RETURN NEW; END $$;
SELECT (pg_temp.refusal($$CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_workflow(); UPDATE crm.orders SET owner = 'x' WHERE id = 20$$)).state AS workflow \gset
RESET ROLE;
DROP TRIGGER IF EXISTS zzz ON crm.orders;
SET LOCAL ROLE crm_test_mallory;
SELECT (pg_temp.refusal($$CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_since(); UPDATE crm.orders SET owner = 'x' WHERE id = 21$$)).state AS since \gset
RESET ROLE;
DROP TRIGGER IF EXISTS zzz ON crm.orders;
SET LOCAL ROLE crm_test_mallory;
SELECT (pg_temp.refusal($$CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_since(); SELECT public.crm_advance_order(22, 'submit')$$)).state AS step \gset
RESET ROLE;
DROP TRIGGER IF EXISTS zzz ON crm.orders;
SELECT isnt(:'workflow'::text, '00000', 'a trigger behind ours that moves the order to another workflow');
SELECT isnt(:'since'::text, '00000', 'one that changes status_since');
SELECT isnt(:'step'::text, '00000', 'or does so during a step');

-- one statement that removes an order before its creation is written
SET LOCAL ROLE crm_test_mallory;
CREATE TABLE crm_test.t (id bigint);
CREATE FUNCTION crm_test.remove() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM crm.orders WHERE id = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER remove AFTER INSERT ON crm_test.t FOR EACH ROW EXECUTE FUNCTION crm_test.remove();
SELECT pg_temp.refusal($$WITH t AS (INSERT INTO crm_test.t VALUES (300) RETURNING id) INSERT INTO crm.orders (id, customer_id) SELECT id, 1 FROM t$$) AS ignored \gset
SELECT is_empty($$SELECT * FROM crm.order_events e WHERE NOT EXISTS (SELECT FROM crm.orders o WHERE o.id = e.order_id)$$,
    'no history without an order');
-- two orders that exchange their numbers
CREATE TABLE crm_test.u (id bigint);
CREATE FUNCTION crm_test.exchange() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    WITH a AS (UPDATE crm.orders SET id = 9 WHERE id = 1 RETURNING 1) UPDATE crm.orders SET id = 1 FROM a WHERE id = 999;
    RETURN 1;
END $$;
SELECT pg_temp.refusal($$WITH a AS (UPDATE crm.orders SET id = 999 WHERE id = 9 RETURNING id) INSERT INTO crm_test.u SELECT crm_test.exchange() FROM a$$) AS ignored \gset
RESET ROLE;
SELECT is(pg_temp.place(9) || ', ' || pg_temp.place(1), 'pending 1: create, completed 5: create submit pay ship complete', 'orders do not exchange their histories');

DELETE FROM before WHERE order_id = 8;
SELECT results_eq('SELECT * FROM crm.order_events ORDER BY order_id, seq', 'SELECT * FROM before ORDER BY order_id, seq', 'after all this the history is what it was');
SELECT is_empty($$
    SELECT o.id, o.status, e.to_status FROM crm.orders o LEFT JOIN crm.order_events e ON e.order_id = o.id AND e.seq = o.version
    WHERE e.to_status IS DISTINCT FROM o.status AND o.id <> 8$$, 'and agrees with the orders');

DELETE FROM crm.order_events WHERE order_id = 300;

-- The owner may, by hand.
SET LOCAL ROLE crm_test_owner;
SELECT lives_ok($$UPDATE crm.order_events SET note = 'corrected' WHERE order_id = 1 AND seq = 1$$, 'the owner may change history');
SELECT is((SELECT note FROM crm.order_events WHERE order_id = 1 AND seq = 1), 'corrected', 'and it is changed');
SELECT lives_ok($$INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role, workflow) VALUES (10, 99, now(), 'x', 'x', 'x', 'x', 'x')$$, 'add to it');
SELECT lives_ok($$DELETE FROM crm.order_events WHERE order_id = 10$$, 'and delete it');
SELECT lives_ok($$DELETE FROM crm.orders WHERE id = 10$$, 'then the order too');

-- Columns, constraints and triggers that the owner adds
CREATE SEQUENCE crm.tickets START 100;
CREATE DOMAIN crm.channel AS text DEFAULT 'shop' NOT NULL;
ALTER TABLE crm.order_events ADD COLUMN channel crm.channel;
SELECT crm_advance_order(18, 'submit') AS ignored \gset
SELECT is((SELECT channel::text FROM crm.order_events WHERE order_id = 18 AND seq = 2), 'shop', 'a column gets the default of its domain');
ALTER TABLE crm.order_events
    ADD COLUMN gone int DEFAULT 1,
    ADD COLUMN constant text NOT NULL DEFAULT 'x',
    ADD COLUMN ticket bigint DEFAULT nextval('crm.tickets'),
    ADD COLUMN serial_no bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN written_by name DEFAULT current_user,
    ADD COLUMN exact_time timestamptz DEFAULT clock_timestamp(),
    ADD COLUMN arrow text GENERATED ALWAYS AS (coalesce(from_status, '') || '→' || to_status) STORED,
    ADD COLUMN empty text;
ALTER TABLE crm.order_events DROP COLUMN gone;
SET LOCAL ROLE crm_test_clerk;
SELECT lives_ok($$SELECT crm_advance_order(11, 'submit')$$, 'a step with columns of the owner''s in the history');
RESET ROLE;
SELECT is((SELECT constant FROM crm.order_events WHERE order_id = 11 AND seq = 2), 'x', 'a constant default');
SELECT is((SELECT ticket FROM crm.order_events WHERE order_id = 11 AND seq = 2), currval('crm.tickets'), 'a sequence that the clerk may not use');
SELECT is((SELECT serial_no FROM crm.order_events WHERE order_id = 11 AND seq = 2), (SELECT max(serial_no) FROM crm.order_events), 'an identity');
SELECT is((SELECT written_by FROM crm.order_events WHERE order_id = 11 AND seq = 2), 'crm_test_owner'::name, 'defaults are computed as the owner');
SELECT ok((SELECT exact_time >= at FROM crm.order_events WHERE order_id = 11 AND seq = 2), 'a volatile default');
SELECT is((SELECT arrow FROM crm.order_events WHERE order_id = 11 AND seq = 2), 'pending→submitted', 'a generated column');
SELECT is((SELECT empty FROM crm.order_events WHERE order_id = 11 AND seq = 2), NULL, 'none');
SELECT is((SELECT channel::text FROM crm.order_events WHERE order_id = 11 AND seq = 2), 'shop', 'the default of a domain, among others');
SET LOCAL ROLE crm_test_owner;
ALTER TABLE crm.order_events DROP COLUMN channel;
CREATE DOMAIN crm.must AS text CHECK (VALUE IS NOT NULL);
ALTER TABLE crm.order_events ADD COLUMN must crm.must DEFAULT 'x';
ALTER TABLE crm.order_events ALTER COLUMN must DROP DEFAULT;
SELECT throws_ok($$SELECT crm_advance_order(12, 'submit')$$, '23514', 'value for domain crm.must violates check constraint "must_check"', 'a domain that refuses null');
ALTER TABLE crm.order_events DROP COLUMN must;

CREATE TABLE crm.log (what text, who name, outer_role name);
CREATE FUNCTION crm.log_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm.log VALUES (TG_WHEN || ' ' || TG_OP || ' ' || NEW.event, current_user, current_setting('role'));
    NEW.empty := 'filled';
    RETURN NEW;
END $$;
CREATE TRIGGER before_event BEFORE INSERT ON crm.order_events FOR EACH ROW EXECUTE FUNCTION crm.log_event();
CREATE TRIGGER after_event AFTER INSERT ON crm.order_events FOR EACH ROW WHEN (NEW.event <> 'create') EXECUTE FUNCTION crm.log_event();
CREATE CONSTRAINT TRIGGER later_event AFTER INSERT ON crm.order_events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm.log_event();
SET LOCAL ROLE crm_test_clerk;
SELECT is(crm_advance_order(13, 'submit'), 'submitted', 'a step with triggers of the owner''s on the history');
RESET ROLE;
SELECT results_eq('SELECT what, who FROM crm.log', $$VALUES ('BEFORE INSERT submit', 'crm_test_owner'::name), ('AFTER INSERT submit', 'crm_test_owner')$$,
    'both fire, as the owner');
SELECT is((SELECT empty FROM crm.order_events WHERE order_id = 13 AND seq = 2), 'filled', 'BEFORE may fill a column');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT count(*) FROM crm.log), 3::bigint, 'and a deferred one fires when constraints are checked');
DROP TRIGGER before_event ON crm.order_events;
DROP TRIGGER after_event ON crm.order_events;
DROP TRIGGER later_event ON crm.order_events;

SET LOCAL ROLE crm_test_owner;
ALTER TABLE crm.order_events ADD CONSTRAINT no_cancel CHECK (event <> 'cancel' OR note IS NOT NULL);
SELECT throws_ok($$SELECT crm_advance_order(14, 'cancel')$$, '23514', 'new row for relation "order_events" violates check constraint "no_cancel"', 'a CHECK of the owner''s on the history');
SELECT throws_ok($$UPDATE crm.orders SET status = 'cancelled' WHERE id IN (14, 15)$$, '23514', NULL, 'holds for plain statements');
SELECT is(pg_temp.place(14) || ', ' || pg_temp.place(15), 'pending 1: create, pending 1: create', 'the step fails with it');
SELECT is(crm_advance_order(14, 'cancel', 'why'), 'cancelled', 'and succeeds where it holds');
CREATE UNIQUE INDEX ON crm.order_events (note) WHERE event = 'cancel';
SELECT throws_ok($$SELECT crm_advance_order(15, 'cancel', 'why')$$, '23505', NULL, 'so with a unique index');
CREATE TABLE crm.reasons (note text PRIMARY KEY);
ALTER TABLE crm.order_events ADD COLUMN reason text REFERENCES crm.reasons;
ALTER TABLE crm.order_events ALTER COLUMN reason SET DEFAULT 'none';
SELECT throws_ok($$SELECT crm_advance_order(16, 'submit')$$, '23503', NULL, 'and with a foreign key');
INSERT INTO crm.reasons VALUES ('none');
SELECT is(crm_advance_order(16, 'submit'), 'submitted', 'which is satisfied then');
ALTER TABLE crm.order_events ADD COLUMN needed text;
UPDATE crm.order_events SET needed = 'x';
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE crm.order_events ALTER COLUMN needed SET NOT NULL;
SELECT throws_ok($$SELECT crm_advance_order(17, 'submit')$$, '23502', 'null value in column "needed" of relation "order_events" violates not-null constraint', 'NOT NULL without a default');
ALTER TABLE crm.order_events DROP COLUMN needed;
ALTER TABLE crm.order_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.order_events FORCE ROW LEVEL SECURITY;
SELECT is(crm_advance_order(17, 'submit'), 'submitted', 'row-level security does not keep the machine out');
ALTER TABLE crm.order_events NO FORCE ROW LEVEL SECURITY;
SELECT is(pg_temp.place(17), 'submitted 2: create submit', 'the step is there');

SELECT * FROM finish();
ROLLBACK;
