/*
 * ledger.c
 *		Rules for the payments of orders: numbered, dated and signed by the
 *		database, never changed; what an order was paid is their sum.
 *
 * Nobody but the owner changes a row that is there, and then the sums follow.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "catalog.h"
#include "door.h"
#include "lookup.h"
#include "order_lock.h"
#include "settings.h"
#include "totals.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_check_payment);
PG_FUNCTION_INFO_V1(crm_total_payments);
PG_FUNCTION_INFO_V1(crm_protect_ledger);

/* What the database fills in */
typedef enum PaymentColumn
{
	PAYMENT_NO,
	PAYMENT_CURRENCY,
	PAYMENT_AT,
	PAYMENT_SETTLED_ON,
	PAYMENT_ACTOR,
	PAYMENT_ROLE,
	PAYMENT_NCOLUMNS
} PaymentColumn;

static const struct
{
	const char *name;
	Oid			type;
	bool		by_machine;		/* only the owner may give a value */
}			columns[PAYMENT_NCOLUMNS] = {
	[PAYMENT_NO] = {"payment_no", INT4OID, true},
	[PAYMENT_CURRENCY] = {"currency", TEXTOID, false},
	[PAYMENT_AT] = {"at", TIMESTAMPTZOID, true},
	[PAYMENT_SETTLED_ON] = {"settled_on", DATEOID, true},
	[PAYMENT_ACTOR] = {"actor", TEXTOID, true},
	[PAYMENT_ROLE] = {"role", TEXTOID, true},
};

static void
refuse_given(Relation rel, const char *column, int64 order_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_KEPT_BY_MACHINE),
			 errmsg("column \"%s\" of a payment of order " INT64_FORMAT " is given by the database", column, order_id),
			 errdetail("Role \"%s\" does not own table %s.", GetUserNameFromId(GetUserId(), false), crm_relation_name(rel)),
			 errhint("Leave the column out of the statement.")));
}

/* Lock the order; its currency, or NULL if there is no such order. */
static text *
lock_order(int64 order_id)
{
	Relation	orders = crm_orders_open();
	TupleTableSlot *row = table_slot_create(orders, NULL);
	text	   *currency = NULL;

	if (crm_order_lock(orders, order_id, row))
		currency = DatumGetTextPCopy(crm_get_not_null(orders, row, crm_column(orders, "currency", TEXTOID)));
	ExecDropSingleTupleTableSlot(row);
	table_close(orders, NoLock);
	return currency;
}

/* What the database gives a payment, where the owner has not given it already */
static Datum
value_of(PaymentColumn column, Relation rel, int64 order_id, text *currency, Datum at)
{
	char	   *role;

	switch (column)
	{
		case PAYMENT_NO:
			return Int32GetDatum(crm_next_number(rel, "payment_no", order_id));
		case PAYMENT_CURRENCY:
			return PointerGetDatum(currency);
		case PAYMENT_AT:
			return at;
		case PAYMENT_SETTLED_ON:
			return DateADTGetDatum(crm_reporting_day(DatumGetTimestampTz(at)));
		case PAYMENT_ROLE:
		case PAYMENT_ACTOR:
			role = GetUserNameFromId(GetOuterUserId(), false);
			return CStringGetTextDatum(column == PAYMENT_ACTOR && crm_actor != NULL && crm_actor[0] != '\0' ?
									   crm_actor : role);
		default:
			elog(ERROR, "unexpected column %d", column);
	}
}

static HeapTuple
complete_payment(Relation rel, HeapTuple payment, int64 order_id, text *order_currency, bool is_insert)
{
	bool		is_owner = crm_owns_relation(RelationGetRelid(rel), GetUserId());
	int			numbers[PAYMENT_NCOLUMNS];
	Datum		values[PAYMENT_NCOLUMNS];
	bool		nulls[PAYMENT_NCOLUMNS] = {false};
	int			n = 0;
	bool		no_at;
	Datum		at = crm_get(payment, crm_column(rel, "at", TIMESTAMPTZOID), rel, &no_at);

	if (no_at)
		at = TimestampTzGetDatum(GetCurrentTimestamp());
	for (int i = 0; i < PAYMENT_NCOLUMNS; i++)
	{
		AttrNumber	number = crm_column(rel, columns[i].name, columns[i].type);
		bool		isnull;
		Datum		given = crm_get(payment, number, rel, &isnull);

		if (!isnull && columns[i].by_machine && !is_owner)
			refuse_given(rel, columns[i].name, order_id);
		if (!isnull && i == PAYMENT_CURRENCY && !crm_same_text(DatumGetTextPP(given), order_currency))
			ereport(ERROR,
					(errcode(ERRCODE_CRM_OTHER_CURRENCY),
					 errmsg("order " INT64_FORMAT " is not paid in %s", order_id, TextDatumGetCString(given)),
					 errdetail("Its currency is %s.", text_to_cstring(order_currency)),
					 errhint("Record what was received in %s.", text_to_cstring(order_currency))));
		/* the day is that of the time, whoever says otherwise */
		if (i != PAYMENT_SETTLED_ON && (!isnull || !is_insert))
			continue;
		numbers[n] = number;
		values[n++] = value_of(i, rel, order_id, order_currency, at);
	}
	return heap_modify_tuple_by_cols(payment, RelationGetDescr(rel), n, numbers, values, nulls);
}

