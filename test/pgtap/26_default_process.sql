-- The process that ships: what it draws, what its guards ask of the lines and of the ledger, and its timer.
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE EXTENSION crm;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT plan(48);

SELECT is((SELECT definition FROM crm.workflows WHERE name = 'order'), $$
stateDiagram-v2
    [*] --> pending
    state "Awaiting payment" as submitted
    pending --> submitted : submit [has_lines]
    submitted --> paid : pay [paid_in_full]
    paid --> shipped : ship
    shipped --> completed : complete
    state cancellable {
        pending
        submitted
    }
    cancellable --> cancelled : cancel
    paid --> refunded : refund [fully_refunded]
    shipped --> refunded : refund [fully_refunded]
    completed --> refunded : refund [fully_refunded]
    submitted --> cancelled : after 14 days
    completed --> [*]
    cancelled --> [*]
    refunded --> [*]
    class pending,submitted open
    class pending editable
    class paid,shipped,completed booked
    class cancelled,refunded lost
$$::crm_workflow, 'the process is the one that was designed');
SELECT is((SELECT column_default FROM information_schema.columns WHERE table_schema = 'crm' AND table_name = 'orders' AND column_name = 'workflow'),
    '''order''::text', 'and orders follow it unless they say otherwise');
SELECT results_eq('SELECT name, relation FROM crm.guards WHERE workflow = ''order'' ORDER BY name',
    $$VALUES ('fully_refunded', 'crm.orders'::regclass), ('has_lines', 'crm.orders'), ('paid_in_full', 'crm.orders')$$, 'its guards are there');
SELECT lives_ok('UPDATE crm.guards SET condition = condition', 'and the database accepts them as if a person had written them');
SELECT is((SELECT count(*) FROM crm.workflow_versions WHERE workflow = 'order'), 1::bigint, 'in its first version');

INSERT INTO crm.customers (id, name) VALUES (1, 'Ada');
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Tea', 4.90), (2, 'BAG', 'Paper bag', 0.10);
INSERT INTO crm.exchange_rates VALUES ('USD', '2020-01-01', 0.9);
INSERT INTO crm.orders (id, customer_id, currency) SELECT i, 1, CASE i WHEN 5 THEN 'USD' ELSE 'EUR' END FROM generate_series(1, 9) i;
INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) SELECT i, 1, 2, 4.90 FROM generate_series(2, 9) i WHERE i <> 4;
INSERT INTO crm.order_lines (order_id, product_id, quantity, discount) VALUES (4, 2, 1, 0.10);

\ir include/outcome.sql

-- An order without lines
SELECT is(pg_temp.outcome($$SELECT crm_advance_order(1, 'submit')$$, current_user),
    'SL004 order 1 cannot take the event "submit" The order has no lines. The event "submit" (to "submitted") is possible once that is met.',
    'an order without lines is not submitted');
SELECT is(pg_temp.outcome($$UPDATE crm.orders SET status = 'submitted' WHERE id = 1$$, current_user),
    'SL004 order 1 cannot become "submitted" The order has no lines. The event "submit" (to "submitted") is possible once that is met.',
    'nor by a plain UPDATE');
SELECT results_eq('SELECT * FROM crm_available_events(1)', $$VALUES
    ('submit', 'submitted', false, 'The order has no lines.'), ('cancel', 'cancelled', true, NULL)$$, 'its buttons say so');
SELECT results_eq($$SELECT order_id, outcome, reason FROM crm_advance_orders('{1,2,3,4,5,6,7,8}', 'submit')$$, $$VALUES
    (1::bigint, 'refused', 'The order has no lines.'), (2, 'advanced', NULL), (3, 'advanced', NULL), (4, 'advanced', NULL), (5, 'advanced', NULL),
    (6, 'advanced', NULL), (7, 'advanced', NULL), (8, 'advanced', NULL)$$, 'a batch leaves it behind');
SELECT is(crm_advance_order(1, 'cancel'), 'cancelled', 'it can be cancelled');
SELECT lives_ok('DELETE FROM crm.order_lines WHERE order_id = 9', 'the last line is taken away');
SELECT throws_ok($$SELECT crm_advance_order(9, 'submit')$$, 'SL004', NULL, 'and the order is without lines again');

-- Payment
SELECT is(pg_temp.outcome($$SELECT crm_advance_order(2, 'pay')$$, current_user),
    'SL004 order 2 cannot take the event "pay" The order is not fully paid. The event "pay" (to "paid") is possible once that is met.',
    'an order is not paid because somebody says so');
SELECT is(crm_record_payment(2, 9.79), 1, 'a payment that lacks a cent');
SELECT throws_ok($$SELECT crm_advance_order(2, 'pay')$$, 'SL004', NULL, 'is not enough');
SELECT is(crm_record_payment(2, 0.01), 2, 'with the cent');
SELECT is(crm_advance_order(2, 'pay'), 'paid', 'it is');
SELECT is(crm_record_payment(3, 20), 1, 'too much');
SELECT is(crm_advance_order(3, 'pay'), 'paid', 'is enough, too');
SELECT is(crm_advance_order(4, 'pay'), 'paid', 'nobody has to pay for what costs nothing');
SELECT is(crm_record_payment(5, 8.82), 1, 'an order in dollars is not paid');
SELECT throws_ok($$SELECT crm_advance_order(5, 'pay')$$, 'SL004', NULL, 'by as much in the reporting currency');
SELECT is(crm_record_payment(5, 0.98), 2, 'but by its total');
SELECT is(crm_advance_order(5, 'pay'), 'paid', 'in its own');
SELECT is(crm_record_payment(6, 9.80) || ' ' || crm_record_refund(6, 0.01), '1 2', 'what was given back');
SELECT throws_ok($$SELECT crm_advance_order(6, 'pay')$$, 'SL004', NULL, 'does not count as paid');
SELECT is(crm_record_payment(6, 0.01), 3, 'until it comes in again');
SELECT is(crm_advance_order(6, 'pay'), 'paid', 'then it does');

-- Refund
SELECT is(pg_temp.outcome($$SELECT crm_advance_order(2, 'refund')$$, current_user),
    'SL004 order 2 cannot take the event "refund" Not all that was paid has been given back. The event "refund" (to "refunded") is possible once that is met.',
    'an order is not refunded because somebody says so');
SELECT is(crm_record_refund(2, 9.79), 3, 'all but a cent');
SELECT throws_ok($$SELECT crm_advance_order(2, 'refund')$$, 'SL004', NULL, 'is not all');
SELECT is(crm_record_refund(2, 0.01), 4, 'with the cent');
SELECT is(crm_advance_order(2, 'refund'), 'refunded', 'a paid order is refunded');
SELECT is(crm_advance_order(3, 'ship') || ' ' || crm_record_refund(3, 20) || ' ' || crm_advance_order(3, 'refund'), 'shipped 2 refunded',
    'a shipped one, what was paid too much included');
SELECT is(crm_advance_order(5, 'ship') || ' ' || crm_advance_order(5, 'complete') || ' ' || crm_record_refund(5, 9.80) || ' ' || crm_advance_order(5, 'refund'),
    'shipped completed 3 refunded', 'a completed one');
SELECT is(crm_advance_order(4, 'refund'), 'refunded', 'nothing has to be given back if nothing was paid');

-- Cancelling
SELECT is(crm_advance_order(7, 'cancel'), 'cancelled', 'a submitted order is cancelled');
SELECT throws_ok($$SELECT crm_advance_order(6, 'cancel')$$, 'SL003', NULL, 'a paid one is not');
SELECT is((SELECT string_agg(DISTINCT composite, ',') FROM crm_transitions((SELECT definition FROM crm.workflows WHERE name = 'order')) WHERE event = 'cancel'),
    'cancellable', 'by one edge of the drawing');

-- Time
SELECT is((SELECT status_until - status_since FROM crm.orders WHERE id = 8), interval '14 days', 'an order waits for its money for 14 days');
SELECT is((SELECT count(*) FROM crm.orders WHERE status_until IS NOT NULL AND status <> 'submitted'), 0::bigint, 'only while it waits');
SELECT throws_ok($$SELECT crm_advance_order(8, 'after 14 days')$$, 'SL003', NULL, 'nobody calls that');
SELECT is(pg_temp.outcome($$SELECT crm_advance_order(8, 'ship')$$, current_user),
    'SL003 order 8 cannot take the event "ship" Its status is "submitted", in workflow "order". Possible events from here: "pay" (to "paid" if paid_in_full), "cancel" (to "cancelled").',
    'and no hint says so');
INSERT INTO crm.orders (id, customer_id, status, status_since) VALUES (20, 1, 'submitted', now() - interval '14 days'), (21, 1, 'submitted', now() - interval '13 days 23 hours');
SELECT is(crm_run_timers(), 1, 'after that');
SELECT is((SELECT string_agg(concat_ws(' ', o.id, o.status, e.event, e.actor), ', ' ORDER BY o.id) FROM crm.orders o JOIN crm.order_events e ON e.order_id = o.id AND e.seq = o.version WHERE o.id IN (20, 21)),
    '20 cancelled after 14 days timer, 21 submitted import ' || current_user, 'it is cancelled, by the timer');

-- They are the user's to change
UPDATE crm.guards SET condition = 'paid > 0', message = 'No money has come in.' WHERE workflow = 'order' AND name = 'paid_in_full';
SELECT throws_like($$SELECT crm_advance_order(8, 'pay')$$, 'order 8 cannot%', 'a guard that somebody has changed');
SELECT is(crm_record_payment(8, 1) || ' ' || crm_advance_order(8, 'pay'), '1 paid', 'holds at once');
SELECT throws_ok($$DELETE FROM crm.guards WHERE workflow = 'order' AND name = 'has_lines'$$, '42704', NULL, 'one that is in use is not removed');

SELECT * FROM finish();
ROLLBACK;
