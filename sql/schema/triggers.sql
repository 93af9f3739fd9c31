-- History is written by the machine.
CREATE TRIGGER order_events_protect_history
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON crm.order_events
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_protect_history();

-- The door, as that of any table: every way to change orders.status passes orders_enforce_workflow and orders_record_event.
SELECT @extschema@.crm_attach_workflow('crm.orders'::regclass, 'status', workflow_column => 'workflow');

-- What the house rules decide about an order.
CREATE TRIGGER orders_apply_settings
    BEFORE INSERT OR UPDATE OF placed_at, placed_on, currency, exchange_rate ON crm.orders
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_apply_settings();
CREATE TRIGGER settings_keep_currency
    AFTER UPDATE OR DELETE ON crm.settings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_keep_reporting_currency();
CREATE TRIGGER settings_keep_currency_on_truncate
    AFTER TRUNCATE ON crm.settings
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_keep_reporting_currency();

-- The sums of an order are kept by the statements that change its lines and payments. (A transition table
-- belongs to one event, so there are three triggers where one would do.)
CREATE TRIGGER orders_keep_totals
    BEFORE INSERT OR UPDATE OF line_count, discount, tax, total, reporting_total, paid, refunded, balance, payment_status, currency, exchange_rate
    ON crm.orders
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_keep_totals();
CREATE TRIGGER order_lines_check
    BEFORE INSERT OR UPDATE OR DELETE ON crm.order_lines
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_check_order_line();
CREATE TRIGGER order_lines_total_inserted
    AFTER INSERT ON crm.order_lines REFERENCING NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_order_lines();
CREATE TRIGGER order_lines_total_updated
    AFTER UPDATE ON crm.order_lines REFERENCING OLD TABLE AS old_lines NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_order_lines();
CREATE TRIGGER order_lines_total_deleted
    AFTER DELETE ON crm.order_lines REFERENCING OLD TABLE AS old_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_order_lines();
CREATE TRIGGER order_lines_total_truncated
    AFTER TRUNCATE ON crm.order_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_order_lines();
CREATE TRIGGER payments_check
    BEFORE INSERT OR UPDATE OR DELETE ON crm.payments
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_check_payment();
CREATE TRIGGER payments_protect_ledger
    BEFORE UPDATE OR DELETE OR TRUNCATE ON crm.payments
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_protect_ledger();
CREATE TRIGGER payments_total_inserted
    AFTER INSERT ON crm.payments REFERENCING NEW TABLE AS new_payments
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_payments();
CREATE TRIGGER payments_total_updated
    AFTER UPDATE ON crm.payments REFERENCING OLD TABLE AS old_payments NEW TABLE AS new_payments
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_payments();
CREATE TRIGGER payments_total_deleted
    AFTER DELETE ON crm.payments REFERENCING OLD TABLE AS old_payments
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_payments();
CREATE TRIGGER payments_total_truncated
    AFTER TRUNCATE ON crm.payments
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_total_payments();

-- What writes do to the sales figures (rollups.sql).
CREATE TRIGGER orders_capture
    AFTER INSERT OR UPDATE OR DELETE ON crm.orders
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_capture_order();
CREATE TRIGGER order_lines_capture
    AFTER INSERT OR UPDATE OR DELETE ON crm.order_lines
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_capture_line();
CREATE TRIGGER order_events_capture
    AFTER INSERT OR UPDATE OR DELETE ON crm.order_events
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_capture_event();
CREATE TRIGGER products_capture
    AFTER UPDATE OR DELETE ON crm.products
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_capture_dimension('category');
CREATE TRIGGER customers_capture
    AFTER UPDATE OR DELETE ON crm.customers
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_capture_dimension('region');
CREATE TRIGGER orders_capture_truncate
    AFTER TRUNCATE ON crm.orders
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_clear_rollups('order');
CREATE TRIGGER order_lines_capture_truncate
    AFTER TRUNCATE ON crm.order_lines
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_clear_rollups('line');
CREATE TRIGGER order_events_capture_truncate
    AFTER TRUNCATE ON crm.order_events
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_clear_rollups('event');
CREATE TRIGGER products_capture_truncate
    AFTER TRUNCATE ON crm.products
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_clear_rollups('category');
CREATE TRIGGER customers_capture_truncate
    AFTER TRUNCATE ON crm.customers
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_clear_rollups('region');
CREATE TRIGGER workflows_capture
    AFTER UPDATE OR DELETE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_capture_booked();
CREATE TRIGGER settings_capture
    AFTER INSERT OR UPDATE ON crm.settings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_capture_time_zone();
CREATE TRIGGER change_tables_forget_pages
    BEFORE INSERT OR UPDATE ON crm.change_tables
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_forget_pages();
ALTER TABLE crm.change_tables ENABLE REPLICA TRIGGER change_tables_forget_pages;
CREATE TRIGGER rollups_forget_pages
    BEFORE INSERT OR UPDATE ON crm.rollups
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_forget_pages();
ALTER TABLE crm.rollups ENABLE REPLICA TRIGGER rollups_forget_pages;

