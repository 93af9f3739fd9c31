SELECT customer_key, last_order_on, orders, revenue, recency_score, frequency_score, monetary_score FROM crm.customer_value;
