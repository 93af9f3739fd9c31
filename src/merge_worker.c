/*
 * merge_worker.c
 *		A background worker that merges, started by whoever sees that enough waits.
 *
 * Nobody has to list us in shared_preload_libraries: a backend that has written the
 * change with which enough wait starts the worker as it commits, if none is there.
 * The worker merges until little waits, and goes; so it is in nobody's way for
 * long who wants to drop the database. Should it die, the next writers start another.
 *
 * Whoever has written very much at once merges it himself before he commits: else the
 * next readers would have to add it up.
 */
#include "crm.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "attempt.h"
#include "catalog.h"
#include "merge_worker.h"
#include "owner.h"

/* How long the worker sleeps between two looks, and how often it looks when nothing is to do */
#define NAP_MS		250
#define MAX_NAPS	4

#define WORKER_NAME	"crm merge worker"

int			crm_merge_threshold;
static bool merge_worker;

/* of the transaction that is running */
static bool is_wanted = false;
static int64 nwritten = 0;

/* How many times as much as the worker begins with is merged by who has written it */
#define VERY_MUCH	10

static TimestampTz last_complaint = 0;

PGDLLEXPORT void crm_merge_worker_main(Datum database);

/* Only one worker in a database has this lock, for as long as it lives. */
static bool
lock_worker(Oid rollups, bool for_session)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, rollups, 1);
	/* of those that a process which ends gives back, whatever it dies of */
	tag.locktag_lockmethodid = USER_LOCKMETHOD;
	if (LockAcquire(&tag, ExclusiveLock, for_session, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if (!for_session)
		LockRelease(&tag, ExclusiveLock, false);
	return true;
}

void
crm_count_changes(int n)
{
	nwritten += n;
}

void
crm_want_merge(void)
{
	if (merge_worker && !is_wanted && lock_worker(crm_table_oid("rollups"), false))
		is_wanted = true;
}

/* In the middle of a commit, so nothing here may fail. */
static void
start_worker(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "crm", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "crm_merge_worker_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, WORKER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_type, WORKER_NAME, BGW_MAXLEN);
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	if (RegisterDynamicBackgroundWorker(&worker, NULL))
		return;

	/* once a minute is enough */
	if (TimestampDifferenceExceeds(last_complaint, GetCurrentTimestamp(), 60000))
	{
		ErrorContextCallback *context = error_context_stack;

		last_complaint = GetCurrentTimestamp();
		/* not to the client: what cannot be said in his encoding would be an error */
		error_context_stack = NULL;
		ereport(LOG_SERVER_ONLY,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no background worker is free to merge the sales figures"),
				 errdetail("The figures are right all the same, and slower to read the more changes wait."),
				 errhint("Raise max_worker_processes, or let cron call crm_merge_rollups()."),
				 errhidestmt(true)));
		error_context_stack = context;
	}
}

/* So many changes are merged in one transaction, so that nobody waits long for its locks */
#define AT_MOST	50000

/* The statement that merges, with the schema that we were installed in; NULL if we are not */
static char *
merge_statement(int64 at_least, int64 at_most)
{
	static const char sql[] =
		"SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_extension e"
		" JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"
		" WHERE e.extname OPERATOR(pg_catalog.=) 'crm'";
	char	   *schema;

	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT || SPI_processed == 0)
		return NULL;
	schema = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	/* of exactly the types that ours has: of a name that others may use as well, PostgreSQL takes the function that fits best */
	return psprintf("SELECT %s('" INT64_FORMAT "'::pg_catalog.int8, '" INT64_FORMAT "'::pg_catalog.int8)",
					quote_qualified_identifier(schema, "crm_merge_rollups"), at_least, at_most);
}

/* Run a statement, or a merge, as the owner of the rollups; returns the number in the first row, -1 if there is no extension. */
static int64
run_as_owner(const char *sql, int64 at_least, int64 at_most, int nargs, Oid *types, Datum *values)
{
	Oid			schema = get_namespace_oid(CRM_SCHEMA, true);
	Oid			rollups = OidIsValid(schema) ? get_relname_relid("rollups", schema) : InvalidOid;
	Relation	rel;
	CrmCaller	caller;
	int64		result = -1;
	bool		isnull;

	/* it may be gone by the time that we have the lock */
	rel = OidIsValid(rollups) ? try_table_open(rollups, AccessShareLock) : NULL;
	if (rel == NULL)
		return -1;
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (sql == NULL)
		sql = merge_statement(at_least, at_most);
	if (sql != NULL)
	{
		crm_become_owner(rel, &caller);
		result = 0;
		if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) == SPI_OK_SELECT && SPI_processed == 1)
			result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		crm_become_caller(&caller);
	}
	PopActiveSnapshot();
	SPI_finish();
	table_close(rel, NoLock);
	return result;
}

