SELECT day, lines, amount FROM crm.sales_by_day;
