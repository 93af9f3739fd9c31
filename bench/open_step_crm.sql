\set n random(1, 50000)
SELECT crm_advance_order((SELECT id FROM picked WHERE n = :n), 'go');
