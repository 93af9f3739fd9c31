-- An order in one call: what it makes, what it refuses, and that it happens once.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SELECT plan(121);

CREATE ROLE crm_test_clerk;
CREATE ROLE crm_test_stranger;
GRANT USAGE ON SCHEMA crm TO crm_test_clerk, crm_test_stranger;
GRANT SELECT (id), INSERT ON crm.orders TO crm_test_clerk;
GRANT INSERT ON crm.order_lines TO crm_test_clerk;
INSERT INTO crm.customers (id, name) VALUES (1, 'Ada'), (2, '王小明');
INSERT INTO crm.products (id, sku, name, price, active) VALUES (1, 'TEA', 'Green tea', 4.90, true), (2, 'INK "x"', 'Ink', 7.2525, true),
    (3, 'OLD', 'Old', 1, false), (4, '茶', 'Tea', 3, false), (5, 'CARD', 'Card', 2, true);
INSERT INTO crm.exchange_rates VALUES ('USD', '2020-01-01', 0.9);
ALTER TABLE crm.orders ALTER COLUMN owner SET DEFAULT 'nobody yet';

\ir include/outcome.sql
CREATE FUNCTION pg_temp.lines(jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.outcome(format('SELECT public.crm_place_order(1, %L)', $1))
$$;
CREATE FUNCTION pg_temp.wrong() RETURNS SETOF bigint LANGUAGE sql AS $$
    SELECT o.id FROM crm.orders o LEFT JOIN (
        SELECT order_id, count(*) AS n, sum(discount) AS discount, sum(tax) AS tax, sum(amount) AS amount
        FROM crm.order_lines GROUP BY order_id) AS l ON l.order_id = o.id
    WHERE (o.line_count, o.discount, o.tax, o.total, o.balance)
          IS DISTINCT FROM (coalesce(l.n, 0)::integer, coalesce(l.discount, 0), coalesce(l.tax, 0), coalesce(l.amount, 0), coalesce(l.amount, 0))
       OR o.reporting_total IS DISTINCT FROM coalesce((SELECT sum(round(amount * o.exchange_rate, 2)) FROM crm.order_lines WHERE order_id = o.id), 0)
$$;

-- What it makes
SET LOCAL ROLE crm_test_clerk;
SET LOCAL crm.actor = 'Zoé';
SELECT is(crm_place_order(1, '[{"sku": "TEA", "quantity": 3}, {"product": 2, "quantity": "1.5", "discount": 0.5, "tax": 1.9}, {"product": "1", "quantity": 0.001, "unit_price": 5, "tax": null}]', 'by telephone'),
    1::bigint, 'an order has a number');
RESET ROLE;
SELECT results_eq('SELECT line_no, product_id, quantity, unit_price, discount, tax, amount FROM crm.order_lines WHERE order_id = 1 ORDER BY line_no', $$VALUES
    (1, 1::bigint, 3.000, 4.9000, 0.00, 0.00, 14.70), (2, 2, 1.500, 7.2525, 0.50, 1.90, 12.28), (3, 1, 0.001, 5.0000, 0.00, 0.00, 0.01)$$, 'the lines that were asked for');
SELECT results_eq('SELECT customer_id, workflow, status, version, currency, exchange_rate, owner, placed_at = now(), reference, line_count, discount, tax, total, reporting_total, balance, payment_status FROM crm.orders', $$VALUES
    (1::bigint, 'order', 'pending', 1, 'EUR', 1::numeric, 'nobody yet', true, NULL::text, 3, 0.50, 1.90, 26.99, 26.99, 26.99, 'unpaid')$$, 'defaults, and totals');
SELECT results_eq('SELECT seq, event, to_status, actor, role, note, request_key FROM crm.order_events', $$VALUES (1, 'create', 'pending', 'Zoé', 'crm_test_clerk', 'by telephone', NULL::text)$$, 'and a note in its history');
SELECT is(crm_place_order(2, '[{"sku": "TEA", "quantity": 1, "unit_price": 0.05}, {"sku": "TEA", "quantity": 1, "unit_price": 0.05}]', currency => 'USD', exchange_rate => 0.3,
    owner => 'Grace', reference => 'R-1', placed_at => '2024-02-29 12:00+00', attributes => '{"gift": true}', workflow => 'order'), 2::bigint, 'everything may be said');
SELECT results_eq('SELECT customer_id, currency, exchange_rate, owner, reference, placed_on, attributes, total, reporting_total FROM crm.orders WHERE id = 2', $$VALUES
    (2::bigint, 'USD', 0.3, 'Grace', 'R-1', date '2024-02-29', '{"gift": true}'::jsonb, 0.10, 0.04)$$, 'and is kept; lines are converted one by one');
SELECT is(crm_place_order(1, '[{"sku": "CARD", "quantity": 1, "discount": 2}]'), 3::bigint, 'a gift');
SELECT is((SELECT payment_status FROM crm.orders WHERE id = 3), 'paid', 'is paid');
SELECT is(crm_place_order(1, (SELECT jsonb_agg(jsonb_build_object('sku', 'TEA', 'quantity', n)) FROM generate_series(1, 5000) n)), 4::bigint, '5,000 lines');
SELECT is((SELECT line_count || ' ' || total FROM crm.orders WHERE id = 4), '5000 61262250.00', 'come to what they come to');
SELECT is_empty('SELECT pg_temp.wrong()', 'all totals are those of the lines');
SELECT is(crm_advance_order(1, 'submit'), 'submitted', 'and on they go');

-- Faults, and where they are
SELECT is(pg_temp.lines(lines::jsonb), said, lines) FROM (VALUES
    ('{}', '22023 lines is not an array with a line in it It looks like this: [{"sku": "TEA-100", "quantity": 2}].'),
    ('[]', '22023 lines is not an array with a line in it It looks like this: [{"sku": "TEA-100", "quantity": 2}].'),
    ('"x"', '22023 lines is not an array with a line in it It looks like this: [{"sku": "TEA-100", "quantity": 2}].'),
    ('null', '22023 lines is not an array with a line in it It looks like this: [{"sku": "TEA-100", "quantity": 2}].'),
    ('[1]', '22023 lines[0] is not an object A line looks like this: {"sku": "TEA-100", "quantity": 2}.'),
    ('[{"sku": "TEA", "quantity": 1}, [{}]]', '22023 lines[1] is not an object A line looks like this: {"sku": "TEA-100", "quantity": 2}.'),
    ('[{}]', '22023 lines[0] names no product It has neither "product" nor "sku".'),
    ('[{"sku": null, "quantity": 1}]', '22023 lines[0] names no product It has neither "product" nor "sku".'),
    ('[{"sku": "TEA", "product": 1, "quantity": 1}]', '22023 lines[0] names its product twice It has both "product" and "sku".'),
    ('[{"sku": 5, "quantity": 1}]', '22023 lines[0].sku is not a string A product is named by its number as "product", by its sku as "sku".'),
    ('[{"product": 1.5, "quantity": 1}]', '22023 lines[0].product is not a whole number It is 1.5.'),
    ('[{"product": "TEA", "quantity": 1}]', '22023 lines[0].product is not a number It is "TEA".'),
    ('[{"product": 1e30, "quantity": 1}]', '22023 lines[0].product is too large It is 1000000000000000000000000000000.'),
    ('[{"sku": "TEA"}]', '22023 lines[0].quantity is missing'),
    ('[{"sku": "TEA", "quantity": 1}, {"sku": "TEA", "quantity": 1}, {"sku": "TEA", "quantity": 1}, {"sku": "TEA", "quantity": "three"}]', '22023 lines[3].quantity is not a number It is "three".'),
    ('[{"sku": "TEA", "quantity": {"n": 1}}]', '22023 lines[0].quantity is not a number'),
    ('[{"sku": "TEA", "quantity": true}]', '22023 lines[0].quantity is not a number'),
    ('[{"sku": "TEA", "quantity": "NaN"}]', '22023 lines[0].quantity is not a number It is "NaN".'),
    ('[{"sku": "TEA", "quantity": "Infinity"}]', '22023 lines[0].quantity is not a number It is "Infinity".'),
    ('[{"sku": "TEA", "quantity": "-Infinity"}]', '22023 lines[0].quantity is not a number It is "-Infinity".'),
    ('[{"sku": "TEA", "quantity": 1, "unit_price": "NaN"}]', '22023 lines[0].unit_price is not a number It is "NaN".'),
    ('[{"sku": "TEA", "quantity": 1, "unit_price": "infinity"}]', '22023 lines[0].unit_price is not a number It is "infinity".'),
    ('[{"sku": "TEA", "quantity": 1, "discount": "NaN"}]', '22023 lines[0].discount is not a number It is "NaN".'),
    ('[{"sku": "TEA", "quantity": 1, "discount": "-inf"}]', '22023 lines[0].discount is not a number It is "-inf".'),
    ('[{"sku": "TEA", "quantity": 1, "tax": "nan"}]', '22023 lines[0].tax is not a number It is "nan".'),
    ('[{"sku": "TEA", "quantity": 1, "tax": "Infinity"}]', '22023 lines[0].tax is not a number It is "Infinity".'),
    ('[{"sku": "TEA", "quantity": ""}]', '22023 lines[0].quantity is not a number It is "".'),
    ('[{"sku": "TEA", "quantity": "1.2.3"}]', '22023 lines[0].quantity is not a number It is "1.2.3".'),
    ('[{"sku": "TEA", "quantity": 0}]', '22023 lines[0].quantity is not above zero It is 0.000.'),
    ('[{"sku": "TEA", "quantity": 0.0004}]', '22023 lines[0].quantity is not above zero It is 0.000.'),
    ('[{"sku": "TEA", "quantity": -1}]', '22023 lines[0].quantity is not above zero It is -1.000.'),
    ('[{"sku": "TEA", "quantity": 100000000000}]', '22023 lines[0].quantity is too large It is 100000000000.000.'),
    ('[{"sku": "TEA", "quantity": 1, "unit_price": -0.01}]', '22023 lines[0].unit_price is not above zero It is -0.0100. What is given away has its price, and a discount of all of it.'),
    ('[{"sku": "TEA", "quantity": 1, "unit_price": 0}]', '22023 lines[0].unit_price is not above zero It is 0.0000. What is given away has its price, and a discount of all of it.'),
    ('[{"sku": "TEA", "quantity": 1, "unit_price": 0.00004}]', '22023 lines[0].unit_price is not above zero It is 0.0000. What is given away has its price, and a discount of all of it.'),
    ('[{"sku": "TEA", "quantity": 1, "discount": -1}]', '22023 lines[0].discount is negative It is -1.00.'),
    ('[{"sku": "TEA", "quantity": 1, "tax": -1}]', '22023 lines[0].tax is negative It is -1.00.'),
    ('[{"sku": "TEA", "quantity": 1, "discount": 4.91}]', '22023 lines[0].discount is more than the line costs It is 4.91, and the line costs 4.90.'),
    ('[{"sku": "TEA", "quantity": 1, "qty": 1}]', '22023 lines[0].qty is unknown A line has product (a number) or sku, quantity, and may have unit_price, discount and tax.'),
    ('[{"sku": "TEA", "quantity": 1, "unitprice": 1}]', '22023 lines[0].unitprice is unknown A line has product (a number) or sku, quantity, and may have unit_price, discount and tax. Did you mean "unit_price"?'),
    ('[{"sku": "TEA", "quantity": 99999999999, "unit_price": 999999999}]', '22003 lines[0] costs too much An amount has room for 12 digits before the point.'),
    ('[{"sku": "TEA", "quantity": 1, "product": null, "unit_price": null, "discount": null}]', '00001 done')) AS c (lines, said);
SELECT is(regexp_replace(pg_temp.lines('[{"sku": "TEA", "quantity": 90000000, "unit_price": 10000}, {"sku": "TEA", "quantity": 90000000, "unit_price": 10000}]'), 'order \d+', 'order N'),
    '22003 column "total" of order N would become too large It has room for 12 digits before the point. Make more than one order of it.', 'an order that becomes too large');
-- Products: all that are unknown, all that are not sold, each once
SELECT is(pg_temp.lines('[{"sku": "X", "quantity": 1}]'), 'SL015 product "X" does not exist Look into table crm.products.', 'an unknown sku');
SELECT is(pg_temp.lines('[{"product": 77, "quantity": 1}]'), 'SL015 product number 77 does not exist Look into table crm.products.', 'an unknown number');
SELECT is(pg_temp.lines('[{"sku": "X", "quantity": 1}, {"sku": "TEA", "quantity": 1}, {"sku": "Y \"z\"", "quantity": 1}, {"sku": "X", "quantity": 1}, {"product": 77, "quantity": 1}]'),
    'SL015 3 products do not exist Unknown: "X", "Y "z"", number 77. Look into table crm.products.', 'several');
SELECT is(pg_temp.lines('[{"sku": "OLD", "quantity": 1}]'), 'SL016 product "OLD" is not sold any more It is not active. Choose others.', 'one that is not sold');
SELECT is(pg_temp.lines('[{"sku": "OLD", "quantity": 1}, {"sku": "茶", "quantity": 1}, {"product": 3, "quantity": 2}]'),
    'SL016 2 products are not sold any more Not active: "OLD", "茶". Choose others.', 'several');
SELECT is(pg_temp.lines('[{"sku": "OLD", "quantity": 1}, {"sku": "X", "quantity": 1}]'),
    'SL015 product "X" does not exist Unknown: "X". Not sold any more: "OLD". Look into table crm.products.', 'both');
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "OLD", "quantity": 1}]'')', current_user), 5), 'SL016', 'not even by the owner');
SELECT is(length(pg_temp.lines((SELECT jsonb_agg(jsonb_build_object('sku', n || repeat('茶', 5000), 'quantity', 1)) FROM generate_series(1, 2) n))) < 300, true, 'of long ones enough to find them by');
SELECT is(length(pg_temp.lines(jsonb_build_array(jsonb_build_object('sku', 'TEA', 'quantity', repeat('9', 100000))))) < 300, true, 'so with numbers');
SELECT is(length(pg_temp.lines(jsonb_build_array(jsonb_build_object('sku', 'TEA', repeat('x', 100000), 1)))) < 300, true, 'and fields');
-- 100,000 lines in one call
SELECT is(pg_temp.lines((SELECT jsonb_agg(jsonb_build_object('sku', 'X' || n, 'quantity', 1)) FROM generate_series(1, 100000) n)),
    (SELECT format('SL015 100000 products do not exist Unknown: %s. Look into table crm.products.', string_agg(format('"X%s"', n), ', ' ORDER BY n)) FROM generate_series(1, 100000) n), 'of 100,000 lines all that are unknown are listed');
