-- A million purchases of 50,000 customers over two years; many come back seldom.
CREATE TABLE purchases (customer_id bigint NOT NULL, placed_on date NOT NULL, amount numeric(14,2) NOT NULL);
INSERT INTO purchases
SELECT abs(hashint8extended(n, 1)) % (1 + abs(hashint8extended(n, 2)) % 50000),
       date '2025-01-01' + (n * 730 / 1000000)::int, 5 + abs(hashint8extended(n, 3)) % 10000 / 100.0
FROM generate_series(1, 1000000) n;

-- The months as a table, which is quicker than date_trunc() for each row.
CREATE TABLE months (day date PRIMARY KEY, month date NOT NULL, number int NOT NULL);
INSERT INTO months
SELECT d, date_trunc('month', d), extract(year FROM d) * 12 + extract(month FROM d)
FROM generate_series(timestamp '2025-01-01', '2027-01-01', '1 day') d;

-- How long the cases of the log stayed where they were.
CREATE TABLE stays AS
SELECT event AS status, at - lag(at) OVER (PARTITION BY case_id ORDER BY at)
    + abs(hashint8(case_id)) % 10000000 * interval '1 ms' AS dwell FROM log;

VACUUM ANALYZE;
CHECKPOINT;
