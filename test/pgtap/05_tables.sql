-- What the tables refuse by themselves, and what the database fills in.
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION crm;
SET LOCAL TimeZone = 'UTC';
SELECT plan(210);

INSERT INTO crm.customers (id, code, name) VALUES (1, 'C1', 'José García'), (2, NULL, '王小明'), (3, NULL, 'Zoë'), (4, NULL, 'Bob');
INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'TEA', 'Green tea', 4.90), (2, 'CUP', 'Cup', 9.90);
INSERT INTO crm.orders (id, reference, customer_id) VALUES (1, 'R1', 1), (2, NULL, 1);
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (1, 1, 1, 3, 4.90);
INSERT INTO crm.payments (order_id, amount) VALUES (1, 5);
INSERT INTO crm.exchange_rates VALUES ('SEK', '2024-01-01', 0.09);
INSERT INTO crm.activities (id, customer_id, kind, subject, due_at) VALUES (1, 3, 'call', 'Needs tea', now());
INSERT INTO crm.opportunities (id, customer_id, name) VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 4, 'z');
INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) VALUES (1, 1, 2, 1, 4.90);

ALTER TABLE crm.customers ALTER COLUMN id RESTART WITH 1000;
ALTER TABLE crm.products ALTER COLUMN id RESTART WITH 1000;
ALTER TABLE crm.orders ALTER COLUMN id RESTART WITH 1000;

