/*
 * timers.c
 *		crm_run_timers(): takes the steps that come by themselves.
 *
 * Each table is read by the index on status_until, the row that is due longest
 * first, and each row is locked as it is read; what somebody else has locked is left
 * to him, or to the other runner that he is. The BEFORE trigger decides by the
 * clock and the row as locked; status_until only says when to look.
 *
 * A row whose timers may not come, as their guards do not hold or something
 * raises an error, is put off, so that it is not in the way of the others.
 *
 * Whoever makes a table may have code on it. So each is dealt with as its owner, not
 * as the runner, who may be a superuser. And that code may raise errors that end
 * the run, or sleep: a table of somebody who is not trusted has to be named.
 */
#include "crm.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "advance.h"
#include "attempt.h"
#include "catalog.h"
#include "door.h"
#include "key.h"
#include "owner.h"
#include "target.h"

PG_FUNCTION_INFO_V1(crm_run_timers);

/* Rows that are taken from one table before it is the turn of the next */
#define MAX_ROWS	100

/* A table, and the rows of it that are taken together */
typedef struct TimedTable
{
	Relation	rel;
	const Door *door;
	TimestampTz moment;
	Portal		due;			/* keys; NULL if there are no more */
	int			wanted;			/* rows, MAX_ROWS at most */
	CrmStep		steps[MAX_ROWS];
	int			nsteps;
	CrmStep    *current;		/* when they are taken one by one */
} TimedTable;

/* Whether the current role may take steps of the table's rows */
static bool
may_update_status(Relation rel, const Door *door)
{
	Oid			relid = RelationGetRelid(rel);

	return pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) == ACLCHECK_OK ||
		pg_attribute_aclcheck(relid, door->status, GetUserId(), ACL_UPDATE) == ACLCHECK_OK;
}

/* Leaves table->due NULL if the table has no timers. */
static void
open_due(void *arg)
{
	TimedTable *table = arg;
	char	   *key;
	Oid			types[1] = {TIMESTAMPTZOID};
	Datum		values[1] = {TimestampTzGetDatum(table->moment)};
	SPIPlanPtr	plan;
	char	   *sql;
	CrmCaller	caller;

	table->door = crm_door_get(table->rel);
	if (table->door->status_until == InvalidAttrNumber)
		return;
	if (!may_update_status(table->rel, table->door))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(table->rel));
	key = pstrdup(quote_identifier(NameStr(table->door->key_name)));
	sql = psprintf("SELECT %s FROM %s WHERE status_until OPERATOR(pg_catalog.<=) $1 ORDER BY status_until"
				   " FOR NO KEY UPDATE SKIP LOCKED", key, crm_relation_name(table->rel));
	crm_become_owner(table->rel, &caller);
	/* the first rows soon, by the index: not all that are due are wanted */
	plan = SPI_prepare_cursor(sql, 1, types, CURSOR_OPT_FAST_PLAN | CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	table->due = SPI_cursor_open(NULL, plan, values, NULL, false);
	crm_become_caller(&caller);
}

/* Whether the current role may update anything of the table, which is not locked yet */
static bool
may_update(Oid relid)
{
	bool		is_missing = false;

	return pg_class_aclcheck_ext(relid, GetUserId(), ACL_UPDATE, &is_missing) == ACLCHECK_OK ||
		(!is_missing && pg_attribute_aclcheck_all(relid, GetUserId(), ACL_UPDATE, ACLMASK_ANY) == ACLCHECK_OK);
}

/* A table, unless somebody has locked it, or dropped it meanwhile; nobody is waited for. */
static Relation
open_if_free(Oid relid)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	/* what another session has in memory of its own, it alone can read */
	if (rel != NULL && RELATION_IS_OTHER_TEMP(rel))
	{
		relation_close(rel, NoLock);
		rel = NULL;
	}
	if (rel == NULL)
		UnlockRelationOid(relid, RowExclusiveLock);
	return rel;
}

static TimedTable *
make_table(Relation rel, TimestampTz moment)
{
	TimedTable *table = palloc0(sizeof(TimedTable));

	table->rel = rel;
	table->moment = moment;
	return table;
}

static void
warn_of_table(const TimedTable *table, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("timers of table %s were left out", crm_relation_name(table->rel)),
			 errdetail("%s", error->message)));
}

/*
 * All tables with a workflow whose owner is trusted and that the role may update. One
 * that cannot be read is passed over with a warning.
 */
