\set id 1 + 10 * random(1, 99999) + random(0, 3)
SELECT crm_advance_order(:id, 'go');
