/*
 * product_affinity.c
 *		Which products are sold together: crm_product_affinity.
 *
 * The sales are read once, order by order. For each product the orders that have
 * it are looked up, and what else they have is counted: no table of pairs is
 * kept, whose size nobody can foretell. Memory is 8 bytes for each product of an
 * order, and some 100 for each product.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "read_rows.h"

PG_FUNCTION_INFO_V1(crm_product_affinity);

/* What a sale is, fact_sales says. The columns are cast, as the view may have been made anew. */
#define SALES_QUERY \
	"SELECT order_id::pg_catalog.int8, product_key::pg_catalog.int8 FROM " CRM_SCHEMA ".fact_sales ORDER BY 1"

typedef struct Product
{
	int64		id;				/* hash key */
	int			number;
} Product;

/* Products by their number, and the orders one behind the other */
typedef struct Sales
{
	HTAB	   *products;		/* Product */

	int			nproducts;
	int			products_size;
	int64	   *ids;
	int64	   *frequencies;	/* orders with the product */

	int64		nitems;
	int64		items_size;
	int		   *items;			/* numbers of products */
	int			norders;
	int64		orders_size;
	int64	   *ends;			/* of each order: where its items end */

	int64		order_id;		/* of the order that is being read */
	int64		start;			/* where its items begin */
	bool		reading;
} Sales;

static int
compare_numbers(const void *a, const void *b)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	return x < y ? -1 : x > y;
}

/* A product counts once an order, on however many lines. */
static void
end_order(Sales *sales)
{
	int			n;

	if (!sales->reading)
		return;
	if (sales->norders == INT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many orders to look for products that are sold together")));
	n = (int) (sales->nitems - sales->start);
	qsort(sales->items + sales->start, n, sizeof(int), compare_numbers);
	n = (int) qunique(sales->items + sales->start, n, sizeof(int), compare_numbers);
	for (int i = 0; i < n; i++)
		sales->frequencies[sales->items[sales->start + i]]++;
	sales->nitems = sales->start + n;
	if (sales->norders == sales->orders_size)
	{
		sales->orders_size *= 2;
		sales->ends = repalloc_huge(sales->ends, sizeof(int64) * sales->orders_size);
	}
	sales->ends[sales->norders++] = sales->nitems;
	sales->start = sales->nitems;
}

static int
product_number(Sales *sales, int64 id)
{
	bool		found;
	Product    *product = hash_search(sales->products, &id, HASH_ENTER, &found);

	if (!found)
	{
		if (sales->nproducts == sales->products_size)
		{
			sales->products_size *= 2;
			sales->ids = repalloc_huge(sales->ids, sizeof(int64) * sales->products_size);
			sales->frequencies = repalloc_huge(sales->frequencies, sizeof(int64) * sales->products_size);
		}
		product->number = sales->nproducts++;
		sales->ids[product->number] = id;
		sales->frequencies[product->number] = 0;
	}
	return product->number;
}

static void
take_row(TupleTableSlot *slot, void *arg)
{
	Sales	   *sales = arg;
	int64		order_id;

	if (slot->tts_isnull[0] || slot->tts_isnull[1])
		return;
	order_id = DatumGetInt64(slot->tts_values[0]);
	if (!sales->reading || order_id != sales->order_id)
	{
		end_order(sales);
		sales->order_id = order_id;
		sales->reading = true;
	}
	if (sales->nitems - sales->start == INT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("order " INT64_FORMAT " has too many lines", order_id)));
	if (sales->nitems == sales->items_size)
	{
		sales->items_size *= 2;
		sales->items = repalloc_huge(sales->items, sizeof(int) * sales->items_size);
	}
	sales->items[sales->nitems++] = product_number(sales, DatumGetInt64(slot->tts_values[1]));
}