SELECT is(pg_temp.lines((SELECT jsonb_agg(jsonb_build_object('sku', 'TEA', 'quantity', CASE n WHEN 100000 THEN -1 ELSE 1 END)) FROM generate_series(1, 100000) n)),
    '22023 lines[99999].quantity is not above zero It is -1.000.', 'and the one that is wrong is named');
SELECT crm_place_order(1, (SELECT jsonb_agg(jsonb_build_object('sku', 'TEA', 'quantity', n, 'tax', 0.01)) FROM generate_series(1, 100000) n)) AS id \gset
SELECT results_eq(format('SELECT line_count, tax, total, (SELECT max(line_no) FROM crm.order_lines WHERE order_id = id) FROM crm.orders WHERE id = %s', :id),
    $$VALUES (100000, 1000.00, 24500246000.00, 100000)$$, '100,000 lines are an order');
DELETE FROM crm.order_lines WHERE order_id = :id;
SELECT is((SELECT line_count || ' ' || total FROM crm.orders WHERE id = :id), '0 0.00', 'and go');
-- The rest
SELECT is(pg_temp.outcome('SELECT public.crm_place_order(NULL, ''[]'')'), '22004 customer_id must not be null crm_place_order() was called with a null customer_id. Give it a value.', 'no customer');
SELECT is(pg_temp.outcome('SELECT public.crm_place_order(1, NULL)'), '22004 lines must not be null crm_place_order() was called with a null lines. Give it a value.', 'no lines');
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(9, ''[{"sku": "TEA", "quantity": 1}]'')'), 5), '23503', 'an unknown customer');
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'', workflow => ''x'')'), 5), 'SL009', 'an unknown workflow');
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1, "unit_price": 1}]'', currency => ''CHF'')'), 5), 'SL018', 'a currency without a rate');
SELECT matches(pg_temp.outcome(format('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1, "unit_price": 1}]'', %s)', argument)), error, argument)
FROM (VALUES
    ($$currency => 'USD', exchange_rate => 'NaN'$$, '^23514 .*"orders_exchange_rate_is_positive"'), ($$currency => 'USD', exchange_rate => 'Infinity'$$, '^23514 .*"orders_exchange_rate_is_positive"'),
    ($$currency => 'USD', exchange_rate => 0$$, '^23514 .*"orders_exchange_rate_is_positive"'), ($$currency => 'USD', exchange_rate => -1$$, '^23514 .*"orders_exchange_rate_is_positive"'),
    ($$currency => 'USD', exchange_rate => 1e100$$, '^22003 column "reporting_total" of order \d+ would become too large'),
    ($$currency => 'usd'$$, '^23514 .*"orders_currency_is_an_iso_code"'), ($$currency => ''$$, '^23514 .*"orders_currency_is_an_iso_code"'),
    ($$exchange_rate => 1.1$$, '^22023 the exchange rate of EUR is 1 It is the reporting currency. The rate that was given is 1.1. Leave the exchange_rate out, or give the currency that it belongs to.$'),
    ($$exchange_rate => 1.00$$, '^00001 done$'),
    ($$placed_at => 'infinity'$$, '^23514 .*"orders_are_placed_1900_to_2999"'), ($$attributes => '[]'$$, '^23514 .*"orders_attributes_are_an_object"'),
    ($$request_key => ''$$, '^22023 a request key has 1 to 255 bytes')) AS bad (argument, error);
