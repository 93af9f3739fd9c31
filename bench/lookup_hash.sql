SELECT count(t.to_state)
FROM questions q LEFT JOIN transitions t ON t.from_state = q.state AND t.event = q.event;
