/*
 * guards.h
 *		Conditions of steps: the rows of crm.guards.
 */
#ifndef CRM_GUARDS_H
#define CRM_GUARDS_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

/*
 * Whether the guard of that name holds for a row of the relation; if not,
 * *message is the sentence that tells a person why. Runs code of whoever wrote
 * the guard, with the rights of the current role: what lies in the caches of
 * workflows and doors may be gone afterwards.
 */
extern bool crm_guard_holds(Relation rel, TupleTableSlot *row, const char *workflow,
							const char *guard, char **message);

extern void crm_guards_init(void);

#endif							/* CRM_GUARDS_H */
