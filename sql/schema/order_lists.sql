-- Lists of orders for every day. Each reads an index of crm.orders that holds no more than what it shows, so
-- the first page takes milliseconds, whatever the number of orders.
CREATE VIEW crm.open_orders AS
SELECT o.id AS order_id,
       o.reference,
       o.customer_id,
       c.name AS customer_name,
       o.owner,
       o.open_status AS status,
       o.status_since,
       o.status_until,
       o.placed_at,
       o.workflow
FROM crm.orders AS o
JOIN crm.customers AS c ON c.id = o.customer_id
WHERE o.open_status IS NOT NULL;

COMMENT ON VIEW   crm.open_orders               IS 'Orders that are still open: their status is of class open in their process';
COMMENT ON COLUMN crm.open_orders.order_id      IS 'Number of the order';
COMMENT ON COLUMN crm.open_orders.reference     IS 'Order or invoice number in another system or on paper, if there is one';
COMMENT ON COLUMN crm.open_orders.customer_id   IS 'Number of the customer who ordered';
COMMENT ON COLUMN crm.open_orders.customer_name IS 'Name of the customer who ordered';
COMMENT ON COLUMN crm.open_orders.owner         IS 'Salesperson who looks after the order';
COMMENT ON COLUMN crm.open_orders.status        IS 'Where the order stands';
COMMENT ON COLUMN crm.open_orders.status_since  IS 'Since when it stands there';
COMMENT ON COLUMN crm.open_orders.status_until  IS 'When the status ends by itself if nobody acts';
COMMENT ON COLUMN crm.open_orders.placed_at     IS 'When the order was placed';
COMMENT ON COLUMN crm.open_orders.workflow      IS 'Sales process that the order follows';

-- A timer of an order's status is dated as the database does it: days in the reporting time zone, then hours.
-- The one that is shown is the last that has come by status_until; before that, the status ends by no timer.
CREATE VIEW crm.order_timers AS
WITH timers AS MATERIALIZED (
    SELECT w.name AS workflow, t.nth, t.from_state, t.event, t.to_state, t.guard, s.time_zone,
           date_trunc('day', t.after) AS days, t.after - date_trunc('day', t.after) AS hours
    FROM crm.workflows AS w
    CROSS JOIN (SELECT time_zone FROM crm.settings LIMIT 1) AS s
    CROSS JOIN LATERAL @extschema@.crm_transitions(w.definition)
        WITH ORDINALITY AS t (from_state, event, to_state, guard, after, composite, from_label, to_label, nth)
    WHERE t.after IS NOT NULL
)
SELECT o.id AS order_id,
       o.reference,
       o.customer_id,
       o.owner,
       o.status,
       o.status_since,
       o.status_until,
       o.status_until <= now() AS is_due,
       next.event,
       next.to_state AS to_status,
       next.guard
FROM crm.orders AS o
CROSS JOIN LATERAL (
    SELECT t.event, t.to_state, t.guard
    FROM timers AS t
    CROSS JOIN LATERAL (
        SELECT (o.status_since AT TIME ZONE t.time_zone + t.days) AT TIME ZONE t.time_zone + t.hours AS at
    ) AS deadline
    WHERE t.workflow = o.workflow AND t.from_state = o.status
    ORDER BY deadline.at <= o.status_until DESC, deadline.at DESC, t.nth
    LIMIT 1
) AS next
WHERE o.status_until IS NOT NULL;

COMMENT ON VIEW   crm.order_timers              IS 'Orders whose status ends by itself if nobody acts: when, and what becomes of them';
COMMENT ON COLUMN crm.order_timers.order_id     IS 'Number of the order';
COMMENT ON COLUMN crm.order_timers.reference    IS 'Order or invoice number in another system or on paper, if there is one';
COMMENT ON COLUMN crm.order_timers.customer_id  IS 'Number of the customer who ordered';
COMMENT ON COLUMN crm.order_timers.owner        IS 'Salesperson who looks after the order';
COMMENT ON COLUMN crm.order_timers.status       IS 'Where the order stands';
COMMENT ON COLUMN crm.order_timers.status_since IS 'Since when it stands there';
COMMENT ON COLUMN crm.order_timers.status_until IS 'When the status ends by itself; if a condition is not met then, when it is looked at again';
COMMENT ON COLUMN crm.order_timers.is_due       IS 'Whether the next crm_run_timers() will try it';
COMMENT ON COLUMN crm.order_timers.event        IS 'Timer of the process that comes then';
COMMENT ON COLUMN crm.order_timers.to_status    IS 'Where it leads';
COMMENT ON COLUMN crm.order_timers.guard        IS 'Condition that must be met for it, if there is one: a row of crm.guards';
