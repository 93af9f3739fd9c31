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

/* Error: a trigger of the user's took the update away */
pg_noreturn extern void crm_refuse_suppressed(const Door *door, Datum key);

#endif							/* CRM_ADVANCE_H */
