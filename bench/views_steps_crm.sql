SELECT day, from_status, to_status, events FROM crm.steps_by_day;
