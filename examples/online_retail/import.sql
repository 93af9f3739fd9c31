-- Imports a file in the layout of "Online Retail" (UCI dataset 352) into the tables of crm.
--
--     psql -v data=/path/to/online_retail.csv -f examples/online_retail/import.sql
--
-- The file is read where psql runs; it is UTF-8 unless -v encoding=LATIN1 (or another) says so. Each row
-- becomes an order line or goes into crm_import.rejects with a reason; README.md says which and why.
-- What the import leaves behind comes in one transaction: all of it is there or nothing is. Run it as
-- the owner of the tables, because only the owner may enter orders that are completed already.

\set was_quiet :QUIET
\set was_stopping :ON_ERROR_STOP
\set QUIET on
\set ON_ERROR_STOP on
\set SHOW_CONTEXT never

\if :{?data}
\else
DO $$
BEGIN
    RAISE EXCEPTION 'no file was named'
        USING HINT = 'psql -v data=/path/to/online_retail.csv -f examples/online_retail/import.sql';
END
$$;
\endif
\if :{?encoding}
\else
\set encoding UTF8
\endif

BEGIN;
SET LOCAL client_min_messages = warning;
DO $$
BEGIN
    IF to_regclass('crm.orders') IS NULL THEN
        RAISE EXCEPTION 'this database has no table crm.orders'
            USING HINT = 'CREATE EXTENSION crm makes it.';
    END IF;
END
$$;

-- The file as it is: text, with the header as row 0, so that a row which is rejected can be shown as it
-- came. (HEADER MATCH would check the header too, but PostgreSQL 14 does not know it.)
DROP TABLE IF EXISTS pg_temp.online_retail_file;
CREATE TEMPORARY TABLE online_retail_file (
    row_no       bigint NOT NULL GENERATED ALWAYS AS IDENTITY (MINVALUE 0 START 0),
    invoice_no   text,
    stock_code   text,
    description  text,
    quantity     text,
    invoice_date text,
    unit_price   text,
    customer_id  text,
    country      text
);
COMMIT;

-- \copy does not look at variables, but a command that comes out of one is carried out. If it fails the
-- table stays empty, and the check below has more to say about that.
\set columns 'invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country'
\set read '\\copy pg_temp.online_retail_file (' :columns ') FROM ' :'data' ' WITH (FORMAT csv, ENCODING ' :'encoding' ')'
\set SHOW_CONTEXT errors
\set ON_ERROR_STOP off
:read
\set ON_ERROR_STOP on
\set SHOW_CONTEXT never

BEGIN;
SET LOCAL client_min_messages = warning;
-- A DO block sees no variables of psql.
SELECT set_config('online_retail.file', :'data', true) AS data \gset

DO $$
DECLARE
    wanted CONSTANT text := 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';
    file   CONSTANT text := current_setting('online_retail.file');
    header text;
BEGIN
    -- Excel begins a file in UTF-8 with a byte order mark.
    SELECT concat_ws(',', ltrim(invoice_no, U&'\FEFF'), stock_code, description, quantity, invoice_date,
                     unit_price, customer_id, country)
    INTO header
    FROM pg_temp.online_retail_file
    WHERE row_no = 0;

    IF header IS NULL THEN
        RAISE EXCEPTION 'nothing was read from file "%"', file
            USING DETAIL = 'Either it is empty, or the error above says why.',
                  HINT = format('It must be a CSV file with commas, in UTF-8 (-v encoding=LATIN1 names another encoding), with the columns %s.', wanted);
    ELSIF lower(header) <> lower(wanted) THEN
        RAISE EXCEPTION 'the first row of file "%" is not the header of Online Retail', file
            USING DETAIL = format('It is:     %s%sIt must be: %s', left(header, 200), E'\n', wanted);
    ELSIF NOT EXISTS (SELECT FROM pg_temp.online_retail_file WHERE row_no > 0) THEN
        RAISE EXCEPTION 'file "%" has a header and no rows', file;
    END IF;
END
$$;

-- Codes that are no goods. Services are sold: they stand on invoices, and customers pay for them. The
-- others are entries of the bookkeeping that found their way into the file.
CREATE TEMPORARY TABLE online_retail_code ON COMMIT DROP AS
SELECT code, kind
FROM (VALUES
    ('POST', 'service'),            -- postage
    ('DOT', 'service'),             -- postage of the web shop
    ('C2', 'service'),              -- carriage
    ('M', 'service'),               -- entered by hand
    ('BANK CHARGES', 'service'),
    ('AMAZONFEE', 'bookkeeping'),
    ('B', 'bookkeeping'),           -- bad debt
    ('CRUK', 'bookkeeping'),        -- commission of a charity
    ('D', 'bookkeeping'),           -- discount
    ('S', 'bookkeeping')            -- samples
) AS known (code, kind);

