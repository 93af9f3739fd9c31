/*
 * merge.c
 *		Moves what waits in the change tables into the kept sums.
 *
 * All that one snapshot shows to wait is taken away and summed up in memory, by all that any
 * rollup asks for; then each rollup is given what it lacks. Whoever sees the changes gone sees
 * the sums that they are in, as it is one transaction.
 *
 * Sums by category and region are made of those by product and customer, of which there are
 * far fewer than changes: as crm.rollup_categories and rollup_regions know them, for what has moved since is
 * told of by itself (crm_move_statement()).
 *
 * What is summed up takes as much memory as a hash table may. If that is not enough, what takes most
 * of it goes to a sort.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "cells.h"
#include "door.h"
#include "kept.h"
#include "known_values.h"
#include "sums.h"

PG_FUNCTION_INFO_V1(crm_merge_changes);

/* By name */
static const struct
{
	const char *name;
	CrmGrain	grain;
}			change_tables[] = {
	{"event_changes_1", CRM_EVENTS}, {"event_changes_2", CRM_EVENTS},
	{"line_changes_1", CRM_LINES}, {"line_changes_2", CRM_LINES},
	{"order_changes_1", CRM_ORDERS}, {"order_changes_2", CRM_ORDERS}
};

typedef struct Merge
{
	MemoryContext context;
	CrmRollup  *rollups;		/* by name */
	int			nrollups;
	/* of each grain: all that the rollups ask for, once */
	CrmSums    *sums[CRM_NGRAINS];
	int			nsums[CRM_NGRAINS];
	uint32		wanted[CRM_NGRAINS];
	CrmTexts	texts;
	CrmKnownValues known;
	CrmSumsMemory memory;
	DateADT		last_day;
	DateADT		last_month;
} Merge;

/* What the changes have of a rollup's dimensions: no categories and regions. Returns how many. */
static int
dimensions_of_changes(const CrmRollup *rollup, CrmDimension *dimensions)
{
	int			n = 0;
	uint32		set = 0;

	for (int i = 0; i < rollup->ndimensions; i++)
	{
		CrmDimension dimension = crm_owner_of_dimension(rollup->dimensions[i]);

		if (!(set & CRM_SET_OF(dimension)))
			dimensions[n++] = dimension;
		set |= CRM_SET_OF(dimension);
	}
	return n;
}

static uint32
set_of(const CrmDimension *dimensions, int n)
{
	uint32		set = 0;

	for (int i = 0; i < n; i++)
		set |= CRM_SET_OF(dimensions[i]);
	return set;
}

static CrmGrain
grain_of(const char *name)
{
	if (strcmp(name, "line") == 0)
		return CRM_LINES;
	if (strcmp(name, "order") == 0)
		return CRM_ORDERS;
	if (strcmp(name, "event") == 0)
		return CRM_EVENTS;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("grain \"%s\" does not exist", name),
			 errhint("line, order and event do.")));
}

static CrmDimension
dimension_of(const char *name)
{
	for (int i = 0; i < CRM_NDIMENSIONS; i++)
		if (strcmp(name, crm_dimension_column(i)) == 0 ||
			(i == CRM_PRODUCT && strcmp(name, "product") == 0) || (i == CRM_CUSTOMER && strcmp(name, "customer") == 0))
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no dimension \"%s\"", name)));
}

static void
read_rollup(Relation rel, TupleTableSlot *row, CrmRollup *rollup)
{
	Datum	   *names;
	int			n;

	memset(rollup, 0, sizeof(*rollup));
	rollup->name = TextDatumGetCString(crm_get_not_null(rel, row, crm_column(rel, "name", TEXTOID)));
	rollup->grain = grain_of(TextDatumGetCString(crm_get_not_null(rel, row, crm_column(rel, "grain", TEXTOID))));
	rollup->generation = DatumGetInt32(crm_get_not_null(rel, row, crm_column(rel, "generation", INT4OID)));
	deconstruct_array(DatumGetArrayTypeP(crm_get_not_null(rel, row, crm_column(rel, "dimensions", TEXTARRAYOID))),
					  TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
	if (n > CRM_NDIMENSIONS)
		elog(ERROR, "rollup \"%s\" has %d dimensions", rollup->name, n);
	for (int i = 0; i < n; i++)
		rollup->dimensions[i] = dimension_of(TextDatumGetCString(names[i]));
	rollup->ndimensions = n;
	ItemPointerSetInvalid(&rollup->written);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const CrmRollup *) a)->name, ((const CrmRollup *) b)->name);
}

