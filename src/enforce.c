/*
 * enforce.c
 *		The BEFORE trigger: a status changes only along its workflow.
 *
 * The only place where a step is decided. It sees the row as locked, so what it
 * finds cannot be changed by anybody else any more.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "choice.h"
#include "door.h"
#include "history.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_enforce_workflow);

/* What the trigger changes in a row: at most status, version and status_since. */
typedef struct Changes
{
	int			n;
	int			columns[3];
	Datum		values[3];
	bool		nulls[3];
} Changes;

static void
change(Changes *changes, AttrNumber column, Datum value)
{
	changes->columns[changes->n] = column;
	changes->values[changes->n] = value;
	changes->nulls[changes->n] = false;
	changes->n++;
}

static void
refuse_edit(const Door *door, Relation rel, Datum key, const char *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_KEPT_BY_MACHINE),
			 errmsg("column \"%s\" of %s is kept by the database", column,
					crm_row_name(door, rel, key)),
			 errdetail("The statement gives it a value of its own."),
			 errhint("Leave the column out of the statement.")));
}

static void
refuse_step(const Door *door, Relation rel, TupleTableSlot *row, Datum key,
			const Workflow *w, int from, const char *what)
{
	char	   *exits = crm_workflow_list_exits(w, from);

	ereport(ERROR,
			(errcode(ERRCODE_CRM_NOT_ALLOWED_FROM_HERE),
			 errmsg("%s cannot %s", crm_row_name(door, rel, key), what),
			 errdetail("Its status is \"%s\", in workflow \"%s\".", WF_STATE_NAME(w, from),
					   crm_row_workflow_name(door, rel, row)),
			 exits[0] != '\0' ?
			 errhint("Possible events from here: %s.", exits) :
			 errhint("No event is possible from here.")));
}

/* The step exists, but not under these conditions. */
static void
refuse_unmet(const Door *door, Relation rel, Datum key, const CrmChoice *choice, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_GUARD_NOT_MET),
			 errmsg("%s cannot %s", crm_row_name(door, rel, key), what),
			 errdetail("%s", choice->unmet),
			 errhint("The event \"%s\" (to \"%s\") is possible once that is met.", choice->event, choice->to)));
}

/* The exit that an event takes from a state; an error if there is none. */
static CrmChoice *
choose_by_event(const Door *door, Relation rel, TupleTableSlot *row, TupleTableSlot *new,
				Datum key, const Workflow *w, int from, const char *event_name)
{
	int			event = crm_workflow_find_event(w, event_name, strlen(event_name));
	CrmChoice  *choice;

	if (event < 0)
	{
		const char *similar = crm_workflow_similar_event(w, event_name);
		char	   *exits = crm_workflow_list_exits(w, from);

		ereport(ERROR,
				(errcode(ERRCODE_CRM_UNKNOWN_EVENT),
				 errmsg("workflow \"%s\" has no event \"%s\"",
						crm_row_workflow_name(door, rel, row), event_name),
				 errdetail("The status of %s is \"%s\".", crm_row_name(door, rel, key),
						   WF_STATE_NAME(w, from)),
				 similar ? errhint("Did you mean \"%s\"?", similar) :
				 exits[0] != '\0' ? errhint("Possible events from here: %s.", exits) :
				 errhint("No event is possible from here.")));
	}
	choice = crm_choose_by_event(door, rel, row, new, w, from, event);
	if (choice == NULL)
		refuse_step(door, rel, row, key, w, from, psprintf("take the event \"%s\"", event_name));
	if (choice->unmet != NULL)
		refuse_unmet(door, rel, key, choice, psprintf("take the event \"%s\"", event_name));
	return choice;
}

static void
check_no_infinity(TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("column \"status_since\" cannot be infinite"),
				 errhint("Leave the column out of the statement.")));
}

/*
 * A row starts in the initial state, or in the one that was given: whether a
 * later one is allowed is decided when the row is really there (record.c), as
 * INSERT … ON CONFLICT DO UPDATE passes here with a row that never will be.
 */
