-- What the functions say about machines that were drawn, and answered, by hand.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(103);

CREATE TEMP TABLE machines (name text PRIMARY KEY, definition crm_workflow);
INSERT INTO machines VALUES ('contract', $$
stateDiagram-v2
    [*] --> draft
    state "Draft of a contract" as draft
    draft --> review : submit, send
    draft --> dropped : after 90 minutes
    state review {
        [*] --> checks
        checks : In the checks
        finance --> board : approve [large]
        state checks {
            [*] --> legal
            finance --> legal : back
            legal --> finance : approve
        }
        board : The board
        checks --> board : escalate
    }
    review --> draft : back
    review --> dropped : withdraw [early]
    review --> review : restart
    finance --> signed : approve
    board --> signed : approve [unanimous]
    board --> draft : approve
    signed --> [*]
    dropped --> [*]
    class review open
    class checks,legal urgent
    class signed,dropped closed
    class signed booked
$$);
SELECT definition AS contract FROM machines WHERE name = 'contract' \gset

-- crm_states
\set states 'SELECT state, label, classes, composite, is_initial, is_final FROM machines, crm_states(definition)'
SELECT results_eq(:'states', $$VALUES
    ('draft',   'Draft of a contract', '{}'::text[],     NULL,     true,  false),
    ('legal',   'legal',               '{open,urgent}',  'checks', false, false),
    ('dropped', 'dropped',             '{closed}',       NULL,     false, true),
    ('finance', 'finance',             '{open,urgent}',  'checks', false, false),
    ('board',   'The board',           '{open}',         'review', false, false),
    ('signed',  'signed',              '{booked,closed}', NULL,    false, true)$$, 'crm_states()');
SELECT results_eq('SELECT * FROM crm_states((SELECT definition FROM machines))', :'states', 'columns in this order');
SELECT results_eq($$SELECT * FROM crm_states(E'[*] --> a\na --> [*]')$$, $$VALUES ('a', 'a', '{}'::text[], NULL::text, true, true)$$, 'of the smallest machine');
SELECT results_eq($$SELECT state FROM crm_states(E'[*] --> z\nz --> y : one\nz --> b : two\nb --> a : one\ny --> c : one\ny --> a : two\na --> [*]\nc --> z : back')$$,
    ARRAY['z', 'y', 'b', 'c', 'a'], 'the nearest first, whatever their names');
SELECT results_eq($$SELECT state, label, classes FROM crm_states(E'[*] --> 草稿\n草稿 --> Ärger : größer\nstate "Ärger & ''Verdruß''" as x\nx --> [*]\nÄrger --> x : ж\n草稿 : 起草中 😀\n草稿:::進行中\nclass x Ω')$$,
    $$VALUES ('草稿', '起草中 😀', '{進行中}'::text[]), ('Ärger', 'Ärger', '{}'), ('x', 'Ärger & ''Verdruß''', '{Ω}')$$, 'in any script');
SELECT results_eq($$SELECT state, classes FROM crm_states(E'[*] --> a\na --> [*]\nclass a é\nclass a z\nclass a Z\nclass a _\nclass a é')$$, $$VALUES ('a', '{Z,_,z,é}'::text[])$$, 'classes in bytewise order, each once');

-- crm_composites
SELECT results_eq('SELECT composite, label, parent, entry FROM machines, crm_composites(definition)',
    $$VALUES ('review', 'review', NULL, 'checks'), ('checks', 'In the checks', 'review', 'legal')$$, 'crm_composites()');
SELECT results_eq('SELECT * FROM crm_composites((SELECT definition FROM machines))', 'SELECT composite, label, parent, entry FROM machines, crm_composites(definition)', 'columns in this order');
SELECT is_empty($$SELECT * FROM crm_composites(E'[*] --> a\na --> [*]')$$, 'of a machine without');
SELECT results_eq($$SELECT * FROM crm_composites(E'[*] --> a\na --> b\nb --> [*]\nstate 外 {\na\n}')$$, $$VALUES ('外', '外', NULL::text, NULL::text)$$, 'one that cannot be entered');
SELECT set_eq($$SELECT composite, parent, entry FROM crm_composites(E'[*] --> a\nstate p {\nstate q {\nstate r {\na --> b\n[*] --> b\n}\n}\nstate s {\nc\n}\n}\nb --> c\nc --> [*]\nstate t {\nd\n}\nc --> d\nd --> [*]')$$,
    $$VALUES ('p', NULL, NULL), ('q', 'p', NULL), ('r', 'q', 'b'), ('s', 'p', NULL), ('t', NULL, NULL)$$, 'a forest');

