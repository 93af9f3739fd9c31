-- The same join by the index; left alone, the planner reads so small a table as a whole.
BEGIN;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_memoize = off;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT count(t.to_state)
FROM questions q LEFT JOIN transitions t ON t.from_state = q.state AND t.event = q.event;
COMMIT;
