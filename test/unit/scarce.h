/*
 * scarce.h: an allocator that gives so many blocks and no more, for tests of
 * failing allocations.
 *
 * Use:
 *		scarce_left = 3;
 *		lep_arena_init(&arena, &scarce, 0);
 */
#ifndef LEPTON_SCARCE_H
#define LEPTON_SCARCE_H

#include <stdlib.h>

#include "../../src/engine/base.h"

/* Blocks left before every further one fails. */
static size_t scarce_left;

/* Allocate, or fail when none is left. */
static inline void *
scarce_alloc(void *ctx, size_t size)
{
	(void) ctx;
	if (scarce_left == 0)
		return NULL;
	scarce_left--;
	return malloc(size);
}

/* Free. */
static inline void
scarce_free(void *ctx, void *ptr)
{
	(void) ctx;
	free(ptr);
}

static const LepAllocator scarce = {scarce_alloc, scarce_free, NULL};

#endif
