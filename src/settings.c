/*
 * settings.c
 *		What the house rules in crm.settings decide about a new order.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "settings.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(crm_apply_settings);

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

/* The day of an instant in the reporting time zone. */
static DateADT
reporting_day(TimestampTz instant)
{
	Datum		local = DirectFunctionCall2(timestamptz_zone,
											PointerGetDatum(settings.time_zone),
											TimestampTzGetDatum(instant));

	return DatumGetDateADT(DirectFunctionCall1(timestamp_date, local));
}

/*
 * crm_apply_settings() returns trigger
 *
 * BEFORE INSERT OR UPDATE trigger of crm.orders: placed_on becomes the day of
 * placed_at in the reporting time zone, whatever was given for it; an order
 * without currency gets the one of the settings. Errors: 39P01 if not called as
 * such a trigger, P0002 if crm.settings has no row.
 */
Datum
crm_apply_settings(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_apply_settings", CRM_TRIGGER_BEFORE_ROW);
	Relation	rel = trigger->tg_relation;
	HeapTuple	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
	int			columns[2];
	Datum		values[2];
	bool		nulls[2] = {false, false};
	int			ncolumns = 0;
	AttrNumber	currency_column = crm_column(rel, "currency", TEXTOID);
	bool		isnull;
	Datum		placed_at;

	/* as in workflow_cache.c */
	AcceptInvalidationMessages();
	if (!settings_valid || settings.currency == NULL)
		load_settings();

	placed_at = crm_get(tuple, crm_column(rel, "placed_at", TIMESTAMPTZOID), rel, &isnull);
	columns[ncolumns] = crm_column(rel, "placed_on", DATEOID);
	nulls[ncolumns] = isnull;	/* NOT NULL of placed_at will speak */
	values[ncolumns] = isnull ? (Datum) 0 :
		DateADTGetDatum(reporting_day(DatumGetTimestampTz(placed_at)));
	ncolumns++;

	(void) crm_get(tuple, currency_column, rel, &isnull);
	if (isnull && TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		columns[ncolumns] = currency_column;
		values[ncolumns] = PointerGetDatum(settings.currency);
		ncolumns++;
	}
	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), ncolumns,
													 columns, values, nulls));
}
