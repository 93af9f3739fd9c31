-- About one customer. The tables are no part of the extension, so the body is text that is read when it is called.
CREATE FUNCTION @extschema@.crm_customer_timeline(customer_id bigint)
    RETURNS TABLE (at timestamptz, kind text, order_id bigint, opportunity_id bigint, subject text,
                   amount numeric, currency text, note text, actor text)
    LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $crm_customer_timeline$
    SELECT happened.at, happened.kind, happened.order_id, happened.opportunity_id, happened.subject,
           happened.amount, happened.currency, happened.note, happened.actor
    FROM (
        SELECT o.placed_at AS at, 'order' AS kind, o.id AS order_id, NULL::bigint AS opportunity_id, 0 AS seq,
               coalesce(o.reference, 'order ' || o.id) AS subject, o.total AS amount, o.currency, NULL AS note, e.actor
        FROM crm.orders AS o
        LEFT JOIN crm.order_events AS e ON e.order_id = o.id AND e.seq = 1
        WHERE o.customer_id = $1
      UNION ALL
        -- the creation has just been told
        SELECT e.at, 'step', o.id, NULL, e.seq, concat(e.event, ': ', e.from_status || ' -> ', e.to_status),
               NULL, NULL, e.note, e.actor
        FROM crm.orders AS o
        JOIN crm.order_events AS e ON e.order_id = o.id
        WHERE o.customer_id = $1 AND (e.seq > 1 OR e.event = 'import')
      UNION ALL
        SELECT p.at, p.kind, o.id, NULL, p.payment_no, coalesce(p.method, p.kind), p.amount, p.currency, p.note, p.actor
        FROM crm.orders AS o
        JOIN crm.payments AS p ON p.order_id = o.id
        WHERE o.customer_id = $1
      UNION ALL
        SELECT o.created_at, 'opportunity', NULL, o.id, 0, o.name, o.amount, o.currency, NULL, e.actor
        FROM crm.opportunities AS o
        LEFT JOIN crm.opportunity_events AS e ON e.opportunity_id = o.id AND e.seq = 1
        WHERE o.customer_id = $1
      UNION ALL
        SELECT e.at, 'step', NULL, o.id, e.seq, concat(e.event, ': ', e.from_status || ' -> ', e.to_status),
               NULL, NULL, e.note, e.actor
        FROM crm.opportunities AS o
        JOIN crm.opportunity_events AS e ON e.opportunity_id = o.id
        WHERE o.customer_id = $1 AND (e.seq > 1 OR e.event = 'import')
      UNION ALL
        SELECT a.done_at, a.kind, a.order_id, a.opportunity_id, 0, a.subject,
               NULL, NULL, a.outcome, coalesce(a.owner, a.created_by)
        FROM crm.activities AS a
        WHERE a.customer_id = $1 AND a.done_at IS NOT NULL
    ) AS happened
    ORDER BY happened.at DESC, happened.order_id DESC, happened.opportunity_id DESC, happened.seq DESC
$crm_customer_timeline$;

COMMENT ON FUNCTION @extschema@.crm_customer_timeline(bigint) IS
    'What happened with a customer, the newest first: orders, payments, opportunities, their steps, visits, calls, e-mails, meetings and notes';
