-- A shop with random customers, orders in two processes and two currencies, payments, activities and a history; for \ir.
-- Booked are won and delivered (process trade), and out (process hire).
UPDATE crm.settings SET time_zone = 'Asia/Taipei', fiscal_year_start = 4;
INSERT INTO crm.workflows (name, definition) VALUES ('trade', $$
    [*] --> draft
    state "Sent to the customer" as sent
    draft --> sent : send
    draft --> dropped : drop
    sent --> won : win
    sent --> draft : rework
    sent --> dropped : drop
    won --> delivered : deliver
    won --> returned : give_back
    delivered --> returned : give_back
    delivered --> [*]
    dropped --> [*]
    returned --> [*]
    class draft,sent open
    class draft editable
    class won,delivered booked
    class dropped,returned lost
$$), ('hire', $$
    [*] --> asked
    asked --> out : hand_out
    out --> back : bring_back
    back --> [*]
    class out booked
$$);
INSERT INTO crm.customers (id, code, name, kind, region, gender, birth_date, owner, created_at)
SELECT n, 'C' || n, 'Customer ' || n || CASE WHEN n % 7 = 0 THEN ' 王' ELSE '' END, k.kind, (ARRAY['North', 'Süd', '台灣', NULL])[1 + floor(4 * random())::int],
    CASE WHEN k.kind = 'person' THEN (ARRAY['female', 'male', 'diverse', NULL])[1 + floor(4 * random())::int] END,
    CASE WHEN k.kind = 'person' AND random() < 0.8 THEN current_date - floor(random() * 30000)::int END,
    (ARRAY['Anna', 'Björn', NULL])[1 + floor(3 * random())::int], timestamptz '2024-01-01' + random() * interval '600 days'
FROM generate_series(1, 80) AS n, LATERAL (SELECT CASE WHEN n % 4 = 0 THEN 'company' ELSE 'person' END AS kind) AS k;
INSERT INTO crm.products (id, sku, name, category, price)
SELECT n, 'P' || n, 'Product ' || n, (ARRAY['Tea', 'Kaffee', NULL])[1 + n % 3], round((1 + random() * 100)::numeric, 2) FROM generate_series(1, 30) AS n;

-- one of three on its way already, with the history that comes with that
INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, owner, currency, exchange_rate, placed_at)
SELECT n, 1 + floor(70 * random() * random())::int, CASE WHEN n % 5 = 0 THEN 'hire' ELSE 'trade' END,
    CASE WHEN n % 3 > 0 THEN NULL WHEN n % 5 = 0 THEN (ARRAY['out', 'back'])[1 + floor(2 * random())::int]
         ELSE (ARRAY['sent', 'won', 'delivered', 'delivered', 'dropped', 'returned'])[1 + floor(6 * random())::int] END,
    CASE WHEN n % 3 = 0 THEN p.placed_at + random() * interval '20 days' END,
    (ARRAY['Anna', 'Björn', '李小龍', NULL])[1 + floor(4 * random())::int], c.currency, CASE c.currency WHEN 'EUR' THEN 1 ELSE round(0.8 + random()::numeric / 5, 5) END, p.placed_at
FROM generate_series(1, 500) AS n, LATERAL (SELECT timestamptz '2024-11-20' + n * interval '0' + random() * interval '500 days' AS placed_at) AS p,
    LATERAL (SELECT CASE WHEN n % 4 = 1 THEN 'USD' ELSE 'EUR' END AS currency) AS c;
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price, discount, tax)
SELECT o.id, l, 1 + floor(30 * random() * random())::int, round((0.001 + random() * 9)::numeric, 3), round((random() * 50)::numeric, 4), 0, round((random() * 3)::numeric, 2)
FROM crm.orders AS o, generate_series(1, o.id % 6) AS l;

UPDATE crm.orders SET status = 'sent' WHERE status = 'draft' AND random() < 0.8;
UPDATE crm.orders SET status = 'draft' WHERE status = 'sent' AND random() < 0.1;
UPDATE crm.orders SET status = 'sent' WHERE status = 'draft' AND random() < 0.5;
UPDATE crm.orders SET status = 'dropped' WHERE status IN ('draft', 'sent') AND random() < 0.1;
UPDATE crm.orders SET status = 'won' WHERE status = 'sent' AND random() < 0.8;
UPDATE crm.orders SET status = 'delivered' WHERE status = 'won' AND random() < 0.8;
UPDATE crm.orders SET status = 'returned' WHERE status IN ('won', 'delivered') AND random() < 0.1;
UPDATE crm.orders SET status = 'out' WHERE status = 'asked' AND random() < 0.8;
UPDATE crm.orders SET status = 'back' WHERE status = 'out' AND random() < 0.2;
-- all of that took a moment; the owner of the history may say otherwise
UPDATE crm.order_events SET at = at - (10 - seq) * interval '3 days', dwell = CASE WHEN dwell IS NOT NULL THEN random() * interval '200 hours' END;

SELECT count(crm_record_payment(id, round((random() * 90 + 0.01)::numeric, 2), CASE WHEN random() < 0.7 THEN 'card' END)) AS paid FROM crm.orders WHERE random() < 0.6 \gset
SELECT count(crm_record_refund(id, round(paid / 3, 2))) AS refunded FROM crm.orders WHERE paid > 1 AND random() < 0.3 \gset
INSERT INTO crm.activities (customer_id, kind, subject, owner, due_at, done_at)
SELECT 1 + floor(80 * random())::int, (ARRAY['visit', 'call', 'email', 'meeting', 'note'])[1 + floor(5 * random())::int], 'Subject ' || n, (ARRAY['Anna', 'Zoë', NULL])[1 + floor(3 * random())::int],
    CASE WHEN n % 3 > 0 THEN now() + (random() - 0.7) * interval '400 days' END, CASE WHEN n % 3 < 2 THEN now() - random() * interval '700 days' END
FROM generate_series(1, 200) AS n;
ANALYZE;

-- Passes if both queries give the same rows, as often.
CREATE FUNCTION pg_temp.same(query text, expected text, description text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    difference text;
    differences text[] := '{}';
BEGIN
    FOR difference IN EXECUTE format('SELECT ''too much: '' || row_to_json(d) FROM ((%1$s) EXCEPT ALL (%2$s)) AS d UNION ALL SELECT ''missing: '' || row_to_json(d) FROM ((%2$s) EXCEPT ALL (%1$s)) AS d LIMIT 6', query, expected) LOOP
        differences := differences || difference;
    END LOOP;
    RETURN NEXT ok(differences = '{}', description);
    IF differences <> '{}' THEN
        RETURN NEXT diag(array_to_string(differences, E'\n'));
    END IF;
END $$;
