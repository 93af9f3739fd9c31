SELECT cohort_month, active_month, count(*) FROM (
    SELECT min(active_month) OVER (PARTITION BY customer_id) AS cohort_month, active_month
    FROM (SELECT DISTINCT customer_id, date_trunc('month', placed_on::timestamp)::date AS active_month
          FROM crm.orders WHERE status IN ('paid', 'shipped', 'completed') AND line_count > 0) active
) sales GROUP BY 1, 2;
