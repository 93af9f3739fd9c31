-- Random machines: drawn as rows, written as Mermaid, and answered a second time in plain SQL. Whatever crm says must be
-- what the rows say. CRM_SEED repeats a run, CRM_TEST_MACHINES draws more.
SET client_min_messages = warning;
\set seed `echo "${CRM_SEED:-$(date +%s)}"`
\set machines `echo "${CRM_TEST_MACHINES:-320}"`
BEGIN;
CREATE EXTENSION crm;
SELECT plan(19);
SELECT diag('CRM_SEED=' || :'seed');
SELECT setseed(:seed % 1000003 / 1000003.0) IS NULL AS seeded \gset

CREATE TEMP TABLE composites (machine int, name text, parent text, entry text, is_final text, PRIMARY KEY (machine, name));
CREATE TEMP TABLE states (machine int, name text, composite text, label text, is_final text, PRIMARY KEY (machine, name));
CREATE TEMP TABLE edges (machine int, id serial, source text, target text, events text[], style text, wants_guard boolean,
    guard text, place text, PRIMARY KEY (machine, id));
CREATE TEMP TABLE initials (machine int PRIMARY KEY, node text);
CREATE TEMP TABLE lines (no serial PRIMARY KEY, machine int, depth int, line text, edge int);
CREATE INDEX ON lines (machine, no);

CREATE FUNCTION pg_temp.one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT choices[1 + floor(random() * cardinality(choices))::int]
$$;

