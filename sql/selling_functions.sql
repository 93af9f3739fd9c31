
-- Orders.
CREATE FUNCTION @extschema@.crm_place_order(customer_id bigint, lines jsonb, note text DEFAULT NULL,
        request_key text DEFAULT NULL, currency text DEFAULT NULL, exchange_rate numeric DEFAULT NULL,
        owner text DEFAULT NULL, reference text DEFAULT NULL, placed_at timestamptz DEFAULT NULL,
        attributes jsonb DEFAULT NULL, workflow text DEFAULT NULL)
    RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION @extschema@.crm_place_order(bigint, jsonb, text, text, text, numeric, text, text, timestamptz, jsonb, text) IS
    'Places an order with its lines, [{"sku": "TEA-100", "quantity": 2}, ...], and returns its number';

-- Money.
CREATE FUNCTION @extschema@.crm_record_payment(order_id bigint, amount numeric, method text DEFAULT NULL,
        reference text DEFAULT NULL, request_key text DEFAULT NULL, note text DEFAULT NULL, currency text DEFAULT NULL)
    RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.crm_record_refund(order_id bigint, amount numeric, method text DEFAULT NULL,
        reference text DEFAULT NULL, request_key text DEFAULT NULL, note text DEFAULT NULL, currency text DEFAULT NULL)
    RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION @extschema@.crm_record_payment(bigint, numeric, text, text, text, text, text) IS
    'Records money received for an order, and returns the number of the payment';
COMMENT ON FUNCTION @extschema@.crm_record_refund(bigint, numeric, text, text, text, text, text) IS
    'Records money given back, never more than was paid, and returns the number of the refund';

-- Currencies; constraints call this.
CREATE FUNCTION @extschema@.crm_is_currency(code text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION @extschema@.crm_is_currency(text) IS 'Whether that is the code of a currency in ISO 4217, in capitals';

-- What keeps lines, payments and sums in order: trigger functions.
CREATE FUNCTION @extschema@.crm_keep_totals() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_check_order_line() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_total_order_lines() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_check_payment() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_total_payments() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.crm_protect_ledger() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;

COMMENT ON FUNCTION @extschema@.crm_keep_totals() IS 'Trigger: nobody writes the sums of an order by hand';
COMMENT ON FUNCTION @extschema@.crm_check_order_line() IS 'Trigger: lines change only in statuses of class editable, and have a number and a price';
COMMENT ON FUNCTION @extschema@.crm_total_order_lines() IS 'Trigger: keeps the totals of orders';
COMMENT ON FUNCTION @extschema@.crm_check_payment() IS 'Trigger: numbers, dates and signs payments';
COMMENT ON FUNCTION @extschema@.crm_total_payments() IS 'Trigger: keeps what orders were paid, and that no more is given back';
COMMENT ON FUNCTION @extschema@.crm_protect_ledger() IS 'Trigger: nobody but the owner changes or deletes payments';
