-- Every definition that a process has had. Written by workflows_keep_versions only, and kept when the
-- process is deleted: the history refers to it. (No foreign key, for the same reason.)
CREATE TABLE crm.workflow_versions (
    workflow    text         NOT NULL,
    version     integer      NOT NULL,
    definition  @extschema@.crm_workflow NOT NULL,
    since       timestamptz  NOT NULL,
    role        text         NOT NULL,
    CONSTRAINT workflow_versions_are_numbered PRIMARY KEY (workflow, version)
);

COMMENT ON TABLE  crm.workflow_versions            IS 'Every definition that a sales process has had, written by the database';
COMMENT ON COLUMN crm.workflow_versions.workflow   IS 'Name of the process';
COMMENT ON COLUMN crm.workflow_versions.version    IS 'Number of the definition: 1 is the first; order_events.workflow_version refers to it';
COMMENT ON COLUMN crm.workflow_versions.definition IS 'The state machine as it was then';
COMMENT ON COLUMN crm.workflow_versions.since      IS 'When the definition was written';
COMMENT ON COLUMN crm.workflow_versions.role       IS 'Database role that wrote it';
COMMENT ON CONSTRAINT workflow_versions_are_numbered ON crm.workflow_versions IS 'Each definition of a process has a number of its own';

-- of the process that the installation brings; the triggers come later
INSERT INTO crm.workflow_versions (workflow, version, definition, since, role)
SELECT name, version, definition, clock_timestamp(), current_user FROM crm.workflows;
