-- Visits, calls, e-mails, meetings, notes: planned, done, due, and customers whom all have forgotten.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SET LOCAL TimeZone = 'UTC';
SELECT plan(38);

INSERT INTO crm.customers (id, name, phone, email, owner, region, created_at) VALUES
    (1, 'Ada', '+44 1', 'ada@example.com', 'Anna', 'UK', now() - interval '1000 days'),
    (2, 'Bob', NULL, NULL, NULL, NULL, now() - interval '100 days'),
    (3, '王小明', NULL, NULL, 'Anna', NULL, now());
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1), (2, 2);
ALTER TABLE crm.orders ALTER COLUMN id RESTART WITH 10;
ALTER TABLE crm.activities ALTER COLUMN id RESTART WITH 2000;

-- Entering
INSERT INTO crm.activities (id, customer_id, kind, subject, due_at) VALUES (1000, 1, 'call', 'x', now());
SELECT is((SELECT format('%s %s %s', created_by, created_at = now(), attributes) FROM crm.activities), format('%s t {}', current_user), 'who entered it, and when');
SET LOCAL crm.actor = 'Anna';
INSERT INTO crm.activities (id, customer_id, kind, subject, due_at) VALUES (1001, 1, 'call', 'x', now());
RESET crm.actor;
SELECT is((SELECT created_by FROM crm.activities WHERE id = 1001), 'Anna', 'or who says so');
SELECT lives_ok($$INSERT INTO crm.activities (customer_id, kind, subject, due_at, done_at, outcome) VALUES (1, 'visit', 'x', now() - interval '1 day', now(), 'fine')$$, 'planned and done');
SELECT lives_ok($$INSERT INTO crm.activities (customer_id, kind, subject, done_at) VALUES (1, 'note', 'x', clock_timestamp())$$, 'never planned, but done');
SELECT lives_ok($$INSERT INTO crm.activities (customer_id, kind, subject, due_at) VALUES (1, 'visit', 'x', '2028-02-29 09:00+00')$$, 'planned for a leap day');

-- The order is the customer's.
SELECT lives_ok($$INSERT INTO crm.activities (customer_id, order_id, kind, subject, due_at) VALUES (1, 1, 'call', 'about order 1', now() + interval '1 day')$$, 'about an order');
SELECT throws_ok($$INSERT INTO crm.activities (customer_id, order_id, kind, subject, due_at) VALUES (1, 2, 'call', 'x', now())$$, '23503',
    'insert or update on table "activities" violates foreign key constraint "activities_order_is_of_the_customer"', 'not about an order of somebody else');
SELECT throws_ok($$UPDATE crm.activities SET customer_id = 2 WHERE order_id = 1$$, '23503', NULL, 'nor after an update');
UPDATE crm.orders SET customer_id = 3 WHERE id = 1;
SELECT is((SELECT customer_id FROM crm.activities WHERE order_id = 1), 3::bigint, 'an order that is given to another customer takes it along');
UPDATE crm.orders SET customer_id = 1 WHERE id = 1;
SELECT is(crm_advance_order(1, 'cancel'), 'cancelled', 'such an order goes on');
DELETE FROM crm.activities;

-- So with opportunities.
INSERT INTO crm.opportunities (id, customer_id, name) VALUES (1, 1, 'x'), (2, 2, 'y');
SELECT lives_ok($$INSERT INTO crm.activities (customer_id, order_id, opportunity_id, kind, subject, due_at) VALUES (1, 1, 1, 'call', 'about both', now())$$, 'about an opportunity');
SELECT throws_ok($$INSERT INTO crm.activities (customer_id, opportunity_id, kind, subject, due_at) VALUES (1, 2, 'call', 'x', now())$$, '23503',
    'insert or update on table "activities" violates foreign key constraint "activities_opportunity_is_of_the_customer"', 'not about one of somebody else');
DELETE FROM crm.activities;

-- What is due
INSERT INTO crm.activities (id, customer_id, order_id, opportunity_id, kind, subject, owner, due_at, done_at) VALUES
    (1, 1, 1, NULL, 'call', 'Reminder', 'Tom', now() - interval '3 days', NULL),
    (2, 1, NULL, NULL, 'visit', 'Tasting', NULL, now(), NULL),
    (3, 2, NULL, 2, 'email', 'Offer', NULL, now() - interval '10 days', NULL),
    (4, 1, NULL, NULL, 'meeting', 'Later', NULL, now() + interval '1 second', NULL),
    (5, 1, NULL, NULL, 'call', 'Done', NULL, now() - interval '1 day', now());
