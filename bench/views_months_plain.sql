SELECT date_trunc('month', placed_on::timestamp)::date, count(*), count(DISTINCT customer_id) FILTER (WHERE line_count > 0), sum(line_count), sum(reporting_total)::numeric(20,2)
FROM crm.orders WHERE status IN ('paid', 'shipped', 'completed') GROUP BY 1;
