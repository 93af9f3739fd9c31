/*
 * history.h
 *		Appends a row to an event table.
 */
#ifndef CRM_HISTORY_H
#define CRM_HISTORY_H

#include "crm.h"

#include "commands/trigger.h"
#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "door.h"

typedef struct HistoryRow
{
	Datum		key;
	int32		seq;
	TimestampTz at;
	text	   *event;
	text	   *from;			/* NULL for the first one */
	text	   *to;
	TimestampTz left_at;		/* when from was reached, if there is a from */
	const char *actor;			/* NULL: the one of the session */
	text	   *note;			/* NULL if none */
	text	   *request_key;	/* NULL if none */
	bool		forced;
	text	   *workflow;		/* under which it was taken */
	int32		workflow_version;
	bool		has_request_hash;
	int64		request_hash;	/* of a request that places an order */
} HistoryRow;

/* An event table that is open for writing; only context is set before it is. */
typedef struct HistoryWriter
{
	MemoryContext context;		/* lasts as long as it may be open */
	ResourceOwner owner;		/* what is open belongs to it: not for rows that a subtransaction within writes */
	EState	   *estate;			/* NULL if it is not open */
	Relation	history;
	ResultRelInfo *info;
	TupleTableSlot *slot;
	bool		captured;		/* the trigger that tells the change tables of an event is left out */
} HistoryWriter;

/*
 * Append what has happened to a row of rel, as it is now. of_order is NULL, or with what the
 * change tables are to be told of the row as well (capture.h). writer is NULL, or for all
 * rows of one statement: it is left open if it can be.
 */
extern void crm_history_append(Relation rel, const Door *door, TupleTableSlot *now,
							   const HistoryRow *row, TriggerData *of_order,
							   HistoryWriter *writer);

extern void crm_history_close(HistoryWriter *writer);

/*
 * What was recorded with that request key: *found gets the row's key, event,
 * status and request hash, in memory of their own. False if there is nothing.
 */
extern bool crm_history_find_request(Relation rel, const Door *door, text *request_key,
									 HistoryRow *found);

#endif							/* CRM_HISTORY_H */
