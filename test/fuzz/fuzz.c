/*
 * fuzz.c
 *		Coverage-guided fuzzing of the type crm_workflow, inside a server.
 *
 * test/fuzz/run builds this and all of src/ into one library and calls, in a
 * single-user server,
 *
 *		crm_fuzz(VARIADIC text[]) returns void
 *
 * with the arguments of libFuzzer, which never comes back: libFuzzer ends the
 * process. So the code under test has the palloc(), ereport() and hash tables
 * of the server around it. Each input is tried
 *
 *	- as a text, if it is valid in the encoding of the server (up to a NUL);
 *	- as a binary message.
 *
 * What is accepted must survive output and input, and send and receive, byte for
 * byte, and must pass crm_fuzz_check() (check.sql). What is refused must be
 * refused with an SQLSTATE that blames the input. All else aborts the process,
 * and libFuzzer keeps the input.
 */
#include "crm.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "libpq/pqsignal.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "workflow.h"

typedef int (*FuzzCallback) (const uint8_t *data, size_t size);
extern int	LLVMFuzzerRunDriver(int *argc, char ***argv, FuzzCallback callback);

extern Datum crm_workflow_out(PG_FUNCTION_ARGS);
extern Datum crm_workflow_recv(PG_FUNCTION_ARGS);
extern Datum crm_workflow_send(PG_FUNCTION_ARGS);
extern Datum crm_workflow_cmp(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(crm_fuzz);

MemoryContext crm_fuzz_context;
static SPIPlanPtr check_plan;
static long ntried;
static long naccepted;

/* The errors that say: it is the input's fault. */
static const int expected_errors[] = {
	ERRCODE_INVALID_TEXT_REPRESENTATION,	/* 22P02 */
	ERRCODE_INVALID_BINARY_REPRESENTATION,	/* 22P03 */
	ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,	/* 22021 */
	ERRCODE_PROTOCOL_VIOLATION, /* 08P01 */
	ERRCODE_PROGRAM_LIMIT_EXCEEDED, /* 54000 */
	ERRCODE_STATEMENT_TOO_COMPLEX	/* 54001 */
};

pg_noreturn static void finding(const char *format,...) pg_attribute_printf(1, 2);

static void
finding(const char *format,...)
{
	va_list		args;

	fputs("\ncrm fuzz: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

/*
 * Behind an error: back to our context, and forget it. What was allocated goes
 * with the context; nothing else is held, as the code under test looks at
 * nothing but its input.
 */
static void
recover(const char *what, bool may_fail)
{
	ErrorData  *error;

	MemoryContextSwitchTo(crm_fuzz_context);
	error = CopyErrorData();
	FlushErrorState();
	for (int i = 0; may_fail && i < lengthof(expected_errors); i++)
		if (error->sqlerrcode == expected_errors[i])
			return;
	finding("%s: ERROR %s: %s (%s:%d)", what, unpack_sql_state(error->sqlerrcode), error->message,
			error->filename, error->lineno);
}

/* Calls a function; false if it refuses its argument, which it may or may not. */
static bool
call(const char *what, PGFunction function, Datum argument, bool may_fail, Datum *result)
{
	volatile bool accepted = false;

	PG_TRY();
	{
		*result = DirectFunctionCall1(function, argument);
		accepted = true;
	}
	PG_CATCH();
	{
		recover(what, may_fail);
	}
	PG_END_TRY();
	return accepted;
}

static bool
receive(const char *what, const char *message, int len, bool may_fail, Datum *result)
{
	StringInfoData buf;

	/* a copy of exactly that length: no NUL behind it */
	buf.data = memcpy(palloc(len), message, len);
	buf.len = buf.maxlen = len;
	buf.cursor = 0;
	if (!call(what, crm_workflow_recv, PointerGetDatum(&buf), may_fail, result))
		return false;
	if (buf.cursor != buf.len)
		finding("%s: %d bytes were not read", what, buf.len - buf.cursor);
	return true;
}

static void
check_same(const char *what, Datum a, Datum b)
{
	Size		size = VARSIZE(DatumGetPointer(a));

	if (VARSIZE(DatumGetPointer(b)) != size ||
		memcmp(DatumGetPointer(a), DatumGetPointer(b), size) != 0)
		finding("%s: another value comes back", what);
}

/* crm_fuzz_check() says what is wrong with a value, NULL if nothing is. */
static void
check_in_sql(Datum value)
{
	PG_TRY();
	{
		char	   *verdict;

		if (SPI_execute_plan(check_plan, &value, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
			elog(ERROR, "crm_fuzz_check() returned no row");
		verdict = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		if (verdict != NULL)
			finding("crm_fuzz_check: %s", verdict);
		SPI_freetuptable(SPI_tuptable);
	}
	PG_CATCH();
	{
		recover("crm_fuzz_check", false);
	}
	PG_END_TRY();
}

static void
check_value(Datum value)
{
	Datum		text;
	Datum		again;
	Datum		message;

	naccepted++;
	call("output", crm_workflow_out, value, false, &text);
	call("input of output", crm_workflow_in, text, false, &again);
	check_same("input of output", value, again);

	call("send", crm_workflow_send, value, false, &message);
	receive("receive of send", VARDATA(DatumGetPointer(message)),
			VARSIZE(DatumGetPointer(message)) - VARHDRSZ, false, &again);
	check_same("receive of send", value, again);

	check_in_sql(value);
}

static int
try_input(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *) data;
	int			len = strnlen(bytes, size);
	MemoryContext old_context;
	Datum		value;

	ntried++;
	/* Of a size that no pool of contexts is kept for: its blocks go back to malloc(). */
	crm_fuzz_context = AllocSetContextCreate(TopMemoryContext, "crm fuzz", 0, 16 * 1024, 1024 * 1024);
	old_context = MemoryContextSwitchTo(crm_fuzz_context);

	if (pg_verifymbstr(bytes, len, true) &&
		call("input", crm_workflow_in, CStringGetDatum(pnstrdup(bytes, len)), true, &value))
		check_value(value);
	if (receive("receive", bytes, size, true, &value))
		check_value(value);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(crm_fuzz_context);
	crm_fuzz_context = NULL;
	return 0;
}

static void
report(void)
{
	fprintf(stderr, "crm fuzz: %ld inputs, %ld workflows among them\n", ntried, naccepted);
}

Datum
crm_fuzz(PG_FUNCTION_ARGS)
{
	Datum	   *arguments;
	int			narguments;
	int			argc = 0;
	char	  **argv;
	Oid			type;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT,
					  &arguments, NULL, &narguments);
	argv = palloc0((narguments + 2) * sizeof(char *));
	argv[argc++] = "crm_fuzz";
	for (int i = 0; i < narguments; i++)
		argv[argc++] = TextDatumGetCString(arguments[i]);

	SPI_connect();
	type = DatumGetObjectId(DirectFunctionCall1(regtypein, CStringGetDatum("crm_workflow")));
	check_plan = SPI_prepare_cursor("SELECT crm_fuzz_check($1)", 1, &type, CURSOR_OPT_GENERIC_PLAN);
	if (check_plan == NULL)
		elog(ERROR, "%s", SPI_result_code_string(SPI_result));

	/* Up to here, an error ends the server (exit_on_error). From here on, some are caught. */
	ExitOnAnyError = false;

	/* libFuzzer takes only those signals that nobody has; the timer is for inputs that take long. */
	pqsignal(SIGALRM, SIG_DFL);
	pqsignal(SIGINT, SIG_DFL);
	pqsignal(SIGTERM, SIG_DFL);
	pqsignal(SIGFPE, SIG_DFL);
	atexit(report);
	/* It exits, or returns if it was told to try some files only. */
	exit(LLVMFuzzerRunDriver(&argc, &argv, try_input));
}
