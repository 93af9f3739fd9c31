/*
 * stranded.c
 *		Rows by their status, in all the tables that follow a workflow.
 *
 * A workflow must not lose a status that rows stand in. To know that, nobody may be
 * on the way there: a step holds ROW EXCLUSIVE on its table until it commits. So
 * the tables are locked against that first, then counted with a snapshot that is
 * newer than the lock. Steps that wait for the lock meanwhile read the workflow
 * afterwards.
 */
#include "crm.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "door.h"
#include "owner.h"
#include "stranded.h"

/* For errors about a table that is not fit, and nobody has mentioned */
static void
follower_context(void *arg)
{
	errcontext("looking for the rows of table %s that follow workflow \"%s\"",
			   ((char **) arg)[0], ((char **) arg)[1]);
}

static bool
follows(Relation rel, const char *workflow)
{
	char	   *names[] = {crm_relation_name(rel), unconstify(char *, workflow)};
	ErrorContextCallback callback;
	const Door *door;

	callback.callback = follower_context;
	callback.arg = names;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	door = crm_door_get(rel);
	error_context_stack = callback.previous;
	return door->by_column || strcmp(NameStr(door->fixed_workflow), workflow) == 0;
}

List *
crm_lock_followers(const char *workflow, LOCKMODE lock)
{
	List	   *followers = NIL;
	ListCell   *lc;

	foreach(lc, crm_door_relations(NULL))
	{
		/* it may have been dropped since */
		Relation	rel = try_relation_open(lfirst_oid(lc), AccessShareLock);

		if (rel == NULL)
			continue;
		/* what another session has in memory of its own, it alone can read */
		if (!RELATION_IS_OTHER_TEMP(rel) && follows(rel, workflow))
		{
			LockRelationOid(RelationGetRelid(rel), lock);
			if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
				(void) find_all_inheritors(RelationGetRelid(rel), lock, NULL);
			followers = lappend_oid(followers, RelationGetRelid(rel));
		}
		table_close(rel, AccessShareLock);
	}
	return followers;
}

/* Append the rows of one table, status by status. */
static List *
count_in(List *standing, Relation rel, const char *workflow, Datum statuses, bool none_of_them)
{
	const Door *door = crm_door_get(rel);
	Oid			types[2] = {TEXTARRAYOID, TEXTOID};
	Datum		values[2] = {statuses, CStringGetTextDatum(workflow)};
	char	   *status = pstrdup(quote_identifier(NameStr(door->status_name)));
	MemoryContext context = CurrentMemoryContext;
	StringInfoData sql;
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s, pg_catalog.count(*) FROM %s %s WHERE %s OPERATOR(pg_catalog.%s ($1)%s GROUP BY 1 ORDER BY 1",
					 status, rel->rd_rel->relkind == RELKIND_RELATION ? "ONLY" : "", crm_relation_name(rel),
					 status, none_of_them ? "<>) ALL" : "=) ANY",
					 crm_of_workflow(door));
	SPI_connect();
	plan = SPI_prepare(sql.data, door->by_column ? 2 : 1, types);
	if (plan == NULL ||
		SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, true, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "unexpected result of: %s", sql.data);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		MemoryContext spi = MemoryContextSwitchTo(context);
		CrmStanding *found = palloc(sizeof(CrmStanding));
		bool		isnull;

		found->relid = RelationGetRelid(rel);
		found->table = crm_relation_name(rel);
		found->status = TextDatumGetCString(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
		found->rows = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
		standing = lappend(standing, found);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return standing;
}

List *
crm_count_standing(List *followers, const char *workflow, Datum statuses, bool none_of_them)
{
	List	   *standing = NIL;
	ListCell   *lc;

	foreach(lc, followers)
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);
		CrmCaller	caller;

		crm_become_owner(rel, &caller);
		standing = count_in(standing, rel, workflow, statuses, none_of_them);
		crm_become_caller(&caller);
		table_close(rel, NoLock);
	}
	return standing;
}

void
crm_refuse_stranding(const char *workflow, List *standing)
{
	StringInfoData list;
	Oid			table = InvalidOid;
	ListCell   *lc;

	initStringInfo(&list);
	foreach(lc, standing)
	{
		CrmStanding *rows = lfirst(lc);

		if (rows->relid == table)
			appendStringInfoString(&list, ", ");
		else
			appendStringInfo(&list, "%s%s: ", table == InvalidOid ? "" : "; ", rows->table);
		appendStringInfo(&list, "%lld in \"%s\"", (long long) rows->rows, rows->status);
		table = rows->relid;
	}
	ereport(ERROR,
			(errcode(ERRCODE_CRM_ROWS_STRANDED),
			 errmsg("workflow \"%s\" would lose a status that rows stand in", workflow),
			 errdetail("Rows of table %s.", list.data),
			 errhint("crm_migrate_workflow() moves them; its state map names a new status for each: {\"%s\": ...}.",
					 ((CrmStanding *) linitial(standing))->status)));
}

Datum
crm_state_names(const Workflow *w, const Workflow *without, int *n)
{
	Datum	   *names = palloc(sizeof(Datum) * w->nstates);
	int			kept = 0;

	for (int i = 0; i < w->nstates; i++)
	{
		const char *name = WF_STATE_NAME(w, i);

		if (without == NULL || crm_workflow_find_state(without, name, strlen(name)) < 0)
			names[kept++] = CStringGetTextDatum(name);
	}
	if (n != NULL)
		*n = kept;
	return PointerGetDatum(construct_array(names, kept, TEXTOID, -1, false, TYPALIGN_INT));
}
