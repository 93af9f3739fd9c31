/*
 * lookup.h
 *		Finds single rows of our tables by an index, past the rights of the caller.
 */
#ifndef CRM_LOOKUP_H
#define CRM_LOOKUP_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/*
 * What a trigger sees of other tables: what is committed now, or in a transaction
 * that has one snapshot, what that shows.
 */
extern Snapshot crm_reading_snapshot(void);

/* An index by which a value of that column alone is there once at most, InvalidOid if there is none (or no column) */
extern Oid	crm_find_unique_index(Relation rel, AttrNumber column);

/* The same of a text column; an error if there is none */
extern Oid	crm_unique_index(Relation rel, const char *column);

/* The primary key; an error if it is not the columns of these names */
extern Oid	crm_primary_key(Relation rel, const char *first, const char *second);

/* The row with that key (bigint or text, equal says which); false if there is none */
extern bool crm_find_row(Relation rel, Oid index, RegProcedure equal, Datum key,
						 Snapshot snapshot, TupleTableSlot *row);

/*
 * Of an index of two columns: the row with the highest second one that has the
 * first, and whose second is not above a limit if there is one
 */
typedef struct CrmLastKey
{
	RegProcedure first_equal;
	Datum		first;
	RegProcedure second_le;		/* InvalidOid if there is no limit */
	Datum		limit;
} CrmLastKey;

extern bool crm_find_last_row(Relation rel, Oid index, const CrmLastKey *key,
							  Snapshot snapshot, TupleTableSlot *row);

/*
 * The next number of a child of an order, which is locked: rows are keyed
 * (order_id, number). Sees those that the running statement has written.
 */
extern int32 crm_next_number(Relation rel, const char *number, int64 order_id);

#endif							/* CRM_LOOKUP_H */
