/*
 * funnel.c
 *		Aggregate crm_funnel: how far somebody came along a list of steps within a
 *		window of time that begins with the first step.
 *
 * The meaning is that of windowFunnel in ClickHouse (default mode): other events
 * may lie in between, the steps of one moment are taken in the order of the list,
 * and the best of all beginnings counts.
 *
 * What is kept of each step is the latest limit of all ways that came so far: as
 * all of them end at the same moment, the one with the latest limit can do
 * whatever the others can. (The latest limit, not the latest beginning: a month
 * from January 31st, 1:00, ends before a month from January 30th, 2:00.) That
 * needs the events in order of time. With ORDER BY at in the aggregate they come
 * that way, and the limits are all that is kept; else the events are kept and
 * sorted at the end, 16 bytes for each moment, and workers can share the rows.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(crm_funnel_step);
PG_FUNCTION_INFO_V1(crm_funnel_combine);
PG_FUNCTION_INFO_V1(crm_funnel_serialize);
PG_FUNCTION_INFO_V1(crm_funnel_deserialize);
PG_FUNCTION_INFO_V1(crm_funnel_reached);

/* One bit each in Moment */
#define MAX_STEPS 64

/* No way has come to this step. */
#define NOT_REACHED DT_NOBEGIN

/* What is asked */
typedef struct Question
{
	ArrayType  *array;			/* the steps as they were given */
	Interval	within;
	int			n;
	struct
	{
		const char *name;
		int			len;
	}			steps[FLEXIBLE_ARRAY_MEMBER];
} Question;

/*
 * Those that live as long as the query, the one that was asked last first: nearly
 * always one is enough for a million groups. When there are more, the others are
 * made for each group, and go with it.
 */
#define MAX_KNOWN 8

typedef struct Known
{
	int			n;
	Question   *questions[MAX_KNOWN];
} Known;

typedef struct Moment
{
	TimestampTz at;
	uint64		steps;			/* which steps happened then; a name may be listed twice */
} Moment;

typedef struct Funnel
{
	const Question *question;
	bool		rows_in_order;	/* whoever calls sorts them: at most one moment is kept */
	bool		sorted;
	int64		n;
	int64		size;
	Moment	   *moments;
	TimestampTz limits[FLEXIBLE_ARRAY_MEMBER];	/* of each step, by the moments that are gone */
} Funnel;

static bool
same_question(const Question *question, const ArrayType *array, const Interval *within)
{
	return VARSIZE(question->array) == VARSIZE(array) &&
		memcmp(question->array, array, VARSIZE(array)) == 0 &&
		memcmp(&question->within, within, sizeof(Interval)) == 0;
}

static Question *
make_question(const ArrayType *given, const Interval *within, MemoryContext context)
{
	ArrayType  *array;
	Question   *question;
	Interval	none = {0};
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(within), IntervalPGetDatum(&none))) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the window of a funnel cannot be negative")));
	if (ARR_NDIM(given) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the steps of a funnel are one list, not an array of %d dimensions",
						ARR_NDIM(given))));
	array = MemoryContextAlloc(context, VARSIZE(given));
	memcpy(array, given, VARSIZE(given));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	if (n < 1 || n > MAX_STEPS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a funnel has 1 to %d steps, not %d", MAX_STEPS, n)));

	question = MemoryContextAlloc(context, offsetof(Question, steps) + sizeof(question->steps[0]) * n);
	question->array = array;
	question->within = *within;
	question->n = n;
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("step %d of the funnel is NULL", i + 1)));
		question->steps[i].name = VARDATA_ANY(DatumGetPointer(names[i]));
		question->steps[i].len = VARSIZE_ANY_EXHDR(DatumGetPointer(names[i]));
	}
	return question;
}

/* For a state in this context */
static const Question *
find_question(FunctionCallInfo fcinfo, const ArrayType *array, const Interval *within, MemoryContext context)
{
	Known	   *known = fcinfo->flinfo->fn_extra;
	Question   *question;
	int			i;

	if (known == NULL)
		fcinfo->flinfo->fn_extra = known = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Known));
	for (i = 0; i < known->n; i++)
		if (same_question(known->questions[i], array, within))
			break;
	if (i < known->n)
		question = known->questions[i];
	else if (known->n == MAX_KNOWN)
		return make_question(array, within, context);
	else
	{
		question = make_question(array, within, fcinfo->flinfo->fn_mcxt);
		known->n++;
	}
	memmove(&known->questions[1], &known->questions[0], sizeof(Question *) * i);
	known->questions[0] = question;
	return question;
}

static Funnel *
make_funnel(const Question *question, MemoryContext context)
{
	Funnel	   *funnel = MemoryContextAllocZero(context, offsetof(Funnel, limits) + sizeof(TimestampTz) * question->n);

	funnel->question = question;
	funnel->sorted = true;
	for (int i = 0; i < question->n; i++)
		funnel->limits[i] = NOT_REACHED;
	return funnel;
}