-- crm_transitions
\set transitions 'SELECT from_state, event, to_state, guard, after, composite, from_label, to_label FROM machines, crm_transitions(definition)'
SELECT results_eq(:'transitions', $$VALUES
    ('draft', 'submit', 'legal', NULL, NULL::interval, NULL, 'Draft of a contract', 'legal'),
    ('draft', 'send', 'legal', NULL, NULL, NULL, 'Draft of a contract', 'legal'),
    ('draft', 'after 1 hour 30 minutes', 'dropped', NULL, '90 min', NULL, 'Draft of a contract', 'dropped'),
    ('legal', 'approve', 'finance', NULL, NULL, NULL, 'legal', 'finance'),
    ('legal', 'escalate', 'board', NULL, NULL, 'checks', 'legal', 'The board'),
    ('legal', 'back', 'draft', NULL, NULL, 'review', 'legal', 'Draft of a contract'),
    ('legal', 'withdraw', 'dropped', 'early', NULL, 'review', 'legal', 'dropped'),
    ('legal', 'restart', 'legal', NULL, NULL, 'review', 'legal', 'legal'),
    ('finance', 'approve', 'board', 'large', NULL, NULL, 'finance', 'The board'),
    ('finance', 'back', 'legal', NULL, NULL, NULL, 'finance', 'legal'),
    ('finance', 'approve', 'signed', NULL, NULL, NULL, 'finance', 'signed'),
    ('finance', 'escalate', 'board', NULL, NULL, 'checks', 'finance', 'The board'),
    ('finance', 'withdraw', 'dropped', 'early', NULL, 'review', 'finance', 'dropped'),
    ('finance', 'restart', 'legal', NULL, NULL, 'review', 'finance', 'legal'),
    ('board', 'approve', 'signed', 'unanimous', NULL, NULL, 'The board', 'signed'),
    ('board', 'approve', 'draft', NULL, NULL, NULL, 'The board', 'Draft of a contract'),
    ('board', 'back', 'draft', NULL, NULL, 'review', 'The board', 'Draft of a contract'),
    ('board', 'withdraw', 'dropped', 'early', NULL, 'review', 'The board', 'dropped'),
    ('board', 'restart', 'legal', NULL, NULL, 'review', 'The board', 'legal')$$, 'crm_transitions()');
SELECT results_eq('SELECT * FROM crm_transitions((SELECT definition FROM machines))', :'transitions', 'columns in this order');
SELECT is_empty($$SELECT * FROM crm_transitions(E'[*] --> a\na --> [*]')$$, 'of a machine without any');
-- short forms: from event to [guard] {composite}
CREATE FUNCTION pg_temp.steps(workflow crm_workflow) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', from_state, event, to_state, '[' || guard || ']', '{' || composite || '}'), E', ' ORDER BY ordinality) FROM crm_transitions(workflow) WITH ORDINALITY
$$;
SELECT is(pg_temp.steps(E'[*] --> a\na --> b\nb --> a\nb --> [*]'), 'a b b, b a a', 'an edge without a label is an event named after its target');
SELECT is(pg_temp.steps(E'[*] --> a\na --> b : [sunny]\na --> b\nb --> [*]'), 'a b b [sunny], a b b', 'so is one with a guard alone');
SELECT is(pg_temp.steps(E'[*] --> a\na --> c\nstate c {\n[*] --> b\n}\nb --> [*]'), 'a c b', 'after the composite, if it leads to one');
SELECT is(pg_temp.steps(E'[*] --> a\na --> b : x,y , z [g]\na --> c : z\nb --> [*]\nc --> [*]'), 'a x b [g], a y b [g], a z b [g], a z c', 'events and their guard');
SELECT is(pg_temp.steps(E'[*] --> a\na --> a : x\na --> [*]'), 'a x a', 'a loop');
SELECT is(pg_temp.steps(E'[*] --> a\nstate c {\na\nb\n}\nc --> d : e\na --> b : e\nd --> [*]'), 'a e b, b e d {c}', 'the own edge wins');
SELECT is(pg_temp.steps(E'[*] --> a\na --> b : e\nstate c {\na\nb\n}\nc --> d : e\nd --> [*]'), 'a e b, b e d {c}', 'in whatever order');
SELECT is(pg_temp.steps(E'[*] --> a\nstate c {\na\nb\n}\nc --> d : e\na --> b : e [g]\nd --> [*]'), 'a e b [g], a e d {c}, b e d {c}', 'one with a guard falls back to that of the composite');
SELECT is(pg_temp.steps(E'[*] --> a\nstate c {\na\nb\n}\nc --> d : e [g]\nc --> f : e [h]\nc --> a : e\na --> b : e [g]\nd --> [*]\nf --> [*]'),
    'a e b [g], a e f [h] {c}, a e a {c}, b e d [g] {c}, b e f [h] {c}, b e a {c}', 'but with the same guard it wins');
