-- The star: facts and dimensions against plain queries over the tables.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(57);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset
\ir include/plan.sql
-- A new database is not analysed by anybody. With JIT a query that looks dearer than 100000 took half a second, of no rows.
CREATE TEMP VIEW costs AS
    SELECT relname, substring(pg_temp.plan('SELECT * FROM crm.' || quote_ident(relname), 'COSTS') FROM '\.\.([0-9]+)')::bigint AS cost
    FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'v';
SELECT is_empty('SELECT * FROM costs WHERE cost > 10000', 'views of an empty database look cheap');
SAVEPOINT restored;
UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid IN ('crm.settings'::regclass, 'crm.workflows'::regclass);
SELECT is_empty('SELECT * FROM costs WHERE cost > 100000', 'those of a restored one, too');
ROLLBACK TO restored;
\ir include/random_shop.sql
SET LOCAL TimeZone = 'America/Los_Angeles'; -- not that of the reports

CREATE TEMP VIEW columns AS
    SELECT c.relname AS view, a.attname AS name, a.atttypid::regtype AS type, a.atttypmod AS typmod
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind = 'v';

-- As tools see it
SELECT is((SELECT count(DISTINCT view)::int FROM columns), 33, 'facts, dimensions, summaries, rollups and lists');
SELECT set_eq('SELECT DISTINCT type::text FROM columns', ARRAY['bigint', 'integer', 'text', 'boolean', 'date', 'numeric', 'timestamp with time zone'], 'of standard types');
SELECT is_empty($$SELECT view, name FROM columns WHERE type = 'numeric'::regtype AND typmod = -1$$, 'each number has a precision');
SELECT is_empty($$SELECT f.view, f.name FROM columns f WHERE f.view LIKE 'fact\_%' AND f.name LIKE '%\_key' AND NOT EXISTS (
    SELECT FROM columns d WHERE d.view = 'dim_' || replace(f.name, '_key', '') AND d.name = f.name AND d.type = f.type)$$, 'a key of a fact is that of a dimension');
SELECT is_empty($$SELECT d.view, d.name FROM columns d WHERE d.view LIKE 'dim\_%' AND d.name LIKE '%\_key' AND d.name <> replace(d.view, 'dim_', '') || '_key'$$, 'a dimension has no other key than its own');

