/*
 * base.c: the error record, text quoted for messages and the arena; raises
 * nothing and knows no file format.
 */
#define LEPTON_ENGINE_SOURCE
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define ARENA_GUARD			 ((size_t) 64) /* bytes between allocations that nothing may touch */
#define ARENA_HIDE(at, size) __asan_poison_memory_region(at, size)
#define ARENA_SHOW(at, size) __asan_unpoison_memory_region(at, size)
#else
#define ARENA_GUARD ((size_t) 0)
#define ARENA_HIDE(at, size)
#define ARENA_SHOW(at, size)
#endif

#define QUOTE_CHARS		64 /* characters of file text that a message shows */
#define ARENA_ALIGN		((size_t) 64)
#define ARENA_FIRST		((size_t) 8 << 10) /* bytes of the first block */
#define ARENA_BLOCK_MAX ((size_t) 1 << 20) /* bytes at which blocks stop growing */
#define ARENA_OWN_SHARE 4 /* an allocation above 1/4 of a block gets its own block */

/* One piece of memory from the allocator; the payload follows, aligned. */
struct LepArenaBlock
{
	struct LepArenaBlock *next;
	unsigned char *at;	/* next free byte, 64-byte aligned */
	unsigned char *end; /* behind the last byte */
	size_t size;		/* bytes taken from the allocator */
};

