-- What CREATE EXTENSION makes, whom it belongs to, and what it refuses.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
SELECT plan(105);

CREATE FUNCTION pg_temp.members() RETURNS TABLE (classid oid, objid oid)
LANGUAGE sql AS $$
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'crm'
$$;

-- Tries to create the extension over an object of that name; nothing stays of it.
CREATE FUNCTION pg_temp.collision(create_object text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE create_object;
    CREATE EXTENSION crm;
    RAISE EXCEPTION 'not refused';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;

-- Tables
SELECT has_table('crm', name::name, format('there is crm.%s', name))
FROM unnest('{customers,products,orders,order_lines,order_events,payments,exchange_rates,opportunities,opportunity_lines,opportunity_events,stage_probabilities,activities,workflows,workflow_versions,guards,settings,rollups,line_changes_1,line_changes_2,order_changes_1,order_changes_2,event_changes_1,event_changes_2,dimension_changes,change_tables,buyers_by_month,merge_state,rollup_categories,rollup_regions,sales_by_day_cells,sales_by_product_month_cells,sales_by_category_month_cells,sales_by_region_month_cells,sales_by_customer_month_cells,orders_by_status_cells,steps_by_day_cells}'::text[]) AS name;
SELECT tables_are('crm', '{customers,products,orders,order_lines,order_events,payments,exchange_rates,opportunities,opportunity_lines,opportunity_events,stage_probabilities,activities,workflows,workflow_versions,guards,settings,rollups,line_changes_1,line_changes_2,order_changes_1,order_changes_2,event_changes_1,event_changes_2,dimension_changes,change_tables,buyers_by_month,merge_state,rollup_categories,rollup_regions,sales_by_day_cells,sales_by_product_month_cells,sales_by_category_month_cells,sales_by_region_month_cells,sales_by_customer_month_cells,orders_by_status_cells,steps_by_day_cells}'::name[],
    'and there are no other tables');
SELECT views_are('crm', ('{rollup_status,sales_by_day,sales_by_month,sales_by_product_month,sales_by_category_month,sales_by_region_month,sales_by_customer_month,orders_by_status,steps_by_day,follow_ups_due,neglected_customers,open_orders,order_timers,pipeline,settlements,unsettled_orders}'::text[] || -- the star and the summaries
    '{dim_customer,dim_date,dim_product,dim_salesperson,fact_activities,fact_order_events,fact_payments,fact_sales,workflow_states,customer_value,customer_demand,order_funnel,order_timeline,stage_durations,cohort_retention,kpis,product_affinity}'::text[])::name[], 'these are the views');
SELECT is_empty($$
    SELECT relname FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'v'
    AND current_setting('server_version_num')::int >= 150000 AND NOT coalesce(reloptions @> '{security_invoker=true}', false)
    AND relname NOT IN (SELECT name FROM crm.rollups UNION ALL VALUES ('cohort_retention'), ('sales_by_month')) -- sums over everything, whoever reads them$$,
    'they read the tables with the rights of who reads them');
SELECT is_empty($$
    SELECT c.relname, attname, atttypid::regtype FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
    WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind = 'v' AND attnum > 0
    AND atttypid::regtype::text NOT IN ('bigint', 'integer', 'numeric', 'text', 'boolean', 'date', 'timestamp with time zone', 'interval')$$,
    'and have columns of types that every driver reads');
SELECT is_empty($$
    SELECT pg_describe_object(classid, objid, 0) FROM pg_temp.members()
    WHERE NOT (classid = 'pg_type'::regclass AND objid::regtype::text LIKE '%[]') AND classid = 'pg_class'::regclass$$, 'no table, view or sequence is an extension member');
SELECT is_empty($$
    SELECT 1 FROM pg_temp.members()
    WHERE classid = 'pg_namespace'::regclass$$, 'nor is the schema');
SELECT results_eq($$
    SELECT attrelid::regclass::text FROM pg_attribute WHERE attidentity <> ''
    AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'crm'::regnamespace) ORDER BY 1$$,
    ARRAY['crm.activities', 'crm.customers', 'crm.opportunities', 'crm.orders', 'crm.products'], 'these tables number their rows');