CREATE FUNCTION pg_temp.key_faults(fact text, key text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT f.%1$I::text FROM crm.%2$I f WHERE f.%1$I IS NULL OR NOT EXISTS (SELECT FROM crm.%3$I d WHERE d.%1$I = f.%1$I)', key, fact, 'dim_' || replace(key, '_key', ''));
END $$;
SELECT is_empty(format('SELECT * FROM pg_temp.key_faults(%L, %L)', view, name), format('each %s of %s is in its dimension', name, view))
FROM columns WHERE view LIKE 'fact\_%' AND name LIKE '%\_key' ORDER BY view, name;
SELECT is_empty(format('SELECT %1$I FROM crm.%2$I GROUP BY 1 HAVING count(*) > 1 OR %1$I IS NULL', replace(view, 'dim_', '') || '_key', view), format('%s has one row a key', view))
FROM (SELECT DISTINCT view FROM columns WHERE view LIKE 'dim\_%') AS v;

-- Facts
SELECT pg_temp.same('SELECT order_id, line_no, date_key, customer_key, product_key, salesperson_key, workflow, status, quantity, unit_price, discount, tax, currency, amount, reporting_amount FROM crm.fact_sales',
    $$SELECT l.order_id, l.line_no, (o.placed_at AT TIME ZONE 'Asia/Taipei')::date, o.customer_id, l.product_id, CASE WHEN o.owner IS NULL THEN 'nobody' ELSE o.owner END, o.workflow, o.status,
        l.quantity, l.unit_price, l.discount, l.tax, o.currency, l.amount, round(l.amount * o.exchange_rate, 2)
    FROM crm.orders o, crm.order_lines l WHERE l.order_id = o.id AND (o.workflow, o.status) IN (('trade', 'won'), ('trade', 'delivered'), ('hire', 'out'))$$, 'fact_sales');
SELECT cmp_ok((SELECT count(*)::int FROM crm.fact_sales), '>', 300, 'there are some');
SELECT is((SELECT sum(reporting_amount) FROM crm.fact_sales), (SELECT sum(reporting_total) FROM crm.orders WHERE status IN ('won', 'delivered', 'out')), 'they add up to what orders say');
SELECT pg_temp.same('SELECT order_id, payment_no, date_key, customer_key, salesperson_key, kind, method, currency, amount, reporting_amount FROM crm.fact_payments',
    $$SELECT order_id, payment_no, (p.at AT TIME ZONE 'Asia/Taipei')::date, customer_id, coalesce(owner, 'nobody'), p.kind, coalesce(p.method, 'unknown'), o.currency, s * p.amount, s * round(p.amount * o.exchange_rate, 2)
    FROM crm.payments p JOIN crm.orders o ON o.id = order_id, LATERAL (SELECT CASE WHEN p.kind = 'refund' THEN -1 ELSE 1 END AS s) AS sign$$, 'fact_payments');
SELECT is((SELECT sum(amount) FROM crm.fact_payments), (SELECT sum(paid - refunded) FROM crm.orders), 'they add up, too');
SELECT pg_temp.same('SELECT order_id, seq, date_key, customer_key, salesperson_key, workflow, at, event, from_status, to_status, dwell_hours, actor, is_forced FROM crm.fact_order_events',
    $$SELECT order_id, seq, (at AT TIME ZONE 'Asia/Taipei')::date, customer_id, coalesce(owner, 'nobody'), o.workflow, at, event, from_status, to_status, round(extract(epoch FROM dwell) / 3600, 4), actor, forced
    FROM crm.order_events JOIN crm.orders o ON id = order_id$$, 'fact_order_events');
SELECT pg_temp.same('SELECT activity_id, date_key, customer_key, salesperson_key, order_id, kind, subject, is_done, due_at, done_at, outcome FROM crm.fact_activities',
    $$SELECT a.id, (CASE WHEN done_at IS NULL THEN due_at ELSE done_at END AT TIME ZONE 'Asia/Taipei')::date, customer_id,
        CASE WHEN a.owner IS NOT NULL THEN a.owner WHEN c.owner IS NOT NULL THEN c.owner ELSE 'nobody' END, order_id, a.kind, subject, done_at IS NOT NULL, due_at, done_at, outcome
    FROM crm.activities a JOIN crm.customers c ON c.id = customer_id$$, 'fact_activities');

-- Dimensions
SELECT pg_temp.same('SELECT customer_key, code, name, kind, region, gender, owner, entered_on, first_order_on, last_order_on FROM crm.dim_customer',
    $$SELECT id, code, name, kind, coalesce(region, 'unknown'), coalesce(gender, 'unknown'), coalesce(owner, 'nobody'), (created_at AT TIME ZONE 'Asia/Taipei')::date,
        (SELECT min(placed_on) FROM crm.orders o WHERE customer_id = c.id AND status IN ('won', 'delivered', 'out') AND EXISTS (SELECT FROM crm.order_lines WHERE order_id = o.id)),
        (SELECT max(placed_on) FROM crm.orders o WHERE customer_id = c.id AND status IN ('won', 'delivered', 'out') AND EXISTS (SELECT FROM crm.order_lines WHERE order_id = o.id))
    FROM crm.customers c$$, 'dim_customer');
-- who is N years old: of the years, one less until the month and day of birth have come (that of February 29 on March 1, mostly)
CREATE FUNCTION pg_temp.band(born date, today date) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT band FROM (VALUES (0, '00-17'), (18, '18-24'), (25, '25-34'), (35, '35-44'), (45, '45-54'), (55, '55-64'), (65, '65+')) AS b (years, band)
        WHERE years <= left(today::text, 4)::int - left(born::text, 4)::int - (right(today::text, 5) < right(born::text, 5))::int ORDER BY years DESC LIMIT 1), 'unknown')
