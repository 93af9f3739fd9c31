SELECT md5(string_agg(s::text, ' ' ORDER BY region, month)) FROM (SELECT region, month, lines, quantity, amount FROM crm.sales_by_region_month) s;