SELECT is((SELECT count(*) FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'S'), 5::bigint,
    'with a sequence each');
SELECT is_empty($$
    SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'v', 'S')
    AND c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user)$$,
    'they belong to who created the extension');

-- Code
SELECT set_eq($$
    SELECT objid::regprocedure::text FROM pg_temp.members() WHERE classid = 'pg_proc'::regclass$$,
    ARRAY['crm_advance_order(bigint,text,text,text,integer)', 'crm_advance_orders(bigint[],text,text)', 'crm_available_events(bigint)', 'crm_force_order(bigint,text,text)', 'crm_run_timers(integer,regclass)', 'crm_refresh_state_columns()',
          'crm_customer_timeline(bigint)',
          'crm_keep_opportunity()', 'crm_total_opportunity_lines()', 'crm_win_opportunity()',
          'crm_create_rollup(text,text,text[])', 'crm_drop_rollup(text)', 'crm_merge_rollups(bigint,bigint)', 'crm_move_statement()', 'crm_merge_changes(bigint,boolean)', 'crm_is_in_snapshot(text,regclass,integer)', 'crm_anything_waits(text)', 'crm_waiting_from(text)', 'crm_waiting_rows(text)', 'crm_waiting(text)', 'crm_first_waiting_page(regclass,bigint)', 'crm_is_seen_by_all(xid8)', 'crm_prune_changes(regclass)', 'crm_waits_from(regclass)', 'crm_current_xact_id()', 'crm_empty_changes()', 'crm_check_rollups()', 'crm_check_rollup_owners(boolean)', 'crm_refuse_within_statement(text)', 'crm_rebuild_rollups(text)', 'crm_show_progress(text)',
          'crm_rollup_query(text,text[],text,text)', 'crm_rollup_keys(text[])', 'crm_sum(bigint)', 'crm_decimal(bigint,integer)', 'crm_decimal_support(internal)', 'crm_kept_from(text,regclass)', 'crm_limit_of_moved()', 'crm_kept(text,boolean)', 'crm_keep_place(text,tid)', 'crm_lock_rollups()', 'crm_empty_rollups(text)', 'crm_clear_rollups()', 'crm_forget_pages()',
          'crm_capture_order()', 'crm_capture_line()', 'crm_capture_event()', 'crm_capture_dimension()', 'crm_capture_booked()', 'crm_capture_time_zone()',
          'crm_advance(regclass,bigint,text,text,text,integer)', 'crm_advance(regclass,uuid,text,text,text,integer)',
          'crm_advance(regclass,text,text,text,text,integer)', 'crm_available_events(regclass,bigint)',
          'crm_available_events(regclass,uuid)', 'crm_available_events(regclass,text)', 'crm_force(regclass,bigint,text,text)',
          'crm_force(regclass,uuid,text,text)', 'crm_force(regclass,text,text,text)',
          'crm_attach_workflow(regclass,name,text,name)', 'crm_attach_workflow_as_owner(regclass,name,text,name)', 'crm_detach_workflow(regclass)', 'crm_is_new_table(regclass)',
          'crm_place_order(bigint,jsonb,text,text,text,numeric,text,text,timestamp with time zone,jsonb,text)',
          'crm_record_payment(bigint,numeric,text,text,text,text,text)', 'crm_record_refund(bigint,numeric,text,text,text,text,text)',
          'crm_is_currency(text)', 'crm_keep_totals()', 'crm_check_order_line()', 'crm_total_order_lines()', 'crm_check_payment()', 'crm_total_payments()', 'crm_protect_ledger()',
          'crm_apply_settings()', 'crm_keep_reporting_currency()', 'crm_create_tables()', 'crm_migrate_workflow(text,crm_workflow,jsonb)',
          'crm_count_workflow_version()', 'crm_notify_event()', 'crm_keep_workflow_version()', 'crm_check_stranded_rows()', 'crm_check_guard()', 'crm_check_workflow_guards()',
          'crm_enforce_workflow()', 'crm_invalidate_cache()', 'crm_protect_history()', 'crm_record_event()',
          'crm_workflow_in(cstring)', 'crm_workflow_out(crm_workflow)', 'crm_workflow_recv(internal)',
          'crm_workflow_send(crm_workflow)', 'crm_workflow_to_jsonb(crm_workflow)',
          'crm_workflow_eq(crm_workflow,crm_workflow)', 'crm_workflow_ne(crm_workflow,crm_workflow)',
          'crm_workflow_lt(crm_workflow,crm_workflow)', 'crm_workflow_le(crm_workflow,crm_workflow)',
          'crm_workflow_ge(crm_workflow,crm_workflow)', 'crm_workflow_gt(crm_workflow,crm_workflow)',
          'crm_workflow_cmp(crm_workflow,crm_workflow)', 'crm_workflow_hash(crm_workflow)',
          'crm_workflow_hash_extended(crm_workflow,bigint)',
          'crm_states(crm_workflow)', 'crm_composites(crm_workflow)', 'crm_transitions(crm_workflow)',
          'crm_events(crm_workflow,text)', 'crm_next_state(crm_workflow,text,text)', 'crm_can(crm_workflow,text,text)',
          'crm_path(crm_workflow,text,text)', 'crm_diff(crm_workflow,crm_workflow)', 'crm_dot(crm_workflow)',
          'crm_replay(crm_workflow,text)', 'crm_conforms(crm_workflow,text)', 'crm_first_violation(crm_workflow,text)',
          'crm_replay_step(internal,crm_workflow,text)', 'crm_replay_state(internal)', 'crm_replay_conforms(internal)',
          'crm_replay_violation(internal)',
          'crm_discover(anyelement,text,timestamp with time zone)',
          'crm_directly_follows(anyelement,text,timestamp with time zone)',
          'crm_discover_step(internal,anyelement,text,timestamp with time zone)',
          'crm_discover_workflow(internal,anyelement,text,timestamp with time zone)',
          'crm_discover_follows(internal,anyelement,text,timestamp with time zone)', 'crm_event_name(text)',
          'crm_funnel(text[],text,timestamp with time zone,interval)',
          'crm_funnel_step(internal,text[],text,timestamp with time zone,interval)', 'crm_funnel_combine(internal,internal)',
          'crm_funnel_serialize(internal)', 'crm_funnel_deserialize(bytea,internal)', 'crm_funnel_reached(internal)',
          'crm_retention(date,text)', 'crm_retention_step(internal,date,text)', 'crm_retention_combine(internal,internal)',
          'crm_retention_serialize(internal)', 'crm_retention_deserialize(bytea,internal)', 'crm_retention_periods(internal)',
          'crm_product_affinity(integer)', 'crm_order_ways()', 'crm_order_milestones(bigint)', 'crm_customer_sales()', 'crm_order_sums(date,date)', 'crm_kpis(date,date)',
          'crm_percentiles(interval,double precision[])', 'crm_percentiles_step(internal,interval,double precision[])',
          'crm_percentiles_combine(internal,internal)', 'crm_percentiles_serialize(internal)',
          'crm_percentiles_deserialize(bytea,internal)', 'crm_percentiles_intervals(internal)',
          'crm_mean_and_percentiles(interval,double precision[])', 'crm_percentiles_mean_first(internal)'],
    'these functions are members, and no others');
