SELECT placed_on, sum(line_count), sum(reporting_total)::numeric(20,2) FROM crm.orders WHERE status IN ('paid', 'shipped', 'completed') AND line_count > 0 GROUP BY 1;
