-- Whether the tables are created now. A script of pg_dump says SET row_security = off first: there the
-- tables come from the dump. The setting crm.create_tables (on, off) overrides that guess. (A NOTICE
-- would reach nobody: CREATE EXTENSION raises client_min_messages.)
DO $crm_handover$
DECLARE
    wish text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    -- (it stands in patterns of format())
    IF position('%' IN '@extschema@') > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
            MESSAGE = 'crm cannot be in a schema whose name has a percent sign',
            DETAIL  = 'That is @extschema@.',
            HINT    = 'CREATE EXTENSION crm SCHEMA ... with another one.';
    END IF;
    wish := coalesce(nullif(current_setting('crm.create_tables', true), ''), 'auto');

    IF wish = 'on' OR wish = 'auto' AND current_setting('row_security') = 'on' THEN
        PERFORM @extschema@.crm_create_tables();
    END IF;
END
$crm_handover$;
