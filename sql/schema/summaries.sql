-- Summaries for people. A sale is an order in a status of class booked, as in fact_sales; revenue is in the reporting currency.
-- A customer has bought if a sale of theirs has a line.

-- How many orders reached each stage. Statuses of class lost are no stages. All have reached the first one. Those imported in a
-- later status have passed the stages before it; those that have been in a status that their process has no more (it was renamed,
-- or they come from another process) have passed the stages before the furthest that they reached.
CREATE VIEW crm.order_funnel AS
WITH stages AS (
    SELECT workflow, status, label, is_initial, is_lost,
           row_number() OVER (PARTITION BY workflow, is_lost ORDER BY stage_no)::integer AS stage_no
    FROM crm.workflow_states
), ways AS MATERIALIZED (
    SELECT w.cohort_month, w.workflow, w.statuses, w.orders,
           (SELECT max(s.stage_no) FROM stages AS s
            WHERE s.workflow = w.workflow AND NOT s.is_lost
              AND (s.status = w.imported OR NOT w.statuses <@ known.statuses AND s.status = ANY (w.statuses))) AS passed_all_before
    FROM @extschema@.crm_order_ways() AS w
    JOIN (SELECT workflow, array_agg(status) AS statuses FROM stages GROUP BY workflow) AS known ON known.workflow = w.workflow
), reached AS (
    SELECT w.cohort_month, w.workflow, s.stage_no, sum(w.orders)::bigint AS orders
    FROM ways AS w
    JOIN stages AS s ON s.workflow = w.workflow AND NOT s.is_lost
        AND (s.is_initial OR s.status = ANY (w.statuses) OR s.stage_no < w.passed_all_before)
    GROUP BY 1, 2, 3
)
SELECT c.cohort_month,
       c.workflow,
       s.stage_no,
       s.status,
       s.label,
       coalesce(r.orders, 0) AS orders,
       round(coalesce(r.orders, 0)::numeric / nullif(lag(coalesce(r.orders, 0)) OVER stages_of, 0), 4)::numeric(10,4) AS conversion_from_previous,
       round(coalesce(r.orders, 0)::numeric / nullif(first_value(coalesce(r.orders, 0)) OVER stages_of, 0), 4)::numeric(10,4) AS conversion_from_first
FROM (SELECT DISTINCT cohort_month, workflow FROM reached) AS c
JOIN stages AS s ON s.workflow = c.workflow AND NOT s.is_lost
LEFT JOIN reached AS r ON r.cohort_month = c.cohort_month AND r.workflow = c.workflow AND r.stage_no = s.stage_no
WINDOW stages_of AS (PARTITION BY c.cohort_month, c.workflow ORDER BY s.stage_no);

COMMENT ON VIEW   crm.order_funnel                          IS 'How many orders reached each stage of their process, by the month in which they were placed';
COMMENT ON COLUMN crm.order_funnel.cohort_month             IS 'First day of the month in which the orders were placed';
COMMENT ON COLUMN crm.order_funnel.workflow                 IS 'Sales process';
COMMENT ON COLUMN crm.order_funnel.stage_no                 IS 'Number of the stage: 1 is the first; statuses of class lost are no stages';
COMMENT ON COLUMN crm.order_funnel.status                   IS 'Status, as in orders.status';
COMMENT ON COLUMN crm.order_funnel.label                    IS 'Name of the status for people';
COMMENT ON COLUMN crm.order_funnel.orders                   IS 'Orders that reached the stage, wherever they are now; all have reached the first one';
COMMENT ON COLUMN crm.order_funnel.conversion_from_previous IS 'The same as a share of those that reached the stage before';
COMMENT ON COLUMN crm.order_funnel.conversion_from_first    IS 'The same as a share of those that reached the first stage';

CREATE VIEW crm.stage_durations AS
SELECT measured.workflow,
       measured.status,
       coalesce(s.label, measured.status) AS label,
       measured.stays,
       (extract(epoch FROM measured.durations[1]) / 3600)::numeric(14,4) AS mean_hours,
       (extract(epoch FROM measured.durations[2]) / 3600)::numeric(14,4) AS median_hours,
       (extract(epoch FROM measured.durations[3]) / 3600)::numeric(14,4) AS p90_hours
FROM (
    SELECT e.workflow,
           e.from_status AS status,
           count(*) AS stays,
           @extschema@.crm_mean_and_percentiles(e.dwell, '{0.5,0.9}'::double precision[]) AS durations
    FROM crm.order_events AS e
    WHERE e.dwell IS NOT NULL
    GROUP BY e.workflow, e.from_status
) AS measured
LEFT JOIN crm.workflow_states AS s ON s.workflow = measured.workflow AND s.status = measured.status;

