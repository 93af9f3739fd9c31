/*
 * merge_worker.h
 *		A background worker that merges, started by whoever sees that enough waits.
 */
#ifndef CRM_MERGE_WORKER_H
#define CRM_MERGE_WORKER_H

#include "crm.h"

/* Changes that may wait before the worker is started */
extern int	crm_merge_threshold;

/* So many changes have been written by this transaction; if they are very many, it merges them as it commits */
extern void crm_count_changes(int n);

/* Enough waits: start the worker when this transaction commits, unless there is one */
extern void crm_want_merge(void);

extern void crm_merge_worker_init(void);

#endif							/* CRM_MERGE_WORKER_H */
