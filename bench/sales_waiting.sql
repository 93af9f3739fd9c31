-- 2,500 orders of three lines are booked: 10,000 changes wait, and as many events.
SELECT crm_merge_rollups();
UPDATE crm.orders SET status = 'paid' WHERE id IN (SELECT id FROM crm.orders WHERE status = 'draft' ORDER BY id LIMIT 2500);
