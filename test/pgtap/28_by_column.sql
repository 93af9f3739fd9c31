-- A workflow for each row, named in a column: crm_attach_workflow() with workflow_column.
SET client_min_messages = warning;
CREATE TABLE older (id integer PRIMARY KEY, status text);

-- Whatever the level of isolation, the extension is installed, and a new table attached: nobody else can have written rows.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM older \g /dev/null
CREATE EXTENSION crm;
SELECT plan(76);
INSERT INTO crm.workflows (name, definition) VALUES
    ('ticket', E'[*] --> open\nopen --> closed : close\nclosed --> open : reopen\nclosed --> [*]'),
    ('claim', E'[*] --> filed\nfiled --> closed : pay\nfiled --> rejected : reject\nfiled --> lapsed : after 30 days\nclosed --> [*]\nrejected --> [*]\nlapsed --> [*]');
ALTER TABLE older ADD COLUMN subject text;
CREATE TABLE newer (id integer PRIMARY KEY, status text);
CREATE TABLE parts (id integer PRIMARY KEY, status text) PARTITION BY HASH (id);
SELECT throws_ok($$SELECT crm_attach_workflow('older', 'status', 'ticket')$$, '0A000', 'a workflow cannot be attached in a SERIALIZABLE transaction', 'a table from before it');
SELECT throws_ok($$SELECT crm_attach_workflow('parts', 'status', 'ticket')$$, '0A000', NULL, 'one whose partitions may be');
SELECT lives_ok($$SELECT crm_attach_workflow('newer', 'status', 'ticket')$$, 'one of its own');
SELECT is(crm_merge_rollups(), 0::bigint, 'rollups work as well');
COMMIT;

BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM older \g /dev/null
SELECT throws_ok($$SELECT crm_merge_rollups()$$, '0A000', 'rollups cannot be changed in a REPEATABLE READ transaction', 'but not later');
COMMIT;

