/*
 * notify.c
 *		A trigger for event tables: tells listening applications of each step.
 */
#include "crm.h"

#include "access/genam.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "catalog.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_notify_event);

#define MAX_PAYLOAD		7999	/* bytes; PostgreSQL takes fewer than 8000 */

/* Append one member of a JSON object: numbers and null as such, all else as text. */
static void
append_member(StringInfo json, const char *name, Relation rel, HeapTuple row, AttrNumber column)
{
	Oid			type = TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid;
	bool		isnull;
	Datum		value = crm_get(row, column, rel, &isnull);
	Oid			output;
	bool		isvarlena;
	char	   *text;

	appendStringInfo(json, ", \"%s\": ", name);
	if (isnull)
	{
		appendStringInfoString(json, "null");
		return;
	}
	getTypeOutputInfo(type, &output, &isvarlena);
	text = OidOutputFunctionCall(output, value);
	if (type == INT2OID || type == INT4OID || type == INT8OID)
		appendStringInfoString(json, text);
	else
		escape_json(json, text);
}

/* What the event table numbers its rows under: the first column of its primary key */
static AttrNumber
key_column(Relation rel)
{
	Oid			index = crm_primary_key_index(rel);
	Relation	key;
	AttrNumber	column;

	if (!OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("table %s has no primary key", crm_relation_name(rel)),
				 errdetail("Function crm_notify_event() is for event tables, whose primary key is the key of the row and a number.")));
	key = index_open(index, AccessShareLock);
	column = key->rd_index->indkey.values[0];
	index_close(key, AccessShareLock);
	return column;
}

/* Without the key if it makes the payload too long: better less of an answer than no step. */
static char *
make_payload(Relation rel, HeapTuple row, bool with_key)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"table\": ");
	escape_json(&json, crm_relation_name(rel));
	if (with_key)
		append_member(&json, "key", rel, row, key_column(rel));
	append_member(&json, "seq", rel, row, crm_column(rel, "seq", INT4OID));
	append_member(&json, "event", rel, row, crm_column(rel, "event", TEXTOID));
	append_member(&json, "from", rel, row, crm_column(rel, "from_status", TEXTOID));
	append_member(&json, "to", rel, row, crm_column(rel, "to_status", TEXTOID));
	appendStringInfoChar(&json, '}');
	return json.len > MAX_PAYLOAD && with_key ? make_payload(rel, row, false) : json.data;
}

/*
 * crm_notify_event(channel) returns trigger
 *
 * AFTER INSERT row trigger of an event table: NOTIFY on that channel, with a JSON
 * object: table, key, seq, event, from, to. Listeners hear of it when the step is
 * committed. Errors: 22023 for a channel that PostgreSQL does not take, 42xxx for
 * a table that is no event table, 39P01 if not called as such a trigger.
 */
Datum
crm_notify_event(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_notify_event", CRM_TRIGGER_AFTER_ROW);

	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) || trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function crm_notify_event() was not called as the trigger that it is for"),
				 errhint("Use it in CREATE TRIGGER ... AFTER INSERT ... FOR EACH ROW, with the name of a channel.")));
	Async_Notify(trigger->tg_trigger->tgargs[0],
				 make_payload(trigger->tg_relation, trigger->tg_trigtuple, true));
	PG_RETURN_POINTER(NULL);
}
