/*
 * workflow_parse.c
 *		Reads a Mermaid stateDiagram-v2 into a draft, statement by statement.
 *
 * A statement ends with its line, so the parser works line by line and never
 * looks back. Nothing here recurses: the composite whose braces are open knows
 * the one around it. Grammar: README.md, "The type crm_workflow".
 */
#include "crm.h"

#include "common/string.h"
#include "mb/pg_wchar.h"

#include "workflow_scan.h"

#define NAME_HINT	"A state name starts with a letter or _, and goes on with letters, digits and _."
#define CLASS_HINT	"A class is given as: class paid,shipped booked"
#define DISPLAY_HINT "A display name is given as: state \"Awaiting payment\" as submitted"

static bool
mention_node(WfParser *parser, const char *name, DraftPlace place, int *number)
{
	return crm_draft_node(parser->draft, name, place, parser->composite, number);
}

/* [':::' name] behind a state */
static bool
parse_shorthand_class(WfParser *parser, int node)
{
	DraftPlace	place;
	char	   *class;

	WfParser	before = *parser;

	crm_scan_skip_blanks(parser);
	if (!crm_scan_accept(parser, ":::"))
	{
		*parser = before;
		return true;
	}
	crm_scan_skip_blanks(parser);
	place = crm_scan_here(parser);
	class = crm_scan_id(parser);
	if (class == NULL)
		return FAULT(parser, place, "A class is given as: paid:::booked",
					 "a class name is expected behind \":::\"");
	return crm_draft_member(parser->draft, node, class, place);
}

/* What an edge leads from or to: [*] (number -1) or a node. */
static bool
parse_end(WfParser *parser, int *number)
{
	DraftPlace	place = crm_scan_here(parser);
	char	   *name;

	*number = -1;
	if (crm_scan_accept(parser, "[*]"))
		return true;
	name = crm_scan_id(parser);
	if (name == NULL)
		return FAULT(parser, place, NAME_HINT,
					 crm_scan_at_eol(parser) ? "a state is expected, but the line ends" : "a state is expected");
	return mention_node(parser, name, place, number) &&
		parse_shorthand_class(parser, *number);
}

/* [*] --> node has been read */
static bool
set_entry(WfParser *parser, int node, DraftPlace place)
{
	WfDraft    *draft = parser->draft;

	if (parser->composite >= 0)
	{
		DraftNode  *composite = DRAFT_NODE(draft, parser->composite);

		if (composite->entry >= 0)
			return FAULT(parser, place, "A composite state is entered at exactly one state.",
						 "a second edge from [*] inside of \"%s\"; the first one is on line %d",
						 composite->name, composite->entry_place.line);
		composite->entry = node;
		composite->entry_place = place;
		return true;
	}
	if (draft->initial >= 0)
		return FAULT(parser, place, "A workflow starts in exactly one state.",
					 "a second edge from [*]; the first one is on line %d",
					 draft->initial_place.line);
	draft->initial = node;
	draft->initial_place = place;
	return true;
}

/* node --> [*] has been read */
static bool
set_final(WfParser *parser, int number, DraftPlace place)
{
	DraftNode  *node = DRAFT_NODE(parser->draft, number);

	if (node->marked_final || node->marked_end)
		return FAULT(parser, place, "Remove one of them.",
					 "state \"%s\" is marked final twice", node->name);
	if (parser->composite >= 0)
		node->marked_end = true;
	else
		node->marked_final = true;
	return true;
}

