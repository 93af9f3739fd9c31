/*
 * choice.c
 *		Which of the exits of its state a row takes, and why it takes none.
 */
#include "crm.h"

#include "executor/executor.h"
#include "nodes/pg_list.h"

#include "attempt.h"
#include "choice.h"
#include "deadline.h"
#include "guards.h"
#include "key.h"

/* An exit that is tried, copied out of the workflow */
typedef struct Candidate
{
	char	   *event;
	char	   *to;
	char	   *guard;			/* NULL if none */
	TimestampTz deadline;		/* of a timer */
	int			position;		/* of a timer, among the exits */
} Candidate;

static Candidate *
make_candidate(const Workflow *w, const WfExit *exit)
{
	Candidate  *candidate = palloc0(sizeof(Candidate));

	candidate->event = pstrdup(WF_EVENT_NAME(w, exit->event));
	candidate->to = pstrdup(WF_STATE_NAME(w, exit->to));
	candidate->guard = exit->guard == WF_NONE ? NULL : pstrdup(WF_GUARD_NAME(w, exit->guard));
	return candidate;
}

/* The exits of a state with one event, or with each event, without timers. */
static List *
list_candidates(const Workflow *w, int from, int event)
{
	const WfState *state = &WF_STATES(w)[from];
	const WfExit *exits = WF_EXITS(w) + state->first_exit;
	List	   *candidates = NIL;

	for (int i = 0; i < state->nexits; i++)
	{
		if ((event >= 0 && exits[i].event != event) || WF_IS_TIMER(&WF_EVENTS(w)[exits[i].event]))
			continue;
		candidates = lappend(candidates, make_candidate(w, &exits[i]));
	}
	return candidates;
}

/* The new row as it is before the step. */
static TupleTableSlot *
make_guard_row(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	AttrNumber	kept[] = {door->status, door->status_since, door->version};

	slot_getallattrs(new);
	memcpy(row->tts_values, new->tts_values, sizeof(Datum) * row->tts_tupleDescriptor->natts);
	memcpy(row->tts_isnull, new->tts_isnull, sizeof(bool) * row->tts_tupleDescriptor->natts);
	for (int i = 0; i < lengthof(kept); i++)
		row->tts_values[kept[i] - 1] = slot_getattr(old, kept[i], &row->tts_isnull[kept[i] - 1]);
	return ExecStoreVirtualTuple(row);
}

/* A guard that is asked */
typedef struct Question
{
	Relation	rel;
	TupleTableSlot *row;
	const char *workflow;
	const char *guard;
	char	   *message;		/* if it does not hold, why; may be NULL */
	bool		holds;
} Question;

static void
ask(void *arg)
{
	Question   *q = arg;

	q->holds = crm_guard_holds(q->rel, q->row, q->workflow, q->guard, &q->message);
}

static CrmChoice *
try(Relation rel, TupleTableSlot *row, const char *workflow, const Candidate *candidate, bool tell_errors)
{
	CrmChoice  *choice = palloc0(sizeof(CrmChoice));
	Question	q = {rel, row, workflow, candidate->guard};
	ErrorData  *error = NULL;

	choice->event = candidate->event;
	choice->to = candidate->to;
	if (candidate->guard == NULL)
		return choice;
	if (tell_errors)
		error = crm_attempt(ask, &q);
	else
		ask(&q);
	if (error != NULL)
	{
		choice->failed = true;
		choice->unmet = psprintf("%s (guard \"%s\")", error->message, candidate->guard);
	}
	else if (!q.holds)
		choice->unmet = q.message ? q.message : psprintf("The guard \"%s\" does not hold.", candidate->guard);
	return choice;
}

/* The first of the candidates with that event whose guard holds; if none does, the first. */
static CrmChoice *
choose(Relation rel, TupleTableSlot *row, const char *workflow, List *candidates, const char *event,
	   bool tell_errors)
{
	CrmChoice  *first = NULL;
	ListCell   *lc;

	foreach(lc, candidates)
	{
		Candidate  *candidate = lfirst(lc);
		CrmChoice  *choice;

		if (strcmp(candidate->event, event) != 0)
			continue;
		choice = try(rel, row, workflow, candidate, tell_errors);
		if (choice->unmet == NULL || choice->failed)
			return choice;
		if (first == NULL)
			first = choice;
	}
	return first;
}