static void
merge_own(void *arg)
{
	int			nest_level = NewGUCNestLevel();

	/* all, but not now if somebody has locked the tables or is making sums anew: the worker can wait for that */
	(void) set_config_option("lock_timeout", "100ms", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) run_as_owner(NULL, 0, PG_INT64_MAX / 2, 0, NULL, NULL);
	/* deferred triggers of the transaction have had their turn: those that somebody has put on sums are to have one, too */
	SPI_connect();
	if (SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "unexpected result of SET CONSTRAINTS");
	SPI_finish();
	AtEOXact_GUC(true, nest_level);
}

static void
at_end_of_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			/* what goes wrong does so for the worker, too, who tells of it */
			if (nwritten > (int64) crm_merge_threshold * VERY_MUCH && merge_worker && !IsolationUsesXactSnapshot())
				(void) crm_try(merge_own, NULL);
			break;
		case XACT_EVENT_COMMIT:
			if (is_wanted)
				start_worker();
			/* FALLTHROUGH */
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			is_wanted = false;
			nwritten = 0;
			break;
		default:
			break;
	}
}

void
crm_merge_worker_init(void)
{
	DefineCustomBoolVariable("crm.merge_worker",
							 "Whether a background worker merges changes of the sales figures.",
							 "Off, it is for crm_merge_rollups().",
							 &merge_worker, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("crm.merge_threshold",
							"Number of changes of the sales figures with which a background worker begins to merge.",
							"More of them cost readers time, fewer of them the worker.",
							&crm_merge_threshold, 10000, 1000, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(at_end_of_transaction, NULL);
}

/* Merge if about so many wait; returns how many changes that were, -1 if there is nothing to do for us any more. */
static int64
merge(int at_least)
{
	MemoryContext context = CurrentMemoryContext;
	volatile int64 merged;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, "merging the sales figures of crm");
	PG_TRY();
	{
		merged = run_as_owner(NULL, at_least, AT_MOST, 0, NULL, NULL);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		Oid			types[] = {TEXTOID};
		Datum		values[1];
		ErrorData  *error;

		/* tell rollup_status, and go; the next writers try again */
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		RESUME_INTERRUPTS();
		StartTransactionCommand();
		values[0] = CStringGetTextDatum(error->message);
		(void) run_as_owner("UPDATE " CRM_SCHEMA ".merge_state SET failed_at = pg_catalog.clock_timestamp(), failure = $1",
							0, 0, 1, types, values);
		CommitTransactionCommand();
		merged = -1;
	}
	PG_END_TRY();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return merged;
}

/* Become the worker of the database; false if there is one, or no extension. */
static bool
become_worker(void)
{
	Oid			schema;
	Oid			rollups;
	bool		result;

	StartTransactionCommand();
	schema = get_namespace_oid(CRM_SCHEMA, true);
	rollups = OidIsValid(schema) ? get_relname_relid("rollups", schema) : InvalidOid;
	result = OidIsValid(rollups) && lock_worker(rollups, true);
	CommitTransactionCommand();
	return result;
}

/*
 * The worker's main function. Not for SQL; the server calls it in a process of its own.
 */
void
crm_merge_worker_main(Datum database)
{
	int			naps = 0;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
	/* whatever the database has set for its users */
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);

	if (!become_worker())
		return;
	while (merge_worker && naps < MAX_NAPS)
	{
		/* when it has become quiet, what is left, too; then, as nothing is, the space is given back */
		int64		merged = merge(naps < MAX_NAPS - 2 ? crm_merge_threshold : 0);

		if (merged < 0)
			return;
		naps = merged < crm_merge_threshold / 2 ? naps + 1 : 0;
		/* there is more */
		if (merged >= AT_MOST / 2)
		{
			CHECK_FOR_INTERRUPTS();
			continue;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, NAP_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}
