/*
 * workflow_draft.h
 *		What the parser hands to the compiler: the statements of a workflow text,
 *		each with its place in the text, not yet checked as a whole.
 */
#ifndef CRM_WORKFLOW_DRAFT_H
#define CRM_WORKFLOW_DRAFT_H

#include "crm.h"

#include "nodes/pg_list.h"
#include "utils/hsearch.h"

typedef struct DraftPlace
{
	const char *at;				/* where in the text */
	int			line;			/* counted from 1 */
} DraftPlace;

/* A name and the number that it got in order of appearance. */
typedef struct DraftName
{
	char		name[256];		/* hash key; WF_MAX_NAME and the NUL */
	int			number;
} DraftName;

/* Inside the braces of a composite a node was mentioned. */
typedef struct DraftMention
{
	int			composite;
	DraftPlace	place;
} DraftMention;

/* A state or a composite; which of them shows only when its braces come. */
typedef struct DraftNode
{
	const char *name;
	const char *display;		/* NULL if none */
	int			ndisplays;		/* how often it was given */
	DraftPlace	first;			/* where it is mentioned first */
	List	   *mentions;		/* DraftMention: where inside of composites */
	List	   *edges;			/* DraftEdge: its own ones, in document order */
	bool		marked_final;	/* x --> [*] outside of braces */
	bool		marked_end;		/* x --> [*] inside of braces */
	int			composite;		/* the innermost one around it, -1 if none */

	/* of a composite only */
	bool		is_composite;
	DraftPlace	body;			/* the statement that opens its braces */
	int			depth;			/* 1 at the top level */
	int			entry;			/* node that its own [*] leads to, -1 if none */
	DraftPlace	entry_place;

	/* filled in by the checks */
	bool		entered;		/* some edge leads to it */
	bool		final;
	List	   *exits;			/* DraftExit: of a state, in the order in which they are tried */
	int			canonical;		/* number in the compiled form, -1 if unreachable */
} DraftNode;

typedef struct DraftEvent
{
	const char *name;
	int32		months;			/* of a timer; else all 0 */
	int32		days;
	int32		seconds;
} DraftEvent;

typedef struct DraftEdge
{
	int			from;
	int			to;
	int			event;
	int			guard;			/* -1 if none */
	DraftPlace	place;
	int			canonical;		/* number in the compiled form */
} DraftEdge;

/* An edge as it holds for one state, composites resolved. */
typedef struct DraftExit
{
	DraftEdge  *edge;
	int			to;
} DraftExit;

typedef struct DraftMember
{
	int			class;
	int			node;
} DraftMember;

typedef struct WfDraft
{
	const char *text;			/* the whole text, for messages */
	int			len;
	Node	   *escontext;		/* where soft errors go */
	HTAB	   *node_names;		/* DraftName */
	HTAB	   *event_names;
	HTAB	   *guard_names;
	HTAB	   *class_names;
	List	   *nodes;			/* DraftNode, in order of appearance */
	List	   *events;			/* DraftEvent */
	List	   *guards;			/* char * */
	List	   *classes;		/* char * */
	List	   *members;		/* DraftMember */
	int			nedges;
	int			nexits;
	int			nstates;		/* nodes that are no composites, once all is read */
	int			initial;		/* node number, -1 if none yet */
	DraftPlace	initial_place;
} WfDraft;

#define DRAFT_NODE(draft, n)	((DraftNode *) list_nth((draft)->nodes, (n)))
#define DRAFT_EVENT(draft, n)	((DraftEvent *) list_nth((draft)->events, (n)))
#define DRAFT_GUARD(draft, n)	((const char *) list_nth((draft)->guards, (n)))

/*
 * Report a fault at a place of the text. Returns false, so that a function can
 * say "return DRAFT_FAULT(...)".
 */
extern bool crm_draft_error(const WfDraft *draft, DraftPlace place,
							int sqlstate, const char *hint,
							const char *format,...) pg_attribute_printf(5, 6);

#define DRAFT_FAULT(draft, place, hint, ...) \
	crm_draft_error((draft), (place), ERRCODE_INVALID_TEXT_REPRESENTATION, (hint), __VA_ARGS__)
#define DRAFT_TOO_LARGE(draft, place, hint, ...) \
	crm_draft_error((draft), (place), ERRCODE_PROGRAM_LIMIT_EXCEEDED, (hint), __VA_ARGS__)

#define SPLIT_IT	"A process that people follow is far smaller; split it into several."

/* The part of a display name that Mermaid would not read as text; NULL if none. */
extern const char *crm_misread_by_mermaid(const char *display);
extern bool crm_reads_as_direction(const char *line, const char *eol, bool next_follows);

extern WfDraft *crm_draft_create(const char *text, int len, Node *escontext);

/* All of these return false after a soft error. */
extern bool crm_draft_node(WfDraft *draft, const char *name, DraftPlace place, int composite,
						   int *number);
extern bool crm_draft_event(WfDraft *draft, const DraftEvent *event, DraftPlace place,
							int *number);
extern bool crm_draft_guard(WfDraft *draft, const char *name, DraftPlace place, int *number);
extern bool crm_draft_member(WfDraft *draft, int node, const char *class, DraftPlace place);
extern bool crm_draft_display(WfDraft *draft, int node, const char *start, const char *end,
							  DraftPlace place);
extern bool crm_draft_edge(WfDraft *draft, const DraftEdge *edge);

/* workflow_check.c: resolves composites and checks the whole; false after a soft error */
extern bool crm_draft_check(WfDraft *draft);

#endif							/* CRM_WORKFLOW_DRAFT_H */
