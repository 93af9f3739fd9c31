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

/* Orders are numbered with bigint, or it is an error */
extern void crm_check_order_key(Relation rel, const Door *door);

/* Errors: a trigger of the user's took the update away; a null argument */
pg_noreturn extern void crm_refuse_suppressed(Relation rel, const Door *door, Datum key);
pg_noreturn extern void crm_refuse_null(const char *function, const char *argument);

#endif							/* CRM_ADVANCE_H */
