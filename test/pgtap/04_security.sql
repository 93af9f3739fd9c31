-- A hostile search_path, row-level security, and rights that are missing.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(103);

CREATE ROLE crm_test_owner;
CREATE ROLE crm_test_clerk;
CREATE ROLE crm_test_mallory;
INSERT INTO crm.customers (id, name) VALUES (1, 'Zoë');
ALTER TABLE crm.orders ALTER COLUMN id RESTART WITH 1000;
INSERT INTO crm.workflows (name, definition) VALUES ('easy', E'[*] --> pending\npending --> completed : jump\ncompleted --> [*]');
INSERT INTO crm.orders (id, customer_id, owner) SELECT g, 1, CASE WHEN g < 50 THEN 'crm_test_clerk' ELSE 'somebody' END FROM generate_series(1, 70) g;
CREATE FUNCTION pg_temp.place(id bigint) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT format('%s %s: %s', o.status, o.version,
        (SELECT string_agg(e.event, ' ' ORDER BY e.seq) FROM crm.order_events e WHERE e.order_id = o.id))
    FROM crm.orders o WHERE o.id = $1
$$;

-- A schema in front of pg_catalog where everything has another meaning
CREATE SCHEMA evil;
GRANT ALL ON SCHEMA evil TO PUBLIC;
SET LOCAL ROLE crm_test_mallory;
CREATE FUNCTION evil.never(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil operator' USING ERRCODE = 'EVIL1'; END $$;
CREATE FUNCTION evil.never(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil operator' USING ERRCODE = 'EVIL1'; END $$;
CREATE FUNCTION evil.sum(integer, integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil operator' USING ERRCODE = 'EVIL1'; END $$;
CREATE FUNCTION evil.product(numeric, numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 666.0';
CREATE FUNCTION evil.minus(timestamptz, timestamptz) RETURNS interval LANGUAGE sql AS 'SELECT NULL::interval';
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.never);
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
CREATE OPERATOR evil.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
CREATE OPERATOR evil.+ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = evil.sum);
CREATE OPERATOR evil.* (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = evil.product);
CREATE OPERATOR evil.- (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.minus);
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT '1999-01-01'::timestamptz$$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT '1999-01-01'::timestamptz$$;
CREATE FUNCTION evil.timezone(text, timestamptz) RETURNS timestamp LANGUAGE sql AS $$SELECT '1999-01-01'::timestamp$$;
CREATE FUNCTION evil.round(numeric, integer) RETURNS numeric LANGUAGE sql AS 'SELECT 666.0';
CREATE FUNCTION evil.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS $$SELECT 'object'::pg_catalog.text$$;
CREATE FUNCTION evil.crm_advance_order(bigint, text) RETURNS text LANGUAGE sql AS $$SELECT 'shadow'::pg_catalog.text$$;
CREATE FUNCTION evil.crm_enforce_workflow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION evil.crm_record_event() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.bigint AS pg_catalog.int8 CHECK (false);
CREATE DOMAIN evil.crm_workflow AS pg_catalog.text;
CREATE TABLE evil.orders (id bigint, workflow pg_catalog.text, status pg_catalog.text, version integer, status_since timestamptz);
INSERT INTO evil.orders VALUES (1, 'order', 'evil', 1, 'today'), (404, 'order', 'pending', 1, 'today');
CREATE TABLE evil.order_events (order_id bigint, seq integer, event pg_catalog.text);
CREATE TABLE evil.workflows (name pg_catalog.text, definition public.crm_workflow);
INSERT INTO evil.workflows VALUES ('order', E'[*] --> pending\npending --> completed : jump\ncompleted --> [*]');
CREATE TABLE evil.settings (time_zone pg_catalog.text, currency pg_catalog.text);
INSERT INTO evil.settings VALUES ('Pacific/Kiritimati', 'XXX');
RESET ROLE;
CREATE FUNCTION pg_temp.hostile(statement text) RETURNS text LANGUAGE plpgsql
SET search_path = evil, pg_temp, public, pg_catalog AS $$
DECLARE
    result pg_catalog.text;
BEGIN
    EXECUTE statement INTO result;
    RETURN result;
END $$;
-- The trap is armed:
SELECT throws_ok($$SELECT pg_temp.hostile('SELECT 1 + 1')$$, 'EVIL1', 'evil operator', 'the search_path is hostile');
SELECT is(pg_temp.hostile($$SELECT status FROM orders LIMIT 1$$), 'evil', 'and its tables are in front');
SELECT is(pg_temp.hostile($$SELECT now()$$), pg_temp.hostile($$SELECT '1999-01-01'::timestamptz$$), 'and its functions');

GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT SELECT, INSERT, UPDATE ON crm.orders, crm.order_lines, crm.payments TO crm_test_clerk;
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Green tea', 4.90);
INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 1), (2, 1, 1);
-- make the session forget what it knows of the tables
UPDATE crm.workflows SET description = description;
UPDATE crm.settings SET id = id;
ALTER TABLE crm.orders SET (fillfactor = 90);
ALTER TABLE crm.order_events SET (fillfactor = 100);
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.hostile($$SELECT public.crm_advance_order(1, 'submit')$$), 'submitted', 'crm_advance_order() works');
SELECT is(pg_temp.place(1), 'submitted 2: create submit', 'on our tables');
SELECT throws_ok($$SELECT pg_temp.hostile('SELECT public.crm_advance_order(1, ''jump'')')$$, 'SL002', 'workflow "order" has no event "jump"', 'with our workflow');
SELECT throws_ok($$SELECT pg_temp.hostile('SELECT public.crm_advance_order(404, ''submit'')')$$, 'SL001', 'order 404 does not exist', 'and our orders');
SELECT throws_ok($$SELECT pg_temp.hostile('UPDATE crm.orders SET status = ''paid'' WHERE id OPERATOR(pg_catalog.=) 1 RETURNING status')$$,
    'SL004', 'order 1 cannot become "paid"', 'our guards');