SELECT is(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'', currency => ''USD'')'),
    'SL017 product "TEA" has no price in USD Prices of products are in EUR. Give lines[0] a unit_price.', 'a price that is needed in another currency');
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'')', 'crm_test_stranger'), 5), '42501', 'it needs rights');
SELECT is_empty(format('SELECT id FROM crm.orders WHERE id > 4 AND id <> %s', :id), 'nothing of all that is left');
ALTER TABLE crm.order_events DISABLE TRIGGER USER;
DELETE FROM crm.order_events WHERE order_id = :id;
ALTER TABLE crm.order_events ENABLE TRIGGER USER;
DELETE FROM crm.orders WHERE id = :id;

-- Once
SELECT is(crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]', request_key => 'k') = crm_place_order(1, '[{"quantity": 1.0, "sku": "TEA"}]', request_key => 'k', note => 'again'), true, 'a request that comes again is not placed again');
SELECT is((SELECT count(*) FROM crm.orders WHERE id > 4), 1::bigint, 'there is one order');
SELECT is(regexp_replace(pg_temp.outcome(format('SELECT public.crm_place_order(%s, request_key => ''k'')', call)), 'order \d+', 'order N'),
    'SL012 request key "k" was used before It was used for order N, with another content. Choose a new key for each request; the same one only to repeat it.', call)
