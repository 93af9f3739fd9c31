/*
 * order_sums.c
 *		What sales bring, by customer and of some days: crm_customer_sales, crm_order_sums.
 *
 * The orders are read once. Amounts are added up as whole numbers of cents, and as
 * numerics where that does not do. Memory is 24 bytes for each customer, and 96 more
 * when they are ranked.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "decimal.h"
#include "read_rows.h"

PG_FUNCTION_INFO_V1(crm_customer_sales);
PG_FUNCTION_INFO_V1(crm_order_sums);

/* The columns are cast: these are the user's tables, and views. */
#define BOOKED_QUERY \
	"SELECT workflow::pg_catalog.text, status::pg_catalog.text FROM " CRM_SCHEMA ".workflow_states WHERE is_booked"
#define SALE_COLUMNS \
	"customer_id::pg_catalog.int8, placed_on::pg_catalog.date, workflow::pg_catalog.text, status::pg_catalog.text, " \
	"line_count::pg_catalog.int4, reporting_total::pg_catalog.numeric"
#define ALL_QUERY \
	"SELECT " SALE_COLUMNS " FROM " CRM_SCHEMA ".orders"
#define DAYS_QUERY \
	"SELECT " SALE_COLUMNS ", booked_at::pg_catalog.timestamptz, exchange_rate::pg_catalog.numeric, " \
	"paid::pg_catalog.numeric, refunded::pg_catalog.numeric " \
	"FROM " CRM_SCHEMA ".orders WHERE placed_on OPERATOR(pg_catalog.>=) $1 AND placed_on OPERATOR(pg_catalog.<=) $2"

enum
{
	CUSTOMER, DAY, WORKFLOW, STATUS, LINE_COUNT, TOTAL, NEEDED, BOOKED_AT = NEEDED, RATE, PAID, REFUNDED
};

#define PRODUCT_DECIMALS (CRM_AMOUNT_DECIMALS + CRM_RATE_DECIMALS)

typedef struct Status
{
	text	   *workflow;
	text	   *name;
} Status;

/* As short as can be, so that many fit in the cache of a processor. All 0 if there are no sales. */
typedef struct Customer
{
	int64		orders;
	int64		revenue;		/* cents */
	DateADT		first;
	DateADT		last;
} Customer;

#define CUSTOMERS_A_CHUNK 32	/* their ids are close to each other, mostly */

enum
{
	WITH_LINES, WITHOUT, KINDS	/* of sales */
};

typedef struct Chunk
{
	int64		number;			/* hash key: id / CUSTOMERS_A_CHUNK, rounded down */
	Customer   *customers[KINDS];	/* NULL if none of them has such sales */
	Numeric    *rests[KINDS];	/* of their revenue, what is not in the cents; NULL if there is none */
	char		status;			/* for the hash table */
} Chunk;

#define SH_PREFIX chunks
#define SH_ELEMENT_TYPE Chunk
#define SH_KEY_TYPE int64
#define SH_KEY number
#define SH_HASH_KEY(table, key) murmurhash32((uint32) (key) ^ (uint32) ((uint64) (key) >> 32))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

enum
{
	BY_RECENCY, BY_FREQUENCY, BY_REVENUE, RANKS	/* in the order of the columns */
};

typedef struct Ranks
{
	double		by[RANKS];
} Ranks;

/* What customers are sorted by */
typedef struct Key
{
	int64		whole;			/* of revenue: cents */
	Numeric		rest;			/* NULL if there is none */
	int64		customer;
} Key;

typedef struct Sum
{
	int64		whole;
	Numeric		rest;			/* NULL if there is none */
} Sum;

typedef struct Sums
{
	MemoryContext context;
	MemoryContext scratch;		/* of one addition of numerics */
	int			nbooked;
	Status	   *booked;			/* statuses that count as a sale: a few */
	chunks_hash *chunks;
	struct
	{
		Customer   *customer;	/* NULL if there is none */
		int64		id;
		int			kind;
		int64		cents;
		DateADT		day;
	}			sale;			/* the last one, not yet added */
	int64		placed;
	int64		converted;
	Sum			paid;
	Sum			refunded;
} Sums;

