/*
 * changes.c
 *		The change tables: what writers have done to the figures since the last merge.
 *
 * A writer appends signed rows and touches no figure, so writers never wait for
 * each other. The rows go straight into the heap: no index, no trigger, no SPI.
 *
 * They go to its end, never into room that merged changes have left. So a merge can
 * say from which page on something waits (crm.change_tables), and a reader begins
 * there: it need not step over what was merged long ago and stays only because
 * somebody holds an old snapshot.
 *
 * There are two tables of each kind. When the first has grown, writers go to the
 * second. So nothing new comes to the first, and once all of it is merged and
 * nobody holds a snapshot from before, it is emptied; then they come back.
 *
 * Where the end is, a writer finds out under a share lock on the number of page 0,
 * which he gives back as soon as his row is written. A merge takes the same lock
 * exclusively, for no longer than it takes to get it: whoever writes afterwards has
 * seen the end as the merge has, or a later one.
 *
 * VACUUM (TRUNCATE) must not cut such pages off: writers would begin again before the page
 * that readers begin at. So each merge leaves a mark on the last page, a row of NULLs, which is
 * no change and stays until the table is emptied.
 *
 * A batch of steps, and a statement that changes lines, hold their rows back and write
 * them page by page.
 */
#include "crm.h"

#include "access/heapam.h"
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
#include "storage/smgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
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
PG_FUNCTION_INFO_V1(crm_prune_changes);

#define MAX_COLUMNS 12

/* With so many pages a table has grown (as crm_empty_changes() has it) */
#define MANY_PAGES 1000

/* About so many changes lie on a page */
#define ROWS_OF_PAGE 100

/* So many rows of a table are held back at most */
#define MAX_HELD 500

/* Where the columns lie in a table, good while relid is its OID */
typedef struct Columns
{
	Oid			relid;
	AttrNumber	numbers[MAX_COLUMNS];
	AttrNumber	written_at;
} Columns;

typedef struct ChangeKind
{
	const char *names[2];		/* of the tables; the second may be missing */
	int			ncolumns;
	struct
	{
		const char *name;
		Oid			type;
	}			columns[MAX_COLUMNS];
	Columns		found[2];
	/* what a batch holds back */
	TupleTableSlot **held;		/* NULL if nothing has been yet */
	int			nheld;
	int			held_for;		/* which of the tables */
} ChangeKind;

static ChangeKind line_changes = {{"line_changes_1", "line_changes_2"}, 9, {
		{"day", DATEOID}, {"product_id", INT8OID}, {"customer_id", INT8OID}, {"owner", TEXTOID},
		{"currency", TEXTOID}, {"workflow", TEXTOID}, {"lines", INT4OID}, {"quantity", INT8OID},
		{"amount", INT8OID}
}};
static ChangeKind order_changes = {{"order_changes_1", "order_changes_2"}, 12, {
		{"day", DATEOID}, {"customer_id", INT8OID}, {"owner", TEXTOID}, {"currency", TEXTOID},
		{"workflow", TEXTOID}, {"status", TEXTOID}, {"left_status", TEXTOID}, {"orders", INT4OID},
		{"total", INT8OID}, {"stepped_on", DATEOID}, {"event", TEXTOID}, {"dwell", INT8OID}
}};
static ChangeKind event_changes = {{"event_changes_1", "event_changes_2"}, 6, {
		{"day", DATEOID}, {"event", TEXTOID}, {"from_status", TEXTOID}, {"to_status", TEXTOID},
		{"events", INT4OID}, {"dwell", INT8OID}
}};
static ChangeKind dimension_changes = {{"dimension_changes", NULL}, 2, {
		{"dimension", TEXTOID}, {"id", INT8OID}
}};

static ChangeKind *const kinds[] = {&line_changes, &order_changes, &event_changes, &dimension_changes};

static void
forget_columns(Oid relid)
{
	for (int i = 0; i < lengthof(kinds); i++)
		for (int j = 0; j < lengthof(kinds[i]->found); j++)
			if (relid == InvalidOid || relid == kinds[i]->found[j].relid)
				kinds[i]->found[j].relid = InvalidOid;
}

/* What we write goes past indexes, triggers and defaults: a table that counts on them is not for us. */
static void
check_table(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	const char *found = NULL;

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		found = "It is not an ordinary table.";
	else if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		found = "It is unlogged: a crash would empty it.";
	else if (desc->constr != NULL && desc->constr->num_check > 0)
		found = "It has a CHECK constraint.";
	else if (RelationGetIndexList(rel) != NIL)
		found = "It has an index.";
	else if (rel->trigdesc != NULL && (rel->trigdesc->trig_insert_before_row || rel->trigdesc->trig_insert_after_row ||
									   rel->trigdesc->trig_insert_before_statement || rel->trigdesc->trig_insert_after_statement))
		found = "It has a trigger on INSERT.";
	for (int i = 0; i < desc->natts && found == NULL; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && (att->attnotnull || att->atthasdef || att->attidentity != '\0'))
			found = psprintf("Column \"%s\" is NOT NULL or has a default.", NameStr(att->attname));
	}
	if (found != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("change table %s cannot be written to", crm_relation_name(rel)),
				 errdetail_internal("%s", found),
				 errhint("The database writes this table past all of that; take it away again.")));
}

