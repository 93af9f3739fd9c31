/*
 * percentiles.c
 *		Aggregates crm_percentiles and crm_mean_and_percentiles: medians and the like
 *		of durations.
 *
 * What percentile_cont() and avg() answer, without sorting the rows of all groups and then
 * the durations of each: they are kept as 8 bytes each, and what stands at a place is
 * found by quickselect (C. A. R. Hoare, Algorithm 65, 1961), around values from
 * random places, so that no order of the rows makes it slow.
 */
#include "crm.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(crm_percentiles_step);
PG_FUNCTION_INFO_V1(crm_percentiles_combine);
PG_FUNCTION_INFO_V1(crm_percentiles_serialize);
PG_FUNCTION_INFO_V1(crm_percentiles_deserialize);
PG_FUNCTION_INFO_V1(crm_percentiles_intervals);
PG_FUNCTION_INFO_V1(crm_percentiles_mean_first);

typedef struct Durations
{
	ArrayType  *fractions;		/* which percentiles are asked for */
	int64		n;
	int64		size;
	int64	   *values;			/* microseconds */
} Durations;

/* As intervals are compared: a month has 30 days, a day has 24 hours. */
static int64
interval_microseconds(const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	int64		microseconds;

	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &microseconds) ||
		pg_add_s64_overflow(microseconds, interval->time, &microseconds))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a duration is too long for percentiles"),
				 errdetail("They are counted in microseconds, up to 292,000 years.")));
	return microseconds;
}

static Durations *
make_durations(const ArrayType *fractions, MemoryContext context)
{
	Durations  *durations = MemoryContextAllocZero(context, sizeof(Durations));

	durations->fractions = MemoryContextAlloc(context, VARSIZE(fractions));
	memcpy(durations->fractions, fractions, VARSIZE(fractions));
	return durations;
}

static void
check_same_fractions(const ArrayType *a, const ArrayType *b)
{
	if (VARSIZE(a) != VARSIZE(b) || memcmp(a, b, VARSIZE(a)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the fractions of percentiles change within one group"),
				 errhint("Group by them too.")));
}

static void
make_room(Durations *durations, int64 n, MemoryContext context)
{
	if (durations->n + n <= durations->size)
		return;
	durations->size = Max(Max(durations->size * 2, durations->n + n), 8);
	if (durations->values == NULL)
		durations->values = MemoryContextAllocHuge(context, sizeof(int64) * durations->size);
	else
		durations->values = repalloc_huge(durations->values, sizeof(int64) * durations->size);
}

/*
 * crm_percentiles_step(internal, duration interval, fractions double precision[])
 * returns internal
 *
 * Transition function. Rows with a NULL are left out. Errors: 22023 if the fractions
 * change within a group, 22008 for a duration beyond 292,000 years.
 */
Datum
crm_percentiles_step(PG_FUNCTION_ARGS)
{
	Durations  *durations = PG_ARGISNULL(0) ? NULL : (Durations *) PG_GETARG_POINTER(0);
	MemoryContext context;
	ArrayType  *fractions;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "crm_percentiles_step called in non-aggregate context");
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (durations == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(durations);
	}

	fractions = PG_GETARG_ARRAYTYPE_P(2);
	if (durations == NULL)
		durations = make_durations(fractions, context);
	else
		check_same_fractions(durations->fractions, fractions);
	make_room(durations, 1, context);
	durations->values[durations->n++] = interval_microseconds(PG_GETARG_INTERVAL_P(1));
	PG_RETURN_POINTER(durations);
}

/*
 * crm_percentiles_combine(internal, internal) returns internal
 *
 * What two workers have seen of one group. Errors: 22023 if their fractions differ.
 */
Datum
crm_percentiles_combine(PG_FUNCTION_ARGS)
{
	Durations  *durations = PG_ARGISNULL(0) ? NULL : (Durations *) PG_GETARG_POINTER(0);
	Durations  *other = PG_ARGISNULL(1) ? NULL : (Durations *) PG_GETARG_POINTER(1);
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "crm_percentiles_combine called in non-aggregate context");
	if (other == NULL)
	{
		if (durations == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(durations);
	}
	if (durations == NULL)
		durations = make_durations(other->fractions, context);
	else
		check_same_fractions(durations->fractions, other->fractions);
	make_room(durations, other->n, context);
	memcpy(durations->values + durations->n, other->values, sizeof(int64) * other->n);
	durations->n += other->n;
	PG_RETURN_POINTER(durations);
}

/*
 * crm_percentiles_serialize(internal) returns bytea
 *
 * For a process of the same server, so what is in memory goes over as it is.
 * Errors: 54000 if one worker has seen 134 million durations of one group.
 */
Datum
crm_percentiles_serialize(PG_FUNCTION_ARGS)
{
	Durations  *durations = (Durations *) PG_GETARG_POINTER(0);
	StringInfoData out;

	if (durations->n > MaxAllocSize / sizeof(int64) - 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many durations of one group for a parallel query"),
				 errhint("SET max_parallel_workers_per_gather = 0.")));
	pq_begintypsend(&out);
	pq_sendint32(&out, VARSIZE(durations->fractions));
	pq_sendbytes(&out, (char *) durations->fractions, VARSIZE(durations->fractions));
	pq_sendint64(&out, durations->n);
	pq_sendbytes(&out, (char *) durations->values, sizeof(int64) * durations->n);
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

/*
 * crm_percentiles_deserialize(bytea, internal) returns internal
 */
