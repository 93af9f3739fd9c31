\set n random(50001, 100000)
SELECT crm_advance_order((SELECT id FROM picked WHERE n = :n), 'go');
