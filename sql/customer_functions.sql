-- About one customer. The tables are no part of the extension, so the body is text that is read when it is called.
CREATE FUNCTION @extschema@.crm_customer_timeline(customer_id bigint)
    RETURNS TABLE (at timestamptz, kind text, order_id bigint, subject text, amount numeric, currency text,
                   note text, actor text)
    LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $crm_customer_timeline$
    SELECT happened.at, happened.kind, happened.order_id, happened.subject, happened.amount, happened.currency,
           happened.note, happened.actor
    FROM (
        SELECT o.placed_at AS at, 'order' AS kind, o.id AS order_id, 0 AS seq,
               coalesce(o.reference, 'order ' || o.id) AS subject, total.amount, o.currency,
               NULL AS note, e.actor
        FROM crm.orders AS o
        LEFT JOIN crm.order_events AS e ON e.order_id = o.id AND e.seq = 1
        CROSS JOIN LATERAL (SELECT sum(l.amount) AS amount FROM crm.order_lines AS l WHERE l.order_id = o.id) AS total
        WHERE o.customer_id = $1
      UNION ALL
        -- the creation has just been told
        SELECT e.at, 'step', o.id, e.seq, concat(e.event, ': ', e.from_status || ' → ', e.to_status), NULL, NULL,
               e.note, e.actor
        FROM crm.orders AS o
        JOIN crm.order_events AS e ON e.order_id = o.id
        WHERE o.customer_id = $1 AND (e.seq > 1 OR e.event = 'import')
      UNION ALL
        SELECT a.done_at, a.kind, a.order_id, NULL, a.subject, NULL, NULL,
               a.outcome, coalesce(a.owner, a.created_by)
        FROM crm.activities AS a
        WHERE a.customer_id = $1 AND a.done_at IS NOT NULL
    ) AS happened
    ORDER BY happened.at DESC, happened.order_id DESC, happened.seq DESC
$crm_customer_timeline$;

COMMENT ON FUNCTION @extschema@.crm_customer_timeline(bigint) IS
    'What happened with a customer, the newest first: orders, their steps, visits, calls, e-mails, meetings and notes';
