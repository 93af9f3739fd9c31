-- A million orders of three lines, nine tenths of them sold, over two years. Written past the triggers, which are not what is
-- measured here; the figures are then made from the tables.
CREATE EXTENSION crm;
INSERT INTO crm.workflows (name, definition) VALUES ('sale', E'[*] --> draft
    draft --> paid : book
    paid --> shipped : go
    shipped --> paid : go
    shipped --> completed : complete
    completed --> [*]
    class draft editable
    class paid,shipped,completed booked');
INSERT INTO crm.customers (name, region) SELECT 'Customer ' || n, 'Region ' || n % 40 FROM generate_series(1, 20000) n;
INSERT INTO crm.products (sku, name, category, price)
SELECT 'P' || n, 'Product ' || n, 'Category ' || n % 25, n % 100 + 0.5 FROM generate_series(1, 2000) n;
SET session_replication_role = replica;
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, currency, exchange_rate, placed_at, placed_on,
                        booked_at, line_count, total, reporting_total, balance)
OVERRIDING SYSTEM VALUE
SELECT n, 1 + abs(hashint4(n)) % 20000, 'sale', (ARRAY['draft','paid','shipped','paid','shipped','completed','completed','completed','completed','completed'])[1 + n % 10],
       now(), 'EUR', 1, date '2025-01-01' + n % 700 + time '12:00', date '2025-01-01' + n % 700,
       CASE WHEN n % 10 > 0 THEN date '2025-01-01' + n % 700 + time '18:00' END, 3, 36, 36, 36
FROM generate_series(1, :orders) n;
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price)
SELECT n, l, 1 + abs(hashint4extended(n, l)) % 2000, l, 6 FROM generate_series(1, :orders) n, generate_series(1, 3) l;
INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role, workflow, workflow_version)
SELECT id, 1, placed_at, 'import', status, 'bench', current_user, workflow, 1 FROM crm.orders;
RESET session_replication_role;
SELECT setval(pg_get_serial_sequence('crm.orders', 'id'), :orders);
SELECT crm_rebuild_rollups();
VACUUM ANALYZE;
CHECKPOINT;
