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

-- Comparison. Two values are equal if their canonical texts are; the order is an arbitrary one, there so
-- that ORDER BY, count(DISTINCT ...), UNIQUE and merge joins work.
CREATE FUNCTION @extschema@.crm_workflow_eq(@extschema@.crm_workflow, @extschema@.crm_workflow) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_ne(@extschema@.crm_workflow, @extschema@.crm_workflow) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_lt(@extschema@.crm_workflow, @extschema@.crm_workflow) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_le(@extschema@.crm_workflow, @extschema@.crm_workflow) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_ge(@extschema@.crm_workflow, @extschema@.crm_workflow) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_gt(@extschema@.crm_workflow, @extschema@.crm_workflow) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_cmp(@extschema@.crm_workflow, @extschema@.crm_workflow) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_hash(@extschema@.crm_workflow) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @extschema@.crm_workflow_hash_extended(@extschema@.crm_workflow, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION @extschema@.crm_workflow_eq(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Implementation of =';
COMMENT ON FUNCTION @extschema@.crm_workflow_ne(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Implementation of <>';
COMMENT ON FUNCTION @extschema@.crm_workflow_lt(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Implementation of <';
COMMENT ON FUNCTION @extschema@.crm_workflow_le(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Implementation of <=';
COMMENT ON FUNCTION @extschema@.crm_workflow_ge(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Implementation of >=';
COMMENT ON FUNCTION @extschema@.crm_workflow_gt(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Implementation of >';
COMMENT ON FUNCTION @extschema@.crm_workflow_cmp(@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Order for btree indexes';
COMMENT ON FUNCTION @extschema@.crm_workflow_hash(@extschema@.crm_workflow) IS 'Hash for hash joins and grouping';
COMMENT ON FUNCTION @extschema@.crm_workflow_hash_extended(@extschema@.crm_workflow, bigint) IS 'Seeded hash for hash partitioning';

CREATE OPERATOR @extschema@.= (
    LEFTARG = @extschema@.crm_workflow, RIGHTARG = @extschema@.crm_workflow, FUNCTION = @extschema@.crm_workflow_eq,
    COMMUTATOR = OPERATOR(@extschema@.=), NEGATOR = OPERATOR(@extschema@.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR @extschema@.<> (
    LEFTARG = @extschema@.crm_workflow, RIGHTARG = @extschema@.crm_workflow, FUNCTION = @extschema@.crm_workflow_ne,
    COMMUTATOR = OPERATOR(@extschema@.<>), NEGATOR = OPERATOR(@extschema@.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR @extschema@.< (
    LEFTARG = @extschema@.crm_workflow, RIGHTARG = @extschema@.crm_workflow, FUNCTION = @extschema@.crm_workflow_lt,
    COMMUTATOR = OPERATOR(@extschema@.>), NEGATOR = OPERATOR(@extschema@.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR @extschema@.<= (
    LEFTARG = @extschema@.crm_workflow, RIGHTARG = @extschema@.crm_workflow, FUNCTION = @extschema@.crm_workflow_le,
    COMMUTATOR = OPERATOR(@extschema@.>=), NEGATOR = OPERATOR(@extschema@.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR @extschema@.>= (
    LEFTARG = @extschema@.crm_workflow, RIGHTARG = @extschema@.crm_workflow, FUNCTION = @extschema@.crm_workflow_ge,
    COMMUTATOR = OPERATOR(@extschema@.<=), NEGATOR = OPERATOR(@extschema@.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
CREATE OPERATOR @extschema@.> (
    LEFTARG = @extschema@.crm_workflow, RIGHTARG = @extschema@.crm_workflow, FUNCTION = @extschema@.crm_workflow_gt,
    COMMUTATOR = OPERATOR(@extschema@.<), NEGATOR = OPERATOR(@extschema@.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);

COMMENT ON OPERATOR @extschema@.=  (@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Is it the same machine, drawn with the same composites?';
COMMENT ON OPERATOR @extschema@.<> (@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Is it another machine?';
COMMENT ON OPERATOR @extschema@.<  (@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Before, in an arbitrary order';
COMMENT ON OPERATOR @extschema@.<= (@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Before or equal, in an arbitrary order';
COMMENT ON OPERATOR @extschema@.>= (@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Behind or equal, in an arbitrary order';
COMMENT ON OPERATOR @extschema@.>  (@extschema@.crm_workflow, @extschema@.crm_workflow) IS 'Behind, in an arbitrary order';

CREATE OPERATOR CLASS @extschema@.crm_workflow_btree_ops DEFAULT FOR TYPE @extschema@.crm_workflow USING btree AS
    OPERATOR 1 @extschema@.<, OPERATOR 2 @extschema@.<=, OPERATOR 3 @extschema@.=, OPERATOR 4 @extschema@.>=, OPERATOR 5 @extschema@.>,
    FUNCTION 1 @extschema@.crm_workflow_cmp(@extschema@.crm_workflow, @extschema@.crm_workflow);
CREATE OPERATOR CLASS @extschema@.crm_workflow_hash_ops DEFAULT FOR TYPE @extschema@.crm_workflow USING hash AS
    OPERATOR 1 @extschema@.=,
    FUNCTION 1 @extschema@.crm_workflow_hash(@extschema@.crm_workflow),
    FUNCTION 2 @extschema@.crm_workflow_hash_extended(@extschema@.crm_workflow, bigint);

COMMENT ON OPERATOR FAMILY @extschema@.crm_workflow_btree_ops USING btree IS 'Arbitrary order of workflows';
COMMENT ON OPERATOR CLASS @extschema@.crm_workflow_btree_ops USING btree IS 'Arbitrary order of workflows';
COMMENT ON OPERATOR FAMILY @extschema@.crm_workflow_hash_ops USING hash IS 'Equality of workflows';
COMMENT ON OPERATOR CLASS @extschema@.crm_workflow_hash_ops USING hash IS 'Equality of workflows';
