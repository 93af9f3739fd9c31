-- A workflow on any table: keys of each type, partitions, the general calls.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(36);

INSERT INTO crm.workflows (name, definition) VALUES ('ticket', $$
    [*] --> open
    open --> closed : close
    closed --> open : reopen
    closed --> [*]
$$);

-- A table with a key of that type, its event table and the triggers; two rows
CREATE FUNCTION pg_temp.make(name text, key text, keys text[], options text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %1$s (id %2$s PRIMARY KEY, status text NOT NULL, status_since timestamptz NOT NULL,
        version integer NOT NULL DEFAULT 1) %3$s;
        CREATE TABLE %1$s_events (row_id %2$s REFERENCES %1$s, seq integer, at timestamptz, event text, from_status text,
        to_status text, dwell interval, actor text, role text, note text, request_key text, forced boolean, PRIMARY KEY (row_id, seq));
        CREATE UNIQUE INDEX ON %1$s_events (request_key);
        CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow(''status'', ''ticket'');
        CREATE TRIGGER record AFTER INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION crm_record_event(''%1$s_events'')',
        name, key, options);
    IF options <> '' THEN
        EXECUTE format('CREATE TABLE %1$s_0 PARTITION OF %1$s FOR VALUES WITH (MODULUS 2, REMAINDER 0);
            CREATE TABLE %1$s_1 PARTITION OF %1$s FOR VALUES WITH (MODULUS 2, REMAINDER 1)', name);
    END IF;
    EXECUTE format('INSERT INTO %s (id) SELECT k::%s FROM unnest($1) AS k', name, key) USING keys;
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
SELECT is(crm_advance('by_integer', 1, 'reopen'), 'open', 'a number for an integer key');
SELECT is(crm_advance('by_smallint', 1::smallint, 'reopen'), 'open', 'a smallint');
SELECT is(crm_advance('by_bigint', (-9223372036854775808)::bigint, 'close'), 'closed', 'the smallest of all');
SELECT is(crm_advance('by_integer', 2147483647, 'close'), 'closed', 'the largest integer');
SELECT is(crm_advance('by_smallint', '-32768', 'close'), 'closed', 'the smallest smallint, as text');
SELECT is(crm_advance('by_uuid', uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'close'), 'closed', 'a uuid');
SELECT is(crm_advance('by_text', repeat('長', 300), 'close', request_key => 'k'), 'closed', 'a long text');
SELECT is(crm_advance('by_text', repeat('長', 300), 'close', request_key => 'k'), 'closed', 'again');
SELECT is(crm_advance('by_varchar', 'O''Neil "x"', 'close', expected_version => 1), 'closed', 'a varchar');
PREPARE unknown_type AS SELECT crm_advance('by_uuid', $1, 'reopen');
PREPARE known_type (uuid) AS SELECT crm_advance('by_uuid', $1, 'close');
SELECT lives_ok($$EXECUTE unknown_type('ffffffff-ffff-ffff-ffff-ffffffffffff')$$, 'a parameter of no type');
SELECT lives_ok($$EXECUTE known_type('ffffffff-ffff-ffff-ffff-ffffffffffff')$$, 'a parameter of the key''s type');
SELECT is((SELECT string_agg(event, ' ' ORDER BY seq) FROM by_uuid_events WHERE row_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    'create close reopen close', 'each step is recorded');

-- Keys that no row has
SELECT throws_ok($$SELECT crm_advance('by_bigint', 404, 'close')$$, 'SL001', 'row "404" of table public.by_bigint does not exist');
SELECT throws_ok($$SELECT crm_advance('by_integer', 3000000000, 'close')$$, 'SL001', 'row "3000000000" of table public.by_integer does not exist');
SELECT throws_ok($$SELECT crm_advance('by_smallint', '40000', 'close')$$, 'SL001', 'row "40000" of table public.by_smallint does not exist');
SELECT throws_ok($$SELECT crm_advance('by_uuid', 1, 'close')$$, '42804', 'the key of table public.by_uuid is of type uuid');
SELECT throws_ok($$SELECT crm_advance('by_text', 1, 'close')$$, '42804', 'the key of table public.by_text is of type text');
SELECT throws_ok($$SELECT crm_advance('by_uuid', 'no uuid', 'close')$$, '22P02', 'invalid input syntax for type uuid: "no uuid"');
SELECT throws_ok($$SELECT crm_advance('by_bigint', 'x', 'close')$$, '22P02', 'invalid input syntax for type bigint: "x"');

-- Partitions
SELECT throws_ok($$SELECT crm_advance('by_parts', '00000000-0000-0000-0000-000000000002', 'reopen')$$, 'SL003',
    'row "00000000-0000-0000-0000-000000000002" of table public.by_parts cannot take the event "reopen"', 'the table is named, not its partition');
SELECT is(crm_advance(tableoid, id, 'close'), 'closed', 'a partition may be named') FROM by_parts WHERE id::text LIKE '%2';
SELECT is(crm_advance('by_parts', id, 'close', request_key => 'once'), 'closed', 'a request once') FROM (SELECT id, crm_advance('by_parts', id, 'reopen') FROM by_parts WHERE id::text LIKE '%2') r;
SELECT is(crm_advance('by_parts', id, 'close', request_key => 'once'), 'closed', 'and again') FROM by_parts WHERE id::text LIKE '%2';
SELECT results_eq($$SELECT * FROM crm_available_events('by_parts', '00000000-0000-0000-0000-000000000002')$$,
    $$VALUES ('reopen', 'open', true, NULL)$$, 'what is possible');
SELECT is(crm_force('by_parts', '00000000-0000-0000-0000-000000000002', 'open', 'a mistake'), 'open', 'the owner may force a row');
SELECT is((SELECT string_agg(event, ' ' ORDER BY seq) FROM by_parts_events WHERE row_id::text LIKE '%2'), 'create close reopen close force', 'all of it is recorded');
SELECT throws_ok($$UPDATE by_parts SET id = gen_random_uuid()$$, 'SL010', NULL, 'a key stays');
SELECT throws_ok($$SELECT crm_advance(NULL, 1, 'close')$$, '22004', 'relation must not be null');

SELECT * FROM finish();
ROLLBACK;
