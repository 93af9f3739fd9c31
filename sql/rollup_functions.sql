-- Sums that are kept: what they are made of, and how they are brought up to date.

-- The measures are whole numbers: cents, thousandths of a unit, microseconds. sum() would add them up as numeric, which is
-- several times slower; an error says when there are too many of them.
CREATE AGGREGATE @extschema@.crm_sum(bigint) (
    SFUNC = pg_catalog.int8pl, STYPE = bigint, COMBINEFUNC = pg_catalog.int8pl, PARALLEL = SAFE
);
CREATE FUNCTION @extschema@.crm_decimal_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_decimal(units bigint, decimals integer) RETURNS numeric
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SUPPORT @extschema@.crm_decimal_support;

COMMENT ON AGGREGATE @extschema@.crm_sum(bigint) IS 'The sum as a whole number: of cents, for example';
COMMENT ON FUNCTION @extschema@.crm_decimal_support(internal) IS 'Tells the planner what crm_decimal() gives';
COMMENT ON FUNCTION @extschema@.crm_decimal(bigint, integer) IS 'So many hundredths, thousandths or the like as a decimal number: crm_decimal(490, 2) is 4.90';

-- What waits: from a page on that a merge has said, see crm.change_tables. A row without a day is a mark of a merge (src/changes.c).
CREATE FUNCTION @extschema@.crm_waits_from(changes regclass) RETURNS tid
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_waiting_from(changes text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN format('@extschema@.crm_waits_from(%L::regclass)', format('crm.%I', changes));
CREATE FUNCTION @extschema@.crm_waiting_rows(grain text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN format('(SELECT * FROM crm.%1$I c WHERE c.ctid >= %2$s AND c.day IS NOT NULL UNION ALL SELECT * FROM crm.%3$I c WHERE c.ctid >= %4$s AND c.day IS NOT NULL)',
              grain || '_changes_1', @extschema@.crm_waiting_from(grain || '_changes_1'),
              grain || '_changes_2', @extschema@.crm_waiting_from(grain || '_changes_2'));
-- As figures count them: a step of an order is one row, for the status that it comes into and against the one that it left,
-- and mostly tells of the event as well.
CREATE FUNCTION @extschema@.crm_waiting(grain text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE grain
    WHEN 'order' THEN format($$(SELECT day, customer_id, owner, currency, workflow, status, orders, total FROM %1$s x
        UNION ALL SELECT day, customer_id, owner, currency, workflow, left_status, -orders, -total FROM %1$s x WHERE left_status IS NOT NULL)$$,
                            @extschema@.crm_waiting_rows('order'))
    WHEN 'event' THEN format('(SELECT day, event, from_status, to_status, events, dwell FROM %s e UNION ALL SELECT stepped_on, event, left_status, status, orders, dwell FROM %s o WHERE event IS NOT NULL)',
                            @extschema@.crm_waiting_rows('event'), @extschema@.crm_waiting_rows('order'))
    ELSE @extschema@.crm_waiting_rows(grain) END;

CREATE FUNCTION @extschema@.crm_anything_waits(grain text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

-- What an older snapshot does not show of a rollup, it must not take for empty.
CREATE FUNCTION @extschema@.crm_is_in_snapshot(rollup text, cells regclass, generation integer) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

-- Where the kept sums of a rollup lie: all that a snapshot shows are of one generation, and none is on an earlier page. So a
-- reader finds them, by an index or without, past what is dead and stays only because somebody holds an old snapshot.
CREATE FUNCTION @extschema@.crm_kept_from(rollup text, cells regclass) RETURNS tid
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
-- by_key: to be looked up one by one. By the index that begins with their dimensions (on PostgreSQL 14 not if the first of
-- these is a text), not by that of all sums of a day or month, whatever the planner thinks of these: + 0
CREATE FUNCTION @extschema@.crm_kept(rollup text, by_key boolean DEFAULT false) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN format('(SELECT * FROM %1$s k WHERE k.ctid >= @extschema@.crm_kept_from(%2$L::text, %1$L::regclass) AND k.generation%3$s = (SELECT r.generation FROM crm.rollups r WHERE r.name = %2$L) AND @extschema@.crm_is_in_snapshot(%2$L::text, %1$L::regclass, (SELECT r.generation FROM crm.rollups r WHERE r.name = %2$L)))',
              format('crm.%I', rollup || '_cells'), rollup, CASE WHEN by_key THEN ' + 0' END);

-- The planner evaluates it, too, and so knows how much of the lines or orders the part of a view is about that has moved.
CREATE FUNCTION @extschema@.crm_limit_of_moved() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

-- The SQL behind a rollup. part says which:
--   tables   the plain query over the tables that the view answers
--   view     the view: kept sums, what waits, and what is on the move to another category or region
--   move     what a merge adds to the kept sums because products or customers have moved; NULL if that moves none of these
--   rebuild  kept sums made from scratch, so that they and what waits add up to the tables
CREATE FUNCTION @extschema@.crm_rollup_query(grain text, dimensions text[], part text, rollup text DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $crm_rollup_query$
#variable_conflict use_variable
DECLARE
    -- "known" is the category or region as the kept sums have it; what they have not seen yet is where it is now
    of_products  constant text := E'\n    LEFT JOIN crm.products p ON p.id = s.product_id';
    of_customers constant text := E'\n    LEFT JOIN crm.customers c ON c.id = s.customer_id';
    -- (a merge must not read all products and customers for a few that have moved, whatever the planner thinks of those: OFFSET 0)
    known_values constant text := CASE part
        WHEN 'move' THEN E'\n    LEFT JOIN LATERAL (SELECT k.* FROM crm.%2$s k WHERE k.%3$s = s.%3$s OFFSET 0) %1$s ON true'
        ELSE E'\n    LEFT JOIN crm.%2$s %1$s ON %1$s.%3$s = s.%3$s' END;
    known_products  constant text := format(known_values, 'kp', 'rollup_categories', 'product_id');
    known_customers constant text := format(known_values, 'kc', 'rollup_regions', 'customer_id');
    -- mostly nothing has moved, and the planner shall know: else it takes a view over very many lines for so costly that it compiles it
    by_rows     constant text := CASE part WHEN 'view' THEN 'LIMIT @extschema@.crm_limit_of_moved()' ELSE 'OFFSET 0' END;
    by_category constant boolean := 'category' = ANY (dimensions);
    by_region   constant boolean := 'region' = ANY (dimensions);
    in_time     constant text := CASE WHEN 'day' = ANY (dimensions) THEN 'day' WHEN 'month' = ANY (dimensions) THEN 'month' END;
    in_month    constant text := 'date_trunc(''month'', s.day::timestamp)::date';
    facts    text;      -- one row for each line, order or event
    measures text[];
    shown    text;      -- the measures as people read them
    shown_fast text;    -- the same, of sums: %s for each
    changes  constant text := @extschema@.crm_waiting(grain);
    marks    text := 'crm.dimension_changes';
    names    text := '';
    current  text := '';
    known    text := '';
    waits    text := '';
    waiting  text := '';
    moved    text := '';
    by_customer text[];
    regions  text := '';
    sums     text;
    signed   text;
    added    text;
    total    constant text := '@extschema@.crm_sum(s.%1$I::bigint)';
    -- When nothing waits, sums are shown as they are kept, but for those by category or region, of which some may be on the move.
    -- (With what waits not by a join, which is a nested loop, and takes minutes, where the planner expects few sums and is wrong.)
    anything_waits constant text := CASE grain WHEN 'event' THEN '(@extschema@.crm_anything_waits(''event''::text) OR @extschema@.crm_anything_waits(''order''::text))'
        ELSE format('@extschema@.crm_anything_waits(%L::text)', grain) END;
    at_rest   text := '';
    else_only text := '';
    current_joins text := '';
    known_joins   text := '';
    arms     text[];
    dimension text;
    key      text;
BEGIN
    IF grain = 'line' THEN
        facts := $$SELECT o.placed_on AS day, l.product_id, o.customer_id, o.owner, o.currency, o.workflow, 1 AS lines,
            (l.quantity * 1000)::bigint AS quantity, (round(l.amount * o.exchange_rate, 2) * 100)::bigint AS amount
        FROM crm.order_lines l
        JOIN crm.orders o ON o.id = l.order_id
        JOIN (SELECT w.name AS workflow, x.state AS status
              FROM crm.workflows w CROSS JOIN LATERAL @extschema@.crm_states(w.definition) x
              WHERE 'booked' = ANY (x.classes)) b ON b.workflow = o.workflow AND b.status = o.status$$;
        measures := '{lines,quantity,amount}';
        shown := 'sum(s.lines)::bigint AS lines, (sum(s.quantity) * 0.001)::numeric(20,3) AS quantity, (sum(s.amount) * 0.01)::numeric(20,2) AS amount';
        shown_fast := '%s AS lines, @extschema@.crm_decimal(%s, 3)::numeric(20,3) AS quantity, @extschema@.crm_decimal(%s, 2)::numeric(20,2) AS amount';
    ELSIF grain = 'order' THEN
        facts := $$SELECT o.placed_on AS day, o.customer_id, o.owner, o.currency, o.workflow, o.status, 1 AS orders,
            (o.reporting_total * 100)::bigint AS total
        FROM crm.orders o$$;
        measures := '{orders,total}';
        shown := 'sum(s.orders)::bigint AS orders, (sum(s.total) * 0.01)::numeric(20,2) AS total';
        shown_fast := '%s AS orders, @extschema@.crm_decimal(%s, 2)::numeric(20,2) AS total';
    ELSIF grain IS DISTINCT FROM 'event' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('grain "%s" does not exist', grain),
            HINT = 'line, order and event do.';
    ELSE
        facts := $$SELECT (e.at AT TIME ZONE g.time_zone)::date AS day, e.event, e.from_status, e.to_status, 1 AS events,
            coalesce(extract(epoch FROM e.dwell) * 1000000, 0)::bigint AS dwell
        FROM crm.order_events e CROSS JOIN crm.settings g$$;
        measures := '{events,dwell}';
        shown := 'sum(s.events)::bigint AS events, (sum(s.dwell) * 0.000001)::numeric(20,6) AS dwell_seconds';
        shown_fast := '%s AS events, @extschema@.crm_decimal(%s, 6)::numeric(20,6) AS dwell_seconds';
    END IF;
    IF part = 'move' THEN
        marks := 'taken_dimensions';
    END IF;

    FOREACH dimension IN ARRAY dimensions LOOP
        DECLARE
            -- quoted: crm.rollups belongs to somebody, and somebody else may ask for its figures
            name constant text := CASE WHEN dimension IN ('product', 'customer') THEN dimension || '_id' ELSE quote_ident(dimension) END;
            now  constant text := CASE dimension
                WHEN 'month'    THEN in_month
                WHEN 'category' THEN 'p.category'
                WHEN 'region'   THEN 'c.region'
                ELSE 's.' || name END;
            was  constant text := CASE dimension
                WHEN 'category' THEN 'CASE WHEN kp.product_id IS NULL THEN p.category ELSE kp.category END'
                WHEN 'region'   THEN 'CASE WHEN kc.customer_id IS NULL THEN c.region ELSE kc.region END'
                ELSE now END;
        BEGIN
            names   := names   || format('s.%s, ', name);
            current := current || format('%s AS %s, ', now, name);
            known   := known   || format('%s AS %s, ', was, name);
            waits   := waits   || CASE dimension
                WHEN 'category' THEN 'kp.category, CASE WHEN kp.product_id IS NULL THEN s.product_id END AS new_product, '
                WHEN 'region'   THEN 'kc.region, CASE WHEN kc.customer_id IS NULL THEN s.customer_id END AS new_customer, '
                ELSE format('%s AS %s, ', now, name) END;
            waiting := waiting || CASE dimension
                WHEN 'category' THEN 'CASE WHEN s.new_product IS NULL THEN s.category ELSE (SELECT p.category FROM crm.products p WHERE p.id = s.new_product) END AS category, '
                WHEN 'region'   THEN 'CASE WHEN s.new_customer IS NULL THEN s.region ELSE (SELECT c.region FROM crm.customers c WHERE c.id = s.new_customer) END AS region, '
                ELSE format('s.%s, ', name) END;
            regions := regions || CASE dimension
                WHEN 'region' THEN 'CASE WHEN kc.customer_id IS NULL THEN (SELECT c.region FROM crm.customers c WHERE c.id = s.customer_id) ELSE kc.region END AS region, '
                ELSE format('%s AS %s, ', now, name) END;
            key := CASE dimension WHEN 'region' THEN 's.customer_id' WHEN 'month' THEN 's.day' ELSE 's.' || name END;
            by_customer := CASE WHEN key = ANY (by_customer) THEN by_customer ELSE by_customer || key END;
            moved   := moved   || format('%s AS %s, ', CASE WHEN was = now THEN now ELSE format('CASE v.sign WHEN 1 THEN %s ELSE %s END', now, was) END, name);
        END;
    END LOOP;
    SELECT string_agg(format(total || ' AS %1$I', m), ', '), string_agg(format('v.sign * s.%1$s AS %1$s', m), ', '),
           string_agg(format('s.%s', m), ', ')
    INTO sums, signed, added FROM unnest(measures) m;
    IF by_category THEN
        current_joins := current_joins || of_products;
        known_joins := known_joins || of_products || known_products;
    END IF;
    IF by_region THEN
        current_joins := current_joins || of_customers;
        known_joins := known_joins || of_customers || known_customers;
    END IF;

    IF part = 'tables' THEN
        RETURN format(E'SELECT %s%s FROM (\n    SELECT %s%s\n    FROM (%s) s%s) s\nGROUP BY %s',
                      names, shown, current, added, facts, current_joins, rtrim(names, ', '));
    ELSIF part = 'rebuild' THEN
        RETURN format(E'SELECT %s%s FROM (\n    SELECT %s%s\n    FROM (%s) s%s\nUNION ALL\n    SELECT %s%s\n    FROM %s s CROSS JOIN (VALUES (-1)) v (sign)%s) s\nGROUP BY %s\nORDER BY %s',
                      names, sums, known, added, facts, known_joins, known, signed, changes, known_joins, rtrim(names, ', '),
                      -- those of a month lie together
                      concat_ws(', ', 's.' || in_time, rtrim(names, ', ')));
    END IF;

    IF part = 'view' AND by_region AND NOT dimensions && '{category,product}' THEN
        -- A customer's lines are of one region: looked up once for what waits of him.
        arms := ARRAY[format(E'    SELECT %s%s\n    FROM (SELECT %s, %s FROM %s s GROUP BY %3$s) s%6$s', regions, added, array_to_string(by_customer, ', '), sums, changes, known_customers)];
    ELSIF part = 'view' AND (by_category OR by_region) THEN
        -- Summed up before the few that the kept sums have not seen are looked up: to the planner that is dear.
        arms := ARRAY[format(E'    SELECT %s%s\n    FROM (SELECT %s%s\n        FROM %s s%s\n        GROUP BY %s) s',
            waiting, added, waits, sums, changes, CASE WHEN by_category THEN known_products ELSE '' END || CASE WHEN by_region THEN known_customers ELSE '' END,
            (SELECT string_agg(n::text, ', ') FROM generate_series(1, cardinality(dimensions) + by_category::int + by_region::int) n))];
    ELSIF part = 'view' THEN
        arms := ARRAY[format(E'    SELECT %s%s\n    FROM %s s', known, added, changes)];
    END IF;
    -- What has moved is little, and found by its products and customers, row by row (OFFSET 0, or LIMIT).
    IF by_category THEN
        arms := arms || format(E'    SELECT %s%s\n    FROM (SELECT DISTINCT d.id FROM %s d WHERE d.dimension = ''category'') m\n    CROSS JOIN LATERAL (SELECT f.* FROM (%s) f WHERE f.product_id = m.id %s) s\n    CROSS JOIN (VALUES (-1), (1)) v (sign)%s',
                               moved, signed, marks, facts, by_rows, known_joins);
    END IF;
    IF by_region THEN
        arms := arms || format(E'    SELECT %s%s\n    FROM (SELECT DISTINCT d.id FROM %s d WHERE d.dimension = ''region'') m\n    CROSS JOIN LATERAL (SELECT f.* FROM (%s) f WHERE f.customer_id = m.id %s) s\n    CROSS JOIN (VALUES (-1), (1)) v (sign)%s%s',
                               moved, signed, marks, facts, by_rows, known_joins,
                               -- the arm above has those
                               CASE WHEN by_category THEN format(E'\n    WHERE NOT EXISTS (SELECT FROM %s d WHERE d.dimension = ''category'' AND d.id = s.product_id)', marks) END);
    END IF;

    IF part = 'move' THEN
        RETURN format(E'SELECT %s%s FROM (\n%s) s\nGROUP BY %s\nHAVING %s', names, sums, array_to_string(arms, E'\nUNION ALL\n'), rtrim(names, ', '),
                      (SELECT string_agg(format(total || ' <> 0', m), ' OR ') FROM unnest(measures) m));
    END IF;
    IF NOT (by_category OR by_region) THEN
        at_rest := format(E'SELECT %s%s FROM %s s\nWHERE s.%I <> 0 AND NOT %s\nUNION ALL\n',
                          names, format(shown_fast, VARIADIC ARRAY(SELECT format('s.%I', m) FROM unnest(measures) m)), @extschema@.crm_kept(rollup), measures[1], anything_waits);
        else_only := format(E'WHERE %s\n', anything_waits);
    END IF;
    RETURN format(E'%sSELECT %s%s FROM (\n    SELECT %s%s FROM %s s\nUNION ALL\n%s) s\n%sGROUP BY %s\nHAVING %s <> 0',
                  at_rest, names, format(shown_fast, VARIADIC ARRAY(SELECT format(total, m) FROM unnest(measures) m)), names, added, @extschema@.crm_kept(rollup),
                  array_to_string(arms, E'\nUNION ALL\n'), else_only, rtrim(names, ', '), format(total, measures[1]));
END
$crm_rollup_query$;

-- By what a kept sum is found where NULLs are all distinct (PostgreSQL 14).
CREATE FUNCTION @extschema@.crm_rollup_keys(dimensions text[]) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (SELECT string_agg(CASE WHEN d IN ('product', 'customer') THEN d || '_id' WHEN d IN ('day', 'month') THEN d
                          ELSE format('coalesce(%1$I, ''''), (%1$I IS NULL)', d) END, ', ' ORDER BY n)
        FROM unnest(dimensions) WITH ORDINALITY x (d, n));

-- Who merges writes the sums and has what somebody has put on their tables run with his own rights, be he a superuser; who checks
-- reads the views, too. So they belong to who owns crm.rollups, or to a superuser.
CREATE FUNCTION @extschema@.crm_check_rollup_owners(also_views boolean) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $crm_check_rollup_owners$
DECLARE
    foreign_one record;
BEGIN
    SELECT r.name, c.oid::regclass AS relation, c.relowner::regrole AS owner, o.relowner::regrole AS wanted,
           CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
    INTO foreign_one
    FROM crm.rollups r
    CROSS JOIN pg_class o
    JOIN pg_class c ON c.relnamespace = o.relnamespace AND (c.relname = r.name || '_cells' OR also_views AND c.relname = r.name)
    JOIN pg_roles a ON a.oid = c.relowner
    WHERE o.oid = 'crm.rollups'::regclass AND c.relowner <> o.relowner AND NOT a.rolsuper
    ORDER BY r.name, c.relname LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('rollup "%s" is in the hands of role %s', foreign_one.name, foreign_one.owner),
            DETAIL  = format('%s belongs to that role, and crm.rollups to %s, with whose rights what is on it would run.', foreign_one.relation, foreign_one.wanted),
            HINT    = format('If it is what it should be, ALTER %s %s OWNER TO %s. Else drop it, and delete its row from crm.rollups.', foreign_one.kind, foreign_one.relation, foreign_one.wanted);
    END IF;
END
$crm_check_rollup_owners$;

-- Merges are one at a time; a merge, a rebuild and a change of the rollups, too. Nobody else waits for that.
-- A snapshot from before the lock would not show what the one before has left.
CREATE FUNCTION @extschema@.crm_lock_rollups() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $crm_lock_rollups$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') AND NOT @extschema@.crm_is_new_table('crm.rollups'::regclass) THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('rollups cannot be changed in a %s transaction', upper(current_setting('transaction_isolation'))),
            DETAIL  = 'Its snapshot may be older than what others have merged.',
            HINT    = 'BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    -- before the rollups, as whoever truncates one of these does
    LOCK TABLE crm.settings, crm.workflows, crm.products, crm.customers, crm.orders, crm.order_lines, crm.order_events IN ACCESS SHARE MODE;
    LOCK TABLE crm.rollups IN SHARE UPDATE EXCLUSIVE MODE;
    PERFORM @extschema@.crm_check_rollup_owners(false);
END
$crm_lock_rollups$;

CREATE FUNCTION @extschema@.crm_refuse_within_statement(what text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION @extschema@.crm_current_xact_id() RETURNS xid8
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION @extschema@.crm_first_waiting_page(changes regclass, first bigint) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION @extschema@.crm_is_seen_by_all(transaction xid8) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION @extschema@.crm_prune_changes(changes regclass) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Gives the space of change tables that have grown back (src/changes.c has the same size): if nothing waits in one, nobody is
-- at it, and nobody has a snapshot that shows it as it was before the last merge. Waits for nobody, and keeps nobody waiting in vain.
CREATE FUNCTION @extschema@.crm_empty_changes() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $crm_empty_changes$
DECLARE
    grown    record;
    is_free  constant text := 'SELECT NOT EXISTS (SELECT FROM %1$s c WHERE c.ctid >= %2$s AND c.day IS NOT NULL) AND EXISTS (
        SELECT FROM crm.change_tables t WHERE t.name = %3$L AND t.written_by::xid = t.xmin AND @extschema@.crm_is_seen_by_all(t.written_by))';
    is_ready boolean;
BEGIN
    FOR grown IN SELECT t.name, format('crm.%I', t.name) AS relation, format(is_free, format('crm.%I', t.name), @extschema@.crm_waiting_from(t.name), t.name) AS question
                 FROM crm.change_tables t
                 WHERE pg_relation_size(format('crm.%I', t.name)::regclass) >= 1000 * current_setting('block_size')::bigint ORDER BY t.name LOOP
        EXECUTE grown.question INTO is_ready;
        CONTINUE WHEN NOT is_ready;
        PERFORM @extschema@.crm_prune_changes(grown.relation::regclass);
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', grown.relation);
            EXECUTE grown.question INTO is_ready;
            IF NOT is_ready THEN
                RAISE lock_not_available; -- somebody was quicker: give the lock back
            END IF;
            -- what the first time was in use
            PERFORM @extschema@.crm_prune_changes(grown.relation::regclass);
            EXECUTE format('TRUNCATE %s', grown.relation);
        EXCEPTION WHEN lock_not_available OR object_in_use THEN
            NULL;
        END;
    END LOOP;
END
$crm_empty_changes$;

-- Says where the sums of a rollup lie, after some were written: lowest is the first place of those. Each merge leaves dead
-- rows behind. If a snapshot keeps them from being used again and they are several times as many as the sums, the sums move
-- behind them, into a new generation. (100 sums lie on a page or so.)
CREATE FUNCTION @extschema@.crm_keep_place(rollup text, lowest tid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $crm_keep_place$
#variable_conflict use_variable
DECLARE
    cells   constant text := format('crm.%I', rollup || '_cells');
    file    constant oid := pg_relation_filenode(cells);
    pages   constant bigint := pg_relation_size(cells) / current_setting('block_size')::bigint;
    columns text;
    kept    record;
    page    bigint;
    moved   bigint;
BEGIN
    SELECT r.*, CASE WHEN r.written_by::xid = r.xmin AND r.file = file THEN r.first_page ELSE 0 END AS known_page
    INTO kept FROM crm.rollups r WHERE r.name = rollup;
    page := least(kept.known_page, (lowest::text::point)[0]::bigint);
    IF pages - page > kept.sums / 20 + 32 THEN
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
        FROM pg_attribute a WHERE a.attrelid = cells::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attname <> 'generation';
        EXECUTE format('WITH gone AS (DELETE FROM %1$s c WHERE c.ctid >= $1 RETURNING %2$s),
                             came AS (INSERT INTO %1$s (%2$s, generation) OVERRIDING SYSTEM VALUE SELECT %2$s, $2 FROM gone WHERE %3$s%4$s RETURNING ctid)
                        SELECT count(*), (min(ctid)::text::point)[0]::bigint FROM came', cells, columns,
                       CASE kept.grain WHEN 'line' THEN '(lines, quantity, amount) <> (0, 0, 0)' WHEN 'order' THEN '(orders, total) <> (0, 0)' ELSE '(events, dwell) <> (0, 0)' END,
                       -- those of a month lie together
                       (SELECT ' ORDER BY ' || string_agg(d, ', ') FROM unnest('{day,month}'::text[]) d WHERE d = ANY (kept.dimensions)))
        INTO moved, page USING format('(%s,0)', page)::tid, kept.generation + 1;
        UPDATE crm.rollups r SET generation = kept.generation + 1, sums = moved, first_page = coalesce(page, 0), file = file, written_by = @extschema@.crm_current_xact_id()
        WHERE r.name = rollup;
    ELSIF page < kept.known_page THEN
        UPDATE crm.rollups r SET first_page = page, written_by = @extschema@.crm_current_xact_id() WHERE r.name = rollup;
    END IF;
END
$crm_keep_place$;

-- What has moved to another category or region does so with all that was sold of it: the statement, for the rollups as they are.
CREATE FUNCTION @extschema@.crm_move_statement() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $crm_move_statement$
    WITH kept AS (
        SELECT r.name, r.grain, r.dimensions, r.generation, format('crm.%I', r.name || '_cells') AS cells, r.dimensions && '{category,region}' AS moves,
               format('written_%s', row_number() OVER (ORDER BY r.name)) AS written,
               CASE r.grain WHEN 'line' THEN '{lines,quantity,amount}'::text[] WHEN 'order' THEN '{orders,total}' ELSE '{events,dwell}' END AS measures
        FROM crm.rollups r
    )
    SELECT $$WITH taken_dimensions AS (
    DELETE FROM crm.dimension_changes RETURNING *
)$$ || (SELECT string_agg(format($$, found_%1$s AS (
    SELECT o.id, o.%1$s
    FROM (SELECT DISTINCT id FROM taken_dimensions WHERE dimension = '%1$s') d
    CROSS JOIN LATERAL (SELECT q.id, q.%1$s FROM crm.%2$s q WHERE q.id = d.id OFFSET 0) o
), known_%1$s AS (
    INSERT INTO crm.%3$s
    SELECT f.id, f.%1$s
    FROM found_%1$s f
    LEFT JOIN LATERAL (SELECT v.* FROM crm.%3$s v WHERE v.%4$s = f.id OFFSET 0) k ON true
    WHERE k.%4$s IS NULL OR k.%1$s IS DISTINCT FROM f.%1$s
    ON CONFLICT (%4$s) DO UPDATE SET %1$s = excluded.%1$s
), forgotten_%1$s AS (
    DELETE FROM crm.%3$s k
    WHERE k.ctid = ANY (ARRAY(
        SELECT v.ctid FROM taken_dimensions d
        CROSS JOIN LATERAL (SELECT w.ctid FROM crm.%3$s w WHERE w.%4$s = d.id OFFSET 0) v
        WHERE d.dimension = '%1$s' AND NOT EXISTS (SELECT FROM crm.%2$s o WHERE o.id = d.id)))
)$$, x.dimension, x.owners, x.known, x.key), '')
    FROM (VALUES ('category', 'products', 'rollup_categories', 'product_id'), ('region', 'customers', 'rollup_regions', 'customer_id')) x (dimension, owners, known, key)
    ) || coalesce(string_agg(
            format(E',\n%s AS (\nINSERT INTO %s AS t SELECT m.*, %s FROM (\n%s) m\nON CONFLICT %s DO UPDATE SET %s RETURNING t.ctid)',
                   k.written, k.cells, k.generation, @extschema@.crm_rollup_query(k.grain, k.dimensions, 'move'),
                   CASE WHEN EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = k.cells::regclass AND c.conname = k.name || '_are_one')
                        THEN format('ON CONSTRAINT %I', k.name || '_are_one')
                        ELSE format('(%s, generation)', @extschema@.crm_rollup_keys(k.dimensions)) END,
                   (SELECT string_agg(format('%1$s = t.%1$s + excluded.%1$s', m), ', ') FROM unnest(k.measures) m)),
            '' ORDER BY k.name) FILTER (WHERE k.moves), '')
        || format(E'\nSELECT (SELECT count(*) FROM taken_dimensions), ARRAY[%s]::tid[]',
                  string_agg(CASE WHEN k.moves THEN format('(SELECT min(ctid) FROM %s)', k.written) ELSE 'NULL' END, ', ' ORDER BY k.name COLLATE "C"))
    FROM kept k
$crm_move_statement$;
CREATE FUNCTION @extschema@.crm_merge_changes(pages bigint, also_moved boolean, OUT taken bigint[], OUT moved bigint, OUT written tid[])
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT SET search_path = pg_catalog, pg_temp;

-- at_least: only if about so many wait (they are not counted, but their pages). at_most: about so many of a kind, so that nobody waits
-- long for our locks; and if somebody has locked the tables, not now.
CREATE FUNCTION @extschema@.crm_merge_rollups(at_least bigint DEFAULT 0, at_most bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off -- compiling it takes longer than a million changes
AS $crm_merge_rollups$
#variable_conflict use_variable
DECLARE
    anything_moved boolean;
    result record;
    merged bigint;
BEGIN
    IF at_most IS NOT NULL THEN
        BEGIN
            LOCK TABLE crm.settings, crm.workflows, crm.products, crm.customers, crm.orders, crm.order_lines, crm.order_events IN ACCESS SHARE MODE NOWAIT;
        EXCEPTION WHEN lock_not_available THEN
            RETURN 0;
        END;
    END IF;
    PERFORM @extschema@.crm_lock_rollups();
    anything_moved := EXISTS (SELECT FROM crm.dimension_changes);
    IF anything_moved THEN
        PERFORM @extschema@.crm_refuse_within_statement('what is on the move to another category or region cannot be merged');
    END IF;
    IF NOT anything_moved AND at_least / 100 > (
        SELECT sum(pg_relation_size(x.relation) / current_setting('block_size')::bigint - (@extschema@.crm_waits_from(x.relation)::text::point)[0]::bigint)
        FROM (SELECT format('crm.%I', c.name)::regclass AS relation FROM crm.change_tables c) x)
    THEN
        RETURN 0;
    END IF;

    -- what moves does so with all that waits of it
    SELECT * INTO result FROM @extschema@.crm_merge_changes(
        CASE WHEN anything_moved OR at_most IS NULL THEN 4294967294 ELSE least(greatest(at_most / 100, 1), 4294967294) END, anything_moved OR at_most IS NULL);
    merged := result.moved + (SELECT sum(n) FROM unnest(result.taken) n);
    IF merged > 0 THEN
        -- everybody is told from which page on something waits
        UPDATE crm.change_tables t SET
            first_page = @extschema@.crm_first_waiting_page(x.relation, (@extschema@.crm_waits_from(x.relation)::text::point)[0]::bigint),
            file = pg_relation_filenode(x.relation),
            written_by = @extschema@.crm_current_xact_id()
        FROM (SELECT c.name, format('crm.%I', c.name)::regclass AS relation, row_number() OVER (ORDER BY c.name COLLATE "C") AS n FROM crm.change_tables c) x
        WHERE t.name = x.name AND result.taken[x.n] > 0;
        UPDATE crm.merge_state SET merged_at = clock_timestamp(), merged = merged;
        PERFORM @extschema@.crm_keep_place(r.name, result.written[row_number() OVER (ORDER BY r.name COLLATE "C")]) FROM crm.rollups r;
    END IF;
    PERFORM @extschema@.crm_empty_changes();
    -- what the worker failed with is over
    UPDATE crm.merge_state SET failed_at = NULL, failure = NULL WHERE failed_at IS NOT NULL;
    RETURN merged;
END
$crm_merge_rollups$;

CREATE FUNCTION @extschema@.crm_show_progress(what text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C;

-- How far it is, who calls it is told by notices, and others by pg_stat_activity.
CREATE FUNCTION @extschema@.crm_rebuild_rollups(rollup text DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET row_security = off -- sums without the rows that a policy hides would be wrong: rather an error
AS $crm_rebuild_rollups$
#variable_conflict use_variable
DECLARE
    kept  record;
    rows  bigint;
    page  bigint;
    total bigint := 0;
    stage text;
BEGIN
    PERFORM @extschema@.crm_lock_rollups();
    PERFORM @extschema@.crm_refuse_within_statement('rollups cannot be made');
    IF rollup IS NOT NULL AND NOT EXISTS (SELECT FROM crm.rollups r WHERE r.name = rollup) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('rollup "%s" does not exist', rollup),
            HINT = 'SELECT name FROM crm.rollups shows those that do.';
    END IF;
    FOR kept IN SELECT r.name, r.grain, r.dimensions, r.generation, format('crm.%I', r.name || '_cells') AS cells, row_number() OVER (ORDER BY r.name) AS n, count(*) OVER () AS rollups
                FROM crm.rollups r WHERE rollup IS NULL OR r.name = rollup ORDER BY r.name LOOP
        RAISE NOTICE 'rebuilding rollup "%" (% of %)', kept.name, kept.n, kept.rollups;
        stage := format('crm_rebuild_rollups(): %s of %s, %s, ', kept.n, kept.rollups, kept.name);
        PERFORM @extschema@.crm_show_progress(stage || 'removing the old sums');
        EXECUTE format('DELETE FROM %s', kept.cells);
        PERFORM @extschema@.crm_show_progress(stage || 'summing up');
        UPDATE crm.rollups r SET generation = kept.generation + 1 WHERE r.name = kept.name;
        -- One statement again: the sums, where they have the products and customers that they see for the first time, and
        -- which of the others have moved without being noted.
        EXECUTE format($$WITH filled AS (INSERT INTO %s SELECT m.*, %s FROM (%s) m RETURNING ctid),
            known_categories AS (INSERT INTO crm.rollup_categories
                SELECT p.id, p.category FROM crm.products p
                WHERE %L AND NOT EXISTS (SELECT FROM crm.rollup_categories k WHERE k.product_id = p.id)),
            known_regions AS (INSERT INTO crm.rollup_regions
                SELECT c.id, c.region FROM crm.customers c
                WHERE %L AND NOT EXISTS (SELECT FROM crm.rollup_regions k WHERE k.customer_id = c.id)),
            moved AS (INSERT INTO crm.dimension_changes
                SELECT 'category', k.product_id, now()
                FROM crm.rollup_categories k LEFT JOIN crm.products p ON p.id = k.product_id WHERE k.category IS DISTINCT FROM p.category
                UNION ALL
                SELECT 'region', k.customer_id, now()
                FROM crm.rollup_regions k LEFT JOIN crm.customers c ON c.id = k.customer_id WHERE k.region IS DISTINCT FROM c.region)
            SELECT count(*), (min(ctid)::text::point)[0]::bigint FROM filled$$,
            kept.cells, kept.generation + 1, @extschema@.crm_rollup_query(kept.grain, kept.dimensions, 'rebuild'),
            'category' = ANY (kept.dimensions), 'region' = ANY (kept.dimensions)) INTO rows, page;
        UPDATE crm.rollups r SET sums = rows, first_page = coalesce(page, 0), file = pg_relation_filenode(kept.cells), written_by = @extschema@.crm_current_xact_id()
        WHERE r.name = kept.name;
        IF kept.name = 'sales_by_customer_month' THEN
            PERFORM @extschema@.crm_show_progress(stage || 'counting customers');
            DELETE FROM crm.buyers_by_month;
            EXECUTE format('INSERT INTO crm.buyers_by_month SELECT c.month, count(*) FROM %s c WHERE c.generation = $1 AND c.lines <> 0 GROUP BY c.month', kept.cells)
            USING kept.generation + 1;
        END IF;
        total := total + rows;
        RAISE NOTICE 'rollup "%" has % rows', kept.name, rows;
    END LOOP;
    PERFORM @extschema@.crm_show_progress(NULL);
    RETURN total;
END
$crm_rebuild_rollups$;

CREATE FUNCTION @extschema@.crm_create_rollup(name text, grain text, dimensions text[]) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $crm_create_rollup$
#variable_conflict use_variable
DECLARE
    -- what may be asked of each grain, and in which column it lies
    possible constant text[] := CASE grain
        WHEN 'line'  THEN '{day,month,product,category,customer,region,owner,currency,workflow}'
        WHEN 'order' THEN '{day,month,customer,region,owner,currency,workflow,status}'
        WHEN 'event' THEN '{day,month,event,from_status,to_status}' END;
    cells    constant text := format('crm.%I', name || '_cells');
    in_time  constant text := CASE WHEN 'day' = ANY (dimensions) THEN 'day' WHEN 'month' = ANY (dimensions) THEN 'month' END;
    owner    regrole;
    dimension text;
    keys     text;
    columns  text;
    measure  record;
BEGIN
    IF name IS NULL OR grain IS NULL OR dimensions IS NULL OR array_position(dimensions, NULL) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'name, grain and dimensions must not be null',
            HINT    = 'SELECT crm_create_rollup(''sales_by_owner_month'', ''line'', ''{owner,month}'')';
    END IF;
    IF possible IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('grain "%s" does not exist', grain),
            HINT = 'line, order and event do.';
    END IF;
    IF octet_length(name) NOT BETWEEN 1 AND 55 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name', MESSAGE = 'the name of a rollup has 1 to 55 bytes',
            DETAIL = format('This one has %s.', octet_length(name));
    END IF;
    IF cardinality(dimensions) = 0 OR cardinality(dimensions) <> (SELECT count(DISTINCT d) FROM unnest(dimensions) d) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a rollup has one dimension or more, each once',
            DETAIL = format('These are: %s.', coalesce(nullif(array_to_string(dimensions, ', '), ''), 'none'));
    END IF;
    FOREACH dimension IN ARRAY dimensions LOOP
        IF dimension <> ALL (possible) THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('there is no dimension "%s" of grain "%s"', dimension, grain),
                HINT    = format('There are: %s.', array_to_string(possible, ', '));
        END IF;
    END LOOP;
    IF to_regnamespace('crm') IS NULL OR to_regclass('crm.rollups') IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = 'table "crm.rollups" does not exist',
            HINT = 'CREATE EXTENSION crm makes the tables.';
    END IF;
    SELECT c.relowner::regrole INTO owner FROM pg_class c WHERE c.oid = 'crm.rollups'::regclass;
    IF NOT pg_has_role(current_user, owner, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'must be owner of table crm.rollups',
            DETAIL = format('The sums are kept with the rights of role %s.', owner), HINT = format('Ask that role, or be granted it: GRANT %s TO %I.', owner, current_user);
    END IF;
    PERFORM @extschema@.crm_lock_rollups();

    SELECT string_agg(CASE WHEN d IN ('product', 'customer') THEN d || '_id' ELSE d END, ', ' ORDER BY n),
           string_agg(CASE WHEN d IN ('product', 'customer') THEN d || '_id bigint' WHEN d IN ('day', 'month') THEN d || ' date' ELSE d || ' text' END, ', ' ORDER BY n)
    INTO keys, columns
    FROM unnest(dimensions) WITH ORDINALITY x (d, n);
    EXECUTE format('CREATE TABLE %s (%s, %s, generation integer NOT NULL) WITH (fillfactor = 70)', cells, columns,
                   CASE grain WHEN 'line' THEN 'lines bigint NOT NULL, quantity bigint NOT NULL, amount bigint NOT NULL'
                              WHEN 'order' THEN 'orders bigint NOT NULL, total bigint NOT NULL'
                              ELSE 'events bigint NOT NULL, dwell bigint NOT NULL' END);
    -- the generation last: all are of one, so to compare that first would be in vain
    IF current_setting('server_version_num')::integer >= 150000 THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I UNIQUE NULLS NOT DISTINCT (%s, generation)', cells, name || '_are_one', keys);
        EXECUTE format('COMMENT ON CONSTRAINT %I ON %s IS %L', name || '_are_one', cells, 'A combination is there once');
    ELSE
        EXECUTE format('CREATE UNIQUE INDEX %I ON %s (%s, generation)', name || '_are_one', cells, @extschema@.crm_rollup_keys(dimensions));
        EXECUTE format('COMMENT ON INDEX crm.%I IS %L', name || '_are_one', 'A combination is there once');
    END IF;
    -- a column may be empty, so no key will do
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', cells);
    -- reports ask for a quarter or a year of them
    IF dimensions[1] <> in_time THEN
        EXECUTE format('CREATE INDEX %I ON %s (generation, %I)', name || '_by_time', cells, in_time);
        EXECUTE format('COMMENT ON INDEX crm.%I IS %L', name || '_by_time', 'Finds the sums of a ' || in_time);
    END IF;
    EXECUTE format('CREATE VIEW crm.%I AS %s', name, @extschema@.crm_rollup_query(grain, dimensions, 'view', name));

    EXECUTE format('COMMENT ON TABLE %s IS %L', cells, format('Kept sums of the view %s; what has changed since is not in them', name));
    EXECUTE format('COMMENT ON VIEW crm.%I IS %L', name,
                   format(CASE grain WHEN 'line' THEN 'Sold lines (those of booked orders) by %s, in the reporting currency; always current'
                                     WHEN 'order' THEN 'Orders by %s, in the reporting currency; always current'
                                     ELSE 'Steps of orders by %s; always current' END, array_to_string(dimensions, ', ')));
    FOR measure IN
        SELECT a.attrelid::regclass AS relation, a.attname, CASE a.attname
            WHEN 'day' THEN CASE grain WHEN 'event' THEN 'Day of the step in the reporting time zone' ELSE 'Day on which the order was placed' END
            WHEN 'month' THEN CASE grain WHEN 'event' THEN 'First day of the month of the step' ELSE 'First day of the month in which the order was placed' END
            WHEN 'product_id' THEN 'Product that was sold'
            WHEN 'category' THEN 'Category of the product'
            WHEN 'customer_id' THEN 'Customer who ordered'
            WHEN 'region' THEN 'Region of the customer'
            WHEN 'owner' THEN 'Salesperson who looks after the order'
            WHEN 'currency' THEN 'Currency of the order; amounts are in the reporting currency all the same'
            WHEN 'workflow' THEN 'Sales process of the order'
            WHEN 'status' THEN 'Status of the order'
            WHEN 'event' THEN 'What happened'
            WHEN 'from_status' THEN 'Status before the step'
            WHEN 'to_status' THEN 'Status after the step'
            WHEN 'lines' THEN 'Lines sold'
            WHEN 'orders' THEN 'Number of orders'
            WHEN 'events' THEN 'Number of steps'
            WHEN 'dwell_seconds' THEN 'Seconds that the orders had been in from_status, all together'
            WHEN 'dwell' THEN 'Microseconds that the orders had been in from_status, all together'
            WHEN 'quantity' THEN CASE c.relkind WHEN 'v' THEN 'Units sold' ELSE 'Thousandths of a unit that were sold' END
            WHEN 'amount' THEN CASE c.relkind WHEN 'v' THEN 'What the lines come to, in the reporting currency' ELSE 'Cents that the lines come to, in the reporting currency' END
            WHEN 'generation' THEN 'The one that crm.rollups names; all sums are of it'
            WHEN 'total' THEN CASE c.relkind WHEN 'v' THEN 'What the orders come to, in the reporting currency' ELSE 'Cents that the orders come to, in the reporting currency' END
            END AS comment
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.oid IN (cells::regclass, format('crm.%I', name)::regclass) AND a.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', measure.relation, measure.attname, measure.comment);
    END LOOP;

    IF owner <> current_user::regrole THEN
        EXECUTE format('ALTER TABLE %s OWNER TO %s', cells, owner);
        EXECUTE format('ALTER VIEW crm.%I OWNER TO %s', name, owner);
    END IF;
    INSERT INTO crm.rollups (name, grain, dimensions, cells) VALUES (name, grain, dimensions, cells::regclass);
    PERFORM set_config('client_min_messages', 'warning', true);
    PERFORM @extschema@.crm_rebuild_rollups(name);
    RETURN format('crm.%I', name)::regclass;
END
$crm_create_rollup$;

CREATE FUNCTION @extschema@.crm_drop_rollup(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $crm_drop_rollup$
#variable_conflict use_variable
BEGIN
    PERFORM @extschema@.crm_lock_rollups();
    DELETE FROM crm.rollups r WHERE r.name = name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('rollup "%s" does not exist', name),
            HINT = 'SELECT name FROM crm.rollups shows those that do.';
    END IF;
    EXECUTE format('DROP VIEW IF EXISTS crm.%I', name);
    EXECUTE format('DROP TABLE IF EXISTS crm.%I', name || '_cells');
END
$crm_drop_rollup$;

CREATE FUNCTION @extschema@.crm_check_rollups() RETURNS TABLE (rollup text, found_in text, figures jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $crm_check_rollups$
DECLARE
    kept record;
BEGIN
    PERFORM @extschema@.crm_check_rollup_owners(true);
    FOR kept IN SELECT r.* FROM crm.rollups r ORDER BY r.name LOOP
        RETURN QUERY EXECUTE format($$
            SELECT %1$L::text, 'view'::text, to_jsonb(v) FROM (SELECT * FROM crm.%1$I EXCEPT ALL (%2$s)) v
            UNION ALL
            SELECT %1$L, 'tables', to_jsonb(t) FROM ((%2$s) EXCEPT ALL SELECT * FROM crm.%1$I) t$$,
            kept.name, @extschema@.crm_rollup_query(kept.grain, kept.dimensions, 'tables'));
    END LOOP;
    IF to_regclass('crm.sales_by_month') IS NOT NULL THEN
        RETURN QUERY EXECUTE format($$
            WITH shown AS (SELECT month, customers FROM crm.sales_by_month WHERE customers <> 0),
                 counted AS (SELECT month, count(*) AS customers FROM (%s) t GROUP BY month)
            SELECT 'sales_by_month', 'view', to_jsonb(v) FROM (SELECT * FROM shown EXCEPT ALL SELECT * FROM counted) v
            UNION ALL
            SELECT 'sales_by_month', 'tables', to_jsonb(t) FROM (SELECT * FROM counted EXCEPT ALL SELECT * FROM shown) t$$,
            @extschema@.crm_rollup_query('line', '{customer,month}'::text[], 'tables'));
    END IF;
END
$crm_check_rollups$;

-- After TRUNCATE: of a grain, or of what is known of products (category) or customers (region).
CREATE FUNCTION @extschema@.crm_empty_rollups(what text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $crm_empty_rollups$
DECLARE
    kept record;
BEGIN
    PERFORM @extschema@.crm_lock_rollups();
    IF what IN ('category', 'region') THEN
        IF what = 'category' THEN
            DELETE FROM crm.rollup_categories;
        ELSE
            DELETE FROM crm.rollup_regions;
        END IF;
        DELETE FROM crm.dimension_changes d WHERE d.dimension = what;
        RETURN;
    END IF;
    -- a change may be of more than one grain
    PERFORM @extschema@.crm_merge_rollups();
    FOR kept IN SELECT r.name FROM crm.rollups r WHERE r.grain = what LOOP
        EXECUTE format('DELETE FROM crm.%I', kept.name || '_cells');
    END LOOP;
    IF what = 'line' THEN
        DELETE FROM crm.buyers_by_month;
    END IF;
END
$crm_empty_rollups$;
REVOKE EXECUTE ON FUNCTION @extschema@.crm_empty_rollups(text) FROM PUBLIC;

-- What feeds them: trigger functions.
CREATE FUNCTION @extschema@.crm_capture_order() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_capture_line() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_capture_event() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_capture_dimension() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_capture_booked() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_capture_time_zone() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_clear_rollups() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
-- What arrives by logical replication was said of the pages of another server. Its transaction's number may be ours by chance. And a
-- subscription WITH (binary) brings the OID that a table has there.
CREATE FUNCTION @extschema@.crm_forget_pages() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $crm_forget_pages$
BEGIN
    new.written_by := NULL;
    IF tg_table_name = 'rollups' THEN
        new.cells := format('crm.%I', new.name || '_cells')::regclass;
    END IF;
    RETURN new;
END
$crm_forget_pages$;

COMMENT ON FUNCTION @extschema@.crm_create_rollup(text, text, text[]) IS
    'Keeps sums over sold lines, orders or events by these dimensions, and shows them in a view of that name; it is filled at once';
COMMENT ON FUNCTION @extschema@.crm_check_rollup_owners(boolean) IS 'Refuses tables of sums, or these and views, that are not those of who owns crm.rollups';
COMMENT ON FUNCTION @extschema@.crm_refuse_within_statement(text) IS 'An error if an active query of this session uses the tables that figures are made of';
COMMENT ON FUNCTION @extschema@.crm_drop_rollup(text) IS 'Drops a rollup with its view';
COMMENT ON FUNCTION @extschema@.crm_merge_rollups(bigint, bigint) IS 'Moves what waits in the change tables into the kept sums; returns how many changes that were';
COMMENT ON FUNCTION @extschema@.crm_move_statement() IS 'The statement that moves the sums of products and customers which have changed their category or region';
COMMENT ON FUNCTION @extschema@.crm_merge_changes(bigint, boolean) IS 'Moves what waits on the first pages of the change tables into the kept sums';
COMMENT ON FUNCTION @extschema@.crm_is_in_snapshot(text, regclass, integer) IS 'Yes; an error if the snapshot that asks does not show the kept sums of a rollup';
COMMENT ON FUNCTION @extschema@.crm_kept_from(text, regclass) IS 'The place in the table of a rollup before which there are no sums';
COMMENT ON FUNCTION @extschema@.crm_limit_of_moved() IS '0 if no product or customer is on the move to another category or region, else NULL, for no limit';
COMMENT ON FUNCTION @extschema@.crm_kept(text, boolean) IS 'The kept sums of a rollup, as an SQL expression';
COMMENT ON FUNCTION @extschema@.crm_keep_place(text, tid) IS 'Says where the kept sums of a rollup lie; moves them past what is dead, if that is a lot';
COMMENT ON FUNCTION @extschema@.crm_waits_from(regclass) IS 'The place in a change table before which nothing waits';
COMMENT ON FUNCTION @extschema@.crm_anything_waits(text) IS 'Whether changes of a grain wait to be merged';
COMMENT ON FUNCTION @extschema@.crm_current_xact_id() IS 'The transaction that rows which are written now have as xmin, also in a subtransaction';
COMMENT ON FUNCTION @extschema@.crm_waiting_from(text) IS 'The place in a change table from which on something waits, as an SQL expression';
COMMENT ON FUNCTION @extschema@.crm_waiting_rows(text) IS 'The rows of a grain''s change tables that wait, as an SQL expression';
COMMENT ON FUNCTION @extschema@.crm_waiting(text) IS 'What waits for a grain, as figures count it, as an SQL expression';
COMMENT ON FUNCTION @extschema@.crm_first_waiting_page(regclass, bigint) IS 'The page of a change table from which on something waits after this transaction';
COMMENT ON FUNCTION @extschema@.crm_is_seen_by_all(xid8) IS 'Whether no snapshot is left that is older than a transaction';
COMMENT ON FUNCTION @extschema@.crm_prune_changes(regclass) IS 'Cleans the pages of a change table before it is emptied, so that a standby hears of it';
COMMENT ON FUNCTION @extschema@.crm_empty_changes() IS 'Gives the space of change tables back in which nothing waits';
COMMENT ON FUNCTION @extschema@.crm_check_rollups() IS 'Recomputes all rollups from the tables and lists every difference; none, ever';
COMMENT ON FUNCTION @extschema@.crm_rebuild_rollups(text) IS 'Makes the kept sums of one rollup, or of all, from the tables; returns the number of sums';
COMMENT ON FUNCTION @extschema@.crm_show_progress(text) IS 'Shows in pg_stat_activity what this session is at; NULL: its statement again';
COMMENT ON FUNCTION @extschema@.crm_rollup_query(text, text[], text, text) IS 'The SQL behind a rollup: "tables" is the plain query that its view answers';
COMMENT ON FUNCTION @extschema@.crm_rollup_keys(text[]) IS 'The expressions that a kept sum is found by, where NULLs are all distinct (PostgreSQL 14)';
COMMENT ON FUNCTION @extschema@.crm_lock_rollups() IS 'Waits until nobody else merges or changes rollups, and keeps others from it until the end of the transaction';
COMMENT ON FUNCTION @extschema@.crm_empty_rollups(text) IS 'Empties the sums of a grain, or forgets categories or regions, after TRUNCATE';
COMMENT ON FUNCTION @extschema@.crm_capture_order() IS 'Trigger: tells the change tables of orders';
COMMENT ON FUNCTION @extschema@.crm_capture_line() IS 'Trigger: tells the change tables of order lines';
COMMENT ON FUNCTION @extschema@.crm_capture_event() IS 'Trigger: tells the change tables of events';
COMMENT ON FUNCTION @extschema@.crm_capture_dimension() IS 'Trigger: moves the history of a product or customer to its new category or region';
COMMENT ON FUNCTION @extschema@.crm_capture_booked() IS 'Trigger: brings the figures in line with which statuses count as sold';
COMMENT ON FUNCTION @extschema@.crm_capture_time_zone() IS 'Trigger: counts the events by the days of the new time zone';
COMMENT ON FUNCTION @extschema@.crm_clear_rollups() IS 'Trigger: after TRUNCATE there is nothing to sum up';
COMMENT ON FUNCTION @extschema@.crm_forget_pages() IS 'Trigger: what another server says of its tables and their pages says nothing about those here';
