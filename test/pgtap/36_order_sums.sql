-- crm_customer_sales(), crm_order_sums() and the views that they feed, against plain SQL: amounts, statuses and rights of all kinds.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(50);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset
\ir include/plan.sql
\ir include/random_shop.sql

-- Which status counts as a sale is up to the process. Some orders are in a status that theirs does not have.
INSERT INTO crm.workflows (name, definition) VALUES ('odd', E'[*] --> won\nwon --> out : go\nout --> [*]\nclass out booked'), ('none', E'[*] --> won\nwon --> [*]');
CREATE TEMP TABLE booked (workflow text, status text);
INSERT INTO booked VALUES ('trade', 'won'), ('trade', 'delivered'), ('hire', 'out'), ('odd', 'out');
INSERT INTO crm.customers (id, name) SELECT id, 'far away' FROM unnest('{-9223372036854775808,-33,-32,-31,-1,0,9223372036854775807}'::bigint[]) AS id;
-- as only the owner can write them: amounts of all sizes and rates of all kinds, with lines and without
ALTER TABLE crm.orders DROP CONSTRAINT orders_balance_is_what_is_owed, DROP CONSTRAINT orders_payment_status_follows_the_sums, DROP CONSTRAINT orders_reporting_total_is_total_at_rate_1;
SET session_replication_role = replica;
CREATE FUNCTION pg_temp.amount() RETURNS numeric LANGUAGE sql AS $$
    SELECT CASE WHEN random() < 0.1 THEN 0 ELSE least(round((10 ^ (random() * 16 - 3))::numeric, (random() * 2)::int), 999999999999.99) END
$$;
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, booked_at, currency, exchange_rate, placed_at, placed_on, line_count, total, reporting_total, paid, refunded)
SELECT 10000 + n, CASE WHEN random() < 0.2 THEN (SELECT id FROM crm.customers WHERE name = 'far away' AND n > 0 ORDER BY random() LIMIT 1) ELSE 1 + floor(70 * random())::bigint END,
    (ARRAY['trade', 'hire', 'odd', 'none'])[1 + floor(4 * random())::int], (ARRAY['won', 'delivered', 'out', 'gone', 'wo', ''])[1 + floor(6 * random())::int], now(), CASE WHEN random() < 0.5 THEN now() END,
    'USD', CASE WHEN n % 3 = 0 THEN 1.0 WHEN n % 3 = 1 THEN round(random()::numeric + 0.00001, (random() * 12)::int + 5) ELSE round((10 ^ (random() * 12 - 5))::numeric, 6) END,
    now(), date '2025-01-01' + floor(random() * 500)::int, floor(random() * 3)::int, pg_temp.amount(), pg_temp.amount(), m.paid, CASE WHEN random() < 0.5 THEN round(m.paid * random()::numeric, 2) ELSE 0 END
FROM generate_series(1, 2000) AS n, LATERAL (SELECT pg_temp.amount() + n * 0 AS paid) AS m;
-- those on the first and the last day there is
UPDATE crm.orders SET placed_on = CASE WHEN id % 2 = 0 THEN '1900-01-01'::date ELSE '2999-12-31' END WHERE id IN (10001, 10002, 10003);
RESET session_replication_role;
SELECT ok(count(*) FILTER (WHERE reporting_total > 1e11) > 20 AND count(*) FILTER (WHERE line_count = 0 AND reporting_total > 0) > 20 AND count(*) FILTER (WHERE paid > 0 AND scale(exchange_rate) > 8) > 20, 'there are odd ones')
FROM crm.orders JOIN booked USING (workflow, status);

-- What they are to say
CREATE TEMP VIEW worth AS
    SELECT customer_id, count(*) AS orders, sum(reporting_total) AS revenue, count(*) FILTER (WHERE line_count > 0) AS orders_with_lines,
        sum(reporting_total) FILTER (WHERE line_count > 0) AS revenue_with_lines, min(placed_on) FILTER (WHERE line_count > 0) AS first_on, max(placed_on) FILTER (WHERE line_count > 0) AS last_on
    FROM crm.orders JOIN booked USING (workflow, status) GROUP BY 1;
CREATE TEMP VIEW expected AS
    SELECT w.*, CASE WHEN orders_with_lines > 0 THEN percent_rank() OVER (PARTITION BY orders_with_lines > 0 ORDER BY last_on DESC) END AS recency_rank,
        CASE WHEN orders_with_lines > 0 THEN percent_rank() OVER (PARTITION BY orders_with_lines > 0 ORDER BY orders_with_lines) END AS frequency_rank,
        CASE WHEN orders_with_lines > 0 THEN percent_rank() OVER (PARTITION BY orders_with_lines > 0 ORDER BY revenue_with_lines) END AS revenue_rank
    FROM worth AS w;
