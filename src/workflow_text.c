/*
 * workflow_text.c
 *		The canonical text of a workflow: a Mermaid stateDiagram-v2.
 *
 * Reading it back gives the same value byte for byte.
 */
#include "crm.h"

#include "workflow.h"

void
crm_workflow_to_text(const Workflow *w, StringInfo out)
{
	const WfState *states = WF_STATES(w);
	const WfEdge *edges = WF_EDGES(w);
	const WfClass *classes = WF_CLASSES(w);
	const uint16 *members = WF_MEMBERS(w);

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
	{
		appendStringInfoString(out, "    class ");
		for (int j = 0; j < classes[i].nmembers; j++)
			appendStringInfo(out, "%s%s", j > 0 ? "," : "",
							 WF_STATE_NAME(w, members[classes[i].first_member + j]));
		appendStringInfo(out, " %s\n", WF_STRING(w, classes[i].name));
	}
}
