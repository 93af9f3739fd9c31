-- COPY of 1,000,000 lines, and the totals by one UPDATE where no trigger has kept them; prints milliseconds.
SELECT tgenabled <> 'D' AS kept FROM pg_trigger WHERE tgname = 'order_lines_total_inserted' \gset
SELECT crm_merge_rollups(); -- waits for a worker that is at it still: it is not what is measured, and TRUNCATE would be in its way
TRUNCATE crm.order_lines;
VACUUM FULL crm.orders;
CHECKPOINT;
SELECT clock_timestamp() AS start \gset
BEGIN;
COPY crm.order_lines (order_id, line_no, product_id, quantity, unit_price, discount, tax) FROM '/tmp/crm_bench_lines';
\if :kept
\else
UPDATE crm.orders AS o SET line_count = l.line_count, discount = l.discount, tax = l.tax, total = l.amount, reporting_total = l.amount, balance = l.amount
FROM (SELECT order_id, count(*) AS line_count, sum(discount) AS discount, sum(tax) AS tax, sum(amount) AS amount FROM crm.order_lines GROUP BY order_id) AS l
WHERE o.id = l.order_id;
\endif
COMMIT;
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000;
