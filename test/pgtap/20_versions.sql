-- Workflows that change: versions, rows that would be left behind, migrations.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(84);

CREATE FUNCTION pg_temp.said(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := '00000';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;

-- Versions
SELECT results_eq($$SELECT workflow, version, definition = (SELECT definition FROM crm.workflows WHERE name = workflow), since <= clock_timestamp(), role = current_user FROM crm.workflow_versions ORDER BY 1$$,
    $$VALUES ('opportunity', 1, true, true, true), ('order', 1, true, true, true)$$, 'the processes that are installed have their first versions');
INSERT INTO crm.workflows (name, definition, version) VALUES ('w', E'[*] --> a\na --> b : go\nb --> c : go\nc --> [*]', 17);
SELECT is((SELECT version FROM crm.workflows WHERE name = 'w'), 1, 'a new one starts with 1, whatever the statement says');
UPDATE crm.workflows SET definition = E'stateDiagram-v2\n%% the same machine\n[*] --> a\na --> b : go\nb --> c : go\nc --> [*]', description = 'same' WHERE name = 'w';
SELECT is((SELECT version FROM crm.workflows WHERE name = 'w'), 1, 'the same machine in other words is the same version');
UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : go\nb --> c : go\nb --> d : stop\nc --> [*]\nd --> [*]' WHERE name = 'w';
SELECT is((SELECT version FROM crm.workflows WHERE name = 'w'), 2, 'another machine is another version');
SELECT results_eq($$SELECT v.version, v.definition = w.definition, (SELECT count(*) FROM crm_states(v.definition)) FROM crm.workflow_versions v JOIN crm.workflows w ON w.name = v.workflow WHERE workflow = 'w' ORDER BY 1$$,
    $$VALUES (1, false, 3::bigint), (2, true, 4)$$, 'both are kept');
SELECT throws_ok($$UPDATE crm.workflows SET version = 7 WHERE name = 'w'$$, 'SL010', 'column "version" of workflow "w" is kept by the database', 'the number is the database''s');
SELECT throws_ok($$UPDATE crm.workflows SET version = 4, definition = E'[*] --> a\na --> [*]' WHERE name = 'w'$$, 'SL010', NULL, 'also with a new definition');
INSERT INTO crm.workflows (name, definition) VALUES ('w', E'[*] --> a\na --> b : go\nb --> c : go\nb --> d : stop\nc --> [*]\nd --> [*]')
    ON CONFLICT (name) DO UPDATE SET definition = excluded.definition;
SELECT is((SELECT version FROM crm.workflows WHERE name = 'w'), 2, 'an upsert of the same is no change');
SAVEPOINT s;
INSERT INTO crm.workflows (name, definition) VALUES ('w', E'[*] --> a\na --> [*]')
    ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, version = excluded.version;
SELECT version AS upserted FROM crm.workflows WHERE name = 'w' \gset
ROLLBACK TO s;
SELECT is(:upserted, 3, 'one of another is the next version, which EXCLUDED has');
SELECT throws_ok($$INSERT INTO crm.workflow_versions SELECT 'x', version, definition, since, role FROM crm.workflow_versions LIMIT 1; UPDATE crm.workflow_versions SET role = 'x'; SELECT 1/0$$,
    '22012', NULL, 'its owner may write history, as any owner');
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT ALL ON crm.workflows, crm.workflow_versions TO crm_test_clerk;
SET ROLE crm_test_clerk;
SELECT throws_ok(statement, 'SL011', 'history in table crm.workflow_versions cannot be changed by hand', statement)
FROM unnest(ARRAY['DELETE FROM crm.workflow_versions', 'UPDATE crm.workflow_versions SET version = version + 1', 'TRUNCATE crm.workflow_versions',
    'INSERT INTO crm.workflow_versions SELECT * FROM crm.workflow_versions']) AS statement;
RESET ROLE;
REVOKE ALL ON crm.workflow_versions FROM crm_test_clerk;
SET ROLE crm_test_clerk;
SELECT lives_ok($$INSERT INTO crm.workflows (name, definition) VALUES ('clerk''s', E'[*] --> a\na --> [*]')$$, 'who may change workflows needs no right on their versions');
RESET ROLE;
SELECT is((SELECT role FROM crm.workflow_versions WHERE workflow = 'clerk''s'), 'crm_test_clerk', 'and is named there');
REVOKE ALL ON crm.workflows FROM crm_test_clerk;
DELETE FROM crm.workflows WHERE name = 'clerk''s';
SELECT is((SELECT count(*) FROM crm.workflow_versions WHERE workflow = 'clerk''s'), 1::bigint, 'the versions of a deleted workflow stay');
INSERT INTO crm.workflows (name, definition) VALUES ('clerk''s', E'[*] --> a\na --> [*]');
SELECT is((SELECT version FROM crm.workflows WHERE name = 'clerk''s'), 2, 'so a new one of that name goes on counting');
UPDATE crm.workflows SET name = 'renamed' WHERE name = 'clerk''s';
SELECT results_eq($$SELECT workflow, version FROM crm.workflow_versions WHERE workflow IN ('renamed', 'clerk''s') ORDER BY 1, 2$$,
    $$VALUES ('clerk''s', 1), ('clerk''s', 2), ('renamed', 1)$$, 'another name, another count');
CREATE FUNCTION pg_temp.other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.definition := E'[*] --> zzz\nzzz --> [*]'; RETURN NEW; END $$;
CREATE TRIGGER zzz BEFORE UPDATE ON crm.workflows FOR EACH ROW EXECUTE FUNCTION pg_temp.other();
SELECT throws_ok($$UPDATE crm.workflows SET description = 'x' WHERE name = 'renamed'$$, '23505', NULL, 'a definition that changes behind the count');
DROP TRIGGER zzz ON crm.workflows;

-- Each event tells the version
INSERT INTO crm.customers (id, name) VALUES (1, '王小明');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT g, 1, 'w' FROM generate_series(1, 6) g;
SELECT crm_advance_order(1, 'go') AS ignored \gset
UPDATE crm.orders SET status = 'b' WHERE id = 2;
UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : walk\nb --> c : walk\nb --> d : stop\nc --> [*]\nd --> [*]' WHERE name = 'w';
SELECT crm_advance_order(1, 'walk') AS ignored \gset
UPDATE crm.orders SET status = 'b' WHERE id = 3;
SELECT crm_force_order(4, 'd', 'forced') AS ignored \gset
SELECT * FROM crm_advance_orders('{5}', 'walk') \gset
INSERT INTO crm.orders (id, customer_id, workflow, status) VALUES (7, 1, 'w', 'c');
SELECT results_eq($$SELECT order_id, string_agg(event || ' ' || workflow_version, ', ' ORDER BY seq) FROM crm.order_events GROUP BY 1 ORDER BY 1$$,
    $$VALUES (1::bigint, 'create 2, go 2, walk 3'), (2, 'create 2, go 2'), (3, 'create 2, walk 3'), (4, 'create 2, force 3'), (5, 'create 2, walk 3'), (6, 'create 2'), (7, 'import 3')$$,
    'each event tells the version it happened under, whatever made it happen');
SELECT is_empty($$SELECT * FROM crm.order_events WHERE workflow <> 'w'$$, 'and the process');
INSERT INTO crm.workflows (name, definition) VALUES ('moved', E'[*] --> b\nb --> done : end\ndone --> [*]');
INSERT INTO crm.orders (id, customer_id, workflow, status) VALUES (90, 1, 'w', 'b');
UPDATE crm.orders SET workflow = 'moved' WHERE id = 90;
SELECT crm_advance_order(90, 'end') AS ignored \gset
SELECT results_eq($$SELECT event, workflow, workflow_version FROM crm.order_events WHERE order_id = 90 ORDER BY seq$$, $$VALUES ('import', 'w', 3), ('end', 'moved', 1)$$,
    'of an order that was moved to another one, too');
ALTER TABLE crm.order_events DROP workflow CASCADE;
ALTER TABLE crm.order_events DROP workflow_version;
SELECT is(crm_advance_order(3, 'walk'), 'c', 'an event table without the columns will do');
ALTER TABLE crm.order_events ADD workflow text, ADD workflow_version integer;
SELECT is(crm_advance_order(6, 'walk'), 'b', 'and one that has them again');
SELECT is((SELECT workflow || ' ' || workflow_version FROM crm.order_events WHERE order_id = 6 AND seq = 2), 'w 3', 'tells it');

-- Rows left behind: 1 c, 2 b, 3 c, 4 d, 5 b, 6 b, 7 c
SELECT lives_ok($$UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : walk\na --> e : jump\nb --> c : walk\nb --> d : stop\nc --> [*]\nd --> [*]\ne --> [*]' WHERE name = 'w'$$,
    'a change that adds');
SELECT lives_ok($$UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : walk\nb --> c : walk\nb --> d : stop\nc --> [*]\nd --> [*]' WHERE name = 'w'$$,
    'a status that no row has may go');
SELECT results_eq($$SELECT * FROM pg_temp.said('UPDATE crm.workflows SET definition = E''[*] --> a\na --> d : stop\nd --> [*]'' WHERE name = ''w''')$$,
    $$VALUES ('SL013', 'workflow "w" would lose a status that rows stand in', 'Rows of table crm.orders: 3 in "b", 3 in "c".',
    'crm_migrate_workflow() moves them; its state map names a new status for each: {"b": ...}.')$$, 'one that rows have may not');
SELECT is((SELECT version FROM crm.workflows WHERE name = 'w'), 5, 'and nothing is changed');
SELECT throws_ok($$UPDATE crm.workflows SET name = 'v' WHERE name = 'w'$$, '23503', NULL, 'nor may the name of a workflow of orders');
SELECT throws_ok($$DELETE FROM crm.workflows WHERE name = 'w'$$, '23503', NULL, 'nor the workflow itself');
SELECT lives_ok($$UPDATE crm.workflows SET definition = E'[*] --> x\nx --> [*]' WHERE name = 'order'; DELETE FROM crm.workflows WHERE name = 'order'$$, 'one without rows may do all that');

-- In other tables: one that a trigger names the workflow for, a partitioned one with a column for it
CREATE TABLE tickets (nr integer PRIMARY KEY, state text, status_since timestamptz, version integer);
CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('state', 'w');
CREATE TABLE cases (id uuid PRIMARY KEY, workflow text, status text, status_since timestamptz, version integer) PARTITION BY HASH (id);
CREATE TABLE cases_1 PARTITION OF cases FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE cases_2 PARTITION OF cases FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status');
CREATE TABLE things (id integer PRIMARY KEY, status text, status_since timestamptz, version integer);
INSERT INTO crm.workflows (name, definition) VALUES ('other', E'[*] --> a\na --> b\nb --> [*]');
CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status', 'other');
INSERT INTO tickets (nr) VALUES (1), (2);
INSERT INTO tickets VALUES (3, 'd');
INSERT INTO things VALUES (1, 'a');
INSERT INTO cases (id, workflow, status) SELECT md5(g::text)::uuid, CASE WHEN g <= 10 THEN 'w' ELSE 'other' END, 'b' FROM generate_series(1, 15) g;
SELECT is((pg_temp.said($$UPDATE crm.workflows SET definition = E'[*] --> x\nx --> [*]' WHERE name = 'w'$$)).detail,
    'Rows of table crm.orders: 3 in "b", 3 in "c", 1 in "d"; public.tickets: 2 in "a", 1 in "d"; public.cases: 10 in "b".', 'the rows of all tables count');
SELECT is((pg_temp.said($$UPDATE crm.workflows SET definition = E'[*] --> x\nx --> [*]' WHERE name = 'other'$$)).detail,
    'Rows of table public.cases: 5 in "b"; public.things: 1 in "a".', 'of this workflow only');
SELECT results_eq($$SELECT state, message, detail FROM pg_temp.said('DELETE FROM crm.workflows WHERE name = ''other''')$$,
    $$VALUES ('2BP01', 'workflow "other" is in use', 'It is attached to table public.things.')$$, 'a workflow that a trigger names is not deleted');
SELECT throws_ok($$UPDATE crm.workflows SET name = 'another' WHERE name = 'other'$$, '2BP01', NULL, 'nor renamed');
DROP TABLE things;
SELECT is((pg_temp.said($$DELETE FROM crm.workflows WHERE name = 'other'$$)).detail, 'Rows of table public.cases: 5 in "b".', 'nor one that rows name');
SELECT throws_ok($$UPDATE crm.workflows SET name = 'another' WHERE name = 'other'$$, 'SL013', NULL, 'nor renamed');

-- Migrations that are refused
CREATE FUNCTION pg_temp.migration(map jsonb, definition crm_workflow DEFAULT E'[*] --> a\na --> x : new\nx --> y : new\ny --> [*]')
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN crm_migrate_workflow('w', definition, map);
EXCEPTION WHEN others THEN
    DECLARE
        detail text;
    BEGIN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail);
    END;
