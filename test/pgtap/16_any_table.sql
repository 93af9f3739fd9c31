-- A workflow on any table: attached, keys of each type, partitions, rights, detached.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
SELECT plan(167);

INSERT INTO crm.workflows (name, definition) VALUES ('ticket', $$
    [*] --> open
    open --> closed : close
    closed --> open : reopen
    closed --> [*]
$$);

\ir include/said.sql
-- The events of a table, a row each
CREATE FUNCTION pg_temp.events(of_table text) RETURNS TABLE (row_key text, steps text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT e.%I::text, string_agg(concat_ws('' '', seq, event, from_status || '' >'', to_status, CASE WHEN forced THEN ''!'' END), '', '' ORDER BY seq)
        FROM %I e GROUP BY 1 ORDER BY 1', of_table || '_id', of_table || '_events');
END $$;
-- Each row of a table with a workflow stands where its last event says, and has as many events as its version
CREATE FUNCTION pg_temp.is_sound(of_table text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    sound boolean;
BEGIN
    EXECUTE format('SELECT count(*) = 0 FROM (SELECT t.id, t.status, t.version, max(e.seq) AS last, count(e.seq) AS n,
                        (array_agg(e.to_status ORDER BY e.seq DESC))[1] AS to_status
                    FROM %1$I t LEFT JOIN %3$I e ON e.%2$I = t.id GROUP BY t.id, t.status, t.version) r
                    WHERE (status, version, version) IS DISTINCT FROM (to_status, last, n::integer)', of_table, of_table || '_id', of_table || '_events')
    INTO sound;
    RETURN sound;
END $$;

-- Attached to a table that is empty
CREATE TABLE tickets (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text, status text DEFAULT 'new', length integer GENERATED ALWAYS AS (length(subject)) STORED);
SELECT is(crm_attach_workflow('tickets', 'status', 'ticket')::text, 'tickets_events', 'a workflow is attached');
SELECT col_not_null('tickets', 'status', 'a row has a status');
SELECT col_hasnt_default('tickets', 'status', 'the workflow says the first one');
SELECT col_type_is('tickets', 'status_since', 'timestamp with time zone', 'status_since is added');
SELECT col_not_null('tickets', 'status_since', 'each row has one');
SELECT col_type_is('tickets', 'version', 'integer', 'version is added');
SELECT col_not_null('tickets', 'version', 'each row has one');
SELECT has_column('tickets_events', 'tickets_id', 'the event table names the row');
SELECT bag_eq($$SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'tickets_events'::regclass AND attnum > 0 AND attname <> 'tickets_id'$$,
    $$SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'crm.order_events'::regclass AND attnum > 0 AND attname NOT IN ('order_id', 'request_hash')$$,
    'has the columns of crm.order_events, but for the one of crm_place_order()');
SELECT col_is_pk('tickets_events', '{tickets_id,seq}'::name[], 'and its key');
SELECT fk_ok('public', 'tickets_events', 'tickets_id', 'public', 'tickets', 'id', 'and its foreign key');
SELECT results_eq($$SELECT indexdef FROM pg_indexes WHERE indexname = 'tickets_events_by_request_key'$$,
    ARRAY['CREATE UNIQUE INDEX tickets_events_by_request_key ON public.tickets_events USING btree (request_key) WHERE (request_key IS NOT NULL)'], 'and its index');
SELECT results_eq($$SELECT tgname FROM pg_trigger WHERE tgrelid IN ('tickets'::regclass, 'tickets_events'::regclass) AND NOT tgisinternal ORDER BY 1$$,
    '{tickets_enforce_workflow,tickets_events_protect_history,tickets_record_event}'::name[], 'and the triggers');
SELECT is_empty($$
    SELECT pg_describe_object(classid, objid, objsubid) FROM (
        SELECT 'pg_class'::regclass AS classid, 'tickets_events'::regclass AS objid, 0 AS objsubid
        UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum FROM pg_attribute WHERE attrelid = 'tickets_events'::regclass AND attnum > 0
        UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum FROM pg_attribute WHERE attrelid = 'tickets'::regclass AND attname IN ('version', 'status_since')
        UNION ALL SELECT 'pg_constraint'::regclass, oid, 0 FROM pg_constraint WHERE conrelid = 'tickets_events'::regclass
        UNION ALL SELECT 'pg_trigger'::regclass, oid, 0 FROM pg_trigger WHERE tgrelid IN ('tickets'::regclass, 'tickets_events'::regclass) AND NOT tgisinternal
        UNION ALL SELECT 'pg_class'::regclass, 'tickets_events_by_request_key'::regclass, 0) AS made
    WHERE coalesce(CASE WHEN objsubid > 0 THEN col_description(objid, objsubid) ELSE obj_description(objid, classid::regclass::name) END, '') = ''
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE oid = objid AND contype = 'n')$$, 'each with a comment');
INSERT INTO tickets (subject) VALUES ('Screen is dark'), ('No paper');
SELECT is(crm_advance('tickets', 1, 'close', 'switched on'), 'closed', 'a step');
SELECT throws_ok($$SELECT crm_advance('tickets', 1, 'close')$$, 'SL003', 'row "1" of table public.tickets cannot take the event "close"', 'and none that is not in the drawing');
SELECT throws_ok($$UPDATE tickets SET status = 'lost'$$, 'SL007', NULL, 'by plain UPDATE neither');
SELECT throws_ok($$DELETE FROM tickets$$, '23503', NULL, 'a row with a history is not deleted');
SELECT results_eq($$SELECT * FROM pg_temp.events('tickets')$$, $$VALUES ('1', '1 create open, 2 close open > closed'), ('2', '1 create open')$$, 'the history');
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('tickets', 'status', 'ticket')$$),
    '42710 | table public.tickets has a workflow already | Its trigger "tickets_enforce_workflow" calls crm_enforce_workflow(). | crm_detach_workflow() takes it away.', 'attached twice');

