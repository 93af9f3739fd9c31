-- Opportunities: their amount, the order that one becomes, and the pipeline.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SET LOCAL TimeZone = 'UTC';
SELECT plan(80);

INSERT INTO crm.customers (id, name) VALUES (1, 'Ada'), (2, '王小明');
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Green tea', 4.90), (2, 'CUP', 'Cup', 9.90);
CREATE FUNCTION pg_temp.amount(id bigint) RETURNS numeric LANGUAGE sql AS 'SELECT amount FROM crm.opportunities o WHERE o.id = $1';
CREATE FUNCTION pg_temp.quote(id bigint, lines int, price numeric) RETURNS void LANGUAGE sql AS $$
    INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price, discount, tax)
    SELECT $1, i, 1 + i % 2, i, $3, 0.10, 0.01 FROM generate_series(1, $2) i
$$;
CREATE FUNCTION pg_temp.walk(id bigint, VARIADIC events text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(crm_advance('crm.opportunities', $1, e), ' ') FROM unnest(events) e
$$;
CREATE FUNCTION pg_temp.orders() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM crm.orders';

-- The process
INSERT INTO crm.opportunities (id, customer_id, name, amount) VALUES (1, 1, 'Tea for the canteen', 100);
SELECT is((SELECT format('%s %s %s %s %s', workflow, status, version, currency, order_id) FROM crm.opportunities), 'opportunity lead 1 EUR ', 'it begins as a lead');
SELECT throws_ok($$SELECT crm_advance('crm.opportunities', 1, 'win')$$, 'SL003', NULL, 'which is not won at once');
SELECT is(pg_temp.walk(1, 'visit', 'quote'), 'visited quoted', 'but visited and quoted first');
SELECT is(crm_advance('crm.opportunities', 1, 'lose', 'too dear'), 'lost', 'or lost');
INSERT INTO crm.opportunities (id, customer_id, name) VALUES (2, 1, 'x'), (3, 1, 'x');
SELECT is(pg_temp.walk(2, 'lose') || ', ' || pg_temp.walk(3, 'visit', 'lose'), 'lost, visited lost', 'from each stage');
SELECT throws_ok($$SELECT crm_advance('crm.opportunities', 2, 'visit')$$, 'SL003', NULL, 'for good');
SELECT results_eq('SELECT seq, event, from_status, to_status, note FROM crm.opportunity_events WHERE opportunity_id = 1 ORDER BY seq',
    $$VALUES (1, 'create', NULL, 'lead', NULL), (2, 'visit', 'lead', 'visited', NULL), (3, 'quote', 'visited', 'quoted', NULL), (4, 'lose', 'quoted', 'lost', 'too dear')$$,
    'it has a history');
SELECT is((SELECT definition FROM crm.workflows WHERE name = 'opportunity'), (SELECT definition::text::crm_workflow FROM crm.workflows WHERE name = 'opportunity'), 'its process is canonical');
SELECT is(pg_temp.orders(), 0::bigint, 'no order so far');

-- The amount
INSERT INTO crm.opportunities (id, customer_id, name, amount, currency) VALUES (4, 1, 'x', 100, 'CHF'), (5, 1, 'x', NULL, 'CHF');
SELECT is(pg_temp.amount(4), 100.00, 'an estimate');
SELECT pg_temp.quote(4, 3, 4.90);
SELECT is(pg_temp.amount(4), (SELECT sum(amount) FROM crm.opportunity_lines WHERE opportunity_id = 4), 'gives way to the sum of the lines');
SELECT is(pg_temp.amount(4), 29.13, 'which is 6 × 4.90 - 3 × 0.10 + 3 × 0.01');
UPDATE crm.opportunities SET amount = 1000, owner = 'Tom' WHERE id = 4;
SELECT is(pg_temp.amount(4), 29.13, 'whatever somebody writes');
UPDATE crm.opportunity_lines SET quantity = 2 WHERE (opportunity_id, line_no) = (4, 3);
SELECT is(pg_temp.amount(4), 24.23, 'a changed line counts');
UPDATE crm.opportunity_lines SET opportunity_id = 5 WHERE (opportunity_id, line_no) = (4, 3);
SELECT is(pg_temp.amount(4) || ' ' || pg_temp.amount(5), '14.52 9.71', 'a line that moves changes two');
DELETE FROM crm.opportunity_lines WHERE (opportunity_id, line_no) = (4, 2);
SELECT is(pg_temp.amount(4), 4.81, 'a deleted line does not count');
DELETE FROM crm.opportunity_lines WHERE opportunity_id = 4;
SELECT is(pg_temp.amount(4), 4.81, 'without lines the last amount stays');
UPDATE crm.opportunities SET amount = 50 WHERE id = 4;
SELECT is(pg_temp.amount(4), 50.00, 'until somebody estimates another one');
SELECT is((SELECT format('%s %s', count(*), sum(version)) FROM crm.opportunities o JOIN crm.opportunity_events e ON e.opportunity_id = o.id WHERE id IN (4, 5)), '2 2', 'all this is no step');
INSERT INTO crm.opportunities (id, customer_id, name) SELECT 100 + i, 1, 'x' FROM generate_series(1, 50) i;
SELECT setseed(0.42) AS ignored \gset
INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price)
SELECT 100 + i, j, 1, (random() * 100 + 0.01)::numeric(14,3), (random() * 100)::numeric(14,4) FROM generate_series(1, 50) i, generate_series(1, i) j ORDER BY random();
SELECT is_empty('SELECT id FROM crm.opportunities o WHERE id > 100 AND amount IS DISTINCT FROM (SELECT sum(round(quantity * unit_price, 2)) FROM crm.opportunity_lines WHERE opportunity_id = o.id)', 'one statement for many');
UPDATE crm.opportunity_lines SET opportunity_id = 150 - (opportunity_id - 100) % 50, line_no = line_no + 1000, quantity = quantity + 1 WHERE opportunity_id % 3 = 0;
DELETE FROM crm.opportunity_lines WHERE line_no % 7 = 3;
SELECT is_empty('SELECT id FROM crm.opportunities o WHERE id > 100 AND amount IS DISTINCT FROM (SELECT sum(amount) FROM crm.opportunity_lines WHERE opportunity_id = o.id)
    AND EXISTS (SELECT FROM crm.opportunity_lines WHERE opportunity_id = o.id)', 'that change them as well');
SELECT throws_ok($$INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) SELECT 3, i, 1, 99999999, 9999 FROM generate_series(1, 2) i$$,
    '22003', 'numeric field overflow', 'a sum that is too large');
