-- Whatever people do to the tables, or hang on them: an error that says so, and the backend lives.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
SELECT plan(68);

CREATE ROLE crm_test_mallory;
CREATE SCHEMA crm_test AUTHORIZATION crm_test_mallory;
GRANT USAGE ON SCHEMA crm TO crm_test_mallory;
GRANT ALL ON ALL TABLES IN SCHEMA crm TO crm_test_mallory;
INSERT INTO crm.customers (id, name) VALUES (1, 'Zoë');
INSERT INTO crm.workflows (name, definition) VALUES ('loop', E'[*] --> idle\nidle --> idle : poke\nidle --> [*]');
INSERT INTO crm.orders (id, customer_id) SELECT g, 1 FROM generate_series(1, 2000) g;
SELECT pg_backend_pid() AS pid \gset
-- PostgreSQL does not let go of columns that a view shows
DO $$
DECLARE
    our_view name;
BEGIN
    FOR our_view IN SELECT relname FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'v' LOOP
        EXECUTE format('DROP VIEW IF EXISTS crm.%I CASCADE', our_view); -- it may have gone with another
    END LOOP;
END $$;

-- Changes to the tables, each undone at once
CREATE FUNCTION pg_temp.outcome(change text, statement text DEFAULT $$SELECT public.crm_advance_order(1, 'submit')$$, OUT outcome text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    EXECUTE statement INTO outcome;
    RAISE EXCEPTION USING ERRCODE = '00001', MESSAGE = coalesce(outcome, 'done');
EXCEPTION WHEN others THEN
    outcome := SQLSTATE || ' ' || SQLERRM;
END $$;

SELECT is(pg_temp.outcome('SELECT 1'), '00001 submitted', 'as it is');
SELECT is(pg_temp.outcome(change), expected, change) FROM (VALUES
    ('ALTER TABLE crm.orders ALTER COLUMN status_until TYPE timestamp', '42804 column "status_until" of table crm.orders is of type timestamp without time zone, but crm needs timestamp with time zone'),
    ('ALTER TABLE crm.orders DROP COLUMN status_until, DROP COLUMN open_status', '00001 submitted'),
    ('DROP TABLE crm.order_events', '42P01 event table "order_events" of table crm.orders does not exist'),
    ('ALTER TABLE crm.order_events RENAME TO events', '42P01 event table "order_events" of table crm.orders does not exist'),
    ('ALTER TABLE crm.order_events SET SCHEMA crm_test', '42P01 event table "order_events" of table crm.orders does not exist'),
    ('DROP TABLE crm.order_events; CREATE VIEW crm.order_events AS SELECT 1', '42809 event table crm.order_events is not an ordinary table'),
    ('ALTER TABLE crm.order_events DROP COLUMN note', '42703 column "note" of table crm.order_events does not exist'),
    ('ALTER TABLE crm.order_events ALTER COLUMN at TYPE timestamp', '42804 column "at" of table crm.order_events is of type timestamp without time zone, but crm needs timestamp with time zone'),
    ('ALTER TABLE crm.order_events DROP CONSTRAINT order_events_are_numbered', '42P16 the primary key of event table crm.order_events is not the key of table crm.orders and a number'),
    ('ALTER TABLE crm.order_events DROP CONSTRAINT order_events_belong_to_an_order', '00001 submitted'),
    ('ALTER TABLE crm.orders RENAME COLUMN status TO stage', '42703 column "status" of table crm.orders does not exist'),
    ('ALTER TABLE crm.orders DROP COLUMN version', '42703 column "version" of table crm.orders does not exist'),
    ('ALTER TABLE crm.orders ALTER COLUMN status TYPE varchar', '42804 column "status" of table crm.orders is of type character varying, but crm needs text'),
    ('ALTER TABLE crm.orders DROP CONSTRAINT orders_have_a_unique_id CASCADE', '42P16 table crm.orders has no primary key of one column'),
    ('ALTER TABLE crm.orders RENAME TO old_orders', '42P01 table "crm.orders" does not exist'),
    ('ALTER TABLE crm.order_changes_1 RENAME TO old_changes', '42P01 table "crm.order_changes_1" does not exist'),
    ('ALTER TABLE crm.order_changes_1 RENAME TO old_changes; CREATE TABLE crm.order_changes_1 (LIKE crm.old_changes)', '00001 submitted'),
    ('ALTER SCHEMA crm RENAME TO sales', '42P01 table "crm.orders" does not exist'),
    ('ALTER TABLE crm.orders RENAME TO old_orders; CREATE VIEW crm.orders AS SELECT * FROM crm.old_orders', '42809 crm.orders is not a table'),
    ('ALTER TABLE crm.orders RENAME COLUMN id TO number', '00001 submitted'),
    ('UPDATE crm.workflows SET description = NULL; ALTER TABLE crm.workflows RENAME TO flows', '42P01 table "crm.workflows" does not exist'),
    ('UPDATE crm.workflows SET description = NULL; ALTER TABLE crm.workflows ALTER COLUMN definition TYPE text USING definition::text',
     '42804 column "definition" of table crm.workflows is of type text, but crm needs crm_workflow'),
    ('ALTER TABLE crm.orders DROP COLUMN owner, ADD COLUMN note text DEFAULT now()', '00001 submitted'),
    ('ALTER TABLE crm.orders ADD CHECK (version < 2)', '23514 new row for relation "orders" violates check constraint "orders_version_check"'),
    ('ALTER TABLE crm.orders ADD COLUMN g text GENERATED ALWAYS AS (status) STORED CHECK (g = status)', '00001 submitted'),
    -- a CHECK holds for a step if it is about anything that the step changes, directly or not
    ('ALTER TABLE crm.orders ADD CONSTRAINT c CHECK (status = ''pending'')', '23514 new row for relation "orders" violates check constraint "c"'),
    ('ALTER TABLE crm.orders ADD CONSTRAINT c CHECK ((orders).status = ''pending'')', '23514 new row for relation "orders" violates check constraint "c"'),
    ('ALTER TABLE crm.orders ADD COLUMN g text GENERATED ALWAYS AS (status) STORED CONSTRAINT c CHECK (g = ''pending'')', '23514 new row for relation "orders" violates check constraint "c"'),
    ('ALTER TABLE crm.orders ADD CONSTRAINT c CHECK (owner IS NOT NULL) NOT VALID', '23514 new row for relation "orders" violates check constraint "c"'),
    ('ALTER TABLE crm.orders ADD CONSTRAINT c CHECK (id > 0)', '00001 submitted'),
    ('CREATE UNIQUE INDEX one ON crm.orders ((1)) WHERE status = ''submitted''; SELECT public.crm_advance_order(2, ''submit'')',
     '23505 duplicate key value violates unique constraint "one"'),
    ('ALTER TABLE crm.orders REPLICA IDENTITY FULL', '00001 submitted')
) AS t(change, expected);

-- Numbers of another type
SELECT is(pg_temp.outcome('ALTER TABLE crm.order_events DROP CONSTRAINT order_events_belong_to_an_order; ALTER TABLE crm.order_lines DROP CONSTRAINT order_lines_belong_to_an_order;
    ALTER TABLE crm.orders ALTER COLUMN id TYPE integer; ALTER TABLE crm.order_events ALTER COLUMN order_id TYPE integer',
    $$SELECT public.crm_advance_order(4294967297, 'submit')$$) ~ '^(SL001|22003|42804) ', true, 'integer numbers: 2^32 + 1 is not 1');
SELECT is(pg_temp.outcome('ALTER TABLE crm.order_events DROP CONSTRAINT order_events_belong_to_an_order; ALTER TABLE crm.order_lines DROP CONSTRAINT order_lines_belong_to_an_order;
    ALTER TABLE crm.orders ALTER COLUMN id DROP IDENTITY; ALTER TABLE crm.orders ALTER COLUMN id TYPE text; ALTER TABLE crm.order_events ALTER COLUMN order_id TYPE text') ~ '^(00001 submitted|42804 )',
    true, 'numbers that are text');

-- Big things
SELECT format('CREATE TABLE crm.%s_changes_1 (LIKE crm.order_changes_1)', repeat('x', 53)) \gexec
SELECT throws_ok($$SELECT crm_anything_waits(repeat('x', 53))$$, '42P01', format('table "crm.%s_changes_2" does not exist', repeat('x', 53)), 'a grain as long as can be');
SELECT throws_ok($$SELECT crm_anything_waits(repeat('x', 53) || '_changes_1')$$, '42P01', format('table "crm.%s_changes_1_changes_1" does not exist', repeat('x', 53)), 'a longer one that begins alike');
SELECT is((SELECT count(crm_advance_order(id, 'submit')) FROM crm.orders WHERE id > 100), 1900::bigint, 'many steps in one statement');
SELECT is(crm_advance_order(1, 'submit', repeat('注', 1000000)), 'submitted', 'a long note');
SELECT is((SELECT length(note) FROM crm.order_events WHERE order_id = 1 AND seq = 2), 1000000, 'is kept whole');
SELECT throws_ok($$SELECT crm_advance_order(2, repeat('x', 1000000))$$, 'SL002', NULL, 'a long event');
SELECT throws_ok($$UPDATE crm.orders SET status = repeat('状', 100000) WHERE id = 2$$, 'SL007', NULL, 'a long status');
SELECT lives_ok($$SELECT set_config('crm.actor', repeat('名', 100000), true); SELECT crm_advance_order(2, 'submit'); SELECT set_config('crm.actor', '', true)$$, 'a long actor');
INSERT INTO crm.workflows (name, definition)
SELECT 'long', ('[*] --> s0' || string_agg(format(E'\ns%s --> s%s : %s', g, g + 1, 'step_' || md5(g::text)), '') || E'\ns3000 --> [*]')::crm_workflow
FROM generate_series(0, 2999) g;
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (3001, 1, 'long'), (3002, 1, 'loop');
UPDATE crm.workflows SET description = 'forget what is in memory';
SELECT is(crm_advance_order(3001, 'step_' || md5('0')), 's1', 'a workflow that PostgreSQL stores out of line');

-- A trigger without end
CREATE FUNCTION crm_test.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.crm_advance_order(NEW.id, 'poke'); RETURN NULL; END $$;
SELECT is(left(pg_temp.outcome($$SET LOCAL max_stack_depth = '1MB'; CREATE TRIGGER again AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.again()$$,
    $$SELECT public.crm_advance_order(3002, 'poke')$$), 5), '54001', 'steps that set off steps for ever');
SELECT is(crm_advance_order(3002, 'poke'), 'idle', 'end, and the next one works');

-- Our triggers on tables of anybody's
SET LOCAL ROLE crm_test_mallory;
CREATE TABLE crm_test.t (id bigint PRIMARY KEY, status text, status_since timestamptz, version integer);
INSERT INTO crm_test.t VALUES (1), (2);
CREATE TRIGGER e BEFORE INSERT OR UPDATE ON crm_test.t FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('status', 'order');
SELECT matches(pg_temp.outcome('SELECT 1', 'UPDATE crm_test.t SET version = 1 WHERE id = 1 RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'a row without status from before the trigger: other columns');
SELECT matches(pg_temp.outcome('SELECT 1', 'UPDATE crm_test.t SET status = ''pending'' WHERE id = 1 RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'its first status');
SELECT matches(pg_temp.outcome('SELECT 1', 'UPDATE crm_test.t SET status = status RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'no status again');
CREATE TABLE crm_test.t_events (t bigint, seq integer, at timestamptz, event text, from_status text, to_status text, dwell interval, actor text, role text, note text, PRIMARY KEY (t, seq));
CREATE TRIGGER r AFTER INSERT OR UPDATE ON crm_test.t FOR EACH ROW EXECUTE FUNCTION public.crm_record_event('t_events');
SELECT matches(pg_temp.outcome('DROP TRIGGER e ON crm_test.t', 'UPDATE crm_test.t SET version = 1 RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'a recorder without the enforcer');
SELECT matches(pg_temp.outcome('ALTER TABLE crm_test.t DISABLE TRIGGER e', 'UPDATE crm_test.t SET version = 1 RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'with a disabled one: version of a row without status');
SELECT matches(pg_temp.outcome('ALTER TABLE crm_test.t DISABLE TRIGGER e', 'UPDATE crm_test.t SET status = ''paid'', version = 2 RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'with a disabled one: status of a row without one');
SELECT matches(pg_temp.outcome('ALTER TABLE crm_test.t DISABLE TRIGGER e', 'INSERT INTO crm_test.t (id) VALUES (3) RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'with a disabled one: a row without status');
SELECT matches(pg_temp.outcome('ALTER TABLE crm_test.t DISABLE TRIGGER e', 'INSERT INTO crm_test.t (id, status, version) VALUES (3, ''pending'', 1) RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'with a disabled one: a row without status_since');
SELECT matches(pg_temp.outcome('INSERT INTO crm_test.t (id) VALUES (4); ALTER TABLE crm_test.t DISABLE TRIGGER e', 'UPDATE crm_test.t SET status = NULL WHERE id = 4 RETURNING 1'), '^(?!XX)[0-9A-Z]{5} ', 'with a disabled one: a status taken away');
SELECT matches(pg_temp.outcome($$CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION public.crm_enforce_workflow('reference')$$,
    $$UPDATE crm.orders SET status = 'completed', version = 33 WHERE id = 100 RETURNING 1$$), '^(?!XX)[0-9A-Z]{5} ', 'a second enforcer on another column that is null');
RESET ROLE;

-- What is remembered of a table is forgotten when its key gets another type, or a rule goes.
\ir include/said_briefly.sql
INSERT INTO crm.workflows (name, definition) VALUES ('to_and_fro', E'[*] --> a\na --> b : go\nb --> a : back\nb --> [*]');
CREATE TABLE public.tasks (id integer PRIMARY KEY, status text);
SELECT crm_attach_workflow('public.tasks', 'status', 'to_and_fro');
ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY; -- so that steps go by statement
CREATE ROLE crm_test_worker;
CREATE POLICY everything ON public.tasks USING (true);
GRANT ALL ON public.tasks, public.tasks_events TO crm_test_worker;
INSERT INTO public.tasks (id) VALUES (1), (2);
SET LOCAL ROLE crm_test_worker;
SELECT is(pg_temp.said('SELECT public.crm_advance(''public.tasks'', 1, ''go'')'), 'done', 'a step by a statement');
RESET ROLE;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE public.tasks_events DROP CONSTRAINT tasks_events_belong_to_a_row;
ALTER TABLE public.tasks ALTER id TYPE bigint;
ALTER TABLE public.tasks_events ALTER tasks_id TYPE bigint;
INSERT INTO public.tasks (id) VALUES (4294967297);
SET LOCAL ROLE crm_test_worker;
SELECT is(pg_temp.said('SELECT public.crm_advance(''public.tasks'', 4294967297, ''go'')'), 'done', 'of a key that has become longer');
RESET ROLE;
CREATE RULE nothing AS ON UPDATE TO public.tasks DO INSTEAD NOTHING;
SET LOCAL ROLE crm_test_worker;
SELECT matches(pg_temp.said('SELECT public.crm_advance(''public.tasks'', 2, ''go'')'), '^SL001', 'a rule that replaces it by nothing');
RESET ROLE;
DROP RULE nothing ON public.tasks;
SET LOCAL ROLE crm_test_worker;
SELECT is(pg_temp.said('SELECT public.crm_advance(''public.tasks'', 2, ''go'')'), 'done', 'and is gone');
RESET ROLE;

-- Settings of the session and renamed columns do not keep a workflow on a table, nor take it off where it belongs.
SET LOCAL standard_conforming_strings = off;
SET LOCAL quote_all_identifiers = on;
SELECT matches(pg_temp.said('SELECT public.crm_detach_workflow(''crm.orders'')'), '^55000 table "crm"."orders" keeps its workflow', 'orders keep their workflow, however names are quoted');
ALTER TABLE public.tasks RENAME status TO stage;
SELECT is(pg_temp.said('SELECT public.crm_detach_workflow(''public.tasks'')'), 'done', 'a workflow is detached from a table whose status has got another name');
RESET standard_conforming_strings;
RESET quote_all_identifiers;

-- An index of some rows is not the one by which we find all.
CREATE UNIQUE INDEX ON crm.products (sku) WHERE active;
CREATE UNIQUE INDEX ON crm.order_events (request_key) WHERE request_key > 'z';
INSERT INTO crm.products (id, sku, name, price, active) VALUES (77, 'OLD', 'Old', 1, false);
INSERT INTO crm.orders (id, customer_id) SELECT 9177, min(id) FROM crm.customers;
SELECT matches(pg_temp.said(format('SELECT public.crm_place_order(%s, ''[{"sku": "OLD", "quantity": 1}]'')', min(id))), '^SL016', 'a product that is not active is found') FROM crm.customers;
SELECT matches(pg_temp.said(format('SELECT public.crm_place_order(%s, ''[{"sku": "OLD", "quantity": 1}]'', currency => ''eur'')', min(id))), '^SL017', 'one in a currency that is none') FROM crm.customers;
SELECT is(crm_advance_order(9177, 'submit', request_key => 'a'), 'submitted', 'a request');
SELECT is(crm_advance_order(9177, 'submit', request_key => 'a'), 'submitted', 'that comes again');

-- A guard for what is no table
SELECT is(pg_temp.said('INSERT INTO crm.guards (workflow, name, condition, relation) VALUES (''x'', ''y'', ''true'', 99999)'), '42P01 relation with OID 99999 does not exist', 'a guard for nothing');

SELECT is(pg_backend_pid(), :pid, 'the backend lives');
SELECT * FROM finish();
ROLLBACK;
