/*
 * known_values.h
 *		The categories of products and regions of customers, as the kept sums have them.
 */
#ifndef CRM_KNOWN_VALUES_H
#define CRM_KNOWN_VALUES_H

#include "crm.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/hsearch.h"
#include "utils/rel.h"

#include "sums.h"

#define CRM_NKNOWN 2

typedef struct CrmKnownKind
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *row;
	AttrNumber	value;
	bool		has_last;		/* what was looked up last */
	int64		last_id;
	int64		last_number;	/* of the text */
	HTAB	   *news;			/* what the sums have not had yet, NULL if nothing */
} CrmKnownKind;

typedef struct CrmKnownValues
{
	CrmKnownKind kinds[CRM_NKNOWN];
} CrmKnownValues;

/* What a category or region belongs to: a product or customer. Other dimensions are their own. */
extern CrmDimension crm_owner_of_dimension(CrmDimension dimension);

extern void crm_known_values_open(CrmKnownValues *values);

/*
 * The number of the category or region of a product or customer. If the kept sums have not had that
 * yet, it is what the table says, as the active snapshot shows it.
 */
extern int64 crm_known_value(CrmKnownValues *values, CrmDimension dimension, int64 id, CrmTexts *texts);

/* What was not known is from now on. Needs SPI. */
extern void crm_known_values_close(CrmKnownValues *values, const CrmTexts *texts);

#endif							/* CRM_KNOWN_VALUES_H */