CREATE FUNCTION pg_temp.expected_kpis(a date, b date) RETURNS TABLE (days int, customers bigint, orders bigint, revenue numeric, c numeric, r numeric, p numeric, value numeric, placed bigint, conversion numeric, refund numeric, repeat numeric) LANGUAGE sql AS $$
    SELECT b - a + 1, count(*) FILTER (WHERE bought > 0), coalesce(sum(orders), 0)::bigint, coalesce(sum(revenue), 0),
        round(count(*) FILTER (WHERE bought > 0)::numeric / (b - a + 1), 4), round(coalesce(sum(orders), 0) / (b - a + 1), 4), round(coalesce(sum(revenue), 0) / (b - a + 1), 2), round(sum(revenue) / nullif(sum(orders), 0), 2),
        coalesce(sum(placed), 0)::bigint, round(sum(converted) / sum(placed), 4), round(coalesce(sum(refunded), 0) / sum(paid), 4), round(count(*) FILTER (WHERE bought > 1)::numeric / nullif(count(*) FILTER (WHERE bought > 0), 0), 4)
    FROM (SELECT count(*) AS placed, count(booked_at) AS converted, sum(paid * exchange_rate) FILTER (WHERE paid > 0) AS paid, sum(refunded * exchange_rate) AS refunded, count(booked.status) AS orders,
            sum(reporting_total) FILTER (WHERE booked.status IS NOT NULL) AS revenue, count(*) FILTER (WHERE booked.status IS NOT NULL AND line_count > 0) AS bought
        FROM crm.orders LEFT JOIN booked USING (workflow, status) WHERE placed_on BETWEEN a AND b GROUP BY customer_id) AS c