static Sales *
make_sales(void)
{
	Sales	   *sales = palloc0(sizeof(Sales));
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(Product);
	ctl.hcxt = CurrentMemoryContext;
	sales->products = hash_create("crm products sold", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	sales->products_size = sales->items_size = sales->orders_size = 1024;
	sales->ids = palloc(sizeof(int64) * sales->products_size);
	sales->frequencies = palloc(sizeof(int64) * sales->products_size);
	sales->items = palloc(sizeof(int) * sales->items_size);
	sales->ends = palloc(sizeof(int64) * sales->orders_size);
	return sales;
}

/* Leave out the products that are on too few orders: no pair with them is on enough. */
static void
drop_rare_products(Sales *sales, int64 min_support)
{
	int64		kept = 0;
	int64		i = 0;

	for (int order = 0; order < sales->norders; order++)
	{
		CHECK_FOR_INTERRUPTS();
		for (; i < sales->ends[order]; i++)
			if (sales->frequencies[sales->items[i]] >= min_support)
				sales->items[kept++] = sales->items[i];
		sales->ends[order] = kept;
	}
	sales->nitems = kept;
}

/*
 * The orders of each product: those of number p are orders[starts[p]] up to
 * orders[starts[p + 1]].
 */
static int *
orders_by_product(const Sales *sales, int64 min_support, int64 **starts_of)
{
	int		   *orders = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * Max(sales->nitems, 1));
	int64	   *starts = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int64) * (sales->nproducts + 1));
	int64	   *next = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int64) * (sales->nproducts + 1));
	int64		start = 0;
	int64		i = 0;

	for (int product = 0; product < sales->nproducts; product++)
	{
		starts[product] = next[product] = start;
		if (sales->frequencies[product] >= min_support)
			start += sales->frequencies[product];
	}
	starts[sales->nproducts] = start;
	for (int order = 0; order < sales->norders; order++)
	{
		CHECK_FOR_INTERRUPTS();
		for (; i < sales->ends[order]; i++)
			orders[next[sales->items[i]]++] = order;
	}
	pfree(next);
	*starts_of = starts;
	return orders;
}

static void
put_pair(const Sales *sales, int product, int other, int64 together, Tuplestorestate *rows, TupleDesc desc)
{
	Datum		values[6];
	bool		nulls[6] = {false};
	double		confidence = (double) together / sales->frequencies[product];

	values[0] = Int64GetDatum(sales->ids[product]);
	values[1] = Int64GetDatum(sales->ids[other]);
	values[2] = Int64GetDatum(together);
	values[3] = Float8GetDatum((double) together / sales->norders);
	values[4] = Float8GetDatum(confidence);
	values[5] = Float8GetDatum(confidence * sales->norders / sales->frequencies[other]);
	tuplestore_putvalues(rows, desc, values, nulls);
}

static void
count_pairs(const Sales *sales, int64 min_support, Tuplestorestate *rows, TupleDesc desc)
{
	int64	   *starts;
	int		   *orders = orders_by_product(sales, min_support, &starts);
	int		   *together = palloc0(sizeof(int) * Max(sales->nproducts, 1));
	int		   *met = palloc(sizeof(int) * Max(sales->nproducts, 1));	/* products with a count */

	for (int product = 0; product < sales->nproducts; product++)
	{
		int			nmet = 0;

		for (int64 i = starts[product]; i < starts[product + 1]; i++)
		{
			int64		first = orders[i] > 0 ? sales->ends[orders[i] - 1] : 0;

			CHECK_FOR_INTERRUPTS();
			/* each pair once: the items of an order are sorted */
			for (int64 j = sales->ends[orders[i]] - 1; j >= first && sales->items[j] > product; j--)
				if (together[sales->items[j]]++ == 0)
					met[nmet++] = sales->items[j];
		}
		for (int i = 0; i < nmet; i++)
		{
			if (together[met[i]] >= min_support)
			{
				put_pair(sales, product, met[i], together[met[i]], rows, desc);
				put_pair(sales, met[i], product, together[met[i]], rows, desc);
			}
			together[met[i]] = 0;
		}
	}
}

/*
 * crm_product_affinity(min_support integer) returns table (product_id bigint,
 * other_product_id bigint, orders bigint, support double precision, confidence
 * double precision, lift double precision)
 *
 * The pairs of products that are together on at least min_support orders of
 * crm.fact_sales, each pair both ways, in no order. N orders in all, A with the
 * product, B with the other one, both on orders of them: support is orders / N,
 * confidence orders / A, lift orders * N / (A * B). Needs the right to read
 * crm.fact_sales. Errors: 22023 for a min_support below 1.
 */
Datum
crm_product_affinity(PG_FUNCTION_ARGS)
{
	int64		min_support = PG_GETARG_INT32(0);
	Sales	   *sales;
	TupleDesc	desc;
	Tuplestorestate *rows;

	if (min_support < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_support is a number of orders, 1 or more, not %d", (int) min_support)));
	rows = crm_begin_result(fcinfo, &desc);
	sales = make_sales();
	crm_read_rows(SALES_QUERY, take_row, sales);
	end_order(sales);
	drop_rare_products(sales, min_support);
	count_pairs(sales, min_support, rows, desc);
	return (Datum) 0;
}
