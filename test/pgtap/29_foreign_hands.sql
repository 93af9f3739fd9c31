-- What somebody may do with our functions and tables who can create objects of his own, but owns none of ours.
-- More of this: 23_attacks (guards, workflows), 04_security (search_path, policies, rights).
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(98);

CREATE SCHEMA crm_test;
\ir include/said_briefly.sql
INSERT INTO crm.customers (id, name) VALUES (1, 'Zoë');
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'T', 'Tea', 10);

-- Every trigger of ours, as it is, on a table of his own that looks like ours, with a row that is empty where it can be
CREATE FUNCTION pg_temp.forged(ours regclass, definition text, type integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS crm_test.mine;
    EXECUTE format('CREATE TABLE crm_test.mine AS TABLE %s WITH NO DATA', ours);
    IF type & 4 = 0 THEN
        INSERT INTO crm_test.mine DEFAULT VALUES;
    END IF;
    EXECUTE replace(definition, format(' ON %s ', ours), ' ON crm_test.mine ');
    RETURN pg_temp.said(CASE
        WHEN type & 4 <> 0  THEN 'INSERT INTO crm_test.mine DEFAULT VALUES'
        WHEN type & 8 <> 0  THEN 'DELETE FROM crm_test.mine'
        WHEN type & 32 <> 0 THEN 'TRUNCATE crm_test.mine'
        ELSE (SELECT 'UPDATE crm_test.mine SET ' || string_agg(format('%1$I = %1$I', attname), ', ')
              FROM pg_attribute WHERE attrelid = 'crm_test.mine'::regclass AND attnum > 0) END);
END $$;
SELECT is(pg_temp.forged(t.tgrelid::regclass, pg_get_triggerdef(t.oid), t.tgtype), format('42809 table crm_test.mine is not %s', t.tgrelid::regclass),
          t.tgname || ' of a table that is not ours')
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid::regclass::text LIKE 'crm.%' AND NOT t.tgisinternal
  AND p.proname NOT IN ('crm_enforce_workflow', 'crm_record_event', 'crm_protect_history',  -- these are for tables of anybody's
                        'crm_protect_ledger', 'crm_invalidate_cache', 'crm_forget_pages')   -- and these touch no other table
ORDER BY t.tgrelid::regclass::text, t.tgname;
DROP TABLE crm_test.mine;

-- the one that was found first: whoever may create a temporary table said what orders were paid
CREATE ROLE crm_test_forger;
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 3);
SELECT is(pg_temp.said($$SET LOCAL ROLE crm_test_forger;
    CREATE TEMP TABLE p (order_id bigint, kind text, amount numeric);
    CREATE TRIGGER t AFTER INSERT ON p REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION public.crm_total_payments();
    INSERT INTO p VALUES (1, 'payment', 30)$$), '42809 table pg_temp.p is not crm.payments', 'payments that are not in the ledger');
RESET ROLE;
SELECT is(paid, 0::numeric, 'are not counted') FROM crm.orders;

-- The owner takes a NOT NULL away: that is an error where we need the value, and no crash.
ALTER TABLE crm.payments ALTER amount DROP NOT NULL, ALTER kind DROP NOT NULL;
ALTER TABLE crm.order_lines ALTER amount DROP NOT NULL, ALTER quantity DROP NOT NULL;
ALTER TABLE crm.workflows ALTER definition DROP NOT NULL;
ALTER TABLE crm.settings ALTER time_zone DROP NOT NULL, ALTER currency DROP NOT NULL;
ALTER TABLE crm.orders ALTER currency DROP NOT NULL;
SELECT is(pg_temp.said(statement), wanted, statement) FROM (VALUES
    ('INSERT INTO crm.payments (order_id, kind, amount) VALUES (1, ''payment'', NULL)', '23502 null value in column "amount" of table crm.payments'),
    ('INSERT INTO crm.payments (order_id, kind, amount) VALUES (1, NULL, 1)', '23502 null value in column "kind" of table crm.payments'),
    ('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, NULL)', '23502 null value in column "amount" of table crm.order_lines'),
    ('INSERT INTO crm.workflows (name, definition) VALUES (''none'', NULL)', 'done'),
    ('UPDATE crm.workflows SET definition = E''[*] --> a\na --> [*]\nclass a booked'' WHERE name = ''none''', 'done'),
    ('UPDATE crm.workflows SET definition = NULL WHERE name = ''none''', 'done'),
    ('UPDATE crm.settings SET currency = NULL', '55000 the reporting currency cannot be changed any more'),
    ('UPDATE crm.settings SET time_zone = NULL', '23514 new row for relation "settings" violates check constraint "settings_time_zone_is_known"'),
    ('UPDATE crm.orders SET currency = NULL', '23502 null value in column "currency" of table crm.orders')
) AS t(statement, wanted);

