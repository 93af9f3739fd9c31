-- For 080_odbc.pl and 081_jdbc.pl: large keys, cents that floating point would lose, names in several scripts, a leap day.
INSERT INTO crm.customers (id, name, region, gender, birth_date, owner) VALUES
    (1, '王小明', '台灣', 'male', '1990-05-17', 'Zoë'), (2, 'José García', 'España', NULL, NULL, NULL), (3, 'Nobody yet', NULL, NULL, NULL, NULL);
INSERT INTO crm.products (id, sku, name, category, price) VALUES (1, 'T', 'Grüner Tee', 'Getränke', 4.9), (2, 'G', 'Gold', NULL, 333333333.33);
INSERT INTO crm.orders (id, customer_id, status, owner, placed_at, status_since) VALUES
    (9000000000, 1, 'completed', 'Zoë', '2026-02-28 12:00Z', '2026-02-28 13:00:00.123456Z'), (9000000001, 2, 'paid', NULL, '2024-02-29 12:00Z', '2024-02-29 12:30Z');
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES
    (9000000000, 1, 1, 0.125, 0.0799), (9000000000, 2, 2, 3, 333333333.33), (9000000001, 1, 1, 1.5, 9.9);
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
SELECT crm_record_payment(9000000001, 14.85, 'card');
INSERT INTO crm.activities (customer_id, kind, subject, due_at) VALUES (3, 'visit', 'Erster Besuch', '2026-03-01 10:00Z');
CREATE ROLE reader LOGIN;
GRANT USAGE ON SCHEMA crm TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO reader;
