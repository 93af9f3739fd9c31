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

#include "choice.h"
#include "key.h"
#include "row.h"
#include "target.h"

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

/* A choice for each event that the row may take, or may not yet */
static List *
list_choices(Relation rel, const Door *door, TupleTableSlot *row)
{
	const Workflow *w = crm_row_workflow(door, rel, row, NULL);
	List	   *events = list_events(w, crm_row_state(door, rel, row, w));
	List	   *choices = NIL;
	ListCell   *lc;

	foreach(lc, events)
	{
		CrmChoice  *choice;

		w = crm_row_workflow(door, rel, row, NULL);
		choice = crm_choose_by_event(door, rel, row, row, w, lfirst(lc), true);
		if (choice != NULL)
			choices = lappend(choices, choice);
	}
	return choices;
}

/* What the row may do, as it lies in a table that is not partitioned */
static List *
choices_of_row(Relation rel, const Door *door, Datum key)
{
	TupleTableSlot *row = table_slot_create(rel, NULL);
	List	   *choices;

	if (!crm_row_find(rel, door, key, GetActiveSnapshot(), row))
		crm_row_refuse_missing(door, crm_row_name(door, key));
	choices = list_choices(rel, door, row);
	ExecDropSingleTupleTableSlot(row);
	return choices;
}

static List *
choices_of_target(FunctionCallInfo fcinfo)
{
	CrmTarget	target;
	List	   *choices;

	crm_target_open(fcinfo, "crm_available_events", AccessShareLock, &target);
	if (!crm_row_is_visible(target.rel, target.door, target.key))
		crm_row_refuse_missing(target.door, crm_row_name(target.door, target.key));
	if (target.rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		Relation	partition = table_open(crm_row_partition(target.rel, target.door, target.key),
										   AccessShareLock);

		choices = choices_of_row(partition, crm_door_get(partition), target.key);
		table_close(partition, AccessShareLock);
	}
	else
		choices = choices_of_row(target.rel, target.door, target.key);
	table_close(target.rel, AccessShareLock);
	return choices;
}

/*
 * crm_available_events(relation regclass, key bigint | uuid | text) returns table
 * (event text, to_status text, allowed boolean, reason text)
 * crm_available_events(order_id bigint): the same of crm.orders
 *
 * The events that the row's status knows, in the order of the drawing, each with
 * where it leads now; if no guard lets it pass, or one raises an error, not allowed, and
 * why. The caller needs to see the row, nothing else. Errors: SL001, those of
 * crm_advance() for table and key, and those that attempt.c does not go on after.
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
		call->user_fctx = choices_of_target(fcinfo);
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
