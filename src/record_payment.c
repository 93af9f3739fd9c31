/*
 * record_payment.c
 *		crm_record_payment() and crm_record_refund(): one row of the ledger, in one
 *		call.
 *
 * All rules are those of the table (ledger.c). What is decided here is what only a
 * call can tell: that it is one that comes again, and that its amount is exact.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "catalog.h"
#include "checks.h"
#include "door.h"
#include "plans.h"
#include "request_key.h"
#include "target.h"

PG_FUNCTION_INFO_V1(crm_record_payment);
PG_FUNCTION_INFO_V1(crm_record_refund);

/* Arguments, in this order, and the columns that they go to */
typedef enum Argument
{
	ORDER_ID,
	AMOUNT,
	METHOD,
	REFERENCE,
	REQUEST_KEY,
	NOTE,
	CURRENCY,
	NARGUMENTS
} Argument;

static const struct
{
	const char *name;
	Oid			type;
}			arguments[NARGUMENTS] = {
	[ORDER_ID] = {"order_id", INT8OID},
	[AMOUNT] = {"amount", NUMERICOID},
	[METHOD] = {"method", TEXTOID},
	[REFERENCE] = {"reference", TEXTOID},
	[REQUEST_KEY] = {"request_key", TEXTOID},
	[NOTE] = {"note", TEXTOID},
	[CURRENCY] = {"currency", TEXTOID},
};

/* A column would round an amount to cents in silence. */
static void
check_amount(Datum amount)
{
	Numeric		number = DatumGetNumeric(amount);

	if (!numeric_is_nan(number) && !numeric_is_inf(number) &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, amount, NumericGetDatum(int64_to_numeric(0)))) &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, amount,
										 DirectFunctionCall2(numeric_round, amount, Int32GetDatum(2)))))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("an amount of money is above zero and has two decimals at most"),
			 errdetail("This one is %s.", DatumGetCString(DirectFunctionCall1(numeric_out, amount))),
			 errhint("A refund is above zero, too: crm_record_refund() gives it back.")));
}

/* Whether the request was done before; then *payment_no is its answer. */
static bool
is_repeated(Relation rel, const NullableDatum *args, const char *kind, int32 *payment_no)
{
	text	   *key;
	TupleTableSlot *row;
	bool		found;

	if (args[REQUEST_KEY].isnull)
		return false;
	key = DatumGetTextPP(args[REQUEST_KEY].value);
	crm_check_may_insert(rel);
	crm_lock_name(RelationGetRelid(rel), key);
	row = table_slot_create(rel, NULL);
	found = crm_find_request(rel, key, row);
	if (found)
	{
		int64		order_id = DatumGetInt64(crm_get_not_null(rel, row, crm_column(rel, "order_id", INT8OID)));
		Datum		amount = crm_get_not_null(rel, row, crm_column(rel, "amount", NUMERICOID));
		char	   *was = TextDatumGetCString(crm_get_not_null(rel, row, crm_column(rel, "kind", TEXTOID)));

		if (order_id != DatumGetInt64(args[ORDER_ID].value) || strcmp(was, kind) != 0 ||
			!DatumGetBool(DirectFunctionCall2(numeric_eq, amount, args[AMOUNT].value)))
			crm_refuse_request_key(key, psprintf("It was not used for a %s of %s on order " INT64_FORMAT ".", kind,
												 DatumGetCString(DirectFunctionCall1(numeric_out, args[AMOUNT].value)),
												 DatumGetInt64(args[ORDER_ID].value)));
		*payment_no = DatumGetInt32(crm_get_not_null(rel, row, crm_column(rel, "payment_no", INT4OID)));
	}
	ExecDropSingleTupleTableSlot(row);
	return found;
}

/* What is not given is left out: a column may have a default of the user's. */
static int32
insert_payment(const NullableDatum *args, const char *kind)
{
	Datum		values[1 + NARGUMENTS] = {CStringGetTextDatum(kind)};
	Oid			types[1 + NARGUMENTS] = {TEXTOID};
	int			n = 1;
	StringInfoData sql;
	bool		isnull;
	int32		payment_no;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "INSERT INTO " CRM_SCHEMA ".payments (kind");
	for (int i = 0; i < NARGUMENTS; i++)
		if (!args[i].isnull)
		{
			appendStringInfo(&sql, ", %s", arguments[i].name);
			values[n] = args[i].value;
			types[n++] = arguments[i].type;
		}
	appendStringInfoString(&sql, ") VALUES ($1");
	for (int i = 2; i <= n; i++)
		appendStringInfo(&sql, ", $%d", i);
	appendStringInfoString(&sql, ") RETURNING payment_no");

	SPI_connect();
	if (crm_execute_write(crm_plan(sql.data, n, types), values) != SPI_OK_INSERT_RETURNING ||
		SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("the %s was not recorded", kind),
				 errdetail("A BEFORE trigger or a rule of table %s.payments has suppressed it.", CRM_SCHEMA),
				 errhint("Look at the triggers of the table; one of them returns NULL.")));
	payment_no = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return payment_no;
}

static int32
record(FunctionCallInfo fcinfo, const char *function, const char *kind)
{
	Relation	rel;
	int32		payment_no;

	for (int i = 0; i <= AMOUNT; i++)
		if (PG_ARGISNULL(i))
			crm_refuse_null(function, arguments[i].name);
	PreventCommandIfReadOnly(psprintf("%s()", function));
	check_amount(PG_GETARG_DATUM(AMOUNT));
	(void) crm_get_request_key(fcinfo, REQUEST_KEY);

	rel = table_open(crm_table_oid("payments"), RowExclusiveLock);
	if (!is_repeated(rel, fcinfo->args, kind, &payment_no))
		payment_no = insert_payment(fcinfo->args, kind);
	table_close(rel, NoLock);
	return payment_no;
}

/*
 * crm_record_payment(order_id bigint, amount numeric, method text DEFAULT NULL,
 * reference text DEFAULT NULL, request_key text DEFAULT NULL, note text DEFAULT
 * NULL, currency text DEFAULT NULL) returns integer
 *
 * Records money received for the order, in its currency, and returns the
 * payment's number. Runs with the rights of the caller, who needs INSERT on
 * crm.payments and SELECT (payment_no), and no right on crm.orders. A request_key
 * makes a repeat of the call return the first answer and do nothing; a currency
 * is compared with that of the order.
 *
 * Errors: 22004 for a null order_id or amount, 22023 for an amount that is not
 * above zero or has more than two decimals and for a request_key that is empty or
 * too long, 23503 if there is no such order, SL012 if the request_key was used for
 * something else, SL017 for another currency, 22003 if the sum becomes too large,
 * 25006 in a read-only transaction, 40001 if the order has changed since the
 * snapshot of a REPEATABLE READ transaction.
 */
Datum
crm_record_payment(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(record(fcinfo, "crm_record_payment", "payment"));
}

/*
 * crm_record_refund(order_id bigint, amount numeric, method text DEFAULT NULL,
 * reference text DEFAULT NULL, request_key text DEFAULT NULL, note text DEFAULT
 * NULL, currency text DEFAULT NULL) returns integer
 *
 * The same for money given back. Errors: those of crm_record_payment(), and SL006
 * if more would be given back than was paid.
 */
Datum
crm_record_refund(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(record(fcinfo, "crm_record_refund", "refund"));
}