SELECT is(pg_temp.hostile($$SELECT public.crm_record_payment(1, 4.90)$$), '1', 'our ledger');
SELECT is(pg_temp.hostile($$UPDATE crm.orders SET status = 'paid' WHERE id OPERATOR(pg_catalog.=) 1 RETURNING status$$), 'paid', 'a plain UPDATE too');
SELECT throws_ok($$SELECT pg_temp.hostile('UPDATE crm.orders SET status = ''completed'' WHERE id OPERATOR(pg_catalog.=) 1 RETURNING status')$$,
    'SL003', 'order 1 cannot become "completed"', 'that is held to our rules');
SELECT is(pg_temp.hostile($$INSERT INTO crm.orders (id, customer_id) VALUES (101, 1) RETURNING status$$), 'pending', 'an INSERT');
SELECT is((SELECT placed_on || ' ' || currency FROM crm.orders WHERE id = 101), (now() AT TIME ZONE 'UTC')::date || ' EUR', 'has our day and our currency');
SELECT is(pg_temp.hostile($$INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (101, 1, 1), (101, 1, 3) RETURNING amount$$),
    '4.90', 'an amount is computed by the right operators');
SELECT is(pg_temp.hostile($$SELECT public.crm_record_payment(101, 19.60, request_key => 'hostile')$$), '1', 'a payment is recorded');
SELECT is(pg_temp.hostile($$SELECT public.crm_record_payment(101, 19.60, request_key => 'hostile')$$), '1', 'once');
SELECT is((SELECT line_count || ' ' || total || ' ' || payment_status FROM crm.orders WHERE id = 101), '2 19.60 paid', 'and so are the totals of the order');
SELECT throws_ok($$SELECT pg_temp.hostile('UPDATE crm.orders SET attributes = ''[]'' RETURNING 1')$$, '23514', NULL, 'and checks are checked by them');
RESET ROLE;
SELECT is((SELECT dwell = at - (SELECT at FROM crm.order_events WHERE order_id = 1 AND seq = 1) FROM crm.order_events WHERE order_id = 1 AND seq = 2),
    true, 'dwell is computed by our clock');
SELECT ok(pg_temp.hostile($s$SELECT E'[*] --> a\na --> [*]'::public.crm_workflow$s$) ~ 'stateDiagram-v2', 'a workflow is read');
SELECT is_empty('SELECT 1 FROM evil.order_events', 'nothing was written elsewhere');

