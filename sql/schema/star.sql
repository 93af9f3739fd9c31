-- Facts and dimensions, as Tableau, Power BI and the like join them by themselves: a key has one name on both sides, is never
-- NULL, and is found in its dimension (dim_date: calendar.sql). Only standard types; amounts have a precision, which drivers ask for.

-- What the statuses of the sales processes mean. A sale is an order in a booked one: that is said here and nowhere else.
CREATE VIEW crm.workflow_states AS
SELECT w.name AS workflow,
       s.state AS status,
       s.ordinality::integer AS stage_no,
       s.label,
       'open' = ANY (s.classes) AS is_open,
       'booked' = ANY (s.classes) AS is_booked,
       'lost' = ANY (s.classes) AS is_lost,
       s.is_initial,
       s.is_final
FROM crm.workflows AS w
CROSS JOIN LATERAL @extschema@.crm_states(w.definition) WITH ORDINALITY AS s;

COMMENT ON VIEW   crm.workflow_states            IS 'The statuses of the sales processes, and which of them count as a sale (is_booked)';
COMMENT ON COLUMN crm.workflow_states.workflow   IS 'Sales process';
COMMENT ON COLUMN crm.workflow_states.status     IS 'Status, as in orders.status';
COMMENT ON COLUMN crm.workflow_states.stage_no   IS 'Place of the status on the way through the process: 1 is the first';
COMMENT ON COLUMN crm.workflow_states.label      IS 'Name for people';
COMMENT ON COLUMN crm.workflow_states.is_open    IS 'Whether the order is still on its way to a sale (class open)';
COMMENT ON COLUMN crm.workflow_states.is_booked  IS 'Whether the order counts as a sale (class booked)';
COMMENT ON COLUMN crm.workflow_states.is_lost    IS 'Whether the order came to nothing (class lost)';
COMMENT ON COLUMN crm.workflow_states.is_initial IS 'Whether orders start in it';
COMMENT ON COLUMN crm.workflow_states.is_final   IS 'Whether the process may end there';

CREATE VIEW crm.fact_sales AS
SELECT l.order_id,
       l.line_no,
       o.placed_on AS date_key,
       o.customer_id AS customer_key,
       l.product_id AS product_key,
       coalesce(o.owner, 'nobody') AS salesperson_key,
       o.workflow,
       o.status,
       l.quantity,
       l.unit_price,
       l.discount,
       l.tax,
       o.currency,
       l.amount,
       round(l.amount * o.exchange_rate, 2)::numeric(14,2) AS reporting_amount
FROM crm.order_lines AS l
JOIN crm.orders AS o ON o.id = l.order_id
JOIN crm.workflow_states AS s ON s.workflow = o.workflow AND s.status = o.status
WHERE s.is_booked;

COMMENT ON VIEW   crm.fact_sales                  IS 'What was sold: one row for each line of an order whose status counts as a sale (class booked)';
COMMENT ON COLUMN crm.fact_sales.order_id         IS 'Number of the order';
COMMENT ON COLUMN crm.fact_sales.line_no          IS 'Line of the order';
COMMENT ON COLUMN crm.fact_sales.date_key         IS 'Day on which the order was placed, in the reporting time zone (dim_date)';
COMMENT ON COLUMN crm.fact_sales.customer_key     IS 'Customer (dim_customer)';
COMMENT ON COLUMN crm.fact_sales.product_key      IS 'Product (dim_product)';
COMMENT ON COLUMN crm.fact_sales.salesperson_key  IS 'Salesperson of the order, or "nobody" (dim_salesperson)';
COMMENT ON COLUMN crm.fact_sales.workflow         IS 'Sales process that the order follows';
COMMENT ON COLUMN crm.fact_sales.status           IS 'Where the order stands';
COMMENT ON COLUMN crm.fact_sales.quantity         IS 'Units sold';
COMMENT ON COLUMN crm.fact_sales.unit_price       IS 'Price of one unit, in the currency of the order';
COMMENT ON COLUMN crm.fact_sales.discount         IS 'Discount on the line, in the currency of the order';
COMMENT ON COLUMN crm.fact_sales.tax              IS 'Tax on the line, in the currency of the order';
COMMENT ON COLUMN crm.fact_sales.currency         IS 'Currency of the order (ISO 4217 code)';
COMMENT ON COLUMN crm.fact_sales.amount           IS 'What the line brings, in the currency of the order: do not add up different currencies';
COMMENT ON COLUMN crm.fact_sales.reporting_amount IS 'What the line brings, in the reporting currency, rounded to cents: revenue is its sum';

