-- The same tables and keys, no triggers
ALTER TABLE crm.orders DISABLE TRIGGER USER;
ALTER TABLE crm.order_lines DISABLE TRIGGER USER;
