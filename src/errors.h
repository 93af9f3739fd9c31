/*
 * errors.h
 *		SQLSTATE class SL ("sales"): what a client may want to tell apart.
 *
 * The SQL standard leaves classes that begin with I to Z to the implementation,
 * and PostgreSQL uses none that begins with S. Keep the table in README.md in
 * step. Numbers are never reused.
 */
#ifndef CRM_ERRORS_H
#define CRM_ERRORS_H

#include "utils/elog.h"

/* There is no such order (or row), or the role may not see it. */
#define ERRCODE_CRM_NO_SUCH_ROW				MAKE_SQLSTATE('S', 'L', '0', '0', '1')
/* The workflow has no event of that name at all. */
#define ERRCODE_CRM_UNKNOWN_EVENT			MAKE_SQLSTATE('S', 'L', '0', '0', '2')
/* The step exists, but not from the status that the row has. */
#define ERRCODE_CRM_NOT_ALLOWED_FROM_HERE	MAKE_SQLSTATE('S', 'L', '0', '0', '3')
/* The step is possible from there, but its guard does not hold. */
#define ERRCODE_CRM_GUARD_NOT_MET			MAKE_SQLSTATE('S', 'L', '0', '0', '4')
/* The row has another version than the caller expects: somebody else changed it. */
#define ERRCODE_CRM_STALE_VERSION			MAKE_SQLSTATE('S', 'L', '0', '0', '5')
/* More would be given back than was paid. */
#define ERRCODE_CRM_REFUND_ABOVE_PAID		MAKE_SQLSTATE('S', 'L', '0', '0', '6')
/* The workflow has no status of that name. */
#define ERRCODE_CRM_UNKNOWN_STATUS			MAKE_SQLSTATE('S', 'L', '0', '0', '7')
/* Only the table's owner may insert a row in a later status. */
#define ERRCODE_CRM_LATER_STATUS			MAKE_SQLSTATE('S', 'L', '0', '0', '8')
/* There is no workflow of that name. */
#define ERRCODE_CRM_NO_SUCH_WORKFLOW		MAKE_SQLSTATE('S', 'L', '0', '0', '9')
/* A column that only the machine writes was changed by hand. */
#define ERRCODE_CRM_KEPT_BY_MACHINE			MAKE_SQLSTATE('S', 'L', '0', '1', '0')
/* History was changed by hand. */
#define ERRCODE_CRM_HISTORY_PROTECTED		MAKE_SQLSTATE('S', 'L', '0', '1', '1')

/* A request key came again, with another request. */
#define ERRCODE_CRM_REQUEST_KEY_REUSED		MAKE_SQLSTATE('S', 'L', '0', '1', '2')
/* A workflow would lose a status that rows stand in. */
#define ERRCODE_CRM_ROWS_STRANDED			MAKE_SQLSTATE('S', 'L', '0', '1', '3')
/* The lines of the order or opportunity do not change any more. */
#define ERRCODE_CRM_NOT_EDITABLE			MAKE_SQLSTATE('S', 'L', '0', '1', '4')
/* There are no such products. */
#define ERRCODE_CRM_NO_SUCH_PRODUCT			MAKE_SQLSTATE('S', 'L', '0', '1', '5')
/* A product is not sold any more. */
#define ERRCODE_CRM_PRODUCT_INACTIVE		MAKE_SQLSTATE('S', 'L', '0', '1', '6')
/* Payment or price and order are in different currencies. */
#define ERRCODE_CRM_OTHER_CURRENCY			MAKE_SQLSTATE('S', 'L', '0', '1', '7')
/* There is no exchange rate for the currency of an order. */
#define ERRCODE_CRM_NO_EXCHANGE_RATE		MAKE_SQLSTATE('S', 'L', '0', '1', '8')

#endif							/* CRM_ERRORS_H */
