-- The order in the aggregate: before version 16 PostgreSQL sorts each case by itself.
SELECT count(*), count(*) FILTER (WHERE state = 'shipped') FROM (
    SELECT case_id, crm_replay((SELECT definition FROM crm.workflows WHERE name = 'purchase'), event ORDER BY at) AS state
    FROM log GROUP BY case_id
) cases;
