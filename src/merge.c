/*
 * merge.c
 *		Executes the statement of a merge.
 *
 * It is as long as there are rollups, and to read and plan it takes as long as to
 * merge some thousand changes. So a session keeps its plan, which is good for any
 * changes, until there are other rollups.
 *
 * In that plan each rollup has a sort, a hash table or a buffer of its own, all at once,
 * each of which may take work_mem. They share it instead.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(crm_merge_changes);

static SPIPlanPtr kept_plan = NULL;
static char *kept_key = NULL;

static void
forget_plan(void)
{
	if (kept_plan != NULL)
		SPI_freeplan(kept_plan);
	if (kept_key != NULL)
		pfree(kept_key);
	kept_plan = NULL;
	kept_key = NULL;
}

/* The text of the statement, from the schema that we were installed in */
static char *
merge_statement(Oid function)
{
	char	   *sql = psprintf("SELECT %s()", quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
																		  "crm_merge_statement"));

	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "unexpected result of: %s", sql);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

static void
make_plan(const char *key, Oid function)
{
	Oid			types[2] = {INT8OID, BOOLOID};
	SPIPlanPtr	plan;

	forget_plan();
	plan = SPI_prepare_cursor(merge_statement(function), 2, types, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	kept_key = MemoryContextStrdup(TopMemoryContext, key);
	SPI_keepplan(plan);
	kept_plan = plan;
}

/* So many nodes that take memory come with a plan of any rollups, at least */
#define OTHER_NODES	3

/* Until the end of the GUC nest level that is returned, each node of the plan gets its share of work_mem. */
static int
share_work_mem(const char *key)
{
	int			level = NewGUCNestLevel();
	int			nodes = OTHER_NODES + 1;
	char		share[32];

	for (const char *c = key; *c != '\0'; c++)
		if (*c == '\n')
			nodes++;
	snprintf(share, sizeof(share), "%dkB", Max(64, work_mem / nodes));
	(void) set_config_option("work_mem", share, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/*
 * crm_merge_changes(key text, pages bigint, also_moved boolean, OUT taken bigint[],
 * OUT moved bigint, OUT written tid[])
 *
 * Moves what waits on the first pages of each change table into the kept sums and,
 * if so wanted, what has moved to another category or region. key says which
 * rollups there are. Returns how many changes were taken from each change table, how many
 * moves that were, and the first place that was written of each rollup, all by name. A part of
 * crm_merge_rollups(), which holds the locks. Rights: those of the caller on the tables.
 */
Datum
crm_merge_changes(PG_FUNCTION_ARGS)
{
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum		values[3] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	bool		nulls[3] = {false};
	MemoryContext caller = CurrentMemoryContext;
	TupleDesc	desc;
	HeapTuple	result;
	int			guc_level;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	guc_level = share_work_mem(key);
	SPI_connect();
	if (kept_plan == NULL || strcmp(kept_key, key) != 0)
		make_plan(key, fcinfo->flinfo->fn_oid);
	if (SPI_execute_plan(kept_plan, values, NULL, false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "unexpected result of a merge");
	for (int i = 0; i < lengthof(values); i++)
		values[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &nulls[i]);
	MemoryContextSwitchTo(caller);
	result = heap_form_tuple(BlessTupleDesc(desc), values, nulls);
	SPI_finish();
	AtEOXact_GUC(true, guc_level);
	PG_RETURN_DATUM(HeapTupleGetDatum(result));
}
