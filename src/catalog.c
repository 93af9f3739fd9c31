/*
 * catalog.c
 *		Finds our tables and columns, and hears of changes to them.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_invalidate_cache);

/* Tables that were asked for, as long as neither they nor a schema change: a step asks for several. */
typedef struct KnownTable
{
	NameData	name;			/* hash key */
	Oid			relid;			/* InvalidOid if forgotten */
} KnownTable;

static HTAB *known_tables = NULL;
static uint64 changes_heard_of = 0;

static void
forget_table(Oid relid)
{
	HASH_SEQ_STATUS all;
	KnownTable *table;

	if (known_tables == NULL)
		return;
	hash_seq_init(&all, known_tables);
	while ((table = hash_seq_search(&all)) != NULL)
		if (relid == InvalidOid || table->relid == relid)
			table->relid = InvalidOid;
}

static void
remember_table(const char *name, Oid relid)
{
	KnownTable *table;

	if (known_tables == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = NAMEDATALEN;
		ctl.entrysize = sizeof(KnownTable);
		ctl.hcxt = TopMemoryContext;
		known_tables = hash_create("crm tables", 32, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	table = hash_search(known_tables, name, HASH_ENTER, NULL);
	table->relid = relid;
}

static Oid
known_table(const char *name)
{
	/* a name may be what a user has given; of a longer one only the beginning would be looked at */
	KnownTable *table = known_tables == NULL || strlen(name) >= NAMEDATALEN ? NULL :
		hash_search(known_tables, name, HASH_FIND, NULL);

	return table == NULL ? InvalidOid : table->relid;
}

Oid
crm_table_oid(const char *name)
{
	Oid			relid = known_table(name);
	uint64		heard_before = changes_heard_of;
	Oid			schema;

	if (OidIsValid(relid))
		return relid;
	schema = get_namespace_oid(CRM_SCHEMA, true);
	relid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", CRM_SCHEMA, name),
				 errhint("CREATE EXTENSION crm makes the tables; it does not if crm.create_tables or row_security is off.")));
	/* to look it up may have brought news, which may be of this table */
	if (changes_heard_of == heard_before)
		remember_table(name, relid);
	return relid;
}

AttrNumber
crm_column(Relation rel, const char *name, Oid type)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || namestrcmp(&att->attname, name) != 0)
			continue;
		if (att->atttypid != type)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of table %s is of type %s, but crm needs %s",
							name, crm_relation_name(rel),
							format_type_be(att->atttypid), format_type_be(type))));
		return att->attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of table %s does not exist", name, crm_relation_name(rel)),
			 errdetail("The triggers of extension crm need it.")));
}

char *
crm_relation_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

char *
crm_name_of_relation(Oid relid)
{
	char	   *name = get_rel_name(relid);

	return name == NULL ? psprintf("%u", relid) :
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}

Oid
crm_relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

void
crm_lock_name(Oid relid, const text *name)
{
	uint32		hash = hash_bytes((const unsigned char *) VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	/* a lock that nothing else takes: there is no object with a number within the table's number */
	LockDatabaseObject(relid, hash, 0, ExclusiveLock);
}

/* PostgreSQL has room for ten who want to hear of relations, all extensions and its own included: we are one. */
static void (*forgetters[10]) (Oid relid);
static int	nforgetters = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	changes_heard_of++;
	for (int i = 0; i < nforgetters; i++)
		forgetters[i] (relid);
}

void
crm_on_relation_change(void (*forget) (Oid relid))
{
	if (nforgetters == lengthof(forgetters))
		elog(ERROR, "too many want to hear of relations");
	if (nforgetters == 0)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	forgetters[nforgetters++] = forget;
}

static void
catalog_changed(Datum forget, int cache, uint32 hash)
{
	changes_heard_of++;
	((void (*) (Oid)) DatumGetPointer(forget)) (InvalidOid);
}

void
crm_on_catalog_change(int cache, void (*forget) (Oid relid))
{
	CacheRegisterSyscacheCallback(cache, catalog_changed, PointerGetDatum(forget));
}

uint64
crm_changes_heard_of(void)
{
	return changes_heard_of;
}

void
crm_catalog_init(void)
{
	crm_on_relation_change(forget_table);
	crm_on_catalog_change(NAMESPACEOID, forget_table);
}

/*
 * crm_invalidate_cache() returns trigger
 *
 * Trigger of the tables that backends keep in memory (workflows, guards, settings), AFTER a
 * change and BEFORE each row of it. Row changes reach the other backends as a relation cache
 * invalidation, at commit, and this one at its next command. The one BEFORE is for changes that
 * fail: what is called in between may read the row, and a change that nobody has announced would not be forgotten
 * with the rest. Errors: 39P01 if not called as such a trigger.
 */
Datum
crm_invalidate_cache(PG_FUNCTION_ARGS)
{
	bool		is_before = CALLED_AS_TRIGGER(fcinfo) && TRIGGER_FIRED_BEFORE(((TriggerData *) fcinfo->context)->tg_event);
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_invalidate_cache", is_before ? CRM_TRIGGER_BEFORE_ANY_ROW : CRM_TRIGGER_AFTER);

	CacheInvalidateRelcache(trigger->tg_relation);
	PG_RETURN_POINTER(!is_before ? NULL : TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
}