SELECT is(pg_temp.steps(E'[*] --> a\nstate o {\nstate i {\na\n}\nb\n}\no --> x : e\no --> x : f\ni --> y : e [g]\ni --> y : f\na --> b : e [h]\nx --> [*]\ny --> [*]'),
    'a e b [h], a e y [g] {i}, a f y {i}, a e x {o}, b e x {o}, b f x {o}', 'first those of the inner composite');
SELECT is(pg_temp.steps(E'[*] --> a\nstate c {\na --> b : e, f\n}\nc --> d : f, g\nd --> [*]'), 'a e b, a f b, a g d {c}, b f d {c}, b g d {c}', 'event by event');
SELECT is(pg_temp.steps(E'[*] --> o\nstate o {\n[*] --> i\nstate i {\n[*] --> b\na --> b\nb --> a\n}\n}\no --> o : again\nb --> [*]'), 'b a a, b again b {o}, a b b, a again b {o}', 'a composite is entered where its [*] leads to, however deep');
SELECT is(pg_temp.steps(E'[*] --> a\nstate c {\n[*] --> a\nb\n}\na --> b\nb --> c : up\nc --> b : down\nb --> [*]'), 'a b b, a down b {c}, b up a, b down b {c}', 'from the inside too');
SELECT is(pg_temp.steps(E'[*] --> a\na --> c : after 1 day [late]\na --> b : after 1 day\nb --> [*]\nc --> [*]'), 'a after 1 day c [late], a after 1 day b', 'timers have guards');
SELECT is(pg_temp.steps(E'[*] --> a\nstate c {\na --> b : go\n}\nc --> d : after 2 days\nb --> e : after 2 days\nd --> [*]\ne --> [*]'), 'a go b, a after 2 days d {c}, b after 2 days e', 'and can be of composites');
SELECT is(pg_temp.steps(E'[*] --> 一\n一 --> 二 : 走, gehé [größer]\n二 --> [*]'), '一 走 二 [größer], 一 gehé 二 [größer]', 'in any script');

-- timers
SELECT results_eq(format($$SELECT event, after FROM crm_transitions(%L)$$, E'[*] --> a\na --> b : after ' || written || E'\nb --> [*]'), format('VALUES (%L, %L::interval)', 'after ' || name, after), 'after ' || written)
FROM (VALUES
    ('14 days', '14 days', '14 days'),
    ('1 day', '1 day', '1 day'),
    ('1 second', '1 second', '1 s'),
    ('2 weeks', '14 days', '14 days'),
    ('90 seconds', '1 minute 30 seconds', '90 s'),
    ('90 minutes', '1 hour 30 minutes', '90 min'),
    ('24 hours', '24 hours', '24:00'),
    ('36 hours', '36 hours', '36:00'),
    ('14 months', '1 year 2 months', '14 mons'),
    ('12 months', '1 year', '1 year'),
    ('1 year 2 months 3 weeks 4 days 5 hours 6 minutes 7 seconds', '1 year 2 months 25 days 5 hours 6 minutes 7 seconds', '1 year 2 mons 25 days 05:06:07'),
    ('30 minutes 1 hour', '1 hour 30 minutes', '90 min'),
    ('40 days', '40 days', '40 days'),
    ('1  Day   2 HOURS', '1 day 2 hours', '1 day 02:00')
) AS t (written, name, after);
SELECT throws_ok($$SELECT E'[*] --> a\na --> b : after 60 minutes\na --> c : after 1 hour\nb --> [*]\nc --> [*]'::crm_workflow$$, '22P02', NULL, 'the same time in other words is the same event');
SELECT is(crm_next_state(E'[*] --> a\na --> b : after 2 weeks\nb --> [*]', 'a', 'after 14 days'), 'b', 'a timer is asked for by its name');
SELECT is(crm_next_state(E'[*] --> a\na --> b : after 2 weeks\nb --> [*]', 'a', 'after 2 weeks'), NULL, 'not by other words');
SELECT is(crm_next_state(E'[*] --> a\na --> b : after 2 weeks\nb --> [*]', 'a', 'b'), NULL, 'nor by the target');

