-- Summaries against plain queries over the tables, on a random shop.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(65);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset
\ir include/plan.sql
\ir include/random_shop.sql
CREATE TEMP VIEW sales AS SELECT *, date_trunc('month', placed_on::timestamp)::date AS month, EXISTS (SELECT FROM crm.order_lines WHERE order_id = orders.id) AS bought
    FROM crm.orders WHERE status IN ('won', 'delivered', 'out');

-- order_funnel
CREATE TEMP TABLE stages (workflow text, stage_no int, status text, label text); -- without a number: of class lost
INSERT INTO stages VALUES ('trade', 1, 'draft', 'draft'), ('trade', 2, 'sent', 'Sent to the customer'), ('trade', 3, 'won', 'won'), ('trade', 4, 'delivered', 'delivered'),
    ('trade', NULL, 'dropped', NULL), ('trade', NULL, 'returned', NULL), ('hire', 1, 'asked', 'asked'), ('hire', 2, 'out', 'out'), ('hire', 3, 'back', 'back');
CREATE TEMP VIEW been AS -- which statuses an order has been in
    SELECT order_id, to_status AS status FROM crm.order_events UNION SELECT id, status FROM crm.orders;
CREATE TEMP VIEW funnel AS
    SELECT c.month, s.*, (SELECT count(*) FROM crm.orders o WHERE o.workflow = s.workflow AND date_trunc('month', o.placed_on::timestamp)::date = c.month AND (
            s.stage_no = 1 OR EXISTS (SELECT FROM been b WHERE b.order_id = o.id AND b.status = s.status)
            -- imported, or nobody knows how it came there: those before the one it came in
            OR s.stage_no < (SELECT t.stage_no FROM stages t WHERE t.workflow = o.workflow AND t.status = coalesce(
                (SELECT CASE WHEN event = 'import' THEN to_status ELSE 'none' END FROM crm.order_events e WHERE e.order_id = o.id AND e.seq = 1), o.status))
            -- it has been in a status of another name: those before the furthest it has been in
            OR EXISTS (SELECT FROM been b WHERE b.order_id = o.id AND b.status NOT IN (SELECT t.status FROM stages t WHERE t.workflow = o.workflow))
                AND s.stage_no < (SELECT max(t.stage_no) FROM been b JOIN stages t ON t.status = b.status WHERE b.order_id = o.id AND t.workflow = o.workflow))) AS orders
    FROM (SELECT DISTINCT date_trunc('month', placed_on::timestamp)::date AS month, workflow FROM crm.orders) AS c JOIN stages s USING (workflow) WHERE s.stage_no IS NOT NULL;
SELECT pg_temp.same('SELECT cohort_month, workflow, stage_no, status, label, orders FROM crm.order_funnel', 'SELECT month, workflow, stage_no, status, label, orders FROM funnel', 'order_funnel: orders by stage');
SELECT pg_temp.same('SELECT cohort_month, status, conversion_from_previous FROM crm.order_funnel',
    $$SELECT f.month, f.status, CASE WHEN f.stage_no > 1 THEN round(f.orders::numeric / nullif((SELECT p.orders FROM funnel p WHERE (p.month, p.workflow, p.stage_no) = (f.month, f.workflow, f.stage_no - 1)), 0), 4) END FROM funnel f$$,
    'conversion from the stage before');
SELECT pg_temp.same('SELECT cohort_month, status, conversion_from_first FROM crm.order_funnel',
    $$SELECT f.month, f.status, round(f.orders::numeric / nullif((SELECT p.orders FROM funnel p WHERE (p.month, p.workflow, p.stage_no) = (f.month, f.workflow, 1)), 0), 4) FROM funnel f$$,
    'and from the first');
SELECT ok((SELECT bool_or(conversion_from_first < 1) AND sum(orders) FILTER (WHERE stage_no = 1) = (SELECT count(*) FROM crm.orders) FROM crm.order_funnel), 'each order has begun, not each has ended');

-- what it is made from
CREATE TEMP VIEW ways AS
    SELECT date_trunc('month', placed_on::timestamp)::date, workflow, statuses, imported, count(*) FROM (
        SELECT placed_on, workflow, (SELECT array_agg(status ORDER BY status) FROM been WHERE order_id = id) AS statuses,
            CASE WHEN EXISTS (SELECT FROM crm.order_events WHERE order_id = id) THEN (SELECT to_status FROM crm.order_events WHERE order_id = id AND seq = 1 AND event = 'import') ELSE status END AS imported
        FROM crm.orders) AS o
    GROUP BY 1, 2, 3, 4;