/* end '-->' has been read up to the arrow */
static bool
parse_edge(WfParser *parser, int from, DraftPlace from_place)
{
	WfDraft    *draft = parser->draft;
	DraftPlace	arrow = crm_scan_here(parser);
	DraftEdge	edge = {0};
	DraftEvent	event = {0};
	bool		labelled;
	int			to;

	if (!crm_scan_accept(parser, "-->") || crm_scan_looking_at(parser, ">"))
		return FAULT(parser, arrow, "An edge is written: pending --> submitted : submit",
					 "\"-->\" is expected");
	crm_scan_skip_blanks(parser);
	edge.place = crm_scan_here(parser);
	if (!parse_end(parser, &to))
		return false;
	crm_scan_skip_blanks(parser);
	labelled = crm_scan_accept(parser, ":");

	if (from < 0 && to < 0)
		return FAULT(parser, from_place, "Name the state that it starts in: [*] --> pending",
					 "an edge cannot lead from [*] to [*]");
	if ((from < 0 || to < 0) && labelled)
		return FAULT(parser, arrow, "Leave the label out.",
					 from < 0 ? "the edge from [*] takes no label" : "an edge to [*] takes no label");
	if (from < 0)
		return set_entry(parser, to, from_place) && crm_scan_expect_eol(parser);
	if (to < 0)
		return set_final(parser, from, from_place) && crm_scan_expect_eol(parser);
	if (labelled)
		return crm_parse_label(parser, from, to);

	/* An edge without label is an event named after its target. */
	event.name = DRAFT_NODE(draft, to)->name;
	edge.from = from;
	edge.to = to;
	edge.guard = -1;
	return crm_scan_expect_eol(parser) &&
		crm_draft_event(draft, &event, edge.place, &edge.event) &&
		crm_draft_edge(draft, &edge);
}

/* 'state' ... '{' has been read */
static bool
open_composite(WfParser *parser, int number, DraftPlace place)
{
	WfDraft    *draft = parser->draft;
	DraftNode  *composite = DRAFT_NODE(draft, number);

	crm_scan_skip_blanks(parser);
	if (crm_scan_looking_at(parser, "}"))
		return FAULT(parser, crm_scan_here(parser), "Leave the braces out: it is an ordinary state.",
					 "composite state \"%s\" has nothing inside", composite->name);
	if (composite->is_composite)
		return FAULT(parser, place, "Put all that is inside between one pair of braces.",
					 "composite state \"%s\" has braces twice, first on line %d",
					 composite->name, composite->body.line);
	composite->is_composite = true;
	composite->body = place;
	composite->composite = parser->composite;
	composite->depth = parser->composite >= 0 ? DRAFT_NODE(draft, parser->composite)->depth + 1 : 1;
	if (composite->depth > WF_MAX_DEPTH)
		return DRAFT_TOO_LARGE(draft, place, "Flatten it.",
							   "composite states are nested more than %d deep", WF_MAX_DEPTH);
	parser->composite = number;
	return crm_scan_expect_eol(parser);
}

/* '}' has been read */
static bool
close_composite(WfParser *parser, DraftPlace place)
{
	if (parser->composite < 0)
		return FAULT(parser, place, "A composite state begins with: state open {", "unexpected \"}\"");
	parser->composite = DRAFT_NODE(parser->draft, parser->composite)->composite;
	return crm_scan_expect_eol(parser);
}

