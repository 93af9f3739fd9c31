SELECT cohort, period, count(*) FROM (
    SELECT date_trunc('month', min(placed_on)::timestamp)::date AS cohort, crm_retention(placed_on, 'month') AS periods
    FROM purchases GROUP BY customer_id
) customers, unnest(periods) AS period GROUP BY cohort, period ORDER BY cohort, period;
