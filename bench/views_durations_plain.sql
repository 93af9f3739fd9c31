SELECT workflow, status, stays, (extract(epoch FROM mean) / 3600)::numeric(14,4), (extract(epoch FROM p[1]) / 3600)::numeric(14,4), (extract(epoch FROM p[2]) / 3600)::numeric(14,4)
FROM (
    SELECT workflow, from_status AS status, count(*) AS stays, avg(dwell) AS mean, percentile_cont('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY dwell) AS p
    FROM crm.order_events WHERE dwell IS NOT NULL GROUP BY 1, 2
) m;
