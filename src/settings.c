/*
 * settings.c
 *		What the house rules in crm.settings decide about a new order.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "door.h"
#include "exchange_rates.h"
#include "settings.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_apply_settings);
PG_FUNCTION_INFO_V1(crm_keep_reporting_currency);

typedef struct Settings
{
	text	   *time_zone;
	text	   *currency;
} Settings;

static MemoryContext settings_context = NULL;
static Settings settings;		/* its values live in settings_context */
static Oid	settings_relid = InvalidOid;	/* crm.settings when they were read */
static bool settings_valid = false;

static void
forget_settings(Oid relid)
{
	if (relid == InvalidOid || relid == settings_relid)
		settings_valid = false;
}

void
crm_settings_init(void)
{
	crm_on_relation_change(forget_settings);
}

static text *
copy_text(Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(settings_context);
	text	   *copy = DatumGetTextPCopy(value);

	MemoryContextSwitchTo(old);
	return copy;
}

/* The newest settings, past the rights of the caller, as in workflow_cache.c. */
static void
load_settings(void)
{
	Relation	rel;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	if (settings_context == NULL)
		settings_context = AllocSetContextCreate(TopMemoryContext, "crm settings",
												 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(settings_context);
	memset(&settings, 0, sizeof(settings));
	settings_valid = true;		/* from here on, a change clears it again */

	rel = table_open(crm_table_oid("settings"), AccessShareLock);
	settings_relid = RelationGetRelid(rel);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		no_zone,
					no_currency;
		Datum		zone = crm_get(tuple, crm_column(rel, "time_zone", TEXTOID), rel, &no_zone);
		Datum		currency = crm_get(tuple, crm_column(rel, "currency", TEXTOID), rel, &no_currency);

		if (!no_zone && !no_currency)
		{
			settings.time_zone = copy_text(zone);
			settings.currency = copy_text(currency);
			found = true;
		}
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("table \"%s.settings\" is empty", CRM_SCHEMA),
				 errhint("INSERT INTO %s.settings DEFAULT VALUES makes the row that is missing.", CRM_SCHEMA)));
}

/* As in workflow_cache.c */
static void
refresh_settings(void)
{
	AcceptInvalidationMessages();
	if (!settings_valid || settings.currency == NULL)
		load_settings();
}

text *
crm_time_zone(void)
{
	refresh_settings();
	return settings.time_zone;
}

bool
crm_time_zone_is_seen(void)
{
	Relation	rel = table_open(crm_table_oid("settings"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, GetTransactionSnapshot(), 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	bool		isnull = true;
	Datum		zone = HeapTupleIsValid(tuple) ? crm_get(tuple, crm_column(rel, "time_zone", TEXTOID), rel, &isnull) : (Datum) 0;
	bool		result = !isnull && crm_same_text(DatumGetTextPP(zone), crm_time_zone());

	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

const char *
crm_reporting_currency(void)
{
	refresh_settings();
	return text_to_cstring(settings.currency);
}

DateADT
crm_reporting_day(TimestampTz instant)
{
	Datum		local;

	refresh_settings();
	local = DirectFunctionCall2(timestamptz_zone, PointerGetDatum(settings.time_zone),
								TimestampTzGetDatum(instant));
	return DatumGetDateADT(DirectFunctionCall1(timestamp_date, local));
}

/* What the trigger changes in an order */
typedef struct Changes
{
	int			n;
	int			columns[3];
	Datum		values[3];
	bool		nulls[3];
} Changes;

static void
change(Changes *changes, AttrNumber column, Datum value, bool isnull)
{
	changes->columns[changes->n] = column;
	changes->values[changes->n] = value;
	changes->nulls[changes->n] = isnull;
	changes->n++;
}

/* Payments are made in the currency of their order, and lines priced in it: their numbers would mean something else. */
static void
check_currency_change(Relation rel, HeapTuple order)
{
	bool		isnull;
	int64		id = DatumGetInt64(crm_get(order, crm_column(rel, "id", INT8OID), rel, &isnull));
	bool		no_currency;
	Datum		was = crm_get(order, crm_column(rel, "currency", TEXTOID), rel, &no_currency);
	char	   *currency = no_currency ? "no currency" : TextDatumGetCString(was);
	bool		no_lines;
	Datum		lines = crm_get(order, crm_column(rel, "line_count", INT4OID), rel, &no_lines);
	Datum		paid = crm_get(order, crm_column(rel, "paid", NUMERICOID), rel, &isnull);

	if (!isnull && DatumGetBool(DirectFunctionCall2(numeric_gt, paid, NumericGetDatum(int64_to_numeric(0)))))
		ereport(ERROR,
				(errcode(ERRCODE_CRM_OTHER_CURRENCY),
				 errmsg("the currency of order " INT64_FORMAT " cannot be changed any more", id),
				 errdetail("It has payments in %s.", currency),
				 errhint("Cancel it, and place another one.")));
	if (!no_lines && DatumGetInt32(lines) > 0 && !crm_owns_relation(RelationGetRelid(rel), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_CRM_OTHER_CURRENCY),
				 errmsg("the currency of order " INT64_FORMAT " cannot be changed any more", id),
				 errdetail("It has lines with prices in %s.", currency),
				 errhint("Delete its lines first. The owner of table %s may change it and leave the numbers as they are.",
						 crm_relation_name(rel))));
}

/* A rate that comes without its currency would make wrong figures in silence. CHECK has words for what is no rate. */
static void
check_rate(const text *currency, Datum rate)
{
	Numeric		number = DatumGetNumeric(rate);
	Datum		one = NumericGetDatum(int64_to_numeric(1));

	if (crm_same_text(currency, settings.currency) && !numeric_is_nan(number) && !numeric_is_inf(number) &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, rate, NumericGetDatum(int64_to_numeric(0)))) &&
		!DatumGetBool(DirectFunctionCall2(numeric_eq, rate, one)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the exchange rate of %s is 1", text_to_cstring(currency)),
				 errdetail("It is the reporting currency. The rate that was given is %s.",
						   DatumGetCString(DirectFunctionCall1(numeric_out, rate))),
				 errhint("Leave the exchange_rate out, or give the currency that it belongs to.")));
}

