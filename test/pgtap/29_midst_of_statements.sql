-- What must not go wrong with the figures, and with what sessions keep in memory, whatever is called in the midst of a statement, or fails there.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(29);

\ir include/said_briefly.sql
INSERT INTO crm.guards (workflow, name, condition) VALUES ('w', 'g', 'false');
INSERT INTO crm.workflows (name, definition) VALUES ('w', E'[*] --> draft\ndraft --> sold : sell\nsold --> draft : back\ndraft --> gone : leave [g]\ngone --> [*]\nclass draft,sold editable\nclass sold booked');
INSERT INTO crm.customers (id, name, region) VALUES (1, 'A', 'North'), (2, 'B', 'South');
INSERT INTO crm.products (id, sku, name, category, price) VALUES (1, 'P1', 'p1', 'tea', 10), (2, 'P2', 'p2', 'ware', 20);
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (1, 1, 'w'), (2, 2, 'w'), (3, 1, 'w');
INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT o, p, 1 FROM generate_series(1, 3) o, generate_series(1, 2) p;
SELECT crm_advance_order(1, 'sell');
SELECT crm_merge_rollups();
CREATE FUNCTION pg_temp.do(statement text) RETURNS integer LANGUAGE plpgsql AS $$BEGIN EXECUTE statement; RETURN 1; END$$;
CREATE FUNCTION pg_temp.look_and_refuse() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count(*) FROM crm.orders o, public.crm_available_events(o.id) e;
    PERFORM public.crm_advance_order(3, 'sell');
    PERFORM public.crm_advance_order(2, 'leave') WHERE EXISTS (SELECT FROM crm.guards WHERE condition = 'true' AND workflow = 'w');
    RAISE EXCEPTION 'not today';
END $$;
-- of the tables, by plain SQL: an oracle of our own
CREATE FUNCTION pg_temp.is_exact(name text, booked text[] DEFAULT '{sold}') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEXT public.is(
        (SELECT sum(amount)::text FROM crm.sales_by_day) || ' ' || (SELECT string_agg(day || '=' || n, ' ' ORDER BY day) FROM (SELECT day, sum(events) n FROM crm.steps_by_day GROUP BY 1) x),
        (SELECT sum(round(l.amount * o.exchange_rate, 2))::text FROM crm.order_lines l JOIN crm.orders o ON o.id = l.order_id WHERE o.status = ANY (booked)) || ' ' ||
        (SELECT string_agg(day || '=' || n, ' ' ORDER BY day) FROM (SELECT (at AT TIME ZONE time_zone)::date AS day, count(*) n FROM crm.order_events, crm.settings GROUP BY 1) x), name);
    RETURN NEXT public.is((SELECT count(*) FROM public.crm_check_rollups()), 0::bigint, name || ': all');
END $$;
SELECT pg_temp.is_exact('to begin with');

-- A change that is looked at and refused is forgotten: workflow, settings, guard. (Before each, what the session has of them is
-- forgotten, or it would not look.)
UPDATE crm.workflows SET name = name;
SELECT is(pg_temp.said($$UPDATE crm.workflows SET definition = replace(definition::text, 'class sold booked', 'class draft,sold booked')::crm_workflow WHERE name = 'w' RETURNING pg_temp.look_and_refuse()$$),
          'P0001 not today', 'a workflow that is read while it changes, and refused');
INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (2, 1, 5);
SELECT pg_temp.is_exact('the old one is in force');
UPDATE crm.settings SET time_zone = time_zone;
SELECT is(pg_temp.said($$UPDATE crm.settings SET time_zone = 'Pacific/Kiritimati' RETURNING pg_temp.look_and_refuse()$$), 'P0001 not today', 'settings, the same');
INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role, workflow) VALUES (3, 99, '2026-06-01 23:00Z', 'x', 'draft', 'me', 'me', 'w');
SELECT pg_temp.is_exact('the old zone is in force');
DELETE FROM crm.order_events WHERE seq = 99;
UPDATE crm.guards SET name = name;
SELECT is(pg_temp.said($$UPDATE crm.guards SET condition = 'true' WHERE workflow = 'w' RETURNING pg_temp.look_and_refuse()$$), 'P0001 not today', 'a guard, the same');
SELECT matches(pg_temp.said('SELECT public.crm_advance_order(2, ''leave'')'), '^SL004', 'the old one is in force');