COMMENT ON VIEW   crm.stage_durations              IS 'How long orders stay in each status, for stays that have ended';
COMMENT ON COLUMN crm.stage_durations.workflow     IS 'Sales process under which the orders took the step out of the status';
COMMENT ON COLUMN crm.stage_durations.status       IS 'Status, as in orders.status';
COMMENT ON COLUMN crm.stage_durations.label        IS 'Name of the status for people';
COMMENT ON COLUMN crm.stage_durations.stays        IS 'How many stays there were: an order may come back to a status';
COMMENT ON COLUMN crm.stage_durations.mean_hours   IS 'Mean, in hours';
COMMENT ON COLUMN crm.stage_durations.median_hours IS 'Median, in hours: half of the stays are shorter';
COMMENT ON COLUMN crm.stage_durations.p90_hours    IS '90th percentile, in hours: nine of ten stays are shorter';

CREATE VIEW crm.order_timeline AS
SELECT o.order_id,
       o.reference,
       o.customer_key,
       o.workflow,
       o.status,
       o.placed_at,
       o.booked_at,
       CASE WHEN (o.workflow, o.status) IN (SELECT s.workflow, s.status FROM crm.workflow_states AS s WHERE s.is_final) THEN o.status_since END AS closed_at,
       (o.reached).submitted_at,
       (o.reached).paid_at,
       (o.reached).shipped_at,
       (o.reached).completed_at,
       (o.reached).cancelled_at,
       (o.reached).refunded_at,
       (o.reached).steps
FROM (
    SELECT id AS order_id, reference, customer_id AS customer_key, workflow, status, placed_at, booked_at, status_since,
           @extschema@.crm_order_milestones(id) AS reached
    FROM crm.orders
) AS o;

COMMENT ON VIEW   crm.order_timeline              IS 'One row for each order, with the time at which it first reached each milestone';
COMMENT ON COLUMN crm.order_timeline.order_id     IS 'Number of the order';
COMMENT ON COLUMN crm.order_timeline.reference    IS 'Order number in another system or on paper, if there is one';
COMMENT ON COLUMN crm.order_timeline.customer_key IS 'Customer (dim_customer)';
COMMENT ON COLUMN crm.order_timeline.workflow     IS 'Sales process that the order follows';
COMMENT ON COLUMN crm.order_timeline.status       IS 'Where the order stands';
COMMENT ON COLUMN crm.order_timeline.placed_at    IS 'When the order was placed';
COMMENT ON COLUMN crm.order_timeline.booked_at    IS 'When it first became a sale (a status of class booked), as in orders.booked_at';
COMMENT ON COLUMN crm.order_timeline.closed_at    IS 'When it reached the final status in which it stands; empty if it stands in none';
COMMENT ON COLUMN crm.order_timeline.submitted_at IS 'When it first became "submitted"';
COMMENT ON COLUMN crm.order_timeline.paid_at      IS 'When it first became "paid"';
COMMENT ON COLUMN crm.order_timeline.shipped_at   IS 'When it first became "shipped"';
COMMENT ON COLUMN crm.order_timeline.completed_at IS 'When it first became "completed"';
COMMENT ON COLUMN crm.order_timeline.cancelled_at IS 'When it first became "cancelled"';
COMMENT ON COLUMN crm.order_timeline.refunded_at  IS 'When it first became "refunded"';
COMMENT ON COLUMN crm.order_timeline.steps        IS 'Number of steps in its history, creation included; 0 for an order without one';

CREATE VIEW crm.customer_demand AS
SELECT c.region,
       c.gender,
       c.age_band,
       count(*) AS customers,
       count(*) FILTER (WHERE b.orders_with_lines > 0) AS buyers,
       coalesce(sum(b.orders), 0)::bigint AS orders,
       coalesce(sum(b.revenue), 0)::numeric(18,2) AS revenue,
       round(sum(b.revenue) / sum(b.orders), 2)::numeric(18,2) AS average_order_value,
       round(sum(b.revenue) / nullif(sum(sum(b.revenue)) OVER (), 0), 4)::numeric(10,4) AS share_of_revenue
FROM crm.dim_customer AS c
LEFT JOIN @extschema@.crm_customer_sales() AS b ON b.customer_id = c.customer_key
GROUP BY c.region, c.gender, c.age_band;

COMMENT ON VIEW   crm.customer_demand                     IS 'Who buys how much, by region, gender and age band';
COMMENT ON COLUMN crm.customer_demand.region              IS 'Sales region or country, or "unknown"';
COMMENT ON COLUMN crm.customer_demand.gender              IS 'Gender, or "unknown"';
COMMENT ON COLUMN crm.customer_demand.age_band            IS 'Age today, from ten years to ten years, or "unknown"';
COMMENT ON COLUMN crm.customer_demand.customers           IS 'Customers';
COMMENT ON COLUMN crm.customer_demand.buyers              IS 'Those of them who have bought something: a sale of theirs has a line';
COMMENT ON COLUMN crm.customer_demand.orders              IS 'Orders that count as a sale';
COMMENT ON COLUMN crm.customer_demand.revenue             IS 'What they brought, in the reporting currency';
COMMENT ON COLUMN crm.customer_demand.average_order_value IS 'Revenue of an order; empty if there was none';
COMMENT ON COLUMN crm.customer_demand.share_of_revenue    IS 'Share of the revenue of all customers';

