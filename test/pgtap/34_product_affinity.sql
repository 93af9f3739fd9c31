-- crm_product_affinity against plain SQL.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(20);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset
\ir include/random_shop.sql
-- the same product twice on an order, and products with large numbers
INSERT INTO crm.products (id, sku, name, price) VALUES (-5, 'X', 'x', 1), (9000000000000000000, 'Y', 'y', 1);
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price)
SELECT id, 100 + n, (ARRAY[-5, 9000000000000000000, -5, 7])[n], 1, 1 FROM crm.orders, generate_series(1, 4) AS n WHERE id % 11 = 0;

CREATE FUNCTION pg_temp.expected(min_support int) RETURNS TABLE (product bigint, other bigint, orders bigint, support numeric, confidence numeric, lift numeric) LANGUAGE sql AS $$
    WITH baskets AS (
        SELECT DISTINCT order_id, product_id FROM crm.order_lines JOIN crm.orders o ON o.id = order_id WHERE o.status IN ('won', 'delivered', 'out')
    ), singles AS (
        SELECT product_id, count(*) AS n FROM baskets GROUP BY 1
    ), total AS (
        SELECT count(DISTINCT order_id) AS n FROM baskets
    )
    SELECT a.product_id, b.product_id, count(*), count(*)::numeric / t.n, count(*)::numeric / sa.n, count(*)::numeric * t.n / (sa.n * sb.n)
    FROM baskets a JOIN baskets b ON b.order_id = a.order_id AND b.product_id <> a.product_id
    JOIN singles sa ON sa.product_id = a.product_id JOIN singles sb ON sb.product_id = b.product_id CROSS JOIN total t
    GROUP BY 1, 2, t.n, sa.n, sb.n HAVING count(*) >= min_support
$$;
CREATE FUNCTION pg_temp.said(min_support int) RETURNS TABLE (product bigint, other bigint, orders bigint, support numeric, confidence numeric, lift numeric) LANGUAGE sql AS $$
    SELECT product_id, other_product_id, orders, round(support::numeric, 10), round(confidence::numeric, 10), round(lift::numeric, 10) FROM crm_product_affinity(min_support)
$$;
SELECT pg_temp.same(format('SELECT * FROM pg_temp.said(%s)', n), format('SELECT product, other, orders, round(support, 10), round(confidence, 10), round(lift, 10) FROM pg_temp.expected(%s)', n), format('pairs on at least %s orders', n))
FROM unnest('{1,2,3,5,10,20,40,2147483647}'::int[]) AS n;
SELECT cmp_ok((SELECT count(*)::int FROM crm_product_affinity(3)), '>', 50, 'there are some');
SELECT is((SELECT max(orders) FROM crm_product_affinity(1) WHERE product_id = -5 AND other_product_id = 9000000000000000000),
    (SELECT count(*) FROM crm.orders WHERE id % 11 = 0 AND status IN ('won', 'delivered', 'out')), 'a product on two lines of an order counts once');
SELECT is_empty('SELECT * FROM crm_product_affinity(1) WHERE product_id = other_product_id', 'nothing goes with itself');
SELECT pg_temp.same('SELECT product_key, product, other_product_key, other_product, orders, support, confidence, lift FROM crm.product_affinity',
    $$SELECT product, p.name, other, o.name, orders, round(support, 6), round(confidence, 4), round(lift, 4) FROM pg_temp.expected(2) JOIN crm.products p ON p.id = product JOIN crm.products o ON o.id = other$$, 'the view names them');
SELECT is((SELECT count(*)::int FROM (SELECT crm_product_affinity(5)) AS listed), (SELECT count(*)::int FROM crm_product_affinity(5)), 'in the select list');

SELECT throws_ok('SELECT * FROM crm_product_affinity(0)', '22023', 'min_support is a number of orders, 1 or more, not 0', 'no support at all');
SELECT throws_ok('SELECT * FROM crm_product_affinity(-1)', '22023', 'min_support is a number of orders, 1 or more, not -1', 'less than that');
SELECT is_empty('SELECT * FROM crm_product_affinity(NULL)', 'unknown support');

-- With whose rights
CREATE ROLE crm_test_reader;
GRANT USAGE ON SCHEMA crm TO crm_test_reader;
SET LOCAL ROLE crm_test_reader;
SELECT throws_ok('SELECT * FROM crm_product_affinity(1)', '42501', 'permission denied for view fact_sales', 'who may not read sales gets nothing');
RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO crm_test_reader;
CREATE POLICY of_anna ON crm.orders TO crm_test_reader USING (owner = 'Anna');
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
CREATE TEMP TABLE all_pairs AS SELECT * FROM crm_product_affinity(1);
CREATE SCHEMA evil;
CREATE FUNCTION evil.int8(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
CREATE VIEW evil.fact_sales AS SELECT 1 AS order_id, 2 AS product_key;
GRANT USAGE ON SCHEMA evil TO crm_test_reader;
GRANT SELECT ON all_pairs TO crm_test_reader;
SET LOCAL ROLE crm_test_reader;
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN cmp_ok((SELECT sum(orders)::int FROM crm_product_affinity(1)), '<', (SELECT sum(orders)::int / 2 FROM all_pairs), 'row-level security holds')
    ELSE skip('views have no security_invoker before PostgreSQL 15', 1) END;
RESET ROLE;
SET LOCAL search_path = evil, pg_catalog, public;
SELECT pg_temp.same('SELECT * FROM crm_product_affinity(1)', 'SELECT * FROM pg_temp.all_pairs', 'a hostile search_path changes nothing');
SET LOCAL transaction_read_only = on;
SELECT cmp_ok((SELECT count(*)::int FROM crm_product_affinity(1)), '>', 0, 'in a read-only transaction');

SELECT * FROM finish();
ROLLBACK;
