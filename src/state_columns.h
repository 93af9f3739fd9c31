/*
 * state_columns.h
 *		What a row shows of its state beside the status, so that an index finds it:
 *		status_until, when the next timer comes, and open_status, the status while
 *		it is one of class open. And booked_at, when it first was one of class booked,
 *		which stays, whatever becomes of the row and of the workflow.
 *
 * A table has these columns or not. They change with few of the steps; an index
 * on the status itself would make every step a new entry in every index.
 */
#ifndef CRM_STATE_COLUMNS_H
#define CRM_STATE_COLUMNS_H

#include "crm.h"

#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "door.h"

typedef struct CrmStateColumns
{
	bool		has_until;
	TimestampTz until;
	bool		is_open;
	bool		is_booked;
} CrmStateColumns;

/*
 * What they are for a row in that status since then; nothing for a status that
 * the workflow does not have. A timer that has come by the given moment and was
 * not taken is looked at again an hour later, or when the next one comes.
 */
extern void crm_state_columns(const Door *door, Relation rel, TupleTableSlot *row,
							  const char *status, int len, TimestampTz since, TimestampTz moment,
							  CrmStateColumns *columns);

#endif							/* CRM_STATE_COLUMNS_H */
