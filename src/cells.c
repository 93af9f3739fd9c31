/*
 * cells.c
 *		Adds to the kept sums of a rollup: a row of its table for each combination.
 *
 * Merges are one at a time, so nobody else writes these tables: a row that is found
 * needs no lock before it is updated. (If somebody does, the merge fails, and the next
 * one does not.) That goes past SQL, but not past the table's own rules: defaults, checks, keys,
 * row triggers; only triggers of columns and of statements do not fire.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/int.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "cells.h"
#include "door.h"

static const struct
{
	const char *column;
	Oid			type;
}			dimensions[CRM_NDIMENSIONS] = {
	[CRM_DAY] = {"day", DATEOID},
	[CRM_MONTH] = {"month", DATEOID},
	[CRM_PRODUCT] = {"product_id", INT8OID},
	[CRM_CATEGORY] = {"category", TEXTOID},
	[CRM_CUSTOMER] = {"customer_id", INT8OID},
	[CRM_REGION] = {"region", TEXTOID},
	[CRM_OWNER] = {"owner", TEXTOID},
	[CRM_CURRENCY] = {"currency", TEXTOID},
	[CRM_WORKFLOW] = {"workflow", TEXTOID},
	[CRM_STATUS] = {"status", TEXTOID},
	[CRM_EVENT] = {"event", TEXTOID},
	[CRM_FROM_STATUS] = {"from_status", TEXTOID},
	[CRM_TO_STATUS] = {"to_status", TEXTOID},
};

static const struct
{
	int			n;
	const char *columns[CRM_MAX_MEASURES];
}			measures[CRM_NGRAINS] = {
	[CRM_LINES] = {3, {"lines", "quantity", "amount"}},
	[CRM_ORDERS] = {2, {"orders", "total"}},
	[CRM_EVENTS] = {2, {"events", "dwell"}},
};

bool
crm_dimension_is_text(CrmDimension dimension)
{
	return dimensions[dimension].type == TEXTOID;
}

const char *
crm_dimension_column(CrmDimension dimension)
{
	return dimensions[dimension].column;
}

Oid
crm_dimension_type(CrmDimension dimension)
{
	return dimensions[dimension].type;
}

/* at most two for each dimension, and the generation */
#define MAX_KEYS (1 + 2 * CRM_NDIMENSIONS)

/* The table of a rollup, open for writing */
typedef struct Cells
{
	const CrmRollup *rollup;
	Relation	rel;
	AttrNumber	generation;
	AttrNumber	columns[CRM_NDIMENSIONS];	/* as in the rollup */
	AttrNumber	measures[CRM_MAX_MEASURES];
	int			nmeasures;
	Relation	index;
	bool		keys_are_expressions;
	IndexScanDesc scan;
	ScanKeyData keys[MAX_KEYS];
	EState	   *estate;
	ResultRelInfo *info;
	EPQState	epq;
	TupleTableSlot *old;
	TupleTableSlot *new;
	ExprState **defaults;		/* of columns that somebody has added; NULL if there is none */
} Cells;

/* Whether it is a complete B-tree, of the columns that find_cell() gives it */
static bool
index_fits(const Cells *cells)
{
	const CrmRollup *rollup = cells->rollup;
	Form_pg_index index = cells->index->rd_index;
	int			key = 0;

	if (index->indrelid != RelationGetRelid(cells->rel) || !index->indisunique || !index->indisvalid ||
		cells->index->rd_rel->relkind != RELKIND_INDEX || cells->index->rd_rel->relam != BTREE_AM_OID)
		return false;
	for (int i = 0; i < rollup->ndimensions; i++)
	{
		bool		is_two = cells->keys_are_expressions && crm_dimension_is_text(rollup->dimensions[i]);

		if (key + is_two >= index->indnkeyatts || index->indkey.values[key] != (is_two ? 0 : cells->columns[i]))
			return false;
		key += 1 + is_two;
	}
	return key + 1 == index->indnkeyatts && index->indkey.values[key] == cells->generation;
}

/*
 * The index of all combinations: (dimensions, generation). On PostgreSQL 14, where NULLs are all
 * distinct, a text x is in it as coalesce(x, ''), x IS NULL.
 */
