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
#include "state_columns.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_enforce_workflow);

/*
 * What the trigger changes in a row: at most status, version, status_since,
 * status_until, open_status and booked_at.
 */
#define MAX_CHANGES 6

typedef struct Changes
{
	int			n;
	int			columns[MAX_CHANGES];
	Datum		values[MAX_CHANGES];
	bool		nulls[MAX_CHANGES];
} Changes;

static void
change_to(Changes *changes, AttrNumber column, Datum value, bool isnull)
{
	changes->columns[changes->n] = column;
	changes->values[changes->n] = value;
	changes->nulls[changes->n] = isnull;
	changes->n++;
}

static void
change(Changes *changes, AttrNumber column, Datum value)
{
	change_to(changes, column, value, false);
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

/* Of a column that an import says */
static void
check_no_infinity(TimestampTz at, const char *column)
{
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("column \"%s\" cannot be infinite", column),
				 errhint("Leave the column out of the statement.")));
}

/* Whether a column of two rows, or of a row and what it is to be, is the same. */
static bool
is_same(Relation rel, AttrNumber column, Datum a, bool a_isnull, Datum b, bool b_isnull)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), column - 1);

	return a_isnull == b_isnull &&
		(a_isnull || datum_image_eq(a, b, att->attbyval, att->attlen));
}

static void
refuse_edits_of_state_columns(const Door *door, Relation rel, Datum key, TupleTableSlot *old,
							  TupleTableSlot *new)
{
	AttrNumber	columns[] = {door->status_until, door->open_status, door->booked_at};

	for (int i = 0; i < lengthof(columns); i++)
	{
		bool		was_null;
		bool		is_null;
		Datum		was;
		Datum		is;

		if (columns[i] == InvalidAttrNumber)
			continue;
		was = slot_getattr(old, columns[i], &was_null);
		is = slot_getattr(new, columns[i], &is_null);
		if (!is_same(rel, columns[i], was, was_null, is, is_null))
			refuse_edit(door, rel, key, NameStr(TupleDescAttr(RelationGetDescr(rel), columns[i] - 1)->attname));
	}
}

/*
 * Set the columns that follow from the status that a row has since then. old is
 * NULL for a new row; a timer that has come by the given moment was not taken.
 */
static void
keep_state_columns(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new,
				   const text *status, TimestampTz since, TimestampTz moment, Changes *changes)
{
	CrmStateColumns columns;
	bool		isnull = true;
	Datum		was = (Datum) 0;

	crm_state_columns(door, rel, new, VARDATA_ANY(status), VARSIZE_ANY_EXHDR(status), since, moment, &columns);
	if (door->status_until != InvalidAttrNumber)
	{
		Datum		until = TimestampTzGetDatum(columns.until);

		if (old != NULL)
			was = slot_getattr(old, door->status_until, &isnull);
		if (old == NULL || !is_same(rel, door->status_until, was, isnull, until, !columns.has_until))
			change_to(changes, door->status_until, until, !columns.has_until);
	}
	if (door->open_status != InvalidAttrNumber)
	{
		Datum		open = PointerGetDatum(status);

		if (old != NULL)
			was = slot_getattr(old, door->open_status, &isnull);
		if (old == NULL || !is_same(rel, door->open_status, was, isnull, open, !columns.is_open))
			change_to(changes, door->open_status, open, !columns.is_open);
	}
	if (door->booked_at != InvalidAttrNumber)
	{
		was = slot_getattr(new, door->booked_at, &isnull);
		/* it stays; of a new row, an import may know better than the status tells */
		if (old == NULL && !isnull && crm_owns_table(door))
			check_no_infinity(DatumGetTimestampTz(was), "booked_at");
		else if (old == NULL || (isnull && columns.is_booked))
			change_to(changes, door->booked_at, TimestampTzGetDatum(since), !columns.is_booked);
	}
}

/*
 * A row starts in the initial state, or in the one that was given: whether a
 * later one is allowed is decided when the row is really there (record.c), as
 * INSERT ... ON CONFLICT DO UPDATE passes here with a row that never will be.
 */
static void
enforce_insert(const Door *door, Relation rel, TupleTableSlot *new, Changes *changes)
{
	const Workflow *w = crm_row_workflow(door, rel, new, NULL);
	bool		isnull;
	bool		given;
	Datum		since;
	Datum		status = slot_getattr(new, door->status, &isnull);

	if (isnull)
	{
		status = CStringGetTextDatum(WF_STATE_NAME(w, 0));
		change(changes, door->status, status);
	}
	else
		(void) crm_row_state(door, rel, new, w);

	/* When an import says since when, it is taken at its word. */
	since = slot_getattr(new, door->status_since, &isnull);
	given = !isnull && crm_owns_table(door);
	if (given)
		check_no_infinity(DatumGetTimestampTz(since), "status_since");
	else
	{
		since = TimestampTzGetDatum(GetCurrentTimestamp());
		change(changes, door->status_since, since);
	}
	change(changes, door->version, Int32GetDatum(1));
	keep_state_columns(door, rel, NULL, new, DatumGetTextPP(status), DatumGetTimestampTz(since),
					   DT_NOBEGIN, changes);
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

/* The row keeps its status; when its timers are looked at next depends on the moment. */
static void
postpone(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new, const text *status,
		 TimestampTz since, CrmStep *step, Changes *changes)
{
	keep_state_columns(door, rel, old, new, status, since, step->moment, changes);
	step->postponed = true;
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
	refuse_edits_of_state_columns(door, rel, key, old, new);
	same_status = crm_same_text(old_status, DatumGetTextPP(crm_get_not_null(rel, new, door->status)));

	if ((step == NULL && same_status) || (step != NULL && step->kind == CRM_STEP_REFRESH))
	{
		if (new_version != old_version)
			refuse_edit(door, rel, key, "version");
		keep_state_columns(door, rel, old, new, old_status, old_since, DT_NOBEGIN, changes);
		return step == NULL || changes->n > 0;
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
	if (step != NULL && step->kind == CRM_STEP_POSTPONE)
	{
		postpone(door, rel, old, new, old_status, old_since, step, changes);
		return true;
	}
	w = crm_row_workflow(door, rel, new, &workflow_version);
	if (step == NULL)
		choice = crm_decide_by_target(door, rel, old, new, w, crm_row_state(door, rel, new, w), &refusal);
	else if (step->kind == CRM_STEP_TIMER)
	{
		choice = crm_choose_by_timer(door, rel, old, new, w, old_since, step->moment);
		if (choice == NULL)
		{
			postpone(door, rel, old, new, old_status, old_since, step, changes);
			return true;
		}
		step->event = MemoryContextStrdup(step->context, choice->event);
	}
	else if (step->force_to != NULL)
		choice = choose_by_force(door, rel, new, w, step);
	else
		choice = crm_decide_by_event(door, rel, old, new, w, step->event, step->by_itself, &refusal);
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
	if (now < old_since)
		now = old_since;
	change(changes, door->status_since, TimestampTzGetDatum(now));
	change(changes, door->version, Int32GetDatum(old_version + 1));
	keep_state_columns(door, rel, old, new, cstring_to_text(choice->to), now, DT_NOBEGIN, changes);

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
 * crm_enforce_workflow(status_column [, workflow [, workflow_column]]) returns trigger
 *
 * BEFORE INSERT OR UPDATE row trigger. The status in that column starts in the
 * initial state of the workflow and changes only along its edges; version counts
 * the steps, status_since dates the last one. The workflow is named by the second
 * argument, or row by row by the column that is the third, with the second empty;
 * without these, by the column "workflow".
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
