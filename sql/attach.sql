-- A workflow on a table of the user's own: done once, by the owner of the table, or in his name (src/attach.c).
CREATE FUNCTION @extschema@.crm_attach_workflow(relation regclass, status_column name, workflow text DEFAULT NULL,
    workflow_column name DEFAULT NULL) RETURNS regclass
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

-- What a snapshot need not show (src/attach.c).
CREATE FUNCTION @extschema@.crm_is_new_table(relation regclass) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Attach makes two triggers on the table, and a history beside it. Errors: 22004 for a null, 0A000 unless at READ COMMITTED
-- or for a new table, 22023 unless there is either a workflow or a column that names it, 42P01, 42809 for what is no table of its own (a
-- view, a partition, a parent by inheritance), 42501 for who is not the owner, 42710 if it has a workflow, 42P16 for a key that does not
-- fit, 42703, 42804 and 23502 for columns that do not, SL009 if there is no such workflow, 42704 if a guard of it is missing, SL007 for
-- rows with a status that it does not have, 55000 for a version that counts something else, 22008 for an infinite status_since, 42P07 for
-- a name that is taken.
CREATE FUNCTION @extschema@.crm_attach_workflow_as_owner(relation regclass, status_column name, workflow text, workflow_column name) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET row_security = off -- a row that a policy hid would be left without history: rather an error
AS $crm_attach_workflow$
#variable_conflict use_variable
DECLARE
    enforcer   constant regproc := '@extschema@.crm_enforce_workflow()'::regprocedure;
    recorder   constant regproc := '@extschema@.crm_record_event()'::regprocedure;
    protector  constant regproc := '@extschema@.crm_protect_history()'::regprocedure;
    target     record;  -- the table, as the catalogue has it
    table_name text;    -- quoted, with its schema
    of_row     text;    -- SQL: the name of the workflow of row t
    named      text[];  -- the workflows that rows name
    workflows  jsonb;   -- by name: version, states, the initial one, and those with timers
    key        record;  -- the only column of the primary key
    needed     record;
    found_type text;
    may_be_null boolean;
    found_name text;
    found_text text;
    is_infinite boolean;
    names      jsonb;   -- what is made beside the table, by the ending of its name
    events     regclass;
    is_new     boolean;
    event_key  name;    -- column of the event table that holds the key
    moment     timestamptz;
    grantee    oid;
