-- Takes the orders of data.sql through the sales process, as the people of the shop would: one call of
-- crm_advance_order() for each step of each order, and one of crm_record_payment() or crm_record_refund()
-- where money changes hands. Old orders are done; the newer an order is, the more probably it is still on
-- its way. Some are cancelled, some refunded.

\set ON_ERROR_STOP on
\set was_quiet :QUIET
\set QUIET on

BEGIN;

-- Which steps each order takes. Chance is a number from 0 to 99 that belongs to the order.
CREATE TEMPORARY TABLE walk ON COMMIT DROP AS
SELECT id AS order_id,
       CASE
           WHEN age < 2 THEN
               CASE WHEN chance < 40 THEN '{}'
                    WHEN chance < 70 THEN '{submit}'
                    WHEN chance < 95 THEN '{submit, pay}'
                    ELSE                  '{cancel}' END
           WHEN age < 5 THEN
               CASE WHEN chance < 8  THEN '{}'
                    WHEN chance < 20 THEN '{submit}'
                    WHEN chance < 60 THEN '{submit, pay}'
                    WHEN chance < 94 THEN '{submit, pay, ship}'
                    ELSE                  '{submit, cancel}' END
           WHEN age < 12 THEN
               CASE WHEN chance < 3  THEN '{}'
                    WHEN chance < 9  THEN '{submit}'
                    WHEN chance < 15 THEN '{submit, pay}'
                    WHEN chance < 50 THEN '{submit, pay, ship}'
                    WHEN chance < 92 THEN '{submit, pay, ship, complete}'
                    WHEN chance < 97 THEN '{submit, cancel}'
                    ELSE                  '{submit, pay, refund}' END
           ELSE
               CASE WHEN chance < 88 THEN '{submit, pay, ship, complete}'
                    WHEN chance < 91 THEN '{cancel}'
                    WHEN chance < 95 THEN '{submit, cancel}'
                    WHEN chance < 96 THEN '{submit, pay, refund}'
                    WHEN chance < 98 THEN '{submit, pay, ship, refund}'
                    ELSE                  '{submit, pay, ship, complete, refund}' END
       END::text[] AS steps
FROM (
    SELECT id, date '2026-06-30' - placed_on AS age,
           ('x' || substr(md5(reference), 1, 8))::bit(32)::bigint % 100 AS chance
    FROM crm.orders
    WHERE reference ~ '^S-202[56]-\d{5}$' AND status = 'pending'
) AS pending
ORDER BY id;

-- crm.actor says who does it; the history keeps that beside the database role.
SET LOCAL crm.actor = 'Grace Okafor';
SELECT count(crm_advance_order(order_id, 'submit')) AS submitted FROM walk WHERE 'submit' = ANY (steps) \gset

SET LOCAL crm.actor = 'Łukasz Zieliński';
SELECT count(crm_record_payment(order_id, total, (ARRAY['card', 'card', 'bank transfer', 'PayPal', 'cash'])[1 + order_id % 5])) AS payments
FROM walk
JOIN crm.orders ON id = order_id
WHERE 'pay' = ANY (steps) \gset
SELECT count(crm_advance_order(order_id, 'pay')) AS paid FROM walk WHERE 'pay' = ANY (steps) \gset

SET LOCAL crm.actor = '李娜';
SELECT count(crm_advance_order(order_id, 'ship')) AS shipped FROM walk WHERE 'ship' = ANY (steps) \gset
SELECT count(crm_advance_order(order_id, 'complete')) AS completed FROM walk WHERE 'complete' = ANY (steps) \gset

SET LOCAL crm.actor = 'Zoé Martin';
SELECT count(crm_advance_order(order_id, 'cancel',
                               (ARRAY['ordered twice by mistake',
                                      'customer found it cheaper elsewhere',
                                      'no payment after two reminders',
                                      'out of stock until next month'])[1 + order_id % 4])) AS cancelled
FROM walk
WHERE 'cancel' = ANY (steps) \gset

SET LOCAL crm.actor = 'Anna Berg';
SELECT count(crm_record_refund(order_id, paid, method)) AS refunds
FROM walk
JOIN crm.orders ON id = order_id
JOIN crm.payments USING (order_id)
WHERE 'refund' = ANY (steps) \gset
SELECT count(crm_advance_order(order_id, 'refund',
                               (ARRAY['arrived broken',
                                      'wrong article sent',
                                      'parcel lost on the way',
                                      'sent back within 14 days'])[1 + order_id % 4])) AS refunded
FROM walk
WHERE 'refund' = ANY (steps) \gset

COMMIT;

ANALYZE crm.orders, crm.order_events;

\echo
\echo 'Steps taken:' :submitted 'submitted,' :paid 'paid,' :shipped 'shipped,' :completed 'completed,' :cancelled 'cancelled,' :refunded 'refunded'
\set QUIET :was_quiet
