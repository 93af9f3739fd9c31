/*
 * known_values.c
 *		The categories of products and regions of customers, as the kept sums have them.
 *
 * A product that moves to another category takes its history along. Until a merge
 * has done that, all that it adds up goes to where the history is: crm.rollup_categories and
 * crm.rollup_regions say so.
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
#include "cells.h"
#include "known_values.h"
#include "lookup.h"

#define INSERT_INTO(table, key, value) \
	"INSERT INTO " CRM_SCHEMA "." table " (" key ", " value ")" \
	" SELECT x.id, x.value FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS x (id, value) ON CONFLICT DO NOTHING"

static const struct
{
	CrmDimension dimension;
	CrmDimension owner;
	const char *name;			/* of the column */
	const char *owners;			/* the table that has it */
	const char *known;			/* and the one that says what the sums have */
	const char *insert;			/* into that: ids, values */
}			kinds[CRM_NKNOWN] = {
	{CRM_CATEGORY, CRM_PRODUCT, "category", "products", "rollup_categories", INSERT_INTO("rollup_categories", "product_id", "category")},
	{CRM_REGION, CRM_CUSTOMER, "region", "customers", "rollup_regions", INSERT_INTO("rollup_regions", "customer_id", "region")}
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
	for (int i = 0; i < CRM_NKNOWN; i++)
	{
		CrmKnownKind *kind = &values->kinds[i];

		kind->rel = table_open(crm_table_oid(kinds[i].known), RowExclusiveLock);
		kind->index = index_open(crm_primary_key(kind->rel, crm_dimension_column(kinds[i].owner), NULL), AccessShareLock);
		/* nobody else writes it now */
		kind->scan = crm_index_beginscan(kind->rel, kind->index, SnapshotSelf, 1);
		kind->row = table_slot_create(kind->rel, NULL);
		kind->value = crm_column(kind->rel, kinds[i].name, TEXTOID);
	}
}

/* false if there is no such row */
static bool
look_up(int kind, int64 id, text **value)
{
	Relation	rel = table_open(crm_table_oid(kinds[kind].owners), AccessShareLock);
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
find_new(CrmKnownKind *kind, int which, int64 id, CrmTexts *texts)
{
	HASHCTL		options = {.keysize = sizeof(int64), .entrysize = sizeof(NewValue), .hcxt = CurrentMemoryContext};
	NewValue   *known = kind->news == NULL ? NULL : hash_search(kind->news, &id, HASH_FIND, NULL);
	text	   *value;
	int64		number;

	if (known != NULL)
		return known->number;
	if (!look_up(which, id, &value))
		return 0;
	number = crm_number_of_text(texts, value);
	if (kind->news == NULL)
		kind->news = hash_create("crm new values", 256, &options, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	known = hash_search(kind->news, &id, HASH_ENTER, NULL);
	known->number = number;
	return number;
}

static int64
find(CrmKnownKind *kind, int which, int64 id, CrmTexts *texts)
{
	ScanKeyData key;
	Datum		value;
	bool		isnull;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid, InvalidOid, F_INT8EQ, Int64GetDatum(id));
	index_rescan(kind->scan, &key, 1, NULL, 0);
	if (!index_getnext_slot(kind->scan, ForwardScanDirection, kind->row))
		return find_new(kind, which, id, texts);
	value = slot_getattr(kind->row, kind->value, &isnull);
	return crm_number_of_text(texts, isnull ? NULL : DatumGetTextPP(value));
}

int64
crm_known_value(CrmKnownValues *values, CrmDimension dimension, int64 id, CrmTexts *texts)
{
	int			which = dimension == kinds[0].dimension ? 0 : 1;
	CrmKnownKind *kind = &values->kinds[which];

	/* sums of one product or customer are mostly read one after the other */
	if (!kind->has_last || kind->last_id != id)
	{
		kind->last_number = find(kind, which, id, texts);
		kind->last_id = id;
		kind->has_last = true;
	}
	return kind->last_number;
}

static void
write_news(const char *insert, HTAB *news, const CrmTexts *texts)
{
	int			n = hash_get_num_entries(news);
	Datum	   *ids = palloc(sizeof(Datum) * n);
	Datum	   *found = palloc(sizeof(Datum) * n);
	bool	   *nulls = palloc(sizeof(bool) * n);
	int			lower = 1;
	HASH_SEQ_STATUS status;
	const NewValue *value;
	Oid			types[2] = {INT8ARRAYOID, TEXTARRAYOID};
	Datum		values[2];

	hash_seq_init(&status, news);
	for (int i = 0; (value = hash_seq_search(&status)) != NULL; i++)
	{
		ids[i] = Int64GetDatum(value->id);
		found[i] = PointerGetDatum(crm_text_of_number(texts, value->number));
		nulls[i] = value->number == 0;
	}
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_md_array(found, nulls, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT));
	if (SPI_execute_with_args(insert, 2, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "SPI failed: %s", SPI_result_code_string(SPI_result));
}

void
crm_known_values_close(CrmKnownValues *values, const CrmTexts *texts)
{
	for (int i = 0; i < CRM_NKNOWN; i++)
	{
		CrmKnownKind *kind = &values->kinds[i];

		ExecDropSingleTupleTableSlot(kind->row);
		index_endscan(kind->scan);
		index_close(kind->index, NoLock);
		table_close(kind->rel, NoLock);
		if (kind->news != NULL)
			write_news(kinds[i].insert, kind->news, texts);
	}
}
