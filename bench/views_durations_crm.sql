SELECT workflow, status, stays, mean_hours, median_hours, p90_hours FROM crm.stage_durations;
