/*
 * owner.h
 *		Owners of tables: who is trusted, and what runs with their rights, as checks
 *		of foreign keys do.
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

/*
 * Anybody can put our triggers on a table of his own, and code beside them that raises
 * errors or sleeps. Whether a table is one that the current role deals with unasked:
 * his own, or one of a superuser or of the owner of crm.workflows, who could do
 * worse. False for one that has been dropped.
 */
extern bool crm_trusts_owner(Oid relid);

/*
 * Policies do not hide rows from the owner. What lies on the table may be code of
 * his: triggers, checks, functions that even a SELECT calls while it is planned. If
 * the table is not the caller's, neither harms the other: that code finds names in
 * pg_catalog only, whatever the caller's search_path, and leaves nothing behind that
 * would run as the caller, such as a deferred trigger.
 */
extern void crm_become_owner(Relation rel, CrmCaller *caller);

/*
 * The same for a write that a statement of the caller's brings about, if it may run
 * such code. Deferred triggers are not refused: at commit they run as the session's
 * role, or from PostgreSQL 18 on as the owner. The given bits of the security context
 * are set besides SECURITY_LOCAL_USERID_CHANGE.
 */
extern void crm_become_writer(Relation rel, int security, bool runs_code, CrmCaller *caller);

extern void crm_become_caller(const CrmCaller *caller);

#endif							/* CRM_OWNER_H */