CREATE FUNCTION pg_temp.ways_are_right(description text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT pg_temp.same('SELECT cohort_month, workflow, (SELECT array_agg(status ORDER BY status) FROM unnest(statuses) AS status), imported, orders FROM crm_order_ways()', 'SELECT * FROM ways', description)
$$;
SELECT pg_temp.ways_are_right('crm_order_ways()');
SELECT cmp_ok((SELECT count(*)::int FROM (SELECT DISTINCT statuses, imported FROM crm_order_ways()) AS w), '>=', 12, 'orders go several ways');
INSERT INTO crm.workflows (name, definition) SELECT 'long', ('[*] --> s0' || string_agg(format(E'\ns%s --> s%s\ns%2$s --> s%1$s : back%1$s', n, n + 1), '') || E'\ns100 --> [*]')::crm_workflow FROM generate_series(0, 99) AS n;
INSERT INTO crm.orders (id, customer_id, workflow, status) SELECT i.id, 1, 'long', CASE WHEN i.id = 0 THEN 's7' END FROM unnest('{-9223372036854775808,-65,-64,-63,-1,0,9223372036854775807}'::bigint[]) AS i (id);
SELECT count(crm_force_order(o.id, 's' || step * (o.id % 7 + 20) % 101, 'as the wind blows')) AS forced FROM crm.orders AS o, generate_series(1, 90) AS step WHERE workflow = 'long' AND id <= 0 \gset
SET session_replication_role = replica;
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, booked_at, currency, exchange_rate, placed_at, placed_on)
VALUES (1002, 1, 'trade', 'won', '2025-05-05', '2025-05-05', 'EUR', 1, '2025-05-01', '2025-05-01'), (1003, 1, 'trade', 'dropped', '2025-05-05', NULL, 'EUR', 1, '2025-05-01', '2025-05-01');
RESET session_replication_role;
SELECT pg_temp.ways_are_right('of a hundred statuses, of any ids, without history');
SELECT is((SELECT count(*) FROM crm.order_timeline WHERE order_id IN (1002, 1003) AND steps = 0 AND (booked_at IS NOT NULL) = (order_id = 1002)), 2::bigint, 'an order without history has a timeline');
DELETE FROM crm.order_events WHERE order_id IN (SELECT id FROM crm.orders WHERE workflow = 'long');
DELETE FROM crm.orders WHERE workflow = 'long';
SELECT pg_temp.same('SELECT cohort_month, workflow, stage_no, status, label, orders FROM crm.order_funnel', 'SELECT month, workflow, stage_no, status, label, orders FROM funnel', 'order_funnel: an order without history has passed what is before it');
SET session_replication_role = replica; -- the sums have not seen them come
DELETE FROM crm.orders WHERE id >= 1000;
RESET session_replication_role;

-- stage_durations
CREATE TEMP VIEW stays AS
    SELECT e.workflow, e.from_status, extract(epoch FROM e.dwell) / 3600 AS hours,
        row_number() OVER w - 1 AS place, count(*) OVER (PARTITION BY e.workflow, e.from_status) AS n
    FROM crm.order_events e WHERE e.dwell IS NOT NULL WINDOW w AS (PARTITION BY e.workflow, e.from_status ORDER BY e.dwell);
CREATE TEMP VIEW durations AS -- between the two stays that are nearest to the share
    SELECT s.workflow, s.from_status, s.n, avg(s.hours) AS mean,
        max(hours) FILTER (WHERE place = floor((n - 1) * 0.5)) + ((n - 1) * 0.5 - floor((n - 1) * 0.5)) * (max(hours) FILTER (WHERE place = ceil((n - 1) * 0.5)) - max(hours) FILTER (WHERE place = floor((n - 1) * 0.5))) AS median,
        max(hours) FILTER (WHERE place = floor((n - 1) * 0.9)) + ((n - 1) * 0.9 - floor((n - 1) * 0.9)) * (max(hours) FILTER (WHERE place = ceil((n - 1) * 0.9)) - max(hours) FILTER (WHERE place = floor((n - 1) * 0.9))) AS p90
    FROM stays s GROUP BY 1, 2, 3;
