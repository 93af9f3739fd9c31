/*
 * milestones.c
 *		When orders first reached each milestone: crm_order_milestones.
 *
 * A view asks for one order after the other. The histories lie in an index by order,
 * so a scan of it is kept between the calls: while orders are asked for in the order of
 * their numbers, as they mostly lie in their table, it goes on from where it was, and a
 * list of all orders reads all histories once. An order by itself is looked up.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "door.h"
#include "lookup.h"
#include "plans.h"

PG_FUNCTION_INFO_V1(crm_order_milestones);

/* In the order of the result's columns; the number of steps comes after them */
static const struct
{
	const char *status;
	int			length;
}			milestones[] = {
	{"submitted", 9}, {"paid", 4}, {"shipped", 7}, {"completed", 9}, {"cancelled", 9}, {"refunded", 8}
};

#define NMILESTONES lengthof(milestones)

typedef struct Reached
{
	TimestampTz at[NMILESTONES];
	bool		is_reached[NMILESTONES];
	int64		steps;
} Reached;

typedef struct Histories
{
	FmgrInfo   *function;		/* whose they are (of calls there are several, and their places change) */
	MemoryContext context;		/* all that lasts from call to call */
	TupleDesc	desc;			/* of the result */
	Relation	rel;			/* crm.order_events */
	AttrNumber	order_id;
	AttrNumber	at;
	AttrNumber	to_status;
	/* by the index; NULL where policies hide rows */
	Relation	index;
	Snapshot	snapshot;
	IndexScanDesc scan;
	TupleTableSlot *row;		/* the one that comes next */
	bool		has_row;
	bool		is_placed;
	int64		last;			/* the order that was asked for last, if placed */
	int64		next;			/* that of the row */
} Histories;

static void
take_step(Reached *reached, TimestampTz at, const text *status)
{
	int			length = VARSIZE_ANY_EXHDR(status);

	for (int i = 0; i < NMILESTONES; i++)
		if (milestones[i].length == length && memcmp(milestones[i].status, VARDATA_ANY(status), length) == 0 &&
			(!reached->is_reached[i] || at < reached->at[i]))
		{
			reached->at[i] = at;
			reached->is_reached[i] = true;
		}
	reached->steps++;
}

/* The right to read what a query for this would read */
static void
check_rights(Histories *histories)
{
	Oid			relid = RelationGetRelid(histories->rel);
	AttrNumber	columns[] = {histories->order_id, histories->at, histories->to_status};

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return;
	for (int i = 0; i < lengthof(columns); i++)
		if (pg_attribute_aclcheck(relid, columns[i], GetUserId(), ACL_SELECT) != ACLCHECK_OK)
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(histories->rel));
}

static void
close_histories(Datum arg)
{
	Histories  *histories = (Histories *) DatumGetPointer(arg);

	if (histories->scan != NULL)
	{
		index_endscan(histories->scan);
		index_close(histories->index, NoLock);
		UnregisterSnapshot(histories->snapshot);
		ExecDropSingleTupleTableSlot(histories->row);
	}
	table_close(histories->rel, NoLock);
	/* should the query begin again */
	histories->function->fn_extra = NULL;
	MemoryContextDelete(histories->context);
}

static Histories *
open_histories(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "crm histories", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Histories  *histories = palloc0(sizeof(Histories));

	if (info == NULL || !IsA(info, ReturnSetInfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, &histories->desc) != TYPEFUNC_COMPOSITE || histories->desc->natts != NMILESTONES + 1)
		elog(ERROR, "return type must be a row of %d columns", (int) NMILESTONES + 1);
	histories->desc = BlessTupleDesc(CreateTupleDescCopy(histories->desc));
	histories->function = fcinfo->flinfo;
	histories->context = context;
	histories->rel = table_open(crm_table_oid("order_events"), AccessShareLock);
	histories->order_id = crm_column(histories->rel, "order_id", INT8OID);
	histories->at = crm_column(histories->rel, "at", TIMESTAMPTZOID);
	histories->to_status = crm_column(histories->rel, "to_status", TEXTOID);
	check_rights(histories);
	if (check_enable_rls(RelationGetRelid(histories->rel), InvalidOid, false) != RLS_ENABLED)
	{
		histories->index = index_open(crm_primary_key(histories->rel, "order_id", "seq"), AccessShareLock);
		histories->snapshot = RegisterSnapshot(GetActiveSnapshot());
		histories->scan = crm_index_beginscan(histories->rel, histories->index, histories->snapshot, 1);
		histories->row = table_slot_create(histories->rel, NULL);
	}
	RegisterExprContextCallback(info->econtext, close_histories, PointerGetDatum(histories));
	MemoryContextSwitchTo(caller);
	return fcinfo->flinfo->fn_extra = histories;
}

