/*
 * workflow.h
 *		crm_workflow: a state machine as one flat value.
 *
 * Layout (all offsets from the start of the value):
 *
 *		Workflow	header
 *		WfState		states[nstates]		breadth-first from the initial state, which is 0
 *		WfComposite composites[ncomposites]	by their first state, outer before inner
 *		WfEvent		events[nevents]		in order of the names
 *		uint32		guards[nguards]		names, in byte order
 *		WfClass		classes[nclasses]	in byte order of the names
 *		WfEdge		edges[nedges]		as drawn: grouped by source node, in document order
 *		WfExit		exits[nexits]		as they hold: grouped by state, first match wins
 *		uint16		members[nmembers]	state numbers, grouped by class
 *		char		strings[]			NUL-terminated, in server encoding
 *
 * The order of names that are searched is by length, then by bytes; that compares
 * quicker than bytes alone.
 *
 * A node is a state (its number) or a composite (nstates + its number). What is
 * drawn at a composite is kept for the picture; the exits spell it out for each
 * state, so that a look-up need not know about composites at all.
 *
 * The numbering is canonical: two texts that mean the same machine, drawn with
 * the same composites and the exits of each node in the same order, compile to
 * the same bytes. So equality is equality of bytes.
 */
#ifndef CRM_WORKFLOW_H
#define CRM_WORKFLOW_H

#include "crm.h"

#include "lib/stringinfo.h"
#include "nodes/nodes.h"

#define WF_FORMAT			3		/* first byte of the compiled form */
#define WF_WIRE_FORMAT		1		/* first byte of what send() writes */

#define WF_MAX_TEXT			(512 * 1024)	/* bytes of a definition */
#define WF_MAX_NAME			255		/* bytes of an id */
#define WF_MAX_DISPLAY		1000	/* bytes of a display name */
#define WF_MAX_NODES		4096	/* states and composites */
#define WF_MAX_DEPTH		100		/* composites around a state */
#define WF_MAX_EDGES		65535	/* fits uint16, as every index below */
#define WF_MAX_EXITS		65535
#define WF_MAX_MEMBERS		65535

#define WF_NONE				0xFFFF	/* no guard, no composite, no node */

#define WF_STATE_FINAL		0x0001

typedef struct WfState
{
	uint32		name;			/* offset of the id */
	uint32		display;		/* offset of the display name, 0 if none */
	uint16		first_exit;		/* exits[first_exit .. + nexits) */
	uint16		nexits;
	uint16		composite;		/* the innermost one around it, or WF_NONE */
	uint16		by_name;		/* states[i].by_name: the i-th state in order of the names */
	uint16		flags;
	uint16		name_len;
} WfState;

typedef struct WfComposite
{
	uint32		name;
	uint32		display;
	uint16		composite;		/* the one around it, or WF_NONE */
	uint16		entry;			/* node that its own [*] leads to, or WF_NONE */
} WfComposite;

typedef struct WfEdge
{
	uint16		from;			/* nodes */
	uint16		to;
	uint16		event;
	uint16		guard;			/* or WF_NONE */
} WfEdge;

typedef struct WfExit
{
	uint16		event;
	uint16		guard;			/* or WF_NONE */
	uint16		to;				/* state */
	uint16		edge;			/* what it is drawn as */
} WfExit;

/* A timer is an event that is named by its label, "after 14 days". */
typedef struct WfEvent
{
	uint32		name;
	uint32		name_len;
	int32		months;			/* time after which it comes by itself: */
	int32		days;			/* all 0 if it doesn't */
	int32		seconds;
} WfEvent;

typedef struct WfClass
{
	uint32		name;			/* offset of the name */
	uint16		first_member;
	uint16		nmembers;
} WfClass;

typedef struct Workflow
{
	int32		vl_len_;		/* varlena header, do not touch directly */
	uint8		format;			/* WF_FORMAT */
	uint8		unused;
	uint16		initial;		/* node that [*] leads to; state 0, or around it */
	uint16		nstates;
	uint16		ncomposites;
	uint16		nedges;
	uint16		nexits;
	uint16		nevents;
	uint16		nguards;
	uint16		nclasses;
	uint16		nmembers;
} Workflow;

