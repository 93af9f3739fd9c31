SELECT reached, count(*) FROM (
    SELECT case_id, crm_funnel('{submit,approve,pay,pick,ship}', event, at, '3 days') AS reached
    FROM log GROUP BY case_id
) cases WHERE reached > 0 GROUP BY reached ORDER BY reached;
