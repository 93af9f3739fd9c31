SELECT month, orders, customers, lines, amount FROM crm.sales_by_month;
