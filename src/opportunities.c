/*
 * opportunities.c
 *		The amount of an opportunity is that of its lines; won, it becomes an order.
 *
 * Whoever changes lines updates their opportunity at the end of the statement.
 * That update waits for others who change lines, or take a step; what it finds
 * then, in a new snapshot, is what is committed and cannot change any more: the
 * sum of the lines, and whether they may change at all. In the same way a step
 * waits for those who change lines, and an order gets the lines as they are then.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "door.h"
#include "key.h"
#include "order_lines.h"
#include "owner.h"
#include "plans.h"
#include "row.h"
#include "settings.h"
#include "trigger.h"
#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_keep_opportunity);
PG_FUNCTION_INFO_V1(crm_total_opportunity_lines);
PG_FUNCTION_INFO_V1(crm_win_opportunity);

/* Run a statement; one that does not do what it is for ends here. Returns the number of rows. */
static uint64
run(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls, int expected)
{
	int			result = SPI_execute_plan(crm_plan(sql, nargs, types), values, nulls, false, 0);

	if (result != expected)
		elog(ERROR, "unexpected result of a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* All lines that are quoted, whoever may see them; returns their number. */
static int64
sum_lines(int64 opportunity_id, Datum *amount)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(opportunity_id)};
	Relation	lines = table_open(crm_table_oid("opportunity_lines"), AccessShareLock);
	CrmCaller	caller;
	bool		isnull;
	int64		nlines;

	crm_become_owner(lines, &caller);
	SPI_connect();
	if (run("SELECT pg_catalog.count(*), pg_catalog.sum(amount) FROM " CRM_SCHEMA ".opportunity_lines"
			" WHERE opportunity_id OPERATOR(pg_catalog.=) $1", 1, types, values, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "unexpected result of a SELECT");
	nlines = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (nlines > 0)
		*amount = SPI_datumTransfer(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull),
									false, -1);
	SPI_finish();
	crm_become_caller(&caller);
	table_close(lines, NoLock);
	return nlines;
}

/* Who could take the order off an opportunity could win it again. */
static void
check_order_id(Relation rel, HeapTuple old, HeapTuple new)
{
	AttrNumber	column = crm_column(rel, "order_id", INT8OID);
	bool		was_null = true;
	bool		is_null;
	Datum		was = old != NULL ? crm_get(old, column, rel, &was_null) : (Datum) 0;
	Datum		is = crm_get(new, column, rel, &is_null);
	bool		no_id;
	Datum		id = crm_get(new, crm_column(rel, "id", INT8OID), rel, &no_id);

	if (was_null != is_null || (!is_null && DatumGetInt64(was) != DatumGetInt64(is)))
	{
		if (crm_owns_relation(RelationGetRelid(rel), GetUserId()))
			return;
		ereport(ERROR,
				(errcode(ERRCODE_CRM_KEPT_BY_MACHINE),
				 errmsg("column \"order_id\" of opportunity " INT64_FORMAT " is kept by the database", DatumGetInt64(id)),
				 errdetail("The statement gives it a value of its own, and role \"%s\" does not own table %s.",
						   GetUserNameFromId(GetUserId(), false), crm_relation_name(rel)),
				 errhint("Leave the column out of the statement; an opportunity that is won gets its order by itself.")));
	}
}

