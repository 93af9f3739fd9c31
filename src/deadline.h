/*
 * deadline.h
 *		When the timers of a state come.
 */
#ifndef CRM_DEADLINE_H
#define CRM_DEADLINE_H

#include "crm.h"

#include "utils/timestamp.h"

#include "workflow.h"

/*
 * When a timer comes in a status that was reached then; false if that is beyond
 * the calendar. Months and days are counted in the reporting time zone.
 */
extern bool crm_deadline(const WfEvent *timer, TimestampTz since, TimestampTz *deadline);

/* The first timer of a state that comes after a moment; false if none does. */
extern bool crm_next_deadline(const Workflow *w, int state, TimestampTz since,
							  TimestampTz moment, TimestampTz *deadline);

#endif							/* CRM_DEADLINE_H */
