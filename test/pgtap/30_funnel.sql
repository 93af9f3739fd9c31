-- crm_funnel: how far somebody came, against a query that tries all ways.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(64);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset

-- How far "10:00 a, 10:30 b" came.
CREATE FUNCTION pg_temp.reached(steps text[], within interval, log text) RETURNS integer LANGUAGE sql AS $$
    SELECT crm_funnel(steps, nullif(split_part(btrim(entry), ' ', 2), '-'), ('2026-03-02 ' || split_part(btrim(entry), ' ', 1))::timestamptz, within)
    FROM unnest(string_to_array(log, ',')) AS entry
$$;
\ir include/plan.sql

-- What it means
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 a, 10:10 b, 10:20 c'), 3, 'all steps in order');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 a, 10:10 b'), 2, 'two of them');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 x, 10:10 y'), 0, 'none');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 b, 10:10 c'), 0, 'not without the first');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 a, 10:10 c'), 1, 'not past one that is missing');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 a, 10:10 c, 10:20 b'), 2, 'not in another order');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 a, 10:05 x, 10:10 b, 10:12 a, 10:15 y, 10:20 c'), 3, 'others may come in between');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:20 c, 10:00 a, 10:10 b'), 3, 'the order of the rows does not matter');
SELECT is(pg_temp.reached('{a}', '1 hour', '10:00 a'), 1, 'one step');
SELECT is(pg_temp.reached('{步驟,Größe}', '1 hour', '10:00 步驟, 10:10 Größe'), 2, 'in any script');
SELECT is(pg_temp.reached('{a,B}', '1 hour', '10:00 A, 10:10 b, 10:20 a'), 1, 'case counts');
SELECT is(pg_temp.reached('{a,b,"",c}', '1 hour', '10:00 a, 10:10 b, 10:20 , 10:30 c'), 4, 'an empty name is a name');

-- The window
SELECT is(pg_temp.reached('{a,b,c}', '30 minutes', '10:00 a, 10:10 b, 10:30 c'), 3, 'the end of the window is in it');
SELECT is(pg_temp.reached('{a,b,c}', '30 minutes', '10:00 a, 10:10 b, 10:30:00.000001 c'), 2, 'what is behind is not');
SELECT is(pg_temp.reached('{a,b,c}', '30 minutes', '10:00 a, 10:20 b, 10:40 c'), 2, 'it begins with the first step, not with the one before');
SELECT is(pg_temp.reached('{a,b,c}', '30 minutes', '10:00 a, 10:20 a, 10:30 b, 10:45 c'), 3, 'the best beginning counts');
SELECT is(pg_temp.reached('{a,b,c}', '30 minutes', '10:00 a, 10:10 b, 10:15 a, 10:40 c'), 2, 'a later beginning has a way of its own');
SELECT is(pg_temp.reached('{a,b,c}', '30 minutes', '10:00 a, 10:10 b, 10:15 a, 10:20 b, 10:40 c'), 3, 'and may overtake');
SELECT is(pg_temp.reached('{a,b,c}', '30 minutes', '08:00 a, 08:10 b, 12:00 a'), 2, 'what was reached once stays reached');
SELECT is(pg_temp.reached('{a,b}', '0', '10:00 a, 10:00 b'), 2, 'a window of no time is one moment');
SELECT is(pg_temp.reached('{a,b}', '0', '10:00 a, 10:00:00.000001 b'), 1, 'no more');

-- One moment
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:00 c, 10:00 b, 10:00 a'), 3, 'steps of one moment count in the order of the list');
SELECT is(pg_temp.reached('{a,b,c}', '1 hour', '10:10 c, 10:00 a, 10:10 b'), 3, 'also behind others');
SELECT is(pg_temp.reached('{a,b,a,c}', '1 hour', '10:00 a, 10:10 b, 10:20 a, 10:30 c'), 4, 'a step may be listed twice');
SELECT is(pg_temp.reached('{a,b,a,c}', '1 hour', '10:00 a, 10:10 b, 10:30 c'), 2, 'and must come twice if others lie in between');
SELECT is(pg_temp.reached('{a,a,b}', '1 hour', '10:00 a, 10:10 b'), 3, 'one row stands for all places of its name, as in ClickHouse');

-- NULL
SELECT is(pg_temp.reached('{a,b}', '1 hour', '10:00 a, 10:05 -, 10:10 b'), 2, 'a NULL is no step');
SELECT is(pg_temp.reached('{a,b}', '1 hour', '10:00 -'), 0, 'alone it reaches nothing');
SELECT is((SELECT crm_funnel('{a,b}', s, t, '1 hour') FROM (VALUES ('a', timestamptz '2026-01-01'), ('b', NULL)) AS v (s, t)), 1, 'nor is a step without a time');
SELECT is((SELECT crm_funnel('{a,b}', 'a', now(), '1 hour') WHERE false), NULL, 'no rows, no answer');
SELECT is((SELECT crm_funnel(NULL, 'a', now(), '1 hour')), NULL, 'no steps');
SELECT is((SELECT crm_funnel('{a,b}', 'a', now(), NULL)), NULL, 'no window');
SELECT is((SELECT crm_funnel(steps, 'a', now(), '1 hour') FROM (VALUES (NULL::text[]), ('{a,b}')) AS v (steps)), 1, 'rows without a question are left out');