SELECT throws_ok($$UPDATE crm.opportunities SET amount = 'Infinity' WHERE id = 3$$, '22003', NULL, 'an amount that is');
SELECT is(pg_temp.amount(3), NULL, 'nothing is left of them');

-- Won
SELECT is(pg_temp.orders(), 0::bigint, 'still no order');
SELECT pg_temp.quote(5, 2, 4.90);
UPDATE crm.opportunities SET owner = 'Tom' WHERE id = 5;
SELECT throws_ok($$SELECT pg_temp.walk(5, 'visit', 'quote', 'win')$$, 'SL018', NULL, 'what the order cannot do, the step cannot');
SELECT is((SELECT format('%s %s', status, version) FROM crm.opportunities WHERE id = 5) || ' ' || pg_temp.orders(), 'lead 1 0', 'nothing is left of it');
INSERT INTO crm.exchange_rates VALUES ('CHF', '2020-01-01', 1.05);
SET LOCAL crm.actor = 'Maria';
SELECT is(pg_temp.walk(5, 'visit', 'quote', 'win'), 'visited quoted won', 'one is won');
RESET crm.actor;
SELECT results_eq('SELECT customer_id, status, currency, owner FROM crm.orders', $$VALUES (1::bigint, 'pending', 'CHF', 'Tom')$$, 'it becomes an order, in its currency and with its owner');
SELECT results_eq('SELECT line_no, product_id, quantity, unit_price, discount, tax, amount FROM crm.order_lines ORDER BY line_no',
    'SELECT line_no, product_id, quantity, unit_price, discount, tax, amount FROM crm.opportunity_lines WHERE opportunity_id = 5 ORDER BY line_no', 'with the quoted lines');
