/*
 * owner.c
 *		What runs with the rights of a table's owner, as checks of foreign keys do.
 */
#include "crm.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "owner.h"

static void
become(Relation rel, CrmCaller *caller, int security)
{
	GetUserIdAndSecContext(&caller->role, &caller->security);
	SetUserIdAndSecContext(rel->rd_rel->relowner, caller->security | security);
	caller->gucs = NewGUCNestLevel();
}

void
crm_become_owner(Relation rel, CrmCaller *caller)
{
	become(rel, caller, SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

void
crm_become_owner_of_code(Relation rel, CrmCaller *caller)
{
	int			security = SECURITY_NOFORCE_RLS;

	if (rel->rd_rel->relowner != GetUserId())
		security |= SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION;
	become(rel, caller, security);
}

void
crm_become_caller(const CrmCaller *caller)
{
	AtEOXact_GUC(false, caller->gucs);
	SetUserIdAndSecContext(caller->role, caller->security);
}
