-- What comes of a statement: done, or SQLSTATE and message (in which the schema of temporary tables is pg_temp); for \ir.
CREATE FUNCTION pg_temp.said(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN others OR query_canceled THEN
    RETURN SQLSTATE || ' ' || replace(SQLERRM, pg_my_temp_schema()::regnamespace::text, 'pg_temp');
END $$;
