/*
 * progress.c
 *		Tells other sessions how far a long call is.
 */
#include "crm.h"

#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(crm_show_progress);

/*
 * crm_show_progress(what text)
 *
 * What this session is at, for pg_stat_activity.query; NULL: its statement again. Nobody sees what a
 * transaction writes before it ends, but this.
 */
Datum
crm_show_progress(PG_FUNCTION_ARGS)
{
	const char *what = PG_ARGISNULL(0) ? debug_query_string : text_to_cstring(PG_GETARG_TEXT_PP(0));

	pgstat_report_activity(STATE_RUNNING, what);
	PG_RETURN_VOID();
}
