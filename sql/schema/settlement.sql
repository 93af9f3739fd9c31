-- The till, day by day: what came in and what was given back.
CREATE VIEW crm.settlements AS
SELECT p.settled_on AS day,
       coalesce(p.method, 'unknown') AS method,
       p.currency,
       count(*) FILTER (WHERE p.kind = 'payment') AS payment_count,
       coalesce(sum(p.amount) FILTER (WHERE p.kind = 'payment'), 0)::numeric(18,2) AS payments,
       count(*) FILTER (WHERE p.kind = 'refund') AS refund_count,
       coalesce(sum(p.amount) FILTER (WHERE p.kind = 'refund'), 0)::numeric(18,2) AS refunds,
       sum(CASE p.kind WHEN 'payment' THEN p.amount ELSE - p.amount END)::numeric(18,2) AS net
FROM crm.payments AS p
GROUP BY 1, 2, 3;

COMMENT ON VIEW   crm.settlements               IS 'Payments and refunds of each day, by method and currency';
COMMENT ON COLUMN crm.settlements.day           IS 'Day in the reporting time zone';
COMMENT ON COLUMN crm.settlements.method        IS 'How it was paid: card, cash, bank transfer, ..., or "unknown"';
COMMENT ON COLUMN crm.settlements.currency      IS 'Currency of the amounts (ISO 4217 code)';
COMMENT ON COLUMN crm.settlements.payment_count IS 'Number of payments';
COMMENT ON COLUMN crm.settlements.payments      IS 'What customers have paid';
COMMENT ON COLUMN crm.settlements.refund_count  IS 'Number of refunds';
COMMENT ON COLUMN crm.settlements.refunds       IS 'What was given back to customers';
COMMENT ON COLUMN crm.settlements.net           IS 'Payments minus refunds';

-- Who owes what. An order stands unless its status is of class "lost": then the customer owes its balance, or
-- we do if too much was paid. Of an order that is lost we owe what was paid. An order that is still being
-- written (class "editable") is no debt of the customer yet.
CREATE VIEW crm.unsettled_orders AS
SELECT o.id AS order_id,
       o.reference,
       o.customer_id,
       c.name AS customer_name,
       c.phone,
       c.email,
       coalesce(o.owner, c.owner, 'nobody') AS owner,
       o.status,
       o.payment_status,
       o.total,
       o.paid,
       o.refunded,
       greatest(debt.owed, 0)::numeric(14,2) AS owed_by_customer,
       greatest(- debt.owed, 0)::numeric(14,2) AS owed_to_customer,
       o.currency,
       began.since,
       (now() AT TIME ZONE s.time_zone)::date - (began.since AT TIME ZONE s.time_zone)::date AS days
FROM crm.orders AS o
JOIN crm.customers AS c ON c.id = o.customer_id
CROSS JOIN (SELECT time_zone FROM crm.settings LIMIT 1) AS s
LEFT JOIN (
    SELECT w.name AS workflow, st.state AS status, 'lost' = ANY (st.classes) AS is_lost, 'editable' = ANY (st.classes) AS is_draft
    FROM crm.workflows AS w
    CROSS JOIN LATERAL @extschema@.crm_states(w.definition) AS st
) AS known ON known.workflow = o.workflow AND known.status = o.status
CROSS JOIN LATERAL (
    SELECT CASE WHEN known.is_lost THEN o.refunded - o.paid
                WHEN known.is_draft THEN least(o.balance, 0)
                ELSE o.balance END AS owed
) AS debt
CROSS JOIN LATERAL (
    -- the last payment or refund that has made a debt where there was none, or one of the other side; what only changes its size does not count
    SELECT max(b.at) FILTER (WHERE sign(b.owed) = sign(debt.owed) AND sign(b.owed + b.amount) <> sign(debt.owed)) AS turned_at
    FROM (
        SELECT p.at, signed.amount,
               CASE WHEN known.is_lost THEN 0 ELSE o.total END - sum(signed.amount) OVER (ORDER BY p.at, p.payment_no) AS owed
        FROM crm.payments AS p
        CROSS JOIN LATERAL (SELECT CASE p.kind WHEN 'payment' THEN p.amount ELSE - p.amount END AS amount) AS signed
        WHERE p.order_id = o.id
    ) AS b
) AS ledger
CROSS JOIN LATERAL (
    -- when it was not written any more; forced back and forth, the first time counts
    SELECT min(e.at) AS at
    FROM crm.order_events AS e
    WHERE e.order_id = o.id
      AND NOT EXISTS (
          SELECT FROM crm.workflows AS w, @extschema@.crm_states(w.definition) AS st
          WHERE w.name = o.workflow AND st.state = e.to_status AND 'editable' = ANY (st.classes))
) AS placed
CROSS JOIN LATERAL (
    SELECT CASE WHEN known.is_lost THEN greatest(o.status_since, ledger.turned_at)
                WHEN debt.owed < 0 THEN ledger.turned_at
                ELSE greatest(placed.at, ledger.turned_at) END AS since
) AS began
WHERE debt.owed <> 0;

COMMENT ON VIEW   crm.unsettled_orders                  IS 'Orders on which money is owed, by the customer or to the customer, and since when';
COMMENT ON COLUMN crm.unsettled_orders.order_id         IS 'Number of the order';
COMMENT ON COLUMN crm.unsettled_orders.reference        IS 'Order or invoice number in another system or on paper, if there is one';
COMMENT ON COLUMN crm.unsettled_orders.customer_id      IS 'Number of the customer';
COMMENT ON COLUMN crm.unsettled_orders.customer_name    IS 'Name of the customer';
COMMENT ON COLUMN crm.unsettled_orders.phone            IS 'Telephone number of the customer';
COMMENT ON COLUMN crm.unsettled_orders.email            IS 'E-mail address of the customer';
COMMENT ON COLUMN crm.unsettled_orders.owner            IS 'Who looks after it: owner of the order, else of the customer, else "nobody"';
COMMENT ON COLUMN crm.unsettled_orders.status           IS 'Where the order stands';
COMMENT ON COLUMN crm.unsettled_orders.payment_status   IS 'unpaid, partial, paid, overpaid, partly_refunded or refunded';
COMMENT ON COLUMN crm.unsettled_orders.total            IS 'What the order costs';
COMMENT ON COLUMN crm.unsettled_orders.paid             IS 'Payments received';
COMMENT ON COLUMN crm.unsettled_orders.refunded         IS 'Payments given back';
COMMENT ON COLUMN crm.unsettled_orders.owed_by_customer IS 'What the customer still has to pay, else 0';
COMMENT ON COLUMN crm.unsettled_orders.owed_to_customer IS 'What is still to be given back, else 0: paid too much, or paid for an order that is lost';
COMMENT ON COLUMN crm.unsettled_orders.currency         IS 'Currency of the amounts (ISO 4217 code)';
COMMENT ON COLUMN crm.unsettled_orders.since            IS 'Since when there is a debt of this side, whatever has become of its size: the order was placed for good, was lost, or a payment or refund came that turned the balance';
COMMENT ON COLUMN crm.unsettled_orders.days             IS 'Days since then';
