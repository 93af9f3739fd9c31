/*
 * discover.c
 *		Aggregates that tell what process an event log really follows: crm_discover,
 *		crm_directly_follows.
 *
 * Both read the directly-follows graph: which activity follows on which within a
 * case. Source: W. van der Aalst, Process Mining, 2nd edition, chapter 6.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_oper.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "activity_names.h"
#include "event_log.h"
#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_discover_step);
PG_FUNCTION_INFO_V1(crm_discover_workflow);
PG_FUNCTION_INFO_V1(crm_discover_follows);

/* One activity that follows on another; -1 for the begin and the end of a case. */
typedef struct Follows
{
	struct
	{
		int			from;
		int			to;
	}			key;
	int			number;			/* in order of appearance */
	int64		frequency;
	int64		seconds;		/* sum of the durations, in two parts that cannot overflow */
	int64		microseconds;
	int64		median;			/* microseconds */
} Follows;

typedef struct Graph
{
	EventLog   *log;
	HTAB	   *table;			/* Follows */
	Follows   **follows;		/* the same, in order of the activities' names */
	int			n;
} Graph;

/*
 * crm_discover_step(internal, case_id anyelement, activity text, at timestamptz)
 * returns internal
 *
 * Transition function of both aggregates. Rows with a NULL are left out. Errors:
 * 42883 if case_id is of a type without an order, 22008 for an infinite time.
 */
