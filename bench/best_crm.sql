SELECT product_id, sum(amount) AS amount FROM crm.sales_by_product_month
WHERE month IN ('2025-10-01', '2025-11-01', '2025-12-01') GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20;
