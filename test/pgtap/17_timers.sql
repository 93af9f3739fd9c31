-- Steps that come by themselves: when, in which order, under which conditions, and who is told.
SET client_min_messages = error; -- the warnings of failed timers
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(113);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset

INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
ALTER TABLE crm.orders ALTER COLUMN id RESTART WITH 100;
INSERT INTO crm.guards (workflow, name, condition) VALUES
    ('t', 'ready', $$reference LIKE 'ready%'$$), ('t', 'odd', '1 / (id % 2) = 1');
INSERT INTO crm.workflows (name, definition) VALUES ('t', $$
    [*] --> waiting
    waiting --> late : after 14 days
    waiting --> done : finish
    waiting --> guarded : guard
    waiting --> several : hurry
    waiting --> fragile : break
    guarded --> done : after 1 day [ready]
    several --> last : after 3 days
    several --> first : after 1 day [ready]
    several --> second : after 24 hours [ready]
    several --> third : after 2 days [ready]
    fragile --> done : after 1 second [odd]
    late --> done : finish
    done --> [*]
    first --> [*]
    second --> [*]
    third --> [*]
    last --> [*]
    class waiting,late open
$$);

-- An order that has been in that status for that long
CREATE FUNCTION pg_temp.place(status text, age interval, reference text DEFAULT NULL, id bigint DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO crm.orders (id, customer_id, workflow, status, status_since, reference)
    VALUES (coalesce($4, nextval('crm.orders_id_seq')), 1, 't', $1, now() - $2, $3) RETURNING id
$$;
CREATE FUNCTION pg_temp.history(order_id bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', event, '(' || to_status || ')', nullif(actor, current_user)), ', ' ORDER BY seq)
    FROM crm.order_events WHERE order_id = $1
$$;
-- Nothing is to be due from one part to the next
CREATE FUNCTION pg_temp.tidy() RETURNS void LANGUAGE sql AS $$
    DELETE FROM crm.order_events; DELETE FROM crm.orders;
$$;

-- The date
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (1, 1, 't');
SELECT is((SELECT status_until - status_since FROM crm.orders WHERE id = 1), '14 days', 'a new order knows when its status ends');
SELECT is((SELECT open_status FROM crm.orders WHERE id = 1), 'waiting', 'and that it is open');
SELECT is(crm_advance_order(1, 'guard'), 'guarded', 'a step');
SELECT results_eq('SELECT status_until - status_since, open_status FROM crm.orders WHERE id = 1', $$VALUES (interval '1 day', NULL)$$, 'has a timer of its own');
SELECT is(crm_force_order(1, 'late', 'test'), 'late', 'a forced step');
SELECT results_eq('SELECT status_until, open_status FROM crm.orders WHERE id = 1', $$VALUES (NULL::timestamptz, 'late')$$, 'to a status without one');
SELECT is(crm_advance_order(1, 'finish'), 'done', 'the last step');
SELECT results_eq('SELECT status_until, open_status FROM crm.orders WHERE id = 1', $$VALUES (NULL::timestamptz, NULL::text)$$, 'leaves nothing');
SELECT pg_temp.place('several', '5 hours', id => 3), pg_temp.place('late', '5 hours', id => 4) \g /dev/null
SELECT is((SELECT status_until - status_since FROM crm.orders WHERE id = 3), '1 day', 'of several timers it is the first');
SELECT is((SELECT status_until FROM crm.orders WHERE id = 4), NULL, 'an import without timer');
INSERT INTO crm.orders (id, customer_id, workflow, status_until, open_status) VALUES (2, 1, 't', '2000-01-01', 'x');
SELECT results_eq('SELECT status_until - status_since, open_status FROM crm.orders WHERE id = 2', $$VALUES (interval '14 days', 'waiting')$$, 'what an INSERT says about it does not count');
SELECT throws_ok($$UPDATE crm.orders SET status_until = now() WHERE id = 2$$, 'SL010', 'column "status_until" of order 2 is kept by the database', 'an UPDATE of it is refused');
SELECT throws_ok($$UPDATE crm.orders SET status_until = NULL WHERE id = 2$$, 'SL010', NULL, 'to nothing, too');
SELECT throws_ok($$UPDATE crm.orders SET open_status = 'late', status = 'done' WHERE id = 2$$, 'SL010', 'column "open_status" of order 2 is kept by the database', 'with a step, too');
SELECT lives_ok($$UPDATE crm.orders SET status_until = status_until, open_status = open_status, status = 'done' WHERE id = 2$$, 'writing back what one has read is allowed');
SELECT results_eq('SELECT status_until, open_status FROM crm.orders WHERE id = 2', $$VALUES (NULL::timestamptz, NULL::text)$$, 'and is overruled by the step');

-- Days are days of the reporting time zone, hours are hours
CREATE FUNCTION pg_temp.until(since timestamptz, after text) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz;
BEGIN
    EXECUTE format('INSERT INTO crm.workflows (name, definition) VALUES (%L, %L)', 'z' || after, E'[*] --> a\na --> b : after ' || after || E'\nb --> [*]');
    INSERT INTO crm.orders (customer_id, workflow, status_since) VALUES (1, 'z' || after, since) RETURNING status_until INTO until;
    DELETE FROM crm.order_events e USING crm.orders o WHERE o.id = e.order_id AND o.workflow = 'z' || after;
    DELETE FROM crm.orders WHERE workflow = 'z' || after;
    DELETE FROM crm.workflows WHERE name = 'z' || after;
    RETURN until;
END $$;
UPDATE crm.settings SET time_zone = 'Europe/Berlin';
SET LOCAL TimeZone = 'America/New_York';
SELECT is(pg_temp.until('2026-03-28 12:00+01', '1 day'), '2026-03-29 12:00+02', 'a day into summer has 23 hours');
SELECT is(pg_temp.until('2026-03-28 12:00+01', '24 hours'), '2026-03-29 13:00+02', '24 hours have 24');
SELECT is(pg_temp.until('2026-03-28 12:00+01', '1 day 24 hours'), '2026-03-30 12:00+02', 'days first, then hours');
SELECT is(pg_temp.until('2026-01-31 12:00+01', '1 month'), '2026-02-28 12:00+01', 'a month from the end of January');
SELECT is(pg_temp.until('2026-01-31 23:30+00', '1 month'), '2026-02-28 23:30+00', 'by the calendar of the reporting zone, where it is February');
SELECT is(pg_temp.until('2024-02-29 12:00+01', '1 year'), '2025-02-28 12:00+01', 'a year from a leap day');
SELECT is(pg_temp.until('2026-03-28 02:30+01', '1 day'), timestamp '2026-03-29 02:30' AT TIME ZONE 'Europe/Berlin', 'a time that the clocks leave out, as PostgreSQL reads it');
SELECT is(pg_temp.until('2026-11-23 12:00+01', '2147483647 days'), NULL, 'a timer beyond the calendar never comes');
SELECT is(pg_temp.until('2026-11-23 12:00+01', '2147483647 months'), NULL, 'in months');
SELECT is(pg_temp.until('2026-11-23 12:00+01', '2147483647 seconds'), '2094-12-11 14:14:07+00', 'the longest in seconds comes');
SELECT is(pg_temp.until('294276-12-01', '60 days'), NULL, 'a date at the end of the calendar');
SELECT is(pg_temp.until('4000-01-01 BC', '1 hour'), '4000-01-01 01:00 BC', 'and one at its begin');
SELECT is_empty($$
    SELECT since, months, days, seconds, ours, plain FROM (
        SELECT since, months, days, seconds,
               pg_temp.until(since, format('%s months %s days %s seconds', months, days, seconds)) AS ours,
               (since AT TIME ZONE 'Europe/Berlin' + make_interval(months => months, days => days)) AT TIME ZONE 'Europe/Berlin'
                   + make_interval(secs => seconds) AS plain
        FROM (SELECT timestamptz '1980-01-01' + random() * interval '90 years' AS since, floor(random() * 40)::int AS months,
                     floor(random() * 100)::int AS days, 1 + floor(random() * 1e6)::int AS seconds
              FROM generate_series(1, 300)) r) u
    WHERE ours IS DISTINCT FROM plain$$, 'random timers, against plain SQL');
UPDATE crm.settings SET time_zone = 'UTC';
SET LOCAL TimeZone = 'UTC';

-- A run
SELECT pg_temp.tidy();
SELECT pg_temp.place('waiting', '15 days', id => 1), pg_temp.place('waiting', '13 days', id => 2), pg_temp.place('waiting', '20 days', id => 3) \g /dev/null
SET LOCAL crm.actor = 'Ada';
SELECT is(crm_run_timers(0), 0, 'none, if none is wanted');
SELECT is(crm_run_timers(1), 1, 'one');
SELECT is((SELECT string_agg(status, ' ' ORDER BY id) FROM crm.orders), 'waiting waiting late', 'the one that is due longest');
SELECT is(crm_run_timers(), 1, 'the others');
SELECT is((SELECT string_agg(status, ' ' ORDER BY id) FROM crm.orders), 'late waiting late', 'that are due');
SELECT is(crm_run_timers(), 0, 'and no more');
SELECT results_eq('SELECT seq, event, from_status, to_status, actor, role, note, forced, dwell >= interval ''15 days'' FROM crm.order_events WHERE order_id = 1 AND seq > 1',
    $$VALUES (2, 'after 14 days', 'waiting', 'late', 'timer', current_user::text COLLATE "default", NULL, false, true)$$, 'each step is recorded, by timer, whoever runs it');
SELECT results_eq('SELECT version, status_until, open_status FROM crm.orders WHERE id = 1', $$VALUES (2, NULL::timestamptz, 'late')$$, 'the order is as after any step');
RESET crm.actor;
SELECT throws_ok('SELECT crm_run_timers(NULL)', '22004', 'max must not be null', 'NULL');
SELECT throws_ok('SELECT crm_run_timers(-1)', '22023', 'max must not be negative', 'a negative number');
SELECT throws_ok($$SELECT crm_advance_order(2, 'after 14 days')$$, 'SL003', NULL, 'nobody takes a timer by request');
SELECT throws_ok($$UPDATE crm.orders SET status = 'late' WHERE id = 2$$, 'SL003', NULL, 'or by UPDATE');

-- Guards
SELECT pg_temp.tidy();
SELECT pg_temp.place('guarded', '25 hours', id => 1), pg_temp.place('guarded', '25 hours', 'ready', id => 2) \g /dev/null
SELECT is(crm_run_timers(), 1, 'a timer whose guard does not hold does not come');
SELECT is((SELECT string_agg(status, ' ' ORDER BY id) FROM crm.orders), 'guarded done', 'the other one does');
SELECT ok((SELECT status_until - interval '1 hour' BETWEEN now() AND clock_timestamp() FROM crm.orders WHERE id = 1), 'it is looked at again in an hour');
SELECT is((SELECT version FROM crm.orders WHERE id = 1), 1, 'that is no step');
UPDATE crm.orders SET reference = 'ready now' WHERE id = 1;
SELECT is((SELECT status_until FROM crm.orders WHERE id = 1), now() - interval '1 hour', 'or once it has changed');
SELECT is(crm_run_timers(), 1, 'then it comes');
SELECT is(pg_temp.history(1), 'import (guarded), after 1 day (done) timer', 'and is recorded');
SELECT pg_temp.tidy();
SELECT pg_temp.place('several', '25 hours', 'ready 1', 1), pg_temp.place('several', '47.5 hours', NULL, 2), pg_temp.place('several', '30 hours', NULL, 3), pg_temp.place('several', '4 days', NULL, 4), pg_temp.place('several', '4 days', 'ready 5', 5) \g /dev/null
SELECT is(crm_run_timers(), 3, 'several timers');
SELECT is((SELECT string_agg(status, ' ' ORDER BY id) FROM crm.orders), 'first several several last first', 'come in order of time, then of the drawing, if their guards hold');
SELECT is((SELECT status_until - status_since FROM crm.orders WHERE id = 2), '2 days', 'else the next one is waited for');
SELECT ok((SELECT status_until - interval '1 hour' BETWEEN now() AND clock_timestamp() FROM crm.orders WHERE id = 3), 'but no longer than an hour');

-- Errors
SELECT pg_temp.tidy();
SELECT pg_temp.place('fragile', '1 hour', id => i) FROM generate_series(1, 7) i \g /dev/null
SELECT is(crm_run_timers(), 4, 'a guard that raises an error does not stop the others');
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY id) FROM crm.orders WHERE status = 'done'), '1 3 5 7', 'which are these');
SELECT is((SELECT count(*) FROM crm.orders WHERE status_until - interval '1 hour' BETWEEN now() AND clock_timestamp()), 3::bigint, 'it is tried again in an hour');
SELECT is((SELECT count(*) FROM crm.order_events WHERE seq > 1), 4::bigint, 'nothing is recorded twice');
SELECT pg_temp.tidy();
CREATE FUNCTION pg_temp.unlucky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'unlucky'; END $$;
CREATE TRIGGER unlucky AFTER UPDATE ON crm.orders FOR EACH ROW WHEN (old.id < 3) EXECUTE FUNCTION pg_temp.unlucky();
SELECT pg_temp.place('waiting', '15 days', id => 3), pg_temp.place('waiting', '16 days', id => 2), pg_temp.place('waiting', '17 days', id => 1) \g /dev/null
SELECT is(crm_run_timers(1), 1, 'rows that cannot be updated at all are not in the way, either');
SELECT is(pg_temp.history(3), 'create (waiting), after 14 days (late) timer', 'of those behind');
DROP TRIGGER unlucky ON crm.orders;
SELECT pg_temp.tidy();
CREATE FUNCTION pg_temp.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = CASE new.id WHEN 1 THEN 'XX000' WHEN 2 THEN '0A000' ELSE '40001' END; END $$;
CREATE TRIGGER broken AFTER UPDATE ON crm.orders FOR EACH ROW WHEN (old.id < 4) EXECUTE FUNCTION pg_temp.broken();
SELECT pg_temp.place('waiting', '15 days', id => i) FROM generate_series(1, 5) i \g /dev/null
SELECT is(crm_run_timers(), 2, 'whatever their error is called');
DROP TRIGGER broken ON crm.orders;
SELECT is(crm_run_timers(), 3, 'and come in the end');
SELECT pg_temp.tidy();
SELECT pg_temp.place('waiting', '15 days', id => 1), pg_temp.place('waiting', '16 days', id => 2) \g /dev/null
CREATE FUNCTION pg_temp.skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN new.id <> 2 THEN new END; END $$;
CREATE TRIGGER z_skip BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.skip();
SELECT is(crm_run_timers(), 1, 'nor those that another trigger keeps as they are');
DROP TRIGGER z_skip ON crm.orders;
SELECT is(crm_run_timers(), 1, 'all come in the end');