BEGIN
    IF relation IS NULL OR status_column IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'table and status column must not be null',
            HINT    = 'SELECT crm_attach_workflow(''tickets'', ''status'', ''ticket'')';
    END IF;
    -- A snapshot from before the lock would not show what others have written meanwhile.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') AND NOT @extschema@.crm_is_new_table(relation) THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('a workflow cannot be attached in a %s transaction', upper(current_setting('transaction_isolation'))),
            DETAIL  = 'Rows that others have written since it began would be left without history.',
            HINT    = 'BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    IF num_nonnulls(workflow, workflow_column) <> 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'either a workflow is attached, or the column that names it row by row',
            DETAIL  = CASE WHEN workflow IS NULL THEN 'Neither was given.' ELSE 'Both were given.' END,
            HINT    = 'SELECT crm_attach_workflow(''tickets'', ''status'', ''ticket''), or crm_attach_workflow(''tickets'', ''status'', workflow_column => ''workflow'')';
    END IF;
    IF workflow_column = status_column THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('column "%s" cannot be both the status and the workflow', status_column),
            HINT    = 'Each row has its status in one column, and in another the name of its workflow.';
    END IF;

    -- The table
    SELECT c.*, n.nspname INTO target FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('table with OID %s does not exist', relation::oid);
    END IF;
    table_name := format('%I.%I', target.nspname, target.relname);
    IF target.relkind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is not a table', table_name);
    END IF;
    IF NOT pg_has_role(target.relowner, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('a workflow is attached to table %s by its owner only', table_name),
            DETAIL  = format('Role "%s" does not own the table.', current_user),
            HINT    = format('Ask role "%s".', pg_get_userbyid(target.relowner));
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', table_name);
    IF to_regclass(table_name) IS DISTINCT FROM relation THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('table %s was renamed or dropped meanwhile', table_name), HINT = 'Try again.';
    END IF;
    IF target.relispartition THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
            MESSAGE = format('table %s is a partition', table_name),
            DETAIL  = 'Its rows follow the workflow of the partitioned table.',
            HINT    = format('Attach the workflow to table %s.', pg_partition_root(relation));
    END IF;
    IF target.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = relation) THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
            MESSAGE = format('other tables inherit from table %s', table_name),
            DETAIL  = 'Triggers and keys are not inherited, so their rows would pass by the workflow.',
            HINT    = 'Declarative partitioning does what inheritance did.';
    END IF;
    SELECT t.tgname INTO found_text FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgfoid = enforcer;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('table %s has a workflow already', table_name),
            DETAIL  = format('Its trigger "%s" calls crm_enforce_workflow().', found_text),
            HINT    = 'crm_detach_workflow() takes it away.';
    END IF;

    -- Its key
    SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> t.typcollation
            THEN (SELECT format(' COLLATE %I.%I', n.nspname, c.collname) FROM pg_collation c
                  JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation) ELSE '' END AS type
    INTO key
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = i.indkey[0] JOIN pg_type t ON t.oid = a.atttypid
    WHERE i.indrelid = relation AND i.indisprimary AND i.indnkeyatts = 1 AND i.indimmediate
      AND a.atttypid IN ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype, 'uuid'::regtype, 'text'::regtype, 'varchar'::regtype);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_table_definition',
            MESSAGE = format('table %s has no primary key of one column that names its rows', table_name),
            DETAIL  = coalesce((SELECT format('It has a %s, of type %s.', pg_get_constraintdef(c.oid),
                    (SELECT string_agg(format_type(a.atttypid, a.atttypmod), ', ' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, n)
                     JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = k.attnum))
                FROM pg_constraint c WHERE c.conrelid = relation AND c.contype = 'p'), 'It has no primary key.'),
            HINT    = 'It needs one of type bigint, integer, smallint, uuid, text or varchar, that is not deferrable.';
    END IF;

    -- Its status column, and the one that names the workflow
    FOR needed IN
        SELECT * FROM (VALUES (status_column, 'status', ''), (workflow_column, 'workflow', ' NOT NULL DEFAULT ''...''')) AS c (name, what, rest)
        WHERE c.name IS NOT NULL
    LOOP
        SELECT format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attgenerated <> '' THEN ', generated' ELSE '' END, NOT a.attnotnull
        INTO found_type, may_be_null
        FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = needed.name AND a.attnum > 0 AND NOT a.attisdropped;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_column',
                MESSAGE = format('column "%s" of table %s does not exist', needed.name, table_name),
                HINT    = format('ALTER TABLE %s ADD COLUMN %I text%s', table_name, needed.name, needed.rest);
        ELSIF found_type <> 'text' THEN
            RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
                MESSAGE = format('column "%s" of table %s is of type %s, but a %s is text', needed.name, table_name, found_type, needed.what),
                HINT    = format('ALTER TABLE %s ALTER COLUMN %I TYPE text', table_name, needed.name);
        ELSIF may_be_null AND needed.what = 'workflow' THEN
            RAISE EXCEPTION USING ERRCODE = 'not_null_violation',
                MESSAGE = format('column "%s" of table %s may be null', needed.name, table_name),
                DETAIL  = 'Without a workflow no status is valid.',
                HINT    = format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', table_name, needed.name);
        END IF;
    END LOOP;

    -- The workflows. Who may change them can also keep others from changing them until this is done.
    IF workflow_column IS NULL THEN
        of_row := quote_literal(workflow) || '::text';
        named := ARRAY[workflow];
    ELSE
        of_row := format('t.%I', workflow_column);
        EXECUTE format('SELECT coalesce(array_agg(DISTINCT %s COLLATE "C"), ''{}'') FROM %s t', of_row, table_name) INTO named;
    END IF;
    IF has_table_privilege('crm.workflows', 'UPDATE') THEN
        PERFORM FROM crm.workflows w WHERE w.name = ANY (named) ORDER BY w.name FOR SHARE;
    END IF;
    SELECT coalesce(jsonb_object_agg(w.name, s.states || jsonb_build_object('version', w.version, 'timed',
            (SELECT jsonb_agg(t.from_state) FROM @extschema@.crm_transitions(w.definition) t WHERE t.after IS NOT NULL))), '{}')
    INTO workflows
    FROM crm.workflows w CROSS JOIN LATERAL (
        SELECT jsonb_build_object('initial', min(s.state) FILTER (WHERE s.is_initial), 'states', jsonb_agg(s.state)) AS states
        FROM @extschema@.crm_states(w.definition) s) s
    WHERE w.name = ANY (named);
    SELECT n INTO found_name FROM unnest(named) n WHERE NOT workflows ? n ORDER BY n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SL009',
            MESSAGE = format('workflow "%s" does not exist', found_name),
            DETAIL  = CASE WHEN workflow_column IS NULL THEN 'The workflows are the rows of table crm.workflows.'
                      ELSE format('Rows of table %s name it. The workflows are the rows of table crm.workflows.', table_name) END,
            HINT    = 'Insert it there, or name one that exists.';
    END IF;
    -- Where each row names its workflow, the guards are looked for when a row needs them.
    FOR found_text IN
        SELECT t.guard FROM crm.workflows w CROSS JOIN @extschema@.crm_transitions(w.definition) WITH ORDINALITY t
        WHERE w.name = workflow AND t.guard IS NOT NULL ORDER BY t.ordinality
    LOOP
        IF NOT EXISTS (SELECT FROM crm.guards g WHERE g.workflow = workflow AND g.name = found_text AND g.relation = relation) THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_object',
                MESSAGE = format('guard "%s" of workflow "%s" does not exist for table %s', found_text, workflow, table_name),
                DETAIL  = 'The guards are the rows of table crm.guards.',
                HINT    = 'Insert it there, with this table as its relation.';
        END IF;
    END LOOP;

    -- Columns that the two triggers keep. A default that is no volatile function costs no rewrite of the table.
    moment := clock_timestamp();
    FOR needed IN
        SELECT * FROM (VALUES
            ('status_since', 'timestamp with time zone', format('%L', to_json(moment) #>> '{}'), 'When the row reached this status; kept by the database'),
            ('version',      'integer',                  '1',                  'Number of steps taken, creation included; kept by the database')
        ) AS c (name, type, first, description)
    LOOP
        SELECT format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attgenerated <> '' THEN ', generated' ELSE '' END INTO found_type
        FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = needed.name AND NOT a.attisdropped;
        IF NOT FOUND THEN
            EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s DEFAULT %s', table_name, needed.name, needed.type, needed.first);
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', table_name, needed.name, needed.description);
        ELSIF found_type <> needed.type THEN
            RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
                MESSAGE = format('column "%s" of table %s is of type %s, but a workflow needs %s', needed.name, table_name, found_type, needed.type),
                HINT    = 'Rename the column: it would be kept by the database.';
        ELSE
            EXECUTE format('UPDATE %s SET %2$I = %3$s WHERE %2$I IS NULL', table_name, needed.name, needed.first);
        END IF;
    END LOOP;
    EXECUTE format('UPDATE %s t SET %2$I = $1 -> %3$s ->> ''initial'' WHERE t.%2$I IS NULL', table_name, status_column, of_row) USING workflows;

    -- What is in them already
    EXECUTE format('SELECT s.workflow, string_agg(format(''%%s: %%s'', to_json(s.status), s.n), '', '' ORDER BY s.n DESC, s.status)
                    FROM (SELECT %1$s COLLATE "C" AS workflow, t.%2$I COLLATE "C" AS status, count(*) AS n FROM %3$s t
                          WHERE NOT ($1 -> %1$s -> ''states'') ? t.%2$I GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20) AS s
                    GROUP BY 1 ORDER BY 1 LIMIT 1', of_row, status_column, table_name)
    INTO found_name, found_text USING workflows;
    IF found_text IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SL007',
            MESSAGE = format('table %s has rows with a status that workflow "%s" does not have', table_name, found_name),
            DETAIL  = format('Rows by status: %s.', found_text),
            HINT    = format('It has: %s. Give the rows one of these.',
                             (SELECT string_agg(s::text, ', ') FROM jsonb_array_elements(workflows -> found_name -> 'states') s));
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE NOT isfinite(status_since))', table_name) INTO is_infinite;
    IF is_infinite THEN
        RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow',
            MESSAGE = format('column "status_since" of table %s is infinite in some rows', table_name),
            HINT    = 'Say since when they have their status, or leave it NULL.';
    END IF;

    -- The event table: the one from the last time, by its foreign key, or a new one
    SELECT jsonb_object_agg(e.ending, (
        SELECT left(target.relname, n) || e.ending FROM generate_series(length(target.relname), 0, -1) AS n
        WHERE octet_length(left(target.relname, n) || e.ending) <= current_setting('max_identifier_length')::integer
        ORDER BY n DESC LIMIT 1))
    INTO names
    FROM unnest(ARRAY['_' || key.attname, '_enforce_workflow', '_record_event', '_events', '_events_are_numbered', '_events_belong_to_a_row',
                      '_events_by_request_key', '_events_protect_history', '_with_timers']) AS e (ending);
    SELECT f.conrelid, a.attname INTO events, event_key
    FROM pg_constraint f
    JOIN pg_class c ON c.oid = f.conrelid AND c.relnamespace = target.relnamespace AND c.relkind = 'r'
    JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 2 AND i.indkey[0] = f.conkey[1]
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = f.conkey[1]
    JOIN pg_roles o ON o.oid = c.relowner
    WHERE (o.oid = target.relowner OR o.rolsuper) -- with a table of somebody else's, what he has put on it would run as whoever attaches
      AND f.confrelid = relation AND f.contype = 'f' AND f.conparentid = 0 AND f.confkey = ARRAY[key.attnum]
      AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = f.conrelid AND t.tgfoid = protector)
    ORDER BY f.oid LIMIT 1;
    is_new := events IS NULL;
    IF is_new THEN
        event_key := coalesce(names ->> ('_' || key.attname), key.attname);
        IF to_regclass(format('%I.%I', target.nspname, names ->> '_events')) IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'duplicate_table',
                MESSAGE = format('the event table of table %s cannot be created', table_name),
                DETAIL  = format('There is already something of the name %I.%I.', target.nspname, names ->> '_events'),
                HINT    = 'Rename it or the table.';
        END IF;
        EXECUTE format('CREATE %s TABLE %I.%I (%I %s NOT NULL)', CASE target.relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE '' END,
            target.nspname, names ->> '_events', event_key, key.type);
        events := format('%I.%I', target.nspname, names ->> '_events');
        EXECUTE format('COMMENT ON TABLE %s IS %L', events, format('History of %s: one row for each step, written by the database', table_name));
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', events, event_key, format('Row of %s that took the step', table_name));
    END IF;
    -- An event table from the last time gets what it has not: only columns that may be NULL can be added here.
    FOR needed IN
        SELECT c.* FROM (VALUES
            ('seq',         'integer NOT NULL',     'Number of the step: 1 is the first, then as version of the row'),
            ('at',          'timestamptz NOT NULL', 'When the step was taken'),
            ('event',       'text NOT NULL',        'What happened: an event of the workflow, "create", or "import" for a row that was there, or came in a later status'),
            ('from_status', 'text',                 'Status before the step; empty for the first one'),
            ('to_status',   'text NOT NULL',        'Status after the step'),
            ('dwell',       'interval',             'How long the row had been in from_status'),
            ('actor',       'text NOT NULL',        'Who did it: the setting crm.actor of the session, else the database role'),
            ('role',        'text NOT NULL',        'Database role that did it'),
            ('note',        'text',                 'Note given with the step'),
            ('request_key', 'text',                 'Key that the client gave the request; the same request is not done twice'),
            ('forced',      'boolean NOT NULL DEFAULT false', 'Whether the row got this status past its workflow'),
            ('workflow',    CASE WHEN is_new THEN 'text NOT NULL' ELSE 'text' END, 'Workflow under which the step was taken'),
            ('workflow_version', 'integer',         'Version of that workflow (crm.workflow_versions) under which the step was taken')
        ) AS c (name, definition, description)
        WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = events AND a.attname = c.name AND NOT a.attisdropped AND NOT is_new)
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', events, needed.name, needed.definition);
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', events, needed.name, needed.description);
    END LOOP;
    IF is_new THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY (%I, seq)', events, names ->> '_events_are_numbered', event_key);
        EXECUTE format('COMMENT ON CONSTRAINT %I ON %s IS %L', names ->> '_events_are_numbered', events, 'Each step of a row has a number of its own');
        EXECUTE format('CREATE UNIQUE INDEX %I ON %s (request_key) WHERE request_key IS NOT NULL', names ->> '_events_by_request_key', events);
        EXECUTE format('COMMENT ON INDEX %I.%I IS %L', target.nspname, names ->> '_events_by_request_key', 'Finds a request that comes again; no key is used twice');
    END IF;

    -- Rows that are there get the event that tells their status; version counts on from it.
    EXECUTE format('SELECT string_agg(to_json(r.key::text) || '' has '' || r.version, '', '') FROM (
                        SELECT t.%1$I AS key, t.version FROM %2$s t LEFT JOIN %3$s e ON e.%4$I = t.%1$I
                        GROUP BY t.%1$I HAVING t.version <> coalesce(max(e.seq), 1) LIMIT 5) AS r',
                   key.attname, table_name, events, event_key) INTO found_text;
    IF found_text IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('column "version" of table %s counts something else than the steps of its rows', table_name),
            DETAIL  = format('Row %s, and so on.', found_text),
            HINT    = 'Rename the column, or set it to the number of events that the row has, 1 at least.';
    END IF;
    IF NOT is_new THEN
        EXECUTE format('UPDATE %s t SET version = version + 1, status_since = greatest($1, e.at) FROM %s e
                        WHERE e.%I = t.%I AND e.seq = t.version AND e.to_status <> t.%I',
                       table_name, events, event_key, key.attname, status_column) USING moment;
    END IF;
    EXECUTE format('INSERT INTO %1$s (%2$I, seq, at, event, from_status, to_status, dwell, actor, role, forced, workflow, workflow_version)
                    SELECT t.%3$I, t.version, t.status_since, CASE WHEN t.version = 1 AND t.%4$I = $1 -> %6$s ->> ''initial'' THEN ''create'' ELSE ''import'' END,
                           e.to_status, t.%4$I, t.status_since - e.at, coalesce(nullif(current_setting(''crm.actor'', true), ''''), $2), $2,
                           e.to_status IS NOT NULL, %6$s, ($1 -> %6$s -> ''version'')::integer
                    FROM %5$s t LEFT JOIN %1$s e ON e.%2$I = t.%3$I AND e.seq = t.version - 1
                    WHERE NOT EXISTS (SELECT FROM %1$s x WHERE x.%2$I = t.%3$I AND x.seq = t.version)',
                   events, event_key, key.attname, status_column, table_name, of_row)
    USING workflows, coalesce(nullif(current_setting('role'), 'none'), session_user);

    -- From here on the door is shut.
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %2$I SET NOT NULL, ALTER COLUMN %2$I DROP DEFAULT,
                    ALTER COLUMN status_since SET NOT NULL, ALTER COLUMN status_since DROP DEFAULT,
                    ALTER COLUMN version SET NOT NULL, ALTER COLUMN version SET DEFAULT 1', table_name, status_column);
    EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s(%L%s)',
                   names ->> '_enforce_workflow', table_name, enforcer, status_column,
                   CASE WHEN workflow_column IS NULL THEN format(', %L', workflow) WHEN workflow_column <> 'workflow' THEN format(', '''', %L', workflow_column) END);
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s(%L)',
                   names ->> '_record_event', table_name, recorder, (SELECT c.relname FROM pg_class c WHERE c.oid = events));
    EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', names ->> '_enforce_workflow', table_name, 'Lets a status change only along the workflow of the row');
    EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', names ->> '_record_event', table_name, format('Writes each step into %s', events));
    IF is_new THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (%I)',
                       events, names ->> '_events_belong_to_a_row', event_key, table_name, key.attname);
        EXECUTE format('COMMENT ON CONSTRAINT %I ON %s IS %L', names ->> '_events_belong_to_a_row', events,
                       'A step belongs to a row that exists; a row with a history is not deleted');
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s()',
                       names ->> '_events_protect_history', events, protector);
        EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', names ->> '_events_protect_history', events,
                       'Nobody but the table''s owner changes history by hand');
        -- Default privileges let others read it at most.
        FOR grantee IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = events AND a.grantee <> c.relowner LOOP
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %s FROM %s',
                           events, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END);
        END LOOP;
    END IF;

    -- Timers: the trigger dates the rows that are there. Those to come may name a workflow that has some.
    IF workflow_column IS NOT NULL OR workflows -> workflow -> 'timed' <> 'null' THEN
        IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = 'status_until' AND NOT a.attisdropped) THEN
            EXECUTE format('ALTER TABLE %s ADD COLUMN status_until timestamptz', table_name);
            EXECUTE format('COMMENT ON COLUMN %s.status_until IS %L', table_name, 'When the status ends by itself if nobody acts; kept by the database');
            EXECUTE format('CREATE INDEX %I ON %s (status_until) WHERE status_until IS NOT NULL', names ->> '_with_timers', table_name);
            EXECUTE format('COMMENT ON INDEX %I.%I IS %L', target.nspname, names ->> '_with_timers', 'Finds the rows whose status ends by itself, the next one first');
        END IF;
        EXECUTE format('UPDATE %1$s t SET %2$I = t.%2$I WHERE ($1 -> %3$s -> ''timed'') ? t.%2$I OR t.status_until IS NOT NULL',
                       table_name, status_column, of_row) USING workflows;
    END IF;
    RETURN events;
