/*
 * replay.c
 *		Aggregates that walk a workflow with the events of a case: crm_replay,
 *		crm_conforms, crm_first_violation.
 *
 * A log does not tell which guards held. Where an event leads several ways, all
 * of them are followed, in the order in which the door would try them; an event
 * is possible if it is from at least one of the states that the case may be in.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"

#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_replay_step);
PG_FUNCTION_INFO_V1(crm_replay_state);
PG_FUNCTION_INFO_V1(crm_replay_conforms);
PG_FUNCTION_INFO_V1(crm_replay_violation);

typedef struct Replay
{
	const Workflow *w;			/* lives as long as the query */
	int64		position;		/* events so far */
	text	   *violation;		/* the event that was not possible, NULL so far */
	int			nstates;		/* states that the case may be in */
	uint16	   *states;
	bool		constant;		/* w is that of all rows of the case */
	uint16		state;			/* where states points while there is one */
	uint16	   *more_states[2]; /* room for all of w, made when there are several */
} Replay;

/* The ways of an event from one state, appended to to[0 .. n) without doubles. */
static int
follow(const Workflow *w, int state, int event, uint16 *to, int n)
{
	const WfState *from = &WF_STATES(w)[state];
	const WfExit *exits = WF_EXITS(w) + from->first_exit;

	for (int i = 0; i < from->nexits; i++)
	{
		int			j = 0;

		if (exits[i].event != event)
			continue;
		while (j < n && to[j] != exits[i].to)
			j++;
		if (j == n)
			to[n++] = exits[i].to;
		if (exits[i].guard == WF_NONE)
			break;
	}
	return n;
}

/* Take an event from each possible state; false if it is possible from none. */
static bool
take_event(Replay *replay, int event, MemoryContext context)
{
	const Workflow *w = replay->w;
	uint16	   *to;
	int			n = 0;

	if (replay->nstates == 1)
	{
		const WfExit *exit = crm_workflow_find_exit(w, replay->states[0], event);

		if (exit == NULL)
			return false;
		if (exit->guard == WF_NONE)
		{
			replay->state = exit->to;
			replay->states = &replay->state;
			return true;
		}
	}

	if (replay->more_states[0] == NULL)
		for (int i = 0; i < 2; i++)
			replay->more_states[i] = MemoryContextAlloc(context, sizeof(uint16) * w->nstates);
	to = replay->more_states[replay->states == replay->more_states[0] ? 1 : 0];
	for (int i = 0; i < replay->nstates; i++)
	{
		CHECK_FOR_INTERRUPTS();
		n = follow(w, replay->states[i], event, to, n);
	}
	if (n == 0)
		return false;
	replay->states = to;
	replay->nstates = n;
	return true;
}

/*
 * A constant cannot change within a case, and a parameter only when the query
 * begins anew: then there is nothing to compare.
 */
static bool
workflow_is_constant(FunctionCallInfo fcinfo)
{
	Aggref	   *aggref = AggGetAggref(fcinfo);
	Expr	   *workflow;

	if (aggref == NULL || aggref->args == NIL)
		return false;			/* a window function */
	workflow = linitial_node(TargetEntry, aggref->args)->expr;
	return IsA(workflow, Const) || IsA(workflow, Param);
}

static void
check_same_workflow(const Workflow *a, const Workflow *b)
{
	if (VARSIZE(a) != VARSIZE(b) || memcmp(a, b, VARSIZE(a)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the events of one case are replayed on two different workflows"),
				 errhint("Group by the workflow too.")));
}

/*
 * crm_replay_step(internal, workflow crm_workflow, event text) returns internal
 *
 * Transition function of all three aggregates. The case starts in the initial
 * state; rows with a NULL are left out. Errors: 22023 if the workflow changes.
 */