-- Many
SELECT pg_temp.tidy();
INSERT INTO crm.orders (customer_id, workflow, status_since) SELECT 1, 't', now() - interval '20 days' + i * interval '1 minute' FROM generate_series(1, 1250) i;
SELECT is(crm_run_timers(), 1000, 'a thousand at once');
SELECT is((SELECT max(status_since) FROM crm.orders WHERE status = 'late') > now() AND (SELECT min(status_since) FROM crm.orders WHERE status = 'waiting') = now() - interval '20 days' + 1001 * interval '1 minute', true, 'those that were due longest');
SELECT is(crm_run_timers(2147483647), 250, 'then the rest');

-- Tables of one's own: a key of any type, partitions, no history
SELECT pg_temp.tidy();
CREATE TABLE tickets (id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, no int, status text NOT NULL, status_since timestamptz NOT NULL,
    status_until timestamptz, open_status text, version integer NOT NULL DEFAULT 1) PARTITION BY HASH (id);
CREATE TABLE tickets_0 PARTITION OF tickets FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tickets_1 (no int, status_until timestamptz, id uuid NOT NULL DEFAULT gen_random_uuid(), status text NOT NULL, status_since timestamptz NOT NULL,
    open_status text, version integer NOT NULL DEFAULT 1);
ALTER TABLE tickets ATTACH PARTITION tickets_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON tickets (status_until) WHERE status_until IS NOT NULL;
CREATE TABLE ticket_events (ticket_id uuid, seq integer, at timestamptz, event text, from_status text, to_status text, dwell interval,
    actor text, role text, note text, PRIMARY KEY (ticket_id, seq));
CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status', 't');
CREATE TRIGGER record AFTER INSERT OR UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION crm_record_event('ticket_events');
CREATE TABLE tasks (id text PRIMARY KEY, status text NOT NULL, status_since timestamptz NOT NULL, status_until timestamptz, version integer NOT NULL DEFAULT 1);
CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status', 't');
CREATE TABLE plain (id bigint PRIMARY KEY, status text NOT NULL, status_since timestamptz NOT NULL, version integer NOT NULL DEFAULT 1);
CREATE TRIGGER enforce BEFORE INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status', 't');
INSERT INTO crm.guards (workflow, name, relation, condition)
SELECT 't', name, relation, 'true' FROM unnest('{ready,odd}'::text[]) AS name, unnest('{tickets,plain}'::regclass[]) AS relation;
INSERT INTO tickets (no, status_since) SELECT i, now() - interval '20 days' FROM generate_series(1, 20) i;
INSERT INTO tasks (id, status_since) VALUES ('A "task"', now() - interval '20 days'), ('another', now());
INSERT INTO plain (id, status_since) VALUES (1, now() - interval '20 days');
SELECT pg_temp.place('waiting', '15 days', id => 1) \g /dev/null
SELECT is(crm_run_timers(), 22, 'all tables have their turn');
SELECT is((SELECT count(*) FROM tickets WHERE status = 'late' AND open_status = 'late'), 20::bigint, 'in all partitions');
SELECT is((SELECT count(*) FROM ticket_events WHERE event = 'after 14 days' AND actor = 'timer'), 20::bigint, 'with their history');
SELECT results_eq('SELECT id, status FROM tasks ORDER BY 1', $$VALUES ('A "task"', 'late'), ('another', 'waiting')$$, 'a key that is text');
SELECT is((SELECT status FROM plain), 'waiting', 'without the column, no timer comes');
INSERT INTO tasks (id, status_since) VALUES ('third', now() - interval '20 days');
SELECT pg_temp.place('waiting', '15 days', id => 2) \g /dev/null
ALTER TABLE tasks DROP COLUMN version;
SELECT is(crm_run_timers(), 1, 'a table that has become unfit does not stop the others');
DROP TABLE tasks;

