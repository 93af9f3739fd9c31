-- The same as many write it: the times of each step as an array, and a semi-join along the steps for each beginning.
WITH cases AS (
    SELECT case_id, array_agg(at) FILTER (WHERE event = 'submit') AS t1, array_agg(at) FILTER (WHERE event = 'approve') AS t2,
           array_agg(at) FILTER (WHERE event = 'pay') AS t3, array_agg(at) FILTER (WHERE event = 'pick') AS t4,
           array_agg(at) FILTER (WHERE event = 'ship') AS t5
    FROM log WHERE event IN ('submit', 'approve', 'pay', 'pick', 'ship') GROUP BY case_id
), ways AS (
    SELECT case_id, b1, (SELECT min(t) FROM unnest(t2) t WHERE t >= b1 AND t <= b1 + interval '3 days') AS b2, t3, t4, t5
    FROM cases, unnest(t1) b1
), ways3 AS (
    SELECT *, CASE WHEN b2 IS NOT NULL THEN (SELECT min(t) FROM unnest(t3) t WHERE t >= b2 AND t <= b1 + interval '3 days') END AS b3 FROM ways
), ways4 AS (
    SELECT *, CASE WHEN b3 IS NOT NULL THEN (SELECT min(t) FROM unnest(t4) t WHERE t >= b3 AND t <= b1 + interval '3 days') END AS b4 FROM ways3
), reached AS (
    SELECT case_id, max(CASE WHEN b4 IS NOT NULL AND EXISTS (SELECT FROM unnest(t5) t WHERE t >= b4 AND t <= b1 + interval '3 days') THEN 5
        WHEN b4 IS NOT NULL THEN 4 WHEN b3 IS NOT NULL THEN 3 WHEN b2 IS NOT NULL THEN 2 ELSE 1 END) AS reached
    FROM ways4 GROUP BY case_id
)
SELECT reached, count(*) FROM reached GROUP BY reached ORDER BY reached;
