SELECT d.region, date_trunc('month', o.placed_on)::date AS month, count(*) AS lines, sum(l.quantity) AS quantity,
       sum(round(l.amount * o.exchange_rate, 2)) AS amount
FROM crm.order_lines l
JOIN crm.orders o ON o.id = l.order_id
JOIN crm.customers d ON d.id = o.customer_id
WHERE o.status IN ('paid', 'shipped', 'completed')
GROUP BY 1, 2;