-- Detached, and attached again
SELECT lives_ok($$SELECT crm_detach_workflow('tickets')$$, 'it is detached');
SELECT is_empty($$SELECT 1 FROM pg_trigger WHERE tgrelid = 'tickets'::regclass AND NOT tgisinternal$$, 'without triggers');
SELECT is(pg_temp.said($$SELECT crm_detach_workflow('tickets')$$),
    '55000 | no workflow is attached to table public.tickets | crm_attach_workflow() attaches one.', 'detached twice');
SELECT throws_ok($$SELECT crm_advance('tickets', 1, 'reopen')$$, '55000', 'no workflow is attached to table public.tickets', 'no step any more');
UPDATE tickets SET status = 'open' WHERE id = 1;
INSERT INTO tickets (subject) VALUES ('No ink');
INSERT INTO tickets (subject, status) VALUES ('Noise', 'closed');
SELECT is(crm_attach_workflow('tickets', 'status', 'ticket')::text, 'tickets_events', 'attached again it has the same event table');
SELECT results_eq($$SELECT * FROM pg_temp.events('tickets')$$, $$VALUES ('1', '1 create open, 2 close open > closed, 3 import closed > open !'),
    ('2', '1 create open'), ('3', '1 create open'), ('4', '1 import closed')$$, 'which goes on');
SELECT is(crm_advance('tickets', 1, 'close', expected_version => 3), 'closed', 'and so do the versions');
SELECT ok(pg_temp.is_sound('tickets'), 'rows and history agree');
SELECT is_empty($$SELECT 1 FROM tickets_events e JOIN tickets_events b ON b.tickets_id = e.tickets_id AND b.seq = e.seq - 1 WHERE e.at < b.at OR e.dwell <> e.at - b.at$$, 'in order of time');

-- A table with rows
CREATE TABLE full_house (id integer PRIMARY KEY, junk text, status text, status_since timestamptz);
ALTER TABLE full_house DROP COLUMN junk;
INSERT INTO full_house VALUES (1, NULL, NULL), (2, 'open', '2020-02-02'), (3, 'closed', '2021-01-01'), (4, 'closed', NULL), (5, 'x"y', NULL), (6, 'lost', NULL), (7, 'lost', NULL);
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('full_house', 'status', 'ticket')$$),
    'SL007 | table public.full_house has rows with a status that workflow "ticket" does not have | Rows by status: "lost": 2, "x\"y": 1. | It has: "open", "closed". Give the rows one of these.', 'unknown statuses are counted');
SELECT hasnt_table('full_house_events', 'then nothing is made');
SELECT hasnt_column('full_house', 'version', 'nothing is added');
SELECT is((SELECT count(*) FROM full_house WHERE status IS NULL), 1::bigint, 'and nothing is changed');
DELETE FROM full_house WHERE id > 4;
SET LOCAL crm.actor = 'Ada';
SELECT lives_ok($$SELECT crm_attach_workflow('full_house', 'status', 'ticket')$$, 'known ones stay');
RESET crm.actor;
SELECT results_eq('SELECT id, status, version, status_since = clock_timestamp(), status_since FROM full_house WHERE id IN (2, 3) ORDER BY 1',
    $$VALUES (2, 'open', 1, false, '2020-02-02'::timestamptz), (3, 'closed', 1, false, '2021-01-01'::timestamptz)$$, 'since when they did');
SELECT is((SELECT count(*) FROM full_house WHERE status_since BETWEEN now() AND clock_timestamp()), 2::bigint, 'the others since now');
SELECT results_eq($$SELECT * FROM pg_temp.events('full_house')$$, $$VALUES ('1', '1 create open'), ('2', '1 create open'), ('3', '1 import closed'), ('4', '1 import closed')$$, 'each has its first event');
SELECT is_empty($$SELECT 1 FROM full_house_events e JOIN full_house t ON t.id = e.full_house_id WHERE (at, actor, role, dwell, workflow_version) IS DISTINCT FROM (status_since, 'Ada', current_user, NULL, 1)$$, 'of that time and by that person');

