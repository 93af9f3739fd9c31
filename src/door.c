/*
 * door.c
 *		The door of a table: where its triggers find status, version and history.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "capture.h"
#include "catalog.h"
#include "door.h"
#include "foreign_code.h"
#include "key.h"
#include "lookup.h"
#include "trigger.h"
#include "workflow_cache.h"

CrmStep    *crm_current_step = NULL;

static HTAB *doors = NULL;

static void
forget_doors(Oid relid)
{
	HASH_SEQ_STATUS scan;
	Door	   *door;

	if (doors == NULL)
		return;
	hash_seq_init(&scan, doors);
	while ((door = hash_seq_search(&scan)) != NULL)
		if (relid == InvalidOid || relid == door->relid || relid == door->root_relid ||
			relid == door->history_relid)
			door->valid = false;
}

void
crm_door_init(void)
{
	crm_on_relation_change(forget_doors);
	crm_on_catalog_change(PROCOID, forget_doors);
}

/*
 * Our trigger by its C function, whatever schema it was installed in. Were there
 * two, one could say of the other what it likes, so that is an error.
 */
static const Trigger *
find_trigger(Relation rel, const TriggerDesc *triggers, PGFunction function)
{
	const Trigger *found = NULL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!crm_calls(trigger, function))
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("triggers \"%s\" and \"%s\" of table %s call the same function",
							found->tgname, trigger->tgname, crm_relation_name(rel)),
					 errdetail("A table has one workflow and one history."),
					 errhint("Drop one of them.")));
		found = trigger;
	}
	return found;
}

/*
 * Whether an update of the status of one row has no effect beyond its row
 * triggers, constraints and indexes.
 */
static bool
has_plain_update(Relation rel, const TriggerDesc *triggers, AttrNumber status)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rules != NULL ||
		rel->rd_rel->relrowsecurity ||
		triggers->trig_update_before_statement || triggers->trig_update_after_statement ||
		triggers->trig_update_old_table || triggers->trig_update_new_table)
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_UPDATE(trigger->tgtype))
			continue;
		/* code that may change the row between our lock and our update */
		if (TRIGGER_FOR_BEFORE(trigger->tgtype) && trigger->tgnattr == 0 &&
			!crm_calls(trigger, crm_enforce_workflow))
			return false;
		/* UPDATE OF status: only a statement says which columns it sets */
		for (int j = 0; j < trigger->tgnattr; j++)
			if (trigger->tgattr[j] == status)
				return false;
	}
	return true;
}

/*
 * Whether a CHECK constraint mentions a column that a step changes. One that does
 * not, and held for the row before, holds for it afterwards.
 */
static bool
needs_checks(Relation rel, const Door *door)
{
	TupleConstr *constraints = RelationGetDescr(rel)->constr;
	AttrNumber	changed[] = {door->status, door->status_since, door->version, door->status_until,
	door->open_status, door->booked_at, InvalidAttrNumber /* the whole row */ };

	if (constraints == NULL)
		return false;
	/* a column may be computed from what a step changes */
	if (constraints->has_generated_stored || crm_has_generated_virtual(constraints))
		return true;
	for (int i = 0; i < constraints->num_check; i++)
	{
		Bitmapset  *columns = NULL;

		if (!constraints->check[i].ccvalid)
			return true;
		pull_varattnos(stringToNode(constraints->check[i].ccbin), 1, &columns);
		for (size_t j = 0; j < lengthof(changed); j++)
			if (bms_is_member(changed[j] - FirstLowInvalidHeapAttributeNumber, columns))
				return true;
	}
	return false;
}

static AttrNumber
optional_column(Relation rel, const char *name, Oid type)
{
	return get_attnum(RelationGetRelid(rel), name) == InvalidAttrNumber ? InvalidAttrNumber :
		crm_column(rel, name, type);
}

/*
 * First column of the primary key, 0 if there is none, how many it has, and its index: to open that may bring news, after
 * which the relation knows it no more.
 */
