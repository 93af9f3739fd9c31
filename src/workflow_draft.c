/*
 * workflow_draft.c
 *		A workflow text as a list of nodes, events and edges, and the errors in it.
 */
#include "crm.h"

#include "mb/pg_wchar.h"

#include "workflow.h"
#include "workflow_draft.h"

/*
 * Words that open a statement in Mermaid, or that it uses itself: as a state they
 * would draw something else, or nothing. "end" closes a note there.
 */
static const char *const reserved_words[] = {
	"accdescr", "acctitle", "as", "class", "classdef", "click", "default",
	"direction", "end", "hide", "href", "note", "root", "root_end", "root_start",
	"scale", "state", "statediagram", "style"
};

/* Words that Mermaid sees at the start of a longer name too, if no ASCII letter follows. */
static const char *const reserved_starts[] = {"click", "default", "href"};

bool
crm_draft_error(const WfDraft *draft, DraftPlace place, int sqlstate, const char *hint,
				const char *format,...)
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
		ereturn(draft->escontext, false,
				(errcode(sqlstate),
				 errmsg("invalid workflow: %s", message.data),
				 errdetail("Line %d, column %d, at the end of the line.", place.line, column),
				 hint ? errhint("%s", hint) : 0));
	ereturn(draft->escontext, false,
			(errcode(sqlstate),
			 errmsg("invalid workflow: %s", message.data),
			 errdetail("Line %d, column %d, at \"%.*s\"%s.", place.line, column,
					   found_len, place.at,
					   place.at + found_len < line_end ? " ..." : ""),
			 hint ? errhint("%s", hint) : 0));
}

