-- What comes of a statement of a role's, which leaves nothing behind: SQLSTATE, and what is said; for \ir.
CREATE FUNCTION pg_temp.outcome(statement text, role text DEFAULT 'crm_test_clerk') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = '00001', MESSAGE = 'done';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $$;
