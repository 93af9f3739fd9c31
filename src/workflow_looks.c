/*
 * workflow_looks.c
 *		Statements about looks only: read over, and not kept.
 *
 * They are read as strictly as Mermaid reads them, as a text that we take should
 * also be a picture. A missing value is a fault because Mermaid would take the
 * next line for it.
 */
#include "crm.h"

#include "workflow_scan.h"

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

bool
crm_is_looks_word(const char *word)
{
	static const char *const words[] = {
		"accdescr", "acctitle", "classdef", "click", "direction", "hide", "note", "scale", "style"
	};

	for (int i = 0; i < lengthof(words); i++)
		if (pg_strcasecmp(word, words[i]) == 0)
			return true;
	return false;
}

/* Something is left of the line, other than a comment. */
static bool
skip_value(WfParser *parser, const char *what, const char *hint)
{
	crm_scan_skip_wide_blanks(parser);
	if (crm_scan_at_eol(parser) || crm_scan_looking_at(parser, "%%"))
		return FAULT(parser, crm_scan_here(parser), hint, "%s is expected, but the line ends", what);
	parser->p = parser->eol;
	return true;
}

/* Names of ASCII letters and digits, as Mermaid's \w, and at least one blank. */
static bool
skip_names(WfParser *parser, const char *characters, const char *hint)
{
	DraftPlace	place = crm_scan_here(parser);

	while (!crm_scan_at_eol(parser) && strchr(characters, *parser->p) != NULL)
		parser->p++;
	if (parser->p > place.at && crm_scan_skip_blanks(parser))
		return true;
	return FAULT(parser, place, hint, "a name of ASCII letters and digits is expected");
}

static bool
skip_direction(WfParser *parser)
{
	if (crm_scan_accept_word(parser, "TB") || crm_scan_accept_word(parser, "BT") ||
		crm_scan_accept_word(parser, "LR") || crm_scan_accept_word(parser, "RL"))
		return crm_scan_expect_eol(parser);
	return FAULT(parser, crm_scan_here(parser), "Write: direction LR", "a direction is TB, BT, LR or RL");
}

static bool
skip_scale(WfParser *parser)
{
	static const char *const hint = "Write: scale 350 width";
	DraftPlace	place = crm_scan_here(parser);

	while (!crm_scan_at_eol(parser) && *parser->p >= '0' && *parser->p <= '9')
		parser->p++;
	if (parser->p == place.at)
		return FAULT(parser, place, hint, "a whole number is expected");
	if (!crm_scan_skip_blanks(parser) || !crm_scan_accept_word(parser, "width"))
		return FAULT(parser, crm_scan_here(parser), hint, "\"width\" is expected");
	return crm_scan_expect_eol(parser);
}

/* A text between double quotes; Mermaid has no escapes there. */
static bool
skip_string(WfParser *parser, const char *hint)
{
	DraftPlace	place = crm_scan_here(parser);

	if (crm_scan_accept(parser, "\""))
		while (!crm_scan_at_eol(parser))
		{
			if (crm_scan_accept(parser, "\""))
				return true;
			parser->p++;
		}
	return FAULT(parser, place, hint, "a text in double quotes is expected");
}

static bool
skip_click(WfParser *parser)
{
	static const char *const hint = "Write: click paid \"https://example.com\" \"tooltip\"";
	DraftPlace	place = crm_scan_here(parser);

	if (crm_scan_id(parser) == NULL)
		return FAULT(parser, place, hint, "the name of a state is expected");
	crm_scan_skip_blanks(parser);
	if (crm_scan_accept_word(parser, "href"))
		crm_scan_skip_blanks(parser);
	else
	{
		if (!skip_string(parser, hint))
			return false;
		crm_scan_skip_blanks(parser);
	}
	if (!skip_string(parser, hint))
		return false;
	if (crm_scan_skip_blanks(parser) && crm_scan_at_eol(parser))
		return FAULT(parser, crm_scan_here(parser), "Remove it.",
					 "a blank at the end of a click statement breaks Mermaid");
	return crm_scan_expect_eol(parser);
}

