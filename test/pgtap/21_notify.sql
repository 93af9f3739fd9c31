-- crm_notify_event() on tables of several kinds; what listeners hear is in test/isolation/specs/notify.spec.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(9);

CREATE TABLE t (id text PRIMARY KEY, status text, status_since timestamptz, version integer);
CREATE TABLE t_events (t text, seq integer, at timestamptz, event text, from_status text, to_status text, dwell interval, actor text, role text, note text, PRIMARY KEY (t, seq));
CREATE TRIGGER e BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION crm_enforce_workflow('status', 'order');
CREATE TRIGGER r AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION crm_record_event('t_events');
CREATE TRIGGER n AFTER INSERT ON t_events FOR EACH ROW EXECUTE FUNCTION crm_notify_event('steps');
SELECT lives_ok($$INSERT INTO t (id) VALUES (E'a "key"\n')$$, 'a key that JSON escapes');
SELECT lives_ok($$INSERT INTO t (id) VALUES (repeat(E'\x01', 2000))$$, 'one that does not fit holds no step up');
CREATE TRIGGER n2 AFTER INSERT ON t_events FOR EACH ROW EXECUTE FUNCTION crm_notify_event('');
SELECT throws_ok($$INSERT INTO t (id) VALUES (3)$$, '22023', 'channel name cannot be empty', 'a channel that is none');
DROP TRIGGER n2 ON t_events;
CREATE TRIGGER n2 AFTER INSERT ON t_events FOR EACH ROW EXECUTE FUNCTION crm_notify_event();
SELECT throws_ok($$INSERT INTO t (id) VALUES (3)$$, '39P01', NULL, 'no channel');
DROP TRIGGER n2 ON t_events;
CREATE TRIGGER n2 AFTER UPDATE ON t_events FOR EACH ROW EXECUTE FUNCTION crm_notify_event('steps');
SELECT throws_ok($$UPDATE t_events SET note = 'x'$$, '39P01', NULL, 'not an insert');
DROP TRIGGER n2 ON t_events;
CREATE TRIGGER n2 AFTER INSERT ON crm.products FOR EACH ROW EXECUTE FUNCTION crm_notify_event('steps');
SELECT throws_ok($$INSERT INTO crm.products (sku, name, price) VALUES ('x', 'x', 1)$$, '42703', NULL, 'a table that is no event table');
CREATE TABLE no_key (seq integer, event text, from_status text, to_status text);
CREATE TRIGGER n2 AFTER INSERT ON no_key FOR EACH ROW EXECUTE FUNCTION crm_notify_event('steps');
SELECT throws_ok($$INSERT INTO no_key VALUES (1, 'x', 'x', 'x')$$, '42P16', 'table public.no_key has no primary key', 'one without a key');
ALTER TABLE t_events ALTER seq TYPE bigint;
SELECT throws_ok($$INSERT INTO t_events (t, seq) VALUES ('x', 1)$$, '42804', NULL, 'one that has changed');
ALTER TABLE t_events ALTER seq TYPE integer;
SELECT lives_ok($$INSERT INTO t (id) VALUES (4)$$, 'and back');

SELECT * FROM finish();
ROLLBACK;
