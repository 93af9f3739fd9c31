/*
 * workflow_cache.h
 *		The rows of crm.workflows, kept in memory by each backend.
 */
#ifndef CRM_WORKFLOW_CACHE_H
#define CRM_WORKFLOW_CACHE_H

#include "access/attnum.h"
#include "utils/rel.h"

#include "workflow.h"

/*
 * The workflow of that name, and its version unless that is NULL; an error if
 * there is none. The result is good until the next call, or until code that is
 * not ours runs.
 */
extern const Workflow *crm_workflow_get(text *name, int32 *version);

/* The same, NULL if there is none */
extern const Workflow *crm_workflow_find(text *name, int32 *version);

/* Error SL009 */
pg_noreturn extern void crm_refuse_no_workflow(const char *name);

/* Number of the column "definition" of a table; an error if it is missing or not of our type */
extern AttrNumber crm_definition_column(Relation rel);

extern void crm_workflow_cache_init(void);

#endif							/* CRM_WORKFLOW_CACHE_H */
