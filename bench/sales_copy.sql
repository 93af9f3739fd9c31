-- Ten more lines for each of 100,000 sold orders, by COPY; prints milliseconds.
COPY (SELECT o.id, o.line_count + n, 1 + (o.id + n) % 2000, n, 6 FROM (SELECT id, line_count FROM crm.orders WHERE status = 'completed' ORDER BY id LIMIT 100000) o,
    generate_series(11, 20) n) TO '/tmp/crm_bench_lines';
CHECKPOINT;
SELECT clock_timestamp() AS start \gset
COPY crm.order_lines (order_id, line_no, product_id, quantity, unit_price) FROM '/tmp/crm_bench_lines';
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000;
