/*
 * owner.h
 *		What runs with the rights of a table's owner, as checks of foreign keys do.
 */
#ifndef CRM_OWNER_H
#define CRM_OWNER_H

#include "crm.h"

#include "utils/rel.h"

/* Who we were before; an error puts that right by itself. */
typedef struct CrmCaller
{
	Oid			role;
	int			security;
	int			gucs;			/* nesting level of settings */
} CrmCaller;

/* For statements that run no code of the user's: policies do not hide rows from them. */
extern void crm_become_owner(Relation rel, CrmCaller *caller);

/*
 * For those that do, as their triggers fire. If the table is not the caller's,
 * that code is kept from leaving anything behind that would run as the caller.
 */
extern void crm_become_owner_of_code(Relation rel, CrmCaller *caller);

extern void crm_become_caller(const CrmCaller *caller);

#endif							/* CRM_OWNER_H */
