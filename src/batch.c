/*
 * batch.c
 *		crm_advance_orders(): the same step of many orders.
 *
 * They are locked and updated in order of their ids, so that two batches never wait
 * for each other in a circle: directly, or where only a statement would do, by two
 * for all of them. What the workflow refuses, the BEFORE trigger leaves as it is and
 * notes down. Should an order raise an error (a guard that divides by zero, a trigger
 * of the user's), all is undone and they are taken one by one, each in a subtransaction,
 * and its guards in one of their own, so that the one with the error can be named.
 */
#include "crm.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "advance.h"
#include "attempt.h"
#include "catalog.h"
#include "changes.h"
#include "door.h"
#include "target.h"

PG_FUNCTION_INFO_V1(crm_advance_orders);

static int
compare_ids(const void *a, const void *b)
{
	int64		x = DatumGetInt64(*(const Datum *) a);
	int64		y = DatumGetInt64(*(const Datum *) b);

	return x < y ? -1 : (x > y ? 1 : 0);
}

/* Ids are looked for among the steps by their number. */
static void
check_order_key(Relation rel, const Door *door)
{
	if (door->key_type != INT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the key of table %s is of type %s", crm_relation_name(rel),
						format_type_be(door->key_type)),
				 errdetail("Many orders are advanced by a key of type bigint."),
				 errhint("Change the type of the column back.")));
}

/* The ids in order, each once, NULLs left out; returns how many. */
static int
sort_ids(ArrayType *array, Datum **ids)
{
	bool	   *nulls;
	int			n;
	int			kept = 0;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, ids, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			(*ids)[kept++] = (*ids)[i];
	n = kept;
	qsort(*ids, n, sizeof(Datum), compare_ids);
	kept = 0;
	for (int i = 0; i < n; i++)
		if (kept == 0 || compare_ids(&(*ids)[i], &(*ids)[kept - 1]) != 0)
			(*ids)[kept++] = (*ids)[i];
	return kept;
}

/* Returns the number of rows. */
static uint64
run(const char *sql, Datum ids, int expected)
{
	Oid			types[1] = {INT8ARRAYOID};
	Datum		values[1] = {ids};
	uint64		nrows;

	SPI_connect();
	if (SPI_execute_with_args(sql, 1, types, values, NULL, false, 0) != expected)
		elog(ERROR, "unexpected result of: %s", sql);
	nrows = SPI_processed;
	SPI_finish();
	return nrows;
}

static void
lock_rows(Relation rel, const Door *door, Datum ids)
{
	char	   *key = pstrdup(quote_identifier(NameStr(door->key_name)));

	run(psprintf("SELECT %s FROM %s WHERE %s OPERATOR(pg_catalog.=) ANY ($1) ORDER BY 1 FOR NO KEY UPDATE",
				 key, crm_relation_name(rel), key),
		ids, SPI_OK_SELECT);
}

static uint64
update_by_statement(Relation rel, const Door *door, Datum ids)
{
	char	   *status = pstrdup(quote_identifier(NameStr(door->status_name)));

	crm_begin_update();
	return run(psprintf("UPDATE %s SET %s = %s WHERE %s OPERATOR(pg_catalog.=) ANY ($1)",
						crm_relation_name(rel), status, status, quote_identifier(NameStr(door->key_name))),
			   ids, SPI_OK_UPDATE);
}

typedef struct Batch
{
	Relation	rel;
	const Door *door;
	bool		directly;
	bool		is_watched;		/* by triggers that may look at the sales figures */
	Datum		ids;			/* bigint[] */
	CrmStep    *steps;
	int			n;
	uint64		nrows;			/* that were updated */
	CrmStep    *current;		/* when they are taken one by one */
} Batch;

static void
update_rows(void *arg)
{
	Batch	   *batch = arg;
	CrmStep		head = {0};

	head.relid = batch->door->root_relid;
	head.batch = batch->steps;
	head.nbatch = batch->n;
	head.outer = crm_current_step;
	head.trigger_depth = crm_trigger_depth() + 1;
	PG_TRY();
	{
		crm_current_step = &head;
		batch->nrows = batch->directly ?
			crm_update_directly(batch->rel, batch->door, batch->steps, batch->n) :
			update_by_statement(batch->rel, batch->door, batch->ids);
	}
	PG_FINALLY();
	{
		crm_current_step = head.outer;
	}
	PG_END_TRY();
}