-- Keys of each type; two rows each
CREATE FUNCTION pg_temp.make(name text, key text, keys text[], options text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (id %s PRIMARY KEY, status text) %s', name, key, options);
    IF options <> '' THEN
        EXECUTE format('CREATE TABLE %1$s_0 PARTITION OF %1$s FOR VALUES WITH (MODULUS 2, REMAINDER 0);
            CREATE TABLE %1$s_1 PARTITION OF %1$s FOR VALUES WITH (MODULUS 2, REMAINDER 1)', name);
    END IF;
    EXECUTE format('INSERT INTO %I (id) SELECT k::%s FROM unnest($1) AS k', name, key) USING keys;
    PERFORM crm_attach_workflow(name, 'status', 'ticket');
END $$;
SELECT pg_temp.make('by_bigint', 'bigint', '{1,-9223372036854775808}');
SELECT pg_temp.make('by_integer', 'integer', '{1,2147483647}');
SELECT pg_temp.make('by_smallint', 'smallint', '{1,-32768}');
SELECT pg_temp.make('by_uuid', 'uuid', '{00000000-0000-0000-0000-000000000001,ffffffff-ffff-ffff-ffff-ffffffffffff}');
SELECT pg_temp.make('by_text', 'text', ARRAY['1', repeat('長', 300)]);
SELECT pg_temp.make('by_varchar', 'varchar(20)', ARRAY['1', 'O''Neil "x"']);
SELECT pg_temp.make('by_parts', 'uuid', '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}', 'PARTITION BY HASH (id)');

-- Literals need no cast, whatever the key is
SELECT is(crm_advance(t, '1', 'close'), 'closed', 'a literal for ' || t)
FROM unnest('{by_bigint,by_integer,by_smallint,by_text,by_varchar}'::text[]) AS t;
SELECT is(crm_advance(t, '00000000-0000-0000-0000-000000000001', 'close'), 'closed', 'a literal for ' || t)
FROM unnest('{by_uuid,by_parts}'::text[]) AS t;
SELECT is(crm_advance('by_bigint', 1, 'reopen'), 'open', 'a number');
SELECT is(crm_advance('by_bigint', '1', 'close'), 'closed', 'a number in quotes');
SELECT is(crm_advance('by_integer', 1, 'reopen'), 'open', 'a number for an integer key');
SELECT is(crm_advance('by_smallint', 1::smallint, 'reopen'), 'open', 'a smallint');
SELECT is(crm_advance('by_bigint', (-9223372036854775808)::bigint, 'close'), 'closed', 'the smallest of all');
SELECT is(crm_advance('by_integer', 2147483647, 'close'), 'closed', 'the largest integer');
SELECT is(crm_advance('by_smallint', '-32768', 'close'), 'closed', 'the smallest smallint, as text');
SELECT is(crm_advance('by_uuid', uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'close'), 'closed', 'a uuid');
SELECT is(crm_advance('by_text', repeat('長', 300), 'close', request_key => 'k'), 'closed', 'a long text');
SELECT is(crm_advance('by_text', repeat('長', 300), 'close', request_key => 'k'), 'closed', 'again');
SELECT throws_ok($$SELECT crm_advance('by_text', '1', 'close', request_key => 'k')$$, 'SL012', NULL, 'the request key of another row');
SELECT is(crm_advance('by_varchar', 'O''Neil "x"', 'close', expected_version => 1), 'closed', 'a varchar');
SELECT throws_ok($$UPDATE by_text SET id = 'y' WHERE id = '1'$$, 'SL010', NULL, 'a text key stays');
PREPARE unknown_type AS SELECT crm_advance('by_uuid', $1, 'reopen');
PREPARE known_type (uuid) AS SELECT crm_advance('by_uuid', $1, 'close');
SELECT lives_ok($$EXECUTE unknown_type('ffffffff-ffff-ffff-ffff-ffffffffffff')$$, 'a parameter of no type');
SELECT lives_ok($$EXECUTE known_type('ffffffff-ffff-ffff-ffff-ffffffffffff')$$, 'a parameter of the key''s type');
SELECT is((SELECT steps FROM pg_temp.events('by_uuid') WHERE row_key = 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    '1 create open, 2 close open > closed, 3 reopen closed > open, 4 close open > closed', 'each step is recorded');
SELECT ok(pg_temp.is_sound(t), 'all is sound in ' || t) FROM unnest('{by_bigint,by_integer,by_smallint,by_uuid,by_text,by_varchar,by_parts}'::text[]) AS t;
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE codes (id text COLLATE any_case PRIMARY KEY, status text);
INSERT INTO codes VALUES ('abc');
SELECT crm_attach_workflow('codes', 'status', 'ticket');
SELECT is(crm_advance('codes', 'ABC', 'close', request_key => 'r'), 'closed', 'a key whose case does not matter');
SELECT is(crm_advance('codes', 'Abc', 'close', request_key => 'r'), 'closed', 'nor for a repeated request');
SELECT results_eq($$SELECT * FROM pg_temp.events('codes')$$, $$VALUES ('abc', '1 create open, 2 close open > closed')$$, 'in the history it is as in the table');

-- Keys that no row has
SELECT is(pg_temp.said($$SELECT crm_advance('by_bigint', 404, 'close')$$), 'SL001 | row "404" of table public.by_bigint does not exist | '
    || format('Table public.by_bigint has no such row that role "%s" may change. | Check the key; row-level security may hide a row.', current_user), 'no such row');
SELECT throws_ok($$SELECT crm_advance('by_integer', 3000000000, 'close')$$, 'SL001', 'row "3000000000" of table public.by_integer does not exist');
SELECT throws_ok($$SELECT crm_advance('by_smallint', '40000', 'close')$$, 'SL001', 'row "40000" of table public.by_smallint does not exist');
SELECT throws_ok($$SELECT crm_available_events('by_smallint', 40000)$$, 'SL001', 'row "40000" of table public.by_smallint does not exist');
SELECT throws_ok($$SELECT crm_force('by_smallint', 40000, 'open', 'why not')$$, 'SL001', 'row "40000" of table public.by_smallint does not exist');
SELECT is(pg_temp.said($$SELECT crm_advance('by_uuid', 1, 'close')$$), '42804 | the key of table public.by_uuid is of type uuid | '
    'The call names a row by a value of type bigint. | Give a value of the key''s type, or its text.', 'a key of another type');
SELECT throws_ok($$SELECT crm_advance('by_text', 1, 'close')$$, '42804', 'the key of table public.by_text is of type text');
SELECT throws_ok($$SELECT crm_advance('by_bigint', gen_random_uuid(), 'close')$$, '42804', 'the key of table public.by_bigint is of type bigint');
SELECT throws_ok($$SELECT crm_advance('by_uuid', 'no uuid', 'close')$$, '22P02', 'invalid input syntax for type uuid: "no uuid"');
SELECT throws_ok($$SELECT crm_advance('by_bigint', 'x', 'close')$$, '22P02', 'invalid input syntax for type bigint: "x"');
SELECT is(pg_temp.said($$SELECT crm_advance(NULL, 1, 'close')$$), '22004 | relation must not be null | crm_advance() was called with a null relation. | Give it a value.', 'no table');
SELECT is(pg_temp.said($$SELECT crm_advance('by_bigint', NULL::bigint, 'close')$$), '22004 | key must not be null | crm_advance() was called with a null key. | Give it a value.', 'no key');
SELECT is(pg_temp.said($$SELECT crm_force('by_bigint', 1, 'open', NULL)$$), '22004 | note must not be null | crm_force() was called with a null note. | Give it a value.', 'no note');
SELECT is(pg_temp.said($$SELECT crm_advance(1::oid, 1, 'close')$$), '42P01 | table with OID 1 does not exist', 'no such table');
SELECT is(pg_temp.said($$SELECT crm_advance('tickets_pkey', 1, 'close')$$), '42809 | public.tickets_pkey is not a table | Name a table to which a workflow is attached.', 'an index');
SELECT is(pg_temp.said($$SELECT crm_advance('crm.workflows', 1, 'close')$$), '55000 | no workflow is attached to table crm.workflows | '
    'It has no trigger that calls crm_enforce_workflow(). | crm_attach_workflow() attaches one.', 'a table without');
INSERT INTO crm.customers (id, name) VALUES (1, '王小明');
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
SELECT is(crm_advance('crm.orders', 1, 'submit', request_key => 'o'), 'submitted', 'orders by the general call');
SELECT is(crm_advance_order(1, 'submit', request_key => 'o'), 'submitted', 'are orders');

-- Partitions
SELECT throws_ok($$SELECT crm_advance('by_parts', '00000000-0000-0000-0000-000000000002', 'reopen')$$, 'SL003',
    'row "00000000-0000-0000-0000-000000000002" of table public.by_parts cannot take the event "reopen"', 'the table is named, not its partition');
SELECT is(crm_advance(tableoid, id, 'close'), 'closed', 'a partition may be named') FROM by_parts WHERE id::text LIKE '%2';
SELECT is(crm_advance('by_parts', '00000000-0000-0000-0000-000000000002', 'reopen', request_key => 'once'), 'open', 'a request once');
SELECT is(crm_advance('by_parts', '00000000-0000-0000-0000-000000000002', 'reopen', request_key => 'once'), 'open', 'and again');
SELECT results_eq($$SELECT * FROM crm_available_events('by_parts', '00000000-0000-0000-0000-000000000002')$$,
    $$VALUES ('close', 'closed', true, NULL)$$, 'what is possible');
SELECT is(crm_force('by_parts', '00000000-0000-0000-0000-000000000002', 'closed', 'a mistake'), 'closed', 'the owner may force a row');
SELECT is((SELECT steps FROM pg_temp.events('by_parts') WHERE row_key LIKE '%2'),
    '1 create open, 2 close open > closed, 3 reopen closed > open, 4 force open > closed !', 'all of it is recorded');
SELECT throws_ok($$UPDATE by_parts SET id = gen_random_uuid()$$, 'SL010', NULL, 'a key stays, so a row stays in its partition');

-- Several levels, columns in another order, other schemas, another owner; guards
CREATE ROLE crm_test_owner;
CREATE ROLE crm_test_clerk;
CREATE SCHEMA "Über ""all""" AUTHORIZATION crm_test_owner;
CREATE SCHEMA elsewhere;
GRANT USAGE ON SCHEMA crm TO crm_test_owner;
GRANT SELECT ON crm.workflows, crm.guards TO crm_test_owner;
GRANT CREATE, USAGE ON SCHEMA elsewhere TO crm_test_owner;
SET LOCAL ROLE crm_test_owner;
CREATE TABLE "Über ""all"""."Anträge" (junk integer, "Nr." integer PRIMARY KEY, amount numeric NOT NULL DEFAULT 10, "Stand" text) PARTITION BY RANGE ("Nr.");
ALTER TABLE "Über ""all"""."Anträge" DROP COLUMN junk;
CREATE TABLE elsewhere.low ("Stand" text, a integer, amount numeric NOT NULL DEFAULT 10, "Nr." integer NOT NULL) PARTITION BY LIST ("Nr.");
ALTER TABLE elsewhere.low DROP COLUMN a;
ALTER TABLE "Über ""all"""."Anträge" ATTACH PARTITION elsewhere.low FOR VALUES FROM (1) TO (100);
CREATE TABLE elsewhere.lowest (b text, "Nr." integer NOT NULL, "Stand" text, amount numeric NOT NULL DEFAULT 10);
ALTER TABLE elsewhere.lowest DROP COLUMN b;
ALTER TABLE elsewhere.low ATTACH PARTITION elsewhere.lowest FOR VALUES IN (1, 2, 3);
INSERT INTO "Über ""all"""."Anträge" VALUES (1, 5, NULL), (2, 500, 'closed');
RESET ROLE;
INSERT INTO crm.guards (workflow, name, relation, condition, message) VALUES
    ('credit', 'small', '"Über ""all"""."Anträge"', '"Anträge".amount < 100 AND "Stand" = ''open''', 'The amount is too large.');
INSERT INTO crm.workflows (name, definition) VALUES ('credit', E'[*] --> open\nopen --> granted : grant [small]\nopen --> closed : close\ngranted --> [*]\nclosed --> [*]');
SELECT throws_ok($$SELECT crm_attach_workflow('tickets', 'status', 'credit')$$, '42710', NULL, 'not to a table that has one');
SELECT crm_detach_workflow('tickets');
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('tickets', 'status', 'credit')$$), '42704 | guard "small" of workflow "credit" does not exist for table public.tickets | '
    'The guards are the rows of table crm.guards. | Insert it there, with this table as its relation.', 'not without its guards');
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('elsewhere.low', 'Stand', 'credit')$$), '42809 | table elsewhere.low is a partition | '
    'Its rows follow the workflow of the partitioned table. | Attach the workflow to table "Über ""all"""."Anträge".', 'not to a partition');
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.said($$SELECT crm_attach_workflow((SELECT oid FROM pg_class WHERE relname = 'Anträge'), 'Stand', 'credit')$$),
    '42501 | a workflow is attached to table "Über ""all"""."Anträge" by its owner only | Role "crm_test_clerk" does not own the table. | Ask role "crm_test_owner".', 'not by anybody');