-- Temporary tables come before everything.
CREATE TEMP TABLE orders AS SELECT * FROM evil.orders;
CREATE TEMP TABLE workflows AS SELECT * FROM evil.workflows;
CREATE TEMP TABLE order_events AS SELECT * FROM evil.order_events;
CREATE TEMP TABLE settings AS SELECT * FROM evil.settings;
GRANT ALL ON orders, workflows, order_events, settings TO PUBLIC;
SET LOCAL ROLE crm_test_clerk;
SELECT is(crm_advance_order(2, 'submit'), 'submitted', 'temporary tables of our names do not matter');
SELECT throws_ok($$SELECT crm_advance_order(404, 'submit')$$, 'SL001', NULL, 'not one bit');
RESET ROLE;
SELECT is(pg_temp.place(2), 'submitted 2: create submit', 'the step is in our tables');
DROP TABLE orders, workflows, order_events, settings;

-- Code of the owner's that lines, payments and steps of others set off finds its names in pg_catalog.
CREATE SCHEMA house;
GRANT USAGE ON SCHEMA house TO PUBLIC;
CREATE TABLE house.seen (by text, role text, path text);
GRANT INSERT ON house.seen TO PUBLIC;
CREATE FUNCTION house.write(by text) RETURNS void LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO house.seen VALUES (by, current_user, pg_catalog.current_setting('search_path')); END$$;
CREATE FUNCTION house.see(by text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
    PERFORM house.write(by); -- as if it were immutable, so that checks and indexes may call it
    RETURN 1; END$$;
CREATE FUNCTION house.tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM house.see(TG_ARGV[0]); RETURN NEW; END$$;
CREATE FUNCTION house.careless() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM note_it(NEW.id); RETURN NEW; END$$;
CREATE FUNCTION public.note_it(bigint) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION pg_temp.seen() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH s AS (DELETE FROM house.seen RETURNING *)
    SELECT string_agg(DISTINCT format('%s: %s, %s', by, role, path), '; ' ORDER BY format('%s: %s, %s', by, role, path)) FROM s
$$;
CREATE FUNCTION pg_temp.unsafe(statement text) RETURNS text LANGUAGE plpgsql SET search_path = evil, public AS $$
BEGIN
    EXECUTE statement;
    RETURN pg_catalog.current_setting('search_path');
END $$;
SET LOCAL ROLE crm_test_mallory;
CREATE FUNCTION evil.note_it(bigint) RETURNS void LANGUAGE plpgsql AS $$BEGIN
    RAISE EXCEPTION 'evil.note_it() runs as %', current_user USING ERRCODE = 'EVIL2'; END$$;
RESET ROLE;
SELECT quote_ident(session_user) AS me \gset
CREATE TRIGGER tell AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION house.tell('orders');
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.unsafe('INSERT INTO crm.orders (id, customer_id) VALUES (103, 1)'), 'evil, public', 'an order');
SELECT is(pg_temp.unsafe('INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) VALUES (103, 1, 1, 5)'), 'evil, public', 'a line of a clerk with a search_path');
SELECT is(pg_temp.seen(), format('orders: %s, pg_catalog, pg_temp', :'me'), 'is not one where a trigger of the orders finds names');
SELECT is(pg_temp.unsafe('UPDATE crm.order_lines SET discount = 1 WHERE order_id OPERATOR(pg_catalog.=) 103'), 'evil, public', 'a line that changes');
SELECT is(pg_temp.seen(), format('orders: %s, pg_catalog, pg_temp', :'me'), 'neither');
SELECT is(pg_temp.unsafe('SELECT public.crm_record_payment(103, 4)'), 'evil, public', 'a payment');
SELECT is(pg_temp.seen(), format('orders: %s, pg_catalog, pg_temp', :'me'), 'neither');
SELECT is(pg_temp.unsafe('SELECT public.crm_record_refund(103, 2)'), 'evil, public', 'a refund');
SELECT is(pg_temp.seen(), format('orders: %s, pg_catalog, pg_temp', :'me'), 'neither');
RESET ROLE;
SELECT is(pg_temp.unsafe('INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) VALUES (103, 1, 1, 5)'), 'evil, public', 'a line of the owner');
SELECT is(pg_temp.seen(), format('orders: %s, evil, public', :'me'), 'is: the search_path is the owner''s own');
DROP TRIGGER tell ON crm.orders;
CREATE TRIGGER careless AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION house.careless();
SET LOCAL ROLE crm_test_clerk;
SELECT throws_ok($$SELECT pg_temp.unsafe('INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) VALUES (103, 1, 1, 5)')$$,
    '42883', 'function note_it(bigint) does not exist', 'a careless trigger of the owner calls no function of somebody else');
SELECT throws_ok($$SELECT pg_temp.unsafe('SELECT public.crm_record_payment(103, 1)')$$,
    '42883', 'function note_it(bigint) does not exist', 'nor at a payment');
