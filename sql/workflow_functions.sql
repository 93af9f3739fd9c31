-- What a state machine holds, as rows.
CREATE FUNCTION @extschema@.crm_states(workflow @extschema@.crm_workflow,
        OUT state text, OUT label text, OUT classes text[], OUT composite text, OUT is_initial boolean, OUT is_final boolean)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
CREATE FUNCTION @extschema@.crm_composites(workflow @extschema@.crm_workflow,
        OUT composite text, OUT label text, OUT parent text, OUT entry text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 2;
CREATE FUNCTION @extschema@.crm_transitions(workflow @extschema@.crm_workflow,
        OUT from_state text, OUT event text, OUT to_state text, OUT guard text, OUT after interval, OUT composite text,
        OUT from_label text, OUT to_label text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 20;

COMMENT ON FUNCTION @extschema@.crm_states(@extschema@.crm_workflow) IS 'The states that a row can be in, the initial one first';
COMMENT ON FUNCTION @extschema@.crm_composites(@extschema@.crm_workflow) IS 'The composite states: groups of states with edges of their own';
COMMENT ON FUNCTION @extschema@.crm_transitions(@extschema@.crm_workflow) IS 'The steps, each from a state to a state: edges of composites are written out for each member';

-- Questions to a state machine. What it does not have is NULL or false, never an error.
CREATE FUNCTION @extschema@.crm_events(workflow @extschema@.crm_workflow, state text) RETURNS text[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_next_state(workflow @extschema@.crm_workflow, state text, event text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_can(workflow @extschema@.crm_workflow, state text, event text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_path(workflow @extschema@.crm_workflow, from_state text, to_state text) RETURNS text[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_dot(workflow @extschema@.crm_workflow) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION @extschema@.crm_events(@extschema@.crm_workflow, text) IS 'The events that a state knows, each once; NULL if there is no such state';
COMMENT ON FUNCTION @extschema@.crm_next_state(@extschema@.crm_workflow, text, text) IS 'The state that an event leads to if its guard holds; NULL if the event is not possible';
COMMENT ON FUNCTION @extschema@.crm_can(@extschema@.crm_workflow, text, text) IS 'Is the event possible in that state, if its guard holds?';
COMMENT ON FUNCTION @extschema@.crm_path(@extschema@.crm_workflow, text, text) IS 'The shortest list of events from one state to another; NULL if there is none';
COMMENT ON FUNCTION @extschema@.crm_dot(@extschema@.crm_workflow) IS 'The machine in the DOT language of Graphviz';

CREATE FUNCTION @extschema@.crm_diff(old @extschema@.crm_workflow, new @extschema@.crm_workflow,
        OUT kind text, OUT change text, OUT state text, OUT event text, OUT guard text, OUT was jsonb, OUT becomes jsonb)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 5
BEGIN ATOMIC
    WITH parts AS (
        SELECT v.side, 'state' AS kind, s.state, '' AS event, '' AS guard,
               jsonb_build_object('label', s.label, 'classes', to_jsonb(s.classes), 'composite', s.composite,
                                  'initial', s.is_initial, 'final', s.is_final) AS what
        FROM (VALUES ('old', old), ('new', new)) AS v (side, workflow), @extschema@.crm_states(v.workflow) AS s
        UNION ALL
        SELECT v.side, 'edge', t.from_state, t.event, coalesce(t.guard, ''),
               jsonb_build_object('to', t.to_state, 'order',
                   row_number() OVER (PARTITION BY v.side, t.from_state, t.event ORDER BY t.ordinality))
        FROM (VALUES ('old', old), ('new', new)) AS v (side, workflow),
             @extschema@.crm_transitions(v.workflow) WITH ORDINALITY AS t
    )
    SELECT coalesce(o.kind, n.kind),
           CASE WHEN o.kind IS NULL THEN 'added' WHEN n.kind IS NULL THEN 'removed' ELSE 'changed' END,
           coalesce(o.state, n.state), nullif(coalesce(o.event, n.event), ''), nullif(coalesce(o.guard, n.guard), ''),
           o.what, n.what
    FROM (SELECT * FROM parts WHERE side = 'old') AS o
    FULL JOIN (SELECT * FROM parts WHERE side = 'new') AS n
        ON n.kind = o.kind AND n.state = o.state AND n.event = o.event AND n.guard = o.guard
    WHERE o.what IS DISTINCT FROM n.what
    ORDER BY coalesce(o.kind, n.kind) DESC, coalesce(o.state, n.state) COLLATE "C",
             coalesce(o.event, n.event) COLLATE "C", coalesce(o.guard, n.guard) COLLATE "C";
END;

COMMENT ON FUNCTION @extschema@.crm_diff(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'States and edges that were added, removed or changed';

CREATE FUNCTION @extschema@.crm_workflow_to_jsonb(workflow @extschema@.crm_workflow) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'states', (
            SELECT jsonb_agg(jsonb_build_object('state', s.state, 'label', s.label, 'classes', to_jsonb(s.classes),
                'composite', s.composite, 'initial', s.is_initial, 'final', s.is_final) ORDER BY s.ordinality)
            FROM @extschema@.crm_states(workflow) WITH ORDINALITY AS s),
        'composites', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('composite', c.composite, 'label', c.label,
                'parent', c.parent, 'entry', c.entry) ORDER BY c.ordinality), '[]')
            FROM @extschema@.crm_composites(workflow) WITH ORDINALITY AS c),
        'transitions', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('from', t.from_state, 'event', t.event, 'to', t.to_state,
                'guard', t.guard, 'after', t.after, 'composite', t.composite) ORDER BY t.ordinality), '[]')
            FROM @extschema@.crm_transitions(workflow) WITH ORDINALITY AS t));
