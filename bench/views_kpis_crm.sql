SELECT month, customers, orders, revenue, revenue_per_day, average_order_value, orders_placed, conversion_rate, refund_rate, repeat_rate FROM crm.kpis;
