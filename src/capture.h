/*
 * capture.h
 *		What writes to orders, lines and events do to the figures.
 */
#ifndef CRM_CAPTURE_H
#define CRM_CAPTURE_H

#include "crm.h"

#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

extern void crm_capture_init(void);

/*
 * What the triggers would have done, where they were left out: that of crm.orders, if
 * of_order is what another trigger was called with, that of an event, if there is one.
 */
extern void crm_capture_step(TriggerData *of_order, Relation events, TupleTableSlot *event);

/*
 * The OID of crm_capture_order(), if crm_record_event() can tell the change tables of an order what that
 * would, in one row with the event: both are there as we have made them, and nobody looks in between. Else InvalidOid
 */
extern Oid	crm_capture_left_to_recorder(Relation rel);

/*
 * Whether triggers of the user's see what a command has written before the change tables have
 * been told of all of it
 */
extern bool crm_is_watched(Relation rel);

/* The trigger functions, to know the triggers by */
extern PGDLLEXPORT Datum crm_capture_order(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum crm_capture_event(PG_FUNCTION_ARGS);

#endif							/* CRM_CAPTURE_H */