END $$;
SELECT is(pg_temp.migration(map::jsonb), wanted, 'refused: ' || map) FROM (VALUES
    ('[]', '22023 | the state map is not a JSON object | In the state map: $.'),
    ('"b"', '22023 | the state map is not a JSON object | In the state map: $.'),
    ('null', '22023 | the state map is not a JSON object | In the state map: $.'),
    ('{"b": null}', '22023 | a status in the state map is not a string | In the state map: $."b".'),
    ('{"b": "x", "c\"\n": ["x"]}', '22023 | a status in the state map is not a string | In the state map: $."c\"\n".'),
    ('{"b": {"b": "x"}}', '22023 | a status in the state map is not a string | In the state map: $."b".'),
    ('{"b": "c"}', 'SL007 | workflow "w" has no status "c" | In the state map: $."b". The new definition has: "a", "x", "y".'),
    ('{"b": ""}', 'SL007 | workflow "w" has no status "" | In the state map: $."b". The new definition has: "a", "x", "y".'),
    ('{"b": "x", "c": "x", "d": "x", "bb": "x"}', 'SL007 | workflow "w" has no status "bb" | In the state map: $."bb". The old definition has: "a", "b", "c", "d".'),
    ('{}', 'SL013 | workflow "w" would lose a status that rows stand in | Rows of table crm.orders: 3 in "b", 3 in "c", 1 in "d"; public.tickets: 1 in "d"; public.cases: 10 in "b".'),
    ('{"b": "x"}', 'SL013 | workflow "w" would lose a status that rows stand in | Rows of table crm.orders: 3 in "c", 1 in "d"; public.tickets: 1 in "d".')
) AS t(map, wanted);
SELECT is(pg_temp.migration('{"b": "x", "c": "x", "d": "x"}', E'[*] --> a\na --> x : new [nope]\nx --> [*]'),
    '42704 | workflow "w" names a guard "nope" that does not exist | The guards are the rows of table crm.guards.', 'without its guard');
