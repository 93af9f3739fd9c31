-- What is wrong with a workflow that was read: NULL if nothing is. An error is a fault as well.
CREATE FUNCTION crm_fuzz_check(w crm_workflow) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    initial text := state FROM crm_states(w) LIMIT 1;
BEGIN
    IF w::jsonb IS NULL OR crm_dot(w) IS NULL THEN
        RETURN 'it has no other form';
    ELSIF w <> w OR crm_workflow_cmp(w, w) <> 0 OR crm_workflow_hash(w) <> crm_workflow_hash(w::text::crm_workflow) THEN
        RETURN 'it is not equal to itself';
    ELSIF EXISTS (SELECT FROM crm_diff(w, w)) THEN
        RETURN 'it differs from itself';
    ELSIF EXISTS (SELECT FROM crm_states(w) WHERE is_initial <> (state = initial)) THEN
        RETURN 'the first state is not the initial one, or not the only one';
    ELSIF EXISTS (SELECT FROM crm_states(w) AS s WHERE NOT is_final AND crm_events(w, s.state) = '{}') THEN
        RETURN 'a state is a dead end';
    ELSIF EXISTS (
        SELECT from_state, to_state FROM crm_transitions(w)
        EXCEPT SELECT a.state, b.state FROM crm_states(w) AS a, crm_states(w) AS b
    ) THEN
        RETURN 'a transition has an unknown end';
    ELSIF EXISTS (
        SELECT composite FROM crm_states(w) UNION SELECT parent FROM crm_composites(w)
        UNION SELECT composite FROM crm_transitions(w)
        EXCEPT SELECT composite FROM crm_composites(w) EXCEPT SELECT NULL
    ) THEN
        RETURN 'a composite is unknown';
    ELSIF EXISTS (
        SELECT FROM crm_transitions(w)
        WHERE CASE WHEN after IS NULL THEN event LIKE 'after %'
                   ELSE event NOT LIKE 'after %' OR substr(event, 7)::interval <> after END
    ) THEN
        RETURN 'a timer is not what its name says';
    ELSIF EXISTS (
        SELECT FROM (SELECT DISTINCT ON (from_state, event) * FROM crm_transitions(w) WITH ORDINALITY
                     ORDER BY from_state, event, ordinality) AS t
        WHERE NOT crm_can(w, from_state, event) OR crm_next_state(w, from_state, event) IS DISTINCT FROM to_state
    ) THEN
        RETURN 'a transition is not possible';
    ELSIF EXISTS (
        SELECT FROM (SELECT from_state, event, lag(guard, 1, '') OVER same AS before, count(*) OVER same AS n, guard,
                            count(*) OVER (PARTITION BY from_state, event, guard) AS twice
                     FROM crm_transitions(w) WITH ORDINALITY
                     WINDOW same AS (PARTITION BY from_state, event ORDER BY ordinality)) AS t
        WHERE twice > 1 OR (n > 1 AND before IS NULL)
    ) THEN
        RETURN 'a transition can never be taken';
    ELSIF EXISTS (
        SELECT FROM crm_states(w) AS s
        LEFT JOIN (SELECT from_state, array_agg(event ORDER BY first) AS events
                   FROM (SELECT from_state, event, min(ordinality) AS first
                         FROM crm_transitions(w) WITH ORDINALITY GROUP BY 1, 2) AS e
                   GROUP BY 1) AS t ON t.from_state = s.state
        WHERE crm_events(w, s.state) IS DISTINCT FROM coalesce(t.events, '{}')
    ) THEN
        RETURN 'the events of a state are not those of its transitions';
    ELSIF EXISTS (
        SELECT FROM (SELECT state, crm_path(w, initial, state) AS path FROM crm_states(w) LIMIT 50) AS s
        WHERE path IS NULL OR NOT (
            SELECT coalesce(crm_conforms(w, event ORDER BY ordinality), true)
            FROM unnest(path) WITH ORDINALITY AS event (event, ordinality))
    ) THEN
        RETURN 'there is no way to a state';
    END IF;
    RETURN NULL;
END $$;

