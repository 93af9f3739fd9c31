-- One workflow, asked a million times; and the log of 100,000 cases that went through it.

-- VACUUM marks no page all-visible whose commit is not on disk yet, and index-only scans need that.
SET synchronous_commit = on;

INSERT INTO crm.workflows (name, definition) VALUES ('purchase', E'stateDiagram-v2
    [*] --> draft
    state open {
        [*] --> draft
        draft --> submitted : submit
        submitted --> approved : approve
        submitted --> draft : send_back
        approved --> on_hold : hold
        approved --> submitted : send_back
        on_hold --> approved : release
    }
    open --> cancelled : cancel
    approved --> paid : pay
    paid --> picking : pick
    picking --> packed : pack
    picking --> backordered : backorder
    backordered --> picking : restock
    packed --> shipped : ship
    packed --> picking : send_back
    shipped --> delivered : deliver
    shipped --> returned : fail_delivery
    delivered --> returned : send_back
    delivered --> completed : complete
    returned --> shipped : resend
    paid --> refunded : refund
    backordered --> refunded : refund
    returned --> refunded : refund
    completed --> [*]
    cancelled --> [*]
    refunded --> [*]');

-- The same as a table (25 rows), as people keep it without a type.
CREATE TABLE transitions (from_state text, event text, to_state text, PRIMARY KEY (from_state, event));
INSERT INTO transitions
SELECT t.from_state, t.event, t.to_state
FROM crm.workflows w, crm_transitions(w.definition) t WHERE w.name = 'purchase';

-- 4 of 5 are steps of the workflow, the others any state with any event.
CREATE TABLE questions (state text, event text);
SELECT setseed(0.5);
INSERT INTO questions
SELECT CASE WHEN r.step THEN p.states[r.nth] ELSE s.states[1 + r.a % cardinality(s.states)] END,
       CASE WHEN r.step THEN p.events[r.nth] ELSE e.events[1 + r.b % cardinality(e.events)] END
FROM (SELECT array_agg(from_state) AS states, array_agg(event) AS events FROM transitions) p,
     (SELECT array_agg(s.state) AS states FROM crm.workflows w, crm_states(w.definition) s WHERE w.name = 'purchase') s,
     (SELECT array_agg(DISTINCT event) AS events FROM transitions) e,
     LATERAL (SELECT random() < 0.8 AS step, (random() * 1e6)::int AS a, (random() * 1e6)::int AS b,
                     1 + floor(random() * cardinality(p.states))::int AS nth
              FROM generate_series(1, 1000000)) r;

-- Random walks of 5 to 15 events, 10 on the average; the events of all cases in one order of time.
CREATE TABLE log (case_id bigint NOT NULL, at timestamptz NOT NULL, event text NOT NULL);
WITH RECURSIVE ways AS (
    SELECT from_state, event, to_state, count(*) OVER (PARTITION BY from_state) AS n,
           row_number() OVER (PARTITION BY from_state ORDER BY event) - 1 AS nth
    FROM transitions WHERE to_state IN (SELECT from_state FROM transitions)
), walk AS (
    SELECT n::bigint AS case_id, 0 AS position, 'draft' AS state, NULL AS event,
           10 + (n / 2 % 6) * (1 - n % 2 * 2) AS length
    FROM generate_series(2, 100001) n
    UNION ALL
    SELECT w.case_id, w.position + 1, ways.to_state, ways.event, w.length
    FROM walk w JOIN ways ON ways.from_state = w.state
        AND ways.nth = abs(hashint8extended(w.case_id, w.position) % ways.n)
    WHERE w.position < w.length
)
INSERT INTO log
SELECT case_id, timestamptz '2026-01-01' + case_id * interval '5 minutes' + position * interval '9 hours', event
FROM walk WHERE position > 0 ORDER BY 2, 1;
CREATE INDEX ON log (case_id, at) INCLUDE (event);

-- The same, with an event that is not possible in one case of a hundred.
CREATE TABLE faulty_log (LIKE log);
INSERT INTO faulty_log
SELECT case_id, at, CASE WHEN case_id % 100 = 7 AND position = 3 THEN 'complete' ELSE event END
FROM (SELECT *, row_number() OVER (PARTITION BY case_id ORDER BY at) AS position FROM log) l ORDER BY at, case_id;
CREATE INDEX ON faulty_log (case_id, at) INCLUDE (event);

VACUUM ANALYZE;
CHECKPOINT;
