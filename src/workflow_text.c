/*
 * workflow_text.c
 *		The canonical text of a workflow: a Mermaid stateDiagram-v2.
 *
 * Reading it back gives the same value byte for byte.
 */
#include "crm.h"

#include "common/string.h"

#include "workflow.h"

/* Mermaid's class statement takes names of ASCII letters only; the shorthand any. */
static void
put_class(const Workflow *w, const WfClass *class, StringInfo out)
{
	const uint16 *members = WF_MEMBERS(w) + class->first_member;
	const char *name = WF_STRING(w, class->name);
	const char *separator = "    class ";

	for (int i = 0; i < class->nmembers; i++)
		if (pg_is_ascii(WF_STATE_NAME(w, members[i])))
		{
			appendStringInfo(out, "%s%s", separator, WF_STATE_NAME(w, members[i]));
			separator = ",";
		}
	if (separator[0] == ',')
		appendStringInfo(out, " %s\n", name);
	for (int i = 0; i < class->nmembers; i++)
		if (!pg_is_ascii(WF_STATE_NAME(w, members[i])))
			appendStringInfo(out, "    %s:::%s\n", WF_STATE_NAME(w, members[i]), name);
}

void
crm_workflow_to_text(const Workflow *w, StringInfo out)
{
	const WfState *states = WF_STATES(w);
	const WfEdge *edges = WF_EDGES(w);

	appendStringInfo(out, "stateDiagram-v2\n    [*] --> %s\n", WF_STATE_NAME(w, 0));
	for (int i = 0; i < w->nstates; i++)
		if (states[i].display != 0)
			appendStringInfo(out, "    state \"%s\" as %s\n",
							 WF_STRING(w, states[i].display), WF_STATE_NAME(w, i));
	for (int i = 0; i < w->nstates; i++)
		for (int j = 0; j < states[i].nedges; j++)
		{
			const WfEdge *edge = &edges[states[i].first_edge + j];

			appendStringInfo(out, "    %s --> %s : %s\n", WF_STATE_NAME(w, i),
							 WF_STATE_NAME(w, edge->to), WF_EVENT_NAME(w, edge->event));
		}
	for (int i = 0; i < w->nstates; i++)
		if (states[i].flags & WF_STATE_FINAL)
			appendStringInfo(out, "    %s --> [*]\n", WF_STATE_NAME(w, i));
	for (int i = 0; i < w->nclasses; i++)
		put_class(w, &WF_CLASSES(w)[i], out);
}
