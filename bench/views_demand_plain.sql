SELECT coalesce(c.region, 'unknown'), coalesce(c.gender, 'unknown'), count(*)::numeric, count(*) FILTER (WHERE bought > 0)::numeric, sum(orders)::numeric, sum(revenue)
FROM crm.customers c
LEFT JOIN (SELECT customer_id, count(*) AS orders, count(*) FILTER (WHERE line_count > 0) AS bought, sum(reporting_total) AS revenue
           FROM crm.orders WHERE status IN ('paid', 'shipped', 'completed') GROUP BY 1) o ON o.customer_id = c.id
GROUP BY 1, 2;
