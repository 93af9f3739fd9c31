SELECT md5(string_agg(s::text, ' ' ORDER BY status)) FROM (SELECT status, count(*), sum(reporting_total) FROM crm.orders GROUP BY 1) s;