CREATE TABLE leads (id uuid PRIMARY KEY, status text);
INSERT INTO leads VALUES ('00000000-0000-0000-0000-000000000001', NULL), ('00000000-0000-0000-0000-000000000002', 'late');
CREATE TABLE old_leads (id text PRIMARY KEY, status text, status_since timestamptz) PARTITION BY HASH (id);
CREATE TABLE old_leads_0 PARTITION OF old_leads FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO old_leads VALUES ('x', 'waiting', now() - interval '15 days');
INSERT INTO crm.guards (workflow, name, relation, condition)
SELECT 't', name, relation, 'true' FROM unnest('{ready,odd}'::text[]) AS name, unnest('{leads,old_leads}'::regclass[]) AS relation;
SELECT crm_attach_workflow('leads', 'status', 't'), crm_attach_workflow('old_leads', 'status', 't') \g /dev/null
SELECT results_eq('SELECT status, status_until - status_since FROM leads ORDER BY 1', $$VALUES ('late', NULL::interval), ('waiting', '14 days')$$, 'an attached table gets its dates');
SELECT has_index('leads', 'leads_with_timers', 'and an index');
SELECT is(crm_run_timers(), 1, 'its timers come');
SELECT results_eq('SELECT seq, event, actor FROM old_leads_events', $$VALUES (1, 'create', current_user::text COLLATE "default"), (2, 'after 14 days', 'timer')$$, 'and are recorded');
DELETE FROM old_leads_events;
DROP TABLE leads, leads_events, old_leads, old_leads_events;

