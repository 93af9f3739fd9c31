-- Sums that are kept: which ones, what writers have changed since they were last merged, and what a merge found.
CREATE TABLE crm.rollups (
    name        text    NOT NULL,
    grain       text    NOT NULL,
    dimensions  text[]  NOT NULL,
    generation  integer NOT NULL DEFAULT 1,
    sums        bigint  NOT NULL DEFAULT 0,
    first_page  bigint  NOT NULL DEFAULT 0,
    file        oid,
    written_by  xid8,
    CONSTRAINT rollups_have_a_unique_name      PRIMARY KEY (name),
    CONSTRAINT rollups_name_has_1_to_55_bytes  CHECK (octet_length(name) BETWEEN 1 AND 55),
    CONSTRAINT rollups_grain_is_known          CHECK (grain IN ('line', 'order', 'event'))
);

-- No index on any of the four: a writer appends and goes on. Rows go away when they are merged; what of that is dead is not
-- used again (src/changes.c), nor may VACUUM cut pages off: merge_state counts them.
CREATE TABLE crm.line_changes (
    day          date,
    product_id   bigint,
    customer_id  bigint,
    lines        integer,
    quantity     bigint,
    amount       bigint,
    currency     text,
    workflow     text,
    owner        text
) WITH (autovacuum_enabled = off, vacuum_truncate = off);
CREATE TABLE crm.order_changes (
    day          date,
    orders       integer,
    customer_id  bigint,
    total        bigint,
    currency     text,
    workflow     text,
    status       text,
    left_status  text,
    owner        text
) WITH (autovacuum_enabled = off, vacuum_truncate = off);
CREATE TABLE crm.event_changes (
    day          date,
    events       integer,
    dwell        bigint,
    event        text,
    from_status  text,
    to_status    text
) WITH (autovacuum_enabled = off, vacuum_truncate = off);
CREATE TABLE crm.dimension_changes (
    dimension    text,
    id           bigint
);
-- Rows without a key: what a publication tells of their removal is all of them.
ALTER TABLE crm.line_changes      REPLICA IDENTITY FULL;
ALTER TABLE crm.order_changes     REPLICA IDENTITY FULL;
ALTER TABLE crm.event_changes     REPLICA IDENTITY FULL;
ALTER TABLE crm.dimension_changes REPLICA IDENTITY FULL;

-- What one transaction of a merge says to everybody: from which page on a change table has something that waits. It is
-- good for the file that it was said of, and in this row as the merge wrote it: a dump or a copy of it says nothing.
CREATE TABLE crm.merge_state (
    id          boolean     NOT NULL DEFAULT true,
    line_page   bigint      NOT NULL DEFAULT 0,
    line_file   oid,
    order_page  bigint      NOT NULL DEFAULT 0,
    order_file  oid,
    event_page  bigint      NOT NULL DEFAULT 0,
    event_file  oid,
    written_by  xid8,
    merged_at   timestamptz,
    merged      bigint,
    failed_at   timestamptz,
    failure     text,
    CONSTRAINT merge_state_is_one_row PRIMARY KEY (id),
    CONSTRAINT merge_state_id_is_true CHECK (id)
);
INSERT INTO crm.merge_state DEFAULT VALUES;

CREATE TABLE crm.rollup_values (
    dimension    text    NOT NULL,
    id           bigint  NOT NULL,
    value        text,
    CONSTRAINT rollup_values_are_known_once PRIMARY KEY (dimension, id)
);