FROM unnest(ARRAY['2, ''[{"sku": "TEA", "quantity": 1}]''', '1, ''[{"sku": "TEA", "quantity": 2}]''', '1, ''[{"sku": "TEA", "quantity": 1}]'', reference => ''x''']) AS call;
SELECT crm_advance_order(2, 'submit', request_key => 'step');
SELECT is(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'', request_key => ''step'')'),
    'SL012 request key "step" was used before It was used for order 2, not to place it. Choose a new key for each request; the same one only to repeat it.', 'the key of a step');
SELECT throws_ok($$SELECT crm_advance_order(2, 'pay', request_key => 'k')$$, 'SL012', NULL, 'and the other way round');
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'', request_key => ''k'')', 'crm_test_stranger'), 5), '42501', 'a stranger learns nothing by a key');

-- Triggers of the user's
CREATE FUNCTION pg_temp.vat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.quantity = 13 THEN RETURN NULL; END IF;
    new.tax := round(new.quantity * new.unit_price * 0.2, 2);
    RETURN new;
END $$;
CREATE TRIGGER vat BEFORE INSERT ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION pg_temp.vat();
CREATE FUNCTION pg_temp.postage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.product_id = 1 THEN
        INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price) VALUES (new.order_id, 5, 1, 2);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER postage AFTER INSERT ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION pg_temp.postage();
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 10, "tax": 1}, {"product": 2, "quantity": 13}]') AS id \gset
SELECT is((SELECT line_count || ' ' || tax || ' ' || total FROM crm.orders WHERE id = :id), '2 10.20 61.20', 'what they make of lines counts');
SELECT crm_place_order(1, '[{"product": 2, "quantity": 13}]') AS id \gset
SELECT is((SELECT line_count || ' ' || total FROM crm.orders WHERE id = :id), '0 0.00', 'also if nothing is left');
SELECT is_empty('SELECT pg_temp.wrong()', 'all totals are those of the lines');
DROP TRIGGER vat ON crm.order_lines;
DROP TRIGGER postage ON crm.order_lines;
CREATE FUNCTION pg_temp.twin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.reference = 'twin' THEN
        INSERT INTO crm.orders (customer_id, reference) VALUES (new.customer_id, 'twin of ' || new.id);
        PERFORM public.crm_place_order(2, '[{"sku": "TEA", "quantity": 7}]', reference => 'twin 2');
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER twin BEFORE INSERT ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.twin();
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]', 'the first', reference => 'twin') AS id \gset
SELECT results_eq($$SELECT reference ~ '^twin of', line_count, total, note FROM crm.orders o JOIN crm.order_events e ON e.order_id = o.id WHERE reference ~ 'twin' ORDER BY total, reference$$, $$VALUES
    (true, 0, 0.00, NULL::text), (false, 1, 4.90, 'the first'), (false, 1, 34.30, NULL)$$, 'orders that a trigger makes meanwhile have totals and notes of their own');
