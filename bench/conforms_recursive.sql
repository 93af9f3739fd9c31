-- The events of each case as an array; all cases take their next event together.
WITH RECURSIVE walk (case_id, events, state) AS (
    SELECT case_id, array_agg(event), 'draft'
    FROM (SELECT case_id, event FROM faulty_log ORDER BY case_id, at) l GROUP BY case_id
    UNION ALL
    SELECT w.case_id, w.events[2:], t.to_state
    FROM walk w JOIN transitions t ON t.from_state = w.state AND t.event = w.events[1]
)
SELECT count(*) FROM walk WHERE events = '{}';
