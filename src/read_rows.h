/*
 * read_rows.h
 *		For functions that read tables and answer with rows.
 */
#ifndef CRM_READ_ROWS_H
#define CRM_READ_ROWS_H

#include "crm.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/tuplestore.h"

/* Is called for each row; what it keeps, it allocates in a memory context of its own choice. */
typedef void (*CrmTakeRow) (TupleTableSlot *row, void *arg);

/*
 * Have the rows of a query taken one by one, none of them stored. With the rights of
 * the caller: who may not see a row does not hear of it here.
 */
extern void crm_read_rows(const char *query, CrmTakeRow take, void *arg);

/* The same of a query with parameters, none of them NULL */
extern void crm_read_rows_of(const char *query, int nparams, Oid *types, Datum *values, CrmTakeRow take, void *arg);

/* Where a set-returning function puts its rows; an error if nobody takes a set */
extern Tuplestorestate *crm_begin_result(FunctionCallInfo fcinfo, TupleDesc *desc);

#endif							/* CRM_READ_ROWS_H */
