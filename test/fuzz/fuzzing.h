/*
 * fuzzing.h: what fuzzers share: loud checks, an allocator that is fast under
 * the address sanitizer and fails on demand, and choices taken from an input.
 *
 * Use:
 *		lep_arena_init(&arena, &fuzz_allocator, 0);
 *		fuzz_scarce(3);			-- the fourth allocation from here on fails
 *		Choices c = {data, size, 0};
 *		switch (choose(&c, 5)) ...
 */
#ifndef LEPTON_FUZZING_H
#define LEPTON_FUZZING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/base.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if __has_feature(address_sanitizer) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_ignore_object(at)
#define ASAN_POISON_MEMORY_REGION(at, size)
#define ASAN_UNPOISON_MEMORY_REGION(at, size)
#endif

#define FUZZ_HEAD		 ((size_t) 64) /* bytes before a block, also a guard */
#define FUZZ_SHIFT_FIRST 8			   /* sizes are powers of two from 2^8 */
#define FUZZ_SHIFT_LAST	 21			   /* what is larger comes from malloc */
#define FUZZ_NEVER		 SIZE_MAX

/* A block that is kept for later: its head. */
typedef struct FuzzBlock
{
	struct FuzzBlock *next;
	size_t shift; /* 0: from malloc */
} FuzzBlock;

static FuzzBlock *fuzz_kept[FUZZ_SHIFT_LAST + 1];
static size_t fuzz_left = FUZZ_NEVER; /* allocations before one fails */

/* Say what does not hold and die. */
static inline void
fuzz_fail(const char *what, int line)
{
	fprintf(stderr, "line %d: not so: %s\n", line, what);
	__builtin_trap();
}

/* Fail loudly unless this holds. */
#define require(what) ((what) ? (void) 0 : fuzz_fail(#what, __LINE__))

/* Let the allocation after n more fail, and those behind it; FUZZ_NEVER: none. */
static inline void
fuzz_scarce(size_t n)
{
	fuzz_left = n;
}

/* Allocate; what surrounds the block is poisoned. */
static inline void *
fuzz_alloc(void *ctx, size_t size)
{
	size_t shift = FUZZ_SHIFT_FIRST;
	FuzzBlock *block;

	(void) ctx;
	if (fuzz_left != FUZZ_NEVER && fuzz_left-- == 0)
	{
		fuzz_left = 0;
		return NULL;
	}
	if (size > SIZE_MAX - FUZZ_HEAD)
		return NULL;
	while (shift <= FUZZ_SHIFT_LAST && ((size_t) 1 << shift) < size)
		shift++;
	if (shift > FUZZ_SHIFT_LAST)
	{
		block = malloc(FUZZ_HEAD + size);
		if (block == NULL)
			return NULL;
		block->shift = 0;
		return (char *) block + FUZZ_HEAD;
	}
	block = fuzz_kept[shift];
	if (block == NULL)
	{
		block = aligned_alloc(FUZZ_HEAD, FUZZ_HEAD + ((size_t) 1 << shift));
		require(block != NULL);
		/* What is poisoned is not looked at for pointers to other blocks. */
		__lsan_ignore_object(block);
		ASAN_POISON_MEMORY_REGION(block, FUZZ_HEAD + ((size_t) 1 << shift));
	}
	ASAN_UNPOISON_MEMORY_REGION(block, sizeof(FuzzBlock));
	fuzz_kept[shift] = fuzz_kept[shift] != NULL ? block->next : NULL;
	block->shift = shift;
	ASAN_POISON_MEMORY_REGION(block, sizeof(FuzzBlock));
	ASAN_UNPOISON_MEMORY_REGION((char *) block + FUZZ_HEAD, size);
	return (char *) block + FUZZ_HEAD;
}

/* Take a block back; it stays poisoned until it is given again. */
static inline void
fuzz_free(void *ctx, void *at)
{
	FuzzBlock *block = at != NULL ? (FuzzBlock *) (void *) ((char *) at - FUZZ_HEAD) : NULL;

	(void) ctx;
	if (block == NULL)
		return;
	ASAN_UNPOISON_MEMORY_REGION(block, sizeof(FuzzBlock));
	if (block->shift == 0)
	{
		free(block);
		return;
	}
	block->next = fuzz_kept[block->shift];
	fuzz_kept[block->shift] = block;
	ASAN_POISON_MEMORY_REGION(block, FUZZ_HEAD + ((size_t) 1 << block->shift));
}

static const LepAllocator fuzz_allocator = {fuzz_alloc, fuzz_free, NULL};

/* The same for jansson: json_set_alloc_funcs(fuzz_json_alloc, fuzz_json_free); never fails on demand. */
static inline void *
fuzz_json_alloc(size_t size)
{
	size_t left = fuzz_left;
	void *at;

	fuzz_left = FUZZ_NEVER;
	at = fuzz_alloc(NULL, size);
	fuzz_left = left;
	return at;
}

/* Take back what fuzz_json_alloc gave. */
static inline void
fuzz_json_free(void *at)
{
	fuzz_free(NULL, at);
}

/* A copy of bytes[size], 64-byte aligned, which nothing may overrun; freed with fuzz_free. */
static inline void *
fuzz_copy(const void *bytes, size_t size)
{
	size_t left = fuzz_left;
	void *copy;

	fuzz_left = FUZZ_NEVER;
	copy = fuzz_alloc(NULL, size);
	fuzz_left = left;
	require(copy != NULL);
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

/* An input as a row of choices; zeros behind its end. */
typedef struct Choices
{
	const uint8_t *data; /* [size] */
	size_t size, at;
} Choices;

/* The next byte. */
static inline uint8_t
choose_byte(Choices *c)
{
	return c->at < c->size ? c->data[c->at++] : 0;
}

/* A number below n, which is at most 256. */
static inline size_t
choose(Choices *c, size_t n)
{
	return choose_byte(c) % n;
}

#endif
