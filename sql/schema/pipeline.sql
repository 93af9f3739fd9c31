-- What may come in, and what has. An opportunity is open, won or lost by the class of its status.
CREATE VIEW crm.pipeline AS
SELECT o.workflow,
       o.status AS stage,
       coalesce(o.owner, 'nobody') AS owner,
       date_trunc('month', CASE WHEN stage.is_open THEN o.expected_close::timestamp
                                ELSE o.status_since AT TIME ZONE s.time_zone END)::date AS month,
       o.currency,
       count(*) FILTER (WHERE stage.is_open) AS open_count,
       coalesce(sum(o.amount) FILTER (WHERE stage.is_open), 0)::numeric(18,2) AS open_amount,
       coalesce(sum(round(o.amount * coalesce(o.probability, p.probability, 0) / 100, 2))
                FILTER (WHERE stage.is_open), 0)::numeric(18,2) AS weighted_amount,
       count(*) FILTER (WHERE stage.is_won) AS won_count,
       coalesce(sum(o.amount) FILTER (WHERE stage.is_won), 0)::numeric(18,2) AS won_amount,
       count(*) FILTER (WHERE stage.is_lost) AS lost_count,
       coalesce(sum(o.amount) FILTER (WHERE stage.is_lost), 0)::numeric(18,2) AS lost_amount
FROM crm.opportunities AS o
CROSS JOIN (SELECT time_zone FROM crm.settings LIMIT 1) AS s
LEFT JOIN crm.stage_probabilities AS p ON p.workflow = o.workflow AND p.status = o.status
LEFT JOIN (
    SELECT w.name AS workflow, st.state AS status, st.classes
    FROM crm.workflows AS w
    CROSS JOIN LATERAL @extschema@.crm_states(w.definition) AS st
) AS known ON known.workflow = o.workflow AND known.status = o.status
CROSS JOIN LATERAL (
    SELECT coalesce('booked' = ANY (known.classes), false) AS is_won,
           coalesce('lost' = ANY (known.classes) AND NOT 'booked' = ANY (known.classes), false) AS is_lost,
           NOT coalesce(known.classes && '{booked,lost}', false) AS is_open
) AS stage
GROUP BY 1, 2, 3, 4, 5;

COMMENT ON VIEW   crm.pipeline                 IS 'Opportunities by stage, salesperson, month and currency: how many are open, won and lost, and what they may bring or have brought';
COMMENT ON COLUMN crm.pipeline.workflow        IS 'Process of the opportunities';
COMMENT ON COLUMN crm.pipeline.stage           IS 'Status that they have reached';
COMMENT ON COLUMN crm.pipeline.owner           IS 'Salesperson who looks after them, or "nobody"';
COMMENT ON COLUMN crm.pipeline.month           IS 'First day of the month: of the expected close while they are open (empty if none is expected), of the close once they are won or lost';
COMMENT ON COLUMN crm.pipeline.currency        IS 'Currency of the amounts (ISO 4217 code)';
COMMENT ON COLUMN crm.pipeline.open_count      IS 'How many are neither won nor lost';
COMMENT ON COLUMN crm.pipeline.open_amount     IS 'What those may bring';
COMMENT ON COLUMN crm.pipeline.weighted_amount IS 'The same, each weighted by its probability: its own, else that of its stage, else 0; rounded to cents for each';
COMMENT ON COLUMN crm.pipeline.won_count       IS 'How many are won: their status is of class "booked"';
COMMENT ON COLUMN crm.pipeline.won_amount      IS 'What those bring';
COMMENT ON COLUMN crm.pipeline.lost_count      IS 'How many are lost: their status is of class "lost"';
COMMENT ON COLUMN crm.pipeline.lost_amount     IS 'What those would have brought';
