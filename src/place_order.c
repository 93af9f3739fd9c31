/*
 * place_order.c
 *		crm_place_order(): an order with its lines, in one call.
 *
 * Two ordinary statements with the rights of the caller, one for the order and one
 * for all lines. What the lines come to is known before, so the order is written
 * with its totals and need not be updated; the triggers of the lines look whether
 * that is so.
 */
#include "crm.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "checks.h"
#include "door.h"
#include "history.h"
#include "lookup.h"
#include "order_lock.h"
#include "order_request.h"
#include "placement.h"
#include "plans.h"
#include "request_key.h"
#include "target.h"
#include "totals.h"

PG_FUNCTION_INFO_V1(crm_place_order);

CrmPlacement *crm_placement = NULL;

/* Arguments, in this order */
typedef enum Argument
{
	CUSTOMER_ID,
	LINES,
	NOTE,
	REQUEST_KEY,
	FIRST_COLUMN,				/* from here on: columns of crm.orders */
	CURRENCY = FIRST_COLUMN,
	EXCHANGE_RATE,
	OWNER,
	REFERENCE,
	PLACED_AT,
	ATTRIBUTES,
	WORKFLOW,
	NARGUMENTS
} Argument;

static const struct
{
	const char *name;
	Oid			type;
	bool		is_content;		/* the same key with another value is another request */
}			arguments[NARGUMENTS] = {
	[CUSTOMER_ID] = {"customer_id", INT8OID, true},
	[LINES] = {"lines", JSONBOID, true},
	[NOTE] = {"note", TEXTOID},
	[REQUEST_KEY] = {"request_key", TEXTOID},
	[CURRENCY] = {"currency", TEXTOID, true},
	[EXCHANGE_RATE] = {"exchange_rate", NUMERICOID},
	[OWNER] = {"owner", TEXTOID},
	[REFERENCE] = {"reference", TEXTOID, true},
	[PLACED_AT] = {"placed_at", TIMESTAMPTZOID},
	[ATTRIBUTES] = {"attributes", JSONBOID},
	[WORKFLOW] = {"workflow", TEXTOID, true},
};

/*
 * A statement inside of it, of a trigger or of a function that a column has as its
 * default, is another command and has a newer snapshot.
 */
static bool
is_our_command(void)
{
	return crm_placement != NULL && ActiveSnapshotSet() &&
		GetActiveSnapshot()->curcid == crm_placement->command;
}

CrmPlacement *
crm_placement_here(void)
{
	return is_our_command() && crm_placement->order_id == 0 ? crm_placement : NULL;
}

bool
crm_placement_of(int64 order_id)
{
	return is_our_command() && crm_placement->order_id == order_id && !crm_placement->counted;
}

void
crm_placements_may_be_booked(void)
{
	for (CrmPlacement *placement = crm_placement; placement != NULL; placement = placement->outer)
		placement->may_be_booked = true;
}

/* Of what makes two requests the same */
static int64
hash_request(const NullableDatum *args)
{
	uint64		hash = 0;

	for (int i = 0; i < NARGUMENTS; i++)
	{
		uint64		one = 0;

		if (!arguments[i].is_content)
			continue;
		if (args[i].isnull)
			one = 0;
		else if (arguments[i].type == JSONBOID)
			one = DatumGetUInt64(DirectFunctionCall2(jsonb_hash_extended, args[i].value, Int64GetDatum(0)));
		else if (arguments[i].type == INT8OID)
			one = DatumGetUInt64(DirectFunctionCall2(hashint8extended, args[i].value, Int64GetDatum(0)));
		else
		{
			text	   *value = DatumGetTextPP(args[i].value);

			one = DatumGetUInt64(hash_any_extended((const unsigned char *) VARDATA_ANY(value),
												   VARSIZE_ANY_EXHDR(value), i));
		}
		hash = hash_combine64(hash, one);
	}
	return (int64) hash;
}