-- One failing case for each constraint, by name
CREATE TEMP TABLE cases (no serial, name name, state text, statement text);
INSERT INTO cases (name, state, statement) VALUES
    ('settings_have_one_row', '23505', $$INSERT INTO crm.settings DEFAULT VALUES$$),
    ('settings_id_is_true', '23514', $$INSERT INTO crm.settings (id) VALUES (false)$$),
    ('settings_currency_is_an_iso_code', '23514', $$UPDATE crm.settings SET currency = 'eur'$$),
    ('settings_currency_is_an_iso_code', '23514', $$UPDATE crm.settings SET currency = E'EUR\n'$$),
    ('settings_currency_is_an_iso_code', '23514', $$UPDATE crm.settings SET currency = 'XXX'$$),
    ('settings_neglect_takes_a_day', '23514', $$UPDATE crm.settings SET neglected_after_days = 0$$),
    ('settings_fiscal_year_starts_with_a_month', '23514', $$UPDATE crm.settings SET fiscal_year_start = 13$$),
    ('workflows_have_a_unique_name', '23505', $$INSERT INTO crm.workflows (name, definition) SELECT name, definition FROM crm.workflows$$),
    ('workflows_name_has_1_to_63_bytes', '23514', $$INSERT INTO crm.workflows (name, definition) SELECT '', definition FROM crm.workflows$$),
    ('workflows_name_has_1_to_63_bytes', '23514', $$INSERT INTO crm.workflows (name, definition) SELECT repeat('流', 22), definition FROM crm.workflows$$),
    ('workflow_versions_are_numbered', '23505', $$INSERT INTO crm.workflow_versions SELECT * FROM crm.workflow_versions$$),
    ('customers_have_a_unique_id', '23505', $$INSERT INTO crm.customers (id, name) VALUES (1, 'x')$$),
    ('customers_code_is_unique', '23505', $$INSERT INTO crm.customers (id, code, name) VALUES (9, 'C1', 'x')$$),
    ('customers_name_is_not_empty', '23514', $$INSERT INTO crm.customers (id, name) VALUES (9, '')$$),
    ('customers_kind_is_known', '23514', $$INSERT INTO crm.customers (id, kind, name) VALUES (9, 'robot', 'x')$$),
    ('customers_email_has_one_at_sign', '23514', $$UPDATE crm.customers SET email = ''$$),
    ('customers_email_has_one_at_sign', '23514', $$UPDATE crm.customers SET email = 'a@b@c'$$),
    ('customers_email_has_one_at_sign', '23514', $$UPDATE crm.customers SET email = E'a@b\n'$$),
    ('customers_only_persons_are_born', '23514', $$INSERT INTO crm.customers (id, kind, name, birth_date) VALUES (9, 'company', 'x', '1990-01-01')$$),
    ('customers_only_persons_are_born', '23514', $$INSERT INTO crm.customers (id, kind, name, gender) VALUES (9, 'company', 'x', 'female')$$),
    ('customers_birth_date_is_since_1850', '23514', $$UPDATE crm.customers SET birth_date = '1849-12-31'$$),
    ('customers_birth_date_is_since_1850', '23514', $$UPDATE crm.customers SET birth_date = current_date + 2$$),
    ('customers_birth_date_is_since_1850', '23514', $$UPDATE crm.customers SET birth_date = 'infinity'$$),
    ('customers_tags_are_words', '23514', $$UPDATE crm.customers SET tags = '{vip,""}'$$),
    ('customers_tags_are_words', '23514', $$UPDATE crm.customers SET tags = '{vip,NULL}'$$),
    ('customers_tags_are_words', '23514', $$UPDATE crm.customers SET tags = '{{vip},{late}}'$$),
    ('customers_are_entered_1900_to_2999', '23514', $$UPDATE crm.customers SET created_at = '-infinity'$$),
    ('customers_attributes_are_an_object', '23514', $$UPDATE crm.customers SET attributes = '[]'$$),
    ('customers_attributes_are_an_object', '23514', $$UPDATE crm.customers SET attributes = 'null'$$),
    ('products_have_a_unique_id', '23505', $$INSERT INTO crm.products (id, sku, name, price) VALUES (1, 'x', 'x', 1)$$),
    ('products_sku_is_unique', '23505', $$INSERT INTO crm.products (id, sku, name, price) VALUES (9, 'TEA', 'x', 1)$$),
    ('products_sku_is_not_empty', '23514', $$INSERT INTO crm.products (id, sku, name, price) VALUES (9, '', 'x', 1)$$),
    ('products_name_is_not_empty', '23514', $$INSERT INTO crm.products (id, sku, name, price) VALUES (9, 'x', '', 1)$$),
    ('products_price_is_positive', '23514', $$UPDATE crm.products SET price = -0.0001$$),
    ('products_price_is_positive', '23514', $$UPDATE crm.products SET price = 0.00004$$),
    ('products_price_is_positive', '23514', $$UPDATE crm.products SET price = 'NaN'$$),
    ('products_attributes_are_an_object', '23514', $$UPDATE crm.products SET attributes = '"x"'$$),
    ('orders_have_a_unique_id', '23505', $$INSERT INTO crm.orders (id, customer_id) VALUES (1, 1)$$),
    ('orders_reference_is_unique', '23505', $$INSERT INTO crm.orders (id, reference, customer_id) VALUES (9, 'R1', 1)$$),
    ('orders_belong_to_a_customer', '23503', $$INSERT INTO crm.orders (id, customer_id) VALUES (9, 99)$$),
    ('orders_belong_to_a_customer', '23503', $$DELETE FROM crm.customers WHERE id = 1$$),
    ('orders_follow_a_workflow', '23503', $$DELETE FROM crm.workflows WHERE name = 'order'$$),
    ('orders_currency_is_an_iso_code', '23514', $$INSERT INTO crm.orders (id, customer_id, currency) VALUES (9, 1, '€')$$),
    ('orders_currency_is_an_iso_code', '23514', $$UPDATE crm.orders SET currency = 'EURO' WHERE id = 2$$),
    ('orders_currency_is_an_iso_code', '23514', $$INSERT INTO crm.orders (customer_id, currency) VALUES (1, 'ABC')$$),
    ('orders_currency_is_an_iso_code', '23514', $$INSERT INTO crm.orders (customer_id, currency, exchange_rate) VALUES (1, 'XTS', 1)$$),
    ('orders_attributes_are_an_object', '23514', $$UPDATE crm.orders SET attributes = '1'$$),
    ('order_lines_are_numbered', '23505', $$INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (1, 1, 1, 1, 1)$$),
    ('order_lines_belong_to_an_order', '23503', $$INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (99, 1, 1, 1, 1)$$),
    ('order_lines_sell_a_product', '23503', $$INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price) VALUES (2, 1, 99, 1, 1)$$),
    ('order_lines_sell_a_product', '23503', $$DELETE FROM crm.products$$),
    ('order_lines_line_no_is_positive', '23514', $$UPDATE crm.order_lines SET line_no = 0$$),
    ('order_lines_quantity_is_positive', '23514', $$UPDATE crm.order_lines SET quantity = 0$$),
    ('order_lines_quantity_is_positive', '23514', $$UPDATE crm.order_lines SET quantity = -1$$),
    ('order_lines_quantity_is_positive', '23514', $$UPDATE crm.order_lines SET quantity = 0.0004$$),
    ('order_lines_quantity_is_positive', '23514', $$UPDATE crm.order_lines SET quantity = 'NaN'$$),
    ('order_lines_unit_price_is_positive', '23514', $$UPDATE crm.order_lines SET unit_price = -1$$),
    ('order_lines_unit_price_is_positive', '23514', $$UPDATE crm.order_lines SET unit_price = 0.00004$$),
    ('order_lines_unit_price_is_positive', '23514', $$UPDATE crm.order_lines SET unit_price = 'NaN'$$),
    ('order_lines_discount_is_not_negative', '23514', $$UPDATE crm.order_lines SET discount = -1$$),
    ('order_lines_discount_is_not_above_the_price', '23514', $$UPDATE crm.order_lines SET discount = 'NaN'$$),
    ('order_lines_discount_is_not_above_the_price', '23514', $$UPDATE crm.order_lines SET discount = 14.71$$),
    ('order_lines_tax_is_not_negative', '23514', $$UPDATE crm.order_lines SET tax = -1$$),
    ('order_lines_tax_is_not_negative', '23514', $$UPDATE crm.order_lines SET tax = 'NaN'$$),
    ('orders_exchange_rate_is_positive', '23514', $$UPDATE crm.orders SET exchange_rate = 0$$),
    ('orders_exchange_rate_is_positive', '23514', $$UPDATE crm.orders SET exchange_rate = -1$$),
    ('orders_exchange_rate_is_positive', '23514', $$UPDATE crm.orders SET exchange_rate = 'NaN'$$),
    ('orders_exchange_rate_is_positive', '23514', $$INSERT INTO crm.orders (customer_id, exchange_rate) VALUES (1, 'Infinity')$$),
    ('orders_are_placed_1900_to_2999', '23514', $$INSERT INTO crm.orders (customer_id, placed_at) VALUES (1, 'infinity')$$),
    ('orders_are_placed_1900_to_2999', '23514', $$INSERT INTO crm.orders (customer_id, placed_at) VALUES (1, '-infinity')$$),
    ('orders_are_placed_1900_to_2999', '23514', $$UPDATE crm.orders SET placed_at = '20261-11-23' WHERE id = 1$$),
    -- not even the owner, with the trigger out of the way
    ('orders_totals_are_not_negative', '23514', $$ALTER TABLE crm.orders DISABLE TRIGGER orders_keep_totals; UPDATE crm.orders SET line_count = -1 WHERE id = 1$$),
    ('orders_reporting_total_is_total_at_rate_1', '23514', $$ALTER TABLE crm.orders DISABLE TRIGGER orders_keep_totals; UPDATE crm.orders SET reporting_total = 1 WHERE id = 1$$),
    ('orders_refunds_are_not_above_payments', '23514', $$ALTER TABLE crm.orders DISABLE TRIGGER orders_keep_totals; UPDATE crm.orders SET refunded = 20, balance = 29.70, payment_status = 'partly_refunded' WHERE id = 1$$),
    ('orders_balance_is_what_is_owed', '23514', $$ALTER TABLE crm.orders DISABLE TRIGGER orders_keep_totals; UPDATE crm.orders SET balance = 1 WHERE id = 1$$),
    ('orders_payment_status_follows_the_sums', '23514', $$ALTER TABLE crm.orders DISABLE TRIGGER orders_keep_totals; UPDATE crm.orders SET payment_status = 'paid' WHERE id = 1$$),
    ('exchange_rates_are_there_once_a_day', '23505', $$INSERT INTO crm.exchange_rates VALUES ('SEK', '2024-01-01', 0.1)$$),
    ('exchange_rates_currency_is_an_iso_code', '23514', $$INSERT INTO crm.exchange_rates VALUES ('kr', '2024-01-01', 0.1)$$),
    ('exchange_rates_currency_is_an_iso_code', '23514', $$INSERT INTO crm.exchange_rates VALUES ('SEC', '2024-01-01', 0.1)$$),
    ('exchange_rates_rate_is_positive', '23514', $$UPDATE crm.exchange_rates SET rate = 0$$),
    ('exchange_rates_rate_is_positive', '23514', $$UPDATE crm.exchange_rates SET rate = 'NaN'$$),
    ('exchange_rates_rate_is_positive', '23514', $$UPDATE crm.exchange_rates SET rate = 'Infinity'$$),
    ('payments_are_numbered', '23505', $$INSERT INTO crm.payments (order_id, payment_no, amount) VALUES (1, 1, 1)$$),
    ('payments_belong_to_an_order', '23503', $$INSERT INTO crm.payments (order_id, amount) VALUES (99, 1)$$),
    ('payments_payment_no_is_positive', '23514', $$INSERT INTO crm.payments (order_id, payment_no, amount) VALUES (1, 0, 1)$$),
    ('payments_kind_is_payment_or_refund', '23514', $$INSERT INTO crm.payments (order_id, kind, amount) VALUES (1, 'gift', 1)$$),
    ('payments_amount_is_positive', '23514', $$INSERT INTO crm.payments (order_id, amount) VALUES (1, 0)$$),
    ('payments_amount_is_positive', '23514', $$INSERT INTO crm.payments (order_id, amount) VALUES (1, -1)$$),
    ('payments_amount_is_positive', '23514', $$INSERT INTO crm.payments (order_id, amount) VALUES (1, 'NaN')$$),
    ('payments_are_settled_1900_to_2999', '23514', $$INSERT INTO crm.payments (order_id, amount, at) VALUES (1, 1, 'infinity')$$),
    ('payments_are_settled_1900_to_2999', '23514', $$INSERT INTO crm.payments (order_id, amount, at) VALUES (1, 1, '0026-11-23')$$),
    ('payments_request_key_has_1_to_255_bytes', '23514', $$INSERT INTO crm.payments (order_id, amount, request_key) VALUES (1, 1, '')$$),
    ('guards_have_a_unique_name', '23505', $$INSERT INTO crm.guards (workflow, name, condition) VALUES ('order', 'x', 'true'), ('order', 'x', 'false')$$),
    ('guards_workflow_has_1_to_63_bytes', '23514', $$INSERT INTO crm.guards (workflow, name, condition) VALUES ('', 'x', 'true')$$),
    ('guards_name_has_1_to_255_bytes', '23514', $$INSERT INTO crm.guards (workflow, name, condition) VALUES ('order', '', 'true')$$),
    ('customers_region_has_at_most_400_bytes', '23514', $$UPDATE crm.customers SET region = repeat('ä', 201)$$),
    ('products_category_has_at_most_400_bytes', '23514', $$UPDATE crm.products SET category = repeat('ä', 201)$$),
    ('orders_owner_has_at_most_400_bytes', '23514', $$UPDATE crm.orders SET owner = repeat('ä', 201)$$),
    ('opportunities_owner_has_at_most_400_bytes', '23514', $$INSERT INTO crm.opportunities (id, customer_id, name, owner) VALUES (77, 1, 'x', repeat('ä', 201))$$),
    ('settings_time_zone_is_known', '23514', $$UPDATE crm.settings SET time_zone = 'EST'$$),
    ('activities_have_a_unique_id', '23505', $$INSERT INTO crm.activities (id, customer_id, kind, subject, due_at) VALUES (1, 1, 'call', 'x', now())$$),
    ('activities_are_for_a_customer', '23503', $$INSERT INTO crm.activities (id, customer_id, kind, subject, due_at) VALUES (9, 99, 'call', 'x', now())$$),
    ('activities_are_for_a_customer', '23503', $$DELETE FROM crm.customers WHERE id = 3$$),
    ('activities_order_is_of_the_customer', '23503', $$UPDATE crm.activities SET order_id = 2$$),
    ('activities_order_is_of_the_customer', '23503', $$UPDATE crm.activities SET order_id = 99$$),
    ('activities_kind_is_known', '23514', $$UPDATE crm.activities SET kind = 'fax'$$),
    ('activities_subject_is_not_empty', '23514', $$UPDATE crm.activities SET subject = ''$$),
    ('activities_are_planned_or_done', '23514', $$UPDATE crm.activities SET due_at = NULL$$),
    ('activities_outcome_is_of_one_done', '23514', $$UPDATE crm.activities SET outcome = 'x'$$),
    ('activities_are_not_done_tomorrow', '23514', $$UPDATE crm.activities SET done_at = now() + interval '1 day'$$),
    ('activities_are_due_1900_to_2999', '23514', $$UPDATE crm.activities SET due_at = '1899-12-31 23:59:59+00'$$),
    ('activities_are_due_1900_to_2999', '23514', $$UPDATE crm.activities SET due_at = 'infinity'$$),
    ('activities_are_done_since_1900', '23514', $$UPDATE crm.activities SET done_at = '-infinity'$$),
    ('activities_attributes_are_an_object', '23514', $$UPDATE crm.activities SET attributes = '[]'$$),
    ('activities_opportunity_is_of_the_customer', '23503', $$UPDATE crm.activities SET opportunity_id = 1$$),
    ('opportunities_have_a_unique_id', '23505', $$INSERT INTO crm.opportunities (id, customer_id, name) VALUES (1, 1, 'x')$$),
    ('opportunities_become_one_order_each', '23505', $$UPDATE crm.opportunities SET order_id = 1$$),
    ('opportunities_are_of_a_customer', '23503', $$INSERT INTO crm.opportunities (id, customer_id, name) VALUES (9, 99, 'x')$$),
    ('opportunities_are_of_a_customer', '23503', $$DELETE FROM crm.customers WHERE id = 4$$),
    ('opportunities_order_is_of_the_customer', '23503', $$UPDATE crm.opportunities SET order_id = 2 WHERE id = 3$$),
    ('opportunities_follow_a_workflow', '23503', $$DELETE FROM crm.workflows WHERE name = 'opportunity'$$),
    ('opportunities_name_is_not_empty', '23514', $$UPDATE crm.opportunities SET name = ''$$),
    ('opportunities_amount_is_not_negative', '23514', $$UPDATE crm.opportunities SET amount = -0.01 WHERE id = 3$$),
    ('opportunities_amount_is_not_negative', '23514', $$UPDATE crm.opportunities SET amount = 'NaN' WHERE id = 3$$),
    ('opportunities_currency_is_an_iso_code', '23514', $$UPDATE crm.opportunities SET currency = 'Euro'$$),
    ('opportunities_currency_is_an_iso_code', '23514', $$UPDATE crm.opportunities SET currency = 'DEM'$$),
    ('opportunities_probability_is_0_to_100', '23514', $$UPDATE crm.opportunities SET probability = -0.01$$),
    ('opportunities_probability_is_0_to_100', '23514', $$UPDATE crm.opportunities SET probability = 100.01$$),
    ('opportunities_probability_is_0_to_100', '23514', $$UPDATE crm.opportunities SET probability = 'NaN'$$),
    ('opportunities_close_1900_to_2999', '23514', $$UPDATE crm.opportunities SET expected_close = 'infinity'$$),
    ('opportunities_attributes_are_an_object', '23514', $$UPDATE crm.opportunities SET attributes = '[]'$$),
    ('opportunity_lines_are_numbered', '23505', $$INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) VALUES (1, 1, 1, 1, 1)$$),
    ('opportunity_lines_belong_to_an_opportunity', '23503', $$INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) VALUES (99, 1, 1, 1, 1)$$),
    ('opportunity_lines_offer_a_product', '23503', $$INSERT INTO crm.opportunity_lines (opportunity_id, line_no, product_id, quantity, unit_price) VALUES (2, 1, 99, 1, 1)$$),
    ('opportunity_lines_offer_a_product', '23503', $$DELETE FROM crm.products WHERE id = 2$$),
    ('opportunity_lines_line_no_is_positive', '23514', $$UPDATE crm.opportunity_lines SET line_no = 0$$),
    ('opportunity_lines_quantity_is_positive', '23514', $$UPDATE crm.opportunity_lines SET quantity = 0$$),
    ('opportunity_lines_quantity_is_positive', '23514', $$UPDATE crm.opportunity_lines SET quantity = 'NaN'$$),
    ('opportunity_lines_unit_price_is_positive', '23514', $$UPDATE crm.opportunity_lines SET unit_price = -0.0001$$),
    ('opportunity_lines_unit_price_is_positive', '23514', $$UPDATE crm.opportunity_lines SET unit_price = 0$$),
    ('opportunity_lines_unit_price_is_positive', '23514', $$UPDATE crm.opportunity_lines SET unit_price = 'NaN'$$),
    ('opportunity_lines_discount_is_not_negative', '23514', $$UPDATE crm.opportunity_lines SET discount = -1$$),
    ('opportunity_lines_discount_is_not_above_the_price', '23514', $$UPDATE crm.opportunity_lines SET discount = 4.91$$),
    ('opportunity_lines_tax_is_not_negative', '23514', $$UPDATE crm.opportunity_lines SET tax = 'NaN'$$),
    ('opportunity_events_are_numbered', '23505', $$INSERT INTO crm.opportunity_events SELECT * FROM crm.opportunity_events$$),
    ('opportunity_events_belong_to_an_opportunity', '23503', $$DELETE FROM crm.opportunities WHERE id = 3$$),
    ('stage_probabilities_are_given_once', '23505', $$INSERT INTO crm.stage_probabilities VALUES ('opportunity', 'lead', 1)$$),
    ('stage_probabilities_are_of_a_workflow', '23503', $$INSERT INTO crm.stage_probabilities VALUES ('x', 'lead', 1)$$),
    ('stage_probabilities_are_0_to_100', '23514', $$UPDATE crm.stage_probabilities SET probability = -1$$),
    ('stage_probabilities_are_0_to_100', '23514', $$UPDATE crm.stage_probabilities SET probability = 'NaN'$$),
    ('rollups_have_a_unique_name', '23505', $$INSERT INTO crm.rollups VALUES ('sales_by_day', 'line', '{day}', 'crm.sales_by_day_cells')$$),
    ('rollups_name_has_1_to_55_bytes', '23514', $$INSERT INTO crm.rollups VALUES ('', 'line', '{day}', 'crm.sales_by_day_cells')$$),
    ('rollups_grain_is_known', '23514', $$INSERT INTO crm.rollups VALUES ('x', 'lines', '{day}', 'crm.sales_by_day_cells')$$),
    ('buyers_by_month_are_one', '23505', $$INSERT INTO crm.buyers_by_month VALUES ('2026-01-01', 1), ('2026-01-01', 2)$$),
    ('change_tables_are_listed_once', '23505', $$INSERT INTO crm.change_tables (name) VALUES ('line_changes_1')$$),
    ('merge_state_is_one_row', '23505', $$INSERT INTO crm.merge_state DEFAULT VALUES$$),
    ('merge_state_id_is_true', '23514', $$UPDATE crm.merge_state SET id = false$$),
    ('rollup_categories_are_known_once', '23505', $$INSERT INTO crm.rollup_categories VALUES (1, 'a'), (1, 'b')$$),
    ('rollup_regions_are_known_once', '23505', $$INSERT INTO crm.rollup_regions VALUES (1, 'a'), (1, 'b')$$),
    ('sales_by_day_are_one', '23505', $$INSERT INTO crm.sales_by_day_cells VALUES ('2024-01-01', 1, 1, 1, 1), ('2024-01-01', 1, 1, 1, 1)$$),
    ('sales_by_product_month_are_one', '23505', $$INSERT INTO crm.sales_by_product_month_cells VALUES (1, '2024-01-01', 1, 1, 1, 1), (1, '2024-01-01', 1, 1, 1, 1)$$),
    ('sales_by_category_month_are_one', '23505', $$INSERT INTO crm.sales_by_category_month_cells VALUES (NULL, '2024-01-01', 1, 1, 1, 1), (NULL, '2024-01-01', 1, 1, 1, 1)$$),
    ('sales_by_region_month_are_one', '23505', $$INSERT INTO crm.sales_by_region_month_cells VALUES (NULL, '2024-01-01', 1, 1, 1, 1), (NULL, '2024-01-01', 1, 1, 1, 1)$$),
    ('sales_by_customer_month_are_one', '23505', $$INSERT INTO crm.sales_by_customer_month_cells VALUES (1, '2024-01-01', 1, 1, 1, 1), (1, '2024-01-01', 1, 1, 1, 1)$$),
    ('orders_by_status_are_one', '23505', $$INSERT INTO crm.orders_by_status_cells VALUES ('w', 'x', '2024-01-01', 1, 1, 1), ('w', 'x', '2024-01-01', 1, 1, 1)$$),
    ('steps_by_day_are_one', '23505', $$INSERT INTO crm.steps_by_day_cells VALUES (NULL, 'x', '2024-01-01', 1, 1, 1), (NULL, 'x', '2024-01-01', 1, 1, 1)$$),
    ('order_events_are_numbered', '23505', $$INSERT INTO crm.order_events SELECT * FROM crm.order_events$$),
    ('order_events_belong_to_an_order', '23503', $$INSERT INTO crm.order_events SELECT 99, seq, at, event, from_status, to_status, dwell, actor, role, note, NULL, false, workflow FROM crm.order_events WHERE order_id = 1$$),
    ('order_events_belong_to_an_order', '23503', $$DELETE FROM crm.orders WHERE id = 1$$);

