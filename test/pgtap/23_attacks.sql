-- Guards that mean harm, and a role that owns nothing and tries each way around the door.
-- More of this: 03_history (what cannot be forged), 04_security (search_path, policies, rights), 12_guards.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(70);

CREATE SCHEMA crm_test;
\ir include/said_briefly.sql
CREATE FUNCTION pg_temp.detail(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END $$;
INSERT INTO crm.customers (id, name) VALUES (1, 'Zoë');
INSERT INTO crm.guards (workflow, name, condition) VALUES ('sale', 'g', 'true');
INSERT INTO crm.workflows (name, definition) VALUES ('sale', E'[*] --> a\na --> b : go [g]\na --> c : skip\nb --> [*]\nc --> [*]');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT g, 1, 'sale' FROM generate_series(1, 20) g;

-- A guard that calls code with effects: refused when it is written, if PostgreSQL knows of them
SELECT is(pg_temp.said(format('INSERT INTO crm.guards (workflow, name, condition) VALUES (''sale'', ''x'', %L)', condition)), wanted, condition)
FROM (VALUES
    ('pg_sleep(1) IS NULL', '42P17 the condition of a guard calls a volatile function'),
    ('crm_advance_order(id, ''skip'') = ''c''', '42883 function crm_advance_order(bigint, unknown) does not exist'),
    ('public.crm_force_order(id, ''c'', ''x'') = ''c''', '42P17 the condition of a guard calls a volatile function'),
    ('(WITH d AS (DELETE FROM crm.orders RETURNING 1) SELECT true)', '0A000 cannot use subquery in check constraint'),
    ('pg_terminate_backend(pg_backend_pid())', '42P17 the condition of a guard calls a volatile function'),
    ('nextval(''crm.orders_id_seq'') > 0', '42P17 the condition of a guard calls a volatile function'),
    ('lo_unlink(1) = 1', '42P17 the condition of a guard calls a volatile function'),
    ('true) OR (true', '42601 syntax error at or near ")"'),
    ('true; DROP TABLE crm.orders --', '42601 syntax error at or near ";"'),
    ('true /* ; DROP TABLE crm.orders */', 'done')
) AS t(condition, wanted);

-- One that is a liar: a function that says STABLE and is not. What it tries, it tries as who takes the step.
CREATE FUNCTION crm_test.sleeps() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(600); RETURN true; END $$;
CREATE FUNCTION crm_test.drops() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN EXECUTE 'DROP TABLE crm.order_lines'; RETURN true; END $$;
CREATE FUNCTION crm_test.deletes() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN DELETE FROM crm.order_lines; RETURN true; END $$;
CREATE FUNCTION crm_test.steps(bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM public.crm_advance_order($1, 'skip'); RETURN true; END $$;
CREATE FUNCTION crm_test.recurs(bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM public.crm_advance_order($1, 'go'); RETURN true; END $$;
CREATE FUNCTION crm_test.catches(bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM public.crm_advance_order($1, 'skip'); RETURN false; EXCEPTION WHEN others THEN RETURN true; END $$;
CREATE FUNCTION crm_test.alters() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM set_config('crm.actor', 'somebody else', true); RETURN true; END $$;
CREATE FUNCTION crm_test.try(id bigint, condition text, timeout text DEFAULT '0') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    UPDATE crm.guards g SET condition = try.condition WHERE name = 'g';
    PERFORM set_config('statement_timeout', timeout, true);
    result := pg_temp.said(format('SELECT public.crm_advance_order(%s, ''go'')', id));
    PERFORM set_config('statement_timeout', '0', true);
    RETURN result || ', ' || (SELECT o.status || ' ' || o.version FROM crm.orders o WHERE o.id = try.id);
END $$;
SELECT is(crm_test.try(2, 'crm_test.drops()'), '0A000 DROP TABLE is not allowed in a non-volatile function, a 1', 'drops a table');
SELECT is(crm_test.try(2, 'crm_test.deletes()'), '0A000 DELETE is not allowed in a non-volatile function, a 1', 'deletes rows');
SET LOCAL max_stack_depth = '1MB';
SELECT matches(crm_test.try(3, 'crm_test.recurs(id)'), '^54001 .*, a 1$', 'takes the very step that it guards, for ever');
RESET max_stack_depth;
SELECT matches(crm_test.try(4, 'crm_test.steps(id)'), '^(27|55)000 .*, a 1$', 'takes another step of the same order');
SELECT is(crm_test.try(5, 'crm_test.steps(6)'), 'done, b 2', 'takes a step of another order');
SELECT is((SELECT status || ' ' || version FROM crm.orders WHERE id = 6), 'c 2', 'which is a step like any other');
SELECT is(crm_test.try(7, 'crm_test.catches(id)'), 'SL004 order 7 cannot take the event "go", a 1', 'takes another step of the same order and says no: both are undone');
SELECT is(crm_test.try(8, 'crm_test.alters()'), 'done, b 2', 'sets a setting');
SELECT is((SELECT string_agg(seq || event, ' ' ORDER BY seq) FROM crm.order_events WHERE order_id IN (2, 3, 4, 7)), '1create 1create 1create 1create', 'no event is left of what was refused');
-- code that deletes the order between our lock and our update, or behind it: the step is refused, and with it the deletion
CREATE FUNCTION crm_test.kills(bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN DELETE FROM crm.order_events WHERE order_id = $1; DELETE FROM crm.orders WHERE id = $1; RETURN true; END $$;
CREATE FUNCTION crm_test.kills_its_own(bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN crm_test.kills($1); END $$;
CREATE FUNCTION crm_test.killer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM crm_test.kills(new.id); RETURN CASE TG_ARGV[0] WHEN 'new' THEN new END; END $$;
CREATE FUNCTION crm_test.try_killer(name text, timing text, result text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE format('CREATE TRIGGER %I %s UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.killer(%L)', name, timing, result);
    said := substr(pg_temp.said($s$SELECT public.crm_advance_order(15, 'skip')$s$), 1, 5) || ', ' ||
        (SELECT string_agg(outcome, ' ') FROM public.crm_advance_orders('{15,16}', 'skip'));
    EXECUTE format('DROP TRIGGER %I ON crm.orders', name);
    RETURN said;
END $$;
SELECT matches(crm_test.try(15, 'crm_test.kills_its_own(id)'), '^(27|55)000 .*, a 1$', 'a guard deletes its order');
SELECT is((SELECT string_agg(outcome, ' ') FROM crm_advance_orders('{15,16}', 'go')), 'refused refused', 'in a batch, too');
SELECT is(crm_test.try_killer('a', 'BEFORE', 'new'), '27000, refused refused', 'a trigger before ours deletes it');
SELECT is(crm_test.try_killer('z', 'BEFORE', 'new'), '27000, refused refused', 'one between ours and the update');
SELECT is(crm_test.try_killer('a', 'AFTER', 'new'), '23503, refused refused', 'one before the event is written');
SELECT is((SELECT string_agg(o.status || e.seq || e.event, ' ') FROM crm.orders o JOIN crm.order_events e ON e.order_id = o.id WHERE o.id IN (15, 16)),
    'a1create a1create', 'no order is lost, and no event');
SELECT is(crm_test.try_killer('z', 'BEFORE', 'null'), '09000, refused refused', 'one that suppresses the update as well');
SELECT is(crm_test.try_killer('a', 'BEFORE', 'null'), 'SL001, not_found not_found', 'and has done it before ours: it has deleted orders, which is no step');
SELECT is((SELECT string_agg(e.seq || e.event, ' ') FROM crm.order_events e WHERE e.order_id IN (15, 16)), NULL, 'and no history is left behind');
-- a sleeping guard ends with the statement
UPDATE crm.guards SET condition = 'crm_test.sleeps()' WHERE name = 'g';
SET LOCAL statement_timeout = '100ms';
SELECT is(pg_temp.said($$SELECT crm_advance_order(9, 'go')$$), '57014 canceling statement due to statement timeout', 'a guard that sleeps ends with statement_timeout');
SELECT is(pg_temp.said($$SELECT crm_advance_orders('{9,10}', 'go')$$), '57014 canceling statement due to statement timeout', 'in a batch, too');
SET LOCAL statement_timeout = 0;
SELECT is((SELECT string_agg(status || version, ' ') FROM crm.orders WHERE id IN (9, 10)), 'a1 a1', 'and no step is taken');
-- one whose column goes, in the same transaction and after it has been used
ALTER TABLE crm.orders ADD COLUMN amount numeric DEFAULT 7;
SELECT is(crm_test.try(11, 'amount > 5'), 'done, b 2', 'a guard about a column');
ALTER TABLE crm.orders DROP COLUMN amount;
SELECT is(pg_temp.said($$SELECT crm_advance_order(12, 'go')$$), '42703 column "amount" does not exist', 'that is dropped');
ALTER TABLE crm.orders ADD COLUMN amount text DEFAULT 'x';
SELECT is(pg_temp.said($$SELECT crm_advance_order(12, 'go')$$), '42883 operator does not exist: text > integer', 'and comes again with another type');
SELECT is(crm_advance_order(12, 'skip'), 'c', 'stops the steps that it guards only');
UPDATE crm.guards SET condition = 'true' WHERE name = 'g';

-- Mallory may log in, create tables and functions of her own, and take steps
CREATE ROLE crm_test_mallory;
GRANT USAGE ON SCHEMA crm TO crm_test_mallory;
GRANT SELECT, INSERT, UPDATE ON crm.orders TO crm_test_mallory;
GRANT SELECT ON crm.order_events, crm.workflows, crm.workflow_versions, crm.guards TO crm_test_mallory;
GRANT CREATE, USAGE ON SCHEMA crm_test TO crm_test_mallory;
GRANT USAGE ON SCHEMA public TO crm_test_mallory;
SET LOCAL ROLE crm_test_mallory;
SELECT is(pg_temp.said(statement), wanted, statement) FROM (VALUES
    ('UPDATE crm.orders SET status = ''b'', version = 9 WHERE id = 13', 'SL010 column "version" of order 13 is kept by the database'),
    ('UPDATE crm.orders SET workflow = ''order'' WHERE id = 13', '42501 order 13 cannot be moved from workflow "sale" to "order"'),
    ('INSERT INTO crm.orders (id, customer_id, workflow, status) VALUES (99, 1, ''sale'', ''b'')', 'SL008 order 99 cannot be inserted with status "b"'),
    ('DELETE FROM crm.orders WHERE id = 13', '42501 permission denied for table orders'),
    ('TRUNCATE crm.order_events', '42501 permission denied for table order_events'),
    ('UPDATE crm.workflows SET description = NULL', '42501 permission denied for table workflows'),
    ('UPDATE crm.guards SET condition = ''true''', '42501 permission denied for table guards'),
    ('INSERT INTO crm.workflow_versions SELECT * FROM crm.workflow_versions', '42501 permission denied for table workflow_versions'),
    ('SELECT public.crm_migrate_workflow(''sale'', E''[*] --> z\nz --> [*]'', ''{"a": "z", "b": "z", "c": "z"}'')', '42501 workflow "sale" cannot be migrated'),
    ('SELECT public.crm_force_order(13, ''b'', ''x'')', '42501 order 13 cannot be forced to another status'),
    ('ALTER TABLE crm.orders DISABLE TRIGGER orders_enforce_workflow', '42501 must be owner of table orders'),
    ('CREATE TRIGGER mine BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow(''currency'')', '42501 permission denied for table orders'),
    ('CREATE RULE mine AS ON UPDATE TO crm.orders DO INSTEAD NOTHING', '42501 must be owner of table orders'),
    ('ALTER FUNCTION public.crm_enforce_workflow() SET search_path = crm_test', '42501 must be owner of function public.crm_enforce_workflow'),
    ('CREATE TABLE crm_test.w (name text, definition public.crm_workflow, version integer);
      CREATE TRIGGER k AFTER INSERT ON crm_test.w FOR EACH ROW EXECUTE FUNCTION public.crm_keep_workflow_version();
      INSERT INTO crm_test.w VALUES (''sale'', E''[*] --> z\nz --> [*]'', 7)', '42809 table crm_test.w is not crm.workflows'),
    ('CREATE TABLE crm_test.v (name text, definition public.crm_workflow, version integer);
      CREATE TRIGGER c BEFORE INSERT ON crm_test.v FOR EACH ROW EXECUTE FUNCTION public.crm_count_workflow_version();
      INSERT INTO crm_test.v VALUES (''sale'', E''[*] --> z\nz --> [*]'', 7)', '42809 table crm_test.v is not crm.workflows')
) AS t(statement, wanted);
-- a table of her own that follows our workflow: its rows count, as they would be left behind
CREATE TABLE crm_test.t (id bigint PRIMARY KEY, status text, status_since timestamptz, version integer);
CREATE TRIGGER e BEFORE INSERT OR UPDATE ON crm_test.t FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('status', 'sale');
INSERT INTO crm_test.t VALUES (1, 'a');
RESET ROLE;
SELECT is(pg_temp.said($$UPDATE crm.workflows SET definition = E'[*] --> z\nz --> b : go [g]\nz --> c : skip\nz --> a : back\na --> [*]\nb --> [*]\nc --> [*]' WHERE name = 'sale'$$), 'done', 'a table of hers holds up no change that takes nothing away');
SELECT matches(pg_temp.detail($$UPDATE crm.workflows SET definition = E'[*] --> z\nz --> [*]' WHERE name = 'sale'$$), 'crm_test.t: 1 in "a"', 'its rows are told of');
ALTER TABLE crm_test.t DROP CONSTRAINT t_pkey;
SELECT matches(pg_temp.said($$UPDATE crm.workflows SET definition = E'[*] --> z\nz --> [*]' WHERE name = 'sale'$$), '^42P16 table crm_test.t has no primary key', 'one that is broken is named');

DROP TABLE crm_test.t;

-- Traps for who changes a process or runs timers: tables that follow it, with code on them
INSERT INTO crm.workflows (name, definition) VALUES ('timed', E'[*] --> a\na --> b : after 1 day\na --> c : go\nb --> [*]\nc --> [*]');
CREATE ROLE crm_test_trapper;
CREATE SCHEMA trap AUTHORIZATION crm_test_trapper;
SET LOCAL ROLE crm_test_trapper;
CREATE TABLE trap.t (id bigint PRIMARY KEY, status text NOT NULL, status_since timestamptz NOT NULL, version integer NOT NULL, status_until timestamptz,
    ran_as text, path text);
CREATE TRIGGER door BEFORE INSERT OR UPDATE ON trap.t FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('status', 'timed');
CREATE FUNCTION trap.spy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    NEW.ran_as := current_user; NEW.path := current_setting('search_path');
    PERFORM set_config('role', 'none', true);
    RETURN NEW;
EXCEPTION WHEN insufficient_privilege THEN RETURN NEW; END$$;
CREATE TRIGGER a_trap BEFORE UPDATE ON trap.t FOR EACH ROW EXECUTE FUNCTION trap.spy();
GRANT UPDATE ON trap.t TO PUBLIC;
INSERT INTO trap.t (id, status, status_since) VALUES (1, 'a', now() - interval '2 days');
RESET ROLE;
SELECT is(crm_run_timers(), 0, 'who runs timers leaves out a table that anybody has made');
SELECT results_eq('SELECT status, ran_as FROM trap.t', $$VALUES ('a', NULL)$$, 'with all the code on it');
SELECT is(crm_run_timers(relation => 'trap.t'), 1, 'unless it is named');
SELECT results_eq('SELECT status, ran_as, path FROM trap.t', $$VALUES ('b', 'crm_test_trapper', 'pg_catalog, pg_temp')$$, 'as its owner, whoever runs them');
SELECT is(current_user, session_user, 'the runner is himself again');
SET LOCAL ROLE crm_test_trapper;
CREATE FUNCTION trap.later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE trap.fuse (lit boolean);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON trap.fuse INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.later();
CREATE FUNCTION trap.light() RETURNS integer LANGUAGE plpgsql AS $$BEGIN
    IF current_setting('trap.armed', true) = 'yes' THEN INSERT INTO trap.fuse VALUES (true); END IF;
    RETURN 1; END$$;
CREATE FUNCTION trap.innocent(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$DECLARE n integer; BEGIN EXECUTE 'SELECT trap.light()' INTO n; RETURN n; END$$;
CREATE STATISTICS trap.wanted ON id, (trap.innocent(1)) FROM trap.t; -- whoever plans a query computes that
SET LOCAL trap.armed = 'yes';
RESET ROLE;
SELECT is(pg_temp.said($$UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : after 1 day\nb --> [*]' WHERE name = 'timed'$$),
    '42501 cannot fire deferred trigger within security-restricted operation', 'a look at a table leaves no code behind that would run as who looks');
SET LOCAL trap.armed = 'no';
SELECT is(pg_temp.said($$UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : after 1 day\nb --> [*]' WHERE name = 'timed'$$), 'done', 'without such code it is done');

-- Code that a guard calls runs as whoever takes the step: the right to write guards is not one to plant it
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.guards TO crm_test_trapper;
GRANT USAGE ON SCHEMA crm TO crm_test_trapper;
SET LOCAL ROLE crm_test_trapper;
SELECT is(pg_temp.said($$INSERT INTO crm.guards (workflow, name, condition) VALUES ('sale', 'planted', 'trap.innocent(1) = 1')$$),
    '42501 a guard for table crm.orders is written and deleted by the owner of the table only', 'who does not own the orders writes no guards for them');
SELECT is(pg_temp.said($$UPDATE crm.guards SET condition = 'trap.innocent(1) = 1'$$),
    '42501 a guard for table crm.orders is written and deleted by the owner of the table only', 'and changes none');
SELECT is(pg_temp.said($$UPDATE crm.guards SET relation = 'trap.t', condition = 'true' WHERE name = 'paid_in_full'$$),
    '42501 a guard for table crm.orders is written and deleted by the owner of the table only', 'nor moves them to a table of their own');
SELECT is(pg_temp.said($$DELETE FROM crm.guards WHERE name = 'x'$$),
    '42501 a guard for table crm.orders is written and deleted by the owner of the table only', 'or deletes them');
SELECT is(pg_temp.said($$INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('timed', 'own', 'trap.t', 'ran_as IS NULL')$$), 'done', 'but for tables of their own');
SELECT is(pg_temp.said($$UPDATE crm.guards SET name = 'mine' WHERE name = 'own'; DELETE FROM crm.guards WHERE name = 'mine'$$), 'done', 'as they like');
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('timed', 'own', 'trap.fuse', 'lit');
DROP TABLE trap.fuse CASCADE;
RESET ROLE;
GRANT DELETE ON crm.guards TO crm_test_mallory;
SET LOCAL ROLE crm_test_mallory;
SELECT is(pg_temp.said($$DELETE FROM crm.guards WHERE name = 'own'$$), 'done', 'what is for a table that is gone, anybody who may delete deletes');
RESET ROLE;
SELECT is((SELECT string_agg(name, ' ' ORDER BY name) FROM crm.guards WHERE workflow <> 'sale'), 'fully_refunded has_lines paid_in_full', 'nothing else has changed');

-- So does code on an event table: as who put it there, not as the owner of the orders
ALTER TABLE crm.order_events OWNER TO crm_test_trapper;
CREATE TABLE ran_as (role text);
GRANT INSERT ON ran_as TO crm_test_trapper;
SET LOCAL ROLE crm_test_trapper;
CREATE FUNCTION trap.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.ran_as VALUES (current_user); RETURN NULL; END';
CREATE TRIGGER tell AFTER INSERT ON crm.order_events FOR EACH ROW EXECUTE FUNCTION trap.tell();
RESET ROLE;
INSERT INTO crm.orders (id, customer_id) VALUES (1000, 1);
SELECT is((SELECT string_agg(role, ' ') FROM ran_as), 'crm_test_trapper', 'a trigger of an event table runs as the owner of that');

SELECT * FROM finish();
ROLLBACK;