static AttrNumber
primary_key_column(Relation rel, int *ncolumns, Oid *key_index)
{
	Relation	index;
	AttrNumber	column;

	*ncolumns = 0;
	list_free(RelationGetIndexList(rel));	/* fills in rd_pkindex */
	*key_index = rel->rd_pkindex;
	if (!OidIsValid(*key_index))
		return InvalidAttrNumber;
	index = index_open(*key_index, AccessShareLock);
	*ncolumns = index->rd_index->indnkeyatts;
	column = index->rd_index->indkey.values[0];
	index_close(index, AccessShareLock);
	return column;
}

bool
crm_is_added_column(const Door *door, const FormData_pg_attribute *att)
{
	if (att->attisdropped || att->attgenerated)
		return false;
	for (int i = 0; i < HISTORY_NCOLUMNS; i++)
		if (door->history[i] == att->attnum)
			return false;
	return true;
}

static void
build_history(Door *door, Relation rel, const Trigger *recorder)
{
	static const struct
	{
		const char *name;
		Oid			type;
	}			columns[HISTORY_NCOLUMNS] = {
		[HISTORY_SEQ] = {"seq", INT4OID},
		[HISTORY_AT] = {"at", TIMESTAMPTZOID},
		[HISTORY_EVENT] = {"event", TEXTOID},
		[HISTORY_FROM] = {"from_status", TEXTOID},
		[HISTORY_TO] = {"to_status", TEXTOID},
		[HISTORY_DWELL] = {"dwell", INTERVALOID},
		[HISTORY_ACTOR] = {"actor", TEXTOID},
		[HISTORY_ROLE] = {"role", TEXTOID},
		[HISTORY_NOTE] = {"note", TEXTOID},
		[HISTORY_REQUEST_KEY] = {"request_key", TEXTOID},
		[HISTORY_FORCED] = {"forced", BOOLOID},
		[HISTORY_WORKFLOW] = {"workflow", TEXTOID},
		[HISTORY_WORKFLOW_VERSION] = {"workflow_version", INT4OID},
		[HISTORY_REQUEST_HASH] = {"request_hash", INT8OID},
	};
	Relation	history;
	TupleDesc	desc;
	Oid			relid;
	int			ncolumns;
	Oid			key_index;

	if (recorder->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("trigger \"%s\" of table %s needs one argument", recorder->tgname,
						crm_relation_name(rel)),
				 errhint("crm_record_event('order_events') writes into the table of that name in the same schema.")));
	relid = get_relname_relid(recorder->tgargs[0], get_rel_namespace(door->root_relid));
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("event table \"%s\" of table %s does not exist", recorder->tgargs[0],
						crm_table_name(door))));

	history = table_open(relid, AccessShareLock);
	desc = RelationGetDescr(history);
	if (history->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("event table %s is not an ordinary table", crm_relation_name(history))));

	door->history_relid = relid;
	for (int i = HISTORY_SEQ; i < HISTORY_NCOLUMNS; i++)
		door->history[i] = i >= HISTORY_REQUEST_KEY ?
			optional_column(history, columns[i].name, columns[i].type) :
			crm_column(history, columns[i].name, columns[i].type);
	door->request_index = crm_find_unique_index(history, door->history[HISTORY_REQUEST_KEY]);
	door->history[HISTORY_KEY] = primary_key_column(history, &ncolumns, &key_index);
	if (ncolumns != 2 ||
		TupleDescAttr(desc, door->history[HISTORY_KEY] - 1)->atttypid != door->key_type)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("the primary key of event table %s is not the key of table %s and a number",
						crm_relation_name(history), crm_relation_name(rel))));

	door->history_has_defaults = false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (crm_is_added_column(door, att) &&
			(att->atthasdef || att->attidentity || get_typtype(att->atttypid) == TYPTYPE_DOMAIN))
			door->history_has_defaults = true;
	}
	door->history_is_watched = crm_is_watched(history);
	door->history_runs_code = crm_has_foreign_code(history);
	table_close(history, AccessShareLock);

	door->has_history = true;
}

