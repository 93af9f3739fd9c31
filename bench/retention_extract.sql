SELECT to_date((first / 12) || '-' || (first % 12 + 1), 'YYYY-MM') AS cohort, number - first AS period, count(*) FROM (
    SELECT number, min(number) OVER (PARTITION BY customer_id) AS first
    FROM (SELECT DISTINCT customer_id, (extract(year FROM placed_on) * 12 + extract(month FROM placed_on))::int - 1 AS number FROM purchases) active
) customers GROUP BY 1, 2 ORDER BY 1, 2;
