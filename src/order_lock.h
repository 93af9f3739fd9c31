/*
 * order_lock.h
 *		Whoever changes a line or a payment locks its order first.
 */
#ifndef CRM_ORDER_LOCK_H
#define CRM_ORDER_LOCK_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

/* crm.orders, with the lock that an update takes */
extern Relation crm_orders_open(void);

/*
 * Lock an order as SELECT ... FOR NO KEY UPDATE does; row is its newest version,
 * with what the running command has done to it. False if there is no such order
 * (any more). Past the rights of the caller. Errors: 40001 if it has changed since
 * the snapshot of a transaction that has only one.
 */
extern bool crm_order_lock(Relation orders, int64 order_id, TupleTableSlot *row);

/* Error 23503, as the foreign key of that name would raise it later */
pg_noreturn extern void crm_refuse_missing_order(Relation rel, const char *constraint, int64 order_id);

#endif							/* CRM_ORDER_LOCK_H */
