/*
 * order_request.c
 *		The lines that crm_place_order() is asked for: [{"sku": "TEA", "quantity": 2}, ...]
 *
 * They come from a program, which may be wrong. So nothing is guessed, and an
 * error says where the fault is: lines[3].quantity is in the fourth line.
 */
#include "crm.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "iso_4217.h"
#include "order_request.h"
#include "products.h"
#include "settings.h"
#include "totals.h"
#include "workflow.h"

#define MAX_NUMBER	60			/* characters of a number that is written as a string */
#define MAX_SHOWN	100			/* bytes of a name or number in an error */

typedef enum Field
{
	PRODUCT,
	SKU,
	QUANTITY,
	UNIT_PRICE,
	DISCOUNT,
	TAX,
	NFIELDS
} Field;

static const struct
{
	const char *name;
	int			decimals;		/* of the column */
	int64		limit;			/* first number that the column has no room for */
}			fields[NFIELDS] = {
	[PRODUCT] = {"product", 0, INT64CONST(1000000000000000000)},
	[SKU] = {"sku"},
	[QUANTITY] = {"quantity", 3, INT64CONST(100000000000)},
	[UNIT_PRICE] = {"unit_price", 4, INT64CONST(10000000000)},
	[DISCOUNT] = {"discount", 2, INT64CONST(1000000000000)},
	[TAX] = {"tax", 2, INT64CONST(1000000000000)},
};

static void
refuse(int line, const char *field, const char *fault, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 field ? errmsg("lines[%d].%s %s", line, field, fault) : errmsg("lines[%d] %s", line, fault),
			 detail ? errdetail_internal("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0));
}

/* Of what may be very long, enough to find it by */
static char *
clipped(const char *what)
{
	int			len = strlen(what);

	return len <= MAX_SHOWN ? pstrdup(what) : psprintf("%.*s...", pg_mbcliplen(what, len, MAX_SHOWN), what);
}

static void
refuse_number(int line, Field field, Datum value, const char *fault, const char *hint)
{
	refuse(line, fields[field].name, fault,
		   psprintf("It is %s.", clipped(DatumGetCString(DirectFunctionCall1(numeric_out, value)))), hint);
}

static void
refuse_field(int line, const char *name, int len)
{
	CrmSimilar	similar = CRM_SIMILAR_INIT(pnstrdup(name, len));

	for (int i = 0; i < NFIELDS; i++)
		crm_consider_similar(&similar, fields[i].name);
	refuse(line, clipped(similar.name), "is unknown",
		   "A line has product (a number) or sku, quantity, and may have unit_price, discount and tax.",
		   similar.best ? psprintf("Did you mean \"%s\"?", similar.best) : NULL);
}

static Field
find_field(int line, const JsonbValue *key)
{
	for (int i = 0; i < NFIELDS; i++)
		if (strlen(fields[i].name) == key->val.string.len &&
			memcmp(fields[i].name, key->val.string.val, key->val.string.len) == 0)
			return i;
	refuse_field(line, key->val.string.val, key->val.string.len);
	return NFIELDS;				/* not reached */
}

/* Digits and a point, so that numeric_in() has no other reason to complain. */
static bool
is_decimal(const char *number)
{
	const char *digits = number + (*number == '-' || *number == '+');

	return strlen(number) <= MAX_NUMBER && strspn(digits, "0123456789.") == strlen(digits) &&
		strpbrk(digits, "0123456789") != NULL &&
		(strchr(digits, '.') == NULL || strchr(strchr(digits, '.') + 1, '.') == NULL);
}

static bool
is_below(Datum number, int64 limit)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, number, NumericGetDatum(int64_to_numeric(limit))));
}

static bool
is_positive(Datum number)
{
	return DatumGetBool(DirectFunctionCall2(numeric_gt, number, NumericGetDatum(int64_to_numeric(0))));
}

