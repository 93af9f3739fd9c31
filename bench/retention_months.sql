SELECT cohort, period, count(*) FROM (
    SELECT min(month) OVER w AS cohort, number - min(number) OVER w AS period
    FROM (SELECT customer_id, number, min(month) AS month FROM purchases JOIN months ON day = placed_on GROUP BY customer_id, number) active
    WINDOW w AS (PARTITION BY customer_id)
) customers GROUP BY cohort, period ORDER BY cohort, period;