/* 'state' has been read: ['"' text '"' 'as'] id ['{'] */
static bool
parse_state(WfParser *parser)
{
	const char *display = NULL;
	const char *display_end = NULL;
	DraftPlace	display_place = crm_scan_here(parser);
	DraftPlace	place;
	char	   *name;
	int			number;

	if (crm_scan_accept(parser, "\""))
	{
		display = parser->p;
		while (!crm_scan_at_eol(parser) && *parser->p != '"')
			parser->p++;
		display_end = parser->p;
		if (!crm_scan_accept(parser, "\""))
			return FAULT(parser, display_place, DISPLAY_HINT, "a display name lacks its closing quote");
		if (!crm_scan_skip_blanks(parser) || !crm_scan_accept_word(parser, "as") ||
			!crm_scan_skip_blanks(parser))
			return FAULT(parser, crm_scan_here(parser), DISPLAY_HINT, "\"as\" is expected behind a display name");
	}
	place = crm_scan_here(parser);
	name = crm_scan_id(parser);
	if (name == NULL)
		return FAULT(parser, place, NAME_HINT, "the name of a state is expected");
	if (!mention_node(parser, name, place, &number))
		return false;
	if (display != NULL &&
		!crm_draft_display(parser->draft, number, display, display_end, display_place))
		return false;
	if (crm_scan_looking_at(parser, ":"))
		return FAULT(parser, crm_scan_here(parser), "Leave the word \"state\" out: paid:::booked",
					 "a state statement takes no \":\", Mermaid would take it for a part of the name");

	crm_scan_skip_blanks(parser);
	if (crm_scan_accept(parser, "{"))
		return open_composite(parser, number, place);
	if (parser->composite >= 0 && display == NULL && !crm_scan_looking_at(parser, "<<") &&
		!crm_scan_looking_at(parser, "[["))
		return FAULT(parser, place, "Leave the word \"state\" out.",
					 "\"state %s\" puts nothing into a composite state in Mermaid", name);
	if (crm_scan_looking_at(parser, "<<") || crm_scan_looking_at(parser, "[["))
		return FAULT(parser, crm_scan_here(parser),
					 "Draw the edges directly from state to state.",
					 "<<choice>>, <<fork>> and <<join>> are not states that an order can be in");
	return crm_scan_expect_eol(parser);
}

/* 'class' has been read: id {',' id} name */
static bool
parse_class(WfParser *parser)
{
	List	   *numbers = NIL;
	DraftPlace	place;
	char	   *class;
	ListCell   *lc;

	for (;;)
	{
		char	   *name;
		int			number;

		place = crm_scan_here(parser);
		name = crm_scan_id(parser);
		if (name == NULL)
			return FAULT(parser, place, CLASS_HINT, "the name of a state is expected");
		if (!pg_is_ascii(name))
			return FAULT(parser, place, psprintf("Write it as: %s:::name", name),
						 "Mermaid's class statement takes names of ASCII letters and digits only");
		/* not mention_node(): Mermaid draws nothing here */
		if (!crm_draft_node(parser->draft, name, place, -1, &number))
			return false;
		numbers = lappend_int(numbers, number);
		if (!crm_scan_accept(parser, ","))
			break;
		crm_scan_skip_blanks(parser);
	}
	crm_scan_skip_blanks(parser);
	place = crm_scan_here(parser);
	class = crm_scan_id(parser);
	if (class == NULL)
		return FAULT(parser, place, CLASS_HINT, "the name of a class is expected");
	foreach(lc, numbers)
		if (!crm_draft_member(parser->draft, lfirst_int(lc), class, place))
			return false;
	crm_scan_skip_blanks(parser);
	if (crm_scan_looking_at(parser, "%%"))
		return FAULT(parser, crm_scan_here(parser), "Put the comment on a line of its own.",
					 "a comment cannot stand behind a class, Mermaid would take it for a part of the name");
	return crm_scan_expect_eol(parser);
}

/* The word at the start of a statement has been read; is it a keyword there? */
static bool
keyword_follows(const WfParser *parser, const char *word)
{
	WfParser	ahead = *parser;

	/* "note --> x" and "style : text" use the word as a name: a fault of its own */
	crm_scan_skip_blanks(&ahead);
	if (pg_strncasecmp(word, "acc", 3) == 0)
		return true;
	return !crm_scan_looking_at(&ahead, "-->") && !crm_scan_looking_at(&ahead, ":::") &&
		(!crm_scan_looking_at(&ahead, ":") || ahead.p == parser->p);
}

static bool
parse_header(WfParser *parser, DraftPlace place)
{
	if (!crm_scan_accept(parser, "-v2"))
		crm_scan_accept(parser, "-V2");
	if (parser->header_seen || parser->statement_seen)
		return FAULT(parser, place, "The header is the first statement, and there once.",
					 "misplaced header");
	parser->header_seen = true;
	if (crm_scan_looking_at(parser, "%%"))
		return FAULT(parser, crm_scan_here(parser), NULL, "a blank is expected behind the header");
	return crm_scan_expect_eol(parser);
}