SELECT is((pg_temp.said('SELECT crm_advance_order(2, ''new'')')).state, 'SL002', 'what was refused is not in force');
SELECT throws_ok($$SELECT crm_migrate_workflow('nope', E'[*] --> a\na --> [*]')$$, 'SL009', NULL, 'a workflow that does not exist');
SELECT throws_ok($$SELECT crm_migrate_workflow(NULL, E'[*] --> a\na --> [*]')$$, '22004', 'name must not be null', 'a null name');
SELECT throws_ok($$SELECT crm_migrate_workflow('w', NULL)$$, '22004', 'definition must not be null', 'a null definition');
SELECT throws_ok($$SELECT crm_migrate_workflow('w', E'[*] --> a\na --> [*]', NULL)$$, '22004', 'state_map must not be null', 'a null map');
SELECT is((SELECT count(*) FROM crm.workflow_versions WHERE workflow = 'w'), 5::bigint, 'no version is left of these');

-- One that is done: b becomes y, c becomes b, which is a new b
CREATE TABLE before AS SELECT 'orders' AS rel, id::text, status, version FROM crm.orders UNION ALL SELECT 'tickets', nr::text, state, version FROM tickets
    UNION ALL SELECT 'cases', id::text, status, version FROM cases WHERE workflow = 'w';