SELECT pg_temp.same('SELECT workflow, status, stays FROM crm.stage_durations', 'SELECT workflow, from_status, n FROM durations', 'stage_durations: stays');
SELECT cmp_ok((SELECT count(*)::int FROM durations), '>=', 5, 'of several stages');
SELECT is_empty('SELECT * FROM crm.stage_durations v JOIN durations d ON (v.workflow, v.status) = (d.workflow, d.from_status) WHERE abs(v.mean_hours - d.mean) > 0.0001', 'means');
SELECT is_empty('SELECT * FROM crm.stage_durations v JOIN durations d ON (v.workflow, v.status) = (d.workflow, d.from_status) WHERE abs(v.median_hours - d.median) > 0.0001', 'medians');
SELECT is_empty('SELECT * FROM crm.stage_durations v JOIN durations d ON (v.workflow, v.status) = (d.workflow, d.from_status) WHERE abs(v.p90_hours - d.p90) > 0.0001', '90th percentiles');
SELECT is((SELECT label FROM crm.stage_durations WHERE status = 'sent'), 'Sent to the customer', 'labels');

-- order_timeline
INSERT INTO crm.orders (id, customer_id, status, status_since, placed_at) VALUES (1000, 1, 'completed', '2025-05-05', '2025-05-01');
INSERT INTO crm.orders (id, customer_id) VALUES (1001, 1);
SELECT count(crm_force_order(1001, status, 'to see them all')) AS forced FROM unnest('{submitted,paid,shipped,completed,cancelled,refunded,submitted}'::text[]) AS status \gset
-- the random shop has its histories set back; the orders know when it really was
CREATE TEMP VIEW happened AS SELECT *, CASE WHEN order_id < 1000 THEN at + (10 - seq) * interval '3 days' ELSE at END AS really FROM crm.order_events;
SELECT pg_temp.same('SELECT order_id, customer_key, workflow, status, placed_at, booked_at, closed_at, submitted_at, paid_at, shipped_at, completed_at, cancelled_at, refunded_at, steps FROM crm.order_timeline',
    $$SELECT id, customer_id, workflow, status, placed_at, (SELECT min(really) FROM happened WHERE order_id = o.id AND to_status IN ('won', 'delivered', 'out', 'paid', 'shipped', 'completed')),
        CASE WHEN status IN ('delivered', 'dropped', 'returned', 'back', 'completed', 'cancelled', 'refunded') THEN (SELECT really FROM happened WHERE order_id = o.id ORDER BY seq DESC LIMIT 1) END,
        (SELECT min(at) FROM crm.order_events WHERE order_id = o.id AND to_status = 'submitted'), (SELECT min(at) FROM crm.order_events WHERE order_id = o.id AND to_status = 'paid'),
        (SELECT min(at) FROM crm.order_events WHERE order_id = o.id AND to_status = 'shipped'), (SELECT min(at) FROM crm.order_events WHERE order_id = o.id AND to_status = 'completed'),
        (SELECT min(at) FROM crm.order_events WHERE order_id = o.id AND to_status = 'cancelled'), (SELECT min(at) FROM crm.order_events WHERE order_id = o.id AND to_status = 'refunded'),
        (SELECT count(*) FROM crm.order_events WHERE order_id = o.id)
    FROM crm.orders o$$, 'order_timeline');
SELECT is((SELECT ARRAY[submitted_at, paid_at, shipped_at, completed_at, cancelled_at, refunded_at] @> ARRAY[NULL::timestamptz] FROM crm.order_timeline WHERE order_id = 1001), false, 'with all milestones');
SET LOCAL enable_seqscan = off;
SELECT alike(pg_temp.plan('SELECT * FROM crm.order_timeline WHERE customer_key = 7'), '%Index Cond: (customer_id = 7)%', 'of one customer: from the histories of these orders');
RESET enable_seqscan;

