SELECT status, n, date_trunc('second', p[1]), date_trunc('second', p[2])
FROM (SELECT status, count(*) AS n, crm_percentiles(dwell, '{0.5,0.9}') AS p FROM stays GROUP BY status) s ORDER BY status COLLATE "C";
