-- The same in plain SQL: of each step the latest beginning that still reaches it, one window function a step, all over the same
-- order. (No two events of a case have one time here.)
WITH first AS (
    SELECT case_id, at, event, max(at) FILTER (WHERE event = 'submit') OVER w AS begun
    FROM log WHERE event IN ('submit', 'approve', 'pay', 'pick', 'ship')
    WINDOW w AS (PARTITION BY case_id ORDER BY at ROWS UNBOUNDED PRECEDING)
), second AS (
    SELECT *, max(begun) FILTER (WHERE event = 'approve' AND at <= begun + interval '3 days') OVER w AS begun2
    FROM first WINDOW w AS (PARTITION BY case_id ORDER BY at ROWS UNBOUNDED PRECEDING)
), third AS (
    SELECT *, max(begun2) FILTER (WHERE event = 'pay' AND at <= begun2 + interval '3 days') OVER w AS begun3
    FROM second WINDOW w AS (PARTITION BY case_id ORDER BY at ROWS UNBOUNDED PRECEDING)
), fourth AS (
    SELECT *, max(begun3) FILTER (WHERE event = 'pick' AND at <= begun3 + interval '3 days') OVER w AS begun4
    FROM third WINDOW w AS (PARTITION BY case_id ORDER BY at ROWS UNBOUNDED PRECEDING)
), cases AS (
    SELECT case_id, CASE WHEN bool_or(event = 'ship' AND at <= begun4 + interval '3 days') THEN 5
        WHEN max(begun4) IS NOT NULL THEN 4 WHEN max(begun3) IS NOT NULL THEN 3
        WHEN max(begun2) IS NOT NULL THEN 2 WHEN max(begun) IS NOT NULL THEN 1 ELSE 0 END AS reached
    FROM fourth GROUP BY case_id
)
SELECT reached, count(*) FROM cases WHERE reached > 0 GROUP BY reached ORDER BY reached;