-- what it is made from, in whatever order it is asked
CREATE TEMP VIEW reached AS
    SELECT order_id, min(at) FILTER (WHERE to_status = 'submitted') AS submitted_at, min(at) FILTER (WHERE to_status = 'paid') AS paid_at, min(at) FILTER (WHERE to_status = 'shipped') AS shipped_at,
        min(at) FILTER (WHERE to_status = 'completed') AS completed_at, min(at) FILTER (WHERE to_status = 'cancelled') AS cancelled_at, min(at) FILTER (WHERE to_status = 'refunded') AS refunded_at, count(*) AS steps
    FROM crm.order_events GROUP BY order_id;
CREATE TEMP TABLE asked AS
    SELECT row_number() OVER () AS n, id FROM (SELECT CASE WHEN random() < 0.5 THEN (random() * 1100)::int - 20 ELSE 500 + n / 8 END AS id FROM generate_series(1, 4000) AS n
                                               UNION ALL SELECT unnest('{-9223372036854775808,9223372036854775807,9223372036854775807,NULL,1,1,1002,1003,1004}'::bigint[])) AS i;
CREATE FUNCTION pg_temp.milestones_are_right(description text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT pg_temp.same('SELECT n, (m).* FROM (SELECT n, crm_order_milestones(id) AS m FROM (SELECT * FROM asked ORDER BY n) AS a) AS b',
        'SELECT n, submitted_at, paid_at, shipped_at, completed_at, cancelled_at, refunded_at, coalesce(steps, 0) FROM asked LEFT JOIN reached ON order_id = id', description)
$$;
SELECT pg_temp.milestones_are_right('crm_order_milestones()');
SELECT pg_temp.same('SELECT n, m.* FROM asked CROSS JOIN LATERAL crm_order_milestones(id) AS m', 'SELECT n, submitted_at, paid_at, shipped_at, completed_at, cancelled_at, refunded_at, coalesce(steps, 0) FROM asked LEFT JOIN reached ON order_id = id', 'as a table');
SELECT is((SELECT array_agg(sum ORDER BY g) FROM generate_series(1, 3) AS g CROSS JOIN LATERAL (SELECT sum((m).steps + g * 0) FROM (SELECT crm_order_milestones(id) AS m FROM asked WHERE n % 3 <> g) AS a) AS s),
    (SELECT array_agg(sum ORDER BY g) FROM generate_series(1, 3) AS g CROSS JOIN LATERAL (SELECT sum(steps) FROM asked JOIN reached ON order_id = id WHERE n % 3 <> g) AS s), 'again and again');
SELECT is((SELECT sum(a.steps + 1000 * a.later) FROM generate_series(1, 50) AS g CROSS JOIN LATERAL ROWS FROM (crm_order_milestones(g), crm_order_milestones(g + 1)) AS a (a1, a2, a3, a4, a5, a6, steps, b1, b2, b3, b4, b5, b6, later)),
    (SELECT sum((SELECT count(*) FROM crm.order_events WHERE order_id = g) + 1000 * (SELECT count(*) FROM crm.order_events WHERE order_id = g + 1)) FROM generate_series(1, 50) AS g), 'two of them side by side, again and again');
-- a cursor that is left in the middle, and one that outlives a savepoint
DECLARE reading CURSOR FOR SELECT order_id, steps FROM crm.order_timeline;
FETCH 3 FROM reading;
SAVEPOINT later;
FETCH 3 FROM reading;
ROLLBACK TO later;
FETCH 3 FROM reading;
CLOSE reading;
DELETE FROM crm.order_events WHERE order_id >= 1000;
DELETE FROM crm.orders WHERE id >= 1000;

-- customer_demand
SELECT pg_temp.same('SELECT region, gender, age_band, customers, buyers, orders, revenue, average_order_value, share_of_revenue FROM crm.customer_demand',
    $$WITH people AS (SELECT region, gender, age_band, customer_key, (SELECT count(*) FROM sales WHERE customer_id = customer_key) AS orders, EXISTS (SELECT FROM sales WHERE customer_id = customer_key AND bought) AS bought, (SELECT sum(reporting_total) FROM sales WHERE customer_id = customer_key) AS revenue FROM crm.dim_customer)
    SELECT region, gender, age_band, count(*), count(*) FILTER (WHERE bought), sum(orders)::bigint, coalesce(sum(revenue), 0), round(sum(revenue) / nullif(sum(orders), 0), 2), round(sum(revenue) / (SELECT sum(reporting_total) FROM sales), 4)
    FROM people GROUP BY 1, 2, 3$$, 'customer_demand');
SELECT is((SELECT sum(revenue) FROM crm.customer_demand), (SELECT sum(reporting_amount) FROM crm.fact_sales), 'has all revenue');
SELECT is((SELECT sum(customers)::bigint FROM crm.customer_demand), (SELECT count(*) FROM crm.customers), 'and all customers');

-- customer_value
CREATE TEMP VIEW worth AS SELECT customer_id, min(placed_on) AS first, max(placed_on) AS last, count(*) AS orders, sum(reporting_total) AS revenue FROM sales WHERE bought GROUP BY 1;
CREATE TEMP VIEW scored AS -- how many of the others are worse? But of recency: better?
    SELECT w.*, greatest(1, 5 - (5 * (SELECT count(*) FROM worth x WHERE x.last > w.last)) / (SELECT count(*) - 1 FROM worth)) AS r,
        least(5, 1 + (5 * (SELECT count(*) FROM worth x WHERE x.orders < w.orders)) / (SELECT count(*) - 1 FROM worth)) AS f,
        least(5, 1 + (5 * (SELECT count(*) FROM worth x WHERE x.revenue < w.revenue)) / (SELECT count(*) - 1 FROM worth)) AS m
    FROM worth w;
SELECT pg_temp.same('SELECT customer_key, first_order_on, last_order_on, recency_days, orders, revenue, recency_score, frequency_score, monetary_score FROM crm.customer_value',
    $$SELECT customer_id, first, last, (now() AT TIME ZONE 'Asia/Taipei')::date - last, orders, revenue, r::int, f::int, m::int FROM scored$$, 'customer_value');
SELECT pg_temp.same('SELECT customer_key, segment FROM crm.dim_customer', $$SELECT id, CASE WHEN r IS NULL THEN 'no sale yet'
        WHEN r < 3 THEN CASE WHEN f > 3 AND m > 3 THEN 'cannot lose' WHEN f > 2 OR m > 2 THEN 'at risk' ELSE 'hibernating' END
        WHEN r > 3 AND f > 3 AND m > 3 THEN 'champions' WHEN f > 3 OR m > 3 THEN 'loyal' WHEN r > 3 AND f = 1 THEN 'new' ELSE 'promising' END
    FROM crm.customers LEFT JOIN scored ON customer_id = id$$, 'segments');
SELECT ok((SELECT count(DISTINCT segment) >= 5 FROM crm.dim_customer), 'of several kinds');
SELECT is((SELECT count(*) FROM crm.customer_value), (SELECT count(DISTINCT customer_key) FROM crm.fact_sales), 'who bought: whom something was sold to');
SELECT is((SELECT sum(buyers)::bigint FROM crm.customer_demand), (SELECT count(DISTINCT customer_key) FROM crm.fact_sales), 'in customer_demand as well');
SELECT is((SELECT min(recency_score) FROM crm.customer_value WHERE last_order_on = (SELECT max(last_order_on) FROM crm.customer_value)), 5, 'who bought last has the best score');

-- cohort_retention: while all waits to be merged, when nothing does, and when some of it does
CREATE TEMP VIEW cohorts AS
    WITH bought AS (SELECT customer_id, month FROM sales WHERE bought),
        cohorts AS (SELECT customer_id, min(month) AS cohort FROM bought GROUP BY 1), sizes AS (SELECT cohort, count(*) AS size FROM cohorts GROUP BY 1)
    SELECT cohort, ((extract(year FROM month) - extract(year FROM cohort)) * 12 + extract(month FROM month) - extract(month FROM cohort))::int, month, count(DISTINCT customer_id), size, round(count(DISTINCT customer_id)::numeric / size, 4)
    FROM bought JOIN cohorts USING (customer_id) JOIN sizes USING (cohort) GROUP BY cohort, month, size;
CREATE FUNCTION pg_temp.cohorts_are_right(description text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT pg_temp.same('SELECT cohort_month, month_no, active_month, customers, cohort_size, retention FROM crm.cohort_retention', 'SELECT * FROM cohorts', description)
$$;
SELECT pg_temp.cohorts_are_right('cohort_retention');
SELECT is((SELECT sum(cohort_size)::bigint FROM crm.cohort_retention WHERE month_no = 0), (SELECT count(DISTINCT customer_key) FROM crm.fact_sales), 'each customer is in one cohort');
SELECT cmp_ok(crm_merge_rollups(), '>', 100::bigint, 'all that waits is merged');
SELECT pg_temp.cohorts_are_right('cohort_retention from the kept sums');
DELETE FROM crm.order_lines WHERE order_id IN (SELECT id FROM sales WHERE customer_id % 3 = 0 ORDER BY random() LIMIT 30);
UPDATE crm.orders SET placed_at = placed_at - interval '40 days' WHERE customer_id % 3 = 1 AND random() < 0.2;
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, placed_at) SELECT 2000 + n, 70 + n, 'trade', 'won', now(), now() FROM generate_series(1, 5) AS n;
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) SELECT 2000 + n, 1, 1, 1, 1 FROM generate_series(1, 4) AS n;
SELECT pg_temp.cohorts_are_right('kept sums of some customers, others summed up anew');
SELECT cmp_ok(crm_merge_rollups(), '>', 10::bigint, 'merged again');
SELECT pg_temp.cohorts_are_right('sums of which some have come to nothing');

