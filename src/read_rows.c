/*
 * read_rows.c
 *		For functions that read tables and answer with rows.
 */
#include "crm.h"

#include "executor/executor.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/params.h"

#include "read_rows.h"

typedef struct Reader
{
	DestReceiver receiver;		/* takes the rows of the query; must be first */
	CrmTakeRow	take;
	void	   *arg;
} Reader;

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Reader	   *reader = (Reader *) self;

	slot_getallattrs(slot);
	reader->take(slot, reader->arg);
	return true;
}

static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
end_rows(DestReceiver *self)
{
}

static ParamListInfo
make_params(int n, const Oid *types, const Datum *values)
{
	ParamListInfo params = makeParamList(n);

	for (int i = 0; i < n; i++)
	{
		params->params[i].value = values[i];
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = types[i];
	}
	return params;
}

void
crm_read_rows_of(const char *query, int nparams, Oid *types, Datum *values, CrmTakeRow take, void *arg)
{
	Reader		reader = {0};
	SPIExecuteOptions options = {0};
	SPIPlanPtr	plan;

	reader.receiver.receiveSlot = receive_row;
	reader.receiver.rStartup = start_rows;
	reader.receiver.rShutdown = end_rows;
	reader.receiver.rDestroy = end_rows;
	reader.receiver.mydest = DestTuplestore;
	reader.take = take;
	reader.arg = arg;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare_cursor(query, nparams, types, CURSOR_OPT_PARALLEL_OK);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	options.params = nparams == 0 ? NULL : make_params(nparams, types, values);
	options.read_only = true;
	options.dest = &reader.receiver;
	if (SPI_execute_plan_extended(plan, &options) < 0)
		elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(SPI_result));
	SPI_finish();
}

void
crm_read_rows(const char *query, CrmTakeRow take, void *arg)
{
	crm_read_rows_of(query, 0, NULL, NULL, take, arg);
}

Tuplestorestate *
crm_begin_result(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Tuplestorestate *rows;
	MemoryContext caller;

	if (result == NULL || !IsA(result, ReturnSetInfo) || !(result->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	caller = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	rows = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	result->returnMode = SFRM_Materialize;
	result->setResult = rows;
	result->setDesc = CreateTupleDescCopy(*desc);
	MemoryContextSwitchTo(caller);
	return rows;
}