static bool
parse_note(WfParser *parser, DraftPlace place)
{
	static const char *const hint = "Write: note right of paid : text";
	char	   *name;
	int			node;

	if (crm_scan_looking_at(parser, "\""))
	{
		if (crm_scan_looking_at(parser, "\"\""))
			return FAULT(parser, crm_scan_here(parser), hint, "the text of a note is empty");
		if (!skip_string(parser, hint))
			return false;
		crm_scan_skip_blanks(parser);
		if (!crm_scan_accept_word(parser, "as"))
			return FAULT(parser, crm_scan_here(parser), hint, "\"as\" is expected behind the text of a note");
		crm_scan_skip_blanks(parser);
		if (crm_scan_id(parser) == NULL)
			return FAULT(parser, crm_scan_here(parser), hint, "a name is expected behind \"as\"");
		return crm_scan_expect_eol(parser);
	}

	if (!crm_scan_accept_word(parser, "left") && !crm_scan_accept_word(parser, "right"))
		return FAULT(parser, crm_scan_here(parser), hint, "\"left of\" or \"right of\" is expected");
	if (!crm_scan_accept(parser, " ") || !crm_scan_accept_word(parser, "of"))
		return FAULT(parser, crm_scan_here(parser), hint, "\"of\" is expected");
	crm_scan_skip_blanks(parser);
	place = crm_scan_here(parser);
	name = crm_scan_id(parser);
	if (name == NULL)
		return FAULT(parser, place, hint, "the name of a state is expected");
	if (!crm_draft_node(parser->draft, name, place, parser->composite, &node))
		return false;
	crm_scan_skip_blanks(parser);
	if (crm_scan_accept(parser, ":"))
	{
		for (const char *p = parser->p; p < parser->eol; p++)
			if (*p == ':' || *p == ';')
				return FAULT(parser, crm_scan_here(parser),
							 "Use the form of several lines, which ends with: end note",
							 "a note of one line cannot hold \":\" or \";\", Mermaid breaks on them");
		return skip_value(parser, "the text of a note", hint);
	}
	if (!crm_scan_at_eol(parser))
		return FAULT(parser, crm_scan_here(parser), hint, "\":\" is expected, or the end of the line");

	/* The lines up to "end note" are text, unless the first begins as above. */
	for (bool first = true; crm_scan_next_line(parser);)
	{
		crm_scan_skip_wide_blanks(parser);
		if (crm_scan_looking_at(parser, "%%{"))
			return FAULT(parser, crm_scan_here(parser), "Put the directive elsewhere.",
						 "\"%%%%{\" cannot stand in a block of text");
		if (first && crm_scan_looking_at(parser, ":"))
			return FAULT(parser, crm_scan_here(parser), hint, "the text of a note cannot begin with \":\"");
		if (parser->eol - parser->p >= 8 && pg_strncasecmp(parser->p, "end note", 8) == 0 &&
			(parser->eol - parser->p == 8 || strchr(NAME_CHARACTERS, parser->p[8]) == NULL))
		{
			parser->p += 8;
			return crm_scan_expect_eol(parser);
		}
		if (!crm_scan_at_eol(parser) && !crm_scan_looking_at(parser, "%%"))
			first = false;
	}
	return FAULT(parser, place, "A note of several lines ends with the line: end note",
				 "\"end note\" is missing");
}

/* A statement that begins with such a word; the word has been read. */
bool
crm_parse_looks(WfParser *parser, const char *word, DraftPlace place)
{
	/* Mermaid takes the words of this one with single blanks only */
	if (pg_strcasecmp(word, "hide") == 0 && parser->composite < 0)
	{
		if (!crm_scan_accept_word(parser, " empty description"))
			return FAULT(parser, crm_scan_here(parser), "Write: hide empty description",
						 "\"empty description\" is expected");
		return crm_scan_expect_eol(parser);
	}
	if (!crm_scan_skip_blanks(parser) && pg_strncasecmp(word, "acc", 3) != 0)
		return FAULT(parser, crm_scan_here(parser), NULL, "a blank is expected behind \"%s\"", word);

	if (pg_strcasecmp(word, "direction") == 0)
		return skip_direction(parser);
	if (pg_strcasecmp(word, "note") == 0)
		return parse_note(parser, place);
	if (pg_strcasecmp(word, "classDef") == 0)
	{
		static const char *const hint = "Write: classDef late fill:#f99";

		if (crm_scan_accept_word(parser, "default"))
			return FAULT(parser, place, hint, "Mermaid does not read \"classDef default\"");
		return skip_names(parser, NAME_CHARACTERS, hint) && skip_value(parser, "a style", hint);
	}
	if (pg_strcasecmp(word, "style") == 0)
	{
		static const char *const hint = "Write: style paid fill:#9f9";

		return skip_names(parser, NAME_CHARACTERS ",", hint) && skip_value(parser, "a style", hint);
	}

	/* Mermaid knows the others only outside of composites. */
	if (parser->composite >= 0)
		return FAULT(parser, place, "Put it behind the closing brace.",
					 "\"%s\" cannot stand inside a composite state", word);
	if (pg_strcasecmp(word, "scale") == 0)
		return skip_scale(parser);
	if (pg_strcasecmp(word, "click") == 0)
		return skip_click(parser);
	if (pg_strcasecmp(word, "accDescr") == 0 && crm_scan_accept(parser, "{"))
		return crm_scan_block(parser, "}", true, place);
	if (!crm_scan_accept(parser, ":"))
		return FAULT(parser, crm_scan_here(parser), "Write: accTitle: text", "\":\" is expected behind \"%s\"", word);
	return skip_value(parser, "a text", "Write: accTitle: text");
}