static void
find_key_equality(Door *door)
{
	Relation	index = index_open(door->key_index, AccessShareLock);
	Oid			equal = get_opfamily_member(index->rd_opfamily[0], index->rd_opcintype[0],
											index->rd_opcintype[0], BTEqualStrategyNumber);

	door->key_collation = index->rd_indcollation[0];
	door->key_equal = get_opcode(equal);
	index_close(index, AccessShareLock);
}

/*
 * The table that a trigger was created on. A partition's own are copies, and each
 * knows which one it was copied from.
 */
static Oid
find_root(Oid trigger)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	Oid			root = InvalidOid;

	while (OidIsValid(trigger))
	{
		ScanKeyData condition;
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyInit(&condition, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(trigger));
		scan = systable_beginscan(triggers, TriggerOidIndexId, true, NULL, 1, &condition);
		tuple = systable_getnext(scan);
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "could not find trigger %u", trigger);
		root = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
		trigger = ((Form_pg_trigger) GETSTRUCT(tuple))->tgparentid;
		systable_endscan(scan);
	}
	table_close(triggers, AccessShareLock);
	return root;
}

static void
build_door(Door *door, Relation rel)
{
	/* A copy: opening other relations may bring news that replaces rel's own. */
	TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);
	const Trigger *enforcer = find_trigger(rel, triggers, crm_enforce_workflow);
	const Trigger *recorder = find_trigger(rel, triggers, crm_record_event);
	int			ncolumns;

	if (enforcer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no workflow is attached to table %s", crm_relation_name(rel)),
				 errdetail("It has no trigger that calls crm_enforce_workflow()."),
				 errhint("crm_attach_workflow() attaches one.")));
	if (enforcer->tgnargs < 1 || enforcer->tgnargs > 3 ||
		(enforcer->tgnargs == 3 && enforcer->tgargs[1][0] != '\0'))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("trigger \"%s\" of table %s needs a status column and what says the workflow",
						enforcer->tgname, crm_relation_name(rel)),
				 errhint("crm_enforce_workflow('status') takes the workflow from the column \"workflow\", crm_enforce_workflow('status', '', 'process') from another one, crm_enforce_workflow('status', 'order') names it.")));

	door->root_relid = find_root(enforcer->tgoid);
	door->owner = crm_relation_owner(door->root_relid);
	door->status = crm_column(rel, enforcer->tgargs[0], TEXTOID);
	namestrcpy(&door->status_name, enforcer->tgargs[0]);
	door->by_column = enforcer->tgnargs != 2;
	if (door->by_column)
	{
		namestrcpy(&door->workflow_name, enforcer->tgnargs == 3 ? enforcer->tgargs[2] : "workflow");
		door->workflow = crm_column(rel, NameStr(door->workflow_name), TEXTOID);
	}
	else
	{
		if (strlen(enforcer->tgargs[1]) >= NAMEDATALEN)
			ereport(ERROR,
					(errcode(ERRCODE_CRM_NO_SUCH_WORKFLOW),
					 errmsg("workflow \"%s\" does not exist", enforcer->tgargs[1]),
					 errdetail("Trigger \"%s\" of table %s names it; a name has at most %d bytes.",
							   enforcer->tgname, crm_relation_name(rel), NAMEDATALEN - 1),
					 errhint("Name one of table %s.workflows.", CRM_SCHEMA)));
		namestrcpy(&door->fixed_workflow, enforcer->tgargs[1]);
	}
	door->status_since = crm_column(rel, "status_since", TIMESTAMPTZOID);
	door->version = crm_column(rel, "version", INT4OID);
	door->status_until = optional_column(rel, "status_until", TIMESTAMPTZOID);
	door->open_status = optional_column(rel, "open_status", TEXTOID);
	/* in other tables it may be anybody's, of a hotel for example */
	door->booked_at = get_rel_namespace(door->root_relid) != get_namespace_oid(CRM_SCHEMA, true) ?
		InvalidAttrNumber : optional_column(rel, "booked_at", TIMESTAMPTZOID);
	door->key = primary_key_column(rel, &ncolumns, &door->key_index);
	if (ncolumns != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("table %s has no primary key of one column", crm_relation_name(rel)),
				 errdetail("A workflow is attached to it, and its history names rows by that key.")));
	door->key_name = TupleDescAttr(RelationGetDescr(rel), door->key - 1)->attname;
	door->key_type = TupleDescAttr(RelationGetDescr(rel), door->key - 1)->atttypid;
	find_key_equality(door);
	door->plain_update = has_plain_update(rel, triggers, door->status);
	door->is_watched = crm_is_watched(rel);
	door->steps_need_checks = needs_checks(rel, door);
	get_typlenbyval(door->key_type, &door->key_len, &door->key_byval);

	door->has_history = false;
	door->history_relid = InvalidOid;
	if (recorder != NULL)
		build_history(door, rel, recorder);
}

