SELECT count(*) FROM crm_advance_orders(ARRAY(SELECT generate_series(1, 500000, 5)), 'go');
