SELECT count(*), sum(lines), max(quantity)::numeric(20,3), max(amount)::numeric(20,2) FROM (
    SELECT l.product_id, date_trunc('month', o.placed_on::timestamp), count(*) AS lines, sum(l.quantity) AS quantity, sum(round(l.amount * o.exchange_rate, 2)) AS amount
    FROM crm.order_lines l JOIN crm.orders o ON o.id = l.order_id WHERE o.status IN ('paid', 'shipped', 'completed') GROUP BY 1, 2
) p;
