\set n random(1, 3)
SELECT * FROM indexed.orders WHERE status = CASE :n::int WHEN 1 THEN 'pending' WHEN 2 THEN 'submitted' ELSE 'on_hold' END ORDER BY placed_at DESC LIMIT 50;