/* An exit that nothing precedes and that has no guard is taken in any case. */
static CrmChoice *
take(const Workflow *w, const WfExit *exit)
{
	CrmChoice  *choice = palloc0(sizeof(CrmChoice));

	choice->event = pstrdup(WF_EVENT_NAME(w, exit->event));
	choice->to = pstrdup(WF_STATE_NAME(w, exit->to));
	return choice;
}

CrmChoice *
crm_choose_by_event(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new,
					const Workflow *w, const char *name, bool tell_errors)
{
	int			from = crm_row_state(door, rel, old, w);
	int			event = crm_workflow_find_event(w, name, strlen(name));
	const WfExit *first = event < 0 ? NULL : crm_workflow_find_exit(w, from, event);
	List	   *candidates;
	TupleTableSlot *row;
	CrmChoice  *choice;

	if (first == NULL || WF_IS_TIMER(&WF_EVENTS(w)[event]))
		return NULL;
	if (first->guard == WF_NONE)
		return take(w, first);

	candidates = list_candidates(w, from, event);
	row = make_guard_row(door, rel, old, new);
	choice = choose(rel, row, crm_row_workflow_name(door, rel, new), candidates, name, tell_errors);
	ExecDropSingleTupleTableSlot(row);
	return choice;
}

CrmChoice *
crm_choose_by_target(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new,
					 const Workflow *w, int from, int to)
{
	const WfState *state = &WF_STATES(w)[from];
	const WfExit *exits = WF_EXITS(w) + state->first_exit;
	char	   *target;
	List	   *candidates;
	TupleTableSlot *row;
	char	   *workflow;
	CrmChoice  *unmet = NULL;
	CrmChoice  *choice = NULL;
	ListCell   *lc;

	/* mostly the first exit that leads there has no guard, and no rival */
	for (int i = 0; i < state->nexits; i++)
		if (exits[i].to == to && !WF_IS_TIMER(&WF_EVENTS(w)[exits[i].event]))
		{
			if (exits[i].guard == WF_NONE &&
				crm_workflow_find_exit(w, from, exits[i].event) == &exits[i])
				return take(w, &exits[i]);
			break;
		}

	target = pstrdup(WF_STATE_NAME(w, to));
	candidates = list_candidates(w, from, -1);
	row = make_guard_row(door, rel, old, new);
	workflow = crm_row_workflow_name(door, rel, new);
	foreach(lc, candidates)
	{
		Candidate  *candidate = lfirst(lc);

		if (strcmp(candidate->to, target) != 0)
			continue;
		choice = choose(rel, row, workflow, candidates, candidate->event, false);
		if (choice->unmet == NULL && strcmp(choice->to, target) == 0)
			break;
		/* its own guard, or another edge that comes first */
		choice = try(rel, row, workflow, candidate, false);
		if (unmet == NULL && choice->unmet != NULL)
			unmet = choice;
		choice = NULL;
	}
	ExecDropSingleTupleTableSlot(row);
	return choice != NULL ? choice : unmet;
}

/* In order of time, then of the drawing */
static int
compare_deadlines(const ListCell *a, const ListCell *b)
{
	const Candidate *x = lfirst(a);
	const Candidate *y = lfirst(b);

	if (x->deadline != y->deadline)
		return x->deadline < y->deadline ? -1 : 1;
	return x->position - y->position;
}

CrmChoice *
crm_choose_by_timer(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new,
					const Workflow *w, TimestampTz since, TimestampTz moment)
{
	const WfState *state = &WF_STATES(w)[crm_row_state(door, rel, old, w)];
	const WfExit *exits = WF_EXITS(w) + state->first_exit;
	List	   *candidates = NIL;
	TupleTableSlot *row;
	char	   *workflow;
	CrmChoice  *choice = NULL;
	ListCell   *lc;

	for (int i = 0; i < state->nexits; i++)
	{
		const WfEvent *event = &WF_EVENTS(w)[exits[i].event];
		TimestampTz deadline;

		if (WF_IS_TIMER(event) && crm_deadline(event, since, &deadline) && deadline <= moment)
		{
			Candidate  *candidate = make_candidate(w, &exits[i]);

			candidate->deadline = deadline;
			candidate->position = i;
			candidates = lappend(candidates, candidate);
		}
	}
	list_sort(candidates, compare_deadlines);

	row = make_guard_row(door, rel, old, new);
	workflow = crm_row_workflow_name(door, rel, new);
	foreach(lc, candidates)
	{
		choice = try(rel, row, workflow, lfirst(lc), false);
		if (choice->unmet == NULL)
			break;
		choice = NULL;
	}
	ExecDropSingleTupleTableSlot(row);
	return choice;
}