Datum
crm_discover_step(PG_FUNCTION_ARGS)
{
	EventLog   *log = PG_ARGISNULL(0) ? NULL : (EventLog *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
	{
		if (log == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(log);
	}
	if (log == NULL)
		log = crm_event_log_create(fcinfo, get_fn_expr_argtype(fcinfo->flinfo, 1));
	crm_event_log_add(log, PG_GETARG_DATUM(1), PG_GETARG_TEXT_PP(2), PG_GETARG_TIMESTAMPTZ(3));
	PG_RETURN_POINTER(log);
}

static HTAB *
make_follows_table(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(((Follows *) NULL)->key);
	ctl.entrysize = sizeof(Follows);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("crm directly follows", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Follows *
count_step(HTAB *table, const LogStep *step)
{
	Follows		key;
	Follows    *follows;
	bool		found;

	key.key.from = step->from;
	key.key.to = step->to;
	follows = hash_search(table, &key.key, HASH_ENTER, &found);
	if (!found)
	{
		follows->number = (int) hash_get_num_entries(table) - 1;
		follows->frequency = 0;
		follows->seconds = 0;
		follows->microseconds = 0;
		follows->median = 0;
	}
	follows->frequency++;
	follows->seconds += step->duration / USECS_PER_SEC;
	follows->microseconds += step->duration % USECS_PER_SEC;
	return follows;
}

/* By name; the begin of a case before all, its end behind all. */
static int
compare_ends(const Graph *graph, int a, int b, int of_none)
{
	if (a == b)
		return 0;
	if (a < 0 || b < 0)
		return a < 0 ? of_none : -of_none;
	return strcmp(crm_event_log_activity(graph->log, a), crm_event_log_activity(graph->log, b));
}

static int
compare_follows(const void *a, const void *b, void *arg)
{
	const Graph *graph = arg;
	const Follows *x = *(Follows *const *) a;
	const Follows *y = *(Follows *const *) b;
	int			cmp = compare_ends(graph, x->key.from, y->key.from, -1);

	return cmp != 0 ? cmp : compare_ends(graph, x->key.to, y->key.to, 1);
}

static void
sort_follows(Graph *graph)
{
	HASH_SEQ_STATUS scan;
	Follows    *follows;

	graph->n = 0;
	graph->follows = palloc(sizeof(Follows *) * (hash_get_num_entries(graph->table) + 1));
	hash_seq_init(&scan, graph->table);
	while ((follows = hash_seq_search(&scan)) != NULL)
		graph->follows[graph->n++] = follows;
	qsort_arg(graph->follows, graph->n, sizeof(Follows *), compare_follows, graph);
}

/* The durations in order, pair by pair, give the medians. */
static void
find_medians(Graph *graph, Tuplesortstate *durations, TupleTableSlot *slot)
{
	Follows   **by_number = palloc(sizeof(Follows *) * (graph->n + 1));
	int			current = -1;
	int64		position = 0;

	for (int i = 0; i < graph->n; i++)
		by_number[graph->follows[i]->number] = graph->follows[i];
	tuplesort_performsort(durations);
	while (tuplesort_gettupleslot(durations, true, false, slot, NULL))
	{
		Follows    *follows;
		int64		duration;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		if (DatumGetInt32(slot->tts_values[0]) != current)
		{
			current = DatumGetInt32(slot->tts_values[0]);
			position = 0;
		}
		follows = by_number[current];
		duration = DatumGetInt64(slot->tts_values[1]);
		if (position == (follows->frequency - 1) / 2)
			follows->median = duration;
		if (position == follows->frequency / 2)
			follows->median += (duration - follows->median) / 2;
		position++;
	}
	tuplesort_end(durations);
}

static Tuplesortstate *
begin_durations(TupleTableSlot **in, TupleTableSlot **out)
{
	TupleDesc	desc = CreateTemplateTupleDesc(2);
	AttrNumber	columns[] = {1, 2};
	Oid			operators[2];
	Oid			collations[2] = {InvalidOid, InvalidOid};
	bool		nulls_first[2] = {false, false};

	TupleDescInitEntry(desc, 1, "follows", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 2, "duration", INT8OID, -1, 0);
	get_sort_group_operators(INT4OID, true, false, false, &operators[0], NULL, NULL, NULL);
	get_sort_group_operators(INT8OID, true, false, false, &operators[1], NULL, NULL, NULL);
	*in = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	*out = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	return tuplesort_begin_heap(desc, 2, columns, operators, collations, nulls_first,
								work_mem, NULL, false);
}

/* Read the log into the graph, with the medians if they are wanted. */
static void
read_log(Graph *graph, EventLog *log, bool with_medians)
{
	Tuplesortstate *durations = NULL;
	TupleTableSlot *in = NULL;
	TupleTableSlot *out = NULL;
	LogStep		step;

	graph->log = log;
	graph->table = make_follows_table();
	if (with_medians)
		durations = begin_durations(&in, &out);
	crm_event_log_start(log);
	while (crm_event_log_next(log, &step))
	{
		Follows    *follows = count_step(graph->table, &step);

		if (!with_medians || step.from < 0 || step.to < 0)
			continue;
		ExecClearTuple(in);
		in->tts_values[0] = Int32GetDatum(follows->number);
		in->tts_values[1] = Int64GetDatum(step.duration);
		in->tts_isnull[0] = in->tts_isnull[1] = false;
		ExecStoreVirtualTuple(in);
		tuplesort_puttupleslot(durations, in);
	}
	sort_follows(graph);
	if (with_medians)
		find_medians(graph, durations, out);
}

static int
compare_activity_names(const void *a, const void *b, void *log)
{
	return strcmp(crm_event_log_activity(log, *(const int *) a),
				  crm_event_log_activity(log, *(const int *) b));
}

/*
 * crm_discover_workflow(internal, ...) returns crm_workflow
 *
 * Final function of crm_discover(case_id anyelement, activity text, at
 * timestamptz): the directly-follows graph as a workflow. An activity is a state
 * and the event that leads to it; the state "start" stands before the first
 * ones, so that each case of the log is a way through the workflow.
 */
Datum
crm_discover_workflow(PG_FUNCTION_ARGS)
{
	EventLog   *log = PG_ARGISNULL(0) ? NULL : (EventLog *) PG_GETARG_POINTER(0);
	CrmUniqueNames *unique;
	Graph		graph;
	StringInfoData text;
	char	  **names;
	int		   *order;
	char	   *start;
	int			n;

	if (log == NULL)
		PG_RETURN_NULL();
	read_log(&graph, log, false);

	/* Named in order of the activities, so that the order of the log does not count. */
	n = crm_event_log_activities(log);
	order = palloc(sizeof(int) * (n + 1));
	names = palloc(sizeof(char *) * (n + 1));
	unique = crm_unique_names_create();
	for (int i = 0; i < n; i++)
		order[i] = i;
	qsort_arg(order, n, sizeof(int), compare_activity_names, log);
	for (int i = 0; i < n; i++)
	{
		const char *activity = crm_event_log_activity(log, order[i]);

		names[order[i]] = crm_unique_name(unique, activity, strlen(activity));
	}
	start = crm_unique_name(unique, "start", strlen("start"));

	initStringInfo(&text);
	appendStringInfo(&text, "[*] --> %s\nstate \"Start\" as %s\n", start, start);
	for (int i = 0; i < n; i++)
	{
		const char *activity = crm_event_log_activity(log, i);
		char	   *display = crm_display_of(activity, strlen(activity));

		if (display != NULL)
			appendStringInfo(&text, "state \"%s\" as %s\n", display, names[i]);
	}
	for (int i = 0; i < graph.n; i++)
	{
		const Follows *follows = graph.follows[i];
		const char *from = follows->key.from < 0 ? start : names[follows->key.from];

		if (follows->key.to < 0)
			appendStringInfo(&text, "%s --> [*]\n", from);
		else
			appendStringInfo(&text, "%s --> %s\n", from, names[follows->key.to]);
	}
	PG_RETURN_POINTER(crm_workflow_from_text(text.data, text.len, NULL));
}

/* As timestamptz - timestamptz gives it: days, and less than a day */
static Datum
duration_interval(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return DirectFunctionCall1(interval_justify_hours, IntervalPGetDatum(interval));
}

static int64
mean_duration(const Follows *follows)
{
	return follows->seconds / follows->frequency * USECS_PER_SEC +
		(follows->seconds % follows->frequency * USECS_PER_SEC + follows->microseconds) / follows->frequency;
}

/*
 * crm_discover_follows(internal, ...) returns crm_follows[]
 *
 * Final function of crm_directly_follows(case_id anyelement, activity text, at
 * timestamptz): one element for each pair of activities of which the second
 * follows directly on the first, with NULL for the begin and the end of a case;
 * how often, and the mean and the median of the time between.
 */
Datum
crm_discover_follows(PG_FUNCTION_ARGS)
{
	EventLog   *log = PG_ARGISNULL(0) ? NULL : (EventLog *) PG_GETARG_POINTER(0);
	Graph		graph;
	Oid			array_type;
	Oid			row_type;
	TupleDesc	desc;
	Datum	   *elements;

	if (log == NULL)
		PG_RETURN_NULL();
	(void) get_call_result_type(fcinfo, &array_type, NULL);
	row_type = get_element_type(array_type);
	if (!OidIsValid(row_type))
		elog(ERROR, "return type must be an array");
	desc = lookup_rowtype_tupdesc_copy(row_type, -1);
	read_log(&graph, log, true);

	elements = palloc(sizeof(Datum) * (graph.n + 1));
	for (int i = 0; i < graph.n; i++)
	{
		const Follows *follows = graph.follows[i];
		Datum		values[5];
		bool		nulls[5] = {false};

		nulls[0] = follows->key.from < 0;
		nulls[1] = follows->key.to < 0;
		nulls[3] = nulls[4] = nulls[0] || nulls[1];
		if (!nulls[0])
			values[0] = CStringGetTextDatum(crm_event_log_activity(log, follows->key.from));
		if (!nulls[1])
			values[1] = CStringGetTextDatum(crm_event_log_activity(log, follows->key.to));
		values[2] = Int64GetDatum(follows->frequency);
		if (!nulls[3])
		{
			values[3] = duration_interval(mean_duration(follows));
			values[4] = duration_interval(follows->median);
		}
		elements[i] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, graph.n, row_type, -1, false, TYPALIGN_DOUBLE));
}
