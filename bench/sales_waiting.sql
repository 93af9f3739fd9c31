-- 2,000 orders of three lines are booked: of each the lines, the order and the step wait, 10,000 changes.
SELECT crm_merge_rollups();
UPDATE crm.orders SET status = 'paid' WHERE id IN (SELECT id FROM crm.orders WHERE status = 'draft' ORDER BY id LIMIT 2000);
