-- The type crm_workflow: what it reads, what it writes, what it refuses.
\set ECHO all
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS crm;

-- What PostgreSQL says of a text, one row a fault.
CREATE FUNCTION pg_temp.fault(definition text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM definition::crm_workflow;
    message := 'accepted';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
\pset format unaligned
\pset tuples_only
\pset null '-'

--
-- Reading and writing
--
-- the smallest one; the header is optional, and written
SELECT crm_workflow '[*] --> a
a --> [*]';

-- everything that is kept
SELECT $$stateDiagram-v2
    %% comments are for the reader of the source
    [*] --> pending
    state "Awaiting payment" as submitted
    shipped : On its way, at last
    pending --> submitted : submit
    submitted --> paid : pay, settle
    paid --> shipped
    shipped --> shipped : locate
    shipped --> [*]
    paid --> [*]
    class pending,submitted open
    shipped:::done
    paid:::done
$$::crm_workflow;

-- the same machine, written otherwise: blanks, CRLF, case of keywords, order of statements
SELECT replace($$stateDiagram
  CLASS submitted, pending open
	paid-->[*] %% a comment
  paid --> shipped
  STATE shipped
  State "On its way, at last" As shipped
  shipped --> shipped:locate
submitted --> paid:pay ,settle
  class paid,shipped done
  class shipped,shipped done
  shipped-->[*]
  pending:::open --> submitted:::open : submit
  submitted : Awaiting payment
[*] --> pending
$$, E'\n', E'\r\n')::crm_workflow::text = $$
    [*] --> pending
    state "Awaiting payment" as submitted
    shipped : On its way, at last
    pending --> submitted : submit
    submitted --> paid : pay, settle
    paid --> shipped
    shipped --> shipped : locate
    shipped --> [*]
    paid --> [*]
    class pending,submitted open
    class shipped,paid done
$$::crm_workflow::text AS same_canonical_text;

-- the order of the exits of one state is part of the value
SELECT $$[*] --> a
a --> b : x
a --> a : y
b --> [*]$$::crm_workflow::text = $$[*] --> a
a --> a : y
a --> b : x
b --> [*]$$::crm_workflow::text AS same;

-- what is only looks is read over
SELECT $$%%{init: {"theme": "dark",
  "flowchart": {"curve": "basis"}}}%%
stateDiagram-v2
  direction LR
  accTitle: an order
  accDescr { of several
    lines }
  accDescr: of one line
  classDef open fill:#f9f,stroke:#333
  style a fill:#bbf
  scale 350 width
  hide empty description
  [*] --> a
  a --> [*]
$$::crm_workflow;

-- names in other scripts; a display name may be anything but a double quote
SELECT $$[*] --> 待付款
state "待付款 (等待)" as 待付款
待付款 --> bezahlt_für_später : 付款
bezahlt_für_später --> Отгружен1 : ship
Отгружен1 --> [*]
待付款:::offen_日本$$::crm_workflow;

-- composites: their edges hold for each state inside, an edge to one enters its [*], classes are for all inside
SELECT $$stateDiagram-v2
    [*] --> open
    state "Still open" as open {
        [*] --> entering
        state entering {
            [*] --> basket
            basket --> address : continue
        }
        payment
    }
    address --> payment : continue
    open --> cancelled : cancel
    payment --> done : pay
    done --> entering : again
    cancelled --> [*]
    done --> [*]
    class open unfinished
    entering : Who and where
$$::crm_workflow;

-- inside braces, [*] is the end of the composite: only where that leads on to nothing, it is final
SELECT $$[*] --> one
state one {
    [*] --> a
    a --> b : go
    b --> [*]
}
one --> two : next
state two {
    [*] --> c
    c --> d : go
    d --> [*]
}
$$::crm_workflow;

-- a composite that is final has final states only
SELECT $$[*] --> all
state all {
    [*] --> a
    a --> b : go
}
all --> [*]$$::crm_workflow;

-- guards and timers; edges of one event in document order
SELECT $$[*] --> a
a --> b : go, run [quick]
a --> c : go [slow]
a --> d : go
a --> b : [shortcut]
a --> c : after 2 weeks
a --> d : after 90 minutes 30 SECONDS [awake]
a --> b : after 18 months 1 year 1day
a --> b : after
b --> [*]
c --> [*]
d --> [*]$$::crm_workflow;

-- notes and front matter are looks, too
SELECT $$---
title: an order
config:
  theme: dark
---
stateDiagram-v2
  [*] --> a
  note right of a : remember
  note left of a
    a --> b : this is text
    end of story
  end note
  note "floating" as n1
  click a "https://example.com" "where it is"
  click a href "https://example.com"
  %%{wrap}%%
  a ::: c --> b
  b --> [*]
  a --> [*]
$$::crm_workflow;

-- a display name that equals the name is none
SELECT $$[*] --> a
a : a
a --> [*]$$::crm_workflow;

-- output is a fixed point
SELECT definition::text::crm_workflow::text = definition::text AS fixed_point FROM crm.workflows;
SELECT definition::text::crm_workflow = definition AS same FROM crm.workflows;

-- binary: one byte of version, the text
SELECT substr(crm_workflow_send('[*] --> a
a --> [*]'), 1, 16);

-- stored and read back, toasted too
CREATE TEMP TABLE machines (id int, w crm_workflow);
INSERT INTO machines SELECT 1, definition FROM crm.workflows WHERE name = 'order';
INSERT INTO machines SELECT 2, (E'[*] --> s0\ns1000 --> [*]\n' ||
    string_agg(format('s%s --> s%s : go', i, i + 1), E'\n' ORDER BY i))::crm_workflow
FROM generate_series(0, 999) i;
SELECT id, length(w::text), w::text::crm_workflow::text = w::text AS fixed_point FROM machines ORDER BY id;

--
-- Faults: line, column, what was found, a hint
--
\pset tuples_only off
\x on
SELECT f.* FROM (VALUES
    -- as a whole
    (101, ''),
    (102, E'stateDiagram-v2\n'),
    (121, E'a --> b\r\rb --> c\r'),
    (103, E'a --> b : go\nb --> [*]'),
    (104, E'[*] --> a\n[*] --> b\na --> [*]\nb --> [*]'),
    (105, E'[*] --> a : start\na --> [*]'),
    (106, E'[*] --> a\na --> [*] : done'),
    (107, E'[*] --> [*]'),
    (108, E'[*] --> a\na --> [*]\na --> [*]'),
    (109, E'[*] --> a\na --> b : go'),
    (110, E'[*] --> a\na --> [*]\nb --> c : go\nc --> b : back'),
    (111, E'[*] --> pending\npending --> paid : pay\npaid --> [*]\npayed --> pending : back'),
    (112, E'[*] --> a\na --> [*]\nclass b open'),
    (113, E'[*] --> a\na --> b : go\na --> b : go\nb --> [*]'),
    (114, E'[*] --> a\na --> b : go\na --> c : go\nb --> [*]\nc --> [*]'),
    (115, E'[*] --> a\na --> [*]\na : one\na : two'),
    (116, E'[*] --> a\na --> b : go [x]\na --> b : go [x]\nb --> [*]'),
    (117, E'[*] --> a\na --> b : go [x]\na --> c : go [x]\nb --> [*]\nc --> [*]'),
    (118, E'[*] --> a\na --> b : go\na --> c : go [x]\nb --> [*]\nc --> [*]'),
    (119, E'[*] --> a\na --> b : after 1 day\na --> c : after 1 day\nb --> [*]\nc --> [*]'),
    (120, E'[*] --> a\na --> [*]\nstate open {\na\n}\nopne --> a : back'),
    -- composites
    (150, E'[*] --> a\nstate b {\n}'),
    (151, E'[*] --> a\nstate b { }'),
    (152, E'[*] --> a\nstate b {\na --> [*]'),
    (153, E'[*] --> a\na --> [*]\n}'),
    (154, E'[*] --> a\nstate b {\na\n}\nstate b {\na\n}'),
    (155, E'[*] --> a\nstate b {\na\n}\nstate c {\na --> [*]\n}'),
    (156, E'[*] --> a\nstate b {\na --> b : again\n}'),
    (157, E'[*] --> a\nstate b {\na\n}\nstate c {\na --> b : go\n}'),
    (158, E'[*] --> a\na --> [*]\nstate b {\nc\n}\na --> b : go'),
    (159, E'[*] --> b\nstate b {\nc\n}\nc --> [*]'),
    (160, E'[*] --> b\nstate b {\n[*] --> c\nstate c {\nd --> [*]\n}\n}'),
    (161, E'[*] --> b\nstate b {\n[*] --> c\n[*] --> d\nc --> [*]\nd --> [*]\n}'),
    (162, E'[*] --> b\nstate b {\n[*] --> c : start\nc --> [*]\n}'),
    (163, E'[*] --> b\nstate b {\n[*] --> a\na --> [*]\nscale 350 width\n}'),
    (164, E'[*] --> a\na --> [*]\nstate b {\nc --> a : go\n}'),
    (165, E'[*] --> a\na --> [*]\nstate b { a }'),
    (167, E'[*] --> b\nstate b {\n[*] --> a\nstate a\n}'),
    (168, E'[*] --> b\nstate "B" as b {\n[*] --> a\na --> [*]\n}\nb : B'),
    (169, E'[*] --> b\nstate b {\n[*] --> b_end\nb_end --> [*]\n}'),
    (170, E'[*] --> b\nstate b {\n[*] --> c\nstate c {\n[*] --> d\n}\nd --> e : go\ne --> [*]\n}'),
    (166, E'[*] --> b\nstate b {\n[*] --> c\nc --> d : go\nstate d {\ne --> [*]\n}\n}'),
    -- within a line
    (201, E'[*] --> a\na --> b : go; a --> c : x'),
    (202, E'[*] --> a\na --> b : go::there'),
    (203, E'[*] --> a\na --> b : go %% why'),
    (204, E'[*] --> a\na --> b : go [[now]]'),
    (223, E'[*] --> a\na --> b : go [now'),
    (224, E'[*] --> a\na --> b : go [not now]'),
    (225, E'[*] --> a\na --> b : go [now] fast'),
    (226, E'[*] --> a\na --> b : go [1st]'),
    (227, E'[*] --> a\na --> b : after some days'),
    (228, E'[*] --> a\na --> b : after 3 fortnights'),
    (229, E'[*] --> a\na --> b : after 0 days'),
    (230, E'[*] --> a\na --> b : after 99999999999 days'),
    (231, E'[*] --> a\na --> b : after 2147483647 days 1 day'),
    (232, E'[*] --> a\na --> b : after 1 day, go'),
    (233, E'[*] --> a\na --> b : go, after 1 day'),
    (234, E'[*] --> a\na : one; two'),
    (235, E'[*] --> a\na : one:: two'),
    (236, E'[*] --> a\nstate "go direction LR" as a'),
    (237, E'[*] --> a\nstate "a <<fork>>" as a'),
    (238, E'[*] --> a\nstate a:::open'),
    (239, E'[*] --> 待付款\nclass 待付款 open'),
    (240, E'[*] --> a\nnote over a : x'),
    (241, E'[*] --> a\nnote right of a : x: y'),
    (242, E'[*] --> a\nnote right of a\nnever closed'),
    (243, E'[*] --> a\nnote right of b : typo\na --> [*]'),
    (244, E'[*] --> a\ndirection UP'),
    (245, E'[*] --> a\naccTitle:\na --> [*]'),
    (246, E'[*] --> a\nscale wide'),
    (247, E'[*] --> a\nhide everything'),
    (248, E'[*] --> a\nclick a b'),
    (249, E'[*] --> a\nclassDef open'),
    (250, E'---\ntitle: never closed\n[*] --> a'),
    (251, E'[*] --> a\n---\ntitle: x\n---\n'),
    (252, E'StateDiagram-v2\n[*] --> a'),
    (266, E'[*] --> a\naccDescr { x\n%% }\na --> [*]'),
    (267, E'[*] --> a\nnote right of a\n%%{x\nend note'),
    (268, E'[*] --> a\na:::note --> [*]'),
    (269, E'[*] --> a\nnote right of a\n\u00a0: x\nend note'),
    (270, E'[*] --> a\naccTitle: \u3000\na --> [*]'),
    (263, E'[*] --> a\nclick a href "url" '),
    (264, E'[*] --> a\n%%{wrap a b}%%'),
    (265, E'[*] --> a\na : x\u2028y'),
    (262, E'[*] --> a\nstate"A" as a'),
    (253, E'stateDiagram-v2%% x\n[*] --> a'),
    (254, E'[*] --> a\na --> b : change_direction'),
    (255, E'[*] --> a\na --> [*] %% direction LR'),
    (256, E'[*] --> a\na : in this direction\nTBD --> a'),
    (257, E'[*] --> a\nclass a open %% x'),
    (258, E'[*] --> a\nclassDef default fill:#f99'),
    (259, E'[*] --> a\n%%{}%%'),
    (260, E'[*] --> a\n%% see %%{init}%%'),
    (261, E'[*] --> a\nnote right of a\n: x\nend note'),
    (205, E'[*] --> a\na --> b : pay now'),
    (206, E'[*] --> a\na --> b :'),
    (207, E'[*] --> a\na --> b : go,'),
    (208, E'[*] --> a\na --> b b --> a'),
    (209, E'[*] --> a\na -> b : go'),
    (210, E'[*] --> a\na -->'),
    (211, E'[*] --> a\na -->> b'),
    (212, E'[*] --> a\n1a --> b'),
    (213, E'[*] --> a\nstate "half as a'),
    (214, E'[*] --> a\nstate "half" is a'),
    (215, E'[*] --> a\nstate "" as a'),
    (216, E'[*] --> a\na : say "hello"'),
    (217, E'[*] --> a\nclass a'),
    (218, E'[*] --> a\na::: --> b'),
    (219, E'[*] --> a\nstateDiagram-v2'),
    (220, E'[*] --> a\na → b'),
    (221, E'[*] --> a\naccDescr { never closed'),
    (222, E'\n\n\t 待付款 --> 已付款 ; x'),
    -- reserved words
    (301, E'[*] --> end\nend --> [*]'),
    (302, E'[*] --> a\nnote --> a'),
    (303, E'[*] --> a\nstate State\na --> [*]'),
    (305, E'[*] --> root\nroot --> [*]'),
    (304, E'[*] --> default待\ndefault待 --> [*]'),
    -- what a row cannot be in
    (401, E'[*] --> a\n--\n[*] --> b'),
    (402, E'[*] --> a\nstate b <<choice>>'),
    (403, E'[*] --> a\nstate b <<fork>>'),
    (404, E'[*] --> a\nstate b [[join]]')
) AS t(id, definition), pg_temp.fault(definition) AS f ORDER BY id;

--
-- Limits
--
SELECT f.* FROM (VALUES
    (1, repeat('%', 1024 * 1024)),
    (2, (SELECT E'[*] --> s0\n' || string_agg(format('s%s --> s%s', i, (i + 1) % 10000), E'\n') FROM generate_series(0, 9999) i)),
    (3, E'[*] --> a\n' || repeat('b', 256) || ' --> a'),
    (4, E'[*] --> a\na --> a : ' || repeat('b', 256)),
    (5, E'[*] --> a\na : ' || repeat('ü', 501)),
    (6, E'[*] --> a\na --> [*]\n' || repeat(E'a:::c\n', 65536)),
    (7, (SELECT E'[*] --> a\na --> a : ' || string_agg('e' || i, ',') FROM generate_series(1, 65536) i)),
    (8, E'[*] --> a\n' || (SELECT string_agg('state c' || i || ' {', E'\n') FROM generate_series(1, 10000) i)),
    (11, E'[*] --> a\na --> ' || repeat('b', 255) || ' : ' || (SELECT string_agg('e' || i, ',') FROM generate_series(1, 2000) i) || E'\n' || repeat('b', 255) || ' --> [*]'),
    (9, E'[*] --> s0\nstate all {\n' || (SELECT string_agg('s' || i || ' --> s' || i + 1, E'\n') FROM generate_series(0, 999) i) ||
        E'\n}\n' || (SELECT string_agg('all --> s0 : e' || i, E'\n') FROM generate_series(1, 100) i)),
    (10, E'[*] --> s0\nstate all {\n' || (SELECT string_agg('s' || i || ' --> s' || i + 1, E'\n') FROM generate_series(0, 999) i) ||
        E'\ns1000 --> [*]\n}\n' || (SELECT string_agg('class all c' || i, E'\n') FROM generate_series(1, 100) i))
) AS t(id, definition), pg_temp.fault(definition) AS f ORDER BY id;
\x off
\pset format aligned

--
-- The binary form trusts nothing
--
CREATE FUNCTION pg_temp.receive(form bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    file text := current_setting('data_directory') || '/crm_receive_test';
    form_file oid;
    answer text;
BEGIN
    -- a binary COPY of one column: header, one field of that length, trailer
    form_file := lo_from_bytea(0, '\x5047434f50590aff0d0a00' || '\x0000000000000000'::bytea || '\x0001'::bytea ||
        int4send(length(form)) || form || '\xffff'::bytea);
    PERFORM lo_export(form_file, file), lo_unlink(form_file);
    EXECUTE format('COPY machines (w) FROM %L (FORMAT binary)', file);
    SELECT w::text INTO answer FROM machines WHERE id IS NULL;
    DELETE FROM machines WHERE id IS NULL;
    RETURN answer;
EXCEPTION WHEN others THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT pg_temp.receive(crm_workflow_send(w)) = w::text AS same FROM machines;
SELECT pg_temp.receive('\x02' || substr(crm_workflow_send(w), 2)) FROM machines WHERE id = 1;
SELECT pg_temp.receive('');
SELECT pg_temp.receive('\x01');
SELECT pg_temp.receive('\x01' || convert_to(E'[*] --> a\na --> [*]', 'UTF8'));
SELECT pg_temp.receive('\x01' || convert_to(E'[*] --> a\na --> b', 'UTF8'));
SELECT pg_temp.receive('\x01' || convert_to(E'[*] --> a\na : ', 'UTF8') || '\xc328');
SELECT pg_temp.receive('\x01' || convert_to(E'[*] --> a', 'UTF8') || '\x00' || convert_to(E'\na --> [*]', 'UTF8'));

-- NULL stays NULL
SELECT NULL::crm_workflow IS NULL AS null_stays;