SELECT set_eq($$
    SELECT objid::regtype::text FROM pg_temp.members() WHERE classid = 'pg_type'::regclass
    AND objid::regtype::text NOT LIKE '%[]' -- the array type is one from PostgreSQL 17 on$$,
    ARRAY['crm_workflow', 'crm_violation', 'crm_follows'], 'and these types');
SELECT is_empty($$
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
    FROM pg_temp.members() m JOIN pg_depend d USING (classid, objid)
    WHERE d.refclassid = 'pg_class'::regclass$$, 'no member depends on a table');
SELECT is_empty($$
    SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^crm_' AND pronamespace <> 'public'::regnamespace$$,
    'the code is where the search_path finds it');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_temp.members() JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
    JOIN pg_language l ON l.oid = prolang
    WHERE l.lanname NOT IN ('c', 'internal')
    AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
    AND p.prosqlbody IS NULL AND p.prokind = 'f'$$,
    'every function that is not in C has a pinned search_path, or a body that was parsed when it was made');
SELECT results_eq($$
    SELECT objid::regproc::text FROM pg_temp.members() JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
    JOIN pg_language l ON l.oid = prolang WHERE l.lanname NOT IN ('c', 'internal', 'sql') ORDER BY 1$$,
    ARRAY['crm_attach_workflow_as_owner', 'crm_check_rollup_owners', 'crm_check_rollups', 'crm_create_rollup', 'crm_create_tables', 'crm_detach_workflow', 'crm_drop_rollup', 'crm_empty_changes', 'crm_empty_rollups', 'crm_forget_pages', 'crm_keep_place', 'crm_lock_rollups', 'crm_merge_rollups', 'crm_rebuild_rollups', 'crm_rollup_query'],
    'what is done now and then, by an owner, is in PL/pgSQL');
