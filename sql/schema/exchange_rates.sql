-- What foreign currencies are worth, for orders that are placed without a rate of their own.
CREATE TABLE crm.exchange_rates (
    currency    text    NOT NULL,
    valid_from  date    NOT NULL,
    rate        numeric NOT NULL,
    CONSTRAINT exchange_rates_are_there_once_a_day     PRIMARY KEY (currency, valid_from),
    CONSTRAINT exchange_rates_currency_is_an_iso_code  CHECK (@extschema@.crm_is_currency(currency)),
    CONSTRAINT exchange_rates_rate_is_positive         CHECK (rate > 0 AND rate < 'Infinity')
);

COMMENT ON TABLE  crm.exchange_rates            IS 'What one unit of a foreign currency is worth in the reporting currency, day by day or less often';
COMMENT ON COLUMN crm.exchange_rates.currency   IS 'Foreign currency (ISO 4217 code)';
COMMENT ON COLUMN crm.exchange_rates.valid_from IS 'First day on which orders are placed at this rate; it holds until the next one';
COMMENT ON COLUMN crm.exchange_rates.rate       IS 'What one unit of the currency is worth in the reporting currency (settings.currency)';
COMMENT ON CONSTRAINT exchange_rates_are_there_once_a_day    ON crm.exchange_rates IS 'A currency has one rate on a day';
COMMENT ON CONSTRAINT exchange_rates_currency_is_an_iso_code ON crm.exchange_rates IS 'A currency is one of ISO 4217, in capitals: EUR';
COMMENT ON CONSTRAINT exchange_rates_rate_is_positive        ON crm.exchange_rates IS 'A rate is a number above zero';