Datum
crm_percentiles_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	StringInfoData in;
	Durations  *durations;
	int			len;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "crm_percentiles_deserialize called in non-aggregate context");
	initStringInfo(&in);
	appendBinaryStringInfo(&in, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	len = pq_getmsgint(&in, 4);
	durations = palloc0(sizeof(Durations));
	durations->fractions = palloc(len);
	memcpy(durations->fractions, pq_getmsgbytes(&in, len), len);
	durations->n = durations->size = pq_getmsgint64(&in);
	durations->values = palloc(sizeof(int64) * durations->n);
	memcpy(durations->values, pq_getmsgbytes(&in, sizeof(int64) * durations->n), sizeof(int64) * durations->n);
	pq_getmsgend(&in);
	pfree(in.data);
	PG_RETURN_POINTER(durations);
}

/* A number from 0 to n - 1: xorshift (G. Marsaglia, 2003), as good as is needed here */
static int64
random_place(uint64 *state, int64 n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (int64) (*state % (uint64) n);
}

/* The value that would stand at place k if they were sorted; all behind it are no smaller. */
static int64
select_value(int64 *values, int64 n, int64 k)
{
	int64		left = 0;
	int64		right = n - 1;
	uint64		state = UINT64CONST(88172645463325252);

	while (left < right)
	{
		int64		a = values[left + random_place(&state, right - left + 1)];
		int64		b = values[left + random_place(&state, right - left + 1)];
		int64		c = values[left + random_place(&state, right - left + 1)];
		int64		pivot = a < b ? (b < c ? b : Max(a, c)) : (a < c ? a : Max(b, c));
		int64		i = left;
		int64		j = right;

		CHECK_FOR_INTERRUPTS();
		while (i <= j)
		{
			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i <= j)
			{
				int64		value = values[i];

				values[i++] = values[j];
				values[j--] = value;
			}
		}
		if (k <= j)
			right = j;
		else if (k >= i)
			left = i;
		else
			break;
	}
	return values[k];
}

/* Between the two values that are nearest, as percentile_cont() has it. */
static int64
percentile(Durations *durations, double fraction)
{
	double		place = fraction * (durations->n - 1);
	int64		first = (int64) floor(place);
	int64		value = select_value(durations->values, durations->n, first);
	int64		next;
	double		part;

	if (place == first)
		return value;
	next = durations->values[first + 1];
	for (int64 i = first + 2; i < durations->n; i++)
		next = Min(next, durations->values[i]);
	part = ((double) next - (double) value) * (place - first);
	/* from 290,000 years before to 290,000 after is more than 64 bits hold */
	return part < (double) (PG_INT64_MAX / 2) ? value + (int64) rint(part) : value + (int64) rint(part / 2) + (int64) rint(part / 2);
}

static Datum
interval_of(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return DirectFunctionCall1(interval_justify_hours, IntervalPGetDatum(interval));
}

/* Their sum may be more than 64 bits hold. */
static int64
mean(const Durations *durations)
{
	int64		whole = 0;
	int64		rest = 0;

	for (int64 i = 0; i < durations->n; i++)
	{
		whole += durations->values[i] / durations->n;
		rest += durations->values[i] % durations->n;
	}
	return whole + (int64) rint((double) rest / durations->n);
}

/* The percentiles, as an array of intervals in which some places before them are left empty */
static Datum *
percentiles(Durations *durations, int nbefore, bool **nulls_of, int *n)
{
	Datum	   *fractions;
	bool	   *are_null;
	Datum	   *values;
	bool	   *nulls;

	deconstruct_array(durations->fractions, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &fractions, &are_null, n);
	values = palloc0(sizeof(Datum) * (nbefore + *n));
	nulls = palloc0(sizeof(bool) * (nbefore + *n));
	for (int i = 0; i < *n; i++)
	{
		double		fraction = DatumGetFloat8(fractions[i]);

		nulls[nbefore + i] = are_null[i];
		if (are_null[i])
			continue;
		if (!(fraction >= 0 && fraction <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("a fraction of percentiles is between 0 and 1, not %g", fraction)));
		values[nbefore + i] = interval_of(percentile(durations, fraction));
	}
	*n += nbefore;
	*nulls_of = nulls;
	return values;
}

static ArrayType *
interval_array(Datum *values, bool *nulls, int n)
{
	int			lower_bound = 1;

	return n == 0 ? construct_empty_array(INTERVALOID) :
		construct_md_array(values, nulls, 1, &n, &lower_bound, INTERVALOID, sizeof(Interval), false, TYPALIGN_DOUBLE);
}

/*
 * crm_percentiles_intervals(internal) returns interval[]
 *
 * Final function of crm_percentiles(duration interval, fractions double
 * precision[]): for each fraction the duration that so many do not exceed,
 * interpolated, in days and less; NULL if there were no rows. Errors: 22003 for a
 * fraction that is not between 0 and 1.
 */
Datum
crm_percentiles_intervals(PG_FUNCTION_ARGS)
{
	Durations  *durations = PG_ARGISNULL(0) ? NULL : (Durations *) PG_GETARG_POINTER(0);
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (durations == NULL)
		PG_RETURN_NULL();
	values = percentiles(durations, 0, &nulls, &n);
	PG_RETURN_ARRAYTYPE_P(interval_array(values, nulls, n));
}

/*
 * crm_percentiles_mean_first(internal) returns interval[]
 *
 * Final function of crm_mean_and_percentiles(duration interval, fractions double
 * precision[]): the mean, then what crm_percentiles() gives. For both avg() would
 * cost more than all the rest. Errors: as crm_percentiles_intervals.
 */
Datum
crm_percentiles_mean_first(PG_FUNCTION_ARGS)
{
	Durations  *durations = PG_ARGISNULL(0) ? NULL : (Durations *) PG_GETARG_POINTER(0);
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (durations == NULL)
		PG_RETURN_NULL();
	values = percentiles(durations, 1, &nulls, &n);
	values[0] = interval_of(mean(durations));
	PG_RETURN_ARRAYTYPE_P(interval_array(values, nulls, n));
}
