/*
 * workflow_rows.c
 *		What a workflow holds, as rows: states, composites, transitions.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_states);
PG_FUNCTION_INFO_V1(crm_composites);
PG_FUNCTION_INFO_V1(crm_transitions);

typedef struct Rows
{
	Workflow   *w;
	List	  **classes;		/* crm_states: class numbers by state */
	int			from;			/* crm_transitions: the state we are at */
} Rows;

/* The first call of a set-returning function with the workflow as argument 0 */
static FuncCallContext *
first_call(FunctionCallInfo fcinfo)
{
	FuncCallContext *call = SRF_FIRSTCALL_INIT();
	MemoryContext caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	Rows	   *rows = palloc0(sizeof(Rows));
	TupleDesc	desc;

	rows->w = (Workflow *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));
	crm_workflow_check_format(rows->w);
	call->user_fctx = rows;
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	call->tuple_desc = BlessTupleDesc(desc);
	MemoryContextSwitchTo(caller);
	return call;
}

static Datum
make_row(FuncCallContext *call, Datum *values, bool *nulls)
{
	return HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls));
}

/* A name, or NULL for WF_NONE */
static Datum
composite_name(const Workflow *w, uint16 composite, bool *isnull)
{
	*isnull = composite == WF_NONE;
	return *isnull ? (Datum) 0 : CStringGetTextDatum(WF_COMPOSITE_NAME(w, composite));
}

static Datum
class_names(const Workflow *w, List *numbers)
{
	Datum	   *names = palloc(sizeof(Datum) * (list_length(numbers) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, numbers)
		names[n++] = CStringGetTextDatum(WF_STRING(w, WF_CLASSES(w)[lfirst_int(lc)].name));
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * crm_states(workflow crm_workflow) returns table (state, label, classes,
 * composite, is_initial, is_final)
 *
 * The states breadth-first from the initial one; composite is the innermost
 * around the state, NULL if none.
 */
Datum
crm_states(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Rows	   *rows;
	Datum		values[6];
	bool		nulls[6] = {false};
	int			s;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext caller;

		call = first_call(fcinfo);
		rows = call->user_fctx;
		caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		rows->classes = palloc0(sizeof(List *) * rows->w->nstates);
		for (int c = 0; c < rows->w->nclasses; c++)
		{
			const WfClass *class = &WF_CLASSES(rows->w)[c];

			for (int i = 0; i < class->nmembers; i++)
			{
				List	  **list = &rows->classes[WF_MEMBERS(rows->w)[class->first_member + i]];

				*list = lappend_int(*list, c);
			}
		}
		MemoryContextSwitchTo(caller);
	}
	call = SRF_PERCALL_SETUP();
	rows = call->user_fctx;
	if (call->call_cntr >= rows->w->nstates)
		SRF_RETURN_DONE(call);

	s = (int) call->call_cntr;
	values[0] = CStringGetTextDatum(WF_STATE_NAME(rows->w, s));
	values[1] = CStringGetTextDatum(WF_STATE_LABEL(rows->w, s));
	values[2] = class_names(rows->w, rows->classes[s]);
	values[3] = composite_name(rows->w, WF_STATES(rows->w)[s].composite, &nulls[3]);
	values[4] = BoolGetDatum(s == 0);
	values[5] = BoolGetDatum((WF_STATES(rows->w)[s].flags & WF_STATE_FINAL) != 0);
	SRF_RETURN_NEXT(call, make_row(call, values, nulls));
}

/*
 * crm_composites(workflow crm_workflow) returns table (composite, label, parent,
 * entry)
 *
 * parent is the composite around it, entry the node that its own [*] leads to;
 * each NULL if there is none.
 */
Datum
crm_composites(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	const Workflow *w;
	const WfComposite *composite;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (SRF_IS_FIRSTCALL())
		first_call(fcinfo);
	call = SRF_PERCALL_SETUP();
	w = ((Rows *) call->user_fctx)->w;
	if (call->call_cntr >= w->ncomposites)
		SRF_RETURN_DONE(call);

	composite = &WF_COMPOSITES(w)[call->call_cntr];
	values[0] = CStringGetTextDatum(WF_STRING(w, composite->name));
	values[1] = CStringGetTextDatum(WF_STRING(w, composite->display ? composite->display : composite->name));
	values[2] = composite_name(w, composite->composite, &nulls[2]);
	nulls[3] = composite->entry == WF_NONE;
	if (!nulls[3])
		values[3] = CStringGetTextDatum(WF_NODE_NAME(w, composite->entry));
	SRF_RETURN_NEXT(call, make_row(call, values, nulls));
}

static Datum
event_interval(const WfEvent *event)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->month = event->months;
	interval->day = event->days;
	interval->time = event->seconds * USECS_PER_SEC;
	return IntervalPGetDatum(interval);
}

/*
 * crm_transitions(workflow crm_workflow) returns table (from_state, event,
 * to_state, guard, after, composite, from_label, to_label)
 *
 * The exits of each state in the order in which they are tried. after is the time
 * of a timer, composite the one whose edge it is; each NULL if it is none.
 */
Datum
crm_transitions(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Rows	   *rows;
	const Workflow *w;
	const WfExit *exit;
	const WfEvent *event;
	int			source;
	Datum		values[8];
	bool		nulls[8] = {false};

	if (SRF_IS_FIRSTCALL())
		first_call(fcinfo);
	call = SRF_PERCALL_SETUP();
	rows = call->user_fctx;
	w = rows->w;
	if (call->call_cntr >= w->nexits)
		SRF_RETURN_DONE(call);

	while (call->call_cntr >= WF_STATES(w)[rows->from].first_exit + WF_STATES(w)[rows->from].nexits)
		rows->from++;
	exit = &WF_EXITS(w)[call->call_cntr];
	event = &WF_EVENTS(w)[exit->event];
	source = WF_EDGES(w)[exit->edge].from;

	values[0] = CStringGetTextDatum(WF_STATE_NAME(w, rows->from));
	values[1] = CStringGetTextDatum(WF_STRING(w, event->name));
	values[2] = CStringGetTextDatum(WF_STATE_NAME(w, exit->to));
	nulls[3] = exit->guard == WF_NONE;
	if (!nulls[3])
		values[3] = CStringGetTextDatum(WF_GUARD_NAME(w, exit->guard));
	nulls[4] = !WF_IS_TIMER(event);
	if (!nulls[4])
		values[4] = event_interval(event);
	values[5] = composite_name(w, source < w->nstates ? WF_NONE : source - w->nstates, &nulls[5]);
	values[6] = CStringGetTextDatum(WF_STATE_LABEL(w, rows->from));
	values[7] = CStringGetTextDatum(WF_STATE_LABEL(w, exit->to));
	SRF_RETURN_NEXT(call, make_row(call, values, nulls));
}
