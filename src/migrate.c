/*
 * migrate.c
 *		crm_migrate_workflow(): a new definition, and its rows moved along.
 *
 * Locks, in this order, as an UPDATE of crm.workflows takes them: the row of the
 * workflow, then the tables whose rows follow it, EXCLUSIVE, in order of their
 * OIDs. Nobody steps, and nobody holds a row locked, until the transaction ends; a
 * weaker lock would be one to deadlock with SELECT ... FOR UPDATE.
 *
 * The rows are moved by UPDATE, through the door, with the rights of the table's
 * owner, as the caller may not know what code is on that table.
 */
#include "crm.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "catalog.h"
#include "migrate.h"
#include "owner.h"
#include "stranded.h"
#include "target.h"
#include "workflow_cache.h"

PG_FUNCTION_INFO_V1(crm_migrate_workflow);

#define ROWS_A_BATCH	10000	/* as many trigger events are in memory at a time */

static const char *migrating = NULL;

bool
crm_is_migrating(const char *workflow)
{
	return migrating != NULL && strcmp(migrating, workflow) == 0;
}

const text *
crm_move_target(const CrmStep *step, const text *from)
{
	for (int i = 0; i < step->nmoves; i++)
		if (crm_same_text(step->moves[i].from, from))
			return step->moves[i].to;
	return NULL;
}

/* What a migration is about */
typedef struct Migration
{
	char	   *name;
	Workflow   *old;
	const Workflow *new;
	int32		old_version;
	CrmMove    *moves;
	int			nmoves;
} Migration;

static void
refuse_map(const char *what, const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", what),
			 errdetail("In the state map: %s.", path),
			 errhint("A state map is a JSON object of old and new statuses: {\"old\": \"new\"}.")));
}

static void
refuse_state(const Migration *m, const Workflow *w, const char *which, const char *state, const char *path)
{
	const char *similar = crm_workflow_similar_state(w, state);

	ereport(ERROR,
			(errcode(ERRCODE_CRM_UNKNOWN_STATUS),
			 errmsg("workflow \"%s\" has no status \"%s\"", m->name, state),
			 errdetail("In the state map: %s. The %s definition has: %s.", path, which, crm_workflow_list_states(w)),
			 similar ? errhint("Did you mean \"%s\"?", similar) : errhint("Name one of these.")));
}

/* $."old status", the place of a value */
static char *
path_of(const char *key)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoString(&path, "$.");
	escape_json(&path, key);
	return path.data;
}

/* The moves of a state map. Statuses that only rows still have are accepted as sources. */
static void
read_state_map(Migration *m, Jsonb *map)
{
	JsonbIterator *it;
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *from = NULL;

	if (!JB_ROOT_IS_OBJECT(map))
		refuse_map("the state map is not a JSON object", "$");
	m->moves = palloc(sizeof(CrmMove) * Max(JB_ROOT_COUNT(map), 1));
	it = JsonbIteratorInit(&map->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *to;

		if (token == WJB_KEY)
			from = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (value.type != jbvString)
			refuse_map("a status in the state map is not a string", path_of(from));
		to = pnstrdup(value.val.string.val, value.val.string.len);
		if (crm_workflow_find_state(m->new, to, strlen(to)) < 0)
			refuse_state(m, m->new, "new", to, path_of(from));
		if (strcmp(from, to) == 0)
			continue;
		m->moves[m->nmoves].from = cstring_to_text(from);
		m->moves[m->nmoves].to = cstring_to_text(to);
		m->nmoves++;
	}
}

/* Read and lock the row of the workflow; whoever changes it too has to wait. */
static void
lock_workflow(Migration *m)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(m->name)};
	MemoryContext context = CurrentMemoryContext;
	bool		isnull[2];
	Datum		definition;

	SPI_connect();
	if (SPI_execute_with_args("SELECT definition, version FROM " CRM_SCHEMA ".workflows "
							  "WHERE name OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE",
							  1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read a workflow");
	if (SPI_processed == 0)
		crm_refuse_no_workflow(m->name);
	definition = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull[0]);
	m->old_version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull[1]));
	if (isnull[0] || isnull[1])
		crm_refuse_no_workflow(m->name);
	MemoryContextSwitchTo(context);
	m->old = DatumGetWorkflowP(PointerGetDatum(PG_DETOAST_DATUM_COPY(definition)));
	SPI_finish();
}

