/*
 * workflow_compare.c
 *		Comparison and hashing of crm_workflow values.
 *
 * The compiled form is canonical, so its bytes decide. The order means nothing,
 * but there has to be one for sorting, unique indexes and merge joins.
 */
#include "crm.h"

#include "common/hashfn.h"

#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_workflow_eq);
PG_FUNCTION_INFO_V1(crm_workflow_ne);
PG_FUNCTION_INFO_V1(crm_workflow_lt);
PG_FUNCTION_INFO_V1(crm_workflow_le);
PG_FUNCTION_INFO_V1(crm_workflow_ge);
PG_FUNCTION_INFO_V1(crm_workflow_gt);
PG_FUNCTION_INFO_V1(crm_workflow_cmp);
PG_FUNCTION_INFO_V1(crm_workflow_hash);
PG_FUNCTION_INFO_V1(crm_workflow_hash_extended);

static int
compare(FunctionCallInfo fcinfo)
{
	Workflow   *a = PG_GETARG_WORKFLOW_P(0);
	Workflow   *b = PG_GETARG_WORKFLOW_P(1);
	Size		len_a = VARSIZE(a) - VARHDRSZ;
	Size		len_b = VARSIZE(b) - VARHDRSZ;
	int			cmp = memcmp(VARDATA(a), VARDATA(b), Min(len_a, len_b));

	/* btree and hash code wants its support functions not to leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	if (cmp != 0)
		return cmp < 0 ? -1 : 1;
	return len_a < len_b ? -1 : (len_a > len_b ? 1 : 0);
}

/* crm_workflow_eq(crm_workflow, crm_workflow) returns boolean, and its like */
Datum
crm_workflow_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
crm_workflow_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
crm_workflow_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
crm_workflow_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
crm_workflow_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
crm_workflow_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

/* crm_workflow_cmp(crm_workflow, crm_workflow) returns integer: -1, 0 or 1 */
Datum
crm_workflow_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

/* crm_workflow_hash(crm_workflow) returns integer */
Datum
crm_workflow_hash(PG_FUNCTION_ARGS)
{
	Workflow   *w = PG_GETARG_WORKFLOW_P(0);
	Datum		hash = hash_any((unsigned char *) VARDATA(w), VARSIZE(w) - VARHDRSZ);

	PG_FREE_IF_COPY(w, 0);
	PG_RETURN_DATUM(hash);
}

/* crm_workflow_hash_extended(crm_workflow, seed bigint) returns bigint */
Datum
crm_workflow_hash_extended(PG_FUNCTION_ARGS)
{
	Workflow   *w = PG_GETARG_WORKFLOW_P(0);
	Datum		hash = hash_any_extended((unsigned char *) VARDATA(w), VARSIZE(w) - VARHDRSZ,
										 PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(w, 0);
	PG_RETURN_DATUM(hash);
}