static void
enforce_insert(const Door *door, Relation rel, TupleTableSlot *new, Changes *changes)
{
	const Workflow *w = crm_row_workflow(door, rel, new);
	bool		isnull;
	bool		given;
	Datum		since;

	(void) slot_getattr(new, door->status, &isnull);
	if (isnull)
		change(changes, door->status, CStringGetTextDatum(WF_STATE_NAME(w, 0)));
	else
		(void) crm_row_state(door, rel, new, w);

	/* When an import says since when, it is taken at its word. */
	since = slot_getattr(new, door->status_since, &isnull);
	given = !isnull && crm_owns_relation(RelationGetRelid(rel), GetUserId());
	if (given)
		check_no_infinity(DatumGetTimestampTz(since));
	else
		change(changes, door->status_since, TimestampTzGetDatum(GetCurrentTimestamp()));
	change(changes, door->version, Int32GetDatum(1));
}

/*
 * Whether this request was done before; then its first answer is the answer. Who
 * repeats a request waits for the lock of the row, and finds it here.
 */
static bool
is_repeated(const Door *door, Relation rel, Datum key, CrmStep *step)
{
	HistoryRow	found;
	MemoryContext caller;

	if (step->request_key == NULL || !crm_history_find_request(rel, door, step->request_key, &found))
		return false;
	if (!datumIsEqual(found.key, key, door->key_byval, door->key_len))
		ereport(ERROR,
				(errcode(ERRCODE_CRM_REQUEST_KEY_REUSED),
				 errmsg("request key \"%s\" was used before", text_to_cstring(step->request_key)),
				 errdetail("It was not used for %s.", crm_row_name(door, rel, key)),
				 errhint("Choose a new key for each request; the same one only to repeat it.")));
	if (strcmp(text_to_cstring(found.event), step->event) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_REQUEST_KEY_REUSED),
				 errmsg("request key \"%s\" was used before", text_to_cstring(step->request_key)),
				 errdetail("It was used for the event \"%s\" of %s, not for \"%s\".",
						   text_to_cstring(found.event), crm_row_name(door, rel, key), step->event),
				 errhint("Choose a new key for each request; the same one only to repeat it.")));
	caller = MemoryContextSwitchTo(step->context);
	step->to_status = DatumGetTextPCopy(PointerGetDatum(found.to));
	MemoryContextSwitchTo(caller);
	step->repeated = true;
	return true;
}

static void
check_expected_version(const Door *door, Relation rel, Datum key, const CrmStep *step, int32 version)
{
	if (step->expected_version >= 0 && step->expected_version != version)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_STALE_VERSION),
				 errmsg("%s is not as expected any more", crm_row_name(door, rel, key)),
				 errdetail("Its version is %d, not %d.", version, step->expected_version),
				 errhint("Look at it again, then decide again.")));
}

/* The status that the owner forces upon a row; that must be one of the workflow. */
static CrmChoice *
choose_by_force(const Door *door, Relation rel, TupleTableSlot *row, const Workflow *w, const CrmStep *step)
{
	CrmChoice  *choice = palloc0(sizeof(CrmChoice));

	crm_check_state_name(door, rel, row, w, step->force_to);
	choice->to = pstrdup(step->force_to);
	return choice;
}

