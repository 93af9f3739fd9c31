/*
 * decimal.h
 *		Decimal numbers as whole ones, which are quick to add up.
 */
#ifndef CRM_DECIMAL_H
#define CRM_DECIMAL_H

#include "crm.h"

#include "utils/numeric.h"

/* Of amounts, and what most rates have at most: with more, and large amounts, it takes longer */
#define CRM_AMOUNT_DECIMALS		2
#define CRM_RATE_DECIMALS		8

/*
 * number * 10^decimals, if a numeric has no more decimals than that and the product is
 * below 10^16; else false, also for NaN. Up to 8 decimals.
 */
extern bool crm_whole_number(Datum number, int decimals, int64 *whole);

/* amount * rate * 10^(CRM_AMOUNT_DECIMALS + CRM_RATE_DECIMALS), if that is a bigint and both are as above; else false */
extern bool crm_whole_product(Datum amount, Datum rate, int64 *whole);

/* units / 10^decimals, with so many digits behind the point. Up to 18 decimals. */
extern Numeric crm_make_decimal(int64 units, int decimals);

#endif							/* CRM_DECIMAL_H */
