/*
 * event_log.c
 *		Collects the events of a log and gives them back case by case, in order of
 *		time; events of one moment in the order in which they came.
 *
 * They go through PostgreSQL's own sort, so a log may be larger than memory.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "event_log.h"

/* A name of any length as a hash key */
typedef struct ActivityKey
{
	const char *name;
	Size		len;
} ActivityKey;

typedef struct Activity
{
	ActivityKey key;
	int			number;
} Activity;

enum
{
	COLUMN_CASE, COLUMN_AT, COLUMN_SEQUENCE, COLUMN_ACTIVITY, NCOLUMNS
};

struct EventLog
{
	MemoryContext context;
	HTAB	   *activities;		/* Activity */
	List	   *names;			/* char *, by number */
	Tuplesortstate *sort;
	TupleTableSlot *in;
	TupleTableSlot *out;
	int64		sequence;
	FmgrInfo	same_case;
	Oid			collation;
	bool		case_byval;
	int16		case_len;

	/* while reading: */
	bool		started;		/* there is an event before */
	bool		pending;		/* a case has ended, the event in "out" begins the next */
	bool		exhausted;
	Datum		case_id;		/* of the event before */
	TimestampTz at;
	int			activity;
};

static uint32
hash_activity(const void *key, Size keysize)
{
	const ActivityKey *activity = key;

	return hash_bytes((const unsigned char *) activity->name, activity->len);
}

static int
compare_activities(const void *a, const void *b, Size keysize)
{
	const ActivityKey *x = a;
	const ActivityKey *y = b;

	return x->len == y->len ? memcmp(x->name, y->name, x->len) : 1;
}

static void
end_sort(Datum arg)
{
	EventLog   *log = (EventLog *) DatumGetPointer(arg);

	/* its files, if any, would be missed at the end of the query */
	if (log->sort != NULL)
		tuplesort_end(log->sort);
	log->sort = NULL;
}

/* In the memory context of the aggregate; case_type must have an order. */
EventLog *
crm_event_log_create(FunctionCallInfo fcinfo, Oid case_type)
{
	EventLog   *log;
	HASHCTL		ctl = {0};
	MemoryContext context;
	MemoryContext caller;
	TupleDesc	desc;
	AttrNumber	columns[] = {COLUMN_CASE + 1, COLUMN_AT + 1, COLUMN_SEQUENCE + 1};
	Oid			operators[3];
	Oid			collations[3] = {InvalidOid, InvalidOid, InvalidOid};
	bool		nulls_first[3] = {false, false, false};
	Oid			equal;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "event log in non-aggregate context");
	caller = MemoryContextSwitchTo(context);
	log = palloc0(sizeof(EventLog));
	log->context = context;

	ctl.keysize = sizeof(ActivityKey);
	ctl.entrysize = sizeof(Activity);
	ctl.hash = hash_activity;
	ctl.match = compare_activities;
	ctl.hcxt = context;
	log->activities = hash_create("crm activities", 64, &ctl,
								  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);

	/* Only equality of cases counts, so texts are compared in the quickest way. */
	get_sort_group_operators(case_type, true, true, false, &operators[0], &equal, NULL, NULL);
	get_sort_group_operators(TIMESTAMPTZOID, true, false, false, &operators[1], NULL, NULL, NULL);
	get_sort_group_operators(INT8OID, true, false, false, &operators[2], NULL, NULL, NULL);
	if (OidIsValid(get_typcollation(case_type)))
		collations[0] = log->collation = C_COLLATION_OID;
	fmgr_info_cxt(get_opcode(equal), &log->same_case, context);
	get_typlenbyval(case_type, &log->case_len, &log->case_byval);

	desc = CreateTemplateTupleDesc(NCOLUMNS);
	TupleDescInitEntry(desc, COLUMN_CASE + 1, "case_id", case_type, -1, 0);
	TupleDescInitEntry(desc, COLUMN_AT + 1, "at", TIMESTAMPTZOID, -1, 0);
	TupleDescInitEntry(desc, COLUMN_SEQUENCE + 1, "sequence", INT8OID, -1, 0);
	TupleDescInitEntry(desc, COLUMN_ACTIVITY + 1, "activity", INT4OID, -1, 0);
	log->in = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	log->out = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	log->sort = tuplesort_begin_heap(desc, lengthof(columns), columns, operators, collations,
									 nulls_first, work_mem, NULL, false);
	AggRegisterCallback(fcinfo, end_sort, PointerGetDatum(log));
	MemoryContextSwitchTo(caller);
	return log;
}

