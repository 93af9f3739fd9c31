/*
 * plans.c
 *		Statements of our own, planned once in each session.
 */
#include "crm.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "plans.h"

#define MAX_SQL	1024

typedef struct KnownPlan
{
	char		sql[MAX_SQL];	/* hash key */
	SPIPlanPtr	plan;
} KnownPlan;

static HTAB *plans = NULL;

SPIPlanPtr
crm_plan(const char *sql, int nargs, Oid *argtypes)
{
	KnownPlan  *entry;
	SPIPlanPtr	plan;

	if (strlen(sql) >= MAX_SQL)
		elog(ERROR, "statement is too long to be remembered");
	if (plans == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = MAX_SQL;
		ctl.entrysize = sizeof(KnownPlan);
		ctl.hcxt = TopMemoryContext;
		plans = hash_create("crm plans", 16, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	entry = hash_search(plans, sql, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->plan;

	plan = SPI_prepare(sql, nargs, argtypes);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	entry = hash_search(plans, sql, HASH_ENTER, NULL);
	entry->plan = plan;
	return plan;
}