-- crm_events
SELECT results_eq($$SELECT state, crm_events(definition, state) FROM machines, unnest(ARRAY['draft', 'legal', 'finance', 'board', 'signed', 'review', 'nonsense', '', 'Draft', 'draft ']) AS state$$,
    $$VALUES ('draft', '{submit,send,after 1 hour 30 minutes}'::text[]), ('legal', '{approve,escalate,back,withdraw,restart}'), ('finance', '{approve,back,escalate,withdraw,restart}'),
    ('board', '{approve,back,withdraw,restart}'), ('signed', '{}'), ('review', NULL), ('nonsense', NULL), ('', NULL), ('Draft', NULL), ('draft ', NULL)$$, 'crm_events()');

-- crm_next_state, crm_can
SELECT results_eq($$SELECT state, event, crm_next_state(definition, state, event), crm_can(definition, state, event) FROM machines, (VALUES
    ('draft', 'submit'), ('draft', 'send'), ('draft', 'approve'), ('draft', 'after 1 hour 30 minutes'), ('draft', 'after 90 minutes'), ('legal', 'approve'), ('finance', 'approve'), ('board', 'approve'),
    ('finance', 'back'), ('legal', 'back'), ('board', 'escalate'), ('board', 'withdraw'), ('board', 'restart'), ('signed', 'approve'), ('signed', 'nonsense'), ('nonsense', 'approve'), ('review', 'back'), ('', ''), ('draft', ''),
    ('draft', 'Submit'), ('draft', 'submi'), ('draft', 'submitt'), ('draft', 'submit '), ('draf', 'submit'), ('draft', 'submit, send')) AS q (state, event)$$,
    $$VALUES ('draft', 'submit', 'legal', true), ('draft', 'send', 'legal', true), ('draft', 'approve', NULL, false), ('draft', 'after 1 hour 30 minutes', 'dropped', true), ('draft', 'after 90 minutes', NULL, false),
    ('legal', 'approve', 'finance', true), ('finance', 'approve', 'board', true), ('board', 'approve', 'signed', true), ('finance', 'back', 'legal', true), ('legal', 'back', 'draft', true), ('board', 'escalate', NULL, false),
    ('board', 'withdraw', 'dropped', true), ('board', 'restart', 'legal', true), ('signed', 'approve', NULL, false), ('signed', 'nonsense', NULL, false), ('nonsense', 'approve', NULL, false), ('review', 'back', NULL, false),
    ('', '', NULL, false), ('draft', '', NULL, false), ('draft', 'Submit', NULL, false), ('draft', 'submi', NULL, false), ('draft', 'submitt', NULL, false), ('draft', 'submit ', NULL, false), ('draf', 'submit', NULL, false),
    ('draft', 'submit, send', NULL, false)$$, 'crm_next_state() and crm_can()');
SELECT is(crm_next_state(state => 'draft', event => 'send', workflow => :'contract'), 'legal', 'arguments may be named');
SELECT is((SELECT count(*)::int FROM machines, crm_states(definition) s, unnest(crm_events(definition, s.state)) AS e WHERE crm_can(definition, s.state, e) AND crm_next_state(definition, s.state, e) IS NOT NULL), 17,
    'each event of each state is possible');