Datum
crm_replay_step(PG_FUNCTION_ARGS)
{
	Replay	   *replay = PG_ARGISNULL(0) ? NULL : (Replay *) PG_GETARG_POINTER(0);
	MemoryContext context;
	const Workflow *w;
	text	   *name;
	int			event;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "crm_replay_step called in non-aggregate context");
	if (PG_ARGISNULL(1))
	{
		if (replay == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(replay);
	}

	w = replay != NULL && replay->constant ? replay->w : crm_workflow_kept_arg(fcinfo, 1);
	if (replay == NULL)
	{
		replay = MemoryContextAllocZero(context, sizeof(Replay));
		replay->w = w;
		replay->constant = workflow_is_constant(fcinfo);
		replay->nstates = 1;
		replay->states = &replay->state;
	}
	else if (replay->w != w)
		check_same_workflow(replay->w, w);
	if (PG_ARGISNULL(2) || replay->violation != NULL)
		PG_RETURN_POINTER(replay);

	name = PG_GETARG_TEXT_PP(2);
	replay->position++;
	event = crm_workflow_find_event(w, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (event < 0 || !take_event(replay, event, context))
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		replay->violation = cstring_to_text_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_POINTER(replay);
}

/*
 * crm_replay_state(internal) returns text
 *
 * Final function of crm_replay(workflow crm_workflow, event text): the state that
 * the events lead to; of several, the one that the door tries first. Errors:
 * SL003 for the first event that is not possible, SL002 if the workflow has no
 * such event at all.
 */
Datum
crm_replay_state(PG_FUNCTION_ARGS)
{
	Replay	   *replay = PG_ARGISNULL(0) ? NULL : (Replay *) PG_GETARG_POINTER(0);

	if (replay == NULL)
		PG_RETURN_NULL();
	if (replay->violation != NULL)
	{
		const Workflow *w = replay->w;
		int			state = replay->states[0];
		char	   *event = text_to_cstring(replay->violation);
		char	   *exits = crm_workflow_list_exits(w, state, true);

		if (crm_workflow_find_event(w, event, strlen(event)) < 0)
		{
			const char *similar = crm_workflow_similar_event(w, event);

			ereport(ERROR,
					(errcode(ERRCODE_CRM_UNKNOWN_EVENT),
					 errmsg("event number " INT64_FORMAT ", \"%s\", is none of the workflow",
							replay->position, event),
					 errdetail("The case is in state \"%s\".", WF_STATE_NAME(w, state)),
					 similar ? errhint("Did you mean \"%s\"?", similar) :
					 errhint("crm_first_violation() tells the same of each case without an error.")));
		}
		ereport(ERROR,
				(errcode(ERRCODE_CRM_NOT_ALLOWED_FROM_HERE),
				 errmsg("event number " INT64_FORMAT ", \"%s\", is not possible in state \"%s\"",
						replay->position, event, WF_STATE_NAME(w, state)),
				 exits[0] != '\0' ?
				 errdetail("Possible events from there: %s.", exits) :
				 errdetail("No event is possible from there."),
				 errhint("crm_first_violation() tells the same of each case without an error.")));
	}
	PG_RETURN_TEXT_P(cstring_to_text(WF_STATE_NAME(replay->w, replay->states[0])));
}

/*
 * crm_replay_conforms(internal) returns boolean
 *
 * Final function of crm_conforms(workflow crm_workflow, event text).
 */
Datum
crm_replay_conforms(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(((Replay *) PG_GETARG_POINTER(0))->violation == NULL);
}

/*
 * crm_replay_violation(internal) returns crm_violation
 *
 * Final function of crm_first_violation(workflow crm_workflow, event text): the
 * position of the first event that is not possible, the event, and the state
 * that the case was in; NULL if there is none.
 */
Datum
crm_replay_violation(PG_FUNCTION_ARGS)
{
	Replay	   *replay = PG_ARGISNULL(0) ? NULL : (Replay *) PG_GETARG_POINTER(0);
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (replay == NULL || replay->violation == NULL)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum(replay->position);
	values[1] = PointerGetDatum(replay->violation);
	values[2] = CStringGetTextDatum(WF_STATE_NAME(replay->w, replay->states[0]));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
