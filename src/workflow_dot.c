/*
 * workflow_dot.c
 *		A workflow in the DOT language of Graphviz.
 */
#include "crm.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_dot);

/* As a label, where \n and &lt; would mean something. */
static void
put_label(StringInfo out, const char *label)
{
	appendStringInfoString(out, "label=\"");
	for (; *label != '\0'; label++)
	{
		if (*label == '&')
			appendStringInfoString(out, "&amp;");
		else
		{
			if (*label == '\\' || *label == '"')
				appendStringInfoChar(out, '\\');
			appendStringInfoChar(out, *label);
		}
	}
	appendStringInfoChar(out, '"');
}

/* A node is drawn inside the cluster of its composite, wherever it is declared first. */
static void
put_state(const Workflow *w, int state, StringInfo out)
{
	appendStringInfo(out, "    \"%s\" [", WF_STATE_NAME(w, state));
	put_label(out, WF_STATE_LABEL(w, state));
	if (WF_STATES(w)[state].flags & WF_STATE_FINAL)
		appendStringInfoString(out, ", peripheries=2");
	appendStringInfoString(out, "];\n");
}

/* Inner clusters are inside outer ones, and clusters are numbered outer first. */
static void
put_cluster(const Workflow *w, int composite, StringInfo out)
{
	const WfComposite *composites = WF_COMPOSITES(w);
	const WfComposite *self = &composites[composite];

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	appendStringInfo(out, "    subgraph \"cluster_%s\" {\n    ", WF_STRING(w, self->name));
	put_label(out, WF_STRING(w, self->display ? self->display : self->name));
	appendStringInfoString(out, ";\n");
	for (int s = 0; s < w->nstates; s++)
		if (WF_STATES(w)[s].composite == composite)
			put_state(w, s, out);
	for (int c = composite + 1; c < w->ncomposites; c++)
		if (composites[c].composite == composite)
			put_cluster(w, c, out);
	appendStringInfoString(out, "    }\n");
}

static bool
is_inside(const Workflow *w, int state, int composite)
{
	for (int c = WF_STATES(w)[state].composite; c != WF_NONE; c = WF_COMPOSITES(w)[c].composite)
		if (c == composite)
			return true;
	return false;
}

/* By composite: the first state inside, which its edges are drawn from. */
static int *
first_states(const Workflow *w)
{
	int		   *first = palloc(sizeof(int) * (w->ncomposites + 1));

	for (int c = 0; c < w->ncomposites; c++)
		first[c] = -1;
	for (int s = 0; s < w->nstates; s++)
		for (int c = WF_STATES(w)[s].composite; c != WF_NONE; c = WF_COMPOSITES(w)[c].composite)
			if (first[c] < 0)
				first[c] = s;
	return first;
}

static int
entered_state(const Workflow *w, int node)
{
	while (node >= w->nstates)
		node = WF_COMPOSITES(w)[node - w->nstates].entry;
	return node;
}

/*
 * crm_dot(workflow crm_workflow) returns text
 *
 * Composites are clusters; an edge of one is drawn from its border.
 */
Datum
crm_dot(PG_FUNCTION_ARGS)
{
	const Workflow *w = crm_workflow_arg(fcinfo, 0);
	int		   *first = first_states(w);
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out,
						   "digraph workflow {\n"
						   "    compound=true;\n"
						   "    node [shape=box, style=rounded];\n"
						   "    \"[*]\" [shape=circle, style=filled, fillcolor=black, label=\"\", width=0.2];\n");
	for (int c = 0; c < w->ncomposites; c++)
		if (WF_COMPOSITES(w)[c].composite == WF_NONE)
			put_cluster(w, c, &out);
	for (int s = 0; s < w->nstates; s++)
		if (WF_STATES(w)[s].composite == WF_NONE)
			put_state(w, s, &out);

	appendStringInfo(&out, "    \"[*]\" -> \"%s\";\n", WF_STATE_NAME(w, 0));
	for (int i = 0; i < w->nedges; i++)
	{
		const WfEdge *edge = &WF_EDGES(w)[i];
		int			from = edge->from < w->nstates ? edge->from : first[edge->from - w->nstates];
		int			to = entered_state(w, edge->to);

		CHECK_FOR_INTERRUPTS();
		appendStringInfo(&out, "    \"%s\" -> \"%s\" [label=\"%s", WF_STATE_NAME(w, from),
						 WF_STATE_NAME(w, to), WF_EVENT_NAME(w, edge->event));
		if (edge->guard != WF_NONE)
			appendStringInfo(&out, " [%s]", WF_GUARD_NAME(w, edge->guard));
		appendStringInfoChar(&out, '"');
		if (edge->from >= w->nstates && !is_inside(w, to, edge->from - w->nstates))
			appendStringInfo(&out, ", ltail=\"cluster_%s\"", WF_NODE_NAME(w, edge->from));
		if (edge->to >= w->nstates && !is_inside(w, from, edge->to - w->nstates))
			appendStringInfo(&out, ", lhead=\"cluster_%s\"", WF_NODE_NAME(w, edge->to));
		appendStringInfoString(&out, "];\n");
	}
	appendStringInfoString(&out, "}\n");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
