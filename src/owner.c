/*
 * owner.c
 *		What runs with the rights of a table's owner, as checks of foreign keys do.
 */
#include "crm.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "owner.h"

void
crm_become_owner(Relation rel, CrmCaller *caller)
{
	int			security = SECURITY_NOFORCE_RLS;

	GetUserIdAndSecContext(&caller->role, &caller->security);
	caller->gucs = NewGUCNestLevel();
	if (rel->rd_rel->relowner != caller->role)
	{
		security |= SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION;
		(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	SetUserIdAndSecContext(rel->rd_rel->relowner, caller->security | security);
}

void
crm_become_caller(const CrmCaller *caller)
{
	AtEOXact_GUC(false, caller->gucs);
	SetUserIdAndSecContext(caller->role, caller->security);
}