CREATE VIEW crm.fact_payments AS
SELECT p.order_id,
       p.payment_no,
       p.settled_on AS date_key,
       o.customer_id AS customer_key,
       coalesce(o.owner, 'nobody') AS salesperson_key,
       p.kind,
       coalesce(p.method, 'unknown') AS method,
       p.currency,
       signed.amount,
       round(signed.amount * o.exchange_rate, 2)::numeric(14,2) AS reporting_amount
FROM crm.payments AS p
JOIN crm.orders AS o ON o.id = p.order_id
CROSS JOIN LATERAL (
    SELECT CASE p.kind WHEN 'refund' THEN - p.amount ELSE p.amount END::numeric(14,2) AS amount
) AS signed;

COMMENT ON VIEW   crm.fact_payments                  IS 'Money received and given back: one row for each payment or refund';
COMMENT ON COLUMN crm.fact_payments.order_id         IS 'Number of the order';
COMMENT ON COLUMN crm.fact_payments.payment_no       IS 'Number of the payment or refund within the order';
COMMENT ON COLUMN crm.fact_payments.date_key         IS 'Day on which it was recorded, in the reporting time zone (dim_date)';
COMMENT ON COLUMN crm.fact_payments.customer_key     IS 'Customer (dim_customer)';
COMMENT ON COLUMN crm.fact_payments.salesperson_key  IS 'Salesperson of the order, or "nobody" (dim_salesperson)';
COMMENT ON COLUMN crm.fact_payments.kind             IS 'payment or refund';
COMMENT ON COLUMN crm.fact_payments.method           IS 'How it was paid, or "unknown"';
COMMENT ON COLUMN crm.fact_payments.currency         IS 'Currency of the order (ISO 4217 code)';
COMMENT ON COLUMN crm.fact_payments.amount           IS 'How much, in the currency of the order; below zero for a refund';
COMMENT ON COLUMN crm.fact_payments.reporting_amount IS 'How much, in the reporting currency at the exchange rate of the order; below zero for a refund';

CREATE VIEW crm.fact_order_events AS
SELECT e.order_id,
       e.seq,
       (e.at AT TIME ZONE g.time_zone)::date AS date_key,
       o.customer_id AS customer_key,
       coalesce(o.owner, 'nobody') AS salesperson_key,
       o.workflow,
       e.at,
       e.event,
       e.from_status,
       e.to_status,
       round(extract(epoch FROM e.dwell)::numeric / 3600, 4)::numeric(14,4) AS dwell_hours,
       e.actor,
       e.forced AS is_forced
FROM crm.order_events AS e
JOIN crm.orders AS o ON o.id = e.order_id
CROSS JOIN (SELECT time_zone FROM crm.settings LIMIT 1) AS g;

COMMENT ON VIEW   crm.fact_order_events                 IS 'Steps of the orders: one row for each event of their history';
COMMENT ON COLUMN crm.fact_order_events.order_id        IS 'Number of the order';
COMMENT ON COLUMN crm.fact_order_events.seq             IS 'Number of the step: 1 is the creation';
COMMENT ON COLUMN crm.fact_order_events.date_key        IS 'Day of the step, in the reporting time zone (dim_date)';
COMMENT ON COLUMN crm.fact_order_events.customer_key    IS 'Customer (dim_customer)';
COMMENT ON COLUMN crm.fact_order_events.salesperson_key IS 'Salesperson of the order, or "nobody" (dim_salesperson)';
COMMENT ON COLUMN crm.fact_order_events.workflow        IS 'Sales process that the order follows';
COMMENT ON COLUMN crm.fact_order_events.at              IS 'When the step was taken';
COMMENT ON COLUMN crm.fact_order_events.event           IS 'What happened';
COMMENT ON COLUMN crm.fact_order_events.from_status     IS 'Status before the step; empty for the first one';
COMMENT ON COLUMN crm.fact_order_events.to_status       IS 'Status after the step';
COMMENT ON COLUMN crm.fact_order_events.dwell_hours     IS 'Hours that the order had been in from_status; empty for the first step';
COMMENT ON COLUMN crm.fact_order_events.actor           IS 'Who did it';
COMMENT ON COLUMN crm.fact_order_events.is_forced       IS 'Whether the owner gave the order this status past its process';

CREATE VIEW crm.fact_activities AS
SELECT a.id AS activity_id,
       (coalesce(a.done_at, a.due_at) AT TIME ZONE g.time_zone)::date AS date_key,
       a.customer_id AS customer_key,
       coalesce(a.owner, c.owner, 'nobody') AS salesperson_key,
       a.order_id,
       a.kind,
       a.subject,
       a.done_at IS NOT NULL AS is_done,
       a.due_at,
       a.done_at,
       a.outcome
