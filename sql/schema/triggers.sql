-- The door: every way to change orders.status passes these two.
CREATE TRIGGER orders_enforce_workflow
    BEFORE INSERT OR UPDATE ON crm.orders
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_enforce_workflow('status');
CREATE TRIGGER orders_record_event
    AFTER INSERT OR UPDATE ON crm.orders
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_record_event('order_events');

-- What the house rules decide about an order.
CREATE TRIGGER orders_apply_settings
    BEFORE INSERT OR UPDATE OF placed_at, placed_on, currency ON crm.orders
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_apply_settings();

-- History is written by the machine.
CREATE TRIGGER order_events_protect_history
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON crm.order_events
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_protect_history();

-- Sessions keep workflows and settings in memory; these tell them of a change.
-- ALWAYS: also where changes arrive by logical replication.
CREATE TRIGGER workflows_invalidate_cache
    AFTER INSERT OR UPDATE OR DELETE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER workflows_invalidate_cache_on_truncate
    AFTER TRUNCATE ON crm.workflows
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER settings_invalidate_cache
    AFTER INSERT OR UPDATE OR DELETE ON crm.settings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER settings_invalidate_cache_on_truncate
    AFTER TRUNCATE ON crm.settings
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
ALTER TABLE crm.workflows ENABLE ALWAYS TRIGGER workflows_invalidate_cache;
ALTER TABLE crm.workflows ENABLE ALWAYS TRIGGER workflows_invalidate_cache_on_truncate;
ALTER TABLE crm.settings  ENABLE ALWAYS TRIGGER settings_invalidate_cache;
ALTER TABLE crm.settings  ENABLE ALWAYS TRIGGER settings_invalidate_cache_on_truncate;

COMMENT ON TRIGGER orders_enforce_workflow      ON crm.orders       IS 'Lets a status change only along the workflow of the order';
COMMENT ON TRIGGER orders_record_event          ON crm.orders       IS 'Writes each step into order_events';
COMMENT ON TRIGGER orders_apply_settings        ON crm.orders       IS 'Fills placed_on and the default currency from the settings';
COMMENT ON TRIGGER order_events_protect_history ON crm.order_events IS 'Nobody but the table''s owner changes history by hand';
COMMENT ON TRIGGER workflows_invalidate_cache   ON crm.workflows    IS 'Makes a changed workflow take effect in all sessions';
COMMENT ON TRIGGER settings_invalidate_cache    ON crm.settings     IS 'Makes changed settings take effect in all sessions';
COMMENT ON TRIGGER workflows_invalidate_cache_on_truncate ON crm.workflows IS 'Makes a changed workflow take effect in all sessions';
COMMENT ON TRIGGER settings_invalidate_cache_on_truncate  ON crm.settings  IS 'Makes changed settings take effect in all sessions';
