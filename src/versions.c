/*
 * versions.c
 *		A workflow that changes: every version is kept, and no row is left behind.
 */
#include "crm.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "door.h"
#include "migrate.h"
#include "owner.h"
#include "stranded.h"
#include "trigger.h"
#include "workflow_cache.h"

PG_FUNCTION_INFO_V1(crm_count_workflow_version);
PG_FUNCTION_INFO_V1(crm_keep_workflow_version);
PG_FUNCTION_INFO_V1(crm_check_stranded_rows);

/* One row of crm.workflows */
typedef struct Version
{
	char	   *name;			/* NULL if it is null, for which NOT NULL has better words */
	const Workflow *workflow;	/* likewise */
	int32		number;
} Version;

static Version
read_version(Relation rel, HeapTuple row)
{
	Version		version = {0};
	bool		isnull;
	Datum		value;

	value = crm_get(row, crm_column(rel, "name", TEXTOID), rel, &isnull);
	version.name = isnull ? NULL : TextDatumGetCString(value);
	value = crm_get(row, crm_definition_column(rel), rel, &isnull);
	version.workflow = isnull ? NULL : DatumGetWorkflowP(value);
	value = crm_get(row, crm_column(rel, "version", INT4OID), rel, &isnull);
	version.number = isnull ? 0 : DatumGetInt32(value);
	return version;
}

/* The compiled form is canonical: equal machines have equal bytes. */
static bool
is_same(const Version *a, const Version *b)
{
	return strcmp(a->name, b->name) == 0 && a->workflow != NULL && b->workflow != NULL &&
		datumIsEqual(PointerGetDatum(a->workflow), PointerGetDatum(b->workflow), false, -1);
}

/*
 * The table of versions, opened, with the rights of its owner: who may change
 * workflows needs none on it. That holds for our own table of workflows only.
 */
static Relation
open_versions(Relation workflows, CrmCaller *caller)
{
	Relation	versions = table_open(crm_table_oid("workflow_versions"), RowExclusiveLock);
	crm_become_owner(versions, caller);
	return versions;
}

static void
close_versions(Relation versions, const CrmCaller *caller)
{
	crm_become_caller(caller);
	table_close(versions, NoLock);
}

/*
 * The last version that was kept under that name, 0 if there is none: also that of
 * a workflow which was deleted since, so that a number never means two things.
 */
static int32
last_version(Relation rel, const char *name)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(name)};
	CrmCaller	caller;
	Relation	versions = open_versions(rel, &caller);
	SPIPlanPtr	plan;
	Datum		last;
	bool		isnull;

	SPI_connect();
	plan = SPI_prepare("SELECT pg_catalog.max(version) FROM " CRM_SCHEMA ".workflow_versions "
					   "WHERE workflow OPERATOR(pg_catalog.=) $1", 1, types);
	if (plan == NULL ||
		SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, true, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the versions of a workflow");
	last = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	close_versions(versions, &caller);
	return isnull ? 0 : DatumGetInt32(last);
}

static int32
next_version(Relation rel, const char *name)
{
	int32		last = last_version(rel, name);

	if (last == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("workflow \"%s\" cannot have more than %d versions", name, last)));
	return last + 1;
}

/*
 * crm_count_workflow_version() returns trigger
 *
 * BEFORE INSERT OR UPDATE row trigger of crm.workflows: version goes up by one
 * when the definition becomes another one. Errors: SL010 for a version that was
 * written by hand, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_count_workflow_version(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_count_workflow_version", CRM_TRIGGER_BEFORE_ROW, "workflows");
	Relation	rel = trigger->tg_relation;
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	HeapTuple	row = is_insert ? trigger->tg_trigtuple : trigger->tg_newtuple;
	Version		new = read_version(rel, row);
	int			column = crm_column(rel, "version", INT4OID);
	Datum		value;
	bool		isnull = false;

	if (new.name == NULL || new.workflow == NULL)
		return PointerGetDatum(row);
	if (is_insert)
		value = Int32GetDatum(next_version(rel, new.name));
	else
	{
		Version		old = read_version(rel, trigger->tg_trigtuple);

		value = Int32GetDatum(is_same(&old, &new) ? old.number : next_version(rel, new.name));
		/* the next one is what INSERT ... ON CONFLICT DO UPDATE finds in EXCLUDED */
		if (new.number != old.number && new.number != DatumGetInt32(value))
			ereport(ERROR,
					(errcode(ERRCODE_CRM_KEPT_BY_MACHINE),
					 errmsg("column \"version\" of workflow \"%s\" is kept by the database", new.name),
					 errdetail("The statement gives it a value of its own."),
					 errhint("Leave the column out of the statement.")));
	}
	return PointerGetDatum(heap_modify_tuple_by_cols(row, RelationGetDescr(rel), 1, &column, &value, &isnull));
}

