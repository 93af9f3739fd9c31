/*
 * workflow_parse.c
 *		Reads a Mermaid stateDiagram-v2 into a draft, statement by statement.
 *
 * A statement ends with its line, so the parser works line by line and never
 * looks back. Nothing here recurses. Grammar: README.md, "The workflow type".
 */
#include "crm.h"

#include "mb/pg_wchar.h"

#include "workflow.h"
#include "workflow_draft.h"

typedef struct Parser
{
	WfDraft    *draft;
	Node	   *escontext;
	const char *p;				/* next character */
	const char *end;			/* end of the text */
	const char *eol;			/* end of this line, line break excluded */
	int			line;
	bool		header_seen;
	bool		statement_seen;
} Parser;

#define FAULT(parser, place, hint, ...) \
	crm_draft_error((parser)->draft, (place), (parser)->escontext, \
					ERRCODE_INVALID_TEXT_REPRESENTATION, (hint), __VA_ARGS__)
#define TOO_LARGE(parser, place, hint, ...) \
	crm_draft_error((parser)->draft, (place), (parser)->escontext, \
					ERRCODE_PROGRAM_LIMIT_EXCEEDED, (hint), __VA_ARGS__)

#define SPLIT_IT	"A process that people follow is far smaller; split it into several."

/*
 * Words that open a statement in Mermaid: as a state they would draw something
 * else, or nothing. "end" closes a note there.
 */
static const char *const reserved_words[] = {
	"accdescr", "acctitle", "as", "class", "classdef", "click", "default",
	"direction", "end", "hide", "href", "note", "scale", "state", "statediagram",
	"style"
};

/* Statements about looks only: they are read over, and not kept. */
static const char *const looks_words[] = {
	"accdescr", "acctitle", "classdef", "direction", "hide", "scale", "style"
};

/*
 * Code points beyond ASCII that are no letters: controls, blanks, punctuation,
 * symbols, format characters. Fixed ranges, not the locale's opinion: the type
 * is immutable, so what is a name must not depend on where it is asked.
 */
static const struct
{
	pg_wchar	first,
				last;
}			not_letters[] = {
	{0x0080, 0x00A9}, {0x00AB, 0x00B4}, {0x00B6, 0x00B9}, {0x00BB, 0x00BF},
	{0x00D7, 0x00D7}, {0x00F7, 0x00F7}, {0x1680, 0x1680}, {0x180E, 0x180E},
	{0x2000, 0x206F}, {0x20A0, 0x20CF}, {0x2190, 0x2BFF}, {0x2E00, 0x2E7F},
	{0x3000, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030}, {0xD800, 0xF8FF},
	{0xFE00, 0xFE19}, {0xFE30, 0xFE6F}, {0xFEFF, 0xFEFF}, {0xFF00, 0xFF0F},
	{0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF},
	{0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}
};

