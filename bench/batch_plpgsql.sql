SELECT plpgsql.advance_one_by_one();
