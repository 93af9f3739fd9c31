/*
 * workflow_label.c
 *		The label of an edge: events, or a timer, and a guard.
 *
 *		label := [event {',' event}] ['[' guard ']'] | 'after' interval ['[' guard ']']
 */
#include "crm.h"

#include "common/int.h"
#include "datatype/timestamp.h"

#include "workflow_scan.h"

#define EVENT_HINT	"An event starts with a letter or _, and goes on with letters, digits and _."
#define AFTER_HINT	"Write it as: after 14 days"

/* Things that break Mermaid inside a label. */
static bool
check_label(WfParser *parser)
{
	static const struct
	{
		const char *token,
				   *fault,
				   *hint;
	}			broken[] = {
		{"%%", "a comment cannot stand behind a label", "Put the comment on a line of its own."},
		{";", "\";\" cannot stand in a label, Mermaid ends the statement there", "Write one statement a line."},
		{"::", "\"::\" cannot stand in a label, Mermaid breaks on it", "A label holds events, each one word, and a guard: pay [paid_in_full]"},
		{"[[", "\"[[\" cannot stand in a label", "A label holds events, each one word, and a guard: pay [paid_in_full]"},
	};
	WfParser	at = *parser;

	for (; at.p < at.eol; at.p++)
		for (int i = 0; i < lengthof(broken); i++)
			if (crm_scan_looking_at(&at, broken[i].token))
				return FAULT(parser, crm_scan_here(&at), broken[i].hint, "%s", broken[i].fault);
	return true;
}

/* ['[' guard ']'] and the end of the line */
static bool
parse_guard(WfParser *parser, int *guard)
{
	DraftPlace	place;
	char	   *name;

	*guard = -1;
	crm_scan_skip_blanks(parser);
	if (crm_scan_at_eol(parser))
		return true;
	if (!crm_scan_accept(parser, "["))
		return FAULT(parser, crm_scan_here(parser),
					 "An event is one word, such as pay_deposit; a comma separates two events.",
					 "unexpected text in a label");
	crm_scan_skip_blanks(parser);
	place = crm_scan_here(parser);
	name = crm_scan_id(parser);
	if (name == NULL)
		return FAULT(parser, place,
					 "A guard is given by its name, as in: pay [paid_in_full]",
					 "the name of a guard is expected");
	crm_scan_skip_blanks(parser);
	if (!crm_scan_accept(parser, "]"))
		return FAULT(parser, crm_scan_here(parser),
					 "A guard is one word in brackets, as in: pay [paid_in_full]",
					 "\"]\" is expected behind the name of a guard");
	crm_scan_skip_blanks(parser);
	if (!crm_scan_at_eol(parser))
		return FAULT(parser, crm_scan_here(parser), "The guard is the last part of a label.",
					 "unexpected text behind a guard");
	return crm_draft_guard(parser->draft, name, place, guard);
}

static void
put_part(StringInfo name, int32 number, const char *unit)
{
	if (number > 0)
		appendStringInfo(name, " %d %s%s", number, unit, number == 1 ? "" : "s");
}

