-- crm_percentiles against percentile_cont().
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(34);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset

\ir include/plan.sql

SELECT is((SELECT crm_percentiles(d, '{0.5}') FROM unnest('{3 h,1 h,2 h}'::interval[]) AS d), '{02:00:00}', 'the median of three');
SELECT is((SELECT crm_percentiles(d, '{0,0.5,1}') FROM unnest('{4 h,1 h,2 h,3 h}'::interval[]) AS d), '{01:00:00,02:30:00,04:00:00}', 'of four, with the least and the most');
SELECT is((SELECT crm_percentiles(interval '5 min', '{0,0.3,1}')), '{00:05:00,00:05:00,00:05:00}', 'of one');
SELECT is((SELECT crm_percentiles(d, '{0.5}')::text FROM unnest('{1 mon,20 days,40 days 12:00}'::interval[]) AS d), '{"30 days"}', 'a month has 30 days, as in comparisons');
SELECT is((SELECT crm_percentiles(d, '{0.5}') FROM unnest('{-1 h,-3 h,00:00}'::interval[]) AS d), '{-01:00:00}', 'below zero');
SELECT is((SELECT crm_percentiles(d, '{0.9,0.1}') FROM unnest('{1 h,2 h}'::interval[]) AS d), '{01:54:00,01:06:00}', 'in the order asked for');
SELECT is((SELECT crm_percentiles(d, '{0.5}') FROM unnest('{1 h,NULL,3 h}'::interval[]) AS d), '{02:00:00}', 'a NULL is no duration');
SELECT is((SELECT crm_percentiles(interval '1 h', '{NULL,0.5}')), '{NULL,01:00:00}', 'nor a fraction');
SELECT is((SELECT crm_percentiles(NULL, '{0.5}')), NULL, 'nothing of nothing');
SELECT is((SELECT crm_percentiles(interval '1 h', NULL)), NULL, 'nothing asked');
SELECT is((SELECT crm_percentiles(interval '1 h', '{0.5}') WHERE false), NULL, 'no rows');
SELECT is((SELECT crm_percentiles(interval '1 h', '{}')), '{}', 'no fractions');
SELECT results_eq($$SELECT crm_percentiles(d, '{0.5}') OVER (ORDER BY n) FROM unnest('{3 h,1 h,2 h}'::interval[]) WITH ORDINALITY AS v (d, n)$$, $$VALUES ('{03:00:00}'::interval[]), ('{02:00:00}'), ('{02:00:00}')$$, 'as a window function');
SELECT throws_ok($$SELECT crm_percentiles(interval '1 h', '{1.1}')$$, '22003', 'a fraction of percentiles is between 0 and 1, not 1.1', 'too much');
SELECT throws_ok($$SELECT crm_percentiles(interval '1 h', '{-0.1}')$$, '22003', NULL, 'too little');
SELECT throws_ok($$SELECT crm_percentiles(interval '1 h', '{NaN}')$$, '22003', NULL, 'no number');
SELECT throws_ok($$SELECT crm_percentiles(interval '1 h', f) FROM (VALUES ('{0.1}'::float8[]), ('{0.2}')) AS v (f)$$, '22023', 'the fractions of percentiles change within one group', 'fractions that change');
SELECT throws_ok($$SELECT crm_percentiles(interval '10000000 years', '{0.5}')$$, '22008', 'a duration is too long for percentiles', 'longer than int64 can count');
SELECT is((SELECT crm_percentiles(d, '{0,1}')::text FROM unnest('{-290000 years,290000 years}'::interval[]) AS d), '{"-104400000 days","104400000 days"}', 'what it can');

SELECT is((SELECT crm_mean_and_percentiles(d, '{0.5}') FROM unnest('{3 h,1 h,5 h,NULL}'::interval[]) AS d), '{03:00:00,03:00:00}', 'the mean, and the median');
SELECT is((SELECT crm_mean_and_percentiles(d, '{}') FROM unnest('{1 us,1 us,3 us}'::interval[]) AS d), '{00:00:00.000002}', 'to the microsecond');
SELECT is((SELECT crm_mean_and_percentiles(d, '{NULL,1}')::text FROM unnest('{290000 years,280000 years,-10 days}'::interval[]) AS d), '{"68399996 days 16:00:00",NULL,"104400000 days"}', 'of more than int64 can count together');
SELECT is((SELECT crm_mean_and_percentiles(interval '1 h', '{0.5}') WHERE false), NULL, 'of nothing');

