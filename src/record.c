/*
 * record.c
 *		The AFTER trigger: each step becomes a row of the event table.
 */
#include "crm.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "capture.h"
#include "catalog.h"
#include "choice.h"
#include "door.h"
#include "history.h"
#include "placement.h"
#include "key.h"
#include "migrate.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_record_event);
PG_FUNCTION_INFO_V1(crm_protect_history);

/*
 * Another BEFORE trigger, one that ran later than ours, has changed what ours
 * had decided.
 */
static void
refuse_changed_behind(const Door *door, Relation rel, Datum key)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_KEPT_BY_MACHINE),
			 errmsg("status, version or date of %s was changed behind its workflow",
					crm_row_name(door, key)),
			 errdetail("Another BEFORE trigger of table %s has changed the row after crm_enforce_workflow() had.",
					   crm_table_name(door)),
			 errhint("Triggers fire in order of their names; a trigger that changes the status must come first.")));
}

/*
 * The BEFORE trigger has dated the step by the clock, within this statement; a
 * clock that was set back leaves it at the date of the step before.
 */
static void
check_date(const Door *door, Relation rel, const HistoryRow *row, TimestampTz before)
{
	if (row->at != before &&
		(row->at < before || row->at < GetCurrentStatementStartTimestamp() ||
		 row->at > GetCurrentTimestamp()))
		refuse_changed_behind(door, rel, row->key);
}

static void
record_insert(const Door *door, Relation rel, TupleTableSlot *new, HistoryRow *row)
{
	const Workflow *w = crm_row_workflow(door, rel, new, &row->workflow_version);
	int			state = crm_row_state(door, rel, new, w);
	bool		is_owner = crm_owns_table(door);

	if (row->seq != 1)
		refuse_changed_behind(door, rel, row->key);
	if (!is_owner)
		check_date(door, rel, row, DT_NOBEGIN);
	/* the owner may: an import brings orders that are on their way already */
	if (state != 0 && !is_owner)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_LATER_STATUS),
				 errmsg("%s cannot be inserted with status \"%s\"",
						crm_row_name(door, row->key), WF_STATE_NAME(w, state)),
				 errdetail("Workflow \"%s\" starts with \"%s\".",
						   crm_row_workflow_name(door, rel, new), WF_STATE_NAME(w, 0)),
				 errhint("Leave the status out, and take the steps one by one; only the owner of table %s may import rows in a later status.",
						 crm_table_name(door))));
	row->event = cstring_to_text(state == 0 ? "create" : "import");
	if (crm_placement_here() != NULL)
	{
		row->note = crm_placement->note;
		row->request_key = crm_placement->request_key;
		row->has_request_hash = row->request_key != NULL;
		row->request_hash = crm_placement->request_hash;
	}
}

/* step is ours if we are in its update, else NULL. Returns false if the update was no step. */
static bool
record_update(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new, CrmStep *step, HistoryRow *row)
{
	text	   *old_status = DatumGetTextPP(crm_get_not_null(rel, old, door->status));
	int32		old_version = DatumGetInt32(crm_get_not_null(rel, old, door->version));
	TimestampTz left_at = DatumGetTimestampTz(crm_get_not_null(rel, old, door->status_since));

	crm_check_workflow_change(door, rel, old, new);
	if (row->seq == old_version && crm_same_text(old_status, row->to))
	{
		if (row->at != left_at)
			refuse_changed_behind(door, rel, row->key);
		return false;
	}

	row->from = old_status;
	row->left_at = left_at;
	check_date(door, rel, row, left_at);
	if (row->seq != (int64) old_version + 1)
		refuse_changed_behind(door, rel, row->key);
	if (step != NULL && step->resolved && (step->version == row->seq || step->moves != NULL))
	{
		const text *to = step->moves != NULL ? crm_move_target(step, old_status) : step->to_status;

		if (to == NULL || !crm_same_text(to, row->to))
			refuse_changed_behind(door, rel, row->key);
		row->event = cstring_to_text(step->event);
		row->actor = step->kind == CRM_STEP_TIMER ? "timer" : NULL;
		row->note = step->note;
		row->request_key = step->request_key;
		row->forced = step->force_to != NULL;
		row->workflow_version = step->workflow_version;
		step->recorded = true;
	}
	else
	{
		const Workflow *w = crm_row_workflow(door, rel, new, &row->workflow_version);
		CrmChoice  *choice = crm_choose_by_target(door, rel, old, new, w,
												  crm_row_state(door, rel, old, w),
												  crm_row_state(door, rel, new, w));

		if (choice == NULL || choice->unmet != NULL)
			refuse_changed_behind(door, rel, row->key);
		row->event = cstring_to_text(choice->event);
	}
	return true;
}

