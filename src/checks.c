/*
 * checks.c
 *		CHECK constraints that are not read anew for each statement of ours.
 *
 * PostgreSQL keeps a CHECK constraint as text, and each statement that writes rows
 * reads the text of all constraints of its table. That is a third of the work of
 * placing an order. So they are kept as read, for each table until that changes,
 * and a statement of ours gets copies of them as the executor starts. It plans
 * and evaluates them as ever, with the rights of its own role.
 */
#include "crm.h"

#include "executor/executor.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "catalog.h"
#include "checks.h"

typedef struct KnownChecks
{
	Oid			relid;			/* hash key */
	bool		valid;
	MemoryContext context;		/* of what follows */
	List	   *checks;			/* NULL for one that is not enforced */
} KnownChecks;

static HTAB *tables = NULL;
static ExecutorStart_hook_type next_hook = NULL;

/* whether the statement that starts next is ours */
static bool is_ours = false;

static void
forget_checks(Oid relid)
{
	HASH_SEQ_STATUS scan;
	KnownChecks *known;

	if (tables == NULL)
		return;
	hash_seq_init(&scan, tables);
	while ((known = hash_seq_search(&scan)) != NULL)
		if (relid == InvalidOid || known->relid == relid)
			known->valid = false;
}

/* The constraints of a table, as read. A copy: while a statement runs, what is kept may change. */
static List *
copy_checks(Relation rel)
{
	const TupleConstr *constraints = RelationGetDescr(rel)->constr;
	Oid			relid = RelationGetRelid(rel);
	KnownChecks *known;
	MemoryContext caller;
	bool		found;

	if (tables == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(KnownChecks);
		ctl.hcxt = TopMemoryContext;
		tables = hash_create("crm checks", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	known = hash_search(tables, &relid, HASH_ENTER, &found);
	if (!found)
	{
		known->valid = false;
		known->context = NULL;
	}
	if (known->valid)
		return copyObject(known->checks);

	if (known->context == NULL)
		known->context = AllocSetContextCreate(TopMemoryContext, "crm checks", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(known->context);
	caller = MemoryContextSwitchTo(known->context);
	known->checks = NIL;
	for (int i = 0; i < constraints->num_check; i++)
		known->checks = lappend(known->checks, crm_check_is_enforced(&constraints->check[i]) ?
								stringToNode(constraints->check[i].ccbin) : NULL);
	MemoryContextSwitchTo(caller);
	known->valid = true;
	return copyObject(known->checks);
}

/* Make what ExecConstraints() would make at the first row. */
static void
give_checks(EState *estate)
{
	MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);
	ListCell   *cell;

	foreach(cell, estate->es_opened_result_relations)
	{
		ResultRelInfo *info = lfirst(cell);
		const TupleConstr *constraints = RelationGetDescr(info->ri_RelationDesc)->constr;
		List	   *checks;
		ExprState **states;

		if (constraints == NULL || constraints->num_check == 0 || crm_has_generated_virtual(constraints))
			continue;
		checks = copy_checks(info->ri_RelationDesc);
		states = palloc0(sizeof(ExprState *) * list_length(checks));
		for (int i = 0; i < list_length(checks); i++)
			if (list_nth(checks, i) != NULL)
				states[i] = ExecPrepareExpr(list_nth(checks, i), estate);
		crm_check_exprs(info) = states;
	}
	MemoryContextSwitchTo(caller);
}

static void
start_executor(QueryDesc *query, int flags)
{
	bool		ours = is_ours;

	is_ours = false;
	if (next_hook != NULL)
		next_hook(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (ours)
		give_checks(query->estate);
}

int
crm_execute_write(SPIPlanPtr plan, Datum *values)
{
	is_ours = true;
	return SPI_execute_plan(plan, values, NULL, false, 0);
}

void
crm_checks_init(void)
{
	crm_on_relation_change(forget_checks);
	next_hook = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
