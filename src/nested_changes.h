/*
 * nested_changes.h
 *		Changes of orders in the midst of a statement that writes lines.
 */
#ifndef CRM_NESTED_CHANGES_H
#define CRM_NESTED_CHANGES_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

/* A change of an order has begun to tell of its lines; whether it is such a one, and each line to be noted */
extern bool crm_note_nested_change(Relation lines, int64 order_id, CommandId command);
extern void crm_note_line_told_of(TupleTableSlot *line, CommandId command);

/*
 * The command with whose order a version of a line counts, that was written (is_new) or replaced by the command
 * given: that one, or the last nested one that the version was too late for, or that has told of it.
 */
extern CommandId crm_command_of_order(int64 order_id, TupleTableSlot *line, bool is_new, CommandId command);

#endif							/* CRM_NESTED_CHANGES_H */
