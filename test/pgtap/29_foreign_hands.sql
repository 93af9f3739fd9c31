-- What somebody may do with our functions and tables who can create objects of his own, but owns none of ours.
-- More of this: 23_attacks (guards, workflows), 04_security (search_path, policies, rights).
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(49);

CREATE SCHEMA crm_test;
CREATE FUNCTION pg_temp.said(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN others THEN
    RETURN SQLSTATE || ' ' || replace(SQLERRM, pg_my_temp_schema()::regnamespace::text, 'pg_temp');
END $$;
INSERT INTO crm.customers (id, name) VALUES (1, 'Zoë');
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'T', 'Tea', 10);

-- Every trigger of ours, as it is, on a table of his own that looks like ours, with a row that is empty where it can be
CREATE FUNCTION pg_temp.forged(ours regclass, definition text, type integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS crm_test.mine;
    EXECUTE format('CREATE TABLE crm_test.mine AS TABLE %s WITH NO DATA', ours);
    IF type & 4 = 0 THEN
        INSERT INTO crm_test.mine DEFAULT VALUES;
    END IF;
    EXECUTE replace(definition, format(' ON %s ', ours), ' ON crm_test.mine ');
    RETURN pg_temp.said(CASE
        WHEN type & 4 <> 0  THEN 'INSERT INTO crm_test.mine DEFAULT VALUES'
        WHEN type & 8 <> 0  THEN 'DELETE FROM crm_test.mine'
        WHEN type & 32 <> 0 THEN 'TRUNCATE crm_test.mine'
        ELSE (SELECT 'UPDATE crm_test.mine SET ' || string_agg(format('%1$I = %1$I', attname), ', ')
              FROM pg_attribute WHERE attrelid = 'crm_test.mine'::regclass AND attnum > 0) END);
END $$;
SELECT is(pg_temp.forged(t.tgrelid::regclass, pg_get_triggerdef(t.oid), t.tgtype), format('42809 table crm_test.mine is not %s', t.tgrelid::regclass),
          t.tgname || ' of a table that is not ours')
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid::regclass::text LIKE 'crm.%' AND NOT t.tgisinternal
  AND p.proname NOT IN ('crm_enforce_workflow', 'crm_record_event', 'crm_protect_history',  -- these are for tables of anybody's
                        'crm_protect_ledger', 'crm_invalidate_cache', 'crm_forget_pages')   -- and these touch no other table
ORDER BY t.tgrelid::regclass::text, t.tgname;
DROP TABLE crm_test.mine;

-- the one that was found first: whoever may create a temporary table said what orders were paid
CREATE ROLE crm_test_forger;
INSERT INTO crm.orders (id, customer_id) VALUES (1, 1);
INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, 3);
SELECT is(pg_temp.said($$SET LOCAL ROLE crm_test_forger;
    CREATE TEMP TABLE p (order_id bigint, kind text, amount numeric);
    CREATE TRIGGER t AFTER INSERT ON p REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION public.crm_total_payments();
    INSERT INTO p VALUES (1, 'payment', 30)$$), '42809 table pg_temp.p is not crm.payments', 'payments that are not in the ledger');
RESET ROLE;
SELECT is(paid, 0::numeric, 'are not counted') FROM crm.orders;

-- The owner takes a NOT NULL away: that is an error where we need the value, and no crash.
ALTER TABLE crm.payments ALTER amount DROP NOT NULL, ALTER kind DROP NOT NULL;
ALTER TABLE crm.order_lines ALTER amount DROP NOT NULL, ALTER quantity DROP NOT NULL;
ALTER TABLE crm.workflows ALTER definition DROP NOT NULL;
ALTER TABLE crm.settings ALTER time_zone DROP NOT NULL, ALTER currency DROP NOT NULL;
ALTER TABLE crm.orders ALTER currency DROP NOT NULL;
SELECT is(pg_temp.said(statement), wanted, statement) FROM (VALUES
    ('INSERT INTO crm.payments (order_id, kind, amount) VALUES (1, ''payment'', NULL)', '23502 null value in column "amount" of table crm.payments'),
    ('INSERT INTO crm.payments (order_id, kind, amount) VALUES (1, NULL, 1)', '23502 null value in column "kind" of table crm.payments'),
    ('INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (1, 1, NULL)', '23502 null value in column "amount" of table crm.order_lines'),
    ('INSERT INTO crm.workflows (name, definition) VALUES (''none'', NULL)', 'done'),
    ('UPDATE crm.workflows SET definition = E''[*] --> a\na --> [*]\nclass a booked'' WHERE name = ''none''', 'done'),
    ('UPDATE crm.workflows SET definition = NULL WHERE name = ''none''', 'done'),
    ('UPDATE crm.settings SET currency = NULL', '55000 the reporting currency cannot be changed any more'),
    ('UPDATE crm.settings SET time_zone = NULL', '23514 new row for relation "settings" violates check constraint "settings_time_zone_is_known"'),
    ('UPDATE crm.orders SET currency = NULL', '23502 null value in column "currency" of table crm.orders')
) AS t(statement, wanted);

SELECT * FROM finish();
ROLLBACK;
