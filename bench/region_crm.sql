SELECT region, month, lines, quantity, amount FROM crm.sales_by_region_month;
