\set c random(1, 20000)
\set p random(1, 1990)
SELECT crm_place_order(:c, format('[{"sku": "P%s", "quantity": 2}, {"sku": "P%s", "quantity": 1.5}, {"sku": "P%s", "quantity": 3, "discount": 0.5, "tax": 1.2}]', :p::int, :p::int + 3, :p::int + 9)::jsonb, workflow => 'sale') AS id \gset
SELECT crm_advance_order(:id, 'book');
