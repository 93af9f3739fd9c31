/*
 * advance.h
 *		One step of one row.
 */
#ifndef CRM_ADVANCE_H
#define CRM_ADVANCE_H

#include "crm.h"

#include "utils/rel.h"

#include "door.h"

/* Take the step; step->to_status is set if this returns. */
extern void crm_advance_row(Relation rel, const Door *door, CrmStep *step);

/*
 * Whether UPDATE ... SET status = status would do nothing but update the row that is
 * newest: no snapshot to respect, no policy, no right missing (the statement finds
 * the words for that), nothing on the table that only a statement sets off.
 */
extern bool crm_can_update_directly(Relation rel, const Door *door);

/* The same update, of each step's row, without a statement; returns the number of rows. */
extern uint64 crm_update_directly(Relation rel, const Door *door, CrmStep *steps, int n);

/* Error: the update was done without our trigger */
pg_noreturn extern void crm_refuse_without_trigger(const Door *door);

/* Error: a trigger of the user's took the update away */
pg_noreturn extern void crm_refuse_suppressed(const Door *door, Datum key);

#endif							/* CRM_ADVANCE_H */
