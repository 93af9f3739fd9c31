-- Triggers and functions that do whatever they like in the midst of statements: the figures are those of the tables, by plain SQL.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(7);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset

INSERT INTO crm.workflows (name, definition) VALUES ('w', E'[*] --> draft\ndraft --> sold : step\nsold --> draft : step\nsold --> [*]\nclass draft,sold editable\nclass sold booked'),
    ('t', E'[*] --> sold\nsold --> draft : step\ndraft --> sold : step\nsold --> [*]\nclass draft,sold editable\nclass sold booked');
INSERT INTO crm.customers (id, name, region) SELECT n, 'c' || n, 'r' || n FROM generate_series(1, 3) n;
INSERT INTO crm.products (id, sku, name, category, price) SELECT n, 'p' || n, 'p' || n, 'k' || n, n * 1.11 FROM generate_series(1, 3) n;
INSERT INTO crm.orders (id, customer_id, workflow) SELECT n, n % 3 + 1, 'w' FROM generate_series(1, 4) n;
INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT o, p, 1 FROM generate_series(1, 4) o, generate_series(1, 3) p;
SELECT crm_advance_order(n, 'step') FROM generate_series(1, 4, 2) n;
SELECT crm_create_rollup('sales_by_all', 'line', '{day,product,customer,owner,currency,workflow}');
SELECT crm_create_rollup('orders_by_all', 'order', '{day,customer,owner,currency,workflow,status}');

-- the oracle
CREATE FUNCTION pg_temp.differences() RETURNS bigint LANGUAGE sql AS $$
    WITH sales AS (
        SELECT o.placed_on AS day, l.product_id, o.customer_id, o.owner, o.workflow, count(*) AS lines, sum(l.quantity) AS quantity, sum(round(l.amount * o.exchange_rate, 2)) AS amount
        FROM crm.order_lines l JOIN crm.orders o ON o.id = l.order_id WHERE o.status = 'sold' GROUP BY 1, 2, 3, 4, 5
    ), orders AS (
        SELECT placed_on AS day, customer_id, owner, workflow, status, count(*) AS orders, sum(reporting_total) AS total FROM crm.orders GROUP BY 1, 2, 3, 4, 5
    ), shown_sales AS (SELECT day, product_id, customer_id, owner, workflow, lines, quantity, amount FROM crm.sales_by_all
    ), shown_orders AS (SELECT day, customer_id, owner, workflow, status, orders, total FROM crm.orders_by_all)
    SELECT (SELECT count(*) FROM (TABLE sales EXCEPT ALL TABLE shown_sales) x) + (SELECT count(*) FROM (TABLE shown_sales EXCEPT ALL TABLE sales) x)
        + (SELECT count(*) FROM (TABLE orders EXCEPT ALL TABLE shown_orders) x) + (SELECT count(*) FROM (TABLE shown_orders EXCEPT ALL TABLE orders) x)
$$;

