\set n random(50001, 100000)
WITH step AS (
    UPDATE floor.orders SET status = CASE status WHEN 'paid' THEN 'shipped' ELSE 'paid' END, version = version + 1, status_since = clock_timestamp()
    WHERE id = (SELECT id FROM picked WHERE n = :n) RETURNING id, version, status_since, workflow
)
INSERT INTO floor.order_events (order_id, seq, at, event, from_status, to_status, dwell, actor, role, workflow)
SELECT id, version, status_since, 'go', 'paid', 'shipped', interval '1 day', current_user, current_user, workflow FROM step;
