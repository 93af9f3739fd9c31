-- Legal and illegal steps through every way to write.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
SELECT plan(158);

-- What a refused statement says
\ir include/refusal.sql

-- Where an order is, and how it got there: 'submitted 2: create submit'
CREATE FUNCTION pg_temp.place(id bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s: %s', o.status, o.version,
        (SELECT string_agg(e.event, ' ' ORDER BY e.seq) FROM crm.order_events e WHERE e.order_id = o.id))
    FROM crm.orders o WHERE o.id = $1
$$;

CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT ALL ON ALL TABLES IN SCHEMA crm TO crm_test_clerk;
GRANT pg_execute_server_program TO crm_test_clerk;

INSERT INTO crm.customers (id, name) VALUES (1, 'José García');
INSERT INTO crm.workflows (name, definition) VALUES
    ('loop', E'[*] --> idle\nidle --> idle : poke\nidle --> busy : start, begin\nbusy --> idle : stop\nbusy --> [*]'),
    ('审批', E'[*] --> 草稿\n草稿 --> 已批准 : 批准\n已批准 --> [*]');
INSERT INTO crm.orders (id, customer_id) SELECT g, 1 FROM generate_series(1, 99) g;

-- crm_advance_order
SELECT is(crm_advance_order(1, 'submit'), 'submitted', 'a step returns the new status');
SELECT is(pg_temp.place(1), 'submitted 2: create submit', 'and takes it');
SELECT is(crm_advance_order(order_id => 1, event => 'pay', note => 'cash'), 'paid', 'arguments may be named');
SELECT is(crm_advance_order(1, 'ship', NULL), 'shipped', 'a note may be null');
SELECT is(pg_temp.place(1), 'shipped 4: create submit pay ship', 'each step counts');
SELECT throws_ok($$SELECT crm_advance_order(2, 'ship')$$, 'SL003', 'order 2 cannot take the event "ship"', 'an event that is not possible from here');
SELECT is((pg_temp.refusal($$SELECT crm_advance_order(2, 'ship')$$)).hint,
    'Possible events from here: "submit" (to "submitted" if has_lines), "cancel" (to "cancelled").', 'lists those that are');
SELECT is((pg_temp.refusal($$SELECT crm_advance_order(2, 'ship')$$)).detail,
    'Its status is "pending", in workflow "order".', 'and says where the order is');
SELECT is(crm_advance_order(3, 'cancel'), 'cancelled', 'cancel from pending');
SELECT is((pg_temp.refusal($$SELECT crm_advance_order(3, 'cancel')$$)).hint, 'No event is possible from here.', 'nothing follows a last status');
SELECT throws_ok($$SELECT crm_advance_order(2, 'explode')$$, 'SL002', 'workflow "order" has no event "explode"', 'unknown event');
SELECT is((pg_temp.refusal($$SELECT crm_advance_order(2, 'submt')$$)).hint, 'Did you mean "submit"?', 'misspelt event');
SELECT throws_ok($$SELECT crm_advance_order(2, 'SUBMIT')$$, 'SL002', 'workflow "order" has no event "SUBMIT"', 'case counts');
SELECT throws_ok($$SELECT crm_advance_order(2, '')$$, 'SL002', 'workflow "order" has no event ""', 'empty event');
SELECT throws_ok($$SELECT crm_advance_order(2, 'submitted')$$, 'SL002', 'workflow "order" has no event "submitted"', 'a status is no event');
SELECT throws_ok($$SELECT crm_advance_order(NULL, 'submit')$$, '22004', 'order_id must not be null', 'null order');
SELECT throws_ok($$SELECT crm_advance_order(2, NULL)$$, '22004', 'event must not be null', 'null event');
SELECT throws_ok($$SELECT crm_advance_order(404, 'submit')$$, 'SL001', 'order 404 does not exist', 'unknown order');
SELECT throws_ok($$SELECT crm_advance_order(-9223372036854775808, 'submit')$$, 'SL001', 'order -9223372036854775808 does not exist', 'smallest number');
SELECT throws_ok($$SELECT crm_advance_order(404, 'explode')$$, 'SL001', 'order 404 does not exist', 'unknown order and event');
SELECT is(pg_temp.place(2), 'pending 1: create', 'none of this left a trace');
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (101, 1, '审批'), (102, 1, 'loop'), (103, 1, 'loop');
SELECT is(crm_advance_order(101, '批准'), '已批准', 'a workflow in Chinese');
SELECT throws_ok($$SELECT crm_advance_order(102, 'submit')$$, 'SL002', 'workflow "loop" has no event "submit"', 'an event of another workflow');