/* A number, also one in quotes: not every program has decimals of its own. */
static Datum
read_number(int line, Field field, const JsonbValue *value)
{
	Datum		number = (Datum) 0;

	if (value->type == jbvNumeric)
		number = NumericGetDatum(value->val.numeric);
	else if (value->type == jbvString)
	{
		char	   *string = pnstrdup(value->val.string.val, value->val.string.len);

		if (!is_decimal(string))
			refuse(line, fields[field].name, "is not a number", psprintf("It is \"%s\".", clipped(string)), NULL);
		number = DirectFunctionCall3(numeric_in, CStringGetDatum(string), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	else
		refuse(line, fields[field].name, "is not a number", NULL, NULL);

	if (field == PRODUCT &&
		!DatumGetBool(DirectFunctionCall2(numeric_eq, number, DirectFunctionCall2(numeric_round, number, Int32GetDatum(0)))))
		refuse_number(line, field, number, "is not a whole number", NULL);
	number = DirectFunctionCall2(numeric_round, number, Int32GetDatum(fields[field].decimals));
	if (!is_below(DirectFunctionCall1(numeric_abs, number), fields[field].limit))
		refuse_number(line, field, number, "is too large", NULL);
	return number;
}

static text *
read_sku(int line, const JsonbValue *value)
{
	if (value->type != jbvString)
		refuse(line, fields[SKU].name, "is not a string", NULL, "A product is named by its number as \"product\", by its sku as \"sku\".");
	return cstring_to_text_with_len(value->val.string.val, value->val.string.len);
}

/* What is there must make sense, and what is needed be there. */
static void
check_fields(int number, CrmLineRequest *line, const bool *given)
{
	if (given[PRODUCT] == given[SKU])
		refuse(number, NULL, given[PRODUCT] ? "names its product twice" : "names no product",
			   given[PRODUCT] ? "It has both \"product\" and \"sku\"." : "It has neither \"product\" nor \"sku\".", NULL);
	if (!given[QUANTITY])
		refuse(number, fields[QUANTITY].name, "is missing", NULL, NULL);
	if (!is_positive(line->quantity))
		refuse_number(number, QUANTITY, line->quantity, "is not above zero", NULL);
	if (given[UNIT_PRICE] && !is_positive(line->unit_price))
		refuse_number(number, UNIT_PRICE, line->unit_price, "is not above zero",
					  "What is given away has its price, and a discount of all of it.");
	if (given[DISCOUNT] && is_below(line->discount, 0))
		refuse_number(number, DISCOUNT, line->discount, "is negative", NULL);
	if (given[TAX] && is_below(line->tax, 0))
		refuse_number(number, TAX, line->tax, "is negative", NULL);
	line->has_price = given[UNIT_PRICE];
	if (!given[DISCOUNT])
		line->discount = NumericGetDatum(int64_to_numeric(0));
	if (!given[TAX])
		line->tax = NumericGetDatum(int64_to_numeric(0));
}

/* An object, of which the iterator has just told the begin */
static void
read_line(JsonbIterator **iterator, int number, CrmLineRequest *line)
{
	bool		given[NFIELDS] = {false};
	JsonbValue	value;

	while (JsonbIteratorNext(iterator, &value, false) == WJB_KEY)
	{
		Field		field = find_field(number, &value);

		/* an array or object inside is a value of its own kind here, not looked into */
		(void) JsonbIteratorNext(iterator, &value, true);
		if (value.type == jbvNull)
			continue;			/* as left out */
		given[field] = true;
		switch (field)
		{
			case PRODUCT:
				line->product_id = DatumGetInt64(DirectFunctionCall1(numeric_int8, read_number(number, field, &value)));
				break;
			case SKU:
				line->sku = read_sku(number, &value);
				break;
			case QUANTITY:
				line->quantity = read_number(number, field, &value);
				break;
			case UNIT_PRICE:
				line->unit_price = read_number(number, field, &value);
				break;
			case DISCOUNT:
				line->discount = read_number(number, field, &value);
				break;
			case TAX:
				line->tax = read_number(number, field, &value);
				break;
			case NFIELDS:
				break;
		}
	}
	check_fields(number, line, given);
}

CrmLineRequest *
crm_read_lines(Jsonb *json, int *nlines)
{
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	CrmLineRequest *lines;
	int			n = 0;

	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json) || JB_ROOT_COUNT(json) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lines is not an array with a line in it"),
				 errhint("It looks like this: [{\"sku\": \"TEA-100\", \"quantity\": 2}].")));
	lines = palloc_extended(sizeof(CrmLineRequest) * JB_ROOT_COUNT(json), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	token = JsonbIteratorNext(&iterator, &value, false);
	Assert(token == WJB_BEGIN_ARRAY);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_END_ARRAY)
	{
		CHECK_FOR_INTERRUPTS();
		if (token != WJB_BEGIN_OBJECT)
			refuse(n, NULL, "is not an object", NULL, "A line looks like this: {\"sku\": \"TEA-100\", \"quantity\": 2}.");
		read_line(&iterator, n, &lines[n]);
		n++;
	}
	*nlines = n;
	return lines;
}

/* Products for an error, each once, as many as fit */
typedef struct ProductList
{
	StringInfoData names;
	HTAB	   *seen;
	int			n;
} ProductList;

