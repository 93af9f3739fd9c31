SELECT cohort_month, status, orders, conversion_from_previous, conversion_from_first FROM crm.order_funnel WHERE workflow = 'sale';
