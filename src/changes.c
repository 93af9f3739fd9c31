/*
 * changes.c
 *		The change tables: what writers have done to the figures since the last merge.
 *
 * A writer appends signed rows and touches no figure, so writers never wait for
 * each other. The rows go straight into the heap: no index, no trigger, no SPI.
 *
 * They go to its end, never into room that merged changes have left. So a merge can
 * say from which page on something waits (crm.merge_state), and a reader begins
 * there: it need not step over what was merged long ago and stays only because
 * somebody holds an old snapshot. Once nobody does and nothing waits, the table is
 * emptied.
 *
 * Where the end is, a writer finds out under a share lock on the number of page 0,
 * which he gives back as soon as his row is written. A merge takes the same lock
 * exclusively, for no longer than it takes to get it: whoever writes afterwards has
 * seen the end as the merge has, or a later one.
 *
 * A batch of steps holds its rows back and writes them page by page.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "access/transam.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "catalog.h"
#include "changes.h"
#include "door.h"
#include "merge_worker.h"

PG_FUNCTION_INFO_V1(crm_first_waiting_page);
PG_FUNCTION_INFO_V1(crm_is_seen_by_all);

#define MAX_COLUMNS 9

/* About so many changes lie on a page */
#define ROWS_OF_PAGE 100

/* So many rows of a table are held back at most */
#define MAX_HELD 500

typedef struct ChangeTable
{
	const char *name;
	int			ncolumns;
	struct
	{
		const char *name;
		Oid			type;
	}			columns[MAX_COLUMNS];
	Oid			relid;			/* whose columns are: */
	AttrNumber	numbers[MAX_COLUMNS];
	/* what a batch holds back */
	TupleTableSlot **held;		/* NULL if nothing has been yet */
	int			nheld;
} ChangeTable;

static ChangeTable line_changes = {"line_changes", 9, {
		{"day", DATEOID}, {"product_id", INT8OID}, {"customer_id", INT8OID}, {"owner", TEXTOID},
		{"currency", TEXTOID}, {"workflow", TEXTOID}, {"lines", INT4OID}, {"quantity", INT8OID},
		{"amount", INT8OID}
}};
static ChangeTable order_changes = {"order_changes", 9, {
		{"day", DATEOID}, {"customer_id", INT8OID}, {"owner", TEXTOID}, {"currency", TEXTOID},
		{"workflow", TEXTOID}, {"status", TEXTOID}, {"left_status", TEXTOID}, {"orders", INT4OID},
		{"total", INT8OID}
}};
static ChangeTable event_changes = {"event_changes", 6, {
		{"day", DATEOID}, {"event", TEXTOID}, {"from_status", TEXTOID}, {"to_status", TEXTOID},
		{"events", INT4OID}, {"dwell", INT8OID}
}};
static ChangeTable dimension_changes = {"dimension_changes", 2, {
		{"dimension", TEXTOID}, {"id", INT8OID}
}};

static ChangeTable *const tables[] = {&line_changes, &order_changes, &event_changes, &dimension_changes};

static void
forget_columns(Oid relid)
{
	for (int i = 0; i < lengthof(tables); i++)
		if (relid == InvalidOid || relid == tables[i]->relid)
			tables[i]->relid = InvalidOid;
}

void
crm_changes_init(void)
{
	crm_on_relation_change(forget_columns);
}

static void
find_columns(ChangeTable *table, Relation rel)
{
	/* what an index would need, we do not do */
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relhasindex)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("change table %s is not an ordinary table without indexes", crm_relation_name(rel)),
				 errhint("Drop its indexes.")));
	for (int i = 0; i < table->ncolumns; i++)
		table->numbers[i] = crm_column(rel, table->columns[i].name, table->columns[i].type);
	table->relid = RelationGetRelid(rel);
}

/* The subtransaction whose changes are held back, and where */
static SubTransactionId holder = InvalidSubTransactionId;
static MemoryContext held_context;

/* Events of a batch are alike; those are one change. */
static EventChange held_event;
static bool has_held_event = false;

static void
fill(const ChangeTable *table, TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < table->ncolumns; i++)
	{
		slot->tts_values[table->numbers[i] - 1] = values[i];
		slot->tts_isnull[table->numbers[i] - 1] = nulls[i];
	}
	ExecStoreVirtualTuple(slot);
}

/* Whoever is the first on each so-and-so-many-th page calls for a merge; most steps write to two tables. */
static void
want_merge_after(TupleTableSlot **slots, int n)
{
	for (int i = 0; i < n; i++)
		if (ItemPointerGetOffsetNumber(&slots[i]->tts_tid) == FirstOffsetNumber &&
			(ItemPointerGetBlockNumber(&slots[i]->tts_tid) + 1) % (crm_merge_threshold / 2 / ROWS_OF_PAGE) == 0)
		{
			crm_want_merge();
			return;
		}
}