/* The step is not in the drawing, or not from there. */
static void
refuse_step(const Door *door, Relation rel, TupleTableSlot *row, const Workflow *w, int from,
			const char *what, CrmRefusal *why)
{
	char	   *exits = crm_workflow_list_exits(w, from, false);

	why->sqlstate = ERRCODE_CRM_NOT_ALLOWED_FROM_HERE;
	why->message = psprintf("%s cannot %s", crm_row_name_of(door, row), what);
	why->detail = psprintf("Its status is \"%s\", in workflow \"%s\".", WF_STATE_NAME(w, from),
						   crm_row_workflow_name(door, rel, row));
	why->hint = exits[0] != '\0' ? psprintf("Possible events from here: %s.", exits) :
		pstrdup("No event is possible from here.");
}

/* The step exists, but not under these conditions. */
static void
refuse_unmet(const Door *door, Relation rel, TupleTableSlot *row, const CrmChoice *choice,
			 const char *what, CrmRefusal *why)
{
	why->sqlstate = ERRCODE_CRM_GUARD_NOT_MET;
	why->message = psprintf("%s cannot %s", crm_row_name_of(door, row), what);
	why->detail = choice->unmet;
	why->hint = psprintf("The event \"%s\" (to \"%s\") is possible once that is met.",
						 choice->event, choice->to);
}

static void
refuse_event(const Door *door, Relation rel, TupleTableSlot *row, const Workflow *w, int from,
			 const char *event, CrmRefusal *why)
{
	const char *similar = crm_workflow_similar_event(w, event);
	char	   *exits = crm_workflow_list_exits(w, from, false);

	why->sqlstate = ERRCODE_CRM_UNKNOWN_EVENT;
	why->message = psprintf("workflow \"%s\" has no event \"%s\"",
							crm_row_workflow_name(door, rel, row), event);
	why->detail = psprintf("The status of %s is \"%s\".", crm_row_name_of(door, row),
						   WF_STATE_NAME(w, from));
	why->hint = similar ? psprintf("Did you mean \"%s\"?", similar) :
		exits[0] != '\0' ? psprintf("Possible events from here: %s.", exits) :
		pstrdup("No event is possible from here.");
}

CrmChoice *
crm_decide_by_event(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new,
					const Workflow *w, const char *event_name, bool tell_errors, CrmRefusal *why)
{
	CrmChoice  *choice = crm_choose_by_event(door, rel, old, new, w, event_name, tell_errors);

	if (choice == NULL && crm_workflow_find_event(w, event_name, strlen(event_name)) < 0)
		refuse_event(door, rel, old, w, crm_row_state(door, rel, old, w), event_name, why);
	else if (choice == NULL)
		refuse_step(door, rel, old, w, crm_row_state(door, rel, old, w), psprintf("take the event \"%s\"", event_name), why);
	else if (choice->unmet != NULL)
		refuse_unmet(door, rel, old, choice, psprintf("take the event \"%s\"", event_name), why);
	return choice != NULL && choice->unmet == NULL ? choice : NULL;
}

CrmChoice *
crm_decide_by_target(const Door *door, Relation rel, TupleTableSlot *old, TupleTableSlot *new,
					 const Workflow *w, int to, CrmRefusal *why)
{
	char	   *what = psprintf("become \"%s\"", WF_STATE_NAME(w, to));
	CrmChoice  *choice = crm_choose_by_target(door, rel, old, new, w, crm_row_state(door, rel, old, w), to);

	if (choice == NULL)
	{
		/* guards have run, so the workflow may be another */
		w = crm_row_workflow(door, rel, new, NULL);
		refuse_step(door, rel, old, w, crm_row_state(door, rel, old, w), what, why);
	}
	else if (choice->unmet != NULL)
		refuse_unmet(door, rel, old, choice, what, why);
	return choice != NULL && choice->unmet == NULL ? choice : NULL;
}

void
crm_throw_refusal(const CrmRefusal *why)
{
	ereport(ERROR,
			(errcode(why->sqlstate),
			 errmsg("%s", why->message),
			 errdetail("%s", why->detail),
			 errhint("%s", why->hint)));
}