SELECT results_eq('SELECT * FROM crm.follow_ups_due ORDER BY due_at', $$VALUES
    ('nobody', now() - interval '10 days', 10, 'email', 'Offer', 2::bigint, 'Bob', NULL, NULL, NULL::bigint, 2::bigint, 3::bigint),
    ('Tom', now() - interval '3 days', 3, 'call', 'Reminder', 1, 'Ada', '+44 1', 'ada@example.com', 1, NULL, 1),
    ('Anna', now(), 0, 'visit', 'Tasting', 1, 'Ada', '+44 1', 'ada@example.com', NULL, NULL, 2)$$, 'what is due, whose it is, and how to reach the customer');
UPDATE crm.activities SET done_at = now(), outcome = 'pays today' WHERE id = 1;
SELECT results_eq('SELECT activity_id FROM crm.follow_ups_due ORDER BY due_at', ARRAY[3::bigint, 2], 'what is done is not due any more');
UPDATE crm.activities SET done_at = NULL, outcome = NULL WHERE id = 5;
SELECT results_eq('SELECT activity_id FROM crm.follow_ups_due ORDER BY due_at', ARRAY[3::bigint, 5, 2], 'what is taken up again is');

-- Days are those of the reporting time zone: at most one more or less than 24-hour days.
UPDATE crm.activities SET due_at = date_trunc('day', now() AT TIME ZONE 'Asia/Taipei') AT TIME ZONE 'Asia/Taipei' - interval '1 second' WHERE id = 3;
UPDATE crm.settings SET time_zone = 'Asia/Taipei';
SELECT is((SELECT days_overdue FROM crm.follow_ups_due WHERE activity_id = 3), 1, 'yesterday, a second before midnight, is one day ago');
SET LOCAL TimeZone = 'America/Los_Angeles';
SELECT is((SELECT days_overdue FROM crm.follow_ups_due WHERE activity_id = 3), 1, 'whatever the TimeZone of the session');
SET LOCAL TimeZone = 'UTC';
UPDATE crm.activities SET due_at = '1900-01-01 00:00+00' WHERE id = 3;
SELECT lives_ok('SELECT * FROM crm.follow_ups_due', 'the earliest time that is allowed can be counted from');
UPDATE crm.settings SET time_zone = 'UTC';

-- Whom nobody has spoken to
DELETE FROM crm.activities;
CREATE FUNCTION pg_temp.neglected() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(format('%s %s %s', customer_name, days_without_contact, coalesce(last_contact_kind, '-')), ', ' ORDER BY customer_id), 'nobody')
    FROM crm.neglected_customers
$$;
SELECT is(pg_temp.neglected(), 'Ada 1000 -, Bob 100 -', 'without any contact the days since the customer was entered count');
INSERT INTO crm.activities (customer_id, kind, subject, done_at) VALUES (1, 'note', 'x', now());
INSERT INTO crm.activities (customer_id, kind, subject, due_at) VALUES (1, 'visit', 'x', now());
UPDATE crm.customers SET phone = '+44 2', attributes = '{"changed": true}' WHERE id = 1;
INSERT INTO crm.orders (customer_id) VALUES (1);
SELECT is(pg_temp.neglected(), 'Ada 1000 -, Bob 100 -', 'a note, a plan, a changed row and an order are no contact');
INSERT INTO crm.activities (id, customer_id, kind, subject, done_at) VALUES (1, 1, 'visit', 'x', now() - interval '95 days');
SELECT is(pg_temp.neglected(), 'Ada 95 visit, Bob 100 -', 'a visit is a contact');
UPDATE crm.activities SET kind = 'call' WHERE id = 1;
SELECT is(pg_temp.neglected(), 'Ada 95 call, Bob 100 -', 'a call');
UPDATE crm.activities SET kind = 'email' WHERE id = 1;
SELECT is(pg_temp.neglected(), 'Ada 95 email, Bob 100 -', 'an e-mail');
UPDATE crm.activities SET kind = 'meeting' WHERE id = 1;
SELECT is(pg_temp.neglected(), 'Ada 95 meeting, Bob 100 -', 'a meeting');
INSERT INTO crm.activities (customer_id, kind, subject, done_at) VALUES (1, 'call', 'x', now() - interval '90 days'), (1, 'visit', 'x', now() - interval '200 days');
SELECT is(pg_temp.neglected(), 'Ada 90 call, Bob 100 -', 'the last one counts; after 90 days a customer is neglected');
UPDATE crm.settings SET neglected_after_days = 91;
SELECT is(pg_temp.neglected(), 'Bob 100 -', 'or after as many as the settings say');
UPDATE crm.settings SET neglected_after_days = 1;
SELECT is(pg_temp.neglected(), 'Ada 90 call, Bob 100 -', 'a customer of today is not');
SELECT is((SELECT format('%s, %s', owner, last_contact_at) FROM crm.neglected_customers WHERE customer_id = 2), 'nobody, ', 'who looks after them, and the last contact');
INSERT INTO crm.activities (customer_id, kind, subject, done_at) VALUES (1, 'call', 'x', now()), (2, 'call', 'x', now());
SELECT is(pg_temp.neglected(), 'nobody', 'a call helps');

