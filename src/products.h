/*
 * products.h
 *		What an order line needs to know of a product.
 */
#ifndef CRM_PRODUCTS_H
#define CRM_PRODUCTS_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct CrmProduct
{
	int64		id;
	bool		active;
	Numeric		price;			/* of one unit, in the reporting currency */
	char	   *sku;
} CrmProduct;

typedef struct CrmProductFinder
{
	Relation	rel;
	TupleTableSlot *row;
	Snapshot	snapshot;
	Oid			id_index;		/* InvalidOid until it is needed */
	Oid			sku_index;
} CrmProductFinder;

extern void crm_products_open(CrmProductFinder *finder);
extern void crm_products_close(CrmProductFinder *finder);

/*
 * The product with that number or sku, in memory of its own; false if there is
 * none. Past the rights of the caller.
 */
extern bool crm_product_by_id(CrmProductFinder *finder, int64 id, CrmProduct *product);
extern bool crm_product_by_sku(CrmProductFinder *finder, text *sku, CrmProduct *product);

#endif							/* CRM_PRODUCTS_H */