RESET ROLE;
ALTER DEFAULT PRIVILEGES FOR ROLE crm_test_owner GRANT ALL ON TABLES TO PUBLIC, crm_test_clerk;
SET LOCAL ROLE crm_test_owner;
SELECT is(crm_attach_workflow('"Über ""all"""."Anträge"', 'Stand', 'credit')::text, '"Über ""all"""."Anträge_events"', 'but by its owner, who is no superuser');
RESET ROLE;
SELECT results_eq($$SELECT DISTINCT a.grantee::regrole::text, string_agg(a.privilege_type, ' ') FROM pg_class c, aclexplode(c.relacl) a
    WHERE relname = 'Anträge_events' AND a.grantee <> c.relowner AND privilege_type <> 'MAINTAIN' GROUP BY 1 ORDER BY 1$$,
    $$VALUES ('-', 'SELECT'), ('crm_test_clerk', 'SELECT')$$, 'others read its history at most, whatever default privileges say');
ALTER DEFAULT PRIVILEGES FOR ROLE crm_test_owner REVOKE ALL ON TABLES FROM PUBLIC, crm_test_clerk;
SELECT lives_ok($$CREATE TABLE elsewhere.high PARTITION OF "Über ""all"""."Anträge" FOR VALUES FROM (100) TO (200)$$, 'a new partition');
GRANT USAGE ON SCHEMA "Über ""all""", elsewhere TO crm_test_clerk;
GRANT SELECT, INSERT, UPDATE ("Stand") ON "Über ""all"""."Anträge" TO crm_test_clerk;
SET LOCAL ROLE crm_test_clerk;
INSERT INTO "Über ""all"""."Anträge" ("Nr.") VALUES (150);
SELECT is(crm_advance('"Über ""all"""."Anträge"', 150, 'grant'), 'granted', 'follows the workflow, for a role with few rights');
SELECT is(crm_advance('"Über ""all"""."Anträge"', '1', 'grant'), 'granted', 'its guards read the right columns of each partition');
INSERT INTO "Über ""all"""."Anträge" ("Nr.", amount) VALUES (3, 1000);
SELECT throws_ok($$SELECT crm_advance('"Über ""all"""."Anträge"', 3, 'grant')$$, 'SL004', 'row "3" of table "Über ""all"""."Anträge" cannot take the event "grant"', 'and do not hold always');
SELECT results_eq($$SELECT * FROM crm_available_events('"Über ""all"""."Anträge"', 3)$$,
    $$VALUES ('grant', 'granted', false, 'The amount is too large.'), ('close', 'closed', true, NULL)$$, 'which can be asked');
