/*
 * workflow_functions.c
 *		Questions to a workflow that have one answer.
 *
 * What a workflow does not have is NULL or false here, not an error: these
 * functions look at foreign data, in whole columns.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_events);
PG_FUNCTION_INFO_V1(crm_next_state);
PG_FUNCTION_INFO_V1(crm_can);
PG_FUNCTION_INFO_V1(crm_path);

static int
find_state(const Workflow *w, const text *name)
{
	return crm_workflow_find_state(w, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/* The first exit from args 1 (state) by 2 (event), NULL if there is none */
static const WfExit *
find_exit(FunctionCallInfo fcinfo, const Workflow *w)
{
	text	   *state_name = PG_GETARG_TEXT_PP(1);
	text	   *event_name = PG_GETARG_TEXT_PP(2);
	int			state = find_state(w, state_name);
	int			event;

	if (state < 0)
		return NULL;
	event = crm_workflow_find_event(w, VARDATA_ANY(event_name), VARSIZE_ANY_EXHDR(event_name));
	return event < 0 ? NULL : crm_workflow_find_exit(w, state, event);
}

static ArrayType *
make_text_array(Datum *texts, int n)
{
	return construct_array(texts, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * crm_events(workflow crm_workflow, state text) returns text[]
 *
 * The events of the state's exits, each once, in document order; timers too, as
 * "after 14 days". NULL if there is no such state.
 */
Datum
crm_events(PG_FUNCTION_ARGS)
{
	const Workflow *w = crm_workflow_arg(fcinfo, 0);
	int			number = find_state(w, PG_GETARG_TEXT_PP(1));
	const WfState *state;
	bool	   *seen;
	Datum	   *events;
	int			n = 0;

	if (number < 0)
		PG_RETURN_NULL();
	state = &WF_STATES(w)[number];
	seen = palloc0(sizeof(bool) * (w->nevents + 1));
	events = palloc(sizeof(Datum) * (state->nexits + 1));
	for (int i = 0; i < state->nexits; i++)
	{
		int			event = WF_EXITS(w)[state->first_exit + i].event;

		if (!seen[event])
			events[n++] = CStringGetTextDatum(WF_EVENT_NAME(w, event));
		seen[event] = true;
	}
	PG_RETURN_ARRAYTYPE_P(make_text_array(events, n));
}

/*
 * crm_next_state(workflow crm_workflow, state text, event text) returns text
 *
 * Where the event leads from that state; guards are taken to hold, so of several
 * exits with one event it is the first. NULL if the event is not possible there.
 */
Datum
crm_next_state(PG_FUNCTION_ARGS)
{
	const Workflow *w = crm_workflow_arg(fcinfo, 0);
	const WfExit *exit = find_exit(fcinfo, w);

	if (exit == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(WF_STATE_NAME(w, exit->to)));
}

/*
 * crm_can(workflow crm_workflow, state text, event text) returns boolean
 *
 * Whether the state has an exit with that event; guards are taken to hold.
 */
Datum
crm_can(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(find_exit(fcinfo, crm_workflow_arg(fcinfo, 0)) != NULL);
}

/*
 * crm_path(workflow crm_workflow, from_state text, to_state text) returns text[]
 *
 * A shortest list of events that leads from one state to the other; empty if they
 * are one, NULL if there is no way or no such state. Breadth-first search.
 */
Datum
crm_path(PG_FUNCTION_ARGS)
{
	const Workflow *w = crm_workflow_arg(fcinfo, 0);
	int			from = find_state(w, PG_GETARG_TEXT_PP(1));
	int			to = find_state(w, PG_GETARG_TEXT_PP(2));
	int		   *queue;
	int		   *distance;		/* -1: not reached yet */
	int		   *before;			/* the state before, and the event from there */
	int		   *event;
	Datum	   *path;
	int			n = 0;

	if (from < 0 || to < 0)
		PG_RETURN_NULL();
	queue = palloc(sizeof(int) * w->nstates);
	distance = palloc(sizeof(int) * w->nstates);
	before = palloc(sizeof(int) * w->nstates);
	event = palloc(sizeof(int) * w->nstates);
	for (int i = 0; i < w->nstates; i++)
		distance[i] = -1;
	distance[from] = 0;
	queue[n++] = from;
	for (int i = 0; i < n && distance[to] < 0; i++)
	{
		const WfState *state = &WF_STATES(w)[queue[i]];
		const WfExit *exits = WF_EXITS(w) + state->first_exit;

		for (int j = 0; j < state->nexits; j++)
			if (distance[exits[j].to] < 0)
			{
				distance[exits[j].to] = distance[queue[i]] + 1;
				before[exits[j].to] = queue[i];
				event[exits[j].to] = exits[j].event;
				queue[n++] = exits[j].to;
			}
	}
	if (distance[to] < 0)
		PG_RETURN_NULL();

	path = palloc(sizeof(Datum) * (distance[to] + 1));
	for (int state = to; state != from; state = before[state])
		path[distance[state] - 1] = CStringGetTextDatum(WF_EVENT_NAME(w, event[state]));
	PG_RETURN_ARRAYTYPE_P(make_text_array(path, distance[to]));
}
