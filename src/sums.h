/*
 * sums.h
 *		Changes of the figures, summed up in memory before they are merged.
 */
#ifndef CRM_SUMS_H
#define CRM_SUMS_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/hsearch.h"

/* What rollups sum up, as in crm.rollups.grain */
typedef enum CrmGrain
{
	CRM_LINES,
	CRM_ORDERS,
	CRM_EVENTS,
	CRM_NGRAINS
} CrmGrain;

/* By what they sum it up, as in crm.rollups.dimensions */
typedef enum CrmDimension
{
	CRM_DAY,
	CRM_MONTH,
	CRM_PRODUCT,
	CRM_CATEGORY,
	CRM_CUSTOMER,
	CRM_REGION,
	CRM_OWNER,
	CRM_CURRENCY,
	CRM_WORKFLOW,
	CRM_STATUS,
	CRM_EVENT,
	CRM_FROM_STATUS,
	CRM_TO_STATUS,
	CRM_NDIMENSIONS
} CrmDimension;

#define CRM_MAX_MEASURES 3

/* A set of dimensions */
#define CRM_SET_OF(dimension) ((uint32) 1 << (dimension))

/*
 * The values of all dimensions that are wanted, as numbers: dates and ids as they are, a text
 * as the number that it has here, which is 0 for NULL.
 */
typedef int64 CrmValues[CRM_NDIMENSIONS];

/* Texts, each of which has a number */
typedef struct CrmTexts
{
	HTAB	   *numbers;
	text	  **texts;
	int			ntexts;
	int			room;
	MemoryContext context;
} CrmTexts;

/* What sums take of the memory that there is for all of them, in bytes */
typedef struct CrmSumsMemory
{
	Size		used;
	Size		room;
} CrmSumsMemory;

/* Sums by some dimensions */
typedef struct CrmSums
{
	int			ndimensions;
	CrmDimension dimensions[CRM_NDIMENSIONS];	/* by which they are read in order */
	MemoryContext context;
	CrmSumsMemory *memory;
	Size		used;			/* of that, by these */
	struct sum_hash *table;		/* NULL while there are none */
	MemoryContext pieces;		/* where the sums lie that its entries point to */
	int64	   *free;			/* in the last piece, for so many more */
	int			nfree;
	struct Tuplesortstate *sort;	/* what has been spilled, or NULL */
	bool		is_sorted;
	TupleTableSlot *slot;		/* of the sort */
	bool		has_next;		/* there is a sum in the slot that was not read yet */
	const int64 **entries;		/* of the table, in order */
	int			nentries;
	int			nread;
	int64		values[CRM_NDIMENSIONS];	/* of what was read last */
	int64		measures[CRM_MAX_MEASURES];
} CrmSums;

extern void crm_texts_init(CrmTexts *texts, MemoryContext context);
extern int64 crm_number_of_text(CrmTexts *texts, text *value);
extern text *crm_text_of_number(const CrmTexts *texts, int64 number);

extern void crm_sums_init(CrmSums *sums, const CrmDimension *dimensions, int ndimensions, MemoryContext context, CrmSumsMemory *memory);
extern void crm_sums_add(CrmSums *sums, const CrmValues values, const int64 *measures, int sign);

/* Give the memory back: what there is so far goes to a sort, which may go to disk. */
extern void crm_sums_spill(CrmSums *sums);

extern bool crm_sums_are_empty(const CrmSums *sums);

/* Read them from the first one on, as often as is wanted, when all is added */
extern void crm_sums_rewind(CrmSums *sums);
/* The next one, into values and measures; false if there is none */
extern bool crm_sums_next(CrmSums *sums);

extern void crm_sums_end(CrmSums *sums);

/* Where the value of a dimension lies among those of a sum */
extern int	crm_sums_position(const CrmSums *sums, CrmDimension dimension);

#endif							/* CRM_SUMS_H */