static void
open_index(Cells *cells)
{
	const CrmRollup *rollup = cells->rollup;
	char	   *name = psprintf("%s_are_one", rollup->name);
	Oid			oid = get_relname_relid(name, RelationGetNamespace(cells->rel));

	if (OidIsValid(oid))
	{
		cells->index = index_open(oid, RowExclusiveLock);
		cells->keys_are_expressions = RelationGetIndexExpressions(cells->index) != NIL;
	}
	if (!OidIsValid(oid) || !index_fits(cells))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has no complete unique index \"%s\" of dimensions and generation, in this order", crm_relation_name(cells->rel), name),
				 errhint("crm_drop_rollup() and crm_create_rollup() make it again.")));
	cells->scan = crm_index_beginscan(cells->rel, cells->index, SnapshotSelf, cells->index->rd_index->indnkeyatts);
}

/* The table is its owner's, who may have added columns. */
static void
find_defaults(Cells *cells)
{
	TupleDesc	desc = RelationGetDescr(cells->rel);
	MemoryContext caller = MemoryContextSwitchTo(cells->estate->es_query_cxt);

	cells->defaults = palloc0(sizeof(ExprState *) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Expr	   *value = att->attisdropped || att->attgenerated != '\0' ? NULL : (Expr *) build_column_default(cells->rel, i + 1);

		if (value != NULL)
			cells->defaults[i] = ExecPrepareExpr(value, cells->estate);
	}
	MemoryContextSwitchTo(caller);
}

static void
open_cells(Cells *cells, const CrmRollup *rollup)
{
	Oid			relid = crm_table_oid(psprintf("%s_cells", rollup->name));
	AclMode		needed = ACL_SELECT | ACL_INSERT | ACL_UPDATE;

	cells->rollup = rollup;
	cells->rel = table_open(relid, RowExclusiveLock);
	if (pg_class_aclmask(relid, GetUserId(), needed, ACLMASK_ALL) != needed)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(cells->rel));
	if (cells->rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sums of rollup \"%s\" cannot be written", rollup->name),
				 errdetail("Table %s is unlogged: a crash would empty it.", crm_relation_name(cells->rel)),
				 errhint("ALTER TABLE %s SET LOGGED, and if there was a crash meanwhile, crm_rebuild_rollups().", crm_relation_name(cells->rel))));
	cells->generation = crm_column(cells->rel, "generation", INT4OID);
	for (int i = 0; i < rollup->ndimensions; i++)
		cells->columns[i] = crm_column(cells->rel, crm_dimension_column(rollup->dimensions[i]), crm_dimension_type(rollup->dimensions[i]));
	cells->nmeasures = measures[rollup->grain].n;
	for (int i = 0; i < cells->nmeasures; i++)
		cells->measures[i] = crm_column(cells->rel, measures[rollup->grain].columns[i], INT8OID);
	open_index(cells);

	cells->estate = CreateExecutorState();
	cells->old = table_slot_create(cells->rel, &cells->estate->es_tupleTable);
	cells->new = MakeTupleTableSlot(RelationGetDescr(cells->rel), &TTSOpsVirtual);
	cells->estate->es_tupleTable = lappend(cells->estate->es_tupleTable, cells->new);
	cells->estate->es_snapshot = GetActiveSnapshot();
	cells->estate->es_output_cid = GetCurrentCommandId(true);
	cells->info = makeNode(ResultRelInfo);
	/* 0: there is no range table that it could be in */
	InitResultRelInfo(cells->info, cells->rel, 0, NULL, 0);
	ExecOpenIndices(cells->info, false);
	/* where AFTER triggers look for it */
	cells->estate->es_opened_result_relations = list_make1(cells->info);
	crm_epq_init(&cells->epq, cells->estate);
	find_defaults(cells);
	if (cells->info->ri_TrigDesc != NULL)
		AfterTriggerBeginQuery();
}

static void
close_cells(Cells *cells)
{
	if (cells->info->ri_TrigDesc != NULL)
		AfterTriggerEndQuery(cells->estate);
	EvalPlanQualEnd(&cells->epq);
	index_endscan(cells->scan);
	index_close(cells->index, NoLock);
	ExecCloseIndices(cells->info);
	ExecResetTupleTable(cells->estate->es_tupleTable, false);
	FreeExecutorState(cells->estate);
	table_close(cells->rel, NoLock);
}

