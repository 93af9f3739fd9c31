SELECT region, gender, sum(customers), sum(buyers), sum(orders), sum(revenue) FROM crm.customer_demand GROUP BY 1, 2;
