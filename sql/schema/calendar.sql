-- From the year of the first day of a fact to that of the last, and no less than this one, so that a join with a fact loses
-- nothing. Orders, payments and activities find their bounds by index. Steps have theirs from the kept sums, as an index on
-- their time would cost each of them; they may lie outside the years of the orders, as an import says since when an order has
-- its status, and placed_at may be put right later. (An import may also say 44 BC, which nothing else here may: such a step
-- has no day in the calendar, lest everybody gets one of 2,000 years.)
CREATE VIEW crm.dim_date AS
SELECT d.day AS date_key,
       extract(year FROM d.day)::integer AS year,
       extract(quarter FROM d.day)::integer AS quarter,
       extract(month FROM d.day)::integer AS month,
       extract(day FROM d.day)::integer AS day_of_month,
       extract(isodow FROM d.day)::integer AS day_of_week,
       to_char(d.day, 'FMMonth') AS month_name,
       to_char(d.day, 'FMDay') AS day_name,
       to_char(d.day, 'YYYY-MM') AS year_month,
       to_char(d.day, 'YYYY-"Q"Q') AS year_quarter,
       date_trunc('week', d.day)::date AS week_start,
       date_trunc('month', d.day)::date AS month_start,
       date_trunc('quarter', d.day)::date AS quarter_start,
       extract(isoyear FROM d.day)::integer AS iso_year,
       extract(week FROM d.day)::integer AS iso_week,
       extract(isodow FROM d.day) >= 6 AS is_weekend,
       (f.fiscal_month / 12)::integer AS fiscal_year,
       (f.fiscal_month % 12 / 3 + 1)::integer AS fiscal_quarter,
       (f.fiscal_month % 12 + 1)::integer AS fiscal_month
FROM (SELECT time_zone, fiscal_year_start FROM crm.settings LIMIT 1) AS g
CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE g.time_zone)::date AS day) AS today
CROSS JOIN (SELECT min(day) AS first, max(day) AS last FROM crm.steps_by_day) AS steps
CROSS JOIN LATERAL (
    SELECT greatest(date '1900-01-01', least(today.day, steps.first,
               (SELECT min(placed_on) FROM crm.orders),
               (SELECT min(settled_on) FROM crm.payments),
               ((SELECT min(done_at) FROM crm.activities) AT TIME ZONE g.time_zone)::date,
               ((SELECT min(due_at) FROM crm.activities WHERE done_at IS NULL) AT TIME ZONE g.time_zone)::date)) AS first,
           least(date '2999-12-31', greatest(today.day, steps.last,
               (SELECT max(placed_on) FROM crm.orders),
               (SELECT max(settled_on) FROM crm.payments),
               ((SELECT max(done_at) FROM crm.activities) AT TIME ZONE g.time_zone)::date,
               ((SELECT max(due_at) FROM crm.activities WHERE done_at IS NULL) AT TIME ZONE g.time_zone)::date)) AS last
) AS known
CROSS JOIN LATERAL generate_series(
    date_trunc('year', known.first::timestamp),
    date_trunc('year', known.last::timestamp) + interval '1 year - 1 day',
    interval '1 day') AS series (at)
CROSS JOIN LATERAL (SELECT series.at::date AS day) AS d
-- months since the year 0, counted so that a fiscal year has the number of the year in which it ends
CROSS JOIN LATERAL (
    SELECT (extract(year FROM d.day) * 12 + extract(month FROM d.day) - 1
            + CASE WHEN g.fiscal_year_start > 1 THEN 13 - g.fiscal_year_start ELSE 0 END)::integer AS fiscal_month
) AS f;

COMMENT ON VIEW   crm.dim_date                IS 'Calendar: each day of the years in which there are orders, steps, payments or activities, and of this year';
COMMENT ON COLUMN crm.dim_date.date_key       IS 'The day';
COMMENT ON COLUMN crm.dim_date.year           IS 'Calendar year';
COMMENT ON COLUMN crm.dim_date.quarter        IS 'Calendar quarter: 1 to 4';
COMMENT ON COLUMN crm.dim_date.month          IS 'Month: 1 to 12';
COMMENT ON COLUMN crm.dim_date.day_of_month   IS 'Day of the month: 1 to 31';
COMMENT ON COLUMN crm.dim_date.day_of_week    IS 'Day of the week: 1 is Monday, 7 is Sunday';
COMMENT ON COLUMN crm.dim_date.month_name     IS 'Month, in English: January';
COMMENT ON COLUMN crm.dim_date.day_name       IS 'Day of the week, in English: Monday';
COMMENT ON COLUMN crm.dim_date.year_month     IS 'Year and month: 2026-01';
COMMENT ON COLUMN crm.dim_date.year_quarter   IS 'Year and quarter: 2026-Q1';
COMMENT ON COLUMN crm.dim_date.week_start     IS 'Monday of the week';
COMMENT ON COLUMN crm.dim_date.month_start    IS 'First day of the month';
COMMENT ON COLUMN crm.dim_date.quarter_start  IS 'First day of the quarter';
COMMENT ON COLUMN crm.dim_date.iso_year       IS 'Year of the week (ISO 8601)';
COMMENT ON COLUMN crm.dim_date.iso_week       IS 'Number of the week (ISO 8601): 1 to 53';
COMMENT ON COLUMN crm.dim_date.is_weekend     IS 'Whether it is a Saturday or a Sunday';
COMMENT ON COLUMN crm.dim_date.fiscal_year    IS 'Fiscal year (settings.fiscal_year_start), named by the year in which it ends';
COMMENT ON COLUMN crm.dim_date.fiscal_quarter IS 'Quarter of the fiscal year: 1 to 4';
COMMENT ON COLUMN crm.dim_date.fiscal_month   IS 'Month of the fiscal year: 1 to 12';
