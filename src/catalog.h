/*
 * catalog.h
 *		Finds our tables and their columns by name, as they are now: they are the
 *		user's tables, so nothing about them is taken for granted.
 */
#ifndef CRM_CATALOG_H
#define CRM_CATALOG_H

#include "crm.h"

#include "access/attnum.h"
#include "utils/rel.h"

/* OID of a table in schema crm; an error if there is none */
extern Oid	crm_table_oid(const char *name);

/* Number of a column of that type; an error if it is missing or of another type. */
extern AttrNumber crm_column(Relation rel, const char *name, Oid type);

/* "crm.orders", quoted where needed, in memory of its own */
extern char *crm_relation_name(Relation rel);
/* The same of one that is not open; its number if it has been dropped */
extern char *crm_name_of_relation(Oid relid);

/* The role that owns a relation, InvalidOid if it has been dropped */
extern Oid	crm_relation_owner(Oid relid);

/*
 * Lock a name that something in the table goes by, such as a request key, until the
 * end of the transaction, whether a row has it or not
 */
extern void crm_lock_name(Oid relid, const text *name);

/*
 * Have forget(relid) called whenever a relation changes or, for one of our
 * cached tables, a row of it does. InvalidOid means any relation.
 */
extern void crm_on_relation_change(void (*forget) (Oid relid));

/* The same, with InvalidOid, whenever anything of a kind changes: PROCOID, a function, for example */
extern void crm_on_catalog_change(int cache, void (*forget) (Oid relid));

/* How many of both there were: what was looked up meanwhile is not to be remembered if there are more than before */
extern uint64 crm_changes_heard_of(void);

extern void crm_catalog_init(void);

#endif							/* CRM_CATALOG_H */