/*
 * crm_record_event(event_table) returns trigger
 *
 * AFTER INSERT OR UPDATE row trigger beside crm_enforce_workflow(): writes the
 * creation and each step into the event table of that name, in the schema of the
 * trigger's table, with the rights of the table's owner. A row inserted in a
 * later state, by anybody but the owner, ends here.
 *
 * Errors: SL008 for that, SL010 if another trigger has changed the status, 42501
 * if the event table has another owner, 39P01 if not called as such a trigger.
 */
Datum
crm_record_event(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_record_event", CRM_TRIGGER_AFTER_ROW);
	Relation	rel = trigger->tg_relation;
	const Door *door = crm_door_get(rel);
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	TupleTableSlot *new = is_insert ? trigger->tg_trigslot : trigger->tg_newslot;
	HistoryRow	row = {0};
	bool		isnull;
	CrmStep    *step;
	TriggerData *of_order = NULL;

	if (!door->has_history)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the history trigger of table %s is not found", crm_relation_name(rel)),
				 errdetail("Function crm_record_event() has been altered, so that it is called through another one."),
				 errhint("ALTER FUNCTION ... RESET ALL SECURITY INVOKER undoes that.")));
	row.key = slot_getattr(new, door->key, &isnull);
	row.seq = DatumGetInt32(crm_get_not_null(rel, new, door->version));
	row.at = DatumGetTimestampTz(crm_get_not_null(rel, new, door->status_since));
	row.to = DatumGetTextPP(crm_get_not_null(rel, new, door->status));
	row.workflow = crm_row_workflow_text(door, rel, new);
	step = is_insert ? NULL : crm_step_for(door, row.key);
	if (step != NULL && step->to_capture)
	{
		of_order = trigger;
		step->captured = true;
	}
	else if (is_insert && OidIsValid(crm_capture_left_to_recorder(rel)))
		of_order = trigger;
	if (is_insert)
		record_insert(door, rel, new, &row);
	else if (!record_update(door, rel, trigger->tg_trigslot, new, step, &row))
	{
		crm_capture_step(of_order, NULL, NULL);
		PG_RETURN_POINTER(NULL);
	}
	crm_history_append(rel, door, new, &row, of_order, step == NULL ? NULL : step->writer);
	PG_RETURN_POINTER(NULL);
}

/*
 * crm_protect_history() returns trigger
 *
 * BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE statement trigger of an event
 * table: only its owner changes history by hand. The machine's own rows do not
 * come by statement. Errors: SL011, 39P01 if not called as such a trigger.
 */
Datum
crm_protect_history(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_protect_history",
											CRM_TRIGGER_BEFORE_STATEMENT);
	Relation	rel = trigger->tg_relation;

	if (!crm_owns_relation(RelationGetRelid(rel), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_CRM_HISTORY_PROTECTED),
				 errmsg("history in table %s cannot be changed by hand", crm_relation_name(rel)),
				 errdetail("Role \"%s\" does not own the table.", GetUserNameFromId(GetUserId(), false)),
				 errhint("Steps are recorded by the database when the status changes.")));
	PG_RETURN_POINTER(NULL);
}