static void
write_rows(Relation rel, TupleTableSlot **slots, int n)
{
	BlockNumber pages;

	/*
	 * Readers' scans of a range of pages leave no predicate locks behind; that of crm.merge_state,
	 * which tells them where to begin, does.
	 */
	if (IsolationIsSerializable())
	{
		Relation	state = table_open(crm_table_oid("merge_state"), AccessShareLock);

		CheckForSerializableConflictIn(state, NULL, InvalidBlockNumber);
		table_close(state, AccessShareLock);
	}

	LockPage(rel, 0, ShareLock);
	pages = RelationGetNumberOfBlocks(rel);
	RelationSetTargetBlock(rel, pages == 0 ? InvalidBlockNumber : pages - 1);
	if (n == 1)
		table_tuple_insert(rel, slots[0], GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, NULL);
	else
		table_multi_insert(rel, slots, n, GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, NULL);
	UnlockPage(rel, 0, ShareLock);
	want_merge_after(slots, n);
}

static void
write_held(ChangeTable *table)
{
	Relation	rel;

	if (table->nheld == 0)
		return;
	rel = table_open(crm_table_oid(table->name), RowExclusiveLock);
	if (!equalTupleDescs(RelationGetDescr(rel), table->held[0]->tts_tupleDescriptor))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("change table %s was altered while it was written to", crm_relation_name(rel)),
				 errhint("Look for a trigger that does so.")));
	write_rows(rel, table->held, table->nheld);
	table->nheld = 0;
	table_close(rel, NoLock);
}

/* The next row to be held back, empty */
static TupleTableSlot *
next_held(ChangeTable *table)
{
	if (table->held == NULL)
	{
		Relation	rel = table_open(crm_table_oid(table->name), RowExclusiveLock);
		MemoryContext caller = MemoryContextSwitchTo(held_context);
		TupleDesc	desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));

		find_columns(table, rel);
		table->held = palloc(sizeof(TupleTableSlot *) * MAX_HELD);
		for (int i = 0; i < MAX_HELD; i++)
			table->held[i] = MakeTupleTableSlot(desc, &TTSOpsHeapTuple);
		MemoryContextSwitchTo(caller);
		/* the lock stays until the end of the transaction */
		table_close(rel, NoLock);
	}
	else if (table->nheld == MAX_HELD)
		write_held(table);
	return table->held[table->nheld++];
}

static void
append(ChangeTable *table, const Datum *values, const bool *nulls)
{
	Relation	rel;
	TupleTableSlot *slot;

	/* what a subtransaction within has to tell goes with it should it roll back */
	if (holder != InvalidSubTransactionId && holder == GetCurrentSubTransactionId())
	{
		slot = next_held(table);
		fill(table, slot, values, nulls);
		ExecMaterializeSlot(slot);
		return;
	}
	rel = table_open(crm_table_oid(table->name), RowExclusiveLock);
	if (table->relid != RelationGetRelid(rel))
		find_columns(table, rel);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	fill(table, slot, values, nulls);
	write_rows(rel, &slot, 1);
	ExecDropSingleTupleTableSlot(slot);
	/* the lock stays until the end of the transaction */
	table_close(rel, NoLock);
}

static void
put_text(Datum *values, bool *nulls, int i, text *value)
{
	values[i] = PointerGetDatum(value);
	nulls[i] = value == NULL;
}

void
crm_append_line_change(const LineChange *change)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS] = {false};

	values[0] = DateADTGetDatum(change->day);
	values[1] = Int64GetDatum(change->product_id);
	values[2] = Int64GetDatum(change->customer_id);
	put_text(values, nulls, 3, change->owner);
	put_text(values, nulls, 4, change->currency);
	put_text(values, nulls, 5, change->workflow);
	values[6] = Int32GetDatum(change->lines);
	values[7] = Int64GetDatum(change->quantity);
	values[8] = Int64GetDatum(change->amount);
	append(&line_changes, values, nulls);
}

void
crm_append_order_change(const OrderChange *change)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS] = {false};

	values[0] = DateADTGetDatum(change->day);
	values[1] = Int64GetDatum(change->customer_id);
	put_text(values, nulls, 2, change->owner);
	put_text(values, nulls, 3, change->currency);
	put_text(values, nulls, 4, change->workflow);
	put_text(values, nulls, 5, change->status);
	put_text(values, nulls, 6, change->left_status);
	values[7] = Int32GetDatum(change->orders);
	values[8] = Int64GetDatum(change->total);
	append(&order_changes, values, nulls);
}

static void
append_event_change(const EventChange *change)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS] = {false};

	values[0] = DateADTGetDatum(change->day);
	put_text(values, nulls, 1, change->event);
	put_text(values, nulls, 2, change->from_status);
	put_text(values, nulls, 3, change->to_status);
	values[4] = Int32GetDatum(change->events);
	values[5] = Int64GetDatum(change->dwell);
	append(&event_changes, values, nulls);
}

static bool
same(const text *a, const text *b)
{
	return a == NULL || b == NULL ? a == b : crm_same_text(a, b);
}

static text *
copy(text *value)
{
	return value == NULL ? NULL : DatumGetTextPCopy(PointerGetDatum(value));
}

