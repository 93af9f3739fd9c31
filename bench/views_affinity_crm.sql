SELECT count(*), sum(orders), round(sum(lift)::numeric, 2) FROM crm_product_affinity(8);