-- one statement, many steps
SELECT results_eq($$SELECT crm_advance_order(g, 'submit') FROM generate_series(4, 6) g$$,
    ARRAY['submitted', 'submitted', 'submitted'], 'a set of orders');
SELECT results_eq($$SELECT crm_advance_order(7, 'submit'), crm_advance_order(7, 'pay')$$, $$VALUES ('submitted', 'paid')$$,
    'two steps of one order in one statement');
SELECT is(pg_temp.place(7), 'paid 3: create submit pay', 'are two steps');
SELECT throws_ok($$SELECT crm_advance_order(g, 'submit') FROM generate_series(8, 100) g$$, 'SL001', NULL, 'one is missing in a set');
SELECT is(pg_temp.place(8), 'pending 1: create', 'then none advances');
SELECT is(crm_advance_order(9, 'submit') || crm_advance_order(9, 'cancel'), 'submittedcancelled', 'in one expression');
SELECT lives_ok($$INSERT INTO crm.orders (id, customer_id) VALUES (110, 1) RETURNING crm_advance_order(id, 'submit')$$,
    'a step in RETURNING of the INSERT');
SELECT is(pg_temp.place(110), 'submitted 2: create submit', 'is recorded after the creation');
SELECT lives_ok($$WITH o AS (INSERT INTO crm.orders (id, customer_id) VALUES (111, 1) RETURNING id)
    SELECT crm_advance_order(id, 'submit') FROM o$$, 'a step behind an INSERT in WITH');
SELECT is(pg_temp.place(111), 'submitted 2: create submit', 'is recorded too');
SELECT lives_ok($$UPDATE crm.orders SET owner = 'x' WHERE id = 10 RETURNING crm_advance_order(id, 'submit')$$,
    'a step in RETURNING of an UPDATE');
SELECT is(pg_temp.place(10), 'submitted 2: create submit', 'is taken');
SELECT throws_ok($$UPDATE crm.orders SET owner = crm_advance_order(id, 'submit') WHERE id = 11$$, '27000',
    'tuple to be updated was already modified by an operation triggered by the current command',
    'a step inside an UPDATE of the same order fails as in PostgreSQL, and is not half done');
SELECT is(pg_temp.place(11), 'pending 1: create', 'so nothing has happened');

-- self-transitions, and several events to one target
SELECT is(crm_advance_order(102, 'poke'), 'idle', 'an event may lead back');
SELECT is(pg_temp.place(102), 'idle 2: create poke', 'it is a step');
SELECT lives_ok($$UPDATE crm.orders SET status = status WHERE id = 102$$, 'an UPDATE to the same status');
SELECT is(pg_temp.place(102), 'idle 2: create poke', 'is none');
SELECT is(crm_advance_order(102, 'begin'), 'busy', 'two events lead there');
SELECT is(pg_temp.place(102), 'busy 3: create poke begin', 'the one that was named is recorded');
UPDATE crm.orders SET status = 'busy' WHERE id = 103;
SELECT is(pg_temp.place(103), 'busy 2: create start', 'and the first one if none was named');

-- UPDATE
SELECT lives_ok($$UPDATE crm.orders SET status = 'submitted' WHERE id = 12$$, 'UPDATE, legal');
SELECT is(pg_temp.place(12), 'submitted 2: create submit', 'is a step');
SELECT throws_ok($$UPDATE crm.orders SET status = 'completed' WHERE id = 12$$, 'SL003', 'order 12 cannot become "completed"', 'UPDATE, illegal');
SELECT is((pg_temp.refusal($$UPDATE crm.orders SET status = 'completed' WHERE id = 12$$)).hint,
    'Possible events from here: "pay" (to "paid" if paid_in_full), "cancel" (to "cancelled").', 'it says what is possible');
