/*
 * choice.h
 *		Which of the exits of its state a row takes, and why it takes none.
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
	bool		failed;			/* its guard has raised an error, which is what unmet says */
} CrmChoice;

/* An error that is not raised yet */
typedef struct CrmRefusal
{
	int			sqlstate;
	char	   *message;
	char	   *detail;
	char	   *hint;
} CrmRefusal;

/*
 * The exit that an event takes from the state of the old row, or that leads to a
 * state; timers are left out. Of several with one event it is the first whose
 * guard holds. NULL if there is none, with the reason.
 *
 * Guards see the new row, in the state in which the old one is. Once one has run,
 * w is not good any more. One that raises an error ends the step; if that is to be told
 * in words, it is one that does not hold, and none behind it is asked.
 */
extern CrmChoice *crm_decide_by_event(const Door *door, Relation rel, TupleTableSlot *old,
									  TupleTableSlot *new, const Workflow *w,
									  const char *event, bool tell_errors, CrmRefusal *why);
extern CrmChoice *crm_decide_by_target(const Door *door, Relation rel, TupleTableSlot *old,
									   TupleTableSlot *new, const Workflow *w, int to,
									   CrmRefusal *why);
/* The timer that has come by that moment, the first whose guard holds; NULL if there is none. */
extern CrmChoice *crm_choose_by_timer(const Door *door, Relation rel, TupleTableSlot *old,
									  TupleTableSlot *new, const Workflow *w, TimestampTz since,
									  TimestampTz moment);
pg_noreturn extern void crm_throw_refusal(const CrmRefusal *why);

/* The same without words: the choice may be unmet, NULL if there is no exit at all. */
extern CrmChoice *crm_choose_by_event(const Door *door, Relation rel, TupleTableSlot *old,
									  TupleTableSlot *new, const Workflow *w, const char *event,
									  bool tell_errors);
extern CrmChoice *crm_choose_by_target(const Door *door, Relation rel, TupleTableSlot *old,
									   TupleTableSlot *new, const Workflow *w, int from, int to);

#endif							/* CRM_CHOICE_H */
