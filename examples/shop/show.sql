-- What the database says about its orders. Works on any data, the shop's and "Online Retail" alike.

\set was_quiet :QUIET
\set was_stopping :ON_ERROR_STOP
\set QUIET on
\pset footer off
\pset null ''

\echo
\echo '1. Where the orders stand'
\echo
SELECT o.status, count(*) AS orders, sum(l.amount) AS amount, o.currency
FROM crm.orders AS o
LEFT JOIN (SELECT order_id, sum(amount) AS amount FROM crm.order_lines GROUP BY order_id) AS l ON l.order_id = o.id
GROUP BY o.status, o.currency
ORDER BY orders DESC, o.status;

\unset order_id
SELECT id AS order_id FROM crm.orders WHERE status = 'completed' ORDER BY id LIMIT 1 \gset
\if :{?order_id}
\echo '2. A step that the process does not allow: somebody pays a completed order once more'
\echo
\echo 'SELECT crm_advance_order(':order_id', ''pay'');'
\set SHOW_CONTEXT never
\set ON_ERROR_STOP off
SELECT crm_advance_order(:order_id, 'pay');
\set ON_ERROR_STOP :was_stopping
\set SHOW_CONTEXT errors
\echo SQLSTATE: :LAST_ERROR_SQLSTATE
\echo
\endif

\unset order_id
-- The one that has come furthest, and says most about why.
SELECT order_id
FROM crm.order_events
GROUP BY order_id
ORDER BY max(seq) DESC, count(note) DESC, order_id
LIMIT 1 \gset
\if :{?order_id}
\echo '3. The history of order' :order_id
\echo
SELECT date_trunc('second', at) AS at, event, concat_ws(' → ', from_status, to_status) AS "from → to",
       date_trunc('milliseconds', dwell) AS dwell, actor, note
FROM crm.order_events
WHERE order_id = :order_id
ORDER BY seq;
\endif

\echo '4. The ten best products by revenue (orders that are paid, shipped or completed)'
\echo
SELECT p.sku, p.name, trim_scale(sum(l.quantity)) AS units, sum(l.amount) AS revenue, o.currency
FROM crm.order_lines AS l
JOIN crm.orders   AS o ON o.id = l.order_id
JOIN crm.products AS p ON p.id = l.product_id
WHERE o.status IN ('paid', 'shipped', 'completed')
GROUP BY p.id, o.currency
ORDER BY revenue DESC, p.sku
LIMIT 10;

SELECT EXISTS (SELECT FROM crm.settlements) AS has_money \gset
\if :has_money
\echo '5. What came in and what was given back'
\echo
SELECT method, sum(payment_count) AS payments, sum(payments) AS amount, sum(refund_count) AS refunds, sum(refunds) AS given_back, sum(net) AS net, currency
FROM crm.settlements
GROUP BY method, currency
ORDER BY net DESC, method;
\endif

\pset footer on
\set QUIET :was_quiet
