/*
 * attempt.c
 *		One thing of several, of which the others go on if it fails.
 */
#include "crm.h"

#include "access/xact.h"
#include "utils/resowner.h"

#include "attempt.h"

/*
 * Whether an error is about the row at hand, not about the transaction, the
 * server or the connection, where going on with the next one makes no sense.
 */
static bool
is_about_the_row(int sqlstate)
{
	static const char *const others[] = {"08", "0A", "25", "40", "53", "54", "57", "58", "72", "F0", "XX"};
	const char *code = unpack_sql_state(sqlstate);

	for (int i = 0; i < lengthof(others); i++)
		if (strncmp(code, others[i], 2) == 0)
			return false;
	return sqlstate != ERRCODE_LOCK_NOT_AVAILABLE;
}

ErrorData *
crm_attempt(void (*action) (void *), void *arg)
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
		if (!is_about_the_row(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}