/* The scan keeps what it needs in the current memory context, and we are called in one that is reset for each row. */
static void
next_row(Histories *histories)
{
	MemoryContext caller = MemoryContextSwitchTo(histories->context);
	bool		isnull;

	histories->has_row = index_getnext_slot(histories->scan, ForwardScanDirection, histories->row);
	if (histories->has_row)
		histories->next = DatumGetInt64(slot_getattr(histories->row, histories->order_id, &isnull));
	MemoryContextSwitchTo(caller);
}

/* To the first step of an order; where there is none, to what comes after */
static void
find_history(Histories *histories, int64 order_id)
{
	ScanKeyData condition;
	MemoryContext caller;

	/* there is nothing between the last one and the next row */
	if (histories->is_placed && histories->last < order_id && (!histories->has_row || order_id <= histories->next))
		return;
	caller = MemoryContextSwitchTo(histories->context);
	ScanKeyEntryInitialize(&condition, 0, 1, BTGreaterEqualStrategyNumber, InvalidOid, InvalidOid,
						   F_INT8GE, Int64GetDatum(order_id));
	index_rescan(histories->scan, &condition, 1, NULL, 0);
	MemoryContextSwitchTo(caller);
	histories->is_placed = true;
	next_row(histories);
}

static void
read_by_index(Histories *histories, int64 order_id, Reached *reached)
{
	find_history(histories, order_id);
	while (histories->has_row && histories->next == order_id)
	{
		Datum		at = crm_get_not_null(histories->rel, histories->row, histories->at);
		Datum		status = crm_get_not_null(histories->rel, histories->row, histories->to_status);

		CHECK_FOR_INTERRUPTS();
		take_step(reached, DatumGetTimestampTz(at), DatumGetTextPP(status));
		next_row(histories);
	}
	histories->last = order_id;
}

static void
read_by_query(Histories *histories, int64 order_id, Reached *reached)
{
	Datum		value = Int64GetDatum(order_id);
	Oid			type = INT8OID;
	SPIPlanPtr	plan;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = crm_plan("SELECT at, to_status FROM " CRM_SCHEMA ".order_events WHERE order_id OPERATOR(pg_catalog.=) $1", 1, &type);
	if (SPI_execute_plan(plan, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		no_at,
					no_status;
		Datum		at = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &no_at);
		Datum		status = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &no_status);

		if (!no_at && !no_status)
			take_step(reached, DatumGetTimestampTz(at), DatumGetTextPP(status));
	}
	SPI_finish();
}

/*
 * crm_order_milestones(order_id bigint, OUT submitted_at timestamptz, ... OUT refunded_at timestamptz, OUT steps bigint)
 *		returns setof record
 *
 * When an order first reached each milestone, NULL if it has not, and how many steps its
 * history has; always one row. (A set, so that a view can have it in its list of columns once, and
 * take several columns of it.) With the rights of the caller: errors 42501 who may not read the
 * history; where policies hide rows, they do.
 */
Datum
crm_order_milestones(PG_FUNCTION_ARGS)
{
	Histories  *histories = fcinfo->flinfo->fn_extra;
	Reached		reached = {0};
	Datum		values[NMILESTONES + 1];
	bool		nulls[NMILESTONES + 1] = {false};

	if (histories == NULL)
		histories = open_histories(fcinfo);
	if (!PG_ARGISNULL(0) && histories->scan != NULL)
		read_by_index(histories, PG_GETARG_INT64(0), &reached);
	else if (!PG_ARGISNULL(0))
		read_by_query(histories, PG_GETARG_INT64(0), &reached);
	for (int i = 0; i < NMILESTONES; i++)
	{
		values[i] = TimestampTzGetDatum(reached.at[i]);
		nulls[i] = !reached.is_reached[i];
	}
	values[NMILESTONES] = Int64GetDatum(reached.steps);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(histories->desc, values, nulls)));
}
