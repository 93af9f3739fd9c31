/*
 * activity_names.h
 *		Names of states and events made of any text.
 */
#ifndef CRM_ACTIVITY_NAMES_H
#define CRM_ACTIVITY_NAMES_H

#include "crm.h"

/* A valid id made of a text. */
extern char *crm_name_of(const char *text, int len);

/* The same, and none of those that were given before. */
typedef struct CrmUniqueNames CrmUniqueNames;
extern CrmUniqueNames *crm_unique_names_create(void);
extern char *crm_unique_name(CrmUniqueNames *names, const char *text, int len);

/* The text as Mermaid can show it; NULL if there is nothing to show. */
extern char *crm_display_of(const char *text, int len);

#endif							/* CRM_ACTIVITY_NAMES_H */