static int
activity_number(EventLog *log, text *name)
{
	ActivityKey key = {VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)};
	bool		found;
	Activity   *activity = hash_search(log->activities, &key, HASH_ENTER, &found);

	if (!found)
	{
		MemoryContext caller = MemoryContextSwitchTo(log->context);
		char	   *copy = text_to_cstring(name);

		activity->key.name = copy;
		activity->number = list_length(log->names);
		log->names = lappend(log->names, copy);
		MemoryContextSwitchTo(caller);
	}
	return activity->number;
}

void
crm_event_log_add(EventLog *log, Datum case_id, text *activity, TimestampTz at)
{
	TupleTableSlot *slot = log->in;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("the time of an event cannot be infinite"),
				 errhint("Leave such events out: WHERE isfinite(at).")));
	ExecClearTuple(slot);
	slot->tts_values[COLUMN_CASE] = case_id;
	slot->tts_values[COLUMN_AT] = TimestampTzGetDatum(at);
	slot->tts_values[COLUMN_SEQUENCE] = Int64GetDatum(log->sequence++);
	slot->tts_values[COLUMN_ACTIVITY] = Int32GetDatum(activity_number(log, activity));
	memset(slot->tts_isnull, 0, sizeof(bool) * NCOLUMNS);
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(log->sort, slot);
}

int
crm_event_log_activities(const EventLog *log)
{
	return list_length(log->names);
}

const char *
crm_event_log_activity(const EventLog *log, int number)
{
	return list_nth(log->names, number);
}

void
crm_event_log_start(EventLog *log)
{
	tuplesort_performsort(log->sort);
}

/* Make the event in "out" the one before. */
static void
step_to(EventLog *log, Datum case_id, bool same_case)
{
	MemoryContext caller;

	log->at = DatumGetTimestampTz(log->out->tts_values[COLUMN_AT]);
	log->activity = DatumGetInt32(log->out->tts_values[COLUMN_ACTIVITY]);
	if (same_case)
		return;
	if (log->started && !log->case_byval)
		pfree(DatumGetPointer(log->case_id));
	caller = MemoryContextSwitchTo(log->context);
	log->case_id = datumCopy(case_id, log->case_byval, log->case_len);
	MemoryContextSwitchTo(caller);
	log->started = true;
}

bool
crm_event_log_next(EventLog *log, LogStep *step)
{
	Datum		case_id;
	bool		same_case;

	CHECK_FOR_INTERRUPTS();
	if (log->exhausted)
		return false;
	if (!log->pending)
	{
		if (!tuplesort_gettupleslot(log->sort, true, false, log->out, NULL))
		{
			log->exhausted = true;
			step->from = log->activity;
			step->to = -1;
			step->duration = 0;
			return log->started;
		}
		slot_getallattrs(log->out);
	}
	case_id = log->out->tts_values[COLUMN_CASE];
	same_case = log->started &&
		DatumGetBool(FunctionCall2Coll(&log->same_case, log->collation, log->case_id, case_id));
	if (log->started && !same_case && !log->pending)
	{
		log->pending = true;
		step->from = log->activity;
		step->to = -1;
		step->duration = 0;
		return true;
	}
	log->pending = false;
	step->from = same_case ? log->activity : -1;
	step->to = DatumGetInt32(log->out->tts_values[COLUMN_ACTIVITY]);
	step->duration = same_case ? DatumGetTimestampTz(log->out->tts_values[COLUMN_AT]) - log->at : 0;
	step_to(log, case_id, same_case);
	return true;
}