/*
 * crm_keep_opportunity() returns trigger
 *
 * BEFORE INSERT OR UPDATE OF amount, currency, order_id row trigger of
 * crm.opportunities: if there are lines, the amount is their sum, whatever was given
 * for it; a new opportunity without currency gets the one of the settings. Only the
 * owner of the table says which order one has become (imports).
 *
 * Errors: SL010 for an order_id that somebody else gives, 22003 for a sum that is too
 * large, P0002 if crm.settings has no row, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_keep_opportunity(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_keep_opportunity", CRM_TRIGGER_BEFORE_ROW, "opportunities");
	Relation	rel = trigger->tg_relation;
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	HeapTuple	tuple = is_insert ? trigger->tg_trigtuple : trigger->tg_newtuple;
	int			column;
	bool		isnull;
	Datum		value;

	check_order_id(rel, is_insert ? NULL : trigger->tg_trigtuple, tuple);
	if (is_insert)
	{
		column = crm_column(rel, "currency", TEXTOID);
		(void) crm_get(tuple, column, rel, &isnull);
		if (!isnull)
			return PointerGetDatum(tuple);
		value = CStringGetTextDatum(crm_reporting_currency());
	}
	else
	{
		Datum		id = crm_get(tuple, crm_column(rel, "id", INT8OID), rel, &isnull);

		column = crm_column(rel, "amount", NUMERICOID);
		if (isnull || sum_lines(DatumGetInt64(id), &value) == 0)
			return PointerGetDatum(tuple);
		value = DirectFunctionCall2(numeric, value,
									Int32GetDatum(TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypmod));
	}
	isnull = false;
	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), 1, &column, &value, &isnull));
}

/* Error SL014 unless the lines may change; the row is locked, and gone if its lines go with it. */
static void
check_editable(Relation rel, Datum id)
{
	TupleTableSlot *row = table_slot_create(rel, NULL);

	if (crm_row_find(rel, crm_door_get(rel), id, SnapshotSelf, row))
		crm_check_editable(rel, row);
	ExecDropSingleTupleTableSlot(row);
}

/* The opportunities whose lines a statement has changed, in order of their ids. Within SPI_connect(). */
static SPITupleTable *
changed_opportunities(TriggerData *trigger)
{
	StringInfoData sql;
	char	   *sql_all;

	if (SPI_register_trigger_data(trigger) != SPI_OK_TD_REGISTER)
		elog(ERROR, "the transition tables were not found");
	initStringInfo(&sql);
	if (trigger->tg_newtable != NULL)
		appendStringInfo(&sql, "SELECT opportunity_id FROM %s", quote_identifier(trigger->tg_trigger->tgnewtable));
	if (trigger->tg_newtable != NULL && trigger->tg_oldtable != NULL)
		appendStringInfoString(&sql, " UNION ALL ");
	if (trigger->tg_oldtable != NULL)
		appendStringInfo(&sql, "SELECT opportunity_id FROM %s", quote_identifier(trigger->tg_trigger->tgoldtable));
	sql_all = psprintf("SELECT DISTINCT opportunity_id FROM (%s) AS lines ORDER BY opportunity_id", sql.data);
	if (SPI_execute(sql_all, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "unexpected result of a SELECT");
	return SPI_tuptable;
}

/*
 * crm_total_opportunity_lines() returns trigger
 *
 * AFTER INSERT, UPDATE or DELETE statement trigger of crm.opportunity_lines, with
 * its transition tables: lines change only while the status of their opportunity
 * is of class "editable", or by the owner of crm.opportunities; the amount of the
 * opportunity becomes their sum, written with the rights of that owner. AFTER
 * TRUNCATE, without transition tables: only that owner may.
 *
 * Errors: SL014, 22003 for a sum that is too large, 40001 if the opportunity has
 * changed since the snapshot of a REPEATABLE READ transaction, 42809 on another table, 39P01 if not called
 * as such a trigger.
 */
Datum
crm_total_opportunity_lines(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_total_opportunity_lines", CRM_TRIGGER_AFTER_STATEMENT, "opportunity_lines");
	Relation	rel;
	SPITupleTable *changed;
	Oid			types[1] = {INT8OID};

	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		/* without lines the last amounts stay */
		crm_check_truncate(trigger->tg_relation, "opportunities");
		PG_RETURN_POINTER(NULL);
	}
	crm_check_transition_tables(trigger, "crm_total_opportunity_lines");
	rel = table_open(crm_table_oid("opportunities"), RowExclusiveLock);
	SPI_connect();
	changed = changed_opportunities(trigger);
	for (uint64 i = 0; i < changed->numvals; i++)
	{
		bool		isnull;
		Datum		id = SPI_getbinval(changed->vals[i], changed->tupdesc, 1, &isnull);
		CrmCaller	caller;

		CHECK_FOR_INTERRUPTS();
		/* waits for the lock; crm_keep_opportunity() knows the sum */
		crm_become_owner(rel, &caller);
		(void) run("UPDATE " CRM_SCHEMA ".opportunities SET amount = amount WHERE id OPERATOR(pg_catalog.=) $1",
				   1, types, &id, NULL, SPI_OK_UPDATE);
		crm_become_caller(&caller);
		check_editable(rel, id);
	}
	SPI_finish();
	table_close(rel, NoLock);
	PG_RETURN_POINTER(NULL);
}