-- Calendar
SET LOCAL TimeZone = 'Europe/Berlin';
SELECT is((SELECT crm_funnel('{a,b}', s, t, '1 day') FROM (VALUES ('a', timestamptz '2026-03-28 12:00'), ('b', '2026-03-29 12:00')) AS v (s, t)), 2, 'a day of 23 hours');
SELECT is((SELECT crm_funnel('{a,b}', s, t, '1 day') FROM (VALUES ('a', timestamptz '2026-03-28 12:00'), ('b', '2026-03-29 12:30')) AS v (s, t)), 1, 'is not one of 24');
SELECT is((SELECT crm_funnel('{a,b}', s, t, '24 hours') FROM (VALUES ('a', timestamptz '2026-03-28 12:00'), ('b', '2026-03-29 12:30')) AS v (s, t)), 2, 'those are hours');
SELECT is((SELECT crm_funnel('{a,b}', s, t, '1 month') FROM (VALUES ('a', timestamptz '2026-01-31 12:00'), ('b', '2026-02-28 12:00')) AS v (s, t)), 2, 'a month ends on the last day of the next');
SELECT is((SELECT crm_funnel('{a,b}', s, t, '1 month') FROM (VALUES ('a', timestamptz '2026-01-31 12:00'), ('b', '2026-02-28 12:01')) AS v (s, t)), 1, 'no later');
SELECT is((SELECT crm_funnel('{a,b}', s, t, '1 month') FROM (VALUES ('a', timestamptz '2026-01-30 23:00'), ('a', '2026-01-31 01:00'), ('b', '2026-02-28 20:00')) AS v (s, t)), 2,
    'the earlier of two beginnings may end later');

-- Errors
SELECT throws_ok($$SELECT crm_funnel('{}', 'a', now(), '1 hour')$$, '22023', 'a funnel has 1 to 64 steps, not 0', 'no steps at all');
SELECT throws_ok($$SELECT crm_funnel(array_fill('a'::text, ARRAY[65]), 'a', now(), '1 hour')$$, '22023', 'a funnel has 1 to 64 steps, not 65', 'too many');
SELECT is((SELECT crm_funnel(array_fill('a'::text, ARRAY[64]), 'a', now(), '1 hour')), 64, '64 are possible');
SELECT throws_ok($$SELECT crm_funnel('{a,NULL}', 'a', now(), '1 hour')$$, '22004', 'step 2 of the funnel is NULL', 'a step that is NULL');
SELECT throws_ok($$SELECT crm_funnel('{{a,b},{c,d}}', 'a', now(), '1 hour')$$, '2202E', NULL, 'a matrix');
SELECT throws_ok($$SELECT crm_funnel('{a}', 'a', now(), '-1 hour')$$, '22023', 'the window of a funnel cannot be negative', 'a negative window');
SELECT throws_ok($$SELECT crm_funnel('{a}', 'a', 'infinity', '1 hour')$$, '22008', 'the time of a step cannot be infinite', 'for ever');
SELECT throws_ok($$SELECT crm_funnel('{a}', 'a', now(), '1000000 years')$$, '22008', NULL, 'a window behind all time');
SELECT throws_ok($$SELECT crm_funnel(s, 'a', now(), '1 hour') FROM (VALUES ('{a}'::text[]), ('{b}')) AS v (s)$$, '22023',
    'the steps or the window of a funnel change within one group', 'steps that change');
SELECT throws_ok($$SELECT crm_funnel('{a}', 'a', now(), w) FROM (VALUES (interval '1 hour'), ('2 hours')) AS v (w)$$, '22023',
    'the steps or the window of a funnel change within one group', 'a window that changes');
SELECT results_eq($$SELECT n, crm_funnel(s, e, t, '1 hour') FROM (VALUES (1, '{a,b}'::text[]), (2, '{b,a}'), (3, '{a,b}')) AS q (n, s), (VALUES ('a', now()), ('b', now() + interval '1 min')) AS v (e, t) GROUP BY n ORDER BY n$$,
    $$VALUES (1, 2), (2, 1), (3, 2)$$, 'from group to group they may');

-- As a window function
SELECT results_eq($$SELECT crm_funnel('{a,b,c}', e, t, '1 hour') OVER (ORDER BY n) FROM (VALUES (1, 'b', timestamptz '2026-01-01 10:10'), (2, 'a', '2026-01-01 10:00'), (3, 'c', '2026-01-01 10:20')) AS v (n, e, t)$$,
    $$VALUES (0), (2), (3)$$, 'over the rows so far');

-- Random logs against a query that tries all ways
CREATE TABLE log (case_id int, step text, at timestamptz);
INSERT INTO log
SELECT c, CASE WHEN random() < 0.95 THEN chr(97 + floor(6 * random())::int) END,
    CASE WHEN random() < 0.98 THEN timestamptz '2026-01-28 00:00' + CASE WHEN c % 3 = 0 THEN floor(12 * random()) * interval '6 hours' ELSE random() * interval '45 days' END END