CREATE FUNCTION pg_temp.violation(statement text, OUT state text, OUT name name)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := '00000';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, name = CONSTRAINT_NAME;
END $$;
SELECT is((SELECT state || ' ' || v.name FROM pg_temp.violation(statement) v), cases.state || ' ' || cases.name, statement)
FROM cases ORDER BY no;
-- 'time zone "..." not recognized' comes from PostgreSQL itself, before the constraint says a word.
SELECT throws_ok($$UPDATE crm.settings SET time_zone = 'Mars/Olympus'$$, '22023', 'time zone "Mars/Olympus" not recognized', 'settings_time_zone_is_known');
SELECT is_empty($$
    SELECT conname FROM pg_constraint WHERE connamespace = 'crm'::regnamespace AND contype IN ('c', 'p', 'u', 'f', 'x')
    AND conname NOT IN (SELECT name FROM cases) AND conname <> 'settings_time_zone_is_known'
    AND conname NOT LIKE '%\_have\_one\_customer' -- follow from the primary keys$$, 'every constraint has its case');

-- NOT NULL and overflow
SELECT throws_ok(statement, '23502', NULL, statement) FROM unnest(ARRAY[
    $$INSERT INTO crm.customers (name) VALUES (NULL)$$, $$INSERT INTO crm.orders (customer_id) VALUES (NULL)$$,
    $$INSERT INTO crm.orders (customer_id, placed_at) VALUES (1, NULL)$$, $$UPDATE crm.orders SET currency = NULL$$,
    $$UPDATE crm.settings SET time_zone = NULL$$]) AS statement;
