SELECT md5(string_agg(c::text, ' ' ORDER BY c)) FROM (SELECT cohort_month, active_month, customers FROM crm.cohort_retention) c;
