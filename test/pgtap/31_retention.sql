-- crm_retention: who came back when, against plain SQL.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(35);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset

CREATE FUNCTION pg_temp.periods(unit text, VARIADIC days date[]) RETURNS integer[] LANGUAGE sql AS $$
    SELECT crm_retention(day, unit) FROM unnest(days) AS day
$$;
\ir include/plan.sql

SELECT is(pg_temp.periods('month', '2026-01-31'), '{0}', 'the first month is number 0');
SELECT is(pg_temp.periods('month', '2026-01-31', '2026-02-01', '2026-05-15'), '{0,1,4}', 'the others count from it');
SELECT is(pg_temp.periods('month', '2026-05-15', '2026-02-01', '2026-01-31', '2026-03-01'), '{0,1,2,4}', 'in any order of rows');
SELECT is(pg_temp.periods('month', '2026-02-15', '2026-01-15', '2026-02-15', '2026-01-15', '2026-02-14'), '{0,1}', 'each once');
SELECT is(pg_temp.periods('month', '2025-12-31', '2026-01-01', '2026-12-31'), '{0,1,12}', 'over the turn of the year');
SELECT is(pg_temp.periods('quarter', '2026-01-31', '2026-03-31', '2026-04-01', '2027-01-01'), '{0,1,4}', 'quarters');
SELECT is(pg_temp.periods('year', '2024-12-31', '2025-01-01', '2030-07-01'), '{0,1,6}', 'years');
SELECT is(pg_temp.periods('day', '2024-02-28', '2024-02-29', '2024-03-01'), '{0,1,2}', 'days');
SELECT is(pg_temp.periods('week', '2026-01-04', '2026-01-05', '2026-01-11', '2026-01-12'), '{0,1,2}', 'weeks begin on Monday');
SELECT is(pg_temp.periods('day', '0001-01-01 BC', '0001-01-01'), '{0,366}', 'days before the common era');
SELECT is(pg_temp.periods('month', '0001-12-31 BC', '0001-01-01'), '{0,1}', 'there is no year 0');
SELECT is(pg_temp.periods('week', '4713-11-24 BC', '4713-12-01 BC'), '{0,1}', 'back to the first date');
SELECT is(pg_temp.periods('year', '4713-11-24 BC', '9999-12-31'), '{0,14711}', 'and far ahead');
SELECT is(pg_temp.periods('month', NULL, '2026-01-01', NULL, '2026-02-01'), '{0,1}', 'a NULL is no activity');
SELECT is(pg_temp.periods('month', NULL), NULL, 'nothing but NULL gives NULL');
SELECT is(pg_temp.periods(NULL, '2026-01-01'), NULL, 'so does no unit');
SELECT is((SELECT crm_retention(date '2026-01-01', 'day') WHERE false), NULL, 'and no row');
SELECT results_eq($$SELECT crm_retention(d, 'day') OVER (ORDER BY n) FROM (VALUES (1, date '2026-01-10'), (2, '2026-01-08'), (3, '2026-01-11')) AS v (n, d)$$,
    $$VALUES ('{0}'::int[]), ('{0,2}'), ('{0,2,3}')$$, 'as a window function');

SELECT throws_ok($$SELECT crm_retention(date '2026-01-01', 'fortnight')$$, '22023', '"fortnight" is no unit of retention', 'an unknown unit');
SELECT throws_ok($$SELECT crm_retention(date '2026-01-01', '')$$, '22023', '"" is no unit of retention', 'no unit');
SELECT throws_ok($$SELECT crm_retention(date '2026-01-01', u) FROM unnest('{day,week}'::text[]) AS u$$, '22023', 'the unit of a retention changes within one group', 'two units');
SELECT throws_ok($$SELECT crm_retention(d, 'day') FROM unnest('{2026-01-01,infinity}'::date[]) AS d$$, '22008', 'the date of an activity cannot be infinite', 'for ever');
SELECT throws_ok($$SELECT crm_retention(d, 'day') FROM unnest('{2026-01-01,1700-01-01}'::date[]) AS d$$, '22008', 'the dates of one group are more than 100000 days apart', 'too far apart');
SELECT throws_ok($$SELECT crm_retention(d, 'day') FROM unnest('{4713-11-24 BC,5874897-12-31}'::date[]) AS d$$, '22008', NULL, 'as far as possible');
SELECT is((SELECT cardinality(crm_retention(d::date, 'day')) FROM generate_series(timestamp '1800-01-01', '2026-01-01', '1 day') AS d), date '2026-01-01' - date '1800-01-01' + 1, 'as many as 200 years of days');

