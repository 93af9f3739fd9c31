-- Event logs: replayed on a workflow, and workflows discovered from them.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(128);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset

\ir include/refusal.sql

\ir include/plan.sql

CREATE TEMP TABLE workflows (name text PRIMARY KEY, definition crm_workflow);
INSERT INTO workflows VALUES
    ('sale', $$
    [*] --> draft
    draft --> sent : submit, send
    sent --> paid : pay
    paid --> done : ship
    state open {
        draft
        sent
    }
    open --> lost : cancel
    sent --> lost : after 14 days
    done --> [*]
    lost --> [*]
$$), -- the same in other words
    ('same', $$
    [*] --> draft
    open --> lost : cancel
    state open {
        draft
        sent
    }
    draft --> sent : submit
    draft --> sent : send
    sent --> paid : pay
    sent --> lost : after 2 weeks
    paid --> done : ship
    lost --> [*]
    done --> [*]
$$),
    ('fork', E'[*] --> a\na --> b : e [g]\na --> c : e\nb --> d : x\nc --> f : y\nb --> f : both\nc --> d : both\nb --> b : stay\nd --> [*]\nf --> [*]'),
    ('申請', E'[*] --> 草稿\n草稿 --> 審查 : 送出\n審查 --> [*]');

-- What the three aggregates say about some events, in this order: state or SQLSTATE, conforms, violation.
CREATE FUNCTION pg_temp.replayed(workflow text, VARIADIC events text[], OUT state text, OUT conforms boolean, OUT violation text) LANGUAGE plpgsql AS $$
BEGIN
    SELECT crm_conforms(definition, event ORDER BY place), crm_first_violation(definition, event ORDER BY place)::text INTO conforms, violation
    FROM workflows, unnest(events) WITH ORDINALITY AS e (event, place) WHERE name = workflow;
    state := (SELECT crm_replay(definition, event ORDER BY place) FROM workflows, unnest(events) WITH ORDINALITY AS e (event, place) WHERE name = workflow);
EXCEPTION WHEN others THEN
    state := SQLSTATE || ' ' || SQLERRM;
END $$;

SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'submit', 'pay', 'ship')$$, $$VALUES ('done', true, NULL)$$, 'a way through');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'send', 'after 14 days')$$, $$VALUES ('lost', true, NULL)$$, 'with a timer');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'submit', 'cancel')$$, $$VALUES ('lost', true, NULL)$$, 'over the edge of a composite');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'submit')$$, $$VALUES ('sent', true, NULL)$$, 'a way that is not at its end');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'submit', 'ship', 'pay')$$, $$VALUES ('SL003 event number 2, "ship", is not possible in state "sent"', false, '(2,ship,sent)')$$, 'an event at the wrong time');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'pay')$$, $$VALUES ('SL003 event number 1, "pay", is not possible in state "draft"', false, '(1,pay,draft)')$$, 'at the start');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'submit', 'pay', 'ship', 'ship')$$, $$VALUES ('SL003 event number 4, "ship", is not possible in state "done"', false, '(4,ship,done)')$$, 'at the end');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'submit', 'sumbit', 'nonsense')$$, $$VALUES ('SL002 event number 2, "sumbit", is none of the workflow', false, '(2,sumbit,sent)')$$, 'an unknown event');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'Submit')$$, $$VALUES ('SL002 event number 1, "Submit", is none of the workflow', false, '(1,Submit,draft)')$$, 'case counts');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'after 2 weeks')$$, $$VALUES ('SL002 event number 1, "after 2 weeks", is none of the workflow', false, '(1,"after 2 weeks",draft)')$$, 'a timer has one name');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', '')$$, $$VALUES ('SL002 event number 1, "", is none of the workflow', false, '(1,"",draft)')$$, 'an empty event is unknown');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'sent')$$, $$VALUES ('SL002 event number 1, "sent", is none of the workflow', false, '(1,sent,draft)')$$, 'a state is no event');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('申請', '送出')$$, $$VALUES ('審查', true, NULL)$$, 'in any script');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('申請', '送出', '送出')$$, $$VALUES ('SL003 event number 2, "送出", is not possible in state "審查"', false, '(2,送出,審查)')$$, 'errors too');
SELECT is((pg_temp.refusal($$SELECT crm_replay(definition, e ORDER BY n) FROM workflows, (VALUES (1, 'submit'), (2, 'ship')) AS v (n, e) WHERE name = 'sale'$$)).detail,
    'Possible events from there: "pay" (to "paid"), "after 14 days" (to "lost"), "cancel" (to "lost").', 'the error says what is possible');
