/*
 * history.c
 *		Appends a row to an event table, past SQL but not past the table's own
 *		rules: constraints, indexes, generated columns, defaults and row triggers
 *		of the user's making all hold.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "capture.h"
#include "catalog.h"
#include "history.h"
#include "key.h"
#include "owner.h"
#include "trigger.h"

static void
put(TupleTableSlot *slot, const Door *door, HistoryColumn column, Datum value, bool isnull)
{
	if (door->history[column] == InvalidAttrNumber)
		return;
	slot->tts_values[door->history[column] - 1] = value;
	slot->tts_isnull[door->history[column] - 1] = isnull;
}

/* A domain may not want to be null; the coercion finds out. */
static Node *
null_of_domain(Form_pg_attribute att)
{
	int32		typmod = att->atttypmod;
	Oid			base = getBaseTypeAndTypmod(att->atttypid, &typmod);
	int16		len;
	bool		byval;

	get_typlenbyval(base, &len, &byval);
	return coerce_to_domain((Node *) makeConst(base, typmod, att->attcollation, len,
											   (Datum) 0, true, byval),
							base, typmod, att->atttypid,
							COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1, false);
}

/* Columns that the user has added get their defaults. */
static void
put_defaults(TupleTableSlot *slot, const Door *door, Relation history, EState *estate)
{
	TupleDesc	desc = RelationGetDescr(history);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Node	   *expression;

		if (!crm_is_added_column(door, att))
			continue;
		expression = build_column_default(history, att->attnum);
		if (expression == NULL && get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
			expression = null_of_domain(att);
		if (expression != NULL)
			slot->tts_values[i] =
				ExecEvalExprSwitchContext(ExecPrepareExpr((Expr *) expression, estate),
										  GetPerTupleExprContext(estate), &slot->tts_isnull[i]);
	}
}

static void
fill(TupleTableSlot *slot, const Door *door, Relation history, EState *estate,
	 const HistoryRow *row)
{
	char	   *role = GetUserNameFromId(GetOuterUserId(), false);
	const char *actor = row->actor != NULL ? row->actor :
		crm_actor != NULL && crm_actor[0] != '\0' ? crm_actor : role;
	Datum		dwell = (Datum) 0;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	if (door->history_has_defaults)
		put_defaults(slot, door, history, estate);
	if (row->from != NULL)
		dwell = DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(row->at),
									TimestampTzGetDatum(row->left_at));
	put(slot, door, HISTORY_KEY, row->key, false);
	put(slot, door, HISTORY_SEQ, Int32GetDatum(row->seq), false);
	put(slot, door, HISTORY_AT, TimestampTzGetDatum(row->at), false);
	put(slot, door, HISTORY_EVENT, PointerGetDatum(row->event), false);
	put(slot, door, HISTORY_FROM, PointerGetDatum(row->from), row->from == NULL);
	put(slot, door, HISTORY_TO, PointerGetDatum(row->to), false);
	put(slot, door, HISTORY_DWELL, dwell, row->from == NULL);
	put(slot, door, HISTORY_ACTOR, CStringGetTextDatum(actor), false);
	put(slot, door, HISTORY_ROLE, CStringGetTextDatum(role), false);
	put(slot, door, HISTORY_NOTE, PointerGetDatum(row->note), row->note == NULL);
	put(slot, door, HISTORY_REQUEST_KEY, PointerGetDatum(row->request_key), row->request_key == NULL);
	put(slot, door, HISTORY_FORCED, BoolGetDatum(row->forced), false);
	put(slot, door, HISTORY_WORKFLOW, PointerGetDatum(row->workflow), false);
	put(slot, door, HISTORY_WORKFLOW_VERSION, Int32GetDatum(row->workflow_version), false);
	put(slot, door, HISTORY_REQUEST_HASH, Int64GetDatum(row->request_hash), !row->has_request_hash);
	ExecStoreVirtualTuple(slot);
}

/*
 * Triggers of the event table that we can do without, which saves their queue:
 *
 * The row that the event belongs to has just been written by this transaction, so
 * nobody else can take it away, and if its own statement or a trigger wanted to,
 * the event would be in the way: the foreign key holds.
 *
 * What capture does, we do ourselves; returns whether it is to be done.
 *
 * The relation info owns a copy of the triggers, we may change it.
 */
