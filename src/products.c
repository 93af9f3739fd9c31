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

static bool
find_product(Relation rel, Oid index, RegProcedure equal, Datum key, CrmProduct *product)
{
	TupleTableSlot *row = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(crm_reading_snapshot());

	/* or it was written by the command that is running: WITH p AS (INSERT INTO crm.products …) … */
	bool		found = crm_find_row(rel, index, equal, key, snapshot, row) ||
		crm_find_row(rel, index, equal, key, SnapshotSelf, row);

	UnregisterSnapshot(snapshot);
	if (found)
	{
		product->id = DatumGetInt64(crm_get_not_null(rel, row, crm_column(rel, "id", INT8OID)));
		product->active = DatumGetBool(crm_get_not_null(rel, row, crm_column(rel, "active", BOOLOID)));
		product->price = DatumGetNumericCopy(crm_get_not_null(rel, row, crm_column(rel, "price", NUMERICOID)));
		product->sku = TextDatumGetCString(crm_get_not_null(rel, row, crm_column(rel, "sku", TEXTOID)));
	}
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, AccessShareLock);
	return found;
}

bool
crm_product_by_id(int64 id, CrmProduct *product)
{
	Relation	rel = table_open(crm_table_oid("products"), AccessShareLock);

	return find_product(rel, crm_primary_key(rel, "id", NULL), F_INT8EQ, Int64GetDatum(id), product);
}

bool
crm_product_by_sku(text *sku, CrmProduct *product)
{
	Relation	rel = table_open(crm_table_oid("products"), AccessShareLock);

	return find_product(rel, crm_unique_index(rel, "sku"), F_TEXTEQ, PointerGetDatum(sku), product);
}
