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
#include "key.h"
#include "migrate.h"
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
					crm_row_name(door, key)),
			 errdetail("The statement gives it a value of its own."),
			 errhint("Leave the column out of the statement.")));
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
	const Workflow *w = crm_row_workflow(door, rel, new, NULL);
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
	given = !isnull && crm_owns_table(door);
	if (given)
		check_no_infinity(DatumGetTimestampTz(since));
	else
		change(changes, door->status_since, TimestampTzGetDatum(GetCurrentTimestamp()));
	change(changes, door->version, Int32GetDatum(1));
}

/* Something of the row for the caller of the step, who outlives the trigger. */
static text *
copy_for(const CrmStep *step, const text *what)
{
	MemoryContext caller = MemoryContextSwitchTo(step->context);
	text	   *copy = DatumGetTextPCopy(PointerGetDatum(what));

	MemoryContextSwitchTo(caller);
	return copy;
}

/*
 * Whether this request was done before; then its first answer is the answer. Who
 * repeats a request waits for the lock of the row, and finds it here.
 */
static bool
is_repeated(const Door *door, Relation rel, Datum key, CrmStep *step)
{
	HistoryRow	found;

	if (step->request_key == NULL || !crm_history_find_request(rel, door, step->request_key, &found))
		return false;
	if (!crm_same_key(door, found.key, key))
		ereport(ERROR,
				(errcode(ERRCODE_CRM_REQUEST_KEY_REUSED),
				 errmsg("request key \"%s\" was used before", text_to_cstring(step->request_key)),
				 errdetail("It was not used for %s.", crm_row_name(door, key)),
				 errhint("Choose a new key for each request; the same one only to repeat it.")));
	if (strcmp(text_to_cstring(found.event), step->event) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_REQUEST_KEY_REUSED),
				 errmsg("request key \"%s\" was used before", text_to_cstring(step->request_key)),
				 errdetail("It was used for the event \"%s\" of %s, not for \"%s\".",
						   text_to_cstring(found.event), crm_row_name(door, key), step->event),
				 errhint("Choose a new key for each request; the same one only to repeat it.")));
	step->to_status = copy_for(step, found.to);
	step->repeated = true;
	return true;
}

static void
check_expected_version(const Door *door, Relation rel, Datum key, const CrmStep *step, int32 version)
{
	if (step->expected_version >= 0 && step->expected_version != version)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_STALE_VERSION),
				 errmsg("%s is not as expected any more", crm_row_name(door, key)),
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
	int32		workflow_version;
	bool		same_status;
	const Workflow *w;
	CrmRefusal	refusal;
	CrmChoice  *choice;

	/* the history names the row by it */
	if (isnull || !datum_image_eq(key, new_key, door->key_byval, door->key_len))
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
		if (step->in_batch)
			step->from_status = copy_for(step, old_status);
		if (is_repeated(door, rel, key, step))
			return false;
		check_expected_version(door, rel, key, step, old_version);
		if (step->moves != NULL && crm_move_target(step, old_status) != NULL)
			step->force_to = text_to_cstring(crm_move_target(step, old_status));
	}
	w = crm_row_workflow(door, rel, new, &workflow_version);
	if (step == NULL)
		choice = crm_decide_by_target(door, rel, old, new, w, crm_row_state(door, rel, new, w), &refusal);
	else if (step->force_to != NULL)
		choice = choose_by_force(door, rel, new, w, step);
	else
		choice = crm_decide_by_event(door, rel, old, new, w, step->event, &refusal);
	if (choice == NULL)
	{
		if (step == NULL || !step->in_batch)
			crm_throw_refusal(&refusal);
		/* one of many: the others go on */
		step->refusal = MemoryContextStrdup(step->context, refusal.sqlstate == ERRCODE_CRM_UNKNOWN_EVENT ?
											refusal.message : refusal.detail);
		return false;
	}
	if (step != NULL)
		change(changes, door->status, CStringGetTextDatum(choice->to));

	if (old_version == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s cannot take more than %d steps", crm_row_name(door, key), old_version)));
	/* A clock that was set back does not turn the order of the history round. */
	now = GetCurrentTimestamp();
	change(changes, door->status_since, TimestampTzGetDatum(Max(now, old_since)));
	change(changes, door->version, Int32GetDatum(old_version + 1));

	if (step != NULL)
	{
		step->to_status = copy_for(step, cstring_to_text(choice->to));
		step->version = old_version + 1;
		step->workflow_version = workflow_version;
		step->resolved = true;
		step->nmoved++;
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
