/*
 * guards.c
 *		Conditions of steps: the rows of crm.guards, compiled as CHECK constraints are.
 *
 * A guard is read with a search_path that no caller can change, so its names mean
 * the same for everybody; it runs with the rights of the caller. The analysed
 * expression is kept by each backend until the guard, its table or a function
 * changes. It is planned anew for each use, as planning looks at the rights of
 * the current role; that costs a few microseconds, for guarded steps only.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "door.h"
#include "guards.h"
#include "owner.h"
#include "trigger.h"
#include "workflow.h"
#include "workflow_cache.h"

PG_FUNCTION_INFO_V1(crm_check_guard);
PG_FUNCTION_INFO_V1(crm_check_workflow_guards);

typedef struct GuardKey
{
	Oid			relid;			/* of a partition, its own */
	char		workflow[NAMEDATALEN];
	char		name[WF_MAX_NAME + 1];
} GuardKey;

typedef struct Guard
{
	GuardKey	key;			/* hash key */
	Node	   *condition;		/* analysed, not planned */
	char	   *message;		/* NULL if none is given */
} Guard;

static MemoryContext guards_context = NULL; /* everything below lives here */
static HTAB *guards = NULL;
static bool guards_valid = false;

/* Only a mark: a guard may be running right now. */
static void
forget_guards(Oid relid)
{
	guards_valid = false;
}

void
crm_guards_init(void)
{
	crm_on_relation_change(forget_guards);
	crm_on_catalog_change(PROCOID, forget_guards);
	crm_on_catalog_change(OPEROID, forget_guards);
	crm_on_catalog_change(TYPEOID, forget_guards);
}

static void
empty_guards(void)
{
	HASHCTL		ctl = {0};

	if (guards_context == NULL)
		guards_context = AllocSetContextCreate(TopMemoryContext, "crm guards", ALLOCSET_SMALL_SIZES);
	guards = NULL;				/* in case of an error before the new one is there */
	MemoryContextReset(guards_context);
	ctl.keysize = sizeof(GuardKey);
	ctl.entrysize = sizeof(Guard);
	ctl.hcxt = guards_context;
	guards = hash_create("crm guards", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* For errors of the parser, and of the guard when it runs */
typedef struct GuardName
{
	const char *workflow;
	const char *guard;
	const char *condition;		/* NULL unless it is being read */
} GuardName;

static void
guard_context(void *arg)
{
	GuardName  *name = arg;
	int			position = geterrposition();

	/* a place in the condition, not in the statement of the client */
	if (name->condition != NULL && position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(name->condition);
	}
	errcontext("guard \"%s\" of workflow \"%s\"", name->guard, name->workflow);
}

static void
refuse_condition(const char *what, const char *condition)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("the condition of a guard %s", what),
			 condition ? errdetail("It is: %s", condition) : 0,
			 errhint("A condition is one boolean expression over the columns of the row, as in a CHECK constraint.")));
}

/* The text as the grammar sees it: one expression and nothing around it */
static Node *
parse_condition(const char *text)
{
	List	   *raw = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select;
	ResTarget  *target;

	if (list_length(raw) != 1 || !IsA(linitial_node(RawStmt, raw)->stmt, SelectStmt))
		refuse_condition("is not an expression", text);
	select = (SelectStmt *) linitial_node(RawStmt, raw)->stmt;
	if (select->distinctClause != NIL || select->intoClause != NULL || select->fromClause != NIL ||
		select->whereClause != NULL || select->groupClause != NIL || select->havingClause != NULL ||
		select->windowClause != NIL || select->valuesLists != NIL || select->sortClause != NIL ||
		select->limitOffset != NULL || select->limitCount != NULL || select->lockingClause != NIL ||
		select->withClause != NULL || select->op != SETOP_NONE || list_length(select->targetList) != 1)
		refuse_condition("is more than one expression", text);
	target = linitial_node(ResTarget, select->targetList);
	if (target->name != NULL || target->indirection != NIL)
		refuse_condition("is more than one expression", text);
	return target->val;
}

/* The CHECK of a domain may call any function, and ALTER DOMAIN changes it. */
static bool
converts_to_domain(Node *node, void *context)
{
	return node != NULL &&
		(IsA(node, CoerceToDomain) || expression_tree_walker(node, converts_to_domain, context));
}

/*
 * A condition means the same to whoever takes a step: it is read anew in each session, so what
 * decides how it is read is not for the session to say.
 */
static const struct
{
	const char *setting;
	const char *value;
}			readings[] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"standard_conforming_strings", "on"},
	{"backslash_quote", "safe_encoding"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"xmloption", "content"},
	{"datestyle", "ISO, MDY"},
	{"intervalstyle", "postgres"},
	{"timezone", "UTC"},
};

