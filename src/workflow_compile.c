/*
 * workflow_compile.c
 *		Makes the flat value of a workflow draft that has passed the checks.
 */
#include "crm.h"

#include "miscadmin.h"

#include "workflow.h"
#include "workflow_draft.h"

/* Names in order; numbers tells the place of the i-th name as it came. */
typedef struct NameOrder
{
	const char *name;
	int			number;
} NameOrder;

typedef struct Names
{
	int			n;
	NameOrder  *sorted;
	uint16	   *numbers;
} Names;

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const NameOrder *) a)->name, ((const NameOrder *) b)->name);
}

static int
compare_searched_names(const void *a, const void *b)
{
	const char *x = ((const NameOrder *) a)->name;
	const char *y = ((const NameOrder *) b)->name;

	return crm_workflow_compare_names(x, strlen(x), y, strlen(y));
}

static int
compare_uint16(const void *a, const void *b)
{
	return (int) *(const uint16 *) a - (int) *(const uint16 *) b;
}

static Names
sort_names(int n, const char **names, int (*compare) (const void *, const void *))
{
	Names		result;

	result.n = n;
	result.sorted = palloc(sizeof(NameOrder) * (n + 1));
	result.numbers = palloc(sizeof(uint16) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		result.sorted[i].name = names[i];
		result.sorted[i].number = i;
	}
	qsort(result.sorted, n, sizeof(NameOrder), compare);
	for (int i = 0; i < n; i++)
		result.numbers[result.sorted[i].number] = i;
	return result;
}

static Names
sort_strings(List *strings)
{
	const char **names = palloc(sizeof(char *) * (list_length(strings) + 1));

	for (int i = 0; i < list_length(strings); i++)
		names[i] = list_nth(strings, i);
	return sort_names(list_length(strings), names, compare_names);
}

/* Append a string to the value, return its offset. */
static uint32
put_string(StringInfo value, const char *string)
{
	uint32		offset = value->len;

	appendBinaryStringInfo(value, string, strlen(string) + 1);
	return offset;
}

static uint32
put_display(StringInfo value, const DraftNode *node)
{
	if (node->display == NULL || strcmp(node->display, node->name) == 0)
		return 0;
	return put_string(value, node->display);
}

/*
 * The members of each class, each state once and in canonical order; a composite
 * stands for the states inside. Returns their number, -1 after a soft error.
 */
static int
collect_members(const WfDraft *draft, const Names *classes, WfClass *wf_classes, uint16 **members)
{
	List	  **inside = palloc0(sizeof(List *) * list_length(draft->nodes));
	List	  **by_class = palloc0(sizeof(List *) * (classes->n + 1));
	int			nmembers = 0;
	ListCell   *lc;

	foreach(lc, draft->nodes)
	{
		DraftNode  *node = lfirst(lc);

		if (!node->is_composite)
			for (int c = node->composite; c >= 0; c = DRAFT_NODE(draft, c)->composite)
				inside[c] = lappend_int(inside[c], node->canonical);
	}
	foreach(lc, draft->members)
	{
		DraftMember *member = lfirst(lc);
		DraftNode  *node = DRAFT_NODE(draft, member->node);
		List	  **list = &by_class[classes->numbers[member->class]];

		if (node->is_composite)
			*list = list_concat(*list, inside[member->node]);
		else
			*list = lappend_int(*list, node->canonical);
		nmembers += node->is_composite ? list_length(inside[member->node]) : 1;
		if (nmembers > WF_MAX_MEMBERS)
		{
			DRAFT_TOO_LARGE(draft, draft->initial_place, SPLIT_IT,
							"a workflow has at most %d class members, composite states counted for each state inside",
							WF_MAX_MEMBERS);
			return -1;
		}
	}

	*members = palloc(sizeof(uint16) * (nmembers + 1));
	nmembers = 0;
	for (int i = 0; i < classes->n; i++)
	{
		uint16	   *start = *members + nmembers;
		int			n = 0;

		foreach(lc, by_class[i])
			start[n++] = (uint16) lfirst_int(lc);
		qsort(start, n, sizeof(uint16), compare_uint16);

		wf_classes[i].first_member = nmembers;
		for (int j = 0; j < n; j++)
			if (j == 0 || start[j] != start[j - 1])
				(*members)[nmembers++] = start[j];
		wf_classes[i].nmembers = nmembers - wf_classes[i].first_member;
	}
	return nmembers;
}

