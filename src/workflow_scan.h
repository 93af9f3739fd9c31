/*
 * workflow_scan.h
 *		The parser's position in a workflow text, and the smallest steps through it.
 */
#ifndef CRM_WORKFLOW_SCAN_H
#define CRM_WORKFLOW_SCAN_H

#include "crm.h"

#include "workflow.h"
#include "workflow_draft.h"

typedef struct WfParser
{
	WfDraft    *draft;
	const char *p;				/* next character */
	const char *end;			/* end of the text */
	const char *eol;			/* end of this line, line break excluded */
	int			line;
	int			composite;		/* whose braces are open, -1 if none */
	bool		header_seen;
	bool		statement_seen;
} WfParser;

#define FAULT(parser, place, hint, ...) \
	DRAFT_FAULT((parser)->draft, (place), (hint), __VA_ARGS__)

extern DraftPlace crm_scan_here(const WfParser *parser);
extern bool crm_scan_at_eol(const WfParser *parser);
extern void crm_scan_line(WfParser *parser);
extern bool crm_scan_next_line(WfParser *parser);
extern bool crm_scan_skip_blanks(WfParser *parser);
extern bool crm_scan_looking_at(const WfParser *parser, const char *token);
extern bool crm_scan_accept(WfParser *parser, const char *token);
extern bool crm_scan_accept_word(WfParser *parser, const char *word);
extern bool crm_scan_looking_at_word(const WfParser *parser, const char *word);
extern char *crm_scan_id(WfParser *parser);
extern bool crm_scan_expect_eol(WfParser *parser);
extern void crm_scan_skip_wide_blanks(WfParser *parser);
extern bool crm_scan_block(WfParser *parser, const char *closing, bool has_comments,
						   DraftPlace place);

/* Bytes of the id character at p, before end; 0 if no id can have it (there). */
extern int	crm_id_character(const char *p, const char *end, bool first);

/* workflow_label.c: what stands behind ':' at an edge */
extern bool crm_parse_label(WfParser *parser, int from, int to);

/* workflow_looks.c: statements about looks only */
extern bool crm_is_looks_word(const char *word);
extern bool crm_parse_looks(WfParser *parser, const char *word, DraftPlace place);

#endif							/* CRM_WORKFLOW_SCAN_H */
