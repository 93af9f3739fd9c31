\set id random(1, 100000)
SELECT crm_advance_order(:id, 'go', NULL, gen_random_uuid()::text);
