/*
 * workflow_scan.c
 *		The parser's position in a workflow text, and the smallest steps through it.
 *
 * A statement ends with its line, so most of these stop at the end of the line.
 */
#include "crm.h"

#include "mb/pg_wchar.h"

#include "workflow_scan.h"

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

DraftPlace
crm_scan_here(const WfParser *parser)
{
	DraftPlace	place = {parser->p, parser->line};

	return place;
}

bool
crm_scan_at_eol(const WfParser *parser)
{
	return parser->p >= parser->eol;
}

/* Find the end of the line that p is in. */
void
crm_scan_line(WfParser *parser)
{
	parser->eol = parser->p;
	while (parser->eol < parser->end && *parser->eol != '\n' && *parser->eol != '\r')
		parser->eol++;
}

/* Go to the start of the next line; false if there is none. */
bool
crm_scan_next_line(WfParser *parser)
{
	parser->p = parser->eol;
	if (parser->p >= parser->end)
		return false;
	if (*parser->p == '\r' && parser->p + 1 < parser->end && parser->p[1] == '\n')
		parser->p++;
	parser->p++;
	parser->line++;
	crm_scan_line(parser);
	return true;
}

/* True if there was at least one. */
bool
crm_scan_skip_blanks(WfParser *parser)
{
	const char *start = parser->p;

	while (parser->p < parser->eol &&
		   (*parser->p == ' ' || *parser->p == '\t' || *parser->p == '\f' || *parser->p == '\v'))
		parser->p++;
	return parser->p > start;
}

bool
crm_scan_looking_at(const WfParser *parser, const char *token)
{
	size_t		len = strlen(token);

	return (size_t) (parser->eol - parser->p) >= len &&
		memcmp(parser->p, token, len) == 0;
}

bool
crm_scan_accept(WfParser *parser, const char *token)
{
	if (!crm_scan_looking_at(parser, token))
		return false;
	parser->p += strlen(token);
	return true;
}

/* As the two above, for a whole word of any case. */
bool
crm_scan_looking_at_word(const WfParser *parser, const char *word)
{
	size_t		len = strlen(word);

	return (size_t) (parser->eol - parser->p) >= len &&
		pg_strncasecmp(parser->p, word, len) == 0 &&
		crm_id_character(parser->p + len, parser->eol, false) == 0;
}

bool
crm_scan_accept_word(WfParser *parser, const char *word)
{
	if (!crm_scan_looking_at_word(parser, word))
		return false;
	parser->p += strlen(word);
	return true;
}

int
crm_id_character(const char *p, const char *end, bool first)
{
	unsigned char c;
	int			len;
	pg_wchar	code;

	if (p >= end)
		return 0;
	c = (unsigned char) *p;
	if (!IS_HIGHBIT_SET(c))
	{
		if (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
			return 1;
		return (!first && c >= '0' && c <= '9') ? 1 : 0;
	}

	/* The server has verified the encoding of its text before we see it. */
	len = pg_mblen(p);
	if (len > end - p)
		return 0;
	if (GetDatabaseEncoding() != PG_UTF8)
		return len;
	code = utf8_to_unicode((const unsigned char *) p);
	for (size_t i = 0; i < lengthof(not_letters); i++)
		if (code >= not_letters[i].first && code <= not_letters[i].last)
			return 0;
	return len;
}

/* The id at p as a new string, p moved behind it; NULL if there is none. */
char *
crm_scan_id(WfParser *parser)
{
	const char *start = parser->p;
	int			len;

	while ((len = crm_id_character(parser->p, parser->eol, parser->p == start)) > 0)
		parser->p += len;
	return parser->p > start ? pnstrdup(start, parser->p - start) : NULL;
}

/* A statement is over: a comment may follow, nothing else. */
bool
crm_scan_expect_eol(WfParser *parser)
{
	crm_scan_skip_blanks(parser);
	if (crm_scan_at_eol(parser) || crm_scan_looking_at(parser, "%%"))
		return true;
	return FAULT(parser, crm_scan_here(parser), "Write one statement a line.",
				 "unexpected text behind a statement");
}

/* Blanks as Mermaid sees them where it wants any text: those of JavaScript. */
void
crm_scan_skip_wide_blanks(WfParser *parser)
{
	static const pg_wchar blanks[] = {0x00A0, 0x1680, 0x202F, 0x205F, 0x3000, 0xFEFF};

	for (;;)
	{
		pg_wchar	code;
		bool		is_blank;

		crm_scan_skip_blanks(parser);
		if (crm_scan_at_eol(parser) || !IS_HIGHBIT_SET(*parser->p) || GetDatabaseEncoding() != PG_UTF8)
			return;
		code = utf8_to_unicode((const unsigned char *) parser->p);
		is_blank = code >= 0x2000 && code <= 0x200A;
		for (int i = 0; i < lengthof(blanks); i++)
			is_blank |= code == blanks[i];
		if (!is_blank)
			return;
		parser->p += pg_mblen(parser->p);
	}
}

/*
 * Read over up to and including the closing token, over line ends too. Mermaid
 * takes lines that are comments out of some blocks before it looks.
 */
bool
crm_scan_block(WfParser *parser, const char *closing, bool has_comments, DraftPlace place)
{
	size_t		len = strlen(closing);

	for (;;)
	{
		for (const char *p = parser->p; (size_t) (parser->eol - p) >= len; p++)
			if (memcmp(p, closing, len) == 0)
			{
				parser->p = p + len;
				return crm_scan_expect_eol(parser);
			}
		do
		{
			if (!crm_scan_next_line(parser))
				return FAULT(parser, place, "The block that starts here has no end.",
							 "\"%s\" is missing", closing);
			crm_scan_skip_blanks(parser);
			if (has_comments && crm_scan_looking_at(parser, "%%{"))
				return FAULT(parser, crm_scan_here(parser), "Put the directive elsewhere.",
							 "\"%%%%{\" cannot stand in a block of text");
		} while (has_comments && crm_scan_looking_at(parser, "%%"));
	}
}
