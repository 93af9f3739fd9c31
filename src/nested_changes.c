/*
 * nested_changes.c
 *		Changes of orders in the midst of a statement that writes lines.
 *
 * A statement writes all its lines with one number of a command, whenever it comes to
 * each. A trigger or function that it calls may change their order in between, by
 * commands with higher numbers. Those tell of the lines that are there by then, and
 * not of the ones that the statement is yet to write: that is not to be seen from the
 * numbers, so it is noted here, until the transaction is over.
 *
 * What is rolled back may stay noted. Nothing of it is found again: numbers of commands
 * only grow, and the order after a command that was rolled back is the one before it.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "nested_changes.h"

/* A version of a line; its place may be used again by what another subtransaction writes */
typedef struct VersionKey
{
	ItemPointerData place;
	TransactionId writer;
} VersionKey;

typedef struct ToldLine
{
	VersionKey	key;
	CommandId	first;			/* command that told of it, and the last one */
	CommandId	last;
} ToldLine;

typedef struct ChangedOrder
{
	int64		id;				/* hash key */
	List	   *commands;		/* integers */
} ChangedOrder;

/* All of it is of this transaction; NULL if there is nothing */
static MemoryContext notes = NULL;
static HTAB *orders;
static HTAB *told_lines;

static void
forget(void *arg)
{
	notes = NULL;
}

static void
begin_notes(void)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "crm nested changes", ALLOCSET_SMALL_SIZES);
	MemoryContextCallback *at_end = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));
	HASHCTL		ctl = {0};

	ctl.hcxt = context;
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(ChangedOrder);
	orders = hash_create("crm changed orders", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.keysize = sizeof(VersionKey);
	ctl.entrysize = sizeof(ToldLine);
	told_lines = hash_create("crm lines told of", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	at_end->func = forget;
	MemoryContextRegisterResetCallback(context, at_end);
	notes = context;
}

bool
crm_note_nested_change(Relation lines, int64 order_id, CommandId command)
{
	ChangedOrder *order;
	MemoryContext caller;
	bool		found;

	/* somebody has the table open besides our caller, and this transaction writes to it */
	if (lines->rd_refcnt == 1 || !CheckRelationLockedByMe(lines, RowExclusiveLock, true))
		return false;
	if (notes == NULL)
		begin_notes();
	caller = MemoryContextSwitchTo(notes);
	order = hash_search(orders, &order_id, HASH_ENTER, &found);
	if (!found)
		order->commands = NIL;
	order->commands = lappend_int(order->commands, (int) command);
	MemoryContextSwitchTo(caller);
	return true;
}

static HeapTupleHeader
header_of(TupleTableSlot *line)
{
	return ExecFetchSlotHeapTuple(line, false, NULL)->t_data;
}

static ToldLine *
find_line(TupleTableSlot *line, HASHACTION action, bool *found)
{
	VersionKey	key;

	memset(&key, 0, sizeof(key));
	key.place = line->tts_tid;
	key.writer = HeapTupleHeaderGetRawXmin(header_of(line));
	return hash_search(told_lines, &key, action, found);
}

void
crm_note_line_told_of(TupleTableSlot *line, CommandId command)
{
	bool		found;
	ToldLine   *told = find_line(line, HASH_ENTER, &found);

	/* an outer command tells after those that it has called */
	told->first = found ? Min(told->first, command) : command;
	told->last = found ? Max(told->last, command) : command;
}

/* The command of ours that has replaced a version, or one that there is not */
static CommandId
replacing_command(HeapTupleHeader version)
{
	if ((version->t_infomask & HEAP_XMAX_INVALID) || HEAP_XMAX_IS_LOCKED_ONLY(version->t_infomask) ||
		!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(version)))
		return InvalidCommandId;
	return HeapTupleHeaderGetCmax(version);
}

CommandId
crm_command_of_order(int64 order_id, TupleTableSlot *line, bool is_new, CommandId command)
{
	const ChangedOrder *order = notes == NULL ? NULL : hash_search(orders, &order_id, HASH_FIND, NULL);
	const ToldLine *told;
	CommandId	before;
	ListCell   *cell;

	if (order == NULL)
		return command;
	told = find_line(line, HASH_FIND, NULL);
	if (!is_new)
		return told == NULL ? command : Max(command, told->last);
	/* what did not tell of it came before it was written, or after it was replaced */
	before = told != NULL ? told->first : replacing_command(header_of(line));
	foreach(cell, order->commands)
	{
		CommandId	nested = (CommandId) lfirst_int(cell);

		if (nested < before)
			command = Max(command, nested);
	}
	return command;
}