static void
read_rollups(Merge *merge)
{
	Relation	rel = table_open(crm_table_oid("rollups"), AccessShareLock);
	TupleTableSlot *row = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	int			room = 16;

	/* two at once would add everything up twice */
	if (!CheckRelationLockedByMe(rel, ShareUpdateExclusiveLock, true))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("crm_merge_changes() is a part of crm_merge_rollups()"),
				 errdetail("There is no lock on table crm.rollups that keeps other merges away."),
				 errhint("SELECT crm_merge_rollups();")));
	merge->rollups = palloc(sizeof(CrmRollup) * room);
	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		if (merge->nrollups == room)
			merge->rollups = repalloc(merge->rollups, sizeof(CrmRollup) * (room *= 2));
		read_rollup(rel, row, &merge->rollups[merge->nrollups++]);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, NoLock);
	qsort(merge->rollups, merge->nrollups, sizeof(CrmRollup), compare_names);
}

/* The sums of changes that a rollup is made of; NULL if there are none yet */
static CrmSums *
find_sums(Merge *merge, const CrmRollup *rollup)
{
	CrmDimension dimensions[CRM_NDIMENSIONS];
	uint32		set = set_of(dimensions, dimensions_of_changes(rollup, dimensions));

	for (int i = 0; i < merge->nsums[rollup->grain]; i++)
	{
		CrmSums    *sums = &merge->sums[rollup->grain][i];

		if (set_of(sums->dimensions, sums->ndimensions) == set)
			return sums;
	}
	return NULL;
}

static void
plan_sums(Merge *merge)
{
	for (int i = 0; i < CRM_NGRAINS; i++)
		merge->sums[i] = palloc(sizeof(CrmSums) * Max(merge->nrollups, 1));
	for (int i = 0; i < merge->nrollups; i++)
	{
		const CrmRollup *rollup = &merge->rollups[i];
		CrmDimension dimensions[CRM_NDIMENSIONS];
		int			n = dimensions_of_changes(rollup, dimensions);

		merge->wanted[rollup->grain] |= set_of(dimensions, n);
		if (find_sums(merge, rollup) == NULL)
			crm_sums_init(&merge->sums[rollup->grain][merge->nsums[rollup->grain]++], dimensions, n, merge->context, &merge->memory);
	}
}

/* Those that take most of the memory give it back. */
static void
spill_most(Merge *merge)
{
	CrmSums    *most = NULL;

	for (int i = 0; i < CRM_NGRAINS; i++)
		for (int j = 0; j < merge->nsums[i]; j++)
			if (most == NULL || merge->sums[i][j].used > most->used)
				most = &merge->sums[i][j];
	if (most != NULL)
		crm_sums_spill(most);
}

/* Sums by category and region, of those by product and customer */
static void
derive(Merge *merge, const CrmRollup *rollup, CrmSums *from, CrmSums *to)
{
	crm_sums_init(to, rollup->dimensions, rollup->ndimensions, merge->context, &merge->memory);
	crm_sums_rewind(from);
	while (crm_sums_next(from))
	{
		CrmValues	line = {0};

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < from->ndimensions; i++)
			line[from->dimensions[i]] = from->values[i];
		for (int i = 0; i < to->ndimensions; i++)
		{
			CrmDimension dimension = to->dimensions[i];
			CrmDimension owner = crm_owner_of_dimension(dimension);

			if (owner != dimension)
				line[dimension] = crm_known_value(&merge->known, dimension, line[owner], &merge->texts);
		}
		crm_sums_add(to, line, from->measures, 1);
		/* the others have been added to, and keep what they have */
		if (to->used > merge->memory.room / 4)
			crm_sums_spill(to);
	}
}