static void
find_columns(ChangeKind *kind, Columns *columns, Relation rel)
{
	if (columns->relid == RelationGetRelid(rel))
		return;
	check_table(rel);
	for (int i = 0; i < kind->ncolumns; i++)
		columns->numbers[i] = crm_column(rel, kind->columns[i].name, kind->columns[i].type);
	columns->written_at = crm_column(rel, "written_at", TIMESTAMPTZOID);
	columns->relid = RelationGetRelid(rel);
}

/* The table that is written to now; the lock stays until the end of the transaction. */
static Relation
open_table(ChangeKind *kind, int *which)
{
	Relation	rel = table_open(crm_table_oid(kind->names[0]), RowExclusiveLock);
	BlockNumber last = RelationGetTargetBlock(rel);

	*which = 0;
	/* its last page when we were here last will do; the end of the file if we never were */
	if (kind->names[1] != NULL && (last == InvalidBlockNumber ? RelationGetNumberOfBlocks(rel) : last + 1) >= MANY_PAGES)
	{
		/* not to be at the one that is to be emptied */
		table_close(rel, RowExclusiveLock);
		*which = 1;
		rel = table_open(crm_table_oid(kind->names[1]), RowExclusiveLock);
	}
	find_columns(kind, &kind->found[*which], rel);
	return rel;
}

/* The subtransaction whose changes are held back, and where */
static SubTransactionId holder = InvalidSubTransactionId;
static bool is_held_for_statement = false;
static MemoryContext held_context;

/* Events of a batch are alike; those are one change. */
static EventChange held_event;
static bool has_held_event = false;

static void
fill(const ChangeKind *kind, const Columns *columns, TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < kind->ncolumns; i++)
	{
		slot->tts_values[columns->numbers[i] - 1] = values[i];
		slot->tts_isnull[columns->numbers[i] - 1] = nulls[i];
	}
	slot->tts_values[columns->written_at - 1] = TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
	slot->tts_isnull[columns->written_at - 1] = false;
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

/* At the end of the table */
static void
write_at_end(Relation rel, TupleTableSlot **slots, int n)
{
	BlockNumber pages;

	LockPage(rel, 0, ShareLock);
	pages = RelationGetNumberOfBlocks(rel);
	RelationSetTargetBlock(rel, pages == 0 ? InvalidBlockNumber : pages - 1);
	if (n == 1)
		table_tuple_insert(rel, slots[0], GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, NULL);
	else
		table_multi_insert(rel, slots, n, GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, NULL);
	UnlockPage(rel, 0, ShareLock);
}

static void
write_rows(Relation rel, TupleTableSlot **slots, int n)
{
	/*
	 * Readers' scans of a range of pages leave no predicate locks behind; that of crm.change_tables,
	 * which tells them where to begin, does.
	 */
	if (IsolationIsSerializable())
	{
		Relation	list = table_open(crm_table_oid("change_tables"), AccessShareLock);

		CheckForSerializableConflictIn(list, NULL, InvalidBlockNumber);
		table_close(list, AccessShareLock);
	}

	write_at_end(rel, slots, n);
	crm_count_changes(n);
	want_merge_after(slots, n);
}

static void
write_held(ChangeKind *kind)
{
	Relation	rel;

	if (kind->nheld == 0)
		return;
	rel = table_open(crm_table_oid(kind->names[kind->held_for]), RowExclusiveLock);
	if (!equalTupleDescs(RelationGetDescr(rel), kind->held[0]->tts_tupleDescriptor))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("change table %s was altered while it was written to", crm_relation_name(rel)),
				 errhint("Look for a trigger that does so.")));
	write_rows(rel, kind->held, kind->nheld);
	kind->nheld = 0;
	table_close(rel, NoLock);
}

/* The next row to be held back, empty */
static TupleTableSlot *
next_held(ChangeKind *kind)
{
	if (kind->held == NULL)
	{
		Relation	rel = open_table(kind, &kind->held_for);
		MemoryContext caller = MemoryContextSwitchTo(held_context);
		TupleDesc	desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));

		kind->held = palloc(sizeof(TupleTableSlot *) * MAX_HELD);
		for (int i = 0; i < MAX_HELD; i++)
			kind->held[i] = MakeTupleTableSlot(desc, &TTSOpsHeapTuple);
		MemoryContextSwitchTo(caller);
		table_close(rel, NoLock);
	}
	else if (kind->nheld == MAX_HELD)
		write_held(kind);
	return kind->held[kind->nheld++];
}