SELECT throws_ok($$UPDATE crm.orders SET status = 'submited' WHERE id = 13$$, 'SL007', 'workflow "order" has no status "submited"', 'unknown status');
SELECT throws_ok($$UPDATE crm.orders SET status = NULL WHERE id = 13$$, '23502', 'null value in column "status" of table crm.orders', 'null status');
SELECT throws_ok($$UPDATE crm.orders SET status = 'Submitted' WHERE id = 13$$, 'SL007', 'workflow "order" has no status "Submitted"', 'case counts');
SELECT throws_ok($$UPDATE crm.orders SET status = 'submitted ' WHERE id = 13$$, 'SL007', NULL, 'and blanks do');
SELECT lives_ok($$UPDATE crm.orders SET owner = 'maria', attributes = '{"a": 1}' WHERE id = 13$$, 'other columns are free');
SELECT is(pg_temp.place(13), 'pending 1: create', 'to change them is no step');
SELECT lives_ok($$UPDATE crm.orders SET status = 'submitted', version = version + 1 WHERE id = 13$$, 'the next version may be written with a step');
SELECT is(pg_temp.place(13), 'submitted 2: create submit', 'it counts once');
SELECT throws_ok($$UPDATE crm.orders SET version = 7 WHERE id = 14$$, 'SL010', 'column "version" of order 14 is kept by the database', 'version by hand');
SELECT throws_ok($$UPDATE crm.orders SET version = version + 1 WHERE id = 14$$, 'SL010', 'column "version" of order 14 is kept by the database', 'the next version without a step');
SELECT throws_ok($$UPDATE crm.orders SET version = NULL WHERE id = 14$$, 'SL010', 'column "version" of order 14 is kept by the database', 'version null');
SELECT throws_ok($$UPDATE crm.orders SET status = 'submitted', version = version + 2 WHERE id = 14$$, 'SL010', NULL, 'a wrong version with a step');
SELECT throws_ok($$UPDATE crm.orders SET status_since = now() - interval '1 day' WHERE id = 14$$, 'SL010', 'column "status_since" of order 14 is kept by the database', 'status_since by hand');
SELECT throws_ok($$UPDATE crm.orders SET status = 'submitted', status_since = 'yesterday' WHERE id = 14$$, 'SL010', NULL, 'status_since with a step');
SELECT throws_ok($$UPDATE crm.orders SET status_since = NULL WHERE id = 14$$, 'SL010', NULL, 'status_since null');
SELECT throws_ok($$UPDATE crm.orders SET id = 1014 WHERE id = 14$$, NULL, NULL, 'the number of an order with a history does not change');
SELECT is(pg_temp.place(14), 'pending 1: create', 'none of this left a trace');

-- bulk UPDATE
SELECT lives_ok($$UPDATE crm.orders SET status = 'cancelled' WHERE id BETWEEN 15 AND 17$$, 'bulk UPDATE, legal');
SELECT is(array(SELECT pg_temp.place(g) FROM generate_series(15, 17) g), array_fill('cancelled 2: create cancel'::text, '{3}'), 'a step for each');
SELECT throws_ok($$UPDATE crm.orders SET status = 'submitted' WHERE id BETWEEN 17 AND 20$$, 'SL003', 'order 17 cannot become "submitted"', 'bulk UPDATE with one that is illegal');
SELECT is(array(SELECT pg_temp.place(g) FROM generate_series(18, 20) g), array_fill('pending 1: create'::text, '{3}'), 'changes nothing');
SELECT lives_ok($$UPDATE crm.orders o SET status = v.status FROM (VALUES (18, 'submitted'), (19, 'cancelled')) v (id, status) WHERE o.id = v.id$$, 'UPDATE ... FROM');
SELECT is(pg_temp.place(18) || ', ' || pg_temp.place(19), 'submitted 2: create submit, cancelled 2: create cancel', 'to one status each');