/* Without garbage: there may be many of these. */
static void
add_numeric(Sums *sums, Numeric *rest, Datum number)
{
	MemoryContext caller = MemoryContextSwitchTo(sums->scratch);

	if (*rest != NULL)
		number = DirectFunctionCall2(numeric_add, NumericGetDatum(*rest), number);
	MemoryContextSwitchTo(sums->context);
	number = NumericGetDatum(DatumGetNumericCopy(number));
	if (*rest != NULL)
		pfree(*rest);
	*rest = DatumGetNumeric(number);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(sums->scratch);
}

static void
add_whole(Sums *sums, Sum *sum, int64 whole, int decimals)
{
	int64		result;

	if (pg_add_s64_overflow(sum->whole, whole, &result))
	{
		add_numeric(sums, &sum->rest, NumericGetDatum(crm_make_decimal(sum->whole, decimals)));
		result = whole;
	}
	sum->whole = result;
}

static void
add_product(Sums *sums, Sum *sum, Datum amount, Datum rate)
{
	int64		product;
	MemoryContext caller;

	if (crm_whole_product(amount, rate, &product))
	{
		add_whole(sums, sum, product, PRODUCT_DECIMALS);
		return;
	}
	caller = MemoryContextSwitchTo(sums->scratch);
	amount = DirectFunctionCall2(numeric_mul, amount, rate);
	MemoryContextSwitchTo(caller);
	add_numeric(sums, &sum->rest, amount);
}

static Datum
value_of(int64 whole, int decimals, Numeric rest)
{
	Datum		value = NumericGetDatum(crm_make_decimal(whole, decimals));

	return rest == NULL ? value : DirectFunctionCall2(numeric_add, value, NumericGetDatum(rest));
}

static void
take_booked(TupleTableSlot *row, void *arg)
{
	Sums	   *sums = arg;
	MemoryContext caller;

	if (row->tts_isnull[0] || row->tts_isnull[1])
		return;
	caller = MemoryContextSwitchTo(sums->context);
	sums->booked = repalloc(sums->booked, sizeof(Status) * (sums->nbooked + 1));
	sums->booked[sums->nbooked].workflow = DatumGetTextPCopy(row->tts_values[0]);
	sums->booked[sums->nbooked].name = DatumGetTextPCopy(row->tts_values[1]);
	sums->nbooked++;
	MemoryContextSwitchTo(caller);
}

static inline bool
is_same(const text *known, const char *data, size_t len)
{
	return VARSIZE(known) - VARHDRSZ == len && memcmp(VARDATA(known), data, len) == 0;
}

/* A status that the workflow does not know is in no class. */
static bool
is_booked(const Sums *sums, text *workflow, text *status)
{
	for (int i = 0; i < sums->nbooked; i++)
		if (is_same(sums->booked[i].name, VARDATA_ANY(status), VARSIZE_ANY_EXHDR(status)) &&
			is_same(sums->booked[i].workflow, VARDATA_ANY(workflow), VARSIZE_ANY_EXHDR(workflow)))
			return true;
	return false;
}

static int64
chunk_number(int64 id)
{
	return id >= 0 ? id / CUSTOMERS_A_CHUNK : -1 - (-1 - id) / CUSTOMERS_A_CHUNK;
}

static Chunk *
chunk_of(Sums *sums, int64 id)
{
	bool		found;
	Chunk	   *chunk = chunks_insert(sums->chunks, chunk_number(id), &found);

	if (!found)
	{
		memset(chunk->customers, 0, sizeof(chunk->customers));
		memset(chunk->rests, 0, sizeof(chunk->rests));
	}
	return chunk;
}

static void
add_revenue(Sums *sums, int64 id, int kind, Datum amount)
{
	Numeric   **rests = &chunk_of(sums, id)->rests[kind];

	if (*rests == NULL)
		*rests = MemoryContextAllocZero(sums->context, sizeof(Numeric) * CUSTOMERS_A_CHUNK);
	add_numeric(sums, &(*rests)[id - chunk_number(id) * CUSTOMERS_A_CHUNK], amount);
}

