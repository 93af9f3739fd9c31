-- The history of every order, written by orders_record_event only.
-- No cascade: an order that has a history is cancelled, not deleted.
CREATE TABLE crm.order_events (
    order_id     bigint      NOT NULL,
    seq          integer     NOT NULL,
    at           timestamptz NOT NULL,
    event        text        NOT NULL,
    from_status  text,
    to_status    text        NOT NULL,
    dwell        interval,
    actor        text        NOT NULL,
    role         text        NOT NULL,
    note         text,
    request_key  text,
    forced       boolean     NOT NULL DEFAULT false,
    workflow     text        NOT NULL,
    workflow_version integer,
    request_hash bigint,
    CONSTRAINT order_events_are_numbered        PRIMARY KEY (order_id, seq),
    CONSTRAINT order_events_belong_to_an_order  FOREIGN KEY (order_id) REFERENCES crm.orders (id)
);

CREATE UNIQUE INDEX order_events_by_request_key ON crm.order_events (request_key) WHERE request_key IS NOT NULL;

COMMENT ON TABLE  crm.order_events             IS 'History of the orders: one row for each step, written by the database';
COMMENT ON COLUMN crm.order_events.order_id    IS 'Order that took the step';
COMMENT ON COLUMN crm.order_events.seq         IS 'Number of the step: 1 is the creation, then as orders.version';
COMMENT ON COLUMN crm.order_events.at          IS 'When the step was taken';
COMMENT ON COLUMN crm.order_events.event       IS 'What happened: an event of the workflow, "create", or "import" for an order entered in a later status';
COMMENT ON COLUMN crm.order_events.from_status IS 'Status before the step; empty for the first one';
COMMENT ON COLUMN crm.order_events.to_status   IS 'Status after the step';
COMMENT ON COLUMN crm.order_events.dwell       IS 'How long the order had been in from_status';
COMMENT ON COLUMN crm.order_events.actor       IS 'Who did it: the setting crm.actor of the session, else the database role';
COMMENT ON COLUMN crm.order_events.role        IS 'Database role that did it';
COMMENT ON COLUMN crm.order_events.note        IS 'Note given with the step';
COMMENT ON COLUMN crm.order_events.request_key IS 'Key that the client gave the request; the same request is not done twice';
COMMENT ON COLUMN crm.order_events.forced      IS 'Whether the owner gave the order this status past its workflow';
COMMENT ON COLUMN crm.order_events.workflow    IS 'Sales process under which the step was taken; an order may be moved to another one';
COMMENT ON COLUMN crm.order_events.workflow_version IS 'Version of that process (workflow_versions) under which the step was taken';
COMMENT ON COLUMN crm.order_events.request_hash IS 'Fingerprint of what a request with a key asked to place; another content under the same key is refused';
COMMENT ON INDEX  crm.order_events_by_request_key IS 'Finds a request that comes again; no key is used twice';
COMMENT ON CONSTRAINT order_events_are_numbered       ON crm.order_events IS 'Each step of an order has a number of its own';
COMMENT ON CONSTRAINT order_events_belong_to_an_order ON crm.order_events IS 'A step belongs to an order that exists; an order with a history is not deleted';