-- What works figures out anew is refused where rows are not told of yet
SELECT matches(pg_temp.said(statement), '^55006 .* while an active query of this session uses table crm\.order', statement) FROM (VALUES
    ('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 5) RETURNING pg_temp.do(''SELECT public.crm_rebuild_rollups()'')'),
    ('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 5) RETURNING pg_temp.do(''SELECT public.crm_create_rollup(''''x'''', ''''line'''', ''''{day}'''')'')'),
    ('UPDATE crm.orders SET status = ''sold'' WHERE id = 2 RETURNING pg_temp.do(''SELECT public.crm_rebuild_rollups()'')'),
    ('WITH m AS (UPDATE crm.products SET category = ''new'' WHERE id = 1 RETURNING 1)
      INSERT INTO crm.order_lines (order_id, product_id, quantity) SELECT 1, 1, 5 FROM m RETURNING pg_temp.do(''UPDATE crm.products SET category = ''''newer'''' WHERE id = 2; SELECT public.crm_merge_rollups()'')'),
    ('WITH l AS (INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (2, 1, 5) RETURNING 1)
      UPDATE crm.workflows SET definition = replace(definition::text, ''class sold booked'', ''class draft booked'')::crm_workflow WHERE name = ''w'' AND EXISTS (SELECT FROM l)'),
    ('WITH o AS (UPDATE crm.orders SET status = ''sold'' WHERE id = 2 RETURNING 1)
      UPDATE crm.workflows SET definition = replace(definition::text, ''class sold booked'', ''class draft booked'')::crm_workflow WHERE name = ''w'' AND EXISTS (SELECT FROM o)'),
    ('WITH s AS (UPDATE crm.settings SET time_zone = ''Asia/Tokyo'' RETURNING 1) INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role, workflow)
      SELECT 3, 98, ''2026-06-01 12:00Z'', ''x'', ''draft'', ''me'', ''me'', ''w'' FROM s')
) AS t(statement);
SELECT pg_temp.is_exact('nothing of that has been done');
-- a merge of what only waits is harmless
SELECT is(pg_temp.said('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 5) RETURNING pg_temp.do(''SELECT public.crm_merge_rollups()'')'), 'done', 'a merge of what waits');
SELECT pg_temp.is_exact('is right');
-- TRUNCATE empties the figures, though something is on the move
UPDATE crm.products SET category = 'moved' WHERE id = 1;
SELECT is(pg_temp.said('TRUNCATE crm.order_lines'), 'done', 'TRUNCATE while a product moves');
SELECT is((SELECT count(*) FROM public.crm_check_rollups()), 0::bigint, 'is right');
SELECT is(pg_temp.said('SELECT public.crm_rebuild_rollups()'), 'done', 'and for itself all of it works');

-- An order that a trigger replaces as it is placed: the lines of the one before have gone with it
INSERT INTO crm.workflows (name, definition) VALUES ('till', E'[*] --> paid\npaid --> [*]\nclass paid editable\nclass paid booked');
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (50, 1, 'till');
INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (50, 1, 2);
CREATE FUNCTION pg_temp.replace() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM crm.order_events WHERE order_id = new.id; DELETE FROM crm.orders WHERE id = new.id; RETURN new; END $$;
CREATE TRIGGER a_replace BEFORE INSERT ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.replace();
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (50, 1, 'till');
SELECT is((SELECT count(*) FROM public.crm_check_rollups()), 0::bigint, 'an order that is replaced as it is placed');
DROP TRIGGER a_replace ON crm.orders;

-- Days that are no days, by month
SELECT is(pg_temp.said($$SELECT public.crm_create_rollup('steps_by_month', 'event', '{month}')$$), 'done', 'steps by month');
INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role, workflow) VALUES (3, 99, 'infinity', 'x', 'draft', 'me', 'me', 'w');
SELECT crm_merge_rollups();
INSERT INTO crm.order_events (order_id, seq, at, event, to_status, actor, role, workflow) VALUES (3, 98, '-infinity', 'x', 'draft', 'me', 'me', 'w');
SELECT crm_merge_rollups();
SELECT is(array_agg(month ORDER BY month), ARRAY['-infinity', date_trunc('month', (now() AT TIME ZONE 'UTC'))::date, 'infinity']::date[], 'infinity is a month of its own') FROM crm.steps_by_month;
SELECT is((SELECT count(*) FROM public.crm_check_rollups()), 0::bigint, 'in the tables, too');

SELECT * FROM finish();
ROLLBACK;
