/*
 * event_log.h
 *		An event log, case by case in order of time.
 */
#ifndef CRM_EVENT_LOG_H
#define CRM_EVENT_LOG_H

#include "crm.h"

#include "utils/timestamp.h"

typedef struct EventLog EventLog;

/* One step of a case from an activity to the next; -1 for the begin and the end of the case. */
typedef struct LogStep
{
	int			from;
	int			to;
	int64		duration;		/* microseconds; 0 at begin and end */
} LogStep;

extern EventLog *crm_event_log_create(FunctionCallInfo fcinfo, Oid case_type);
extern void crm_event_log_add(EventLog *log, Datum case_id, text *activity, TimestampTz at);

/* The activities, by number */
extern int	crm_event_log_activities(const EventLog *log);
extern const char *crm_event_log_activity(const EventLog *log, int number);

/* After the last event: the steps, one by one; false behind the last. */
extern void crm_event_log_start(EventLog *log);
extern bool crm_event_log_next(EventLog *log, LogStep *step);

#endif							/* CRM_EVENT_LOG_H */