SELECT is_empty('SELECT pg_temp.wrong()', 'all totals are those of the lines');

DROP TRIGGER twin ON crm.orders;
CREATE FUNCTION pg_temp.greeting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price, discount) VALUES (new.id, 5, 1, 0.5, 0), (new.id, 5, 1, 1, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER greeting AFTER INSERT ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.greeting();
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}, {"sku": "CARD", "quantity": 1, "discount": 2}]') AS id \gset
SELECT results_eq(format('SELECT line_no, product_id, amount FROM crm.order_lines WHERE order_id = %s ORDER BY line_no', :id),
    'VALUES (1, 5::bigint, 0.50), (2, 5, 0.00), (3, 1, 4.90), (4, 5, 0.00)', 'lines come behind those that a trigger gives the order');
SELECT is((SELECT line_count || ' ' || total FROM crm.orders WHERE id = :id), '4 5.40', 'and all count');
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1, "unit_price": 0.35}]', currency => 'USD') AS id \gset
SELECT is((SELECT concat_ws(' ', line_count, total, reporting_total) FROM crm.orders WHERE id = :id), '3 0.85 0.77', 'in another currency, too');
DROP TRIGGER greeting ON crm.orders;
CREATE FUNCTION pg_temp.hurry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.crm_advance_order(order_id, 'cancel') FROM (SELECT max(id) AS order_id FROM crm.orders) o WHERE (SELECT version FROM crm.orders WHERE id = order_id) = 1;
    RETURN new;
