-- One row of house rules. The boolean key makes a second row impossible.
CREATE TABLE crm.settings (
    id         boolean NOT NULL DEFAULT true,
    time_zone  text    NOT NULL DEFAULT 'UTC',
    currency   text    NOT NULL DEFAULT 'EUR',
    neglected_after_days integer NOT NULL DEFAULT 90,
    fiscal_year_start    integer NOT NULL DEFAULT 1,
    CONSTRAINT settings_have_one_row             PRIMARY KEY (id),
    CONSTRAINT settings_id_is_true               CHECK (id),
    -- What an abbreviation means (EST, CET) is a setting of the session. Of other names PostgreSQL itself raises 'time zone "..." not recognized' here.
    CONSTRAINT settings_time_zone_is_known       CHECK (timestamptz 'epoch' AT TIME ZONE time_zone IS NOT NULL AND (time_zone = 'UTC' OR time_zone LIKE '%/%')),
    CONSTRAINT settings_currency_is_an_iso_code  CHECK (@extschema@.crm_is_currency(currency)),
    CONSTRAINT settings_neglect_takes_a_day      CHECK (neglected_after_days > 0),
    CONSTRAINT settings_fiscal_year_starts_with_a_month CHECK (fiscal_year_start BETWEEN 1 AND 12)
);

COMMENT ON TABLE  crm.settings           IS 'House rules of this database: exactly one row';
COMMENT ON COLUMN crm.settings.id        IS 'Always true; makes a second row impossible';
COMMENT ON COLUMN crm.settings.time_zone IS 'Reporting time zone: decides on which day an order was placed (orders.placed_on)';
COMMENT ON COLUMN crm.settings.currency  IS 'Reporting currency (ISO 4217 code) and default currency of new orders';
COMMENT ON COLUMN crm.settings.neglected_after_days IS 'After how many days without contact a customer is in neglected_customers';
COMMENT ON COLUMN crm.settings.fiscal_year_start IS 'Month in which the fiscal year begins: 1 is January (dim_date)';
COMMENT ON CONSTRAINT settings_have_one_row            ON crm.settings IS 'There is exactly one row of settings';
COMMENT ON CONSTRAINT settings_id_is_true              ON crm.settings IS 'There is exactly one row of settings';
COMMENT ON CONSTRAINT settings_time_zone_is_known      ON crm.settings IS 'The reporting time zone is UTC or the full name of one that PostgreSQL knows: Europe/Berlin';
COMMENT ON CONSTRAINT settings_currency_is_an_iso_code ON crm.settings IS 'The reporting currency is one of ISO 4217, in capitals: EUR';
COMMENT ON CONSTRAINT settings_fiscal_year_starts_with_a_month ON crm.settings IS 'A fiscal year begins with one of the twelve months';
COMMENT ON CONSTRAINT settings_neglect_takes_a_day     ON crm.settings IS 'A customer is neglected after one day or more';

INSERT INTO crm.settings DEFAULT VALUES;