SET crm.actor = 'Ada';
SELECT is(crm_migrate_workflow('w', E'[*] --> a\na --> b : new\nb --> y : new\ny --> [*]', '{"b": "y", "c": "b", "d": "y", "a": "a"}'), 18::bigint, 'a migration');
RESET crm.actor;
CREATE FUNCTION pg_temp.target(status text) RETURNS text LANGUAGE sql AS $$ SELECT CASE status WHEN 'b' THEN 'y' WHEN 'c' THEN 'b' WHEN 'd' THEN 'y' ELSE status END $$;
SELECT is_empty($$SELECT * FROM before b JOIN (SELECT 'orders' AS rel, id::text, status, version FROM crm.orders UNION ALL SELECT 'tickets', nr::text, state, version FROM tickets
    UNION ALL SELECT 'cases', id::text, status, version FROM cases WHERE workflow = 'w') a USING (rel, id)
    WHERE (a.status, a.version) IS DISTINCT FROM (pg_temp.target(b.status), b.version + (b.status <> pg_temp.target(b.status))::int)$$, 'moves each row once, by its status');
SELECT is((SELECT count(*) FROM cases WHERE workflow = 'other' AND status = 'b' AND version = 1), 5::bigint, 'and no row of another workflow');
SELECT results_eq($$SELECT event, from_status, to_status, note, actor, forced, workflow_version, count(*) FROM crm.order_events WHERE event = 'migrate' GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 2$$,
    $$VALUES ('migrate', 'b', 'y', 'version 5 to 6', 'Ada', true, 6, 3::bigint), ('migrate', 'c', 'b', 'version 5 to 6', 'Ada', true, 6, 3), ('migrate', 'd', 'y', 'version 5 to 6', 'Ada', true, 6, 1)$$,
    'with an event for each');