/*
 * As cookConstraint() does it for a CHECK constraint, and no code with effects. A
 * partition may have its columns in another order than the table that the guard
 * is for, so it gets a reading of its own, under the name of that table.
 */
static Node *
analyse_condition(Relation rel, const char *table, const char *text)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *condition;
	Bitmapset  *columns = NULL;
	int			gucs = NewGUCNestLevel();

	for (int i = 0; i < lengthof(readings); i++)
		(void) set_config_option(readings[i].setting, readings[i].value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	pstate->p_sourcetext = text;
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, makeAlias(table, NIL), false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	condition = transformExpr(pstate, parse_condition(text), EXPR_KIND_CHECK_CONSTRAINT);
	condition = coerce_to_boolean(pstate, condition, "a guard");
	assign_expr_collations(pstate, condition);
	AtEOXact_GUC(true, gucs);

	if (contain_volatile_functions(condition))
		refuse_condition("calls a volatile function", text);
	if (converts_to_domain(condition, NULL))
		refuse_condition("converts to a domain", text);
	pull_varattnos(condition, 1, &columns);
	if (bms_next_member(columns, -1) >= 0 &&
		bms_next_member(columns, -1) < -FirstLowInvalidHeapAttributeNumber)
		refuse_condition("refers to a system column", text);
	free_parsestate(pstate);
	return condition;
}

/* A row of crm.guards */
typedef struct GuardRow
{
	Oid			relation;
	char	   *name;
	char	   *condition;		/* NULL if it is null, which it is not meant to be */
	char	   *message;		/* NULL if none is given */
} GuardRow;