END $$;
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]') AS id \gset
CREATE TRIGGER hurry BEFORE INSERT ON crm.order_lines FOR EACH ROW EXECUTE FUNCTION pg_temp.hurry();
SELECT is(regexp_replace(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'')', current_user), 'order \d+', 'order N'),
    '27000 order N has taken a step before its lines were there A trigger, or a function that a column has as its default, has done so while the order was placed. Take the step in an AFTER INSERT trigger FOR EACH STATEMENT of table crm.order_lines, with a name behind "order_lines_total_inserted".',
    'no trigger cancels an order that is being placed, not even the owner''s');
DROP TRIGGER hurry ON crm.order_lines;
CREATE TRIGGER hurry AFTER INSERT ON crm.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.hurry();
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 1}]'')', current_user), 5), '27000', 'also before its first line');
DROP TRIGGER hurry ON crm.orders;
CREATE TRIGGER zz_hurry AFTER INSERT ON crm.order_lines FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.hurry();
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]') AS id \gset
SELECT is((SELECT concat_ws(' ', line_count, total, status) FROM crm.orders WHERE id = :id), '1 4.90 cancelled', 'when its lines are there, one may');
DROP TRIGGER zz_hurry ON crm.order_lines;
SELECT is_empty('SELECT pg_temp.wrong()', 'all totals are those of the lines');