/*
 * crm_apply_settings() returns trigger
 *
 * BEFORE INSERT OR UPDATE trigger of crm.orders: placed_on becomes the day of
 * placed_at in the reporting time zone, whatever was given for it; an order
 * without currency gets the one of the settings, one without exchange_rate that
 * of its currency on that day (crm.exchange_rates), and so does one whose
 * currency changes, unless its rate changes with it. Errors: SL017 if the
 * currency of an order with payments changes, or that of one with lines but not by
 * the owner of the table, SL018 if there is no exchange rate,
 * 22023 for an order in the reporting currency that gets a rate other than 1, P0002
 * if crm.settings has no row, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_apply_settings(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_apply_settings", CRM_TRIGGER_BEFORE_ROW, "orders");
	Relation	rel = trigger->tg_relation;
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	HeapTuple	tuple = is_insert ? trigger->tg_trigtuple : trigger->tg_newtuple;
	AttrNumber	currency_column = crm_column(rel, "currency", TEXTOID);
	AttrNumber	rate_column = crm_column(rel, "exchange_rate", NUMERICOID);
	Changes		changes = {0};
	DateADT		day = 0;
	bool		no_day;
	bool		no_currency;
	bool		no_rate;
	Datum		rate;
	Datum		placed_at = crm_get(tuple, crm_column(rel, "placed_at", TIMESTAMPTZOID), rel, &no_day);
	Datum		currency = crm_get(tuple, currency_column, rel, &no_currency);

	refresh_settings();
	if (!no_day)				/* NOT NULL of placed_at will speak */
		day = crm_reporting_day(DatumGetTimestampTz(placed_at));
	change(&changes, crm_column(rel, "placed_on", DATEOID), DateADTGetDatum(day), no_day);

	if (is_insert && no_currency)
	{
		currency = PointerGetDatum(settings.currency);
		change(&changes, currency_column, currency, false);
		no_currency = false;
	}
	if (!is_insert && crm_is_changed(trigger, currency_column))
		check_currency_change(rel, trigger->tg_trigtuple);
	rate = crm_get(tuple, rate_column, rel, &no_rate);
	if (is_insert ? no_rate : crm_is_changed(trigger, currency_column) && !crm_is_changed(trigger, rate_column))
	{
		if (!no_currency && !no_day)
			change(&changes, rate_column,
				   NumericGetDatum(crm_exchange_rate(DatumGetTextPP(currency), settings.currency, day)), false);
	}
	else if (!no_currency && !no_rate && crm_is_changed(trigger, rate_column))
		check_rate(DatumGetTextPP(currency), rate);
	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), changes.n,
													 changes.columns, changes.values, changes.nulls));
}

/* Whether there is any, whoever may see it; nobody places one until the transaction ends. */
static bool
has_orders(void)
{
	Relation	rel = table_open(crm_table_oid("orders"), ShareLock);
	/* also what the same command places */
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	bool		found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(rel, NoLock);
	return found;
}

/*
 * crm_keep_reporting_currency() returns trigger
 *
 * AFTER UPDATE OR DELETE row trigger and AFTER TRUNCATE trigger of crm.settings: totals
 * and rates of orders are in the reporting currency, so it neither changes nor goes
 * once there is an order. Waits for those who are placing one. Errors: 55000 if there
 * are orders, 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_keep_reporting_currency(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data_of(fcinfo, "crm_keep_reporting_currency", CRM_TRIGGER_AFTER, "settings");
	Relation	rel = trigger->tg_relation;
	AttrNumber	column = crm_column(rel, "currency", TEXTOID);

	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) || TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		if (has_orders())
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the row of %s.settings cannot be taken away any more", CRM_SCHEMA),
					 errdetail("There are orders, whose days, exchange rates and reporting totals are by its time zone and currency."),
					 errhint("UPDATE what is to change.")));
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && TRIGGER_FIRED_FOR_ROW(trigger->tg_event) &&
			 crm_is_changed(trigger, column) && has_orders())
	{
		bool		isnull;
		Datum		was = crm_get(trigger->tg_trigtuple, column, rel, &isnull);

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the reporting currency cannot be changed any more"),
				 errdetail("There are orders, whose exchange rates and reporting totals are in %s.",
						   isnull ? "none" : TextDatumGetCString(was)),
				 errhint("It is chosen before the first order. Each order may have a currency of its own.")));
	}
	PG_RETURN_POINTER(NULL);
}
