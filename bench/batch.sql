-- 500,000 orders, of which a batch takes every fifth; the tables of advance.sql, filled up.
INSERT INTO crm.orders (customer_id, workflow)
SELECT 1 + n % 1000, 'round' FROM generate_series(100001, 500000) n;
INSERT INTO floor.orders SELECT * FROM crm.orders WHERE id > 100000;
INSERT INTO floor.order_events SELECT * FROM crm.order_events WHERE order_id > 100000;
INSERT INTO plpgsql.orders SELECT * FROM crm.orders WHERE id > 100000;
INSERT INTO plpgsql.order_events SELECT * FROM crm.order_events WHERE order_id > 100000;

-- Single calls in a loop, in one transaction: of ours, and of the same logic in PL/pgSQL
CREATE FUNCTION advance_one_by_one() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR id IN 1 .. 500000 BY 5 LOOP
        PERFORM crm_advance_order(id, 'go');
    END LOOP;
END $$;
CREATE FUNCTION plpgsql.advance_one_by_one() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR id IN 1 .. 500000 BY 5 LOOP
        PERFORM plpgsql.advance_order(id, 'go');
    END LOOP;
END $$;

VACUUM ANALYZE;
CHECKPOINT;