static HTAB *
make_names(const char *title)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(((DraftName *) NULL)->name);
	ctl.entrysize = sizeof(DraftName);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(title, 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

WfDraft *
crm_draft_create(const char *text, int len, Node *escontext)
{
	WfDraft    *draft = palloc0(sizeof(WfDraft));

	draft->text = text;
	draft->len = len;
	draft->escontext = escontext;
	draft->initial = -1;
	draft->node_names = make_names("crm workflow nodes");
	draft->event_names = make_names("crm workflow events");
	draft->guard_names = make_names("crm workflow guards");
	draft->class_names = make_names("crm workflow classes");
	return draft;
}

/* Number of a name; a new one gets the next. *found tells which. */
static int
name_number(HTAB *names, const char *name, int next, bool *found)
{
	DraftName  *entry = hash_search(names, name, HASH_ENTER, found);

	if (!*found)
		entry->number = next;
	return entry->number;
}

/*
 * A name that is not too long for the hash keys and the messages. And Mermaid
 * reads "direction" at the end of a line with an LR at the start of the next as a
 * statement, whatever they are parts of.
 */
static bool
check_name(const WfDraft *draft, const char *name, DraftPlace place)
{
	size_t		len = strlen(name);

	if (len >= 9 && pg_strcasecmp(name + len - 9, "direction") == 0)
		return DRAFT_FAULT(draft, place, "Choose another name.",
						   "the name \"%s\" ends with \"direction\", which Mermaid may take for a statement", name);
	if (len > WF_MAX_NAME)
		return DRAFT_TOO_LARGE(draft, place, "Shorten it.", "a name is longer than %d bytes", WF_MAX_NAME);
	return true;
}

/* Case does not save a name, as it does not count in Mermaid's keywords. */
bool
crm_workflow_is_reserved(const char *name)
{
	for (int i = 0; i < lengthof(reserved_words); i++)
		if (pg_strcasecmp(name, reserved_words[i]) == 0)
			return true;
	for (int i = 0; i < lengthof(reserved_starts); i++)
	{
		size_t		len = strlen(reserved_starts[i]);

		if (pg_strncasecmp(name, reserved_starts[i], len) == 0 && IS_HIGHBIT_SET(name[len]))
			return true;
	}
	return false;
}

/*
 * The number of a node, which is new or was mentioned before; here, it is inside
 * the braces of that composite (-1: of none).
 */
bool
crm_draft_node(WfDraft *draft, const char *name, DraftPlace place, int composite, int *number)
{
	DraftNode  *node;
	bool		found;

	if (crm_workflow_is_reserved(name))
		return DRAFT_FAULT(draft, place,
						   "Choose another name; a display name may be anything: state \"end\" as ended",
						   "\"%s\" is a reserved word in Mermaid and cannot name a state", name);
	if (!check_name(draft, name, place))
		return false;
	*number = name_number(draft->node_names, name, list_length(draft->nodes), &found);
	if (!found)
	{
		if (list_length(draft->nodes) >= WF_MAX_NODES)
			return DRAFT_TOO_LARGE(draft, place, SPLIT_IT, "a workflow has at most %d states", WF_MAX_NODES);
		node = palloc0(sizeof(DraftNode));
		node->name = pstrdup(name);
		node->first = place;
		node->composite = -1;
		node->entry = -1;
		draft->nodes = lappend(draft->nodes, node);
	}
	else
		node = DRAFT_NODE(draft, *number);

	if (composite >= 0 &&
		(node->mentions == NIL || ((DraftMention *) llast(node->mentions))->composite != composite))
	{
		DraftMention *mention = palloc(sizeof(DraftMention));

		mention->composite = composite;
		mention->place = place;
		node->mentions = lappend(node->mentions, mention);
	}
	return true;
}

bool
crm_draft_event(WfDraft *draft, const DraftEvent *event, DraftPlace place, int *number)
{
	bool		found;

	if (!check_name(draft, event->name, place))
		return false;
	*number = name_number(draft->event_names, event->name, list_length(draft->events), &found);
	if (!found)
	{
		DraftEvent *copy = palloc(sizeof(DraftEvent));

		*copy = *event;
		copy->name = pstrdup(event->name);
		draft->events = lappend(draft->events, copy);
	}
	return true;
}

bool
crm_draft_guard(WfDraft *draft, const char *name, DraftPlace place, int *number)
{
	bool		found;

	if (!check_name(draft, name, place))
		return false;
	*number = name_number(draft->guard_names, name, list_length(draft->guards), &found);
	if (!found)
		draft->guards = lappend(draft->guards, pstrdup(name));
	return true;
}

bool
crm_draft_member(WfDraft *draft, int node, const char *class, DraftPlace place)
{
	DraftMember *member;
	bool		found;

	if (crm_workflow_is_reserved(class))
		return DRAFT_FAULT(draft, place, "Choose another name.",
						   "\"%s\" is a reserved word in Mermaid and cannot name a class", class);
	if (!check_name(draft, class, place))
		return false;
	if (list_length(draft->members) >= WF_MAX_MEMBERS)
		return DRAFT_TOO_LARGE(draft, place, SPLIT_IT, "a workflow has at most %d class members", WF_MAX_MEMBERS);
	member = palloc(sizeof(DraftMember));
	member->class = name_number(draft->class_names, class, list_length(draft->classes), &found);
	if (!found)
		draft->classes = lappend(draft->classes, pstrdup(class));
	member->node = node;
	draft->members = lappend(draft->members, member);
	return true;
}

/*
 * Mermaid looks for a direction anywhere in a line; where the word ends the line,
 * in the next one too.
 */
bool
crm_reads_as_direction(const char *line, const char *eol, bool next_follows)
{
	static const char *const directions[] = {"TB", "BT", "RL", "LR"};

	for (const char *p = line; eol - p >= 9; p++)
		if (pg_strncasecmp(p, "direction", 9) == 0)
		{
			const char *word = p + 9;

			while (word < eol && strchr(" \t\f\v", *word) != NULL)
				word++;
			if (word == eol)
				return next_follows;
			for (int i = 0; i < lengthof(directions); i++)
				if (word > p + 9 && eol - word >= 2 && pg_strncasecmp(word, directions[i], 2) == 0)
					return true;
		}
	return false;
}

/* What Mermaid would take for a statement of its own, even between quotes; NULL if nothing. */
const char *
crm_misread_by_mermaid(const char *display)
{
	static const char *const kinds[] = {
		"<<fork>>", "<<join>>", "<<choice>>", "[[fork]]", "[[join]]", "[[choice]]"
	};
	for (const char *p = display; *p != '\0'; p++)
	{
		for (int i = 0; i < lengthof(kinds); i++)
			if (pg_strncasecmp(p, kinds[i], strlen(kinds[i])) == 0)
				return kinds[i];
	}
	if (GetDatabaseEncoding() == PG_UTF8 &&
		(strstr(display, "\xE2\x80\xA8") != NULL || strstr(display, "\xE2\x80\xA9") != NULL))
		return "a line separator";
	return crm_reads_as_direction(display, display + strlen(display), false) ? "direction" : NULL;
}

bool
crm_draft_display(WfDraft *draft, int number, const char *start, const char *end, DraftPlace place)
{
	DraftNode  *node = DRAFT_NODE(draft, number);
	char	   *display;
	const char *misread;

	while (start < end && strchr(" \t\f\v", *start) != NULL)
		start++;
	while (end > start && strchr(" \t\f\v", end[-1]) != NULL)
		end--;
	if (start == end)
		return DRAFT_FAULT(draft, place, "Leave it out; the name is shown then.",
						   "state \"%s\" has an empty display name", node->name);
	if (end - start > WF_MAX_DISPLAY)
		return DRAFT_TOO_LARGE(draft, place, "Shorten it.", "a display name is longer than %d bytes", WF_MAX_DISPLAY);
	display = pnstrdup(start, end - start);
	if (strchr(display, '"') != NULL)
		return DRAFT_FAULT(draft, place, "Use single quotes, or leave them out.",
						   "the display name of state \"%s\" holds a double quote", node->name);
	if (strstr(display, "%%") != NULL)
		return DRAFT_FAULT(draft, place, "Put the comment on a line of its own.",
						   "a comment cannot stand behind a label");
	misread = crm_misread_by_mermaid(display);
	if (misread != NULL)
		return DRAFT_FAULT(draft, place, "Say it in other words.",
						   "the display name of state \"%s\" holds \"%s\", which Mermaid takes for a statement",
						   node->name, misread);
	if (node->display != NULL && strcmp(node->display, display) != 0)
		return DRAFT_FAULT(draft, place, "Remove one of them.",
						   "state \"%s\" has two display names, \"%s\" and \"%s\"",
						   node->name, node->display, display);
	node->display = display;
	node->ndisplays++;
	return true;
}

bool
crm_draft_edge(WfDraft *draft, const DraftEdge *edge)
{
	DraftNode  *source = DRAFT_NODE(draft, edge->from);
	DraftEdge  *copy;

	if (draft->nedges >= WF_MAX_EDGES)
		return DRAFT_TOO_LARGE(draft, edge->place, SPLIT_IT, "a workflow has at most %d edges", WF_MAX_EDGES);
	copy = palloc(sizeof(DraftEdge));
	*copy = *edge;
	source->edges = lappend(source->edges, copy);
	draft->nedges++;
	return true;
}
