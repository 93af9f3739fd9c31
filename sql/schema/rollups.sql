-- Sums that are kept: which ones, what writers have changed since they were last merged, and what a merge found.
CREATE TABLE crm.rollups (
    name        text      NOT NULL,
    grain       text      NOT NULL,
    dimensions  text[]    NOT NULL,
    cells       regclass  NOT NULL,
    generation  integer   NOT NULL DEFAULT 1,
    sums        bigint    NOT NULL DEFAULT 0,
    first_page  bigint    NOT NULL DEFAULT 0,
    file        oid,
    written_by  xid8,
    CONSTRAINT rollups_have_a_unique_name      PRIMARY KEY (name),
    CONSTRAINT rollups_name_has_1_to_55_bytes  CHECK (octet_length(name) BETWEEN 1 AND 55),
    CONSTRAINT rollups_grain_is_known          CHECK (grain IN ('line', 'order', 'event'))
);

-- No index on any of these: a writer appends and goes on. Rows go away when they are merged; what of that is dead is not
-- used again, and a mark behind it keeps VACUUM from cutting it off: change_tables counts pages. There are two of each kind: when the first has grown,
-- writers go to the second until the first could be emptied (src/changes.c).
CREATE TABLE crm.line_changes_1 (
    day          date,
    product_id   bigint,
    customer_id  bigint,
    lines        integer,
    quantity     bigint,
    amount       bigint,
    written_at   timestamptz,
    currency     text,
    workflow     text,
    owner        text
) WITH (autovacuum_enabled = off);
CREATE TABLE crm.order_changes_1 (
    day          date,
    orders       integer,
    customer_id  bigint,
    total        bigint,
    written_at   timestamptz,
    currency     text,
    workflow     text,
    status       text,
    left_status  text,
    owner        text,
    stepped_on   date,
    event        text,
    dwell        bigint
) WITH (autovacuum_enabled = off);
CREATE TABLE crm.event_changes_1 (
    day          date,
    events       integer,
    dwell        bigint,
    written_at   timestamptz,
    event        text,
    from_status  text,
    to_status    text
) WITH (autovacuum_enabled = off);
CREATE TABLE crm.dimension_changes (
    dimension    text,
    id           bigint,
    written_at   timestamptz
);

-- What a merge says to everybody: from which page on a change table has something that waits. It is good for the file that
-- it was said of, and in the row as the merge wrote it: a dump or a copy of it says nothing.
CREATE TABLE crm.change_tables (
    name         text    NOT NULL,
    first_page   bigint  NOT NULL DEFAULT 0,
    file         oid,
    written_by   xid8,
    CONSTRAINT change_tables_are_listed_once PRIMARY KEY (name)
);
INSERT INTO crm.change_tables (name) VALUES
    ('line_changes_1'), ('line_changes_2'), ('order_changes_1'), ('order_changes_2'), ('event_changes_1'), ('event_changes_2');

-- Customers cannot be added up: of the sums by customer and month, how many are there in each month.
CREATE TABLE crm.buyers_by_month (
    month      date   NOT NULL,
    customers  bigint NOT NULL,
    CONSTRAINT buyers_by_month_are_one PRIMARY KEY (month)
) WITH (fillfactor = 70);

CREATE TABLE crm.merge_state (
    id          boolean     NOT NULL DEFAULT true,
    merged_at   timestamptz,
    merged      bigint,
    failed_at   timestamptz,
    failure     text,
    CONSTRAINT merge_state_is_one_row PRIMARY KEY (id),
    CONSTRAINT merge_state_id_is_true CHECK (id)
);
INSERT INTO crm.merge_state DEFAULT VALUES;

-- Two, as a reader reads all of one if much waits: of 2,000 products it shall not step over 200,000 customers.
CREATE TABLE crm.rollup_categories (
    product_id   bigint  NOT NULL,
    category     text,
    CONSTRAINT rollup_categories_are_known_once PRIMARY KEY (product_id)
);
CREATE TABLE crm.rollup_regions (
    customer_id  bigint  NOT NULL,
    region       text,
    CONSTRAINT rollup_regions_are_known_once PRIMARY KEY (customer_id)
);

