/*
 * attach.c
 *		crm_attach_workflow(): by whom it is done.
 *
 * What is done is in PL/pgSQL (sql/attach.sql). It updates the rows of the table, on
 * which there may be code of the owner's, and SET ROLE would be no fence: that code
 * could RESET ROLE.
 */
#include "crm.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/lsyscache.h"

#include "owner.h"

PG_FUNCTION_INFO_V1(crm_attach_workflow);
PG_FUNCTION_INFO_V1(crm_is_new_table);

/* crm_attach_workflow_as_owner(regclass, name, text, name), in the schema of the function that is called */
static Oid
inner_function(FunctionCallInfo fcinfo)
{
	Oid			types[] = {REGCLASSOID, NAMEOID, TEXTOID, NAMEOID};
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));

	return LookupFuncName(list_make2(makeString(schema), makeString("crm_attach_workflow_as_owner")),
						  lengthof(types), types, false);
}

/*
 * crm_attach_workflow(relation regclass, status_column name, workflow text DEFAULT NULL,
 * workflow_column name DEFAULT NULL) returns regclass
 *
 * Puts the status column of a table under a workflow, or under those that the rows
 * name in a column, with an event table beside it, which it returns. For the owner of
 * the table, and for those who may do what the owner may: for them it is done with the
 * owner's rights. Errors: those of crm_attach_workflow_as_owner() in sql/attach.sql.
 */
Datum
crm_attach_workflow(PG_FUNCTION_ARGS)
{
	FmgrInfo	function;
	LOCAL_FCINFO(inner, 4);
	Relation	rel = PG_ARGISNULL(0) ? NULL : try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	bool		for_owner = rel != NULL && rel->rd_rel->relowner != GetUserId() &&
		crm_owns_relation(RelationGetRelid(rel), GetUserId());
	CrmCaller	caller;
	Datum		events;

	fmgr_info(inner_function(fcinfo), &function);
	InitFunctionCallInfoData(*inner, &function, 4, InvalidOid, NULL, NULL);
	memcpy(inner->args, fcinfo->args, sizeof(NullableDatum) * 4);
	if (for_owner)
		crm_become_owner(rel, &caller);
	/* the lock would be in the way of others who want a stronger one first */
	if (rel != NULL)
		relation_close(rel, AccessShareLock);
	events = FunctionCallInvoke(inner);
	if (for_owner)
		crm_become_caller(&caller);
	PG_RETURN_DATUM(events);
}

/*
 * crm_is_new_table(relation regclass) returns boolean
 *
 * Whether this very transaction has made the table: then nobody else has rows in it,
 * whatever its snapshot shows. Not said of a partitioned one, whose partitions may be
 * older. No errors.
 */
Datum
crm_is_new_table(PG_FUNCTION_ARGS)
{
	Relation	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	bool		is_new = rel != NULL && rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_createSubid != InvalidSubTransactionId;

	if (rel != NULL)
		relation_close(rel, AccessShareLock);
	PG_RETURN_BOOL(is_new);
}
