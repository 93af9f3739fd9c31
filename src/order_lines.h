/*
 * order_lines.h
 *		Rules for the lines of orders.
 */
#ifndef CRM_ORDER_LINES_H
#define CRM_ORDER_LINES_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

/*
 * Error SL014 unless the lines of an order, or of an opportunity, may change in
 * its status, or the role owns the table
 */
extern void crm_check_editable(Relation orders, TupleTableSlot *order);

/* Error SL014 unless the role owns that table, whose lines are truncated: nobody asks for the status of each */
extern void crm_check_truncate(Relation lines, const char *table);

/* The trigger function, to know the triggers by */
extern PGDLLEXPORT Datum crm_total_order_lines(PG_FUNCTION_ARGS);

#endif							/* CRM_ORDER_LINES_H */