-- A column's default may be a function that writes, too, and no trigger is between
CREATE FUNCTION pg_temp.writes() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('crm_test.writes', true) = 'on' THEN
        PERFORM set_config('crm_test.writes', 'off', true);
        INSERT INTO crm.orders (customer_id, owner) VALUES (2, 'inside');
        INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity)
        SELECT id, 99, 1, 1 FROM crm.orders WHERE owner = 'placed';
    END IF;
    RETURN NULL;
END $$;
ALTER TABLE crm.orders ALTER reference SET DEFAULT pg_temp.writes();
SET LOCAL crm_test.writes = 'on';
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]', 'mine', 'own key', owner => 'placed') AS id \gset
SELECT results_eq($$SELECT o.owner, line_count, total, note, e.request_key FROM crm.orders o JOIN crm.order_events e ON e.order_id = o.id WHERE o.owner IN ('inside', 'placed') ORDER BY o.owner$$, $$VALUES
    ('inside', 0, 0.00, NULL::text, NULL::text), ('placed', 1, 4.90, 'mine', 'own key')$$, 'an order that a default makes meanwhile has totals, note and key of its own');
ALTER TABLE crm.orders ALTER reference DROP DEFAULT;
ALTER TABLE crm.order_lines ADD remark text;
ALTER TABLE crm.order_lines ALTER remark SET DEFAULT pg_temp.writes();
SET LOCAL crm_test.writes = 'on';
UPDATE crm.orders SET owner = 'before' WHERE owner = 'placed';
SELECT crm_place_order(1, '[{"sku": "TEA", "quantity": 10}]', owner => 'placed') AS id \gset
SELECT results_eq(format('SELECT line_no, unit_price, amount FROM crm.order_lines WHERE order_id = %s ORDER BY line_no', :id), 'VALUES (1, 4.90::numeric(14,4), 49.00::numeric(14,2)), (99, 4.90, 4.90)', 'a line that a default adds is completed like any other');
SELECT is((SELECT line_count || ' ' || total FROM crm.orders WHERE id = :id), '2 53.90', 'and counted');
SELECT is_empty('SELECT pg_temp.wrong()', 'all totals are those of the lines');

-- Constraints that a user adds hold at once, and for whoever calls
SELECT public.crm_place_order(1, '[{"sku": "TEA", "quantity": 1}]') AS id \gset
ALTER TABLE crm.orders ADD CONSTRAINT small_orders CHECK (total < 100) NOT VALID;
SELECT matches(pg_temp.lines('[{"sku": "TEA", "quantity": 100}]'), '^23514 .*"small_orders"', 'a constraint of the user''s on orders');
SELECT is(pg_temp.lines('[{"sku": "TEA", "quantity": 1}]'), '00001 done', 'that others meet');
ALTER TABLE crm.orders DROP CONSTRAINT small_orders;
SELECT is(pg_temp.lines('[{"sku": "TEA", "quantity": 100}]'), '00001 done', 'and that goes');
CREATE FUNCTION pg_temp.is_even(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
ALTER TABLE crm.order_lines ADD CONSTRAINT even CHECK (pg_temp.is_even(quantity)) NOT VALID;
SELECT is(pg_temp.lines('[{"sku": "TEA", "quantity": 2}]'), '00001 done', 'one on lines');
SELECT matches(pg_temp.lines('[{"sku": "TEA", "quantity": 3}]'), '^23514 .*"even"', 'is met or not');
CREATE OR REPLACE FUNCTION pg_temp.is_even(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 1';
SELECT is(pg_temp.lines('[{"sku": "TEA", "quantity": 3}]'), '00001 done', 'as its function says now');
REVOKE EXECUTE ON FUNCTION pg_temp.is_even(numeric) FROM PUBLIC;
SELECT is(left(pg_temp.lines('[{"sku": "TEA", "quantity": 3}]'), 5), '42501', 'if the caller may call it');
SELECT is(left(pg_temp.outcome('SELECT public.crm_place_order(1, ''[{"sku": "TEA", "quantity": 3}]'')', current_user), 5), '00001', 'which another one may');
ALTER TABLE crm.order_lines DROP CONSTRAINT even;

SELECT * FROM finish();
ROLLBACK;
