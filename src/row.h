/*
 * row.h
 *		Finds a row of a table with a workflow by its key.
 */
#ifndef CRM_ROW_H
#define CRM_ROW_H

#include "crm.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "door.h"

/* The row of a table that is not partitioned, as a snapshot sees it; false if there is none. Past the rights of the caller. */
extern bool crm_row_find(Relation rel, const Door *door, Datum key, Snapshot snapshot,
						 TupleTableSlot *row);

/*
 * The row in the version that is newest when its lock is ours, as SELECT ... FOR NO
 * KEY UPDATE has it at READ COMMITTED. Past the rights of the caller.
 */
extern bool crm_row_lock(Relation rel, const Door *door, Datum key, EState *estate,
						 TupleTableSlot *row);

/* Whether the caller, with the rights and policies that hold for him, sees the row. */
extern bool crm_row_is_visible(Relation rel, const Door *door, Datum key);

/*
 * The partition of a partitioned table where the row lies, in the active snapshot;
 * error SL001 if there is none. Past the rights of the caller.
 */
extern Oid	crm_row_partition(Relation rel, const Door *door, Datum key);

/* Error SL001 */
pg_noreturn extern void crm_row_refuse_missing(const Door *door, const char *row_name);

#endif							/* CRM_ROW_H */