static void
add_sale(Sums *sums)
{
	Customer   *customer = sums->sale.customer;
	DateADT		day = sums->sale.day;
	int64		revenue;

	if (customer == NULL)
		return;
	if (!pg_add_s64_overflow(customer->revenue, sums->sale.cents, &revenue))
		customer->revenue = revenue;
	else
		add_revenue(sums, sums->sale.id, sums->sale.kind, NumericGetDatum(crm_make_decimal(sums->sale.cents, CRM_AMOUNT_DECIMALS)));
	customer->first = customer->orders == 0 ? day : Min(customer->first, day);
	customer->last = customer->orders == 0 ? day : Max(customer->last, day);
	customer->orders++;
	sums->sale.customer = NULL;
}

/*
 * Where the customer is kept is found now, and fetched while the next row is read: to
 * wait for memory would take as long as all else that is done here.
 */
static void
take_sale(TupleTableSlot *order, void *arg)
{
	Sums	   *sums = arg;
	int64		id = DatumGetInt64(order->tts_values[CUSTOMER]);
	int			kind = DatumGetInt32(order->tts_values[LINE_COUNT]) > 0 ? WITH_LINES : WITHOUT;
	Customer  **customers;

	for (int i = 0; i < NEEDED; i++)
		if (order->tts_isnull[i])
			return;
	if (!is_booked(sums, DatumGetTextPP(order->tts_values[WORKFLOW]), DatumGetTextPP(order->tts_values[STATUS])))
		return;
	add_sale(sums);
	customers = &chunk_of(sums, id)->customers[kind];
	if (*customers == NULL)
		*customers = MemoryContextAllocZero(sums->context, sizeof(Customer) * CUSTOMERS_A_CHUNK);
	sums->sale.customer = &(*customers)[id - chunk_number(id) * CUSTOMERS_A_CHUNK];
	__builtin_prefetch(sums->sale.customer);
	sums->sale.id = id;
	sums->sale.kind = kind;
	sums->sale.day = DatumGetDateADT(order->tts_values[DAY]);
	if (!crm_whole_number(order->tts_values[TOTAL], CRM_AMOUNT_DECIMALS, &sums->sale.cents))
	{
		sums->sale.cents = 0;
		add_revenue(sums, id, kind, order->tts_values[TOTAL]);
	}
}

static void
take_order(TupleTableSlot *order, void *arg)
{
	Sums	   *sums = arg;

	sums->placed++;
	if (!order->tts_isnull[BOOKED_AT])
		sums->converted++;
	if (!order->tts_isnull[RATE] && !order->tts_isnull[PAID])
		add_product(sums, &sums->paid, order->tts_values[PAID], order->tts_values[RATE]);
	if (!order->tts_isnull[RATE] && !order->tts_isnull[REFUNDED])
		add_product(sums, &sums->refunded, order->tts_values[REFUNDED], order->tts_values[RATE]);
	take_sale(order, arg);
}

static Sums *
make_sums(void)
{
	Sums	   *sums = palloc0(sizeof(Sums));

	sums->context = CurrentMemoryContext;
	sums->scratch = AllocSetContextCreate(CurrentMemoryContext, "crm sums", ALLOCSET_SMALL_SIZES);
	sums->booked = palloc(sizeof(Status));
	sums->chunks = chunks_create(CurrentMemoryContext, 256, NULL);
	crm_read_rows(BOOKED_QUERY, take_booked, sums);
	return sums;
}

/* Of a customer of a chunk */
static Customer
sales_of(const Chunk *chunk, int i, int kind, Numeric *rest)
{
	static const Customer none = {0};

	*rest = chunk->rests[kind] == NULL ? NULL : chunk->rests[kind][i];
	return chunk->customers[kind] == NULL ? none : chunk->customers[kind][i];
}