-- A changed workflow
SELECT pg_temp.tidy();
SELECT pg_temp.place('waiting', '10 days', id => 1), pg_temp.place('late', '10 days', id => 2), pg_temp.place('guarded', '30 hours', id => 3), pg_temp.place('several', '1 hour', id => 4) \g /dev/null
DELETE FROM tickets WHERE no > 1;
UPDATE crm.orders SET status = 'done' WHERE id = 2;
SELECT crm_run_timers() \g /dev/null
CREATE TEMP TABLE places AS SELECT id, ctid::text AS place FROM crm.orders;
UPDATE crm.workflows SET definition = replace(replace(definition::text, 'after 14 days', 'after 7 days'), 'class waiting,late open', 'class late,guarded open')::crm_workflow WHERE name = 't';
SELECT results_eq('SELECT id, status_until - status_since, open_status FROM crm.orders WHERE status_until IS NOT NULL ORDER BY 1', $$VALUES
    (1::bigint, interval '7 days', NULL), (3, interval '1 day', 'guarded'), (4, interval '1 day', NULL)$$, 'holds for the orders on their way');
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY id) FROM crm.orders o JOIN places USING (id) WHERE o.ctid::text <> place), '1 3', 'the others are not touched');
SELECT is((SELECT count(*) FROM crm.order_events WHERE order_id = 1), 1::bigint, 'it is no step');
SELECT is((SELECT open_status FROM tickets), 'late', 'tables that name the workflow in their trigger follow, too');
SELECT is(crm_run_timers(), 1, 'what has become due comes');
UPDATE crm.workflows SET definition = regexp_replace(definition::text, 'after (\d+) (\w+)', 'past_\1_\2', 'g')::crm_workflow WHERE name = 't';
SELECT is((SELECT count(*) FROM crm.orders WHERE status_until IS NOT NULL), 0::bigint, 'timers that are gone do not come');
SELECT is(crm_advance_order(4, 'past_3_days'), 'last', 'but are events now');
UPDATE crm.workflows SET definition = regexp_replace(definition::text, 'past_(\d+)_(\w+)', 'after \1 \2', 'g')::crm_workflow WHERE name = 't';
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY id) FROM crm.orders WHERE status_until IS NOT NULL), '3', 'timers that come anew do');

