/*
 * order_request.h
 *		The lines that crm_place_order() is asked for.
 */
#ifndef CRM_ORDER_REQUEST_H
#define CRM_ORDER_REQUEST_H

#include "crm.h"

#include "utils/jsonb.h"

typedef struct CrmLineRequest
{
	int64		product_id;		/* 0 until the product is known */
	text	   *sku;			/* NULL if the product is named by its number */
	Datum		quantity;		/* numerics, rounded as the columns are */
	Datum		unit_price;
	Datum		discount;
	Datum		tax;
	bool		has_price;
} CrmLineRequest;

/* Read them; error 22023 names the place of the first fault, lines[3].quantity. */
extern CrmLineRequest *crm_read_lines(Jsonb *lines, int *nlines);

/*
 * Find their products and fill in prices. Errors: SL015 for products that do not
 * exist, SL016 for some that are not sold any more, all of them listed; SL017 for a
 * price that is needed in another currency.
 */
extern void crm_find_products(CrmLineRequest *lines, int nlines, const char *currency);

/* What a line comes to, in cents; errors 22023 and 22003 for what makes no sense, with its place */
extern void crm_check_line(const CrmLineRequest *line, int number, int64 *amount, int64 *discount, int64 *tax);

#endif							/* CRM_ORDER_REQUEST_H */
