-- In one process the index gives the order, so that no case has to be sorted.
SELECT reached, count(*) FROM (
    SELECT case_id, crm_funnel('{submit,approve,pay,pick,ship}', event, at, '3 days') AS reached
    FROM (SELECT case_id, event, at FROM log ORDER BY case_id, at) l GROUP BY case_id
) cases WHERE reached > 0 GROUP BY reached ORDER BY reached;
