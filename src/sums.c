/*
 * sums.c
 *		Changes of the figures, summed up in memory before they are merged.
 *
 * Each change belongs to a sum of each rollup, and many changes to the same. A hash
 * table for each set of dimensions brings them together, so that a merge looks for
 * each kept sum once. All values are numbers, so that they are compared as such. What takes too much
 * memory goes to a sort as it is so far, and what belongs together comes together there.
 *
 * Each change looks for its sums in as many tables as there are sets: with dynahash, a quarter of a
 * merge. The tables are of simplehash.h, and merges are 6 % faster.
 */
#include "crm.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "sums.h"

/* The values of a sum, and behind them its measures; how many there are, only their table knows */
typedef struct SumEntry
{
	int64	   *sum;
	uint32		hash;
	char		status;
} SumEntry;

static uint32
hash_values(const int64 *values, int n)
{
	uint32		hash = 0;

	for (int i = 0; i < n; i++)
		hash = hash_combine(hash, murmurhash32((uint32) (values[i] ^ values[i] >> 32)));
	return hash;
}

static int
compare_values(const int64 *one, const int64 *other, int n)
{
	for (int i = 0; i < n; i++)
		if (one[i] != other[i])
			return one[i] < other[i] ? -1 : 1;
	return 0;
}

/* of the table: how many values there are */
#define SH_PREFIX sum
#define SH_ELEMENT_TYPE SumEntry
#define SH_KEY_TYPE int64 *
#define SH_KEY sum
#define SH_HASH_KEY(table, key) hash_values(key, *(const int *) (table)->private_data)
#define SH_EQUAL(table, a, b) (compare_values(a, b, *(const int *) (table)->private_data) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct TextKey
{
	const char *data;
	Size		length;
} TextKey;

typedef struct TextEntry
{
	TextKey		key;
	int			number;
} TextEntry;

static uint32
hash_text(const void *key, Size keysize)
{
	const TextKey *text = key;

	return hash_bytes((const unsigned char *) text->data, text->length);
}

static int
compare_texts(const void *a, const void *b, Size keysize)
{
	const TextKey *one = a;
	const TextKey *other = b;

	return one->length != other->length || memcmp(one->data, other->data, one->length) != 0;
}

void
crm_texts_init(CrmTexts *texts, MemoryContext context)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(TextKey);
	ctl.entrysize = sizeof(TextEntry);
	ctl.hash = hash_text;
	ctl.match = compare_texts;
	ctl.hcxt = context;
	texts->numbers = hash_create("crm texts of changes", 64, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	texts->room = 64;
	texts->texts = MemoryContextAlloc(context, sizeof(text *) * texts->room);
	texts->texts[0] = NULL;
	texts->ntexts = 1;
	texts->context = context;
}