RESET ROLE;
DROP TRIGGER careless ON crm.orders;
ALTER TABLE crm.orders ADD CONSTRAINT told CHECK (house.see('check of orders') = 1);
CREATE STATISTICS crm.told ON line_no, (house.see('plan of lines')) FROM crm.order_lines; -- whoever plans a query computes that
INSERT INTO crm.exchange_rates VALUES ('USD', '2020-01-01', 0.5);
SELECT pg_temp.seen() AS ignored \gset
SET LOCAL ROLE crm_test_clerk;
INSERT INTO crm.orders (id, customer_id, currency) VALUES (104, 1, 'USD');
SELECT pg_temp.seen() AS ignored \gset
SELECT is(pg_temp.unsafe('INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) VALUES (104, 1, 1, 5)'), 'evil, public', 'a line');
RESET ROLE;
SELECT set_eq($$SELECT DISTINCT by, path FROM house.seen WHERE role = session_user$$,
    $$VALUES ('check of orders', 'pg_catalog, pg_temp'), ('plan of lines', 'pg_catalog, pg_temp')$$,
    'neither a check of the orders nor what is computed to plan the sum of lines');
SELECT pg_temp.seen() AS ignored \gset
ALTER TABLE crm.orders DROP CONSTRAINT told;
DROP STATISTICS crm.told;

-- The same on the history: each kind of code by itself, as a step looks whether there is any.
CREATE FUNCTION pg_temp.step_with(code text, undo text, step text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    clerk text;
    owner text;
BEGIN
    EXECUTE code;
    PERFORM pg_temp.seen();
    SET LOCAL ROLE crm_test_clerk;
    PERFORM pg_temp.unsafe(step);
    clerk := pg_temp.seen();
    RESET ROLE;
    PERFORM pg_temp.unsafe(step);
    owner := pg_temp.seen();
    EXECUTE undo;
    RETURN format('%s / %s', clerk, owner);
END $$;
CREATE DOMAIN house.told AS integer CHECK (house.see('it' || coalesce(value::text, '')) = 1);
SELECT is(pg_temp.step_with(code, undo, 'INSERT INTO crm.orders (customer_id) VALUES (1)'),
    format('it: %1$s, pg_catalog, pg_temp / it: %1$s, evil, public', :'me'), 'on the history: ' || kind)
FROM (VALUES
    ('a trigger', 'CREATE TRIGGER tell AFTER INSERT ON crm.order_events FOR EACH ROW EXECUTE FUNCTION house.tell(''it'')', 'DROP TRIGGER tell ON crm.order_events'),
    ('a BEFORE trigger', 'CREATE TRIGGER tell BEFORE INSERT ON crm.order_events FOR EACH ROW EXECUTE FUNCTION house.tell(''it'')', 'DROP TRIGGER tell ON crm.order_events'),
    ('the condition of a trigger', 'CREATE TRIGGER tell AFTER INSERT ON crm.order_events FOR EACH ROW WHEN (house.see(''it'') = NEW.seq) EXECUTE FUNCTION crm_notify_event(''steps'')', 'DROP TRIGGER tell ON crm.order_events'),
    ('a check', 'ALTER TABLE crm.order_events ADD CONSTRAINT told CHECK (house.see(''it'') = 1)', 'ALTER TABLE crm.order_events DROP CONSTRAINT told'),
    ('a default', 'ALTER TABLE crm.order_events ADD COLUMN told integer DEFAULT house.see(''it'')', 'ALTER TABLE crm.order_events DROP COLUMN told'),
    ('a generated column', 'ALTER TABLE crm.order_events ADD COLUMN told integer GENERATED ALWAYS AS (house.see(''it'')) STORED', 'ALTER TABLE crm.order_events DROP COLUMN told'),
    ('a domain', 'ALTER TABLE crm.order_events ADD COLUMN told house.told', 'ALTER TABLE crm.order_events DROP COLUMN told'),
    ('an index', 'CREATE INDEX told ON crm.order_events ((seq + house.see(''it'' || left(event, 0))))', 'DROP INDEX crm.told'),
    ('the predicate of an index', 'CREATE INDEX told ON crm.order_events (seq) WHERE seq = house.see(''it'' || left(event, 0))', 'DROP INDEX crm.told')
) AS c (kind, code, undo);
CREATE TRIGGER tell AFTER INSERT ON crm.order_events FOR EACH ROW EXECUTE FUNCTION house.tell('it');
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.unsafe('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'')'), 'evil, public', 'the event of an order that is placed');
SELECT is(pg_temp.seen(), format('it: %s, pg_catalog, pg_temp', :'me'), 'neither');
SELECT is(pg_temp.unsafe('SELECT public.crm_advance_order(103, ''submit'')'), 'evil, public', 'a step');
SELECT is(pg_temp.seen(), format('it: %s, pg_catalog, pg_temp', :'me'), 'neither');
RESET ROLE;
DROP SCHEMA house CASCADE;

