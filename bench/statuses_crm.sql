SELECT status, sum(orders), sum(total) FROM crm.orders_by_status GROUP BY 1;
