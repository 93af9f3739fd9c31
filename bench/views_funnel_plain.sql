SELECT md5(string_agg(f::text, ' ' ORDER BY f)) FROM (
    SELECT date_trunc('month', o.placed_on::timestamp)::date, e.to_status, count(DISTINCT e.order_id)
    FROM crm.order_events e JOIN crm.orders o ON o.id = e.order_id
    WHERE o.workflow = 'sale' GROUP BY 1, 2
) f;
