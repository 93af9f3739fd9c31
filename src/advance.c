/*
 * advance.c
 *		crm_advance(): one step of one row, in one call.
 *
 * It decides nothing itself. It updates the row by its primary key and leaves the
 * event where the BEFORE trigger, which sees the row as locked, finds it; the
 * AFTER trigger records the step.
 *
 * The update is an ordinary statement, cached. Where it can make no difference,
 * the row is found by its index and updated by the function that logical
 * replication applies changes with: the same triggers, constraints and indexes
 * without starting the executor a second time, which saves a tenth of the whole
 * step (bench/run).
 */
#include "crm.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "advance.h"
#include "capture.h"
#include "catalog.h"
#include "door.h"
#include "history.h"
#include "key.h"
#include "request_key.h"
#include "row.h"
#include "target.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_advance);
PG_FUNCTION_INFO_V1(crm_advance_order);
PG_FUNCTION_INFO_V1(crm_force);
PG_FUNCTION_INFO_V1(crm_force_order);

/* The plan for a table, and what it was made of */
typedef struct AdvancePlan
{
	Oid			relid;			/* hash key */
	Oid			schema;
	NameData	table;
	NameData	status;
	NameData	key;
	Oid			key_type;
	int			nrules;			/* replaced by nothing, a statement is not looked at again when the rule goes */
	SPIPlanPtr	plan;
} AdvancePlan;

static HTAB *plans = NULL;

/* Make sure that there is a plan for the table as it is named now. */
static SPIPlanPtr
advance_plan(Relation rel, const Door *door)
{
	Oid			relid = RelationGetRelid(rel);
	Oid			argtypes[1] = {door->key_type};
	int			nrules = rel->rd_rules == NULL ? 0 : rel->rd_rules->numLocks;
	AdvancePlan *entry;
	StringInfoData sql;
	bool		found;
	SPIPlanPtr	plan;

	if (plans == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(AdvancePlan);
		ctl.hcxt = TopMemoryContext;
		plans = hash_create("crm advance plans", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(plans, &relid, HASH_FIND, &found);
	if (found && entry->schema == RelationGetNamespace(rel) &&
		strcmp(NameStr(entry->table), RelationGetRelationName(rel)) == 0 &&
		strcmp(NameStr(entry->status), NameStr(door->status_name)) == 0 &&
		strcmp(NameStr(entry->key), NameStr(door->key_name)) == 0 &&
		entry->key_type == door->key_type && entry->nrules == nrules)
		return entry->plan;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET %s = %s WHERE %s OPERATOR(pg_catalog.=) $1",
					 crm_relation_name(rel),
					 quote_identifier(NameStr(door->status_name)),
					 quote_identifier(NameStr(door->status_name)),
					 quote_identifier(NameStr(door->key_name)));
	plan = SPI_prepare(sql.data, 1, argtypes);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);

	/* A plan for old names is left alone: it may be running in an outer call. */
	entry = hash_search(plans, &relid, HASH_ENTER, NULL);
	entry->schema = RelationGetNamespace(rel);
	namestrcpy(&entry->table, RelationGetRelationName(rel));
	entry->status = door->status_name;
	entry->key = door->key_name;
	entry->key_type = door->key_type;
	entry->nrules = nrules;
	entry->plan = plan;
	return plan;
}

/* UPDATE ... SET status = status WHERE key = $1; returns the number of rows. */
static uint64
update_by_statement(Relation rel, const Door *door, CrmStep *step)
{
	Datum		values[1] = {step->key};
	uint64		nrows;
	SPIPlanPtr	plan;
	int			result;

	SPI_connect();
	plan = advance_plan(rel, door);
	crm_begin_update();
	result = SPI_execute_plan(plan, values, NULL, false, 0);
	/* the latter if a rule has replaced it by nothing */
	if (result != SPI_OK_UPDATE && result != SPI_OK_REWRITTEN)
		elog(ERROR, "unexpected result of an UPDATE: %s", SPI_result_code_string(result));
	nrows = SPI_processed;
	SPI_finish();
	return nrows;
}