SELECT throws_ok($$INSERT INTO "Über ""all"""."Anträge" ("Nr.", "Stand") VALUES (151, 'closed')$$, 'SL008', NULL, 'only the owner imports');
SELECT throws_ok($$SELECT crm_force('"Über ""all"""."Anträge"', 3, 'granted', 'please')$$, '42501', 'row "3" of table "Über ""all"""."Anträge" cannot be forced to another status', 'or forces');
RESET ROLE;
SELECT results_eq($$SELECT "Anträge_Nr.", string_agg(event || ' ' || role, ', ' ORDER BY seq) FROM "Über ""all"""."Anträge_events" GROUP BY 1 ORDER BY 1$$, $$VALUES
    (1, 'create crm_test_owner, grant crm_test_clerk'), (2, 'import crm_test_owner'), (3, 'create crm_test_clerk'), (150, 'create crm_test_clerk, grant crm_test_clerk')$$, 'all is recorded in one place');
SELECT throws_ok($$ALTER TABLE "Über ""all"""."Anträge" DETACH PARTITION elsewhere.high$$, '23503', NULL, 'a partition whose rows have a history stays');
CREATE TABLE elsewhere.loose ("Stand" text NOT NULL, version integer NOT NULL DEFAULT 1, "Nr." integer NOT NULL, amount numeric NOT NULL, status_since timestamptz NOT NULL);
INSERT INTO elsewhere.loose VALUES ('closed', 1, 1000, 1, now());
ALTER TABLE elsewhere.loose OWNER TO crm_test_clerk;
ALTER TABLE "Über ""all"""."Anträge" ATTACH PARTITION elsewhere.loose FOR VALUES FROM (1000) TO (2000);
SET LOCAL ROLE crm_test_clerk;
SELECT throws_ok($$INSERT INTO elsewhere.loose ("Nr.", amount, "Stand") VALUES (1001, 1, 'closed')$$, 'SL008', NULL, 'who owns a partition is not the owner of the table');
SELECT lives_ok($$INSERT INTO elsewhere.loose ("Nr.", amount) VALUES (1001, 1)$$, 'its rows are recorded, too');
RESET ROLE;
SELECT is((SELECT count(*) FROM "Über ""all"""."Anträge_events" WHERE "Anträge_Nr." >= 1000), 1::bigint, 'but those that it came with');
SELECT lives_ok($$SELECT crm_detach_workflow('"Über ""all"""."Anträge"')$$, 'detached');
SELECT throws_ok($$SELECT crm_attach_workflow('"Über ""all"""."Anträge"', 'Stand', 'credit')$$, '42501', 'must be owner of table high', 'a superuser attaches as the owner, who must own the partitions, too');
SELECT is(current_user, session_user, 'and is himself again');
ALTER TABLE elsewhere.high OWNER TO crm_test_owner;
ALTER TABLE elsewhere.loose OWNER TO crm_test_owner;
SELECT lives_ok($$SELECT crm_attach_workflow('"Über ""all"""."Anträge"', 'Stand', 'credit')$$, 'and attached again');
SELECT results_eq($$SELECT "Anträge_Nr.", event FROM "Über ""all"""."Anträge_events" WHERE "Anträge_Nr." >= 1000 ORDER BY 1$$, $$VALUES (1000, 'import'), (1001, 'create')$$, 'these have one as well');
-- What sessions know of a partition follows the table
UPDATE elsewhere.lowest SET amount = amount;
ALTER TABLE "Über ""all"""."Anträge" SET SCHEMA elsewhere;
SELECT throws_ok($$SELECT crm_advance('elsewhere.lowest', 3, 'close')$$, '42P01', 'event table "Anträge_events" of table elsewhere."Anträge" does not exist', 'the history is where the table is');
ALTER TABLE "Über ""all"""."Anträge_events" SET SCHEMA elsewhere;
SELECT is(crm_advance('elsewhere.lowest', 3, 'close'), 'closed', 'moved along');
ALTER TABLE elsewhere."Anträge" SET SCHEMA "Über ""all""";
ALTER TABLE elsewhere."Anträge_events" SET SCHEMA "Über ""all""";
-- and a workflow that changes moves the rows of all partitions
SELECT is(crm_migrate_workflow('credit', E'[*] --> open\nopen --> granted : grant [small]\nopen --> done : close\ngranted --> [*]\ndone --> [*]', '{"closed": "done"}'), 3::bigint, 'its rows are moved in their partitions');
SELECT ok(NOT EXISTS (SELECT FROM "Über ""all"""."Anträge" t LEFT JOIN "Über ""all"""."Anträge_events" e ON e."Anträge_Nr." = t."Nr." AND e.seq = t.version
    WHERE (e.to_status, e.at) IS DISTINCT FROM (t."Stand", t.status_since) OR t."Stand" = 'closed'), 'rows and history agree');