/*
 * crm_check_payment() returns trigger
 *
 * BEFORE INSERT OR UPDATE OR DELETE row trigger of crm.payments: locks the order and
 * gives a new payment its number, time, currency, actor and role. Only the owner
 * of the table may give these, to import payments.
 *
 * Errors: SL010 if somebody else gives them, SL017 for another currency than that
 * of the order, 23503 for an order that does not exist, 40001 if the order has
 * changed since the snapshot of the transaction, 42809 on another table, 39P01 if not called as such a
 * trigger.
 */
Datum
crm_check_payment(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_check_payment", CRM_TRIGGER_BEFORE_ANY_ROW, "payments");
	Relation	rel = trigger->tg_relation;
	AttrNumber	order_column = crm_column(rel, "order_id", INT8OID);
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	HeapTuple	new = is_insert ? trigger->tg_trigtuple :
		TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : NULL;
	text	   *currency;
	bool		isnull;
	Datum		order_id;

	if (!is_insert)
		(void) lock_order(DatumGetInt64(crm_get(trigger->tg_trigtuple, order_column, rel, &isnull)));
	if (new == NULL)
		return PointerGetDatum(trigger->tg_trigtuple);

	order_id = crm_get(new, order_column, rel, &isnull);
	if (isnull)					/* NOT NULL has better words for it */
		return PointerGetDatum(new);
	currency = lock_order(DatumGetInt64(order_id));
	if (currency == NULL)
		crm_refuse_missing_order(rel, "payments_belong_to_an_order", DatumGetInt64(order_id));
	return PointerGetDatum(complete_payment(rel, new, DatumGetInt64(order_id), currency, is_insert));
}

/* Add the payments of a transition table to their orders, or take them off. */
static void
total_table(CrmTotalsChange *change, Relation rel, Tuplestorestate *table, int sign)
{
	AttrNumber	order_column = crm_column(rel, "order_id", INT8OID);
	AttrNumber	kind_column = crm_column(rel, "kind", TEXTOID);
	AttrNumber	amount_column = crm_column(rel, "amount", NUMERICOID);
	TupleTableSlot *payment;
	int			pointer;

	if (table == NULL)
		return;
	payment = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	pointer = tuplestore_alloc_read_pointer(table, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(table, pointer);
	tuplestore_rescan(table);
	while (tuplestore_gettupleslot(table, true, false, payment))
	{
		TupleTableSlot *order_row;
		CrmOrderTotals *order = crm_totals_of(change, DatumGetInt64(crm_get_not_null(rel, payment, order_column)),
											  &order_row);
		text	   *kind = DatumGetTextPP(crm_get_not_null(rel, payment, kind_column));

		if (order->exists)
			crm_totals_add(change, order,
						   strncmp(VARDATA_ANY(kind), "refund", VARSIZE_ANY_EXHDR(kind)) == 0 ? CRM_REFUNDED : CRM_PAID,
						   crm_get_not_null(rel, payment, amount_column), sign);
	}
	ExecDropSingleTupleTableSlot(payment);
}

/*
 * crm_total_payments() returns trigger
 *
 * AFTER INSERT, UPDATE or DELETE statement trigger of crm.payments, with its
 * transition tables; after TRUNCATE, without: keeps paid, refunded, balance and
 * payment_status of the orders, with the rights of the owner of crm.orders.
 *
 * Errors: SL006 if more would be given back than was paid, 22003 for a sum that is
 * too large, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_total_payments(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_total_payments", CRM_TRIGGER_AFTER_STATEMENT, "payments");
	CrmTotalsChange *change;

	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		crm_totals_clear_payments();
		PG_RETURN_POINTER(NULL);
	}
	crm_check_transition_tables(trigger, "crm_total_payments");
	change = crm_totals_begin();
	total_table(change, trigger->tg_relation, trigger->tg_oldtable, -1);
	total_table(change, trigger->tg_relation, trigger->tg_newtable, 1);
	crm_totals_write(change);
	PG_RETURN_POINTER(NULL);
}

/*
 * crm_protect_ledger() returns trigger
 *
 * BEFORE UPDATE OR DELETE OR TRUNCATE statement trigger of crm.payments: what is
 * recorded stays, but for the owner of the table. Errors: SL011, 39P01 if not called
 * as such a trigger.
 */
Datum
crm_protect_ledger(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_protect_ledger", CRM_TRIGGER_BEFORE_STATEMENT);
	Relation	rel = trigger->tg_relation;

	if (!crm_owns_relation(RelationGetRelid(rel), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_CRM_HISTORY_PROTECTED),
				 errmsg("payments in table %s are not changed or deleted", crm_relation_name(rel)),
				 errdetail("Role \"%s\" does not own the table.", GetUserNameFromId(GetUserId(), false)),
				 errhint("Record the opposite: a refund of a payment, a payment of a refund.")));
	PG_RETURN_POINTER(NULL);
}
