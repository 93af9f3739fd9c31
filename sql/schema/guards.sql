-- Conditions of steps: what a guard in a workflow stands for.
-- No foreign key to workflows: a guard is there before the workflow that names it.
CREATE TABLE crm.guards (
    workflow   text     NOT NULL,
    name       text     NOT NULL,
    relation   regclass NOT NULL DEFAULT 'crm.orders',
    condition  text     NOT NULL,
    message    text,
    CONSTRAINT guards_have_a_unique_name PRIMARY KEY (workflow, name, relation),
    CONSTRAINT guards_workflow_has_1_to_63_bytes CHECK (octet_length(workflow) BETWEEN 1 AND 63),
    CONSTRAINT guards_name_has_1_to_255_bytes    CHECK (octet_length(name) BETWEEN 1 AND 255)
);

COMMENT ON TABLE  crm.guards           IS 'Conditions of steps: what the guards in the sales processes stand for';
COMMENT ON COLUMN crm.guards.workflow  IS 'Process in which the guard is used';
COMMENT ON COLUMN crm.guards.name      IS 'Name that stands in brackets in the process: pay [paid_in_full]';
COMMENT ON COLUMN crm.guards.relation  IS 'Table whose rows the condition is about';
COMMENT ON COLUMN crm.guards.condition IS 'SQL condition over the columns of the row, as in a CHECK constraint';
COMMENT ON COLUMN crm.guards.message   IS 'Sentence that tells a person why a step is refused: The order is not fully paid.';
COMMENT ON CONSTRAINT guards_have_a_unique_name ON crm.guards IS 'A guard means one thing for a table';
COMMENT ON CONSTRAINT guards_workflow_has_1_to_63_bytes ON crm.guards IS 'A process name is as long as a PostgreSQL name may be';
COMMENT ON CONSTRAINT guards_name_has_1_to_255_bytes ON crm.guards IS 'A guard name is as long as it may be in a process';

-- Those of the process 'order'
INSERT INTO crm.guards (workflow, name, condition, message) VALUES
    ('order', 'has_lines',      'line_count > 0',  'The order has no lines.'),
    ('order', 'paid_in_full',   'balance <= 0',    'The order is not fully paid.'),
    ('order', 'fully_refunded', 'refunded = paid', 'Not all that was paid has been given back.');
