/*
 * totals.c
 *		The columns of crm.orders that sum up its lines and payments.
 *
 * Lines and payments are written by any statement, one or a million at a time.
 * Each statement locks the orders that it touches, sums up what it changes, and
 * ends with one update of these orders.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/int.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "checks.h"
#include "decimal.h"
#include "door.h"
#include "order_lock.h"
#include "owner.h"
#include "placement.h"
#include "plans.h"
#include "totals.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_keep_totals);

/* The kept columns; what is derived from the sums comes last. */
#define NCOLUMNS	9
#define LINE_COUNT	0
#define FIRST_SUM	1			/* columns[FIRST_SUM + CrmSum] */
#define BALANCE		7
#define STATUS		8

static const struct
{
	const char *name;
	Oid			type;
}			columns[NCOLUMNS] = {
	{"line_count", INT4OID},
	{"discount", NUMERICOID},
	{"tax", NUMERICOID},
	{"total", NUMERICOID},
	{"reporting_total", NUMERICOID},
	{"paid", NUMERICOID},
	{"refunded", NUMERICOID},
	{"balance", NUMERICOID},
	{"payment_status", TEXTOID},
};

struct CrmTotalsChange
{
	MemoryContext context;
	MemoryContext scratch;		/* for arithmetics, emptied now and then */
	HTAB	   *orders;
	Relation	rel;
	AttrNumber	attributes[FIRST_SUM + CRM_NSUMS];
	AttrNumber	rate;
	TupleTableSlot *row;
	CrmOrderTotals *last;
};

/* Depth of the triggers of the update that writes totals; 0 if none is on its way. */
static int	writing_depth = 0;

#define TOO_LARGE	INT64CONST(100000000000000)	/* cents: what numeric(14,2) does not hold */

/* Money is counted in whole cents, exactly; a column holds less than 2^63 of them. */
int64
crm_cents(Datum amount)
{
	Datum		cents = DirectFunctionCall2(numeric_mul, amount, NumericGetDatum(int64_to_numeric(100)));

	return DatumGetInt64(DirectFunctionCall1(numeric_int8, cents));
}

static Datum
from_cents(int64 cents)
{
	return NumericGetDatum(crm_make_decimal(cents, 2));
}

static char *
show(int64 cents)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, from_cents(cents)));
}

static bool
is_number(Numeric a, int64 number)
{
	return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(a), NumericGetDatum(int64_to_numeric(number))));
}

/* NOT NULL and CHECK have their own words for what is none */
static bool
is_rate(Datum rate, bool isnull)
{
	return !isnull && !numeric_is_nan(DatumGetNumeric(rate)) && !numeric_is_inf(DatumGetNumeric(rate)) &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, rate, NumericGetDatum(int64_to_numeric(0))));
}

