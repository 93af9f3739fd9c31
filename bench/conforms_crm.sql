SELECT count(*) FILTER (WHERE conforms) FROM (
    SELECT case_id, crm_conforms((SELECT definition FROM crm.workflows WHERE name = 'purchase'), event) AS conforms
    FROM (SELECT case_id, event FROM faulty_log ORDER BY case_id, at) l GROUP BY case_id
) cases;