SELECT is_empty($$
    SELECT objid::regprocedure FROM pg_temp.members() JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
    WHERE p.prosecdef OR p.proleakproof$$, 'no function is SECURITY DEFINER or LEAKPROOF');
SELECT is_empty($$
    SELECT objid::regprocedure FROM pg_temp.members() JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
    WHERE p.prorettype <> 'trigger'::regtype AND p.proname NOT IN ('crm_advance', 'crm_advance_order', 'crm_advance_orders', 'crm_available_events', 'crm_force', 'crm_force_order', 'crm_run_timers', 'crm_place_order', 'crm_record_payment', 'crm_record_refund', 'crm_customer_timeline', 'crm_migrate_workflow', 'crm_attach_workflow', 'crm_attach_workflow_as_owner', 'crm_detach_workflow', 'crm_create_tables')
    AND p.proname !~ '_rollup' AND p.proname NOT IN ('crm_first_waiting_page', 'crm_is_seen_by_all', 'crm_is_new_table', 'crm_empty_changes', 'crm_is_in_snapshot', 'crm_refuse_within_statement', 'crm_anything_waits', 'crm_kept_from', 'crm_limit_of_moved', 'crm_keep_place', 'crm_move_statement', 'crm_merge_changes', 'crm_prune_changes', 'crm_waits_from', 'crm_current_xact_id', 'crm_show_progress')
    AND p.proname NOT IN ('crm_funnel_step', 'crm_funnel_reached', -- calendar days are those of the time zone
        'crm_product_affinity', 'crm_order_ways', 'crm_order_milestones', 'crm_customer_sales', 'crm_order_sums', 'crm_kpis')
    AND (p.provolatile, p.proparallel) IS DISTINCT FROM ('i', 's')$$,
    'what is about workflows as values is immutable and parallel safe');
SELECT is_empty($$
    SELECT objid::regprocedure FROM pg_temp.members() JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
    WHERE NOT p.proisstrict AND p.prokind = 'f' AND p.provolatile = 'i' AND 'internal'::regtype <> ALL (p.proargtypes::oid[])$$,
    'and strict');
SELECT is_empty($$
    SELECT objid::regprocedure FROM pg_temp.members() JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
    WHERE (p.prorettype = 'trigger'::regtype OR p.proname IN ('crm_advance', 'crm_advance_order', 'crm_advance_orders', 'crm_force', 'crm_force_order', 'crm_run_timers', 'crm_place_order', 'crm_record_payment', 'crm_record_refund', 'crm_migrate_workflow', 'crm_attach_workflow', 'crm_attach_workflow_as_owner', 'crm_detach_workflow', 'crm_create_tables'))
    AND (p.provolatile, p.proparallel) IS DISTINCT FROM ('v', 'u')$$,
    'everything else is volatile and parallel unsafe');
