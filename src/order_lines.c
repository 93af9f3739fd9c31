/*
 * order_lines.c
 *		Rules for the lines of orders, and their totals.
 *
 * Each row is looked at before it is written: its order is locked, once for a
 * statement, and must be in a status in which lines may change; what was left
 * out is filled in. When the statement is done, its transition tables tell what
 * it has really written. Then each order is looked at again: a statement may call
 * functions that take a step of the order in its middle.
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
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "catalog.h"
#include "changes.h"
#include "door.h"
#include "key.h"
#include "lookup.h"
#include "order_lines.h"
#include "order_lock.h"
#include "placement.h"
#include "products.h"
#include "settings.h"
#include "totals.h"
#include "trigger.h"
#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_check_order_line);
PG_FUNCTION_INFO_V1(crm_total_order_lines);

/* Columns that make up a line; what the user has added is the user's business. */
typedef enum LineColumn
{
	LINE_ORDER,
	LINE_NO,
	LINE_PRODUCT,
	LINE_QUANTITY,
	LINE_UNIT_PRICE,
	LINE_DISCOUNT,
	LINE_TAX,
	LINE_AMOUNT,				/* computed */
	LINE_NCOLUMNS
} LineColumn;

static const struct
{
	const char *name;
	Oid			type;
}			columns[LINE_NCOLUMNS] = {
	[LINE_ORDER] = {"order_id", INT8OID},
	[LINE_NO] = {"line_no", INT4OID},
	[LINE_PRODUCT] = {"product_id", INT8OID},
	[LINE_QUANTITY] = {"quantity", NUMERICOID},
	[LINE_UNIT_PRICE] = {"unit_price", NUMERICOID},
	[LINE_DISCOUNT] = {"discount", NUMERICOID},
	[LINE_TAX] = {"tax", NUMERICOID},
	[LINE_AMOUNT] = {"amount", NUMERICOID},
};

typedef struct LockedOrder
{
	int64		id;				/* hash key */
	char	   *currency;		/* NULL if it is the reporting currency */
} LockedOrder;

typedef struct KnownProduct
{
	int64		id;				/* hash key */
	bool		exists;
	CrmProduct	product;
} KnownProduct;

/* What the row trigger remembers while a statement runs */
typedef struct Statement
{
	AttrNumber	columns[LINE_NCOLUMNS];
	bool		is_owner;		/* of crm.orders */
	HTAB	   *orders;
	LockedOrder *last_order;
	HTAB	   *products;
} Statement;

static void
find_columns(Relation rel, AttrNumber *numbers)
{
	for (int i = 0; i < LINE_NCOLUMNS; i++)
		numbers[i] = crm_column(rel, columns[i].name, columns[i].type);
}

/* The names of the states in which lines may change */
static char *
list_editable(const Workflow *w, const WfClass *class)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < class->nmembers; i++)
		appendStringInfo(&list, "%s\"%s\"", i == 0 ? "" : ", ",
						 WF_STATE_NAME(w, WF_MEMBERS(w)[class->first_member + i]));
	return list.data;
}

void
crm_check_editable(Relation orders, TupleTableSlot *order)
{
	const Door *door = crm_door_get(orders);
	const Workflow *w = crm_row_workflow(door, orders, order, NULL);
	int			state = crm_row_state(door, orders, order, w);
	const WfClass *class = crm_workflow_find_class(w, "editable");

	if (class != NULL && crm_workflow_in_class(w, class, state))
		return;
	if (crm_owns_relation(RelationGetRelid(orders), GetUserId()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CRM_NOT_EDITABLE),
			 errmsg("the lines of %s cannot be changed any more", crm_row_name_of(door, order)),
			 class != NULL ?
			 errdetail("Its status is \"%s\"; in workflow \"%s\" lines change in: %s.",
					   WF_STATE_NAME(w, state), crm_row_workflow_name(door, orders, order),
					   list_editable(w, class)) :
			 errdetail("Its status is \"%s\"; workflow \"%s\" has no state of class \"editable\".",
					   WF_STATE_NAME(w, state), crm_row_workflow_name(door, orders, order)),
			 errhint("The owner of table %s may change them nevertheless.", crm_relation_name(orders))));
}