SELECT is((pg_temp.refusal($$SELECT crm_replay(definition, e ORDER BY n) FROM workflows, (VALUES (1, 'submit'), (2, 'cancel'), (3, 'pay')) AS v (n, e) WHERE name = 'sale'$$)).detail,
    'No event is possible from there.', 'if any');
SELECT is((pg_temp.refusal($$SELECT crm_replay(definition, 'cancle') FROM workflows WHERE name = 'sale'$$)).hint, 'Did you mean "cancel"?', 'or what was meant');
SELECT is((pg_temp.refusal($$SELECT crm_replay(definition, 'cancle') FROM workflows WHERE name = 'sale'$$)).detail, 'The case is in state "draft".', 'and where the case is');

-- NULL
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', 'submit', NULL, 'pay', NULL)$$, $$VALUES ('paid', true, NULL)$$, 'a NULL is no event');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', NULL, 'submit', NULL, 'ship')$$, $$VALUES ('SL003 event number 2, "ship", is not possible in state "sent"', false, '(2,ship,sent)')$$, 'it does not count');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('sale', NULL::text, NULL)$$, $$VALUES ('draft', true, NULL)$$, 'without any events the case is at its start');
SELECT results_eq($$SELECT crm_replay(definition, 'submit'), crm_conforms(definition, 'submit'), crm_first_violation(definition, 'submit') FROM workflows WHERE false$$,
    'VALUES (NULL::text, NULL::boolean, NULL::crm_violation)', 'no rows give NULL');
SELECT results_eq($$SELECT name, crm_replay(definition, 'submit') FILTER (WHERE false), crm_conforms(definition, 'submit') FILTER (WHERE false), crm_first_violation(definition, 'submit') FILTER (WHERE false) FROM workflows WHERE name = 'sale' GROUP BY name$$,
    $$VALUES ('sale', NULL::text, NULL::boolean, NULL::crm_violation)$$, 'nor does an empty group');
SELECT results_eq($$SELECT crm_replay(NULL, 'submit'), crm_conforms(NULL, 'submit'), crm_first_violation(NULL, 'submit') FROM generate_series(1, 3)$$, 'VALUES (NULL::text, NULL::boolean, NULL::crm_violation)', 'no workflow');
SELECT results_eq($$SELECT w.name, crm_replay(definition, l.event ORDER BY l.place), crm_conforms(definition, l.event ORDER BY l.place)
    FROM workflows w LEFT JOIN (VALUES ('sale', 'send', 1), ('sale', 'pay', 2)) AS l (name, event, place) USING (name) GROUP BY w.name ORDER BY w.name COLLATE "C"$$,
    $$VALUES ('fork', 'a', true), ('sale', 'paid', true), ('same', 'draft', true), ('申請', '草稿', true)$$, 'an outer join');

-- several possible states
SELECT results_eq($$SELECT * FROM pg_temp.replayed('fork', 'e')$$, $$VALUES ('b', true, NULL)$$, 'of several states the first');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('fork', 'e', 'x')$$, $$VALUES ('d', true, NULL)$$, 'the guard held');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('fork', 'e', 'y')$$, $$VALUES ('f', true, NULL)$$, 'it did not');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('fork', 'e', 'both')$$, $$VALUES ('f', true, NULL)$$, 'the first of the first');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('fork', 'e', 'stay', 'y')$$, $$VALUES ('SL003 event number 3, "y", is not possible in state "b"', false, '(3,y,b)')$$, 'what happened since tells which it was');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('fork', 'e', 'e')$$, $$VALUES ('SL003 event number 2, "e", is not possible in state "b"', false, '(2,e,b)')$$, 'possible from none');
SELECT results_eq($$SELECT * FROM pg_temp.replayed('fork', 'e', 'both', 'x')$$, $$VALUES ('SL003 event number 3, "x", is not possible in state "f"', false, '(3,x,f)')$$, 'nor from any of several');