static char *
get_text(HeapTuple tuple, Relation table, const char *column)
{
	bool		isnull;
	Datum		value = crm_get(tuple, crm_column(table, column, TEXTOID), table, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The guards of a workflow, read past the rights of the caller: the rules hold for everybody. */
static List *
read_guards(const char *workflow)
{
	Relation	table = table_open(crm_table_oid("guards"), AccessShareLock);
	AttrNumber	relation = crm_column(table, "relation", REGCLASSOID);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;
	List	   *rows = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		char	   *of = get_text(tuple, table, "workflow");
		GuardRow   *row;
		bool		isnull;

		if (of == NULL || strcmp(of, workflow) != 0)
			continue;
		row = palloc(sizeof(GuardRow));
		row->relation = DatumGetObjectId(crm_get(tuple, relation, table, &isnull));
		row->name = get_text(tuple, table, "name");
		row->condition = get_text(tuple, table, "condition");
		row->message = get_text(tuple, table, "message");
		if (!isnull && row->name != NULL)
			rows = lappend(rows, row);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return rows;
}

static const GuardRow *
find_guard(List *rows, Oid relation, const char *name)
{
	ListCell   *lc;

	foreach(lc, rows)
	{
		const GuardRow *row = lfirst(lc);

		if (row->relation == relation && strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

static Guard *
load_guard(const GuardKey *key, Relation rel, GuardName *names)
{
	const Door *door = crm_door_get(rel);
	Oid			relation = door->root_relid;
	const GuardRow *row = find_guard(read_guards(key->workflow), relation, key->name);
	Guard	   *guard;
	Node	   *condition;
	char	   *message;
	MemoryContext caller;

	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("guard \"%s\" of workflow \"%s\" does not exist for table %s",
						key->name, key->workflow, crm_table_name(door)),
				 errdetail("The guards are the rows of table %s.guards.", CRM_SCHEMA),
				 errhint("Insert it there, with this table as its relation.")));
	if (row->condition == NULL)
		refuse_condition("is null", NULL);
	names->condition = row->condition;
	condition = analyse_condition(rel, get_rel_name(relation), row->condition);
	names->condition = NULL;

	/* Reading may have outdated the rest; what was just read is the newest. */
	caller = MemoryContextSwitchTo(guards_context);
	condition = copyObject(condition);
	message = row->message ? pstrdup(row->message) : NULL;
	MemoryContextSwitchTo(caller);
	guard = hash_search(guards, key, HASH_ENTER, NULL);
	guard->condition = condition;
	guard->message = message;
	return guard;
}

static const Guard *
get_guard(Relation rel, GuardName *names)
{
	GuardKey	key;
	const Guard *guard;

	AcceptInvalidationMessages();
	if (!guards_valid || guards == NULL)
	{
		empty_guards();
		guards_valid = true;
	}
	memset(&key, 0, sizeof(key));
	key.relid = RelationGetRelid(rel);
	strlcpy(key.workflow, names->workflow, sizeof(key.workflow));
	strlcpy(key.name, names->guard, sizeof(key.name));
	guard = hash_search(guards, &key, HASH_FIND, NULL);
	return guard != NULL ? guard : load_guard(&key, rel, names);
}

bool
crm_guard_holds(Relation rel, TupleTableSlot *row, const char *workflow,
				const char *name, char **message)
{
	GuardName	names = {workflow, name, NULL};
	ErrorContextCallback callback;
	const Guard *guard;
	Expr	   *condition;
	ExprContext *context;
	ExprState  *state;
	bool		isnull;
	bool		holds;

	callback.callback = guard_context;
	callback.arg = &names;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	guard = get_guard(rel, &names);
	*message = guard->message ? pstrdup(guard->message) : NULL;
	condition = expression_planner((Expr *) copyObject(guard->condition));

	/*
	 * The row is locked, perhaps after a wait: what the guard reads beside it is
	 * what is there now, not what was when the statement began.
	 */
	PushActiveSnapshot(IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot());
	state = ExecInitExpr(condition, NULL);
	context = CreateStandaloneExprContext();
	context->ecxt_scantuple = row;
	holds = DatumGetBool(ExecEvalExprSwitchContext(state, context, &isnull)) && !isnull;
	FreeExprContext(context, true);
	PopActiveSnapshot();

	error_context_stack = callback.previous;
	return holds;
}

/*
 * A guard runs with the rights of whoever takes a step, as a CHECK constraint does, and
 * so it is for the same role to make, and to take away: to have rights on
 * crm.guards is not enough.
 */
static void
check_owner(Relation rel)
{
	if (!crm_owns_relation(RelationGetRelid(rel), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a guard for table %s is written and deleted by the owner of the table only", crm_relation_name(rel)),
				 errdetail("Role \"%s\" does not own the table.", GetUserNameFromId(GetUserId(), false)),
				 errhint("Ask role \"%s\".", GetUserNameFromId(rel->rd_rel->relowner, false))));
}

/* Of a row that goes, or becomes another one; nobody owns a table that has been dropped. */
static void
check_owner_of(Relation table, HeapTuple row)
{
	bool		isnull;
	Datum		relid = crm_get(row, crm_column(table, "relation", REGCLASSOID), table, &isnull);
	Relation	rel = isnull ? NULL : try_relation_open(DatumGetObjectId(relid), AccessShareLock);

	if (rel == NULL)
		return;
	check_owner(rel);
	relation_close(rel, AccessShareLock);
}

/*
 * crm_check_guard() returns trigger
 *
 * BEFORE INSERT OR UPDATE OR DELETE row trigger of crm.guards: the condition must be
 * one that the table can have, and comes from the owner of the table, who alone
 * changes and deletes it, too. BEFORE TRUNCATE: only the owner of crm.guards does. Errors: those of PostgreSQL's parser, 42P17 for
 * what is no condition, 42501 for another role, 42809 for a relation without columns
 * of its own, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_check_guard(PG_FUNCTION_ARGS)
{
	bool		is_truncate = CALLED_AS_TRIGGER(fcinfo) && TRIGGER_FIRED_BY_TRUNCATE(((TriggerData *) fcinfo->context)->tg_event);
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_check_guard",
											   is_truncate ? CRM_TRIGGER_BEFORE_STATEMENT : CRM_TRIGGER_BEFORE_ANY_ROW, "guards");
	Relation	table = trigger->tg_relation;
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	Datum		values[4];
	static const char *const columns[] = {"workflow", "name", "condition", "relation"};
	GuardName	names;
	ErrorContextCallback callback;
	Relation	rel;

	if (is_truncate)
	{
		/* the guards of all tables at once, whoever owns those */
		if (!crm_owns_relation(RelationGetRelid(table), GetUserId()))
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(table));
		PG_RETURN_POINTER(NULL);
	}
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		check_owner_of(table, trigger->tg_trigtuple);
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		return PointerGetDatum(row);
	for (int i = 0; i < lengthof(columns); i++)
	{
		bool		isnull;

		values[i] = crm_get(row, crm_column(table, columns[i], i == 3 ? REGCLASSOID : TEXTOID), table, &isnull);
		if (isnull)				/* NOT NULL has better words for it */
			return PointerGetDatum(row);
	}
	names.workflow = TextDatumGetCString(values[0]);
	names.guard = TextDatumGetCString(values[1]);
	names.condition = NULL;
	callback.callback = guard_context;
	callback.arg = &names;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	rel = try_relation_open(DatumGetObjectId(values[3]), AccessShareLock);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", DatumGetObjectId(values[3])),
				 errhint("Column \"relation\" says for which table the guard is; delete guards of tables that were dropped.")));
	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a table", crm_relation_name(rel)),
				 errhint("A guard is a condition over the rows of a table with a status.")));
	check_owner(rel);
	names.condition = TextDatumGetCString(values[2]);
	(void) analyse_condition(rel, RelationGetRelationName(rel), names.condition);
	relation_close(rel, AccessShareLock);

	error_context_stack = callback.previous;
	return PointerGetDatum(row);
}

