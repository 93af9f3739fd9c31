/*
 * iso_4217.h
 *		The currencies that there are.
 */
#ifndef CRM_ISO_4217_H
#define CRM_ISO_4217_H

#include "crm.h"

/* Whether that is the code of a currency, 'EUR' */
extern bool crm_is_currency_code(const text *code);

#endif							/* CRM_ISO_4217_H */