-- groups
SELECT throws_ok($$SELECT crm_conforms(definition, 'e') FROM workflows WHERE name IN ('sale', 'fork')$$, '22023', NULL, 'different workflows in one group');
SELECT throws_ok($$SELECT crm_replay(definition, NULL) FROM workflows WHERE name IN ('sale', 'fork')$$, '22023', NULL, 'even without events');
SELECT throws_ok($$SELECT crm_first_violation(definition, 'nonsense') FROM workflows WHERE name IN ('sale', 'fork')$$, '22023', NULL, 'or behind a violation');
SELECT lives_ok($$SELECT crm_conforms(definition, NULL) FROM workflows WHERE name IN ('sale', 'same')$$, 'the same one in other words is the same');
SELECT is((SELECT crm_replay(w, e ORDER BY n) FROM (SELECT n, e, w FROM (VALUES (1, 'submit', 'sale'), (2, 'pay', 'same'), (3, 'ship', 'sale')) AS v (n, e, name) JOIN (SELECT name, definition AS w FROM workflows) AS x USING (name)) AS y), 'done', 'and goes on');
CREATE TEMP TABLE cases AS
    SELECT c AS case_id, CASE c % 3 WHEN 0 THEN 'sale' WHEN 1 THEN 'fork' ELSE '申請' END AS workflow, n AS place,
        (CASE c % 3 WHEN 0 THEN '{submit,pay,ship}' WHEN 1 THEN '{e,stay,x}' ELSE '{送出}' END::text[])[n] AS event
    FROM generate_series(1, 3) AS n, generate_series(1, 3000) AS c;
UPDATE cases SET event = 'nonsense' WHERE case_id % 100 = 0 AND place = 2;
ANALYZE cases;
\set each 'SELECT case_id, crm_conforms(definition, event) AS conforms, (crm_first_violation(definition, event)).state AS stuck, crm_replay(definition, event) FILTER (WHERE case_id % 100 <> 0) AS reached FROM (SELECT * FROM cases ORDER BY place, case_id) AS c JOIN workflows ON name = workflow GROUP BY case_id'
SET LOCAL enable_sort = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SELECT alike(pg_temp.plan(:'each'), '%HashAggregate%', 'cases of several workflows, one through the other, by hash');
SELECT results_eq(format('SELECT conforms, stuck, reached, count(*)::int FROM (%s) AS e GROUP BY 1, 2, 3 ORDER BY conforms, stuck COLLATE "C", reached COLLATE "C"', :'each'),
    $$VALUES (false, 'b', NULL, 10), (false, 'sent', NULL, 10), (false, '審查', NULL, 10), (true, NULL, 'd', 990), (true, NULL, 'done', 990), (true, NULL, '審查', 990)$$, 'each is replayed on its own');
SET LOCAL enable_sort = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SELECT results_eq($$SELECT crm_replay(definition, event ORDER BY place), crm_replay(definition, event ORDER BY place) FILTER (WHERE place < 3), crm_conforms(definition, event ORDER BY place DESC) FROM cases JOIN workflows ON name = workflow WHERE case_id = 3$$,
    $$VALUES ('done', 'paid', false)$$, 'the order is that of the aggregate');

-- windows
SELECT results_eq($$SELECT event, crm_replay(definition, event) OVER (PARTITION BY case_id ORDER BY place), crm_conforms(definition, event) OVER (PARTITION BY case_id ORDER BY place),
        crm_first_violation(definition, event) OVER (PARTITION BY case_id ORDER BY place) FROM cases JOIN workflows ON name = workflow WHERE case_id IN (1, 3) ORDER BY case_id, place$$,
    $$VALUES ('e', 'b', true, NULL::crm_violation), ('stay', 'b', true, NULL), ('x', 'd', true, NULL), ('submit', 'sent', true, NULL), ('pay', 'paid', true, NULL), ('ship', 'done', true, NULL)$$, 'the state behind each event');
SELECT results_eq($$SELECT crm_conforms(definition, event) OVER w, crm_first_violation(definition, event) OVER w FROM workflows, (VALUES (1, 'submit'), (2, 'ship'), (3, 'pay')) AS l (n, event) WHERE name = 'sale' WINDOW w AS (ORDER BY n)$$,
    $$VALUES (true, NULL::crm_violation), (false, (2, 'ship', 'sent')::crm_violation), (false, (2, 'ship', 'sent')::crm_violation)$$, 'what is wrong stays wrong');
