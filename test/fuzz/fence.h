/*
 * fence.h
 *		Included before each source file of the fuzz build: a fence behind each
 *		allocation of ours.
 *
 * AddressSanitizer watches what malloc() returns, but palloc() cuts its chunks
 * out of larger blocks, and so hides a step beyond the end of one. Here each
 * chunk gets some bytes more, which AddressSanitizer is told to guard. That is
 * done only in the context of the input that is being tried: its blocks go back
 * to malloc() as a whole, fences included, before the server sees them again.
 */
#ifndef CRM_FENCE_H
#define CRM_FENCE_H

#include "postgres.h"

#include <sanitizer/asan_interface.h>

#define FENCE	16

/* fuzz.c; NULL while no input is being tried */
extern MemoryContext crm_fuzz_context;

static inline void *
crm_fenced(void *chunk, Size size)
{
	if (CurrentMemoryContext == crm_fuzz_context)
		ASAN_POISON_MEMORY_REGION((char *) chunk + size, FENCE);
	return chunk;
}

static inline void *
crm_fenced_alloc(Size size, int flags)
{
	return crm_fenced(palloc_extended(size + FENCE, flags), size);
}

static inline char *
crm_fenced_strdup(const char *string, Size len)
{
	char	   *copy = crm_fenced_alloc(len + 1, 0);

	memcpy(copy, string, len);
	copy[len] = '\0';
	return copy;
}

#define palloc(size)			crm_fenced_alloc((size), 0)
#define palloc0(size)			crm_fenced_alloc((size), MCXT_ALLOC_ZERO)
#define pstrdup(string)			crm_fenced_strdup((string), strlen(string))
#define pnstrdup(string, len)	crm_fenced_strdup((string), strnlen((string), (len)))

#endif							/* CRM_FENCE_H */