-- CREATE EXTENSION
SAVEPOINT s;
DROP EXTENSION crm CASCADE;
DROP SCHEMA crm CASCADE;
SELECT set_config('search_path', 'evil, pg_temp, public', true) AS ignored \gset
CREATE EXTENSION crm SCHEMA public;
SELECT pg_catalog.set_config('search_path', 'public', true) AS ignored \gset
SELECT count(*) AS strangers FROM pg_depend d
WHERE (d.refclassid, d.refobjid) IN (SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = 'evil'::regnamespace
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'evil'::regnamespace
    UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace)
  AND (d.classid, d.objid) IN (SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE proname ~ '^crm_' AND pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relnamespace = 'crm'::regnamespace
    UNION ALL SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a JOIN pg_class c ON c.oid = adrelid WHERE relnamespace = 'crm'::regnamespace
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'crm'::regnamespace
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE connamespace = 'crm'::regnamespace) \gset
SELECT count(*) AS tables FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'r' \gset
ROLLBACK TO s;
SELECT is(:strangers, 0, 'CREATE EXTENSION with a hostile search_path depends on nothing there');
SELECT is(:tables, 36, 'and makes all tables');
SELECT throws_ok($$DROP EXTENSION crm CASCADE; DROP SCHEMA crm CASCADE; CREATE EXTENSION crm SCHEMA evil$$, '42710', 'type "crm_workflow" already exists',
    'in a schema where our names are taken it is refused');
DROP SCHEMA evil CASCADE;

-- Row-level security (steps without lines and payments)
UPDATE crm.guards SET condition = 'true';
ALTER TABLE crm.orders OWNER TO crm_test_owner;
ALTER TABLE crm.order_events OWNER TO crm_test_owner;
GRANT USAGE ON SCHEMA crm TO crm_test_owner;
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON crm.orders FOR SELECT USING (owner = current_user);
CREATE POLICY change ON crm.orders FOR UPDATE USING (id < 30) WITH CHECK (status <> 'cancelled');
SET LOCAL ROLE crm_test_clerk;
SELECT is(crm_advance_order(10, 'submit'), 'submitted', 'an order that policies let through');
SELECT throws_ok($$SELECT crm_advance_order(60, 'submit')$$, 'SL001', 'order 60 does not exist', 'one that a policy hides');
SELECT throws_ok($$SELECT crm_advance_order(404, 'submit')$$, 'SL001', 'order 404 does not exist', 'looks like one that is not there');
SELECT throws_ok($$SELECT crm_advance_order(40, 'submit')$$, 'SL001', 'order 40 does not exist', 'one that may be seen but not changed');
SELECT throws_ok($$SELECT crm_advance_order(11, 'cancel')$$, '42501', 'new row violates row-level security policy for table "orders"', 'a status that a policy refuses');
SELECT throws_ok($$UPDATE crm.orders SET status = 'cancelled' WHERE id = 11$$, '42501', NULL, 'by plain UPDATE too');
WITH u AS (UPDATE crm.orders SET status = 'submitted' WHERE id IN (12, 40, 60) RETURNING id) SELECT count(*) AS updated FROM u \gset
SELECT is(:updated, 1, 'a plain UPDATE sees what policies let through');
RESET ROLE;
SELECT is(pg_temp.place(10) || ', ' || pg_temp.place(12), 'submitted 2: create submit, submitted 2: create submit', 'those are recorded');
SELECT is(pg_temp.place(11) || ', ' || pg_temp.place(40) || ', ' || pg_temp.place(60), 'pending 1: create, pending 1: create, pending 1: create', 'the others untouched');
SET LOCAL ROLE crm_test_owner;
SELECT is(crm_advance_order(60, 'submit'), 'submitted', 'policies do not bind the owner');
ALTER TABLE crm.orders FORCE ROW LEVEL SECURITY;
SELECT throws_ok($$SELECT crm_advance_order(61, 'submit')$$, 'SL001', 'order 61 does not exist', 'unless forced');
ALTER TABLE crm.orders NO FORCE ROW LEVEL SECURITY;
ALTER TABLE crm.orders DISABLE ROW LEVEL SECURITY;
RESET ROLE;
ALTER TABLE crm.workflows ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.settings ENABLE ROW LEVEL SECURITY;
SET LOCAL ROLE crm_test_clerk;
SELECT throws_ok('SELECT 1 FROM crm.workflows', '42501', NULL, 'who may not read the workflows');
SELECT is(crm_advance_order(61, 'submit'), 'submitted', 'takes steps by them');
SELECT throws_ok($$UPDATE crm.orders SET status = 'completed' WHERE id = 61$$, 'SL003', NULL, 'and is held to them');
SELECT lives_ok('INSERT INTO crm.orders (id, customer_id) VALUES (102, 1)', 'so with the settings');
RESET ROLE;

