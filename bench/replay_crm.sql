SELECT count(*), count(*) FILTER (WHERE state = 'shipped') FROM (
    SELECT case_id, crm_replay((SELECT definition FROM crm.workflows WHERE name = 'purchase'), event) AS state
    FROM (SELECT case_id, event FROM log ORDER BY case_id, at) l GROUP BY case_id
) cases;
