SELECT md5(string_agg(m::text, ' ' ORDER BY m)) FROM (SELECT month, orders, customers, lines, amount FROM crm.sales_by_month) m;