/* A statement that starts with a word */
static bool
parse_word_statement(WfParser *parser)
{
	DraftPlace	place = crm_scan_here(parser);
	char	   *word = crm_scan_id(parser);
	int			number;

	Assert(word != NULL);
	if (strcmp(word, "stateDiagram") == 0)
		return parse_header(parser, place);
	if (pg_strcasecmp(word, "stateDiagram") == 0)
		return FAULT(parser, place, "Write: stateDiagram-v2", "Mermaid knows the header in this spelling only: stateDiagram");
	parser->statement_seen = true;

	if (keyword_follows(parser, word))
	{
		if (pg_strcasecmp(word, "state") == 0)
		{
			if (!crm_scan_skip_blanks(parser))
				return FAULT(parser, crm_scan_here(parser), DISPLAY_HINT, "a blank is expected behind \"state\"");
			return parse_state(parser);
		}
		if (pg_strcasecmp(word, "class") == 0)
		{
			crm_scan_skip_blanks(parser);
			return parse_class(parser);
		}
		if (crm_is_looks_word(word))
			return crm_parse_looks(parser, word, place);
	}

	if (!mention_node(parser, word, place, &number) ||
		!parse_shorthand_class(parser, number))
		return false;
	crm_scan_skip_blanks(parser);
	if (crm_scan_accept(parser, ":"))
	{
		const char *text = parser->p;

		crm_scan_skip_blanks(parser);
		place = crm_scan_here(parser);
		for (; parser->p < parser->eol; parser->p++)
			if (*parser->p == ';' ||
				(*parser->p == ':' && (parser->p + 1 == parser->eol || parser->p[1] == ':')))
				return FAULT(parser, crm_scan_here(parser), DISPLAY_HINT,
							 "\";\", \"::\" and a \":\" at the end break a display name behind a colon in Mermaid");
		return crm_draft_display(parser->draft, number, text, parser->eol, place);
	}
	if (crm_scan_at_eol(parser) || crm_scan_looking_at(parser, "%%"))
		return true;
	return parse_edge(parser, number, place);
}

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && strchr(" \t\f\v\r\n", *p) != NULL)
		p++;
	return p;
}

