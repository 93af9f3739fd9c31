/*
 * workflow_cache.h
 *		The rows of crm.workflows, kept in memory by each backend.
 */
#ifndef CRM_WORKFLOW_CACHE_H
#define CRM_WORKFLOW_CACHE_H

#include "workflow.h"

/*
 * The workflow of that name; an error if there is none. The result is good
 * until the next call, or until code that is not ours runs.
 */
extern const Workflow *crm_workflow_get(text *name);

/* The same, NULL if there is none */
extern const Workflow *crm_workflow_find(text *name);

extern void crm_workflow_cache_init(void);

#endif							/* CRM_WORKFLOW_CACHE_H */