DELETE FROM "Über ""all"""."Anträge_events" WHERE "Anträge_Nr." >= 1000;
ALTER TABLE "Über ""all"""."Anträge" DETACH PARTITION elsewhere.loose;
SELECT throws_ok($$SELECT crm_advance('elsewhere.loose', 1001, 'close')$$, '55000', 'no workflow is attached to table elsewhere.loose', 'a partition that is one no more has no workflow');

-- Row-level security
CREATE TABLE secrets (id integer PRIMARY KEY, owner name DEFAULT current_user, status text);
ALTER TABLE secrets OWNER TO crm_test_owner;
INSERT INTO secrets VALUES (1, 'crm_test_clerk'), (2, 'somebody');
CREATE POLICY own ON secrets USING (owner = current_user);
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
GRANT SELECT, UPDATE (status) ON secrets TO crm_test_clerk;
GRANT CREATE ON SCHEMA public TO crm_test_owner;
SET LOCAL ROLE crm_test_owner;
SELECT throws_ok($$SELECT crm_attach_workflow('secrets', 'status', 'ticket')$$, '42501', NULL, 'not while a policy hides rows from the owner');
ALTER TABLE secrets NO FORCE ROW LEVEL SECURITY;
SELECT lives_ok($$SELECT crm_attach_workflow('secrets', 'status', 'ticket')$$, 'but with policies for others');
RESET ROLE;
SELECT is((SELECT tableowner FROM pg_tables WHERE tablename = 'secrets_events'), 'crm_test_owner', 'the history has the owner of the table');
SET LOCAL ROLE crm_test_clerk;
SELECT is(crm_advance('secrets', 1, 'close'), 'closed', 'a row that a policy lets through');
SELECT throws_ok($$SELECT crm_advance('secrets', 2, 'close')$$, 'SL001', 'row "2" of table public.secrets does not exist', 'and one that it hides');
SELECT throws_ok($$SELECT crm_available_events('secrets', 2)$$, 'SL001', 'row "2" of table public.secrets does not exist', 'about which nothing is told');
SELECT throws_ok($$SELECT * FROM secrets_events$$, '42501', NULL, 'who takes steps needs no right on the history');
RESET ROLE;
SELECT throws_ok($$SELECT crm_detach_workflow('secrets') FROM set_config('role', 'crm_test_clerk', true)$$, '42501',
    'a workflow is detached from table public.secrets by its owner only', 'nor may take the workflow away');