-- INSERT
SELECT lives_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (120, 1, 'pending')$$, 'INSERT in the first status');
SELECT is(pg_temp.place(120), 'pending 1: create', 'is a creation');
SELECT lives_ok($$INSERT INTO crm.orders (id, customer_id, status, status_since) VALUES (121, 1, 'shipped', '2019-08-20 16:00+02')$$, 'INSERT in a later status by the owner');
SELECT is(pg_temp.place(121), 'shipped 1: import', 'is an import');
SELECT is((SELECT status_since FROM crm.orders WHERE id = 121), '2019-08-20 16:00+02'::timestamptz, 'that may say since when');
SELECT is((SELECT at FROM crm.order_events WHERE order_id = 121), '2019-08-20 16:00+02'::timestamptz, 'in the history too');
SELECT throws_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (129, 1, 'nonsense')$$, 'SL007', 'workflow "order" has no status "nonsense"', 'unknown status');
SELECT throws_ok($$INSERT INTO crm.orders (id, customer_id, workflow) VALUES (129, 1, 'nonsense')$$, 'SL009', 'workflow "nonsense" does not exist', 'unknown workflow');
SELECT throws_ok($$INSERT INTO crm.orders (id, customer_id, workflow) VALUES (129, 1, NULL)$$, '23502', 'null value in column "workflow" of table crm.orders', 'null workflow');
SELECT lives_ok($$INSERT INTO crm.orders (id, customer_id, version) VALUES (122, 1, 99)$$, 'a version in an INSERT');
SELECT is(pg_temp.place(122), 'pending 1: create', 'is not taken');

SET LOCAL ROLE crm_test_clerk;
SELECT lives_ok($$INSERT INTO crm.orders (id, customer_id, status_since) VALUES (123, 1, '2001-01-01')$$, 'a clerk may insert an order');
SELECT is((SELECT status_since > now() - interval '1 day' FROM crm.orders WHERE id = 123), true, 'that does not say since when');
SELECT throws_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (129, 1, 'paid')$$, 'SL008', 'order 129 cannot be inserted with status "paid"', 'nor in a later status');
SELECT throws_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (124, 1, 'pending'), (129, 1, 'paid')$$, 'SL008', NULL, 'not among others');
SELECT throws_ok($$UPDATE crm.orders SET workflow = 'loop' WHERE id = 20$$, '42501', 'order 20 cannot be moved from workflow "order" to "loop"', 'a clerk may not change the workflow of an order');
SELECT throws_ok($$UPDATE crm.orders SET workflow = 'loop', status = 'busy' WHERE id = 20$$, '42501', NULL, 'not together with the status');

-- COPY
SELECT lives_ok($$COPY crm.orders (id, customer_id, status) FROM PROGRAM 'printf "130,1,\n131,1,pending\n"' (FORMAT csv)$$, 'COPY in the first status, given or not');
SELECT is(pg_temp.place(130) || ', ' || pg_temp.place(131), 'pending 1: create, pending 1: create', 'is a creation each');
SELECT throws_ok($$COPY crm.orders (id, customer_id, status) FROM PROGRAM 'printf "132,1,\n133,1,paid\n"' (FORMAT csv)$$, 'SL008', 'order 133 cannot be inserted with status "paid"', 'COPY in a later status by a clerk');
RESET ROLE;
SELECT is(pg_temp.place(132), NULL, 'brings none of the rows');
SELECT lives_ok($$COPY crm.orders (id, customer_id, status) FROM PROGRAM 'printf "134,1,paid\n"' (FORMAT csv)$$, 'COPY in a later status by the owner');
SELECT is(pg_temp.place(134), 'paid 1: import', 'is an import');
SELECT throws_ok($$COPY crm.orders (id, customer_id, status) FROM PROGRAM 'printf "135,1,\n136,1,nonsense\n"' (FORMAT csv)$$, 'SL007', 'workflow "order" has no status "nonsense"', 'COPY with an unknown status');
COPY crm.orders (id, customer_id) FROM STDIN;
137	1
\.
SELECT is(pg_temp.place(137), 'pending 1: create', 'COPY FROM STDIN');

-- INSERT ... ON CONFLICT
SET LOCAL ROLE crm_test_clerk;
SELECT lives_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (21, 1, 'submitted') ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status$$, 'upsert to a legal status');
SELECT is(pg_temp.place(21), 'submitted 2: create submit', 'is a step, by a clerk too');
SELECT throws_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (21, 1, 'completed') ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status$$, 'SL003', 'order 21 cannot become "completed"', 'upsert to an illegal status');
SELECT throws_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (140, 1, 'submitted') ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status$$, 'SL008', 'order 140 cannot be inserted with status "submitted"', 'upsert of a new order in a later status');
SELECT lives_ok($$INSERT INTO crm.orders (id, customer_id, status) VALUES (22, 1, 'paid') ON CONFLICT DO NOTHING$$, 'DO NOTHING on an order that is there');
SELECT is(pg_temp.place(22), 'pending 1: create', 'does nothing');
SELECT throws_ok($$INSERT INTO crm.orders AS o (id, customer_id) VALUES (22, 1) ON CONFLICT (id) DO UPDATE SET version = o.version + 1$$, 'SL010', NULL, 'version by upsert');

