SELECT count(crm_next_state((SELECT definition FROM crm.workflows WHERE name = 'purchase'), state, event))
FROM questions;