int64
crm_number_of_text(CrmTexts *texts, text *value)
{
	TextKey		key;
	TextEntry  *entry;
	bool		found;
	text	   *kept;

	if (value == NULL)
		return 0;
	key.data = VARDATA_ANY(value);
	key.length = VARSIZE_ANY_EXHDR(value);
	entry = hash_search(texts->numbers, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->number;

	kept = MemoryContextAlloc(texts->context, VARHDRSZ + key.length);
	SET_VARSIZE(kept, VARHDRSZ + key.length);
	memcpy(VARDATA(kept), key.data, key.length);
	if (texts->ntexts == texts->room)
		texts->texts = repalloc(texts->texts, sizeof(text *) * (texts->room *= 2));
	key.data = VARDATA(kept);
	entry = hash_search(texts->numbers, &key, HASH_ENTER, &found);
	entry->number = texts->ntexts++;
	texts->texts[entry->number] = kept;
	return entry->number;
}

text *
crm_text_of_number(const CrmTexts *texts, int64 number)
{
	return texts->texts[number];
}

void
crm_sums_init(CrmSums *sums, const CrmDimension *dimensions, int ndimensions, MemoryContext context, CrmSumsMemory *memory)
{
	memset(sums, 0, sizeof(*sums));
	memcpy(sums->dimensions, dimensions, sizeof(CrmDimension) * ndimensions);
	sums->ndimensions = ndimensions;
	sums->context = context;
	sums->memory = memory;
}

static Size
size_of_sum(const CrmSums *sums)
{
	return sizeof(int64) * (sums->ndimensions + CRM_MAX_MEASURES);
}

static void
take_memory(CrmSums *sums, Size size)
{
	sums->used += size;
	sums->memory->used += size;
}

static void
make_table(CrmSums *sums)
{
	sums->table = sum_create(sums->context, 64, &sums->ndimensions);
	take_memory(sums, sizeof(SumEntry) * sums->table->size);
	sums->pieces = AllocSetContextCreate(sums->context, "crm sums of changes", ALLOCSET_SMALL_SIZES);
	sums->nfree = 0;
}

/* They are cut from larger pieces: a chunk of each would take half as much again. */
static int64 *
new_sum(CrmSums *sums)
{
	int64	   *sum;

	if (sums->nfree == 0)
	{
		sums->nfree = BLCKSZ / size_of_sum(sums);
		sums->free = MemoryContextAlloc(sums->pieces, sums->nfree * size_of_sum(sums));
		take_memory(sums, sums->nfree * size_of_sum(sums));
	}
	sum = sums->free;
	sums->free += sums->ndimensions + CRM_MAX_MEASURES;
	sums->nfree--;
	return sum;
}

static void
drop_table(CrmSums *sums)
{
	sum_destroy(sums->table);
	sums->table = NULL;
	MemoryContextDelete(sums->pieces);
	sums->memory->used -= sums->used;
	sums->used = 0;
}

static void
add_measures(int64 *sum, const int64 *measures, int sign)
{
	for (int i = 0; i < CRM_MAX_MEASURES; i++)
		if (sign > 0 ? pg_add_s64_overflow(sum[i], measures[i], &sum[i]) : pg_sub_s64_overflow(sum[i], measures[i], &sum[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("bigint out of range"),
					 errdetail("The changes of a sales figure add up to too much.")));
}

/* The sum of these values, which begins with them */
static int64 *
find_sum(CrmSums *sums, int64 *values)
{
	uint64		size = sums->table->size;
	bool		found;
	SumEntry   *entry = sum_insert(sums->table, values, &found);

	if (!found)
	{
		entry->sum = new_sum(sums);
		memcpy(entry->sum, values, sizeof(int64) * sums->ndimensions);
		memset(entry->sum + sums->ndimensions, 0, sizeof(int64) * CRM_MAX_MEASURES);
		take_memory(sums, sizeof(SumEntry) * (sums->table->size - size));
	}
	return entry->sum;
}

void
crm_sums_add(CrmSums *sums, const CrmValues values, const int64 *measures, int sign)
{
	int64		key[CRM_NDIMENSIONS];

	if (sums->table == NULL)
		make_table(sums);
	for (int i = 0; i < sums->ndimensions; i++)
		key[i] = values[sums->dimensions[i]];
	add_measures(find_sum(sums, key) + sums->ndimensions, measures, sign);
}

/* So many may have been spilled; together they take as much memory as one sort */
#define SORTS_AT_ONCE 8

static void
make_sort(CrmSums *sums)
{
	int			ncolumns = sums->ndimensions + CRM_MAX_MEASURES;
	MemoryContext caller = MemoryContextSwitchTo(sums->context);
	TupleDesc	desc = CreateTemplateTupleDesc(ncolumns);
	AttrNumber	columns[CRM_NDIMENSIONS];
	Oid			operators[CRM_NDIMENSIONS];
	Oid			collations[CRM_NDIMENSIONS] = {InvalidOid};
	bool		nulls_first[CRM_NDIMENSIONS] = {false};

	for (int i = 0; i < ncolumns; i++)
		TupleDescInitEntry(desc, i + 1, NULL, INT8OID, -1, 0);
	for (int i = 0; i < sums->ndimensions; i++)
	{
		columns[i] = i + 1;
		operators[i] = Int8LessOperator;
	}
	/* 1: to be read more than once */
	sums->sort = tuplesort_begin_heap(desc, sums->ndimensions, columns, operators, collations, nulls_first, Max(work_mem / SORTS_AT_ONCE, 64), NULL, 1);
	sums->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	MemoryContextSwitchTo(caller);
}

void
crm_sums_spill(CrmSums *sums)
{
	sum_iterator iterator;
	TupleTableSlot *slot;
	const SumEntry *entry;
	int			ncolumns = sums->ndimensions + CRM_MAX_MEASURES;

	if (sums->table == NULL)
		return;
	if (sums->sort == NULL)
		make_sort(sums);
	slot = MakeSingleTupleTableSlot(sums->slot->tts_tupleDescriptor, &TTSOpsVirtual);
	sum_start_iterate(sums->table, &iterator);
	while ((entry = sum_iterate(sums->table, &iterator)) != NULL)
	{
		ExecClearTuple(slot);
		for (int i = 0; i < ncolumns; i++)
		{
			slot->tts_values[i] = Int64GetDatum(entry->sum[i]);
			slot->tts_isnull[i] = false;
		}
		ExecStoreVirtualTuple(slot);
		tuplesort_puttupleslot(sums->sort, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	drop_table(sums);
}

bool
crm_sums_are_empty(const CrmSums *sums)
{
	return sums->table == NULL && sums->sort == NULL;
}

static int
compare_entries(const void *a, const void *b, void *ndimensions)
{
	return compare_values(*(const int64 *const *) a, *(const int64 *const *) b, *(int *) ndimensions);
}

static void
sort_table(CrmSums *sums)
{
	sum_iterator iterator;
	const SumEntry *entry;

	sums->entries = MemoryContextAllocHuge(sums->context, sizeof(int64 *) * Max(sums->table->members, 1));
	sums->nentries = 0;
	sum_start_iterate(sums->table, &iterator);
	while ((entry = sum_iterate(sums->table, &iterator)) != NULL)
		sums->entries[sums->nentries++] = entry->sum;
	qsort_arg(sums->entries, sums->nentries, sizeof(int64 *), compare_entries, &sums->ndimensions);
}

static void
read_sort(CrmSums *sums)
{
	sums->has_next = tuplesort_gettupleslot(sums->sort, true, false, sums->slot, NULL);
	if (sums->has_next)
		slot_getallattrs(sums->slot);
}

void
crm_sums_rewind(CrmSums *sums)
{
	sums->nread = 0;
	if (sums->sort == NULL)
	{
		if (sums->table != NULL && sums->entries == NULL)
			sort_table(sums);
		return;
	}
	crm_sums_spill(sums);
	if (sums->is_sorted)
		tuplesort_rescan(sums->sort);
	else
		tuplesort_performsort(sums->sort);
	sums->is_sorted = true;
	read_sort(sums);
}

bool
crm_sums_next(CrmSums *sums)
{
	if (sums->sort == NULL)
	{
		const int64 *entry;

		if (sums->nread == sums->nentries)
			return false;
		entry = sums->entries[sums->nread++];
		memcpy(sums->values, entry, sizeof(int64) * sums->ndimensions);
		memcpy(sums->measures, entry + sums->ndimensions, sizeof(sums->measures));
		return true;
	}
	if (!sums->has_next)
		return false;
	/* what was spilled more than once is one sum */
	for (int n = 0; sums->has_next; n++)
	{
		int64		values[CRM_NDIMENSIONS];
		int64		measures[CRM_MAX_MEASURES];

		for (int i = 0; i < sums->ndimensions; i++)
			values[i] = DatumGetInt64(sums->slot->tts_values[i]);
		for (int i = 0; i < CRM_MAX_MEASURES; i++)
			measures[i] = DatumGetInt64(sums->slot->tts_values[sums->ndimensions + i]);
		if (n == 0)
		{
			memcpy(sums->values, values, sizeof(values));
			memset(sums->measures, 0, sizeof(sums->measures));
		}
		else if (compare_values(values, sums->values, sums->ndimensions) != 0)
			break;
		add_measures(sums->measures, measures, 1);
		read_sort(sums);
	}
	return true;
}

void
crm_sums_end(CrmSums *sums)
{
	if (sums->table != NULL)
		drop_table(sums);
	if (sums->sort != NULL)
	{
		ExecDropSingleTupleTableSlot(sums->slot);
		tuplesort_end(sums->sort);
	}
	if (sums->entries != NULL)
		pfree(sums->entries);
}

int
crm_sums_position(const CrmSums *sums, CrmDimension dimension)
{
	for (int i = 0; i < sums->ndimensions; i++)
		if (sums->dimensions[i] == dimension)
			return i;
	elog(ERROR, "there are no sums by dimension %d", (int) dimension);
	return -1;					/* not reached */
}
