SELECT status, count(*), sum(reporting_total) FROM crm.orders GROUP BY 1;