-- MERGE
SELECT CASE WHEN current_setting('server_version_num')::int < 150000 THEN skip('MERGE came with PostgreSQL 15', 5) ELSE
    lives_ok($$MERGE INTO crm.orders o USING (VALUES (23, 'submitted'), (150, 'pending')) v (id, status) ON o.id = v.id
        WHEN MATCHED THEN UPDATE SET status = v.status
        WHEN NOT MATCHED THEN INSERT (id, customer_id, status) VALUES (v.id, 1, v.status)$$, 'MERGE, legal')
    || E'\n' || is(pg_temp.place(23) || ', ' || pg_temp.place(150), 'submitted 2: create submit, pending 1: create', 'is a step and a creation')
    || E'\n' || throws_ok($$MERGE INTO crm.orders o USING (VALUES (24, 'submitted'), (25, 'paid')) v (id, status) ON o.id = v.id
        WHEN MATCHED THEN UPDATE SET status = v.status$$, 'SL003', 'order 25 cannot become "paid"', 'MERGE, illegal')
    || E'\n' || is(pg_temp.place(24), 'pending 1: create', 'changes nothing')
    || E'\n' || throws_ok($$MERGE INTO crm.orders o USING (VALUES (151, 'paid')) v (id, status) ON o.id = v.id
        WHEN NOT MATCHED THEN INSERT (id, customer_id, status) VALUES (v.id, 1, v.status)$$, 'SL008', 'order 151 cannot be inserted with status "paid"', 'MERGE of a new order in a later status')
    END;
RESET ROLE;

-- views, WITH, functions, prepared statements
CREATE VIEW pg_temp.cases AS SELECT id AS number, customer_id, status AS stage FROM crm.orders;
GRANT ALL ON pg_temp.cases TO crm_test_clerk;
SET LOCAL ROLE crm_test_clerk;
SELECT lives_ok($$UPDATE cases SET stage = 'submitted' WHERE number = 26$$, 'UPDATE of a view, legal');
SELECT is(pg_temp.place(26), 'submitted 2: create submit', 'is a step');
SELECT throws_ok($$UPDATE cases SET stage = 'shipped' WHERE number = 26$$, 'SL003', 'order 26 cannot become "shipped"', 'UPDATE of a view, illegal');
SELECT throws_ok($$INSERT INTO cases VALUES (160, 1, 'shipped')$$, 'SL008', NULL, 'INSERT into the owner''s view does not make an owner');
RESET ROLE;
SELECT lives_ok($$WITH u AS (UPDATE crm.orders SET status = 'submitted' WHERE id = 27 RETURNING id) SELECT * FROM u$$, 'UPDATE in WITH');
SELECT is(pg_temp.place(27), 'submitted 2: create submit', 'is a step');
SELECT throws_ok($$WITH a AS (UPDATE crm.orders SET status = 'submitted' WHERE id = 28), b AS (UPDATE crm.orders SET status = 'paid' WHERE id = 29)
    SELECT 1$$, 'SL003', 'order 29 cannot become "paid"', 'an illegal one beside a legal one');
SELECT is(pg_temp.place(28), 'pending 1: create', 'undoes both');
CREATE FUNCTION pg_temp.move(id bigint, status text) RETURNS void
LANGUAGE plpgsql AS $$ BEGIN UPDATE crm.orders o SET status = move.status WHERE o.id = move.id; END $$;
SELECT lives_ok($$SELECT pg_temp.move(30, s) FROM unnest('{submitted,paid,shipped}'::text[]) s$$, 'UPDATE in a PL/pgSQL function');
SELECT is(pg_temp.place(30), 'shipped 4: create submit pay ship', 'is a step each time');
SELECT throws_ok($$SELECT pg_temp.move(30, 'pending')$$, 'SL003', 'order 30 cannot become "pending"', 'and refused as anywhere');
PREPARE crm_test_step (bigint) AS UPDATE crm.orders SET status = 'submitted' WHERE id = $1;
SELECT is(array(SELECT (pg_temp.refusal(format('EXECUTE crm_test_step(%s)', g))).message FROM generate_series(31, 38) g),
    array_fill('not refused'::text, '{8}'), 'a prepared UPDATE, also with a generic plan');