-- crm_path
SELECT ok(crm_path(:'contract', 'draft', 'signed') IN ('{submit,approve,approve}', '{send,approve,approve}'), 'crm_path() gives a shortest way');
SELECT is(crm_path(:'contract', 'board', 'finance'), '{restart,approve}', 'one of composites'' edges');
SELECT is(crm_path(:'contract', 'draft', 'dropped'), '{after 1 hour 30 minutes}', 'by timers');
SELECT ok(crm_path(:'contract', 'finance', 'legal') IN ('{back}', '{restart}'), 'one step');
SELECT is(crm_path(:'contract', 'draft', 'draft'), '{}', 'none');
SELECT is(crm_path(:'contract', 'signed', 'signed'), '{}', 'not even at an end');
SELECT is(crm_path(:'contract', 'signed', 'draft'), NULL, 'there is none');
SELECT is(crm_path(:'contract', 'nonsense', 'draft'), NULL, 'from nowhere');
SELECT is(crm_path(:'contract', 'draft', 'nonsense'), NULL, 'to nowhere');
SELECT is(crm_path(:'contract', 'nonsense', 'nonsense'), NULL, 'from nowhere to itself');
SELECT is(crm_path(:'contract', 'draft', 'review'), NULL, 'no row is in a composite');
SELECT is(crm_path(E'[*] --> a\na --> b : e [g]\na --> c : e\nb --> [*]\nc --> d\nd --> [*]', 'a', 'd'), '{e,d}', 'guards may fail on the way');
SELECT is(cardinality(crm_path((SELECT string_agg(format('s%s --> s%s', g, g + 1), E'\n') || E'\n[*] --> s1\ns2000 --> [*]' FROM generate_series(1, 1999) AS g)::crm_workflow, 's1', 's2000')), 1999, 'a long way');

-- final states
CREATE FUNCTION pg_temp.finals(workflow crm_workflow) RETURNS text LANGUAGE sql AS $$SELECT coalesce(string_agg(state, ' ' ORDER BY state COLLATE "C"), '') FROM crm_states(workflow) WHERE is_final$$;
SELECT is(pg_temp.finals(E'[*] --> c\nstate c {\n[*] --> x\nx --> y\ny --> [*]\n}'), 'y', 'the end of a composite without edges is an end');
SELECT is(pg_temp.finals(E'[*] --> c\nstate c {\n[*] --> x\nx --> y\ny --> [*]\n}\nc --> d\nd --> [*]'), 'd', 'that of one with edges is none');
SELECT is(pg_temp.finals(E'[*] --> c\nstate c {\n[*] --> x\nx --> y\ny --> [*]\n}\nc --> d\nd --> [*]\nc --> [*]'), 'd x y', 'in a final composite all are');
SELECT is(pg_temp.finals(E'[*] --> c\nstate c {\n[*] --> x\nx --> y\n}\nc --> [*]'), 'x y', 'without being marked');
SELECT is(pg_temp.finals(E'[*] --> c\nstate c {\n[*] --> x\nx --> y\n}\nc --> d\nd --> [*]\ny --> [*]'), 'd y', 'a mark at the top counts in any case');
SELECT is(pg_temp.finals(E'[*] --> o\nstate o {\n[*] --> c\nstate c {\n[*] --> x\nx --> y\ny --> [*]\n}\n}\no --> d\nd --> [*]'), 'd', 'edges of an outer composite lead out too');
SELECT is(pg_temp.finals(E'[*] --> o\nstate o {\n[*] --> c\nstate c {\n[*] --> x\nx --> y\n}\nc --> [*]\n}'), 'x y', 'the end of a composite may be a composite');
SELECT is(pg_temp.finals(E'[*] --> o\nstate o {\n[*] --> c\nstate c {\n[*] --> x\nx --> y\n}\nc --> [*]\n}\no --> d\nd --> [*]'), 'd', 'which is none if there is a way out');
SELECT is(pg_temp.finals(E'[*] --> o\nstate o {\n[*] --> c\nstate c {\n[*] --> x\nx --> y\ny --> [*]\n}\nc --> z\nz --> [*]\n}'), 'z', 'the inner one has a way out, the outer one has none');
SELECT is(pg_temp.finals(E'[*] --> o\nstate o {\n[*] --> c\nstate c {\n[*] --> x\nx --> y\ny --> [*]\n}\nc --> z\n}\no --> [*]'), 'x y z', 'all of a final one');
SELECT is(pg_temp.finals(E'[*] --> a\na --> b\nb --> a\na --> [*]'), 'a', 'a final state may have exits');
SELECT throws_ok($$SELECT E'[*] --> c\nstate c {\n[*] --> x\nx --> y\n}'::crm_workflow$$, '22P02', NULL, 'a dead end in a composite must be marked');

-- what comes out is canonical, and reads the same
SELECT is(definition::text::crm_workflow::text, definition::text, 'the text is a fixed point') FROM machines;
SELECT is(definition::text::crm_workflow, definition, 'and the value is') FROM machines;
SELECT alike(definition::text, E'stateDiagram-v2\n    [*] --> draft\n%    state review {\n        [*] --> checks\n%        state % {\n            [*] --> legal\n            legal\n            finance\n        }\n%    }\n    draft --> review : submit\n%', 'composites are drawn before edges') FROM machines;