static Statement *
get_statement(FunctionCallInfo fcinfo, Relation rel)
{
	Statement  *statement = fcinfo->flinfo->fn_extra;
	HASHCTL		ctl = {0};

	if (statement != NULL)
		return statement;
	statement = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Statement));
	find_columns(rel, statement->columns);
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(LockedOrder);
	ctl.hcxt = fcinfo->flinfo->fn_mcxt;
	statement->orders = hash_create("crm locked orders", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.entrysize = sizeof(KnownProduct);
	statement->products = hash_create("crm known products", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	statement->is_owner = crm_owns_relation(crm_table_oid("orders"), GetUserId());
	fcinfo->flinfo->fn_extra = statement;
	return statement;
}

/* Lock the order and look at its status, once in a statement; NULL if it does not exist. */
static LockedOrder *
lock_order(FunctionCallInfo fcinfo, Statement *statement, int64 id)
{
	LockedOrder *order = statement->last_order;
	Relation	orders;
	TupleTableSlot *row;
	bool		exists;

	if (order == NULL || order->id != id)
		order = statement->last_order = hash_search(statement->orders, &id, HASH_FIND, NULL);
	if (order != NULL)
		return order;

	orders = crm_orders_open();
	row = table_slot_create(orders, NULL);
	exists = crm_order_lock(orders, id, row);
	if (exists)
	{
		char	   *currency;

		crm_check_editable(orders, row);
		currency = TextDatumGetCString(crm_get_not_null(orders, row, crm_column(orders, "currency", TEXTOID)));
		order = hash_search(statement->orders, &id, HASH_ENTER, NULL);
		order->currency = strcmp(currency, crm_reporting_currency()) == 0 ? NULL :
			MemoryContextStrdup(fcinfo->flinfo->fn_mcxt, currency);
	}
	ExecDropSingleTupleTableSlot(row);
	table_close(orders, NoLock);
	return statement->last_order = order;
}

static const KnownProduct *
get_product(FunctionCallInfo fcinfo, Statement *statement, int64 id)
{
	KnownProduct *known = hash_search(statement->products, &id, HASH_FIND, NULL);
	CrmProduct	product = {0};
	CrmProductFinder finder;
	bool		exists;
	MemoryContext caller;

	if (known != NULL)
		return known;
	crm_products_open(&finder);
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	exists = crm_product_by_id(&finder, id, &product);
	MemoryContextSwitchTo(caller);
	crm_products_close(&finder);
	known = hash_search(statement->products, &id, HASH_ENTER, NULL);
	known->exists = exists;
	known->product = product;
	return known;
}

static void
refuse_missing_product(Relation rel, int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("product " INT64_FORMAT " does not exist", id),
			 errdetail("It has no price that a line of table %s could have.", crm_relation_name(rel)),
			 errhint("Look into table %s.products.", CRM_SCHEMA),
			 errtableconstraint(rel, "order_lines_sell_a_product")));
}

/* Fill in what was left out of a new line. */
static HeapTuple
complete_line(FunctionCallInfo fcinfo, Statement *statement, Relation rel, const LockedOrder *order,
			  HeapTuple line)
{
	int			numbers[2];
	Datum		values[2];
	bool		nulls[2] = {false, false};
	int			n = 0;
	bool		isnull;

	(void) crm_get(line, statement->columns[LINE_NO], rel, &isnull);
	if (isnull)
	{
		numbers[n] = statement->columns[LINE_NO];
		values[n++] = Int32GetDatum(crm_next_number(rel, "line_no", order->id));
	}
	(void) crm_get(line, statement->columns[LINE_UNIT_PRICE], rel, &isnull);
	if (isnull)
	{
		Datum		id = crm_get(line, statement->columns[LINE_PRODUCT], rel, &isnull);
		const KnownProduct *known = isnull ? NULL : get_product(fcinfo, statement, DatumGetInt64(id));

		if (known != NULL)
		{
			if (!known->exists)
				refuse_missing_product(rel, DatumGetInt64(id));
			if (order->currency != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_CRM_OTHER_CURRENCY),
						 errmsg("product \"%s\" has no price in %s", known->product.sku, order->currency),
						 errdetail("Prices of products are in %s, order " INT64_FORMAT " is in %s.",
								   crm_reporting_currency(), order->id, order->currency),
						 errhint("Give the line a unit_price.")));
			numbers[n] = statement->columns[LINE_UNIT_PRICE];
			values[n++] = NumericGetDatum(known->product.price);
		}
	}
	return n == 0 ? line :
		heap_modify_tuple_by_cols(line, RelationGetDescr(rel), n, numbers, values, nulls);
}

