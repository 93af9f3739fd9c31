/*
 * settings.h
 *		The house rules in crm.settings.
 */
#ifndef CRM_SETTINGS_H
#define CRM_SETTINGS_H

#include "crm.h"

extern void crm_settings_init(void);

#endif							/* CRM_SETTINGS_H */