static void
put_key(Cells *cells, int *nkeys, RegProcedure equal, Datum value, bool isnull)
{
	AttrNumber	number = *nkeys + 1;

	ScanKeyEntryInitialize(&cells->keys[*nkeys], isnull ? SK_ISNULL | SK_SEARCHNULL : 0, number,
						   isnull ? InvalidStrategy : BTEqualStrategyNumber, InvalidOid,
						   cells->index->rd_indcollation[*nkeys], isnull ? InvalidOid : equal, value);
	(*nkeys)++;
}

/* Looks for the row with these values into cells->old */
static bool
find_cell(Cells *cells, const Datum *values, const bool *nulls)
{
	int			nkeys = 0;
	MemoryContext caller;
	bool		found;

	for (int i = 0; i < cells->rollup->ndimensions; i++)
	{
		Oid			type = crm_dimension_type(cells->rollup->dimensions[i]);

		if (type != TEXTOID)
			put_key(cells, &nkeys, type == DATEOID ? F_DATE_EQ : F_INT8EQ, values[i], false);
		else if (!cells->keys_are_expressions)
			put_key(cells, &nkeys, F_TEXTEQ, values[i], nulls[i]);
		else
		{
			put_key(cells, &nkeys, F_TEXTEQ, nulls[i] ? PointerGetDatum(cstring_to_text("")) : values[i], false);
			put_key(cells, &nkeys, F_BOOLEQ, BoolGetDatum(nulls[i]), false);
		}
	}
	put_key(cells, &nkeys, F_INT4EQ, Int32GetDatum(cells->rollup->generation), false);
	/* what the scan keeps, it does for longer than a row */
	caller = MemoryContextSwitchTo(cells->estate->es_query_cxt);
	index_rescan(cells->scan, cells->keys, nkeys, NULL, 0);
	found = index_getnext_slot(cells->scan, ForwardScanDirection, cells->old);
	MemoryContextSwitchTo(caller);
	return found;
}

static void
start_new(Cells *cells)
{
	ExecClearTuple(cells->new);
	memset(cells->new->tts_isnull, true, sizeof(bool) * RelationGetDescr(cells->rel)->natts);
}

static void
put(TupleTableSlot *slot, AttrNumber column, Datum value, bool isnull)
{
	slot->tts_values[column - 1] = value;
	slot->tts_isnull[column - 1] = isnull;
}

static void
insert_cell(Cells *cells, const Datum *values, const bool *nulls, const int64 *added)
{
	start_new(cells);
	for (int i = 0; i < RelationGetDescr(cells->rel)->natts; i++)
		if (cells->defaults[i] != NULL)
			cells->new->tts_values[i] = ExecEvalExpr(cells->defaults[i], GetPerTupleExprContext(cells->estate), &cells->new->tts_isnull[i]);
	put(cells->new, cells->generation, Int32GetDatum(cells->rollup->generation), false);
	for (int i = 0; i < cells->rollup->ndimensions; i++)
		put(cells->new, cells->columns[i], values[i], nulls[i]);
	for (int i = 0; i < cells->nmeasures; i++)
		put(cells->new, cells->measures[i], Int64GetDatum(added[i]), false);
	ExecStoreVirtualTuple(cells->new);
	ExecSimpleRelationInsert(cells->info, cells->estate, cells->new);
}