-- crm_diff
SELECT is_empty(format('SELECT * FROM crm_diff(%L, %L)', :'contract', :'contract'), 'crm_diff(): no difference');
SELECT is_empty($$SELECT * FROM crm_diff(E'[*] --> a\na --> b : x\nb --> [*]', E'b --> [*]\n%% words\n[*] --> a\na --> b : x')$$, 'none in other words');
SELECT results_eq($$SELECT * FROM crm_diff(E'[*] --> a\na --> b : x\nb --> [*]', E'[*] --> a\na --> c : x\nc --> [*]')$$, $$VALUES
    ('state', 'removed', 'b', NULL, NULL, '{"label": "b", "classes": [], "composite": null, "initial": false, "final": true}'::jsonb, NULL::jsonb),
    ('state', 'added', 'c', NULL, NULL, NULL, '{"label": "c", "classes": [], "composite": null, "initial": false, "final": true}'),
    ('edge', 'changed', 'a', 'x', NULL, '{"to": "b", "order": 1}', '{"to": "c", "order": 1}')$$, 'added, removed, changed');
SELECT results_eq($$SELECT kind, change, state, event, guard, was->>'to', becomes->>'to' FROM crm_diff(E'[*] --> a\na --> b : x [g]\na --> c : x\nb --> [*]\nc --> [*]', E'[*] --> a\na --> c : x\na --> b : y [g]\nb --> [*]\nc --> b : x [h]\nc --> [*]')$$,
    $$VALUES ('edge', 'changed', 'a', 'x', NULL, 'c', 'c'), ('edge', 'removed', 'a', 'x', 'g', 'b', NULL), ('edge', 'added', 'a', 'y', 'g', NULL, 'b'), ('edge', 'added', 'c', 'x', 'h', NULL, 'b')$$, 'guards; behind one that is gone an edge is asked earlier');
SELECT results_eq($$SELECT change, state, event, was->'order', becomes->'order' FROM crm_diff(E'[*] --> a\na --> b : x [g]\na --> c : x [h]\nb --> [*]\nc --> [*]', E'[*] --> a\na --> c : x [h]\na --> b : x [g]\nb --> [*]\nc --> [*]')$$,
    $$VALUES ('changed', 'a', 'x', '1'::jsonb, '2'::jsonb), ('changed', 'a', 'x', '2', '1')$$, 'the order of guards');
SELECT results_eq($$SELECT kind, change, state, was->>'final', becomes->>'final', was->>'label', becomes->>'label', becomes->'classes', becomes->>'composite' FROM crm_diff(E'[*] --> a\na --> b\nb --> [*]', E'[*] --> a\na --> b\nb --> [*]\nstate c {\na\nb\n}\na : A\nc --> [*]\nclass b z')$$,
    $$VALUES ('state', 'changed', 'a', 'false', 'true', 'a', 'A', '[]'::jsonb, 'c'), ('state', 'changed', 'b', 'true', 'true', 'b', 'b', '["z"]', 'c')$$, 'what a state is');
SELECT is_empty($$SELECT * FROM crm_diff(E'[*] --> a\na --> b : x\nb --> a : x\nb --> [*]', E'[*] --> a\na --> b : x\nstate c {\nb\n}\nb --> a : x\nb --> [*]') WHERE kind = 'edge'$$, 'the same edges around other composites');
SELECT results_eq($$SELECT kind, change, state, event, becomes->>'to' FROM crm_diff(E'[*] --> a\nstate c {\na --> b : x\n}\nb --> [*]', E'[*] --> a\nstate c {\na --> b : x\n}\nb --> [*]\nc --> b : y')$$,
    $$VALUES ('edge', 'added', 'a', 'y', 'b'), ('edge', 'added', 'b', 'y', 'b')$$, 'an edge of a composite is one of each state');
SELECT results_eq(format($$SELECT kind, change, state, event, guard FROM crm_diff(%L, E'[*] --> draft\ndraft --> [*]') WHERE kind = 'state'$$, :'contract'),
    $$VALUES ('state', 'removed', 'board', NULL::text, NULL::text), ('state', 'changed', 'draft', NULL, NULL), ('state', 'removed', 'dropped', NULL, NULL), ('state', 'removed', 'finance', NULL, NULL), ('state', 'removed', 'legal', NULL, NULL),
    ('state', 'removed', 'signed', NULL, NULL)$$, 'in order');
