/*
 * state_columns.c
 *		What a row shows of its state beside the status, and what becomes of that
 *		when the workflow changes.
 */
#include "crm.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "deadline.h"
#include "owner.h"
#include "state_columns.h"
#include "stranded.h"
#include "trigger.h"
#include "workflow_cache.h"

PG_FUNCTION_INFO_V1(crm_refresh_state_columns);

#define OPEN_CLASS "open"
#define BOOKED_CLASS "booked"

static bool
is_in_class(const Workflow *w, const char *name, int state)
{
	const WfClass *class = crm_workflow_find_class(w, name);

	return class != NULL && crm_workflow_in_class(w, class, state);
}

static bool
has_state_columns(const Door *door)
{
	return door->status_until != InvalidAttrNumber || door->open_status != InvalidAttrNumber ||
		door->booked_at != InvalidAttrNumber;
}

void
crm_state_columns(const Door *door, Relation rel, TupleTableSlot *row, const char *status, int len,
				  TimestampTz since, TimestampTz moment, CrmStateColumns *columns)
{
	const Workflow *w;
	int			state;

	memset(columns, 0, sizeof(*columns));
	if (!has_state_columns(door))
		return;
	w = crm_row_workflow_if_any(door, rel, row);
	state = w == NULL ? -1 : crm_workflow_find_state(w, status, len);
	if (state < 0)
		return;
	columns->is_open = is_in_class(w, OPEN_CLASS, state);
	columns->is_booked = is_in_class(w, BOOKED_CLASS, state);
	columns->has_until = crm_next_deadline(w, state, since, DT_NOBEGIN, &columns->until);
	if (columns->has_until && columns->until <= moment)
	{
		TimestampTz in_an_hour = moment + USECS_PER_HOUR;

		if (!crm_next_deadline(w, state, since, moment, &columns->until) || columns->until > in_an_hour)
			columns->until = in_an_hour;
	}
}

/* What the columns of a row in that state depend on, as a text to compare; empty for a state that is not there. */
static char *
describe_state(const Workflow *w, int state)
{
	StringInfoData out;

	initStringInfo(&out);
	if (state >= 0)
	{
		const WfExit *exits = WF_EXITS(w) + WF_STATES(w)[state].first_exit;

		if (is_in_class(w, OPEN_CLASS, state))
			appendStringInfoString(&out, OPEN_CLASS ";");
		if (is_in_class(w, BOOKED_CLASS, state))
			appendStringInfoString(&out, BOOKED_CLASS ";");
		for (int i = 0; i < WF_STATES(w)[state].nexits; i++)
			if (WF_IS_TIMER(&WF_EVENTS(w)[exits[i].event]))
				appendStringInfo(&out, "%s;", WF_EVENT_NAME(w, exits[i].event));
	}
	return out.data;
}

/* Append the states of a that are not so in b, or are not there. */
static List *
list_differences(List *names, const Workflow *a, const Workflow *b)
{
	for (int i = 0; i < a->nstates; i++)
	{
		char	   *name = pstrdup(WF_STATE_NAME(a, i));
		int			other = crm_workflow_find_state(b, name, strlen(name));

		if (strcmp(describe_state(a, i), describe_state(b, other)) != 0)
			names = lappend(names, name);
	}
	return names;
}

