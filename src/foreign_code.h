/*
 * foreign_code.h
 *		Whether code that is not ours lies on an event table.
 */
#ifndef CRM_FOREIGN_CODE_H
#define CRM_FOREIGN_CODE_H

#include "crm.h"

#include "utils/rel.h"

/*
 * Whether a row that is inserted past SQL may set off functions that are neither
 * PostgreSQL's nor ours: by a row trigger, a CHECK constraint, a default, a
 * generated column, a domain or an index. Nothing is run to find that out.
 */
extern bool crm_has_foreign_code(Relation rel);

#endif							/* CRM_FOREIGN_CODE_H */
