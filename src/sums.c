/*
 * sums.c
 *		Changes of the figures, summed up in memory before they are merged.
 *
 * Each change belongs to a sum of each rollup, and many changes to the same. A hash
 * table for each set of dimensions brings them together, so that a merge looks for
 * each kept sum once. All values are numbers, so that keys are compared as bytes. What takes too much
 * memory goes to a sort as it is so far, and what belongs together comes together there.
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

static void
make_table(CrmSums *sums)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(int64) * sums->ndimensions;
	ctl.entrysize = ctl.keysize + sizeof(int64) * CRM_MAX_MEASURES;
	ctl.hcxt = sums->context;
	sums->table = hash_create("crm sums of changes", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
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

void
crm_sums_add(CrmSums *sums, const CrmValues values, const int64 *measures, int sign)
{
	int64		key[CRM_NDIMENSIONS];
	int64	   *sum;
	bool		found;

	if (sums->table == NULL)
		make_table(sums);
	for (int i = 0; i < sums->ndimensions; i++)
		key[i] = values[sums->dimensions[i]];
	/* an entry is its key, and the measures behind it */
	sum = (int64 *) hash_search(sums->table, key, HASH_ENTER, &found) + sums->ndimensions;
	if (!found)
	{
		/* with its header, and its part of the buckets */
		Size		size = sizeof(HASHELEMENT) + sizeof(int64) * (sums->ndimensions + CRM_MAX_MEASURES) + 2 * sizeof(void *);

		memset(sum, 0, sizeof(int64) * CRM_MAX_MEASURES);
		sums->used += size;
		sums->memory->used += size;
	}
	add_measures(sum, measures, sign);
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
	HASH_SEQ_STATUS status;
	TupleTableSlot *slot;
	const int64 *entry;
	int			ncolumns = sums->ndimensions + CRM_MAX_MEASURES;

	if (sums->table == NULL)
		return;
	if (sums->sort == NULL)
		make_sort(sums);
	slot = MakeSingleTupleTableSlot(sums->slot->tts_tupleDescriptor, &TTSOpsVirtual);
	hash_seq_init(&status, sums->table);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		ExecClearTuple(slot);
		for (int i = 0; i < ncolumns; i++)
		{
			slot->tts_values[i] = Int64GetDatum(entry[i]);
			slot->tts_isnull[i] = false;
		}
		ExecStoreVirtualTuple(slot);
		tuplesort_puttupleslot(sums->sort, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	hash_destroy(sums->table);
	sums->table = NULL;
	sums->memory->used -= sums->used;
	sums->used = 0;
}

bool
crm_sums_are_empty(const CrmSums *sums)
{
	return sums->table == NULL && sums->sort == NULL;
}

static int
compare_values(const int64 *one, const int64 *other, int n)
{
	for (int i = 0; i < n; i++)
		if (one[i] != other[i])
			return one[i] < other[i] ? -1 : 1;
	return 0;
}

static int
compare_entries(const void *a, const void *b, void *ndimensions)
{
	return compare_values(*(int64 *const *) a, *(int64 *const *) b, *(int *) ndimensions);
}

static void
sort_table(CrmSums *sums)
{
	HASH_SEQ_STATUS status;
	int64	   *entry;

	sums->entries = MemoryContextAllocHuge(sums->context, sizeof(int64 *) * Max(hash_get_num_entries(sums->table), 1));
	sums->nentries = 0;
	hash_seq_init(&status, sums->table);
	while ((entry = hash_seq_search(&status)) != NULL)
		sums->entries[sums->nentries++] = entry;
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
		hash_destroy(sums->table);
	if (sums->sort != NULL)
	{
		ExecDropSingleTupleTableSlot(sums->slot);
		tuplesort_end(sums->sort);
	}
	if (sums->entries != NULL)
		pfree(sums->entries);
	sums->memory->used -= sums->used;
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