/* How many customers have bought something in a month, so that nobody has to count them */
static void
write_counts(CrmSums *counts)
{
	int			room = 64;
	Datum	   *months = palloc(sizeof(Datum) * room);
	Datum	   *numbers = palloc(sizeof(Datum) * room);
	Oid			types[2] = {DATEARRAYOID, INT8ARRAYOID};
	Datum		values[2];
	int			nchanged = 0;

	crm_sums_rewind(counts);
	while (crm_sums_next(counts))
	{
		if (counts->measures[0] == 0)
			continue;
		if (nchanged == room)
		{
			room *= 2;
			months = repalloc(months, sizeof(Datum) * room);
			numbers = repalloc(numbers, sizeof(Datum) * room);
		}
		months[nchanged] = DateADTGetDatum((DateADT) counts->values[0]);
		numbers[nchanged++] = Int64GetDatum(counts->measures[0]);
	}
	if (nchanged == 0)
		return;
	values[0] = PointerGetDatum(construct_array(months, nchanged, DATEOID, sizeof(DateADT), true, TYPALIGN_INT));
	values[1] = PointerGetDatum(construct_array(numbers, nchanged, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	if (SPI_execute_with_args("INSERT INTO " CRM_SCHEMA ".buyers_by_month AS t"
							  " SELECT x.month, x.customers FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS x (month, customers)"
							  " ON CONFLICT (month) DO UPDATE SET customers = t.customers OPERATOR(pg_catalog.+) excluded.customers",
							  2, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "SPI failed: %s", SPI_result_code_string(SPI_result));
}

static void
write_rollup(Merge *merge, CrmRollup *rollup)
{
	static const CrmDimension month = CRM_MONTH;
	CrmSums    *sums = find_sums(merge, rollup);
	uint32		set = set_of(rollup->dimensions, rollup->ndimensions);
	bool		is_counted = strcmp(rollup->name, "sales_by_customer_month") == 0 &&
		set == (CRM_SET_OF(CRM_CUSTOMER) | CRM_SET_OF(CRM_MONTH));
	CrmSums		derived;
	CrmSums		counts;

	if (crm_sums_are_empty(sums))
		return;
	crm_sums_init(&counts, &month, 1, merge->context, &merge->memory);
	if (set == set_of(sums->dimensions, sums->ndimensions))
		crm_cells_add(rollup, sums, &merge->texts, is_counted ? &counts : NULL);
	else
	{
		derive(merge, rollup, sums, &derived);
		crm_cells_add(rollup, &derived, &merge->texts, NULL);
		crm_sums_end(&derived);
	}
	write_counts(&counts);
	crm_sums_end(&counts);
}

/* Give the rollups what is summed up. */
static void
write_rollups(Merge *merge)
{
	crm_known_values_open(&merge->known);
	for (int i = 0; i < merge->nrollups; i++)
		write_rollup(merge, &merge->rollups[i]);
	crm_known_values_close(&merge->known, &merge->texts);
	for (int i = 0; i < CRM_NGRAINS; i++)
		for (int j = 0; j < merge->nsums[i]; j++)
			crm_sums_end(&merge->sums[i][j]);
	/* so that what is moved then sees it */
	CommandCounterIncrement();
}

/* A change table, open for taking from it */
typedef struct Changes
{
	Relation	rel;
	AttrNumber	dimensions[CRM_NDIMENSIONS];	/* Invalid if it has none, or nobody wants it */
	AttrNumber	day;
	AttrNumber	measures[CRM_MAX_MEASURES];
	int			nmeasures;
	/* of orders */
	AttrNumber	left_status;
	AttrNumber	stepped_on;
	AttrNumber	event;
	AttrNumber	dwell;
} Changes;

static void
open_changes(Changes *changes, const char *name, CrmGrain grain, uint32 wanted)
{
	static const struct
	{
		uint32		has;
		const char *count;
		const char *measures[CRM_MAX_MEASURES - 1];
	}			grains[CRM_NGRAINS] = {
		[CRM_LINES] = {CRM_SET_OF(CRM_PRODUCT) | CRM_SET_OF(CRM_CUSTOMER) | CRM_SET_OF(CRM_OWNER) |
		CRM_SET_OF(CRM_CURRENCY) | CRM_SET_OF(CRM_WORKFLOW), "lines", {"quantity", "amount"}},
		[CRM_ORDERS] = {CRM_SET_OF(CRM_CUSTOMER) | CRM_SET_OF(CRM_OWNER) | CRM_SET_OF(CRM_CURRENCY) |
		CRM_SET_OF(CRM_WORKFLOW) | CRM_SET_OF(CRM_STATUS), "orders", {"total"}},
		[CRM_EVENTS] = {CRM_SET_OF(CRM_EVENT) | CRM_SET_OF(CRM_FROM_STATUS) | CRM_SET_OF(CRM_TO_STATUS), "events", {"dwell"}},
	};
	AclMode		needed = ACL_SELECT | ACL_DELETE;

	memset(changes, 0, sizeof(*changes));
	changes->rel = table_open(crm_table_oid(name), RowExclusiveLock);
	if (pg_class_aclmask(RelationGetRelid(changes->rel), GetUserId(), needed, ACLMASK_ALL) != needed)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, name);
	changes->day = crm_column(changes->rel, "day", DATEOID);
	for (int i = 0; i < CRM_NDIMENSIONS; i++)
		if (grains[grain].has & wanted & CRM_SET_OF(i))
			changes->dimensions[i] = crm_column(changes->rel, crm_dimension_column(i), crm_dimension_type(i));
	changes->measures[0] = crm_column(changes->rel, grains[grain].count, INT4OID);
	for (changes->nmeasures = 1; changes->nmeasures < CRM_MAX_MEASURES && grains[grain].measures[changes->nmeasures - 1] != NULL; changes->nmeasures++)
		changes->measures[changes->nmeasures] = crm_column(changes->rel, grains[grain].measures[changes->nmeasures - 1], INT8OID);
	if (grain == CRM_ORDERS)
	{
		changes->left_status = crm_column(changes->rel, "left_status", TEXTOID);
		changes->stepped_on = crm_column(changes->rel, "stepped_on", DATEOID);
		changes->event = crm_column(changes->rel, "event", TEXTOID);
		changes->dwell = crm_column(changes->rel, "dwell", INT8OID);
	}
}

static int64
get_text(Merge *merge, TupleTableSlot *row, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(row, column, &isnull);

	return isnull ? 0 : crm_number_of_text(&merge->texts, DatumGetTextPP(value));
}

static void
put_day(Merge *merge, CrmValues values, DateADT day)
{
	values[CRM_DAY] = day;
	if (DATE_NOT_FINITE(day))
	{
		values[CRM_MONTH] = day;
		return;
	}
	/* changes that lie together are mostly of one day */
	if (day != merge->last_day)
	{
		int			year,
					month,
					of_month;

		j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &of_month);
		merge->last_day = day;
		merge->last_month = day - (of_month - 1);
	}
	values[CRM_MONTH] = merge->last_month;
}

static void
add(Merge *merge, CrmGrain grain, const CrmValues values, const int64 *measures, int sign)
{
	for (int i = 0; i < merge->nsums[grain]; i++)
		crm_sums_add(&merge->sums[grain][i], values, measures, sign);
}

/* An order has left another status, and the step may be told of with it. */
static void
take_step(Merge *merge, const Changes *changes, TupleTableSlot *row, CrmValues values, const int64 *measures)
{
	CrmValues	step = {0};
	int64		sums[CRM_MAX_MEASURES] = {measures[0]};
	int64		left = get_text(merge, row, changes->left_status);
	bool		isnull;
	Datum		event = slot_getattr(row, changes->event, &isnull);

	if (!isnull)
	{
		put_day(merge, step, DatumGetDateADT(crm_get_not_null(changes->rel, row, changes->stepped_on)));
		step[CRM_EVENT] = crm_number_of_text(&merge->texts, DatumGetTextPP(event));
		step[CRM_FROM_STATUS] = left;
		step[CRM_TO_STATUS] = values[CRM_STATUS];
		sums[1] = DatumGetInt64(crm_get_not_null(changes->rel, row, changes->dwell));
		add(merge, CRM_EVENTS, step, sums, 1);
	}
	if (left != 0)
	{
		values[CRM_STATUS] = left;
		add(merge, CRM_ORDERS, values, measures, -1);
	}
}

static void
take_change(Merge *merge, CrmGrain grain, const Changes *changes, TupleTableSlot *row)
{
	CrmValues	values = {0};
	int64		measures[CRM_MAX_MEASURES] = {0};

	put_day(merge, values, DatumGetDateADT(crm_get_not_null(changes->rel, row, changes->day)));
	for (int i = 0; i < CRM_NDIMENSIONS; i++)
		if (changes->dimensions[i] != InvalidAttrNumber)
			values[i] = crm_dimension_is_text(i) ? get_text(merge, row, changes->dimensions[i]) :
				DatumGetInt64(crm_get_not_null(changes->rel, row, changes->dimensions[i]));
	measures[0] = DatumGetInt32(crm_get_not_null(changes->rel, row, changes->measures[0]));
	for (int i = 1; i < changes->nmeasures; i++)
		measures[i] = DatumGetInt64(crm_get_not_null(changes->rel, row, changes->measures[i]));
	add(merge, grain, values, measures, 1);
	if (grain == CRM_ORDERS)
		take_step(merge, changes, row, values, measures);
}

/* Takes what waits on so many pages of a change table, the first that have any; returns how much that was. */
static int64
take_changes(Merge *merge, const char *name, CrmGrain grain, int64 pages)
{
	Changes		changes;
	/* a step has the status of the order, and it may be only rollups of events that want it */
	uint32		wanted = merge->wanted[grain] | (grain == CRM_ORDERS ? CRM_SET_OF(CRM_STATUS) : 0);
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);
	EPQState	epq;
	TupleTableSlot *row;
	TableScanDesc scan;
	ItemPointerData first,
				last;
	int64		last_page = 0;
	int64		ntaken = 0;

	open_changes(&changes, name, grain, wanted);
	if (changes.rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("change table %s is not an ordinary table", crm_relation_name(changes.rel)),
				 errhint("CREATE EXTENSION crm makes the tables.")));
	row = table_slot_create(changes.rel, &estate->es_tupleTable);
	estate->es_snapshot = GetActiveSnapshot();
	estate->es_output_cid = GetCurrentCommandId(true);
	InitResultRelInfo(info, changes.rel, 0, NULL, 0);
	estate->es_opened_result_relations = list_make1(info);
	if (info->ri_TrigDesc != NULL && info->ri_TrigDesc->trig_delete_before_row)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("change table %s has a BEFORE DELETE trigger", crm_relation_name(changes.rel)),
				 errdetail("A change that it keeps would be added up again."),
				 errhint("Drop the trigger.")));
	crm_epq_init(&epq, estate);
	if (info->ri_TrigDesc != NULL)
		AfterTriggerBeginQuery();

	crm_find_waiting(changes.rel, &first);
	ItemPointerSetOffsetNumber(&first, FirstOffsetNumber);
	ItemPointerSet(&last, MaxBlockNumber, MaxOffsetNumber);
	scan = table_beginscan_tidrange(changes.rel, GetActiveSnapshot(), &first, &last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, row))
	{
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		/* or it is a mark (changes.c) */
		if (slot_attisnull(row, changes.day))
			continue;
		/* counted from where there is something: before that may lie much that is taken, if somebody keeps a change open */
		if (ntaken == 0)
			last_page = ItemPointerGetBlockNumber(&row->tts_tid) + pages - 1;
		else if (ItemPointerGetBlockNumber(&row->tts_tid) > last_page)
			break;
		ResetPerTupleExprContext(estate);
		caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
		take_change(merge, grain, &changes, row);
		ExecSimpleRelationDelete(info, estate, &epq, row);
		MemoryContextSwitchTo(caller);
		ntaken++;
		if (merge->memory.used > merge->memory.room)
			spill_most(merge);
	}
	table_endscan(scan);
	if (info->ri_TrigDesc != NULL)
		AfterTriggerEndQuery(estate);
	EvalPlanQualEnd(&epq);
	ExecResetTupleTable(estate->es_tupleTable, false);
	table_close(changes.rel, NoLock);
	FreeExecutorState(estate);
	return ntaken;
}

