\set id random(1, 100000)
SELECT plpgsql.advance_order(:id, 'go');