-- The lists
SELECT pg_temp.tidy();
SELECT pg_temp.place('waiting', '1 hour', id => 1), pg_temp.place('several', '30 hours', id => 2), pg_temp.place('guarded', '3 days', id => 3), pg_temp.place('late', '1 day', id => 4), pg_temp.place('several', '50 hours', id => 5), pg_temp.place('done', '1 day', id => 6) \g /dev/null
SELECT results_eq('SELECT order_id, status, status_until, is_due, event, to_status, guard FROM crm.order_timers ORDER BY status_until', $$VALUES
    (3::bigint, 'guarded', now() - interval '2 days', true, 'after 1 day', 'done', 'ready'),
    (5, 'several', now() - interval '26 hours', true, 'after 1 day', 'first', 'ready'),
    (2, 'several', now() - interval '6 hours', true, 'after 1 day', 'first', 'ready'),
    (1, 'waiting', now() + interval '7 days' - interval '1 hour', false, 'after 7 days', 'late', NULL)$$, 'orders that end by themselves');
SELECT is(crm_run_timers(), 0, 'none may');
SELECT results_eq('SELECT order_id, is_due, event, to_status FROM crm.order_timers ORDER BY order_id', $$VALUES
    (1::bigint, false, 'after 7 days', 'late'), (2, false, 'after 1 day', 'first'), (3, false, 'after 1 day', 'done'), (5, false, 'after 2 days', 'third')$$,
    'what comes next has been put off');
