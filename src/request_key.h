/*
 * request_key.h
 *		Keys by which a request that comes again is known.
 */
#ifndef CRM_REQUEST_KEY_H
#define CRM_REQUEST_KEY_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

/* An argument that is a request key; NULL if none is given. Error 22023 if it is empty or too long. */
extern text *crm_get_request_key(FunctionCallInfo fcinfo, int n);

/*
 * The row that was written by the request of that key; false if there is none. Past
 * the rights of the caller. Whoever has waited for crm_lock_name() finds what was done.
 */
extern bool crm_find_request(Relation rel, text *key, TupleTableSlot *row);

/* Error 42501 unless the role may insert into the table */
extern void crm_check_may_insert(Relation rel);

/* Error SL012 */
pg_noreturn extern void crm_refuse_request_key(text *key, const char *detail);

#endif							/* CRM_REQUEST_KEY_H */
