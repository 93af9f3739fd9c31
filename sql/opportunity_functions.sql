-- Opportunities: their amount, and the order that one becomes.
CREATE FUNCTION @extschema@.crm_keep_opportunity() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_total_opportunity_lines() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_win_opportunity() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;

COMMENT ON FUNCTION @extschema@.crm_keep_opportunity() IS 'Trigger: the amount of an opportunity is that of its lines, and its order the one that the database has made of it';
COMMENT ON FUNCTION @extschema@.crm_total_opportunity_lines() IS 'Trigger: lines change while the opportunity may, and its amount with them';
COMMENT ON FUNCTION @extschema@.crm_win_opportunity() IS 'Trigger: an opportunity that is won becomes an order';
