-- Ten timers that are due among a million orders, a quarter of which have one: by crm_run_timers(), and found by
-- status and date, as people do without a column for it. Median of :rounds, in milliseconds.
SELECT set_config('bench.rounds', :'rounds', false) \g /dev/null
DO $$
DECLARE
    ours float[];
    theirs float[];
    start timestamptz;
    steps int;
BEGIN
    FOR round IN 1 .. current_setting('bench.rounds')::int LOOP
        INSERT INTO crm.orders (customer_id, workflow, status, status_since)
        SELECT 1, 'sale', 'submitted', now() - interval '20 days' FROM generate_series(1, 10);
        start := clock_timestamp();
        PERFORM id FROM crm.orders
        WHERE workflow = 'sale' AND status = 'submitted' AND status_since <= now() - interval '14 days'
        FOR NO KEY UPDATE SKIP LOCKED;
        theirs := theirs || extract(epoch FROM clock_timestamp() - start) * 1000;
        start := clock_timestamp();
        steps := crm_run_timers();
        ours := ours || extract(epoch FROM clock_timestamp() - start) * 1000;
        ASSERT steps = 10;
    END LOOP;
    RAISE NOTICE '%', (SELECT format('10 timers due among 1,000,000 orders: %s ms for the steps (goal 10), %s ms only to find them by status and date',
        round((percentile_cont(0.5) WITHIN GROUP (ORDER BY o))::numeric, 1), round((percentile_cont(0.5) WITHIN GROUP (ORDER BY t))::numeric, 1))
        FROM unnest(ours, theirs) AS f (o, t));
END $$;
