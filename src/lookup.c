/*
 * lookup.c
 *		Finds single rows of our tables by an index, past the rights of the caller.
 *
 * The rules read products, rates and keys on behalf of everybody, whoever may
 * look at them; a query through SPI would cost ten times as much.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "lookup.h"

Snapshot
crm_reading_snapshot(void)
{
	return IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot();
}

/* Whether an index has all rows in which the column is not NULL: somebody may have one of some */
static bool
has_all_values(Relation index, AttrNumber column)
{
	List	   *predicate = RelationGetIndexPredicate(index);
	NullTest   *test = list_length(predicate) == 1 ? linitial(predicate) : NULL;

	return predicate == NIL ||
		(test != NULL && IsA(test, NullTest) && test->nulltesttype == IS_NOT_NULL && !test->argisrow &&
		 IsA(test->arg, Var) && ((Var *) test->arg)->varattno == column);
}

Oid
crm_find_unique_index(Relation rel, AttrNumber column)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indisunique && index->rd_index->indisvalid &&
			index->rd_index->indnkeyatts == 1 && index->rd_rel->relam == BTREE_AM_OID &&
			column != InvalidAttrNumber && index->rd_index->indkey.values[0] == column && has_all_values(index, column))
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}

Oid
crm_unique_index(Relation rel, const char *column)
{
	Oid			found = crm_find_unique_index(rel, crm_column(rel, column, TEXTOID));

	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has no unique index on column \"%s\"", crm_relation_name(rel), column),
				 errhint("Create it again; crm finds rows by it.")));
	return found;
}

Oid
crm_primary_key(Relation rel, const char *first, const char *second)
{
	Oid			found;

	list_free(RelationGetIndexList(rel));	/* fills in rd_pkindex */
	found = rel->rd_pkindex;
	if (OidIsValid(found))
	{
		Relation	index = index_open(found, AccessShareLock);
		TupleDesc	desc = RelationGetDescr(rel);
		const int16 *keys = index->rd_index->indkey.values;

		if (index->rd_index->indnkeyatts != (second != NULL ? 2 : 1) ||
			namestrcmp(&TupleDescAttr(desc, keys[0] - 1)->attname, first) != 0 ||
			(second != NULL && namestrcmp(&TupleDescAttr(desc, keys[1] - 1)->attname, second) != 0))
			found = InvalidOid;
		index_close(index, AccessShareLock);
	}
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 second != NULL ?
				 errmsg("the primary key of table %s is not (%s, %s)", crm_relation_name(rel), first, second) :
				 errmsg("the primary key of table %s is not (%s)", crm_relation_name(rel), first),
				 errhint("Create it again; crm finds rows by it.")));
	return found;
}

bool
crm_find_row(Relation rel, Oid index_oid, RegProcedure equal, Datum key,
			 Snapshot snapshot, TupleTableSlot *row)
{
	Relation	index = index_open(index_oid, AccessShareLock);
	IndexScanDesc scan = crm_index_beginscan(rel, index, snapshot, 1);
	ScanKeyData condition;
	bool		found;

	ScanKeyEntryInitialize(&condition, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], equal, key);
	index_rescan(scan, &condition, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, row);
	index_endscan(scan);
	index_close(index, NoLock);
	return found;
}

bool
crm_find_last_row(Relation rel, Oid index_oid, const CrmLastKey *key,
				  Snapshot snapshot, TupleTableSlot *row)
{
	Relation	index = index_open(index_oid, AccessShareLock);
	ScanKeyData conditions[2];
	int			nconditions = OidIsValid(key->second_le) ? 2 : 1;
	IndexScanDesc scan = crm_index_beginscan(rel, index, snapshot, nconditions);
	bool		found;

	ScanKeyEntryInitialize(&conditions[0], 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], key->first_equal, key->first);
	if (nconditions == 2)
		ScanKeyEntryInitialize(&conditions[1], 0, 2, BTLessEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[1], key->second_le, key->limit);
	index_rescan(scan, conditions, nconditions, NULL, 0);
	found = index_getnext_slot(scan, BackwardScanDirection, row);
	index_endscan(scan);
	index_close(index, NoLock);
	return found;
}

int32
crm_next_number(Relation rel, const char *number, int64 order_id)
{
	CrmLastKey	key = {F_INT8EQ, Int64GetDatum(order_id), InvalidOid, (Datum) 0};
	TupleTableSlot *row = table_slot_create(rel, NULL);
	bool		isnull;
	int32		next = 1;

	/* nobody else writes children of this order now, and our own statement is seen */
	if (crm_find_last_row(rel, crm_primary_key(rel, "order_id", number), &key, SnapshotSelf, row))
	{
		next = DatumGetInt32(slot_getattr(row, crm_column(rel, number, INT4OID), &isnull));
		if (isnull || next == PG_INT32_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("order " INT64_FORMAT " has no next %s", order_id, number),
					 errdetail("The last one is %d.", next)));
		next++;
	}
	ExecDropSingleTupleTableSlot(row);
	return next;
}
