-- Writes the model of the Power BI project, crm.SemanticModel/model.bim, from the catalogue: a table for each fact and dimension,
-- and a relationship for each key that both have.
--
--     psql -d shop -X -q -f bi/model.sql -o bi/crm.SemanticModel/model.bim

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
\pset pager off

WITH columns AS (
    SELECT c.*,
           to_regclass(format('%I.%I', table_schema, table_name)) AS relation,
           table_name LIKE 'fact\_%' AS is_of_fact,
           column_name LIKE '%\_key' AS is_key
    FROM information_schema.columns AS c
    WHERE table_schema = 'crm' AND table_name SIMILAR TO '(fact|dim)\_%'
)
SELECT jsonb_pretty(jsonb_strip_nulls(jsonb_build_object(
    'compatibilityLevel', 1567,
    'model', jsonb_build_object(
        'culture', 'en-US',
        'defaultPowerBIDataSourceVersion', 'powerBI_V3',
        'expressions', (
            SELECT jsonb_agg(jsonb_build_object(
                'name', name,
                'kind', 'm',
                'expression', format('"%s" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]', value)) ORDER BY name)
            FROM (VALUES ('Database', 'crm'), ('Server', 'localhost')) AS parameter (name, value)
        ),
        'relationships', (
            SELECT jsonb_agg(jsonb_build_object(
                'name', format('%s to %s', fact.table_name, dim.table_name),
                'fromTable', fact.table_name, 'fromColumn', fact.column_name,
                'toTable', dim.table_name, 'toColumn', dim.column_name,
                'relyOnReferentialIntegrity', true) ORDER BY fact.table_name, fact.ordinal_position)
            FROM columns AS fact
            JOIN columns AS dim ON dim.column_name = fact.column_name AND NOT dim.is_of_fact
            WHERE fact.is_of_fact AND fact.is_key
        ),
        'tables', (
            SELECT jsonb_agg(made ORDER BY table_name)
            FROM (
                SELECT table_name, jsonb_build_object(
                    'name', table_name,
                    'description', obj_description(relation, 'pg_class'),
                    'dataCategory', CASE table_name WHEN 'dim_date' THEN 'Time' END,
                    'columns', jsonb_agg(jsonb_build_object(
                        'name', column_name,
                        'sourceColumn', column_name,
                        'description', col_description(relation, ordinal_position),
                        'dataType', t.model_type,
                        'formatString', CASE data_type WHEN 'numeric' THEN '#,0.' || repeat('0', numeric_scale) ELSE t.format END,
                        -- a sum of prices means nothing
                        'summarizeBy', CASE WHEN data_type = 'numeric' AND is_of_fact AND column_name NOT LIKE '%price' THEN 'sum' ELSE 'none' END,
                        'isHidden', CASE WHEN is_of_fact AND is_key THEN true END,
                        'isKey', CASE WHEN table_name = 'dim_date' AND is_key THEN true END,
                        'sortByColumn', CASE column_name WHEN 'month_name' THEN 'month' WHEN 'day_name' THEN 'day_of_week' END,
                        'annotations', CASE data_type WHEN 'date' THEN
                            jsonb_build_array(jsonb_build_object('name', 'UnderlyingDateTimeDataType', 'value', 'Date')) END
                    ) ORDER BY ordinal_position),
                    'partitions', jsonb_build_array(jsonb_build_object(
                        'name', table_name,
                        'mode', 'directQuery',
                        'source', jsonb_build_object('type', 'm', 'expression', jsonb_build_array(
                            'let',
                            '    Source = PostgreSQL.Database(Server, Database),',
                            format('    View = Source{[Schema="crm", Item="%s"]}[Data]', table_name),
                            'in',
                            '    View'))))
                ) AS made
                FROM columns
                -- numeric: as Power BI takes the decimals of a database by itself; its fixed decimal would ask for a cast
                LEFT JOIN (VALUES
                    ('bigint', 'int64', '0'),
                    ('integer', 'int64', '0'),
                    ('numeric', 'double', NULL),
                    ('text', 'string', NULL),
                    ('boolean', 'boolean', NULL),
                    ('date', 'dateTime', 'Short Date'),
                    ('timestamp with time zone', 'dateTime', 'General Date')
                ) AS t (data_type, model_type, format) USING (data_type)
                GROUP BY table_name, relation
            ) AS tables
        )
    )
)));
