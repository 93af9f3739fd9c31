-- 100,000 orders without lines, and the lines for them: ten each.
CREATE EXTENSION crm;
INSERT INTO crm.customers (name) SELECT 'Customer ' || n FROM generate_series(1, 1000) n;
INSERT INTO crm.products (sku, name, price) SELECT 'P' || n, 'Product ' || n, n % 100 + 0.5 FROM generate_series(1, 1000) n;
INSERT INTO crm.orders (customer_id) SELECT 1 + n % 1000 FROM generate_series(1, 100000) n;
COPY (SELECT o, l, 1 + (7 * o + l) % 1000, l, 6.5, l / 10.0, 0.25 FROM generate_series(1, 100000) o, generate_series(1, 10) l) TO '/tmp/crm_bench_lines';
VACUUM ANALYZE;