SELECT results_eq('SELECT order_id, status FROM crm.open_orders ORDER BY 1', $$VALUES (3::bigint, 'guarded'), (4, 'late')$$, 'open orders');
SELECT results_eq('SELECT order_id FROM crm.open_orders EXCEPT ALL (SELECT o.id FROM crm.orders o JOIN crm.workflows w ON w.name = o.workflow
    WHERE EXISTS (SELECT FROM crm_states(w.definition) s WHERE s.state = o.status AND ''open'' = ANY (s.classes)))', 'SELECT 1::bigint WHERE false', 'as the workflow says');
\ir include/plan.sql
INSERT INTO crm.orders (customer_id, workflow, status) SELECT 1, 't', CASE WHEN i % 3 = 0 THEN 'late' WHEN i % 5 = 0 THEN 'waiting' ELSE 'done' END FROM generate_series(1, 5000) i;
ANALYZE crm.orders;
SELECT alike(pg_temp.plan($$SELECT * FROM crm.open_orders WHERE status = 'late' ORDER BY placed_at DESC LIMIT 50$$), '%orders_open%', 'fifty of one status come by an index');
SELECT unalike(pg_temp.plan($$SELECT * FROM crm.open_orders WHERE status = 'late' ORDER BY placed_at DESC LIMIT 50$$), '%Sort%', 'without sorting');
SELECT alike(pg_temp.plan($$SELECT * FROM crm.order_timers WHERE is_due$$), '%Index Cond: (status_until <= now())%', 'what is due comes by an index');
SELECT alike(pg_temp.plan($$SELECT * FROM crm.order_timers ORDER BY status_until LIMIT 50$$), '%orders_with_timers%', 'what is next as well');

-- Rights and policies; whose names are looked up
SELECT pg_temp.tidy();
TRUNCATE tickets;
SELECT pg_temp.place('waiting', '8 days', id => i) FROM generate_series(1, 4) i \g /dev/null
CREATE ROLE crm_test_scheduler;
GRANT USAGE ON SCHEMA crm TO crm_test_scheduler;
GRANT SELECT ON crm.orders TO crm_test_scheduler;
SET LOCAL ROLE crm_test_scheduler;
SELECT throws_ok('SELECT crm_run_timers()', '42501', 'permission denied to run timers', 'a role that may update nothing');
RESET ROLE;
GRANT UPDATE (status) ON crm.orders TO crm_test_scheduler;
CREATE SCHEMA evil;
GRANT ALL ON SCHEMA evil TO PUBLIC;
SET LOCAL ROLE crm_test_scheduler;
CREATE FUNCTION evil.never(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1';
CREATE OPERATOR evil.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.never);
CREATE OPERATOR evil.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.never);
SET LOCAL search_path = evil, public, pg_temp, pg_catalog;
SELECT public.crm_run_timers(1) AS steps \gset
SET LOCAL search_path = public;
SELECT is(:steps, 1, 'UPDATE (status) is enough, whatever the search_path');
RESET ROLE;
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON crm.orders TO crm_test_scheduler USING (id <> 3);
SET LOCAL ROLE crm_test_scheduler;
SELECT is(crm_run_timers(), 3, 'a policy does not stop the clock');
SELECT throws_ok('SELECT 1 FROM crm.order_timers', '42501', NULL, 'the lists show what one may see');
RESET ROLE;
ALTER TABLE crm.orders DISABLE ROW LEVEL SECURITY;
SELECT pg_temp.place('waiting', '1 day', id => 5) \g /dev/null
CREATE ROLE crm_test_designer;
GRANT USAGE ON SCHEMA crm TO crm_test_designer;
GRANT SELECT, UPDATE ON crm.workflows TO crm_test_designer;
SET LOCAL ROLE crm_test_designer;
UPDATE crm.workflows SET definition = replace(definition::text, 'after 7 days', 'after 9 days')::crm_workflow WHERE name = 't';
RESET ROLE;
SELECT is((SELECT status_until - status_since FROM crm.orders WHERE id = 5), '9 days', 'who may change a workflow changes its timers, without rights on the orders');

