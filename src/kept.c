/*
 * kept.c
 *		What the view of a rollup asks first: where its kept sums lie, and where the waiting
 *		changes, whether anything waits or is on the move, and whether its snapshot shows it all.
 *
 * Functions and no subqueries: the planner can ask where things lie and so knows how much of a
 * table is to be read, and has less to plan.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "catalog.h"
#include "kept.h"
#include "lookup.h"

PG_FUNCTION_INFO_V1(crm_kept_from);
PG_FUNCTION_INFO_V1(crm_is_in_snapshot);
PG_FUNCTION_INFO_V1(crm_waits_from);
PG_FUNCTION_INFO_V1(crm_anything_waits);
PG_FUNCTION_INFO_V1(crm_limit_of_moved);
PG_FUNCTION_INFO_V1(crm_current_xact_id);

static Datum
get(Relation rel, TupleTableSlot *row, const char *column, Oid type, bool *isnull)
{
	return slot_getattr(row, crm_column(rel, column, type), isnull);
}

/*
 * Whether the row of crm.rollups or crm.change_tables says something about that table as
 * it is now: it is as one of our transactions wrote it, not restored or copied, and about this file.
 */
static bool
is_about(Relation list, TupleTableSlot *row, Relation rel)
{
	bool		isnull;
	Datum		value;

	if (!RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
		return false;
	value = get(list, row, "written_by", XID8OID, &isnull);
	if (isnull || !TransactionIdEquals(XidFromFullTransactionId(DatumGetFullTransactionId(value)),
									   DatumGetTransactionId(slot_getsysattr(row, MinTransactionIdAttributeNumber, &isnull))))
		return false;
	value = get(list, row, "file", OIDOID, &isnull);
	return !isnull && DatumGetObjectId(DirectFunctionCall1(pg_relation_filenode, ObjectIdGetDatum(RelationGetRelid(rel)))) == DatumGetObjectId(value);
}

/* What a call has found, for the next one of the same statement */
typedef struct KnownAnswer
{
	TransactionId xmin,
				xmax;
	uint32		nrunning;
	int32		nrunning_sub;
	bool		is_overflowed;
	CommandId	command;
	bool		args_are_constants;
	union
	{
		ItemPointerData place;
		bool		any_waits;
		bool		any_moved;
		bool		in_snapshot;
	};
} KnownAnswer;

/* Of the row that is shown by the snapshot of the query; the beginning of the table if that is not known */
static void
place_in(Relation list, TupleTableSlot *row, Relation rel, ItemPointer place)
{
	bool		isnull;

	if (is_about(list, row, rel))
		ItemPointerSetBlockNumber(place, (BlockNumber) DatumGetInt64(get(list, row, "first_page", INT8OID, &isnull)));
}

static void
find_kept(FunctionCallInfo fcinfo, ItemPointer place)
{
	Relation	rollups = table_open(crm_table_oid("rollups"), AccessShareLock);
	Relation	cells = table_open(PG_GETARG_OID(1), AccessShareLock);
	TupleTableSlot *row = table_slot_create(rollups, NULL);

	if (crm_find_row(rollups, crm_unique_index(rollups, "name"), F_TEXTEQ, PG_GETARG_DATUM(0), GetActiveSnapshot(), row))
		place_in(rollups, row, cells, place);
	ExecDropSingleTupleTableSlot(row);
	table_close(cells, AccessShareLock);
	table_close(rollups, AccessShareLock);
}

/* Whether a snapshot shows that the kept sums of a rollup lie in that table */
static bool
shows_rollup(Snapshot snapshot, Datum rollup, Oid cells)
{
	Relation	rollups = table_open(crm_table_oid("rollups"), AccessShareLock);
	TupleTableSlot *row = table_slot_create(rollups, NULL);
	bool		is_in = false;

	/* if it is another one: that was dropped, and its name taken */
	if (crm_find_row(rollups, crm_unique_index(rollups, "name"), F_TEXTEQ, rollup, snapshot, row))
	{
		bool		isnull;
		Datum		value = get(rollups, row, "cells", REGCLASSOID, &isnull);

		is_in = !isnull && DatumGetObjectId(value) == cells;
	}
	ExecDropSingleTupleTableSlot(row);
	table_close(rollups, AccessShareLock);
	return is_in;
}

/*
 * All of the list is read, and not by an index: so a SERIALIZABLE transaction has read
 * what whoever writes a change is in conflict with (changes.c).
 */
void
crm_find_waiting(Relation changes, ItemPointer place)
{
	Relation	list = table_open(crm_table_oid("change_tables"), AccessShareLock);
	TupleTableSlot *row = table_slot_create(list, NULL);
	TableScanDesc scan = table_beginscan(list, GetActiveSnapshot(), 0, NULL);

	ItemPointerSet(place, 0, 0);
	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		bool		isnull;
		Datum		name = get(list, row, "name", TEXTOID, &isnull);

		if (!isnull && strcmp(TextDatumGetCString(name), RelationGetRelationName(changes)) == 0)
			place_in(list, row, changes, place);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	table_close(list, AccessShareLock);
}

static void
find_waiting(FunctionCallInfo fcinfo, ItemPointer place)
{
	Relation	changes = table_open(PG_GETARG_OID(0), AccessShareLock);

	crm_find_waiting(changes, place);
	table_close(changes, AccessShareLock);
}

static bool
anything_waits(const char *table)
{
	Relation	changes = table_open(crm_table_oid(table), AccessShareLock);
	/* where a view reads more than we would: it may be */
	bool		any = changes->rd_rel->relkind != RELKIND_RELATION || changes->rd_rel->relhassubclass;

	if (!any)
	{
		AttrNumber	day = crm_column(changes, "day", DATEOID);
		TupleTableSlot *row = table_slot_create(changes, NULL);
		ItemPointerData first,
					last;
		TableScanDesc scan;

		crm_find_waiting(changes, &first);
		ItemPointerSet(&last, MaxBlockNumber, MaxOffsetNumber);
		scan = table_beginscan_tidrange(changes, GetActiveSnapshot(), &first, &last);
		/* a row without a day is a mark of a merge (changes.c) */
		while (!any && table_scan_getnextslot_tidrange(scan, ForwardScanDirection, row))
			any = !slot_attisnull(row, day);
		table_endscan(scan);
		ExecDropSingleTupleTableSlot(row);
	}
	table_close(changes, AccessShareLock);
	return any;
}

static bool
anything_moved(void)
{
	Relation	changes = table_open(crm_table_oid("dimension_changes"), AccessShareLock);
	TupleTableSlot *row = table_slot_create(changes, NULL);
	TableScanDesc scan = table_beginscan(changes, GetActiveSnapshot(), 0, NULL);
	bool		any = table_scan_getnextslot(scan, ForwardScanDirection, row);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	table_close(changes, AccessShareLock);
	return any;
}

/* Of a parameter, PL/pgSQL may give another value to the next call. */
static bool
args_are_constants(const FmgrInfo *function, int n)
{
	const FuncExpr *call = (const FuncExpr *) function->fn_expr;

	if (call == NULL || !IsA(call, FuncExpr))
		return false;
	for (int i = 0; i < n; i++)
		if (!IsA(list_nth(call->args, i), Const))
			return false;
	return true;
}

/*
 * What a call has found holds for the next one of the same statement, if the arguments are the same:
 * the first n, which it depends on.
 */
static KnownAnswer *
known_answer(FunctionCallInfo fcinfo, int n, bool *is_new)
{
	FmgrInfo   *function = fcinfo->flinfo;
	Snapshot	snapshot = GetActiveSnapshot();
	KnownAnswer *known = function->fn_extra;

	/* where an index finds the rows, this is asked for each of them */
	if (known == NULL)
	{
		known = function->fn_extra = MemoryContextAllocZero(function->fn_mcxt, sizeof(KnownAnswer));
		known->args_are_constants = args_are_constants(function, n);
		*is_new = true;
	}
	else
		*is_new = !known->args_are_constants || known->xmin != snapshot->xmin || known->xmax != snapshot->xmax ||
			known->nrunning != snapshot->xcnt || known->command != snapshot->curcid ||
		/* on a standby, all that run are there */
			known->nrunning_sub != snapshot->subxcnt || known->is_overflowed != snapshot->suboverflowed;
	known->xmin = snapshot->xmin;
	known->xmax = snapshot->xmax;
	known->nrunning = snapshot->xcnt;
	known->nrunning_sub = snapshot->subxcnt;
	known->is_overflowed = snapshot->suboverflowed;
	known->command = snapshot->curcid;
	return known;
}

static Datum
known_place(FunctionCallInfo fcinfo, void (*find) (FunctionCallInfo, ItemPointer))
{
	bool		is_new;
	KnownAnswer *known = known_answer(fcinfo, fcinfo->nargs, &is_new);

	if (is_new)
	{
		ItemPointerSet(&known->place, 0, 0);
		find(fcinfo, &known->place);
	}
	PG_RETURN_POINTER(&known->place);
}

/*
 * crm_kept_from(rollup text, cells regclass) returns tid
 *
 * The place in the table of a rollup's kept sums before which there are none that the
 * snapshot of the query shows; (0,0) if that is not known.
 */
Datum
crm_kept_from(PG_FUNCTION_ARGS)
{
	return known_place(fcinfo, find_kept);
}

static void
refuse_unseen(Datum rollup, Oid cells)
{
	Snapshot	latest = RegisterSnapshot(GetCatalogSnapshot(crm_table_oid("rollups")));
	bool		is_known = shows_rollup(latest, rollup, cells);

	UnregisterSnapshot(latest);
	/* or who tries again as long as he is told to would do so for ever */
	if (!is_known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rollup \"%s\" is not listed in crm.rollups", TextDatumGetCString(rollup)),
				 errdetail("The row that says which of its sums count is gone, or is about another table than %s.", crm_name_of_relation(cells)),
				 errhint("If crm.rollups is being copied from another server, wait. Else drop the view and the table, and create the rollup again.")));
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("rollup \"%s\" was made after the snapshot of this query", TextDatumGetCString(rollup)),
			 errdetail("The snapshot does not show the sums that are kept."),
			 errhint("Try again, in a new transaction.")));
}

