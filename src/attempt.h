/*
 * attempt.h
 *		One thing of several, of which the others go on if it fails.
 */
#ifndef CRM_ATTEMPT_H
#define CRM_ATTEMPT_H

#include "crm.h"

/*
 * Run something in a subtransaction; an error about the rows undoes it and is
 * returned, NULL if there was none. One about the transaction, the server or the
 * connection is thrown on.
 */
extern ErrorData *crm_attempt(void (*action) (void *), void *arg);

#endif							/* CRM_ATTEMPT_H */