/* Several rows, one behind the other in values and nulls */
static void
append_rows(ChangeKind *kind, Datum (*values)[MAX_COLUMNS], bool (*nulls)[MAX_COLUMNS], int n)
{
	Relation	rel;
	TupleTableSlot *slots[CRM_MAX_LINE_CHANGES];
	int			which;

	/* what a subtransaction within has to tell goes with it should it roll back */
	if (holder != InvalidSubTransactionId && holder == GetCurrentSubTransactionId())
	{
		for (int i = 0; i < n; i++)
		{
			TupleTableSlot *slot = next_held(kind);

			fill(kind, &kind->found[kind->held_for], slot, values[i], nulls[i]);
			ExecMaterializeSlot(slot);
		}
		return;
	}
	rel = open_table(kind, &which);
	for (int i = 0; i < n; i++)
	{
		slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(rel), n == 1 ? &TTSOpsVirtual : &TTSOpsHeapTuple);
		fill(kind, &kind->found[which], slots[i], values[i], nulls[i]);
	}
	write_rows(rel, slots, n);
	for (int i = 0; i < n; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	table_close(rel, NoLock);
}

static void
append(ChangeKind *kind, Datum *values, bool *nulls)
{
	append_rows(kind, (Datum (*)[MAX_COLUMNS]) values, (bool (*)[MAX_COLUMNS]) nulls, 1);
}

static void
put_text(Datum *values, bool *nulls, int i, text *value)
{
	values[i] = PointerGetDatum(value);
	nulls[i] = value == NULL;
}

void
crm_append_line_changes(const LineChange *changes, int n)
{
	Datum		values[CRM_MAX_LINE_CHANGES][MAX_COLUMNS];
	bool		nulls[CRM_MAX_LINE_CHANGES][MAX_COLUMNS] = {{false}};

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		values[i][0] = DateADTGetDatum(changes[i].day);
		values[i][1] = Int64GetDatum(changes[i].product_id);
		values[i][2] = Int64GetDatum(changes[i].customer_id);
		put_text(values[i], nulls[i], 3, changes[i].owner);
		put_text(values[i], nulls[i], 4, changes[i].currency);
		put_text(values[i], nulls[i], 5, changes[i].workflow);
		values[i][6] = Int32GetDatum(changes[i].lines);
		values[i][7] = Int64GetDatum(changes[i].quantity);
		values[i][8] = Int64GetDatum(changes[i].amount);
	}
	append_rows(&line_changes, values, nulls, n);
}

void
crm_append_order_change(const OrderChange *change, const EventChange *event)
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
	values[9] = DateADTGetDatum(event == NULL ? 0 : event->day);
	values[10] = PointerGetDatum(event == NULL ? NULL : event->event);
	values[11] = Int64GetDatum(event == NULL ? 0 : event->dwell);
	nulls[9] = nulls[10] = nulls[11] = event == NULL;
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

	if (has_held_event && held_event.day == change->day && crm_same_text(held_event.event, change->event) &&
		crm_same_text(held_event.from_status, change->from_status) && crm_same_text(held_event.to_status, change->to_status) &&
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
	/* until it is merged, readers look at all that was sold of a product, or to a customer */
	crm_want_merge();
}

static void
start_holding(MemoryContext parent)
{
	held_context = AllocSetContextCreate(parent, "crm held changes", ALLOCSET_DEFAULT_SIZES);
	holder = GetCurrentSubTransactionId();
}

static void
write_all_held(void)
{
	if (has_held_event)
		append_event_change(&held_event);
	for (int i = 0; i < lengthof(kinds); i++)
		write_held(kinds[i]);
}

/* What was held back lies in held_context, which goes its own way. */
static void
stop_holding(void)
{
	holder = InvalidSubTransactionId;
	has_held_event = false;
	for (int i = 0; i < lengthof(kinds); i++)
	{
		kinds[i]->held = NULL;
		kinds[i]->nheld = 0;
	}
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
	start_holding(CurrentMemoryContext);
	PG_TRY();
	{
		action(arg);
		write_all_held();
	}
	PG_FINALLY();
	{
		stop_holding();
		MemoryContextDelete(held_context);
	}
	PG_END_TRY();
}

void
crm_hold_line_changes(void)
{
	if (holder != InvalidSubTransactionId)
		return;
	start_holding(CurTransactionContext);
	is_held_for_statement = true;
}

void
crm_write_line_changes(void)
{
	if (!is_held_for_statement || holder != GetCurrentSubTransactionId())
		return;
	write_all_held();
	stop_holding();
	is_held_for_statement = false;
	MemoryContextDelete(held_context);
}

