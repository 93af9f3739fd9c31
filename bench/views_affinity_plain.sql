WITH sold AS MATERIALIZED (
    SELECT DISTINCT order_id, product_key FROM crm.fact_sales
), frequent AS (
    SELECT product_key, count(*) AS n FROM sold GROUP BY product_key HAVING count(*) >= 8
), baskets AS MATERIALIZED (
    SELECT order_id, product_key FROM sold JOIN frequent USING (product_key)
), pairs AS (
    SELECT a.product_key AS product, b.product_key AS other, count(*) AS n
    FROM baskets a JOIN baskets b ON b.order_id = a.order_id AND b.product_key > a.product_key
    GROUP BY 1, 2 HAVING count(*) >= 8
)
SELECT 2 * count(*), sum(2 * p.n), round(sum(2 * (p.n::double precision / a.n * t.n / b.n))::numeric, 2)
FROM pairs p JOIN frequent a ON a.product_key = p.product JOIN frequent b ON b.product_key = p.other,
     (SELECT count(DISTINCT order_id) AS n FROM sold) t;
