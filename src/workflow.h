/*
 * workflow.h
 *		crm_workflow: a state machine as one flat value.
 *
 * Layout (all offsets from the start of the value, all parts 4-byte aligned or
 * of smaller alignment than their place gives):
 *
 *		WfHeader
 *		WfState   states[nstates]		breadth-first from the initial state, which is 0
 *		WfEdge    edges[nedges]			grouped by source state, in document order
 *		uint32    events[nevents]		names, in order of first use
 *		WfClass   classes[nclasses]		in byte order of the names
 *		uint16    members[nmembers]		state numbers, grouped by class
 *		char      strings[]				NUL-terminated, in server encoding
 *
 * The numbering is canonical: two texts that mean the same machine, exits of a
 * state in the same order, compile to the same bytes.
 */
#ifndef CRM_WORKFLOW_H
#define CRM_WORKFLOW_H

#include "crm.h"

#include "lib/stringinfo.h"
#include "nodes/nodes.h"

#define WF_FORMAT			1		/* first byte of the compiled form */
#define WF_WIRE_FORMAT		1		/* first byte of what send() writes */

#define WF_MAX_TEXT			(512 * 1024)	/* bytes of a definition */
#define WF_MAX_NAME			255		/* bytes of an id */
#define WF_MAX_DISPLAY		1000	/* bytes of a display name */
#define WF_MAX_STATES		4096
#define WF_MAX_EDGES		65535	/* fits uint16, as every index below */
#define WF_MAX_MEMBERS		65535

#define WF_STATE_FINAL		0x0001

typedef struct WfState
{
	uint32		name;			/* offset of the id */
	uint32		display;		/* offset of the display name, 0 if none */
	uint16		first_edge;		/* its exits are edges[first_edge .. + nedges) */
	uint16		nedges;
	uint16		by_name;		/* states[i].by_name: the i-th state in byte order */
	uint16		flags;
} WfState;

typedef struct WfEdge
{
	uint16		event;
	uint16		to;
} WfEdge;

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
	uint16		nstates;
	uint16		nedges;
	uint16		nevents;
	uint16		nclasses;
	uint16		nmembers;
	/* the arrays follow */
} Workflow;

#define WF_STATES(w)	((const WfState *) ((const char *) (w) + MAXALIGN(sizeof(Workflow))))
#define WF_EDGES(w)		((const WfEdge *) (WF_STATES(w) + (w)->nstates))
#define WF_EVENTS(w)	((const uint32 *) (WF_EDGES(w) + (w)->nedges))
#define WF_CLASSES(w)	((const WfClass *) (WF_EVENTS(w) + (w)->nevents))
#define WF_MEMBERS(w)	((const uint16 *) (WF_CLASSES(w) + (w)->nclasses))
#define WF_STRING(w, offset) ((const char *) (w) + (offset))

#define WF_STATE_NAME(w, s) WF_STRING(w, WF_STATES(w)[s].name)
#define WF_EVENT_NAME(w, e) WF_STRING(w, WF_EVENTS(w)[e])

#define DatumGetWorkflowP(d)	((Workflow *) PG_DETOAST_DATUM(d))
#define PG_GETARG_WORKFLOW_P(n) DatumGetWorkflowP(PG_GETARG_DATUM(n))

/* workflow_parse.c: text to a draft; false after a soft error */
typedef struct WfDraft WfDraft;
extern WfDraft *crm_workflow_parse(const char *text, int len, Node *escontext);

/* workflow_compile.c: checks a draft, makes the value; NULL after a soft error */
extern Workflow *crm_workflow_compile(WfDraft *draft, Node *escontext);

/* workflow_text.c: the canonical text */
extern void crm_workflow_to_text(const Workflow *w, StringInfo out);

/* workflow_type.c: the SQL input function, to know our type by */
extern PGDLLEXPORT Datum crm_workflow_in(PG_FUNCTION_ARGS);

/* workflow_lookup.c: number of a state or event, -1 if there is none */
extern int	crm_workflow_find_state(const Workflow *w, const char *name, int len);
extern int	crm_workflow_find_event(const Workflow *w, const char *name, int len);
extern const WfEdge *crm_workflow_find_exit(const Workflow *w, int state, int event);
extern const WfEdge *crm_workflow_find_step(const Workflow *w, int from, int to);
extern char *crm_workflow_list_states(const Workflow *w);
extern char *crm_workflow_list_exits(const Workflow *w, int state);

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