-- Whose tables have their turn
SELECT pg_temp.tidy();
INSERT INTO tickets (no, status_since) SELECT i, now() - interval '20 days' FROM generate_series(1, 4) i;
CREATE ROLE crm_test_owner;
GRANT USAGE ON SCHEMA crm TO crm_test_owner;
ALTER TABLE tickets OWNER TO crm_test_owner;
ALTER TABLE ticket_events OWNER TO crm_test_owner;
SELECT is(crm_run_timers(), 0, 'a table of a role that is not trusted is left out');
SELECT is(crm_run_timers(1, 'tickets'), 1, 'unless it is named');
SELECT is(crm_run_timers(relation => 'tickets_0') + crm_run_timers(relation => 'tickets_1'), 3, 'a partition can be named, too');
INSERT INTO tickets (no, status_since) VALUES (5, now() - interval '20 days');
SET LOCAL ROLE crm_test_owner;
SELECT is(crm_run_timers(), 1, 'its owner runs it without a name');
RESET ROLE;
INSERT INTO tickets (no, status_since) VALUES (6, now() - interval '20 days');
ALTER TABLE crm.workflows OWNER TO crm_test_owner;
SELECT is(crm_run_timers(), 1, 'whoever owns the workflows is trusted');
ALTER TABLE crm.workflows OWNER TO CURRENT_USER;
ALTER TABLE tickets OWNER TO CURRENT_USER;
ALTER TABLE ticket_events OWNER TO CURRENT_USER;
SELECT pg_temp.place('waiting', '15 days', id => 6) \g /dev/null
INSERT INTO tickets (no, status_since) VALUES (7, now() - interval '20 days');
SELECT is(crm_run_timers(relation => 'crm.orders'), 1, 'of a named table only');
SELECT is(crm_run_timers(relation => NULL), 1, 'or of all');
SET LOCAL ROLE crm_test_scheduler;
SELECT throws_ok($$SELECT crm_run_timers(relation => 'tickets')$$, '42501', 'permission denied for table tickets', 'the name gives no right');
RESET ROLE;
SELECT throws_ok($$SELECT crm_run_timers(relation => 'ticket_events')$$, '55000', 'no workflow is attached to table public.ticket_events', 'a table without a workflow');
SELECT throws_ok($$SELECT crm_run_timers(relation => 'crm.order_timers')$$, '42809', 'crm.order_timers is not a table', 'a view');
SELECT throws_ok($$SELECT crm_run_timers(relation => 1::regclass)$$, '42P01', 'table with OID 1 does not exist', 'nothing');
SELECT is(crm_run_timers(relation => 'plain'), 0, 'a table without timers');

-- A table that cannot be read: here, a part of it is a file of other contents
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
SELECT pg_temp.place('waiting', '15 days', id => 7) \g /dev/null
INSERT INTO tickets (no, status_since) VALUES (8, now() - interval '20 days');
CREATE FOREIGN TABLE torn () INHERITS (crm.orders) SERVER files OPTIONS (filename 'PG_VERSION', format 'csv');
SELECT is(crm_run_timers(), 1, 'is left out, the others have their turn');
DROP FOREIGN TABLE torn;
SELECT is(crm_run_timers(), 1, 'and comes once it is whole again');
SELECT throws_ok('SELECT crm_refresh_state_columns()', '39P01', 'function crm_refresh_state_columns() was not called as the trigger that it is for', 'a trigger function is no function to call');
SET TRANSACTION READ ONLY;
SELECT throws_ok('SELECT crm_run_timers()', '25006', 'cannot execute crm_run_timers() in a read-only transaction', 'not in a read-only transaction');

SELECT * FROM finish();
ROLLBACK;