/* Is it crm_funnel(steps, step, at, within ORDER BY at ...)? */
static bool
are_rows_in_order(FunctionCallInfo fcinfo)
{
	Aggref	   *aggref = AggGetAggref(fcinfo);
	SortGroupClause *first;
	TargetEntry *at;

	if (aggref == NULL || aggref->aggorder == NIL)
		return false;
	first = linitial_node(SortGroupClause, aggref->aggorder);
	at = list_nth_node(TargetEntry, aggref->args, 2);
	return at->ressortgroupref == first->tleSortGroupRef && get_opcode(first->sortop) == F_TIMESTAMPTZ_LT;
}

/* The first one within a moment comes first, so that one moment may lead over several steps. */
static void
take_moment(const Question *question, TimestampTz *limits, const Moment *moment)
{
	for (int i = 0; i < question->n; i++)
	{
		TimestampTz limit;

		if ((moment->steps & (UINT64CONST(1) << i)) == 0)
			continue;
		if (i == 0)
			limit = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
															TimestampTzGetDatum(moment->at),
															IntervalPGetDatum(&question->within)));
		else if (moment->at <= limits[i - 1])
			limit = limits[i - 1];
		else
			continue;
		limits[i] = Max(limits[i], limit);
	}
}

static void
add_moment(Funnel *funnel, const Moment *moment, MemoryContext context)
{
	Moment	   *last = funnel->n > 0 ? &funnel->moments[funnel->n - 1] : NULL;

	if (last != NULL && last->at == moment->at)
	{
		last->steps |= moment->steps;
		return;
	}
	if (last != NULL && funnel->rows_in_order)
	{
		take_moment(funnel->question, funnel->limits, last);
		*last = *moment;
		return;
	}
	if (last != NULL && moment->at < last->at)
		funnel->sorted = false;
	if (funnel->n == funnel->size)
	{
		if (funnel->size == 0)
		{
			funnel->size = funnel->rows_in_order ? 1 : 4;
			funnel->moments = MemoryContextAlloc(context, sizeof(Moment) * funnel->size);
		}
		else
		{
			funnel->size *= 2;
			funnel->moments = repalloc_huge(funnel->moments, sizeof(Moment) * funnel->size);
		}
	}
	funnel->moments[funnel->n++] = *moment;
}

/*
 * crm_funnel_step(internal, steps text[], step text, at timestamptz, within interval)
 * returns internal
 *
 * Transition function. Rows whose step or at is NULL count nothing, rows whose
 * steps or within is NULL are left out. Errors: 22023 for no or more than 64 steps, a
 * negative window, and if steps or within change within a group; 22004 for a NULL
 * among the steps, 2202E if they are a matrix, 22008 for an infinite time.
 */
Datum
crm_funnel_step(PG_FUNCTION_ARGS)
{
	Funnel	   *funnel = PG_ARGISNULL(0) ? NULL : (Funnel *) PG_GETARG_POINTER(0);
	const Question *question;
	MemoryContext context;
	ArrayType  *array;
	Interval   *within;
	text	   *step;
	Moment		moment = {0};

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "crm_funnel_step called in non-aggregate context");
	if (PG_ARGISNULL(1) || PG_ARGISNULL(4))
	{
		if (funnel == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(funnel);
	}

	array = PG_GETARG_ARRAYTYPE_P(1);
	within = PG_GETARG_INTERVAL_P(4);
	if (funnel == NULL)
	{
		funnel = make_funnel(find_question(fcinfo, array, within, context), context);
		funnel->rows_in_order = are_rows_in_order(fcinfo);
	}
	else if (!same_question(funnel->question, array, within))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the steps or the window of a funnel change within one group"),
				 errhint("Group by them too.")));
	if (PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_POINTER(funnel);

	question = funnel->question;
	step = PG_GETARG_TEXT_PP(2);
	for (int i = 0; i < question->n; i++)
		if (question->steps[i].len == VARSIZE_ANY_EXHDR(step) &&
			memcmp(question->steps[i].name, VARDATA_ANY(step), question->steps[i].len) == 0)
			moment.steps |= UINT64CONST(1) << i;
	if (moment.steps == 0)
		PG_RETURN_POINTER(funnel);

	moment.at = PG_GETARG_TIMESTAMPTZ(3);
	if (TIMESTAMP_NOT_FINITE(moment.at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("the time of a step cannot be infinite"),
				 errhint("Leave such rows out: WHERE isfinite(at).")));
	add_moment(funnel, &moment, context);
	PG_RETURN_POINTER(funnel);
}

/*
 * crm_funnel_combine(internal, internal) returns internal
 *
 * What two workers have seen of one group. Errors: 22023 if their questions differ.
 */
Datum
crm_funnel_combine(PG_FUNCTION_ARGS)
{
	Funnel	   *funnel = PG_ARGISNULL(0) ? NULL : (Funnel *) PG_GETARG_POINTER(0);
	Funnel	   *other = PG_ARGISNULL(1) ? NULL : (Funnel *) PG_GETARG_POINTER(1);
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "crm_funnel_combine called in non-aggregate context");
	if (other == NULL)
	{
		if (funnel == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(funnel);
	}
	if (funnel == NULL)
		funnel = make_funnel(find_question(fcinfo, other->question->array, &other->question->within, context), context);
	else if (!same_question(funnel->question, other->question->array, &other->question->within))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the steps or the window of a funnel change within one group"),
				 errhint("Group by them too.")));
	for (int64 i = 0; i < other->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_moment(funnel, &other->moments[i], context);
	}
	PG_RETURN_POINTER(funnel);
}

