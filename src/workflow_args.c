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
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "workflow.h"

typedef struct Remembered
{
	uint64		key;			/* hash of the bytes; hash key where there are many */
	struct varlena *raw;		/* as it came; NULL if none yet */
	Workflow   *workflow;
} Remembered;

typedef struct ArgCache
{
	Remembered	last;
	HTAB	   *kept;			/* Remembered; NULL if none yet */
} ArgCache;

static ArgCache *
get_cache(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ArgCache));
	return fcinfo->flinfo->fn_extra;
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
	struct varlena *raw = get_raw(fcinfo, n);
	Remembered *last;

	if (!VARATT_IS_EXTENDED(raw))
		return (Workflow *) raw;
	last = &get_cache(fcinfo)->last;
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
	struct varlena *raw = get_raw(fcinfo, n);
	ArgCache   *cache = get_cache(fcinfo);
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
