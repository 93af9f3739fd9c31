SELECT md5(string_agg(s::text, ' ' ORDER BY s)) FROM (
    SELECT workflow, status, stays, (extract(epoch FROM mean) / 3600)::numeric(14,4), (extract(epoch FROM p[1]) / 3600)::numeric(14,4), (extract(epoch FROM p[2]) / 3600)::numeric(14,4)
    FROM (
        SELECT o.workflow, e.from_status AS status, count(*) AS stays, avg(e.dwell) AS mean, percentile_cont('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY e.dwell) AS p
        FROM crm.order_events e JOIN crm.orders o ON o.id = e.order_id
        WHERE e.dwell IS NOT NULL GROUP BY 1, 2
    ) m
) s;
