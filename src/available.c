/*
 * available.c
 *		crm_available_events(): what a screen's buttons need.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "advance.h"
#include "catalog.h"
#include "choice.h"
#include "row.h"

PG_FUNCTION_INFO_V1(crm_available_events);

/* The events of a state, each once, timers left out; guards may run meanwhile. */
static List *
list_events(const Workflow *w, int state)
{
	const WfState *from = &WF_STATES(w)[state];
	const WfExit *exits = WF_EXITS(w) + from->first_exit;
	List	   *events = NIL;

	for (int i = 0; i < from->nexits; i++)
		if (!WF_IS_TIMER(&WF_EVENTS(w)[exits[i].event]) &&
			crm_workflow_find_exit(w, state, exits[i].event) == &exits[i])
			events = lappend(events, pstrdup(WF_EVENT_NAME(w, exits[i].event)));
	return events;
}

/* A choice for each event that the order may take, or may not yet */
static List *
list_choices(Relation rel, const Door *door, TupleTableSlot *row)
{
	const Workflow *w = crm_row_workflow(door, rel, row);
	List	   *events = list_events(w, crm_row_state(door, rel, row, w));
	List	   *choices = NIL;
	ListCell   *lc;

	foreach(lc, events)
	{
		CrmChoice  *choice;

		w = crm_row_workflow(door, rel, row);
		choice = crm_choose_by_event(door, rel, row, row, w, lfirst(lc));
		if (choice != NULL)
			choices = lappend(choices, choice);
	}
	return choices;
}

static List *
choices_of_order(Datum key)
{
	Relation	rel = table_open(crm_table_oid("orders"), AccessShareLock);
	const Door *door = crm_door_get(rel);
	TupleTableSlot *row = table_slot_create(rel, NULL);
	List	   *choices;

	crm_check_order_key(rel, door);
	if (!crm_row_is_visible(rel, door, key) ||
		!crm_row_find(rel, door, key, GetActiveSnapshot(), row))
		crm_row_refuse_missing(rel, door, key);
	choices = list_choices(rel, door, row);
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, AccessShareLock);
	return choices;
}

/*
 * crm_available_events(order_id bigint) returns table (event text, to_status
 * text, allowed boolean, reason text)
 *
 * The events that the order's status knows, in the order of the drawing, each
 * with where it leads now; if no guard lets it pass, not allowed, and why. The
 * caller needs to see the order, nothing else. Errors: SL001, and those of guards.
 */
Datum
crm_available_events(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	CrmChoice  *choice;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext caller;
		TupleDesc	desc;

		call = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = choices_of_order(PG_GETARG_DATUM(0));
		MemoryContextSwitchTo(caller);
	}
	call = SRF_PERCALL_SETUP();
	if (call->call_cntr >= list_length(call->user_fctx))
		SRF_RETURN_DONE(call);

	choice = list_nth(call->user_fctx, (int) call->call_cntr);
	values[0] = CStringGetTextDatum(choice->event);
	values[1] = CStringGetTextDatum(choice->to);
	values[2] = BoolGetDatum(choice->unmet == NULL);
	nulls[3] = choice->unmet == NULL;
	if (!nulls[3])
		values[3] = CStringGetTextDatum(choice->unmet);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
}