/* Whether a row is the same line as before; to look at, not computed ones. */
static bool
same_line(TupleDesc desc, const AttrNumber *numbers, Datum *old, bool *old_nulls, Datum *new, bool *new_nulls)
{
	for (int i = 0; i < LINE_AMOUNT; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, numbers[i] - 1);

		if (old_nulls[i] != new_nulls[i] ||
			(!old_nulls[i] && !datum_image_eq(old[i], new[i], att->attbyval, att->attlen)))
			return false;
	}
	return true;
}

static void
get_line(HeapTuple line, Relation rel, const AttrNumber *numbers, Datum *values, bool *nulls)
{
	for (int i = 0; i < LINE_AMOUNT; i++)
		values[i] = crm_get(line, numbers[i], rel, &nulls[i]);
}

/* The currency of an order in words */
static const char *
currency_of(const LockedOrder *order)
{
	return order->currency != NULL ? order->currency : crm_reporting_currency();
}

/* A line that moves takes its numbers along. */
static void
check_same_currency(const LockedOrder *from, const LockedOrder *to)
{
	if (from == to || strcmp(currency_of(from), currency_of(to)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CRM_OTHER_CURRENCY),
			 errmsg("a line of order " INT64_FORMAT " cannot become one of order " INT64_FORMAT, from->id, to->id),
			 errdetail("Its price is in %s, order " INT64_FORMAT " is in %s.", currency_of(from), to->id, currency_of(to)),
			 errhint("Delete it, and insert one there with a price in %s.", currency_of(to))));
}

static void
check_active(FunctionCallInfo fcinfo, Statement *statement, int64 product_id)
{
	const KnownProduct *known = get_product(fcinfo, statement, product_id);

	if (known->exists && !known->product.active)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_PRODUCT_INACTIVE),
				 errmsg("product \"%s\" is not sold any more", known->product.sku),
				 errdetail("It is not active."),
				 errhint("Choose another one; the owner of table %s.orders may sell it nevertheless.", CRM_SCHEMA)));
}

/*
 * crm_check_order_line() returns trigger
 *
 * BEFORE INSERT OR UPDATE OR DELETE row trigger of crm.order_lines: locks the order
 * and lets its lines change only in a status of class "editable"; gives a new line
 * the next line_no and the price of its product if they are left out. The owner
 * of crm.orders may change lines in any status and sell products that are not
 * active.
 *
 * Errors: SL014, SL016 for a product that is not active, SL017 for a price that
 * is needed in another currency and for a line that moves to an order in another
 * one, 23503 for an order or product that does not exist, 40001 if
 * the order has changed since the snapshot of the transaction, 42809 on another table, 39P01 if not called
 * as such a trigger.
 */
