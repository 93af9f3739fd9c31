-- The same without figures that are kept
DROP TRIGGER orders_capture ON crm.orders;
DROP TRIGGER order_lines_capture ON crm.order_lines;
DROP TRIGGER order_events_capture ON crm.order_events;