-- The rows that are typed, each with the first reason that keeps it out, or none. The order goes from
-- what says most about a row to what says least; README.md has the same list. A condition is looked at
-- only if those above do not hold, so the casts below meet text that they can read.
CREATE TEMPORARY TABLE online_retail_row ON COMMIT DROP AS
SELECT row_no, invoice_no, stock_code, description, quantity, invoiced_at, unit_price, customer_code, country,
       coalesce(code.kind, 'goods') AS kind,
       CASE
           WHEN invoice_no IS NULL OR stock_code IS NULL OR quantity IS NULL OR invoiced_at IS NULL
                OR unit_price IS NULL                    THEN 'incomplete or unreadable'
           WHEN upper(left(invoice_no, 1)) = 'C'         THEN 'cancellation'
           WHEN code.kind = 'bookkeeping'                THEN 'not a product'
           WHEN quantity <= 0                            THEN 'return or write-off without a sale'
           WHEN unit_price <= 0                          THEN 'price is zero or negative'
           WHEN customer_code IS NULL                    THEN 'no customer'
       END AS reason
FROM (
    SELECT row_no,
           nullif(btrim(invoice_no), '')  AS invoice_no,
           nullif(btrim(stock_code), '')  AS stock_code,
           nullif(btrim(description), '') AS description,
           -- as many digits as crm.order_lines holds without rounding
           CASE WHEN quantity   ~ '^\s*-?\d{1,9}(\.\d{1,3}0*)?\s*$' THEN quantity::numeric   END AS quantity,
           CASE WHEN unit_price ~ '^\s*-?\d{1,9}(\.\d{1,4}0*)?\s*$' THEN unit_price::numeric END AS unit_price,
           -- 2010-12-01 08:26:00, or 12/1/2010 8:26 and 12/1/10 8:26 as in the CSV file of UCI: month first
           CASE
               WHEN invoice_date ~ '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?$'
               THEN invoice_date::timestamp AT TIME ZONE 'UTC'
               WHEN invoice_date ~ '^(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/(\d\d)?\d\d ([01]?\d|2[0-3]):[0-5]\d$'
               THEN to_timestamp(regexp_replace(invoice_date, '/(\d\d) ', '/20\1 ') || ' +00', 'MM/DD/YYYY HH24:MI TZH')
           END AS invoiced_at,
           -- 17850.0 is what some tools make of a number that may be missing
           regexp_replace(nullif(btrim(customer_id), ''), '^(\d+)\.0$', '\1') AS customer_code,
           nullif(btrim(country), '') AS country
    FROM pg_temp.online_retail_file
    WHERE row_no > 0
) AS typed
LEFT JOIN pg_temp.online_retail_code AS code ON code.code = upper(typed.stock_code);

-- An order has one customer: the one of its first row.
UPDATE pg_temp.online_retail_row AS r
SET reason = 'another customer than the first row of the invoice'
FROM (
    SELECT invoice_no, (array_agg(customer_code ORDER BY row_no))[1] AS customer_code
    FROM pg_temp.online_retail_row
    WHERE reason IS NULL
    GROUP BY invoice_no
    HAVING min(customer_code) <> max(customer_code)
) AS mixed
WHERE r.invoice_no = mixed.invoice_no AND r.customer_code <> mixed.customer_code AND r.reason IS NULL;

ANALYZE pg_temp.online_retail_row;

DO $$
DECLARE
    known   bigint;
    example text;
BEGIN
    SELECT count(*), min(reference)
    INTO known, example
    FROM crm.orders
    WHERE reference IN (SELECT invoice_no FROM pg_temp.online_retail_row WHERE reason IS NULL);

    IF known > 0 THEN
        RAISE EXCEPTION 'the invoices of file "%" are in crm.orders already: % of them, invoice % for one',
                current_setting('online_retail.file'), known, example
            USING DETAIL = 'Nothing was imported.',
                  HINT = 'Probably the file has been imported before.';
    END IF;
END
$$;

