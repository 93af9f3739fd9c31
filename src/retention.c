/*
 * retention.c
 *		Aggregate crm_retention: in which periods after the first one somebody came
 *		back.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "nodes/bitmapset.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"

PG_FUNCTION_INFO_V1(crm_retention_step);
PG_FUNCTION_INFO_V1(crm_retention_combine);
PG_FUNCTION_INFO_V1(crm_retention_serialize);
PG_FUNCTION_INFO_V1(crm_retention_deserialize);
PG_FUNCTION_INFO_V1(crm_retention_periods);

/* Keeps one stray date from taking megabytes; as days these are 273 years. */
#define MAX_DISTANCE 100000

typedef enum Unit
{
	UNIT_DAY, UNIT_WEEK, UNIT_MONTH, UNIT_QUARTER, UNIT_YEAR
} Unit;

static const char *const unit_names[] = {"day", "week", "month", "quarter", "year"};
static const int unit_lengths[] = {3, 4, 5, 7, 4};

/*
 * Rows come in any order, so periods are counted from that of the first row. Those
 * near it have a bit in the state itself: to follow a pointer would cost a cache
 * miss for each row.
 */
#define NEAR 32

typedef struct Retention
{
	Unit		unit;
	int			origin;
	uint64		near;			/* bit d + NEAR: distance d, -NEAR to NEAR - 1 */
	Bitmapset  *after;			/* distances of the others */
	Bitmapset  *before;			/* the same, negative ones */
} Retention;

static Unit
read_unit(const text *name)
{
	for (int i = 0; i < lengthof(unit_names); i++)
		if (VARSIZE_ANY_EXHDR(name) == unit_lengths[i] &&
			memcmp(VARDATA_ANY(name), unit_names[i], unit_lengths[i]) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is no unit of retention", text_to_cstring(name)),
			 errhint("It is day, week, month, quarter or year.")));
	return UNIT_DAY;			/* not reached */
}

/* What was found out for the last row, of whatever group; in fn_extra. Often the next one is of the same day. */
typedef struct LastDay
{
	DateADT		day;
	Unit		unit;
	int			period;
} LastDay;

/* A number that goes up by one from period to period; weeks begin on Monday. */
static int
period_of(DateADT day, Unit unit)
{
	int			julian = day + POSTGRES_EPOCH_JDATE;
	int			year;
	int			month;
	int			mday;

	if (unit == UNIT_DAY)
		return day;
	if (unit == UNIT_WEEK)
		return julian / 7;		/* Julian day 0 is a Monday */
	j2date(julian, &year, &month, &mday);
	switch (unit)
	{
		case UNIT_MONTH:
			return year * 12 + month - 1;
		case UNIT_QUARTER:
			return year * 4 + (month - 1) / 3;
		default:
			return year;
	}
}

static int
period_of_row(FmgrInfo *flinfo, DateADT day, Unit unit)
{
	LastDay    *last = flinfo->fn_extra;

	if (last == NULL)
		flinfo->fn_extra = last = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(LastDay));
	else if (last->day == day && last->unit == unit)
		return last->period;
	last->period = period_of(day, unit);
	last->day = day;
	last->unit = unit;
	return last->period;
}

static void
add_period(Retention *retention, int period, MemoryContext context)
{
	int64		distance = (int64) period - retention->origin;
	MemoryContext caller;

	if (distance >= -NEAR && distance < NEAR)
	{
		retention->near |= UINT64CONST(1) << (distance + NEAR);
		return;
	}
	if (distance > MAX_DISTANCE || distance < -MAX_DISTANCE)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("the dates of one group are more than %d %ss apart",
						MAX_DISTANCE, unit_names[retention->unit])));
	caller = MemoryContextSwitchTo(context);
	if (distance > 0)
		retention->after = bms_add_member(retention->after, (int) distance);
	else
		retention->before = bms_add_member(retention->before, (int) -distance);
	MemoryContextSwitchTo(caller);
}

static Retention *
make_retention(Unit unit, int period, MemoryContext context)
{
	Retention  *retention = MemoryContextAllocZero(context, sizeof(Retention));

	retention->unit = unit;
	retention->origin = period;
	retention->near = UINT64CONST(1) << NEAR;
	return retention;
}

/* The next larger distance, or the smallest one behind PG_INT32_MIN; false if there is none. */
static bool
next_distance(const Retention *retention, int *distance)
{
	uint64		near = retention->near;
	int			next;

	if (*distance < -NEAR)
	{
		next = bms_prev_member(retention->before, *distance == PG_INT32_MIN ? -1 : -*distance);
		if (next >= 0)
		{
			*distance = -next;
			return true;
		}
	}
	else
		near = *distance >= NEAR - 1 ? 0 : near & (PG_UINT64_MAX << (*distance + NEAR + 1));
	if (near != 0)
	{
		*distance = pg_rightmost_one_pos64(near) - NEAR;
		return true;
	}
	next = bms_next_member(retention->after, Max(*distance, 0));
	if (next < 0)
		return false;
	*distance = next;
	return true;
}

static void
check_same_unit(Unit a, Unit b)
{
	if (a != b)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the unit of a retention changes within one group"),
				 errhint("Group by it too.")));
}