-- Against another way to say the same
INSERT INTO crm.customers (id, name, created_at) SELECT 100 + i, 'c' || i, now() - (i % 300) * interval '1 day' FROM generate_series(1, 2000) i;
INSERT INTO crm.activities (customer_id, kind, subject, due_at, done_at)
SELECT 101 + (i * 7919) % 1900, (ARRAY['visit', 'call', 'email', 'meeting', 'note'])[1 + i % 5], 'x',
       now() - ((i * 31) % 300 - 100) * interval '1 day', CASE WHEN i % 3 > 0 THEN now() - ((i * 17) % 400) * interval '1 day' END
FROM generate_series(1, 6000) i;
UPDATE crm.settings SET neglected_after_days = 120;
SELECT results_eq('SELECT customer_id, days_without_contact FROM crm.neglected_customers ORDER BY 1', $$
    SELECT c.id, min(now()::date - coalesce(a.done_at, c.created_at)::date)
    FROM crm.customers c LEFT JOIN crm.activities a ON a.customer_id = c.id AND a.done_at <= now() AND a.kind = ANY ('{visit,call,email,meeting}')
    GROUP BY c.id HAVING min(now()::date - coalesce(a.done_at, c.created_at)::date) >= 120 ORDER BY 1$$, 'neglected customers, as a join and GROUP BY tell');
SELECT results_eq('SELECT activity_id, days_overdue FROM crm.follow_ups_due ORDER BY 1', $$
    SELECT id, now()::date - due_at::date FROM crm.activities WHERE done_at IS NULL AND due_at::date <= now()::date ORDER BY 1$$, 'and what is due');

-- Indexes
CREATE FUNCTION pg_temp.index_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN (SELECT string_agg(DISTINCT i #>> '{}', ', ') FROM jsonb_path_query(plan, '$.**."Index Name"') i);
END $$;
INSERT INTO crm.activities (customer_id, kind, subject, done_at) SELECT 101 + i % 2000, 'call', 'x', now() FROM generate_series(1, 30000) i;
ANALYZE crm.activities, crm.customers;
SELECT matches(pg_temp.index_of('SELECT * FROM crm.follow_ups_due'), 'activities_planned', 'what is due is found by its index');
SELECT matches(pg_temp.index_of('SELECT * FROM crm.neglected_customers'), 'activities_by_customer', 'and so is the last contact');
SELECT matches(pg_temp.index_of('SELECT FROM crm.activities WHERE order_id = 1'), 'activities_by_order', 'and what is about an order');

-- Rights
CREATE ROLE crm_test_clerk;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk;
GRANT SELECT ON crm.follow_ups_due TO crm_test_clerk;
SET LOCAL ROLE crm_test_clerk;
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN throws_ok('SELECT * FROM crm.follow_ups_due', '42501', NULL, 'the view shows nobody what the tables do not')
    ELSE skip('a view of PostgreSQL 14 reads with the rights of its owner', 1) END;
RESET ROLE;
GRANT SELECT ON crm.activities, crm.customers, crm.settings TO crm_test_clerk;
GRANT INSERT, UPDATE (done_at, outcome) ON crm.activities TO crm_test_clerk;
SET LOCAL ROLE crm_test_clerk;
SELECT lives_ok('SELECT * FROM crm.follow_ups_due', 'who may read those, reads it');
SELECT lives_ok($$INSERT INTO crm.activities (customer_id, order_id, kind, subject, due_at) VALUES (1, 1, 'call', 'x', now())$$, 'and may plan about an order that is not shown to everybody');
SELECT is((SELECT created_by FROM crm.activities WHERE order_id = 1), 'crm_test_clerk', 'under a name');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