$$;
CREATE FUNCTION pg_temp.all_is_right(what text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT pg_temp.same('SELECT s::text FROM crm_customer_sales() AS s', 'SELECT e::text FROM expected AS e', 'crm_customer_sales(): ' || what)
    UNION ALL SELECT pg_temp.same('SELECT customer_key, first_order_on, last_order_on, orders, revenue, recency_score, frequency_score, monetary_score FROM crm.customer_value',
        'SELECT customer_id, first_on, last_on, orders_with_lines, revenue_with_lines, greatest(5 - floor(5 * recency_rank), 1)::int, least(1 + floor(5 * frequency_rank), 5)::int, least(1 + floor(5 * revenue_rank), 5)::int FROM expected WHERE orders_with_lines > 0', 'customer_value: ' || what)
    UNION ALL SELECT pg_temp.same('SELECT region, gender, age_band, customers, buyers, orders, revenue, average_order_value, share_of_revenue FROM crm.customer_demand',
        $q$SELECT region, gender, age_band, count(*), count(*) FILTER (WHERE orders_with_lines > 0), coalesce(sum(orders), 0)::bigint, coalesce(sum(revenue), 0), round(sum(revenue) / sum(orders), 2), round(sum(revenue) / nullif(sum(sum(revenue)) OVER (), 0), 4)
        FROM crm.dim_customer LEFT JOIN worth ON customer_id = customer_key GROUP BY 1, 2, 3$q$, 'customer_demand: ' || what)
    UNION ALL SELECT pg_temp.same('SELECT month, days, customers, orders, revenue, customers_per_day, orders_per_day, revenue_per_day, average_order_value, orders_placed, conversion_rate, refund_rate, repeat_rate FROM crm.kpis',
        $q$SELECT a::date, (pg_temp.expected_kpis(a::date, (a + interval '1 month')::date - 1)).* FROM (SELECT min(placed_on) AS first, max(placed_on) AS last FROM crm.orders) AS o, generate_series(date_trunc('month', first::timestamp), last::timestamp, '1 month') AS a$q$, 'kpis: ' || what)
$$;
SELECT pg_temp.all_is_right('odd amounts, rates, statuses and numbers of customers');
SELECT pg_temp.same($$SELECT (k.*)::text FROM generate_series(timestamp '2024-12-31', '2026-06-01', '47 days') AS a, crm_kpis(a::date, a::date + 30) AS k$$,
    $$SELECT (k.*)::text FROM generate_series(timestamp '2024-12-31', '2026-06-01', '47 days') AS a, pg_temp.expected_kpis(a::date, a::date + 30) AS k$$, 'crm_kpis(), to the last decimal');
SELECT pg_temp.same($$SELECT orders_placed, converted, orders, revenue, paid, refunded FROM crm_order_sums('-infinity', 'infinity')$$,
    $$SELECT count(*), count(booked_at), count(booked.status), sum(reporting_total) FILTER (WHERE booked.status IS NOT NULL), sum(paid * exchange_rate), sum(refunded * exchange_rate) FROM crm.orders LEFT JOIN booked USING (workflow, status)$$, 'crm_order_sums(): no fraction of a cent is lost');
SELECT results_eq($$SELECT orders_placed, customers, repeated FROM crm_order_sums('-infinity', 'infinity')$$,
    'SELECT (SELECT count(*) FROM crm.orders), count(*), count(*) FILTER (WHERE orders_with_lines > 1) FROM expected WHERE orders_with_lines > 0', 'nor a customer');
SELECT results_eq($$SELECT s::text FROM crm_order_sums('1800-01-01', '1800-01-02') AS s$$, $$VALUES ('(0,0,0,,0,0,0.0000000000,0.0000000000)')$$, 'of days without orders');
SELECT is_empty($$SELECT * FROM crm_order_sums(NULL, '2025-01-01')$$, 'of unknown days');
SELECT is((SELECT count(*) FROM (SELECT crm_customer_sales()) AS listed), (SELECT count(*) FROM expected), 'in the select list');

-- What 64 bits cannot hold
SAVEPOINT large;
SET session_replication_role = replica;
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, currency, exchange_rate, placed_at, placed_on, line_count, total, reporting_total, paid, refunded)
SELECT 20000 + n, 1 + n % 2, 'trade', 'won', now(), 'USD', 0.99999999, now(), '2025-05-05', n % 2, 999999999999.99, 999999999999.99, 999999999.99, 999999999.98 FROM generate_series(1, 200000) AS n;
RESET session_replication_role;
SELECT cmp_ok((SELECT min(revenue) FROM crm_customer_sales() WHERE customer_id IN (1, 2)), '>', 92233720368547758.07, 'two customers with more cents than fit in a bigint');
SELECT pg_temp.same('SELECT s::text FROM crm_customer_sales() AS s', 'SELECT e::text FROM expected AS e', 'crm_customer_sales() of them');
SELECT pg_temp.same($$SELECT orders, revenue, paid, refunded FROM crm_order_sums('2025-05-05', '2025-05-05')$$,
    $$SELECT count(booked.status), sum(reporting_total) FILTER (WHERE booked.status IS NOT NULL), sum(paid * exchange_rate), sum(refunded * exchange_rate) FROM crm.orders LEFT JOIN booked USING (workflow, status) WHERE placed_on = '2025-05-05'$$, 'crm_order_sums() of them');
ROLLBACK TO large;

-- A query sees what its snapshot shows
DECLARE before CURSOR FOR SELECT customer_key, orders FROM crm.customer_value;
CREATE TEMP TABLE orders_before AS SELECT customer_key, orders FROM crm.customer_value;
UPDATE crm.orders SET customer_id = 80 WHERE customer_id < 20;
SELECT isnt_empty('SELECT customer_key, orders FROM crm.customer_value EXCEPT TABLE orders_before', 'orders go to another customer');
SELECT results_eq('before'::refcursor, 'TABLE orders_before', 'a query that began before does not see it');
CLOSE before;
SELECT pg_temp.all_is_right('one customer has the orders of others');

-- What is not asked for is not computed, nor does it keep the rest from parallel workers.
SELECT alike(pg_temp.plan('SELECT segment, count(*) FROM crm.dim_customer GROUP BY 1'), '%Function Scan on crm_customer_sales%', 'segments are in a query that asks for them');
SELECT alike(pg_temp.plan('SELECT * FROM crm.customer_value WHERE customer_key = 7'), '%Filter: %(customer_id = 7)%', 'of one customer no more is made');
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SELECT alike(pg_temp.plan('SELECT segment, count(*) FROM crm.fact_sales JOIN crm.dim_customer USING (customer_key) GROUP BY 1'), '%Gather%', 'workers read the sales');
CREATE TEMP TABLE segments AS SELECT segment, count(*), sum(reporting_amount) FROM crm.fact_sales JOIN crm.dim_customer USING (customer_key) GROUP BY 1;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT pg_temp.same('TABLE segments', 'SELECT segment, count(*), sum(reporting_amount) FROM crm.fact_sales JOIN crm.dim_customer USING (customer_key) GROUP BY 1', 'with the same result');
RESET max_parallel_workers_per_gather;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;