/*
 * crm_retention_step(internal, active_on date, unit text) returns internal
 *
 * Transition function. Rows with a NULL are left out. Errors: 22023 for an unknown
 * unit and if it changes within a group, 22008 for an infinite date, and for dates
 * more than 100,000 periods apart.
 */
Datum
crm_retention_step(PG_FUNCTION_ARGS)
{
	Retention  *retention = PG_ARGISNULL(0) ? NULL : (Retention *) PG_GETARG_POINTER(0);
	MemoryContext context;
	DateADT		day;
	Unit		unit;
	int			period;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "crm_retention_step called in non-aggregate context");
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (retention == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(retention);
	}

	day = PG_GETARG_DATEADT(1);
	if (DATE_NOT_FINITE(day))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("the date of an activity cannot be infinite"),
				 errhint("Leave such rows out: WHERE isfinite(active_on).")));
	unit = read_unit(PG_GETARG_TEXT_PP(2));
	period = period_of_row(fcinfo->flinfo, day, unit);
	if (retention == NULL)
		PG_RETURN_POINTER(make_retention(unit, period, context));
	check_same_unit(retention->unit, unit);
	add_period(retention, period, context);
	PG_RETURN_POINTER(retention);
}

/*
 * crm_retention_combine(internal, internal) returns internal
 *
 * What two workers have seen of one group. Errors as of crm_retention_step().
 */
Datum
crm_retention_combine(PG_FUNCTION_ARGS)
{
	Retention  *retention = PG_ARGISNULL(0) ? NULL : (Retention *) PG_GETARG_POINTER(0);
	Retention  *other = PG_ARGISNULL(1) ? NULL : (Retention *) PG_GETARG_POINTER(1);
	MemoryContext context;
	int			distance = PG_INT32_MIN;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "crm_retention_combine called in non-aggregate context");
	if (other == NULL)
	{
		if (retention == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(retention);
	}
	if (retention == NULL)
		retention = make_retention(other->unit, other->origin, context);
	check_same_unit(retention->unit, other->unit);
	while (next_distance(other, &distance))
		add_period(retention, other->origin + distance, context);
	PG_RETURN_POINTER(retention);
}

static void
send_distances(StringInfo out, const Bitmapset *distances)
{
	int			distance = -1;

	pq_sendint32(out, bms_num_members(distances));
	while ((distance = bms_next_member(distances, distance)) >= 0)
		pq_sendint32(out, distance);
}

static Bitmapset *
receive_distances(StringInfo in)
{
	Bitmapset  *distances = NULL;

	for (int n = pq_getmsgint(in, 4); n > 0; n--)
		distances = bms_add_member(distances, pq_getmsgint(in, 4));
	return distances;
}

/*
 * crm_retention_serialize(internal) returns bytea
 */
Datum
crm_retention_serialize(PG_FUNCTION_ARGS)
{
	Retention  *retention = (Retention *) PG_GETARG_POINTER(0);
	StringInfoData out;

	pq_begintypsend(&out);
	pq_sendbyte(&out, retention->unit);
	pq_sendint32(&out, retention->origin);
	pq_sendint64(&out, retention->near);
	send_distances(&out, retention->after);
	send_distances(&out, retention->before);
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

/*
 * crm_retention_deserialize(bytea, internal) returns internal
 */
Datum
crm_retention_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	StringInfoData in;
	Retention  *retention;
	Unit		unit;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "crm_retention_deserialize called in non-aggregate context");
	initStringInfo(&in);
	appendBinaryStringInfo(&in, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	unit = pq_getmsgbyte(&in);
	retention = make_retention(unit, pq_getmsgint(&in, 4), CurrentMemoryContext);
	retention->near = pq_getmsgint64(&in);
	retention->after = receive_distances(&in);
	retention->before = receive_distances(&in);
	pq_getmsgend(&in);
	pfree(in.data);
	PG_RETURN_POINTER(retention);
}

/*
 * crm_retention_periods(internal) returns integer[]
 *
 * Final function of crm_retention(active_on date, unit text): the periods with an
 * activity, counted from the first one, in order. {0,1,4} says: in the first, in the
 * next, and in the fourth after the first. NULL if there were no rows.
 */
Datum
crm_retention_periods(PG_FUNCTION_ARGS)
{
	Retention  *retention = PG_ARGISNULL(0) ? NULL : (Retention *) PG_GETARG_POINTER(0);
	ArrayType  *periods;
	int			distance = PG_INT32_MIN;
	int			first = 0;
	int			n = 0;
	Size		size;

	if (retention == NULL)
		PG_RETURN_NULL();
	/* an array of numbers as construct_array() would make it of as many datums */
	size = ARR_OVERHEAD_NONULLS(1) + sizeof(int32) * (pg_popcount64(retention->near) +
													   bms_num_members(retention->before) + bms_num_members(retention->after));
	periods = palloc0(size);
	while (next_distance(retention, &distance))
	{
		if (n == 0)
			first = distance;
		((int32 *) ((char *) periods + ARR_OVERHEAD_NONULLS(1)))[n++] = distance - first;
	}
	SET_VARSIZE(periods, size);
	periods->ndim = 1;
	periods->elemtype = INT4OID;
	ARR_DIMS(periods)[0] = n;
	ARR_LBOUND(periods)[0] = 1;
	PG_RETURN_ARRAYTYPE_P(periods);
}
