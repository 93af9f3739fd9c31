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

CREATE FUNCTION @extschema@.crm_product_affinity(min_support integer)
    RETURNS TABLE (product_id bigint, other_product_id bigint, orders bigint,
                   support double precision, confidence double precision, lift double precision)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 1000 COST 10000;

COMMENT ON FUNCTION @extschema@.crm_product_affinity(integer) IS
    'The pairs of products that are on so many sales together, both ways, with support, confidence and lift';

CREATE FUNCTION @extschema@.crm_order_milestones(order_id bigint, OUT submitted_at timestamptz, OUT paid_at timestamptz, OUT shipped_at timestamptz,
        OUT completed_at timestamptz, OUT cancelled_at timestamptz, OUT refunded_at timestamptz, OUT steps bigint)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 1 COST 5;
COMMENT ON FUNCTION @extschema@.crm_order_milestones(bigint) IS
    'When an order first reached each milestone, and how many steps its history has; one row';

CREATE FUNCTION @extschema@.crm_order_ways()
    RETURNS TABLE (cohort_month date, workflow text, statuses text[], imported text, orders bigint)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 200 COST 10000;

COMMENT ON FUNCTION @extschema@.crm_order_ways() IS
    'How many of the orders placed in a month have been in the same statuses; imported is the one they were imported in';

-- These are in views that are joined with large tables, so they do not keep the others of a query from parallel workers.
CREATE FUNCTION @extschema@.crm_customer_sales()
    RETURNS TABLE (customer_id bigint, orders bigint, revenue numeric, orders_with_lines bigint, revenue_with_lines numeric,
                   first_on date, last_on date, recency_rank double precision, frequency_rank double precision, revenue_rank double precision)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000 COST 10000;
CREATE FUNCTION @extschema@.crm_order_sums(first_day date, last_day date)
    RETURNS TABLE (orders_placed bigint, converted bigint, orders bigint, revenue numeric, customers bigint, repeated bigint,
                   paid numeric, refunded numeric)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 1 COST 10000;

COMMENT ON FUNCTION @extschema@.crm_customer_sales() IS
    'What each customer bought: orders that count as a sale and their revenue, those with lines, first and last day, and the share of the others who bought later, less often, for less';
COMMENT ON FUNCTION @extschema@.crm_order_sums(date, date) IS
    'Counts and sums over the orders placed from one day to another, for crm_kpis()';

CREATE FUNCTION @extschema@.crm_kpis(first_day date, last_day date)
    RETURNS TABLE (days integer, customers bigint, orders bigint, revenue numeric,
                   customers_per_day numeric, orders_per_day numeric, revenue_per_day numeric,
                   average_order_value numeric, orders_placed bigint, conversion_rate numeric,
                   refund_rate numeric, repeat_rate numeric)
    LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED ROWS 1 SET search_path = pg_catalog, pg_temp
AS $crm_kpis$
    SELECT t.days,
           k.customers,
           k.orders,
           coalesce(k.revenue, 0),
           round(k.customers::numeric / t.days, 4),
           round(k.orders::numeric / t.days, 4),
           round(coalesce(k.revenue, 0) / t.days, 2),
           round(k.revenue / nullif(k.orders, 0), 2),
           k.orders_placed,
           round(k.converted::numeric / nullif(k.orders_placed, 0), 4),
           round(k.refunded / nullif(k.paid, 0), 4),
           round(k.repeated::numeric / nullif(k.customers, 0), 4)
    FROM (SELECT CASE WHEN isfinite(first_day) AND isfinite(last_day) AND first_day <= last_day THEN last_day - first_day + 1 END AS days) AS t
    CROSS JOIN @extschema@.crm_order_sums(first_day, last_day) AS k
$crm_kpis$;

COMMENT ON FUNCTION @extschema@.crm_kpis(date, date) IS
    'Key figures of the orders placed from one day to another: customers, orders and revenue a day, average order value, conversion, refund and repeat rate';

CREATE FUNCTION @extschema@.crm_percentiles_step(internal, interval, double precision[]) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_percentiles_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_percentiles_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_percentiles_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_percentiles_intervals(internal) RETURNS interval[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION @extschema@.crm_percentiles_mean_first(internal) RETURNS interval[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE @extschema@.crm_percentiles(duration interval, fractions double precision[]) (
    SFUNC = @extschema@.crm_percentiles_step, STYPE = internal, FINALFUNC = @extschema@.crm_percentiles_intervals,
    COMBINEFUNC = @extschema@.crm_percentiles_combine, SERIALFUNC = @extschema@.crm_percentiles_serialize,
    DESERIALFUNC = @extschema@.crm_percentiles_deserialize, PARALLEL = SAFE
);

CREATE AGGREGATE @extschema@.crm_mean_and_percentiles(duration interval, fractions double precision[]) (
    SFUNC = @extschema@.crm_percentiles_step, STYPE = internal, FINALFUNC = @extschema@.crm_percentiles_mean_first,
    COMBINEFUNC = @extschema@.crm_percentiles_combine, SERIALFUNC = @extschema@.crm_percentiles_serialize,
    DESERIALFUNC = @extschema@.crm_percentiles_deserialize, PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.crm_mean_and_percentiles(interval, double precision[]) IS 'The mean of the durations, then for each fraction what crm_percentiles() gives';
COMMENT ON FUNCTION @extschema@.crm_percentiles_mean_first(internal) IS 'Aggregate result of crm_mean_and_percentiles';
COMMENT ON AGGREGATE @extschema@.crm_percentiles(interval, double precision[]) IS 'For each fraction the duration that so many do not exceed: 0.5 gives the median';
COMMENT ON FUNCTION @extschema@.crm_percentiles_step(internal, interval, double precision[]) IS 'Aggregate transition of crm_percentiles: takes a duration';
COMMENT ON FUNCTION @extschema@.crm_percentiles_combine(internal, internal) IS 'Aggregate state of crm_percentiles: of two workers';
COMMENT ON FUNCTION @extschema@.crm_percentiles_serialize(internal) IS 'Aggregate state of crm_percentiles: to another process';
COMMENT ON FUNCTION @extschema@.crm_percentiles_deserialize(bytea, internal) IS 'Aggregate state of crm_percentiles: from another process';
COMMENT ON FUNCTION @extschema@.crm_percentiles_intervals(internal) IS 'Aggregate result of crm_percentiles';