/*
 * crm_is_in_snapshot(rollup text, cells regclass, generation integer) returns boolean
 *
 * Whether the snapshot of the query shows the kept sums of a rollup, which lie in that
 * table: true, else an error, as what is not seen must not be taken for empty. generation is
 * what the query sees of crm.rollups: we see more, past policies.
 *
 * Errors: 40001 if the rollup was made, or made again, after the snapshot was taken; 55000
 * if nobody knows it, as its row in crm.rollups was deleted; 42501 if a policy hides that.
 */
Datum
crm_is_in_snapshot(PG_FUNCTION_ARGS)
{
	bool		is_new;
	KnownAnswer *known;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	known = known_answer(fcinfo, 2, &is_new);
	if (is_new)
	{
		known->in_snapshot = false; /* should an error keep us from finding out */
		known->in_snapshot = shows_rollup(GetActiveSnapshot(), PG_GETARG_DATUM(0), PG_GETARG_OID(1));
	}
	if (!known->in_snapshot)
		refuse_unseen(PG_GETARG_DATUM(0), PG_GETARG_OID(1));
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a policy hides rollup \"%s\" from the owner of its view", TextDatumGetCString(PG_GETARG_DATUM(0))),
				 errdetail("He cannot see in crm.rollups which of its sums count."),
				 errhint("Give him BYPASSRLS, or ALTER TABLE crm.rollups NO FORCE ROW LEVEL SECURITY.")));
	PG_RETURN_BOOL(true);
}