CrmTotalsChange *
crm_totals_begin(void)
{
	CrmTotalsChange *change = palloc0(sizeof(CrmTotalsChange));
	HASHCTL		ctl = {0};

	change->context = CurrentMemoryContext;
	change->scratch = AllocSetContextCreate(CurrentMemoryContext, "crm totals", ALLOCSET_SMALL_SIZES);
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(CrmOrderTotals);
	ctl.hcxt = CurrentMemoryContext;
	change->orders = hash_create("crm totals", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	change->rel = crm_orders_open();
	for (int i = 0; i < lengthof(change->attributes); i++)
		change->attributes[i] = crm_column(change->rel, columns[i].name, columns[i].type);
	change->rate = crm_column(change->rel, "exchange_rate", NUMERICOID);
	change->row = table_slot_create(change->rel, NULL);
	return change;
}

Relation
crm_totals_orders(const CrmTotalsChange *change)
{
	return change->rel;
}

static void
read_totals(CrmTotalsChange *change, CrmOrderTotals *order)
{
	TupleTableSlot *row = change->row;
	Datum		rate = crm_get_not_null(change->rel, row, change->rate);

	order->line_count = DatumGetInt32(crm_get_not_null(change->rel, row, change->attributes[LINE_COUNT]));
	for (int i = 0; i < CRM_NSUMS; i++)
		order->sums[i] = crm_cents(crm_get_not_null(change->rel, row, change->attributes[FIRST_SUM + i]));
	order->refunded_before = order->sums[CRM_REFUNDED];
	order->lines_changed = false;
	order->placed = crm_placement_of(order->order_id);
	if (order->placed)
	{
		/* its lines are in the totals already: count what they really are */
		order->placed_count = order->line_count;
		memcpy(order->placed_sums, order->sums, sizeof(order->sums));
		order->line_count -= crm_placement->nlines;
		order->sums[CRM_DISCOUNT] -= crm_placement->discount;
		order->sums[CRM_TAX] -= crm_placement->tax;
		order->sums[CRM_TOTAL] -= crm_placement->total;
		order->sums[CRM_REPORTING_TOTAL] -= crm_placement->reporting_total;
		crm_placement->counted = true;
	}
	order->rate = NULL;
	if (!is_number(DatumGetNumeric(rate), 1))
	{
		MemoryContext caller = MemoryContextSwitchTo(change->context);

		order->rate = DatumGetNumericCopy(rate);
		MemoryContextSwitchTo(caller);
	}
}

CrmOrderTotals *
crm_totals_of(CrmTotalsChange *change, int64 order_id, TupleTableSlot **row)
{
	CrmOrderTotals *order = change->last;
	bool		found;

	*row = NULL;
	/* most often the lines of an order come one after the other */
	if (order != NULL && order->order_id == order_id)
		return order;
	order = hash_search(change->orders, &order_id, HASH_ENTER, &found);
	if (!found)
	{
		CHECK_FOR_INTERRUPTS();
		order->exists = false;
		if (crm_order_lock(change->rel, order_id, change->row))
		{
			read_totals(change, order);
			order->exists = true;
			*row = change->row;
		}
	}
	change->last = order;
	return order;
}

static void
refuse_too_large(int64 order_id, CrmSum sum)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("column \"%s\" of order " INT64_FORMAT " would become too large",
					columns[FIRST_SUM + sum].name, order_id),
			 errdetail("It has room for 12 digits before the point."),
			 errhint("Make more than one order of it.")));
}

static void
add_cents(CrmOrderTotals *order, CrmSum sum, int64 cents, int sign)
{
	if (sign > 0 ? pg_add_s64_overflow(order->sums[sum], cents, &order->sums[sum]) :
		pg_sub_s64_overflow(order->sums[sum], cents, &order->sums[sum]))
		refuse_too_large(order->order_id, sum);
}

void
crm_totals_add(CrmTotalsChange *change, CrmOrderTotals *order, CrmSum sum, Datum amount, int sign)
{
	MemoryContext caller = MemoryContextSwitchTo(change->scratch);

	add_cents(order, sum, crm_cents(amount), sign);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(change->scratch);
}

/* Each line is rounded by itself, so that the sums over lines add up, whatever they are grouped by. */
static int64
convert(int64 order_id, Datum amount, Numeric rate)
{
	Datum		converted = DirectFunctionCall2(numeric_mul, amount, NumericGetDatum(rate));

	converted = DirectFunctionCall2(numeric_round, converted, Int32GetDatum(2));
	/* a column that overflows is an error, not an amount that does not fit 64 bits */
	if (DatumGetBool(DirectFunctionCall2(numeric_ge, converted, from_cents(TOO_LARGE))))
		refuse_too_large(order_id, CRM_REPORTING_TOTAL);
	return crm_cents(converted);
}

/* Of CHECK orders_payment_status_follows_the_sums the other half */
static const char *
payment_status(const CrmOrderTotals *order)
{
	int64		total = order->sums[CRM_TOTAL];
	int64		paid = order->sums[CRM_PAID];
	int64		refunded = order->sums[CRM_REFUNDED];

	if (refunded > 0)
		return refunded == paid ? "refunded" : "partly_refunded";
	if (paid > total)
		return "overpaid";
	if (paid == total && order->line_count > 0)
		return "paid";
	return paid > 0 ? "partial" : "unpaid";
}

/*
 * What the lines come to at that rate; the order is locked. Each line is rounded by
 * itself, so that the sums over lines add up, whatever they are grouped by. Always
 * summed up anew: a statement may write lines, change the rate, and write more lines.
 */
