\set id 1 + 10 * random(1, :orders / 10 - 1) + random(0, 3)
SELECT crm_advance_order(:id, 'go');