Door *
crm_door_get(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	Door	   *door;
	bool		found;

	if (doors == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Door);
		ctl.hcxt = TopMemoryContext;
		doors = hash_create("crm doors", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	door = hash_search(doors, &relid, HASH_ENTER, &found);
	if (!found)
	{
		door->valid = false;
		door->root_relid = door->history_relid = InvalidOid;
	}

	/*
	 * Building opens relations, which may bring news that outdates it at once:
	 * then the next call builds it again. The lock on rel keeps the rest true.
	 */
	if (!door->valid)
	{
		door->valid = true;
		PG_TRY();
		{
			build_door(door, rel);
		}
		PG_CATCH();
		{
			door->valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	return door;
}

/* Whether a function is crm_enforce_workflow(), by what CREATE FUNCTION says; nothing is loaded for that. */
static bool
enforces_workflow(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		is_c = HeapTupleIsValid(tuple) &&
		((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
	bool		isnull = true;
	Datum		symbol = is_c ? SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull) : (Datum) 0;
	bool		result = !isnull && strcmp(TextDatumGetCString(symbol), "crm_enforce_workflow") == 0;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/* Whether the second argument of a trigger is that name; arguments end with a zero byte. */
static bool
names_workflow(Relation triggers, HeapTuple trigger, const char *workflow)
{
	bool		isnull;
	const char *first;

	if (((Form_pg_trigger) GETSTRUCT(trigger))->tgnargs != 2)
		return false;
	first = VARDATA_ANY(DatumGetByteaPP(crm_get(trigger, Anum_pg_trigger_tgargs, triggers, &isnull)));
	return strcmp(first + strlen(first) + 1, workflow) == 0;
}

List *
crm_door_relations(const char *workflow)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(triggers, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	List	   *found = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!OidIsValid(trigger->tgparentid) && !trigger->tgisinternal &&
			enforces_workflow(trigger->tgfoid) &&
			(workflow == NULL || names_workflow(triggers, tuple, workflow)))
			found = list_append_unique_oid(found, trigger->tgrelid);
	}
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	/* whoever locks them, locks them in the same order */
	list_sort(found, list_oid_cmp);
	return found;
}

char *
crm_table_name(const Door *door)
{
	return crm_name_of_relation(door->root_relid);
}

bool
crm_owns_table(const Door *door)
{
	return crm_owns_relation(door->root_relid, GetUserId());
}

/* Of several steps, in order of their keys, which are numbers. */
static CrmStep *
find_in_batch(CrmStep *batch, int n, Datum key)
{
	int			low = 0;
	int			high = n - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int64		other = DatumGetInt64(batch[middle].key);

		if (other == DatumGetInt64(key))
			return &batch[middle];
		if (other < DatumGetInt64(key))
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

/* SPI would begin the command itself, and does nothing then. */
void
crm_begin_update(void)
{
	CommandCounterIncrement();
	crm_current_step->command = GetCurrentCommandId(false);
}

CrmStep *
crm_step_for(const Door *door, Datum key)
{
	CrmStep    *step = crm_current_step;

	if (step == NULL || step->relid != door->root_relid || step->trigger_depth != crm_trigger_depth() ||
		step->command != GetActiveSnapshot()->curcid)
		return NULL;
	if (step->moves != NULL || step->kind == CRM_STEP_REFRESH)
		return step;
	if (step->batch != NULL)
		return find_in_batch(step->batch, step->nbatch, key);
	return crm_same_key(door, step->key, key) ? step : NULL;
}

const char *
crm_of_workflow(const Door *door)
{
	return door->by_column ? psprintf(" AND %s OPERATOR(pg_catalog.=) $2",
									  quote_identifier(NameStr(door->workflow_name))) : "";
}

text *
crm_row_workflow_text(const Door *door, Relation rel, TupleTableSlot *row)
{
	bool		isnull;
	Datum		value;

	if (!door->by_column)
		return cstring_to_text(NameStr(door->fixed_workflow));
	value = slot_getattr(row, door->workflow, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of table %s", NameStr(door->workflow_name),
						crm_table_name(door)),
				 errdetail("Without a workflow no status is valid.")));
	return DatumGetTextPP(value);
}

const Workflow *
crm_row_workflow_if_any(const Door *door, Relation rel, TupleTableSlot *row)
{
	return crm_workflow_find(crm_row_workflow_text(door, rel, row), NULL);
}

const Workflow *
crm_row_workflow(const Door *door, Relation rel, TupleTableSlot *row, int32 *version)
{
	return crm_workflow_get(crm_row_workflow_text(door, rel, row), version);
}

char *
crm_row_workflow_name(const Door *door, Relation rel, TupleTableSlot *row)
{
	return text_to_cstring(crm_row_workflow_text(door, rel, row));
}

Datum
crm_get_not_null(Relation rel, TupleTableSlot *row, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(row, column, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of table %s",
						NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname),
						crm_relation_name(rel)),
				 errdetail("Extension crm counts on a value there, as the table had it when it was made or attached."),
				 errhint("Give the column a value.")));
	return value;
}

