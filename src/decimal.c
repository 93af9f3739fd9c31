/*
 * decimal.c
 *		Decimal numbers of sums that are kept as whole ones, and the other way round.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "utils/numeric.h"

#include "decimal.h"

PG_FUNCTION_INFO_V1(crm_decimal);
PG_FUNCTION_INFO_V1(crm_decimal_support);

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
#define MAX_MADE_DIGITS	6		/* of any bigint, and the one that the point breaks */

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

bool
crm_whole_product(Datum amount, Datum rate, int64 *whole)
{
	int64		units;
	int64		factor;

	return crm_whole_number(amount, CRM_AMOUNT_DECIMALS, &units) && crm_whole_number(rate, CRM_RATE_DECIMALS, &factor) &&
		!pg_mul_s64_overflow(units, factor, whole);
}

/*
 * As it would lie on disk, without zeros at either end. int64_div_fast_to_numeric() is wrong in
 * 14.0 and other early ones (mended in 2023) where units times up to 1000 is no bigint.
 */
Numeric
crm_make_decimal(int64 units, int decimals)
{
	static const uint16 powers[BASE_DECIMALS] = {1, 10, 100, 1000};
	int			broken = decimals % BASE_DECIMALS;
	uint64		rest = units < 0 ? -(uint64) units : units;
	uint16		digits[MAX_MADE_DIGITS];	/* the last one first */
	int			ndigits = 0;
	int			first = 0;
	int			weight;
	uint16		head;
	struct varlena *result;
	char	   *end;

	if (broken > 0)
	{
		digits[ndigits++] = rest % powers[broken] * (BASE / powers[broken]);
		rest /= powers[broken];
	}
	for (; rest > 0; rest /= BASE)
		digits[ndigits++] = rest % BASE;
	while (ndigits > 0 && digits[ndigits - 1] == 0)
		ndigits--;
	while (first < ndigits && digits[first] == 0)
		first++;
	weight = ndigits == 0 ? 0 : ndigits - 1 - (decimals + BASE_DECIMALS - 1) / BASE_DECIMALS;
	head = FORM_SHORT | (units < 0 ? MINUS : 0) | decimals << 7 | (weight & 0x7F);

	result = palloc(VARHDRSZ + sizeof(head) + (ndigits - first) * sizeof(uint16));
	SET_VARSIZE(result, VARHDRSZ + sizeof(head) + (ndigits - first) * sizeof(uint16));
	end = VARDATA(result);
	memcpy(end, &head, sizeof(head));
	end += sizeof(head);
	for (int i = ndigits - 1; i >= first; i--, end += sizeof(uint16))
		memcpy(end, &digits[i], sizeof(uint16));
	return (Numeric) result;
}

static bool
is_allowed(int decimals)
{
	return decimals >= 0 && decimals <= MAX_DECIMALS;
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

	if (!is_allowed(decimals))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a number has 0 to %d decimals here, not %d", MAX_DECIMALS, decimals)));
	PG_RETURN_NUMERIC(crm_make_decimal(PG_GETARG_INT64(0), decimals));
}

/* numeric(precision, scale), as numerictypmodin() would have it */
static int32
numeric_typmod(int precision, int scale)
{
	return (precision << 16 | scale) + VARHDRSZ;
}

/*
 * crm_decimal_support(internal) returns internal
 *
 * Tells the planner what crm_decimal() gives: with n decimals, a numeric(19, n), as no bigint has
 * more digits. So a cast to numeric(20, n), which gives a column of a view its type, has nothing to
 * do for any row.
 */
Datum
crm_decimal_support(PG_FUNCTION_ARGS)
{
	const SupportRequestSimplify *request = (const SupportRequestSimplify *) PG_GETARG_POINTER(0);
	const Const *arg;
	int			decimals;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	arg = lsecond(request->fcall->args);
	if (!IsA(arg, Const) || arg->constisnull)
		PG_RETURN_POINTER(NULL);
	decimals = DatumGetInt32(arg->constvalue);
	if (!is_allowed(decimals))
		PG_RETURN_POINTER(NULL);
	/* a copy: the planner's own is not to be kept */
	PG_RETURN_POINTER(makeRelabelType((Expr *) copyObject(request->fcall), NUMERICOID, numeric_typmod(MAX_DECIMALS + 1, decimals),
									  InvalidOid, COERCE_IMPLICIT_CAST));
}