static Datum
reporting_total(int64 order_id, Datum rate)
{
	static const char *const sql = "SELECT coalesce(pg_catalog.sum(pg_catalog.round(amount OPERATOR(pg_catalog.*) $2, 2)), 0)"
		" FROM " CRM_SCHEMA ".order_lines WHERE order_id OPERATOR(pg_catalog.=) $1";
	Oid			types[2] = {INT8OID, NUMERICOID};
	Datum		values[2] = {Int64GetDatum(order_id), rate};
	Relation	lines = table_open(crm_table_oid("order_lines"), AccessShareLock);
	MemoryContext caller_context = CurrentMemoryContext;
	MemoryContext spi_context;
	CrmCaller	caller;
	bool		isnull;
	Datum		result;

	crm_become_owner(lines, &caller);
	SPI_connect();
	if (SPI_execute_plan(crm_plan(sql, 2, types), values, NULL, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "unexpected result of a SELECT");
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	spi_context = MemoryContextSwitchTo(caller_context);
	result = NumericGetDatum(DatumGetNumericCopy(result));
	MemoryContextSwitchTo(spi_context);
	SPI_finish();
	crm_become_caller(&caller);
	table_close(lines, NoLock);
	if (DatumGetBool(DirectFunctionCall2(numeric_ge, result, from_cents(TOO_LARGE))))
		refuse_too_large(order_id, CRM_REPORTING_TOTAL);
	return result;
}

/* The values of the kept columns, after a look at them */
static void
derive(const CrmOrderTotals *order, Datum *values)
{
	int64		paid = order->sums[CRM_PAID];
	int64		refunded = order->sums[CRM_REFUNDED];

	if (order->line_count > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("order " INT64_FORMAT " would have too many lines", order->order_id),
				 errdetail("There is room for %d.", PG_INT32_MAX)));
	for (int i = 0; i < CRM_NSUMS; i++)
		if (order->sums[i] >= TOO_LARGE)
			refuse_too_large(order->order_id, i);
	if (refunded > paid)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_REFUND_ABOVE_PAID),
				 errmsg("more would be given back on order " INT64_FORMAT " than was paid", order->order_id),
				 errdetail("Paid: %s, given back before: %s, asked for now: %s.", show(paid),
						   show(order->refunded_before), show(refunded - order->refunded_before)),
				 errhint("Give back %s at most.", show(Max(paid - order->refunded_before, 0)))));

	values[LINE_COUNT] = Int32GetDatum((int32) order->line_count);
	for (int i = 0; i < CRM_NSUMS; i++)
		values[FIRST_SUM + i] = from_cents(order->sums[i]);
	values[BALANCE] = from_cents(order->sums[CRM_TOTAL] - paid + refunded);
	values[STATUS] = CStringGetTextDatum(payment_status(order));
}

/* UPDATE crm.orders SET ... of one order: values are its id and the columns */
static int
update_one(Datum **values, int n)
{
	static const char *const sql = "UPDATE " CRM_SCHEMA ".orders SET line_count = $2, discount = $3, tax = $4,"
		" total = $5, reporting_total = $6, paid = $7, refunded = $8, balance = $9, payment_status = $10"
		" WHERE id OPERATOR(pg_catalog.=) $1";
	Oid			types[1 + NCOLUMNS] = {INT8OID};
	Datum		row[1 + NCOLUMNS];

	for (int i = 0; i < NCOLUMNS; i++)
		types[1 + i] = columns[i].type;
	for (int i = 0; i < lengthof(row); i++)
		row[i] = values[i][0];
	return crm_execute_write(crm_plan(sql, lengthof(types), types), row);
}

