/*
 * recount.c
 *		When it changes what counts, and not what was written: which statuses are
 *		booked, where a day begins, and TRUNCATE.
 *
 * These are rare, so they lock out the writers that they concern, and then look at
 * all rows with a snapshot that is newer than the lock.
 */
#include "crm.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "changes.h"
#include "owner.h"
#include "placement.h"
#include "trigger.h"
#include "workflow.h"
#include "workflow_cache.h"

PG_FUNCTION_INFO_V1(crm_refuse_within_statement);
PG_FUNCTION_INFO_V1(crm_capture_booked);
PG_FUNCTION_INFO_V1(crm_capture_time_zone);
PG_FUNCTION_INFO_V1(crm_clear_rollups);

static void
refuse_old_snapshot(const char *what)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s in a %s transaction", what, IsolationIsSerializable() ? "SERIALIZABLE" : "REPEATABLE READ"),
				 errdetail("What others have written since it began would be left out of the sales figures."),
				 errhint("BEGIN ISOLATION LEVEL READ COMMITTED.")));
}

/* Within TRUNCATE, which refuses a table that is in use */
static bool is_clearing = false;

/*
 * Figures are worked out anew from the tables, or from lines as they are now, only where all that lies in the tables
 * has been told of: not while a statement of this session is at them, whose triggers may be yet to come.
 */
static void
refuse_within_statement(const char *what)
{
	static const char *const tables[] = {"orders", "order_lines", "order_events"};

	for (int i = 0; i < lengthof(tables) && !is_clearing; i++)
	{
		Relation	rel = table_open(crm_table_oid(tables[i]), AccessShareLock);

		if (rel->rd_refcnt > 1)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("%s while an active query of this session uses table %s", what, crm_relation_name(rel)),
					 errdetail("What that has written may not have been told to the sales figures yet."),
					 errhint("Do it in a statement of its own, and not from a trigger, a loop or a function that the other one calls.")));
		table_close(rel, NoLock);
	}
}

/*
 * crm_refuse_within_statement(what text)
 *
 * An error that begins with what, if an active query of this session uses a table that figures are made of. Errors: 55006.
 */
Datum
crm_refuse_within_statement(PG_FUNCTION_ARGS)
{
	refuse_within_statement(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/* Run a statement with the rights of the owner of the rollups. */
static void
run(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	Relation	rollups = table_open(crm_table_oid("rollups"), AccessShareLock);
	CrmCaller	caller;
	int			result;

	crm_become_owner(rollups, &caller);
	SPI_connect();
	result = SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);
	if (result != expected)
		elog(ERROR, "unexpected result of %s: %s", sql, SPI_result_code_string(result));
	SPI_finish();
	crm_become_caller(&caller);
	table_close(rollups, NoLock);
}

static int64
get_number(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(row, desc, column, &isnull));
}

static text *
get_text(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);

	return isnull ? NULL : DatumGetTextPP(value);
}

/*
 * All lines of orders of a workflow ($1) in statuses that have come ($2) or gone ($3), as the
 * command found them: what it does to them itself is told by their own triggers, by
 * the new rules (capture.c). Not by an INSERT, which would put them anywhere: see changes.c.
 */