static void
start_list(ProductList *list)
{
	HASHCTL		ctl = {0};

	initStringInfo(&list->names);
	ctl.keysize = sizeof(Datum);
	ctl.entrysize = sizeof(Datum);
	ctl.hcxt = CurrentMemoryContext;
	list->seen = hash_create("crm listed products", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	list->n = 0;
}

/* By its sku, or by its number if that is NULL */
static void
list_product(ProductList *list, const char *sku, int64 id)
{
	Datum		hash = sku == NULL ? hash_any_extended((const unsigned char *) &id, sizeof(id), 1) :
		hash_any_extended((const unsigned char *) sku, strlen(sku), 0);
	bool		found;

	(void) hash_search(list->seen, &hash, HASH_ENTER, &found);
	if (found)
		return;
	appendStringInfoString(&list->names, list->n++ == 0 ? "" : ", ");
	if (sku == NULL)
		appendStringInfo(&list->names, "number " INT64_FORMAT, id);
	else
		appendStringInfo(&list->names, "\"%s\"", clipped(sku));
}

void
crm_find_products(CrmLineRequest *lines, int nlines, const char *currency)
{
	CrmProductFinder finder;
	ProductList unknown;
	ProductList inactive;

	start_list(&unknown);
	start_list(&inactive);
	crm_products_open(&finder);
	for (int i = 0; i < nlines; i++)
	{
		CrmLineRequest *line = &lines[i];
		CrmProduct	product;

		CHECK_FOR_INTERRUPTS();
		if (line->sku != NULL ? !crm_product_by_sku(&finder, line->sku, &product) :
			!crm_product_by_id(&finder, line->product_id, &product))
		{
			list_product(&unknown, line->sku != NULL ? text_to_cstring(line->sku) : NULL, line->product_id);
			continue;
		}
		if (!product.active)
			list_product(&inactive, product.sku, product.id);
		line->product_id = product.id;
		if (line->has_price)
			continue;
		if (currency != NULL && strcmp(currency, crm_reporting_currency()) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_CRM_OTHER_CURRENCY),
					 errmsg("product \"%s\" has no price in %s", product.sku, currency),
					 errdetail("Prices of products are in %s.", crm_reporting_currency()),
					 crm_is_currency_code(cstring_to_text(currency)) ? errhint("Give lines[%d] a unit_price.", i) :
					 errhint("Codes of currencies are those of ISO 4217, in capitals: EUR.")));
		line->unit_price = NumericGetDatum(product.price);
	}
	crm_products_close(&finder);

	if (unknown.n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_NO_SUCH_PRODUCT),
				 unknown.n == 1 ? errmsg("product %s does not exist", unknown.names.data) :
				 errmsg("%d products do not exist", unknown.n),
				 unknown.n == 1 && inactive.n == 0 ? 0 :
				 errdetail("Unknown: %s.%s%s%s", unknown.names.data, inactive.n > 0 ? " Not sold any more: " : "",
						   inactive.n > 0 ? inactive.names.data : "", inactive.n > 0 ? "." : ""),
				 errhint("Look into table %s.products.", CRM_SCHEMA)));
	if (inactive.n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CRM_PRODUCT_INACTIVE),
				 inactive.n == 1 ? errmsg("product %s is not sold any more", inactive.names.data) :
				 errmsg("%d products are not sold any more", inactive.n),
				 inactive.n == 1 ? errdetail("It is not active.") : errdetail("Not active: %s.", inactive.names.data),
				 errhint("Choose others.")));
}

void
crm_check_line(const CrmLineRequest *line, int number, int64 *amount, int64 *discount, int64 *tax)
{
	Datum		price = DirectFunctionCall2(numeric_round,
											DirectFunctionCall2(numeric_mul, line->quantity, line->unit_price),
											Int32GetDatum(2));

	if (DatumGetBool(DirectFunctionCall2(numeric_gt, line->discount, price)))
		refuse(number, fields[DISCOUNT].name, "is more than the line costs",
			   psprintf("It is %s, and the line costs %s.",
						DatumGetCString(DirectFunctionCall1(numeric_out, line->discount)),
						DatumGetCString(DirectFunctionCall1(numeric_out, price))), NULL);
	if (!is_below(price, INT64CONST(1000000000000)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("lines[%d] costs too much", number),
				 errdetail("An amount has room for 12 digits before the point.")));
	*discount = crm_cents(line->discount);
	*tax = crm_cents(line->tax);
	*amount = crm_cents(price) - *discount + *tax;
}