CREATE TABLE stays (g int, dwell interval);
INSERT INTO stays SELECT g, CASE WHEN random() < 0.98 THEN CASE WHEN g % 2 = 0 THEN floor(random() * 20) * interval '1 h' ELSE random() * random() * interval '90 days' END END
FROM (SELECT floor(40 * random() * random())::int AS g FROM generate_series(1, 30000)) AS r;
INSERT INTO stays SELECT 100, n * interval '1 s' FROM generate_series(1, 5000) AS n;
INSERT INTO stays SELECT 101, n * interval '-1 s' FROM generate_series(1, 5000) AS n;
INSERT INTO stays SELECT 102, interval '1 s' FROM generate_series(1, 5000) AS n;
ANALYZE stays;
CREATE TABLE expected AS
    SELECT g, percentile_cont('{0,0.01,0.25,0.5,0.731,0.9,0.99,1}'::float8[]) WITHIN GROUP (ORDER BY dwell) AS p FROM stays GROUP BY g;
CREATE FUNCTION pg_temp.far(a interval[], b interval[]) RETURNS boolean LANGUAGE sql AS
    'SELECT a IS NULL <> (b IS NULL) OR bool_or(abs(extract(epoch FROM x) - extract(epoch FROM y)) > 0.000001) OR count(x) <> count(y) FROM unnest(a, b) AS v (x, y)';
SELECT is_empty($$SELECT * FROM expected JOIN (SELECT g, crm_percentiles(dwell, '{0,0.01,0.25,0.5,0.731,0.9,0.99,1}') AS q FROM stays GROUP BY g) AS s USING (g) WHERE pg_temp.far(p, q)$$, 'as percentile_cont()');
SELECT is_empty($$SELECT * FROM expected JOIN (SELECT g, crm_percentiles(dwell, '{0,0.01,0.25,0.5,0.731,0.9,0.99,1}' ORDER BY dwell) AS q FROM stays GROUP BY g) AS s USING (g) WHERE pg_temp.far(p, q)$$, 'sorted upwards');
SELECT is_empty($$SELECT * FROM expected JOIN (SELECT g, crm_percentiles(dwell, '{0,0.01,0.25,0.5,0.731,0.9,0.99,1}' ORDER BY dwell DESC) AS q FROM stays GROUP BY g) AS s USING (g) WHERE pg_temp.far(p, q)$$, 'and downwards');

SELECT is_empty($$SELECT * FROM (SELECT g, avg(dwell) AS mean, percentile_cont('{0.5}'::float8[]) WITHIN GROUP (ORDER BY dwell) AS p, crm_mean_and_percentiles(dwell, '{0.5}') AS q FROM stays GROUP BY g) AS s WHERE pg_temp.far(mean || p, q)$$, 'as avg() and percentile_cont()');

SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 3;
ALTER TABLE stays SET (parallel_workers = 3);
SELECT matches(pg_temp.plan($$SELECT g, crm_percentiles(dwell, '{0.5}') FROM stays GROUP BY g$$), 'Partial (Hash|Group)?Aggregate', 'workers share the rows');
SELECT is_empty($$SELECT * FROM expected JOIN (SELECT g, crm_percentiles(dwell, '{0,0.01,0.25,0.5,0.731,0.9,0.99,1}') AS q FROM stays GROUP BY g) AS s USING (g) WHERE pg_temp.far(p, q)$$, 'and come to the same');
SELECT is_empty($$SELECT * FROM expected JOIN (SELECT g, avg(dwell) AS mean, crm_mean_and_percentiles(dwell, '{0,0.01,0.25,0.5,0.731,0.9,0.99,1}') AS q FROM stays GROUP BY g) AS s USING (g) WHERE pg_temp.far(mean || p, q)$$, 'with the mean, too');
INSERT INTO stays SELECT 103, interval '1 s' * least(n, 20001 - n) FROM generate_series(1, 20000) AS n;
SELECT is((SELECT pg_temp.far(crm_percentiles(dwell, '{0.1,0.5,0.9}'), percentile_cont('{0.1,0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY dwell)) FROM stays WHERE g = 103), false, 'up and down again');
SELECT is((SELECT pg_temp.far(crm_percentiles(dwell, '{0.5,0.9}'), percentile_cont('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY dwell)) FROM stays), false, 'all as one group');

-- What has no group any more, takes no memory.
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_hashagg = off;
SELECT is((SELECT count(p) FROM (SELECT c, crm_percentiles(d * interval '1 h', fractions::float8[]) AS p FROM generate_series(1, 20000) AS c, generate_series(1, 4) AS d, unnest('{"{0.5}","{0.1,0.9}"}'::text[]) AS fractions GROUP BY c, fractions) AS x)
    || ' groups, ' || ((SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name IN ('ExecutorState', 'ExprContext')) > 4000000), '40000 groups, false', 'thousands of groups take the memory of one');

SELECT is(crm_percentiles(d, '{0.75}'), ARRAY[interval '52200000 days'], 'between durations that are further apart than 64 bits hold') FROM unnest(ARRAY[interval '-290000 years', '290000 years']) AS d;

SELECT * FROM finish();
ROLLBACK;
