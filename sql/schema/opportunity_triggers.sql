-- History is written by the machine.
CREATE TRIGGER opportunity_events_protect_history
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON crm.opportunity_events
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_protect_history();

-- The door, as that of any table: triggers opportunities_enforce_workflow and opportunities_record_event, and a column status_until.
SELECT @extschema@.crm_attach_workflow('crm.opportunities'::regclass, 'status', workflow_column => 'workflow');

-- The amount of an opportunity is that of its lines; won, it becomes an order. (A transition table belongs
-- to one event, so there are three triggers where one would do.)
CREATE TRIGGER opportunities_keep_amount
    BEFORE INSERT OR UPDATE OF amount, currency, order_id ON crm.opportunities
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_keep_opportunity();
CREATE TRIGGER opportunities_win_order
    AFTER UPDATE ON crm.opportunities
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_win_opportunity();
CREATE TRIGGER opportunity_lines_inserted
    AFTER INSERT ON crm.opportunity_lines REFERENCING NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_opportunity_lines();
CREATE TRIGGER opportunity_lines_updated
    AFTER UPDATE ON crm.opportunity_lines REFERENCING OLD TABLE AS old_lines NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_opportunity_lines();
CREATE TRIGGER opportunity_lines_deleted
    AFTER DELETE ON crm.opportunity_lines REFERENCING OLD TABLE AS old_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_opportunity_lines();
CREATE TRIGGER opportunity_lines_truncated
    AFTER TRUNCATE ON crm.opportunity_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_opportunity_lines();

COMMENT ON TRIGGER opportunities_keep_amount          ON crm.opportunities      IS 'Keeps the amount equal to the lines, fills in the default currency, and lets nobody but the owner say which order it became';
COMMENT ON TRIGGER opportunities_win_order            ON crm.opportunities      IS 'Makes an order of an opportunity that is won';
COMMENT ON TRIGGER opportunity_lines_inserted         ON crm.opportunity_lines  IS 'Keeps the amount of the opportunity, which must be one whose lines may change';
COMMENT ON TRIGGER opportunity_lines_updated          ON crm.opportunity_lines  IS 'Keeps the amount of the opportunity, which must be one whose lines may change';
COMMENT ON TRIGGER opportunity_lines_deleted          ON crm.opportunity_lines  IS 'Keeps the amount of the opportunity, which must be one whose lines may change';
COMMENT ON TRIGGER opportunity_lines_truncated        ON crm.opportunity_lines  IS 'Leaves TRUNCATE to the owner: it asks no opportunity whether its lines may change';
COMMENT ON TRIGGER opportunity_events_protect_history ON crm.opportunity_events IS 'Nobody but the table''s owner changes history by hand';