SELECT is_empty($$
    SELECT objid::regprocedure FROM pg_temp.members() JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
    JOIN pg_language l ON l.oid = prolang WHERE l.lanname = 'c' AND (p.prosrc <> p.proname OR p.probin <> '$libdir/crm')$$,
    'a C function has one name in C and in SQL');

CREATE ROLE crm_test_nobody;
SELECT ok(NOT has_function_privilege('crm_test_nobody', 'crm_create_tables()', 'EXECUTE'),
    'not everybody may execute crm_create_tables()');
SELECT ok(has_function_privilege('crm_test_nobody', 'crm_advance_order(bigint, text, text, text, integer)', 'EXECUTE'),
    'everybody may try crm_advance_order()');
SELECT is_empty($$
    SELECT c.relname, p.privilege FROM pg_class c,
    unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p(privilege)
    WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'v')
    AND has_table_privilege('crm_test_nobody', c.oid, p.privilege)$$, 'nobody else has a right on the tables and views');
SELECT ok(NOT has_schema_privilege('crm_test_nobody', 'crm', 'USAGE'), 'nor on the schema');

-- Comments
SELECT is_empty($$
    SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''$$, 'every table has a comment');
SELECT is_empty($$
    SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0
    AND NOT a.attisdropped AND coalesce(col_description(a.attrelid, a.attnum), '') = ''$$, 'every column has one');
SELECT is_empty($$
    SELECT conname FROM pg_constraint WHERE connamespace = 'crm'::regnamespace
    AND contype <> 'n' -- NOT NULL is one from PostgreSQL 18 on
    AND coalesce(obj_description(oid, 'pg_constraint'), '') = ''$$, 'every constraint');
SELECT is_empty($$
    SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'crm'::regnamespace AND NOT t.tgisinternal
    AND coalesce(obj_description(t.oid, 'pg_trigger'), '') = ''$$, 'every trigger');
SELECT is_empty($$
    SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = 'crm'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
    AND coalesce(obj_description(i.indexrelid, 'pg_class'), '') = ''$$, 'every index that is no constraint''s');
SELECT is_empty($$
    SELECT pg_describe_object(classid, objid, 0) FROM pg_temp.members()
    WHERE NOT (classid = 'pg_type'::regclass AND objid::regtype::text LIKE '%[]') AND coalesce(obj_description(objid, classid::regclass::name), '') = ''$$, 'every function and type');
SELECT isnt(obj_description('crm'::regnamespace, 'pg_namespace'), NULL, 'the schema');
SELECT isnt(obj_description((SELECT oid FROM pg_extension WHERE extname = 'crm'), 'pg_extension'), NULL, 'and the extension');
SELECT is_empty($$
    SELECT conname, conrelid::regclass FROM pg_constraint WHERE connamespace = 'crm'::regnamespace
    AND conname ~ '(_pkey|_key|_fkey|_check)[0-9]*$'$$, 'no constraint has a name that says nothing');

-- First rows
SELECT results_eq('SELECT id, time_zone, currency FROM crm.settings', $$VALUES (true, 'UTC', 'EUR')$$,
    'settings have their row');
SELECT results_eq('SELECT name, description FROM crm.workflows ORDER BY name',
    $$VALUES ('opportunity', 'From the first talk to an order, or to none'), ('order', 'From the first line to completion, cancellation or refund')$$, 'there are two workflows');
SELECT results_eq('SELECT workflow, status, probability FROM crm.stage_probabilities ORDER BY probability',
    $$VALUES ('opportunity', 'lost', 0::numeric), ('opportunity', 'lead', 10), ('opportunity', 'visited', 25), ('opportunity', 'quoted', 50), ('opportunity', 'won', 100)$$, 'with probabilities for one');
