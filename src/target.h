/*
 * target.h
 *		The row that a call is about.
 */
#ifndef CRM_TARGET_H
#define CRM_TARGET_H

#include "crm.h"

#include "storage/lockdefs.h"
#include "utils/rel.h"

#include "door.h"

typedef struct CrmTarget
{
	Relation	rel;
	const Door *door;
	Datum		key;
} CrmTarget;

/*
 * Open the table that the first arguments name, with that lock: relation and
 * key, or the key of an order. Error SL001 for a key that no row can have.
 */
extern void crm_target_open(FunctionCallInfo fcinfo, const char *function, LOCKMODE lock,
							CrmTarget *target);

/* The table of an OID that the caller gives; error 42P01 if there is none, 42809 if it is something else */
extern Relation crm_target_table(Oid relid, LOCKMODE lock);

/* Error 22004 */
pg_noreturn extern void crm_refuse_null(const char *function, const char *argument);

#endif							/* CRM_TARGET_H */
