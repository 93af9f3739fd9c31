-- What the COPY has left; and how much room it all takes.
SELECT pg_size_pretty(sum(pg_relation_size(oid))) AS waiting FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relname ~ '^(line|order|event)_changes' \gset
SELECT clock_timestamp() AS start \gset
SELECT crm_merge_rollups() AS changes \gset
SELECT format('merge: %s changes (%s), %s a second (goal 500000); kept sums take %s', :'changes', :'waiting',
    round(:changes / extract(epoch FROM clock_timestamp() - :'start')),
    (SELECT pg_size_pretty(sum(pg_total_relation_size(oid))) FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relname ~ '_cells$'));
