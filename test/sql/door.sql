-- The messages of the door: SQLSTATE, message, detail, hint, for each way to be refused.
\set ECHO all
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS crm;
UPDATE crm.guards SET condition = 'true';  -- steps without lines and payments
-- all names in messages must be qualified, whatever the path
SET search_path = pg_catalog;

CREATE FUNCTION pg_temp.refusal(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    message := 'not refused';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
GRANT EXECUTE ON FUNCTION pg_temp.refusal(text) TO PUBLIC;

BEGIN;
CREATE SCHEMA regress_crm;
INSERT INTO crm.customers (id, name) VALUES (1, 'José García');
INSERT INTO crm.workflows (name, definition) VALUES
    ('审批', E'[*] --> 草稿\n草稿 --> 已批准 : 批准\n已批准 --> [*]'),
    ('wide', (SELECT E'[*] --> hub\nhub --> [*]\n' || string_agg(format(E'hub --> s%s : to_%s\ns%s --> [*]', i, i, i), E'\n')
              FROM generate_series(1, 30) i)::public.crm_workflow);
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1), (2, 1);
INSERT INTO crm.orders (id, customer_id, workflow) VALUES (3, 1, '审批'), (4, 1, 'wide');
INSERT INTO crm.orders (id, customer_id, status) VALUES (5, 1, 'cancelled');
SELECT public.crm_advance_order(2, 'submit');

CREATE ROLE regress_crm_clerk;
GRANT USAGE ON SCHEMA crm TO regress_crm_clerk;
GRANT ALL ON ALL TABLES IN SCHEMA crm TO regress_crm_clerk;

\x on
\pset format unaligned
\pset null '-'
SELECT statement, r.* FROM (VALUES
    -- crm_advance_order
    (101, $$SELECT public.crm_advance_order(NULL, 'pay')$$),
    (102, $$SELECT public.crm_advance_order(1, NULL)$$),
    (103, $$SELECT public.crm_advance_order(404, 'pay')$$),
    (104, $$SELECT public.crm_advance_order(1, 'summit')$$),
    (105, $$SELECT public.crm_advance_order(1, 'explode')$$),
    (106, $$SELECT public.crm_advance_order(1, '')$$),
    (107, $$SELECT public.crm_advance_order(2, 'ship')$$),
    (108, $$SELECT public.crm_advance_order(3, 'ship')$$),
    (109, $$SELECT public.crm_advance_order(4, 'explode')$$),
    (110, $$SELECT public.crm_advance_order(5, 'submit')$$),
    (111, $$SELECT public.crm_advance_order(1, repeat('x', 300))$$),
    -- plain statements
    (201, $$UPDATE crm.orders SET status = 'paid' WHERE id = 1$$),
    (202, $$UPDATE crm.orders SET status = 'canceled' WHERE id = 1$$),
    (203, $$UPDATE crm.orders SET status = 'nonsense' WHERE id = 4$$),
    (204, $$UPDATE crm.orders SET status = NULL WHERE id = 1$$),
    (205, $$UPDATE crm.orders SET status = 'pending' WHERE id = 5$$),
    (206, $$UPDATE crm.orders SET version = 7 WHERE id = 1$$),
    (207, $$UPDATE crm.orders SET status = 'submitted', version = 7 WHERE id = 1$$),
    (208, $$UPDATE crm.orders SET status_since = 'yesterday' WHERE id = 1$$),
    (209, $$UPDATE crm.orders SET workflow = 'wide' WHERE id = 2; UPDATE crm.orders SET status = 'cancelled' WHERE id = 2$$),
    (210, $$INSERT INTO crm.orders (customer_id, status) VALUES (1, 'nonsense')$$),
    (211, $$INSERT INTO crm.orders (customer_id, workflow) VALUES (1, 'nonsense')$$),
    (212, $$INSERT INTO crm.orders (customer_id, workflow) VALUES (1, NULL)$$),
    (213, $$INSERT INTO crm.orders (customer_id, status_since) VALUES (1, 'infinity')$$),
    (214, $$UPDATE crm.orders SET workflow = repeat('x', 70) WHERE id = 1$$),
    -- functions out of place
    (301, $$CREATE TABLE regress_crm.t (i int); CREATE TRIGGER t AFTER INSERT ON regress_crm.t FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('i'); INSERT INTO regress_crm.t VALUES (1)$$),
    (302, $$CREATE TABLE regress_crm.t (i int); CREATE TRIGGER t BEFORE INSERT ON regress_crm.t FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow(); INSERT INTO regress_crm.t VALUES (1)$$),
    (303, $$CREATE TABLE regress_crm.t (i int); CREATE TRIGGER t BEFORE INSERT ON regress_crm.t FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('status'); INSERT INTO regress_crm.t VALUES (1)$$),
    (304, $$CREATE TABLE regress_crm.t (status int); CREATE TRIGGER t BEFORE INSERT ON regress_crm.t FOR EACH ROW EXECUTE FUNCTION public.crm_enforce_workflow('status'); INSERT INTO regress_crm.t VALUES (1)$$),
    (305, $$CREATE TABLE regress_crm.t (i int); CREATE TRIGGER t AFTER INSERT ON regress_crm.t FOR EACH ROW EXECUTE FUNCTION public.crm_record_event('e'); INSERT INTO regress_crm.t VALUES (1)$$),
    (306, $$DROP TRIGGER orders_enforce_workflow ON crm.orders; SELECT public.crm_advance_order(1, 'submit')$$),
    (307, $$ALTER TABLE crm.orders DISABLE TRIGGER orders_enforce_workflow; SELECT public.crm_advance_order(1, 'submit')$$),
    (308, $$ALTER TABLE crm.settings DISABLE TRIGGER settings_keep_currency; DELETE FROM crm.settings; INSERT INTO crm.orders (customer_id) VALUES (1)$$),
    (309, $$ALTER TABLE crm.workflows RENAME TO processes; INSERT INTO crm.orders (customer_id) VALUES (1)$$),
    (310, $$SELECT public.crm_protect_history()$$)
) AS t(id, statement), pg_temp.refusal(statement) AS r ORDER BY id;

-- the same as somebody who does not own the tables, but has all rights on them
SET ROLE regress_crm_clerk;
SELECT statement, r.* FROM (VALUES
    (401, $$INSERT INTO crm.orders (id, customer_id, status) VALUES (9, 1, 'paid')$$),
    (402, $$UPDATE crm.orders SET workflow = '审批' WHERE id = 1$$),
    (403, $$INSERT INTO crm.order_events VALUES (1, 2, now(), 'pay', 'pending', 'paid', NULL, 'me', 'me')$$),
    (404, $$UPDATE crm.order_events SET note = 'forged'$$),
    (405, $$DELETE FROM crm.order_events$$),
    (406, $$TRUNCATE crm.order_events$$)
) AS t(id, statement), pg_temp.refusal(statement) AS r ORDER BY id;
RESET ROLE;
\x off
\pset format aligned

-- none of it has left a trace
SELECT id, workflow, status, version FROM crm.orders ORDER BY id;
SELECT order_id, seq, event, from_status, to_status, note FROM crm.order_events ORDER BY order_id, seq;
ROLLBACK;

-- in a read-only transaction
BEGIN READ ONLY;
SELECT public.crm_advance_order(1, 'submit');
ROLLBACK;
