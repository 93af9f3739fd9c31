-- The sales processes, each a state machine as a value.
CREATE TABLE crm.workflows (
    name         text    NOT NULL,
    definition   @extschema@.crm_workflow NOT NULL,
    description  text,
    version      integer NOT NULL DEFAULT 1,
    CONSTRAINT workflows_have_a_unique_name     PRIMARY KEY (name),
    CONSTRAINT workflows_name_has_1_to_63_bytes CHECK (octet_length(name) BETWEEN 1 AND 63)
);

COMMENT ON TABLE  crm.workflows             IS 'Sales processes: which status may follow which, and by what event';
COMMENT ON COLUMN crm.workflows.name        IS 'Name that orders.workflow refers to';
COMMENT ON COLUMN crm.workflows.definition  IS 'The state machine; its text form is a Mermaid stateDiagram-v2';
COMMENT ON COLUMN crm.workflows.description IS 'What this process is for, in a sentence';
COMMENT ON COLUMN crm.workflows.version     IS 'Counts the definitions that the process has had (workflow_versions); kept by the database';
COMMENT ON CONSTRAINT workflows_have_a_unique_name     ON crm.workflows IS 'Each process has a name of its own';
COMMENT ON CONSTRAINT workflows_name_has_1_to_63_bytes ON crm.workflows IS 'A process name is as long as a PostgreSQL name may be';

INSERT INTO crm.workflows (name, description, definition) VALUES (
    'order', 'From the first line to completion, cancellation or refund',
'stateDiagram-v2
    [*] --> pending
    state "Awaiting payment" as submitted
    pending --> submitted : submit [has_lines]
    submitted --> paid : pay [paid_in_full]
    paid --> shipped : ship
    shipped --> completed : complete
    state cancellable {
        pending
        submitted
    }
    cancellable --> cancelled : cancel
    paid --> refunded : refund [fully_refunded]
    shipped --> refunded : refund [fully_refunded]
    completed --> refunded : refund [fully_refunded]
    submitted --> cancelled : after 14 days
    completed --> [*]
    cancelled --> [*]
    refunded --> [*]
    class pending,submitted open
    class pending editable
    class paid,shipped,completed booked
    class cancelled,refunded lost
');

INSERT INTO crm.workflows (name, description, definition) VALUES (
    'opportunity', 'From the first talk to an order, or to none',
'stateDiagram-v2
    [*] --> lead
    lead --> visited : visit
    visited --> quoted : quote
    quoted --> won : win
    state talking {
        lead
        visited
        quoted
    }
    talking --> lost : lose
    won --> [*]
    lost --> [*]
    class lead,visited,quoted open
    class lead,visited,quoted editable
    class won booked
    class lost lost
');