static inline int
compare_keys(const Key *a, const Key *b)
{
	if (a->rest == NULL && b->rest == NULL)
		return a->whole < b->whole ? -1 : a->whole > b->whole;
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, value_of(a->whole, CRM_AMOUNT_DECIMALS, a->rest),
											 value_of(b->whole, CRM_AMOUNT_DECIMALS, b->rest)));
}

#define ST_SORT sort_keys
#define ST_ELEMENT_TYPE Key
#define ST_COMPARE(a, b) compare_keys(a, b)
#define ST_SCOPE static
#define ST_CHECK_FOR_INTERRUPTS
#define ST_DEFINE
#include "lib/sort_template.h"

/* As percent_rank() has it */
static void
rank_customers(Key *keys, int64 n, int which, Ranks *ranks)
{
	int64		below = 0;

	sort_keys(keys, n);
	for (int64 i = 0; i < n; i++)
	{
		if (i > 0 && compare_keys(&keys[i - 1], &keys[i]) != 0)
			below = i;
		ranks[keys[i].customer].by[which] = n > 1 ? (double) below / (double) (n - 1) : 0;
	}
}

/* Of those who have sales with lines, in the order of the scan */
static Ranks *
make_ranks(Sums *sums)
{
	int64		size = (int64) sums->chunks->members * CUSTOMERS_A_CHUNK;
	Key		   *keys[RANKS];
	Ranks	   *ranks = MemoryContextAllocHuge(sums->context, sizeof(Ranks) * size);
	int64		n = 0;
	chunks_iterator scan;
	Chunk	   *chunk;

	for (int i = 0; i < RANKS; i++)
		keys[i] = MemoryContextAllocHuge(sums->context, sizeof(Key) * size);
	chunks_start_iterate(sums->chunks, &scan);
	while ((chunk = chunks_iterate(sums->chunks, &scan)) != NULL)
		for (int i = 0; i < CUSTOMERS_A_CHUNK; i++)
		{
			Numeric		rest;
			Customer	sales = sales_of(chunk, i, WITH_LINES, &rest);

			if (sales.orders == 0)
				continue;
			keys[BY_RECENCY][n] = (Key) {-(int64) sales.last, NULL, n};
			keys[BY_FREQUENCY][n] = (Key) {sales.orders, NULL, n};
			keys[BY_REVENUE][n] = (Key) {sales.revenue, rest, n};
			n++;
		}
	for (int i = 0; i < RANKS; i++)
	{
		rank_customers(keys[i], n, i, ranks);
		pfree(keys[i]);
	}
	return ranks;
}

static void
put_customer(const Chunk *chunk, int i, const Ranks **ranks, Tuplestorestate *rows, TupleDesc desc)
{
	Numeric		rest;
	Customer	with_lines = sales_of(chunk, i, WITH_LINES, &rest);
	Datum		revenue = value_of(with_lines.revenue, CRM_AMOUNT_DECIMALS, rest);
	Customer	without = sales_of(chunk, i, WITHOUT, &rest);
	Datum		values[10] = {0};
	bool		nulls[10] = {0};

	if (with_lines.orders == 0 && without.orders == 0)
		return;
	values[0] = Int64GetDatum(chunk->number * CUSTOMERS_A_CHUNK + i);
	values[1] = Int64GetDatum(with_lines.orders + without.orders);
	values[2] = DirectFunctionCall2(numeric_add, revenue, value_of(without.revenue, CRM_AMOUNT_DECIMALS, rest));
	values[3] = Int64GetDatum(with_lines.orders);
	if (with_lines.orders == 0)
		memset(nulls + 4, true, 6);
	else
	{
		values[4] = revenue;
		values[5] = DateADTGetDatum(with_lines.first);
		values[6] = DateADTGetDatum(with_lines.last);
		for (int by = 0; by < RANKS; by++)
			values[7 + by] = Float8GetDatum((*ranks)->by[by]);
		(*ranks)++;
	}
	tuplestore_putvalues(rows, desc, values, nulls);
}

