SELECT md5(string_agg(s::text, ' ' ORDER BY s)) FROM (SELECT workflow, status, stays, mean_hours, median_hours, p90_hours FROM crm.stage_durations) s;
