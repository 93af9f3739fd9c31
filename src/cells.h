/*
 * cells.h
 *		Adds to the kept sums of a rollup.
 */
#ifndef CRM_CELLS_H
#define CRM_CELLS_H

#include "crm.h"

#include "storage/itemptr.h"

#include "sums.h"

/* A row of crm.rollups */
typedef struct CrmRollup
{
	char	   *name;
	CrmGrain	grain;
	int			ndimensions;
	CrmDimension dimensions[CRM_NDIMENSIONS];
	int32		generation;
	ItemPointerData written;	/* the first place in its table that was written; invalid if none was */
} CrmRollup;

/*
 * Add sums by all dimensions of a rollup to those that are kept. What they did to the number
 * of those that are not 0 (in their first measure), month by month, is added to counts, unless that is NULL.
 */
extern void crm_cells_add(CrmRollup *rollup, CrmSums *sums, const CrmTexts *texts, CrmSums *counts);

/* Whether a dimension is a text */
extern bool crm_dimension_is_text(CrmDimension dimension);

/* The column that a dimension lies in, and its type */
extern const char *crm_dimension_column(CrmDimension dimension);
extern Oid	crm_dimension_type(CrmDimension dimension);

#endif							/* CRM_CELLS_H */
