/*
 * totals.h
 *		The columns of crm.orders that sum up its lines and payments.
 */
#ifndef CRM_TOTALS_H
#define CRM_TOTALS_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/numeric.h"
#include "utils/rel.h"

typedef enum CrmSum
{
	CRM_DISCOUNT,
	CRM_TAX,
	CRM_TOTAL,
	CRM_REPORTING_TOTAL,
	CRM_PAID,
	CRM_REFUNDED,
	CRM_NSUMS
} CrmSum;

/* An order of which a statement has changed lines or payments */
typedef struct CrmOrderTotals
{
	int64		order_id;		/* hash key */
	bool		exists;			/* else it goes itself, and its lines with it */
	int64		line_count;
	int64		sums[CRM_NSUMS];	/* cents, as they will be */
	int64		refunded_before;
	bool		placed;			/* its totals were written with the order (placement.h) */
	int64		placed_count;
	int64		placed_sums[CRM_NSUMS];
	bool		lines_changed;
	Numeric		rate;			/* exchange rate; NULL if it is 1 */
} CrmOrderTotals;

typedef struct CrmTotalsChange CrmTotalsChange;

/* What one statement does to the totals of orders; freed with the current memory context. */
extern CrmTotalsChange *crm_totals_begin(void);

/*
 * An order, locked, with its totals as they are. *row is its row when it is asked
 * for the first time and exists, else NULL; valid until the next call.
 */
extern CrmOrderTotals *crm_totals_of(CrmTotalsChange *change, int64 order_id, TupleTableSlot **row);

/* crm.orders, as long as the change is not written */
extern Relation crm_totals_orders(const CrmTotalsChange *change);

/* A numeric(14,2) in cents */
extern int64 crm_cents(Datum amount);

/* Add an amount to a sum, or take it off: sign is 1 or -1. */
extern void crm_totals_add(CrmTotalsChange *change, CrmOrderTotals *order, CrmSum sum, Datum amount, int sign);

/* No order has lines any more, or none payments. */
extern void crm_totals_clear_lines(void);
extern void crm_totals_clear_payments(void);

/*
 * Write the totals of all these orders, in one UPDATE with the rights of their
 * owner. Errors: 22003 for a sum that is too large, SL006 for refunds above
 * payments; both name the order.
 */
extern void crm_totals_write(CrmTotalsChange *change);

#endif							/* CRM_TOTALS_H */