FROM crm.activities AS a
JOIN crm.customers AS c ON c.id = a.customer_id
CROSS JOIN (SELECT time_zone FROM crm.settings LIMIT 1) AS g;

COMMENT ON VIEW   crm.fact_activities                 IS 'Visits, calls, e-mails, meetings and notes, planned or done: one row for each';
COMMENT ON COLUMN crm.fact_activities.activity_id     IS 'Number of the activity';
COMMENT ON COLUMN crm.fact_activities.date_key        IS 'Day on which it was done, or else is planned for, in the reporting time zone (dim_date)';
COMMENT ON COLUMN crm.fact_activities.customer_key    IS 'Customer (dim_customer)';
COMMENT ON COLUMN crm.fact_activities.salesperson_key IS 'Who does it or did it: of the activity, else of the customer, else "nobody" (dim_salesperson)';
COMMENT ON COLUMN crm.fact_activities.order_id        IS 'Order that it is about; empty if it is about none';
COMMENT ON COLUMN crm.fact_activities.kind            IS 'visit, call, email, meeting or note';
COMMENT ON COLUMN crm.fact_activities.subject         IS 'What it is about';
COMMENT ON COLUMN crm.fact_activities.is_done         IS 'Whether it is done, or only planned';
COMMENT ON COLUMN crm.fact_activities.due_at          IS 'When it is planned for';
COMMENT ON COLUMN crm.fact_activities.done_at         IS 'When it was done';
COMMENT ON COLUMN crm.fact_activities.outcome         IS 'What came of it';

CREATE VIEW crm.dim_product AS
SELECT id AS product_key,
       sku,
       name,
       coalesce(category, 'unknown') AS category,
       price,
       active AS is_active
FROM crm.products;

COMMENT ON VIEW   crm.dim_product             IS 'Products: one row for each';
COMMENT ON COLUMN crm.dim_product.product_key IS 'Number of the product';
COMMENT ON COLUMN crm.dim_product.sku         IS 'Article number';
COMMENT ON COLUMN crm.dim_product.name        IS 'Name of the product';
COMMENT ON COLUMN crm.dim_product.category    IS 'Product group, or "unknown"';
COMMENT ON COLUMN crm.dim_product.price       IS 'Price of one unit today';
COMMENT ON COLUMN crm.dim_product.is_active   IS 'Whether the product can be sold now';

CREATE VIEW crm.dim_salesperson AS
SELECT 'nobody' AS salesperson_key, 'nobody' AS name, false AS is_known
UNION
SELECT owner, owner, owner <> 'nobody'
FROM (SELECT owner FROM crm.orders UNION SELECT owner FROM crm.customers UNION SELECT owner FROM crm.activities) AS owners
WHERE owner IS NOT NULL;

COMMENT ON VIEW   crm.dim_salesperson                 IS 'Salespeople: whoever is the owner of a customer, an order or an activity, and "nobody"';
COMMENT ON COLUMN crm.dim_salesperson.salesperson_key IS 'The salesperson, as in orders.owner; "nobody" for what has no owner';
COMMENT ON COLUMN crm.dim_salesperson.name            IS 'The same, to be shown';
COMMENT ON COLUMN crm.dim_salesperson.is_known        IS 'False for "nobody"';

-- Recency, frequency, monetary: a score is one point, and one more for each fifth of the other customers who are worse; that of
-- recency five points, and one less for each fifth of those who are better: whoever bought last is not to be lost sight of.
-- DISTINCT tells the planner what it cannot know of a function: there is one row a customer. So it leaves it out of queries about
-- dim_customer that do not ask for it.
CREATE VIEW crm.customer_value AS
SELECT scored.customer_key,
       scored.first_order_on,
       scored.last_order_on,
       (now() AT TIME ZONE (SELECT time_zone FROM crm.settings))::date - scored.last_order_on AS recency_days,
       scored.orders,
       scored.revenue,
       scored.recency_score,
       scored.frequency_score,
       scored.monetary_score,
       CASE
           WHEN scored.recency_score >= 4 AND scored.frequency_score >= 4 AND scored.monetary_score >= 4 THEN 'champions'
           WHEN scored.recency_score >= 3 AND (scored.frequency_score >= 4 OR scored.monetary_score >= 4) THEN 'loyal'
           WHEN scored.recency_score >= 4 AND scored.frequency_score = 1 THEN 'new'
           WHEN scored.recency_score >= 3 THEN 'promising'
           WHEN scored.frequency_score >= 4 AND scored.monetary_score >= 4 THEN 'cannot lose'
           WHEN scored.frequency_score >= 3 OR scored.monetary_score >= 3 THEN 'at risk'
           ELSE 'hibernating'
       END AS segment
