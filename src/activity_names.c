/*
 * activity_names.c
 *		Names of states and events made of any text, as event logs have it.
 */
#include "crm.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "activity_names.h"
#include "workflow.h"
#include "workflow_draft.h"
#include "workflow_scan.h"

PG_FUNCTION_INFO_V1(crm_event_name);

#define MAX_STEM	(WF_MAX_NAME - 12)	/* leaves room for "_" and a number */

struct CrmUniqueNames
{
	HTAB	   *given;			/* DraftName: number is the last suffix tried */
};

char *
crm_name_of(const char *text, int len)
{
	const char *end = text + len;
	bool		in_run = false; /* of characters that no name can have */
	StringInfoData name;

	initStringInfo(&name);
	while (text < end)
	{
		int			bytes = crm_id_character(text, end, false);

		if (bytes > 0)
			appendBinaryStringInfo(&name, text, bytes);
		else if (!in_run)
			appendStringInfoChar(&name, '_');
		in_run = bytes == 0;
		text += bytes > 0 ? bytes : Min(pg_mblen(text), (int) (end - text));
	}
	name.len = pg_mbcliplen(name.data, name.len, MAX_STEM);
	name.data[name.len] = '\0';
	if (name.len == 0)
		return pstrdup("_");
	if (name.len >= 9 && pg_strcasecmp(name.data + name.len - 9, "direction") == 0)
		appendStringInfoChar(&name, '_');
	if ((name.data[0] >= '0' && name.data[0] <= '9') || crm_workflow_is_reserved(name.data))
		return psprintf("_%s", name.data);
	return name.data;
}

CrmUniqueNames *
crm_unique_names_create(void)
{
	CrmUniqueNames *names = palloc(sizeof(CrmUniqueNames));
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(((DraftName *) NULL)->name);
	ctl.entrysize = sizeof(DraftName);
	ctl.hcxt = CurrentMemoryContext;
	names->given = hash_create("crm unique names", 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return names;
}

char *
crm_unique_name(CrmUniqueNames *names, const char *text, int len)
{
	char	   *stem = crm_name_of(text, len);
	bool		found;
	DraftName  *entry = hash_search(names->given, stem, HASH_ENTER, &found);

	if (!found)
	{
		entry->number = 1;
		return stem;
	}
	for (;;)
	{
		char	   *name = psprintf("%s_%d", stem, ++entry->number);
		DraftName  *other = hash_search(names->given, name, HASH_ENTER, &found);

		if (!found)
		{
			other->number = 1;
			return name;
		}
	}
}

char *
crm_display_of(const char *text, int len)
{
	char	   *display = pnstrdup(text, pg_mbcliplen(text, len, WF_MAX_DISPLAY));
	char	   *p;
	char	   *end;

	for (p = display; *p != '\0'; p++)
	{
		if (*p == '"')
			*p = '\'';
		else if ((unsigned char) *p < ' ' || *p == 0x7F)
			*p = ' ';
	}
	while (*display == ' ')
		display++;
	for (end = display + strlen(display); end > display && end[-1] == ' '; end--)
		end[-1] = '\0';
	if (*display == '\0' || strstr(display, "%%") != NULL || crm_misread_by_mermaid(display) != NULL)
		return NULL;
	return display;
}

/*
 * crm_event_name(activity text) returns text
 *
 * The event that crm_discover() makes of an activity, unless several activities
 * lead to one name: what can't be in a name becomes _, and _ goes before a digit
 * at the start and before a reserved word.
 */
Datum
crm_event_name(PG_FUNCTION_ARGS)
{
	text	   *activity = PG_GETARG_TEXT_PP(0);

	PG_RETURN_TEXT_P(cstring_to_text(crm_name_of(VARDATA_ANY(activity), VARSIZE_ANY_EXHDR(activity))));
}
