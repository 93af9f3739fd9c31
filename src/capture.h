/*
 * capture.h
 *		What writes to orders, lines and events do to the figures.
 */
#ifndef CRM_CAPTURE_H
#define CRM_CAPTURE_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

extern void crm_capture_init(void);

/* An event that was written without its trigger: what the trigger would have done */
extern void crm_capture_new_event(Relation events, TupleTableSlot *event);

/* Whether lines count for the figures with this version of an order as with the one that a command left */
extern bool crm_order_counts_as_after(Relation orders, int64 id, TupleTableSlot *now, CommandId command);

/* The trigger function, to know the trigger by */
extern PGDLLEXPORT Datum crm_capture_event(PG_FUNCTION_ARGS);

#endif							/* CRM_CAPTURE_H */