SELECT matches((SELECT definition::text FROM crm.workflows WHERE name = 'order'),
    '^stateDiagram-v2\n.*\[\*\] --> pending', 'it starts with pending');

-- Usable at once
INSERT INTO crm.customers (id, name) VALUES (1, '王小明');
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
SELECT is(crm_advance_order(1, 'submit'), 'submitted', 'crm_advance_order() works unqualified');

-- Settings of the session
SELECT is(current_setting('crm.actor'), '', 'crm.actor is empty at first');
SELECT is(current_setting('crm.create_tables'), 'auto', 'crm.create_tables is auto');
SELECT throws_ok('SET crm.create_tables = maybe', '22023', 'invalid value for parameter "crm.create_tables": "maybe"',
    'crm.create_tables is checked');
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN throws_ok('SET crm.foo = 1', '42602', 'invalid configuration parameter name "crm.foo"', 'the prefix crm is reserved')
    ELSE skip('prefixes can be reserved from PostgreSQL 15 on', 1) END;

-- DROP EXTENSION
SELECT throws_ok('DROP EXTENSION crm', '2BP01', 'cannot drop extension crm because other objects depend on it',
    'DROP EXTENSION is refused while tables use it');
DROP EXTENSION crm CASCADE;
SELECT results_eq('SELECT id, status, version FROM crm.orders', $$VALUES (1::bigint, 'submitted', 2)$$,
    'CASCADE keeps the rows');
SELECT results_eq('SELECT order_id, seq, event FROM crm.order_events ORDER BY seq',
    $$VALUES (1::bigint, 1, 'create'), (1, 2, 'submit')$$, 'and the history');
SELECT is((SELECT count(*) FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'S'), 5::bigint,
    'and the sequences');

-- A name that no pattern of ours could hold
CREATE SCHEMA "50%s";
SELECT throws_ok('CREATE EXTENSION crm SCHEMA "50%s"', '3F000', 'crm cannot be in a schema whose name has a percent sign', 'a schema with a percent sign is refused');
DROP SCHEMA "50%s";

-- Tables that are there already
SELECT throws_ok('CREATE EXTENSION crm', '42P07', 'schema "crm" already holds an object that crm would create',
    'CREATE EXTENSION over our own old tables is refused');
SELECT is_empty($$SELECT 1 FROM pg_extension WHERE extname = 'crm'$$, 'and leaves no extension');
DROP SCHEMA crm CASCADE;
CREATE SCHEMA crm;
SELECT is(array(
    SELECT (pg_temp.collision(format('CREATE TABLE crm.%s (i int)', name))).state || ' ' || name
    FROM unnest('{customers,products,orders,order_lines,order_events,payments,exchange_rates,opportunities,opportunity_lines,opportunity_events,stage_probabilities,activities,workflows,workflow_versions,guards,settings}'::text[]) AS name),
    '{42P07 customers,42P07 products,42P07 orders,42P07 order_lines,42P07 order_events,42P07 payments,42P07 exchange_rates,42P07 opportunities,42P07 opportunity_lines,42P07 opportunity_events,42P07 stage_probabilities,42P07 activities,42P07 workflows,42P07 workflow_versions,42P07 guards,42P07 settings}',
    'a table of any of our names is refused');
SELECT results_eq($$SELECT * FROM pg_temp.collision('CREATE TABLE crm.orders (i int)')$$, $$VALUES (
    '42P07', 'schema "crm" already holds an object that crm would create',
    'PostgreSQL said: relation "orders" already exists.',
    'Rename it or move it to another schema. If a dump has made all that is there, triggers and views as well, SET crm.create_tables = off before CREATE EXTENSION: that makes none of it.')$$,
    'with an error that helps');