-- Where the rejected rows go. Later imports add to it.
CREATE SCHEMA IF NOT EXISTS crm_import;
CREATE TABLE IF NOT EXISTS crm_import.rejects (
    imported_at  timestamptz NOT NULL DEFAULT now(),
    row_no       bigint      NOT NULL,
    reason       text        NOT NULL,
    invoice_no   text,
    stock_code   text,
    description  text,
    quantity     text,
    invoice_date text,
    unit_price   text,
    customer_id  text,
    country      text,
    file         text        NOT NULL,
    CONSTRAINT rejects_are_numbered PRIMARY KEY (imported_at, row_no)
);

COMMENT ON SCHEMA crm_import                      IS 'What imports into schema crm have left over';
COMMENT ON TABLE  crm_import.rejects              IS 'Rows of imported files that became no order line, each with the reason';
COMMENT ON COLUMN crm_import.rejects.imported_at  IS 'When the import began';
COMMENT ON COLUMN crm_import.rejects.row_no       IS 'Number of the row in the file; the row after the header is 1';
COMMENT ON COLUMN crm_import.rejects.reason       IS 'Why it was rejected: the first reason that holds';
COMMENT ON COLUMN crm_import.rejects.invoice_no   IS 'InvoiceNo, as in the file';
COMMENT ON COLUMN crm_import.rejects.stock_code   IS 'StockCode, as in the file';
COMMENT ON COLUMN crm_import.rejects.description  IS 'Description, as in the file';
COMMENT ON COLUMN crm_import.rejects.quantity     IS 'Quantity, as in the file';
COMMENT ON COLUMN crm_import.rejects.invoice_date IS 'InvoiceDate, as in the file';
COMMENT ON COLUMN crm_import.rejects.unit_price   IS 'UnitPrice, as in the file';
COMMENT ON COLUMN crm_import.rejects.customer_id  IS 'CustomerID, as in the file';
COMMENT ON COLUMN crm_import.rejects.country      IS 'Country, as in the file';
COMMENT ON COLUMN crm_import.rejects.file         IS 'File that was imported, as it was named to psql';
COMMENT ON CONSTRAINT rejects_are_numbered ON crm_import.rejects IS 'A row of an import is rejected once';

INSERT INTO crm_import.rejects (row_no, reason, invoice_no, stock_code, description, quantity, invoice_date,
                                unit_price, customer_id, country, file)
SELECT f.row_no, r.reason, f.invoice_no, f.stock_code, f.description, f.quantity, f.invoice_date,
       f.unit_price, f.customer_id, f.country, :'data'
FROM pg_temp.online_retail_row AS r
JOIN pg_temp.online_retail_file AS f USING (row_no)
WHERE r.reason IS NOT NULL
ORDER BY f.row_no;

-- A customer has the country that occurs most often, and keeps the others as a custom field. Customers
-- and products that are there already (from an earlier file, say) stay as they are.
INSERT INTO crm.customers (code, name, region, attributes)
SELECT customer_code, 'Customer ' || customer_code, countries[1],
       CASE WHEN cardinality(countries) > 1 THEN jsonb_build_object('other_regions', countries[2:]) ELSE '{}' END
FROM (
    SELECT customer_code,
           array_agg(country ORDER BY n DESC, country) FILTER (WHERE country IS NOT NULL) AS countries
    FROM (
        SELECT customer_code, country, count(*) AS n
        FROM pg_temp.online_retail_row
        WHERE reason IS NULL
        GROUP BY customer_code, country
    ) AS counted
    GROUP BY customer_code
) AS known
ORDER BY customer_code
ON CONFLICT (code) DO NOTHING;

-- The same with the names of a product. Its price is the one that occurs most often; if two do, the later.
INSERT INTO crm.products (sku, name, category, price, attributes)
SELECT sku, coalesce(names[1], sku), kind, prices[1],
       CASE WHEN cardinality(names) > 1 THEN jsonb_build_object('other_names', names[2:]) ELSE '{}' END
FROM (
    SELECT stock_code AS sku, kind,
           array_agg(description ORDER BY n DESC, description) FILTER (WHERE description IS NOT NULL) AS names
    FROM (
        SELECT stock_code, kind, description, count(*) AS n
        FROM pg_temp.online_retail_row
        WHERE reason IS NULL
        GROUP BY stock_code, kind, description
    ) AS counted
    GROUP BY stock_code, kind
) AS named
JOIN (
    SELECT stock_code AS sku, array_agg(unit_price ORDER BY n DESC, last_row DESC) AS prices
    FROM (
        SELECT stock_code, unit_price, count(*) AS n, max(row_no) AS last_row
        FROM pg_temp.online_retail_row
        WHERE reason IS NULL
        GROUP BY stock_code, unit_price
    ) AS counted
    GROUP BY stock_code
) AS priced USING (sku)
ORDER BY sku
ON CONFLICT (sku) DO NOTHING;

