/*
 * attempt.c
 *		One thing of several, of which the others go on if it fails.
 */
#include "crm.h"

#include "access/xact.h"
#include "utils/resowner.h"

#include "attempt.h"

/*
 * Whether to go on makes no sense. It does after any error, as for WHEN OTHERS of
 * PL/pgSQL, but when the server was told to stop, has no room left, or the
 * transaction has lost a race. What RAISE says is none of these: guards and
 * triggers call their errors what they like.
 */
static bool
ends_all(const ErrorData *error)
{
	const char *raised_in = error->funcname ? error->funcname : "";

	if (strcmp(raised_in, "exec_stmt_raise") == 0)
		return false;
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			/* lock_timeout; NOWAIT has the same code */
			return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE &&
				strcmp(raised_in, "ProcessInterrupts") == 0;
	}
}

ErrorData *
crm_try(void (*action) (void *), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		action(arg);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	return error;
}

ErrorData *
crm_attempt(void (*action) (void *), void *arg)
{
	ErrorData  *error = crm_try(action, arg);

	if (error != NULL && ends_all(error))
		ReThrowError(error);
	return error;
}
