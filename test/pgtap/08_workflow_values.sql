-- Workflows as values: compared, hashed, cast, indexed and asked in parallel, however they are written and stored.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(121);
CREATE SCHEMA crm_test;

\ir include/plan.sql

-- Machines: those with one name are the same, written in other ways; the others differ from the first in one thing each.
CREATE TABLE crm_test.machines (name text NOT NULL, definition crm_workflow NOT NULL);
INSERT INTO crm_test.machines VALUES
    ('first', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('first', E'stateDiagram-v2\n    [*] --> a\n    a --> b : go\n    a --> c : stop\n    b --> [*]\n    c --> [*]\n'),
    ('first', E'\r\nstateDiagram\r\n%% words\r\n\r\n\t[*]-->a\r\n  direction LR\r\na-->b:go\r\nclassDef red fill:#f00\r\nc --> [*]\r\na -->c: stop  \r\nb-->[*]'),
    ('first', E'b --> [*]\nc --> [*]\na --> b : go\na --> c : stop\n[*] --> a\na\nb\nnote right of a : words'),
    ('event', E'[*] --> a\na --> b : walk\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('case', E'[*] --> a\na --> b : Go\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('two events', E'[*] --> a\na --> b : go, walk\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('two events', E'[*] --> a\na --> b : go\na --> b : walk\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('order', E'[*] --> a\na --> c : stop\na --> b : go\nb --> [*]\nc --> [*]'),
    ('state', E'[*] --> a\na --> d : go\na --> c : stop\nd --> [*]\nc --> [*]'),
    ('another edge', E'[*] --> a\na --> b : go\na --> c : stop\nb --> c : stop\nb --> [*]\nc --> [*]'),
    ('final', E'[*] --> a\na --> b : go\na --> c : stop\na --> [*]\nb --> [*]\nc --> [*]'),
    ('display name', E'[*] --> a\na : The first\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('display name', E'[*] --> a\nstate "The first" as a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('class', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nclass b,a x'),
    ('class', E'[*] --> a:::x\na --> b : go\na --> c : stop\nb:::x\nb --> [*]\nc --> [*]'),
    ('another class', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nclass a,b X'),
    ('two classes', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nclass a,b x\nclass c y\nclass a z'),
    ('two classes', E'[*] --> a\nclass a z\nclass c y\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nclass b,a x'),
    ('guard', E'[*] --> a\na --> b : go [ready]\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('another guard', E'[*] --> a\na --> b : go [willing]\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('timer', E'[*] --> a\na --> b : after 1 day\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('another timer', E'[*] --> a\na --> b : after 24 hours\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('composite', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nstate d {\na\n}'),
    ('composite', E'[*] --> a\nstate d {\nnote left of a : words\n}\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('larger composite', E'[*] --> a\nstate d {\na --> b : go\n}\na --> c : stop\nb --> [*]\nc --> [*]'),
    ('composite with a name', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nstate d {\na\n}\nd : Not a state'),
    ('nested composite', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nstate d {\nstate e {\na\n}\n}'),
    ('composite with an entry', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]\nstate d {\n[*] --> a\n}'),
    ('edge of a composite', E'[*] --> a\na --> b : go\nd --> c : stop\nb --> [*]\nc --> [*]\nstate d {\na\n}');

CREATE TABLE crm_test.pairs AS SELECT a.name = b.name AS same, a.definition AS a, b.definition AS b FROM crm_test.machines a, crm_test.machines b;
SELECT is((SELECT count(*)::int FROM crm_test.pairs WHERE same), 52, 'there are pairs of the same machine');

-- comparison
SELECT is_empty('SELECT a, b FROM crm_test.pairs WHERE (a = b) <> same', '=');
SELECT is_empty('SELECT a, b FROM crm_test.pairs WHERE (a <> b) = same', '<>');
SELECT is_empty('SELECT a, b FROM crm_test.pairs WHERE (a::text = b::text) <> same', 'equal values have one text');
SELECT is_empty('SELECT a, b FROM crm_test.pairs WHERE (crm_workflow_cmp(a, b) = 0) <> same', 'the order knows which are equal');
SELECT is_empty('SELECT a, b FROM crm_test.pairs WHERE sign(crm_workflow_cmp(a, b)) <> - sign(crm_workflow_cmp(b, a))', 'and is no other the other way round');
SELECT is_empty($$SELECT a, b FROM crm_test.pairs WHERE (a < b, a <= b, a >= b, a > b) IS DISTINCT FROM
    (crm_workflow_cmp(a, b) < 0, crm_workflow_cmp(a, b) <= 0, crm_workflow_cmp(a, b) >= 0, crm_workflow_cmp(a, b) > 0)$$, '<, <=, >=, > say what it says');
SELECT is_empty('SELECT p.a, p.b, q.b FROM crm_test.pairs p JOIN crm_test.machines m ON m.definition = p.b JOIN crm_test.pairs q ON q.a = m.definition WHERE p.a < p.b AND q.a < q.b AND NOT p.a < q.b',
    'it is transitive');
SELECT is_empty('SELECT a, b FROM crm_test.pairs WHERE same AND crm_workflow_hash(a) <> crm_workflow_hash(b)', 'equal values have one hash');
SELECT is_empty('SELECT a, b FROM crm_test.pairs, unnest(ARRAY[0, 1, -1, 9223372036854775807]) AS seed WHERE same AND crm_workflow_hash_extended(a, seed) <> crm_workflow_hash_extended(b, seed)', 'with any seed');
SELECT is_empty('SELECT a, b FROM crm_test.pairs WHERE NOT same AND crm_workflow_hash(a) = crm_workflow_hash(b)', 'different values have different hashes, here');
SELECT is_empty('SELECT definition FROM crm_test.machines WHERE crm_workflow_hash(definition)::bigint & 4294967295 <> crm_workflow_hash_extended(definition, 0) & 4294967295',
    'the seed 0 gives the plain hash in its lower half, as PostgreSQL wants it');
SELECT isnt(crm_workflow_hash_extended(definition, 1), crm_workflow_hash_extended(definition, 2), 'a seed changes the hash') FROM crm_test.machines LIMIT 1;
SELECT is((SELECT count(DISTINCT name)::int FROM crm_test.machines), 22, 'there are 22 machines');
SELECT is((SELECT count(DISTINCT definition)::int FROM crm_test.machines), 22, 'count(DISTINCT ...)');
SELECT is((SELECT count(*)::int FROM (SELECT definition FROM crm_test.machines UNION SELECT definition FROM crm_test.machines) AS u), 22, 'UNION');
SELECT is_empty('SELECT definition FROM crm_test.machines INTERSECT SELECT definition FROM crm_test.machines EXCEPT SELECT definition FROM crm_test.machines', 'INTERSECT and EXCEPT');
SELECT is((SELECT count(*)::int FROM crm_test.machines WHERE definition IN (SELECT definition FROM crm_test.machines WHERE name = 'class')), 2, 'IN');
SELECT is((SELECT count(*)::int FROM crm_test.machines WHERE definition = ANY (ARRAY(SELECT definition FROM crm_test.machines WHERE name IN ('class', 'first')))), 6, '= ANY of an array');
SELECT is((SELECT array_agg(definition ORDER BY definition) = array_agg(definition ORDER BY definition DESC) FROM crm_test.machines), false, 'arrays can be compared');
SELECT is((SELECT count(DISTINCT ROW(definition, 1))::int FROM crm_test.machines), 22, 'and rows');
SELECT is((SELECT count(*)::int FROM crm_test.machines WHERE definition IS NOT DISTINCT FROM NULL), 0, 'IS NOT DISTINCT FROM NULL');
SELECT results_eq('SELECT NULL = definition, definition <> NULL, NULL < definition FROM crm_test.machines LIMIT 1', 'VALUES (NULL::boolean, NULL::boolean, NULL::boolean)', 'NULL is unknown');

-- ways to join and group
ANALYZE crm_test.machines;
\set join 'SELECT count(*)::int FROM crm_test.machines a JOIN crm_test.machines b ON a.definition = b.definition'
\set groups 'SELECT count(*)::int FROM (SELECT definition FROM crm_test.machines GROUP BY definition) AS g'
SET LOCAL enable_nestloop = off;
SET LOCAL enable_mergejoin = off;
SELECT alike(pg_temp.plan(:'join'), '%Hash Join%', 'a hash join');
SELECT results_eq(:'join', ARRAY[52], 'joins');
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = on;
SELECT alike(pg_temp.plan(:'join'), '%Merge Join%', 'a merge join');
SELECT results_eq(:'join', ARRAY[52], 'joins the same');
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_nestloop = on;
SELECT alike(pg_temp.plan(:'join'), '%Nested Loop%', 'a nested loop');
SELECT results_eq(:'join', ARRAY[52], 'too');
SET LOCAL enable_mergejoin = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_sort = off;
SELECT alike(pg_temp.plan(:'groups'), '%HashAggregate%', 'grouping by hash');
SELECT results_eq(:'groups', ARRAY[22], 'groups');
SET LOCAL enable_sort = on;
SET LOCAL enable_hashagg = off;
SELECT alike(pg_temp.plan(:'groups'), '%Sort%', 'grouping by sort');
SELECT results_eq(:'groups', ARRAY[22], 'groups the same');
SET LOCAL enable_hashagg = on;

-- indexes on workflows
SET LOCAL enable_seqscan = off;
CREATE INDEX machines_by_hash ON crm_test.machines USING hash (definition);
\set find 'SELECT name FROM crm_test.machines WHERE definition = $$[*] --> a\n a --> b : go\n a --> c : stop\n b --> [*]\n c --> [*]$$'
SELECT alike(pg_temp.plan(:'find'), '%machines_by_hash%', 'a hash index');
SELECT results_eq(:'find', ARRAY['first', 'first', 'first', 'first'], 'finds');
DROP INDEX crm_test.machines_by_hash;
CREATE INDEX machines_by_order ON crm_test.machines (definition);
SELECT alike(pg_temp.plan(:'find'), '%machines_by_order%', 'a btree');
SELECT results_eq(:'find', ARRAY['first', 'first', 'first', 'first'], 'too');
SELECT alike(pg_temp.plan('SELECT definition FROM crm_test.machines ORDER BY definition DESC'), '%Index%Scan Backward%', 'which gives the order');
SELECT is_empty('SELECT FROM (SELECT definition, lag(definition) OVER (ORDER BY definition) AS before FROM crm_test.machines) AS o WHERE before > definition', 'a sorted one');
SET LOCAL enable_seqscan = on;
SELECT throws_ok('CREATE UNIQUE INDEX ON crm_test.machines (definition)', '23505', NULL, 'a UNIQUE index refuses what is equal');
DELETE FROM crm_test.machines a USING crm_test.machines b WHERE a.name = b.name AND a.ctid > b.ctid;
SELECT lives_ok('ALTER TABLE crm_test.machines ADD CONSTRAINT machines_are_unique UNIQUE (definition)', 'and takes what is not');
SELECT throws_ok($$INSERT INTO crm_test.machines VALUES ('again', E'stateDiagram-v2\n[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]')$$, '23505', NULL, 'in whatever spelling');
INSERT INTO crm_test.machines VALUES ('again', E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]') ON CONFLICT (definition) DO UPDATE SET name = 'met' RETURNING name \gset
SELECT is(:'name'::text, 'met', 'ON CONFLICT meets it');
SELECT lives_ok('CREATE TABLE crm_test.keyed (definition crm_workflow PRIMARY KEY); CREATE TABLE crm_test.keys (definition crm_workflow REFERENCES crm_test.keyed);
    INSERT INTO crm_test.keyed SELECT definition FROM crm_test.machines; INSERT INTO crm_test.keys TABLE crm_test.keyed', 'primary and foreign keys');
CREATE TABLE crm_test.parts (name text, definition crm_workflow) PARTITION BY HASH (definition);
CREATE TABLE crm_test.part_0 PARTITION OF crm_test.parts FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE crm_test.part_1 PARTITION OF crm_test.parts FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE crm_test.part_2 PARTITION OF crm_test.parts FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO crm_test.parts TABLE crm_test.machines;
SELECT is((SELECT count(DISTINCT tableoid)::int FROM crm_test.parts), 3, 'hash partitions');
SELECT is((SELECT count(*)::int FROM crm_test.parts a JOIN crm_test.machines b USING (definition) WHERE a.name = b.name), 22, 'hold each one');
SELECT is((SELECT count(*)::int FROM regexp_matches(pg_temp.plan($$SELECT * FROM crm_test.parts WHERE definition = E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]'$$), 'Scan on part_', 'g')), 1, 'and only one is searched');
SELECT is((SELECT count(*)::int FROM crm_test.parts WHERE definition = E'[*] --> a\na --> b : go\na --> c : stop\nb --> [*]\nc --> [*]'), 1, 'where it is');

-- casts
SELECT is(E'[*] --> a\na --> [*]'::text::crm_workflow::text, E'stateDiagram-v2\n    [*] --> a\n    a --> [*]\n', 'from text and to text');
SELECT is(E'[*] --> a\na --> [*]'::varchar(100)::crm_workflow, E'[*] --> a\na --> [*]'::crm_workflow, 'from varchar');
SELECT is((E'[*] --> a\na --> [*]'::crm_workflow)::varchar(20)::text, E'stateDiagram-v2\n    ', 'and to it');
SELECT throws_ok($$SELECT E'[*] --> a'::text::crm_workflow$$, '22P02', NULL, 'what makes no sense as text makes none in a cast');
SELECT lives_ok($$CREATE TABLE crm_test.texts (t text, j jsonb); INSERT INTO crm_test.texts (t) SELECT definition FROM crm_test.machines$$, 'a text column takes a workflow');
SELECT throws_ok($$INSERT INTO crm_test.texts (j) SELECT definition FROM crm_test.machines$$, '42804', NULL, 'a jsonb column wants a cast');
SELECT throws_ok($$INSERT INTO crm_test.machines SELECT 'x', t FROM crm_test.texts$$, '42804', NULL, 'so does a workflow column that is given a text');
SELECT is((E'[*] --> a\na --> [*]'::crm_workflow)::jsonb,
    '{"states": [{"state": "a", "label": "a", "classes": [], "composite": null, "initial": true, "final": true}], "composites": [], "transitions": []}'::jsonb, 'to jsonb');
SELECT is((SELECT array_agg(t::crm_workflow ORDER BY t COLLATE "C") FROM crm_test.texts), (SELECT array_agg(definition ORDER BY definition::text COLLATE "C") FROM crm_test.machines), 'back from a text column');

-- Answers that depend on nothing else can be stored, indexed and computed by parallel workers.
SELECT is_empty($$
    SELECT p.proname, p.provolatile, p.proparallel FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
    WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'crm')
    AND ('crm_workflow'::regtype IN (SELECT unnest(p.proargtypes || p.prorettype)) OR p.proname ~ '^crm_(replay|discover|directly|event_name)')
    AND p.proname <> 'crm_migrate_workflow'
    AND (p.provolatile <> 'i' OR p.proparallel <> 's')$$, 'every function about workflows is immutable and parallel safe');
SELECT is((SELECT count(*)::int FROM pg_proc WHERE proname IN ('crm_states', 'crm_composites', 'crm_transitions', 'crm_events', 'crm_next_state', 'crm_can', 'crm_path', 'crm_dot', 'crm_diff',
    'crm_workflow_to_jsonb', 'crm_replay', 'crm_conforms', 'crm_first_violation', 'crm_discover', 'crm_directly_follows', 'crm_event_name') AND provolatile = 'i' AND proparallel = 's'), 16, 'all of them');
CREATE TABLE crm_test.rows (
    definition crm_workflow NOT NULL,
    state text,
    event text,
    next text GENERATED ALWAYS AS (crm_next_state(definition, state, event)) STORED,
    CONSTRAINT possible CHECK (crm_can(definition, state, event)),
    CONSTRAINT known CHECK (crm_events(definition, state) IS NOT NULL)
);
SELECT lives_ok($$INSERT INTO crm_test.rows SELECT definition, from_state, t.event FROM crm_test.machines, crm_transitions(definition) t$$, 'a CHECK that steps are possible');
SELECT throws_ok($$INSERT INTO crm_test.rows SELECT definition, 'a', 'nonsense' FROM crm_test.machines$$, '23514', NULL, 'refuses those that are not');
SELECT throws_ok($$INSERT INTO crm_test.rows SELECT definition, 'nonsense', NULL FROM crm_test.machines$$, '23514', NULL, 'and states that are none');
SELECT is_empty($$SELECT r.* FROM crm_test.rows r WHERE next IS NULL OR next NOT IN (SELECT state FROM crm_states(definition))$$, 'a generated column holds the next state');
INSERT INTO crm_test.rows SELECT definition, state, event FROM crm_test.rows, generate_series(1, 300);
CREATE INDEX rows_by_next ON crm_test.rows ((crm_next_state(definition, state, event)));
CREATE INDEX rows_by_path ON crm_test.rows (cardinality(crm_path(definition, state, 'c'))) WHERE crm_can(definition, state, 'after 1 day');
ANALYZE crm_test.rows;
SELECT alike(pg_temp.plan($$SELECT count(*) FROM crm_test.rows WHERE crm_next_state(definition, state, event) = 'd'$$), '%rows_by_next%', 'an index on crm_next_state() is used');
SELECT is((SELECT count(*) FROM crm_test.rows WHERE crm_next_state(definition, state, event) = 'd'), (SELECT count(*) FROM crm_test.rows WHERE next = 'd'), 'and right');
SELECT alike(pg_temp.plan($$SELECT count(*) FROM crm_test.rows WHERE crm_can(definition, state, 'after 1 day') AND cardinality(crm_path(definition, state, 'c')) = 1$$), '%rows_by_path%', 'so is a partial one on crm_can() and crm_path()');
DROP INDEX crm_test.rows_by_next, crm_test.rows_by_path;

\set questions 'SELECT concat_ws($$ $$, count(*), count(DISTINCT definition), sum(crm_workflow_hash(definition)::bigint), count(DISTINCT crm_next_state(definition, state, event)), sum(cardinality(crm_events(definition, state))), sum(cardinality(crm_path(definition, state, next))), sum((SELECT count(*) FROM crm_states(definition))), sum((SELECT count(*) FROM crm_transitions(definition))), sum(length(definition::text)), sum(length(crm_dot(definition))), sum(length(definition::jsonb::text)), sum((SELECT count(*) FROM crm_diff(definition, definition)))) AS answers FROM crm_test.rows WHERE crm_can(definition, state, event)'
\set logs 'SELECT definition, crm_conforms(definition, event) AS conforms, (crm_first_violation(definition, event)).position, crm_discover(state, event, now())::text AS discovered FROM (SELECT DISTINCT definition, state, event FROM crm_test.rows OFFSET 0) AS r WHERE crm_event_name(event) IS NOT NULL AND state = $$a$$ GROUP BY definition ORDER BY definition'
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE TABLE crm_test.answers AS :questions;
CREATE TABLE crm_test.log_answers AS :logs;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_leader_participation = off;
SELECT alike(pg_temp.plan(:'questions'), '%Gather%Parallel Seq Scan%', 'parallel workers may do it');
SELECT results_eq(:'questions', 'TABLE crm_test.answers', 'and come to the same answers');
SELECT alike(pg_temp.plan(:'logs'), '%Gather%Parallel Seq Scan%', 'below aggregates too');
SELECT results_eq(:'logs', 'TABLE crm_test.log_answers', 'which say the same');
SET LOCAL max_parallel_workers_per_gather = 0;

-- However a value is stored, the answers are the same.
CREATE FUNCTION pg_temp.answers(workflow crm_workflow) RETURNS text LANGUAGE sql AS $$
    SELECT md5(concat_ws('|', workflow::text, workflow::jsonb::text, crm_dot(workflow), crm_workflow_hash(workflow), crm_workflow_hash_extended(workflow, 5),
        (SELECT string_agg(s::text, ',' ORDER BY ordinality) FROM crm_states(workflow) WITH ORDINALITY AS s),
        (SELECT string_agg(t::text, ',' ORDER BY ordinality) FROM crm_transitions(workflow) WITH ORDINALITY AS t),
        (SELECT string_agg(c::text, ',' ORDER BY ordinality) FROM crm_composites(workflow) WITH ORDINALITY AS c),
        (SELECT string_agg(concat_ws(',', crm_events(workflow, state)::text, crm_next_state(workflow, state, (crm_events(workflow, state))[1]), crm_can(workflow, state, 'stop')::text,
            crm_path(workflow, state, 'last')), ';' ORDER BY ordinality) FROM crm_states(workflow) WITH ORDINALITY AS s WHERE ordinality < 50),
        crm_workflow_send(workflow)::text))
$$;
CREATE TABLE crm_test.texts_of_size (size text, source text);
INSERT INTO crm_test.texts_of_size VALUES ('short', E'[*] --> a\na --> [*]');
INSERT INTO crm_test.texts_of_size
SELECT size, E'[*] --> s_1\nstate c {\n' || string_agg('    s_' || g, E'\n') || E'\n}\nc --> last : stop [really]\nlast --> [*]\n'
    || string_agg(format('s_%s --> s_%s : %s%s', g, g + 1, prefix, CASE WHEN size = 'incompressible' THEN left(md5(g::text), 20) END), E'\n') || E'\n' || format('s_%s --> last : go', max(g) + 1)
FROM (VALUES ('medium', 5, 'go'), ('compressible', 400, 'go_on_and_on_and_on_and_on_and_on'), ('incompressible', 700, 'e')) AS v (size, n, prefix), generate_series(1, n) AS g GROUP BY size;
CREATE TABLE crm_test.stored (size text, plain crm_workflow, main crm_workflow, extended crm_workflow, external crm_workflow);
ALTER TABLE crm_test.stored ALTER plain SET STORAGE plain, ALTER main SET STORAGE main, ALTER external SET STORAGE external;
INSERT INTO crm_test.stored SELECT size, CASE WHEN size IN ('short', 'medium') THEN source::crm_workflow END, source::crm_workflow, source::crm_workflow, source::crm_workflow FROM crm_test.texts_of_size;
CREATE TABLE crm_test.constants AS SELECT size, pg_temp.answers(source::crm_workflow) AS answers, length(crm_workflow_send(source::crm_workflow)) AS bytes FROM crm_test.texts_of_size;
SELECT is((SELECT pg_column_size(s.extended) = pg_column_size(t.source::crm_workflow) - 3 FROM crm_test.stored s JOIN crm_test.texts_of_size t USING (size) WHERE size = 'short'), true, 'a short header');
SELECT is((SELECT pg_column_size(extended) > 127 AND pg_column_compression(extended) IS NULL FROM crm_test.stored WHERE size = 'medium'), true, 'a long header');
SELECT isnt((SELECT pg_column_compression(main) FROM crm_test.stored WHERE size = 'compressible'), NULL, 'compressed in line');
SELECT isnt((SELECT pg_column_compression(extended) FROM crm_test.stored WHERE size = 'incompressible'), NULL, 'compressed out of line');
SELECT is((SELECT pg_column_compression(external) FROM crm_test.stored WHERE size = 'compressible'), NULL, 'out of line as it is');
SELECT cmp_ok((SELECT pg_relation_size(reltoastrelid)::int FROM pg_class WHERE oid = 'crm_test.stored'::regclass), '>', 50000, 'there is much out of line');
SELECT is(v.answers, c.answers, format('%s, %s', v.size, v.storage))
FROM crm_test.constants c JOIN (
    SELECT size, 'plain' AS storage, pg_temp.answers(plain) AS answers FROM crm_test.stored WHERE plain IS NOT NULL
    UNION ALL SELECT size, 'main', pg_temp.answers(main) FROM crm_test.stored
    UNION ALL SELECT size, 'extended', pg_temp.answers(extended) FROM crm_test.stored
    UNION ALL SELECT size, 'external', pg_temp.answers(external) FROM crm_test.stored) AS v USING (size) ORDER BY v.size, v.storage;
SELECT is_empty('SELECT a.size, b.size FROM crm_test.stored a, crm_test.stored b WHERE (a.main = b.external) <> (a.size = b.size) OR (a.extended < b.main) <> (a.external < b.external)', 'values stored in different ways are compared');
SELECT is_empty('SELECT size FROM crm_test.stored WHERE (ARRAY[main, extended])[2] <> external OR (ROW(external)::record) <> ROW(main)', 'in arrays and rows');
SELECT is((SELECT array_agg(size ORDER BY size) FROM crm_test.stored a WHERE (SELECT crm_conforms(w, e ORDER BY n) FROM (VALUES (1, a.external, 'stop'), (2, a.main, NULL), (3, a.extended, NULL)) AS v (n, w, e))),
    ARRAY['compressible', 'incompressible', 'medium'], 'and within one aggregate');
SELECT is_empty('SELECT (crm_diff(main, external)).* FROM crm_test.stored', 'they do not differ');

-- A function that is called again and again sees the value that it is given, also where a statement or an expression is kept.
CREATE TABLE crm_test.series AS
    SELECT n, format(E'[*] --> a\na --> b_%s : go\nb_%1$s --> [*]\nstate c_%1$s {\na\n}\na:::k_%1$s%2$s', n, CASE WHEN n > 3 THEN (SELECT string_agg(format(E'\nb_%s --> b_%s : go_on', n * 1000 + g, n * 1000 + g + 1), '') || format(E'\na --> b_%s : more\nb_%s --> [*]', n * 1000 + 1, n * 1000 + 501)
        FROM generate_series(1, 500) AS g) END)::crm_workflow AS definition FROM generate_series(1, 6) AS n;
CREATE FUNCTION pg_temp.next_state(w crm_workflow) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN crm_next_state(w, 'a', 'go'); END$$;
CREATE FUNCTION pg_temp.can(w crm_workflow, next text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN crm_can(w, next, 'go') IS FALSE AND crm_can(w, 'a', 'go') AND crm_events(w, next) = '{}'; END$$;
CREATE FUNCTION pg_temp.events(w crm_workflow, next text) RETURNS text[] LANGUAGE plpgsql AS $$BEGIN RETURN crm_events(w, next); END$$;
CREATE FUNCTION pg_temp.path(w crm_workflow, next text) RETURNS text[] LANGUAGE plpgsql AS $$BEGIN RETURN crm_path(w, 'a', next); END$$;
CREATE FUNCTION pg_temp.dot(w crm_workflow) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN crm_dot(w); END$$;
CREATE FUNCTION pg_temp.text(w crm_workflow) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN w::text; END$$;
CREATE FUNCTION pg_temp.hash(w crm_workflow) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN crm_workflow_hash(w); END$$;
CREATE FUNCTION pg_temp.equal(v crm_workflow, w crm_workflow) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN v = w; END$$;
CREATE FUNCTION pg_temp.rows_of(w crm_workflow) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT min(to_state) FROM crm_transitions(w) WHERE event = 'go') || (SELECT classes[1] FROM crm_states(w) WHERE is_initial) || (SELECT composite FROM crm_composites(w)) || crm_replay(w, 'go');
END$$;
SELECT is(array(SELECT pg_temp.next_state(definition) FROM crm_test.series ORDER BY n), '{b_1,b_2,b_3,b_4,b_5,b_6}', 'crm_next_state() in PL/pgSQL');
SELECT is(array(SELECT pg_temp.can(definition, 'b_' || n) FROM crm_test.series ORDER BY n), '{t,t,t,t,t,t}', 'crm_can()');
SELECT is(array(SELECT pg_temp.events(definition, 'b_' || n)::text FROM crm_test.series ORDER BY n), ARRAY['{}', '{}', '{}', '{}', '{}', '{}'], 'crm_events()');
SELECT is(array(SELECT pg_temp.path(definition, 'b_' || n)::text FROM crm_test.series ORDER BY n), ARRAY['{go}', '{go}', '{go}', '{go}', '{go}', '{go}'], 'crm_path()');
SELECT is(array(SELECT pg_temp.dot(definition) ~ ('\mb_' || n || '\M') FROM crm_test.series ORDER BY n), '{t,t,t,t,t,t}', 'crm_dot()');
SELECT is(array(SELECT pg_temp.text(definition) ~ ('\mb_' || n || '\M') FROM crm_test.series ORDER BY n), '{t,t,t,t,t,t}', 'the text');
SELECT is((SELECT count(DISTINCT pg_temp.hash(definition))::int FROM crm_test.series), 6, 'the hash');
SELECT is((SELECT count(*)::int FROM crm_test.series a, crm_test.series b WHERE pg_temp.equal(a.definition, b.definition)), 6, '=');
SELECT is(array(SELECT pg_temp.rows_of(definition) FROM crm_test.series ORDER BY n), '{b_1k_1c_1b_1,b_2k_2c_2b_2,b_3k_3c_3b_3,b_4k_4c_4b_4,b_5k_5c_5b_5,b_6k_6c_6b_6}', 'sets and aggregates');
SELECT is(array(SELECT crm_next_state(a.definition, 'a', 'go') || crm_next_state(b.definition, 'a', 'go') FROM crm_test.series a, crm_test.series b ORDER BY a.n, b.n), array(SELECT format('b_%sb_%s', a, b) FROM generate_series(1, 6) AS a, generate_series(1, 6) AS b ORDER BY a, b), 'several values at a time');
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE ask(crm_workflow) AS SELECT crm_next_state($1, 'a', 'go') || crm_replay($1, 'go');
SELECT format('CREATE TEMP TABLE asked_%s AS EXECUTE ask(%L)', n, definition) FROM crm_test.series WHERE n < 3 ORDER BY n \gexec
SELECT results_eq('TABLE asked_1 UNION ALL TABLE asked_2', ARRAY['b_1b_1', 'b_2b_2'], 'and in a prepared statement');

-- Nothing is known about NULL.
SELECT results_eq($$
    SELECT crm_events(NULL, 'a'), crm_events(w, NULL), crm_next_state(NULL, 'a', 'go'), crm_next_state(w, NULL, 'go'), crm_next_state(w, 'a', NULL), crm_can(NULL, 'a', 'go'), crm_can(w, NULL, 'go'), crm_can(w, 'a', NULL),
           crm_path(NULL, 'a', 'b'), crm_path(w, NULL, 'b'), crm_path(w, 'a', NULL), crm_dot(NULL), NULL::crm_workflow::text, NULL::crm_workflow::jsonb, crm_workflow_hash(NULL), crm_event_name(NULL)
    FROM (VALUES (E'[*] --> a\na --> b : go\nb --> [*]'::crm_workflow)) AS v (w)$$,
    'SELECT NULL::text[], NULL::text[], NULL::text, NULL::text, NULL::text, NULL::boolean, NULL::boolean, NULL::boolean, NULL::text[], NULL::text[], NULL::text[], NULL::text, NULL::text, NULL::jsonb, NULL::int, NULL::text',
    'a NULL argument gives NULL');
SELECT is_empty('SELECT * FROM crm_states(NULL)', 'or no states');
SELECT is_empty('SELECT * FROM crm_composites(NULL)', 'no composites');
SELECT is_empty('SELECT * FROM crm_transitions(NULL)', 'no transitions');
SELECT is_empty($$SELECT * FROM crm_diff(NULL, E'[*] --> a\na --> [*]')$$, 'no differences');
SELECT is_empty($$SELECT * FROM crm_diff(E'[*] --> a\na --> [*]', NULL)$$, 'either way');

-- A value of another version of the extension, or none at all
CREATE CAST (bytea AS crm_workflow) WITHOUT FUNCTION;
SELECT throws_ok(format($$SELECT (%L::bytea::crm_workflow)::text$$, value), 'XX001', 'a workflow is stored in a format that this version of crm does not read',
    format('output of %s', value))
FROM unnest(ARRAY['\x', '\x03', '\x0100000000000000000000000000000000000000000000000000', '\xff00000000000000000000000000000000000000000000000000']::bytea[]) AS value;
SELECT throws_ok(format($$SELECT %s FROM (VALUES ('\x0200000000000000000000000000000000000000000000000000'::bytea::crm_workflow)) AS v (w)$$, call), 'XX001', NULL, call)
FROM (VALUES ('crm_next_state(w, ''a'', ''b'')'), ('crm_states(w)'), ('crm_transitions(w)'), ('w = w'), ('crm_dot(w)'), ('crm_conforms(w, ''a'')')) AS c (call);

SELECT * FROM finish();
ROLLBACK;
