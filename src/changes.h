/*
 * changes.h
 *		The change tables: what writers have done to the figures since the last merge.
 */
#ifndef CRM_CHANGES_H
#define CRM_CHANGES_H

#include "crm.h"

#include "datatype/timestamp.h"
#include "utils/date.h"

/* A change of what sold lines add up to. Texts may be NULL. */
typedef struct LineChange
{
	DateADT		day;
	int64		product_id;
	int64		customer_id;
	text	   *owner;
	text	   *currency;
	text	   *workflow;
	int32		lines;
	int64		quantity;		/* thousandths */
	int64		amount;			/* cents, in the reporting currency */
} LineChange;

/* A step is one change: orders leave a status and come into another one. */
typedef struct OrderChange
{
	DateADT		day;
	int64		customer_id;
	text	   *owner;
	text	   *currency;
	text	   *workflow;
	text	   *status;
	text	   *left_status;	/* what the same orders were in before; NULL if nowhere */
	int32		orders;
	int64		total;			/* cents, in the reporting currency */
} OrderChange;

typedef struct EventChange
{
	DateADT		day;
	text	   *event;
	text	   *from_status;
	text	   *to_status;
	int32		events;
	int64		dwell;			/* microseconds */
} EventChange;

/* So many at once, at most */
#define CRM_MAX_LINE_CHANGES 64

extern void crm_append_line_changes(const LineChange *changes, int n);
extern void crm_append_event_change(const EventChange *change);

/* With the event that is the step from left_status to status, so that both are one row; or NULL */
extern void crm_append_order_change(const OrderChange *change, const EventChange *event);

/* A product is in another category, a customer in another region */
extern void crm_append_dimension_change(const char *dimension, int64 id);

/*
 * Do something in this subtransaction, and write down only then, many at once, what it changes.
 * For what is one statement to others, who see none of it or all.
 */
extern void crm_hold_changes(void (*action) (void *), void *arg);

/*
 * The same between the first line that a statement has changed and its end, of which the
 * trigger that totals its lines tells.
 */
extern void crm_hold_line_changes(void);
extern void crm_write_line_changes(void);

extern void crm_changes_init(void);

#endif							/* CRM_CHANGES_H */
