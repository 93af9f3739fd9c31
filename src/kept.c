/*
 * kept.c
 *		Where the kept sums of a rollup lie.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "catalog.h"
#include "lookup.h"

PG_FUNCTION_INFO_V1(crm_kept_from);

static Datum
get(Relation rel, TupleTableSlot *row, const char *column, Oid type, bool *isnull)
{
	return slot_getattr(row, crm_column(rel, column, type), isnull);
}

/*
 * Whether the row of crm.rollups says something about that table as it is now: it is
 * as one of our transactions wrote it, not restored or copied, and about this file.
 */
static bool
is_about(Relation rollups, TupleTableSlot *row, Relation cells)
{
	bool		isnull;
	Datum		value;

	value = get(rollups, row, "written_by", XID8OID, &isnull);
	if (isnull || !TransactionIdEquals(XidFromFullTransactionId(DatumGetFullTransactionId(value)),
									   DatumGetTransactionId(slot_getsysattr(row, MinTransactionIdAttributeNumber, &isnull))))
		return false;
	value = get(rollups, row, "file", OIDOID, &isnull);
	return !isnull && DatumGetObjectId(DirectFunctionCall1(pg_relation_filenode, ObjectIdGetDatum(RelationGetRelid(cells)))) == DatumGetObjectId(value);
}

/* What a call has found, for the next one of the same statement */
typedef struct KnownPlace
{
	TransactionId xmin,
				xmax;
	uint32		nrunning;
	CommandId	command;
	ItemPointerData place;
} KnownPlace;

static void
find_place(Datum rollup, Oid relid, ItemPointer place)
{
	Relation	rollups = table_open(crm_table_oid("rollups"), AccessShareLock);
	Relation	cells = table_open(relid, AccessShareLock);
	TupleTableSlot *row = table_slot_create(rollups, NULL);
	bool		isnull;

	ItemPointerSet(place, 0, 0);
	if (crm_find_row(rollups, crm_unique_index(rollups, "name"), F_TEXTEQ, rollup, GetActiveSnapshot(), row) &&
		is_about(rollups, row, cells))
		ItemPointerSetBlockNumber(place, (BlockNumber) DatumGetInt64(get(rollups, row, "first_page", INT8OID, &isnull)));
	ExecDropSingleTupleTableSlot(row);
	table_close(cells, AccessShareLock);
	table_close(rollups, AccessShareLock);
}

/*
 * crm_kept_from(rollup text, cells regclass) returns tid
 *
 * The place in the table of a rollup's kept sums before which there are none that the
 * snapshot of the query shows; (0,0) if that is not known. A function and no subquery,
 * so that the planner can ask it how much of the table is to be read.
 */
Datum
crm_kept_from(PG_FUNCTION_ARGS)
{
	FmgrInfo   *function = fcinfo->flinfo;
	Snapshot	snapshot = GetActiveSnapshot();
	KnownPlace *known = function->fn_extra;

	/* where an index finds the sums, this is asked for each of them */
	if (known == NULL || known->xmin != snapshot->xmin || known->xmax != snapshot->xmax ||
		known->nrunning != snapshot->xcnt || known->command != snapshot->curcid ||
		!get_fn_expr_arg_stable(function, 0) || !get_fn_expr_arg_stable(function, 1))
	{
		if (known == NULL)
			known = function->fn_extra = MemoryContextAlloc(function->fn_mcxt, sizeof(KnownPlace));
		find_place(PG_GETARG_DATUM(0), PG_GETARG_OID(1), &known->place);
		known->xmin = snapshot->xmin;
		known->xmax = snapshot->xmax;
		known->nrunning = snapshot->xcnt;
		known->command = snapshot->curcid;
	}
	PG_RETURN_POINTER(&known->place);
}