SELECT is((SELECT count(*) FROM crm.order_lines), 2::bigint, 'all of them');
SELECT is((SELECT order_id FROM crm.opportunities WHERE id = 5), (SELECT id FROM crm.orders), 'that it knows');
SELECT is((SELECT actor FROM crm.order_events), 'Maria', 'entered by who has won it');
SELECT is((SELECT format('%s %s', version, (SELECT count(*) FROM crm.opportunity_events WHERE opportunity_id = 5)) FROM crm.opportunities WHERE id = 5), '4 4', 'that is no step of its own');
SELECT throws_ok($$SELECT crm_advance('crm.opportunities', 5, 'win')$$, 'SL003', NULL, 'nobody wins it again');
SELECT crm_force('crm.opportunities', 5, 'quoted', 'by mistake');
SELECT is(pg_temp.walk(5, 'win'), 'won', 'after a way back');
SELECT is(pg_temp.orders(), 1::bigint, 'it stays the same order');
SELECT crm_advance('crm.opportunities', 4, 'visit'), crm_advance('crm.opportunities', 4, 'quote', request_key => 'q');
SELECT is(crm_advance('crm.opportunities', 4, 'win', request_key => 'k') || ' ' || crm_advance('crm.opportunities', 4, 'win', request_key => 'k'), 'won won', 'a request that comes again');
SELECT is(pg_temp.orders(), 2::bigint, 'makes one order');
SELECT is_empty('SELECT FROM crm.order_lines WHERE order_id = (SELECT order_id FROM crm.opportunities WHERE id = 4)', 'without lines, if none were quoted');
UPDATE crm.opportunities SET status = 'visited' WHERE id BETWEEN 101 AND 120;
UPDATE crm.opportunities SET status = 'quoted' WHERE status = 'visited';
UPDATE crm.opportunities SET status = 'won' WHERE status = 'quoted';
SELECT is((SELECT count(*) FROM crm.opportunities o WHERE id BETWEEN 101 AND 120 AND amount IS NOT DISTINCT FROM
    (SELECT coalesce(sum(l.amount), o.amount) FROM crm.order_lines l WHERE l.order_id = o.order_id)), 20::bigint, 'a plain UPDATE wins many');
SELECT throws_ok($$UPDATE crm.opportunity_lines SET quantity = 0 WHERE opportunity_id = 125$$, '23514', NULL, 'a faulty line');
INSERT INTO crm.opportunities (id, customer_id, name, status) VALUES (200, 1, 'Imported', 'won');
SELECT is((SELECT order_id FROM crm.opportunities WHERE id = 200), NULL, 'one that is imported as won has the order it came with');
UPDATE crm.orders SET customer_id = 2 WHERE id = (SELECT order_id FROM crm.opportunities WHERE id = 5);
SELECT is((SELECT customer_id FROM crm.opportunities WHERE id = 5), 2::bigint, 'an order for another customer takes its opportunity along');
INSERT INTO crm.activities (customer_id, order_id, opportunity_id, kind, subject, due_at) SELECT customer_id, order_id, id, 'call', 'x', now() FROM crm.opportunities WHERE id = 5;
UPDATE crm.orders SET customer_id = 1 WHERE id = (SELECT order_id FROM crm.opportunities WHERE id = 5);
SELECT is((SELECT a.customer_id || ' ' || o.customer_id FROM crm.activities a JOIN crm.opportunities o ON o.id = opportunity_id), '1 1', 'and what is about both');

