/*
 * exchange_rates.h
 *		What a foreign currency is worth in the reporting currency.
 */
#ifndef CRM_EXCHANGE_RATES_H
#define CRM_EXCHANGE_RATES_H

#include "crm.h"

#include "utils/date.h"
#include "utils/numeric.h"

/*
 * The rate of a currency on a day: 1 for the reporting currency itself, else the
 * newest row of crm.exchange_rates up to that day. Error SL018 if there is none.
 */
extern Numeric crm_exchange_rate(const text *currency, const text *reporting_currency, DateADT day);

#endif							/* CRM_EXCHANGE_RATES_H */