CREATE TABLE by_owner (id integer PRIMARY KEY, status text, who text);
INSERT INTO by_owner VALUES (1);
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    new.who := current_user;
    PERFORM set_config('role', 'none', true);
    new.who := 'the caller, by RESET ROLE';
    RETURN new;
EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
    RETURN new;
END$$;
CREATE TRIGGER spy BEFORE UPDATE ON by_owner FOR EACH ROW EXECUTE FUNCTION spy();
ALTER TABLE by_owner OWNER TO crm_test_owner;
SELECT lives_ok($$SELECT crm_attach_workflow('by_owner', 'status', 'ticket')$$, 'a superuser attaches');
SELECT is((SELECT tableowner FROM pg_tables WHERE tablename = 'by_owner_events'), 'crm_test_owner', 'for the owner');
SELECT is((SELECT string_agg(who || ' ' || role, ', ') FROM by_owner JOIN by_owner_events ON by_owner_id = id), 'crm_test_owner ' || session_user, 'with whose rights its triggers run, though the history tells who did it');
SELECT is(current_user, session_user, 'and is himself again');

-- Names that are long, and those that are taken
CREATE TABLE "長い名前の表 ""二十一文字を超える長い長い長" ("キー" text PRIMARY KEY, status text);
SELECT lives_ok($$SELECT crm_attach_workflow(oid, 'status', 'ticket') FROM pg_class WHERE relname ~ '^長' AND relkind = 'r'$$, 'a name as long as a name may be');
SELECT is((SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relname ~ '^長' AND relkind = 'r')::text,
    '長い名前の表 "二十一文字を超える長い長_events, 長い名前の表 "二十一文字を超える長い長い長', 'is cut between characters');
INSERT INTO "長い名前の表 ""二十一文字を超える長い長い長" VALUES ('鍵');
SELECT is(crm_advance('"長い名前の表 ""二十一文字を超える長い長い長"', '鍵', 'close'), 'closed', 'and works');
CREATE TABLE clash (id integer PRIMARY KEY, status text);
CREATE VIEW clash_events AS SELECT 1;
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('clash', 'status', 'ticket')$$), '42P07 | the event table of table public.clash cannot be created | '
    'There is already something of the name public.clash_events. | Rename it or the table.', 'a name that is taken');