static bool
has_moved(void)
{
	Relation	rel = table_open(crm_table_oid("dimension_changes"), RowExclusiveLock);
	TupleTableSlot *row = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	bool		found = table_scan_getnextslot(scan, ForwardScanDirection, row);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, NoLock);
	return found;
}

/* The text of the statement, from the schema that we were installed in */
static char *
move_statement(Oid function)
{
	char	   *sql = psprintf("SELECT %s()", quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
																		  "crm_move_statement"));

	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "unexpected result of: %s", sql);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/*
 * What has moved to another category or region does so with all that the tables have of it, as the snapshot
 * shows them: kept and taken. Returns how many moves that were.
 */
static int64
move(Merge *merge, Oid function)
{
	SPIPlanPtr	plan;
	HeapTuple	result;
	TupleDesc	desc;
	bool		isnull;
	Datum		written;
	Datum	   *places;
	bool	   *nulls;
	int			n;
	Oid			role;
	int			security;

	if (!has_moved())
		return 0;
	/* FORCE ROW LEVEL SECURITY must not hide from the owner what moves */
	GetUserIdAndSecContext(&role, &security);
	SetUserIdAndSecContext(role, security | SECURITY_NOFORCE_RLS);
	plan = SPI_prepare(move_statement(function), 0, NULL);
	if (plan == NULL || SPI_execute_snapshot(plan, NULL, NULL, GetActiveSnapshot(), InvalidSnapshot, false, true, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "unexpected result of the statement that moves sums");
	SetUserIdAndSecContext(role, security);
	result = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	written = SPI_getbinval(result, desc, 2, &isnull);
	deconstruct_array(DatumGetArrayTypeP(written), TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT, &places, &nulls, &n);
	Assert(n == merge->nrollups);
	for (int i = 0; i < n; i++)
	{
		ItemPointer place = (ItemPointer) DatumGetPointer(places[i]);
		ItemPointer first = &merge->rollups[i].written;

		if (!nulls[i] && (!ItemPointerIsValid(first) || ItemPointerCompare(place, first) < 0))
			*first = *place;
	}
	return DatumGetInt64(SPI_getbinval(result, desc, 1, &isnull));
}

/*
 * crm_merge_changes(pages bigint, also_moved boolean, OUT taken bigint[], OUT moved bigint, OUT written tid[])
 *
 * Moves what waits on the first pages of each change table into the kept sums and,
 * if so wanted, what has moved to another category or region. Returns how many changes were taken
 * from each change table, how many moves that were, and the first place that was written of each
 * rollup, all by name as bytes compare. A part of crm_merge_rollups(), which holds the locks.
 * Rights: those of the caller on the tables. Errors: 22003 for a sum that becomes too large,
 * 42501 without the rights, 55000 without the lock or for a table without its index, 25006 in a read-only
 * transaction.
 */
Datum
crm_merge_changes(PG_FUNCTION_ARGS)
{
	int64		pages = PG_GETARG_INT64(0);
	MemoryContext caller = CurrentMemoryContext;
	Merge		merge = {0};
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};
	Datum		taken[lengthof(change_tables)];
	Datum	   *places;
	bool	   *no_places;
	int			lower = 1;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly("crm_merge_changes()");
	SPI_connect();
	merge.context = CurrentMemoryContext;
	merge.memory.room = crm_hash_memory_limit();
	crm_texts_init(&merge.texts, merge.context);
	merge.last_day = DATEVAL_NOBEGIN;
	read_rollups(&merge);
	plan_sums(&merge);
	for (int i = 0; i < lengthof(change_tables); i++)
		taken[i] = Int64GetDatum(take_changes(&merge, change_tables[i].name, change_tables[i].grain, pages));
	write_rollups(&merge);
	values[1] = Int64GetDatum(PG_GETARG_BOOL(1) ? move(&merge, fcinfo->flinfo->fn_oid) : 0);

	MemoryContextSwitchTo(caller);
	places = palloc(sizeof(Datum) * Max(merge.nrollups, 1));
	no_places = palloc(sizeof(bool) * Max(merge.nrollups, 1));
	for (int i = 0; i < merge.nrollups; i++)
	{
		places[i] = PointerGetDatum(&merge.rollups[i].written);
		no_places[i] = !ItemPointerIsValid(&merge.rollups[i].written);
	}
	values[0] = PointerGetDatum(construct_array(taken, lengthof(taken), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[2] = PointerGetDatum(construct_md_array(places, no_places, 1, &merge.nrollups, &lower, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
	desc = BlessTupleDesc(desc);
	values[0] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	SPI_finish();
	PG_RETURN_DATUM(values[0]);
}