-- The sums are written with the rights of who owns crm.rollups: so are the tables that they lie in his
GRANT CREATE, USAGE ON SCHEMA crm, public TO crm_test_forger;
GRANT ALL ON ALL TABLES IN SCHEMA crm TO crm_test_forger;
SET LOCAL ROLE crm_test_forger;
SELECT is(pg_temp.said($$SELECT public.crm_create_rollup('mine', 'order', '{day}')$$), '42501 must be owner of table crm.rollups', 'who does not own the rollups makes none');
SELECT is(pg_temp.said($$CREATE TABLE crm.mine_cells (day date, orders bigint, total bigint, generation integer);
    INSERT INTO crm.rollups (name, grain, dimensions, cells) VALUES ('mine', 'order', '{day}', 'crm.mine_cells')$$), 'done', 'nor by hand:');
RESET ROLE;
SELECT is(pg_temp.said(statement), '42501 rollup "mine" is in the hands of role crm_test_forger', statement) FROM (VALUES
    ('SELECT public.crm_merge_rollups()'), ('SELECT public.crm_rebuild_rollups()'), ('SELECT * FROM public.crm_check_rollups()'),
    ('TRUNCATE crm.order_events')
) AS t(statement);
ALTER TABLE crm.mine_cells OWNER TO CURRENT_USER;
SELECT is(pg_temp.said('SELECT public.crm_drop_rollup(''mine'')'), 'done', 'in the right hands it can be dropped, though it has no view');

-- whoever belongs to the owner makes rollups in his name
CREATE ROLE crm_test_owner;
CREATE ROLE crm_test_manager IN ROLE crm_test_owner;
GRANT CREATE, USAGE ON SCHEMA crm TO crm_test_owner;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO crm_test_owner;
GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA crm TO crm_test_owner;
DO $$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind IN ('r', 'v') LOOP
        EXECUTE format('ALTER %s %s OWNER TO crm_test_owner', CASE (SELECT relkind FROM pg_class WHERE oid = t) WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, t);
    END LOOP;
END $$;
SET LOCAL ROLE crm_test_manager;
SELECT is(pg_temp.said($$SELECT public.crm_create_rollup('theirs', 'order', '{day}')$$), 'done', 'a member of the role that owns the rollups makes one');
RESET ROLE;
SELECT is(array_agg(DISTINCT relowner::regrole::text), '{crm_test_owner}', 'which is the role''s') FROM pg_class WHERE relname IN ('theirs', 'theirs_cells');
SELECT is(pg_temp.said($$SELECT public.crm_create_rollup('by_month', 'order', '{month}')$$), 'done', 'a superuser, too');
SELECT is(array_agg(DISTINCT relowner::regrole::text), '{crm_test_owner}', 'makes it the role''s') FROM pg_class WHERE relname IN ('by_month', 'by_month_cells');
SELECT is(pg_temp.said('SELECT public.crm_merge_rollups()'), 'done', 'merges go on');

-- A table that somebody else has prepared to be the history of ours
CREATE TABLE public.tickets (id integer PRIMARY KEY, status text);
GRANT REFERENCES ON public.tickets TO crm_test_forger;
INSERT INTO public.tickets VALUES (1, NULL);
INSERT INTO crm.workflows (name, definition) VALUES ('ticket', E'[*] --> a\na --> b : x\nb --> [*]');
SET LOCAL ROLE crm_test_forger;
CREATE TABLE public.traces (tickets_id integer REFERENCES public.tickets(id), seq integer, at timestamptz, event text, from_status text, to_status text, dwell interval,
    actor text, role text, note text, request_key text, forced boolean, workflow text, workflow_version integer, PRIMARY KEY (tickets_id, seq));
