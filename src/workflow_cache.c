/*
 * workflow_cache.c
 *		The rows of crm.workflows, kept in memory by each backend.
 *
 * A row change invalidates the relation (crm_invalidate_cache), which empties
 * the cache; the next look-up loads what it needs.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "workflow_cache.h"

typedef struct CachedWorkflow
{
	char		name[NAMEDATALEN];	/* hash key */
	Workflow   *workflow;
	int32		version;
} CachedWorkflow;

static MemoryContext cache_context = NULL;	/* everything below lives here */
static HTAB *cache = NULL;
static Oid	cache_relid = InvalidOid;	/* crm.workflows when it was filled */
static bool cache_valid = false;

static void
forget_workflows(Oid relid)
{
	/* Only a mark: a pointer into the cache may be in use right now. */
	if (relid == InvalidOid || relid == cache_relid)
		cache_valid = false;
}

void
crm_workflow_cache_init(void)
{
	crm_on_relation_change(forget_workflows);
}

static void
empty_cache(void)
{
	HASHCTL		ctl = {0};

	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(TopMemoryContext, "crm workflows",
											  ALLOCSET_SMALL_SIZES);
	cache = NULL;				/* in case of an error before the new one is there */
	MemoryContextReset(cache_context);
	ctl.keysize = NAMEDATALEN;
	ctl.entrysize = sizeof(CachedWorkflow);
	ctl.hcxt = cache_context;
	cache = hash_create("crm workflows", 16, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* In the cache's memory, as it has to be there as long as the cache. */
static Workflow *
cached_copy(Datum definition)
{
	Workflow   *detoasted = DatumGetWorkflowP(definition);

	return memcpy(MemoryContextAlloc(cache_context, VARSIZE(detoasted)), detoasted, VARSIZE(detoasted));
}

/* The column must be of our type: we read the bytes of its values. */
AttrNumber
crm_definition_column(Relation rel)
{
	AttrNumber	column = get_attnum(RelationGetRelid(rel), "definition");
	Oid			type = get_atttype(RelationGetRelid(rel), column);
	Oid			in_function,
				in_param;
	FmgrInfo	in;

	if (!OidIsValid(type))
		column = crm_column(rel, "definition", InvalidOid);	/* says what is wrong */
	getTypeInputInfo(type, &in_function, &in_param);
	fmgr_info(in_function, &in);
	if (in.fn_addr != crm_workflow_in)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"definition\" of table %s is of type %s, but crm needs crm_workflow",
						crm_relation_name(rel), format_type_be(type))));
	return column;
}

/*
 * Read one row, past the rights of the caller: the rules hold for everybody.
 * With the newest snapshot, as the cache outlives a REPEATABLE READ transaction
 * (which would otherwise leave an old definition behind).
 */
static Workflow *
load_workflow(const char *name, int32 *version)
{
	Relation	rel = table_open(crm_table_oid("workflows"), AccessShareLock);
	AttrNumber	name_column = crm_column(rel, "name", TEXTOID);
	AttrNumber	version_column = crm_column(rel, "version", INT4OID);
	AttrNumber	definition_column = crm_definition_column(rel);
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	Workflow   *found = NULL;

	cache_relid = RelationGetRelid(rel);

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, name_column, RelationGetDescr(rel), &isnull);

		if (isnull || strcmp(TextDatumGetCString(value), name) != 0)
			continue;
		value = heap_getattr(tuple, definition_column, RelationGetDescr(rel), &isnull);
		if (!isnull)
			found = cached_copy(value);
		value = heap_getattr(tuple, version_column, RelationGetDescr(rel), &isnull);
		*version = isnull ? 0 : DatumGetInt32(value);
		break;
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

const Workflow *
crm_workflow_find(text *name, int32 *version)
{
	char		key[NAMEDATALEN];
	size_t		len = VARSIZE_ANY_EXHDR(name);
	CachedWorkflow *entry;
	Workflow   *workflow;
	int32		loaded_version;

	/* A transaction that holds its locks already would not hear of a change. */
	AcceptInvalidationMessages();
	if (!cache_valid || cache == NULL)
	{
		empty_cache();
		cache_valid = true;
	}
	if (len >= NAMEDATALEN)
		return NULL;
	memcpy(key, VARDATA_ANY(name), len);
	key[len] = '\0';
	entry = hash_search(cache, key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		workflow = load_workflow(key, &loaded_version);
		if (workflow == NULL)
			return NULL;

		/*
		 * Reading may have found the cache outdated again; what was just read is
		 * the newest, and the mark makes the next call start over.
		 */
		entry = hash_search(cache, key, HASH_ENTER, NULL);
		entry->workflow = workflow;
		entry->version = loaded_version;
	}
	if (version != NULL)
		*version = entry->version;
	return entry->workflow;
}

const Workflow *
crm_workflow_get(text *name, int32 *version)
{
	const Workflow *workflow = crm_workflow_find(name, version);

	if (workflow == NULL)
		crm_refuse_no_workflow(text_to_cstring(name));
	return workflow;
}

void
crm_refuse_no_workflow(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_NO_SUCH_WORKFLOW),
			 errmsg("workflow \"%s\" does not exist", name),
			 errdetail("The workflows are the rows of table %s.workflows.", CRM_SCHEMA),
			 errhint("Insert it there, or name one that exists.")));
}
