/*
 * attempt.h
 *		One thing of several, of which the others go on if it fails.
 */
#ifndef CRM_ATTEMPT_H
#define CRM_ATTEMPT_H

#include "crm.h"

/*
 * Run something in a subtransaction; an error undoes it and is returned, NULL if
 * there was none. One after which others had better not go on is thrown on: a
 * cancelled statement, a serialization failure, a full disk.
 */
extern ErrorData *crm_attempt(void (*action) (void *), void *arg);

/* The same, whatever the error */
extern ErrorData *crm_try(void (*action) (void *), void *arg);

#endif							/* CRM_ATTEMPT_H */
