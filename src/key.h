/*
 * key.h
 *		The key of a row: as callers give it, as the table has it, as people read it.
 */
#ifndef CRM_KEY_H
#define CRM_KEY_H

#include "crm.h"

#include "executor/tuptable.h"

#include "door.h"

/* Whether two keys name the same row */
extern bool crm_same_key(const Door *door, Datum a, Datum b);

/*
 * A key of type bigint, uuid or text as the table has it; false if it is beyond
 * what a key of the table can be. Error 42804 for a type that has nothing to do
 * with the table's, 22P02 for a text that is none of its values.
 */
extern bool crm_key_convert(const Door *door, Datum given, Oid type, Datum *key);

/* What people call the row: order 42, or row "42" of table crm.tickets */
extern char *crm_row_name(const Door *door, Datum key);
extern char *crm_row_name_of(const Door *door, TupleTableSlot *row);
extern char *crm_row_name_by_text(const Door *door, const char *key);

#endif							/* CRM_KEY_H */
