/*
 * target.c
 *		The row that a call is about, by its first arguments.
 *
 * crm_advance(relation, key, ...) and its like take any table with a workflow, and
 * a key of type bigint, uuid or text. crm_advance_order(order_id, ...) is the same
 * call with a relation that goes without saying.
 */
#include "crm.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "catalog.h"
#include "key.h"
#include "row.h"
#include "target.h"

void
crm_refuse_null(const char *function, const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be null", argument),
			 errdetail("%s() was called with a null %s.", function, argument),
			 errhint("Give it a value.")));
}

Relation
crm_target_table(Oid relid, LOCKMODE lock)
{
	Relation	rel = try_relation_open(relid, lock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u does not exist", relid)));
	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a table", crm_relation_name(rel)),
				 errhint("Name a table to which a workflow is attached.")));
	return rel;
}

void
crm_target_open(FunctionCallInfo fcinfo, const char *function, LOCKMODE lock, CrmTarget *target)
{
	Oid		   *types;
	int			nargs;
	bool		any_table;
	int			key;

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &nargs);
	any_table = types[0] == REGCLASSOID;
	key = any_table ? 1 : 0;
	if (any_table && PG_ARGISNULL(0))
		crm_refuse_null(function, "relation");
	if (PG_ARGISNULL(key))
		crm_refuse_null(function, any_table ? "key" : "order_id");

	target->rel = crm_target_table(any_table ? PG_GETARG_OID(0) : crm_table_oid("orders"), lock);
	target->door = crm_door_get(target->rel);
	if (!crm_key_convert(target->door, PG_GETARG_DATUM(key), types[key], &target->key))
	{
		Oid			output;
		bool		isvarlena;

		getTypeOutputInfo(types[key], &output, &isvarlena);
		crm_row_refuse_missing(target->door,
							   crm_row_name_by_text(target->door,
													OidOutputFunctionCall(output, PG_GETARG_DATUM(key))));
	}
}
