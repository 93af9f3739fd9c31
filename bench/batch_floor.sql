WITH step AS (
    UPDATE floor.orders SET status = 'b', version = version + 1, status_since = clock_timestamp()
    WHERE id = ANY (ARRAY(SELECT generate_series(1, 500000, 5))) RETURNING id, version, status_since, workflow
)
INSERT INTO floor.order_events (order_id, seq, at, event, from_status, to_status, dwell, actor, role, workflow)
SELECT id, version, status_since, 'go', 'a', 'b', interval '1 day', current_user, current_user, workflow FROM step;
