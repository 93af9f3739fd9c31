-- The state machine as a value.
CREATE TYPE @extschema@.crm_workflow;

CREATE FUNCTION @extschema@.crm_workflow_in(cstring) RETURNS @extschema@.crm_workflow
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_out(@extschema@.crm_workflow) RETURNS cstring
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_recv(internal) RETURNS @extschema@.crm_workflow
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_send(@extschema@.crm_workflow) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE @extschema@.crm_workflow (
    INPUT = @extschema@.crm_workflow_in,
    OUTPUT = @extschema@.crm_workflow_out,
    RECEIVE = @extschema@.crm_workflow_recv,
    SEND = @extschema@.crm_workflow_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);

COMMENT ON TYPE @extschema@.crm_workflow IS 'A state machine; its text form is a Mermaid stateDiagram-v2';
COMMENT ON FUNCTION @extschema@.crm_workflow_in(cstring) IS 'Reads a Mermaid stateDiagram-v2';
COMMENT ON FUNCTION @extschema@.crm_workflow_out(@extschema@.crm_workflow) IS 'Writes a Mermaid stateDiagram-v2, in canonical form';
COMMENT ON FUNCTION @extschema@.crm_workflow_recv(internal) IS 'Reads the binary transfer form';
COMMENT ON FUNCTION @extschema@.crm_workflow_send(@extschema@.crm_workflow) IS 'Writes the binary transfer form';