/* Add it to the one that is held back, or hold it back in its place. */
static void
hold_event(const EventChange *change)
{
	MemoryContext caller;
	int64		dwell;

	if (has_held_event && held_event.day == change->day && same(held_event.event, change->event) &&
		same(held_event.from_status, change->from_status) && same(held_event.to_status, change->to_status) &&
		!pg_add_s64_overflow(held_event.dwell, change->dwell, &dwell))
	{
		held_event.events += change->events;
		held_event.dwell = dwell;
		return;
	}
	if (has_held_event)
		append_event_change(&held_event);
	has_held_event = true;
	caller = MemoryContextSwitchTo(held_context);
	held_event = *change;
	held_event.event = copy(change->event);
	held_event.from_status = copy(change->from_status);
	held_event.to_status = copy(change->to_status);
	MemoryContextSwitchTo(caller);
}

void
crm_append_event_change(const EventChange *change)
{
	if (holder != InvalidSubTransactionId && holder == GetCurrentSubTransactionId())
		hold_event(change);
	else
		append_event_change(change);
}

void
crm_append_dimension_change(const char *dimension, int64 id)
{
	Datum		values[MAX_COLUMNS] = {CStringGetTextDatum(dimension), Int64GetDatum(id)};
	bool		nulls[MAX_COLUMNS] = {false};

	append(&dimension_changes, values, nulls);
}

void
crm_hold_changes(void (*action) (void *), void *arg)
{
	/* one within another is in a subtransaction of its own */
	if (holder != InvalidSubTransactionId)
	{
		action(arg);
		return;
	}
	held_context = AllocSetContextCreate(CurrentMemoryContext, "crm held changes", ALLOCSET_DEFAULT_SIZES);
	holder = GetCurrentSubTransactionId();
	PG_TRY();
	{
		action(arg);
		if (has_held_event)
			append_event_change(&held_event);
		for (int i = 0; i < lengthof(tables); i++)
			write_held(tables[i]);
	}
	PG_FINALLY();
	{
		holder = InvalidSubTransactionId;
		has_held_event = false;
		for (int i = 0; i < lengthof(tables); i++)
		{
			tables[i]->held = NULL;
			tables[i]->nheld = 0;
		}
		MemoryContextDelete(held_context);
	}
	PG_END_TRY();
}

/* The last page below this one that has rows on it, so that a crash does not lose it; else first */
static BlockNumber
last_used_page(Relation rel, BlockNumber first, BlockNumber page)
{
	while (page > first)
	{
		Buffer		buffer = ReadBuffer(rel, page);
		bool		is_used;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		is_used = PageGetMaxOffsetNumber(BufferGetPage(buffer)) > 0;
		UnlockReleaseBuffer(buffer);
		if (is_used)
			break;
		page--;
	}
	return page;
}

/*
 * crm_first_waiting_page(changes regclass, first bigint) returns bigint
 *
 * The page of a change table from which on something waits, or may come to wait,
 * after this transaction has taken what it saw; first is what it was before. To be called by a merge
 * only, which is one at a time. Errors: 42501 for who does not own the table.
 */
Datum
crm_first_waiting_page(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	BlockNumber first = (BlockNumber) PG_GETARG_INT64(1);
	Relation	rel = table_open(relid, RowExclusiveLock);
	BlockNumber pages;
	BlockNumber last;
	TableScanDesc scan;
	TupleTableSlot *slot;
	SnapshotData dirty;
	ItemPointerData from,
				to;

	if (!crm_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(rel));
	pages = RelationGetNumberOfBlocks(rel);
	if (pages == 0 || first >= pages)
	{
		table_close(rel, NoLock);
		PG_RETURN_INT64(0);
	}
	/* whoever has seen an earlier end has written his row now */
	LockPage(rel, 0, ExclusiveLock);
	UnlockPage(rel, 0, ExclusiveLock);

	last = last_used_page(rel, first, pages - 1);
	if (last > first)
	{
		/* what others have written, committed or not, and we have not taken */
		InitDirtySnapshot(dirty);
		ItemPointerSet(&from, first, FirstOffsetNumber);
		ItemPointerSet(&to, last - 1, MaxOffsetNumber);
		slot = table_slot_create(rel, NULL);
		scan = table_beginscan_tidrange(rel, &dirty, &from, &to);
		if (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
			last = ItemPointerGetBlockNumber(&slot->tts_tid);
		table_endscan(scan);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
	PG_RETURN_INT64(last);
}

/*
 * crm_is_seen_by_all(transaction xid8) returns boolean
 *
 * Whether no snapshot is left, here or in a standby that tells us of its own
 * (hot_standby_feedback), which is older than a transaction.
 */
Datum
crm_is_seen_by_all(PG_FUNCTION_ARGS)
{
	FullTransactionId transaction = PG_GETARG_FULLTRANSACTIONID(0);
	Relation	rel = table_open(crm_table_oid("merge_state"), AccessShareLock);
	TransactionId oldest = GetOldestNonRemovableTransactionId(rel);

	table_close(rel, AccessShareLock);
	PG_RETURN_BOOL(TransactionIdPrecedes(XidFromFullTransactionId(transaction), oldest));
}