-- A broken guard is refused, and so is a workflow whose guards are missing (SET CONSTRAINTS ... DEFERRED: at commit).
CREATE TRIGGER guards_check_condition
    BEFORE INSERT OR UPDATE OR DELETE ON crm.guards
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_check_guard();
CREATE TRIGGER guards_check_truncate
    BEFORE TRUNCATE ON crm.guards
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_check_guard();
CREATE CONSTRAINT TRIGGER workflows_have_their_guards
    AFTER INSERT OR UPDATE ON crm.workflows DEFERRABLE
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_check_workflow_guards('name');
CREATE CONSTRAINT TRIGGER guards_are_there_for_workflows
    AFTER UPDATE OR DELETE ON crm.guards DEFERRABLE
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_check_workflow_guards('workflow');

-- Every version of a workflow is kept, and none leaves a row behind in a status that it does not have.
CREATE TRIGGER workflows_count_versions
    BEFORE INSERT OR UPDATE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_count_workflow_version();
CREATE TRIGGER workflows_keep_versions
    AFTER INSERT OR UPDATE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_keep_workflow_version();
CREATE TRIGGER workflows_strand_no_rows
    AFTER UPDATE OR DELETE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_check_stranded_rows();
CREATE TRIGGER workflow_versions_protect_history
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON crm.workflow_versions
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_protect_history();

-- Other timers, other open states: the orders on their way follow.
CREATE TRIGGER workflows_refresh_state_columns
    AFTER UPDATE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_refresh_state_columns();

-- Sessions keep workflows, guards and settings in memory; these tell them of a change.
-- ALWAYS: also where changes arrive by logical replication.
CREATE TRIGGER workflows_announce_change
    BEFORE INSERT OR UPDATE OR DELETE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER guards_announce_change
    BEFORE INSERT OR UPDATE OR DELETE ON crm.guards
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER settings_announce_change
    BEFORE INSERT OR UPDATE OR DELETE ON crm.settings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER workflows_invalidate_cache
    AFTER INSERT OR UPDATE OR DELETE ON crm.workflows
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER workflows_invalidate_cache_on_truncate
    AFTER TRUNCATE ON crm.workflows
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER guards_invalidate_cache
    AFTER INSERT OR UPDATE OR DELETE ON crm.guards
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER guards_invalidate_cache_on_truncate
    AFTER TRUNCATE ON crm.guards
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER settings_invalidate_cache
    AFTER INSERT OR UPDATE OR DELETE ON crm.settings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
CREATE TRIGGER settings_invalidate_cache_on_truncate
    AFTER TRUNCATE ON crm.settings
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.crm_invalidate_cache();
ALTER TABLE crm.workflows ENABLE ALWAYS TRIGGER workflows_announce_change;
ALTER TABLE crm.guards    ENABLE ALWAYS TRIGGER guards_announce_change;
ALTER TABLE crm.settings  ENABLE ALWAYS TRIGGER settings_announce_change;
ALTER TABLE crm.workflows ENABLE ALWAYS TRIGGER workflows_invalidate_cache;
ALTER TABLE crm.workflows ENABLE ALWAYS TRIGGER workflows_invalidate_cache_on_truncate;
ALTER TABLE crm.guards    ENABLE ALWAYS TRIGGER guards_invalidate_cache;
ALTER TABLE crm.guards    ENABLE ALWAYS TRIGGER guards_invalidate_cache_on_truncate;
ALTER TABLE crm.settings  ENABLE ALWAYS TRIGGER settings_invalidate_cache;
ALTER TABLE crm.settings  ENABLE ALWAYS TRIGGER settings_invalidate_cache_on_truncate;