END
$crm_attach_workflow$;

-- Detach takes the two triggers away, and what they alone could fill may be NULL again. Errors: 22004, 42P01, 42501,
-- 55000 for a table that has no workflow, and for the two that come with one.
CREATE FUNCTION @extschema@.crm_detach_workflow(relation regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $crm_detach_workflow$
#variable_conflict use_variable
DECLARE
    target     record;
    ours       record;
    freed      name;
    events     name;
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'table must not be null', HINT = 'SELECT crm_detach_workflow(''tickets'')';
    END IF;
    SELECT c.relowner, format('%I.%I', n.nspname, c.relname) AS name INTO target
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('table with OID %s does not exist', relation::oid);
    END IF;
    IF NOT pg_has_role(target.relowner, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('a workflow is detached from table %s by its owner only', target.name),
            DETAIL  = format('Role "%s" does not own the table.', current_user),
            HINT    = format('Ask role "%s".', pg_get_userbyid(target.relowner));
    END IF;
    IF relation IN (to_regclass('crm.orders'), to_regclass('crm.opportunities')) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table %s keeps its workflow', target.name),
            DETAIL  = 'What else the extension does with its rows goes by their status.',
            HINT    = 'Change the workflow, or have the rows name another one.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgparentid = 0
                   AND t.tgfoid = '@extschema@.crm_enforce_workflow()'::regprocedure) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no workflow is attached to table %s', target.name),
            HINT    = CASE WHEN pg_partition_root(relation) <> relation THEN format('Detach it from table %s.', pg_partition_root(relation))
                      ELSE 'crm_attach_workflow() attaches one.' END;
    END IF;
    FOR ours IN
        SELECT t.tgname, t.tgfoid = '@extschema@.crm_enforce_workflow()'::regprocedure AS enforces,
               convert_from(substring(t.tgargs FOR position('\x00' IN t.tgargs) - 1), getdatabaseencoding()) AS argument
        FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgparentid = 0
          AND t.tgfoid IN ('@extschema@.crm_enforce_workflow()'::regprocedure, '@extschema@.crm_record_event()'::regprocedure)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', ours.tgname, target.name);
        IF ours.enforces THEN
            -- what nobody fills any more
            FOR freed IN SELECT a.attname FROM pg_attribute a
                         WHERE a.attrelid = relation AND a.attname IN (ours.argument, 'status_since') AND a.attnotnull AND NOT a.attisdropped LOOP
                EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', target.name, freed);
            END LOOP;
        ELSE
            events := ours.argument;
        END IF;
    END LOOP;
    RAISE NOTICE 'table % keeps its columns, and its history in %', target.name, quote_ident(events);
END
$crm_detach_workflow$;

COMMENT ON FUNCTION @extschema@.crm_is_new_table(regclass) IS
    'Whether this transaction has made the table, so that nobody else can have written rows';
COMMENT ON FUNCTION @extschema@.crm_attach_workflow(regclass, name, text, name) IS
    'Puts the status column of a table under a workflow, or the one that each row names in a column, with an event table beside it, whose name it returns; for the owner of the table';
COMMENT ON FUNCTION @extschema@.crm_attach_workflow_as_owner(regclass, name, text, name) IS
    'What crm_attach_workflow() does, with the rights of the current role, which must own the table';
COMMENT ON FUNCTION @extschema@.crm_detach_workflow(regclass) IS
    'Takes the workflow of a table away; data and history stay; for the owner of the table';