SELECT is(pg_temp.place(31) || ', ' || pg_temp.place(38), 'submitted 2: create submit, submitted 2: create submit', 'is a step each time');
PREPARE crm_test_advance (bigint, text) AS SELECT crm_advance_order($1, $2);
SELECT is(array(SELECT (pg_temp.refusal(format('EXECUTE crm_test_advance(39, %L)', e))).message
    FROM unnest('{submit,pay,pay,ship,complete,refund,refund}'::text[]) WITH ORDINALITY AS s (e, n) ORDER BY n),
    ARRAY['not refused', 'not refused', 'order 39 cannot take the event "pay"', 'not refused', 'not refused', 'not refused', 'order 39 cannot take the event "refund"'],
    'a prepared crm_advance_order()');

-- savepoints and caught errors
SAVEPOINT s;
SELECT crm_advance_order(40, 'submit') AS ignored \gset
ROLLBACK TO s;
SELECT is(pg_temp.place(40), 'pending 1: create', 'a step goes with its savepoint');
SELECT is(crm_advance_order(40, 'submit'), 'submitted', 'and can be taken again');
CREATE FUNCTION pg_temp.try(id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm_advance_order(id, 'submit');
    PERFORM crm_advance_order(id, 'ship');
    RETURN 'not refused';
EXCEPTION WHEN SQLSTATE 'SL003' THEN
    RETURN crm_advance_order(id, 'cancel', SQLERRM);
END $$;
SELECT is(pg_temp.try(41), 'cancelled', 'a caught refusal and another step');
SELECT is(pg_temp.place(41), 'cancelled 2: create cancel', 'only the second is there');
SAVEPOINT s;
ALTER TABLE crm.workflows DISABLE TRIGGER workflows_strand_no_rows;
UPDATE crm.workflows SET definition = E'[*] --> pending\npending --> gone : vanish\ngone --> [*]' WHERE name = 'order';
SELECT crm_advance_order(42, 'vanish') AS changed, (pg_temp.refusal($$SELECT crm_advance_order(40, 'vanish')$$)).* \gset
ROLLBACK TO s;
SELECT is(:'changed'::text, 'gone', 'a changed workflow holds at once');
SELECT is(:'state' || ' ' || :'message', 'SL007 workflow "order" has no status "submitted"', 'an order in a status that is gone is stuck');
SELECT throws_ok($$SELECT crm_advance_order(42, 'vanish')$$, 'SL002', 'workflow "order" has no event "vanish"', 'a change that was rolled back does not');

-- moving to another workflow, by the owner
SELECT throws_ok($$UPDATE crm.orders SET workflow = 'loop' WHERE id = 43$$, 'SL007', 'workflow "loop" has no status "pending"', 'the status must be one there');
SELECT lives_ok($$SELECT crm_migrate_workflow('审批', E'[*] --> pending\npending --> paid : pay\npaid --> [*]', '{"已批准": "paid"}');
    UPDATE crm.orders SET workflow = '审批' WHERE id = 43$$, 'if it is, the owner may move an order');
SELECT is(pg_temp.place(43), 'pending 1: create', 'which is no step');
SELECT is(crm_advance_order(43, 'pay'), 'paid', 'from then on the other workflow counts');

-- read-only
SELECT throws_ok($$SET LOCAL transaction_read_only = on; SELECT crm_advance_order(44, 'submit')$$, '25006',
    'cannot execute crm_advance_order() in a read-only transaction', 'a read-only transaction takes no step');
SELECT throws_ok($$SET LOCAL transaction_read_only = on; UPDATE crm.orders SET status = 'submitted' WHERE id = 44$$, '25006',
    'cannot execute UPDATE in a read-only transaction', 'by no means');

-- triggers that users add: in each of these, nothing else is different
CREATE SCHEMA crm_test;
CREATE FUNCTION crm_test.null_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION crm_test.set_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status := TG_ARGV[0]; RETURN NEW; END $$;
CREATE FUNCTION crm_test.set_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.version := TG_ARGV[0]; RETURN NEW; END $$;
CREATE FUNCTION crm_test.set_owner() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.owner := 'trigger'; RETURN NEW; END $$;
-- takes an event of the order that attributes name, or else of the same
CREATE FUNCTION crm_test.advance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = TG_ARGV[0] AND OLD.status <> NEW.status THEN
        PERFORM public.crm_advance_order(coalesce((NEW.attributes ->> 'other')::bigint, NEW.id), TG_ARGV[1], 'nested');
    END IF;
    RETURN NEW;
END $$;
-- tries a statement about the same order, and takes it back
CREATE FUNCTION crm_test.try_and_undo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        BEGIN
            UPDATE crm.orders SET owner = 'x' WHERE id = NEW.id;
            RAISE EXCEPTION USING ERRCODE = 'TTTTT';
        EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
            NULL;
        END;
    END IF;
    RETURN NEW;
END $$;

SAVEPOINT s;
CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_status('cancelled');
CREATE TEMP TABLE seen AS
SELECT 1 AS no, r.* FROM pg_temp.refusal($$SELECT crm_advance_order(50, 'submit')$$) r
UNION ALL SELECT 2, r.* FROM pg_temp.refusal($$UPDATE crm.orders SET owner = 'x' WHERE id = 50$$) r;
SELECT (SELECT state || ' ' || message FROM seen WHERE no = 1) AS by_event,
       (SELECT state || ' ' || message FROM seen WHERE no = 2) AS by_update, pg_temp.place(50) AS place \gset
ROLLBACK TO s;
SELECT is(:'by_event'::text, 'SL010 status, version or date of order 50 was changed behind its workflow', 'another BEFORE trigger that changes the status behind a step');
SELECT is(:'by_update'::text, 'SL010 status, version or date of order 50 was changed behind its workflow', 'or behind an UPDATE of other columns');
SELECT is(:'place'::text, 'pending 1: create', 'gets nowhere');

SAVEPOINT s;
CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_status('shipped');
SELECT (pg_temp.refusal($$UPDATE crm.orders SET status = 'submitted' WHERE id = 50$$)).* \gset
ROLLBACK TO s;
SELECT is(:'state'::text, 'SL010', 'nor if no step leads where it wants to');

SAVEPOINT s;
CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_version(9);
SELECT (pg_temp.refusal($$SELECT crm_advance_order(50, 'submit')$$)).* \gset
ROLLBACK TO s;
SELECT is(:'state' || ' ' || :'message', 'SL010 status, version or date of order 50 was changed behind its workflow', 'nor with the version');

SAVEPOINT s;
CREATE TRIGGER zzz BEFORE INSERT ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_status('paid');
SET LOCAL ROLE crm_test_clerk;
SELECT (pg_temp.refusal($$INSERT INTO crm.orders (id, customer_id) VALUES (170, 1)$$)).* \gset
RESET ROLE;
ROLLBACK TO s;
SELECT is(:'state' || ' ' || :'message', 'SL008 order 170 cannot be inserted with status "paid"', 'nor in an INSERT by a clerk');

SAVEPOINT s;
CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_status('cancelled');
UPDATE crm.orders SET status = 'submitted' WHERE id = 50;
SELECT pg_temp.place(50) AS place, (pg_temp.refusal($$UPDATE crm.orders SET owner = 'x' WHERE id = 39$$)).* \gset
ROLLBACK TO s;
SELECT is(:'place'::text, 'cancelled 2: create cancel', 'one that fires before the workflow decides like the statement');
SELECT is(:'state' || ' ' || :'message', 'SL003 order 39 cannot become "cancelled"', 'and is held to the rules like it');

SAVEPOINT s;
CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.set_owner();
SELECT crm_advance_order(50, 'submit') AS status, (SELECT owner FROM crm.orders WHERE id = 50) AS owner \gset
SELECT pg_temp.place(50) AS place, (SELECT owner FROM crm.orders WHERE id = 50) AS owner \gset
ROLLBACK TO s;
SELECT is(:'place' || ' ' || :'owner', 'submitted 2: create submit trigger', 'one that changes another column is welcome');

SAVEPOINT s;
CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.null_row();
SELECT (pg_temp.refusal($$SELECT crm_advance_order(50, 'submit')$$)).* \gset
UPDATE crm.orders SET status = 'submitted' WHERE id = 50;
SELECT pg_temp.place(50) AS place \gset
ROLLBACK TO s;
SELECT is(:'state' || ' ' || :'message', '09000 order 50 was not advanced', 'one behind the workflow that returns NULL is an error of the step');
SELECT is(:'place'::text, 'pending 1: create', 'an UPDATE that it suppresses is not recorded');

SAVEPOINT s;
CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.null_row();
SELECT (pg_temp.refusal($$SELECT crm_advance_order(50, 'submit')$$)).* \gset
ROLLBACK TO s;
SELECT isnt(:'state'::text, '', 'one before the workflow that returns NULL is an error too');
SELECT isnt(:'state'::text, 'SL001', 'which does not say that the order does not exist');

SAVEPOINT s;
CREATE TRIGGER aaa AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.advance('submitted', 'pay');
CREATE TRIGGER zzz AFTER UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.advance('paid', 'ship');
SELECT crm_advance_order(50, 'submit', 'outer') AS status \gset
UPDATE crm.orders SET status = 'submitted' WHERE id = 51;
SELECT pg_temp.place(50) AS place, pg_temp.place(51) AS other,
    (SELECT string_agg(from_status || '>' || to_status || ':' || coalesce(note, ''), ' ' ORDER BY seq) FROM crm.order_events WHERE order_id = 50 AND seq > 1) AS chain \gset
ROLLBACK TO s;
SELECT is(:'status'::text, 'submitted', 'a step whose AFTER triggers take further ones returns its own status');
SELECT is(:'place'::text, 'shipped 4: create submit pay ship', 'all are taken, before and behind the recorder');
SELECT is(:'chain'::text, 'pending>submitted:outer submitted>paid:nested paid>shipped:nested', 'each with its own note');
SELECT is(:'other'::text, 'shipped 4: create submit pay ship', 'the same behind a plain UPDATE');

SAVEPOINT s;
CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.advance('pending', 'submit');
CREATE TRIGGER zzz BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.advance('submitted', 'cancel');
UPDATE crm.orders SET attributes = '{"other": 53}' WHERE id = 52;
SELECT crm_advance_order(52, 'submit') AS status \gset
SELECT pg_temp.place(52) || ', ' || pg_temp.place(53) AS place, (pg_temp.refusal($$SELECT crm_advance_order(54, 'submit')$$)).* \gset
SELECT pg_temp.place(54) AS other \gset
ROLLBACK TO s;
SELECT is(:'place'::text, 'submitted 2: create submit, cancelled 2: create cancel', 'a BEFORE trigger may advance another order');
SELECT is(:'state' || ' ' || :'other', '27000 pending 1: create', 'but not its own, which fails as a whole');

SAVEPOINT s;
CREATE TRIGGER aaa BEFORE UPDATE ON crm.orders FOR EACH ROW EXECUTE FUNCTION crm_test.try_and_undo();
SELECT pg_temp.refusal($$SELECT crm_advance_order(55, 'submit')$$) AS result \gset
SELECT pg_temp.place(55) || CASE WHEN :'result' LIKE '%not refused%' THEN ' ok' ELSE ' refused' END AS place \gset
ROLLBACK TO s;
SELECT ok(:'place' IN ('submitted 2: create submit ok', 'pending 1: create refused'),
    'crm_advance_order() never reports a step that was not taken, whatever a trigger before the workflow tries: ' || :'place');

-- switched off by the owner
SAVEPOINT s;
ALTER TABLE crm.orders DISABLE TRIGGER orders_enforce_workflow;
SELECT (pg_temp.refusal($$SELECT crm_advance_order(50, 'submit')$$)).* \gset
ROLLBACK TO s;
SELECT is(:'state' || ' ' || :'message', '55000 the workflow trigger of table crm.orders did not fire', 'a disabled trigger is an error of the step');
SELECT throws_ok($$SET LOCAL session_replication_role = replica; SELECT crm_advance_order(50, 'submit')$$, '55000', NULL, 'and so is a session that fires none');

-- Every order is where its last event says.
SELECT is_empty($$
    SELECT o.id, o.status, e.to_status FROM crm.orders o
    LEFT JOIN crm.order_events e ON e.order_id = o.id AND e.seq = o.version
    WHERE e.to_status IS DISTINCT FROM o.status
    OR o.version <> (SELECT count(*) FROM crm.order_events c WHERE c.order_id = o.id)$$, 'after all this the history agrees with every order');

SELECT * FROM finish();
ROLLBACK;