/*
 * crm_funnel_serialize(internal) returns bytea
 *
 * For a process of the same server, so what is in memory goes over as it is.
 * Errors: 54000 if one worker has seen 67 million moments of one group.
 */
Datum
crm_funnel_serialize(PG_FUNCTION_ARGS)
{
	Funnel	   *funnel = (Funnel *) PG_GETARG_POINTER(0);
	const Question *question = funnel->question;
	StringInfoData out;

	if (funnel->n > MaxAllocSize / sizeof(Moment) - 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many events of one group for a parallel query"),
				 errhint("SET max_parallel_workers_per_gather = 0, or write ORDER BY at into the aggregate.")));
	pq_begintypsend(&out);
	pq_sendint32(&out, VARSIZE(question->array));
	pq_sendbytes(&out, (char *) question->array, VARSIZE(question->array));
	pq_sendbytes(&out, (char *) &question->within, sizeof(Interval));
	pq_sendbyte(&out, funnel->sorted);
	pq_sendint64(&out, funnel->n);
	if (funnel->n > 0)
		pq_sendbytes(&out, (char *) funnel->moments, sizeof(Moment) * funnel->n);
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

/*
 * crm_funnel_deserialize(bytea, internal) returns internal
 */
Datum
crm_funnel_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	StringInfoData in;
	ArrayType  *array;
	Interval	within;
	Funnel	   *funnel;
	bool		sorted;
	int			len;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "crm_funnel_deserialize called in non-aggregate context");
	initStringInfo(&in);
	appendBinaryStringInfo(&in, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	len = pq_getmsgint(&in, 4);
	array = palloc(len);		/* aligned, which the message is not */
	memcpy(array, pq_getmsgbytes(&in, len), len);
	memcpy(&within, pq_getmsgbytes(&in, sizeof(Interval)), sizeof(Interval));
	sorted = pq_getmsgbyte(&in) != 0;

	funnel = make_funnel(find_question(fcinfo, array, &within, CurrentMemoryContext), CurrentMemoryContext);
	funnel->sorted = sorted;
	funnel->n = funnel->size = pq_getmsgint64(&in);
	if (funnel->n > 0)
	{
		funnel->moments = palloc(sizeof(Moment) * funnel->n);
		memcpy(funnel->moments, pq_getmsgbytes(&in, sizeof(Moment) * funnel->n), sizeof(Moment) * funnel->n);
	}
	pq_getmsgend(&in);
	pfree(in.data);
	PG_RETURN_POINTER(funnel);
}

static int
compare_moments(const void *a, const void *b)
{
	TimestampTz x = ((const Moment *) a)->at;
	TimestampTz y = ((const Moment *) b)->at;

	return x < y ? -1 : x > y;
}

/* The steps of one moment, spread over unordered rows, count as one. */
static void
sort_moments(Funnel *funnel)
{
	int64		n = 0;

	qsort(funnel->moments, funnel->n, sizeof(Moment), compare_moments);
	for (int64 i = 1; i < funnel->n; i++)
	{
		if (funnel->moments[i].at == funnel->moments[n].at)
			funnel->moments[n].steps |= funnel->moments[i].steps;
		else
			funnel->moments[++n] = funnel->moments[i];
	}
	funnel->n = n + 1;
	funnel->sorted = true;
}

/*
 * crm_funnel_reached(internal) returns integer
 *
 * Final function of crm_funnel(steps text[], step text, at timestamptz, within
 * interval): the number of the furthest step that was reached, 0 if not even the
 * first was; NULL if there were no rows. within may hold days and months, which
 * have the length that they have in the session's time zone. Errors: 22008 if the
 * window ends behind all timestamps.
 */
Datum
crm_funnel_reached(PG_FUNCTION_ARGS)
{
	Funnel	   *funnel = PG_ARGISNULL(0) ? NULL : (Funnel *) PG_GETARG_POINTER(0);
	TimestampTz limits[MAX_STEPS];
	int			last;
	int			reached;

	if (funnel == NULL)
		PG_RETURN_NULL();
	if (!funnel->sorted)
		sort_moments(funnel);

	/* a copy: as a window function the same state goes on */
	last = funnel->question->n - 1;
	memcpy(limits, funnel->limits, sizeof(TimestampTz) * (last + 1));
	for (int64 i = 0; i < funnel->n && limits[last] == NOT_REACHED; i++)
	{
		CHECK_FOR_INTERRUPTS();
		take_moment(funnel->question, limits, &funnel->moments[i]);
	}
	for (reached = last + 1; reached > 0 && limits[reached - 1] == NOT_REACHED; reached--)
		;
	PG_RETURN_INT32(reached);
}