/* Write the new definition; returns its version. */
static int32
write_workflow(const Migration *m, Oid workflows)
{
	Oid			types[2] = {TEXTOID, get_atttype(workflows, get_attnum(workflows, "definition"))};
	Datum		values[2] = {CStringGetTextDatum(m->name), PointerGetDatum(m->new)};
	const char *outer = migrating;
	int32		version = 0;
	bool		isnull;

	PG_TRY();
	{
		migrating = m->name;
		SPI_connect();
		if (SPI_execute_with_args("UPDATE " CRM_SCHEMA ".workflows SET definition = $2 "
								  "WHERE name OPERATOR(pg_catalog.=) $1 RETURNING version",
								  2, types, values, NULL, false, 0) != SPI_OK_UPDATE_RETURNING ||
			SPI_processed != 1)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("workflow \"%s\" was not changed", m->name),
					 errdetail("A trigger, rule or policy of table %s.workflows is in the way.", CRM_SCHEMA),
					 errhint("Look at the table.")));
		version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		SPI_finish();
	}
	PG_FINALLY();
	{
		migrating = outer;
	}
	PG_END_TRY();
	return version;
}

/* The sources of all moves and, if wanted, the names of the new states: a text[] */
static Datum
list_statuses(const Migration *m, bool with_states)
{
	Datum	   *names = palloc(sizeof(Datum) * (m->nmoves + m->new->nstates));
	int			n = 0;

	for (int i = 0; i < m->nmoves; i++)
		names[n++] = PointerGetDatum(m->moves[i].from);
	for (int i = 0; with_states && i < m->new->nstates; i++)
		names[n++] = CStringGetTextDatum(WF_STATE_NAME(m->new, i));
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* A source that neither the old workflow nor any row has is a slip of the pen. */
static void
check_sources(const Migration *m, List *standing)
{
	for (int i = 0; i < m->nmoves; i++)
	{
		char	   *from = text_to_cstring(m->moves[i].from);
		bool		known = crm_workflow_find_state(m->old, from, strlen(from)) >= 0;
		ListCell   *lc;

		foreach(lc, standing)
			known |= strcmp(((CrmStanding *) lfirst(lc))->status, from) == 0;
		if (!known)
			refuse_state(m, m->old, "old", from, path_of(from));
	}
}

static void
check_owns(Oid relid, const char *what)
{
	if (!crm_owns_relation(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s", what),
				 errdetail("Role \"%s\" does not own table %s.", GetUserNameFromId(GetUserId(), false),
						   crm_name_of_relation(relid)),
				 errhint("Ask its owner.")));
}

/* Update the rows with these keys, through the door; all of them, or it is an error. */
static void
move_batch(Relation rel, const Door *door, CrmStep *step, const char *update, Datum *keys, uint64 n)
{
	Oid			types[1] = {get_array_type(door->key_type)};
	Datum		values[1];
	int16		len;
	bool		byval;
	char		align;
	uint64		updated = 0;

	get_typlenbyvalalign(door->key_type, &len, &byval, &align);
	values[0] = PointerGetDatum(construct_array(keys, n, door->key_type, len, byval, align));
	step->relid = RelationGetRelid(rel);
	step->outer = crm_current_step;
	step->trigger_depth = crm_trigger_depth() + 1;
	step->context = CurrentMemoryContext;
	step->nmoved = 0;
	PG_TRY();
	{
		crm_current_step = step;
		crm_begin_update();
		if (SPI_execute_with_args(update, 1, types, values, NULL, false, 0) != SPI_OK_UPDATE)
			elog(ERROR, "unexpected result of: %s", update);
		updated = SPI_processed;
	}
	PG_FINALLY();
	{
		crm_current_step = step->outer;
	}
	PG_END_TRY();
	if (updated != n || step->nmoved != n)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("not all rows of table %s were moved", crm_relation_name(rel)),
				 errdetail("Another BEFORE trigger has suppressed an update, or the workflow trigger is disabled."),
				 errhint("Look at the triggers of the table.")));
}

/*
 * Move the rows of one table, a batch at a time. The cursor has the snapshot from
 * before the first one, so no row is moved twice when one status becomes another
 * that is moved, too.
 */
static int64
move_rows(Relation rel, const Migration *m, CrmStep *step)
{
	const Door *door = crm_door_get(rel);
	char	   *table = psprintf("%s%s", rel->rd_rel->relkind == RELKIND_RELATION ? "ONLY " : "", crm_relation_name(rel));
	char	   *key = pstrdup(quote_identifier(NameStr(door->key_name)));
	char	   *status = pstrdup(quote_identifier(NameStr(door->status_name)));
	char	   *update = psprintf("UPDATE %s SET %s = %s WHERE %s OPERATOR(pg_catalog.=) ANY ($1)", table, status, status, key);
	Oid			types[2] = {TEXTARRAYOID, TEXTOID};
	Datum		values[2] = {list_statuses(m, false), CStringGetTextDatum(m->name)};
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "crm migration", ALLOCSET_DEFAULT_SIZES);
	Datum	   *keys;
	Portal		rows;
	int64		moved = 0;

	SPI_connect();
	keys = palloc(sizeof(Datum) * ROWS_A_BATCH);
	rows = SPI_cursor_open_with_args(NULL,
									 psprintf("SELECT %s FROM %s WHERE %s OPERATOR(pg_catalog.=) ANY ($1)%s", key, table, status,
											  crm_of_workflow(door)),
									 door->by_column ? 2 : 1, types, values, NULL, false, 0);
	for (;;)
	{
		MemoryContext caller;
		SPITupleTable *found;
		uint64		n;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(rows, true, ROWS_A_BATCH);
		found = SPI_tuptable;
		n = SPI_processed;
		if (n == 0)
			break;
		for (uint64 i = 0; i < n; i++)
			keys[i] = SPI_getbinval(found->vals[i], found->tupdesc, 1, &isnull);
		caller = MemoryContextSwitchTo(batch);
		move_batch(rel, door, step, update, keys, n);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(batch);
		SPI_freetuptable(found);
		moved += n;
	}
	SPI_cursor_close(rows);
	SPI_finish();
	MemoryContextDelete(batch);
	return moved;
}

