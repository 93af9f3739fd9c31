-- Steps of an order.
CREATE FUNCTION @extschema@.crm_advance_order(order_id bigint, event text, note text DEFAULT NULL,
        request_key text DEFAULT NULL, expected_version integer DEFAULT NULL)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_advance_orders(order_ids bigint[], event text, note text DEFAULT NULL)
    RETURNS TABLE (order_id bigint, outcome text, status text, reason text)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
CREATE FUNCTION @extschema@.crm_available_events(order_id bigint)
    RETURNS TABLE (event text, to_status text, allowed boolean, reason text)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 5;
CREATE FUNCTION @extschema@.crm_force_order(order_id bigint, status text, note text)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_run_timers(max integer DEFAULT 1000, relation regclass DEFAULT NULL)
    RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION @extschema@.crm_advance_order(bigint, text, text, text, integer) IS
    'Makes an order take an event of its workflow, records it, and returns the new status';
COMMENT ON FUNCTION @extschema@.crm_advance_orders(bigint[], text, text) IS
    'Makes many orders take an event, and tells of each what came of it: advanced, refused or not_found';
COMMENT ON FUNCTION @extschema@.crm_available_events(bigint) IS
    'The events that an order may take now, or may not yet and why';
COMMENT ON FUNCTION @extschema@.crm_force_order(bigint, text, text) IS
    'Gives an order any status of its workflow; for the owner of the orders, with a note, marked in the history';
COMMENT ON FUNCTION @extschema@.crm_run_timers(integer, regclass) IS
    'Takes the steps that come by themselves and are due, and returns how many; call it every minute. Tables of owners who are not trusted have to be named';

-- Steps of a row of any table with a workflow, whose key may be of any of these types or be read from text.
CREATE FUNCTION @extschema@.crm_advance(relation regclass, key bigint, event text, note text DEFAULT NULL,
        request_key text DEFAULT NULL, expected_version integer DEFAULT NULL)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_advance(relation regclass, key uuid, event text, note text DEFAULT NULL,
        request_key text DEFAULT NULL, expected_version integer DEFAULT NULL)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_advance(relation regclass, key text, event text, note text DEFAULT NULL,
        request_key text DEFAULT NULL, expected_version integer DEFAULT NULL)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_available_events(relation regclass, key bigint)
    RETURNS TABLE (event text, to_status text, allowed boolean, reason text)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 5;
CREATE FUNCTION @extschema@.crm_available_events(relation regclass, key uuid)
    RETURNS TABLE (event text, to_status text, allowed boolean, reason text)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 5;
CREATE FUNCTION @extschema@.crm_available_events(relation regclass, key text)
    RETURNS TABLE (event text, to_status text, allowed boolean, reason text)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 5;
CREATE FUNCTION @extschema@.crm_force(relation regclass, key bigint, status text, note text)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_force(relation regclass, key uuid, status text, note text)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_force(relation regclass, key text, status text, note text)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION @extschema@.crm_advance(regclass, bigint, text, text, text, integer) IS
    'Makes a row of a table with a workflow take an event, records it, and returns the new status';
COMMENT ON FUNCTION @extschema@.crm_advance(regclass, uuid, text, text, text, integer) IS
    'Makes a row of a table with a workflow take an event, records it, and returns the new status';
COMMENT ON FUNCTION @extschema@.crm_advance(regclass, text, text, text, text, integer) IS
    'Makes a row of a table with a workflow take an event, records it, and returns the new status';
COMMENT ON FUNCTION @extschema@.crm_available_events(regclass, bigint) IS
    'The events that a row of a table with a workflow may take now, or may not yet and why';
COMMENT ON FUNCTION @extschema@.crm_available_events(regclass, uuid) IS
    'The events that a row of a table with a workflow may take now, or may not yet and why';
COMMENT ON FUNCTION @extschema@.crm_available_events(regclass, text) IS
    'The events that a row of a table with a workflow may take now, or may not yet and why';
COMMENT ON FUNCTION @extschema@.crm_force(regclass, bigint, text, text) IS
    'Gives a row any status of its workflow; for the owner of the table, with a note, marked in the history';
COMMENT ON FUNCTION @extschema@.crm_force(regclass, uuid, text, text) IS
    'Gives a row any status of its workflow; for the owner of the table, with a note, marked in the history';
COMMENT ON FUNCTION @extschema@.crm_force(regclass, text, text, text) IS
    'Gives a row any status of its workflow; for the owner of the table, with a note, marked in the history';

-- Processes that change.
CREATE FUNCTION @extschema@.crm_migrate_workflow(name text, definition @extschema@.crm_workflow, state_map jsonb DEFAULT '{}')
    RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.crm_migrate_workflow(text, @extschema@.crm_workflow, jsonb) IS
    'Gives a workflow a new definition, moves its rows from statuses of the map to their new ones, and returns how many';

-- The door: trigger functions. A trigger may be created by whoever owns its table.
CREATE FUNCTION @extschema@.crm_enforce_workflow() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_record_event() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_protect_history() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_apply_settings() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_keep_reporting_currency() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_invalidate_cache() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_check_guard() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_check_workflow_guards() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_notify_event() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_count_workflow_version() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_keep_workflow_version() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_check_stranded_rows() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_refresh_state_columns() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;

COMMENT ON FUNCTION @extschema@.crm_notify_event() IS 'Trigger: tells listeners on a channel of each step';
COMMENT ON FUNCTION @extschema@.crm_count_workflow_version() IS 'Trigger: counts the definitions of a workflow';
COMMENT ON FUNCTION @extschema@.crm_keep_workflow_version() IS 'Trigger: writes each definition of a workflow into workflow_versions';
COMMENT ON FUNCTION @extschema@.crm_check_stranded_rows() IS 'Trigger: a workflow loses no status that rows stand in';
COMMENT ON FUNCTION @extschema@.crm_enforce_workflow() IS 'Trigger: a status changes only along its workflow';
COMMENT ON FUNCTION @extschema@.crm_record_event() IS 'Trigger: writes each step into the event table';
COMMENT ON FUNCTION @extschema@.crm_protect_history() IS 'Trigger: nobody but the owner changes an event table by hand';
COMMENT ON FUNCTION @extschema@.crm_apply_settings() IS 'Trigger: fills the day, the default currency and the exchange rate of an order';
COMMENT ON FUNCTION @extschema@.crm_check_guard() IS 'Trigger: a guard is a condition over the rows of its table, and for the owner of that';
COMMENT ON FUNCTION @extschema@.crm_check_workflow_guards() IS 'Trigger: a workflow names only guards that are there';
COMMENT ON FUNCTION @extschema@.crm_refresh_state_columns() IS 'Trigger: a changed workflow dates the timers and finds open rows and sales anew';
COMMENT ON FUNCTION @extschema@.crm_keep_reporting_currency() IS 'Trigger: the reporting currency neither changes nor goes once there is an order';
COMMENT ON FUNCTION @extschema@.crm_invalidate_cache() IS 'Trigger: tells all sessions that workflows or settings have changed';