SELECT throws_ok($$UPDATE crm.order_lines SET quantity = 99999999999, unit_price = 9999999999$$, '22003', NULL, 'an amount that is too large');
SELECT throws_ok($$UPDATE crm.products SET price = 'Infinity'$$, '22003', NULL, 'an infinite price');

-- What is welcome
SELECT lives_ok($$INSERT INTO crm.customers (name, birth_date) VALUES ('Leap', '2000-02-29'), ('Old', '1900-01-01')$$, 'a birthday on a leap day');
SELECT lives_ok($$INSERT INTO crm.products (sku, name, price) VALUES ('SCREW', 'Screw', 0.0001)$$, 'a very low price');
SELECT lives_ok($$DELETE FROM crm.customers WHERE id = 2$$, 'a customer without orders may go');

-- Amounts
CREATE FUNCTION pg_temp.amount(quantity numeric, unit_price numeric, discount numeric DEFAULT 0, tax numeric DEFAULT 0) RETURNS numeric
LANGUAGE sql AS $$ UPDATE crm.order_lines SET quantity = $1, unit_price = $2, discount = $3, tax = $4 WHERE (order_id, line_no) = (1, 1) RETURNING amount $$;
SELECT is(pg_temp.amount(3, 4.90), 14.70, 'an amount is quantity times price');
SELECT is(pg_temp.amount(1, 0.005), 0.01, 'rounded to cents, half away from zero');
SELECT is(pg_temp.amount(1.005, 1), 1.01, 'exactly, as no float is');
SELECT is(pg_temp.amount(3, 0.3333), 1.00, 'per line, not per unit');
SELECT is(pg_temp.amount(10, 2.5, 5, 3.80), 23.80, 'minus discount, plus tax');
SELECT throws_ok($$UPDATE crm.order_lines SET amount = 1$$, '428C9', 'column "amount" can only be updated to DEFAULT', 'it is not written by hand');

