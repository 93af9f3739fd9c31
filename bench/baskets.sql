-- 100,000 sales of 1 to 15 products, of which some are on many orders. Written past the triggers: they are not what is measured.
SET session_replication_role = replica;
INSERT INTO crm.products (id, sku, name, price) SELECT n, 'P' || n, 'Product ' || n, 10 FROM generate_series(1, 2000) n;
INSERT INTO crm.orders (id, customer_id, status, status_since, currency, exchange_rate, placed_at, placed_on)
SELECT n, 1 + n % 1000, 'completed', now(), 'EUR', 1, now(), current_date FROM generate_series(1000001, 1100000) n;
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price)
SELECT n, l, 1 + abs(hashint8extended(n, l)) % (1 + abs(hashint8extended(n, -l)) % 2000), 1, 10
FROM generate_series(1000001, 1100000) n, generate_series(1, 1 + abs(hashint8(n)) % 15) l;
RESET session_replication_role;
VACUUM ANALYZE;
CHECKPOINT;