/*
 * Every guard that the workflow names is there for some table, and for each table
 * that has one of them or is attached to the workflow. A table that somebody who is not
 * trusted has attached is his own business: it must not keep the workflow as it is.
 */
static void
check_workflow_guards(const char *workflow, const Workflow *w)
{
	List	   *rows;
	List	   *relations = NIL;
	ListCell   *lc;

	if (w->nguards == 0)
		return;
	rows = read_guards(workflow);
	foreach(lc, crm_door_relations(workflow))
		if (crm_trusts_owner(lfirst_oid(lc)))
			relations = lappend_oid(relations, lfirst_oid(lc));
	for (int i = 0; i < w->nguards; i++)
	{
		bool		is_there = false;

		foreach(lc, rows)
		{
			const GuardRow *row = lfirst(lc);

			/* not for a table that has been dropped */
			if (strcmp(row->name, WF_GUARD_NAME(w, i)) != 0 || !OidIsValid(crm_relation_owner(row->relation)))
				continue;
			is_there = true;
			relations = list_append_unique_oid(relations, row->relation);
		}
		if (!is_there)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("workflow \"%s\" names a guard \"%s\" that does not exist", workflow, WF_GUARD_NAME(w, i)),
					 errdetail("The guards are the rows of table %s.guards.", CRM_SCHEMA),
					 errhint("Insert it there first, or in the same transaction.")));
	}
	foreach(lc, relations)
		for (int i = 0; i < w->nguards; i++)
			if (find_guard(rows, lfirst_oid(lc), WF_GUARD_NAME(w, i)) == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_UNDEFINED_OBJECT),
						 errmsg("workflow \"%s\" names a guard \"%s\" that does not exist for table %s", workflow,
								WF_GUARD_NAME(w, i), crm_name_of_relation(lfirst_oid(lc))),
						 errdetail("The table follows the workflow, or has other guards of it."),
						 errhint("Insert it into %s.guards first, or in the same transaction, with this table as its relation.", CRM_SCHEMA)));
}

/*
 * crm_check_workflow_guards(column) returns trigger
 *
 * AFTER row trigger of crm.workflows and crm.guards: the workflow that the row
 * names in that column has all the guards that it names, for each table that they
 * are for, and for each that is attached to it. Of two transactions that change guards
 * and workflow, one waits for the other. Errors: 42704 if not, 42809 on another table, 39P01 if not called
 * as such a trigger.
 */
Datum
crm_check_workflow_guards(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_check_workflow_guards", CRM_TRIGGER_AFTER);
	Relation	rel = trigger->tg_relation;
	HeapTuple	rows[2] = {trigger->tg_trigtuple,
	TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : NULL};

	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function crm_check_workflow_guards() was not called as the trigger that it is for"),
				 errhint("Use it in CREATE CONSTRAINT TRIGGER ... AFTER ... FOR EACH ROW, with the name of a column.")));
	crm_check_trigger_table(trigger, strcmp(trigger->tg_trigger->tgargs[0], "name") == 0 ? "workflows" : "guards");
	/*
	 * The row has just been written, perhaps by the last command of the transaction.
	 * It gets into the cache now: have it leave again if it is refused.
	 */
	CacheInvalidateRelcacheByRelid(crm_table_oid("workflows"));
	CommandCounterIncrement();
	for (int i = 0; i < lengthof(rows); i++)
	{
		bool		isnull;
		Datum		name;
		const Workflow *w;

		if (rows[i] == NULL)
			continue;
		name = crm_get(rows[i], crm_column(rel, trigger->tg_trigger->tgargs[0], TEXTOID), rel, &isnull);
		if (isnull)
			continue;
		/* who takes a guard away does not see a workflow that is just being written, nor the other way round */
		crm_lock_name(crm_table_oid("workflows"), DatumGetTextPP(name));
		w = crm_workflow_find(DatumGetTextPP(name), NULL);
		if (w != NULL)
			check_workflow_guards(TextDatumGetCString(name), w);
	}
	PG_RETURN_POINTER(NULL);
}