-- By whom
CREATE ROLE crm_test_clerk;
CREATE ROLE crm_test_assistant;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk, crm_test_assistant;
GRANT SELECT, UPDATE (status) ON crm.opportunities TO crm_test_clerk;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.opportunity_lines TO crm_test_assistant;
INSERT INTO crm.opportunities (id, customer_id, name) VALUES (300, 1, 'x');
SET LOCAL ROLE crm_test_assistant;
SELECT pg_temp.quote(300, 2, 4.90);
SELECT throws_ok('UPDATE crm.opportunity_lines SET quantity = 1 WHERE opportunity_id = 5', 'SL014', NULL, 'the lines of one that is won do not change');
SELECT throws_ok('DELETE FROM crm.opportunity_lines WHERE opportunity_id = 5', 'SL014', NULL, 'nor go');
SELECT throws_ok('INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) VALUES (1, 1, 1, 1, 1)', 'SL014', NULL, 'nor does one that is lost get any');
SELECT throws_ok('UPDATE crm.opportunity_lines SET opportunity_id = 300, line_no = 9 WHERE (opportunity_id, line_no) = (5, 1)', 'SL014', NULL, 'nor do they move');
RESET ROLE;
GRANT TRUNCATE ON crm.opportunity_lines TO crm_test_assistant;
SET LOCAL ROLE crm_test_assistant;
SELECT throws_ok('TRUNCATE crm.opportunity_lines', 'SL014', 'table crm.opportunity_lines cannot be truncated', 'nor do all go at once');
RESET ROLE;
SELECT is(pg_temp.amount(300), 14.52, 'who may write lines needs no right on opportunities');
SET LOCAL ROLE crm_test_clerk;
SELECT is(pg_temp.walk(300, 'visit', 'quote'), 'visited quoted', 'who may take steps takes them');
SELECT throws_ok($$SELECT crm_advance('crm.opportunities', 300, 'win')$$, '42501', 'permission denied for table orders', 'but wins nothing without the right to enter orders');
RESET ROLE;
GRANT INSERT, SELECT (id) ON crm.orders TO crm_test_clerk;
GRANT INSERT ON crm.order_lines TO crm_test_clerk;
GRANT SELECT ON crm.opportunity_lines TO crm_test_clerk;
ALTER TABLE crm.opportunity_lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY first_line ON crm.opportunity_lines USING (line_no = 1);
SET LOCAL ROLE crm_test_clerk;
SELECT throws_ok($$SELECT crm_advance('crm.opportunities', 300, 'win')$$, '42501', 'the order would not have all lines of row "300" of table crm.opportunities', 'nor if policies hide lines');
RESET ROLE;
DROP POLICY first_line ON crm.opportunity_lines;
CREATE POLICY all_lines ON crm.opportunity_lines USING (true);
SET LOCAL ROLE crm_test_clerk;
SELECT is(crm_advance('crm.opportunities', 300, 'win'), 'won', 'else it is won');
SELECT throws_ok($$UPDATE crm.opportunities SET order_id = NULL WHERE id = 300$$, '42501', NULL, 'the order stays');
RESET ROLE;
SELECT is((SELECT sum(amount) FROM crm.order_lines WHERE order_id = (SELECT order_id FROM crm.opportunities WHERE id = 300)), 14.52, 'with all lines');

