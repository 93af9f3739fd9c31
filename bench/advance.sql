-- 100,000 orders in a process that never ends, and copies of them for the baselines.
CREATE EXTENSION crm;
INSERT INTO crm.customers (name) SELECT 'Customer ' || n FROM generate_series(1, 1000) n;
INSERT INTO crm.workflows (name, definition) VALUES ('round', E'[*] --> a
    a --> b : go
    b --> c : go
    c --> a : go
    a --> [*]');
INSERT INTO crm.orders (customer_id, workflow)
SELECT 1 + n % 1000, 'round' FROM generate_series(1, 100000) n;

-- The floor: the same tables and indexes, no triggers, no foreign keys, nothing checked.
CREATE SCHEMA floor;
CREATE TABLE floor.orders (LIKE crm.orders INCLUDING ALL) WITH (fillfactor = 90);
CREATE TABLE floor.order_events (LIKE crm.order_events INCLUDING ALL);
INSERT INTO floor.orders SELECT * FROM crm.orders;
INSERT INTO floor.order_events SELECT * FROM crm.order_events;

-- The same logic as people write it in PL/pgSQL.
CREATE SCHEMA plpgsql;
CREATE TABLE plpgsql.orders (LIKE crm.orders INCLUDING ALL) WITH (fillfactor = 90);
CREATE TABLE plpgsql.order_events (LIKE crm.order_events INCLUDING ALL);
INSERT INTO plpgsql.orders SELECT * FROM crm.orders;
INSERT INTO plpgsql.order_events SELECT * FROM crm.order_events;
CREATE TABLE plpgsql.transitions (
    workflow text, from_status text, event text, to_status text,
    PRIMARY KEY (workflow, from_status, event)
);
INSERT INTO plpgsql.transitions VALUES ('round', 'a', 'go', 'b'), ('round', 'b', 'go', 'c'), ('round', 'c', 'go', 'a');

CREATE FUNCTION plpgsql.advance_order(order_id bigint, event text, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    o plpgsql.orders;
    target text;
    moment timestamptz;
BEGIN
    SELECT * INTO o FROM plpgsql.orders WHERE id = advance_order.order_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'order % does not exist', order_id;
    END IF;
    SELECT t.to_status INTO target FROM plpgsql.transitions t
    WHERE t.workflow = o.workflow AND t.from_status = o.status AND t.event = advance_order.event;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'order % cannot take the event %', order_id, event;
    END IF;
    moment := clock_timestamp();
    UPDATE plpgsql.orders SET status = target, version = version + 1, status_since = moment WHERE id = o.id;
    INSERT INTO plpgsql.order_events (order_id, seq, at, event, from_status, to_status, dwell, actor, role, workflow, note)
    VALUES (o.id, o.version + 1, moment, advance_order.event, o.status, target, moment - o.status_since,
            coalesce(nullif(current_setting('crm.actor', true), ''), current_user), current_user, o.workflow, advance_order.note);
    RETURN target;
END $$;

VACUUM ANALYZE;
CHECKPOINT;