/* The same of many: values are arrays */
static int
update_many(Datum **values, int n)
{
	static const char *const sql = "UPDATE " CRM_SCHEMA ".orders AS o SET line_count = d.line_count,"
		" discount = d.discount, tax = d.tax, total = d.total, reporting_total = d.reporting_total,"
		" paid = d.paid, refunded = d.refunded, balance = d.balance, payment_status = d.payment_status"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
		" pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),"
		" pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10))"
		" AS d (id, line_count, discount, tax, total, reporting_total, paid, refunded, balance, payment_status)"
		" WHERE o.id OPERATOR(pg_catalog.=) d.id";
	Oid			types[1 + NCOLUMNS] = {INT8ARRAYOID};
	Datum		arrays[1 + NCOLUMNS];

	arrays[0] = PointerGetDatum(construct_array(values[0], n, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	for (int i = 0; i < NCOLUMNS; i++)
	{
		ArrayType  *array;

		if (columns[i].type == INT4OID)
		{
			types[1 + i] = INT4ARRAYOID;
			array = construct_array(values[1 + i], n, INT4OID, sizeof(int32), true, TYPALIGN_INT);
		}
		else
		{
			types[1 + i] = columns[i].type == TEXTOID ? TEXTARRAYOID : NUMERICARRAYOID;
			array = construct_array(values[1 + i], n, columns[i].type, -1, false, TYPALIGN_INT);
		}
		arrays[1 + i] = PointerGetDatum(array);
	}
	return SPI_execute_plan(crm_plan(sql, lengthof(types), types), arrays, NULL, false, 0);
}

/*
 * Run an update of totals. As foreign-key triggers do: what it sets off runs as
 * the owner of the orders. Returns the number of rows.
 */
static uint64
write_as_owner(Relation orders, int (*update) (Datum **values, int n), Datum **values, int n)
{
	CrmCaller	caller;
	int			depth = writing_depth;
	volatile uint64 nrows = 0;

	/* even to plan an update may run code of the owner's */
	crm_become_writer(orders, SECURITY_NOFORCE_RLS, true, &caller);
	PG_TRY();
	{
		int			result;

		writing_depth = crm_trigger_depth() + 1;
		SPI_connect();
		result = update(values, n);
		/* the latter if a rule has replaced it by nothing */
		if (result != SPI_OK_UPDATE && result != SPI_OK_REWRITTEN)
			elog(ERROR, "unexpected result of an UPDATE: %s", SPI_result_code_string(result));
		nrows = SPI_processed;
		SPI_finish();
	}
	PG_FINALLY();
	{
		writing_depth = depth;
	}
	PG_END_TRY();
	crm_become_caller(&caller);
	return nrows;
}

static int
compare_orders(const void *a, const void *b)
{
	const CrmOrderTotals *one = *(CrmOrderTotals *const *) a;
	const CrmOrderTotals *other = *(CrmOrderTotals *const *) b;

	return one->order_id < other->order_id ? -1 : one->order_id > other->order_id;
}

/* By their numbers, as they lie in the table and its indexes */
static CrmOrderTotals **
sorted_orders(const CrmTotalsChange *change, int *n)
{
	CrmOrderTotals **orders = palloc_extended(sizeof(CrmOrderTotals *) * Max(hash_get_num_entries(change->orders), 1),
											  MCXT_ALLOC_HUGE);
	HASH_SEQ_STATUS scan;
	CrmOrderTotals *order;

	*n = 0;
	hash_seq_init(&scan, change->orders);
	while ((order = hash_seq_search(&scan)) != NULL)
		if (order->exists)
			orders[(*n)++] = order;
	qsort(orders, *n, sizeof(CrmOrderTotals *), compare_orders);
	return orders;
}

void
crm_totals_write(CrmTotalsChange *change)
{
	int			norders;
	CrmOrderTotals **orders = sorted_orders(change, &norders);
	Datum	   *values[1 + NCOLUMNS];
	int			n = 0;

	for (int i = 0; i < lengthof(values); i++)
		values[i] = palloc_extended(sizeof(Datum) * Max(norders, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < norders; i++)
	{
		CrmOrderTotals *order = orders[i];
		Datum		row[NCOLUMNS];

		if (order->lines_changed)
			order->sums[CRM_REPORTING_TOTAL] = order->rate == NULL ? order->sums[CRM_TOTAL] :
				crm_cents(reporting_total(order->order_id, NumericGetDatum(order->rate)));
		/* as it was placed; this transaction has just written it */
		if (order->placed && order->line_count == order->placed_count &&
			memcmp(order->sums, order->placed_sums, sizeof(order->sums)) == 0)
			continue;
		derive(order, row);
		values[0][n] = Int64GetDatum(order->order_id);
		for (int c = 0; c < NCOLUMNS; c++)
			values[1 + c][n] = row[c];
		n++;
	}
	if (n > 0)
	{
		uint64		nrows = write_as_owner(change->rel, n == 1 ? update_one : update_many, values, n);

		if (nrows != n)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("the totals of orders were not written"),
					 errdetail("Of %d orders " UINT64_FORMAT " were updated: a BEFORE trigger or a rule of table %s has suppressed it.",
							   n, nrows, crm_relation_name(change->rel)),
					 errhint("Look at the triggers of the table; one of them returns NULL.")));
	}
	ExecDropSingleTupleTableSlot(change->row);
	table_close(change->rel, NoLock);
}

static int
clear_lines(Datum **values, int n)
{
	return SPI_execute_plan(crm_plan("UPDATE " CRM_SCHEMA ".orders SET line_count = 0, discount = 0, tax = 0,"
									 " total = 0, reporting_total = 0, balance = refunded OPERATOR(pg_catalog.-) paid,"
									 " payment_status = CASE WHEN payment_status OPERATOR(pg_catalog.~) 'refunded' THEN payment_status"
									 " WHEN paid OPERATOR(pg_catalog.>) 0 THEN 'overpaid' ELSE 'unpaid' END"
									 " WHERE line_count OPERATOR(pg_catalog.>) 0", 0, NULL), NULL, NULL, false, 0);
}

static int
clear_payments(Datum **values, int n)
{
	return SPI_execute_plan(crm_plan("UPDATE " CRM_SCHEMA ".orders SET paid = 0, refunded = 0, balance = total,"
									 " payment_status = CASE WHEN total OPERATOR(pg_catalog.=) 0 AND line_count OPERATOR(pg_catalog.>) 0"
									 " THEN 'paid' ELSE 'unpaid' END"
									 " WHERE paid OPERATOR(pg_catalog.>) 0", 0, NULL), NULL, NULL, false, 0);
}

void
crm_totals_clear_lines(void)
{
	Relation	orders = crm_orders_open();

	(void) write_as_owner(orders, clear_lines, NULL, 0);
	table_close(orders, NoLock);
}

void
crm_totals_clear_payments(void)
{
	Relation	orders = crm_orders_open();

	(void) write_as_owner(orders, clear_payments, NULL, 0);
	table_close(orders, NoLock);
}

static void
refuse_edit(const char *column, const char *row)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_KEPT_BY_MACHINE),
			 errmsg("column \"%s\" of %s is kept by the database", column, row),
			 errdetail("The statement gives it a value of its own."),
			 errhint("Leave the column out of the statement.")));
}

