SELECT l.product_id, sum(round(l.amount * o.exchange_rate, 2)) AS amount
FROM crm.order_lines l
JOIN crm.orders o ON o.id = l.order_id
WHERE o.placed_on >= '2025-10-01' AND o.placed_on < '2026-01-01' AND o.status IN ('paid', 'shipped', 'completed')
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20;