$$;
SELECT pg_temp.same('SELECT customer_key, age_band FROM crm.dim_customer', $$
    SELECT id, pg_temp.band(birth_date, (now() AT TIME ZONE 'Asia/Taipei')::date) FROM crm.customers$$, 'age bands');
-- on other days than this one
CREATE FUNCTION pg_temp.bands_on(today date) RETURNS TABLE (customer_key bigint, age_band text) LANGUAGE plpgsql AS $$BEGIN
    RETURN QUERY EXECUTE format('SELECT v.customer_key, v.age_band FROM (%s) v', rtrim(replace(pg_get_viewdef('crm.dim_customer'), 'now()', format('timestamptz %L', today || ' 12:00+08')), ';'));
END$$;
SAVEPOINT s;
INSERT INTO crm.customers (id, name, birth_date) VALUES (9001, 'leap day', '2008-02-29'), (9002, 'the day before', '2008-02-28'), (9003, 'the day after', '2008-03-01'), (9004, 'leap day', '1960-02-29');
SELECT results_eq($$SELECT string_agg(right(customer_key::text, 1) || ' ' || age_band, ', ' ORDER BY customer_key) FROM unnest('{2026-02-27,2026-02-28,2026-03-01}'::date[]) d, pg_temp.bands_on(d) WHERE customer_key > 9000 GROUP BY d ORDER BY d$$,
    $$VALUES ('1 00-17, 2 00-17, 3 00-17, 4 65+'), ('1 00-17, 2 18-24, 3 00-17, 4 65+'), ('1 18-24, 2 18-24, 3 18-24, 4 65+')$$, 'born on February 29, one has a birthday on March 1');
SELECT is_empty($$SELECT d, id, b.age_band FROM unnest('{2024-02-28,2024-02-29,2024-03-01,2025-02-28,2025-03-01,2025-12-31,2033-02-28,2033-03-01}'::date[]) d, pg_temp.bands_on(d) b
    JOIN crm.customers ON id = customer_key WHERE birth_date <= d AND b.age_band IS DISTINCT FROM pg_temp.band(birth_date, d)$$, 'the same by month and day');
ROLLBACK TO s;
UPDATE crm.customers SET birth_date = (now() AT TIME ZONE 'Asia/Taipei')::date - interval '18 years' WHERE id = 1;
UPDATE crm.customers SET birth_date = (now() AT TIME ZONE 'Asia/Taipei')::date - interval '18 years' + interval '1 day' WHERE id = 2;
SELECT results_eq('SELECT age_band FROM crm.dim_customer WHERE customer_key IN (1, 2) ORDER BY customer_key', ARRAY['18-24', '00-17'], 'on the birthday one year more');
SELECT pg_temp.same('SELECT * FROM crm.dim_product', $$SELECT id, sku, name, coalesce(category, 'unknown'), price, active FROM crm.products$$, 'dim_product');
SELECT pg_temp.same('SELECT * FROM crm.dim_salesperson', $$VALUES ('Anna', 'Anna', true), ('Björn', 'Björn', true), ('Zoë', 'Zoë', true), ('李小龍', '李小龍', true), ('nobody', 'nobody', false)$$, 'dim_salesperson');
SELECT pg_temp.same($$SELECT workflow, status, label, is_open, is_booked, is_lost, is_initial, is_final FROM crm.workflow_states WHERE workflow NOT IN ('order', 'opportunity')$$, $$VALUES
    ('trade', 'draft', 'draft', true, false, false, true, false), ('trade', 'sent', 'Sent to the customer', true, false, false, false, false), ('trade', 'won', 'won', false, true, false, false, false),
    ('trade', 'delivered', 'delivered', false, true, false, false, true), ('trade', 'dropped', 'dropped', false, false, true, false, true), ('trade', 'returned', 'returned', false, false, true, false, true),
    ('hire', 'asked', 'asked', false, false, false, true, false), ('hire', 'out', 'out', false, true, false, false, false), ('hire', 'back', 'back', false, false, false, false, true)$$, 'workflow_states');