static bool
leave_out_triggers(ResultRelInfo *info, Oid parent, bool key_holds)
{
	TriggerDesc *triggers = info->ri_TrigDesc;
	bool		any_left = false;
	bool		captured = false;

	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) || !TRIGGER_FOR_INSERT(trigger->tgtype))
			continue;
		if (key_holds && trigger->tgfoid == F_RI_FKEY_CHECK_INS && trigger->tgconstrrelid == parent)
			trigger->tgenabled = TRIGGER_DISABLED;
		else if (trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN && trigger->tgqual == NULL &&
				 SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA &&
				 crm_calls(trigger, crm_capture_event))
		{
			trigger->tgenabled = TRIGGER_DISABLED;
			captured = true;
		}
		else
			any_left = true;
	}
	if (!any_left)
		info->ri_TrigDesc = NULL;
	return captured;
}

/*
 * The index of request keys holds none of the rows without one. To see that,
 * PostgreSQL would plan its predicate for each row; the index info is our own.
 */
static void
leave_out_request_index(ResultRelInfo *info, Oid request_index)
{
	for (int i = 0; i < info->ri_NumIndices; i++)
		if (RelationGetRelid(info->ri_IndexRelationDescs[i]) == request_index &&
			info->ri_IndexRelationInfo[i]->ii_Predicate != NIL)
			info->ri_IndexRelationInfo[i]->ii_ReadyForInserts = false;
}

/*
 * Open the event table for writing. We may have waited for somebody who was
 * changing it, so with the lock in hand look whether the door still describes it.
 */
static Relation
open_history(Relation rel, const Door **door)
{
	Relation	history = table_open((*door)->history_relid, RowExclusiveLock);

	if (!(*door)->valid)
	{
		*door = crm_door_get(rel);
		if ((*door)->history_relid != RelationGetRelid(history))
		{
			table_close(history, RowExclusiveLock);
			history = table_open((*door)->history_relid, RowExclusiveLock);
		}
	}
	return history;
}

/*
 * Nobody's own table feeds anybody's history: or a table of one's own, with our trigger on
 * it, would write into it.
 */
static void
check_owner(const Door *door, Relation history)
{
	if (history->rd_rel->relowner != door->owner && !crm_owns_relation(door->history_relid, door->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of table %s does not own its event table %s",
						crm_table_name(door), crm_relation_name(history)),
				 errhint("Give both tables the same owner.")));
}

static void
open_writer(HistoryWriter *writer, Relation history, const Door *door, bool key_holds, bool has_request_key)
{
	MemoryContext caller = MemoryContextSwitchTo(writer->context);
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *info;

	MemoryContextSwitchTo(estate->es_query_cxt);
	info = makeNode(ResultRelInfo);
	/* 0: there is no range table that it could be in */
	InitResultRelInfo(info, history, 0, NULL, 0);
	writer->captured = info->ri_TrigDesc != NULL && leave_out_triggers(info, door->root_relid, key_holds);
	ExecOpenIndices(info, false);
	if (!has_request_key)
		leave_out_request_index(info, door->request_index);
	/* where AFTER triggers of the event table look for it */
	estate->es_opened_result_relations = list_make1(info);
	writer->slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(history), &TTSOpsVirtual);
	writer->info = info;
	writer->estate = estate;
	/* a reference of its own, or news of the table might free what it points to */
	writer->history = table_open(RelationGetRelid(history), NoLock);
	MemoryContextSwitchTo(caller);
}

void
crm_history_close(HistoryWriter *writer)
{
	if (writer->estate == NULL)
		return;
	ExecCloseIndices(writer->info);
	ExecResetTupleTable(writer->estate->es_tupleTable, false);
	FreeExecutorState(writer->estate);
	table_close(writer->history, NoLock);
	writer->estate = NULL;
}

/*
 * Whether a writer that is open may be used for another row: nothing that is not ours runs
 * between the two, so that nobody has changed the table or the identity meanwhile.
 */
static bool
may_keep_open(const HistoryWriter *writer, const Door *door)
{
	return writer->info->ri_TrigDesc == NULL && !door->history_has_defaults && !door->history_runs_code;
}