/* Whether the request was done before; then *order_id is its answer. */
static bool
is_repeated(Relation orders, text *key, int64 hash, int64 *order_id)
{
	const Door *door;
	HistoryRow	found;

	crm_check_may_insert(orders);
	crm_lock_name(RelationGetRelid(orders), key);
	door = crm_door_get(orders);
	if (!door->has_history || door->history[HISTORY_REQUEST_HASH] == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the history of table %s keeps no request keys", crm_table_name(door)),
				 errdetail("It has no trigger crm_record_event(), or its event table no columns request_key and request_hash."),
				 errhint("Add them again, or leave the request key out.")));
	if (!crm_history_find_request(orders, door, key, &found))
		return false;
	if (!found.has_request_hash || found.request_hash != hash)
		crm_refuse_request_key(key, psprintf("It was used for order " INT64_FORMAT ", %s.", DatumGetInt64(found.key),
											 found.has_request_hash ? "with another content" : "not to place it"));
	*order_id = DatumGetInt64(found.key);
	return true;
}

static void
refuse_suppressed(const char *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("the order was not placed"),
			 errdetail("A BEFORE trigger or a rule of table %s.%s has suppressed it.", CRM_SCHEMA, table),
			 errhint("Look at the triggers of the table; one of them returns NULL.")));
}

/* What is not given is left out: columns have defaults. */
static int64
insert_order(const NullableDatum *args)
{
	Datum		values[NARGUMENTS];
	Oid			types[NARGUMENTS];
	int			n = 0;
	StringInfoData sql;
	bool		isnull;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "INSERT INTO " CRM_SCHEMA ".orders (");
	for (int i = 0; i < NARGUMENTS; i++)
		if ((i == CUSTOMER_ID || i >= FIRST_COLUMN) && !args[i].isnull)
		{
			appendStringInfo(&sql, "%s%s", n == 0 ? "" : ", ", arguments[i].name);
			values[n] = args[i].value;
			types[n++] = arguments[i].type;
		}
	appendStringInfoString(&sql, ") VALUES ($1");
	for (int i = 2; i <= n; i++)
		appendStringInfo(&sql, ", $%d", i);
	appendStringInfoString(&sql, ") RETURNING id");

	if (crm_execute_write(crm_plan(sql.data, n, types), values) != SPI_OK_INSERT_RETURNING ||
		SPI_processed != 1)
		refuse_suppressed("orders");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static Datum
