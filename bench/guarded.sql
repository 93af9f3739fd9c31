-- The same process with a guard on each step, for orders 1 to 100,000.
INSERT INTO crm.guards (workflow, name, condition) VALUES ('round', 'known', 'customer_id > 0 AND currency = ''EUR''');
UPDATE crm.workflows SET definition = E'[*] --> a
    a --> b : go [known]
    b --> c : go [known]
    c --> a : go [known]
    a --> [*]' WHERE name = 'round';
