/*
 * migrate.h
 *		crm_migrate_workflow(): a new definition, and its rows moved along.
 */
#ifndef CRM_MIGRATE_H
#define CRM_MIGRATE_H

#include "crm.h"

#include "door.h"

/* Rows in this status get that one. */
typedef struct CrmMove
{
	text	   *from;
	text	   *to;
} CrmMove;

/* Where a step that moves rows takes those in a status; NULL if it leaves them there */
extern const text *crm_move_target(const CrmStep *step, const text *from);

/* Whether the workflow of that name gets its new definition right now, before its rows are moved */
extern bool crm_is_migrating(const char *workflow);

#endif							/* CRM_MIGRATE_H */