-- The calendar
SELECT is((SELECT count(*) FROM crm.dim_date), (SELECT (max(date_key) - min(date_key) + 1)::bigint FROM crm.dim_date), 'the calendar has no gaps');
SELECT is((SELECT ARRAY[min(date_key), max(date_key)] FROM crm.dim_date), (SELECT ARRAY[make_date(min(y), 1, 1), make_date(max(y), 12, 31)] FROM (
        SELECT extract(year FROM placed_on)::int AS y FROM crm.orders UNION SELECT extract(year FROM now() AT TIME ZONE 'Asia/Taipei')::int
        UNION SELECT extract(year FROM at AT TIME ZONE 'Asia/Taipei')::int FROM crm.order_events
        UNION SELECT extract(year FROM settled_on)::int FROM crm.payments UNION SELECT extract(year FROM coalesce(done_at, due_at) AT TIME ZONE 'Asia/Taipei')::int FROM crm.activities) AS years), 'whole years, as many as there is something in');
INSERT INTO crm.orders (id, customer_id, placed_at) VALUES (5000, 1, '2019-05-05');
INSERT INTO crm.activities (customer_id, kind, subject, due_at) VALUES (1, 'call', 'Some day', '2031-02-03');
SELECT is((SELECT ARRAY[min(date_key), max(date_key)] FROM crm.dim_date), '{2019-01-01,2031-12-31}', 'back to the first order, on to the last plan');
UPDATE crm.activities SET done_at = '2018-12-31 16:00Z' WHERE due_at = '2031-02-03';
SELECT ok((SELECT min(date_key) = '2019-01-01' AND max(date_key) < '2031-01-01' FROM crm.dim_date), 'what is done counts on its day in the reporting time zone, not on that of the plan');
UPDATE crm.activities SET done_at = NULL WHERE due_at = '2031-02-03';
-- Steps may lie outside the years of the orders.
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, placed_at) VALUES (5001, 1, 'trade', 'won', '2018-05-05', '2018-05-05');
UPDATE crm.orders SET placed_at = '2019-05-05' WHERE id = 5001;
SELECT is((SELECT min(date_key) FROM crm.dim_date), '2018-01-01', 'a step stays where it is when the order is moved');
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since) VALUES (5002, 1, 'trade', 'delivered', '2016-12-31 15:59Z'), (5003, 1, 'trade', 'delivered', '2034-12-31 16:00Z');
SELECT is((SELECT ARRAY[min(date_key), max(date_key)] FROM crm.dim_date), '{2016-01-01,2035-12-31}', 'an import may say since when');
SELECT is((SELECT count(*) FROM crm.fact_order_events JOIN crm.dim_date USING (date_key)), (SELECT count(*) FROM crm.order_events), 'no step is lost');
SELECT crm_merge_rollups() > 0 AS merged \gset
SELECT is((SELECT count(*) FROM crm.fact_order_events JOIN crm.dim_date USING (date_key)), (SELECT count(*) FROM crm.order_events), 'nor when they are merged');
SAVEPOINT absurd;
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since) VALUES (5004, 1, 'trade', 'won', '0044-03-15 BC'), (5005, 1, 'trade', 'won', '20000-01-01');
SELECT is((SELECT ARRAY[min(date_key), max(date_key)] FROM crm.dim_date), '{1900-01-01,2999-12-31}', 'the calendar has its limits');
ROLLBACK TO absurd;
SELECT pg_temp.same($$SELECT date_key, year, quarter, month, day_of_month, day_of_week, month_name, day_name, year_month, year_quarter, week_start, month_start, quarter_start, iso_year, iso_week, is_weekend, fiscal_year, fiscal_quarter, fiscal_month
    FROM crm.dim_date WHERE date_key IN ('2027-01-01', '2026-03-31', '2026-04-01', '2026-12-31')$$, $$VALUES
    (date '2027-01-01', 2027, 1, 1, 1, 5, 'January', 'Friday', '2027-01', '2027-Q1', date '2026-12-28', date '2027-01-01', date '2027-01-01', 2026, 53, false, 2027, 4, 10),
    ('2026-03-31', 2026, 1, 3, 31, 2, 'March', 'Tuesday', '2026-03', '2026-Q1', '2026-03-30', '2026-03-01', '2026-01-01', 2026, 14, false, 2026, 4, 12),
    ('2026-04-01', 2026, 2, 4, 1, 3, 'April', 'Wednesday', '2026-04', '2026-Q2', '2026-03-30', '2026-04-01', '2026-04-01', 2026, 14, false, 2027, 1, 1),
    ('2026-12-31', 2026, 4, 12, 31, 4, 'December', 'Thursday', '2026-12', '2026-Q4', '2026-12-28', '2026-12-01', '2026-10-01', 2026, 53, false, 2027, 3, 9)$$, 'a fiscal year that begins in April');
