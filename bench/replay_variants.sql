-- The same, but cases with equal events only once.
WITH RECURSIVE cases AS MATERIALIZED (
    SELECT case_id, string_agg(event, ',') AS events
    FROM (SELECT case_id, event FROM log ORDER BY case_id, at) l GROUP BY case_id
), walk (variant, events, state) AS (
    SELECT events, string_to_array(events, ','), 'draft' FROM (SELECT DISTINCT events FROM cases) v
    UNION ALL
    SELECT w.variant, w.events[2:], t.to_state
    FROM walk w JOIN transitions t ON t.from_state = w.state AND t.event = w.events[1]
)
SELECT count(*), count(*) FILTER (WHERE w.state = 'shipped')
FROM cases c JOIN walk w ON w.variant = c.events WHERE w.events = '{}';
