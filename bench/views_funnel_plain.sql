WITH reached AS (
    SELECT date_trunc('month', o.placed_on::timestamp)::date AS month, e.to_status AS status, count(DISTINCT e.order_id) AS orders
    FROM crm.order_events e JOIN crm.orders o ON o.id = e.order_id
    WHERE o.workflow = 'sale' GROUP BY 1, 2
)
SELECT month, status, orders, round(orders::numeric / lag(orders) OVER w, 4)::numeric(10,4), round(orders::numeric / first_value(orders) OVER w, 4)::numeric(10,4)
FROM reached WINDOW w AS (PARTITION BY month ORDER BY array_position('{draft,paid,shipped,completed}', status));
