/*
 * workflow_text.c
 *		The canonical text of a workflow: a Mermaid stateDiagram-v2.
 *
 * Reading it back gives the same value byte for byte. Edges stand outside of the
 * braces, where a mention makes nothing a member.
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

static void
put_line(StringInfo out, int depth)
{
	appendStringInfoSpaces(out, 4 * (depth + 1));
}

/*
 * The composites, as blocks. They are numbered by their first states, so an
 * inner one follows its outer one, but others may stand in between.
 */
static void
put_composites(const Workflow *w, StringInfo out)
{
	const WfComposite *composites = WF_COMPOSITES(w);
	const WfState *states = WF_STATES(w);
	uint16		next[WF_MAX_DEPTH + 1];	/* by depth: the composite to look at next */
	uint16		open[WF_MAX_DEPTH + 1];	/* by depth: the one whose braces are open */
	int			depth = 0;

	next[0] = 0;
	open[0] = WF_NONE;
	for (;;)
	{
		int			c = next[depth]++;

		if (c < w->ncomposites && composites[c].composite == open[depth])
		{
			put_line(out, depth);
			if (composites[c].display != 0)
				appendStringInfo(out, "state \"%s\" as %s {\n",
								 WF_STRING(w, composites[c].display), WF_COMPOSITE_NAME(w, c));
			else
				appendStringInfo(out, "state %s {\n", WF_COMPOSITE_NAME(w, c));
			depth++;
			next[depth] = c + 1;
			open[depth] = c;
			if (composites[c].entry != WF_NONE)
			{
				put_line(out, depth);
				appendStringInfo(out, "[*] --> %s\n", WF_NODE_NAME(w, composites[c].entry));
			}
			for (int s = 0; s < w->nstates; s++)
				if (states[s].composite == c)
				{
					put_line(out, depth);
					appendStringInfo(out, "%s\n", WF_STATE_NAME(w, s));
				}
		}
		else if (c >= w->ncomposites)
		{
			if (depth == 0)
				return;
			depth--;
			put_line(out, depth);
			appendStringInfoString(out, "}\n");
		}
	}
}

void
crm_workflow_to_text(const Workflow *w, StringInfo out)
{
	const WfState *states = WF_STATES(w);
	const WfEdge *edges = WF_EDGES(w);

	appendStringInfo(out, "stateDiagram-v2\n    [*] --> %s\n", WF_NODE_NAME(w, w->initial));
	for (int i = 0; i < w->nstates; i++)
		if (states[i].display != 0)
			appendStringInfo(out, "    state \"%s\" as %s\n",
							 WF_STRING(w, states[i].display), WF_STATE_NAME(w, i));
	put_composites(w, out);
	for (int i = 0; i < w->nedges; i++)
	{
		appendStringInfo(out, "    %s --> %s : %s", WF_NODE_NAME(w, edges[i].from),
						 WF_NODE_NAME(w, edges[i].to), WF_EVENT_NAME(w, edges[i].event));
		if (edges[i].guard != WF_NONE)
			appendStringInfo(out, " [%s]", WF_GUARD_NAME(w, edges[i].guard));
		appendStringInfoChar(out, '\n');
	}
	for (int i = 0; i < w->nstates; i++)
		if (states[i].flags & WF_STATE_FINAL)
			appendStringInfo(out, "    %s --> [*]\n", WF_STATE_NAME(w, i));
	for (int i = 0; i < w->nclasses; i++)
		put_class(w, &WF_CLASSES(w)[i], out);
}