SELECT results_eq($$
    SELECT (pg_temp.collision(c)).state FROM unnest(ARRAY['CREATE VIEW crm.orders AS SELECT 1',
    'CREATE TYPE crm.orders AS ENUM ()', 'CREATE TYPE crm.orders AS (i int)', 'CREATE SEQUENCE crm.orders_by_customer']) AS c$$,
    ARRAY['42P07', '42P07', '42P07', '42P07'], 'and so is a view, a type or a sequence');
CREATE TABLE crm.order_events (i int);
INSERT INTO crm.order_events VALUES (42);
SELECT throws_ok('CREATE EXTENSION crm', '42P07', NULL, 'a table that the script reaches late is refused');
SELECT is_empty($$SELECT 1 FROM pg_extension WHERE extname = 'crm'$$, 'no extension is left behind');
SELECT is_empty($$SELECT proname FROM pg_proc WHERE proname ~ '^crm_'$$, 'no function');
SELECT is_empty($$SELECT typname FROM pg_type WHERE typname ~ '^_?crm_workflow'$$, 'no type');
SELECT results_eq($$SELECT relname FROM pg_class WHERE relnamespace = 'crm'::regnamespace$$, ARRAY['order_events'::name],
    'no other table');
SELECT results_eq('SELECT i FROM crm.order_events', ARRAY[42], 'and the table is as it was');
DROP TABLE crm.order_events;

-- One schema for all
CREATE EXTENSION crm SCHEMA crm;
SELECT results_eq($$
    SELECT DISTINCT pg_describe_object('pg_namespace'::regclass, pronamespace, 0) FROM pg_temp.members()
    JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid$$, ARRAY['schema crm'], 'SCHEMA crm puts the code there');
SELECT is_empty($$
    SELECT pg_describe_object(classid, objid, 0) FROM pg_temp.members()
    WHERE NOT (classid = 'pg_type'::regclass AND objid::regtype::text LIKE '%[]') AND classid IN ('pg_class'::regclass, 'pg_namespace'::regclass)$$, 'and still no table nor the schema is a member');
INSERT INTO crm.customers (id, name) VALUES (1, 'Zoë');
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
SELECT throws_ok($$SELECT crm.crm_advance_order(1, 'submit')$$, 'SL004', NULL, 'it works there, guards too');
SELECT is(crm.crm_advance_order(1, 'cancel'), 'cancelled', 'as they should');
DROP EXTENSION crm CASCADE;
DROP SCHEMA crm CASCADE;

-- Without tables
SET LOCAL crm.create_tables = off;
CREATE EXTENSION crm;
SELECT hasnt_schema('crm', 'crm.create_tables = off creates no tables');
SELECT throws_ok($$SELECT crm_advance_order(1, 'submit')$$, '42P01', 'table "crm.orders" does not exist',
    'then a step says what is missing');
CREATE SCHEMA crm;
CREATE VIEW crm.mine AS SELECT 1 AS one;
SELECT lives_ok('SELECT crm_create_tables()', 'crm_create_tables() makes up for it');
SELECT is((SELECT reloptions FROM pg_class WHERE oid = 'crm.mine'::regclass), NULL, 'a view that was there stays as it was');
SELECT is_empty($$
    SELECT pg_describe_object(classid, objid, 0) FROM pg_temp.members()
    WHERE NOT (classid = 'pg_type'::regclass AND objid::regtype::text LIKE '%[]') AND classid IN ('pg_class'::regclass, 'pg_namespace'::regclass)$$, 'they are no members either');
DROP EXTENSION crm CASCADE;
DROP SCHEMA crm CASCADE;

SET LOCAL crm.create_tables = auto;
SET LOCAL row_security = off;
CREATE EXTENSION crm;
SELECT hasnt_schema('crm', 'row_security = off (a dump) creates no tables');
DROP EXTENSION crm;
SET LOCAL crm.create_tables = on;
CREATE EXTENSION crm;
SELECT has_table('crm', 'orders'::name, 'crm.create_tables = on overrides that');

SELECT * FROM finish();
ROLLBACK;