/*
 * crm_waits_from(changes regclass) returns tid
 *
 * The place in a change table before which nothing waits for who has the snapshot of
 * the query; (0,0) if that is not known.
 */
Datum
crm_waits_from(PG_FUNCTION_ARGS)
{
	return known_place(fcinfo, find_waiting);
}

/*
 * crm_anything_waits(grain text) returns boolean
 *
 * Whether a change of sold lines ("line"), orders ("order") or events ("event", if not told
 * of with its order) waits to be merged, as the snapshot of the query has it.
 *
 * Errors: 42P01 if there is no such grain.
 */
Datum
crm_anything_waits(PG_FUNCTION_ARGS)
{
	bool		is_new;
	KnownAnswer *known = known_answer(fcinfo, fcinfo->nargs, &is_new);

	if (is_new)
	{
		char	   *grain = TextDatumGetCString(PG_GETARG_DATUM(0));

		known->any_waits = true;	/* should an error keep us from finding out */
		known->any_waits = anything_waits(psprintf("%s_changes_1", grain)) || anything_waits(psprintf("%s_changes_2", grain));
	}
	PG_RETURN_BOOL(known->any_waits);
}

/*
 * crm_limit_of_moved() returns bigint
 *
 * A LIMIT: 0 if no product or customer waits for its history to be moved to another
 * category or region, as the snapshot of the query has it; NULL if one does.
 */
Datum
crm_limit_of_moved(PG_FUNCTION_ARGS)
{
	bool		is_new;
	KnownAnswer *known = known_answer(fcinfo, fcinfo->nargs, &is_new);

	if (is_new)
	{
		known->any_moved = true;	/* should an error keep us from finding out */
		known->any_moved = anything_moved();
	}
	if (known->any_moved)
		PG_RETURN_NULL();
	PG_RETURN_INT64(0);
}

/*
 * crm_current_xact_id() returns xid8
 *
 * The transaction that rows which are written now have as xmin: pg_current_xact_id()
 * is another one in a subtransaction.
 */
Datum
crm_current_xact_id(PG_FUNCTION_ARGS)
{
	TransactionId xid = GetCurrentTransactionId();
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	PG_RETURN_FULLTRANSACTIONID(FullTransactionIdFromEpochAndXid(epoch, xid));
}