-- kpis
CREATE FUNCTION pg_temp.kpis(a date, b date) RETURNS TABLE (days int, customers bigint, orders bigint, revenue numeric, c numeric, r numeric, p numeric, value numeric, placed bigint, conversion numeric, refund numeric, repeat numeric) LANGUAGE sql AS $$
    SELECT b - a + 1, n, o, s, round(n / (b - a + 1.0), 4), round(o / (b - a + 1.0), 4), round(s / (b - a + 1), 2), round(s / nullif(o, 0), 2), all_orders,
        round(converted / nullif(all_orders, 0)::numeric, 4), round(refunded / nullif(paid, 0), 4), round(repeated / nullif(n, 0)::numeric, 4)
    FROM (SELECT count(DISTINCT customer_id) FILTER (WHERE bought) AS n, count(*) AS o, coalesce(sum(reporting_total), 0) AS s FROM sales WHERE placed_on BETWEEN a AND b) AS sold,
        (SELECT count(*) AS repeated FROM (SELECT FROM sales WHERE placed_on BETWEEN a AND b AND bought GROUP BY customer_id HAVING count(*) > 1) AS more) AS again,
        (SELECT count(*) AS all_orders, count(*) FILTER (WHERE EXISTS (SELECT FROM crm.order_events e WHERE e.order_id = i.id AND e.to_status IN ('won', 'delivered', 'out'))) AS converted,
            sum(paid * exchange_rate) AS paid, sum(refunded * exchange_rate) AS refunded FROM crm.orders i WHERE placed_on BETWEEN a AND b) AS placed
