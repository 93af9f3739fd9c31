SELECT month, count(*) FILTER (WHERE bought > 0), sum(orders)::bigint, sum(revenue)::numeric(18,2), round(sum(revenue) / ((month + interval '1 month')::date - month), 2)::numeric(18,2),
       round(sum(revenue) / sum(orders), 2)::numeric(18,2), sum(placed)::bigint, round(sum(converted) / sum(placed), 4)::numeric(10,4),
       round(sum(refunded) / nullif(sum(paid), 0), 4)::numeric(10,4), round(count(*) FILTER (WHERE bought > 1)::numeric / nullif(count(*) FILTER (WHERE bought > 0), 0), 4)::numeric(10,4)
FROM (
    SELECT date_trunc('month', placed_on::timestamp)::date AS month, count(*) AS placed, count(booked_at) AS converted, sum(paid * exchange_rate) AS paid, sum(refunded * exchange_rate) AS refunded,
           count(*) FILTER (WHERE status IN ('paid', 'shipped', 'completed')) AS orders, sum(reporting_total) FILTER (WHERE status IN ('paid', 'shipped', 'completed')) AS revenue,
           count(*) FILTER (WHERE status IN ('paid', 'shipped', 'completed') AND line_count > 0) AS bought
    FROM crm.orders GROUP BY 1, customer_id
) c GROUP BY month;
