SELECT (e.at AT TIME ZONE g.time_zone)::date AS day, e.from_status, e.to_status, count(*) FROM crm.order_events e, crm.settings g GROUP BY 1, 2, 3;