COMMENT ON TABLE  crm.rollups            IS 'The sums that are kept; crm_create_rollup() and crm_drop_rollup() change them';
COMMENT ON COLUMN crm.rollups.name       IS 'Name of the view that shows the sums';
COMMENT ON COLUMN crm.rollups.grain      IS 'What is summed up: line (sold lines), order (orders in any status) or event (steps of orders)';
COMMENT ON COLUMN crm.rollups.dimensions IS 'What it is summed up by';
COMMENT ON COLUMN crm.rollups.cells      IS 'Table where they lie; a snapshot that shows another one is from before the rollup was made again';
COMMENT ON COLUMN crm.rollups.generation IS 'Which rows of the table of sums count; all others are dead and gone for everybody who sees this';
COMMENT ON COLUMN crm.rollups.sums       IS 'How many they were when this generation began';
COMMENT ON COLUMN crm.rollups.first_page IS 'Page of the table before which there are none';
COMMENT ON COLUMN crm.rollups.file       IS 'File that first_page is about; of another one (VACUUM FULL) it says nothing';
COMMENT ON COLUMN crm.rollups.written_by IS 'Transaction that has written this row; if it is another one (a restored dump), first_page says nothing';
COMMENT ON CONSTRAINT rollups_have_a_unique_name     ON crm.rollups IS 'Each rollup has a name of its own';
COMMENT ON CONSTRAINT rollups_name_has_1_to_55_bytes ON crm.rollups IS 'With _cells behind it, it is still a name';
COMMENT ON CONSTRAINT rollups_grain_is_known         ON crm.rollups IS 'Lines, orders or events are summed up';
COMMENT ON TABLE  crm.line_changes_1             IS 'What has changed about sold lines since the last merge; written by the database';
COMMENT ON COLUMN crm.line_changes_1.day         IS 'Day on which the order was placed; without one, this is no change but the mark of a merge';
COMMENT ON COLUMN crm.line_changes_1.product_id  IS 'Product that is sold';
COMMENT ON COLUMN crm.line_changes_1.customer_id IS 'Customer who ordered';
COMMENT ON COLUMN crm.line_changes_1.lines       IS 'Lines that came; negative: that went';
COMMENT ON COLUMN crm.line_changes_1.quantity    IS 'Thousandths of a unit that came';
COMMENT ON COLUMN crm.line_changes_1.amount      IS 'Cents that came, in the reporting currency';
COMMENT ON COLUMN crm.line_changes_1.written_at  IS 'When the statement began that changed this';
COMMENT ON COLUMN crm.line_changes_1.currency    IS 'Currency of the order';
COMMENT ON COLUMN crm.line_changes_1.workflow    IS 'Sales process of the order';
COMMENT ON COLUMN crm.line_changes_1.owner       IS 'Salesperson who looks after the order';
COMMENT ON TABLE  crm.order_changes_1             IS 'What has changed about orders since the last merge; written by the database';
COMMENT ON COLUMN crm.order_changes_1.day         IS 'Day on which the order was placed; without one, this is no change but the mark of a merge';
COMMENT ON COLUMN crm.order_changes_1.orders      IS 'Orders that came; negative: that went';
COMMENT ON COLUMN crm.order_changes_1.customer_id IS 'Customer who ordered';
COMMENT ON COLUMN crm.order_changes_1.total       IS 'Cents that came, in the reporting currency';
COMMENT ON COLUMN crm.order_changes_1.written_at  IS 'When the statement began that changed this';
COMMENT ON COLUMN crm.order_changes_1.currency    IS 'Currency of the order';
COMMENT ON COLUMN crm.order_changes_1.workflow    IS 'Sales process of the order';
COMMENT ON COLUMN crm.order_changes_1.status      IS 'Status of the order';
COMMENT ON COLUMN crm.order_changes_1.left_status IS 'Status that the same orders have left, if they have taken a step';
COMMENT ON COLUMN crm.order_changes_1.owner       IS 'Salesperson who looks after the order';
COMMENT ON COLUMN crm.order_changes_1.stepped_on  IS 'Day of the step in the reporting time zone, if its event is told of here, too';
COMMENT ON COLUMN crm.order_changes_1.event       IS 'What happened then';
COMMENT ON COLUMN crm.order_changes_1.dwell       IS 'Microseconds that the orders had been in left_status then';
COMMENT ON TABLE  crm.event_changes_1             IS 'Which events have been recorded since the last merge; written by the database';
COMMENT ON COLUMN crm.event_changes_1.day         IS 'Day of the event in the reporting time zone; without one, this is no change but the mark of a merge';
COMMENT ON COLUMN crm.event_changes_1.events      IS 'Events that came; negative: that went';
COMMENT ON COLUMN crm.event_changes_1.dwell       IS 'Microseconds that orders had been in from_status';
COMMENT ON COLUMN crm.event_changes_1.written_at  IS 'When the statement began that changed this';
COMMENT ON COLUMN crm.event_changes_1.event       IS 'What happened';
COMMENT ON COLUMN crm.event_changes_1.from_status IS 'Status before';
COMMENT ON COLUMN crm.event_changes_1.to_status   IS 'Status after';
COMMENT ON TABLE  crm.dimension_changes           IS 'Products and customers whose history has moved to another category or region since the last merge; written by the database';
COMMENT ON COLUMN crm.dimension_changes.dimension IS 'category or region';
COMMENT ON COLUMN crm.dimension_changes.id        IS 'Product or customer';
COMMENT ON COLUMN crm.dimension_changes.written_at IS 'When the statement began that changed this';
CREATE TABLE crm.line_changes_2  (LIKE crm.line_changes_1  INCLUDING COMMENTS) WITH (autovacuum_enabled = off);
CREATE TABLE crm.order_changes_2 (LIKE crm.order_changes_1 INCLUDING COMMENTS) WITH (autovacuum_enabled = off);
CREATE TABLE crm.event_changes_2 (LIKE crm.event_changes_1 INCLUDING COMMENTS) WITH (autovacuum_enabled = off);

