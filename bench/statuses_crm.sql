SELECT md5(string_agg(s::text, ' ' ORDER BY status)) FROM (SELECT status, sum(orders), sum(total) FROM crm.orders_by_status GROUP BY 1) s;