FROM (SELECT floor(1500 * random())::int AS c FROM generate_series(1, 20000)) AS cases;
CREATE TABLE questions (q int, steps text[], within interval);
INSERT INTO questions VALUES (1, '{a,b,c}', '10 days'), (2, '{a,b,c,d,e}', '1 month'), (3, '{c,a,c}', '36:00'), (4, '{b,b,a,f}', '2 days 12:00'), (5, '{a,b}', '0'), (6, '{a,x,b}', '1 year');
ANALYZE log;
CREATE TABLE expected AS
    WITH RECURSIVE ways (q, case_id, n, at, ends) AS (
        SELECT q, case_id, 1, at, at + within FROM questions JOIN log ON step = steps[1] WHERE at IS NOT NULL
        UNION
        SELECT w.q, w.case_id, w.n + 1, l.at, w.ends FROM ways w JOIN questions USING (q)
        JOIN log l ON l.case_id = w.case_id AND l.step = steps[w.n + 1] AND l.at BETWEEN w.at AND w.ends
    )
    SELECT q, case_id, coalesce(max(n), 0) AS reached FROM questions CROSS JOIN (SELECT DISTINCT case_id FROM log) AS c LEFT JOIN ways USING (q, case_id) GROUP BY 1, 2;
SELECT cmp_ok((SELECT count(DISTINCT (q, reached))::int FROM expected), '>=', 20, 'random logs of all kinds');
SELECT set_eq('SELECT q, case_id, crm_funnel(steps, step, at, within) FROM questions, log GROUP BY 1, 2', 'TABLE expected', 'as a query that tries all ways');
SELECT set_eq('SELECT q, case_id, crm_funnel(steps, step, at, within ORDER BY at) FROM questions, log GROUP BY 1, 2', 'TABLE expected', 'with ORDER BY at');
SELECT set_eq('SELECT q, case_id, crm_funnel(steps, step, at, within ORDER BY at DESC) FROM questions, log GROUP BY 1, 2', 'TABLE expected', 'with any other order');
SELECT set_eq('SELECT q, case_id, crm_funnel(DISTINCT steps, step, at, within) FROM questions, log GROUP BY 1, 2', 'TABLE expected', 'with DISTINCT');

-- Workers
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 3;
ALTER TABLE log SET (parallel_workers = 3);
SELECT matches(pg_temp.plan($$SELECT case_id, crm_funnel('{a,b,c}', step, at, '10 days') FROM log GROUP BY 1$$), 'Partial (Hash|Group)?Aggregate', 'workers share the rows');
SELECT set_eq($$SELECT case_id, crm_funnel('{a,b,c}', step, at, '10 days') FROM log GROUP BY 1$$, 'SELECT case_id, reached FROM expected WHERE q = 1', 'and come to the same');
SELECT set_eq($$SELECT case_id, crm_funnel('{b,b,a,f}', step, at, '2 days 12:00') FROM log GROUP BY 1$$, 'SELECT case_id, reached FROM expected WHERE q = 4', 'for other questions too');
SELECT is((SELECT crm_funnel('{a,b,c,d,e}', step, at, '1 month') FROM log),
    (SELECT crm_funnel('{a,b,c,d,e}', step, at, '1 month' ORDER BY at) FROM log), 'all as one group');

-- Many questions, more than are kept at hand
CREATE TABLE many AS
    SELECT n, ARRAY[chr(97 + n % 6), chr(97 + n / 6 % 6), chr(97 + n / 36)] AS steps, n % 7 * interval '1 day' AS within FROM generate_series(0, 107) AS n;
CREATE TABLE answers AS SELECT n, crm_funnel(steps, step, at, within ORDER BY at) AS reached FROM many JOIN log ON case_id % 108 = n GROUP BY n;
SELECT set_eq('SELECT n, crm_funnel(steps, step, at, within) FROM many JOIN log ON case_id % 108 = n GROUP BY n', 'TABLE answers', 'a question for each group, workers share the rows');
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT set_eq('SELECT n, crm_funnel(steps, step, at, within) FROM many JOIN log ON case_id % 108 = n GROUP BY n', 'TABLE answers', 'in one process');
-- What has no group any more, takes no memory: of two questions that take turns, and of a hundred.
SET LOCAL enable_hashagg = off;
SELECT is((SELECT count(f) FROM (SELECT c, crm_funnel(steps, 'a', now(), '1 hour') AS f FROM generate_series(1, 20000) AS c JOIN many ON n < 2 GROUP BY c, n) AS x)
    || ' groups, ' || ((SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name IN ('ExecutorState', 'ExprContext')) > 4000000), '40000 groups, false', 'two questions in turns take the memory of two');
SELECT is((SELECT count(f) FROM (SELECT c, crm_funnel(steps, 'a', now(), '1 hour') AS f FROM generate_series(1, 200) AS c CROSS JOIN many GROUP BY c, n) AS x)
    || ' groups, ' || ((SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name IN ('ExecutorState', 'ExprContext')) > 4000000), '21600 groups, false', 'a hundred take no more');

SELECT * FROM finish();
ROLLBACK;