FROM (
    SELECT DISTINCT ON (s.customer_id)
           s.customer_id AS customer_key,
           s.first_on AS first_order_on,
           s.last_on AS last_order_on,
           s.orders_with_lines AS orders,
           s.revenue_with_lines::numeric(18,2) AS revenue,
           greatest(5 - floor(5 * s.recency_rank), 1)::integer AS recency_score,
           least(1 + floor(5 * s.frequency_rank), 5)::integer AS frequency_score,
           least(1 + floor(5 * s.revenue_rank), 5)::integer AS monetary_score
    FROM @extschema@.crm_customer_sales() AS s
    WHERE s.orders_with_lines > 0
) AS scored;

COMMENT ON VIEW   crm.customer_value                 IS 'What each customer who bought something is worth: recency, frequency and monetary value, with scores from 1 to 5 and a segment';
COMMENT ON COLUMN crm.customer_value.customer_key    IS 'Customer (dim_customer)';
COMMENT ON COLUMN crm.customer_value.first_order_on  IS 'Day of the first sale';
COMMENT ON COLUMN crm.customer_value.last_order_on   IS 'Day of the last sale';
COMMENT ON COLUMN crm.customer_value.recency_days    IS 'Days since the last sale';
COMMENT ON COLUMN crm.customer_value.orders          IS 'Number of sales with a line';
COMMENT ON COLUMN crm.customer_value.revenue         IS 'What they brought, in the reporting currency';
COMMENT ON COLUMN crm.customer_value.recency_score   IS '5 for those who bought last, and 1 less for each fifth of the other customers who have bought since';
COMMENT ON COLUMN crm.customer_value.frequency_score IS '1 for those who bought least often, and 1 more for each fifth of the other customers who bought less often: 5 at most';
COMMENT ON COLUMN crm.customer_value.monetary_score  IS '1 for those who brought least, and 1 more for each fifth of the other customers who brought less: 5 at most';
COMMENT ON COLUMN crm.customer_value.segment         IS 'From the scores: champions, loyal, new and promising have bought lately; cannot lose, at risk and hibernating have not';

CREATE VIEW crm.dim_customer AS
SELECT c.id AS customer_key,
       c.code,
       c.name,
       c.kind,
       coalesce(c.region, 'unknown') AS region,
       coalesce(c.gender, 'unknown') AS gender,
       -- who was born after the day N years ago is not yet N years old
       coalesce(('{65+,55-64,45-54,35-44,25-34,18-24,00-17}'::text[])[1 + width_bucket(c.birth_date, (
           SELECT array_agg((now() AT TIME ZONE g.time_zone - make_interval(years => n.years))::date + 1 ORDER BY n.years DESC)
           FROM crm.settings AS g, unnest('{18,25,35,45,55,65}'::integer[]) AS n (years)
       ))], 'unknown') AS age_band,
       coalesce(c.owner, 'nobody') AS owner,
       (c.created_at AT TIME ZONE (SELECT time_zone FROM crm.settings))::date AS entered_on,
       v.first_order_on,
       v.last_order_on,
       coalesce(v.segment, 'no sale yet') AS segment
FROM crm.customers AS c
LEFT JOIN crm.customer_value AS v ON v.customer_key = c.id;

COMMENT ON VIEW   crm.dim_customer                IS 'Customers: one row for each, whether they have bought or not';
COMMENT ON COLUMN crm.dim_customer.customer_key   IS 'Number of the customer';
COMMENT ON COLUMN crm.dim_customer.code           IS 'Customer number in another system or on paper, if there is one';
COMMENT ON COLUMN crm.dim_customer.name           IS 'Name of the person or company';
COMMENT ON COLUMN crm.dim_customer.kind           IS 'person or company';
COMMENT ON COLUMN crm.dim_customer.region         IS 'Sales region or country, or "unknown"';
COMMENT ON COLUMN crm.dim_customer.gender         IS 'Gender of a person, or "unknown"';
COMMENT ON COLUMN crm.dim_customer.age_band       IS 'Age today, from ten years to ten years, or "unknown"';
COMMENT ON COLUMN crm.dim_customer.owner          IS 'Salesperson who looks after the customer, or "nobody"';
COMMENT ON COLUMN crm.dim_customer.entered_on     IS 'Day on which the customer was entered';
COMMENT ON COLUMN crm.dim_customer.first_order_on IS 'Day of the first sale; empty if there was none';
COMMENT ON COLUMN crm.dim_customer.last_order_on  IS 'Day of the last sale; empty if there was none';
COMMENT ON COLUMN crm.dim_customer.segment        IS 'Segment by recency, frequency and value (customer_value), or "no sale yet"';
