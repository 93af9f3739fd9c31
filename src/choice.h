/*
 * choice.h
 *		Which of the exits of its state a row takes.
 */
#ifndef CRM_CHOICE_H
#define CRM_CHOICE_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "door.h"
#include "workflow.h"

/* An exit, in memory of its own: the workflow may be gone once a guard has run. */
typedef struct CrmChoice
{
	char	   *event;
	char	   *to;
	char	   *unmet;			/* NULL if it may be taken, else the sentence that tells why not */
} CrmChoice;

/*
 * The exit that an event takes, or that leads to a state; timers are left out. Of
 * several with one event it is the first whose guard holds; if none does, the
 * first, with the reason. NULL if there is none at all.
 *
 * Guards see the new row, in the state in which the old one is. Behind a guard,
 * w is not good any more.
 */
extern CrmChoice *crm_choose_by_event(const Door *door, Relation rel, TupleTableSlot *old,
									  TupleTableSlot *new, const Workflow *w, int from, int event);
extern CrmChoice *crm_choose_by_target(const Door *door, Relation rel, TupleTableSlot *old,
									   TupleTableSlot *new, const Workflow *w, int from, int to);

#endif							/* CRM_CHOICE_H */