/* The rows that stand in the statuses of the map, in all tables; returns how many were moved. */
static int64
move_all(const Migration *m, List *standing, CrmStep *step)
{
	int64		expected = 0;
	int64		moved = 0;
	Oid			last = InvalidOid;
	ListCell   *lc;

	foreach(lc, standing)
	{
		CrmStanding *rows = lfirst(lc);
		Relation	rel;
		CrmCaller	caller;

		expected += rows->rows;
		if (rows->relid == last)
			continue;
		last = rows->relid;
		rel = table_open(rows->relid, NoLock);
		crm_become_owner(rel, &caller);
		moved += move_rows(rel, m, step);
		crm_become_caller(&caller);
		table_close(rel, NoLock);
	}
	/* rows that came into such a status after the snapshot of the transaction was taken */
	if (moved != expected)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("%lld rows are to be moved, and this transaction sees %lld of them.",
						   (long long) expected, (long long) moved),
				 errhint("The transaction might succeed if retried.")));
	return moved;
}

/*
 * crm_migrate_workflow(name text, definition crm_workflow, state_map jsonb DEFAULT '{}') returns bigint
 *
 * Gives the workflow the definition, and moves the rows that follow it, in
 * whatever table, from the statuses that are keys of the map to the values there.
 * Every status that rows stand in and the definition does not have must be in the
 * map; others may. Each row gets an event "migrate", marked as forced, whose
 * note says from which version to which. All or nothing. Returns how many rows
 * were moved. For the owner of crm.workflows, who must own the tables whose rows
 * are moved, too.
 *
 * Errors: 22004 for a null, SL009 if there is no such workflow, 22023 for a map
 * that is none, SL007 for a status in it that is none, SL013 if rows would be
 * left behind, 42501, 42704 if a guard of the definition is missing, 25006, 40001
 * in REPEATABLE READ if rows have moved since.
 */
Datum
crm_migrate_workflow(PG_FUNCTION_ARGS)
{
	static const char *const arguments[] = {"name", "definition", "state_map"};
	Oid			workflows;
	Migration	m = {0};
	List	   *followers = NIL;
	List	   *standing = NIL;
	CrmStep		step = {0};
	int			nlost;
	int32		version;
	ListCell   *lc;

	for (int i = 0; i < lengthof(arguments); i++)
		if (PG_ARGISNULL(i))
			crm_refuse_null("crm_migrate_workflow", arguments[i]);
	PreventCommandIfReadOnly("crm_migrate_workflow()");
	workflows = crm_table_oid("workflows");
	m.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	check_owns(workflows, psprintf("workflow \"%s\" cannot be migrated", m.name));
	m.new = PG_GETARG_WORKFLOW_P(1);
	lock_workflow(&m);
	read_state_map(&m, PG_GETARG_JSONB_P(2));

	(void) crm_state_names(m.old, m.new, &nlost);
	if (nlost > 0 || m.nmoves > 0)
	{
		List	   *left_behind;

		followers = crm_lock_followers(m.name, ExclusiveLock);
		left_behind = crm_count_standing(followers, m.name, list_statuses(&m, true), true);
		if (left_behind != NIL)
			crm_refuse_stranding(m.name, left_behind);
		standing = crm_count_standing(followers, m.name, list_statuses(&m, false), false);
		check_sources(&m, standing);
		foreach(lc, standing)
			check_owns(((CrmStanding *) lfirst(lc))->relid,
					   psprintf("rows of workflow \"%s\" cannot be moved", m.name));
	}

	version = write_workflow(&m, workflows);
	step.event = "migrate";
	step.note = cstring_to_text(version == m.old_version ? psprintf("version %d", version) :
								psprintf("version %d to %d", m.old_version, version));
	step.expected_version = -1;
	step.moves = m.moves;
	step.nmoves = m.nmoves;
	PG_RETURN_INT64(move_all(&m, standing, &step));
}
