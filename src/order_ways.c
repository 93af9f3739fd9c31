/*
 * order_ways.c
 *		Which statuses orders have been in, and how many went each way: crm_order_ways.
 *
 * There are many orders and few ways. What an order has been in is the number of a
 * way; a step leads from one way to another, as in an automaton, and what that is was
 * found out when the first order took it. The events are read once, in whatever order
 * they lie, then the orders. Memory is 4 bytes for each order.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "read_rows.h"

PG_FUNCTION_INFO_V1(crm_order_ways);

/* The columns are cast: these are the user's tables. */
#define EVENTS_QUERY \
	"SELECT order_id::pg_catalog.int8, seq::pg_catalog.int4, event::pg_catalog.text, to_status::pg_catalog.text " \
	"FROM " CRM_SCHEMA ".order_events"
#define ORDERS_QUERY \
	"SELECT id::pg_catalog.int8, placed_on::pg_catalog.date, workflow::pg_catalog.text, status::pg_catalog.text " \
	"FROM " CRM_SCHEMA ".orders"

/* The names of statuses and workflows, numbered as they come */
typedef struct Names
{
	int			n;
	int			size;			/* of the table, a power of 2, at most half full */
	text	  **names;
	int		   *table;			/* number + 1 by hash, 0 if empty */
} Names;

/*
 * A set of marks: mark 2 * s is "has been in status s", 2 * s + 1 "was imported in
 * it". A way has the marks of its parent and one more, which is greater than those.
 */
typedef struct Way
{
	int			parent;
	int			mark;
	int			nnext;
	int		   *next;			/* by mark: which way that leads to, 0 if not known yet */
} Way;

#define EMPTY_WAY 0				/* no history; nothing leads there */

#define ORDERS_A_CHUNK 64		/* their ids are close to each other, mostly */

typedef struct Chunk
{
	int64		number;			/* hash key: id / ORDERS_A_CHUNK, rounded down */
	int			ways[ORDERS_A_CHUNK];
} Chunk;

typedef struct Count
{
	struct
	{
		int			month;		/* since year 0 */
		int			workflow;
		int			way;
	}			key;
	int64		orders;
} Count;

typedef struct Ways
{
	MemoryContext context;
	Names		statuses;
	Names		workflows;
	int			nways;
	int			size;
	Way		   *ways;
	HTAB	   *chunks;			/* Chunk */
	Chunk	   *chunk;			/* the last one, often the next one, too */
	HTAB	   *counts;			/* Count */
	DateADT		day;			/* the last one */
	int			month;			/* of it */
} Ways;

static void
put_name(Names *names, int number)
{
	uint32		place = hash_bytes((unsigned char *) VARDATA(names->names[number]),
								   VARSIZE(names->names[number]) - VARHDRSZ);

	while (names->table[place & (names->size - 1)] != 0)
		place++;
	names->table[place & (names->size - 1)] = number + 1;
}

static void
make_names(Names *names)
{
	names->size = 64;
	names->names = palloc(sizeof(text *) * names->size / 2);
	names->table = palloc0(sizeof(int) * names->size);
}

static int
name_number(Names *names, Datum name, MemoryContext context)
{
	text	   *value = DatumGetTextPP(name);
	char	   *data = VARDATA_ANY(value);
	int			len = VARSIZE_ANY_EXHDR(value);
	uint32		place = hash_bytes((unsigned char *) data, len);
	int			found;
	MemoryContext caller;

	while ((found = names->table[place & (names->size - 1)]) != 0)
	{
		text	   *other = names->names[found - 1];

		if (VARSIZE(other) - VARHDRSZ == len && memcmp(VARDATA(other), data, len) == 0)
			return found - 1;
		place++;
	}

	caller = MemoryContextSwitchTo(context);
	if (names->n == names->size / 2)
	{
		names->size *= 2;
		names->names = repalloc(names->names, sizeof(text *) * names->size / 2);
		pfree(names->table);
		names->table = palloc0(sizeof(int) * names->size);
		for (int i = 0; i < names->n; i++)
			put_name(names, i);
	}
	names->names[names->n] = cstring_to_text_with_len(data, len);
	put_name(names, names->n);
	MemoryContextSwitchTo(caller);
	return names->n++;
}

static int
make_way(Ways *all, int parent, int mark)
{
	if (all->nways == all->size)
	{
		all->size *= 2;
		all->ways = repalloc_huge(all->ways, sizeof(Way) * all->size);
	}
	all->ways[all->nways].parent = parent;
	all->ways[all->nways].mark = mark;
	all->ways[all->nways].nnext = 0;
	all->ways[all->nways].next = NULL;
	return all->nways++;
}

/* Where it is written which way a mark leads to; good until the next call. */
static int *
next_of(Ways *all, int way, int mark)
{
	Way		   *from = &all->ways[way];

	if (mark >= from->nnext)
	{
		int			n = Max(mark + 1, 2 * all->statuses.n);

		from->next = from->next == NULL ? MemoryContextAlloc(all->context, sizeof(int) * n) :
			repalloc(from->next, sizeof(int) * n);
		memset(from->next + from->nnext, 0, sizeof(int) * (n - from->nnext));
		from->nnext = n;
	}
	return &from->next[mark];
}

static int
add_mark(Ways *all, int way, int mark)
{
	int			next = *next_of(all, way, mark);
	int			parent = all->ways[way].parent;
	int			last = all->ways[way].mark;

	if (next != EMPTY_WAY)
		return next;
	if (way != EMPTY_WAY && mark == last)
		next = way;
	else if (way != EMPTY_WAY && mark < last)
		next = add_mark(all, add_mark(all, parent, mark), last);
	else
		next = make_way(all, way, mark);
	*next_of(all, way, mark) = next;
	return next;
}