-- Tables that are not fit
SELECT is(pg_temp.said(format('CREATE TABLE unfit (%s); SELECT crm_attach_workflow(%L, %L, %L)', columns, 'unfit', 'status', 'ticket')), said, columns)
FROM (VALUES
    ('status text', '42P16 | table public.unfit has no primary key of one column that names its rows | It has no primary key. | '
        'It needs one of type bigint, integer, smallint, uuid, text or varchar, that is not deferrable.'),
    ('a integer, b uuid, status text, PRIMARY KEY (b, a)', '42P16 | table public.unfit has no primary key of one column that names its rows | It has a PRIMARY KEY (b, a), of type uuid, integer. | '
        'It needs one of type bigint, integer, smallint, uuid, text or varchar, that is not deferrable.'),
    ('a numeric(10,2) PRIMARY KEY, status text', '42P16 | table public.unfit has no primary key of one column that names its rows | It has a PRIMARY KEY (a), of type numeric(10,2). | '
        'It needs one of type bigint, integer, smallint, uuid, text or varchar, that is not deferrable.'),
    ('a integer PRIMARY KEY DEFERRABLE, status text', '42P16 | table public.unfit has no primary key of one column that names its rows | It has a PRIMARY KEY (a) DEFERRABLE, of type integer. | '
        'It needs one of type bigint, integer, smallint, uuid, text or varchar, that is not deferrable.'),
    ('id integer PRIMARY KEY', '42703 | column "status" of table public.unfit does not exist | ALTER TABLE public.unfit ADD COLUMN status text'),
    ('id integer PRIMARY KEY, status varchar(10)', '42804 | column "status" of table public.unfit is of type character varying(10), but a status is text | '
        'ALTER TABLE public.unfit ALTER COLUMN status TYPE text'),
    ('id integer PRIMARY KEY, status text GENERATED ALWAYS AS (id::text) STORED', '42804 | column "status" of table public.unfit is of type text, generated, but a status is text | '
        'ALTER TABLE public.unfit ALTER COLUMN status TYPE text'),
    ('id integer PRIMARY KEY, status text, version text', '42804 | column "version" of table public.unfit is of type text, but a workflow needs integer | '
        'Rename the column: it would be kept by the database.'),
    ('id integer PRIMARY KEY, status text, status_since timestamp', '42804 | column "status_since" of table public.unfit is of type timestamp without time zone, but a workflow needs timestamp with time zone | '
        'Rename the column: it would be kept by the database.'),
    ('id integer PRIMARY KEY, status text, version integer DEFAULT 7); INSERT INTO unfit VALUES (1), (2', '55000 | column "version" of table public.unfit counts something else than the steps of its rows | '
        'Row "1" has 7, "2" has 7, and so on. | Rename the column, or set it to the number of events that the row has, 1 at least.'),
    ('id integer PRIMARY KEY, status text, status_since timestamptz DEFAULT ''infinity''); INSERT INTO unfit VALUES (1', '22008 | column "status_since" of table public.unfit is infinite in some rows | '
        'Say since when they have their status, or leave it NULL.'),
    ('id integer PRIMARY KEY, status text); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (unfit', '42809 | other tables inherit from table public.unfit | '
        'Triggers and keys are not inherited, so their rows would pass by the workflow. | Declarative partitioning does what inheritance did.')
) AS u (columns, said);
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('clash', 'status', 'tickets')$$), 'SL009 | workflow "tickets" does not exist | The workflows are the rows of table crm.workflows. | '
    'Insert it there, or name one that exists.', 'a workflow that is not there');
SELECT is(pg_temp.said($$SELECT crm_attach_workflow('clash_events', 'status', 'ticket')$$), '42809 | public.clash_events is not a table', 'a view');
SELECT is(pg_temp.said($$SELECT crm_attach_workflow(1::oid, 'status', 'ticket')$$), '42P01 | table with OID 1 does not exist', 'nothing');
SELECT throws_ok($$SELECT crm_attach_workflow(NULL, 'status', 'ticket')$$, '22004', 'table and status column must not be null', 'null');
SELECT throws_ok($$SELECT crm_detach_workflow(NULL)$$, '22004', 'table must not be null', 'null');

-- Temporary and unlogged tables
CREATE TEMP TABLE fleeting (id integer PRIMARY KEY, status text);
CREATE UNLOGGED TABLE unlogged (id integer PRIMARY KEY, status text);
SELECT lives_ok(format('SELECT crm_attach_workflow(%L, %L, %L); INSERT INTO %I VALUES (1)', t, 'status', 'ticket', t), t) FROM unnest('{fleeting,unlogged}'::text[]) t;
SELECT is(crm_advance(t, 1, 'close'), 'closed', t) FROM unnest('{fleeting,unlogged}'::text[]) t;
SELECT results_eq($$SELECT relpersistence::text FROM pg_class WHERE relname IN ('fleeting_events', 'unlogged_events') ORDER BY relname$$, '{t,u}'::text[], 'have history of their kind');

-- The extension stays as long as a table needs it
DROP SCHEMA crm CASCADE;
SELECT throws_ok('DROP EXTENSION crm', '2BP01', NULL, 'DROP EXTENSION is refused while a workflow is attached');
SELECT lives_ok('DROP EXTENSION crm CASCADE', 'CASCADE');
SELECT is_empty($$SELECT tgname FROM pg_trigger WHERE tgrelid IN ('full_house'::regclass, 'full_house_events'::regclass) AND NOT tgisinternal$$, 'takes the triggers');
SELECT is((SELECT count(*) FROM full_house_events e JOIN full_house t ON t.id = e.full_house_id), 4::bigint, 'and leaves the rows');

SELECT * FROM finish();
ROLLBACK;
