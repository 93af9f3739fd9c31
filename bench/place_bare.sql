\set c random(1, 1000)
\set p random(1, 990)
BEGIN;
INSERT INTO bare.orders (customer_id, status, status_since, currency, exchange_rate, placed_on, line_count, discount, tax, total, reporting_total, balance)
VALUES (:c, 'pending', clock_timestamp(), 'EUR', 1, current_date, 3, 0.5, 1.2, 100, 100, 100) RETURNING id \gset
INSERT INTO bare.order_lines (order_id, line_no, product_id, quantity, unit_price, discount, tax)
VALUES (:id, 1, :p, 2, 4.5, 0, 0), (:id, 2, :p + 3, 1.5, 4.5, 0, 0), (:id, 3, :p + 9, 3, 4.5, 0.5, 1.2);
INSERT INTO bare.order_events (order_id, seq, at, event, to_status, actor, role, workflow, workflow_version)
VALUES (:id, 1, clock_timestamp(), 'create', 'pending', current_user, current_user, 'order', 1);
COMMIT;
