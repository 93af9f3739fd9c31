/*
 * decimal.c
 *		Decimal numbers of sums that are kept as whole ones, and the other way round.
 */
#include "crm.h"

#include "utils/numeric.h"

#include "decimal.h"

PG_FUNCTION_INFO_V1(crm_decimal);

#define MAX_DECIMALS	18

/*
 * A numeric of usual size as it lies on disk, and so will in each version to come: two
 * bytes of head, then digits to the base of 10000. numeric.c keeps that to itself, and
 * its functions would take longer than all else that is done to an amount.
 */
#define FORM			0xC000
#define FORM_SHORT		0x8000
#define MINUS			0x2000
#define DECIMALS(head)	(((head) & 0x1F80) >> 7)
#define WEIGHT(head)	(((head) & 0x3F) - ((head) & 0x40))
#define BASE			10000
#define BASE_DECIMALS	4
#define MAX_DIGITS		4

bool
crm_whole_number(Datum number, int decimals, int64 *whole)
{
	static const uint16 cuts[BASE_DECIMALS] = {1, 1000, 100, 10};
	struct varlena *value = (struct varlena *) DatumGetPointer(number);
	uint16		cut = cuts[decimals % BASE_DECIMALS];
	uint16		head;
	uint16		digits[MAX_DIGITS] = {0};
	int			ndigits;
	int			last;
	int64		result = 0;

	if (VARATT_IS_EXTENDED(value) && !VARATT_IS_SHORT(value))
		return false;
	memcpy(&head, VARDATA_ANY(value), sizeof(head));
	ndigits = (VARSIZE_ANY_EXHDR(value) - sizeof(head)) / sizeof(uint16);
	last = WEIGHT(head) + (decimals + BASE_DECIMALS - 1) / BASE_DECIMALS;
	if ((head & FORM) != FORM_SHORT || DECIMALS(head) > decimals || ndigits > MAX_DIGITS || last >= MAX_DIGITS)
		return false;
	memcpy(digits, VARDATA_ANY(value) + sizeof(head), ndigits * sizeof(uint16));
	for (int i = 0; i < last; i++)
		result = result * BASE + digits[i];
	if (last >= 0)
		result = result * (BASE / cut) + digits[last] / cut;
	*whole = head & MINUS ? -result : result;
	return true;
}

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