-- One thing or another, mostly to that order. Nested at will; what is within a block that fails is rolled back.
CREATE TABLE done (what text, depth integer);
CREATE FUNCTION pg_temp.meddle(target bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    act integer := floor(random() * 14);
    line integer := (SELECT line_no FROM crm.order_lines WHERE order_id = target ORDER BY random() LIMIT 1);
    level integer := current_setting('test.level')::integer;
    fail boolean := random() < 0.2;
BEGIN
    IF random() < 0.15 THEN
        target := 1 + floor(random() * 4);
    END IF;
    IF level >= 3 OR random() < 0.4 THEN
        RETURN 0;
    END IF;
    PERFORM set_config('test.level', (level + 1)::text, true);
    BEGIN
        INSERT INTO done VALUES ('meddle ' || act, level);
        CASE
            WHEN act < 3 THEN UPDATE crm.orders SET customer_id = 1 + floor(random() * 3) WHERE id = target;
            WHEN act < 5 THEN PERFORM public.crm_advance_order(target, 'step');
            WHEN act = 5 THEN UPDATE crm.orders SET owner = 'o' || floor(random() * 2) WHERE id = target;
            WHEN act = 6 THEN UPDATE crm.orders SET placed_at = timestamptz '2026-01-01Z' + random() * 3 * interval '1 day' WHERE id = target;
            WHEN act < 9 THEN INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (target, 1 + floor(random() * 3), 1 + floor(random() * 9));
            WHEN act < 11 THEN UPDATE crm.order_lines SET quantity = 1 + floor(random() * 9) WHERE order_id = target AND line_no = line;
            WHEN act = 11 THEN UPDATE crm.order_lines SET order_id = 1 + floor(random() * 4), line_no = 1000 + floor(random() * 1000000) WHERE order_id = target AND line_no = line;
            WHEN act = 12 THEN DELETE FROM crm.order_lines WHERE order_id = target AND line_no = line;
            ELSE UPDATE crm.order_lines SET product_id = 1 + floor(random() * 3) WHERE order_id = target;
        END CASE;
        IF random() < 0.3 THEN
            PERFORM pg_temp.meddle(target);
        END IF;
        IF fail THEN
            RAISE EXCEPTION 'rolled back';
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF fail OR random() < 0.5 THEN
            NULL;
        ELSE
            RAISE;
        END IF;
    END;
    PERFORM set_config('test.level', level::text, true);
    RETURN 0;
END $$;
CREATE FUNCTION pg_temp.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'INSERT' AND tg_name = 'a_before' THEN
        INSERT INTO crm.orders (id, customer_id, workflow) SELECT new.order_id, 1, 't' WHERE NOT EXISTS (SELECT FROM crm.orders WHERE id = new.order_id);
    END IF;
    PERFORM pg_temp.meddle(CASE WHEN tg_op = 'DELETE' THEN old.order_id ELSE new.order_id END);
    RETURN CASE WHEN tg_op = 'DELETE' THEN old ELSE new END;
END $$;
CREATE FUNCTION pg_temp.meddle_with_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.meddle(new.id);
    RETURN new;
END $$;
CREATE FUNCTION pg_temp.meddled(target bigint) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN pg_temp.meddle(target) = 0; END$$;
-- before our triggers and after them (the first one makes orders that are missing), before the row is written and after it
CREATE TRIGGER a_before BEFORE INSERT OR UPDATE OR DELETE ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION pg_temp.meddle();
CREATE TRIGGER z_before BEFORE INSERT OR UPDATE OR DELETE ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION pg_temp.meddle();
CREATE TRIGGER a_after AFTER INSERT OR UPDATE OR DELETE ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION pg_temp.meddle();
CREATE TRIGGER z_after AFTER INSERT OR UPDATE OR DELETE ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION pg_temp.meddle();
CREATE TRIGGER a_after AFTER UPDATE ON crm.orders FOR EACH ROW WHEN (random() < 0.2) EXECUTE FUNCTION pg_temp.meddle_with_order();
CREATE TRIGGER z_after AFTER UPDATE ON crm.orders FOR EACH ROW WHEN (random() < 0.2) EXECUTE FUNCTION pg_temp.meddle_with_order();
ALTER TABLE crm.order_lines ADD CONSTRAINT meddles CHECK (pg_temp.meddled(order_id)) NOT VALID;

CREATE FUNCTION pg_temp.statement() RETURNS text LANGUAGE sql AS $$
    SELECT format((ARRAY[
        'INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (%1$s, %3$s, 2)',
        'INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (%1$s, %3$s, 2), (%1$s, 1, 3), (%2$s, 2, 4) RETURNING pg_temp.meddle(order_id)',
        'INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT %1$s, 1, n + pg_temp.meddle(%1$s) FROM generate_series(1, 3) n',
        'INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity) VALUES (%1$s, 1, %3$s, 2) ON CONFLICT (order_id, line_no) DO UPDATE SET quantity = excluded.quantity + pg_temp.meddle(%1$s)',
        'UPDATE crm.order_lines SET quantity = quantity + 1 + pg_temp.meddle(order_id) WHERE order_id IN (%1$s, %2$s)',
        'UPDATE crm.order_lines SET order_id = %2$s, line_no = line_no + 2000000 + floor(random() * 1000000)::integer WHERE order_id = %1$s AND product_id = %3$s',
        'DELETE FROM crm.order_lines WHERE order_id IN (%1$s, %2$s) AND product_id = %3$s RETURNING pg_temp.meddle(order_id)',
        'WITH l AS (UPDATE crm.order_lines SET quantity = quantity + 1 WHERE order_id = %1$s AND product_id = %3$s RETURNING order_id, pg_temp.meddle(order_id) AS m)
         INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT order_id, 1, 5 + m FROM l',
        'UPDATE crm.orders SET customer_id = %3$s + pg_temp.meddle(%2$s) WHERE id = %1$s RETURNING pg_temp.meddle(id)',
        'INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT %4$s, n, 2 FROM generate_series(1, 2) n',
        'WITH o AS (UPDATE crm.orders SET customer_id = %3$s WHERE id = %1$s RETURNING id) UPDATE crm.order_lines SET quantity = quantity + 1 FROM o WHERE order_id = o.id RETURNING pg_temp.meddle(order_id)'
    ])[1 + floor(random() * 11)], 1 + floor(random() * 4), 1 + floor(random() * 4), 1 + floor(random() * 3), 100 + floor(random() * 1000000))
$$;
CREATE TABLE results (n integer, statement text, sqlstate text, message text, differences bigint);
CREATE FUNCTION pg_temp.run(times integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    message text;
    state text;
BEGIN
    FOR n IN 1..times LOOP
        statement := pg_temp.statement();
        PERFORM set_config('test.level', '0', true);
        state := '00000';
        message := NULL;
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        END;
        INSERT INTO results VALUES (n, statement, state, message, pg_temp.differences());
        -- start again with few lines
        IF n % 50 = 0 THEN
            PERFORM set_config('test.level', '9', true);
            DELETE FROM crm.order_lines WHERE line_no > 3;
            PERFORM public.crm_merge_rollups();
        END IF;
    END LOOP;
END $$;
SELECT is(pg_temp.differences(), 0::bigint, 'to begin with');
SELECT pg_temp.run(400);
SELECT is((SELECT string_agg(n || ': ' || statement, E'\n') FROM (SELECT * FROM results WHERE differences <> 0 ORDER BY n LIMIT 1) x), NULL, 'after each statement each figure is that of the tables');
SELECT is((SELECT string_agg(DISTINCT sqlstate || ' ' || message, E'\n') FROM results WHERE sqlstate NOT IN ('00000', '27000', '21000', '23514', '23505')), NULL, 'nothing fails but what PostgreSQL, a constraint or a key refuses');
SELECT cmp_ok((SELECT count(*) FROM results WHERE sqlstate = '00000'), '>', 80::bigint, 'and much does not');
SELECT cmp_ok((SELECT count(*) FROM done), '>', 200::bigint, 'with much done in their midst');
SELECT is((SELECT count(*) FROM crm_check_rollups()), 0::bigint, 'crm_check_rollups() says so');
SELECT is((SELECT count(*) FROM crm.orders o WHERE reporting_total <> (SELECT coalesce(sum(round(amount * o.exchange_rate, 2)), 0) FROM crm.order_lines WHERE order_id = o.id)), 0::bigint, 'totals of orders are right, too');

SELECT * FROM finish();
ROLLBACK;
