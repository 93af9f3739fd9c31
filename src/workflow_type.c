/*
 * workflow_type.c
 *		The SQL type crm_workflow: input, output, receive, send.
 */
#include "crm.h"

#include "libpq/pqformat.h"
#include "utils/builtins.h"

#include "workflow.h"

PG_FUNCTION_INFO_V1(crm_workflow_in);
PG_FUNCTION_INFO_V1(crm_workflow_out);
PG_FUNCTION_INFO_V1(crm_workflow_recv);
PG_FUNCTION_INFO_V1(crm_workflow_send);

/* NULL after a soft error */
Workflow *
crm_workflow_from_text(const char *text, int len, Node *escontext)
{
	struct WfDraft *draft = crm_workflow_parse(text, len, escontext);

	return draft ? crm_workflow_compile(draft) : NULL;
}

/*
 * crm_workflow_in(cstring) returns crm_workflow
 *
 * Reads a Mermaid stateDiagram-v2. Errors: 22P02 for a fault in the text (line,
 * column, what was found, hint), 54000 for one that is too large.
 */
Datum
crm_workflow_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	size_t		len = strlen(text);
	Workflow   *w;

	Assert(len <= PG_INT32_MAX);
	w = crm_workflow_from_text(text, (int) len, fcinfo->context);
	if (w == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(w);
}

/*
 * crm_workflow_out(crm_workflow) returns cstring
 *
 * The canonical text; a fixed point of input and output.
 */
Datum
crm_workflow_out(PG_FUNCTION_ARGS)
{
	Workflow   *w = PG_GETARG_WORKFLOW_P(0);
	StringInfoData out;

	initStringInfo(&out);
	crm_workflow_to_text(w, &out);
	PG_RETURN_CSTRING(out.data);
}

/*
 * crm_workflow_recv(internal) returns crm_workflow
 *
 * One byte of version (1), then the text in client encoding. The compiled form
 * never travels, so there is nothing to trust. Errors: 22P03 for an unknown
 * version, 22021 for bytes that are no text, else as crm_workflow_in.
 */
Datum
crm_workflow_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buf);
	char	   *text;
	int			len;

	if (version != WF_WIRE_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported crm_workflow version number %d", version),
				 errhint("This server reads version %d.", WF_WIRE_FORMAT)));
	text = pq_getmsgtext(buf, buf->len - buf->cursor, &len);
	PG_RETURN_POINTER(crm_workflow_from_text(text, len, NULL));
}

/*
 * crm_workflow_send(crm_workflow) returns bytea
 */
Datum
crm_workflow_send(PG_FUNCTION_ARGS)
{
	Workflow   *w = PG_GETARG_WORKFLOW_P(0);
	StringInfoData text;
	StringInfoData buf;

	initStringInfo(&text);
	crm_workflow_to_text(w, &text);
	pq_begintypsend(&buf);
	pq_sendbyte(&buf, WF_WIRE_FORMAT);
	pq_sendtext(&buf, text.data, text.len);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