static List *
open_tables(TimestampTz moment)
{
	List	   *tables = NIL;
	bool		any_denied = false;
	bool		any_allowed = false;
	ListCell   *lc;

	foreach(lc, crm_door_relations(NULL))
	{
		Oid			relid = lfirst_oid(lc);
		Relation	rel;
		TimedTable *table;
		ErrorData  *error;

		if (!crm_trusts_owner(relid))
			continue;
		if (!may_update(relid))
		{
			any_denied = true;
			continue;
		}
		any_allowed = true;
		rel = open_if_free(relid);
		if (rel == NULL)
			continue;
		table = make_table(rel, moment);
		tables = lappend(tables, table);
		error = crm_attempt(open_due, table);
		if (error != NULL)
			warn_of_table(table, error);
	}
	if (any_denied && !any_allowed)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to run timers"),
				 errdetail("Role \"%s\" may update no table with a workflow.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("It needs UPDATE of the status, as for steps by hand.")));
	return tables;
}

/* The one that is named */
static List *
open_table(Oid relid, TimestampTz moment)
{
	TimedTable *table = make_table(crm_target_table(relid, RowExclusiveLock), moment);

	open_due(table);
	return list_make1(table);
}

static void
fetch_steps(void *arg)
{
	TimedTable *table = arg;
	const Door *door = table->door;

	SPI_cursor_fetch(table->due, true, table->wanted);
	table->nsteps = SPI_processed;
	for (int i = 0; i < table->nsteps; i++)
	{
		CrmStep    *step = &table->steps[i];
		bool		isnull;
		Datum		key = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		memset(step, 0, sizeof(*step));
		step->kind = CRM_STEP_TIMER;
		step->key = datumCopy(key, door->key_byval, door->key_len);
		step->moment = table->moment;
		step->expected_version = -1;
		step->context = CurrentMemoryContext;
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
take_all(void *arg)
{
	TimedTable *table = arg;

	for (int i = 0; i < table->nsteps; i++)
	{
		CHECK_FOR_INTERRUPTS();
		crm_advance_row(table->rel, table->door, &table->steps[i]);
	}
}

static void
take_one(void *arg)
{
	TimedTable *table = arg;

	crm_advance_row(table->rel, table->door, table->current);
}

/* Each in a subtransaction; one that raises an error is put off. */
static void
take_one_by_one(TimedTable *table)
{
	for (int i = 0; i < table->nsteps; i++)
	{
		CrmStep    *step = table->current = &table->steps[i];
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		/* what was noted down for all of them is undone */
		step->resolved = step->postponed = step->recorded = false;
		error = crm_attempt(take_one, table);
		if (error == NULL)
			continue;
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("the timer of %s failed", crm_row_name(table->door, step->key)),
				 errdetail("%s", error->message),
				 errhint("It is tried again in an hour, or when the row has changed.")));
		step->resolved = false;
		step->kind = CRM_STEP_POSTPONE;
		/* should even that fail, its turn comes with each run, and it does not count */
		if (crm_attempt(take_one, table) != NULL)
			step->postponed = false;
	}
}

/*
 * crm_run_timers(max integer DEFAULT 1000, relation regclass DEFAULT NULL) returns integer
 *
 * Takes the timers ("after 14 days") that are due when the statement begins, and
 * returns how many steps that were: of that table, or of all tables that have a column
 * status_until, belong to the caller, to a superuser or to the owner of
 * crm.workflows, and are not locked by somebody else; the caller must be allowed to
 * update the status. The steps are taken with the rights of the table's owner:
 * policies hide no rows from them, guards and triggers run as him. max bounds the
 * number of rows that are looked at. Each step is recorded as an event named by the
 * label of its edge, with the actor "timer". Rows that somebody else has locked are
 * left out. A row whose guards do not hold is looked at again when its next timer
 * comes, or in an hour, or once it has changed; so is one that raises an error, with a
 * WARNING. A table that does, as a whole, is left out with a WARNING.
 *
 * Errors: 22004 for a null max, 22023 for a negative one, 42501 if there are
 * timers, but none that the caller may run, 42P01, 42809 and 55000 for a relation
 * that is no table with a workflow, 25006 in a read-only transaction, 40001 if a row
 * has changed since the snapshot of a REPEATABLE READ transaction; what attempt.c
 * does not go on after.
 */
Datum
crm_run_timers(PG_FUNCTION_ARGS)
{
	int			left;
	int			nsteps = 0;
	TimestampTz moment;
	List	   *tables;
	ListCell   *lc;
	bool		any_left = true;
	MemoryContext rows;
	MemoryContext caller;

	if (PG_ARGISNULL(0))
		crm_refuse_null("crm_run_timers", "max");
	left = PG_GETARG_INT32(0);
	if (left < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must not be negative"),
				 errdetail("It is %d.", left),
				 errhint("Give the number of rows that one call deals with at most.")));
	PreventCommandIfReadOnly("crm_run_timers()");

	SPI_connect();
	moment = GetCurrentStatementStartTimestamp();
	tables = PG_ARGISNULL(1) ? open_tables(moment) : open_table(PG_GETARG_OID(1), moment);
	rows = AllocSetContextCreate(CurrentMemoryContext, "crm timers", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(rows);
	while (left > 0 && any_left)
	{
		any_left = false;
		foreach(lc, tables)
		{
			TimedTable *table = lfirst(lc);
			CrmCaller	runner;
			ErrorData  *error;

			if (table->due == NULL || left == 0)
				continue;
			MemoryContextReset(rows);
			table->wanted = Min(left, MAX_ROWS);
			table->nsteps = 0;
			crm_become_owner(table->rel, &runner);
			error = crm_attempt(fetch_steps, table);
			if (table->nsteps > 0 && crm_attempt(take_all, table) != NULL)
				take_one_by_one(table);
			crm_become_caller(&runner);
			if (error != NULL)
				warn_of_table(table, error);
			if (table->nsteps == 0)
			{
				SPI_cursor_close(table->due);
				table->due = NULL;
				continue;
			}
			any_left = true;
			for (int i = 0; i < table->nsteps; i++)
			{
				if (table->steps[i].resolved)
					nsteps++;
				if (table->steps[i].resolved || table->steps[i].postponed)
					left--;
			}
		}
	}
	MemoryContextSwitchTo(caller);
	foreach(lc, tables)
	{
		TimedTable *table = lfirst(lc);

		if (table->due != NULL)
			SPI_cursor_close(table->due);
		relation_close(table->rel, NoLock);
	}
	SPI_finish();
	PG_RETURN_INT32(nsteps);
}