/* before: the first measure as it was */
static void
update_cell(Cells *cells, const int64 *added, int64 *before)
{
	TupleTableSlot *old = cells->old;

	/* where PostgreSQL would lock it for a BEFORE trigger, and had no plan to look at a newer version by */
	if (cells->info->ri_TrigDesc != NULL && cells->info->ri_TrigDesc->trig_update_before_row)
	{
		TM_FailureData failure;

		if (table_tuple_lock(cells->rel, &old->tts_tid, GetActiveSnapshot(), old, cells->estate->es_output_cid, LockTupleNoKeyExclusive,
							 LockWaitBlock, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure) != TM_Ok)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("a sum of rollup \"%s\" was deleted meanwhile", cells->rollup->name),
					 errhint("Leave table %s to the database; crm_rebuild_rollups() makes its rows again.", crm_relation_name(cells->rel))));
	}
	slot_getallattrs(old);
	start_new(cells);
	memcpy(cells->new->tts_values, old->tts_values, sizeof(Datum) * RelationGetDescr(cells->rel)->natts);
	memcpy(cells->new->tts_isnull, old->tts_isnull, sizeof(bool) * RelationGetDescr(cells->rel)->natts);
	for (int i = 0; i < cells->nmeasures; i++)
	{
		int64		kept = DatumGetInt64(crm_get_not_null(cells->rel, old, cells->measures[i]));
		int64		sum;

		if (i == 0)
			*before = kept;
		if (pg_add_s64_overflow(kept, added[i], &sum))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("bigint out of range"),
					 errdetail("Column \"%s\" of table %s would become too large.",
							   NameStr(TupleDescAttr(RelationGetDescr(cells->rel), cells->measures[i] - 1)->attname), crm_relation_name(cells->rel))));
		put(cells->new, cells->measures[i], Int64GetDatum(sum), false);
	}
	ExecStoreVirtualTuple(cells->new);
	/* PostgreSQL 14 asks the statement, which we are not, what it changes, and makes nothing anew that depends on other columns */
	if (RelationGetDescr(cells->rel)->constr != NULL && RelationGetDescr(cells->rel)->constr->has_generated_stored)
		ExecComputeStoredGenerated(cells->info, cells->estate, cells->new, CMD_INSERT);
	ExecSimpleRelationUpdate(cells->info, cells->estate, &cells->epq, old, cells->new);
}

static Datum
value_of(CrmDimension dimension, int64 number, const CrmTexts *texts, bool *isnull)
{
	*isnull = false;
	switch (crm_dimension_type(dimension))
	{
		case DATEOID:
			return DateADTGetDatum((DateADT) number);
		case INT8OID:
			return Int64GetDatum(number);
		default:
			*isnull = number == 0;
			return PointerGetDatum(crm_text_of_number(texts, number));
	}
}

void
crm_cells_add(CrmRollup *rollup, CrmSums *sums, const CrmTexts *texts, CrmSums *counts)
{
	Cells		cells = {0};
	int			positions[CRM_NDIMENSIONS];

	for (int i = 0; i < rollup->ndimensions; i++)
		positions[i] = crm_sums_position(sums, rollup->dimensions[i]);
	open_cells(&cells, rollup);
	crm_sums_rewind(sums);
	while (crm_sums_next(sums))
	{
		const int64 *added = sums->measures;
		Datum		values[CRM_NDIMENSIONS];
		bool		nulls[CRM_NDIMENSIONS];
		int64		before = 0;
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (added[0] == 0 && added[1] == 0 && added[2] == 0)
			continue;
		ResetPerTupleExprContext(cells.estate);
		caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(cells.estate));
		for (int i = 0; i < rollup->ndimensions; i++)
			values[i] = value_of(rollup->dimensions[i], sums->values[positions[i]], texts, &nulls[i]);
		if (find_cell(&cells, values, nulls))
			update_cell(&cells, added, &before);
		else
			insert_cell(&cells, values, nulls, added);
		if (!ItemPointerIsValid(&cells.new->tts_tid))
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("a sum of rollup \"%s\" was not written", rollup->name),
					 errdetail("A BEFORE trigger of table %s has suppressed the row.", crm_relation_name(cells.rel)),
					 errhint("Look at the triggers of the table; one of them returns NULL.")));
		if (!ItemPointerIsValid(&rollup->written) || ItemPointerCompare(&cells.new->tts_tid, &rollup->written) < 0)
			rollup->written = cells.new->tts_tid;
		if (counts != NULL)
		{
			CrmValues	month = {0};
			int64		count[CRM_MAX_MEASURES] = {(before + added[0] != 0) - (before != 0)};

			month[CRM_MONTH] = sums->values[crm_sums_position(sums, CRM_MONTH)];
			crm_sums_add(counts, month, count, 1);
		}
		MemoryContextSwitchTo(caller);
	}
	close_cells(&cells);
}