-- Currencies: each is found, and nothing else is one
SELECT is((SELECT string_agg(code, ' ' ORDER BY code) FROM (
    SELECT chr(65 + a) || chr(65 + b) || chr(65 + c) AS code FROM generate_series(0, 25) a, generate_series(0, 25) b, generate_series(0, 25) c) x
    WHERE crm_is_currency(code)), array_to_string(ARRAY[
    'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK',
    'DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT',
    'LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF',
    'SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST',
    'XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR ZMW ZWG ZWL'], ' '), 'the currencies of ISO 4217');
SELECT is(array(SELECT code FROM unnest(ARRAY['', 'E', 'EU', 'EURO', 'eur', 'Eur', 'EUR ', ' EUR', E'EUR\n', '€', 'ＥＵＲ']) AS code WHERE crm_is_currency(code)), '{}', 'in three capitals');
SELECT is(crm_is_currency(NULL), NULL, 'nothing is no code, and no other either');

-- The day of an order
SELECT is((SELECT currency FROM crm.orders WHERE id = 1), 'EUR', 'the currency comes from the settings');
CREATE FUNCTION pg_temp.day(placed_at timestamptz) RETURNS text LANGUAGE sql AS $$
    INSERT INTO crm.orders (customer_id, placed_at, placed_on) VALUES (1, placed_at, '1999-01-01') RETURNING placed_on || ' ' || currency
