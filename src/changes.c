/*
 * changes.c
 *		The change tables: what writers have done to the figures since the last merge.
 *
 * A writer appends signed rows and touches no figure, so writers never wait for
 * each other. The rows go straight into the heap: no index, no trigger, no SPI.
 */
#include "crm.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "catalog.h"
#include "changes.h"

#define MAX_COLUMNS 9

typedef struct ChangeTable
{
	const char *name;
	int			ncolumns;
	struct
	{
		const char *name;
		Oid			type;
	}			columns[MAX_COLUMNS];
	Oid			relid;			/* whose columns are: */
	AttrNumber	numbers[MAX_COLUMNS];
} ChangeTable;

static ChangeTable line_changes = {"line_changes", 9, {
		{"day", DATEOID}, {"product_id", INT8OID}, {"customer_id", INT8OID}, {"owner", TEXTOID},
		{"currency", TEXTOID}, {"workflow", TEXTOID}, {"lines", INT4OID}, {"quantity", INT8OID},
		{"amount", INT8OID}
}};
static ChangeTable order_changes = {"order_changes", 9, {
		{"day", DATEOID}, {"customer_id", INT8OID}, {"owner", TEXTOID}, {"currency", TEXTOID},
		{"workflow", TEXTOID}, {"status", TEXTOID}, {"left_status", TEXTOID}, {"orders", INT4OID},
		{"total", INT8OID}
}};
static ChangeTable event_changes = {"event_changes", 6, {
		{"day", DATEOID}, {"event", TEXTOID}, {"from_status", TEXTOID}, {"to_status", TEXTOID},
		{"events", INT4OID}, {"dwell", INT8OID}
}};
static ChangeTable dimension_changes = {"dimension_changes", 2, {
		{"dimension", TEXTOID}, {"id", INT8OID}
}};

static ChangeTable *const tables[] = {&line_changes, &order_changes, &event_changes, &dimension_changes};

static void
forget_columns(Oid relid)
{
	for (int i = 0; i < lengthof(tables); i++)
		if (relid == InvalidOid || relid == tables[i]->relid)
			tables[i]->relid = InvalidOid;
}

void
crm_changes_init(void)
{
	crm_on_relation_change(forget_columns);
}

static void
find_columns(ChangeTable *table, Relation rel)
{
	/* what an index would need, we do not do */
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relhasindex)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("change table %s is not an ordinary table without indexes", crm_relation_name(rel)),
				 errhint("Drop its indexes.")));
	for (int i = 0; i < table->ncolumns; i++)
		table->numbers[i] = crm_column(rel, table->columns[i].name, table->columns[i].type);
	table->relid = RelationGetRelid(rel);
}

static void
append(ChangeTable *table, const Datum *values, const bool *nulls)
{
	Relation	rel = table_open(crm_table_oid(table->name), RowExclusiveLock);
	TupleTableSlot *slot;

	if (table->relid != RelationGetRelid(rel))
		find_columns(table, rel);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < table->ncolumns; i++)
	{
		slot->tts_values[table->numbers[i] - 1] = values[i];
		slot->tts_isnull[table->numbers[i] - 1] = nulls[i];
	}
	ExecStoreVirtualTuple(slot);
	simple_table_tuple_insert(rel, slot);
	ExecDropSingleTupleTableSlot(slot);
	/* the lock stays until the end of the transaction */
	table_close(rel, NoLock);
}

static void
put_text(Datum *values, bool *nulls, int i, text *value)
{
	values[i] = PointerGetDatum(value);
	nulls[i] = value == NULL;
}

void
crm_append_line_change(const LineChange *change)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS] = {false};

	values[0] = DateADTGetDatum(change->day);
	values[1] = Int64GetDatum(change->product_id);
	values[2] = Int64GetDatum(change->customer_id);
	put_text(values, nulls, 3, change->owner);
	put_text(values, nulls, 4, change->currency);
	put_text(values, nulls, 5, change->workflow);
	values[6] = Int32GetDatum(change->lines);
	values[7] = Int64GetDatum(change->quantity);
	values[8] = Int64GetDatum(change->amount);
	append(&line_changes, values, nulls);
}

void
crm_append_order_change(const OrderChange *change)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS] = {false};

	values[0] = DateADTGetDatum(change->day);
	values[1] = Int64GetDatum(change->customer_id);
	put_text(values, nulls, 2, change->owner);
	put_text(values, nulls, 3, change->currency);
	put_text(values, nulls, 4, change->workflow);
	put_text(values, nulls, 5, change->status);
	put_text(values, nulls, 6, change->left_status);
	values[7] = Int32GetDatum(change->orders);
	values[8] = Int64GetDatum(change->total);
	append(&order_changes, values, nulls);
}

void
crm_append_event_change(const EventChange *change)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS] = {false};

	values[0] = DateADTGetDatum(change->day);
	put_text(values, nulls, 1, change->event);
	put_text(values, nulls, 2, change->from_status);
	put_text(values, nulls, 3, change->to_status);
	values[4] = Int32GetDatum(change->events);
	values[5] = Int64GetDatum(change->dwell);
	append(&event_changes, values, nulls);
}

void
crm_append_dimension_change(const char *dimension, int64 id)
{
	Datum		values[MAX_COLUMNS] = {CStringGetTextDatum(dimension), Int64GetDatum(id)};
	bool		nulls[MAX_COLUMNS] = {false};

	append(&dimension_changes, values, nulls);
}