UPDATE crm.settings SET fiscal_year_start = 1;
SELECT is_empty('SELECT * FROM crm.dim_date WHERE (fiscal_year, fiscal_quarter, fiscal_month) <> (year, quarter, month)', 'one that begins in January');
UPDATE crm.settings SET fiscal_year_start = 12;
SELECT results_eq($$SELECT fiscal_year, fiscal_month FROM crm.dim_date WHERE date_key IN ('2026-11-30', '2026-12-01') ORDER BY date_key$$, 'VALUES (2026, 12), (2027, 1)', 'one that begins in December');

-- What is not asked for is not computed.
SELECT unalike(pg_temp.plan('SELECT sum(reporting_amount), region FROM crm.fact_sales JOIN crm.dim_customer USING (customer_key) GROUP BY region'), '%crm_customer_sales%', 'segments are left out of a query that does not ask for them');
SELECT set_eq($$SELECT m[1] FROM regexp_matches(pg_temp.plan('SELECT min(date_key) FROM crm.dim_date'), '-> +([^\n]*?) on (?:orders|payments|activities)\M', 'g') m$$,
    ARRAY(SELECT format('Index Only Scan%s using %s', direction, name) FROM unnest(ARRAY['', ' Backward']) direction, unnest('{orders_by_day,payments_by_day,activities_planned,activities_done}'::text[]) name),
    'the calendar finds its bounds by index, but for those of the steps');

-- Who may read
CREATE ROLE crm_test_reader;
GRANT USAGE ON SCHEMA crm TO crm_test_reader;
GRANT SELECT ON crm.fact_sales TO crm_test_reader;
SET LOCAL ROLE crm_test_reader;
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN throws_ok('SELECT * FROM crm.fact_sales', '42501', NULL, 'a view shows its reader what the tables would')
    ELSE skip('views have no security_invoker before PostgreSQL 15', 1) END;
RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO crm_test_reader;
SET LOCAL ROLE crm_test_reader;
SELECT is((SELECT count(*) FROM crm.fact_order_events JOIN crm.dim_date USING (date_key)), (SELECT count(*) FROM crm.order_events), 'who may read all of the schema reads the calendar');
RESET ROLE;
CREATE ROLE crm_test_planner;
GRANT USAGE ON SCHEMA crm TO crm_test_planner;
GRANT SELECT ON crm.dim_date, crm.settings, crm.orders, crm.payments, crm.activities, crm.steps_by_day TO crm_test_planner;
SET LOCAL ROLE crm_test_planner;
SELECT lives_ok('SELECT * FROM crm.dim_date', 'it takes the right to read what it asks, but not the tables of the sums');
RESET ROLE;
CREATE POLICY of_anna ON crm.orders TO crm_test_reader USING (owner = 'Anna');
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
SET LOCAL ROLE crm_test_reader;
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN set_eq('SELECT salesperson_key FROM crm.fact_sales', ARRAY['Anna'], 'row-level security holds in views')
    ELSE skip('views have no security_invoker before PostgreSQL 15', 1) END;

SELECT * FROM finish();
ROLLBACK;