COMMENT ON TABLE  crm.rollups            IS 'The sums that are kept; crm_create_rollup() and crm_drop_rollup() change them';
COMMENT ON COLUMN crm.rollups.name       IS 'Name of the view that shows the sums; they lie in the table of that name with _cells behind it';
COMMENT ON COLUMN crm.rollups.grain      IS 'What is summed up: line (sold lines), order (orders in any status) or event (steps of orders)';
COMMENT ON COLUMN crm.rollups.dimensions IS 'What it is summed up by';
COMMENT ON COLUMN crm.rollups.generation IS 'Which rows of that table count; all others are dead and gone for everybody who sees this';
COMMENT ON COLUMN crm.rollups.sums       IS 'How many they were when this generation began';
COMMENT ON COLUMN crm.rollups.first_page IS 'Page of that table before which there are none';
COMMENT ON COLUMN crm.rollups.file       IS 'File that first_page is about; of another one (VACUUM FULL) it says nothing';
COMMENT ON COLUMN crm.rollups.written_by IS 'Transaction that has written this row; if it is another one (a restored dump), first_page says nothing';
COMMENT ON CONSTRAINT rollups_have_a_unique_name     ON crm.rollups IS 'Each rollup has a name of its own';
COMMENT ON CONSTRAINT rollups_name_has_1_to_55_bytes ON crm.rollups IS 'With _cells behind it, it is still a name';
COMMENT ON CONSTRAINT rollups_grain_is_known         ON crm.rollups IS 'Lines, orders or events are summed up';
COMMENT ON TABLE  crm.line_changes             IS 'What has changed about sold lines since the last merge; written by the database';
COMMENT ON COLUMN crm.line_changes.day         IS 'Day on which the order was placed';
COMMENT ON COLUMN crm.line_changes.product_id  IS 'Product that is sold';
COMMENT ON COLUMN crm.line_changes.customer_id IS 'Customer who ordered';
COMMENT ON COLUMN crm.line_changes.lines       IS 'Lines that came; negative: that went';
COMMENT ON COLUMN crm.line_changes.quantity    IS 'Thousandths of a unit that came';
COMMENT ON COLUMN crm.line_changes.amount      IS 'Cents that came, in the reporting currency';
COMMENT ON COLUMN crm.line_changes.currency    IS 'Currency of the order';
COMMENT ON COLUMN crm.line_changes.workflow    IS 'Sales process of the order';
COMMENT ON COLUMN crm.line_changes.owner       IS 'Salesperson who looks after the order';
COMMENT ON TABLE  crm.order_changes             IS 'What has changed about orders since the last merge; written by the database';
COMMENT ON COLUMN crm.order_changes.day         IS 'Day on which the order was placed';
COMMENT ON COLUMN crm.order_changes.orders      IS 'Orders that came; negative: that went';
COMMENT ON COLUMN crm.order_changes.customer_id IS 'Customer who ordered';
COMMENT ON COLUMN crm.order_changes.total       IS 'Cents that came, in the reporting currency';
COMMENT ON COLUMN crm.order_changes.currency    IS 'Currency of the order';
COMMENT ON COLUMN crm.order_changes.workflow    IS 'Sales process of the order';
COMMENT ON COLUMN crm.order_changes.status      IS 'Status of the order';
COMMENT ON COLUMN crm.order_changes.left_status IS 'Status that the same orders have left, if they have taken a step';
COMMENT ON COLUMN crm.order_changes.owner       IS 'Salesperson who looks after the order';
COMMENT ON TABLE  crm.event_changes             IS 'Which events have been recorded since the last merge; written by the database';
COMMENT ON COLUMN crm.event_changes.day         IS 'Day of the event in the reporting time zone';
COMMENT ON COLUMN crm.event_changes.events      IS 'Events that came; negative: that went';
COMMENT ON COLUMN crm.event_changes.dwell       IS 'Microseconds that orders had been in from_status';
COMMENT ON COLUMN crm.event_changes.event       IS 'What happened';
COMMENT ON COLUMN crm.event_changes.from_status IS 'Status before';
COMMENT ON COLUMN crm.event_changes.to_status   IS 'Status after';
COMMENT ON TABLE  crm.dimension_changes           IS 'Products and customers whose history has moved to another category or region since the last merge; written by the database';
COMMENT ON COLUMN crm.dimension_changes.dimension IS 'category or region';
COMMENT ON COLUMN crm.dimension_changes.id        IS 'Product or customer';
COMMENT ON TABLE  crm.rollup_values           IS 'Category of a product, region of a customer, as the sums have it; crm_merge_rollups() brings it up to date';
COMMENT ON COLUMN crm.rollup_values.dimension IS 'category or region';
COMMENT ON COLUMN crm.rollup_values.id        IS 'Product or customer';
COMMENT ON COLUMN crm.rollup_values.value     IS 'The category or region';
COMMENT ON CONSTRAINT rollup_values_are_known_once ON crm.rollup_values IS 'The sums have a product or customer in one place';
COMMENT ON TABLE  crm.merge_state            IS 'How far the waiting changes have been merged; one row, written by crm_merge_rollups()';
COMMENT ON COLUMN crm.merge_state.id         IS 'true: there is one row';
COMMENT ON COLUMN crm.merge_state.line_page  IS 'Page of line_changes before which nothing waits';
COMMENT ON COLUMN crm.merge_state.line_file  IS 'File that line_page is about; of another one (VACUUM FULL) it says nothing';
COMMENT ON COLUMN crm.merge_state.order_page IS 'Page of order_changes before which nothing waits';
COMMENT ON COLUMN crm.merge_state.order_file IS 'File that order_page is about';
COMMENT ON COLUMN crm.merge_state.event_page IS 'Page of event_changes before which nothing waits';
COMMENT ON COLUMN crm.merge_state.event_file IS 'File that event_page is about';
COMMENT ON COLUMN crm.merge_state.written_by IS 'Transaction that has written this row; if it is another one (a restored dump), the pages say nothing';
COMMENT ON COLUMN crm.merge_state.merged_at  IS 'When something was merged last';
COMMENT ON COLUMN crm.merge_state.merged     IS 'How many changes that were';
COMMENT ON COLUMN crm.merge_state.failed_at  IS 'When the background worker last failed';
COMMENT ON COLUMN crm.merge_state.failure    IS 'What it failed with';
COMMENT ON CONSTRAINT merge_state_is_one_row ON crm.merge_state IS 'There is one row';
COMMENT ON CONSTRAINT merge_state_id_is_true ON crm.merge_state IS 'There is one row';

