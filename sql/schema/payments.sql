-- The ledger: money received and given back. Rows are added, never changed; what an order was paid is
-- their sum. Keyed as lines and events are: one order is one unit.
CREATE TABLE crm.payments (
    order_id     bigint        NOT NULL,
    payment_no   integer       NOT NULL,
    kind         text          NOT NULL DEFAULT 'payment',
    amount       numeric(14,2) NOT NULL,
    currency     text          NOT NULL,
    method       text,
    reference    text,
    note         text,
    at           timestamptz   NOT NULL,
    settled_on   date          NOT NULL,
    actor        text          NOT NULL,
    role         text          NOT NULL,
    request_key  text,
    CONSTRAINT payments_are_numbered                  PRIMARY KEY (order_id, payment_no),
    CONSTRAINT payments_belong_to_an_order            FOREIGN KEY (order_id) REFERENCES crm.orders (id),
    CONSTRAINT payments_payment_no_is_positive        CHECK (payment_no > 0),
    CONSTRAINT payments_kind_is_payment_or_refund     CHECK (kind IN ('payment', 'refund')),
    CONSTRAINT payments_amount_is_positive            CHECK (amount > 0 AND amount <> 'NaN'),
    CONSTRAINT payments_are_settled_1900_to_2999      CHECK (settled_on BETWEEN '1900-01-01' AND '2999-12-31'),
    CONSTRAINT payments_request_key_has_1_to_255_bytes CHECK (octet_length(request_key) BETWEEN 1 AND 255)
);

CREATE UNIQUE INDEX payments_by_request_key ON crm.payments (request_key) WHERE request_key IS NOT NULL;
CREATE INDEX payments_by_day ON crm.payments (settled_on);

COMMENT ON TABLE  crm.payments             IS 'Ledger: payments of customers and refunds to them, one row each, never changed';
COMMENT ON COLUMN crm.payments.order_id    IS 'Order that is paid';
COMMENT ON COLUMN crm.payments.payment_no  IS 'Number of the payment or refund within the order: 1, 2, 3, ...; given by the database';
COMMENT ON COLUMN crm.payments.kind        IS 'payment (money received) or refund (money given back)';
COMMENT ON COLUMN crm.payments.amount      IS 'How much, in the currency of the order; always above zero';
COMMENT ON COLUMN crm.payments.currency    IS 'Currency (ISO 4217 code): the one of the order';
COMMENT ON COLUMN crm.payments.method      IS 'How it was paid: card, cash, bank transfer, ...';
COMMENT ON COLUMN crm.payments.reference   IS 'Number of the transaction at the bank or payment service';
COMMENT ON COLUMN crm.payments.note        IS 'Note on the payment or refund';
COMMENT ON COLUMN crm.payments.at          IS 'When it was recorded; given by the database';
COMMENT ON COLUMN crm.payments.settled_on  IS 'Day of at in the reporting time zone (settings.time_zone); kept by the database';
COMMENT ON COLUMN crm.payments.actor       IS 'Who recorded it: the setting crm.actor of the session, else the database role';
COMMENT ON COLUMN crm.payments.role        IS 'Database role that recorded it';
COMMENT ON COLUMN crm.payments.request_key IS 'Key that the client gave the request; the same request is not done twice';
COMMENT ON INDEX  crm.payments_by_request_key IS 'Finds a request that comes again; no key is used twice';
COMMENT ON INDEX  crm.payments_by_day         IS 'Finds the payments and refunds of a day';
COMMENT ON CONSTRAINT payments_are_numbered              ON crm.payments IS 'A payment number occurs once within an order';
COMMENT ON CONSTRAINT payments_belong_to_an_order        ON crm.payments IS 'A payment belongs to an order that exists; an order with payments is not deleted';
COMMENT ON CONSTRAINT payments_payment_no_is_positive    ON crm.payments IS 'Payment numbers start at 1';
COMMENT ON CONSTRAINT payments_kind_is_payment_or_refund ON crm.payments IS 'Money comes in or goes out';
COMMENT ON CONSTRAINT payments_amount_is_positive        ON crm.payments IS 'A payment or refund is more than nothing; the kind says which way it goes';
COMMENT ON CONSTRAINT payments_are_settled_1900_to_2999 ON crm.payments IS 'Money moves on a day that reports can count with';
COMMENT ON CONSTRAINT payments_request_key_has_1_to_255_bytes ON crm.payments IS 'A request key is not empty, and as long as an index can hold';