-- A sample of them tells the planner about what was there: often nothing but marks, whose columns are all empty. (ANALYZE still counts rows.)
DO $$
DECLARE
    change record;
BEGIN
    FOR change IN SELECT format('crm.%I', t.name) AS relation, a.attname
                  FROM crm.change_tables AS t JOIN pg_catalog.pg_attribute AS a ON a.attrelid = format('crm.%I', t.name)::regclass AND a.attnum > 0 LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS 0', change.relation, change.attname);
    END LOOP;
END $$;
COMMENT ON TABLE crm.line_changes_2  IS 'The same, while line_changes_1 waits to be emptied';
COMMENT ON TABLE crm.order_changes_2 IS 'The same, while order_changes_1 waits to be emptied';
COMMENT ON TABLE crm.event_changes_2 IS 'The same, while event_changes_1 waits to be emptied';
-- Rows without a key: what a publication tells of their removal is all of them.
ALTER TABLE crm.line_changes_1    REPLICA IDENTITY FULL;
ALTER TABLE crm.line_changes_2    REPLICA IDENTITY FULL;
ALTER TABLE crm.order_changes_1   REPLICA IDENTITY FULL;
ALTER TABLE crm.order_changes_2   REPLICA IDENTITY FULL;
ALTER TABLE crm.event_changes_1   REPLICA IDENTITY FULL;
ALTER TABLE crm.event_changes_2   REPLICA IDENTITY FULL;
ALTER TABLE crm.dimension_changes REPLICA IDENTITY FULL;
COMMENT ON TABLE  crm.rollup_categories             IS 'Category of a product, as the sums have it; crm_merge_rollups() brings it up to date';
COMMENT ON COLUMN crm.rollup_categories.product_id  IS 'Product';
COMMENT ON COLUMN crm.rollup_categories.category    IS 'Category that its sums are in';
COMMENT ON CONSTRAINT rollup_categories_are_known_once ON crm.rollup_categories IS 'The sums have a product in one category';
COMMENT ON TABLE  crm.rollup_regions                IS 'Region of a customer, as the sums have it; crm_merge_rollups() brings it up to date';
COMMENT ON COLUMN crm.rollup_regions.customer_id    IS 'Customer';
COMMENT ON COLUMN crm.rollup_regions.region         IS 'Region that his sums are in';
COMMENT ON CONSTRAINT rollup_regions_are_known_once ON crm.rollup_regions IS 'The sums have a customer in one region';
COMMENT ON TABLE  crm.change_tables            IS 'The change tables, and where in each of them something waits; written by crm_merge_rollups()';
COMMENT ON COLUMN crm.change_tables.name       IS 'Name of the change table';
COMMENT ON COLUMN crm.change_tables.first_page IS 'Page before which nothing waits';
COMMENT ON COLUMN crm.change_tables.file       IS 'File that first_page is about; of another one (TRUNCATE, VACUUM FULL) it says nothing';
COMMENT ON COLUMN crm.change_tables.written_by IS 'Transaction that has taken changes from it last, and written this row; if it is another one (a restored dump), first_page says nothing';
COMMENT ON CONSTRAINT change_tables_are_listed_once ON crm.change_tables IS 'Each is there once';
COMMENT ON TABLE  crm.buyers_by_month           IS 'Kept number of customers who bought, as the kept sums of sales_by_customer_month have it; written by crm_merge_rollups()';
COMMENT ON COLUMN crm.buyers_by_month.month     IS 'First day of the month in which the orders were placed';
COMMENT ON COLUMN crm.buyers_by_month.customers IS 'Customers who bought something; what has changed since is not counted';
COMMENT ON CONSTRAINT buyers_by_month_are_one ON crm.buyers_by_month IS 'A month is there once';
COMMENT ON TABLE  crm.merge_state            IS 'How the last merge of waiting changes went; one row, written by crm_merge_rollups()';
COMMENT ON COLUMN crm.merge_state.id         IS 'true: there is one row';
COMMENT ON COLUMN crm.merge_state.merged_at  IS 'When something was merged last';
COMMENT ON COLUMN crm.merge_state.merged     IS 'How many changes that were';
COMMENT ON COLUMN crm.merge_state.failed_at  IS 'When the background worker failed, if nothing has been merged since';
COMMENT ON COLUMN crm.merge_state.failure    IS 'What it failed with, if so';
COMMENT ON CONSTRAINT merge_state_is_one_row ON crm.merge_state IS 'There is one row';
COMMENT ON CONSTRAINT merge_state_id_is_true ON crm.merge_state IS 'There is one row';