DO $do$ BEGIN
EXECUTE format($status$CREATE VIEW crm.rollup_status AS
SELECT w.waiting_changes,
       CASE WHEN w.waiting_changes > 0 THEN extract(epoch FROM clock_timestamp() - s.merged_at)::bigint END AS lag_seconds,
       s.merged_at,
       s.merged AS merged_changes,
       (SELECT a.pid FROM pg_stat_activity a WHERE a.datname = current_database() AND a.backend_type = 'crm merge worker' LIMIT 1) AS worker_pid,
       s.failed_at,
       s.failure,
       pg_relation_size('crm.line_changes') + pg_relation_size('crm.order_changes') + pg_relation_size('crm.event_changes') AS bytes
FROM crm.merge_state s
CROSS JOIN (SELECT (SELECT count(*) FROM %1$s c) + (SELECT count(*) FROM %2$s c) + (SELECT count(*) FROM %3$s c)
                + (SELECT count(*) FROM crm.dimension_changes) AS waiting_changes) w$status$,
    @extschema@.crm_waiting('line'), @extschema@.crm_waiting('order'), @extschema@.crm_waiting('event'));
END $do$;
COMMENT ON VIEW   crm.rollup_status                 IS 'Whether changes are merged in time: what waits, and how the last merge went';
COMMENT ON COLUMN crm.rollup_status.waiting_changes IS 'Changes that readers of the figures add up themselves; fast while there are some 10,000';
COMMENT ON COLUMN crm.rollup_status.lag_seconds     IS 'Seconds since the last merge, if something waits';
COMMENT ON COLUMN crm.rollup_status.merged_at       IS 'When something was merged last';
COMMENT ON COLUMN crm.rollup_status.merged_changes  IS 'How many changes that were';
COMMENT ON COLUMN crm.rollup_status.worker_pid      IS 'Process of the background worker, while there is one';
COMMENT ON COLUMN crm.rollup_status.failed_at       IS 'When the background worker last failed';
COMMENT ON COLUMN crm.rollup_status.failure         IS 'What it failed with';
COMMENT ON COLUMN crm.rollup_status.bytes           IS 'Size of the change tables; given back when nothing waits and nobody holds an old snapshot';