SELECT is((SELECT version FROM crm.workflows WHERE name = 'w'), 6, 'to the next version');
SELECT is(crm_advance_order(1, 'new'), 'y', 'the rows go on');
SELECT is(crm_migrate_workflow('w', (SELECT definition FROM crm.workflows WHERE name = 'w'), '{"y": "b"}'), 16::bigint, 'rows may be moved within a version');
SELECT is((SELECT note || ' ' || workflow_version FROM crm.order_events WHERE event = 'migrate' AND order_id = 2 AND seq = 4), 'version 6 6', 'which the note says');
SELECT is((SELECT version FROM crm.workflows WHERE name = 'w'), 6, 'and is no other version');
SELECT is(crm_migrate_workflow('w', E'[*] --> a\na --> b : new\nb --> z : other\nb --> y : new\nz --> [*]\ny --> [*]'), 0::bigint, 'without a map it changes the definition alone');
SELECT throws_ok($$UPDATE crm.workflows SET definition = E'[*] --> a\na --> [*]' WHERE name = 'w'$$, 'SL013', NULL, 'afterwards a plain change is checked again');

-- Rows in a status from nowhere (a trigger was disabled) can be put right, too
ALTER TABLE tickets DISABLE TRIGGER enforce;
UPDATE tickets SET state = 'lost' WHERE nr = 1;
ALTER TABLE tickets ENABLE TRIGGER enforce;
SELECT lives_ok($$UPDATE crm.workflows SET definition = E'[*] --> a\na --> b : new\nb --> y : new\ny --> [*]' WHERE name = 'w'$$, 'they hold up no other change');
SELECT is(pg_temp.migration('{}', (SELECT definition FROM crm.workflows WHERE name = 'w')), '0', 'nor a migration that takes nothing away');
SELECT is(pg_temp.migration('{"y": "b"}', (SELECT definition FROM crm.workflows WHERE name = 'w')),
    'SL013 | workflow "w" would lose a status that rows stand in | Rows of table public.tickets: 1 in "lost".', 'but one that moves rows wants them, too');
