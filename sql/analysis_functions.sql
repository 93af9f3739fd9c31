-- Aggregates for reports.
-- What a worker has seen of a group goes to the leader through serialize, deserialize and combine.
CREATE FUNCTION @extschema@.crm_funnel_step(internal, text[], text, timestamptz, interval) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_funnel_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_funnel_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_funnel_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_funnel_reached(internal) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

CREATE AGGREGATE @extschema@.crm_funnel(steps text[], step text, at timestamptz, within interval) (
    SFUNC = @extschema@.crm_funnel_step, STYPE = internal, FINALFUNC = @extschema@.crm_funnel_reached,
    COMBINEFUNC = @extschema@.crm_funnel_combine, SERIALFUNC = @extschema@.crm_funnel_serialize,
    DESERIALFUNC = @extschema@.crm_funnel_deserialize, PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.crm_funnel(text[], text, timestamptz, interval) IS 'The furthest step that was reached in the order of the list, within a window of time that begins with the first step; 0 if none was';
COMMENT ON FUNCTION @extschema@.crm_funnel_step(internal, text[], text, timestamptz, interval) IS 'Aggregate transition of crm_funnel: takes an event';
COMMENT ON FUNCTION @extschema@.crm_funnel_combine(internal, internal) IS 'Aggregate state of crm_funnel: of two workers';
COMMENT ON FUNCTION @extschema@.crm_funnel_serialize(internal) IS 'Aggregate state of crm_funnel: to another process';
COMMENT ON FUNCTION @extschema@.crm_funnel_deserialize(bytea, internal) IS 'Aggregate state of crm_funnel: from another process';
COMMENT ON FUNCTION @extschema@.crm_funnel_reached(internal) IS 'Aggregate result of crm_funnel';

CREATE FUNCTION @extschema@.crm_retention_step(internal, date, text) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_retention_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_retention_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_retention_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_retention_periods(internal) RETURNS integer[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE @extschema@.crm_retention(active_on date, unit text) (
    SFUNC = @extschema@.crm_retention_step, STYPE = internal, FINALFUNC = @extschema@.crm_retention_periods,
    COMBINEFUNC = @extschema@.crm_retention_combine, SERIALFUNC = @extschema@.crm_retention_serialize,
    DESERIALFUNC = @extschema@.crm_retention_deserialize, PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.crm_retention(date, text) IS 'The days, weeks, months, quarters or years with an activity, counted from the first one, which is 0';
COMMENT ON FUNCTION @extschema@.crm_retention_step(internal, date, text) IS 'Aggregate transition of crm_retention: takes a date';
COMMENT ON FUNCTION @extschema@.crm_retention_combine(internal, internal) IS 'Aggregate state of crm_retention: of two workers';
COMMENT ON FUNCTION @extschema@.crm_retention_serialize(internal) IS 'Aggregate state of crm_retention: to another process';
COMMENT ON FUNCTION @extschema@.crm_retention_deserialize(bytea, internal) IS 'Aggregate state of crm_retention: from another process';
COMMENT ON FUNCTION @extschema@.crm_retention_periods(internal) IS 'Aggregate result of crm_retention';
