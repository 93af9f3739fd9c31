SELECT md5(string_agg(d::text, ' ' ORDER BY d)) FROM (SELECT day, lines, amount FROM crm.sales_by_day) d;