SELECT results_eq($$SELECT crm_conforms(definition, event) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), crm_conforms(definition, event) OVER (ORDER BY n DESC), crm_conforms(definition, event) OVER (), crm_conforms(definition, event) OVER (ORDER BY n ROWS BETWEEN 2 FOLLOWING AND UNBOUNDED FOLLOWING)
    FROM workflows, (VALUES (1, 'submit'), (2, 'cancel'), (3, NULL)) AS l (n, event) WHERE name = 'sale' ORDER BY n$$, $$VALUES (true, false, true, true), (true, true, true, NULL), (true, true, true, NULL)$$, 'any frame');

-- crm_event_name
SELECT is(crm_event_name(activity), name, 'crm_event_name(' || to_json(activity) || ')') FROM (VALUES
    ('pay', 'pay'), ('Pay', 'Pay'), ('_', '_'), ('Check stock', 'Check_stock'), ('Check  stock', 'Check_stock'), (' Check - stock! ', '_Check_stock_'), ('a_b', 'a_b'), ('a _b', 'a__b'), ('2nd reminder', '_2nd_reminder'),
    ('15', '_15'), ('x15', 'x15'), ('送貨', '送貨'), ('送貨 (快)', '送貨_快_'), ('Überweisung größer', 'Überweisung_größer'), ('O''Brien "x"', 'O_Brien_x_'), (E'a\nb\tc', 'a_b_c'), ('a-->b', 'a_b'), ('[*]', '_'),
    ('', '_'), (' ', '_'), ('!?', '_'), ('😀', '_'), ('a😀b', 'a_b'), ('a;b', 'a_b'), ('a%%b', 'a_b'), ('stately', 'stately'), ('endless', 'endless')
) AS t (activity, name);
SELECT ok(crm_event_name(word) IN (word || '_', '_' || word), format('crm_event_name(%L)', word)) FROM unnest(ARRAY['state', 'class', 'note', 'State', 'NOTE']) AS word;
SELECT is_empty($$SELECT word, crm_event_name(word) FROM unnest(ARRAY['state', 'end', 'note', 'class', 'classDef', 'direction', 'style', 'scale', 'click', 'default', 'href', 'after', 'after 2 days', 'as', 'hide', 'root', 'fork', 'choice', 'clické', 'change direction', 'a[b]',
        repeat('x', 300), repeat('é', 200), repeat('字', 100), repeat('a b', 10000)]) AS word
    WHERE crm_next_state(format(E'[*] --> a\na --> %1$s : %1$s\n%1$s --> [*]', crm_event_name(word))::crm_workflow, 'a', crm_event_name(word)) IS DISTINCT FROM crm_event_name(word)$$, 'whatever comes in, a name comes out');

-- crm_discover
CREATE TEMP TABLE log (seq serial PRIMARY KEY, case_id int, activity text, at timestamptz);
INSERT INTO log (case_id, activity, at) VALUES
    (1, 'Check stock', '2026-01-01 10:00Z'), (1, 'Pay', '2026-01-01 11:00Z'), (1, 'Ship', '2026-01-03 11:00Z'),
    (2, 'Check stock', '2026-01-02 10:00Z'), (2, 'Check stock', '2026-01-02 10:30Z'), (2, 'Pay', '2026-01-02 12:30Z'),
    (3, '取消', '2026-01-01 10:00Z');
SELECT is((SELECT crm_discover(case_id, activity, at) FROM log), $$
    [*] --> start
    start : Start
    start --> Check_stock : Check_stock
    start --> 取消 : 取消
    Check_stock --> Check_stock
    Check_stock --> Pay
    Pay --> Ship
    Check_stock : Check stock
    Pay --> [*]
    Ship --> [*]
    取消 --> [*]
$$::crm_workflow, 'crm_discover() gives a workflow');
SELECT results_eq($$SELECT s.state, s.label, s.is_initial, s.is_final FROM (SELECT crm_discover(case_id, activity, at) AS w FROM log) AS d, crm_states(w) AS s ORDER BY is_initial DESC, state COLLATE "C"$$,
    $$VALUES ('start', 'Start', true, false), ('Check_stock', 'Check stock', false, false), ('Pay', 'Pay', false, true), ('Ship', 'Ship', false, true), ('取消', '取消', false, true)$$, 'with a state for each activity');