COMMENT ON TRIGGER orders_apply_settings        ON crm.orders       IS 'Fills placed_on, the default currency and the exchange rate';
COMMENT ON TRIGGER settings_keep_currency       ON crm.settings     IS 'Refuses another reporting currency, and none, once there is an order';
COMMENT ON TRIGGER settings_keep_currency_on_truncate ON crm.settings IS 'Refuses TRUNCATE once there is an order';
COMMENT ON TRIGGER order_events_protect_history ON crm.order_events IS 'Nobody but the table''s owner changes history by hand';
COMMENT ON TRIGGER orders_keep_totals           ON crm.orders       IS 'Refuses sums that are written by hand';
COMMENT ON TRIGGER order_lines_check            ON crm.order_lines  IS 'Locks the order, lets lines change only while that is editable, and fills in number and price';
COMMENT ON TRIGGER order_lines_total_inserted   ON crm.order_lines  IS 'Adds new lines to the totals of their orders';
COMMENT ON TRIGGER order_lines_total_updated    ON crm.order_lines  IS 'Corrects the totals of orders by what has changed in their lines';
COMMENT ON TRIGGER order_lines_total_deleted    ON crm.order_lines  IS 'Takes deleted lines off the totals of their orders';
COMMENT ON TRIGGER order_lines_total_truncated  ON crm.order_lines  IS 'Empties the totals of all orders; for the owner';
COMMENT ON TRIGGER payments_check               ON crm.payments     IS 'Locks the order, and numbers, dates and signs the payment';
COMMENT ON TRIGGER payments_protect_ledger      ON crm.payments     IS 'Nobody but the table''s owner changes or deletes payments';
COMMENT ON TRIGGER payments_total_inserted      ON crm.payments     IS 'Adds payments and refunds to their orders, and refuses refunds above what was paid';
COMMENT ON TRIGGER payments_total_updated       ON crm.payments     IS 'Corrects what orders were paid when the owner corrects a payment';
COMMENT ON TRIGGER payments_total_deleted       ON crm.payments     IS 'Corrects what orders were paid when the owner deletes a payment';
COMMENT ON TRIGGER payments_total_truncated     ON crm.payments     IS 'Corrects what orders were paid when the owner empties the ledger';
COMMENT ON TRIGGER guards_check_truncate          ON crm.guards    IS 'Lets nobody but the owner of the table take all guards away at once';
COMMENT ON TRIGGER guards_check_condition         ON crm.guards    IS 'Refuses a guard that is no condition over the rows of its table, and whoever does not own that table';
COMMENT ON TRIGGER workflows_have_their_guards    ON crm.workflows IS 'Refuses a workflow that names a guard which is not there';
COMMENT ON TRIGGER workflows_refresh_state_columns ON crm.workflows IS 'Makes a changed timer or class open hold for orders on their way';
COMMENT ON TRIGGER guards_are_there_for_workflows ON crm.guards    IS 'Refuses to take away a guard that a workflow names';
COMMENT ON CONSTRAINT workflows_have_their_guards    ON crm.workflows IS 'The guards that a workflow names are there';
COMMENT ON CONSTRAINT guards_are_there_for_workflows ON crm.guards    IS 'The guards that a workflow names are there';
COMMENT ON TRIGGER workflows_count_versions ON crm.workflows IS 'Counts the definitions that the process has had';
COMMENT ON TRIGGER workflows_keep_versions  ON crm.workflows IS 'Writes each definition into workflow_versions';
COMMENT ON TRIGGER workflows_strand_no_rows ON crm.workflows IS 'Refuses a change that leaves rows in a status which the workflow does not have';
COMMENT ON TRIGGER workflow_versions_protect_history ON crm.workflow_versions IS 'Nobody but the table''s owner changes history by hand';
COMMENT ON TRIGGER workflows_announce_change   ON crm.workflows IS 'Has what is read of a change forgotten if it fails';
COMMENT ON TRIGGER guards_announce_change      ON crm.guards    IS 'Has what is read of a change forgotten if it fails';
COMMENT ON TRIGGER settings_announce_change    ON crm.settings  IS 'Has what is read of a change forgotten if it fails';
COMMENT ON TRIGGER guards_invalidate_cache             ON crm.guards IS 'Makes a changed guard take effect in all sessions';
COMMENT ON TRIGGER guards_invalidate_cache_on_truncate ON crm.guards IS 'Makes a changed guard take effect in all sessions';
COMMENT ON TRIGGER workflows_invalidate_cache   ON crm.workflows    IS 'Makes a changed workflow take effect in all sessions';
COMMENT ON TRIGGER settings_invalidate_cache    ON crm.settings     IS 'Makes changed settings take effect in all sessions';
COMMENT ON TRIGGER workflows_invalidate_cache_on_truncate ON crm.workflows IS 'Makes a changed workflow take effect in all sessions';
COMMENT ON TRIGGER settings_invalidate_cache_on_truncate  ON crm.settings  IS 'Makes changed settings take effect in all sessions';
COMMENT ON TRIGGER orders_capture       ON crm.orders       IS 'Tells the sales figures what has changed about an order';
COMMENT ON TRIGGER order_lines_capture  ON crm.order_lines  IS 'Tells the sales figures what has changed about a line';
COMMENT ON TRIGGER order_events_capture ON crm.order_events IS 'Tells the figures of the process what has happened';
COMMENT ON TRIGGER products_capture     ON crm.products     IS 'Moves the sales of a product to its new category';
COMMENT ON TRIGGER customers_capture    ON crm.customers    IS 'Moves the sales of a customer to the new region';
COMMENT ON TRIGGER orders_capture_truncate       ON crm.orders       IS 'Empties the figures of orders';
COMMENT ON TRIGGER order_lines_capture_truncate  ON crm.order_lines  IS 'Empties the figures of sold lines';
COMMENT ON TRIGGER order_events_capture_truncate ON crm.order_events IS 'Empties the figures of events';
COMMENT ON TRIGGER products_capture_truncate     ON crm.products     IS 'Forgets the categories of the products';
COMMENT ON TRIGGER customers_capture_truncate    ON crm.customers    IS 'Forgets the regions of the customers';
COMMENT ON TRIGGER workflows_capture ON crm.workflows IS 'Brings the sales figures in line with which statuses count as sold';
COMMENT ON TRIGGER settings_capture  ON crm.settings  IS 'Counts the events by the days of the new time zone';
COMMENT ON TRIGGER rollups_forget_pages     ON crm.rollups     IS 'Where changes arrive by logical replication: pages of another server are none here';
COMMENT ON TRIGGER change_tables_forget_pages ON crm.change_tables IS 'Where changes arrive by logical replication: pages of another server are none here';
