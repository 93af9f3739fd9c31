/*
 * order_lock.c
 *		Whoever changes a line or a payment locks its order first.
 *
 * The lock of a foreign key lets a step pass. So one transaction could add a line
 * while another, which does not see it, submits the order. With this lock one of
 * them waits; and as the row is read once the lock is ours, it sees what the other
 * has done.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "lookup.h"
#include "order_lock.h"

Relation
crm_orders_open(void)
{
	return table_open(crm_table_oid("orders"), RowExclusiveLock);
}

bool
crm_order_lock(Relation orders, int64 order_id, TupleTableSlot *row)
{
	Oid			index = crm_primary_key(orders, "id", NULL);
	Datum		key = Int64GetDatum(order_id);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		found = crm_find_row(orders, index, F_INT8EQ, key, snapshot, row);
	TM_Result	result = TM_Invisible;
	TM_FailureData failure;

	if (found)
	{
		ItemPointerData tid = row->tts_tid;

		result = table_tuple_lock(orders, &tid, snapshot, row, GetCurrentCommandId(true),
								  LockTupleNoKeyExclusive, LockWaitBlock,
								  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	}
	UnregisterSnapshot(snapshot);

	/*
	 * Written by the command that is running (WITH o AS (INSERT INTO crm.orders ...)
	 * INSERT INTO crm.order_lines ...): no snapshot sees that yet, and nobody else
	 * can lock it.
	 */
	if (!found || result == TM_SelfModified)
		return crm_find_row(orders, index, F_INT8EQ, key, SnapshotSelf, row);
	if (result != TM_Ok)
		return false;
	if (IsolationUsesXactSnapshot() &&
		!table_tuple_satisfies_snapshot(orders, row, GetTransactionSnapshot()))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("Order " INT64_FORMAT " has changed since this transaction began to read.", order_id),
				 errhint("The transaction might succeed if retried.")));
	return true;
}

void
crm_refuse_missing_order(Relation rel, const char *constraint, int64 order_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("order " INT64_FORMAT " does not exist", order_id),
			 errdetail("Rows of table %s belong to an order.", crm_relation_name(rel)),
			 errhint("Insert the order first."),
			 errtableconstraint(rel, constraint)));
}
