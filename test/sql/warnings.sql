-- What is told of timers and does not end a statement: WARNINGs, which pgTAP does not see.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS crm;
BEGIN;
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');

-- a workflow gets timers while a table that it is attached to has no place for their dates
CREATE SCHEMA regress_crm;
CREATE TABLE regress_crm."Tickets" (id bigint PRIMARY KEY, "State" text);
INSERT INTO crm.workflows (name, definition) VALUES ('ticket', E'[*] --> open\nopen --> closed : close\nclosed --> [*]');
SELECT crm_attach_workflow('regress_crm."Tickets"', 'State', 'ticket');
INSERT INTO regress_crm."Tickets" (id) VALUES (1);
UPDATE crm.workflows SET definition = E'[*] --> open\nopen --> closed : close\nopen --> closed : after 1 day\nclosed --> [*]' WHERE name = 'ticket';
-- once is enough
UPDATE crm.workflows SET definition = E'[*] --> open\nopen --> closed : close\nopen --> closed : after 2 days\nclosed --> [*]' WHERE name = 'ticket';
UPDATE crm.workflows SET definition = E'[*] --> open\nopen --> closed : close\nclosed --> [*]' WHERE name = 'ticket';
SELECT crm_migrate_workflow('ticket', E'[*] --> open\nopen --> closed : close\nopen --> closed : after 3 days\nclosed --> [*]');
-- the hint helps, and there is no warning any more
ALTER TABLE regress_crm."Tickets" ADD COLUMN status_until timestamptz; CREATE INDEX ON regress_crm."Tickets" (status_until) WHERE status_until IS NOT NULL; UPDATE regress_crm."Tickets" SET "State" = "State";
SELECT id, "State", status_until - status_since AS lasts FROM regress_crm."Tickets";
UPDATE crm.workflows SET definition = E'[*] --> open\nopen --> closed : close\nclosed --> [*]' WHERE name = 'ticket';
UPDATE crm.workflows SET definition = E'[*] --> open\nopen --> closed : close\nopen --> closed : after 1 day\nclosed --> [*]' WHERE name = 'ticket';
-- rows that name their workflow themselves; it is attached with the column
ALTER TABLE crm.opportunities DROP COLUMN status_until;
UPDATE crm.workflows SET definition = replace(definition::text, 'talking --> lost : lose', E'talking --> lost : lose\nlead --> lost : after 1 year')::crm_workflow WHERE name = 'opportunity';
UPDATE crm.workflows SET definition = replace(definition::text, 'after 1 year', 'forget')::crm_workflow WHERE name = 'opportunity';
INSERT INTO crm.opportunities (customer_id, name) VALUES (1, 'Tea');
UPDATE crm.workflows SET definition = replace(definition::text, 'forget', 'after 1 year')::crm_workflow WHERE name = 'opportunity';

-- a run in which an order and a table fail
INSERT INTO crm.guards (workflow, name, condition) VALUES ('timed', 'divides', '1 / (id - 2) < 2');
INSERT INTO crm.workflows (name, definition) VALUES ('timed', E'[*] --> a\na --> b : after 1 day [divides]\nb --> [*]');
INSERT INTO crm.orders (id, customer_id, workflow, status_since) SELECT i, 1, 'timed', now() - interval '2 days' FROM generate_series(1, 3) i;
ALTER TABLE regress_crm."Tickets" DROP COLUMN version;
SELECT crm_run_timers();
SELECT id, status FROM crm.orders ORDER BY id;
ROLLBACK;

-- a CHECK whose function takes a step within a subtransaction, in the midst of a batch: what that opens is not the batch's
BEGIN;
CREATE EXTENSION IF NOT EXISTS crm;
INSERT INTO crm.workflows (name, definition) VALUES ('w', E'[*] --> draft\ndraft --> sold : step\nsold --> draft : step\nsold --> [*]');
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.orders (id, customer_id, workflow) SELECT n, 1, 'w' FROM generate_series(1, 4) n;
CREATE FUNCTION pg_temp.back(id bigint, status text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF id = 3 AND status = 'sold' AND (SELECT o.status FROM crm.orders o WHERE o.id = 1) = 'sold' THEN
        BEGIN
            UPDATE crm.orders o SET status = 'draft' WHERE o.id = 1;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END IF;
    RETURN true;
END $$;
ALTER TABLE crm.orders ADD CONSTRAINT back CHECK (pg_temp.back(id, status));
SELECT * FROM crm_advance_orders(ARRAY[1, 2, 3, 4], 'step');
SELECT id, status, version FROM crm.orders ORDER BY id;
SELECT count(*) FROM crm_check_rollups();
ROLLBACK;