static void
insert(HistoryWriter *writer, Relation history, const Door *door, const HistoryRow *row, TriggerData *of_order)
{
	ResultRelInfo *info = writer->info;
	TupleTableSlot *slot = writer->slot;

	/* a function of the user's may look at the figures, which are then to be as the row is */
	if (of_order != NULL && door->history_runs_code)
	{
		crm_capture_step(of_order, NULL, NULL);
		of_order = NULL;
	}
	ResetPerTupleExprContext(writer->estate);
	fill(slot, door, history, writer->estate, row);
	if (info->ri_TrigDesc != NULL)
		AfterTriggerBeginQuery();
	ExecSimpleRelationInsert(info, writer->estate, slot);
	if (!ItemPointerIsValid(&slot->tts_tid))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("the history of %s was not recorded", crm_row_name(door, row->key)),
				 errdetail("A BEFORE trigger of table %s has suppressed the row.",
						   crm_relation_name(history)),
				 errhint("Look at the triggers of the table; one of them returns NULL.")));
	crm_capture_step(of_order, history, writer->captured ? slot : NULL);
	if (info->ri_TrigDesc != NULL)
		AfterTriggerEndQuery(writer->estate);
}

void
crm_history_append(Relation rel, const Door *door, TupleTableSlot *now, const HistoryRow *row,
				   TriggerData *of_order, HistoryWriter *kept)
{
	Relation	history = open_history(rel, &door);
	HistoryWriter own = {CurrentMemoryContext, CurrentResourceOwner};
	HistoryWriter *writer = &own;
	CrmCaller	caller;
	/* false if the row has been changed or deleted already, before this trigger's turn */
	bool		is_there = table_tuple_satisfies_snapshot(rel, now, SnapshotSelf);

	check_owner(door, history);
	if (kept != NULL && kept->owner == CurrentResourceOwner && is_there && row->request_key == NULL &&
		(kept->estate == NULL || RelationGetRelid(kept->history) == RelationGetRelid(history)))
		writer = kept;

	/*
	 * As foreign-key triggers do: what the row sets off runs as the owner of the
	 * event table, who put it there.
	 */
	crm_become_writer(history, 0, door->history_runs_code, &caller);
	if (writer->estate == NULL)
		open_writer(writer, history, door, is_there, row->request_key != NULL);
	insert(writer, history, door, row, of_order);
	if (writer == &own || !may_keep_open(writer, door))
		crm_history_close(writer);
	crm_become_caller(&caller);
	/* the lock stays until the end of the transaction */
	table_close(history, NoLock);
}

bool
crm_history_find_request(Relation rel, const Door *door, text *request_key, HistoryRow *found)
{
	Relation	history = table_open(door->history_relid, AccessShareLock);
	Relation	index;
	TupleTableSlot *slot;
	Snapshot	snapshot;
	IndexScanDesc scan;
	ScanKeyData condition;
	bool		isnull;
	bool		is_there;

	if (!OidIsValid(door->request_index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("event table %s keeps no request keys", crm_relation_name(history)),
				 errdetail("It has no column \"request_key\" of type text with a unique index."),
				 errhint("Add both, or leave the request key out.")));
	index = index_open(door->request_index, AccessShareLock);
	slot = table_slot_create(history, NULL);
	/* whoever took the step before has committed, or is us: we hold the lock of the row */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = crm_index_beginscan(history, index, snapshot, 1);
	ScanKeyEntryInitialize(&condition, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], F_TEXTEQ, PointerGetDatum(request_key));
	index_rescan(scan, &condition, 1, NULL, 0);
	is_there = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (is_there)
	{
		found->key = datumCopy(slot_getattr(slot, door->history[HISTORY_KEY], &isnull),
							   door->key_byval, door->key_len);
		found->event = DatumGetTextPCopy(slot_getattr(slot, door->history[HISTORY_EVENT], &isnull));
		found->to = DatumGetTextPCopy(slot_getattr(slot, door->history[HISTORY_TO], &isnull));
		found->has_request_hash = false;
		if (door->history[HISTORY_REQUEST_HASH] != InvalidAttrNumber)
		{
			found->request_hash = DatumGetInt64(slot_getattr(slot, door->history[HISTORY_REQUEST_HASH], &isnull));
			found->has_request_hash = !isnull;
		}
	}
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(history, AccessShareLock);
	return is_there;
}
