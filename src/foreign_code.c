/*
 * foreign_code.c
 *		Whether code that is not ours lies on an event table.
 *
 * Such code runs as the owner of the table while somebody else takes a step, so it
 * must not find names where that one wants it to (owner.h). Without it, which is
 * the rule, a step need not pay for that.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_index.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "capture.h"
#include "door.h"
#include "foreign_code.h"
#include "trigger.h"

/* A volatile function of PostgreSQL may be one that runs a query that it is given. */
static bool
is_foreign(Oid function, void *context)
{
	return function >= FirstGenbkiObjectId || func_volatile(function) == PROVOLATILE_VOLATILE;
}

static bool
calls_foreign(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_foreign, NULL))
		return true;
	return expression_tree_walker(node, calls_foreign, context);
}

static bool
text_calls_foreign(const char *expression)
{
	return calls_foreign(stringToNode(expression), NULL);
}

static bool
trigger_is_foreign(const Trigger *trigger)
{
	if (!TRIGGER_FOR_ROW(trigger->tgtype) || !TRIGGER_FOR_INSERT(trigger->tgtype))
		return false;
	return trigger->tgqual != NULL ||
		(trigger->tgfoid >= FirstGenbkiObjectId &&
		 !crm_calls(trigger, crm_capture_event) && !crm_calls(trigger, crm_notify_event));
}

/* As the catalogue has it: the relation cache would compute what is constant in an expression, as the current role. */
static bool
index_calls_foreign(Relation index)
{
	const int	columns[] = {Anum_pg_index_indexprs, Anum_pg_index_indpred};

	for (int i = 0; i < lengthof(columns); i++)
	{
		bool		isnull;
		Datum		expressions = SysCacheGetAttr(INDEXRELID, index->rd_indextuple, columns[i], &isnull);

		if (!isnull && text_calls_foreign(TextDatumGetCString(expressions)))
			return true;
	}
	return false;
}

bool
crm_has_foreign_code(Relation rel)
{
	/* to look a function up may bring news, after which the relation has its triggers elsewhere */
	const TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);
	TupleDesc	desc = RelationGetDescr(rel);
	const TupleConstr *constraints = desc->constr;
	List	   *indexes;
	ListCell   *lc;
	bool		found = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (trigger_is_foreign(&triggers->triggers[i]))
			return true;
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			get_typtype(TupleDescAttr(desc, i)->atttypid) == TYPTYPE_DOMAIN)
			return true;
	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
		if (text_calls_foreign(constraints->check[i].ccbin))
			return true;
	/* of generated columns, too */
	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
		if (text_calls_foreign(constraints->defval[i].adbin))
			return true;
	indexes = RelationGetIndexList(rel);
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		found = found || index_calls_foreign(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}