static void
take_all(void *arg)
{
	Batch	   *batch = arg;
	uint64		nresolved = 0;

	if (batch->is_watched)
		update_rows(batch);
	else
		crm_hold_changes(update_rows, batch);
	for (int i = 0; i < batch->n; i++)
	{
		if (!batch->steps[i].resolved)
			continue;
		if (!batch->steps[i].recorded)
			crm_refuse_suppressed(batch->door, batch->steps[i].key);
		nresolved++;
	}
	if (batch->nrows > nresolved)
		crm_refuse_without_trigger(batch->door);
}

static void
take_one(void *arg)
{
	Batch	   *batch = arg;

	crm_advance_row(batch->rel, batch->door, batch->current);
}

static void
take_one_by_one(Batch *batch)
{
	for (int i = 0; i < batch->n; i++)
	{
		CrmStep    *step = &batch->steps[i];
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		/* what was noted down for all of them is undone */
		step->resolved = step->recorded = false;
		step->refusal = NULL;
		step->from_status = NULL;
		step->by_itself = true;
		batch->current = step;
		error = crm_attempt(take_one, batch);
		if (error == NULL)
			continue;
		step->resolved = false;
		if (error->sqlerrcode != ERRCODE_CRM_NO_SUCH_ROW)
			step->refusal = error->message;
	}
}

static void
put_outcome(Tuplestorestate *rows, TupleDesc desc, const CrmStep *step)
{
	Datum		values[4];
	bool		nulls[4] = {false};

	values[0] = step->key;
	values[1] = CStringGetTextDatum(step->resolved ? "advanced" : step->refusal ? "refused" : "not_found");
	values[2] = PointerGetDatum(step->resolved ? step->to_status : step->from_status);
	nulls[2] = DatumGetPointer(values[2]) == NULL;
	nulls[3] = step->resolved || step->refusal == NULL;
	if (!nulls[3])
		values[3] = CStringGetTextDatum(step->refusal);
	tuplestore_putvalues(rows, desc, values, nulls);
}

/*
 * crm_advance_orders(order_ids bigint[], event text, note text DEFAULT NULL)
 * returns table (order_id bigint, outcome text, status text, reason text)
 *
 * One row an order, in order of the ids, each once, NULLs left out. outcome is
 * "advanced", "refused" or "not_found"; status is the one after the call, if it
 * is known; reason says why an order was refused. Rights and errors as of
 * crm_advance_order(); what is about one order is a row here, not an error.
 */
Datum
crm_advance_orders(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Batch		batch = {0};
	Datum	   *ids;
	char	   *event;
	TupleDesc	desc;
	Tuplestorestate *rows;
	MemoryContext caller;

	if (PG_ARGISNULL(0))
		crm_refuse_null("crm_advance_orders", "order_ids");
	if (PG_ARGISNULL(1))
		crm_refuse_null("crm_advance_orders", "event");
	PreventCommandIfReadOnly("crm_advance_orders()");
	if (result == NULL || !IsA(result, ReturnSetInfo) || !(result->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	batch.rel = table_open(crm_table_oid("orders"), RowExclusiveLock);
	batch.door = crm_door_get(batch.rel);
	check_order_key(batch.rel, batch.door);
	batch.n = sort_ids(PG_GETARG_ARRAYTYPE_P(0), &ids);
	batch.ids = PointerGetDatum(construct_array(ids, batch.n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	batch.steps = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(CrmStep) * Max(batch.n, 1));
	memset(batch.steps, 0, sizeof(CrmStep) * batch.n);
	event = text_to_cstring(PG_GETARG_TEXT_PP(1));
	for (int i = 0; i < batch.n; i++)
	{
		CrmStep    *step = &batch.steps[i];

		step->key = ids[i];
		step->event = event;
		step->note = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
		step->expected_version = -1;
		step->context = CurrentMemoryContext;
		step->in_batch = true;
	}

	batch.directly = crm_can_update_directly(batch.rel, batch.door);
	batch.is_watched = batch.door->is_watched || (batch.door->has_history && batch.door->history_is_watched);
	/* outside of any subtransaction: who lacks a right hears of it, as for one order */
	if (!batch.directly)
		lock_rows(batch.rel, batch.door, batch.ids);
	if (crm_attempt(take_all, &batch) != NULL)
		take_one_by_one(&batch);
	table_close(batch.rel, NoLock);

	caller = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	rows = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	result->returnMode = SFRM_Materialize;
	result->setResult = rows;
	result->setDesc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(caller);
	for (int i = 0; i < batch.n; i++)
		put_outcome(rows, desc, &batch.steps[i]);
	return (Datum) 0;
}