/* As the statement would: USAGE of the schema, SELECT of key and status, UPDATE of status. */
static bool
has_rights(Relation rel, const Door *door)
{
	Oid			relid = RelationGetRelid(rel);
	Oid			role = GetUserId();
	AclMode		needed = ACL_SELECT | ACL_UPDATE;
	AclMode		held = pg_class_aclmask(relid, role, needed, ACLMASK_ALL);

	if (!crm_may_use_schema(RelationGetNamespace(rel), role))
		return false;
	if (held == needed)
		return true;
	return ((held & ACL_UPDATE) ||
			pg_attribute_aclcheck(relid, door->status, role, ACL_UPDATE) == ACLCHECK_OK) &&
		((held & ACL_SELECT) ||
		 (pg_attribute_aclcheck(relid, door->status, role, ACL_SELECT) == ACLCHECK_OK &&
		  pg_attribute_aclcheck(relid, door->key, role, ACL_SELECT) == ACLCHECK_OK));
}

bool
crm_can_update_directly(Relation rel, const Door *door)
{
	return door->plain_update && !IsolationUsesXactSnapshot() && has_rights(rel, door);
}

/*
 * The trigger that tells the change tables of an order is left out where the one that
 * records the step can do that as well: it writes one row for both, and the order
 * need not be fetched again. The relation info owns a copy of the triggers, we may change it.
 */
static bool
leave_out_capture(ResultRelInfo *info)
{
	Oid			capture = crm_capture_left_to_recorder(info->ri_RelationDesc);

	if (!OidIsValid(capture))
		return false;
	for (int i = 0; i < info->ri_TrigDesc->numtriggers; i++)
		if (info->ri_TrigDesc->triggers[i].tgfoid == capture)
			info->ri_TrigDesc->triggers[i].tgenabled = TRIGGER_DISABLED;
	return true;
}

uint64
crm_update_directly(Relation rel, const Door *door, CrmStep *steps, int n)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);
	EPQState	epq;
	TupleTableSlot *old = table_slot_create(rel, &estate->es_tupleTable);
	TupleTableSlot *new = table_slot_create(rel, &estate->es_tupleTable);
	HistoryWriter writer = {estate->es_query_cxt, CurrentResourceOwner};
	uint64		nrows = 0;
	bool		to_capture;

	/* as before a statement: what the calling one has done so far is seen */
	crm_begin_update();
	PushActiveSnapshot(GetTransactionSnapshot());
	estate->es_snapshot = GetActiveSnapshot();
	estate->es_output_cid = GetCurrentCommandId(true);
	/* 0: there is no range table that it could be in */
	InitResultRelInfo(info, rel, 0, NULL, 0);
	ExecOpenIndices(info, false);
	/* where triggers look for it */
	estate->es_opened_result_relations = list_make1(info);

	/*
	 * PostgreSQL reads and compiles all CHECK constraints for each statement, a
	 * fifth of the work of a step. An empty expression is one that holds.
	 */
	if (!door->steps_need_checks && RelationGetDescr(rel)->constr != NULL)
		crm_check_exprs(info) = palloc0(sizeof(ExprState *) *
										(RelationGetDescr(rel)->constr->num_check + 1));
	to_capture = leave_out_capture(info);
	crm_epq_init(&epq, estate);
	AfterTriggerBeginQuery();
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ResetPerTupleExprContext(estate);
		steps[i].to_capture = steps[i].captured = false;
		steps[i].writer = n > 1 ? &writer : NULL;
		if (!crm_row_lock(rel, door, steps[i].key, estate, old))
			continue;
		ExecCopySlot(new, old);
		ExecSimpleRelationUpdate(info, estate, &epq, old, new);
		/* the new row lies elsewhere, unless a trigger has suppressed it */
		if (!ItemPointerEquals(&old->tts_tid, &new->tts_tid))
		{
			nrows++;
			steps[i].to_capture = to_capture;
		}
	}
	AfterTriggerEndQuery(estate);
	crm_history_close(&writer);
	for (int i = 0; i < n; i++)
		if (steps[i].to_capture && !steps[i].captured)
			elog(ERROR, "the change tables were not told of %s", crm_row_name(door, steps[i].key));
	EvalPlanQualEnd(&epq);
	ExecCloseIndices(info);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	PopActiveSnapshot();
	CommandCounterIncrement();
	return nrows;
}

