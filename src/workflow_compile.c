/*
 * workflow_compile.c
 *		Checks a workflow draft as a whole and makes the flat value of it.
 */
#include "crm.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "workflow.h"
#include "workflow_draft.h"

/* One exit as the uniqueness check sees it: no event twice from one state. */
typedef struct ExitKey
{
	int			from;
	int			event;
} ExitKey;

typedef struct ExitEntry
{
	ExitKey		key;
	const DraftEdge *edge;
} ExitEntry;

typedef struct ClassOrder
{
	const char *name;
	int			number;
} ClassOrder;

#define STATE(draft, n)	((DraftState *) list_nth((draft)->states, (n)))
#define EVENT(draft, n)	((const char *) list_nth((draft)->events, (n)))

#define FAULT(draft, place, escontext, hint, ...) \
	crm_draft_error((draft), (place), (escontext), \
					ERRCODE_INVALID_TEXT_REPRESENTATION, (hint), __VA_ARGS__)

bool
crm_draft_error(const WfDraft *draft, DraftPlace place, Node *escontext,
				int sqlstate, const char *hint, const char *format,...)
{
	const char *line_start = place.at;
	const char *line_end = place.at;
	const char *end = draft->text + draft->len;
	StringInfoData message;
	int			column;
	int			found_len;

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}

	while (line_start > draft->text && line_start[-1] != '\n' && line_start[-1] != '\r')
		line_start--;
	while (line_end < end && *line_end != '\n' && *line_end != '\r')
		line_end++;
	/* The text itself may be too long to measure in characters. */
	column = pg_mbstrlen_with_len(line_start, place.at - line_start) + 1;
	found_len = pg_mbcliplen(place.at, line_end - place.at, 60);

	if (found_len == 0)
		ereturn(escontext, false,
				(errcode(sqlstate),
				 errmsg("invalid workflow: %s", message.data),
				 errdetail("Line %d, column %d, at the end of the line.", place.line, column),
				 hint ? errhint("%s", hint) : 0));
	ereturn(escontext, false,
			(errcode(sqlstate),
			 errmsg("invalid workflow: %s", message.data),
			 errdetail("Line %d, column %d, at \"%.*s\"%s.", place.line, column,
					   found_len, place.at,
					   place.at + found_len < line_end ? " …" : ""),
			 hint ? errhint("%s", hint) : 0));
}

/* A hint that names the nearest state that can be entered; NULL if none is near. */
static char *
did_you_mean(const WfDraft *draft, const DraftState *state)
{
	CrmSimilar	similar = CRM_SIMILAR_INIT(state->name);
	ListCell   *lc;

	foreach(lc, draft->states)
	{
		DraftState *candidate = lfirst(lc);

		if (candidate != state && candidate->entered)
			crm_consider_similar(&similar, candidate->name);
	}
	return similar.best ? psprintf("Did you mean \"%s\"?", similar.best) : NULL;
}

