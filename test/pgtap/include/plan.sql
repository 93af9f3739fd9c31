-- How a query is executed; for \ir.
CREATE FUNCTION pg_temp.plan(query text, costs boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS ' || CASE WHEN costs THEN 'ON) ' ELSE 'OFF) ' END || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END $$;
