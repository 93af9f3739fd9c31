/*
 * request_key.c
 *		Keys by which a request that comes again is known.
 *
 * A unique index alone would do, but the request that comes second would end
 * with its error. A lock on the key lets it wait for the first one, then give its answer.
 */
#include "crm.h"

#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "lookup.h"
#include "request_key.h"

#define MAX_REQUEST_KEY	255		/* bytes; an index has limits of its own */

text *
crm_get_request_key(FunctionCallInfo fcinfo, int n)
{
	text	   *key = PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n);

	if (key != NULL && (VARSIZE_ANY_EXHDR(key) == 0 || VARSIZE_ANY_EXHDR(key) > MAX_REQUEST_KEY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a request key has 1 to %d bytes", MAX_REQUEST_KEY),
				 errdetail("This one has %d.", (int) VARSIZE_ANY_EXHDR(key)),
				 errhint("A UUID that the client makes for each request is a good one.")));
	return key;
}

bool
crm_find_request(Relation rel, text *key, TupleTableSlot *row)
{
	/* whoever did it has committed, or is us */
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		found = crm_find_row(rel, crm_unique_index(rel, "request_key"), F_TEXTEQ,
									 PointerGetDatum(key), snapshot, row);

	UnregisterSnapshot(snapshot);
	return found;
}

void
crm_check_may_insert(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (!crm_may_use_schema(RelationGetNamespace(rel), GetUserId()) ||
		(pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
		 pg_attribute_aclcheck_all(relid, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK))
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind), RelationGetRelationName(rel));
}

void
crm_refuse_request_key(text *key, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_REQUEST_KEY_REUSED),
			 errmsg("request key \"%s\" was used before", text_to_cstring(key)),
			 errdetail_internal("%s", detail),
			 errhint("Choose a new key for each request; the same one only to repeat it.")));
}
