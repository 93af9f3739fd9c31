// Category and month over the lines in the CSV files of a directory, in native tables and with two threads:
// prints the median of milliseconds, and the sum of the answer.
import { DuckDBInstance } from '@duckdb/node-api';

const dir = process.argv[2];
const db = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
await db.run(`CREATE TABLE products (id BIGINT, category VARCHAR)`);
await db.run(`CREATE TABLE orders (id BIGINT, placed_on DATE, booked BOOLEAN, exchange_rate DECIMAL(12,6))`);
await db.run(`CREATE TABLE order_lines (order_id BIGINT, product_id BIGINT, quantity DECIMAL(14,3), amount DECIMAL(14,2))`);
for (const table of ['products', 'orders', 'order_lines'])
    await db.run(`COPY ${table} FROM '${dir}/${table}.csv' (HEADER false)`);
const query = `SELECT p.category, date_trunc('month', o.placed_on) AS month, count(*) AS lines, sum(l.quantity) AS quantity,
    sum(round(l.amount * o.exchange_rate, 2)) AS amount
    FROM order_lines l JOIN orders o ON o.id = l.order_id JOIN products p ON p.id = l.product_id WHERE o.booked GROUP BY 1, 2`;
const times = [];
let sum;
for (let n = 0; n < 15; n++) {
    const start = performance.now();
    const rows = await (await db.runAndReadAll(query)).getRows();
    times.push(performance.now() - start);
    sum = rows.reduce((total, row) => total + Number(row[2]), 0);
}
times.sort((a, b) => a - b);
console.log(`${times[7]} ${sum}`);
