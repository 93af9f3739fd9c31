SELECT count(*), sum(e.steps), count(o.booked_at), count(CASE o.status WHEN 'completed' THEN o.status_since END), count(e.submitted_at), max(e.paid_at), max(e.shipped_at), min(e.completed_at), count(e.cancelled_at), count(e.refunded_at), count(o.reference)
FROM crm.orders o
LEFT JOIN (SELECT order_id, count(*) AS steps, min(at) FILTER (WHERE to_status = 'submitted') AS submitted_at, min(at) FILTER (WHERE to_status = 'paid') AS paid_at, min(at) FILTER (WHERE to_status = 'shipped') AS shipped_at,
                  min(at) FILTER (WHERE to_status = 'completed') AS completed_at, min(at) FILTER (WHERE to_status = 'cancelled') AS cancelled_at, min(at) FILTER (WHERE to_status = 'refunded') AS refunded_at
           FROM crm.order_events GROUP BY order_id) e ON e.order_id = o.id;