/* An error undoes what was held back. The end of a statement that nobody told of comes with that of the transaction. */
static void
end_holding(bool is_commit, SubTransactionId ending)
{
	if (!is_held_for_statement || holder != ending)
		return;
	if (is_commit)
		crm_write_line_changes();
	else
	{
		stop_holding();
		is_held_for_statement = false;
	}
}

static void
at_end_of_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		end_holding(true, GetCurrentSubTransactionId());
	else if (event == XACT_EVENT_ABORT)
		end_holding(false, holder);
}

static void
at_end_of_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
		end_holding(true, mine);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		end_holding(false, mine);
}

void
crm_changes_init(void)
{
	crm_on_relation_change(forget_columns);
	RegisterXactCallback(at_end_of_transaction, NULL);
	RegisterSubXactCallback(at_end_of_subtransaction, NULL);
}

/*
 * Open a change table for a merge. No other table: what is done to it goes past SQL, so somebody could
 * have rows written into a table of his own that its columns do not allow, and crash who reads them.
 */
static Relation
open_for_merge(Oid relid)
{
	bool		is_ours = false;
	Relation	rel;

	for (int i = 0; i < lengthof(kinds); i++)
		for (int j = 0; j < lengthof(kinds[i]->names); j++)
			is_ours |= kinds[i]->names[j] != NULL && crm_table_oid(kinds[i]->names[j]) == relid;
	if (!is_ours)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table %s is not a change table", crm_name_of_relation(relid))));
	if (!crm_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	rel = table_open(relid, RowExclusiveLock);
	check_table(rel);
	return rel;
}

/*
 * crm_first_waiting_page(changes regclass, first bigint) returns bigint
 *
 * The page of a change table from which on something waits, or may come to wait,
 * after this transaction has taken what it saw; first is what it was before. Leaves a mark there or
 * behind it, so that neither VACUUM nor a crash makes the table end before. To be called by a merge
 * only, which is one at a time. Errors: 42809 on another table, 42501 for who does not own it, 55000 if it
 * has what is written past.
 */
Datum
crm_first_waiting_page(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	BlockNumber first = (BlockNumber) PG_GETARG_INT64(1);
	Relation	rel = open_for_merge(relid);
	BlockNumber last;
	TableScanDesc scan;
	TupleTableSlot *slot;
	AttrNumber	day;
	SnapshotData dirty;
	ItemPointerData from,
				to;

	last = RelationGetNumberOfBlocks(rel);
	if (first >= last)
	{
		table_close(rel, NoLock);
		PG_RETURN_INT64(0);
	}
	/* whoever has seen an earlier end has written his row now */
	LockPage(rel, 0, ExclusiveLock);
	UnlockPage(rel, 0, ExclusiveLock);

	slot = table_slot_create(rel, NULL);
	day = crm_column(rel, "day", DATEOID);
	last--;
	if (last > first)
	{
		/* what others have written, committed or not, and we have not taken */
		InitDirtySnapshot(dirty);
		ItemPointerSet(&from, first, FirstOffsetNumber);
		ItemPointerSet(&to, last - 1, MaxOffsetNumber);
		scan = table_beginscan_tidrange(rel, &dirty, &from, &to);
		while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
			if (!slot_attisnull(slot, day))
			{
				last = ItemPointerGetBlockNumber(&slot->tts_tid);
				break;
			}
		table_endscan(scan);
	}
	ExecStoreAllNullTuple(slot);
	write_at_end(rel, &slot, 1);
	ExecDropSingleTupleTableSlot(slot);
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
	Relation	rel = table_open(crm_table_oid("change_tables"), AccessShareLock);
	TransactionId oldest = GetOldestNonRemovableTransactionId(rel);

	table_close(rel, AccessShareLock);
	PG_RETURN_BOOL(TransactionIdPrecedes(XidFromFullTransactionId(transaction), oldest));
}

/*
 * crm_prune_changes(changes regclass)
 *
 * Cleans the pages of a change table in which nothing waits, before it is emptied.
 * TRUNCATE takes rows away from everybody, also from who has an older snapshot. There is nobody here who has
 * (crm_is_seen_by_all), but a standby does not always tell: there, what is pruned conflicts with
 * the snapshots that still show it, as with VACUUM. Errors: as above.
 */
Datum
crm_prune_changes(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = open_for_merge(relid);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);

	for (BlockNumber page = 0; page < pages; page++)
	{
		Buffer		buffer = ReadBuffer(rel, page);

		CHECK_FOR_INTERRUPTS();
		/* or PostgreSQL would not find it worth while */
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		if (!PageIsNew(BufferGetPage(buffer)))
			PageSetFull(BufferGetPage(buffer));
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		heap_page_prune_opt(rel, buffer);
		ReleaseBuffer(buffer);
	}
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}