/* An order that is placed has the totals of the lines that come with it. */
static HeapTuple
place_totals(Relation rel, HeapTuple tuple)
{
	CrmOrderTotals order = {0};
	int			numbers[NCOLUMNS];
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};
	bool		isnull;
	bool		no_rate;
	Datum		rate = crm_get(tuple, crm_column(rel, "exchange_rate", NUMERICOID), rel, &no_rate);

	order.order_id = DatumGetInt64(crm_get(tuple, crm_column(rel, "id", INT8OID), rel, &isnull));
	order.line_count = crm_placement->nlines;
	for (int i = 0; i < crm_placement->nlines; i++)
	{
		add_cents(&order, CRM_TOTAL, crm_placement->lines[i].amount, 1);
		add_cents(&order, CRM_DISCOUNT, crm_placement->lines[i].discount, 1);
		add_cents(&order, CRM_TAX, crm_placement->lines[i].tax, 1);
	}
	if (!is_rate(rate, no_rate) || is_number(DatumGetNumeric(rate), 1))
		order.sums[CRM_REPORTING_TOTAL] = order.sums[CRM_TOTAL];
	else
		for (int i = 0; i < crm_placement->nlines; i++)
			add_cents(&order, CRM_REPORTING_TOTAL,
					  convert(order.order_id, from_cents(crm_placement->lines[i].amount), DatumGetNumeric(rate)), 1);
	crm_placement->total = order.sums[CRM_TOTAL];
	crm_placement->reporting_total = order.sums[CRM_REPORTING_TOTAL];
	crm_placement->discount = order.sums[CRM_DISCOUNT];
	crm_placement->tax = order.sums[CRM_TAX];

	derive(&order, values);
	for (int i = 0; i < NCOLUMNS; i++)
		numbers[i] = crm_column(rel, columns[i].name, columns[i].type);
	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), NCOLUMNS, numbers, values, nulls);
}