-- With the rights of who asks
CREATE ROLE crm_test_reader;
GRANT USAGE ON SCHEMA crm TO crm_test_reader;
GRANT SELECT ON crm.customer_value, crm.customer_demand, crm.kpis, crm.settings, crm.customers, crm.dim_customer, crm.workflow_states, crm.workflows TO crm_test_reader;
SET LOCAL ROLE crm_test_reader;
SELECT throws_ok('SELECT * FROM ' || f, '42501', 'permission denied for table orders', 'who may not read orders gets nothing from ' || f)
FROM unnest('{crm_customer_sales(),"crm_order_sums(''2025-01-01'', ''2025-12-31'')"}'::text[]) AS f;
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN throws_ok('SELECT * FROM crm.' || v, '42501', 'permission denied for table orders', 'nor from ' || v)
    ELSE skip('views have no security_invoker before PostgreSQL 15', 1) END
FROM unnest('{customer_value,customer_demand,kpis}'::text[]) AS v;
RESET ROLE;
GRANT SELECT ON crm.orders, crm.order_lines, booked TO crm_test_reader;
CREATE POLICY of_anna ON crm.orders TO crm_test_reader USING (owner = 'Anna');
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
CREATE TEMP TABLE of_all AS SELECT * FROM expected;
GRANT SELECT ON of_all TO crm_test_reader;
CREATE TEMP TABLE of_anna AS SELECT customer_id, count(*) AS orders, sum(reporting_total) AS revenue FROM crm.orders JOIN booked USING (workflow, status) WHERE owner = 'Anna' GROUP BY 1;
GRANT SELECT ON of_anna TO crm_test_reader;
SET LOCAL ROLE crm_test_reader;
SELECT pg_temp.same('SELECT customer_id, orders, revenue FROM crm_customer_sales()', 'TABLE of_anna', 'row-level security holds');
SELECT pg_temp.same($$SELECT orders, revenue FROM crm_order_sums('-infinity', 'infinity')$$, 'SELECT sum(orders)::bigint, sum(revenue) FROM of_anna', 'for sums, too');
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN results_eq('SELECT sum(orders)::bigint, sum(revenue) FROM crm.customer_demand', 'SELECT sum(orders)::bigint, sum(revenue) FROM of_anna', 'and in views')
    ELSE skip('views have no security_invoker before PostgreSQL 15', 1) END;
RESET ROLE;
CREATE SCHEMA evil;
CREATE VIEW evil.orders AS SELECT * FROM crm.orders LIMIT 1;
CREATE FUNCTION evil.later(date, date) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR evil.>= (LEFTARG = date, RIGHTARG = date, FUNCTION = evil.later);
SET LOCAL search_path = evil, pg_catalog, public;
SELECT pg_temp.same('SELECT * FROM crm_customer_sales()', 'SELECT * FROM pg_temp.of_all', 'a hostile search_path changes nothing');
SELECT is((SELECT orders FROM crm_order_sums('-infinity', 'infinity')), (SELECT sum(orders)::bigint FROM pg_temp.of_all), 'here neither');
RESET search_path;
ALTER TABLE crm.orders DISABLE ROW LEVEL SECURITY;

-- When a process changes what counts, and when nothing does
SAVEPOINT processes;
UPDATE crm.workflows SET definition = E'[*] --> won\nwon --> [*]\nclass won booked' WHERE name = 'none';
INSERT INTO booked VALUES ('none', 'won');
SELECT pg_temp.all_is_right('another status counts');
ROLLBACK TO processes;
SET session_replication_role = replica;
UPDATE crm.orders SET line_count = 0, status = 'won' WHERE id > 10000 AND workflow = 'trade';
DELETE FROM crm.orders WHERE id <= 10000 OR workflow <> 'trade';
RESET session_replication_role;
SELECT pg_temp.all_is_right('none has lines');
SET session_replication_role = replica;
UPDATE crm.orders SET status = 'draft';
RESET session_replication_role;
SELECT pg_temp.all_is_right('none is a sale');
SET session_replication_role = replica;
DELETE FROM crm.orders;
RESET session_replication_role;
SELECT pg_temp.all_is_right('no orders');

SELECT * FROM finish();
ROLLBACK;