/* The compiled number of a node, or WF_NONE for -1 */
static uint16
node_number(const WfDraft *draft, int node)
{
	return node < 0 ? WF_NONE : DRAFT_NODE(draft, node)->canonical;
}

static uint16
composite_number(const WfDraft *draft, int composite)
{
	return composite < 0 ? WF_NONE : DRAFT_NODE(draft, composite)->canonical - draft->nstates;
}

/* The value, NULL after a soft error. */
static Workflow *
build(WfDraft *draft)
{
	int			nnodes = list_length(draft->nodes);
	int			nstates = draft->nstates;
	DraftNode **nodes = palloc(sizeof(DraftNode *) * nnodes);
	const char **event_names = palloc(sizeof(char *) * (list_length(draft->events) + 1));
	const char **state_names = palloc(sizeof(char *) * nstates);
	Names		events,
				guards,
				classes,
				states_by_name;
	WfState    *states;
	WfComposite *composites;
	WfEvent    *wf_events;
	uint32	   *wf_guards;
	WfClass    *wf_classes;
	WfEdge	   *edges;
	WfExit	   *exits;
	uint16	   *members;
	Workflow	header = {0};
	StringInfoData value;
	Size		strings;
	int			n;

	for (int i = 0; i < nnodes; i++)
		nodes[DRAFT_NODE(draft, i)->canonical] = DRAFT_NODE(draft, i);
	for (int i = 0; i < nstates; i++)
		state_names[i] = nodes[i]->name;
	for (int i = 0; i < list_length(draft->events); i++)
		event_names[i] = DRAFT_EVENT(draft, i)->name;
	states_by_name = sort_names(nstates, state_names, compare_searched_names);
	events = sort_names(list_length(draft->events), event_names, compare_searched_names);
	guards = sort_strings(draft->guards);
	classes = sort_strings(draft->classes);

	header.format = WF_FORMAT;
	header.initial = node_number(draft, draft->initial);
	header.nstates = nstates;
	header.ncomposites = nnodes - nstates;
	header.nevents = events.n;
	header.nguards = guards.n;
	header.nclasses = classes.n;
	header.nedges = draft->nedges;
	header.nexits = draft->nexits;

	states = palloc0(sizeof(WfState) * nstates);
	composites = palloc0(sizeof(WfComposite) * (header.ncomposites + 1));
	wf_events = palloc0(sizeof(WfEvent) * (events.n + 1));
	wf_guards = palloc0(sizeof(uint32) * (guards.n + 1));
	wf_classes = palloc0(sizeof(WfClass) * (classes.n + 1));
	edges = palloc0(sizeof(WfEdge) * (draft->nedges + 1));
	exits = palloc0(sizeof(WfExit) * (draft->nexits + 1));
	n = collect_members(draft, &classes, wf_classes, &members);
	if (n < 0)
		return NULL;
	header.nmembers = n;

	/* Leave room for the arrays; the strings go behind them as we meet them. */
	strings = (const char *) (WF_MEMBERS(&header) + header.nmembers) - (const char *) &header;
	initStringInfo(&value);
	enlargeStringInfo(&value, strings);
	memset(value.data, 0, strings);
	value.len = strings;

	n = 0;
	for (int i = 0; i < nnodes; i++)
	{
		ListCell   *lc;

		foreach(lc, nodes[i]->edges)
		{
			DraftEdge  *edge = lfirst(lc);

			edges[n].from = i;
			edges[n].to = node_number(draft, edge->to);
			edges[n].event = events.numbers[edge->event];
			edges[n].guard = edge->guard < 0 ? WF_NONE : guards.numbers[edge->guard];
			edge->canonical = n++;
		}
	}
	Assert(n == draft->nedges);

	n = 0;
	for (int i = 0; i < nstates; i++)
	{
		ListCell   *lc;

		states[i].name = put_string(&value, nodes[i]->name);
		states[i].name_len = strlen(nodes[i]->name);
		states[i].display = put_display(&value, nodes[i]);
		if (nodes[i]->final)
			states[i].flags |= WF_STATE_FINAL;
		states[i].composite = composite_number(draft, nodes[i]->composite);
		states[i].by_name = states_by_name.sorted[i].number;
		states[i].first_exit = n;
		states[i].nexits = list_length(nodes[i]->exits);
		foreach(lc, nodes[i]->exits)
		{
			DraftExit  *exit = lfirst(lc);

			exits[n].event = edges[exit->edge->canonical].event;
			exits[n].guard = edges[exit->edge->canonical].guard;
			exits[n].to = node_number(draft, exit->to);
			exits[n].edge = exit->edge->canonical;
			n++;
		}
	}
	Assert(n == draft->nexits);

	for (int i = 0; i < header.ncomposites; i++)
	{
		DraftNode  *node = nodes[nstates + i];

		composites[i].name = put_string(&value, node->name);
		composites[i].display = put_display(&value, node);
		composites[i].composite = composite_number(draft, node->composite);
		composites[i].entry = node_number(draft, node->entry);
	}
	for (int i = 0; i < events.n; i++)
	{
		DraftEvent *event = DRAFT_EVENT(draft, events.sorted[i].number);

		wf_events[i].name = put_string(&value, event->name);
		wf_events[i].name_len = strlen(event->name);
		wf_events[i].months = event->months;
		wf_events[i].days = event->days;
		wf_events[i].seconds = event->seconds;
	}
	for (int i = 0; i < guards.n; i++)
		wf_guards[i] = put_string(&value, guards.sorted[i].name);
	for (int i = 0; i < classes.n; i++)
		wf_classes[i].name = put_string(&value, classes.sorted[i].name);

	memcpy(value.data, &header, sizeof(header));
	memcpy((char *) WF_STATES((Workflow *) value.data), states, sizeof(WfState) * nstates);
	memcpy((char *) WF_COMPOSITES((Workflow *) value.data), composites, sizeof(WfComposite) * header.ncomposites);
	memcpy((char *) WF_EVENTS((Workflow *) value.data), wf_events, sizeof(WfEvent) * header.nevents);
	memcpy((char *) WF_GUARDS((Workflow *) value.data), wf_guards, sizeof(uint32) * header.nguards);
	memcpy((char *) WF_CLASSES((Workflow *) value.data), wf_classes, sizeof(WfClass) * header.nclasses);
	memcpy((char *) WF_EDGES((Workflow *) value.data), edges, sizeof(WfEdge) * header.nedges);
	memcpy((char *) WF_EXITS((Workflow *) value.data), exits, sizeof(WfExit) * header.nexits);
	memcpy((char *) WF_MEMBERS((Workflow *) value.data), members, sizeof(uint16) * header.nmembers);
	SET_VARSIZE(value.data, value.len);
	return (Workflow *) value.data;
}

/* What we write we must be able to read: a dump has to be restored. */
static bool
check_size(const WfDraft *draft, const Workflow *w)
{
	StringInfoData text;

	initStringInfo(&text);
	crm_workflow_to_text(w, &text);
	if (text.len > WF_MAX_TEXT)
		return DRAFT_TOO_LARGE(draft, draft->initial_place, SPLIT_IT,
							   "a workflow text has at most %d bytes, this one has %d when each event has a line of its own",
							   WF_MAX_TEXT, text.len);
	pfree(text.data);
	return true;
}

Workflow *
crm_workflow_compile(WfDraft *draft)
{
	Workflow   *w = crm_draft_check(draft) ? build(draft) : NULL;

	return w != NULL && check_size(draft, w) ? w : NULL;
}