$$;
SELECT is(pg_temp.day('2024-02-29 20:00+00'), '2024-02-29 EUR', 'placed_on is the day in UTC, whatever was given for it');
SELECT throws_ok($$UPDATE crm.settings SET currency = 'TWD'$$, '55000', 'the reporting currency cannot be changed any more', 'once there are orders, the reporting currency stays');
SELECT lives_ok($$UPDATE crm.settings SET currency = 'EUR', neglected_after_days = 80$$, 'to say it again is no change');
SAVEPOINT s;
ALTER TABLE crm.orders DISABLE TRIGGER USER;
TRUNCATE crm.orders CASCADE;
SELECT lives_ok($$UPDATE crm.settings SET currency = 'TWD'$$, 'without orders it may change');
ROLLBACK TO s;
ALTER TABLE crm.settings DISABLE TRIGGER settings_keep_currency;
UPDATE crm.settings SET time_zone = 'Asia/Taipei', currency = 'TWD';
SELECT is(pg_temp.day('2024-02-29 20:00+00'), '2024-03-01 TWD', 'a changed time zone and currency hold at once');
SET LOCAL TimeZone = 'America/Los_Angeles';
SELECT is(pg_temp.day('2024-02-29 20:00+00'), '2024-03-01 TWD', 'the TimeZone of the session does not matter');
INSERT INTO crm.orders (id, customer_id, placed_at, currency, exchange_rate) VALUES (7, 1, '2024-12-31 17:00+00', 'USD', 32);
SELECT is((SELECT placed_on || ' ' || currency FROM crm.orders WHERE id = 7), '2025-01-01 USD', 'a currency that is given stays');
UPDATE crm.orders SET placed_at = '2024-12-31 15:59:59+00' WHERE id = 7;
SELECT is((SELECT placed_on FROM crm.orders WHERE id = 7), '2024-12-31'::date, 'placed_on follows placed_at');
UPDATE crm.orders SET placed_on = '1999-01-01' WHERE id = 7;
SELECT is((SELECT placed_on FROM crm.orders WHERE id = 7), '2024-12-31'::date, 'and nothing else');
SELECT throws_ok($$INSERT INTO crm.orders (customer_id, placed_at) VALUES (1, '294276-12-31 23:59:59+00')$$, '22008', NULL, 'a day that does not exist');
SAVEPOINT s;
UPDATE crm.settings SET time_zone = 'UTC', currency = 'USD';
ROLLBACK TO s;
SELECT is(pg_temp.day('2024-02-29 20:00+00'), '2024-03-01 TWD', 'settings that were rolled back do not hold');
ALTER TABLE crm.settings ENABLE TRIGGER settings_keep_currency;
SELECT throws_ok(statement, '55000', 'the row of crm.settings cannot be taken away any more', statement)
FROM unnest(ARRAY['DELETE FROM crm.settings', 'TRUNCATE crm.settings']) AS statement;
CREATE FUNCTION pg_temp.move_currency() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.currency := 'USD'; RETURN new; END $$;
CREATE TRIGGER move_currency BEFORE UPDATE ON crm.settings FOR EACH ROW EXECUTE FUNCTION pg_temp.move_currency();
SELECT throws_ok('UPDATE crm.settings SET neglected_after_days = 70', '55000', 'the reporting currency cannot be changed any more', 'nor by a trigger');
DROP TRIGGER move_currency ON crm.settings;
SAVEPOINT s;
TRUNCATE crm.orders CASCADE;
SELECT throws_ok($$WITH s AS (UPDATE crm.settings SET currency = 'USD' RETURNING 1) INSERT INTO crm.orders (customer_id) SELECT 1 FROM s$$,
    '55000', 'the reporting currency cannot be changed any more', 'nor beside the first order');
ROLLBACK TO s;
SAVEPOINT s;
SELECT lives_ok('TRUNCATE crm.settings, crm.orders CASCADE', 'they go together with the orders');
ROLLBACK TO s;
ALTER TABLE crm.settings DISABLE TRIGGER settings_keep_currency;
SELECT throws_ok($$DELETE FROM crm.settings; INSERT INTO crm.orders (customer_id) VALUES (1)$$, 'P0002', 'table "crm.settings" is empty', 'without settings there is no order');
ALTER TABLE crm.settings ENABLE TRIGGER settings_keep_currency;
SELECT is(pg_temp.day('2024-02-29 20:00+00'), '2024-03-01 TWD', 'with them there is');
-- numbers
SELECT lives_ok($$INSERT INTO crm.customers (name) VALUES ('x'); INSERT INTO crm.products (sku, name, price) VALUES ('y', 'y', 1)$$, 'numbers are given by the database');

SELECT * FROM finish();
ROLLBACK;