static const char *
skip_word(const char *p, const char *end)
{
	while (p < end && (*p == '_' || (*p >= '0' && *p <= '9') ||
					   (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
		p++;
	return p;
}

/*
 * '%%{' has been read. A name comes first; behind that and ':', Mermaid takes one
 * word, or anything that does not begin with one.
 */
static bool
is_directive(const char *p, const char *end)
{
	const char *word = skip_space(p, end);

	p = skip_word(word, end);
	if (p == word)
		return false;
	p = skip_space(p, end);
	if (p < end && *p == ':')
		p = skip_space(p + 1, end);
	word = p;
	p = skip_word(word, end);
	if (p == word)
		return p < end && !IS_HIGHBIT_SET(*p);	/* that may be a blank of JavaScript's */
	p = skip_space(p, end);
	return end - p >= 3 && memcmp(p, "}%%", 3) == 0;
}

static bool
parse_line(WfParser *parser)
{
	DraftPlace	place;
	int			number;

	crm_scan_skip_blanks(parser);
	place = crm_scan_here(parser);
	if (crm_scan_at_eol(parser))
		return true;
	if (crm_scan_accept(parser, "%%{"))
	{
		if (!is_directive(parser->p, parser->end))
			return FAULT(parser, place, "Write: %%{init: {\"theme\": \"dark\"}}%%", "the directive is not one that Mermaid reads");
		return crm_scan_block(parser, "}%%", false, place);
	}
	if (crm_scan_looking_at(parser, "%%"))
		return true;
	if (crm_reads_as_direction(parser->p, parser->eol, true) &&
		!crm_scan_looking_at_word(parser, "direction"))
		return FAULT(parser, place, "Choose other words.",
					 "Mermaid would take this line for a direction, as it holds that word");
	if (crm_id_character(parser->p, parser->eol, true) > 0)
		return parse_word_statement(parser);

	parser->statement_seen = true;
	if (crm_scan_looking_at(parser, "[*]"))
	{
		if (!parse_end(parser, &number))
			return false;
		crm_scan_skip_blanks(parser);
		return parse_edge(parser, number, place);
	}
	if (crm_scan_accept(parser, "}"))
		return close_composite(parser, place);
	if (crm_scan_looking_at(parser, "--"))
		return FAULT(parser, place,
					 "A row is in one state at a time; make two workflows.",
					 "\"--\" (concurrent regions) is not supported");
	return FAULT(parser, place,
				 "A line holds an edge (a --> b : event), a state, a class or a %% comment.",
				 "a statement is expected");
}

static bool
expect_nothing(WfParser *parser)
{
	crm_scan_skip_blanks(parser);
	if (crm_scan_at_eol(parser))
		return true;
	return FAULT(parser, crm_scan_here(parser), "Leave the rest of the line empty.",
				 "unexpected text behind \"---\"");
}

/* The text begins with '---': YAML for the renderer, up to the next such line. */
static bool
skip_front_matter(WfParser *parser)
{
	DraftPlace	start = crm_scan_here(parser);
	int			lines = 0;

	if (!crm_scan_accept(parser, "---"))
		return true;
	if (!expect_nothing(parser))
		return false;
	while (crm_scan_next_line(parser) && !crm_scan_looking_at(parser, "---"))
		lines++;
	if (lines == 0 || !crm_scan_accept(parser, "---"))
		return FAULT(parser, start, "Front matter is some lines of YAML, and ends with a line of its own: ---",
					 "front matter has no content, or no end");
	return expect_nothing(parser);
}

/*
 * What Mermaid would stumble over wherever it is: an open directive hides the
 * rest of the text, and some of its rules take U+2028 and U+2029 for line ends.
 */
static bool
check_text(WfParser *parser)
{
	WfParser	at = *parser;

	do
	{
		crm_scan_skip_blanks(&at);
		if (crm_scan_looking_at(&at, "%%{"))
			at.p += 3;
		for (; at.p < at.eol; at.p++)
		{
			if (GetDatabaseEncoding() == PG_UTF8 &&
				(crm_scan_looking_at(&at, "\xE2\x80\xA8") || crm_scan_looking_at(&at, "\xE2\x80\xA9")))
				return FAULT(parser, crm_scan_here(&at), "Remove it.",
							 "the line separators U+2028 and U+2029 cannot stand in a workflow");
			if (crm_scan_looking_at(&at, "%%{"))
				return FAULT(parser, crm_scan_here(&at), "Put the directive on a line of its own.",
							 "\"%%%%{\" begins a directive, and can only stand at the start of a line");
		}
	} while (crm_scan_next_line(&at));
	return true;
}

/*
 * Parse a text in server encoding, len bytes without a NUL among them. The
 * draft points into the text. NULL after a soft error.
 */
WfDraft *
crm_workflow_parse(const char *text, int len, Node *escontext)
{
	WfDraft    *draft = crm_draft_create(text, len, escontext);
	WfParser	parser = {0};

	parser.draft = draft;
	parser.composite = -1;
	parser.p = text;
	parser.end = text + len;
	parser.line = 1;
	crm_scan_line(&parser);
	if (len > WF_MAX_TEXT)
	{
		DRAFT_TOO_LARGE(draft, crm_scan_here(&parser), SPLIT_IT,
						"a workflow text has at most %d bytes, this one has %d", WF_MAX_TEXT, len);
		return NULL;
	}

	if (!check_text(&parser) || !skip_front_matter(&parser))
		return NULL;
	do
	{
		if (!parse_line(&parser))
			return NULL;
	} while (crm_scan_next_line(&parser));

	if (parser.composite >= 0)
	{
		DraftNode  *open = DRAFT_NODE(draft, parser.composite);

		FAULT(&parser, open->body, "Close the braces with a line: }",
			  "composite state \"%s\" has no closing brace", open->name);
		return NULL;
	}
	return draft;
}
