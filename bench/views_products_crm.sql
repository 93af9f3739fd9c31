SELECT count(*), sum(lines), max(quantity), max(amount) FROM crm.sales_by_product_month;
