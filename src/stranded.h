/*
 * stranded.h
 *		Rows by their status, in all the tables that follow a workflow.
 */
#ifndef CRM_STRANDED_H
#define CRM_STRANDED_H

#include "crm.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

#include "workflow.h"

/* How many rows of a table stand in a status */
typedef struct CrmStanding
{
	Oid			relid;
	char	   *table;			/* its name, quoted where needed */
	char	   *status;
	int64		rows;
} CrmStanding;

/*
 * OIDs of the tables whose rows follow the workflow of that name, or may do so.
 * They and their partitions are locked, in order of their OIDs, until the
 * transaction ends.
 */
extern List *crm_lock_followers(const char *workflow, LOCKMODE lock);

/*
 * The rows (CrmStanding) of these tables that follow the workflow and stand in
 * one of the statuses, a text[], or in none of them. As they are now, committed
 * or our own, whatever the snapshot of the transaction; past the caller's rights.
 */
extern List *crm_count_standing(List *followers, const char *workflow, Datum statuses, bool none_of_them);

/* Error SL013, which lists them */
pg_noreturn extern void crm_refuse_stranding(const char *workflow, List *standing);

/* The names of the states as a text[], without those that the other one has, too (it may be NULL) */
extern Datum crm_state_names(const Workflow *w, const Workflow *without, int *n);

#endif							/* CRM_STRANDED_H */
