SELECT customer_id, last, orders, revenue::numeric(18,2), greatest(5 - floor(5 * percent_rank() OVER (ORDER BY last DESC)), 1)::int,
       least(1 + floor(5 * percent_rank() OVER (ORDER BY orders)), 5)::int, least(1 + floor(5 * percent_rank() OVER (ORDER BY revenue)), 5)::int
FROM (SELECT customer_id, max(placed_on) AS last, count(*) AS orders, sum(reporting_total) AS revenue
      FROM crm.orders WHERE status IN ('paid', 'shipped', 'completed') AND line_count > 0 GROUP BY 1) c;
