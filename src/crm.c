/*
 * crm.c
 *		Module magic, settings and start-up. Nothing else happens here.
 */
#include "crm.h"

#include "mb/pg_wchar.h"
#include "utils/guc.h"

#include "capture.h"
#include "catalog.h"
#include "changes.h"
#include "checks.h"
#include "door.h"
#include "guards.h"
#include "merge_worker.h"
#include "settings.h"
#include "workflow_cache.h"

PG_MODULE_MAGIC;

char	   *crm_actor = NULL;

typedef enum CreateTables
{
	CREATE_TABLES_OFF,
	CREATE_TABLES_ON,
	CREATE_TABLES_AUTO
} CreateTables;

static const struct config_enum_entry create_tables_options[] = {
	{"auto", CREATE_TABLES_AUTO, false},
	{"on", CREATE_TABLES_ON, false},
	{"off", CREATE_TABLES_OFF, false},
	{"true", CREATE_TABLES_ON, true},
	{"false", CREATE_TABLES_OFF, true},
	{"yes", CREATE_TABLES_ON, true},
	{"no", CREATE_TABLES_OFF, true},
	{"1", CREATE_TABLES_ON, true},
	{"0", CREATE_TABLES_OFF, true},
	{NULL, 0, false}
};

/* read by the install script, see sql/handover.sql */
static int	create_tables = CREATE_TABLES_AUTO;

PGDLLEXPORT void _PG_init(void);

/* ALTER ROLE ... SET may bring a value from a database in another encoding. */
static bool
check_actor(char **newval, void **extra, GucSource source)
{
	if (*newval != NULL && !pg_verifymbstr(*newval, strlen(*newval), true))
	{
		GUC_check_errdetail("It is not valid in the encoding of this database.");
		return false;
	}
	return true;
}

void
_PG_init(void)
{
	DefineCustomStringVariable("crm.actor",
							   "Who acts, for the history of orders.",
							   "If empty, the history names the database role.",
							   &crm_actor, "", PGC_USERSET, 0,
							   check_actor, NULL, NULL);
	DefineCustomEnumVariable("crm.create_tables",
							 "Whether CREATE EXTENSION crm creates the tables.",
							 "\"auto\" does unless row_security is off, as in a restore, where the dump brings them.",
							 &create_tables, CREATE_TABLES_AUTO, create_tables_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	crm_merge_worker_init();
	MarkGUCPrefixReserved("crm");

	crm_catalog_init();
	crm_workflow_cache_init();
	crm_settings_init();
	crm_door_init();
	crm_guards_init();
	crm_changes_init();
	crm_capture_init();
	crm_checks_init();
}
