-- Writes a page about what is sold, to whom, and how orders come along; it needs nothing else to be shown.
--
--     psql -d shop -X -q -v mermaid=/path/to/mermaid.min.js -f examples/dashboard/dashboard.sql -o dashboard.html
--
-- Whatever the views of crm show: the last 13 months with orders. (The currency and the picture of the process are in no view,
-- but in crm.settings and crm.workflows.) Mermaid (npm install mermaid, dist/mermaid.min.js) draws the sales process; without it
-- the process is there as text. All figures are of one moment, and nothing is left in the database.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
\pset pager off
\pset footer off

BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL client_min_messages = warning;
SET LOCAL lc_numeric = 'C';     -- points and commas as an English page has them
SET LOCAL lc_time = 'C';

CREATE FUNCTION pg_temp.html(shown text) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT replace(replace(replace(replace(shown, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;')$$;
CREATE FUNCTION pg_temp.short(n numeric) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN n >= 999500 THEN to_char(n / 1000000, 'FM999,990.00') || 'M'
                WHEN n >= 9999.5 THEN to_char(n / 1000, 'FM990') || 'k'
                ELSE to_char(n, 'FM9,990') END $$;
CREATE FUNCTION pg_temp.percent(n numeric) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT coalesce(to_char(100 * n, 'FM9990.0') || ' %', '–')$$;
-- A name, a bar of that share of the longest, and a figure behind it.
CREATE FUNCTION pg_temp.bar(name text, share numeric, shown text, more text DEFAULT '') RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('<li title="%s"><span class="name">%s</span><span class="track"><span class="bar" style="--v:%s%%"></span></span><span class="n">%s</span></li>',
                  pg_temp.html(name || more), pg_temp.html(name), round(100 * greatest(coalesce(share, 0), 0), 1), shown) $$;

-- The months, the process that most orders follow, and the currency.
SELECT coalesce(min(m.month), 'infinity') AS first_month, coalesce(max(m.month), 'infinity') AS last_month,
       (SELECT max(day) FROM crm.orders_by_status) AS last_day,
       coalesce((SELECT max(day) < (date_trunc('month', max(day)) + interval '1 month - 1 day') FROM crm.orders_by_status), false) AS month_goes_on,
       count(*) > 0 AS has_orders
FROM (SELECT DISTINCT month FROM crm.kpis WHERE orders_placed > 0 ORDER BY month DESC LIMIT 13) AS m \gset
SELECT pg_temp.html(currency) AS currency FROM crm.settings \gset
SELECT coalesce((SELECT workflow FROM crm.order_funnel WHERE stage_no = 1 GROUP BY workflow ORDER BY sum(orders) DESC, workflow LIMIT 1), 'order') AS workflow \gset
CREATE TEMPORARY TABLE months ON COMMIT DROP AS
SELECT * FROM crm.kpis WHERE month BETWEEN :'first_month' AND :'last_month';

SELECT $page$<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sales dashboard</title>
<style>
:root { color-scheme: light dark; --page: #f4f5f8; --card: #fff; --ink: #182230; --soft: #5a6678; --line: #e2e6ec; --track: #edf0f4;
	--main: #2463b4; --heat: 36 99 180; --warm-ink: var(--ink); --hot-ink: #fff; }
@media (prefers-color-scheme: dark) {
	:root { --page: #0e131a; --card: #171e28; --ink: #e7ecf3; --soft: #9aa7b8; --line: #273140; --track: #232c39;
		--main: #6ba7f2; --heat: 107 167 242; --warm-ink: #0b1420; --hot-ink: #0b1420; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px 32px; display: grid; gap: 16px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
header, .wide { grid-column: 1 / -1; }
h1 { margin: 0; font-size: 26px; letter-spacing: -.01em; }
h2 { margin: 0; font-size: 16px; }
header p, section > p { margin: 2px 0 14px; color: var(--soft); font-size: 13px; }
header p { margin-bottom: 0; font-size: 14px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; }
ol, ul, dl { list-style: none; margin: 0; padding: 0; }
.n, td, th, dd { font-variant-numeric: tabular-nums; }
.tiles { grid-column: 1 / -1; display: grid; gap: 12px; grid-template-columns: repeat(6, minmax(0, 1fr)); }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 16px; }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: 25px; font-weight: 650; letter-spacing: -.02em; }
dd small { display: block; font-size: 12px; font-weight: 400; letter-spacing: 0; color: var(--soft); }
.bar { display: block; background: var(--main); }
.bars { display: grid; grid-template-columns: fit-content(17em) minmax(60px, 1fr) auto; gap: 7px 10px; align-items: center; }
.bars li { display: contents; }
.bars .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 14px; }
.bars .track { background: var(--track); border-radius: 4px; height: 14px; overflow: hidden; }
.bars .bar { width: var(--v); height: 100%; border-radius: 4px; }
.bars .n { font-size: 13px; text-align: right; }
.months { display: flex; gap: 8px; height: 250px; }
.months li { flex: 1; min-width: 0; display: flex; flex-direction: column; text-align: center; }
.months .track { flex: 1; display: flex; flex-direction: column-reverse; border-bottom: 1px solid var(--line); }
.months .bar { height: var(--v); border-radius: 5px 5px 0 0; position: relative; }
.months .n { position: absolute; bottom: 100%; left: -12px; right: -12px; font-size: 12px; line-height: 1.6; }
.months .name { font-size: 12px; color: var(--soft); padding-top: 5px; }
.part .bar { background: repeating-linear-gradient(135deg, var(--main) 0 4px, transparent 4px 8px); outline: 1.5px solid var(--main); outline-offset: -1.5px; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 2px; width: 100%; font-size: 13px; }
th { font-weight: 500; color: var(--soft); text-align: right; padding: 3px 8px; white-space: nowrap; }
th:first-child { text-align: left; padding-left: 0; }
.heat { table-layout: fixed; min-width: 760px; }
.heat th:first-child { width: 78px; position: sticky; left: 0; background: var(--card); }
.heat td { text-align: center; padding: 5px 0; border-radius: 4px; background: rgb(var(--heat) / var(--a)); }
.heat .size { background: none; color: var(--soft); }
.heat .warm { color: var(--warm-ink); }
.heat .hot { color: var(--hot-ink); }
.list { border-spacing: 0; }
.list td { text-align: right; padding: 6px 8px; border-top: 1px solid var(--line); white-space: nowrap; }
.list td:first-child { text-align: left; padding-left: 0; white-space: normal; overflow-wrap: anywhere; }
.list td:last-child, .list th:last-child { padding-right: 0; }
.tag { border: 1px solid var(--line); border-radius: 9px; padding: 0 7px; font-size: 12px; }
.states { display: flex; flex-wrap: wrap; gap: 6px; }
.states li { border: 1px solid var(--line); border-radius: 14px; padding: 2px 11px; font-size: 13px; }
.mermaid { margin: 14px 0 0; overflow-x: auto; text-align: center; font-size: 13px; }
pre.mermaid:not([data-processed]) { text-align: left; }
.mermaid svg { max-width: 100%; height: auto; }
.none { color: var(--soft); }
@media (max-width: 900px) {
	.tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@media (max-width: 640px) {
	main { grid-template-columns: minmax(0, 1fr); padding: 16px 10px; gap: 12px; }
	.tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
	section { padding: 14px; }
	dd { font-size: 22px; }
	.months { flex-direction: column; height: auto; gap: 0; }
	.months li { flex-direction: row-reverse; align-items: center; padding: 3px 0; }
	.months .name { width: 5.2em; text-align: left; padding: 0; }
	.months .track { flex-direction: row; align-items: center; border: 0; padding-right: 4.2em; }
	.months .bar { width: var(--v); height: 16px; border-radius: 0 5px 5px 0; }
	.months .n { inset: 0 auto auto 100%; padding-left: 7px; line-height: 16px; font-size: 13px; }
	.bars { grid-template-columns: fit-content(10.5em) minmax(60px, 1fr) auto; }
	.list .more { display: none; }
}
@media print { section, .tiles div { break-inside: avoid; } }
</style>
</head>
<body>
<main>$page$;

\if :has_orders
SELECT format('<header><h1>Sales</h1><p>Orders placed from %s to %s; amounts in %s</p></header>',
              to_char(:'first_month'::date, 'FMDD FMMonth YYYY'), to_char(:'last_day'::date, 'FMDD FMMonth YYYY'), :'currency');

SELECT '<dl class="tiles">'
       || format('<div><dt>Revenue</dt><dd>%s<small>%s a day</small></dd></div>', pg_temp.short(revenue), to_char(revenue_per_day, 'FM999,999,990'))
       || format('<div><dt>Sales</dt><dd>%s<small>%s a day</small></dd></div>', to_char(orders, 'FM999,999,990'), to_char(orders_per_day, 'FM999,990.0'))
       || format('<div><dt>Customers</dt><dd>%s<small>%s a day</small></dd></div>', to_char(customers, 'FM999,999,990'), to_char(customers_per_day, 'FM999,990.0'))
       || format('<div><dt>Average sale</dt><dd>%s<small>%s</small></dd></div>', to_char(average_order_value, 'FM999,990.00'), :'currency')
       || format('<div><dt>Became sales</dt><dd>%s<small>of %s orders</small></dd></div>', pg_temp.percent(conversion_rate), to_char(orders_placed, 'FM999,999,990'))
       || format('<div><dt>Bought again</dt><dd>%s<small>of the customers</small></dd></div>', pg_temp.percent(repeat_rate))
       || '</dl>'
FROM crm_kpis(:'first_month', :'last_day');

SELECT format('<section class="wide" id="revenue"><h2>Revenue by month</h2><p>%s</p><ol class="months">',
              CASE WHEN :'month_goes_on' THEN to_char(:'last_day'::date, 'FMMonth') || ' is counted up to the ' || to_char(:'last_day'::date, 'FMDDth') || '; '
              ELSE '' END || to_char(avg(revenue) FILTER (WHERE NOT (:'month_goes_on' AND month = :'last_month')), 'FM999,999,999,990') || ' in a whole month on average')
FROM months;
SELECT format('<li%s title="%s: %s, %s sales to %s customers"><span class="track"><span class="bar" style="--v:%s%%"><span class="n">%s</span></span></span><span class="name">%s</span></li>',
              CASE WHEN :'month_goes_on' AND month = :'last_month' THEN ' class="part"' END,
              to_char(month, 'FMMonth YYYY'), to_char(revenue, 'FM999,999,999,990.00'), orders, customers,
              round(90 * revenue / nullif(max(revenue) OVER (), 0), 1), pg_temp.short(revenue),
              to_char(month, 'Mon YYYY'))
FROM months ORDER BY month;
SELECT '</ol></section>';

SELECT '<section id="funnel"><h2>How far orders come</h2><p>Orders that reached each stage, and their share of all that were placed</p><ol class="bars">';
SELECT pg_temp.bar(label, sum(orders) / nullif(max(sum(orders)) OVER (), 0), to_char(sum(orders), 'FM999,999,990') || ' · '
                   || coalesce(round(100 * sum(orders) / nullif(first_value(sum(orders)) OVER (ORDER BY stage_no), 0)) || ' %', '–'))
FROM crm.order_funnel
WHERE workflow = :'workflow' AND cohort_month BETWEEN :'first_month' AND :'last_month'
GROUP BY stage_no, status, label ORDER BY stage_no;
SELECT '</ol></section>';

SELECT '<section id="segments"><h2>Customers by segment</h2><p>From how recently, how often and for how much they have bought; how many they are, and their revenue</p><ol class="bars">';
SELECT pg_temp.bar(segment, sum(revenue) / nullif(max(sum(revenue)) OVER (), 0), to_char(count(*), 'FM999,999,990') || ' · ' || pg_temp.short(sum(revenue)))
FROM crm.customer_value
GROUP BY segment ORDER BY sum(revenue) DESC, segment;
SELECT '</ol></section>';

SELECT '<section class="wide" id="cohorts"><h2>Who comes back</h2><p>Of the customers who first bought in a month, the share that bought again so many months later, in %</p>'
       '<div class="scroll" tabindex="0"><table class="heat"><thead><tr><th scope="col">First sale</th><th scope="col" class="size">Size</th>'
       || string_agg(format('<th scope="col" style="text-align:center">%s</th>', n), '' ORDER BY n) || '</tr></thead><tbody>'
FROM generate_series(1, 12) AS n;
SELECT format('<tr><th scope="row">%s</th><td class="size">%s</td>%s</tr>', to_char(c.cohort_month, 'Mon YYYY'), c.cohort_size,
              string_agg(CASE WHEN month > :'last_month' THEN '<td class="size"></td>'
                              ELSE format('<td%s style="--a:%s" title="%s of %s, %s">%s</td>',
                                          CASE WHEN heat >= 0.84 THEN ' class="hot"' WHEN heat >= 0.66 THEN ' class="warm"' END, heat,
                                          coalesce(r.customers, 0), c.cohort_size, to_char(month, 'FMMonth YYYY'), round(100 * coalesce(r.retention, 0)))
                         END, '' ORDER BY n))
FROM crm.cohort_retention AS c
CROSS JOIN generate_series(1, 12) AS n
CROSS JOIN LATERAL (SELECT (c.cohort_month + make_interval(months => n))::date AS month) AS m
LEFT JOIN crm.cohort_retention AS r ON r.cohort_month = c.cohort_month AND r.month_no = n
CROSS JOIN LATERAL (SELECT round(least(0.06 + 1.7 * coalesce(r.retention, 0), 1), 2) AS heat) AS h
WHERE c.month_no = 0 AND c.cohort_month BETWEEN :'first_month' AND :'last_month'
GROUP BY c.cohort_month, c.cohort_size ORDER BY c.cohort_month;
SELECT '</tbody></table></div></section>';

SELECT '<section id="products"><h2>Best products</h2><p>By revenue</p><ol class="bars">';
SELECT pg_temp.bar(p.name, sum(s.amount) / nullif(max(sum(s.amount)) OVER (), 0), pg_temp.short(sum(s.amount)), format(': %s units', to_char(sum(s.quantity), 'FM999,999,990')))
FROM crm.sales_by_product_month AS s
JOIN crm.dim_product AS p ON p.product_key = s.product_id
WHERE s.month BETWEEN :'first_month' AND :'last_month'
GROUP BY p.product_key, p.name ORDER BY sum(s.amount) DESC, p.name LIMIT 10;
SELECT '</ol></section>';

SELECT '<section id="regions"><h2>Where it is sold</h2><p>Revenue by region of the customer</p><ol class="bars">';
SELECT pg_temp.bar(coalesce(region, 'unknown'), sum(amount) / nullif(max(sum(amount)) OVER (), 0), pg_temp.short(sum(amount)))
FROM crm.sales_by_region_month
WHERE month BETWEEN :'first_month' AND :'last_month'
GROUP BY region ORDER BY sum(amount) DESC, region LIMIT 10;
SELECT '</ol></section>';

SELECT '<section id="customers"><h2>Best customers</h2><p>By revenue, ever</p><div class="scroll"><table class="list">'
       '<thead><tr><th scope="col">Customer</th><th scope="col" class="more">Segment</th><th scope="col">Last sale</th><th scope="col">Revenue</th></tr></thead><tbody>';
SELECT format('<tr><td>%s</td><td class="more"><span class="tag">%s</span></td><td>%s</td><td>%s</td></tr>', pg_temp.html(c.name), pg_temp.html(v.segment),
              to_char(c.last_order_on, 'FMDD Mon YYYY'), to_char(v.revenue, 'FM999,999,999,990'))
FROM crm.customer_value AS v
JOIN crm.dim_customer AS c USING (customer_key)
ORDER BY v.revenue DESC, c.name LIMIT 8;
SELECT '</tbody></table></div></section>';

SELECT '<section id="together"><h2>Bought together</h2><p>Who buys the first buys the second, too: how often</p><div class="scroll"><table class="list">'
       '<thead><tr><th scope="col">Products</th><th scope="col">Sales</th><th scope="col">Share</th></tr></thead><tbody>';
SELECT format('<tr><td>%s → %s</td><td>%s</td><td>%s</td></tr>', pg_temp.html(product), pg_temp.html(other_product), to_char(orders, 'FM999,990'), pg_temp.percent(confidence))
FROM (SELECT DISTINCT ON (least(product_key, other_product_key), greatest(product_key, other_product_key)) *
      FROM crm.product_affinity
      ORDER BY least(product_key, other_product_key), greatest(product_key, other_product_key), confidence DESC, product_key) AS once
ORDER BY orders DESC, confidence DESC, product, other_product LIMIT 6;
SELECT '</tbody></table></div></section>';
\else
SELECT '<header><h1>Sales</h1><p class="none">There are no orders yet.</p></header>';
\endif

SELECT format('<section class="wide" id="process"><h2>The process “%s”</h2><p>Where the orders stand, and how they may go on</p><ul class="states">', pg_temp.html(:'workflow'));
SELECT format('<li>%s <b class="n">%s</b></li>', pg_temp.html(w.label), to_char(coalesce(sum(o.orders), 0), 'FM999,999,990'))
FROM crm.workflow_states AS w
LEFT JOIN crm.orders_by_status AS o ON o.workflow = w.workflow AND o.status = w.status
WHERE w.workflow = :'workflow'
GROUP BY w.stage_no, w.label ORDER BY w.stage_no;
SELECT '</ul><pre class="mermaid">' || pg_temp.html(definition::text)
       || E'    classDef open fill:#2463b4,stroke:#2463b4,color:#fff\n    classDef booked fill:#1b7f5a,stroke:#1b7f5a,color:#fff\n    classDef lost fill:#6b7685,stroke:#6b7685,color:#fff\n</pre></section>'
FROM crm.workflows WHERE name = :'workflow';

\qecho </main>
\if :{?mermaid}
\set code `cat :'mermaid'`
\qecho <script>
\qecho :code
\qecho </script>
SELECT $$<script>
mermaid.initialize({ startOnLoad: true, securityLevel: 'strict', theme: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'neutral' });
</script>$$;
\endif
\qecho </body>
\qecho </html>
ROLLBACK;