-- Random dates against plain SQL
CREATE TABLE activity (customer_id int, day date);
INSERT INTO activity SELECT floor(random() * 800), CASE WHEN random() < 0.98 THEN date '2024-01-01' + floor(random() * random() * 1500)::int END FROM generate_series(1, 12000);
ANALYZE activity;
CREATE FUNCTION pg_temp.expected(unit text) RETURNS TABLE (customer_id int, periods int[]) LANGUAGE plpgsql AS $$
BEGIN
    -- each period is looked up in the calendar of all periods, which numbers them
    RETURN QUERY
    WITH calendar AS (
        SELECT p::date AS period, lead(p::date, 1, 'infinity') OVER (ORDER BY p) AS next, row_number() OVER (ORDER BY p)::int AS number
        FROM generate_series(date_trunc(unit, timestamp '2023-12-01'), '2029-01-01', CASE unit WHEN 'quarter' THEN interval '3 months' ELSE ('1 ' || unit)::interval END) AS p
    ), active AS (
        SELECT DISTINCT a.customer_id, c.number FROM activity a JOIN calendar c ON a.day >= c.period AND a.day < c.next
    ), counted AS (
        SELECT a.customer_id, a.number - min(a.number) OVER (PARTITION BY a.customer_id) AS n FROM active a
    )
    SELECT c.customer_id, array_agg(c.n ORDER BY c.n) FROM counted c GROUP BY 1;
END $$;
SELECT bag_eq(format('SELECT customer_id, crm_retention(day, %L) FROM activity GROUP BY 1 HAVING count(day) > 0', unit), format('SELECT * FROM pg_temp.expected(%L)', unit), 'random dates by ' || unit)
FROM unnest('{day,week,month,quarter,year}'::text[]) AS unit;

-- Workers
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 3;
ALTER TABLE activity SET (parallel_workers = 3);
SELECT matches(pg_temp.plan($$SELECT customer_id, crm_retention(day, 'week') FROM activity GROUP BY 1$$), 'Partial (Hash|Group)?Aggregate', 'workers share the rows');
SELECT bag_eq($$SELECT customer_id, crm_retention(day, 'week') FROM activity GROUP BY 1 HAVING count(day) > 0$$, $$SELECT * FROM pg_temp.expected('week')$$, 'and come to the same');
SELECT bag_eq($$SELECT customer_id, crm_retention(day, 'month') FROM activity GROUP BY 1 HAVING count(day) > 0$$, $$SELECT * FROM pg_temp.expected('month')$$, 'for other units too');
SELECT is((SELECT crm_retention(day, 'day') FROM activity), (SELECT array_agg(DISTINCT day - first ORDER BY day - first) FROM activity, (SELECT min(day) AS first FROM activity) AS f WHERE day IS NOT NULL), 'all as one group');

-- What has no group any more, takes no memory.
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_hashagg = off;
SELECT is((SELECT count(r) FROM (SELECT c, crm_retention(day, unit) AS r FROM generate_series(1, 20000) AS c, unnest('{2000-01-01,2026-01-01}'::date[]) AS day, unnest('{week,month}'::text[]) AS unit GROUP BY c, unit) AS x)
    || ' groups, ' || ((SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name IN ('ExecutorState', 'ExprContext')) > 4000000), '40000 groups, false', 'thousands of groups take the memory of one');

SELECT * FROM finish();
ROLLBACK;
