SELECT cohort_month, active_month, customers FROM crm.cohort_retention;