Datum
crm_check_order_line(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_check_order_line", CRM_TRIGGER_BEFORE_ANY_ROW, "order_lines");
	Relation	rel = trigger->tg_relation;
	Statement  *statement = get_statement(fcinfo, rel);
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	bool		is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	HeapTuple	old = is_insert ? NULL : trigger->tg_trigtuple;
	HeapTuple	new = is_insert ? trigger->tg_trigtuple : is_update ? trigger->tg_newtuple : NULL;
	Datum		was[LINE_NCOLUMNS],
				becomes[LINE_NCOLUMNS];
	bool		was_null[LINE_NCOLUMNS],
				becomes_null[LINE_NCOLUMNS];
	LockedOrder *order = NULL;
	LockedOrder *before = NULL;

	/* its order is ours alone, and its product and price have been looked at */
	if (is_insert && crm_placement_of(DatumGetInt64(crm_get(trigger->tg_trigtuple, statement->columns[LINE_ORDER],
															rel, &was_null[0]))))
		return PointerGetDatum(new);
	if (is_insert && crm_placement != NULL)
		crm_placement->has_other_lines = true;
	if (old != NULL)
		get_line(old, rel, statement->columns, was, was_null);
	if (new != NULL)
		get_line(new, rel, statement->columns, becomes, becomes_null);
	if (is_update && same_line(RelationGetDescr(rel), statement->columns, was, was_null, becomes, becomes_null))
		return PointerGetDatum(new);

	/* a line that moves belongs to two orders: first the one with the lower number, as everybody does */
	if (is_update && !becomes_null[LINE_ORDER] &&
		DatumGetInt64(becomes[LINE_ORDER]) < DatumGetInt64(was[LINE_ORDER]))
		(void) lock_order(fcinfo, statement, DatumGetInt64(becomes[LINE_ORDER]));
	/* a cascaded delete comes when the order is gone */
	if (old != NULL)
		before = lock_order(fcinfo, statement, DatumGetInt64(was[LINE_ORDER]));
	if (new == NULL)
		return PointerGetDatum(old);

	if (becomes_null[LINE_ORDER])	/* NOT NULL has better words for it */
		return PointerGetDatum(new);
	order = lock_order(fcinfo, statement, DatumGetInt64(becomes[LINE_ORDER]));
	if (order == NULL)
		crm_refuse_missing_order(rel, "order_lines_belong_to_an_order", DatumGetInt64(becomes[LINE_ORDER]));
	if (before != NULL)
		check_same_currency(before, order);
	if (!statement->is_owner && !becomes_null[LINE_PRODUCT] &&
		(is_insert || DatumGetInt64(was[LINE_PRODUCT]) != DatumGetInt64(becomes[LINE_PRODUCT])))
		check_active(fcinfo, statement, DatumGetInt64(becomes[LINE_PRODUCT]));
	return PointerGetDatum(is_insert ? complete_line(fcinfo, statement, rel, order, new) : new);
}

/*
 * A trigger may make the order take a step when it is placed, but has to wait for
 * its lines: the owner's exemption is for those who know which status they see.
 */
static void
check_not_advanced(Relation orders, TupleTableSlot *row, int64 order_id)
{
	if (DatumGetInt32(crm_get_not_null(orders, row, crm_door_get(orders)->version)) == 1)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("order " INT64_FORMAT " has taken a step before its lines were there", order_id),
			 errdetail("A trigger, or a function that a column has as its default, has done so while the order was placed."),
			 errhint("Take the step in an AFTER INSERT trigger FOR EACH STATEMENT of table %s.order_lines, with a name behind \"order_lines_total_inserted\".",
					 CRM_SCHEMA)));
}

/* Take a line of a transition table off its order, or add it. */
static void
total_line(CrmTotalsChange *change, Relation rel, const AttrNumber *numbers, TupleTableSlot *line, int sign)
{
	int64		order_id = DatumGetInt64(crm_get_not_null(rel, line, numbers[LINE_ORDER]));
	TupleTableSlot *order_row;
	CrmOrderTotals *order = crm_totals_of(change, order_id, &order_row);

	if (order_row != NULL)
		crm_check_editable(crm_totals_orders(change), order_row);
	if (order_row != NULL && order->placed)
		check_not_advanced(crm_totals_orders(change), order_row, order_id);
	if (!order->exists)
		return;
	order->lines_changed = true;
	order->line_count += sign;
	crm_totals_add(change, order, CRM_DISCOUNT,
				   crm_get_not_null(rel, line, numbers[LINE_DISCOUNT]), sign);
	crm_totals_add(change, order, CRM_TAX,
				   crm_get_not_null(rel, line, numbers[LINE_TAX]), sign);
	crm_totals_add(change, order, CRM_TOTAL,
				   crm_get_not_null(rel, line, numbers[LINE_AMOUNT]), sign);
}