static void
append_lines(Oid *types, Datum *values, CommandId command)
{
	static const char sql[] =
		"SELECT o.placed_on, l.product_id, o.customer_id, o.owner, o.currency, o.workflow, s.sign,"
		" s.sign OPERATOR(pg_catalog.*) (l.quantity OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8,"
		" s.sign OPERATOR(pg_catalog.*) (pg_catalog.round(l.amount OPERATOR(pg_catalog.*) o.exchange_rate, 2) OPERATOR(pg_catalog.*) 100)::pg_catalog.int8"
		" FROM (SELECT pg_catalog.unnest($2) AS status, 1::pg_catalog.int8 AS sign UNION ALL SELECT pg_catalog.unnest($3), -1) s"
		" JOIN " CRM_SCHEMA ".orders o ON o.workflow OPERATOR(pg_catalog.=) $1 AND o.status OPERATOR(pg_catalog.=) s.status"
		" JOIN " CRM_SCHEMA ".order_lines l ON l.order_id OPERATOR(pg_catalog.=) o.id";
	Relation	rollups = table_open(crm_table_oid("rollups"), AccessShareLock);
	CrmCaller	caller;
	Portal		rows;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	snapshot->curcid = command;
	crm_become_owner(rollups, &caller);
	/* lines that a policy hides from him: rather an error than figures without them */
	(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	/* read-only: with this snapshot, which is newer than the lock */
	PushActiveSnapshot(snapshot);
	rows = SPI_cursor_open_with_args(NULL, sql, 3, types, values, NULL, true, 0);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(rows, true, 1000);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			HeapTuple	row = SPI_tuptable->vals[i];
			TupleDesc	desc = SPI_tuptable->tupdesc;
			bool		isnull;
			LineChange	change;

			change.day = DatumGetDateADT(SPI_getbinval(row, desc, 1, &isnull));
			change.product_id = get_number(row, desc, 2);
			change.customer_id = get_number(row, desc, 3);
			change.owner = get_text(row, desc, 4);
			change.currency = get_text(row, desc, 5);
			change.workflow = get_text(row, desc, 6);
			change.lines = (int32) get_number(row, desc, 7);
			change.quantity = get_number(row, desc, 8);
			change.amount = get_number(row, desc, 9);
			crm_append_line_changes(&change, 1);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(rows);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	SPI_finish();
	crm_become_caller(&caller);
	table_close(rollups, NoLock);
}

/* The states that are booked in one workflow and not in another one. Either may be missing: nothing is booked in it. */
static ArrayType *
only_booked_in(const Workflow *w, const Workflow *other, int *n)
{
	const WfClass *class = w == NULL ? NULL : crm_workflow_find_class(w, "booked");
	const WfClass *other_class = other == NULL ? NULL : crm_workflow_find_class(other, "booked");
	Datum	   *states = palloc(sizeof(Datum) * (class == NULL ? 1 : class->nmembers));

	*n = 0;
	for (int i = 0; class != NULL && i < class->nmembers; i++)
	{
		const char *name = WF_STATE_NAME(w, WF_MEMBERS(w)[class->first_member + i]);
		int			state = other_class == NULL ? -1 : crm_workflow_find_state(other, name, strlen(name));

		if (state < 0 || !crm_workflow_in_class(other, other_class, state))
			states[(*n)++] = CStringGetTextDatum(name);
	}
	return construct_array(states, *n, TEXTOID, -1, false, TYPALIGN_INT);
}

static const Workflow *
definition_of(Relation workflows, HeapTuple row)
{
	bool		isnull;
	Datum		definition = crm_get(row, crm_definition_column(workflows), workflows, &isnull);

	return isnull ? NULL : DatumGetWorkflowP(definition);
}

/*
 * crm_capture_booked() returns trigger
 *
 * AFTER UPDATE OR DELETE row trigger of crm.workflows: where a status begins or ceases to be
 * booked, the lines of all orders that stand in it come into the sales figures or
 * leave them. No order changes meanwhile. Errors: 0A000 for such a change in a
 * REPEATABLE READ or SERIALIZABLE transaction, 55006 within a statement on orders or lines, 42501 if a policy hides
 * orders from the owner of crm.rollups, 42809 on another table, 39P01.
 */
Datum
crm_capture_booked(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_capture_booked", CRM_TRIGGER_AFTER_ANY_ROW, "workflows");
	Relation	rel = trigger->tg_relation;
	AttrNumber	name = crm_column(rel, "name", TEXTOID);
	Oid			types[3] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[3];
	const Workflow *old,
			   *new;
	int			ncome,
				ngone;
	bool		isnull;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))	/* nobody follows it yet */
		PG_RETURN_POINTER(NULL);
	old = definition_of(rel, trigger->tg_trigtuple);
	/* orders that follow a new name, or another workflow, by a foreign key that takes them along, tell of themselves */
	new = crm_is_changed(trigger, name) ? NULL : definition_of(rel, trigger->tg_newtuple);
	values[0] = crm_get(trigger->tg_trigtuple, name, rel, &isnull);
	values[1] = PointerGetDatum(only_booked_in(new, old, &ncome));
	values[2] = PointerGetDatum(only_booked_in(old, new, &ngone));
	if (ncome == 0 && ngone == 0)
		PG_RETURN_POINTER(NULL);

	crm_placements_may_be_booked();
	refuse_old_snapshot("what counts as sold cannot be changed");
	refuse_within_statement("what counts as sold cannot be changed");
	LockRelationOid(crm_table_oid("orders"), ShareRowExclusiveLock);
	append_lines(types, values, crm_writing_command(trigger));
	PG_RETURN_POINTER(NULL);
}

