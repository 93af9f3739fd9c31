/*
 * products.c
 *		What an order line needs to know of a product.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "door.h"
#include "lookup.h"
#include "products.h"

void
crm_products_open(CrmProductFinder *finder)
{
	memset(finder, 0, sizeof(*finder));
	finder->rel = table_open(crm_table_oid("products"), AccessShareLock);
	finder->row = table_slot_create(finder->rel, NULL);
	finder->snapshot = RegisterSnapshot(crm_reading_snapshot());
}

void
crm_products_close(CrmProductFinder *finder)
{
	UnregisterSnapshot(finder->snapshot);
	ExecDropSingleTupleTableSlot(finder->row);
	table_close(finder->rel, AccessShareLock);
}

static bool
find_product(CrmProductFinder *finder, Oid index, RegProcedure equal, Datum key, CrmProduct *product)
{
	Relation	rel = finder->rel;
	TupleTableSlot *row = finder->row;

	/* or it was written by the command that is running: WITH p AS (INSERT INTO crm.products ...) ... */
	if (!crm_find_row(rel, index, equal, key, finder->snapshot, row) &&
		!crm_find_row(rel, index, equal, key, SnapshotSelf, row))
		return false;
	product->id = DatumGetInt64(crm_get_not_null(rel, row, crm_column(rel, "id", INT8OID)));
	product->active = DatumGetBool(crm_get_not_null(rel, row, crm_column(rel, "active", BOOLOID)));
	product->price = DatumGetNumericCopy(crm_get_not_null(rel, row, crm_column(rel, "price", NUMERICOID)));
	product->sku = TextDatumGetCString(crm_get_not_null(rel, row, crm_column(rel, "sku", TEXTOID)));
	ExecClearTuple(row);
	return true;
}

bool
crm_product_by_id(CrmProductFinder *finder, int64 id, CrmProduct *product)
{
	if (!OidIsValid(finder->id_index))
		finder->id_index = crm_primary_key(finder->rel, "id", NULL);
	return find_product(finder, finder->id_index, F_INT8EQ, Int64GetDatum(id), product);
}

bool
crm_product_by_sku(CrmProductFinder *finder, text *sku, CrmProduct *product)
{
	if (!OidIsValid(finder->sku_index))
		finder->sku_index = crm_unique_index(finder->rel, "sku");
	return find_product(finder, finder->sku_index, F_TEXTEQ, PointerGetDatum(sku), product);
}
