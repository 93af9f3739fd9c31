SELECT advance_one_by_one();