/*
 * crm_keep_workflow_version() returns trigger
 *
 * AFTER INSERT OR UPDATE row trigger of crm.workflows: writes each version into
 * crm.workflow_versions, with the rights of that table's owner. Errors: 23505 if
 * another trigger has changed the definition behind crm_count_workflow_version(),
 * 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_keep_workflow_version(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_keep_workflow_version", CRM_TRIGGER_AFTER_ROW, "workflows");
	Relation	rel = trigger->tg_relation;
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	Version		new = read_version(rel, is_insert ? trigger->tg_trigtuple : trigger->tg_newtuple);
	AttrNumber	definition = crm_definition_column(rel);
	Oid			types[] = {TEXTOID, INT4OID, TupleDescAttr(RelationGetDescr(rel), definition - 1)->atttypid,
	TIMESTAMPTZOID, TEXTOID};
	Datum		values[5];
	Relation	versions;
	CrmCaller	caller;

	if (new.name == NULL || new.workflow == NULL)
		PG_RETURN_POINTER(NULL);
	if (!is_insert)
	{
		Version		old = read_version(rel, trigger->tg_trigtuple);

		if (is_same(&old, &new))
			PG_RETURN_POINTER(NULL);
	}
	values[0] = CStringGetTextDatum(new.name);
	values[1] = Int32GetDatum(new.number);
	values[2] = PointerGetDatum(new.workflow);
	values[3] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[4] = CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
	versions = open_versions(rel, &caller);
	SPI_connect();
	if (SPI_execute_with_args("INSERT INTO " CRM_SCHEMA ".workflow_versions "
							  "(workflow, version, definition, since, role) VALUES ($1, $2, $3, $4, $5)",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not keep a version of a workflow");
	SPI_finish();
	close_versions(versions, &caller);
	PG_RETURN_POINTER(NULL);
}

/* A table whose trigger names the workflow needs it, even if the table is empty. */
static void
refuse_if_attached(const char *name, List *followers)
{
	ListCell   *lc;

	foreach(lc, followers)
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);

		if (!crm_door_get(rel)->by_column)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("workflow \"%s\" is in use", name),
					 errdetail("It is attached to table %s.", crm_relation_name(rel)),
					 errhint("crm_detach_workflow() takes it away there.")));
		table_close(rel, NoLock);
	}
}

/*
 * crm_check_stranded_rows() returns trigger
 *
 * AFTER UPDATE OR DELETE row trigger of crm.workflows: refuses a change that takes
 * a status away in which rows stand, in whatever table. If it takes a status
 * away, these tables are locked against steps until the transaction ends; else
 * nothing is. Errors: SL013 with the number of rows, 2BP01 if the workflow of an
 * attached table goes or gets another name, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_check_stranded_rows(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_check_stranded_rows", CRM_TRIGGER_AFTER, "workflows");
	Relation	rel = trigger->tg_relation;
	Version		old = {0};
	Version		new = {0};
	bool		goes;
	Datum		lost;
	int			nlost = 0;
	List	   *followers;
	List	   *standing;

	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function crm_check_stranded_rows() was not called as the trigger that it is for"),
				 errhint("Use it in CREATE TRIGGER ... AFTER UPDATE OR DELETE ... FOR EACH ROW.")));
	old = read_version(rel, trigger->tg_trigtuple);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		new = read_version(rel, trigger->tg_newtuple);
	if (old.name == NULL || old.workflow == NULL)
		PG_RETURN_POINTER(NULL);
	goes = new.name == NULL || new.workflow == NULL || strcmp(old.name, new.name) != 0;
	if (goes)
		lost = PointerGetDatum(construct_empty_array(TEXTOID));
	else
		lost = crm_state_names(old.workflow, new.workflow, &nlost);
	if (!goes && (nlost == 0 || crm_is_migrating(old.name)))
		PG_RETURN_POINTER(NULL);

	followers = crm_lock_followers(old.name, ShareRowExclusiveLock);
	if (goes)
		refuse_if_attached(old.name, followers);
	standing = crm_count_standing(followers, old.name, lost, goes);
	if (standing != NIL)
		crm_refuse_stranding(old.name, standing);
	PG_RETURN_POINTER(NULL);
}