/* 'after' has been read: {number unit} */
static bool
parse_interval(WfParser *parser, DraftPlace place, DraftEvent *event)
{
	static const struct
	{
		const char *unit;
		int32		months,
					days,
					seconds;
	}			units[] = {
		{"second", 0, 0, 1}, {"minute", 0, 0, SECS_PER_MINUTE}, {"hour", 0, 0, SECS_PER_HOUR},
		{"day", 0, 1, 0}, {"week", 0, 7, 0}, {"month", 1, 0, 0}, {"year", MONTHS_PER_YEAR, 0, 0}
	};
	StringInfoData name;

	memset(event, 0, sizeof(*event));
	for (;;)
	{
		DraftPlace	number_place = crm_scan_here(parser);
		DraftPlace	unit_place;
		int32		number = 0;
		char	   *word;
		size_t		len;
		int			unit = 0;
		int32		part;
		bool		overflow = false;

		while (!crm_scan_at_eol(parser) && *parser->p >= '0' && *parser->p <= '9')
		{
			overflow |= pg_mul_s32_overflow(number, 10, &number) ||
				pg_add_s32_overflow(number, *parser->p - '0', &number);
			parser->p++;
		}
		if (parser->p == number_place.at)
			return FAULT(parser, number_place, AFTER_HINT, "a whole number is expected behind \"after\"");
		crm_scan_skip_blanks(parser);
		unit_place = crm_scan_here(parser);
		word = crm_scan_id(parser);
		len = word ? strlen(word) : 0;
		if (len > 1 && (word[len - 1] == 's' || word[len - 1] == 'S'))
			word[len - 1] = '\0';
		while (word != NULL && unit < lengthof(units) && pg_strcasecmp(word, units[unit].unit) != 0)
			unit++;
		if (word == NULL || unit == lengthof(units))
			return FAULT(parser, unit_place,
						 "Use second, minute, hour, day, week, month or year.",
						 "a unit of time is expected");

		overflow |= pg_mul_s32_overflow(number, units[unit].months, &part) ||
			pg_add_s32_overflow(event->months, part, &event->months) ||
			pg_mul_s32_overflow(number, units[unit].days, &part) ||
			pg_add_s32_overflow(event->days, part, &event->days) ||
			pg_mul_s32_overflow(number, units[unit].seconds, &part) ||
			pg_add_s32_overflow(event->seconds, part, &event->seconds);
		if (overflow)
			return FAULT(parser, number_place, "Choose a shorter time.", "the time behind \"after\" is too long");

		crm_scan_skip_blanks(parser);
		if (crm_scan_at_eol(parser) || !(*parser->p >= '0' && *parser->p <= '9'))
			break;
	}
	if (event->months == 0 && event->days == 0 && event->seconds == 0)
		return FAULT(parser, place, "Use an event that the application takes at once.",
					 "the time behind \"after\" is zero");

	/* The event is named by the label, always written in one way. */
	initStringInfo(&name);
	appendStringInfoString(&name, "after");
	put_part(&name, event->months / MONTHS_PER_YEAR, "year");
	put_part(&name, event->months % MONTHS_PER_YEAR, "month");
	put_part(&name, event->days, "day");
	put_part(&name, event->seconds / SECS_PER_HOUR, "hour");
	put_part(&name, event->seconds % SECS_PER_HOUR / SECS_PER_MINUTE, "minute");
	put_part(&name, event->seconds % SECS_PER_MINUTE, "second");
	event->name = name.data;
	return true;
}

/* ':' has been read. */
bool
crm_parse_label(WfParser *parser, int from, int to)
{
	WfDraft    *draft = parser->draft;
	DraftEdge	edge = {0};
	List	   *edges = NIL;	/* DraftEdge, one an event */
	ListCell   *lc;
	int			guard;

	if (!check_label(parser))
		return false;
	crm_scan_skip_blanks(parser);
	edge.from = from;
	edge.to = to;
	edge.place = crm_scan_here(parser);
	for (;;)
	{
		DraftEvent	event = {0};
		char	   *word;

		edge.place = crm_scan_here(parser);
		if (edges == NIL && crm_scan_looking_at(parser, "["))
			word = pstrdup(DRAFT_NODE(draft, to)->name);
		else
			word = crm_scan_id(parser);
		if (word == NULL)
			return FAULT(parser, edge.place, EVENT_HINT,
						 crm_scan_at_eol(parser) ? "an event is expected, but the line ends" : "an event is expected");
		event.name = word;
		crm_scan_skip_blanks(parser);
		if (strcmp(word, "after") == 0 && !crm_scan_at_eol(parser) &&
			*parser->p != ',' && *parser->p != '[')
		{
			if (edges != NIL)
				return FAULT(parser, edge.place, "Draw an edge of its own for it.",
							 "a timer (\"after ...\") cannot share an edge with an event");
			if (!parse_interval(parser, edge.place, &event))
				return false;
		}
		if (!crm_draft_event(draft, &event, edge.place, &edge.event))
			return false;
		edges = lappend(edges, memcpy(palloc(sizeof(edge)), &edge, sizeof(edge)));
		if (!crm_scan_looking_at(parser, ","))
			break;
		if (WF_IS_TIMER(&event))
			return FAULT(parser, crm_scan_here(parser), "Draw an edge of its own for it.",
						 "a timer (\"after ...\") cannot share an edge with an event");
		crm_scan_accept(parser, ",");
		crm_scan_skip_blanks(parser);
	}
	if (!parse_guard(parser, &guard))
		return false;
	foreach(lc, edges)
	{
		DraftEdge  *one = lfirst(lc);

		one->guard = guard;
		if (!crm_draft_edge(draft, one))
			return false;
	}
	return true;
}