/* Read a transition table from its begin, beside whoever else does */
static TupleTableSlot *
start_reading(Tuplestorestate *table, Relation rel, int *pointer)
{
	if (table == NULL)
		return NULL;
	*pointer = tuplestore_alloc_read_pointer(table, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(table, *pointer);
	tuplestore_rescan(table);
	return MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
}

static bool
read_line(Tuplestorestate *table, int pointer, TupleTableSlot *line)
{
	if (table == NULL)
		return false;
	tuplestore_select_read_pointer(table, pointer);
	return tuplestore_gettupleslot(table, true, false, line);
}

/*
 * What an UPDATE wrote without change is left alone: PostgreSQL puts the old and
 * the new version of a row at the same place of both tables. (If it did not, the
 * sums would be the same: only equal lines are left out, on both sides.)
 */
static bool
is_same(TupleDesc desc, const AttrNumber *numbers, TupleTableSlot *old, TupleTableSlot *new)
{
	Datum		was[LINE_NCOLUMNS],
				becomes[LINE_NCOLUMNS];
	bool		was_null[LINE_NCOLUMNS],
				becomes_null[LINE_NCOLUMNS];

	for (int i = 0; i < LINE_AMOUNT; i++)
	{
		was[i] = slot_getattr(old, numbers[i], &was_null[i]);
		becomes[i] = slot_getattr(new, numbers[i], &becomes_null[i]);
	}
	return same_line(desc, numbers, was, was_null, becomes, becomes_null);
}

static void
total_transition(Relation rel, Tuplestorestate *old_table, Tuplestorestate *new_table)
{
	AttrNumber	numbers[LINE_NCOLUMNS];
	int			old_pointer = 0;
	int			new_pointer = 0;
	TupleTableSlot *old = start_reading(old_table, rel, &old_pointer);
	TupleTableSlot *new = start_reading(new_table, rel, &new_pointer);
	CrmTotalsChange *change = NULL;

	find_columns(rel, numbers);
	for (;;)
	{
		bool		has_old = read_line(old_table, old_pointer, old);
		bool		has_new = read_line(new_table, new_pointer, new);

		CHECK_FOR_INTERRUPTS();
		if (!has_old && !has_new)
			break;
		if (has_old && has_new && is_same(RelationGetDescr(rel), numbers, old, new))
			continue;
		if (change == NULL)
			change = crm_totals_begin();
		if (has_old)
			total_line(change, rel, numbers, old, -1);
		if (has_new)
			total_line(change, rel, numbers, new, 1);
	}
	if (old != NULL)
		ExecDropSingleTupleTableSlot(old);
	if (new != NULL)
		ExecDropSingleTupleTableSlot(new);
	if (change != NULL)
		crm_totals_write(change);
}

void
crm_check_truncate(Relation lines, const char *table)
{
	if (crm_owns_relation(crm_table_oid(table), GetUserId()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CRM_NOT_EDITABLE),
			 errmsg("table %s cannot be truncated", crm_relation_name(lines)),
			 errdetail("Role \"%s\" does not own table %s.%s.", GetUserNameFromId(GetUserId(), false), CRM_SCHEMA, table),
			 errhint("DELETE takes away the lines that may change.")));
}

/*
 * crm_total_order_lines() returns trigger
 *
 * AFTER INSERT, UPDATE or DELETE statement trigger of crm.order_lines, with its
 * transition tables; after TRUNCATE, without: keeps line_count, discount, tax,
 * total and reporting_total of the orders. They are written with the rights of
 * the owner of crm.orders. Only that owner may truncate.
 *
 * Errors: SL014 if the order may not change any more, 22003 for a total that is too
 * large, 27000 for an order that takes a step while it is placed, 42809 on another table, 39P01 if not
 * called as such a trigger.
 */
Datum
crm_total_order_lines(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_total_order_lines", CRM_TRIGGER_AFTER_STATEMENT, "order_lines");
	TriggerEvent event = trigger->tg_event;

	if (TRIGGER_FIRED_BY_TRUNCATE(event))
	{
		crm_check_truncate(trigger->tg_relation, "orders");
		crm_totals_clear_lines();
	}
	else
	{
		crm_check_transition_tables(trigger, "crm_total_order_lines");
		crm_write_line_changes();
		total_transition(trigger->tg_relation, trigger->tg_oldtable, trigger->tg_newtable);
	}
	PG_RETURN_POINTER(NULL);
}