-- Is the node inside the composite, however deep?
CREATE FUNCTION pg_temp.is_inside(m int, node text, around text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    up text := coalesce((SELECT composite FROM states WHERE machine = m AND name = node), (SELECT parent FROM composites WHERE machine = m AND name = node));
BEGIN
    WHILE up <> around LOOP
        up := (SELECT parent FROM composites WHERE machine = m AND name = up);
    END LOOP;
    RETURN up IS NOT NULL;
END $$;

-- May the node be mentioned in the braces of the composite, without becoming something else by that?
CREATE FUNCTION pg_temp.is_neutral(m int, node text, place text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM composites WHERE machine = m AND name = node) THEN
        RETURN (SELECT parent FROM composites WHERE machine = m AND name = node) IS NOT DISTINCT FROM place;
    END IF;
    RETURN pg_temp.is_inside(m, node, place);
END $$;

-- The lines of a composite's braces (or of the top level), in random order; but as Mermaid draws a state where it is mentioned
-- last, lines that mention those of inner composites go before their braces.
CREATE FUNCTION pg_temp.write_lines(m int, around text, level int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE piece record;
BEGIN
    FOR piece IN
        SELECT * FROM (
            SELECT 'line' AS kind, '[*] --> ' || node AS text, NULL::int AS edge, NULL::text[] AS mentions FROM initials WHERE machine = m AND around IS NULL
            UNION ALL
            SELECT 'line', '[*] --> ' || entry, NULL, ARRAY[entry] FROM composites WHERE machine = m AND name = around AND entry IS NOT NULL
            UNION ALL
            SELECT 'line', CASE WHEN label IS NULL THEN name
                    ELSE pg_temp.one_of(format('%s : %s', name, label), format('state "%s" as %s', label, name)) END, NULL, NULL
            FROM states WHERE machine = m AND composite IS NOT DISTINCT FROM around
            UNION ALL
            SELECT 'line', name || ' --> [*]', NULL, NULL FROM (
                SELECT name, composite, is_final FROM states WHERE machine = m
                UNION ALL SELECT name, parent, is_final FROM composites WHERE machine = m) AS n (name, home, is_final)
            WHERE is_final = 'at the top' AND around IS NULL OR is_final = 'inside' AND home = around
            UNION ALL
            SELECT 'edge', NULL, id, ARRAY[source, target] FROM edges WHERE machine = m AND place IS NOT DISTINCT FROM around
            UNION ALL
            SELECT 'block', name, NULL, NULL FROM composites WHERE machine = m AND parent IS NOT DISTINCT FROM around
            UNION ALL
            SELECT 'line', pg_temp.one_of('', '%% nothing'), NULL, NULL
        ) AS pieces
        ORDER BY CASE WHEN around IS NULL THEN random()
            WHEN kind = 'block' THEN 0.5 + random() / 2
            WHEN EXISTS (SELECT FROM states WHERE machine = m AND name = ANY (mentions) AND composite <> around) THEN random() / 2
            ELSE random() END
    LOOP
        IF piece.kind = 'block' THEN
            INSERT INTO lines (machine, depth, line) VALUES (m, level, 'state ' || piece.text || ' {');
            PERFORM pg_temp.write_lines(m, piece.text, level + 1);
            INSERT INTO lines (machine, depth, line) VALUES (m, level, '}');
        ELSE
            INSERT INTO lines (machine, depth, line, edge) VALUES (m, level, piece.text, piece.edge);
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION pg_temp.draw(m int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    number_of_states int := 1 + floor(random() * 10);
    number_of_composites int := floor(random() * 6);
    one record;
    home text;
BEGIN
    FOR i IN 1 .. number_of_composites LOOP
        INSERT INTO composites VALUES (m, 'c' || i, CASE WHEN i > 1 AND random() < 0.7 THEN 'c' || 1 + floor(random() * (i - 1)) END, NULL,
            CASE WHEN random() < 0.1 THEN pg_temp.one_of('at the top', 'inside') END);
    END LOOP;
    FOR i IN 1 .. number_of_states LOOP
        home := CASE WHEN number_of_composites > 0 AND random() < 0.7 THEN 'c' || 1 + floor(random() * number_of_composites) END;
        INSERT INTO states VALUES (m, pg_temp.one_of('s', '态', '_') || i, home, CASE WHEN random() < 0.2 THEN 'State no. ' || i END,
            CASE WHEN random() < 0.3 THEN pg_temp.one_of('at the top', 'inside') END);
    END LOOP;
    DELETE FROM composites c WHERE machine = m AND NOT EXISTS (SELECT FROM states s WHERE machine = m AND pg_temp.is_inside(m, s.name, c.name));
    UPDATE states SET is_final = 'at the top' WHERE machine = m AND composite IS NULL AND is_final IS NOT NULL;
    UPDATE composites SET is_final = 'at the top' WHERE machine = m AND parent IS NULL AND is_final IS NOT NULL;

    FOR one IN SELECT name FROM composites WHERE machine = m ORDER BY name DESC LOOP -- the inner ones first
        UPDATE composites SET entry = (
            SELECT name FROM (
                SELECT name FROM states WHERE machine = m AND pg_temp.is_inside(m, name, one.name)
                UNION ALL SELECT name FROM composites WHERE machine = m AND parent = one.name AND entry IS NOT NULL
            ) AS candidates ORDER BY random() LIMIT 1)
        WHERE machine = m AND name = one.name AND random() < 0.75;
    END LOOP;

    INSERT INTO initials
    SELECT m, name FROM (
        SELECT name FROM states WHERE machine = m UNION ALL SELECT name FROM composites WHERE machine = m AND entry IS NOT NULL
    ) AS candidates ORDER BY random() LIMIT 1;

    FOR i IN 1 .. number_of_states + floor(random() * 2 * number_of_states)::int LOOP
        INSERT INTO edges (machine, source, target, style, wants_guard)
        SELECT m, source, target, pg_temp.one_of('bare', 'timer', 'one', 'one', 'one', 'one', 'two', 'two'), random() < 0.4
        FROM (SELECT name FROM (SELECT name FROM states WHERE machine = m UNION ALL SELECT name FROM composites WHERE machine = m) AS n
              ORDER BY random() LIMIT 1) AS s (source),
             (SELECT name FROM (SELECT name FROM states WHERE machine = m UNION ALL SELECT name FROM composites WHERE machine = m AND entry IS NOT NULL) AS n
              ORDER BY random() LIMIT 1) AS t (target);
    END LOOP;
    UPDATE edges SET events = CASE style
        WHEN 'bare' THEN ARRAY[target]
        WHEN 'timer' THEN ARRAY[pg_temp.one_of('after 1 day', 'after 1 hour 30 minutes')]
        WHEN 'one' THEN ARRAY[pg_temp.one_of('go', 'back', 'stop', 'ask')]
        ELSE pg_temp.one_of('{go,back}', '{back,go}', '{stop,go}', '{ask,stop}')::text[] END
    WHERE machine = m;
    UPDATE edges e SET place = (
        SELECT name FROM composites c WHERE machine = m AND pg_temp.is_neutral(m, e.source, c.name) AND pg_temp.is_neutral(m, e.target, c.name)
        ORDER BY random() LIMIT 1)
    WHERE machine = m AND random() < 0.7;
    PERFORM pg_temp.write_lines(m, NULL, 1);

    -- An edge needs a guard unless it is the last one of its node for all of its events.
    UPDATE edges e SET guard = CASE WHEN wants_guard OR needs_guard THEN 'g' || number END
    FROM (
        SELECT a.id, row_number() OVER (PARTITION BY a.source ORDER BY la.no) AS number, EXISTS (
            SELECT FROM edges b JOIN lines lb ON lb.machine = m AND lb.edge = b.id
            WHERE b.machine = m AND b.source = a.source AND b.events && a.events AND lb.no > la.no) AS needs_guard
        FROM edges a JOIN lines la ON la.machine = m AND la.edge = a.id WHERE a.machine = m
    ) AS r WHERE e.machine = m AND e.id = r.id;
END $$;

SELECT count(pg_temp.draw(m)) AS drawn FROM generate_series(1, :machines) m \gset
CREATE INDEX ON lines (machine, edge);
ANALYZE composites, states, edges, initials, lines;

-- Where an edge to a node leads, and which nodes have a say in what a state can do.
CREATE TEMP TABLE entered AS
    WITH RECURSIVE down (machine, node, at) AS (
        SELECT machine, name, name FROM states
        UNION ALL SELECT machine, name, entry FROM composites WHERE entry IS NOT NULL
        UNION ALL SELECT d.machine, d.node, c.entry FROM down d JOIN composites c ON c.machine = d.machine AND c.name = d.at WHERE c.entry IS NOT NULL
    ) SELECT d.machine, d.node, d.at AS state FROM down d JOIN states s ON s.machine = d.machine AND s.name = d.at;
CREATE TEMP TABLE around AS
    WITH RECURSIVE up (machine, state, node, level) AS (
        SELECT machine, name, name, 0 FROM states
        UNION ALL SELECT machine, name, composite, 1 FROM states WHERE composite IS NOT NULL
        UNION ALL SELECT u.machine, u.state, c.parent, u.level + 1 FROM up u JOIN composites c ON c.machine = u.machine AND c.name = u.node WHERE c.parent IS NOT NULL
    ) SELECT * FROM up;
CREATE UNIQUE INDEX ON entered (machine, node);
CREATE UNIQUE INDEX ON around (machine, state, node);
ANALYZE entered, around;
CREATE TEMP VIEW flat AS
    SELECT machine, from_state, event, to_state, guard, composite,
           row_number() OVER (PARTITION BY machine, from_state ORDER BY level, no, place) AS rank
    FROM (
        SELECT a.machine, a.state AS from_state, v.event, n.state AS to_state, e.guard, CASE WHEN a.level > 0 THEN a.node END AS composite, a.level, l.no, v.place,
               bool_or(e.guard IS NULL) OVER (PARTITION BY a.machine, a.state, v.event ORDER BY a.level, l.no, v.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_behind_unguarded,
               row_number() OVER (PARTITION BY a.machine, a.state, v.event, e.guard ORDER BY a.level, l.no, v.place) > 1 AS is_twice
        FROM around a JOIN edges e ON e.machine = a.machine AND e.source = a.node
        JOIN lines l ON l.machine = e.machine AND l.edge = e.id
        JOIN entered n ON n.machine = e.machine AND n.node = e.target
        CROSS JOIN unnest(e.events) WITH ORDINALITY AS v (event, place)
    ) AS exits WHERE is_behind_unguarded IS NOT TRUE AND NOT is_twice;

-- crm refuses states that nothing leads to and dead ends that are not final; so each gets an edge, or is made final.
CREATE TEMP TABLE reached AS
    WITH RECURSIVE exits AS MATERIALIZED (SELECT * FROM flat), walk (machine, state) AS (
        SELECT i.machine, n.state FROM initials i JOIN entered n USING (machine, node)
        UNION SELECT f.machine, f.to_state FROM walk w JOIN exits f ON f.machine = w.machine AND f.from_state = w.state
    ) SELECT * FROM walk;
WITH lost AS (
    INSERT INTO edges (machine, source, target, events, style, wants_guard)
    SELECT s.machine, (SELECT state FROM reached r WHERE r.machine = s.machine ORDER BY random(), s.name LIMIT 1), s.name, ARRAY['find_' || s.name], 'one', false
    FROM states s WHERE (s.machine, s.name) NOT IN (SELECT machine, state FROM reached) RETURNING machine, id
) INSERT INTO lines (machine, depth, edge) SELECT machine, 1, id FROM lost;
CREATE TEMP TABLE oracle AS SELECT * FROM flat;
CREATE INDEX ON oracle (machine, from_state);

-- Final: marked at the top, or inside if no composite around has edges; or in a composite that is.
CREATE TEMP TABLE finals AS
    WITH nodes AS (
        SELECT machine, name, composite AS home, is_final FROM states UNION ALL SELECT machine, name, parent, is_final FROM composites
    ), marked AS (
        SELECT machine, name FROM nodes n WHERE is_final = 'at the top' OR is_final = 'inside' AND NOT EXISTS (
            SELECT FROM composites c WHERE c.machine = n.machine AND (c.machine, c.name) IN (SELECT machine, source FROM edges) AND pg_temp.is_inside(c.machine, n.name, c.name))
    ) SELECT DISTINCT a.machine, a.state FROM around a JOIN marked k ON k.machine = a.machine AND k.name = a.node;
WITH ends AS (
    INSERT INTO finals SELECT machine, name FROM states s
    WHERE (machine, name) NOT IN (SELECT machine, state FROM finals) AND (machine, name) NOT IN (SELECT machine, from_state FROM oracle)
    RETURNING machine, state
) INSERT INTO lines (machine, depth, line) SELECT machine, 1, state || ' --> [*]' FROM ends;

CREATE TEMP TABLE machines AS
    SELECT l.machine, string_agg(repeat('    ', l.depth) || coalesce(l.line, format('%s --> %s%s', e.source, e.target,
        nullif(' : ' || concat_ws(' ', CASE WHEN e.style <> 'bare' THEN array_to_string(e.events, ', ') END, '[' || e.guard || ']'), ' : '))), E'\n' ORDER BY l.no) AS text,
        NULL::crm_workflow AS workflow
    FROM lines l LEFT JOIN edges e ON e.machine = l.machine AND e.id = l.edge GROUP BY 1;
CREATE UNIQUE INDEX ON machines (machine);

-- Passes if the query, which gives (machine, difference), gives nothing; else shows the first machine that has any.
CREATE FUNCTION pg_temp.agree(differences text, description text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    found int;
    which int;
    shown text;
BEGIN
    BEGIN
        EXECUTE 'CREATE TEMP TABLE differences AS SELECT machine::int, difference FROM (' || differences || ') AS d (machine, difference)';
    EXCEPTION WHEN others THEN
        CREATE TEMP TABLE differences AS SELECT NULL::int AS machine, SQLSTATE || ' ' || SQLERRM AS difference;
    END;
    SELECT count(DISTINCT coalesce(machine, 0)), min(machine) INTO found, which FROM differences;
    RETURN NEXT ok(found = 0, description);
    IF found > 0 THEN
        SELECT string_agg(difference, E'\n') INTO shown FROM (SELECT difference FROM differences WHERE machine IS NOT DISTINCT FROM which LIMIT 8) AS d;
        RETURN NEXT diag(format(E'%s machines differ. CRM_SEED=%s, machine %s:\n%s\n\n%s',
            found, (SELECT seed FROM seed), which, (SELECT text FROM machines WHERE machine = which), shown));
    END IF;
    DROP TABLE differences;
END $$;
CREATE TEMP TABLE seed AS SELECT :'seed' AS seed;

-- crm reads them
CREATE FUNCTION pg_temp.read(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM $1::crm_workflow;
    RETURN NULL;
EXCEPTION WHEN others THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT pg_temp.agree('SELECT machine, pg_temp.read(text) FROM machines WHERE pg_temp.read(text) IS NOT NULL', 'every machine is read');
DELETE FROM machines WHERE pg_temp.read(text) IS NOT NULL; -- the rest is compared nevertheless
UPDATE machines SET workflow = text::crm_workflow;
ANALYZE;
SELECT cmp_ok((SELECT count(*)::int FROM machines), '>=', 300, 'and they are many');
SELECT ok((SELECT count(*) FILTER (WHERE composite IS NOT NULL) > 100 AND count(*) FILTER (WHERE guard IS NOT NULL) > 100 FROM oracle), 'with composites and guards');
SELECT pg_temp.agree('SELECT machine, workflow::text FROM machines WHERE workflow::text::crm_workflow <> workflow OR workflow::text::crm_workflow::text <> workflow::text',
    'what comes out reads back as the same');

-- states, composites, transitions
CREATE FUNCTION pg_temp.in_breadth(m int) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    found text[] := ARRAY(SELECT state FROM initials JOIN entered USING (machine, node) WHERE machine = m);
    i int := 1;
BEGIN
    WHILE i <= cardinality(found) LOOP
        found := found || ARRAY(SELECT to_state FROM oracle WHERE machine = m AND from_state = found[i] AND to_state <> ALL (found) GROUP BY 1 ORDER BY min(rank));
        i := i + 1;
    END LOOP;
    RETURN found;
END $$;
CREATE TEMP TABLE expected_states AS
    SELECT m.machine, o.place, s.name AS state, coalesce(s.label, s.name) AS label, '{}'::text[] AS classes, s.composite, o.place = 1 AS is_initial,
           (s.machine, s.name) IN (SELECT machine, state FROM finals) AS is_final
    FROM machines m CROSS JOIN unnest(pg_temp.in_breadth(m.machine)) WITH ORDINALITY AS o (name, place) JOIN states s ON s.machine = m.machine AND s.name = o.name;
CREATE TEMP TABLE said_states AS
    SELECT m.machine, s.ordinality AS place, s.state, s.label, s.classes, s.composite, s.is_initial, s.is_final FROM machines m, crm_states(m.workflow) WITH ORDINALITY AS s;
SELECT pg_temp.agree($$
    SELECT machine, 'not said: ' || to_json(e) FROM (TABLE expected_states EXCEPT ALL TABLE said_states) AS e
    UNION ALL SELECT machine, 'said: ' || to_json(s) FROM (TABLE said_states EXCEPT ALL TABLE expected_states) AS s$$, 'crm_states()');

CREATE TEMP TABLE expected_composites AS SELECT c.machine, name AS composite, name AS label, parent, entry FROM composites c JOIN machines USING (machine);
CREATE TEMP TABLE said_composites AS SELECT m.machine, c.* FROM machines m, crm_composites(m.workflow) AS c;
SELECT pg_temp.agree($$
    SELECT machine, 'not said: ' || to_json(e) FROM (TABLE expected_composites EXCEPT ALL TABLE said_composites) AS e
    UNION ALL SELECT machine, 'said: ' || to_json(s) FROM (TABLE said_composites EXCEPT ALL TABLE expected_composites) AS s$$, 'crm_composites()');

CREATE TEMP TABLE expected_transitions AS
    SELECT o.machine, o.from_state, o.rank, o.event, o.to_state, o.guard, CASE WHEN o.event LIKE 'after %' THEN substr(o.event, 7)::interval END AS after, o.composite,
           coalesce(f.label, f.name) AS from_label, coalesce(t.label, t.name) AS to_label
    FROM oracle o JOIN machines USING (machine) JOIN states f ON f.machine = o.machine AND f.name = o.from_state JOIN states t ON t.machine = o.machine AND t.name = o.to_state;
CREATE TEMP TABLE said_transitions AS
    SELECT m.machine, t.from_state, row_number() OVER (PARTITION BY m.machine, t.from_state ORDER BY t.ordinality) AS rank, t.event, t.to_state, t.guard, t.after, t.composite, t.from_label, t.to_label
    FROM machines m, crm_transitions(m.workflow) WITH ORDINALITY AS t;
SELECT pg_temp.agree($$
    SELECT machine, 'not said: ' || to_json(e) FROM (TABLE expected_transitions EXCEPT ALL TABLE said_transitions) AS e
    UNION ALL SELECT machine, 'said: ' || to_json(s) FROM (TABLE said_transitions EXCEPT ALL TABLE expected_transitions) AS s$$, 'crm_transitions()');

-- single questions, about what there is and what there is not
CREATE TEMP TABLE names AS
    SELECT DISTINCT machine, name FROM (
        SELECT machine, name FROM states UNION ALL SELECT machine, name FROM composites UNION ALL SELECT machine, 'nonsense' FROM machines) AS n JOIN machines USING (machine);
CREATE TEMP TABLE events AS
    SELECT DISTINCT machine, event FROM (
        SELECT machine, unnest(events) AS event FROM edges UNION ALL SELECT machine, 'nonsense' FROM machines UNION ALL SELECT machine, name FROM states) AS n JOIN machines USING (machine);
CREATE TEMP TABLE answers AS
    SELECT machine, name AS state, event,
        (SELECT to_state FROM oracle o WHERE o.machine = n.machine AND o.from_state = n.name AND o.event = e.event ORDER BY rank LIMIT 1) AS expected
    FROM names n JOIN events e USING (machine);
SELECT pg_temp.agree($$
    SELECT machine, format('%s, %s: %s, not %s', state, event, coalesce(crm_next_state(workflow, state, event), 'NULL'), coalesce(expected, 'NULL'))
    FROM answers JOIN machines USING (machine) WHERE crm_next_state(workflow, state, event) IS DISTINCT FROM expected$$, 'crm_next_state()');
SELECT pg_temp.agree($$
    SELECT machine, format('%s, %s: %s', state, event, crm_can(workflow, state, event))
    FROM answers JOIN machines USING (machine) WHERE crm_can(workflow, state, event) IS DISTINCT FROM (expected IS NOT NULL)$$, 'crm_can()');
SELECT pg_temp.agree($$
    SELECT machine, format('%s: %s, not %s', name, said, expected) FROM (
        SELECT n.machine, n.name, crm_events(m.workflow, n.name) AS said, CASE WHEN (n.machine, n.name) IN (SELECT machine, name FROM states) THEN
            ARRAY(SELECT event FROM oracle o WHERE o.machine = n.machine AND o.from_state = n.name GROUP BY event ORDER BY min(rank)) END AS expected
        FROM names n JOIN machines m USING (machine)) AS a
    WHERE said IS DISTINCT FROM expected$$, 'crm_events()');

-- ways
CREATE TEMP TABLE distances AS
    WITH RECURSIVE walk (machine, a, b, length) AS (
        SELECT machine, name, name, 0 FROM states JOIN machines USING (machine)
        UNION
        SELECT w.machine, w.a, o.to_state, w.length + 1 FROM walk w
        JOIN (SELECT DISTINCT machine, from_state, to_state FROM oracle) AS o ON o.machine = w.machine AND o.from_state = w.b WHERE w.length < 10
    ) SELECT machine, a, b, min(length) AS length FROM walk GROUP BY 1, 2, 3;
CREATE TEMP TABLE ways AS
    SELECT f.machine, f.name AS a, t.name AS b, crm_path(m.workflow, f.name, t.name) AS events, d.length
    FROM names f JOIN names t USING (machine) JOIN machines m USING (machine) LEFT JOIN distances d ON d.machine = f.machine AND d.a = f.name AND d.b = t.name;
SELECT pg_temp.agree($$SELECT machine, format('from %s to %s: %s, not length %s', a, b, coalesce(events::text, 'NULL'), coalesce(length::text, 'NULL'))
    FROM ways WHERE cardinality(events) IS DISTINCT FROM length$$, 'crm_path() is a shortest way');
SELECT pg_temp.agree($$
    WITH RECURSIVE follow (machine, a, b, events, place, possible) AS (
        SELECT machine, a, b, events, 0, ARRAY[a] FROM ways WHERE events IS NOT NULL
        UNION ALL
        SELECT f.machine, a, b, events, place + 1, ARRAY(SELECT to_state FROM oracle o WHERE o.machine = f.machine AND o.from_state = ANY (possible) AND o.event = events[place + 1])
        FROM follow f WHERE place < cardinality(events)
    ) SELECT machine, format('from %s to %s: %s leads to %s', a, b, events, possible) FROM follow WHERE place = cardinality(events) AND b <> ALL (possible)$$,
    'and leads there');

-- Cases: walks through the machine; every second one has one event replaced by another.
CREATE TEMP TABLE log (machine int, case_no int, place int, event text, PRIMARY KEY (machine, case_no, place));
CREATE FUNCTION pg_temp.walk(m int, number int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    here text := (SELECT state FROM initials JOIN entered USING (machine, node) WHERE machine = m);
    step record;
    length int := 1 + floor(random() * 12);
BEGIN
    FOR i IN 1 .. length LOOP
        SELECT * INTO step FROM oracle WHERE machine = m AND from_state = here ORDER BY random() LIMIT 1;
        EXIT WHEN NOT FOUND;
        INSERT INTO log VALUES (m, number, i, step.event);
        here := step.to_state;
    END LOOP;
    IF number % 2 = 0 THEN
        UPDATE log SET event = (SELECT event FROM events WHERE machine = m ORDER BY random() LIMIT 1)
        WHERE machine = m AND case_no = number AND place = (SELECT place FROM log WHERE machine = m AND case_no = number ORDER BY random() LIMIT 1);
    END IF;
END $$;
CREATE INDEX ON events (machine);
SELECT count(pg_temp.walk(machine, number)) AS walked FROM machines, generate_series(1, 8) AS number \gset
ANALYZE log;

CREATE TEMP TABLE expected_steps AS
    WITH RECURSIVE follow (machine, case_no, place, possible, violation) AS (
        SELECT c.machine, c.case_no, 0, ARRAY[n.state], NULL::crm_violation
        FROM (SELECT DISTINCT machine, case_no FROM log) AS c JOIN initials USING (machine) JOIN entered n USING (machine, node)
        UNION ALL
        SELECT f.machine, f.case_no, f.place + 1, coalesce(x.possible, f.possible),
            CASE WHEN f.violation IS NOT NULL THEN f.violation WHEN x.possible IS NULL THEN (f.place + 1, l.event, f.possible[1])::crm_violation END
        FROM follow f JOIN log l ON l.machine = f.machine AND l.case_no = f.case_no AND l.place = f.place + 1
        LEFT JOIN LATERAL (
            SELECT array_agg(to_state ORDER BY first) AS possible FROM (
                SELECT o.to_state, min(p.place * 1000 + o.rank) AS first FROM unnest(f.possible) WITH ORDINALITY AS p (state, place)
                JOIN oracle o ON o.machine = f.machine AND o.from_state = p.state AND o.event = l.event
                GROUP BY 1) AS targets
        ) AS x ON f.violation IS NULL
    ) SELECT * FROM follow WHERE place > 0;
CREATE TEMP TABLE expected_cases AS
    SELECT DISTINCT ON (machine, case_no) machine, case_no, possible, violation FROM expected_steps ORDER BY machine, case_no, place DESC;
CREATE FUNCTION pg_temp.replay(m int, number int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT crm_replay(workflow, event ORDER BY place) FROM log JOIN machines USING (machine) WHERE machine = m AND case_no = number);
EXCEPTION WHEN others THEN
    RETURN SQLSTATE;
END $$;
CREATE TEMP TABLE said_cases AS
    SELECT machine, case_no, crm_conforms(workflow, event ORDER BY place) AS conforms, crm_first_violation(workflow, event ORDER BY place) AS violation,
           pg_temp.replay(machine, case_no) AS state, array_agg(event ORDER BY place) AS events
    FROM log JOIN machines USING (machine) GROUP BY machine, case_no;
SELECT cmp_ok((SELECT count(*)::int FROM said_cases WHERE NOT conforms), '>', 300, 'many cases have an error');
SELECT cmp_ok((SELECT count(*)::int FROM expected_cases WHERE violation IS NULL AND cardinality(possible) > 1), '>', 50, 'many others may be in several states');
SELECT pg_temp.agree($$SELECT machine, format('%s: %s', s.events, s.conforms) FROM said_cases s JOIN expected_cases e USING (machine, case_no)
    WHERE s.conforms IS DISTINCT FROM (e.violation IS NULL)$$, 'crm_conforms()');
SELECT pg_temp.agree($$SELECT machine, format('%s: %s, not %s', s.events, coalesce(s.violation::text, 'NULL'), coalesce(e.violation::text, 'NULL')) FROM said_cases s JOIN expected_cases e USING (machine, case_no)
    WHERE s.violation IS DISTINCT FROM e.violation$$, 'crm_first_violation()');
SELECT pg_temp.agree($$SELECT machine, format('%s: %s, not %s', events, said, expected) FROM (
        SELECT machine, s.events, s.state AS said, CASE WHEN e.violation IS NULL THEN e.possible[1]
            WHEN EXISTS (SELECT FROM edges d WHERE d.machine = e.machine AND (e.violation).event = ANY (d.events)) THEN 'SL003' ELSE 'SL002' END AS expected
        FROM said_cases s JOIN expected_cases e USING (machine, case_no)) AS c
    WHERE said IS DISTINCT FROM expected$$, 'crm_replay()');
SELECT pg_temp.agree($$
    SELECT machine, format('case %s, event %s: %s %s, not %s %s', case_no, place, coalesce(state, 'NULL'), coalesce(said::text, 'NULL'), possible[1], coalesce(violation::text, 'NULL')) FROM (
        SELECT l.machine, l.case_no, l.place, e.possible, e.violation, crm_first_violation(m.workflow, l.event) OVER so_far AS said, crm_conforms(m.workflow, l.event) OVER so_far AS conforms
        FROM log l JOIN machines m USING (machine) JOIN expected_steps e USING (machine, case_no, place)
        WINDOW so_far AS (PARTITION BY l.machine, l.case_no ORDER BY l.place)) AS w
    LEFT JOIN (
        SELECT l.machine, l.case_no, l.place, crm_replay(m.workflow, l.event) OVER (PARTITION BY l.machine, l.case_no ORDER BY l.place) AS state
        FROM log l JOIN machines m USING (machine) JOIN expected_steps e USING (machine, case_no, place) WHERE e.violation IS NULL) AS r USING (machine, case_no, place)
    WHERE said IS DISTINCT FROM violation OR conforms IS DISTINCT FROM (violation IS NULL) OR violation IS NULL AND state IS DISTINCT FROM possible[1]$$, 'the same as window functions, event by event');
CREATE TEMP TABLE canonical AS SELECT machine, workflow, workflow::text AS text FROM machines;
SELECT pg_temp.agree($$SELECT machine, 'machine ' || other FROM (
        SELECT a.machine, b.machine AS other, a.workflow = b.workflow AS equal, a.text = b.text AS same, crm_workflow_cmp(a.workflow, b.workflow) = 0 AS none,
               crm_workflow_hash(a.workflow) = crm_workflow_hash(b.workflow) AS hash FROM canonical a, canonical b) AS p
    WHERE equal <> same OR none <> same OR same AND NOT hash$$, 'machines are equal if their texts are');

SELECT * FROM finish();
ROLLBACK;