bool
crm_same_text(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

int
crm_trigger_depth(void)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetInt32(pg_trigger_depth(fcinfo));
}

/*
 * Who may move a row to another workflow could give it any status. And the
 * status that it has must be one there.
 */
void
crm_check_workflow_change(const Door *door, Relation rel, TupleTableSlot *old,
						  TupleTableSlot *new)
{
	bool		isnull;
	text	   *from;
	text	   *to;

	if (!door->by_column)
		return;
	from = crm_row_workflow_text(door, rel, old);
	to = crm_row_workflow_text(door, rel, new);
	if (crm_same_text(from, to))
		return;
	if (!crm_owns_table(door))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s cannot be moved from workflow \"%s\" to \"%s\"",
						crm_row_name(door, slot_getattr(old, door->key, &isnull)),
						text_to_cstring(from), text_to_cstring(to)),
				 errdetail("Role \"%s\" does not own table %s.",
						   GetUserNameFromId(GetUserId(), false), crm_table_name(door)),
				 errhint("Ask its owner.")));
	(void) crm_row_state(door, rel, new, crm_row_workflow(door, rel, new, NULL));
}

/* The number of a state by its name; an error if the workflow has none of that name. */
static int
state_number(const Door *door, Relation rel, TupleTableSlot *row, const Workflow *w,
			 const char *name, int len)
{
	int			state = crm_workflow_find_state(w, name, len);
	char	   *status;
	const char *similar;

	if (state >= 0)
		return state;
	status = pnstrdup(name, len);
	similar = crm_workflow_similar_state(w, status);
	ereport(ERROR,
			(errcode(ERRCODE_CRM_UNKNOWN_STATUS),
			 errmsg("workflow \"%s\" has no status \"%s\"",
					crm_row_workflow_name(door, rel, row), status),
			 errdetail("It has: %s.", crm_workflow_list_states(w)),
			 similar ? errhint("Did you mean \"%s\"?", similar) :
			 errhint("Give it one of these.")));
}

void
crm_check_state_name(const Door *door, Relation rel, TupleTableSlot *row, const Workflow *w,
					 const char *name)
{
	(void) state_number(door, rel, row, w, name, strlen(name));
}

int
crm_row_state(const Door *door, Relation rel, TupleTableSlot *row, const Workflow *w)
{
	text	   *name = DatumGetTextPP(crm_get_not_null(rel, row, door->status));

	return state_number(door, rel, row, w, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}