$$;
SELECT pg_temp.same($$SELECT a::date, (crm_kpis(a::date, a::date + 40)).* FROM generate_series(timestamp '2024-11-01', '2026-06-01', '17 days') AS a$$,
    $$SELECT a::date, (pg_temp.kpis(a::date, a::date + 40)).* FROM generate_series(timestamp '2024-11-01', '2026-06-01', '17 days') AS a$$, 'crm_kpis() of any days');
SELECT pg_temp.same('SELECT month, days, customers, orders, revenue, customers_per_day, orders_per_day, revenue_per_day, average_order_value, orders_placed, conversion_rate, refund_rate, repeat_rate FROM crm.kpis',
    $$SELECT a::date, (pg_temp.kpis(a::date, (a + interval '1 month')::date - 1)).* FROM (SELECT min(placed_on) AS first, max(placed_on) AS last FROM crm.orders) AS o, generate_series(date_trunc('month', first::timestamp), last::timestamp, '1 month') AS a$$, 'kpis by month');
SELECT pg_temp.same('SELECT month, customers, orders, revenue FROM crm.kpis WHERE orders > 0', 'SELECT month, customers, orders, amount FROM crm.sales_by_month', 'as sales_by_month has them');
SELECT ok((SELECT bool_or(NOT bought) FROM sales), 'though there are sales without a line');
INSERT INTO crm.orders (id, customer_id, placed_at) VALUES (3000, 1, '2999-12-31');
SELECT alike(pg_temp.plan('SELECT * FROM crm.kpis', 'ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF'),
    '%crm_kpis k% loops=' || (SELECT count(DISTINCT date_trunc('month', placed_on::timestamp)) FROM crm.orders) || ')%', 'months without orders cost next to nothing');