-- The order is given by the machine, also for who may write the whole table
GRANT INSERT, UPDATE ON crm.opportunities TO crm_test_clerk;
GRANT SELECT (customer_id) ON crm.orders TO crm_test_clerk;
SELECT order_id AS won FROM crm.opportunities WHERE id = 300 \gset
INSERT INTO crm.orders (id, customer_id) VALUES (1000, 1), (1001, 1);
SET LOCAL ROLE crm_test_clerk;
SELECT throws_ok('UPDATE crm.opportunities SET order_id = NULL WHERE id = 300', 'SL010', 'column "order_id" of opportunity 300 is kept by the database', 'a clerk takes no order off');
SELECT throws_ok('UPDATE crm.opportunities SET order_id = 1000 WHERE id = 300', 'SL010', NULL, 'nor puts another one there');
SELECT throws_ok('UPDATE crm.opportunities SET order_id = 1000 WHERE id = 130', 'SL010', NULL, 'nor one where there is none');
SELECT throws_ok($$INSERT INTO crm.opportunities (customer_id, name, order_id) VALUES (1, 'x', 1000)$$, 'SL010', NULL, 'nor one with a new opportunity');
SELECT lives_ok(format('UPDATE crm.opportunities SET order_id = %s, name = ''y'' WHERE id = 300', :won), 'nothing is said against the one that is there');
SELECT lives_ok($$INSERT INTO crm.opportunities (id, customer_id, name, order_id) VALUES (301, 1, 'x', NULL)$$, 'or none');
RESET ROLE;
UPDATE crm.opportunities SET order_id = 1000 WHERE id = 301;
INSERT INTO crm.opportunities (id, customer_id, name, status, order_id) VALUES (302, 1, 'Imported', 'won', 1001);
SELECT results_eq('SELECT order_id FROM crm.opportunities WHERE id IN (301, 302) ORDER BY id', ARRAY[1000, 1001]::bigint[], 'the owner may say which order it was');

-- What is not sold any more may be quoted, as it may be sold again by then
INSERT INTO crm.products (id, sku, name, price, active) VALUES (3, 'OLD', 'Old', 1, false);
INSERT INTO crm.opportunities (id, customer_id, name, status) VALUES (304, 1, 'x', 'quoted');
INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) VALUES (304, 1, 1, 1, 4.90), (304, 2, 3, 2, 1);
SET LOCAL ROLE crm_test_clerk;
SELECT throws_ok($$SELECT crm_advance('crm.opportunities', 304, 'win')$$, 'SL016', 'product "OLD" is not sold any more', 'a clerk does not win with a product that is not active');
SELECT throws_ok($$UPDATE crm.opportunities SET status = 'won' WHERE id = 304$$, 'SL016', NULL, 'by whatever statement');
RESET ROLE;
SELECT is((SELECT format('%s %s', status, order_id) FROM crm.opportunities WHERE id = 304), 'quoted ', 'it stays as it was');
SAVEPOINT s;
SELECT is(crm_advance('crm.opportunities', 304, 'win'), 'won', 'the owner of the orders does, who may sell it');
SELECT is((SELECT format('%s %s', line_count, total) FROM crm.orders o JOIN crm.opportunities p ON p.order_id = o.id WHERE p.id = 304), '2 6.90', 'with all lines');
ROLLBACK TO s;
UPDATE crm.products SET active = true WHERE id = 3;
SET LOCAL ROLE crm_test_clerk;
SELECT is(crm_advance('crm.opportunities', 304, 'win'), 'won', 'a clerk does when it is sold again');
RESET ROLE;

-- By force
INSERT INTO crm.opportunities (id, customer_id, name, owner) VALUES (303, 1, 'x', 'Tom');
SELECT pg_temp.quote(303, 2, 4.90);
SELECT is(crm_force('crm.opportunities', 303, 'won', 'signed at once'), 'won', 'one is won by force');
SELECT results_eq('SELECT o.customer_id, o.status, o.owner, o.total FROM crm.orders o JOIN crm.opportunities p ON p.order_id = o.id WHERE p.id = 303',
    $$VALUES (1::bigint, 'pending', 'Tom', 14.52)$$, 'and becomes an order as ever');

-- What the README says of a deferred trigger there
SAVEPOINT s;
CREATE FUNCTION pg_temp.later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON crm.opportunities DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.later();
INSERT INTO crm.opportunities (id, customer_id, name) VALUES (305, 1, 'x');
SET LOCAL ROLE crm_test_assistant;
SELECT throws_ok('SELECT pg_temp.quote(305, 1, 4.90)', '42501', 'cannot fire deferred trigger within security-restricted operation', 'a deferred trigger of the owner is in the way of others');
RESET ROLE;
SELECT lives_ok('SELECT pg_temp.quote(305, 1, 4.90)', 'not of the owner');
ROLLBACK TO s;

