/*
 * kept.h
 *		Where the waiting changes lie.
 */
#ifndef CRM_KEPT_H
#define CRM_KEPT_H

#include "crm.h"

#include "storage/itemptr.h"
#include "utils/rel.h"

/* The place in a change table before which nothing waits, for who has the active snapshot; (0,0) if that is not known */
extern void crm_find_waiting(Relation changes, ItemPointer place);

#endif							/* CRM_KEPT_H */
