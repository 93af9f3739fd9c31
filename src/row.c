/*
 * row.c
 *		Finds a row of a table with a workflow by its key.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog.h"
#include "key.h"
#include "owner.h"
#include "row.h"

bool
crm_row_find(Relation rel, const Door *door, Datum key, Snapshot snapshot, TupleTableSlot *row)
{
	Relation	index = index_open(door->key_index, AccessShareLock);
	IndexScanDesc scan = crm_index_beginscan(rel, index, snapshot, 1);
	ScanKeyData condition;
	bool		found;

	ScanKeyEntryInitialize(&condition, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   door->key_collation, door->key_equal, key);
	index_rescan(scan, &condition, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, row);
	index_endscan(scan);
	index_close(index, NoLock);
	return found;
}

bool
crm_row_lock(Relation rel, const Door *door, Datum key, EState *estate, TupleTableSlot *row)
{
	ItemPointerData tid;
	TM_FailureData failure;
	TM_Result	result;
	Datum		newest;
	bool		isnull;

	if (!crm_row_find(rel, door, key, estate->es_snapshot, row))
		return false;
	tid = row->tts_tid;
	result = table_tuple_lock(rel, &tid, estate->es_snapshot, row, estate->es_output_cid,
							  LockTupleNoKeyExclusive, LockWaitBlock,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	/* else it is deleted, by somebody else or by us; a newer one may have another key */
	if (result != TM_Ok)
		return false;
	newest = slot_getattr(row, door->key, &isnull);
	return !isnull && crm_same_key(door, newest, key);
}

/* Run SELECT what FROM the table WHERE key = $1; returns a value of it, *found if there is a row. */
static Datum
select_row(const char *what, Relation rel, const Door *door, Datum key, bool *found)
{
	Datum		values[1] = {key};
	Oid			types[1] = {door->key_type};
	StringInfoData sql;
	Datum		result = (Datum) 0;
	bool		isnull;

	SPI_connect();
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM %s WHERE %s OPERATOR(pg_catalog.=) $1", what,
					 crm_relation_name(rel), quote_identifier(NameStr(door->key_name)));
	*found = SPI_execute_with_args(sql.data, 1, types, values, NULL, true, 1) == SPI_OK_SELECT &&
		SPI_processed > 0;
	if (*found && what[0] != '\0')
		result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	return result;
}

bool
crm_row_is_visible(Relation rel, const Door *door, Datum key)
{
	bool		found;

	(void) select_row("", rel, door, key, &found);
	return found;
}

Oid
crm_row_partition(Relation rel, const Door *door, Datum key)
{
	CrmCaller	caller;
	Oid			partition;
	bool		found;

	/* no policy binds the owner */
	crm_become_owner(rel, &caller);
	partition = DatumGetObjectId(select_row("tableoid", rel, door, key, &found));
	crm_become_caller(&caller);
	if (!found)
		crm_row_refuse_missing(door, crm_row_name(door, key));
	return partition;
}

void
crm_row_refuse_missing(const Door *door, const char *row_name)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_NO_SUCH_ROW),
			 errmsg("%s does not exist", row_name),
			 errdetail("Table %s has no such row that role \"%s\" may change.",
					   crm_table_name(door), GetUserNameFromId(GetUserId(), false)),
			 errhint("Check the key; row-level security may hide a row.")));
}