SELECT is(pg_temp.migration('{"lost": "b"}', (SELECT definition FROM crm.workflows WHERE name = 'w')), '1', 'and takes them');

-- More than a batch
INSERT INTO tickets SELECT g, 'a' FROM generate_series(10, 25000) g;
SELECT is(crm_migrate_workflow('w', E'[*] --> b\nb --> y : new\ny --> [*]', '{"a": "b"}'), 24992::bigint, 'many rows');
SELECT results_eq('SELECT state, version, count(*) FROM tickets WHERE nr >= 10 GROUP BY 1, 2', $$VALUES ('b', 2, 24991::bigint)$$, 'all of them once');
CREATE FUNCTION pg_temp.skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.nr = 20000 THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER a_skip BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION pg_temp.skip();
SELECT throws_ok($$SELECT crm_migrate_workflow('w', E'[*] --> x\nx --> y : new\ny --> [*]', '{"b": "x"}')$$, '09000', 'not all rows of table public.tickets were moved', 'or none');
SELECT results_eq('SELECT state, version, count(*) FROM tickets WHERE nr >= 10 GROUP BY 1, 2', $$VALUES ('b', 2, 24991::bigint)$$, 'all of them are where they were');
SELECT is((SELECT definition::text ~ 'x' FROM crm.workflows WHERE name = 'w'), false, 'and so is the definition');
DROP TRIGGER a_skip ON tickets;
DELETE FROM tickets WHERE nr >= 10;

-- Who may
ALTER TABLE tickets OWNER TO crm_test_clerk;
GRANT CREATE, USAGE ON SCHEMA public TO crm_test_clerk;
SET ROLE crm_test_clerk;
SELECT throws_ok($$SELECT crm_migrate_workflow('w', E'[*] --> b\nb --> [*]')$$, '42501', 'workflow "w" cannot be migrated', 'who does not own the workflows may not');
RESET ROLE;
ALTER TABLE crm.workflows OWNER TO crm_test_clerk;
SET ROLE crm_test_clerk;
SELECT throws_ok($$SELECT crm_migrate_workflow('w', E'[*] --> y\ny --> [*]', '{"b": "y"}')$$, '42501', 'rows of workflow "w" cannot be moved', 'nor who does not own the rows');
-- the clerk's trap: what his trigger does, it does as him, whoever migrates
CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.status_since := NEW.status_since; PERFORM set_config('crm.actor', current_user, false); RETURN NEW; END $$;
CREATE FUNCTION public.deferred_trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER a_trap BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION public.trap();
CREATE TABLE trapped (by text);
RESET ROLE;
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.trapped VALUES (current_user || ' ' || current_setting('crm.actor')); RETURN NULL; END $$;
CREATE TRIGGER see AFTER UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION public.see();
ALTER TABLE crm.orders DISABLE TRIGGER ALL;
UPDATE crm.orders SET status = 'b' WHERE workflow = 'w';
ALTER TABLE crm.orders ENABLE TRIGGER ALL;
SELECT is(crm_migrate_workflow('w', E'[*] --> x\nx --> y : new\ny --> [*]', '{"b": "x"}') > 0, true, 'a superuser migrates');
SELECT is((SELECT string_agg(DISTINCT by, ', ') FROM trapped), 'crm_test_clerk crm_test_clerk', 'the rows of others with their rights');
SELECT is(current_setting('crm.actor'), '', 'and the settings of the session stay');
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON tickets INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.deferred_trap();
SELECT throws_ok($$SELECT crm_migrate_workflow('w', E'[*] --> b\nb --> y : new\ny --> [*]', '{"x": "b"}')$$, '42501', NULL, 'code that would run later, as somebody else, is refused');
DROP TRIGGER later ON tickets;
SET LOCAL transaction_read_only = on;
SELECT throws_ok($$SELECT crm_migrate_workflow('w', E'[*] --> b\nb --> y : new\ny --> [*]', '{"x": "b"}')$$, '25006', NULL, 'a read-only transaction migrates nothing');

SELECT * FROM finish();
ROLLBACK;
