/*
 * known_values.c
 *		The categories of products and regions of customers, as the kept sums have them.
 *
 * A product that moves to another category takes its history along. Until a merge
 * has done that, all that it adds up goes to where the history is: crm.rollup_values says so.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "known_values.h"
#include "lookup.h"

static const struct
{
	CrmDimension dimension;
	CrmDimension owner;
	const char *name;			/* in crm.rollup_values, and of the column */
	const char *table;			/* that has it */
}			kinds[CRM_NKNOWN] = {
	{CRM_CATEGORY, CRM_PRODUCT, "category", "products"},
	{CRM_REGION, CRM_CUSTOMER, "region", "customers"}
};

typedef struct NewValue
{
	int64		id;				/* hash key */
	int64		number;			/* of the text */
} NewValue;

CrmDimension
crm_owner_of_dimension(CrmDimension dimension)
{
	for (int i = 0; i < CRM_NKNOWN; i++)
		if (kinds[i].dimension == dimension)
			return kinds[i].owner;
	return dimension;
}

void
crm_known_values_open(CrmKnownValues *values)
{
	memset(values, 0, sizeof(*values));
	values->rel = table_open(crm_table_oid("rollup_values"), RowExclusiveLock);
	values->index = index_open(crm_primary_key(values->rel, "id", "dimension"), AccessShareLock);
	/* nobody else writes it now */
	values->scan = crm_index_beginscan(values->rel, values->index, SnapshotSelf, 2);
	values->row = table_slot_create(values->rel, NULL);
	values->value = crm_column(values->rel, "value", TEXTOID);
	for (int i = 0; i < CRM_NKNOWN; i++)
		values->kinds[i].name = CStringGetTextDatum(kinds[i].name);
}

/* false if there is no such row */
static bool
look_up(int kind, int64 id, text **value)
{
	Relation	rel = table_open(crm_table_oid(kinds[kind].table), AccessShareLock);
	TupleTableSlot *row = table_slot_create(rel, NULL);
	bool		found = crm_find_row(rel, crm_primary_key(rel, "id", NULL), F_INT8EQ, Int64GetDatum(id), GetActiveSnapshot(), row);

	*value = NULL;
	if (found)
	{
		bool		isnull;
		Datum		datum = slot_getattr(row, crm_column(rel, kinds[kind].name, TEXTOID), &isnull);

		if (!isnull)
			*value = DatumGetTextPCopy(datum);
	}
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, NoLock);
	return found;
}

/* What is not known yet, and will be */
static int64
find_new(CrmKnownValues *values, int kind, int64 id, CrmTexts *texts)
{
	HASHCTL		options = {.keysize = sizeof(int64), .entrysize = sizeof(NewValue), .hcxt = CurrentMemoryContext};
	HTAB	  **news = &values->kinds[kind].news;
	NewValue   *known = *news == NULL ? NULL : hash_search(*news, &id, HASH_FIND, NULL);
	text	   *value;
	int64		number;

	if (known != NULL)
		return known->number;
	if (!look_up(kind, id, &value))
		return 0;
	number = crm_number_of_text(texts, value);
	if (*news == NULL)
		*news = hash_create("crm new values", 256, &options, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	known = hash_search(*news, &id, HASH_ENTER, NULL);
	known->number = number;
	return number;
}

static int64
find(CrmKnownValues *values, int kind, int64 id, CrmTexts *texts)
{
	ScanKeyData keys[2];
	text	   *value = NULL;

	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, InvalidOid, F_INT8EQ, Int64GetDatum(id));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, values->index->rd_indcollation[1],
						   F_TEXTEQ, values->kinds[kind].name);
	index_rescan(values->scan, keys, 2, NULL, 0);
	if (index_getnext_slot(values->scan, ForwardScanDirection, values->row))
	{
		bool		isnull;
		Datum		datum = slot_getattr(values->row, values->value, &isnull);

		if (!isnull)
			value = DatumGetTextPP(datum);
	}
	else
		return find_new(values, kind, id, texts);
	return crm_number_of_text(texts, value);
}

int64
crm_known_value(CrmKnownValues *values, CrmDimension dimension, int64 id, CrmTexts *texts)
{
	int			kind = dimension == kinds[0].dimension ? 0 : 1;

	/* sums of one product or customer are mostly read one after the other */
	if (!values->kinds[kind].has_last || values->kinds[kind].last_id != id)
	{
		values->kinds[kind].last_number = find(values, kind, id, texts);
		values->kinds[kind].last_id = id;
		values->kinds[kind].has_last = true;
	}
	return values->kinds[kind].last_number;
}

static void
write_news(Datum name, HTAB *news, const CrmTexts *texts)
{
	int			n = hash_get_num_entries(news);
	Datum	   *ids = palloc(sizeof(Datum) * n);
	Datum	   *found = palloc(sizeof(Datum) * n);
	bool	   *nulls = palloc(sizeof(bool) * n);
	int			lower = 1;
	HASH_SEQ_STATUS status;
	const NewValue *value;
	Oid			types[3] = {TEXTOID, INT8ARRAYOID, TEXTARRAYOID};
	Datum		values[3];

	hash_seq_init(&status, news);
	for (int i = 0; (value = hash_seq_search(&status)) != NULL; i++)
	{
		ids[i] = Int64GetDatum(value->id);
		found[i] = PointerGetDatum(crm_text_of_number(texts, value->number));
		nulls[i] = value->number == 0;
	}
	values[0] = name;
	values[1] = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[2] = PointerGetDatum(construct_md_array(found, nulls, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT));
	if (SPI_execute_with_args("INSERT INTO " CRM_SCHEMA ".rollup_values (dimension, id, value)"
							  " SELECT $1, x.id, x.value FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS x (id, value)"
							  " ON CONFLICT DO NOTHING",
							  3, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "SPI failed: %s", SPI_result_code_string(SPI_result));
}

void
crm_known_values_close(CrmKnownValues *values, const CrmTexts *texts)
{
	ExecDropSingleTupleTableSlot(values->row);
	index_endscan(values->scan);
	index_close(values->index, NoLock);
	table_close(values->rel, NoLock);
	for (int i = 0; i < CRM_NKNOWN; i++)
		if (values->kinds[i].news != NULL)
			write_news(values->kinds[i].name, values->kinds[i].news, texts);
}
