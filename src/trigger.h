/*
 * trigger.h
 *		What our trigger functions share.
 */
#ifndef CRM_TRIGGER_H
#define CRM_TRIGGER_H

#include "crm.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "utils/rel.h"

typedef enum CrmTriggerKind
{
	CRM_TRIGGER_BEFORE_ROW,		/* FOR EACH ROW, INSERT or UPDATE */
	CRM_TRIGGER_AFTER_ROW,
	CRM_TRIGGER_AFTER_ANY_ROW,	/* DELETE too */
	CRM_TRIGGER_BEFORE_ANY_ROW, /* DELETE too */
	CRM_TRIGGER_BEFORE_STATEMENT,	/* any event */
	CRM_TRIGGER_AFTER_STATEMENT,
	CRM_TRIGGER_AFTER			/* any event, row or statement */
} CrmTriggerKind;

/* The trigger's data, after a check that it is called as one of that kind. */
extern TriggerData *crm_trigger_data(FunctionCallInfo fcinfo, const char *name,
									 CrmTriggerKind kind);

/*
 * Anybody can have our functions called for a table of his own, with what columns and rows he likes. Those that
 * write or read ours with its owner's rights must not be: error 42809 on another table than that of ours.
 */
extern void crm_check_trigger_table(const TriggerData *trigger, const char *table);
extern TriggerData *crm_trigger_data_of(FunctionCallInfo fcinfo, const char *name, CrmTriggerKind kind,
										const char *table);

/* Whether the row has another value of that column than before; of a new row, yes */
extern bool crm_is_changed(const TriggerData *trigger, AttrNumber column);

/* The command that wrote the row, or took it away */
extern CommandId crm_writing_command(const TriggerData *trigger);

/* Whether a trigger calls that function of ours, whatever schema it was installed in */
extern bool crm_calls(const Trigger *trigger, PGFunction function);

/* Error 39P01 if a statement trigger of an INSERT, UPDATE or DELETE has not the transition tables of it */
extern void crm_check_transition_tables(const TriggerData *trigger, const char *name);

static inline Datum
crm_get(HeapTuple tuple, AttrNumber column, Relation rel, bool *isnull)
{
	return heap_getattr(tuple, column, RelationGetDescr(rel), isnull);
}

#endif							/* CRM_TRIGGER_H */