END;
CREATE CAST (@extschema@.crm_workflow AS jsonb) WITH FUNCTION @extschema@.crm_workflow_to_jsonb(@extschema@.crm_workflow);

COMMENT ON FUNCTION @extschema@.crm_workflow_to_jsonb(@extschema@.crm_workflow) IS 'States, composites and transitions as a JSON object';
COMMENT ON CAST (@extschema@.crm_workflow AS jsonb) IS 'States, composites and transitions as a JSON object';

-- Event logs against a state machine, and a state machine from an event log.
CREATE TYPE @extschema@.crm_violation AS (
    "position" bigint,
    event      text,
    state      text
);
COMMENT ON TYPE @extschema@.crm_violation IS 'An event that a workflow does not allow where it came';
COMMENT ON COLUMN @extschema@.crm_violation."position" IS 'Which event of the case it is, counted from 1';
COMMENT ON COLUMN @extschema@.crm_violation.event IS 'The event';
COMMENT ON COLUMN @extschema@.crm_violation.state IS 'The state that the case was in';

CREATE TYPE @extschema@.crm_follows AS (
    from_activity   text,
    to_activity     text,
    frequency       bigint,
    mean_duration   interval,
    median_duration interval
);
COMMENT ON TYPE @extschema@.crm_follows IS 'How often, and how long after, one activity follows directly on another';
COMMENT ON COLUMN @extschema@.crm_follows.from_activity IS 'The activity before; NULL where a case begins';
COMMENT ON COLUMN @extschema@.crm_follows.to_activity IS 'The activity behind; NULL where a case ends';
COMMENT ON COLUMN @extschema@.crm_follows.frequency IS 'How often';
COMMENT ON COLUMN @extschema@.crm_follows.mean_duration IS 'Time between the two, mean; NULL where a case begins or ends';
COMMENT ON COLUMN @extschema@.crm_follows.median_duration IS 'Time between the two, median; NULL where a case begins or ends';

CREATE FUNCTION @extschema@.crm_replay_step(internal, @extschema@.crm_workflow, text) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_replay_state(internal) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_replay_conforms(internal) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_replay_violation(internal) RETURNS @extschema@.crm_violation
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE @extschema@.crm_replay(workflow @extschema@.crm_workflow, event text) (
    SFUNC = @extschema@.crm_replay_step, STYPE = internal, FINALFUNC = @extschema@.crm_replay_state, PARALLEL = SAFE
);
CREATE AGGREGATE @extschema@.crm_conforms(workflow @extschema@.crm_workflow, event text) (
    SFUNC = @extschema@.crm_replay_step, STYPE = internal, FINALFUNC = @extschema@.crm_replay_conforms, PARALLEL = SAFE
);
CREATE AGGREGATE @extschema@.crm_first_violation(workflow @extschema@.crm_workflow, event text) (
    SFUNC = @extschema@.crm_replay_step, STYPE = internal, FINALFUNC = @extschema@.crm_replay_violation, PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.crm_replay(@extschema@.crm_workflow, text) IS 'The state that the events lead to, in the order given; an error names the first one that is not possible';
COMMENT ON AGGREGATE @extschema@.crm_conforms(@extschema@.crm_workflow, text) IS 'Are the events, in the order given, a way through the workflow?';
COMMENT ON AGGREGATE @extschema@.crm_first_violation(@extschema@.crm_workflow, text) IS 'The first event, in the order given, that the workflow does not allow; NULL if all are';
COMMENT ON FUNCTION @extschema@.crm_replay_step(internal, @extschema@.crm_workflow, text) IS 'Aggregate transition: takes an event';
COMMENT ON FUNCTION @extschema@.crm_replay_state(internal) IS 'Aggregate result of crm_replay';
COMMENT ON FUNCTION @extschema@.crm_replay_conforms(internal) IS 'Aggregate result of crm_conforms';
COMMENT ON FUNCTION @extschema@.crm_replay_violation(internal) IS 'Aggregate result of crm_first_violation';

CREATE FUNCTION @extschema@.crm_discover_step(internal, anyelement, text, timestamptz) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_discover_workflow(internal, anyelement, text, timestamptz) RETURNS @extschema@.crm_workflow
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_discover_follows(internal, anyelement, text, timestamptz) RETURNS @extschema@.crm_follows[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE @extschema@.crm_discover(case_id anyelement, activity text, at timestamptz) (
    SFUNC = @extschema@.crm_discover_step, STYPE = internal,
    FINALFUNC = @extschema@.crm_discover_workflow, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = SAFE
);
CREATE AGGREGATE @extschema@.crm_directly_follows(case_id anyelement, activity text, at timestamptz) (
    SFUNC = @extschema@.crm_discover_step, STYPE = internal,
    FINALFUNC = @extschema@.crm_discover_follows, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.crm_discover(anyelement, text, timestamptz) IS 'The process that an event log really follows, as a workflow';
COMMENT ON AGGREGATE @extschema@.crm_directly_follows(anyelement, text, timestamptz) IS 'Which activity follows on which, how often and how long after; unnest() makes rows of it';
COMMENT ON FUNCTION @extschema@.crm_discover_step(internal, anyelement, text, timestamptz) IS 'Aggregate transition: takes an event of a log';
COMMENT ON FUNCTION @extschema@.crm_discover_workflow(internal, anyelement, text, timestamptz) IS 'Aggregate result of crm_discover';
COMMENT ON FUNCTION @extschema@.crm_discover_follows(internal, anyelement, text, timestamptz) IS 'Aggregate result of crm_directly_follows';

CREATE FUNCTION @extschema@.crm_event_name(activity text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.crm_event_name(text) IS 'A valid event name made of any text, as crm_discover makes them: "Check stock" becomes Check_stock';