SELECT results_eq($$SELECT days, customers, orders, revenue, orders_placed, conversion_rate FROM crm.kpis WHERE month IN ('2500-02-01', '2999-12-01') ORDER BY month$$,
    'VALUES (28, 0::bigint, 0::bigint, 0::numeric, 0::bigint, NULL::numeric), (31, 0, 0, 0, 1, 0)', 'but are there');
DELETE FROM crm.order_events WHERE order_id = 3000;
DELETE FROM crm.orders WHERE id = 3000;
SELECT ok((SELECT bool_or(conversion_rate < 1) AND bool_or(refund_rate > 0) AND bool_or(repeat_rate > 0) FROM crm.kpis), 'they say something');
SELECT results_eq($$SELECT days, customers, orders, revenue, customers_per_day, conversion_rate FROM crm_kpis('1999-01-01', '1999-01-10')$$, 'VALUES (10, 0::bigint, 0::bigint, 0::numeric, 0::numeric, NULL::numeric)', 'of days without orders');
SELECT results_eq($$SELECT days, orders, revenue_per_day FROM crm_kpis('1999-01-10', '1999-01-01')$$, 'VALUES (NULL::int, 0::bigint, NULL::numeric)', 'of no days');
SELECT is_empty($$SELECT * FROM crm_kpis(NULL, '1999-01-01')$$, 'of unknown days');
SELECT results_eq($$SELECT days, orders, revenue, orders_per_day, orders_placed FROM crm_kpis('-infinity', 'infinity')$$, $$SELECT NULL::int, (SELECT count(*) FROM sales), (SELECT sum(reporting_total) FROM sales), NULL::numeric, (SELECT count(*) FROM crm.orders)$$, 'of all days, however many');

-- Statuses get other names, orders another process
CREATE TEMP TABLE before AS SELECT order_id, booked_at FROM crm.order_timeline;
CREATE TEMP TABLE conversion AS SELECT month, conversion_rate FROM crm.kpis;
SELECT crm_migrate_workflow('trade', $$
    [*] --> begun
    state "Offered" as offered
    begun --> offered : send
    begun --> dropped : drop
    offered --> sold : win
    offered --> dropped : drop
    sold --> delivered : deliver
    sold --> returned : give_back
    delivered --> returned : give_back
    delivered --> [*]
    dropped --> [*]
    returned --> [*]
    class sold booked
    class dropped,returned lost
$$, '{"draft": "begun", "sent": "offered", "won": "sold"}') AS moved \gset
SELECT is_empty('SELECT order_id, booked_at FROM crm.order_timeline EXCEPT TABLE before', 'what has been a sale has been one, whatever it is called now');
SELECT is_empty('SELECT month, conversion_rate FROM crm.kpis EXCEPT TABLE conversion', 'and counts');
INSERT INTO crm.workflows (name, definition) VALUES ('short', E'[*] --> asked\nasked --> sold : sell\nsold --> returned : give_back\nreturned --> [*]\nsold --> [*]\nclass sold booked\nclass returned lost');
UPDATE crm.orders SET workflow = 'short' WHERE status IN ('sold', 'asked') AND random() < 0.5;
SELECT count(crm_force_order(id, 'returned', 'moved')) AS forced FROM crm.orders WHERE workflow = 'short' AND random() < 0.2 \gset
DELETE FROM stages WHERE workflow = 'trade';
INSERT INTO stages VALUES ('trade', 1, 'begun', 'begun'), ('trade', 2, 'offered', 'Offered'), ('trade', 3, 'sold', 'sold'), ('trade', 4, 'delivered', 'delivered'),
    ('trade', NULL, 'dropped', NULL), ('trade', NULL, 'returned', NULL), ('short', 1, 'asked', 'asked'), ('short', 2, 'sold', 'sold'), ('short', NULL, 'returned', NULL);