static DraftPlace
here(const Parser *parser)
{
	DraftPlace	place = {parser->p, parser->line};

	return place;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

static void
skip_blanks(Parser *parser)
{
	while (parser->p < parser->eol && is_blank(*parser->p))
		parser->p++;
}

static bool
at_eol(const Parser *parser)
{
	return parser->p >= parser->eol;
}

static bool
looking_at(const Parser *parser, const char *token)
{
	size_t		len = strlen(token);

	return (size_t) (parser->eol - parser->p) >= len &&
		memcmp(parser->p, token, len) == 0;
}

static bool
accept(Parser *parser, const char *token)
{
	if (!looking_at(parser, token))
		return false;
	parser->p += strlen(token);
	return true;
}

/* Bytes of the id character at p; 0 if no id can have it (there). */
static int
id_character(const Parser *parser, bool first)
{
	unsigned char c;
	int			len;
	pg_wchar	code;

	if (at_eol(parser))
		return 0;
	c = (unsigned char) *parser->p;
	if (!IS_HIGHBIT_SET(c))
	{
		if (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
			return 1;
		return (!first && c >= '0' && c <= '9') ? 1 : 0;
	}

	/* The server has verified the encoding of its text before we see it. */
	len = pg_mblen(parser->p);
	if (len > parser->eol - parser->p)
		return 0;
	if (GetDatabaseEncoding() != PG_UTF8)
		return len;
	code = utf8_to_unicode((const unsigned char *) parser->p);
	for (size_t i = 0; i < lengthof(not_letters); i++)
		if (code >= not_letters[i].first && code <= not_letters[i].last)
			return 0;
	return len;
}

/* The id at p as a new string, p moved behind it; NULL if there is none. */
static char *
scan_id(Parser *parser)
{
	const char *start = parser->p;
	int			len;

	while ((len = id_character(parser, parser->p == start)) > 0)
		parser->p += len;
	return parser->p > start ? pnstrdup(start, parser->p - start) : NULL;
}

static bool
is_one_of(const char *word, const char *const *list, int nlist)
{
	for (int i = 0; i < nlist; i++)
		if (pg_strcasecmp(word, list[i]) == 0)
			return true;
	return false;
}

#define IS_ONE_OF(word, list) is_one_of((word), (list), lengthof(list))

/* Number of a name; a new one is appended. *found tells which. */
static int
name_number(HTAB *names, const char *name, int next, bool *found)
{
	DraftName  *entry = hash_search(names, name, HASH_ENTER, found);

	if (!*found)
		entry->number = next;
	return entry->number;
}

/* A name that is not too long for the hash keys and the messages. */
static bool
check_name(Parser *parser, const char *name, DraftPlace place)
{
	if (strlen(name) > WF_MAX_NAME)
		return TOO_LARGE(parser, place, "Shorten it.", "a name is longer than %d bytes", WF_MAX_NAME);
	return true;
}

static bool
intern_state(Parser *parser, const char *name, DraftPlace place, int *number)
{
	WfDraft    *draft = parser->draft;
	bool		found;

	if (IS_ONE_OF(name, reserved_words))
		return FAULT(parser, place,
					 "Choose another name; a display name may be anything: state \"end\" as ended.",
					 "\"%s\" is a reserved word in Mermaid and cannot name a state", name);
	if (!check_name(parser, name, place))
		return false;
	*number = name_number(draft->state_names, name, list_length(draft->states), &found);
	if (!found)
	{
		DraftState *state = palloc0(sizeof(DraftState));

		if (list_length(draft->states) >= WF_MAX_STATES)
			return TOO_LARGE(parser, place, SPLIT_IT, "a workflow has at most %d states", WF_MAX_STATES);
		state->name = pstrdup(name);
		state->first = place;
		draft->states = lappend(draft->states, state);
	}
	return true;
}

static bool
intern_event(Parser *parser, const char *name, DraftPlace place, int *number)
{
	WfDraft    *draft = parser->draft;
	bool		found;

	if (!check_name(parser, name, place))
		return false;
	*number = name_number(draft->event_names, name, list_length(draft->events), &found);
	if (!found)
		draft->events = lappend(draft->events, pstrdup(name));
	return true;
}

static bool
add_member(Parser *parser, int state, const char *class, DraftPlace place)
{
	WfDraft    *draft = parser->draft;
	DraftMember *member = palloc(sizeof(DraftMember));
	bool		found;

	if (!check_name(parser, class, place))
		return false;
	if (list_length(draft->members) >= WF_MAX_MEMBERS)
		return TOO_LARGE(parser, place, SPLIT_IT, "a workflow has at most %d class members", WF_MAX_MEMBERS);
	member->class = name_number(draft->class_names, class, list_length(draft->classes), &found);
	if (!found)
		draft->classes = lappend(draft->classes, pstrdup(class));
	member->state = state;
	draft->members = lappend(draft->members, member);
	return true;
}

static bool
set_display(Parser *parser, int number, const char *start, const char *end, DraftPlace place)
{
	DraftState *state = list_nth(parser->draft->states, number);
	char	   *display;

	while (start < end && is_blank(*start))
		start++;
	while (end > start && is_blank(end[-1]))
		end--;
	if (start == end)
		return FAULT(parser, place, "Leave it out; the name is shown then.",
					 "state \"%s\" has an empty display name", state->name);
	if (end - start > WF_MAX_DISPLAY)
		return TOO_LARGE(parser, place, "Shorten it.", "a display name is longer than %d bytes", WF_MAX_DISPLAY);
	display = pnstrdup(start, end - start);
	if (strchr(display, '"') != NULL)
		return FAULT(parser, place, "Use single quotes, or leave them out.",
					 "the display name of state \"%s\" holds a double quote", state->name);
	if (strstr(display, "%%") != NULL)
		return FAULT(parser, place, "Put the comment on a line of its own.",
					 "a comment cannot stand behind a label");
	if (state->display != NULL && strcmp(state->display, display) != 0)
		return FAULT(parser, place, "Remove one of them.",
					 "state \"%s\" has two display names, \"%s\" and \"%s\"",
					 state->name, state->display, display);
	state->display = display;
	return true;
}

/* A statement is over: a comment may follow, nothing else. */
static bool
expect_eol(Parser *parser)
{
	skip_blanks(parser);
	if (at_eol(parser) || looking_at(parser, "%%"))
		return true;
	return FAULT(parser, here(parser), "Write one statement a line.",
				 "unexpected text behind a statement");
}

/* [':::' name] behind a state */
static bool
parse_shorthand_class(Parser *parser, int state)
{
	DraftPlace	place;
	char	   *class;

	if (!accept(parser, ":::"))
		return true;
	place = here(parser);
	class = scan_id(parser);
	if (class == NULL)
		return FAULT(parser, place, "A class is given as: paid:::booked",
					 "a class name is expected behind \":::\"");
	return add_member(parser, state, class, place);
}

/* What an edge leads from or to: [*] (number -1) or a state. */
static bool
parse_end(Parser *parser, int *number)
{
	DraftPlace	place = here(parser);
	char	   *name;

	*number = -1;
	if (accept(parser, "[*]"))
		return true;
	name = scan_id(parser);
	if (name == NULL)
		return FAULT(parser, place,
					 "A state name starts with a letter or _, and goes on with letters, digits and _.",
					 at_eol(parser) ? "a state is expected, but the line ends" : "a state is expected");
	return intern_state(parser, name, place, number) &&
		parse_shorthand_class(parser, *number);
}

/* Things that break Mermaid inside a label, and things that are not built yet. */
static bool
check_label(Parser *parser)
{
	static const struct
	{
		const char *token,
				   *fault,
				   *hint;
	}			broken[] = {
		{"%%", "a comment cannot stand behind a label", "Put the comment on a line of its own."},
		{";", "\";\" cannot stand in a label, Mermaid ends the statement there", "Write one statement a line."},
		{"::", "\"::\" cannot stand in a label, Mermaid breaks on it", "A label holds events, each one word."},
		{"[[", "\"[[\" cannot stand in a label", "A label holds events, each one word."},
	};

	for (const char *p = parser->p; p < parser->eol; p++)
	{
		Parser		at = *parser;

		at.p = p;
		for (size_t i = 0; i < lengthof(broken); i++)
			if (looking_at(&at, broken[i].token))
				return FAULT(parser, here(&at), broken[i].hint, "%s", broken[i].fault);
		if (*p == '[')
			return FAULT(parser, here(&at), "Leave the guard out for now.",
						 "guards are not supported yet");
	}
	return true;
}

static bool
add_edge(Parser *parser, int from, int to, const char *event, DraftPlace place)
{
	WfDraft    *draft = parser->draft;
	DraftState *source = list_nth(draft->states, from);
	DraftState *target = list_nth(draft->states, to);
	DraftEdge  *edge = palloc(sizeof(DraftEdge));

	if (draft->nedges >= WF_MAX_EDGES)
		return TOO_LARGE(parser, place, SPLIT_IT, "a workflow has at most %d edges", WF_MAX_EDGES);
	edge->from = from;
	edge->to = to;
	edge->place = place;
	if (!intern_event(parser, event, place, &edge->event))
		return false;
	source->edges = lappend(source->edges, edge);
	target->entered = true;
	draft->nedges++;
	return true;
}

/* ':' has been read: event {',' event} */
static bool
parse_label(Parser *parser, int from, int to)
{
	if (!check_label(parser))
		return false;
	for (;;)
	{
		DraftPlace	place;
		char	   *event;

		skip_blanks(parser);
		place = here(parser);
		event = scan_id(parser);
		if (event == NULL)
			return FAULT(parser, place,
						 "An event starts with a letter or _, and goes on with letters, digits and _.",
						 at_eol(parser) ? "an event is expected, but the line ends" : "an event is expected");
		skip_blanks(parser);
		if (strcmp(event, "after") == 0 && !at_eol(parser) && *parser->p != ',')
			return FAULT(parser, place, "Leave the edge out for now.",
						 "timers (\"after …\") are not supported yet");
		if (!add_edge(parser, from, to, event, place))
			return false;
		if (at_eol(parser))
			return true;
		if (!accept(parser, ","))
			return FAULT(parser, here(parser),
						 "An event is one word, such as pay_deposit; a comma separates two events.",
						 "unexpected text in a label");
	}
}

/* end '-->' has been read up to the arrow */
static bool
parse_edge(Parser *parser, int from, DraftPlace from_place)
{
	WfDraft    *draft = parser->draft;
	DraftPlace	arrow = here(parser);
	DraftPlace	to_place;
	bool		labelled;
	int			to;

	if (!accept(parser, "-->") || looking_at(parser, ">"))
		return FAULT(parser, arrow, "An edge is written: pending --> submitted : submit",
					 "\"-->\" is expected");
	skip_blanks(parser);
	to_place = here(parser);
	if (!parse_end(parser, &to))
		return false;
	skip_blanks(parser);
	labelled = accept(parser, ":");

	if (from < 0 && to < 0)
		return FAULT(parser, from_place, "Name the state that it starts in: [*] --> pending",
					 "an edge cannot lead from [*] to [*]");
	if ((from < 0 || to < 0) && labelled)
		return FAULT(parser, arrow, "Leave the label out.",
					 from < 0 ? "the edge from [*] takes no label" : "an edge to [*] takes no label");
	if (from < 0)
	{
		if (draft->initial >= 0)
			return FAULT(parser, from_place,
						 "A workflow starts in exactly one state.",
						 "a second edge from [*]; the first one is on line %d",
						 draft->initial_place.line);
		draft->initial = to;
		draft->initial_place = from_place;
		((DraftState *) list_nth(draft->states, to))->entered = true;
		return expect_eol(parser);
	}
	if (to < 0)
	{
		DraftState *state = list_nth(draft->states, from);

		if (state->final)
			return FAULT(parser, from_place, "Remove one of them.",
						 "state \"%s\" is marked final twice", state->name);
		state->final = true;
		return expect_eol(parser);
	}
	if (labelled)
		return parse_label(parser, from, to);

	/* An edge without label is an event named after its target. */
	if (!expect_eol(parser))
		return false;
	return add_edge(parser, from, to,
					((DraftState *) list_nth(draft->states, to))->name, to_place);
}

/* 'state' has been read: '"' text '"' 'as' id | id */
static bool
parse_state(Parser *parser)
{
	const char *display = NULL;
	const char *display_end = NULL;
	DraftPlace	display_place = here(parser);
	DraftPlace	place;
	char	   *word;
	int			number;

	if (accept(parser, "\""))
	{
		display = parser->p;
		while (!at_eol(parser) && *parser->p != '"')
			parser->p++;
		display_end = parser->p;
		if (!accept(parser, "\""))
			return FAULT(parser, display_place, "A display name is given as: state \"Awaiting payment\" as submitted",
						 "a display name lacks its closing quote");
		skip_blanks(parser);
		place = here(parser);
		word = scan_id(parser);
		if (word == NULL || pg_strcasecmp(word, "as") != 0)
			return FAULT(parser, place, "A display name is given as: state \"Awaiting payment\" as submitted",
						 "\"as\" is expected behind a display name");
		skip_blanks(parser);
	}
	place = here(parser);
	word = scan_id(parser);
	if (word == NULL)
		return FAULT(parser, place,
					 "A state name starts with a letter or _, and goes on with letters, digits and _.",
					 "the name of a state is expected");
	if (!intern_state(parser, word, place, &number) ||
		!parse_shorthand_class(parser, number))
		return false;
	if (display != NULL && !set_display(parser, number, display, display_end, display_place))
		return false;

	skip_blanks(parser);
	if (looking_at(parser, "{"))
		return FAULT(parser, here(parser), "Write the edges of each member out for now.",
					 "composite states are not supported yet");
	if (looking_at(parser, "<<") || looking_at(parser, "[["))
		return FAULT(parser, here(parser),
					 "Draw the edges directly from state to state.",
					 "<<choice>>, <<fork>> and <<join>> are not states that an order can be in");
	return expect_eol(parser);
}

/* 'class' has been read: id {',' id} name */
static bool
parse_class(Parser *parser)
{
	List	   *numbers = NIL;
	DraftPlace	place;
	char	   *class;
	ListCell   *lc;

	for (;;)
	{
		char	   *name;
		int			number;

		place = here(parser);
		name = scan_id(parser);
		if (name == NULL)
			return FAULT(parser, place, "A class is given as: class paid,shipped booked",
						 "the name of a state is expected");
		if (!intern_state(parser, name, place, &number))
			return false;
		numbers = lappend_int(numbers, number);
		skip_blanks(parser);
		if (!accept(parser, ","))
			break;
		skip_blanks(parser);
	}
	place = here(parser);
	class = scan_id(parser);
	if (class == NULL)
		return FAULT(parser, place, "A class is given as: class paid,shipped booked",
					 "the name of a class is expected");
	foreach(lc, numbers)
		if (!add_member(parser, lfirst_int(lc), class, place))
			return false;
	return expect_eol(parser);
}

/* Read over up to and including the closing token, over line ends too. */
static bool
skip_block(Parser *parser, const char *closing, DraftPlace place)
{
	size_t		len = strlen(closing);

	for (; (size_t) (parser->end - parser->p) >= len; parser->p++)
	{
		if (memcmp(parser->p, closing, len) == 0)
		{
			parser->p += len;
			parser->eol = parser->p;
			while (parser->eol < parser->end && *parser->eol != '\n' && *parser->eol != '\r')
				parser->eol++;
			return expect_eol(parser);
		}
		if (*parser->p == '\n')
			parser->line++;
	}
	return FAULT(parser, place, "The block that starts here has no end.", "\"%s\" is missing", closing);
}

/* The word at the start of a statement has been read; is it a keyword there? */
static bool
keyword_follows(const Parser *parser)
{
	Parser		ahead = *parser;

	/* "note --> x" and "style : text" use the word as a name: a fault of its own */
	skip_blanks(&ahead);
	return !looking_at(&ahead, "-->") && !looking_at(&ahead, ":::") &&
		(!looking_at(&ahead, ":") || ahead.p == parser->p);
}

static bool
parse_word_statement(Parser *parser)
{
	DraftPlace	place = here(parser);
	char	   *word = scan_id(parser);
	int			number;

	Assert(word != NULL);
	if (pg_strcasecmp(word, "stateDiagram") == 0)
	{
		accept(parser, "-v2");
		if (parser->header_seen || parser->statement_seen)
			return FAULT(parser, place, "The header is the first statement, and there once.",
						 "misplaced header");
		parser->header_seen = true;
		return expect_eol(parser);
	}
	parser->statement_seen = true;

	if (keyword_follows(parser))
	{
		if (pg_strcasecmp(word, "state") == 0)
		{
			skip_blanks(parser);
			return parse_state(parser);
		}
		if (pg_strcasecmp(word, "class") == 0)
		{
			skip_blanks(parser);
			return parse_class(parser);
		}
		if (pg_strcasecmp(word, "note") == 0)
			return FAULT(parser, place, "Write a comment instead for now: %% text",
						 "notes are not supported yet");
		if (IS_ONE_OF(word, looks_words))
		{
			skip_blanks(parser);
			if (pg_strcasecmp(word, "accDescr") == 0 && looking_at(parser, "{"))
				return skip_block(parser, "}", place);
			parser->p = parser->eol;
			return true;
		}
	}

	if (!intern_state(parser, word, place, &number) ||
		!parse_shorthand_class(parser, number))
		return false;
	skip_blanks(parser);
	if (accept(parser, ":"))
	{
		DraftPlace	display_place;

		skip_blanks(parser);
		display_place = here(parser);
		return set_display(parser, number, parser->p, parser->eol, display_place);
	}
	if (at_eol(parser) || looking_at(parser, "%%"))
		return true;
	return parse_edge(parser, number, place);
}

static bool
parse_line(Parser *parser)
{
	DraftPlace	place;
	int			number;

	skip_blanks(parser);
	place = here(parser);
	if (at_eol(parser))
		return true;
	if (looking_at(parser, "%%{"))
		return skip_block(parser, "}%%", place);
	if (looking_at(parser, "%%"))
		return true;
	if (id_character(parser, true) > 0)
		return parse_word_statement(parser);

	parser->statement_seen = true;
	if (looking_at(parser, "[*]"))
	{
		if (!parse_end(parser, &number))
			return false;
		skip_blanks(parser);
		return parse_edge(parser, number, place);
	}
	if (looking_at(parser, "---"))
		return FAULT(parser, place, "Start with the line stateDiagram-v2.",
					 "front matter is not supported yet");
	if (looking_at(parser, "--"))
		return FAULT(parser, place,
					 "A row is in one state at a time; make two workflows.",
					 "\"--\" (concurrent regions) is not supported");
	if (looking_at(parser, "}"))
		return FAULT(parser, place, "Write the edges of each member out for now.",
					 "unexpected \"}\"");
	return FAULT(parser, place,
				 "A line holds an edge (a --> b : event), a state, a class or a %% comment.",
				 "a statement is expected");
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

/*
 * Parse a text in server encoding, len bytes without a NUL among them. The
 * draft points into the text. NULL after a soft error.
 */
WfDraft *
crm_workflow_parse(const char *text, int len, Node *escontext)
{
	WfDraft    *draft = palloc0(sizeof(WfDraft));
	Parser		parser = {0};
	DraftPlace	start = {text, 1};

	draft->text = text;
	draft->len = len;
	draft->initial = -1;
	parser.draft = draft;
	parser.escontext = escontext;
	if (len > WF_MAX_TEXT)
	{
		TOO_LARGE(&parser, start, SPLIT_IT, "a workflow text has at most %d bytes, this one has %d",
				  WF_MAX_TEXT, len);
		return NULL;
	}
	draft->state_names = make_names("crm workflow states");
	draft->event_names = make_names("crm workflow events");
	draft->class_names = make_names("crm workflow classes");

	parser.p = text;
	parser.end = text + len;
	parser.line = 1;
	for (;;)
	{
		parser.eol = parser.p;
		while (parser.eol < parser.end && *parser.eol != '\n' && *parser.eol != '\r')
			parser.eol++;
		if (!parse_line(&parser))
			return NULL;
		parser.p = parser.eol;	/* behind a comment */
		if (parser.p >= parser.end)
			return draft;
		if (*parser.p == '\r' && parser.p + 1 < parser.end && parser.p[1] == '\n')
			parser.p++;
		parser.p++;
		parser.line++;
	}
}
