/*
 * workflow_check.c
 *		Checks a workflow draft as a whole: resolves its composites and numbers its
 *		states.
 */
#include "crm.h"

#include "miscadmin.h"

#include "workflow.h"
#include "workflow_draft.h"

/* Edges of one node, or exits of one state, by what chooses among them. */
typedef struct ChoiceKey
{
	int			event;
	int			guard;
} ChoiceKey;

typedef struct Choice
{
	ChoiceKey	key;
	int			node;			/* who has it; an entry of another node is an old one */
	const DraftEdge *edge;
} Choice;

static HTAB *
make_choices(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(ChoiceKey);
	ctl.entrysize = sizeof(Choice);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("crm workflow choices", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Remember a choice of a node; returns the one that was there, NULL if none. */
static const DraftEdge *
note_choice(HTAB *choices, int node, const DraftEdge *edge)
{
	ChoiceKey	key = {edge->event, edge->guard};
	bool		found;
	Choice	   *choice = hash_search(choices, &key, HASH_ENTER, &found);

	if (found && choice->node == node)
		return choice->edge;
	choice->node = node;
	choice->edge = edge;
	return NULL;
}

/* The edge without a guard by that event that the node has so far, NULL if none. */
static const DraftEdge *
unguarded_choice(HTAB *choices, int node, int event)
{
	ChoiceKey	key = {event, -1};
	Choice	   *choice = hash_search(choices, &key, HASH_FIND, NULL);

	return choice != NULL && choice->node == node ? choice->edge : NULL;
}

/* Is that composite, or -1 for none, the outer one or somewhere inside of it? */
static bool
is_inside(const WfDraft *draft, int composite, int outer)
{
	for (; composite >= 0; composite = DRAFT_NODE(draft, composite)->composite)
		if (composite == outer)
			return true;
	return false;
}

/*
 * A state belongs to the innermost composite in whose braces it is mentioned;
 * that is how Mermaid draws it. A composite belongs where its braces are.
 */
static bool
resolve_membership(const WfDraft *draft)
{
	ListCell   *lc;
	int			number = -1;

	foreach(lc, draft->nodes)
	{
		DraftNode  *node = lfirst(lc);
		ListCell   *lc2;

		number++;
		CHECK_FOR_INTERRUPTS();
		foreach(lc2, node->mentions)
		{
			DraftMention *mention = lfirst(lc2);
			const char *inside = DRAFT_NODE(draft, mention->composite)->name;

			if (is_inside(draft, node->composite, mention->composite))
				continue;
			if (node->is_composite && is_inside(draft, mention->composite, number))
				return DRAFT_FAULT(draft, mention->place, "Draw its edges outside of its braces.",
								   "composite state \"%s\" is mentioned inside itself", node->name);
			if (node->is_composite || !is_inside(draft, mention->composite, node->composite))
			{
				if (node->is_composite || node->composite >= 0)
					return DRAFT_FAULT(draft, mention->place,
									   "Draw edges from one composite state to another outside of both.",
									   "\"%s\" is mentioned inside of \"%s\", but it belongs to %s%s%s",
									   node->name, inside,
									   node->composite >= 0 ? "\"" : "none",
									   node->composite >= 0 ? DRAFT_NODE(draft, node->composite)->name : "",
									   node->composite >= 0 ? "\"" : "");
			}
			node->composite = mention->composite;
		}

		/* Mermaid goes by the last mention, so there the picture would be another. */
		if (node->mentions != NIL)
		{
			DraftMention *last = llast(node->mentions);

			if (last->composite != node->composite)
				return DRAFT_FAULT(draft, last->place,
								   psprintf("Move the line before the braces of \"%s\", or out of all braces.",
											DRAFT_NODE(draft, node->composite)->name),
								   "\"%s\" belongs to \"%s\", but Mermaid would draw it in \"%s\", where it is mentioned last",
								   node->name, DRAFT_NODE(draft, node->composite)->name,
								   DRAFT_NODE(draft, last->composite)->name);
		}
	}
	return true;
}

/* The state that an edge to a node leads to; -1 if that composite has no [*]. */
static int
enter(const WfDraft *draft, int node)
{
	while (node >= 0 && DRAFT_NODE(draft, node)->is_composite)
		node = DRAFT_NODE(draft, node)->entry;
	return node;
}

static bool
check_entry(const WfDraft *draft, int node, DraftPlace place)
{
	while (DRAFT_NODE(draft, node)->is_composite)
	{
		DraftNode  *composite = DRAFT_NODE(draft, node);

		if (composite->entry < 0)
			return DRAFT_FAULT(draft, place,
							   "Name a state inside of it, or draw [*] --> state between its braces.",
							   "an edge leads to composite state \"%s\", which has no edge from [*] inside",
							   composite->name);
		node = composite->entry;
	}
	DRAFT_NODE(draft, node)->entered = true;
	return true;
}

/*
 * Of the edges of one node with one event, the first whose guard holds is taken:
 * none may stand behind one that always is.
 */
static bool
check_choices(const WfDraft *draft, int number, HTAB *choices)
{
	DraftNode  *node = DRAFT_NODE(draft, number);
	ListCell   *lc;

	foreach(lc, node->edges)
	{
		DraftEdge  *edge = lfirst(lc);
		const char *event = DRAFT_EVENT(draft, edge->event)->name;
		const char *to = DRAFT_NODE(draft, edge->to)->name;
		const DraftEdge *other = note_choice(choices, number, edge);

		if (other != NULL && other->to == edge->to)
			return DRAFT_FAULT(draft, edge->place, "Remove one of them.",
							   "the edge from \"%s\" to \"%s\" by \"%s\" is there twice, first on line %d",
							   node->name, to, event, other->place.line);
		if (other != NULL)
			return DRAFT_FAULT(draft, edge->place,
							   edge->guard < 0 ? "Give one of them another event, or a guard." :
							   "Give one of them another event or guard.",
							   "event \"%s\" leads from \"%s\" both to \"%s\" (line %d) and to \"%s\"",
							   event, node->name, DRAFT_NODE(draft, other->to)->name,
							   other->place.line, to);
		if (edge->guard < 0)
			continue;
		other = unguarded_choice(choices, number, edge->event);
		if (other != NULL)
			return DRAFT_FAULT(draft, edge->place,
							   psprintf("The first edge whose guard holds is taken; move line %d behind the others.",
										other->place.line),
							   "the edge from \"%s\" by \"%s\" with guard \"%s\" stands behind one without a guard",
							   node->name, event, DRAFT_GUARD(draft, edge->guard));
	}
	return true;
}

static bool
check_edges(const WfDraft *draft)
{
	HTAB	   *choices = make_choices();

	for (int i = 0; i < list_length(draft->nodes); i++)
	{
		DraftNode  *node = DRAFT_NODE(draft, i);
		ListCell   *lc;

		CHECK_FOR_INTERRUPTS();
		if (!check_choices(draft, i, choices))
			return false;
		foreach(lc, node->edges)
		{
			DraftEdge  *edge = lfirst(lc);

			if (!check_entry(draft, edge->to, edge->place))
				return false;
		}
	}
	hash_destroy(choices);
	return true;
}

/* Inside braces, [*] is the end of the composite; if that leads on, it is no end. */
static bool
ends_there(const WfDraft *draft, const DraftNode *node)
{
	if (node->marked_final || !node->marked_end)
		return node->marked_final;
	for (int c = node->composite; c >= 0; c = DRAFT_NODE(draft, c)->composite)
		if (DRAFT_NODE(draft, c)->edges != NIL)
			return false;
	return true;
}

static void
resolve_finals(const WfDraft *draft)
{
	ListCell   *lc;

	foreach(lc, draft->nodes)
	{
		DraftNode  *node = lfirst(lc);

		node->final = ends_there(draft, node);
		for (int c = node->composite; c >= 0 && !node->final; c = DRAFT_NODE(draft, c)->composite)
			node->final = ends_there(draft, DRAFT_NODE(draft, c));
	}
}

/*
 * Spell out the exits of each state: its own edges, then those of the composite
 * around it, then outwards, without those that an earlier one always precedes.
 */
static bool
resolve_exits(WfDraft *draft)
{
	HTAB	   *choices = make_choices();

	for (int i = 0; i < list_length(draft->nodes); i++)
	{
		DraftNode  *state = DRAFT_NODE(draft, i);

		if (state->is_composite)
			continue;
		for (int n = i; n >= 0; n = DRAFT_NODE(draft, n)->composite)
		{
			ListCell   *lc;

			CHECK_FOR_INTERRUPTS();
			foreach(lc, DRAFT_NODE(draft, n)->edges)
			{
				DraftEdge  *edge = lfirst(lc);
				DraftExit  *exit;

				if (unguarded_choice(choices, i, edge->event) != NULL ||
					note_choice(choices, i, edge) != NULL)
					continue;
				if (draft->nexits >= WF_MAX_EXITS)
					return DRAFT_TOO_LARGE(draft, edge->place, SPLIT_IT,
										   "a workflow has at most %d edges, those of composite states counted for each state inside",
										   WF_MAX_EXITS);
				exit = palloc(sizeof(DraftExit));
				exit->edge = edge;
				exit->to = enter(draft, edge->to);
				state->exits = lappend(state->exits, exit);
				draft->nexits++;
			}
		}
	}
	hash_destroy(choices);
	return true;
}

/*
 * Number the states breadth-first from the initial one: that finds what cannot
 * be reached, and makes the numbering independent of the order of statements.
 * Composites follow by their first state, outer before inner.
 */
static void
number_nodes(WfDraft *draft)
{
	int		   *order = palloc(sizeof(int) * list_length(draft->nodes));
	int			n = 0;
	int			ncomposites = 0;
	ListCell   *lc;

	foreach(lc, draft->nodes)
	{
		DraftNode  *node = lfirst(lc);

		node->canonical = -1;
		draft->nstates += !node->is_composite;
	}

	order[n] = enter(draft, draft->initial);
	DRAFT_NODE(draft, order[n])->canonical = n;
	n++;
	for (int i = 0; i < n; i++)
		foreach(lc, DRAFT_NODE(draft, order[i])->exits)
		{
			int			to = ((DraftExit *) lfirst(lc))->to;

			if (DRAFT_NODE(draft, to)->canonical < 0)
			{
				DRAFT_NODE(draft, to)->canonical = n;
				order[n++] = to;
			}
		}

	for (int i = 0; i < n; i++)
	{
		int			around[WF_MAX_DEPTH];
		int			depth = 0;

		for (int c = DRAFT_NODE(draft, order[i])->composite; c >= 0; c = DRAFT_NODE(draft, c)->composite)
			around[depth++] = c;
		while (depth-- > 0)
		{
			DraftNode  *composite = DRAFT_NODE(draft, around[depth]);

			if (composite->canonical < 0)
				composite->canonical = draft->nstates + ncomposites++;
		}
	}
}

/* A hint that names the nearest state that can be entered; NULL if none is near. */
static char *
did_you_mean(const WfDraft *draft, const DraftNode *node)
{
	CrmSimilar	similar = CRM_SIMILAR_INIT(node->name);
	ListCell   *lc;

	foreach(lc, draft->nodes)
	{
		DraftNode  *candidate = lfirst(lc);

		if (candidate != node && (candidate->entered || candidate->is_composite))
			crm_consider_similar(&similar, candidate->name);
	}
	return similar.best ? psprintf("Did you mean \"%s\"?", similar.best) : NULL;
}

static bool
check_states(const WfDraft *draft)
{
	const char *initial = DRAFT_NODE(draft, enter(draft, draft->initial))->name;
	ListCell   *lc;

	foreach(lc, draft->nodes)
	{
		DraftNode  *state = lfirst(lc);

		if (state->is_composite)
			continue;
		if (!state->entered && state->exits == NIL && !state->final)
			return DRAFT_FAULT(draft, state->first, did_you_mean(draft, state),
							   "state \"%s\" has no edges", state->name);
		if (!state->entered)
			return DRAFT_FAULT(draft, state->first, did_you_mean(draft, state),
							   "state \"%s\" is entered by nothing", state->name);
		if (state->canonical < 0)
			return DRAFT_FAULT(draft, state->first,
							   "Draw an edge to it from a state that can be reached.",
							   "state \"%s\" cannot be reached from the initial state \"%s\"",
							   state->name, initial);
		if (state->exits == NIL && !state->final)
			return DRAFT_FAULT(draft, state->first,
							   psprintf("Add an exit, or mark it final: %s --> [*]", state->name),
							   "state \"%s\" is a dead end that is not marked final", state->name);
	}
	return true;
}

static bool
check_composites(const WfDraft *draft)
{
	bool	   *filled = palloc0(sizeof(bool) * list_length(draft->nodes));
	ListCell   *lc;
	int			number = 0;

	foreach(lc, draft->nodes)
	{
		DraftNode  *node = lfirst(lc);

		if (node->composite >= 0)
			filled[node->composite] = true;
	}
	foreach(lc, draft->nodes)
	{
		DraftNode  *node = lfirst(lc);

		number++;
		if (!node->is_composite)
			continue;
		if (!filled[number - 1])
			return DRAFT_FAULT(draft, node->body, "Leave the braces out: it is an ordinary state.",
							   "composite state \"%s\" has nothing inside", node->name);
		if (node->ndisplays > 1)
			return DRAFT_FAULT(draft, node->body, "Remove one of them.",
							   "composite state \"%s\" has its display name twice", node->name);
		for (int i = 0; i < 2; i++)
		{
			char	   *name = psprintf(i == 0 ? "%s_start" : "%s_end", node->name);
			DraftName  *taken = strlen(name) > WF_MAX_NAME ? NULL :
				hash_search(draft->node_names, name, HASH_FIND, NULL);

			if (taken != NULL)
				return DRAFT_FAULT(draft, DRAFT_NODE(draft, taken->number)->first, "Choose another name.",
								   "state \"%s\" has the name that Mermaid gives to [*] inside of \"%s\"",
								   name, node->name);
		}
	}
	return true;
}

bool
crm_draft_check(WfDraft *draft)
{
	DraftPlace	end = {draft->text + draft->len, 1};

	if (draft->initial < 0)
	{
		for (const char *p = draft->text; p < end.at; p++)
			if (*p == '\n' || (*p == '\r' && (p + 1 == end.at || p[1] != '\n')))
				end.line++;
		return DRAFT_FAULT(draft, end, "Say where it starts: [*] --> pending",
						   "there is no edge from [*]");
	}
	if (!resolve_membership(draft) || !check_composites(draft) ||
		!check_entry(draft, draft->initial, draft->initial_place) || !check_edges(draft))
		return false;
	for (int i = 0; i < list_length(draft->nodes); i++)
	{
		DraftNode  *node = DRAFT_NODE(draft, i);

		/* a [*] that no edge uses should be right all the same */
		if (node->is_composite && node->entry >= 0 && enter(draft, node->entry) < 0)
			return check_entry(draft, node->entry, node->entry_place);
	}
	resolve_finals(draft);
	if (!resolve_exits(draft))
		return false;
	number_nodes(draft);
	return check_states(draft);
}
