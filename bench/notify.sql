-- The same, and each step tells who listens.
CREATE TRIGGER order_events_notify AFTER INSERT ON crm.order_events FOR EACH ROW EXECUTE FUNCTION crm_notify_event('steps');
