/*
 * deadline.c
 *		When the timers of a state come.
 */
#include "crm.h"

#include "utils/fmgrprotos.h"

#include "deadline.h"
#include "settings.h"

bool
crm_deadline(const WfEvent *timer, TimestampTz since, TimestampTz *deadline)
{
	/* never too early, so that nothing below leaves the calendar */
	double		latest = (double) since +
		(timer->months * 31.0 + timer->days + 2) * USECS_PER_DAY + (double) timer->seconds * USECS_PER_SEC;

	if (TIMESTAMP_NOT_FINITE(since) || latest >= (double) END_TIMESTAMP)
		return false;
	if (timer->months != 0 || timer->days != 0)
	{
		/* as a person counts days: at the same time of the day, whatever the session's zone */
		Interval	days = {0, timer->days, timer->months};
		text	   *zone = crm_time_zone();
		Datum		local = DirectFunctionCall2(timestamptz_zone, PointerGetDatum(zone),
												TimestampTzGetDatum(since));

		local = DirectFunctionCall2(timestamp_pl_interval, local, IntervalPGetDatum(&days));
		since = DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, PointerGetDatum(zone), local));
	}
	*deadline = since + (int64) timer->seconds * USECS_PER_SEC;
	return true;
}

bool
crm_next_deadline(const Workflow *w, int state, TimestampTz since, TimestampTz moment,
				  TimestampTz *deadline)
{
	const WfState *from = &WF_STATES(w)[state];
	const WfExit *exits = WF_EXITS(w) + from->first_exit;
	bool		found = false;

	for (int i = 0; i < from->nexits; i++)
	{
		const WfEvent *event = &WF_EVENTS(w)[exits[i].event];
		TimestampTz at;

		if (!WF_IS_TIMER(event) || !crm_deadline(event, since, &at) || at <= moment ||
			(found && at >= *deadline))
			continue;
		*deadline = at;
		found = true;
	}
	return found;
}
