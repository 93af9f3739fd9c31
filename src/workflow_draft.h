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

typedef struct DraftState
{
	const char *name;
	const char *display;		/* NULL if none */
	DraftPlace	first;			/* where it is mentioned first */
	bool		entered;		/* some edge leads to it */
	bool		final;
	List	   *edges;			/* DraftEdge: its exits in document order */
	int			canonical;		/* number in the compiled form, -1 if unreachable */
} DraftState;

typedef struct DraftEdge
{
	int			from;
	int			to;
	int			event;
	DraftPlace	place;
} DraftEdge;

typedef struct DraftMember
{
	int			class;
	int			state;
} DraftMember;

struct WfDraft
{
	const char *text;			/* the whole text, for messages */
	int			len;
	HTAB	   *state_names;	/* DraftName */
	HTAB	   *event_names;
	HTAB	   *class_names;
	List	   *states;			/* DraftState, in order of appearance */
	List	   *events;			/* char * */
	List	   *classes;		/* char * */
	List	   *members;		/* DraftMember */
	int			nedges;
	int			initial;		/* state number, -1 if none yet */
	DraftPlace	initial_place;
};

/*
 * Report a fault at a place of the text. Returns false, so that a parsing
 * function can say "return crm_draft_error(…)".
 */
extern bool crm_draft_error(const WfDraft *draft, DraftPlace place, Node *escontext,
							int sqlstate, const char *hint,
							const char *format,...) pg_attribute_printf(6, 7);

#endif							/* CRM_WORKFLOW_DRAFT_H */