static bool
is_booked(const Door *door, Relation rel, TupleTableSlot *row)
{
	const Workflow *w = crm_row_workflow(door, rel, row, NULL);
	const WfClass *booked = crm_workflow_find_class(w, "booked");

	return booked != NULL && crm_workflow_in_class(w, booked, crm_row_state(door, rel, row, w));
}

/* With the rights of the caller. Within SPI_connect(). */
static Datum
insert_order(Relation rel, TupleTableSlot *opportunity)
{
	static const char *const names[] = {"customer_id", "currency", "owner"};
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types)];
	bool		isnull;

	for (int i = 0; i < lengthof(types); i++)
	{
		values[i] = slot_getattr(opportunity, crm_column(rel, names[i], types[i]), &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
	if (run("INSERT INTO " CRM_SCHEMA ".orders (customer_id, currency, owner) VALUES ($1, $2, $3) RETURNING id",
			lengthof(types), types, values, nulls, SPI_OK_INSERT_RETURNING) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("the order was not inserted"),
				 errdetail("A BEFORE trigger of table %s.orders has suppressed it.", CRM_SCHEMA),
				 errhint("Look at the triggers of the table; one of them returns NULL.")));
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
}

static void
make_order(const Door *door, Relation rel, TupleTableSlot *opportunity)
{
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2];			/* order, opportunity */
	Datum		amount;
	int64		nlines;
	bool		isnull;
	CrmCaller	caller;

	values[1] = slot_getattr(opportunity, door->key, &isnull);
	nlines = sum_lines(DatumGetInt64(values[1]), &amount);
	SPI_connect();
	values[0] = insert_order(rel, opportunity);
	if (run("INSERT INTO " CRM_SCHEMA ".order_lines (order_id, line_no, product_id, quantity, unit_price, discount, tax)"
			" SELECT $1, line_no, product_id, quantity, unit_price, discount, tax"
			" FROM " CRM_SCHEMA ".opportunity_lines WHERE opportunity_id OPERATOR(pg_catalog.=) $2 ORDER BY line_no",
			2, types, values, NULL, SPI_OK_INSERT) != nlines)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the order would not have all lines of %s", crm_row_name(door, values[1])),
				 errdetail("Row-level security hides lines from role \"%s\", or a trigger suppresses them.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Have it won by somebody who sees all of them.")));
	crm_become_owner(rel, &caller);
	(void) run("UPDATE " CRM_SCHEMA ".opportunities SET order_id = $1 WHERE id OPERATOR(pg_catalog.=) $2",
			   2, types, values, NULL, SPI_OK_UPDATE);
	crm_become_caller(&caller);
	SPI_finish();
}

/*
 * crm_win_opportunity() returns trigger
 *
 * AFTER UPDATE row trigger of crm.opportunities: when the status becomes one of
 * class "booked" and there is no order yet, an order of the customer is made, with
 * the quoted lines, in the currency and with the owner of the opportunity. It is
 * inserted with the rights of the caller, who needs INSERT on crm.orders and
 * crm.order_lines, SELECT (id) on crm.orders and SELECT on crm.opportunity_lines.
 *
 * Errors: those of an INSERT into these tables, 42501 if the caller does not see
 * all lines, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_win_opportunity(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_win_opportunity", CRM_TRIGGER_AFTER_ROW, "opportunities");
	Relation	rel = trigger->tg_relation;
	const Door *door = crm_door_get(rel);
	TupleTableSlot *new = trigger->tg_newslot;
	bool		has_no_order;

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		PG_RETURN_POINTER(NULL);
	(void) slot_getattr(new, crm_column(rel, "order_id", INT8OID), &has_no_order);
	if (has_no_order &&
		!crm_same_text(DatumGetTextPP(crm_get_not_null(rel, trigger->tg_trigslot, door->status)),
					   DatumGetTextPP(crm_get_not_null(rel, new, door->status))) &&
		is_booked(door, rel, new))
		make_order(door, rel, new);
	PG_RETURN_POINTER(NULL);
}