static Datum
text_array(List *names)
{
	Datum	   *elements = palloc(sizeof(Datum) * list_length(names));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, names)
		elements[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Update the rows in these states; the BEFORE trigger leaves out those that are
 * right already. In a transaction with a snapshot of its own, a row that is newer
 * is a serialization failure, as for foreign keys.
 */
static void
update_rows(Relation rel, const Door *door, const char *workflow, List *states)
{
	Oid			types[2] = {TEXTARRAYOID, TEXTOID};
	Datum		values[2] = {text_array(states), CStringGetTextDatum(workflow)};
	char	   *status = pstrdup(quote_identifier(NameStr(door->status_name)));
	bool		by_snapshot = IsolationUsesXactSnapshot();
	StringInfoData sql;
	SPIPlanPtr	plan;
	CrmStep		step = {0};

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET %s = %s WHERE %s OPERATOR(pg_catalog.=) ANY ($1)%s",
					 crm_relation_name(rel), status, status, status, crm_of_workflow(door));
	step.relid = door->root_relid;
	step.kind = CRM_STEP_REFRESH;
	step.outer = crm_current_step;
	step.trigger_depth = crm_trigger_depth() + 1;

	SPI_connect();
	plan = SPI_prepare(sql.data, door->by_column ? 2 : 1, types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	PG_TRY();
	{
		crm_current_step = &step;
		crm_begin_update();
		if (SPI_execute_snapshot(plan, values, NULL, by_snapshot ? GetLatestSnapshot() : InvalidSnapshot,
								 by_snapshot ? GetTransactionSnapshot() : InvalidSnapshot,
								 false, true, 0) != SPI_OK_UPDATE)
			elog(ERROR, "unexpected result of: %s", sql.data);
	}
	PG_FINALLY();
	{
		crm_current_step = step.outer;
	}
	PG_END_TRY();
	SPI_finish();
}

static bool
has_timers(const Workflow *w)
{
	for (int i = 0; i < w->nevents; i++)
		if (WF_IS_TIMER(&WF_EVENTS(w)[i]))
			return true;
	return false;
}

/* crm_attach_workflow() adds the column if the workflow has timers by then. */
static void
warn_without_column(Relation rel, const char *workflow)
{
	const Door *door = crm_door_get(rel);
	char	   *table = crm_relation_name(rel);
	char	   *status = pstrdup(quote_identifier(NameStr(door->status_name)));

	if (door->status_until != InvalidAttrNumber)
		return;
	/* where each row names its workflow, perhaps none names this one */
	if (door->by_column &&
		crm_count_standing(list_make1_oid(RelationGetRelid(rel)), workflow,
						   PointerGetDatum(construct_empty_array(TEXTOID)), true) == NIL)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("the timers of workflow \"%s\" do not come in table %s", workflow, table),
			 errdetail("The table has no column \"status_until\"."),
			 errhint("ALTER TABLE %s ADD COLUMN status_until timestamptz; "
					 "CREATE INDEX ON %s (status_until) WHERE status_until IS NOT NULL; "
					 "UPDATE %s SET %s = %s;", table, table, table, status, status)));
}

static void
refresh_table(Relation rel, const char *workflow, List *states)
{
	const Door *door = crm_door_get(rel);
	CrmCaller	caller;

	if (!has_state_columns(door))
		return;
	crm_become_owner(rel, &caller);
	update_rows(rel, door, workflow, states);
	crm_become_caller(&caller);
}

/*
 * crm_refresh_state_columns() returns trigger
 *
 * AFTER UPDATE row trigger of crm.workflows: where the new definition has other
 * timers, or other states of class open or booked, the rows in these states get their
 * status_until and open_status anew, and booked_at if they have none, with the rights
 * of the owner of their table. If it is the first timers that the workflow gets, a
 * WARNING names the tables that lack status_until. Errors: 42809 on another table, 39P01 if not called as such
 * a trigger, 40001 in a REPEATABLE READ transaction that does not see all of the rows.
 */
Datum
crm_refresh_state_columns(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_refresh_state_columns", CRM_TRIGGER_AFTER_ROW, "workflows");
	Relation	table = trigger->tg_relation;
	AttrNumber	name_column = crm_column(table, "name", TEXTOID);
	AttrNumber	definition_column = crm_definition_column(table);
	HeapTuple	new = trigger->tg_newtuple;
	bool		isnull[3];
	Datum		name;
	Datum		was;
	Datum		is;
	List	   *states;
	char	   *workflow;
	bool		gets_timers;
	ListCell   *lc;

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		PG_RETURN_POINTER(NULL);
	name = crm_get(new, name_column, table, &isnull[0]);
	was = crm_get(trigger->tg_trigtuple, definition_column, table, &isnull[1]);
	is = crm_get(new, definition_column, table, &isnull[2]);
	if (isnull[0] || isnull[1] || isnull[2])
		PG_RETURN_POINTER(NULL);
	states = list_differences(NIL, DatumGetWorkflowP(was), DatumGetWorkflowP(is));
	states = list_differences(states, DatumGetWorkflowP(is), DatumGetWorkflowP(was));
	if (states == NIL)
		PG_RETURN_POINTER(NULL);

	gets_timers = has_timers(DatumGetWorkflowP(is)) && !has_timers(DatumGetWorkflowP(was));
	/* the rows follow the new definition, whichever trigger of the table comes first */
	CacheInvalidateRelcache(table);
	CommandCounterIncrement();
	workflow = TextDatumGetCString(name);
	/* Who steps by the old definition, or has a row locked, is waited for; others wait for us. */
	foreach(lc, crm_lock_followers(workflow, ExclusiveLock))
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);

		if (gets_timers)
			warn_without_column(rel, workflow);
		refresh_table(rel, workflow, states);
		table_close(rel, NoLock);
	}
	PG_RETURN_POINTER(NULL);
}