/* No (state, event) leads two ways: without guards nothing could choose. */
static bool
check_exits_are_unambiguous(const WfDraft *draft, Node *escontext)
{
	HASHCTL		ctl = {0};
	HTAB	   *exits;
	ListCell   *lc;

	ctl.keysize = sizeof(ExitKey);
	ctl.entrysize = sizeof(ExitEntry);
	ctl.hcxt = CurrentMemoryContext;
	exits = hash_create("crm workflow exits", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	foreach(lc, draft->states)
	{
		DraftState *state = lfirst(lc);
		ListCell   *lc2;

		foreach(lc2, state->edges)
		{
			DraftEdge  *edge = lfirst(lc2);
			ExitKey		key = {edge->from, edge->event};
			bool		found;
			ExitEntry  *entry = hash_search(exits, &key, HASH_ENTER, &found);

			if (!found)
			{
				entry->edge = edge;
				continue;
			}
			if (entry->edge->to == edge->to)
				return FAULT(draft, edge->place, escontext, "Remove one of them.",
							 "the edge from \"%s\" to \"%s\" by \"%s\" is there twice, first on line %d",
							 state->name, STATE(draft, edge->to)->name,
							 EVENT(draft, edge->event), entry->edge->place.line);
			return FAULT(draft, edge->place, escontext, "Give one of them another event.",
						 "event \"%s\" leads from \"%s\" both to \"%s\" (line %d) and to \"%s\"",
						 EVENT(draft, edge->event), state->name,
						 STATE(draft, entry->edge->to)->name, entry->edge->place.line,
						 STATE(draft, edge->to)->name);
		}
	}
	hash_destroy(exits);
	return true;
}

/*
 * Number the states breadth-first from the initial one: that finds what cannot
 * be reached, and makes the numbering independent of the order of statements.
 * Returns the states in that order.
 */
static DraftState **
number_states(const WfDraft *draft, int *nreached)
{
	DraftState **order = palloc(sizeof(DraftState *) * list_length(draft->states));
	ListCell   *lc;
	int			n = 0;

	foreach(lc, draft->states)
		((DraftState *) lfirst(lc))->canonical = -1;

	order[n] = STATE(draft, draft->initial);
	order[n]->canonical = n;
	n++;
	for (int i = 0; i < n; i++)
	{
		foreach(lc, order[i]->edges)
		{
			DraftState *to = STATE(draft, ((DraftEdge *) lfirst(lc))->to);

			if (to->canonical < 0)
			{
				order[n] = to;
				to->canonical = n++;
			}
		}
	}
	*nreached = n;
	return order;
}

static bool
check_states(const WfDraft *draft, Node *escontext)
{
	ListCell   *lc;

	foreach(lc, draft->states)
	{
		DraftState *state = lfirst(lc);

		if (!state->entered && state->edges == NIL && !state->final)
			return FAULT(draft, state->first, escontext, did_you_mean(draft, state),
						 "state \"%s\" has no edges", state->name);
		if (!state->entered)
			return FAULT(draft, state->first, escontext, did_you_mean(draft, state),
						 "state \"%s\" is entered by nothing", state->name);
		if (state->canonical < 0)
			return FAULT(draft, state->first, escontext,
						 "Draw an edge to it from a state that can be reached.",
						 "state \"%s\" cannot be reached from the initial state \"%s\"",
						 state->name, STATE(draft, draft->initial)->name);
		if (state->edges == NIL && !state->final)
			return FAULT(draft, state->first, escontext,
						 psprintf("Add an exit, or mark it final: %s --> [*]", state->name),
						 "state \"%s\" is a dead end that is not marked final", state->name);
	}
	return true;
}

static int
compare_class_names(const void *a, const void *b)
{
	return strcmp(((const ClassOrder *) a)->name, ((const ClassOrder *) b)->name);
}

static int
compare_state_names(const void *a, const void *b, void *order)
{
	return strcmp(((DraftState **) order)[*(const uint16 *) a]->name,
				  ((DraftState **) order)[*(const uint16 *) b]->name);
}

static int
compare_uint16(const void *a, const void *b)
{
	return (int) *(const uint16 *) a - (int) *(const uint16 *) b;
}

/* Append a string to the value, return its offset. */
static uint32
put_string(StringInfo value, const char *string)
{
	uint32		offset = value->len;

	appendBinaryStringInfo(value, string, strlen(string) + 1);
	return offset;
}

/*
 * The members of each class, each state once and in canonical order. Returns
 * the number of members, *classes and *members as they go into the value (names
 * still missing).
 */
static int
collect_classes(const WfDraft *draft, ClassOrder **names, WfClass **classes, uint16 **members)
{
	int			nclasses = list_length(draft->classes);
	List	  **by_class = palloc0(sizeof(List *) * (nclasses + 1));
	int			nmembers = 0;
	ListCell   *lc;

	*names = palloc(sizeof(ClassOrder) * (nclasses + 1));
	*classes = palloc0(sizeof(WfClass) * (nclasses + 1));
	*members = palloc(sizeof(uint16) * (list_length(draft->members) + 1));

	for (int i = 0; i < nclasses; i++)
	{
		(*names)[i].name = list_nth(draft->classes, i);
		(*names)[i].number = i;
	}
	qsort(*names, nclasses, sizeof(ClassOrder), compare_class_names);

	foreach(lc, draft->members)
	{
		DraftMember *member = lfirst(lc);

		by_class[member->class] = lappend_int(by_class[member->class],
											  STATE(draft, member->state)->canonical);
	}
	for (int i = 0; i < nclasses; i++)
	{
		uint16	   *start = *members + nmembers;
		int			n = 0;

		foreach(lc, by_class[(*names)[i].number])
			start[n++] = (uint16) lfirst_int(lc);
		qsort(start, n, sizeof(uint16), compare_uint16);

		(*classes)[i].first_member = nmembers;
		for (int j = 0; j < n; j++)
			if (j == 0 || start[j] != start[j - 1])
				(*members)[nmembers++] = start[j];
		(*classes)[i].nmembers = nmembers - (*classes)[i].first_member;
	}
	return nmembers;
}

/* The value, from a draft that has passed the checks. */
static Workflow *
build(const WfDraft *draft, DraftState **order)
{
	int			nstates = list_length(draft->states);
	int			nclasses = list_length(draft->classes);
	int		   *event_numbers = palloc(sizeof(int) * (list_length(draft->events) + 1));
	uint16	   *by_name = palloc(sizeof(uint16) * nstates);
	WfState    *states = palloc0(sizeof(WfState) * nstates);
	WfEdge	   *edges = palloc(sizeof(WfEdge) * (draft->nedges + 1));
	uint32	   *events = palloc(sizeof(uint32) * (list_length(draft->events) + 1));
	WfClass    *classes;
	ClassOrder *class_names;
	uint16	   *members;
	Workflow	header = {0};
	StringInfoData value;
	int			nedges = 0;
	int			nevents = 0;
	int			nmembers = collect_classes(draft, &class_names, &classes, &members);
	Size		strings;

	for (int i = 0; i < list_length(draft->events); i++)
		event_numbers[i] = -1;

	header.format = WF_FORMAT;
	header.nstates = nstates;
	header.nedges = draft->nedges;
	header.nevents = list_length(draft->events);
	header.nclasses = nclasses;
	header.nmembers = nmembers;

	/* Leave room for the arrays; the strings go behind them as we meet them. */
	strings = (const char *) (WF_MEMBERS(&header) + nmembers) - (const char *) &header;
	initStringInfo(&value);
	enlargeStringInfo(&value, strings);
	memset(value.data, 0, strings);
	value.len = strings;

	for (int i = 0; i < nstates; i++)
	{
		ListCell   *lc;

		states[i].name = put_string(&value, order[i]->name);
		if (order[i]->display != NULL && strcmp(order[i]->display, order[i]->name) != 0)
			states[i].display = put_string(&value, order[i]->display);
		if (order[i]->final)
			states[i].flags |= WF_STATE_FINAL;
		states[i].first_edge = nedges;
		states[i].nedges = list_length(order[i]->edges);
		foreach(lc, order[i]->edges)
		{
			DraftEdge  *edge = lfirst(lc);

			if (event_numbers[edge->event] < 0)
			{
				events[nevents] = put_string(&value, EVENT(draft, edge->event));
				event_numbers[edge->event] = nevents++;
			}
			edges[nedges].event = event_numbers[edge->event];
			edges[nedges].to = STATE(draft, edge->to)->canonical;
			nedges++;
		}
		by_name[i] = i;
	}
	Assert(nedges == draft->nedges && nevents == list_length(draft->events));

	qsort_arg(by_name, nstates, sizeof(uint16), compare_state_names, order);
	for (int i = 0; i < nstates; i++)
		states[i].by_name = by_name[i];
	for (int i = 0; i < nclasses; i++)
		classes[i].name = put_string(&value, class_names[i].name);

	memcpy(value.data, &header, sizeof(header));
	memcpy((char *) WF_STATES((Workflow *) value.data), states, sizeof(WfState) * nstates);
	memcpy((char *) WF_EDGES((Workflow *) value.data), edges, sizeof(WfEdge) * nedges);
	memcpy((char *) WF_EVENTS((Workflow *) value.data), events, sizeof(uint32) * nevents);
	memcpy((char *) WF_CLASSES((Workflow *) value.data), classes, sizeof(WfClass) * nclasses);
	memcpy((char *) WF_MEMBERS((Workflow *) value.data), members, sizeof(uint16) * nmembers);
	SET_VARSIZE(value.data, value.len);
	return (Workflow *) value.data;
}

Workflow *
crm_workflow_compile(WfDraft *draft, Node *escontext)
{
	DraftPlace	end = {draft->text + draft->len, 1};
	DraftState **order;
	int			nreached;

	if (draft->initial < 0)
	{
		for (const char *p = draft->text; p < end.at; p++)
			if (*p == '\n')
				end.line++;
		FAULT(draft, end, escontext, "Say where it starts: [*] --> pending",
			  "there is no edge from [*]");
		return NULL;
	}
	order = number_states(draft, &nreached);
	if (!check_exits_are_unambiguous(draft, escontext) ||
		!check_states(draft, escontext))
		return NULL;
	Assert(nreached == list_length(draft->states));
	return build(draft, order);
}
