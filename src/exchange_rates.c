/*
 * exchange_rates.c
 *		What a foreign currency is worth in the reporting currency.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "door.h"
#include "exchange_rates.h"
#include "iso_4217.h"
#include "lookup.h"

static bool
find_rate(const text *currency, DateADT day, Numeric *rate)
{
	Relation	rel = table_open(crm_table_oid("exchange_rates"), AccessShareLock);
	TupleTableSlot *row = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(crm_reading_snapshot());
	CrmLastKey	key = {F_TEXTEQ, PointerGetDatum(currency), F_DATE_LE, DateADTGetDatum(day)};
	bool		found = crm_find_last_row(rel, crm_primary_key(rel, "currency", "valid_from"), &key, snapshot, row);

	if (found)
		*rate = DatumGetNumericCopy(crm_get_not_null(rel, row, crm_column(rel, "rate", NUMERICOID)));
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, AccessShareLock);
	return found;
}

Numeric
crm_exchange_rate(const text *currency, const text *reporting_currency, DateADT day)
{
	Numeric		rate;

	/* a constraint of the table has better words for what is no code at all */
	if (crm_same_text(currency, reporting_currency) || !crm_is_currency_code(currency))
		return int64_to_numeric(1);
	if (!find_rate(currency, day, &rate))
		ereport(ERROR,
				(errcode(ERRCODE_CRM_NO_EXCHANGE_RATE),
				 errmsg("there is no exchange rate for %s", text_to_cstring(currency)),
				 errdetail("The reporting currency is %s, and table %s.exchange_rates has no rate for %s on %s or before.",
						   text_to_cstring(reporting_currency), CRM_SCHEMA, text_to_cstring(currency),
						   DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(day)))),
				 errhint("Insert one there, or give the order an exchange_rate of its own.")));
	return rate;
}