-- Rights
REVOKE ALL ON crm.orders FROM crm_test_clerk;
CREATE FUNCTION pg_temp.granted(rights text, statement text DEFAULT $$SELECT crm_advance_order(20, 'submit')$$) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF rights <> '' THEN
        EXECUTE format('GRANT %s ON crm.orders TO crm_test_clerk', rights);
    END IF;
    SET LOCAL ROLE crm_test_clerk;
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = '00001', MESSAGE = 'allowed';
EXCEPTION WHEN others THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT is(pg_temp.granted(''), '42501 permission denied for table orders', 'without rights there is no step');
SELECT is(pg_temp.granted('', $$SELECT crm_advance_order(404, 'submit')$$), '42501 permission denied for table orders', 'and no word about which orders there are');
SELECT is(pg_temp.granted('SELECT'), '42501 permission denied for table orders', 'SELECT is not enough');
SELECT is(pg_temp.granted('UPDATE'), '42501 permission denied for table orders', 'nor is UPDATE');
SELECT is(pg_temp.granted('SELECT, UPDATE (owner, version)'), '42501 permission denied for table orders', 'nor UPDATE of other columns');
SELECT is(pg_temp.granted('SELECT (status), UPDATE (status)'), '42501 permission denied for table orders', 'nor SELECT of the status alone');
SELECT is(pg_temp.granted('SELECT (id, status), UPDATE (status)'), '00001 allowed', 'SELECT (id, status) and UPDATE (status) are');
SELECT is(pg_temp.granted('SELECT, UPDATE'), '00001 allowed', 'and so are both on the table');
SELECT is(pg_temp.granted('INSERT', 'INSERT INTO crm.orders (customer_id) VALUES (1)'), '00001 allowed', 'INSERT needs no right on sequence, settings, workflows and history');
REVOKE EXECUTE ON FUNCTION crm_advance_order(bigint, text, text, text, integer) FROM PUBLIC;
SELECT is(pg_temp.granted('SELECT, UPDATE'), '42501 permission denied for function crm_advance_order', 'the function can be denied, too');
SELECT is(pg_temp.place(20), 'pending 1: create', 'none of these is left');

-- Functions called as what they are not
SELECT throws_ok(format('SELECT %s()', f), '39P01', format('function %s() was not called as the trigger that it is for', f), f || ' is no function to call')
FROM unnest('{crm_enforce_workflow,crm_record_event,crm_protect_history,crm_count_workflow_version,crm_keep_workflow_version,crm_check_stranded_rows,crm_notify_event,crm_apply_settings,crm_keep_reporting_currency,crm_keep_totals,crm_check_order_line,crm_total_order_lines,crm_check_payment,crm_total_payments,crm_protect_ledger,crm_invalidate_cache,crm_keep_opportunity,crm_total_opportunity_lines,crm_win_opportunity}'::text[]) AS f;
SELECT throws_ok($$SELECT crm_create_tables()$$, '42P07', 'schema "crm" already holds an object that crm would create', 'crm_create_tables() twice');
SET LOCAL ROLE crm_test_mallory;
SELECT throws_ok($$SELECT crm_create_tables()$$, '42501', 'permission denied for function crm_create_tables', 'or by anybody');
SELECT throws_ok($$CREATE FUNCTION pg_temp.f(cstring) RETURNS bytea AS '$libdir/crm', 'crm_workflow_in' LANGUAGE c$$, '42501',
    'permission denied for language c', 'the library is for superusers');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