void
crm_refuse_suppressed(const Door *door, Datum key)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("%s was not advanced", crm_row_name(door, key)),
			 errdetail("Another BEFORE trigger or a rule of table %s has suppressed the update.",
					   crm_table_name(door)),
			 errhint("Look at the triggers and rules of the table; a trigger that returns NULL suppresses a row.")));
}

void
crm_refuse_without_trigger(const Door *door)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the workflow trigger of table %s did not fire", crm_table_name(door)),
			 errdetail("It is disabled, or session_replication_role is set."),
			 errhint("ALTER TABLE %s ENABLE TRIGGER ALL enables it.", crm_table_name(door))));
}

static void
refuse_missing(Relation rel, const Door *door, const CrmStep *step)
{
	bool		is_there = false;

	/* a policy may hide a row from updates only: then it is none for the caller */
	if (!step->resolved && !rel->rd_rel->relrowsecurity)
	{
		/* it may have come when the update was done, which did not see it */
		PushCopiedSnapshot(GetActiveSnapshot());
		UpdateActiveSnapshotCommandId();
		is_there = crm_row_is_visible(rel, door, step->key);
		PopActiveSnapshot();
		/* and it may have been deleted while we waited for its lock */
		PushActiveSnapshot(GetTransactionSnapshot());
		is_there = is_there && crm_row_is_visible(rel, door, step->key);
		PopActiveSnapshot();
	}
	if (step->resolved || is_there)
		crm_refuse_suppressed(door, step->key);
	crm_row_refuse_missing(door, crm_row_name(door, step->key));
}

void
crm_advance_row(Relation rel, const Door *door, CrmStep *step)
{
	uint64		nrows;

	step->relid = door->root_relid;
	step->outer = crm_current_step;
	step->trigger_depth = crm_trigger_depth() + 1;
	PG_TRY();
	{
		crm_current_step = step;
		nrows = crm_can_update_directly(rel, door) ?
			crm_update_directly(rel, door, step, 1) : update_by_statement(rel, door, step);
	}
	PG_FINALLY();
	{
		crm_current_step = step->outer;
	}
	PG_END_TRY();

	if (step->postponed || step->repeated || step->refusal != NULL)
		return;
	if (nrows == 0)
		refuse_missing(rel, door, step);
	if (!step->resolved)
		crm_refuse_without_trigger(door);
}

/* crm_advance() and crm_advance_order(): the same call, with a table and without. */
static Datum
advance(FunctionCallInfo fcinfo, const char *function)
{
	int			first = PG_NARGS() - 4; /* behind what names the row */
	CrmStep		step = {0};
	CrmTarget	target;

	if (PG_ARGISNULL(first))
		crm_refuse_null(function, "event");
	PreventCommandIfReadOnly(psprintf("%s()", function));
	crm_target_open(fcinfo, function, RowExclusiveLock, &target);

	step.key = target.key;
	step.event = text_to_cstring(PG_GETARG_TEXT_PP(first));
	step.note = PG_ARGISNULL(first + 1) ? NULL : PG_GETARG_TEXT_PP(first + 1);
	step.request_key = crm_get_request_key(fcinfo, first + 2);
	step.expected_version = PG_ARGISNULL(first + 3) ? -1 : Max(PG_GETARG_INT32(first + 3), 0);
	step.context = CurrentMemoryContext;
	if (step.request_key != NULL)
	{
		/* another row may be taking a step with this key: what became of it? */
		crm_lock_name(target.door->root_relid, step.request_key);
		target.door = crm_door_get(target.rel);
	}
	crm_advance_row(target.rel, target.door, &step);
	table_close(target.rel, NoLock);
	PG_RETURN_TEXT_P(step.to_status);
}