/* Returns false if the row is to stay as it is. */
static bool
enforce_update(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new,
			   Changes *changes)
{
	bool		isnull;
	Datum		key = slot_getattr(old, door->key, &isnull);
	CrmStep    *step = crm_step_for(door, key);
	Datum		new_key = slot_getattr(new, door->key, &isnull);
	text	   *old_status = DatumGetTextPP(crm_get_not_null(rel, old, door->status));
	TimestampTz old_since = DatumGetTimestampTz(crm_get_not_null(rel, old, door->status_since));
	TimestampTz now;
	int32		old_version = DatumGetInt32(crm_get_not_null(rel, old, door->version));
	int32		new_version;
	bool		same_status;
	const Workflow *w;
	int			from = -1;
	CrmChoice  *choice = NULL;

	/* the history names the row by it */
	if (isnull || !datumIsEqual(key, new_key, door->key_byval, door->key_len))
		refuse_edit(door, rel, key, NameStr(door->key_name));
	new_version = DatumGetInt32(slot_getattr(new, door->version, &isnull));
	if (isnull)
		refuse_edit(door, rel, key, "version");
	if (DatumGetTimestampTz(slot_getattr(new, door->status_since, &isnull)) != old_since || isnull)
		refuse_edit(door, rel, key, "status_since");
	crm_check_workflow_change(door, rel, old, new);
	same_status = crm_same_text(old_status, DatumGetTextPP(crm_get_not_null(rel, new, door->status)));

	if (step == NULL && same_status)
	{
		if (new_version != old_version)
			refuse_edit(door, rel, key, "version");
		return true;
	}
	/* the next version is what a client that counts along would write */
	if (new_version != old_version && new_version != (int64) old_version + 1)
		refuse_edit(door, rel, key, "version");

	if (step != NULL)
	{
		if (is_repeated(door, rel, key, step))
			return false;
		check_expected_version(door, rel, key, step, old_version);
	}
	w = crm_row_workflow(door, rel, new);
	if (step != NULL && step->force_to != NULL)
		choice = choose_by_force(door, rel, new, w, step);
	else
		from = crm_row_state(door, rel, old, w);
	if (choice != NULL)
		change(changes, door->status, CStringGetTextDatum(choice->to));
	else if (step != NULL)
	{
		choice = choose_by_event(door, rel, old, new, key, w, from, step->event);
		change(changes, door->status, CStringGetTextDatum(choice->to));
	}
	else
	{
		int			to = crm_row_state(door, rel, new, w);

		char	   *what = psprintf("become \"%s\"", WF_STATE_NAME(w, to));

		choice = crm_choose_by_target(door, rel, old, new, w, from, to);
		if (choice == NULL)
		{
			/* guards have run, so the workflow may be another */
			w = crm_row_workflow(door, rel, new);
			refuse_step(door, rel, old, key, w, crm_row_state(door, rel, old, w), what);
		}
		if (choice->unmet != NULL)
			refuse_unmet(door, rel, key, choice, what);
	}

	if (old_version == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s cannot take more than %d steps", crm_row_name(door, rel, key), old_version)));
	/* A clock that was set back does not turn the order of the history round. */
	now = GetCurrentTimestamp();
	change(changes, door->status_since, TimestampTzGetDatum(Max(now, old_since)));
	change(changes, door->version, Int32GetDatum(old_version + 1));

	if (step != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(step->context);

		step->to_status = cstring_to_text(choice->to);
		MemoryContextSwitchTo(caller);
		step->version = old_version + 1;
		step->resolved = true;
	}
	return true;
}

/*
 * crm_enforce_workflow(status_column [, workflow]) returns trigger
 *
 * BEFORE INSERT OR UPDATE row trigger. The status in that column starts in the
 * initial state of the workflow and changes only along its edges; version counts
 * the steps, status_since dates the last one. The workflow is named by the second
 * argument, or row by row by the column "workflow".
 *
 * Errors: SL001 to SL010 of errors.h as they apply, 42501 for a change of the
 * workflow of a row by anybody but the owner, 55000 and 42xxx for a table that
 * is not fit, 39P01 if not called as such a trigger.
 */
Datum
crm_enforce_workflow(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_enforce_workflow",
											CRM_TRIGGER_BEFORE_ROW);
	Relation	rel = trigger->tg_relation;
	const Door *door = crm_door_get(rel);
	HeapTuple	new;
	Changes		changes = {0};

	/* Slots take a row apart once, however many of its columns are asked for. */
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		new = trigger->tg_trigtuple;
		enforce_insert(door, rel, trigger->tg_trigslot, &changes);
	}
	else
	{
		new = trigger->tg_newtuple;
		if (!enforce_update(door, rel, trigger->tg_trigslot, trigger->tg_newslot, &changes))
			PG_RETURN_POINTER(NULL);
	}
	if (changes.n > 0)
		new = heap_modify_tuple_by_cols(new, RelationGetDescr(rel), changes.n,
										changes.columns, changes.values, changes.nulls);
	return PointerGetDatum(new);
}