SELECT set_eq($$SELECT t.from_state, t.event, t.to_state, t.guard FROM (SELECT crm_discover(case_id, activity, at) AS w FROM log) AS d, crm_transitions(w) AS t$$,
    $$VALUES ('start', 'Check_stock', 'Check_stock', NULL), ('start', '取消', '取消', NULL), ('Check_stock', 'Check_stock', 'Check_stock', NULL), ('Check_stock', 'Pay', 'Pay', NULL), ('Pay', 'Ship', 'Ship', NULL)$$, 'and a transition for each pair');
SELECT results_eq('SELECT f.* FROM unnest((SELECT crm_directly_follows(case_id, activity, at) FROM log)) AS f', $$VALUES
    (NULL, 'Check stock', 2::bigint, NULL::interval, NULL::interval), (NULL, '取消', 1, NULL, NULL),
    ('Check stock', 'Check stock', 1, '30 min', '30 min'), ('Check stock', 'Pay', 2, '90 min', '90 min'),
    ('Pay', 'Ship', 1, '2 days', '2 days'), ('Pay', NULL, 1, NULL, NULL), ('Ship', NULL, 1, NULL, NULL), ('取消', NULL, 1, NULL, NULL)$$, 'crm_directly_follows() counts and times them');
SELECT is((SELECT crm_discover(case_id, activity, at ORDER BY seq DESC) FROM log), (SELECT crm_discover(case_id, activity, at) FROM log), 'the order of rows does not matter');
SELECT is((SELECT crm_discover(c, a, t) FROM (SELECT case_id, activity, at FROM log UNION ALL VALUES (NULL, 'x', now()), (1, NULL, now()), (2, 'x', NULL), (NULL, NULL, NULL)) AS l (c, a, t)), (SELECT crm_discover(case_id, activity, at) FROM log), 'rows with a NULL are left out');
SELECT is((SELECT crm_directly_follows(c, a, t) FROM (SELECT case_id, activity, at FROM log UNION ALL VALUES (NULL, 'x', now()), (1, NULL, now()), (2, 'x', NULL), (NULL, NULL, NULL)) AS l (c, a, t)), (SELECT crm_directly_follows(case_id, activity, at) FROM log), 'there too');
SELECT is((SELECT crm_discover(case_id, activity, at) FROM log WHERE false), NULL, 'nothing is discovered from nothing');
SELECT is((SELECT crm_discover(case_id, NULL, at) FROM log), NULL, 'nor from NULLs');
SELECT is((SELECT coalesce(cardinality(crm_directly_follows(case_id, activity, at)), 0) FROM log WHERE false), 0, 'nothing follows on nothing');
SELECT is((SELECT coalesce(cardinality(crm_directly_follows(case_id, NULL, at)), 0) FROM log), 0, 'nor on NULLs');
SELECT throws_ok($$SELECT crm_discover(case_id, activity, at) OVER (ORDER BY at) FROM log$$, '0A000', NULL, 'it is no window function');
SELECT throws_ok($$SELECT crm_discover('{}'::json, activity, at) FROM log$$, '42883', NULL, 'a case needs a type with an order');
SELECT results_eq($$SELECT case_id % 2, crm_discover(case_id, activity, at) IS NOT NULL, cardinality(crm_directly_follows(case_id, activity, at)), crm_discover(case_id, activity, at) FILTER (WHERE false) IS NULL FROM log GROUP BY 1 ORDER BY 1$$,
    $$VALUES (0, true, 4, true), (1, true, 6, true)$$, 'by group');
SELECT throws_ok($$SELECT crm_discover(1, 'x', 'infinity') FROM log$$, '22008', 'the time of an event cannot be infinite', 'a case does not last for ever');

-- ties: input order
SELECT results_eq($$SELECT f.from_activity, f.to_activity FROM unnest((SELECT crm_directly_follows(1, a, '2026-01-01Z' ORDER BY n) FROM unnest(ARRAY['c', 'a', 'd', 'b']) WITH ORDINALITY AS v (a, n))) AS f$$,
    $$VALUES (NULL, 'c'), ('a', 'd'), ('b', NULL), ('c', 'a'), ('d', 'b')$$, 'what happens at one time happens in the order of the rows');
