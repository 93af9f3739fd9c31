SELECT status, n, date_trunc('second', p[1]), date_trunc('second', p[2])
FROM (SELECT status, count(*) AS n, percentile_cont('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY dwell) AS p FROM stays GROUP BY status) s ORDER BY status COLLATE "C";
