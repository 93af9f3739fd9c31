-- The million orders of sales.sql get customers of whom something is known, and histories of all the steps that they have taken.
SET session_replication_role = replica;
UPDATE crm.customers SET gender = (ARRAY['female','male',NULL])[1 + id % 3], birth_date = date '1940-01-01' + (id * 7919 % 24000)::int;
DELETE FROM crm.order_events;
INSERT INTO crm.order_events (order_id, seq, at, event, from_status, to_status, dwell, actor, role, workflow, workflow_version)
SELECT o.id, s.seq, o.placed_at + s.seq * stay, s.event, s.from_status, s.to_status, CASE WHEN s.seq > 1 THEN stay END, 'bench', current_user, o.workflow, 1
FROM crm.orders o
CROSS JOIN LATERAL (SELECT abs(hashint8(o.id)) % 1000000 * interval '1 second' AS stay) AS d
JOIN (VALUES (1, 'create', NULL, 'draft'), (2, 'book', 'draft', 'paid'), (3, 'go', 'paid', 'shipped'), (4, 'complete', 'shipped', 'completed'))
    AS s (seq, event, from_status, to_status) ON s.seq <= array_position('{draft,paid,shipped,completed}', o.status);
UPDATE crm.orders SET version = array_position('{draft,paid,shipped,completed}', status);
RESET session_replication_role;
SELECT crm_rebuild_rollups();
VACUUM FULL crm.orders;
VACUUM FULL crm.order_events;
VACUUM ANALYZE;
CHECKPOINT;