-- The pipeline, counted by hand
TRUNCATE crm.opportunities, crm.opportunity_lines, crm.opportunity_events, crm.activities;
INSERT INTO crm.opportunities (id, customer_id, name, amount, currency, owner, expected_close, probability, status, status_since) VALUES
    (1, 1, 'a', 100.00, 'EUR', 'Tom', '2027-02-03', NULL, 'lead', now()), (2, 1, 'b', 33.33, 'EUR', 'Tom', '2027-02-28', NULL, 'lead', now()),
    (3, 1, 'c', 99.99, 'EUR', 'Tom', '2027-02-28', 33.33, 'lead', now()), (4, 1, 'd', 10, 'USD', 'Tom', '2027-02-28', NULL, 'lead', now()),
    (5, 1, 'e', NULL, 'EUR', NULL, NULL, NULL, 'quoted', now()),
    (6, 1, 'f', 7, 'EUR', 'Tom', '2027-02-28', NULL, 'won', '2026-05-31 23:30+00'), (7, 1, 'g', 8, 'EUR', 'Tom', '2027-02-28', NULL, 'lost', '2026-05-31 23:30+00');
SELECT results_eq('SELECT * FROM crm.pipeline ORDER BY stage, currency', $$VALUES
    ('opportunity', 'lead', 'Tom', '2027-02-01'::date, 'EUR', 3::bigint, 233.32, 46.66, 0::bigint, 0::numeric, 0::bigint, 0::numeric),
    ('opportunity', 'lead', 'Tom', '2027-02-01', 'USD', 1, 10.00, 1.00, 0, 0, 0, 0),
    ('opportunity', 'lost', 'Tom', '2026-05-01', 'EUR', 0, 0, 0, 0, 0, 1, 8.00),
    ('opportunity', 'quoted', 'nobody', NULL, 'EUR', 1, 0, 0, 0, 0, 0, 0),
    ('opportunity', 'won', 'Tom', '2026-05-01', 'EUR', 0, 0, 0, 1, 7.00, 0, 0)$$, 'open by expected close, closed by close; weighted by probability, rounded one by one');
UPDATE crm.settings SET time_zone = 'Asia/Taipei';
SET LOCAL TimeZone = 'America/Los_Angeles';
SELECT results_eq('SELECT month FROM crm.pipeline ORDER BY stage, currency', ARRAY['2027-02-01', '2027-02-01', '2026-06-01', NULL, '2026-06-01']::date[], 'a month is one of the reporting time zone');
UPDATE crm.stage_probabilities SET probability = 100 WHERE status = 'lead';
SELECT is((SELECT weighted_amount FROM crm.pipeline WHERE stage = 'lead' AND currency = 'EUR'), 166.66, 'probabilities may change; an own one stays');
-- A process that is not ours, with two stages that are won
INSERT INTO crm.workflows (name, definition) VALUES ('tender', E'[*] --> asked\nasked --> signed : sign\nsigned --> delivered : deliver\nasked --> declined : decline\ndelivered --> [*]\ndeclined --> [*]\nclass signed,delivered booked\nclass declined lost');
INSERT INTO crm.opportunities (id, customer_id, name, workflow, amount) VALUES (9, 1, 'x', 'tender', 1000);
SELECT is((SELECT format('%s %s', open_amount, weighted_amount) FROM crm.pipeline WHERE workflow = 'tender'), '1000.00 0.00', 'a stage without probability weighs nothing');
SELECT pg_temp.orders() AS before \gset
SELECT is(pg_temp.walk(9, 'sign', 'deliver') || ' ' || pg_temp.orders() - :before, 'signed delivered 1', 'the first stage of class booked makes the order, the second makes no other');
SELECT is((SELECT format('%s %s %s', stage, won_count, won_amount) FROM crm.pipeline WHERE workflow = 'tender'), 'delivered 1 1000.00', 'both are won');

SELECT * FROM finish();
ROLLBACK;
