SELECT md5(string_agg(s::text, ' ' ORDER BY s)) FROM (SELECT day, from_status, to_status, events FROM crm.steps_by_day) s;