array_of(Datum *values, int n, Oid type)
{
	int16		len = type == INT8OID ? sizeof(int64) : -1;

	return PointerGetDatum(construct_array(values, n, type, len, len > 0 && FLOAT8PASSBYVAL,
										   len > 0 ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

/* The number of the first line: 1, unless a trigger has given the order lines of its own; then these go on from there. */
static int32
first_line_no(int64 order_id)
{
	Relation	rel;
	int32		number;

	if (!crm_placement->has_other_lines)
		return 1;
	rel = table_open(crm_table_oid("order_lines"), RowExclusiveLock);
	number = crm_next_number(rel, "line_no", order_id);
	table_close(rel, NoLock);
	return number;
}

static void
insert_lines(int64 order_id, const CrmLineRequest *lines, int nlines)
{
	static const char *const sql = "INSERT INTO " CRM_SCHEMA ".order_lines"
		" (order_id, line_no, product_id, quantity, unit_price, discount, tax)"
		" SELECT $1, (n OPERATOR(pg_catalog.+) $7)::pg_catalog.int4, product_id, quantity, unit_price, discount, tax"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),"
		" pg_catalog.unnest($5), pg_catalog.unnest($6)) WITH ORDINALITY"
		" AS l (product_id, quantity, unit_price, discount, tax, n)";
	Oid			types[7] = {INT8OID, INT8ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID, INT8OID};
	Datum		values[7] = {Int64GetDatum(order_id)};
	Datum	   *columns[5];

	values[6] = Int64GetDatum(first_line_no(order_id) - 1);
	for (int c = 0; c < lengthof(columns); c++)
		columns[c] = palloc_extended(sizeof(Datum) * nlines, MCXT_ALLOC_HUGE);
	for (int i = 0; i < nlines; i++)
	{
		columns[0][i] = Int64GetDatum(lines[i].product_id);
		columns[1][i] = lines[i].quantity;
		columns[2][i] = lines[i].unit_price;
		columns[3][i] = lines[i].discount;
		columns[4][i] = lines[i].tax;
	}
	for (int c = 0; c < lengthof(columns); c++)
		values[1 + c] = array_of(columns[c], nlines, c == 0 ? INT8OID : NUMERICOID);
	if (crm_execute_write(crm_plan(sql, lengthof(types), types), values) != SPI_OK_INSERT)
		refuse_suppressed("order_lines");
}

/* No line has come to its triggers: the order was written with totals that nothing stands for. */
static void
count_lines(int64 order_id)
{
	CrmTotalsChange *change = crm_totals_begin();
	TupleTableSlot *row;

	crm_placement->command = GetActiveSnapshot()->curcid;
	(void) crm_totals_of(change, order_id, &row);
	crm_totals_write(change);
}

/* The statement that comes next is the placement's own. SPI would begin the command itself, and does nothing then. */
static void
begin_command(CrmPlacement *placement)
{
	CommandCounterIncrement();
	placement->command = GetCurrentCommandId(false);
}

static int64
place(const NullableDatum *args, CrmPlacement *placement, const CrmLineRequest *lines)
{
	CrmPlacement *outer = crm_placement;
	int64		order_id = 0;

	PG_TRY();
	{
		placement->outer = outer;
		crm_placement = placement;
		SPI_connect();
		begin_command(placement);
		placement->order_id = insert_order(args);
		begin_command(placement);
		insert_lines(placement->order_id, lines, placement->nlines);
		if (!placement->counted)
			count_lines(placement->order_id);
		SPI_finish();
		order_id = placement->order_id;
	}
	PG_FINALLY();
	{
		crm_placement = outer;
	}
	PG_END_TRY();
	return order_id;
}

/*
 * crm_place_order(customer_id bigint, lines jsonb, note text DEFAULT NULL,
 * request_key text DEFAULT NULL, currency text DEFAULT NULL, exchange_rate numeric
 * DEFAULT NULL, owner text DEFAULT NULL, reference text DEFAULT NULL, placed_at
 * timestamptz DEFAULT NULL, attributes jsonb DEFAULT NULL, workflow text DEFAULT
 * NULL) returns bigint
 *
 * Inserts an order with its lines and returns its number. Each line is an object
 * with product (a number) or sku, and quantity; it may have unit_price (of one
 * unit; else that of the product), discount and tax (of the whole line), all in
 * the currency of the order. The note goes into the history. A request_key makes
 * a repeat of the call return the first answer and do nothing. Runs with the
 * rights of the caller, who needs INSERT on crm.orders and crm.order_lines and
 * SELECT (id) on crm.orders.
 *
 * Errors: 22004 for a null customer_id or lines, 22023 for lines that make no
 * sense (the place of the fault is named) and for a request_key that is empty or
 * too long, SL012 if the request_key was used for something else, SL015 and SL016
 * for products that do not exist or are not active, all listed, SL017 for a line
 * without a price in a foreign currency, SL018 for a currency without a rate,
 * 22003 for amounts that are too large, 23503 for a customer or workflow that does
 * not exist, SL014 for a workflow whose first status is not editable, 27000 if a
 * trigger makes the order take a step before its lines are there, 25006 in a
 * read-only transaction.
 */
Datum
crm_place_order(PG_FUNCTION_ARGS)
{
	CrmPlacement placement = {0};
	CrmLineRequest *lines;
	CrmPlacedLine *placed;
	int64		order_id;

	for (int i = CUSTOMER_ID; i <= LINES; i++)
		if (PG_ARGISNULL(i))
			crm_refuse_null("crm_place_order", arguments[i].name);
	PreventCommandIfReadOnly("crm_place_order()");
	placement.note = PG_ARGISNULL(NOTE) ? NULL : PG_GETARG_TEXT_PP(NOTE);
	placement.request_key = crm_get_request_key(fcinfo, REQUEST_KEY);

	lines = crm_read_lines(PG_GETARG_JSONB_P(LINES), &placement.nlines);
	if (placement.request_key != NULL)
	{
		Relation	orders = crm_orders_open();
		bool		repeated;

		placement.request_hash = hash_request(fcinfo->args);
		repeated = is_repeated(orders, placement.request_key, placement.request_hash, &order_id);
		table_close(orders, NoLock);
		if (repeated)
			PG_RETURN_INT64(order_id);
	}
	crm_find_products(lines, placement.nlines,
					  PG_ARGISNULL(CURRENCY) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(CURRENCY)));
	placed = palloc_extended(sizeof(CrmPlacedLine) * placement.nlines, MCXT_ALLOC_HUGE);
	for (int i = 0; i < placement.nlines; i++)
		crm_check_line(&lines[i], i, &placed[i].amount, &placed[i].discount, &placed[i].tax);
	placement.lines = placed;
	PG_RETURN_INT64(place(fcinfo->args, &placement, lines));
}
