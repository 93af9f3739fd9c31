/*
 * workflow_args.c
 *		Arguments of type crm_workflow in functions that are called for many rows.
 *
 * Such a value mostly comes from a table, compressed or out of line. To unpack it
 * for each row would cost more than what is asked of it, so the last ones are
 * remembered with the bytes that they came from.
 */
#include "crm.h"

#include "common/hashfn.h"
#include "nodes/primnodes.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "workflow.h"

const Workflow *
crm_workflow_check_format(const Workflow *w)
{
	if (VARSIZE(w) < sizeof(Workflow) || w->format != WF_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a workflow is stored in a format that this version of crm does not read"),
				 errdetail("Its format is %d, not %d.", VARSIZE(w) < sizeof(Workflow) ? 0 : w->format, WF_FORMAT),
				 errhint("Install the version of the extension that wrote it, and dump it as text.")));
	return w;
}

typedef struct Remembered
{
	uint64		key;			/* hash of the bytes; hash key where there are many */
	struct varlena *raw;		/* as it came; NULL if none yet */
	Workflow   *workflow;
} Remembered;

typedef struct ArgCache
{
	bool		constant;		/* the query says that it is always the same */
	Remembered	last;
	HTAB	   *kept;			/* Remembered; NULL if none yet */
} ArgCache;

/*
 * A constant only. A parameter is the same for one execution, but in PL/pgSQL an
 * expression, with what it remembers, lives for many.
 */
static bool
is_constant(const FmgrInfo *flinfo, int n)
{
	return flinfo->fn_expr != NULL && IsA(flinfo->fn_expr, FuncExpr) &&
		IsA(list_nth(((FuncExpr *) flinfo->fn_expr)->args, n), Const);
}

static ArgCache *
get_cache(FunctionCallInfo fcinfo, int n)
{
	ArgCache   *cache = fcinfo->flinfo->fn_extra;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ArgCache));
		cache->constant = is_constant(fcinfo->flinfo, n);
		fcinfo->flinfo->fn_extra = cache;
	}
	return cache;
}

static bool
is_same(const struct varlena *a, const struct varlena *b)
{
	return VARSIZE_ANY(a) == VARSIZE_ANY(b) && memcmp(a, b, VARSIZE_ANY(a)) == 0;
}

/* Copies that last as long as the function is called. */
static void
remember(FunctionCallInfo fcinfo, struct varlena *raw, Remembered *into)
{
	MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

	into->workflow = (Workflow *) PG_DETOAST_DATUM_COPY(PointerGetDatum(raw));
	crm_workflow_check_format(into->workflow);
	into->raw = memcpy(palloc(VARSIZE_ANY(raw)), raw, VARSIZE_ANY(raw));
	MemoryContextSwitchTo(caller);
}

/*
 * The bytes of a plain, compressed or stored value tell it from all others; those
 * of a pointer into memory do not, as something else may be there later.
 */
static struct varlena *
get_raw(FunctionCallInfo fcinfo, int n)
{
	struct varlena *raw = (struct varlena *) PG_GETARG_POINTER(n);

	if (VARATT_IS_EXTERNAL(raw) && !VARATT_IS_EXTERNAL_ONDISK(raw))
		return (struct varlena *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n));
	return raw;
}

const Workflow *
crm_workflow_arg(FunctionCallInfo fcinfo, int n)
{
	ArgCache   *cache = get_cache(fcinfo, n);
	Remembered *last = &cache->last;
	struct varlena *raw;

	if (cache->constant && last->raw != NULL)
		return last->workflow;
	raw = get_raw(fcinfo, n);
	if (!VARATT_IS_EXTENDED(raw))
		return crm_workflow_check_format((Workflow *) raw);
	if (last->raw == NULL || !is_same(raw, last->raw))
	{
		if (last->raw != NULL)
		{
			pfree(last->raw);
			last->raw = NULL;
			pfree(last->workflow);
		}
		remember(fcinfo, raw, last);
	}
	return last->workflow;
}

const Workflow *
crm_workflow_kept_arg(FunctionCallInfo fcinfo, int n)
{
	ArgCache   *cache = get_cache(fcinfo, n);
	struct varlena *raw = get_raw(fcinfo, n);
	Remembered *entry;
	uint64		key;
	bool		found;

	if (cache->last.raw != NULL && is_same(raw, cache->last.raw))
		return cache->last.workflow;

	key = hash_bytes_extended((unsigned char *) raw, VARSIZE_ANY(raw), 0);
	if (cache->kept == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(uint64);
		ctl.entrysize = sizeof(Remembered);
		ctl.hcxt = fcinfo->flinfo->fn_mcxt;
		cache->kept = hash_create("crm workflow arguments", 16, &ctl,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(cache->kept, &key, HASH_ENTER, &found);
	if (!found)
		entry->raw = NULL;
	if (entry->raw == NULL || !is_same(raw, entry->raw))
		remember(fcinfo, raw, entry);	/* a hash that collides forgets, but frees nothing in use */
	cache->last = *entry;
	return entry->workflow;
}
