-- Whom to call today. Days are days of the reporting time zone, as a person counts them: what was due
-- yesterday evening is one day late this morning.
CREATE VIEW crm.follow_ups_due AS
SELECT coalesce(a.owner, c.owner, 'nobody') AS owner,
       a.due_at,
       (now() AT TIME ZONE s.time_zone)::date - (a.due_at AT TIME ZONE s.time_zone)::date AS days_overdue,
       a.kind,
       a.subject,
       a.customer_id,
       c.name AS customer_name,
       c.phone,
       c.email,
       a.order_id,
       a.opportunity_id,
       a.id AS activity_id
FROM crm.activities AS a
JOIN crm.customers  AS c ON c.id = a.customer_id
CROSS JOIN (SELECT time_zone FROM crm.settings LIMIT 1) AS s
WHERE a.done_at IS NULL AND a.due_at <= now();

COMMENT ON VIEW   crm.follow_ups_due               IS 'What salespeople have planned for until now and not done yet, with whom to reach and how';
COMMENT ON COLUMN crm.follow_ups_due.owner         IS 'Who is to do it: owner of the activity, else of the customer, else "nobody"';
COMMENT ON COLUMN crm.follow_ups_due.due_at        IS 'When it was planned for';
COMMENT ON COLUMN crm.follow_ups_due.days_overdue  IS 'Days since then; 0 for what is due today';
COMMENT ON COLUMN crm.follow_ups_due.kind          IS 'visit, call, email, meeting or note';
COMMENT ON COLUMN crm.follow_ups_due.subject       IS 'What it is about';
COMMENT ON COLUMN crm.follow_ups_due.customer_id   IS 'Number of the customer';
COMMENT ON COLUMN crm.follow_ups_due.customer_name IS 'Name of the customer';
COMMENT ON COLUMN crm.follow_ups_due.phone         IS 'Telephone number of the customer';
COMMENT ON COLUMN crm.follow_ups_due.email         IS 'E-mail address of the customer';
COMMENT ON COLUMN crm.follow_ups_due.order_id      IS 'Order that it is about, if it is about one';
COMMENT ON COLUMN crm.follow_ups_due.opportunity_id IS 'Opportunity that it is about, if it is about one';
COMMENT ON COLUMN crm.follow_ups_due.activity_id   IS 'Number of the activity, to mark it as done in crm.activities';

-- A contact is an activity that was done with the customer: a note is none, nor is a change of the customer's row.
CREATE VIEW crm.neglected_customers AS
SELECT coalesce(c.owner, 'nobody') AS owner,
       c.id AS customer_id,
       c.name AS customer_name,
       c.region,
       c.phone,
       c.email,
       contact.done_at AS last_contact_at,
       contact.kind AS last_contact_kind,
       since.days AS days_without_contact
FROM crm.customers AS c
CROSS JOIN (SELECT time_zone, neglected_after_days FROM crm.settings LIMIT 1) AS s
LEFT JOIN LATERAL (
    SELECT a.done_at, a.kind
    FROM crm.activities AS a
    WHERE a.customer_id = c.id AND a.done_at IS NOT NULL AND a.kind <> 'note'
    ORDER BY a.done_at DESC
    LIMIT 1
) AS contact ON true
CROSS JOIN LATERAL (
    SELECT (now() AT TIME ZONE s.time_zone)::date
           - (coalesce(contact.done_at, c.created_at) AT TIME ZONE s.time_zone)::date AS days
) AS since
WHERE since.days >= s.neglected_after_days;

COMMENT ON VIEW   crm.neglected_customers                      IS 'Customers whom nobody has visited, called, written to or met for settings.neglected_after_days or longer';
COMMENT ON COLUMN crm.neglected_customers.owner                IS 'Salesperson who looks after the customer, or "nobody"';
COMMENT ON COLUMN crm.neglected_customers.customer_id          IS 'Number of the customer';
COMMENT ON COLUMN crm.neglected_customers.customer_name        IS 'Name of the customer';
COMMENT ON COLUMN crm.neglected_customers.region               IS 'Sales region or country of the customer';
COMMENT ON COLUMN crm.neglected_customers.phone                IS 'Telephone number of the customer';
COMMENT ON COLUMN crm.neglected_customers.email                IS 'E-mail address of the customer';
COMMENT ON COLUMN crm.neglected_customers.last_contact_at      IS 'When the last visit, call, e-mail or meeting was done; empty if there was none';
COMMENT ON COLUMN crm.neglected_customers.last_contact_kind    IS 'What that was: visit, call, email or meeting';
COMMENT ON COLUMN crm.neglected_customers.days_without_contact IS 'Days since then, or since the customer was entered';