-- Month by month, so that a query about some months reads the orders of these.
CREATE VIEW crm.kpis AS
SELECT m.month,
       m.last_day - m.month + 1 AS days,
       coalesce(k.customers, 0) AS customers,
       coalesce(k.orders, 0) AS orders,
       coalesce(k.revenue, 0)::numeric(18,2) AS revenue,
       coalesce(k.customers_per_day, 0)::numeric(14,4) AS customers_per_day,
       coalesce(k.orders_per_day, 0)::numeric(14,4) AS orders_per_day,
       coalesce(k.revenue_per_day, 0)::numeric(18,2) AS revenue_per_day,
       k.average_order_value::numeric(18,2) AS average_order_value,
       coalesce(k.orders_placed, 0) AS orders_placed,
       k.conversion_rate::numeric(10,4) AS conversion_rate,
       k.refund_rate::numeric(10,4) AS refund_rate,
       k.repeat_rate::numeric(10,4) AS repeat_rate
FROM (SELECT min(placed_on) AS first, max(placed_on) AS last FROM crm.orders) AS known
CROSS JOIN LATERAL generate_series(date_trunc('month', known.first::timestamp), known.last::timestamp, interval '1 month') AS months (at)
CROSS JOIN LATERAL (
    SELECT months.at::date AS month, (months.at + interval '1 month - 1 day')::date AS last_day
) AS m
LEFT JOIN LATERAL (
    SELECT k.*
    FROM (SELECT FROM crm.orders WHERE placed_on BETWEEN m.month AND m.last_day LIMIT 1) AS something -- or nothing to count
    CROSS JOIN LATERAL @extschema@.crm_kpis(m.month, m.last_day) AS k
) AS k ON true;

COMMENT ON VIEW   crm.kpis                      IS 'Key figures by month: crm_kpis() gives them for any days';
COMMENT ON COLUMN crm.kpis.month                IS 'First day of the month';
COMMENT ON COLUMN crm.kpis.days                 IS 'Days of the month (T)';
COMMENT ON COLUMN crm.kpis.customers            IS 'Customers who bought something (N): a sale of theirs has a line';
COMMENT ON COLUMN crm.kpis.orders               IS 'Orders that count as a sale (O)';
COMMENT ON COLUMN crm.kpis.revenue              IS 'What they brought, in the reporting currency (S)';
COMMENT ON COLUMN crm.kpis.customers_per_day    IS 'C = N / T';
COMMENT ON COLUMN crm.kpis.orders_per_day       IS 'R = O / T';
COMMENT ON COLUMN crm.kpis.revenue_per_day      IS 'P = S / T, in the reporting currency';
COMMENT ON COLUMN crm.kpis.average_order_value  IS 'Revenue of an order, in the reporting currency';
COMMENT ON COLUMN crm.kpis.orders_placed        IS 'Orders that were placed, whatever became of them';
COMMENT ON COLUMN crm.kpis.conversion_rate      IS 'Share of the orders placed that have become a sale (orders.booked_at), even if they were lost later';
COMMENT ON COLUMN crm.kpis.refund_rate          IS 'Share of the money received for the orders placed that was given back';
COMMENT ON COLUMN crm.kpis.repeat_rate          IS 'Share of the customers who bought that bought more than once';

-- Pairs that occur in one of a thousand orders, and at least twice.
CREATE VIEW crm.product_affinity AS
SELECT a.product_id AS product_key,
       p.name AS product,
       a.other_product_id AS other_product_key,
       other.name AS other_product,
       a.orders,
       round(a.support::numeric, 6)::numeric(10,6) AS support,
       round(a.confidence::numeric, 4)::numeric(10,4) AS confidence,
       round(a.lift::numeric, 4)::numeric(18,4) AS lift
FROM @extschema@.crm_product_affinity(greatest((SELECT count(*) FROM crm.orders) / 1000, 2)::integer) AS a
JOIN crm.products AS p ON p.id = a.product_id
JOIN crm.products AS other ON other.id = a.other_product_id;

COMMENT ON VIEW   crm.product_affinity                   IS 'Which products are bought together: pairs that occur in one of a thousand orders; crm_product_affinity() gives rarer ones';
COMMENT ON COLUMN crm.product_affinity.product_key       IS 'Product (dim_product)';
COMMENT ON COLUMN crm.product_affinity.product           IS 'Its name';
COMMENT ON COLUMN crm.product_affinity.other_product_key IS 'Another product on the same orders; each pair is there both ways';
COMMENT ON COLUMN crm.product_affinity.other_product     IS 'Its name';
COMMENT ON COLUMN crm.product_affinity.orders            IS 'Sales with both';
COMMENT ON COLUMN crm.product_affinity.support           IS 'The same as a share of all sales';
COMMENT ON COLUMN crm.product_affinity.confidence        IS 'Share of the sales with the product that have the other one too';
COMMENT ON COLUMN crm.product_affinity.lift              IS 'How many times as often as by chance: above 1 they attract each other';
