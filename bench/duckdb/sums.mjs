// The sums of the views over the CSV files of a directory, in native tables and with two threads: writes, for each, the rows
// to NAME.rows, as psql prints them, and the median of milliseconds to NAME.ms.
import { writeFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';

const dir = process.argv[2];
const db = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
await db.run(`CREATE TABLE products (id BIGINT, category VARCHAR)`);
await db.run(`CREATE TABLE customers (id BIGINT, region VARCHAR)`);
await db.run(`CREATE TABLE orders (id BIGINT, customer_id BIGINT, placed_on DATE, status VARCHAR, booked BOOLEAN, exchange_rate DECIMAL(12,6), total DECIMAL(14,2))`);
await db.run(`CREATE TABLE order_lines (order_id BIGINT, product_id BIGINT, quantity DECIMAL(14,3), amount DECIMAL(14,2))`);
for (const table of ['products', 'customers', 'orders', 'order_lines'])
    await db.run(`COPY ${table} FROM '${dir}/${table}.csv' (HEADER false)`);

const sold = `CAST(date_trunc('month', o.placed_on) AS DATE) AS month, count(*) AS lines, sum(l.quantity) AS quantity,
    sum(round(l.amount * o.exchange_rate, 2)) AS amount FROM order_lines l JOIN orders o ON o.id = l.order_id`;
const queries = {
    category: `SELECT p.category, ${sold} JOIN products p ON p.id = l.product_id WHERE o.booked GROUP BY 1, 2`,
    region: `SELECT c.region, ${sold} JOIN customers c ON c.id = o.customer_id WHERE o.booked GROUP BY 1, 2`,
    statuses: `SELECT status, count(*) AS orders, sum(total) AS total FROM orders GROUP BY 1`,
};
for (const [name, query] of Object.entries(queries)) {
    const times = [];
    let rows;
    for (let n = 0; n < 15; n++) {
        const start = performance.now();
        rows = await (await db.runAndReadAll(query)).getRows();
        times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    writeFileSync(`${dir}/${name}.rows`, rows.map(row => row.map(String).join('|') + '\n').join(''));
    writeFileSync(`${dir}/${name}.ms`, `${times[7]}`);
}