SELECT pg_temp.same('SELECT cohort_month, workflow, stage_no, status, label, orders FROM crm.order_funnel', 'SELECT month, workflow, stage_no, status, label, orders FROM funnel', 'order_funnel under other names');
SELECT pg_temp.same('SELECT workflow, status, stays FROM crm.stage_durations', 'SELECT workflow, from_status, n FROM durations', 'stays were in the process and the status of that time');
SELECT ok((SELECT max(conversion_from_first) <= 1 AND sum(orders) FILTER (WHERE stage_no = 1) = (SELECT count(*) FROM crm.orders) FROM crm.order_funnel), 'each order has begun, whatever that was called');
SELECT pg_temp.ways_are_right('crm_order_ways() under other names');

-- With the rights of who asks
CREATE ROLE crm_test_analyst;
GRANT USAGE ON SCHEMA crm TO crm_test_analyst;
GRANT SELECT ON crm.orders TO crm_test_analyst;
SET ROLE crm_test_analyst;
SELECT throws_ok('SELECT * FROM crm_order_ways()', '42501', 'permission denied for table order_events', 'who may not read histories does not hear of them');
SELECT throws_ok('SELECT * FROM crm_order_milestones(1)', '42501', 'permission denied for table order_events', 'nor of milestones');
RESET ROLE;
GRANT SELECT (order_id, to_status) ON crm.order_events TO crm_test_analyst;
SET ROLE crm_test_analyst;
SELECT throws_ok('SELECT * FROM crm_order_milestones(1)', '42501', 'permission denied for table order_events', 'nor who may read some columns of theirs');
RESET ROLE;
GRANT SELECT (at) ON crm.order_events TO crm_test_analyst;
SET ROLE crm_test_analyst;
SELECT isnt((SELECT steps FROM crm_order_milestones(1)), 0::bigint, 'these columns will do');
RESET ROLE;
GRANT SELECT ON crm.order_events TO crm_test_analyst;
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON crm.orders TO crm_test_analyst USING (id <= 50);
SET ROLE crm_test_analyst;
SELECT is((SELECT sum(orders)::bigint FROM crm_order_ways()), 50::bigint, 'row-level security holds');
SET search_path = pg_temp;
SELECT sum(orders) AS seen FROM public.crm_order_ways() \gset
RESET search_path;
RESET ROLE;
SELECT is(:seen, 50, 'whatever the search_path');
CREATE POLICY later ON crm.order_events TO crm_test_analyst USING (seq > 1);
ALTER TABLE crm.order_events ENABLE ROW LEVEL SECURITY;
DELETE FROM asked WHERE n > 500;
UPDATE asked SET id = id % 60;
CREATE TEMP TABLE expected AS SELECT n, min(at) FILTER (WHERE to_status = 'paid') AS paid_at, count(seq) AS steps FROM asked LEFT JOIN crm.order_events ON order_id = id AND seq > 1 GROUP BY n;
GRANT SELECT ON asked, expected TO crm_test_analyst;
SET ROLE crm_test_analyst;
SELECT set_eq('SELECT n, (m).paid_at, (m).steps FROM (SELECT n, crm_order_milestones(id) AS m FROM asked) AS a', 'TABLE expected', 'and over milestones');
SET row_security = off;
SELECT throws_ok('SELECT * FROM crm_order_milestones(1)', '42501', 'query would be affected by row-level security policy for table "order_events"', 'or an error');
RESET row_security;
RESET ROLE;
ALTER TABLE crm.order_events DISABLE ROW LEVEL SECURITY;

-- Ties
DELETE FROM crm.order_events;
DELETE FROM crm.order_lines;
DELETE FROM crm.payments;
DELETE FROM crm.orders;
INSERT INTO crm.orders (id, customer_id, workflow, status) VALUES (1, 1, 'short', 'sold'), (2, 2, 'short', 'sold');
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (1, 1, 1, 1, 5), (2, 1, 1, 1, 5);
SELECT results_eq('SELECT customer_key, recency_score, frequency_score, monetary_score, segment FROM crm.customer_value ORDER BY 1', $$VALUES (1::bigint, 5, 1, 1, 'new'), (2, 5, 1, 1, 'new')$$, 'two who bought today are new');
DELETE FROM crm.order_lines WHERE order_id = 2;
SELECT results_eq('SELECT customer_key, recency_score, frequency_score, monetary_score, segment FROM crm.customer_value', $$VALUES (1::bigint, 5, 1, 1, 'new')$$, 'so is the only one');

SELECT * FROM finish();
ROLLBACK;