/* A new order has no lines and no payments. */
static HeapTuple
start_totals(Relation rel, HeapTuple tuple)
{
	int			numbers[NCOLUMNS];
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};
	int			n = 0;

	for (int i = 0; i < NCOLUMNS; i++)
	{
		AttrNumber	number = crm_column(rel, columns[i].name, columns[i].type);
		bool		isnull;
		Datum		value = crm_get(tuple, number, rel, &isnull);
		bool		is_start;

		if (i == STATUS)
		{
			is_start = !isnull && strcmp(TextDatumGetCString(value), "unpaid") == 0;
			values[n] = isnull ? CStringGetTextDatum("unpaid") : value;
		}
		else if (i == LINE_COUNT)
		{
			is_start = !isnull && DatumGetInt32(value) == 0;
			values[n] = Int32GetDatum(0);
		}
		else
		{
			is_start = !isnull && is_number(DatumGetNumeric(value), 0);
			values[n] = from_cents(0);
		}
		if (is_start)
			continue;
		if (!isnull)
			refuse_edit(columns[i].name, "a new order");
		numbers[n++] = number;
	}
	return n == 0 ? tuple :
		heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), n, numbers, values, nulls);
}

static HeapTuple
keep_totals(Relation rel, HeapTuple old, HeapTuple new)
{
	AttrNumber	rate_column = crm_column(rel, "exchange_rate", NUMERICOID);
	int			number = crm_column(rel, "reporting_total", NUMERICOID);
	bool		isnull[2];
	bool		no_rate[2];
	Datum		id = crm_get(new, crm_column(rel, "id", INT8OID), rel, &isnull[0]);
	Datum		rates[2] = {crm_get(old, rate_column, rel, &no_rate[0]),
	crm_get(new, rate_column, rel, &no_rate[1])};
	Datum		total;
	bool		total_is_null = false;

	for (int i = 0; i < NCOLUMNS; i++)
	{
		AttrNumber	attribute = crm_column(rel, columns[i].name, columns[i].type);
		Datum		before = crm_get(old, attribute, rel, &isnull[0]);
		Datum		after = crm_get(new, attribute, rel, &isnull[1]);

		if (isnull[0] != isnull[1] ||
			(!isnull[0] && !datum_image_eq(before, after, columns[i].type == INT4OID,
										   columns[i].type == INT4OID ? sizeof(int32) : -1)))
			refuse_edit(columns[i].name, psprintf("order " INT64_FORMAT, DatumGetInt64(id)));
	}
	if (no_rate[0] || !is_rate(rates[1], no_rate[1]) || datum_image_eq(rates[0], rates[1], false, -1))
		return new;
	/* at rate 1 it is the total, which does not hold yet what the statement that is running writes */
	if (is_number(DatumGetNumeric(rates[1]), 1))
		total = crm_get(new, crm_column(rel, "total", NUMERICOID), rel, &total_is_null);
	else
		total = reporting_total(DatumGetInt64(id), rates[1]);
	return heap_modify_tuple_by_cols(new, RelationGetDescr(rel), 1, &number, &total, &total_is_null);
}

/*
 * crm_keep_totals() returns trigger
 *
 * BEFORE INSERT OR UPDATE row trigger of crm.orders, for updates of the kept
 * columns, currency and exchange_rate: nobody writes sums by hand. Another
 * exchange rate gives another reporting_total. Errors: SL010 for a value of one's
 * own, 22003 for a reporting_total that is too large, 42809 on another table, 39P01 if not called as such
 * a trigger.
 */
Datum
crm_keep_totals(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_keep_totals", CRM_TRIGGER_BEFORE_ROW, "orders");
	Relation	rel = trigger->tg_relation;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return PointerGetDatum(crm_placement_here() != NULL ?
							   place_totals(rel, trigger->tg_trigtuple) :
							   start_totals(rel, trigger->tg_trigtuple));
	if (writing_depth != 0 && writing_depth == crm_trigger_depth())
		return PointerGetDatum(trigger->tg_newtuple);
	return PointerGetDatum(keep_totals(rel, trigger->tg_trigtuple, trigger->tg_newtuple));
}