BEGIN;
\ir include/said.sql
-- The events of a table, a row each
CREATE FUNCTION pg_temp.events(of_table text) RETURNS TABLE (row_key text, steps text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT e.%I::text, string_agg(concat_ws('' '', workflow, seq, event, from_status || '' >'', to_status, CASE WHEN forced THEN ''!'' END), '', '' ORDER BY seq)
        FROM %I e GROUP BY 1 ORDER BY 1', of_table || '_id', of_table || '_events');
END $$;
-- What the catalogue says of the door of a table and its history, whatever the OIDs
CREATE FUNCTION pg_temp.door_of(relation regclass, history regclass) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger')) FROM pg_trigger WHERE tgrelid IN (relation, history) AND NOT tgisinternal
    UNION ALL SELECT concat_ws(' | ', attrelid::regclass, attnum, attname, atttypid::regtype, attnotnull, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum))
        FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum) WHERE attrelid IN (relation, history) AND attnum > 0
    UNION ALL SELECT concat_ws(' | ', indexdef, obj_description(format('%I.%I', schemaname, indexname)::regclass, 'pg_class')) FROM pg_indexes
        WHERE format('%I.%I', schemaname, tablename)::regclass IN (relation, history)
    UNION ALL SELECT concat_ws(' | ', conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')) FROM pg_constraint WHERE conrelid IN (relation, history)
    UNION ALL SELECT relacl::text FROM pg_class WHERE oid IN (relation, history)
    UNION ALL SELECT 'has a new table' FROM pg_class WHERE relname = format('%s_events', relation::name)
$$;

-- What comes with the extension is attached by the same call
SELECT set_eq(format($$SELECT concat_ws(' ', tgname, pg_get_triggerdef(oid)) FROM pg_trigger WHERE tgrelid = '%1$s'::regclass AND tgname ~ '(workflow|record_event)$'$$, t), ARRAY[
    format('%1$s_enforce_workflow CREATE TRIGGER %1$s_enforce_workflow BEFORE INSERT OR UPDATE ON crm.%1$s FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow(''status'')', name),
    format('%1$s_record_event CREATE TRIGGER %1$s_record_event AFTER INSERT OR UPDATE ON crm.%1$s FOR EACH ROW EXECUTE FUNCTION crm_record_event(''%2$s'')', name, history)], 'the door of ' || t)
FROM (VALUES ('crm.orders', 'orders', 'order_events'), ('crm.opportunities', 'opportunities', 'opportunity_events')) AS t (t, name, history);
SELECT is(pg_temp.said(format('SELECT crm_detach_workflow(%L)', t)), format('55000 | table %s keeps its workflow | What else the extension does with its rows goes by their status. | '
    'Change the workflow, or have the rows name another one.', t), t || ' is not detached') FROM unnest('{crm.orders,crm.opportunities}'::text[]) AS t;
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.opportunities (id, customer_id, name) VALUES (1, 1, 'Tea'), (2, 1, 'Cups');
INSERT INTO crm.opportunities (id, customer_id, name, workflow) VALUES (3, 1, 'Broken cups', 'claim');
SELECT is(crm_advance('crm.opportunities', 1, 'visit'), 'visited', 'an opportunity takes a step');
SELECT is((SELECT status_until - status_since FROM crm.opportunities WHERE id = 3), '30 days', 'and has timers, if its process does');
CREATE TEMP TABLE before AS SELECT pg_temp.door_of('crm.opportunities', 'crm.opportunity_events') AS line;
CREATE TEMP TABLE opportunities AS TABLE crm.opportunities;
CREATE TEMP TABLE events AS TABLE crm.opportunity_events;
DROP TRIGGER opportunities_enforce_workflow ON crm.opportunities;
DROP TRIGGER opportunities_record_event ON crm.opportunities;
SELECT is(crm_attach_workflow('crm.opportunities', 'status', workflow_column => 'workflow')::text, 'crm.opportunity_events', 'opportunities are attached again');
SELECT bag_eq($$SELECT pg_temp.door_of('crm.opportunities', 'crm.opportunity_events')$$, 'TABLE before', 'which gives the same door');
SELECT bag_eq('SELECT o::text FROM crm.opportunities o', 'SELECT o::text FROM opportunities o', 'the same rows');
SELECT bag_eq('SELECT e::text FROM crm.opportunity_events e', 'SELECT e::text FROM events e', 'and the same history');
SELECT is(crm_advance('crm.opportunities', 1, 'quote'), 'quoted', 'the next step');

-- What is asked for
SELECT is(pg_temp.said(format('SELECT crm_attach_workflow(%s)', arguments)), format('22023 | either a workflow is attached, or the column that names it row by row | %s | '
    'SELECT crm_attach_workflow(''tickets'', ''status'', ''ticket''), or crm_attach_workflow(''tickets'', ''status'', workflow_column => ''workflow'')', detail), arguments)
FROM (VALUES ($$'older', 'status'$$, 'Neither was given.'), ($$'older', 'status', NULL$$, 'Neither was given.'), ($$'older', 'status', 'ticket', 'workflow'$$, 'Both were given.')) AS a (arguments, detail);
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('older', 'status', workflow_column => 'status')$$),
    '22023 | column "status" cannot be both the status and the workflow | Each row has its status in one column, and in another the name of its workflow.', 'one column for both');
SELECT throws_ok($$SELECT crm_attach_workflow(NULL, 'status', workflow_column => 'workflow')$$, '22004', 'table and status column must not be null', 'null');
SELECT throws_ok($$SELECT crm_attach_workflow('older', NULL, workflow_column => 'workflow')$$, '22004', NULL, 'null');
SELECT is(pg_temp.said(format('CREATE TABLE unfit (id integer PRIMARY KEY, status text %s); SELECT crm_attach_workflow(%L, %L, workflow_column => %L)', columns, 'unfit', 'status', 'Process')), said, columns)
FROM (VALUES
    (', process text NOT NULL', '42703 | column "Process" of table public.unfit does not exist | ALTER TABLE public.unfit ADD COLUMN "Process" text NOT NULL DEFAULT ''...'''),
    (', "Process" varchar(9) NOT NULL', '42804 | column "Process" of table public.unfit is of type character varying(9), but a workflow is text | ALTER TABLE public.unfit ALTER COLUMN "Process" TYPE text'),
    (', "Process" text', '23502 | column "Process" of table public.unfit may be null | Without a workflow no status is valid. | ALTER TABLE public.unfit ALTER COLUMN "Process" SET NOT NULL'),
    (', "Process" text NOT NULL GENERATED ALWAYS AS (''ticket'') STORED', '42804 | column "Process" of table public.unfit is of type text, generated, but a workflow is text | '
        'ALTER TABLE public.unfit ALTER COLUMN "Process" TYPE text'),
    (', "Process" text NOT NULL); INSERT INTO unfit VALUES (1, NULL, ''ticket''), (2, NULL, ''none'' ', 'SL009 | workflow "none" does not exist | Rows of table public.unfit name it. The workflows are the rows of table crm.workflows. | '
        'Insert it there, or name one that exists.'),
    (', "Process" text NOT NULL); INSERT INTO unfit VALUES (1, ''open'', ''ticket''), (2, ''open'', ''claim''), (3, ''closed'', ''claim''), (4, ''rejected'', ''ticket''), (5, ''x'', ''claim''), (6, ''x'', ''claim'' ',
        'SL007 | table public.unfit has rows with a status that workflow "claim" does not have | Rows by status: "x": 2, "open": 1. | It has: "filed", "closed", "rejected", "lapsed". Give the rows one of these.')
) AS u (columns, said);

