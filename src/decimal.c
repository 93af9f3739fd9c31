/*
 * decimal.c
 *		Decimal numbers of sums that are kept as whole ones.
 */
#include "crm.h"

#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(crm_decimal);

#define MAX_DECIMALS	18

/*
 * crm_decimal(units bigint, decimals integer) returns numeric
 *
 * units / 10^decimals, with so many digits behind the point: crm_decimal(490, 2)
 * is 4.90. Errors: 22023 unless decimals is from 0 to 18.
 */
Datum
crm_decimal(PG_FUNCTION_ARGS)
{
	int			decimals = PG_GETARG_INT32(1);

	if (decimals < 0 || decimals > MAX_DECIMALS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a number has 0 to %d decimals here, not %d", MAX_DECIMALS, decimals)));
	PG_RETURN_NUMERIC(int64_div_fast_to_numeric(PG_GETARG_INT64(0), decimals));
}