/*
 * crm_customer_sales() returns table (customer_id bigint, orders bigint, revenue numeric,
 * orders_with_lines bigint, revenue_with_lines numeric, first_on date, last_on date,
 * recency_rank double precision, frequency_rank double precision, revenue_rank double precision)
 *
 * The orders of each customer that count as a sale, what they brought in the reporting
 * currency, the same of those that have lines, the first and last day of these, and
 * which share of the other customers bought later, less often, or for less. Needs the
 * right to read crm.orders and crm.workflow_states.
 */
Datum
crm_customer_sales(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Tuplestorestate *rows = crm_begin_result(fcinfo, &desc);
	Sums	   *sums = make_sums();
	const Ranks *ranks;
	chunks_iterator scan;
	Chunk	   *chunk;

	crm_read_rows(ALL_QUERY, take_sale, sums);
	add_sale(sums);
	ranks = make_ranks(sums);
	MemoryContextSwitchTo(sums->scratch);
	chunks_start_iterate(sums->chunks, &scan);
	while ((chunk = chunks_iterate(sums->chunks, &scan)) != NULL)
	{
		for (int i = 0; i < CUSTOMERS_A_CHUNK; i++)
			put_customer(chunk, i, &ranks, rows, desc);
		MemoryContextReset(sums->scratch);
	}
	MemoryContextSwitchTo(sums->context);
	return (Datum) 0;
}

/*
 * crm_order_sums(first_day date, last_day date) returns table (orders_placed bigint,
 * converted bigint, orders bigint, revenue numeric, customers bigint, repeated bigint,
 * paid numeric, refunded numeric)
 *
 * One row about the orders placed in these days: how many there are, how many have ever
 * become a sale, how many are one, what these brought (NULL if there are none), how many
 * customers have one with a line, and more than one, and what of the money for all of
 * them was received and given back. All in the reporting currency. Needs the right to
 * read crm.orders and crm.workflow_states.
 */
Datum
crm_order_sums(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Tuplestorestate *rows = crm_begin_result(fcinfo, &desc);
	Sums	   *sums = make_sums();
	Oid			types[2] = {DATEOID, DATEOID};
	Datum		days[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	chunks_iterator scan;
	Chunk	   *chunk;
	int64		orders = 0;
	int64		customers = 0;
	int64		repeated = 0;
	Sum			revenue = {0};
	Datum		values[8];
	bool		nulls[8] = {0};

	crm_read_rows_of(DAYS_QUERY, 2, types, days, take_order, sums);
	add_sale(sums);
	chunks_start_iterate(sums->chunks, &scan);
	while ((chunk = chunks_iterate(sums->chunks, &scan)) != NULL)
		for (int i = 0; i < KINDS * CUSTOMERS_A_CHUNK; i++)
		{
			int			kind = i % KINDS;
			Numeric		rest;
			Customer	sales = sales_of(chunk, i / KINDS, kind, &rest);

			orders += sales.orders;
			customers += kind == WITH_LINES && sales.orders > 0;
			repeated += kind == WITH_LINES && sales.orders > 1;
			add_whole(sums, &revenue, sales.revenue, CRM_AMOUNT_DECIMALS);
			if (rest != NULL)
				add_numeric(sums, &revenue.rest, NumericGetDatum(rest));
		}
	values[0] = Int64GetDatum(sums->placed);
	values[1] = Int64GetDatum(sums->converted);
	values[2] = Int64GetDatum(orders);
	values[3] = value_of(revenue.whole, CRM_AMOUNT_DECIMALS, revenue.rest);
	nulls[3] = orders == 0;
	values[4] = Int64GetDatum(customers);
	values[5] = Int64GetDatum(repeated);
	values[6] = value_of(sums->paid.whole, PRODUCT_DECIMALS, sums->paid.rest);
	values[7] = value_of(sums->refunded.whole, PRODUCT_DECIMALS, sums->refunded.rest);
	tuplestore_putvalues(rows, desc, values, nulls);
	return (Datum) 0;
}