SELECT results_eq($$SELECT f.from_activity, f.to_activity, f.frequency FROM unnest((SELECT crm_directly_follows(g % 2, 'e' || g / 2 % 3, '2026-01-01Z' ORDER BY g) FROM generate_series(0, 59999) AS g)) AS f$$,
    $$VALUES (NULL, 'e0', 2::bigint), ('e0', 'e1', 20000), ('e1', 'e2', 20000), ('e2', 'e0', 19998), ('e2', NULL, 2)$$, 'also if there are many');

-- names
CREATE FUNCTION pg_temp.named(VARIADIC activities text[]) RETURNS TABLE (state text, label text) LANGUAGE sql AS $$
    SELECT s.state, s.label FROM (SELECT crm_discover(1, a, make_timestamptz(2026, 1, n::int, 0, 0, 0)) AS w FROM unnest(activities) WITH ORDINALITY AS v (a, n)) AS d, crm_states(w) AS s
$$;
SELECT set_eq($$SELECT * FROM pg_temp.named('start', 'end of it')$$, $$VALUES ('start', 'start'), ('start_2', 'Start'), ('end_of_it', 'end of it')$$, 'an activity may be called start');
SELECT is((SELECT array_agg(label ORDER BY label COLLATE "C") FROM pg_temp.named('start', 'start_2', 'start 2', 'start-2', 'Start')), '{Start,Start,start,"start 2",start-2,start_2}', 'and so on');
SELECT is((SELECT count(DISTINCT state)::int FROM pg_temp.named('start', 'start_2', 'start 2', 'start-2', 'Start')), 6, 'each has a name of its own');
SELECT set_eq($$SELECT state FROM pg_temp.named('a b', 'a-b', 'a_b', 'a+b')$$, ARRAY['start', 'a_b', 'a_b_2', 'a_b_3', 'a_b_4'], 'names that collide are numbered');
SELECT set_eq($$SELECT label FROM pg_temp.named('a b', 'a-b', 'a_b', 'a+b')$$, ARRAY['Start', 'a b', 'a-b', 'a_b', 'a+b'], 'what is displayed is not');
SELECT is((SELECT array_agg(label ORDER BY label COLLATE "C") FROM pg_temp.named('a b', 'a_b', 'a_b_2', 'a b 2', 'a_b_2_2')), '{Start,"a b","a b 2",a_b,a_b_2,a_b_2_2}', 'also with numbers');
SELECT is((SELECT count(DISTINCT state)::int FROM pg_temp.named('a b', 'a_b', 'a_b_2', 'a b 2', 'a_b_2_2')), 6, 'they do not collide again');
SELECT set_eq($$SELECT * FROM pg_temp.named('2nd', '送貨 (快)', 'Größe', '', 'É', 'e')$$, $$VALUES ('start', 'Start'), ('_2nd', '2nd'), ('送貨_快_', '送貨 (快)'), ('Größe', 'Größe'), ('_', '_'), ('É', 'É'), ('e', 'e')$$, 'digits, scripts, nothing at all');
SELECT is((SELECT count(DISTINCT state)::int FROM pg_temp.named('', ' ', '!', '?', '_')), 6, 'several times nothing');
SELECT is((SELECT count(DISTINCT state)::int FROM pg_temp.named(repeat('x', 300) || 'a', repeat('x', 300) || 'b', repeat('字', 300) || 'a', repeat('字', 300) || 'b', repeat('y', 100000))), 6, 'long ones');
SELECT set_eq($$SELECT label FROM pg_temp.named('state', 'note', 'end', 'class', 'direction', 'note right of a', 'state "x" as y', 'after 2 days', 'a --> b', '--', '[*]', '{', '}', 'a : b')$$,
    $$SELECT unnest(ARRAY['Start', 'state', 'note', 'end', 'class', 'direction', 'note right of a', 'state ''x'' as y', 'after 2 days', 'a --> b', '--', '[*]', '{', '}', 'a : b'])$$, 'words and signs that mean something');