CREATE TRIGGER p BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.traces FOR EACH STATEMENT EXECUTE FUNCTION public.crm_protect_history();
RESET ROLE;
SET LOCAL datestyle = 'SQL, DMY';
SET LOCAL timezone = 'Asia/Kolkata';
SELECT is(public.crm_attach_workflow('public.tickets', 'status', 'ticket')::text, 'tickets_events', 'is not taken for it');
SELECT ok(status_since <= clock_timestamp() AND status_since > now() - interval '1 hour', 'since when rows have their status does not depend on how dates are written') FROM public.tickets;
RESET datestyle;
RESET timezone;

-- What a guard means is not for who takes the step to say
INSERT INTO crm.guards (workflow, name, condition) VALUES ('g', 'digits', $$reference ~ '^\d+$'$$), ('g', 'early', $$placed_at < '03/02/2026'$$),
    ('g', 'never', 'owner = NULL'), ('g', 'zone', $$placed_at < '2026-02-20 00:00'$$);
INSERT INTO crm.workflows (name, definition) VALUES ('g', E'[*] --> a\na --> b : x [digits]\na --> c : y [early]\na --> d : z [never]\na --> e : w [zone]\nb --> [*]\nc --> [*]\nd --> [*]\ne --> [*]');
INSERT INTO crm.orders (id, customer_id, workflow, reference, placed_at) SELECT g, 1, 'g', repeat('d', g::int), '2026-02-20 00:00+00' FROM generate_series(11, 14) g;
UPDATE crm.guards SET condition = $$placed_at > '03/02/2026'$$ WHERE name = 'early';
CREATE FUNCTION pg_temp.step(setting text, value text, id bigint, event text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE crm.guards SET message = message WHERE workflow = 'g'; -- it is read anew
    PERFORM set_config(setting, value, true);
    PERFORM public.crm_advance_order(id, event);
    RETURN 'taken';
EXCEPTION WHEN others THEN
    RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.step(setting, value, id, event), 'SL004', format('guard "%s" with %s = %s', event, setting, value)) FROM (VALUES
    ('standard_conforming_strings', 'on', 11, 'x'), ('standard_conforming_strings', 'off', 11, 'x'),
    ('datestyle', 'ISO, MDY', 12, 'y'), ('datestyle', 'ISO, DMY', 12, 'y'),
    ('transform_null_equals', 'off', 13, 'z'), ('transform_null_equals', 'on', 13, 'z'),
    ('timezone', 'UTC', 14, 'w'), ('timezone', 'America/Lima', 14, 'w')
) AS t(setting, value, id, event);
RESET standard_conforming_strings;
GRANT TRUNCATE, DELETE ON crm.guards TO crm_test_forger;
SET LOCAL ROLE crm_test_forger;
SELECT is(pg_temp.said('TRUNCATE crm.guards'), '42501 must be owner of table guards', 'guards are not truncated by who may not delete each of them');
RESET ROLE;

-- Who inserts orders may choose their process only if the column is his, too
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm, public TO crm_test_clerk;
GRANT SELECT (id), INSERT (customer_id, reference) ON crm.orders TO crm_test_clerk;
GRANT INSERT ON crm.order_lines TO crm_test_clerk;
GRANT SELECT ON crm.products TO crm_test_clerk;
DO $$BEGIN PERFORM setval('crm.orders_id_seq', 1000); END$$;
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.said($$INSERT INTO crm.orders (customer_id, reference) VALUES (1, 'x')$$), 'done', 'an order that follows the process of all');
SELECT is(pg_temp.said($$INSERT INTO crm.orders (customer_id, workflow) VALUES (1, 'opportunity')$$), '42501 permission denied for table orders', 'one that would follow another');
SELECT is(pg_temp.said($$SELECT public.crm_place_order(1, '[{"sku": "T", "quantity": 1}]', workflow => 'opportunity')$$), '42501 permission denied for table orders', 'the same by crm_place_order()');
RESET ROLE;