/* Format into dst[size] and cut an overlong result at a code point's end. */
__attribute__((format(printf, 3, 0))) static void
format_text(char *dst, size_t size, const char *format, va_list args)
{
	int n = vsnprintf(dst, size, format, args);
	size_t len;
	size_t start;
	uint32_t c;

	if (n < 0)
		dst[0] = '\0';
	if (n < 0 || (size_t) n < size)
		return;
	len = size - 1;
	start = len;
	while (start > 0 && len - start < 3 && ((unsigned char) dst[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && (unsigned char) dst[start - 1] >= 0xC0 &&
		lep_utf8_decode((const unsigned char *) dst + start - 1, len - start + 1, &c) == 0)
		dst[start - 1] = '\0';
}

/* Fill err (which may be NULL), clear its detail and hint, and return status. */
LepStatus
lep_error(LepError *err, LepStatus status, const char *message, ...)
{
	va_list args;

	if (err == NULL)
		return status;
	err->status = status;
	err->detail[0] = '\0';
	err->hint[0] = '\0';
	va_start(args, message);
	format_text(err->message, sizeof(err->message), message, args);
	va_end(args);
	return status;
}

/* Set the detail of err, which may be NULL. */
void
lep_error_detail(LepError *err, const char *detail, ...)
{
	va_list args;

	if (err == NULL)
		return;
	va_start(args, detail);
	format_text(err->detail, sizeof(err->detail), detail, args);
	va_end(args);
}

/* Set the hint of err, which may be NULL. */
void
lep_error_hint(LepError *err, const char *hint, ...)
{
	va_list args;

	if (err == NULL)
		return;
	va_start(args, hint);
	format_text(err->hint, sizeof(err->hint), hint, args);
	va_end(args);
}

/* Copy at most 64 characters of text[len] to dst[dst_size] as printable UTF-8; returns dst. */
const char *
lep_error_quote(char *dst, size_t dst_size, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *) text;
	size_t in = 0;
	size_t out = 0;
	size_t chars = 0;

	if (dst_size == 0)
		return "";
	while (in < len)
	{
		uint32_t c = 0;
		size_t n = lep_utf8_decode(p + in, len - in, &c);
		bool plain = n > 0 && c >= 0x20 && (c < 0x7F || c > 0x9F) && c != 0x2028 && c != 0x2029 &&
					 !(c >= 0x202A && c <= 0x202E) && !(c >= 0x2066 && c <= 0x2069);
		size_t width = plain ? n : 1;

		if (n == 0)
			n = 1;
		/* Room for this character, "..." and the end, whatever comes behind it. */
		if (chars == QUOTE_CHARS || out + width + 3 >= dst_size)
		{
			size_t dots = dst_size - 1 - out;

			dots = dots < 3 ? dots : 3;
			memset(dst + out, '.', dots);
			out += dots;
			break;
		}
		if (plain)
			memcpy(dst + out, p + in, n);
		else
			dst[out] = '?';
		out += width;
		in += n;
		chars++;
	}
	dst[out] = '\0';
	return dst;
}

/* True when stop is not NULL and asks to stop. */
bool
lep_stopped(const LepStop *stop)
{
	return stop != NULL && stop->should_stop != NULL && stop->should_stop(stop->arg);
}

/* malloc in the allocator's form. */
static void *
malloc_alloc(void *ctx, size_t size)
{
	(void) ctx;
	return malloc(size > 0 ? size : 1);
}

/* free in the allocator's form. */
static void
malloc_free(void *ctx, void *ptr)
{
	(void) ctx;
	free(ptr);
}

const LepAllocator lep_malloc_allocator = {malloc_alloc, malloc_free, NULL};

/* Start an empty arena; limit is in bytes taken from the allocator, 0 for none. */
void
lep_arena_init(LepArena *arena, const LepAllocator *allocator, size_t limit)
{
	arena->allocator = allocator != NULL ? allocator : &lep_malloc_allocator;
	arena->blocks = NULL;
	arena->limit = limit;
	arena->used = 0;
}

/* Take a block with at least payload aligned bytes, NULL when that fails or is over the limit. */
static struct LepArenaBlock *
new_block(LepArena *arena, size_t payload)
{
	struct LepArenaBlock *block;
	size_t size;
	size_t total;
	uintptr_t at;

	if (!lep_add(payload, sizeof(struct LepArenaBlock) + ARENA_ALIGN - 1, &size) ||
		!lep_add(arena->used, size, &total) || (arena->limit != 0 && total > arena->limit))
		return NULL;
	block = arena->allocator->alloc(arena->allocator->ctx, size);
	if (block == NULL)
		return NULL;
	arena->used = total;
	at = (uintptr_t) block + sizeof(struct LepArenaBlock);
	at = (at + ARENA_ALIGN - 1) & ~(uintptr_t) (ARENA_ALIGN - 1);
	block->at = (unsigned char *) at;
	block->end = (unsigned char *) block + size;
	block->size = size;
	ARENA_HIDE(block->at, (size_t) (block->end - block->at));
	return block;
}

/* Allocate size zeroed bytes, 64-byte aligned; NULL when out of memory or over the limit. */
void *
lep_arena_alloc(LepArena *arena, size_t size)
{
	struct LepArenaBlock *head = arena->blocks;
	struct LepArenaBlock *block;
	size_t rounded;
	size_t next;
	unsigned char *result;

	if (!lep_add(size > 0 ? size : 1, ARENA_GUARD + ARENA_ALIGN - 1, &rounded))
		return NULL;
	rounded &= ~(ARENA_ALIGN - 1);
	if (head == NULL || (size_t) (head->end - head->at) < rounded)
	{
		next = head == NULL ? ARENA_FIRST : head->size * 2;
		next = next < ARENA_BLOCK_MAX ? next : ARENA_BLOCK_MAX;
		block = NULL;
		if (rounded <= next / ARENA_OWN_SHARE)
			block = new_block(arena, next);
		if (block != NULL)
		{
			block->next = head;
			arena->blocks = head = block;
		}
		else
		{
			/* A block of its own goes behind the head, which keeps its free room. */
			block = new_block(arena, rounded);
			if (block == NULL)
				return NULL;
			if (head == NULL)
			{
				block->next = NULL;
				arena->blocks = block;
			}
			else
			{
				block->next = head->next;
				head->next = block;
			}
			head = block;
		}
	}
	result = head->at;
	head->at += rounded;
	ARENA_SHOW(result, size);
	memset(result, 0, size);
	return result;
}

/* Allocate n elements of size bytes, NULL also when the product overflows. */
void *
lep_arena_array(LepArena *arena, size_t n, size_t size)
{
	size_t bytes;

	if (!lep_mul(n, size, &bytes))
		return NULL;
	return lep_arena_alloc(arena, bytes);
}

/* Copy s[len] into the arena with a NUL behind it. */
char *
lep_arena_strndup(LepArena *arena, const char *s, size_t len)
{
	size_t bytes;
	char *copy;

	if (!lep_add(len, 1, &bytes))
		return NULL;
	copy = lep_arena_alloc(arena, bytes);
	if (copy != NULL && len > 0)
		memcpy(copy, s, len);
	return copy;
}

/* Give everything back; the arena is empty and usable again. */
void
lep_arena_free(LepArena *arena)
{
	struct LepArenaBlock *block = arena->blocks;

	while (block != NULL)
	{
		struct LepArenaBlock *next = block->next;

		ARENA_SHOW(block, block->size);
		arena->allocator->free(arena->allocator->ctx, block);
		block = next;
	}
	arena->blocks = NULL;
	arena->used = 0;
}