-- The file is in pounds, and so are the reports of a database that has no orders yet. In another one
-- crm.exchange_rates must tell what a pound is worth.
UPDATE crm.settings SET currency = 'GBP' WHERE NOT EXISTS (SELECT FROM crm.orders);

-- One order for each invoice. Some invoices were written over more than a minute: the first one counts.
INSERT INTO crm.orders (reference, customer_id, status, status_since, currency, placed_at)
SELECT i.reference, c.id, 'completed', i.placed_at, 'GBP', i.placed_at
FROM (
    SELECT invoice_no AS reference, min(customer_code) AS customer_code, min(invoiced_at) AS placed_at
    FROM pg_temp.online_retail_row
    WHERE reason IS NULL
    GROUP BY invoice_no
) AS i
JOIN crm.customers AS c ON c.code = i.customer_code
ORDER BY i.placed_at, i.reference;

-- Rows that repeat another one are lines of their own: the same thing was scanned twice.
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price)
SELECT o.id, row_number() OVER (PARTITION BY o.id ORDER BY r.row_no), p.id, r.quantity, r.unit_price
FROM pg_temp.online_retail_row AS r
JOIN crm.orders   AS o ON o.reference = r.invoice_no
JOIN crm.products AS p ON p.sku = r.stock_code
WHERE r.reason IS NULL;

ANALYZE crm.customers, crm.products, crm.orders, crm.order_lines, crm.order_events, crm_import.rejects;

-- The tables against the file, before anything becomes visible to others.
DO $$
DECLARE
    in_file  record;
    accepted record;
    in_crm   record;
    rejected bigint;
BEGIN
    SELECT count(*) AS rows INTO in_file
    FROM pg_temp.online_retail_file
    WHERE row_no > 0;

    SELECT count(*) AS lines, count(DISTINCT customer_code) AS customers, sum(round(quantity * unit_price, 2)) AS revenue
    INTO accepted
    FROM pg_temp.online_retail_row
    WHERE reason IS NULL;

    SELECT count(*) INTO rejected FROM crm_import.rejects WHERE imported_at = now();

    SELECT count(*) AS lines, count(DISTINCT o.customer_id) AS customers, sum(l.amount) AS revenue
    INTO in_crm
    FROM crm.orders AS o
    JOIN crm.order_lines AS l ON l.order_id = o.id
    WHERE o.reference IN (SELECT invoice_no FROM pg_temp.online_retail_row WHERE reason IS NULL);

    IF in_crm.lines + rejected <> in_file.rows THEN
        RAISE EXCEPTION 'the import does not add up: % order lines and % rejects, but the file has % rows',
                in_crm.lines, rejected, in_file.rows
            USING DETAIL = 'Nothing was imported.';
    ELSIF in_crm IS DISTINCT FROM accepted THEN
        RAISE EXCEPTION 'the order lines are not the rows that were accepted: % instead of % (lines, customers, revenue)',
                in_crm, accepted
            USING DETAIL = 'Nothing was imported.';
    END IF;
END
$$;

\pset footer off
\echo
\echo 'Rows of the file'
SELECT what, rows
FROM (
    SELECT 1 AS part, 'accepted' AS what, count(*) AS rows
    FROM pg_temp.online_retail_row
    WHERE reason IS NULL
    UNION ALL
    SELECT 2, 'rejected: ' || reason, count(*)
    FROM crm_import.rejects
    WHERE imported_at = now()
    GROUP BY reason
    UNION ALL
    SELECT 3, 'total', count(*)
    FROM pg_temp.online_retail_file
    WHERE row_no > 0
) AS counted
ORDER BY part, rows DESC, what;

COMMIT;
DROP TABLE pg_temp.online_retail_file;

\echo 'What the tables hold now'
SELECT o.currency, count(DISTINCT o.id) AS orders, count(*) AS lines, count(DISTINCT o.customer_id) AS customers,
       sum(l.amount) AS revenue
FROM crm.orders AS o
JOIN crm.order_lines AS l ON l.order_id = o.id
GROUP BY o.currency
ORDER BY o.currency;
\pset footer on
\set SHOW_CONTEXT errors
\set ON_ERROR_STOP :was_stopping
\set QUIET :was_quiet
