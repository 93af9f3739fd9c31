/*
 * settings.h
 *		The house rules in crm.settings.
 */
#ifndef CRM_SETTINGS_H
#define CRM_SETTINGS_H

#include "crm.h"

#include "datatype/timestamp.h"
#include "utils/date.h"

/* The reporting currency; good until code that is not ours runs */
extern const char *crm_reporting_currency(void);

/* The day of an instant in the reporting time zone */
extern DateADT crm_reporting_day(TimestampTz instant);

/* The reporting time zone; good until the next call */
extern text *crm_time_zone(void);

/* Whether the snapshot of the transaction shows that time zone, too */
extern bool crm_time_zone_is_seen(void);

extern void crm_settings_init(void);

#endif							/* CRM_SETTINGS_H */
