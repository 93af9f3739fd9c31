-- A million orders, 30 % of them open: most submitted and with a timer, few on hold, all of one process.
CREATE EXTENSION crm;
INSERT INTO crm.customers (name) SELECT 'Customer ' || n FROM generate_series(1, 1000) n;
INSERT INTO crm.workflows (name, definition) VALUES ('sale', E'[*] --> pending
    pending --> submitted : go
    submitted --> on_hold : hold
    submitted --> pending : go
    submitted --> cancelled : after 14 days
    on_hold --> submitted : release
    submitted --> paid : pay
    paid --> shipped : go
    shipped --> paid : go
    shipped --> completed : complete
    completed --> [*]
    cancelled --> [*]
    class pending,submitted,on_hold open');
INSERT INTO crm.orders (customer_id, workflow, status, placed_at)
SELECT 1 + n % 1000, 'sale',
       CASE WHEN n % 10000 = 0 THEN 'on_hold' WHEN n % 20 < 5 THEN 'submitted' WHEN n % 20 = 5 THEN 'pending'
            WHEN n % 20 < 9 THEN 'paid' WHEN n % 20 < 12 THEN 'shipped' ELSE 'completed' END,
       now() - n * interval '1 minute'
FROM generate_series(1, 1000000) n;

-- The same with an index on the status, and without either: no triggers, no foreign keys, nothing checked.
CREATE SCHEMA indexed;
CREATE TABLE indexed.orders (LIKE crm.orders INCLUDING ALL) WITH (fillfactor = 90);
INSERT INTO indexed.orders SELECT * FROM crm.orders;
DROP INDEX indexed.orders_open_status_placed_at_idx;
CREATE INDEX ON indexed.orders (status, placed_at);
CREATE TABLE indexed.order_events (LIKE crm.order_events INCLUDING ALL);
INSERT INTO indexed.order_events SELECT * FROM crm.order_events;
CREATE SCHEMA floor;
CREATE TABLE floor.orders (LIKE crm.orders INCLUDING ALL) WITH (fillfactor = 90);
INSERT INTO floor.orders SELECT * FROM crm.orders;
CREATE TABLE floor.order_events (LIKE crm.order_events INCLUDING ALL);
INSERT INTO floor.order_events SELECT * FROM crm.order_events;

-- Orders that steps between open states, and between others, are measured with
CREATE TABLE picked (n serial PRIMARY KEY, is_open boolean, id bigint);
INSERT INTO picked (is_open, id) SELECT true, id FROM crm.orders WHERE status = 'pending' ORDER BY id LIMIT 50000;
INSERT INTO picked (is_open, id) SELECT false, id FROM crm.orders WHERE status = 'paid' ORDER BY id LIMIT 50000;
VACUUM ANALYZE;
CHECKPOINT;