DO $do$ BEGIN
EXECUTE format($status$CREATE VIEW crm.rollup_status AS
SELECT w.waiting_changes,
       CASE w.waiting_changes WHEN 0 THEN 0 ELSE greatest(floor(extract(epoch FROM clock_timestamp() - w.oldest)), 0)::bigint END AS lag_seconds,
       s.merged_at,
       s.merged AS merged_changes,
       (SELECT a.pid FROM pg_stat_activity a WHERE a.datname = current_database() AND a.backend_type = 'crm merge worker' LIMIT 1) AS worker_pid,
       s.failed_at,
       s.failure,
       (SELECT sum(pg_relation_size(format('crm.%%I', t.name)::regclass))::bigint FROM crm.change_tables t) AS bytes
FROM crm.merge_state s
CROSS JOIN (SELECT count(*) AS waiting_changes, min(c.written_at) AS oldest
            FROM (SELECT written_at FROM %1$s l UNION ALL SELECT written_at FROM %2$s o UNION ALL SELECT written_at FROM %3$s e
                  UNION ALL SELECT written_at FROM crm.dimension_changes) c) w$status$,
    @extschema@.crm_waiting_rows('line'), @extschema@.crm_waiting_rows('order'), @extschema@.crm_waiting_rows('event'));
END $do$;
COMMENT ON VIEW   crm.rollup_status                 IS 'Whether changes are merged in time: what waits, and how the last merge went';
COMMENT ON COLUMN crm.rollup_status.waiting_changes IS 'Changes that readers of the figures add up themselves; fast while there are some 10,000';
COMMENT ON COLUMN crm.rollup_status.lag_seconds     IS 'Age of the oldest change that waits, in seconds since its statement began; 0 if none waits';
COMMENT ON COLUMN crm.rollup_status.merged_at       IS 'When something was merged last; empty if nothing has been yet';
COMMENT ON COLUMN crm.rollup_status.merged_changes  IS 'How many changes that were';
COMMENT ON COLUMN crm.rollup_status.worker_pid      IS 'Process of the background worker, while there is one';
COMMENT ON COLUMN crm.rollup_status.failed_at       IS 'When the background worker failed; empty if it has not, or a merge has succeeded since';
COMMENT ON COLUMN crm.rollup_status.failure         IS 'What it failed with, if so';
COMMENT ON COLUMN crm.rollup_status.bytes           IS 'Size of the change tables; of those that have grown it is given back, unless somebody holds an old snapshot';