/*
 * crm_capture_time_zone() returns trigger
 *
 * AFTER INSERT OR UPDATE row trigger of crm.settings: the days of the events are those
 * of the reporting time zone, so with another one, or if the row had been away, all are
 * counted again. (Orders keep their placed_on.) Errors: 0A000 in a REPEATABLE READ or SERIALIZABLE transaction,
 * 42809 on another table, 39P01.
 */
Datum
crm_capture_time_zone(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_capture_time_zone", CRM_TRIGGER_AFTER_ROW, "settings");
	char	   *schema;
	char	   *sql;

	if (!crm_is_changed(trigger, crm_column(trigger->tg_relation, "time_zone", TEXTOID)))
		PG_RETURN_POINTER(NULL);

	refuse_old_snapshot("the reporting time zone cannot be changed");
	LockRelationOid(crm_table_oid("order_events"), ShareRowExclusiveLock);
	schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	/* which rollups there are, somebody may be changing: to be asked when he is done */
	run(psprintf("SELECT %s()", quote_qualified_identifier(schema, "crm_lock_rollups")), 0, NULL, NULL, SPI_OK_SELECT);
	sql = psprintf("SELECT %s(name) FROM " CRM_SCHEMA ".rollups WHERE grain OPERATOR(pg_catalog.=) 'event'",
				   quote_qualified_identifier(schema, "crm_rebuild_rollups"));
	run(sql, 0, NULL, NULL, SPI_OK_SELECT);
	PG_RETURN_POINTER(NULL);
}

/*
 * crm_clear_rollups(what) returns trigger
 *
 * AFTER TRUNCATE trigger of the tables that figures are made of: line, order or event
 * for those of that grain, category or region for what is known of products or
 * customers. Errors: 0A000 in a REPEATABLE READ or SERIALIZABLE transaction, 42809
 * on another table, 39P01.
 */
Datum
crm_clear_rollups(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *what;
		const char *table;
	}			sources[] = {
		{"line", "order_lines"}, {"order", "orders"}, {"event", "order_events"},
		{"category", "products"}, {"region", "customers"}
	};
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_clear_rollups", CRM_TRIGGER_AFTER_STATEMENT);
	const char *what = trigger->tg_trigger->tgnargs == 1 ? trigger->tg_trigger->tgargs[0] : "";
	char	   *sql;
	int			i = 0;

	while (i < lengthof(sources) && strcmp(sources[i].what, what) != 0)
		i++;
	if (i == lengthof(sources) || !TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" cannot call crm_clear_rollups()", trigger->tg_trigger->tgname),
				 errdetail("It is for TRUNCATE, and its argument is line, order, event, category or region."),
				 errhint("Drop the trigger.")));
	crm_check_trigger_table(trigger, sources[i].table);
	refuse_old_snapshot(psprintf("table %s cannot be truncated", crm_relation_name(trigger->tg_relation)));
	sql = psprintf("SELECT %s('%s'::pg_catalog.text)",
				   quote_qualified_identifier(get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)),
											  "crm_empty_rollups"), what);
	is_clearing = true;
	PG_TRY();
	{
		run(sql, 0, NULL, NULL, SPI_OK_SELECT);
	}
	PG_FINALLY();
	{
		is_clearing = false;
	}
	PG_END_TRY();
	PG_RETURN_POINTER(NULL);
}
