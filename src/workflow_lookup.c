/*
 * workflow_lookup.c
 *		Short searches in a compiled workflow, and the lists that its errors show.
 */
#include "crm.h"

#include "miscadmin.h"
#include "utils/varlena.h"

#include "workflow.h"

/* How many names an error lists before it says how many more there are. */
#define MAX_LISTED	20

int
crm_workflow_compare_names(const char *a, int len_a, const char *b, int len_b)
{
	return len_a != len_b ? len_a - len_b : memcmp(a, b, len_a);
}

int
crm_workflow_find_state(const Workflow *w, const char *name, int len)
{
	const WfState *states = WF_STATES(w);
	int			low = 0;
	int			high = w->nstates - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			state = states[middle].by_name;
		int			cmp = crm_workflow_compare_names(name, len, WF_STATE_NAME(w, state), states[state].name_len);

		if (cmp == 0)
			return state;
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

int
crm_workflow_find_event(const Workflow *w, const char *name, int len)
{
	const WfEvent *events = WF_EVENTS(w);
	int			low = 0;
	int			high = w->nevents - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			cmp = crm_workflow_compare_names(name, len, WF_EVENT_NAME(w, middle), events[middle].name_len);

		if (cmp == 0)
			return middle;
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

/* The first exit of a state by an event, NULL if there is none. */
const WfExit *
crm_workflow_find_exit(const Workflow *w, int state, int event)
{
	const WfState *from = &WF_STATES(w)[state];
	const WfExit *exits = WF_EXITS(w) + from->first_exit;

	for (int i = 0; i < from->nexits; i++)
		if (exits[i].event == event)
			return &exits[i];
	return NULL;
}

const WfClass *
crm_workflow_find_class(const Workflow *w, const char *name)
{
	for (int i = 0; i < w->nclasses; i++)
		if (strcmp(WF_STRING(w, WF_CLASSES(w)[i].name), name) == 0)
			return &WF_CLASSES(w)[i];
	return NULL;
}

bool
crm_workflow_in_class(const Workflow *w, const WfClass *class, int state)
{
	for (int i = 0; i < class->nmembers; i++)
		if (WF_MEMBERS(w)[class->first_member + i] == state)
			return true;
	return false;
}

/* "pending, submitted, paid" */
char *
crm_workflow_list_states(const Workflow *w)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < w->nstates && i < MAX_LISTED; i++)
		appendStringInfo(&out, "%s\"%s\"", i > 0 ? ", " : "", WF_STATE_NAME(w, i));
	if (w->nstates > MAX_LISTED)
		appendStringInfo(&out, " and %d more", w->nstates - MAX_LISTED);
	return out.data;
}

/*
 * "pay" (to "paid"), "cancel" (to "cancelled"); empty if there is no exit. Timers are no choice for who
 * wants to take a step, but are for who reads what has happened.
 */
char *
crm_workflow_list_exits(const Workflow *w, int state, bool timers)
{
	const WfState *from = &WF_STATES(w)[state];
	const WfExit *exits = WF_EXITS(w) + from->first_exit;
	StringInfoData out;
	int			n = 0;

	initStringInfo(&out);
	for (int i = 0; i < from->nexits; i++)
	{
		if (!timers && WF_IS_TIMER(&WF_EVENTS(w)[exits[i].event]))
			continue;
		if (++n > MAX_LISTED)
			continue;
		appendStringInfo(&out, "%s\"%s\" (to \"%s\"", n > 1 ? ", " : "",
						 WF_EVENT_NAME(w, exits[i].event), WF_STATE_NAME(w, exits[i].to));
		if (exits[i].guard != WF_NONE)
			appendStringInfo(&out, " if %s", WF_GUARD_NAME(w, exits[i].guard));
		appendStringInfoChar(&out, ')');
	}
	if (n > MAX_LISTED)
		appendStringInfo(&out, " and %d more", n - MAX_LISTED);
	return out.data;
}

void
crm_consider_similar(CrmSimilar *similar, const char *candidate)
{
	int			distance;

	/* what the distance function accepts */
	if (strlen(similar->name) > WF_MAX_NAME)
		return;
	CHECK_FOR_INTERRUPTS();
	distance = varstr_levenshtein_less_equal(similar->name, strlen(similar->name),
											 candidate, strlen(candidate),
											 1, 1, 1, similar->distance, true);
	if (distance < similar->distance)
	{
		similar->best = candidate;
		similar->distance = distance;
	}
}

const char *
crm_workflow_similar_event(const Workflow *w, const char *name)
{
	CrmSimilar	similar = CRM_SIMILAR_INIT(name);

	for (int i = 0; i < w->nevents; i++)
		crm_consider_similar(&similar, WF_EVENT_NAME(w, i));
	return similar.best;
}

const char *
crm_workflow_similar_state(const Workflow *w, const char *name)
{
	CrmSimilar	similar = CRM_SIMILAR_INIT(name);

	for (int i = 0; i < w->nstates; i++)
		crm_consider_similar(&similar, WF_STATE_NAME(w, i));
	return similar.best;
}