SELECT is((SELECT count(*)::int FROM machines, crm_diff(definition, E'[*] --> draft\ndraft --> [*]') WHERE kind = 'edge' AND change = 'removed'), 19, 'all edges removed');
SELECT results_eq($$SELECT kind, state, event, guard, becomes, was FROM machines, crm_diff(definition, E'[*] --> draft\ndraft --> [*]') AS d (kind, change, state, event, guard, was, becomes) ORDER BY 1, 2, 3, 4$$,
    $$SELECT kind, state, event, guard, was, becomes FROM machines, crm_diff(E'[*] --> draft\ndraft --> [*]', definition) ORDER BY 1, 2, 3, 4$$, 'the other way round everything is the other way round');

-- to jsonb
SELECT is(E'[*] --> a\nstate c {\n[*] --> b\na --> b : go [g]\na --> b : after 2 weeks\n}\nc --> d : 終\nd --> [*]\na:::x\nd : D\nc : C'::crm_workflow::jsonb, $${
    "states": [
        {"state": "a", "label": "a", "classes": ["x"], "composite": "c", "initial": true, "final": false},
        {"state": "b", "label": "b", "classes": [], "composite": "c", "initial": false, "final": false},
        {"state": "d", "label": "D", "classes": [], "composite": null, "initial": false, "final": true}],
    "composites": [{"composite": "c", "label": "C", "parent": null, "entry": "b"}],
    "transitions": [
        {"from": "a", "event": "go", "to": "b", "guard": "g", "after": null, "composite": null},
        {"from": "a", "event": "after 14 days", "to": "b", "guard": null, "after": "14 days", "composite": null},
        {"from": "a", "event": "終", "to": "d", "guard": null, "after": null, "composite": "c"},
        {"from": "b", "event": "終", "to": "d", "guard": null, "after": null, "composite": "c"}]}$$::jsonb, 'the cast to jsonb says it all');
SET LOCAL intervalstyle = iso_8601;
SELECT is((E'[*] --> a\na --> b : after 1 year 2 weeks\nb --> [*]'::crm_workflow)::text, E'stateDiagram-v2\n    [*] --> a\n    a --> b : after 1 year 14 days\n    b --> [*]\n', 'the text of a timer is the same in any IntervalStyle');
SELECT is((SELECT event FROM crm_transitions(E'[*] --> a\na --> b : after 1 year 2 weeks\nb --> [*]')), 'after 1 year 14 days', 'and the event');
SET LOCAL intervalstyle = postgres;

-- crm_dot
SELECT matches(crm_dot(:'contract'), '^(strict )?digraph .*\{.*\}\s*$', 'crm_dot() writes a digraph');
SELECT is_empty($$SELECT state FROM machines, crm_states(definition) WHERE position(format('"%s"', state) IN crm_dot(definition)) = 0$$, 'with every state');
SELECT is_empty($$SELECT label FROM machines, crm_states(definition) WHERE position(label IN crm_dot(definition)) = 0$$, 'every label');
SELECT is_empty($$SELECT event FROM machines, crm_transitions(definition) WHERE position(event IN crm_dot(definition)) = 0$$, 'every event');
SELECT is_empty($$SELECT guard FROM machines, crm_transitions(definition) WHERE position(guard IN crm_dot(definition)) = 0$$, 'every guard');
SELECT is((SELECT count(*)::int FROM regexp_matches(crm_dot(:'contract'), '\msubgraph\M', 'g')), 2, 'and a subgraph for each composite');
SELECT is((SELECT count(*) FROM regexp_matches(crm_dot(:'contract'), '\{', 'g')), (SELECT count(*) FROM regexp_matches(crm_dot(:'contract'), '\}', 'g')), 'which are closed');
SELECT alike(crm_dot(E'[*] --> a\na : back \\ slash\na --> [*]'), E'%back \\\\\\\\ slash%', 'backslashes are escaped');
SELECT alike(crm_dot(E'[*] --> 草稿\n草稿 --> [*]\n草稿 : 起草 😀'), '%起草 😀%', 'any script is not');

SELECT * FROM finish();
ROLLBACK;
