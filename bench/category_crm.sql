SELECT md5(string_agg(s::text, ' ' ORDER BY category, month)) FROM (SELECT category, month, lines, quantity, amount FROM crm.sales_by_category_month) s;