-- Attached
CREATE TABLE cases (id integer PRIMARY KEY, "Process" text NOT NULL DEFAULT 'ticket', "Stand" text, amount numeric);
INSERT INTO cases VALUES (1, 'ticket', NULL), (2, 'ticket', 'closed'), (3, 'claim', NULL), (4, 'claim', 'closed'), (5, 'claim', 'rejected');
SELECT is(crm_attach_workflow('cases', 'Stand', workflow_column => 'Process')::text, 'cases_events', 'rows of two workflows are attached');
SELECT results_eq('SELECT * FROM pg_temp.events(''cases'')', $$VALUES ('1', 'ticket 1 create open'), ('2', 'ticket 1 import closed'), ('3', 'claim 1 create filed'), ('4', 'claim 1 import closed'),
    ('5', 'claim 1 import rejected')$$, 'each starts in its own, or stays where it was');
SELECT results_eq('SELECT DISTINCT workflow_version FROM cases_events', 'SELECT 1', 'of that version');
SELECT is((SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'cases_enforce_workflow'),
    'CREATE TRIGGER cases_enforce_workflow BEFORE INSERT OR UPDATE ON public.cases FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow(''Stand'', '''', ''Process'')', 'the trigger knows the column');
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('cases', 'Stand', 'ticket')$$),
    '42710 | table public.cases has a workflow already | Its trigger "cases_enforce_workflow" calls crm_enforce_workflow(). | crm_detach_workflow() takes it away.', 'once');
SELECT is(crm_advance('cases', 1, 'close'), 'closed', 'a step of one workflow');
SELECT is(crm_advance('cases', 2, 'reopen'), 'open', 'and back');
SELECT throws_ok($$SELECT crm_advance('cases', 4, 'reopen')$$, 'SL002', NULL, 'which the other does not have');
SELECT is((SELECT string_agg(event, ' ') FROM crm_available_events('cases', 3)), 'pay reject', 'it has others');
INSERT INTO cases (id) VALUES (6);
INSERT INTO cases (id, "Process") VALUES (7, 'claim');
SELECT results_eq('SELECT id, "Stand" FROM cases WHERE id > 5 ORDER BY 1', $$VALUES (6, 'open'), (7, 'filed')$$, 'new rows start in their own');
SELECT throws_ok($$INSERT INTO cases (id, "Process") VALUES (8, 'none')$$, 'SL009', 'workflow "none" does not exist', 'a new row names one that exists');
SELECT throws_ok($$INSERT INTO cases (id, "Process") VALUES (8, NULL)$$, '23502', 'null value in column "Process" of table public.cases', 'one at least');
SELECT throws_ok($$INSERT INTO cases (id, "Process", "Stand") VALUES (8, 'claim', 'open')$$, 'SL007', NULL, 'and a status that it has');

SELECT throws_ok($$CREATE TRIGGER mixed BEFORE INSERT ON older FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status', 'ticket', 'subject'); INSERT INTO older VALUES (1)$$,
    '42P17', NULL, 'a trigger says one of the two, too');

-- Timers: rows of any workflow may come, so there is a place for their dates
SELECT results_eq('SELECT id, status_until - status_since FROM cases WHERE status_until IS NOT NULL ORDER BY 1', $$VALUES (3, '30 days'::interval), (7, '30 days')$$, 'rows whose workflow has timers get their dates');
SELECT has_index('cases', 'cases_with_timers', 'and an index');
CREATE TABLE bare (id integer PRIMARY KEY, workflow text NOT NULL, status text);
SELECT crm_attach_workflow('bare', 'status', workflow_column => 'workflow') \g /dev/null
INSERT INTO bare (id, workflow, status_since) VALUES (1, 'claim', now() - interval '31 days');
SELECT is(crm_run_timers(relation => 'bare'), 1, 'also where there was no row');
UPDATE crm.workflows SET definition = replace(definition::text, '30 days', '10 days')::crm_workflow WHERE name = 'claim';
SELECT results_eq('SELECT id, status_until - status_since FROM cases WHERE status_until IS NOT NULL ORDER BY 1', $$VALUES (3, '10 days'::interval), (7, '10 days')$$, 'they follow the workflow when it changes');

-- Guards are looked for when a row needs them
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('claim', 'small', 'bare', 'true');
UPDATE crm.workflows SET definition = replace(definition::text, ': pay', ': pay [small]')::crm_workflow WHERE name = 'claim';
SELECT throws_ok($$SELECT crm_advance('cases', 3, 'pay')$$, '42704', 'guard "small" of workflow "claim" does not exist for table public.cases', 'a guard that is missing');
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('claim', 'small', 'cases', 'amount < 10');
SELECT throws_ok($$SELECT crm_advance('cases', 3, 'pay')$$, 'SL004', NULL, 'one that refuses');
UPDATE cases SET amount = 1;
SELECT is(crm_advance('cases', 3, 'pay'), 'closed', 'and one that does not');

-- Workflows that change
DROP TABLE newer, newer_events;
SELECT is(pg_temp.said($$UPDATE crm.workflows SET definition = E'[*] --> new\nnew --> [*]' WHERE name = 'ticket'$$),
    'SL013 | workflow "ticket" would lose a status that rows stand in | Rows of table public.cases: 1 in "closed", 2 in "open". | '
    'crm_migrate_workflow() moves them; its state map names a new status for each: {"closed": ...}.', 'a workflow that its rows need');
SELECT throws_ok($$UPDATE crm.workflows SET name = 'tickets' WHERE name = 'ticket'$$, 'SL013', NULL, 'is not renamed');
SELECT throws_ok($$DELETE FROM crm.workflows WHERE name = 'ticket'$$, 'SL013', NULL, 'nor deleted');
SELECT is(crm_migrate_workflow('ticket', E'[*] --> new\nnew --> closed : close\nclosed --> done\ndone --> [*]', '{"open": "new", "closed": "done"}'), 3::bigint, 'its rows are moved');
SELECT results_eq('SELECT id, "Stand" FROM cases ORDER BY 1', $$VALUES (1, 'done'), (2, 'new'), (3, 'closed'), (4, 'closed'), (5, 'rejected'), (6, 'new'), (7, 'filed')$$, 'those of others are not');

-- Another workflow for a row
CREATE ROLE crm_test_owner;
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_owner;
GRANT SELECT ON crm.workflows, crm.guards TO crm_test_owner;
ALTER TABLE cases OWNER TO crm_test_owner;
ALTER TABLE cases_events OWNER TO crm_test_owner;
GRANT SELECT, UPDATE ON cases TO crm_test_clerk;
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.said($$UPDATE cases SET "Process" = 'ticket' WHERE id = 4$$),
    '42501 | row "4" of table public.cases cannot be moved from workflow "claim" to "ticket" | Role "crm_test_clerk" does not own table public.cases. | Ask its owner.', 'a clerk moves no row to another workflow');
SELECT is(crm_advance('cases', 7, 'reject'), 'rejected', 'along its own he does');
SET LOCAL ROLE crm_test_owner;
SELECT throws_ok($$UPDATE cases SET "Process" = 'ticket' WHERE id = 5$$, 'SL007', 'workflow "ticket" has no status "rejected"', 'the owner neither, if it does not have the status');
SELECT lives_ok($$UPDATE cases SET "Process" = 'ticket' WHERE id = 4$$, 'else he does');
SELECT is(crm_advance('cases', 4, 'done'), 'done', 'and there it goes on');

-- Detached, and attached again
SELECT throws_ok($$SELECT crm_detach_workflow('cases') FROM set_config('role', 'crm_test_clerk', true)$$, '42501', NULL, 'a clerk does not detach it');
SELECT lives_ok($$SELECT crm_detach_workflow('cases')$$, 'the owner does');
SELECT is(pg_temp.said($$SELECT crm_detach_workflow('cases')$$), '55000 | no workflow is attached to table public.cases | crm_attach_workflow() attaches one.', 'once');
SELECT col_is_null('cases', 'Stand', 'a status may be empty then');
SELECT col_not_null('cases', 'Process', 'what was not empty stays so');
UPDATE cases SET "Process" = 'claim', "Stand" = 'filed' WHERE id = 2;
INSERT INTO cases (id, "Process") VALUES (9, 'claim'), (10, 'ticket');
RESET ROLE;
SELECT is(crm_attach_workflow('cases', 'Stand', workflow_column => 'Process')::text, 'cases_events', 'it is attached again, by somebody else who may');
SELECT results_eq('SELECT * FROM pg_temp.events(''cases'') WHERE row_key IN (''2'', ''4'', ''9'', ''10'') ORDER BY row_key::integer', $$VALUES
    ('2', 'ticket 1 import closed, ticket 2 reopen closed > open, ticket 3 migrate open > new !, claim 4 import new > filed !'),
    ('4', 'claim 1 import closed, ticket 2 done closed > done'), ('9', 'claim 1 create filed'), ('10', 'ticket 1 create new')$$, 'and its history goes on');
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY id) FROM cases WHERE status_until = status_since + interval '10 days'), '2 9', 'with timers');
SELECT lives_ok($$SELECT crm_detach_workflow('cases')$$, 'detached once more');
SELECT lives_ok($$UPDATE cases SET "Process" = 'claim', "Stand" = NULL; SELECT crm_attach_workflow('cases', 'Stand', 'claim')$$, 'one workflow for all takes its place');
SELECT is(crm_advance('cases', 10, 'reject'), 'rejected', 'and counts');

-- Partitioned
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
ALTER TABLE parts ADD COLUMN process text NOT NULL DEFAULT 'claim';
CREATE TABLE parts_1 (process text NOT NULL, junk text, status text, id integer NOT NULL);
ALTER TABLE parts_1 DROP COLUMN junk;
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO crm.guards (workflow, name, relation, condition) VALUES ('claim', 'small', 'parts', 'id < 10');
INSERT INTO parts (id, process, status) SELECT i, CASE WHEN i % 2 = 0 THEN 'claim' ELSE 'ticket' END, CASE WHEN i % 3 = 0 THEN 'closed' END FROM generate_series(1, 12) i;
SELECT is(crm_attach_workflow('parts', 'status', workflow_column => 'process')::text, 'parts_events', 'a partitioned table');
SELECT results_eq('SELECT process, status, event, count(*), count(DISTINCT p.tableoid), count(status_until) FROM parts p JOIN parts_events ON parts_id = id GROUP BY 1, 2, 3 ORDER BY 1, 2',
    $$VALUES ('claim', 'closed', 'import', 2::bigint, 2::bigint, 0::bigint), ('claim', 'filed', 'create', 4, 2, 4), ('ticket', 'closed', 'import', 2, 1, 0), ('ticket', 'new', 'create', 4, 2, 0)$$, 'each row by its own');
SELECT is((SELECT string_agg(crm_advance('parts', id, CASE process WHEN 'claim' THEN 'pay' ELSE 'close' END), ' ') FROM parts WHERE id < 10 AND status <> 'closed'),
    'closed closed closed closed closed closed', 'steps in all partitions');
SELECT throws_ok($$SELECT crm_advance('parts', 10, 'pay')$$, 'SL004', NULL, 'with the guards of the table');
SELECT is(pg_temp.said($$SELECT crm_detach_workflow('parts_1')$$), '55000 | no workflow is attached to table public.parts_1 | Detach it from table public.parts.', 'a partition is not detached');
SELECT lives_ok($$SELECT crm_detach_workflow('parts')$$, 'the whole is');

SELECT * FROM finish();
ROLLBACK;