/*
 * crm_advance(relation regclass, key bigint | uuid | text, event text, note text
 * DEFAULT NULL, request_key text DEFAULT NULL, expected_version integer DEFAULT
 * NULL) returns text
 *
 * Makes a row of a table with a workflow take the event, and returns its new
 * status. The key is a value of the primary key, or its text. Runs with the
 * rights of the caller, who needs UPDATE on the table (status is enough) and
 * SELECT (key and status are enough), and no right on the history. A request_key
 * makes a repeat of the call return the first answer and do nothing; with
 * expected_version, the step is taken only if the row still has that version.
 *
 * Errors: 22004 for a null relation, key or event, 42809 for a relation that is
 * no table, 55000 for a table without a workflow, 42804 for a key of another
 * type, SL001 if there is no such row, SL002 for an unknown event, SL003 if it is
 * not possible from the row's status, SL004 if its guard does not hold, SL005 for
 * another version, SL012 if the request_key was used for something else, 22023
 * for one that is empty or too long, 25006 in a read-only transaction, 40001 if
 * somebody else has changed the row since the snapshot of a REPEATABLE READ
 * transaction.
 */
Datum
crm_advance(PG_FUNCTION_ARGS)
{
	return advance(fcinfo, "crm_advance");
}

/*
 * crm_advance_order(order_id bigint, event text, note text DEFAULT NULL,
 * request_key text DEFAULT NULL, expected_version integer DEFAULT NULL) returns text
 *
 * crm_advance('crm.orders', order_id, ...)
 */
Datum
crm_advance_order(PG_FUNCTION_ARGS)
{
	return advance(fcinfo, "crm_advance_order");
}

/* crm_force() and crm_force_order() */
static Datum
force(FunctionCallInfo fcinfo, const char *function)
{
	static const char *const arguments[] = {"status", "note"};
	int			first = PG_NARGS() - lengthof(arguments);
	CrmStep		step = {0};
	CrmTarget	target;

	for (int i = 0; i < lengthof(arguments); i++)
		if (PG_ARGISNULL(first + i))
			crm_refuse_null(function, arguments[i]);
	PreventCommandIfReadOnly(psprintf("%s()", function));
	crm_target_open(fcinfo, function, RowExclusiveLock, &target);

	step.key = target.key;
	step.event = "force";
	step.force_to = text_to_cstring(PG_GETARG_TEXT_PP(first));
	step.note = PG_GETARG_TEXT_PP(first + 1);
	step.expected_version = -1;
	step.context = CurrentMemoryContext;
	if (strspn(text_to_cstring(step.note), " \t\r\n") == VARSIZE_ANY_EXHDR(step.note))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a forced step needs a note"),
				 errdetail("The note is empty."),
				 errhint("Say why; the history keeps it.")));
	if (!crm_owns_table(target.door))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s cannot be forced to another status", crm_row_name(target.door, step.key)),
				 errdetail("Role \"%s\" does not own table %s.",
						   GetUserNameFromId(GetUserId(), false), crm_table_name(target.door)),
				 errhint("Ask its owner, or take the steps of the workflow.")));
	crm_advance_row(target.rel, target.door, &step);
	table_close(target.rel, NoLock);
	PG_RETURN_TEXT_P(step.to_status);
}

/*
 * crm_force(relation regclass, key bigint | uuid | text, status text, note text)
 * returns text
 *
 * Gives the row a status that its workflow has, whether a step leads there or
 * not, also from a status that the workflow does not have any more. For the
 * table's owner only. The history shows the event "force", marked as forced, with
 * the note, which is required.
 *
 * Errors: 22004 for a null, 22023 for an empty note, 42501 for anybody else,
 * SL007 if the workflow has no such status, and for table and key those of
 * crm_advance(); 25006, 40001.
 */
Datum
crm_force(PG_FUNCTION_ARGS)
{
	return force(fcinfo, "crm_force");
}

/*
 * crm_force_order(order_id bigint, status text, note text) returns text
 *
 * crm_force('crm.orders', order_id, ...)
 */
Datum
crm_force_order(PG_FUNCTION_ARGS)
{
	return force(fcinfo, "crm_force_order");
}