/* The way of an order, to be changed in place */
static int *
way_of(Ways *all, int64 id)
{
	int64		number = id >= 0 ? id / ORDERS_A_CHUNK : -1 - (-1 - id) / ORDERS_A_CHUNK;

	if (all->chunk == NULL || all->chunk->number != number)
	{
		bool		found;

		all->chunk = hash_search(all->chunks, &number, HASH_ENTER, &found);
		if (!found)
			memset(all->chunk->ways, 0, sizeof(all->chunk->ways));
	}
	return &all->chunk->ways[id - number * ORDERS_A_CHUNK];
}

static bool
is_import(int seq, Datum event)
{
	text	   *name = DatumGetTextPP(event);

	return seq == 1 && VARSIZE_ANY_EXHDR(name) == 6 && memcmp(VARDATA_ANY(name), "import", 6) == 0;
}

static void
take_event(TupleTableSlot *row, void *arg)
{
	Ways	   *all = arg;
	int			status;
	int		   *way;

	for (int i = 0; i < 4; i++)
		if (row->tts_isnull[i])
			return;
	status = name_number(&all->statuses, row->tts_values[3], all->context);
	way = way_of(all, DatumGetInt64(row->tts_values[0]));
	*way = add_mark(all, *way, 2 * status);
	if (is_import(DatumGetInt32(row->tts_values[1]), row->tts_values[2]))
		*way = add_mark(all, *way, 2 * status + 1);
}

static int
month_of(Ways *all, DateADT day)
{
	int			year;
	int			month;
	int			mday;

	if (day != all->day)
	{
		j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
		all->day = day;
		all->month = year * MONTHS_PER_YEAR + month - 1;
	}
	return all->month;
}

/* Where an order without history has come from nobody knows: it is as if imported where it stands. */
static void
take_order(TupleTableSlot *row, void *arg)
{
	Ways	   *all = arg;
	int			status;
	int			way;
	Count	   *count;
	Count		wanted = {0};
	bool		found;

	for (int i = 0; i < 4; i++)
		if (row->tts_isnull[i])
			return;
	if (DATE_NOT_FINITE(DatumGetDateADT(row->tts_values[1])))
		return;
	status = name_number(&all->statuses, row->tts_values[3], all->context);
	way = *way_of(all, DatumGetInt64(row->tts_values[0]));
	if (way == EMPTY_WAY)
		way = add_mark(all, way, 2 * status + 1);
	wanted.key.way = add_mark(all, way, 2 * status);
	wanted.key.month = month_of(all, DatumGetDateADT(row->tts_values[1]));
	wanted.key.workflow = name_number(&all->workflows, row->tts_values[2], all->context);
	count = hash_search(all->counts, &wanted.key, HASH_ENTER, &found);
	if (!found)
		count->orders = 0;
	count->orders++;
}

static HTAB *
make_hash(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		ctl = {0};

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(name, 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Ways *
make_ways(void)
{
	Ways	   *all = palloc0(sizeof(Ways));

	all->context = CurrentMemoryContext;
	make_names(&all->statuses);
	make_names(&all->workflows);
	all->size = 64;
	all->ways = palloc(sizeof(Way) * all->size);
	make_way(all, EMPTY_WAY, -1);
	all->chunks = make_hash("crm orders", sizeof(int64), sizeof(Chunk));
	all->counts = make_hash("crm ways", sizeof(((Count *) NULL)->key), sizeof(Count));
	all->day = DATEVAL_NOBEGIN;
	return all;
}

static void
put_count(const Ways *all, const Count *count, Tuplestorestate *rows, TupleDesc desc)
{
	Datum		values[5];
	bool		nulls[5] = {false, false, false, true, false};
	Datum	   *statuses = palloc(sizeof(Datum) * all->statuses.n);
	int			n = 0;

	for (int way = count->key.way; way != EMPTY_WAY; way = all->ways[way].parent)
	{
		Datum		status = PointerGetDatum(all->statuses.names[all->ways[way].mark / 2]);

		if (all->ways[way].mark % 2 == 0)
			statuses[n++] = status;
		else
		{
			values[3] = status;
			nulls[3] = false;
		}
	}
	values[0] = DateADTGetDatum(date2j(count->key.month / MONTHS_PER_YEAR, count->key.month % MONTHS_PER_YEAR + 1, 1) -
								POSTGRES_EPOCH_JDATE);
	values[1] = PointerGetDatum(all->workflows.names[count->key.workflow]);
	values[2] = PointerGetDatum(construct_array(statuses, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[4] = Int64GetDatum(count->orders);
	tuplestore_putvalues(rows, desc, values, nulls);
	pfree(statuses);
}

/*
 * crm_order_ways() returns table (cohort_month date, workflow text, statuses text[],
 * imported text, orders bigint)
 *
 * How many orders that were placed in a month and follow a workflow have been in the
 * same statuses, the one they stand in among them, in no order. imported is the status
 * that they were imported in, and that in which an order without history stands; else
 * NULL. Needs the right to read crm.orders and crm.order_events.
 */
Datum
crm_order_ways(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Tuplestorestate *rows = crm_begin_result(fcinfo, &desc);
	Ways	   *all = make_ways();
	HASH_SEQ_STATUS scan;
	Count	   *count;

	crm_read_rows(EVENTS_QUERY, take_event, all);
	all->chunk = NULL;
	crm_read_rows(ORDERS_QUERY, take_order, all);
	hash_seq_init(&scan, all->counts);
	while ((count = hash_seq_search(&scan)) != NULL)
		put_count(all, count, rows, desc);
	return (Datum) 0;
}
