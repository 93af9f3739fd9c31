/*
 * owner.c
 *		Owners of tables: who is trusted, and what runs with their rights, as checks
 *		of foreign keys do.
 */
#include "crm.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "catalog.h"
#include "owner.h"

static void
pin_search_path(void)
{
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

bool
crm_trusts_owner(Oid relid)
{
	Oid			owner = crm_relation_owner(relid);

	return OidIsValid(owner) &&
		(owner == GetUserId() || owner == crm_relation_owner(crm_table_oid("workflows")) || superuser_arg(owner));
}

void
crm_become_owner(Relation rel, CrmCaller *caller)
{
	int			security = SECURITY_NOFORCE_RLS;

	GetUserIdAndSecContext(&caller->role, &caller->security);
	caller->gucs = NewGUCNestLevel();
	if (rel->rd_rel->relowner != caller->role)
	{
		security |= SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION;
		pin_search_path();
	}
	SetUserIdAndSecContext(rel->rd_rel->relowner, caller->security | security);
}

void
crm_become_writer(Relation rel, int security, bool runs_code, CrmCaller *caller)
{
	GetUserIdAndSecContext(&caller->role, &caller->security);
	caller->gucs = 0;
	if (runs_code && rel->rd_rel->relowner != caller->role)
	{
		caller->gucs = NewGUCNestLevel();
		pin_search_path();
	}
	SetUserIdAndSecContext(rel->rd_rel->relowner, caller->security | SECURITY_LOCAL_USERID_CHANGE | security);
}

void
crm_become_caller(const CrmCaller *caller)
{
	if (caller->gucs > 0)
		AtEOXact_GUC(false, caller->gucs);
	SetUserIdAndSecContext(caller->role, caller->security);
}