#define WF_STATES(w)	((const WfState *) ((const char *) (w) + MAXALIGN(sizeof(Workflow))))
#define WF_COMPOSITES(w) ((const WfComposite *) (WF_STATES(w) + (w)->nstates))
#define WF_EVENTS(w)	((const WfEvent *) (WF_COMPOSITES(w) + (w)->ncomposites))
#define WF_GUARDS(w)	((const uint32 *) (WF_EVENTS(w) + (w)->nevents))
#define WF_CLASSES(w)	((const WfClass *) (WF_GUARDS(w) + (w)->nguards))
#define WF_EDGES(w)		((const WfEdge *) (WF_CLASSES(w) + (w)->nclasses))
#define WF_EXITS(w)		((const WfExit *) (WF_EDGES(w) + (w)->nedges))
#define WF_MEMBERS(w)	((const uint16 *) (WF_EXITS(w) + (w)->nexits))
#define WF_STRING(w, offset) ((const char *) (w) + (offset))

#define WF_STATE_NAME(w, s) WF_STRING(w, WF_STATES(w)[s].name)
#define WF_COMPOSITE_NAME(w, c) WF_STRING(w, WF_COMPOSITES(w)[c].name)
#define WF_NODE_NAME(w, n) \
	((n) < (w)->nstates ? WF_STATE_NAME(w, n) : WF_COMPOSITE_NAME(w, (n) - (w)->nstates))
#define WF_EVENT_NAME(w, e) WF_STRING(w, WF_EVENTS(w)[e].name)
#define WF_GUARD_NAME(w, g) WF_STRING(w, WF_GUARDS(w)[g])
#define WF_STATE_LABEL(w, s) \
	WF_STRING(w, WF_STATES(w)[s].display ? WF_STATES(w)[s].display : WF_STATES(w)[s].name)
#define WF_IS_TIMER(event) ((event)->months != 0 || (event)->days != 0 || (event)->seconds != 0)

#define DatumGetWorkflowP(d)	((Workflow *) crm_workflow_check_format((Workflow *) PG_DETOAST_DATUM(d)))
#define PG_GETARG_WORKFLOW_P(n) DatumGetWorkflowP(PG_GETARG_DATUM(n))

/* workflow_args.c: the same value; an error if it is from another version of the extension */
extern const Workflow *crm_workflow_check_format(const Workflow *w);

/* workflow_draft.c: cannot be the name of a state */
extern bool crm_workflow_is_reserved(const char *name);

/* workflow_parse.c: text to a draft; NULL after a soft error */
struct WfDraft;
extern struct WfDraft *crm_workflow_parse(const char *text, int len, Node *escontext);

/* workflow_compile.c: checks a draft, makes the value; NULL after a soft error */
extern Workflow *crm_workflow_compile(struct WfDraft *draft);

/* workflow_text.c: the canonical text */
extern void crm_workflow_to_text(const Workflow *w, StringInfo out);

/* workflow_type.c: NULL after a soft error; the SQL input function, to know our type by */
extern Workflow *crm_workflow_from_text(const char *text, int len, Node *escontext);
extern PGDLLEXPORT Datum crm_workflow_in(PG_FUNCTION_ARGS);

/*
 * workflow_args.c: an argument of type crm_workflow, detoasted once for many
 * calls. Valid until the next call with another workflow; a kept one as long as
 * the query runs, and the same pointer for the same value.
 */
extern const Workflow *crm_workflow_arg(FunctionCallInfo fcinfo, int n);
extern const Workflow *crm_workflow_kept_arg(FunctionCallInfo fcinfo, int n);

/* workflow_lookup.c: the order of names that are searched */
extern int	crm_workflow_compare_names(const char *a, int len_a, const char *b, int len_b);

/* number of a state or event, -1 if there is none */
extern int	crm_workflow_find_state(const Workflow *w, const char *name, int len);
extern int	crm_workflow_find_event(const Workflow *w, const char *name, int len);
extern const WfExit *crm_workflow_find_exit(const Workflow *w, int state, int event);
extern const WfClass *crm_workflow_find_class(const Workflow *w, const char *name);	/* NULL if there is none */
extern bool crm_workflow_in_class(const Workflow *w, const WfClass *class, int state);
extern char *crm_workflow_list_states(const Workflow *w);
extern char *crm_workflow_list_exits(const Workflow *w, int state, bool timers);

/* The nearest of some names, for "did you mean"; best is NULL if none is near. */
typedef struct CrmSimilar
{
	const char *name;
	const char *best;
	int			distance;
} CrmSimilar;

/* three edits or more are no typo, in a short name one or two neither */
#define CRM_SIMILAR_INIT(name) {(name), NULL, Min(3, (int) strlen(name) / 2 + 1)}

extern void crm_consider_similar(CrmSimilar *similar, const char *candidate);
extern const char *crm_workflow_similar_event(const Workflow *w, const char *name);
extern const char *crm_workflow_similar_state(const Workflow *w, const char *name);

#endif							/* CRM_WORKFLOW_H */
