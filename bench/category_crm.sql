SELECT category, month, lines, quantity, amount FROM crm.sales_by_category_month;