SELECT is_empty(format($$SELECT * FROM (SELECT crm_discover(1, a, make_timestamptz(2026, 1, n::int, 0, 0, 0)) AS w FROM unnest(%L::text[]) WITH ORDINALITY AS v (a, n)) AS d WHERE w::text::crm_workflow <> w OR cardinality(array(SELECT state FROM crm_states(w))) <> 1 + cardinality(%1$L::text[])$$,
    ARRAY['"', '''', '\', '\n', E'\n', E'a\r\nb', E'\t', '%%', '%% x', '%%{init: {}}%%', ';', 'a;b', '::', ':::', '#', '#35;', '&amp;', '<b>', '`', '$$', 'direction LR', 'my direction', 'tbd', '-', '---', 'end note', U&'\00A0', U&'\3000', U&'\200B']), 'whatever the text, the workflow can be read');

-- Random logs against plain SQL
TRUNCATE log;
INSERT INTO log (case_id, activity, at)
SELECT c, (ARRAY['Check stock', 'Check  stock', 'check-stock', 'Check_stock', 'pay', 'ship', 'Ship', '2nd reminder', 'state', 'end', '送貨', 'Größe', '!', 'start', 'a 2', 'a', 'a_2'])[1 + floor(17 * random() * random())::int],
    timestamptz '2026-03-01Z' + (CASE WHEN c % 2 = 0 THEN floor(20 * random()) * interval '7 hours' ELSE random() * interval '40 days' END)
FROM generate_series(1, 4000) AS g, CAST(floor(400 * random() * random()) AS int) AS c;
CREATE TEMP TABLE pairs AS
    SELECT case_id, lag(activity) OVER o AS before, activity, at - lag(at) OVER o AS duration, lead(at) OVER o IS NULL AS is_last, seq FROM log WINDOW o AS (PARTITION BY case_id ORDER BY at, seq);
CREATE TEMP TABLE expected AS
    SELECT row_number() OVER (ORDER BY before COLLATE "C" NULLS FIRST, activity COLLATE "C" NULLS LAST) AS place, before, activity, frequency, mean, median FROM (
        SELECT before, activity, count(*) AS frequency, avg(duration) AS mean, percentile_cont(0.5) WITHIN GROUP (ORDER BY duration) AS median FROM pairs GROUP BY 1, 2
        UNION ALL SELECT activity, NULL, count(*), NULL, NULL FROM pairs WHERE is_last GROUP BY 1) AS p;
CREATE TEMP TABLE said AS SELECT f.ordinality AS place, f.* FROM unnest((SELECT crm_directly_follows(case_id, activity, at ORDER BY seq) FROM log)) WITH ORDINALITY AS f;
SELECT cmp_ok((SELECT count(*)::int FROM expected), '>', 150, 'a random log');
SELECT results_eq('SELECT from_activity, to_activity, frequency FROM said ORDER BY place', 'SELECT before, activity, frequency FROM expected ORDER BY place', 'crm_directly_follows() counts what plain SQL counts');
SELECT is_empty($$SELECT * FROM said s JOIN expected e USING (place) WHERE (s.mean_duration IS NULL) <> (e.mean IS NULL) OR abs(extract(epoch FROM s.mean_duration - e.mean)) > 0.000002$$, 'means');
SELECT is_empty($$SELECT * FROM said s JOIN expected e USING (place) WHERE (s.median_duration IS NULL) <> (e.median IS NULL) OR abs(extract(epoch FROM s.median_duration - e.median)) > 0.000002$$, 'medians');
CREATE TEMP TABLE discovered AS SELECT crm_discover(case_id, activity, at ORDER BY seq) AS workflow FROM log;
CREATE TEMP TABLE ids AS SELECT s.* FROM discovered, crm_states(workflow) AS s;
SELECT is((SELECT count(*)::int FROM ids), 18, 'a state for each activity, and the start');
SELECT set_eq('SELECT label FROM ids WHERE NOT is_initial', 'SELECT DISTINCT activity FROM log', 'displayed as it is called');
SELECT set_eq('SELECT label FROM ids WHERE is_final', 'SELECT DISTINCT activity FROM pairs WHERE is_last', 'the last ones are final');
SELECT bag_eq($$SELECT CASE WHEN from_state <> (SELECT state FROM ids WHERE is_initial) THEN from_label END AS before, to_label, event = to_state AND guard IS NULL AND after IS NULL AS is_plain FROM discovered, crm_transitions(workflow)$$,
    'SELECT DISTINCT before, activity, true FROM pairs', 'a transition for each pair');
SELECT is_empty('SELECT case_id, crm_first_violation(workflow, state ORDER BY at, seq) FROM discovered, log JOIN ids ON label = activity AND NOT is_initial GROUP BY case_id HAVING crm_conforms(workflow, state ORDER BY at, seq) IS NOT TRUE', 'every case of the log conforms');
SELECT is((SELECT workflow::text::crm_workflow FROM discovered), (SELECT workflow FROM discovered), 'the text reads back');
SELECT is((SELECT crm_discover(case_id::bigint * 10000000000, activity, at ORDER BY seq) FROM log), (SELECT workflow FROM discovered), 'cases of type bigint');
SELECT is((SELECT crm_discover(md5(case_id::text), activity, at ORDER BY seq) FROM log), (SELECT workflow FROM discovered), 'text');
SELECT is((SELECT crm_discover(md5(case_id::text)::uuid, activity, at ORDER BY seq) FROM log), (SELECT workflow FROM discovered), 'uuid');
SELECT is((SELECT crm_discover(ARRAY[case_id, 1], activity, at ORDER BY seq) FROM log), (SELECT workflow FROM discovered), 'arrays');
SELECT is((SELECT crm_discover((case_id || CASE seq % 2 WHEN 0 THEN '.0' ELSE '.00' END)::numeric, activity, at ORDER BY seq) FROM log), (SELECT workflow FROM discovered), 'numeric, where 1.0 is 1.00');
SELECT is((SELECT crm_directly_follows(md5(case_id::text), activity, at ORDER BY seq) FROM log), (SELECT crm_directly_follows(case_id, activity, at ORDER BY seq) FROM log), 'the same figures');
UPDATE log SET at = at + seq * interval '1 microsecond' WHERE case_id % 2 = 0;
SELECT is((SELECT count(DISTINCT (case_id, at)) FROM log), (SELECT count(*) FROM log), 'if no two events have one time');
SELECT is((SELECT crm_discover(case_id, activity, at ORDER BY random()) FROM log), (SELECT crm_discover(case_id, activity, at ORDER BY seq) FROM log), 'the order of the rows does not matter');
SELECT is((SELECT crm_discover(case_id, activity, at ORDER BY at DESC)::text FROM log), (SELECT crm_discover(case_id, activity, at ORDER BY case_id, at)::text FROM log), 'not even to the text');
SELECT is((SELECT crm_directly_follows(case_id, activity, at ORDER BY random()) FROM log), (SELECT crm_directly_follows(case_id, activity, at ORDER BY seq) FROM log), 'nor to the figures');

-- a log larger than memory
CREATE TEMP TABLE large AS SELECT floor(random() * 5000)::int AS case_id, 'activity no. ' || floor(30 * random() * random()) AS activity, timestamptz '2026-01-01Z' + floor(random() * 1e6) * interval '1 s' AS at, g AS seq FROM generate_series(1, 100000) AS g;
SET LOCAL work_mem = '256MB';
CREATE TEMP TABLE in_memory AS SELECT crm_discover(case_id, activity, at) AS workflow, crm_directly_follows(case_id, activity, at) AS follows, crm_directly_follows(case_id::text, activity, at) AS by_text FROM (SELECT * FROM large ORDER BY seq) AS l;
SET LOCAL work_mem = '64kB';
CREATE TEMP TABLE on_disk AS SELECT crm_discover(case_id, activity, at) AS workflow, crm_directly_follows(case_id, activity, at) AS follows, crm_directly_follows(case_id::text, activity, at) AS by_text FROM (SELECT * FROM large ORDER BY seq) AS l;
SET LOCAL work_mem = '4MB';
SELECT results_eq('SELECT workflow::text, follows, by_text FROM on_disk', 'SELECT workflow::text, follows, by_text FROM in_memory', 'a log that does not fit into memory gives the same');
SELECT is((SELECT follows FROM on_disk), (SELECT by_text FROM on_disk), 'whatever the type of the case');
SELECT is((SELECT sum((f).frequency)::int FROM (SELECT unnest(follows) AS f FROM on_disk) AS x WHERE (f).to_activity IS NOT NULL), 100000, 'no event is lost');

SELECT * FROM finish();
ROLLBACK;
