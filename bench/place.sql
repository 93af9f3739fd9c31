-- 100,000 orders of 3 lines, and copies of the tables without triggers and foreign keys for the baseline.
INSERT INTO crm.products (sku, name, category, price)
SELECT 'P' || n, 'Product ' || n, 'c' || n % 10, n % 100 + 0.5 FROM generate_series(1, 1000) n;
CREATE SCHEMA bare;
CREATE TABLE bare.orders (LIKE crm.orders INCLUDING ALL) WITH (fillfactor = 90);
CREATE TABLE bare.order_lines (LIKE crm.order_lines INCLUDING ALL);
CREATE TABLE bare.order_events (LIKE crm.order_events INCLUDING ALL);
VACUUM ANALYZE;