-- Functions of our names, with arguments that literals fit better, in the schema of ours: ours are called
CREATE TEMP TABLE traps AS
SELECT DISTINCT format('CREATE FUNCTION public.%I(%s) RETURNS integer LANGUAGE plpgsql AS $f$BEGIN RAISE EXCEPTION ''%s was trapped''; END$f$', p.proname, x.arguments, p.proname) AS trap
FROM pg_proc p
CROSS JOIN LATERAL (SELECT string_agg(CASE WHEN t.type IN ('regclass', 'text[]', 'double precision[]', 'tid', 'jsonb', 'interval', 'name') THEN 'text'
                                           WHEN t.type IN ('bigint', 'numeric') THEN 'integer' ELSE t.type END, ', ' ORDER BY n) AS arguments,
                           string_agg(t.type, ', ' ORDER BY n) AS ours
                    FROM (SELECT format_type(a, NULL) AS type, n FROM unnest(p.proargtypes) WITH ORDINALITY u (a, n)) t) x
WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'crm%' AND x.arguments <> x.ours
  AND x.arguments !~ 'internal|any|cstring|crm_' AND NOT EXISTS (SELECT FROM pg_proc q WHERE q.pronamespace = p.pronamespace AND q.proname = p.proname AND oidvectortypes(q.proargtypes) = x.arguments);
SELECT cmp_ok(count(*), '>', 30::bigint, 'there are traps') FROM traps;
DROP TABLE public.tickets, public.tickets_events, public.traces;
DROP EXTENSION crm CASCADE;
DROP SCHEMA crm CASCADE;
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT trap FROM traps LOOP
        EXECUTE t;
    END LOOP;
END $$;
SELECT is(pg_temp.said('CREATE EXTENSION crm'), 'done', 'traps: CREATE EXTENSION');
INSERT INTO crm.customers (id, name, region) VALUES (1, 'Zoë', 'north');
INSERT INTO crm.products (id, sku, name, price, category) VALUES (1, 'T', 'Tea', 10, 'hot');
SELECT is(pg_temp.said(statement), 'done', 'traps: ' || statement) FROM (VALUES
    ('INSERT INTO crm.orders (id, customer_id) VALUES (1, 1)'),
    ('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 3)'),
    ('SELECT public.crm_advance_order(1::bigint, ''submit''::text)'),
    ('UPDATE crm.products SET category = ''cold'''),
    ('SELECT public.crm_merge_rollups()'),
    ('SELECT public.crm_rebuild_rollups()'),
    ('SELECT * FROM public.crm_check_rollups()'),
    ('SELECT public.crm_create_rollup(''by_owner''::text, ''line''::text, ''{owner}''::text[])'),
    ('SELECT * FROM crm.kpis'), ('SELECT * FROM crm.stage_durations'), ('SELECT * FROM crm.sales_by_month'), ('SELECT * FROM crm.rollup_status'),
    ('UPDATE crm.settings SET time_zone = ''Asia/Kolkata'''),
    ('TRUNCATE crm.products, crm.order_lines CASCADE')
) AS t(statement);

-- In a schema whose name is quoted, a change table that has grown is emptied as well.
DROP EXTENSION crm CASCADE;
DROP SCHEMA crm CASCADE;
CREATE SCHEMA "Sales CRM";
CREATE SCHEMA crm AUTHORIZATION crm_test_forger;
SELECT is(pg_temp.said('CREATE EXTENSION crm SCHEMA "Sales CRM"'), '42501 schema "crm" belongs to somebody else', 'the tables are not put into a schema that somebody else has prepared');
ALTER SCHEMA crm OWNER TO CURRENT_USER;
SELECT is(pg_temp.said('CREATE EXTENSION crm SCHEMA "Sales CRM"'), 'done', 'into one''s own they are, and the functions into one of a name with a space');
SELECT ok(to_regclass('crm.orders') IS NOT NULL, 'with tables');
INSERT INTO crm.customers (id, name) VALUES (1, 'Zoë');
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
ALTER TABLE crm.order_changes_1 ALTER owner SET STORAGE PLAIN;
INSERT INTO crm.order_changes_1 (owner) SELECT repeat('x', 7900) FROM generate_series(1, 1000); -- rows without a day: marks of merges
SELECT is(pg_temp.said('SELECT "Sales CRM".crm_merge_rollups()'), 'done', 'merges look whether it can be emptied');
SELECT is("Sales CRM".crm_merge_rollups(), 0::bigint, 'and have merged all');

SELECT * FROM finish();
ROLLBACK;
