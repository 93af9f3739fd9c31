-- For who knows the stages, and writes another query when they change
WITH counts AS (
    SELECT date_trunc('month', o.placed_on::timestamp)::date AS month, count(*) AS draft,
           count(*) FILTER (WHERE e.stages & 1 > 0) AS paid, count(*) FILTER (WHERE e.stages & 2 > 0) AS shipped, count(*) FILTER (WHERE e.stages & 4 > 0) AS completed
    FROM crm.orders o
    JOIN (SELECT order_id, bit_or(CASE to_status WHEN 'paid' THEN 1 WHEN 'shipped' THEN 2 WHEN 'completed' THEN 4 ELSE 0 END) AS stages
          FROM crm.order_events GROUP BY order_id) e ON e.order_id = o.id
    WHERE o.workflow = 'sale' GROUP BY 1
)
SELECT month, s.status, s.orders, round(s.orders::numeric / s.before, 4)::numeric(10,4), round(s.orders::numeric / draft, 4)::numeric(10,4)
FROM counts, LATERAL (VALUES ('draft', draft, NULL::bigint), ('paid', paid, draft), ('shipped', shipped, paid), ('completed', completed, shipped)) s (status, orders, before);
