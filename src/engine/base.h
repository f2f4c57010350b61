/*
 * base.h: what every engine file needs: the error record, the arena, checked
 * size arithmetic and the stop callback.
 *
 * Engine code is C99 that builds without a server.  It returns LepStatus and
 * fills a LepError; it never raises, exits or jumps.
 */
#ifndef LEPTON_ENGINE_BASE_H
#define LEPTON_ENGINE_BASE_H

#ifdef POSTGRES_H
#ifdef LEPTON_ENGINE_SOURCE
#error "engine sources build without the server"
#endif
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/lepton_status.h"

/*
 * What went wrong, in the words of PostgreSQL's error style guide: message is
 * a short lower-case fact without a period; detail (what was found, what was
 * expected, with numbers) and hint (an action) are full sentences or empty.
 * Text from files is quoted through lep_error_quote so that it is short valid UTF-8.
 */
typedef struct LepError
{
	LepStatus status;
	char message[256];
	char detail[512];
	char hint[256];
} LepError;

/* Fill err (which may be NULL) and return status. */
LepStatus lep_error(LepError *err, LepStatus status, const char *message, ...)
	__attribute__((format(printf, 3, 4)));
void lep_error_detail(LepError *err, const char *detail, ...) __attribute__((format(printf, 2, 3)));
void lep_error_hint(LepError *err, const char *hint, ...) __attribute__((format(printf, 2, 3)));

#define LEP_QUOTE_SIZE 272 /* bytes that hold any text lep_error_quote writes */

/*
 * Copy at most 64 characters of text into dst as printable UTF-8: control
 * characters and invalid bytes become '?', a cut end becomes "...".
 */
const char *lep_error_quote(char *dst, size_t dst_size, const char *text, size_t len);

/* Asked at least every 20 ms of work; true means: return LEP_CANCELLED soon. */
typedef struct LepStop
{
	bool (*should_stop)(void *arg);
	void *arg;
} LepStop;

/* True when stop is not NULL and asks to stop. */
bool lep_stopped(const LepStop *stop);

/* Where an arena gets its blocks.  alloc returns NULL on failure. */
typedef struct LepAllocator
{
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *ptr);
	void *ctx;
} LepAllocator;

/* malloc and free; for tests and tools. */
extern const LepAllocator lep_malloc_allocator;

/*
 * Arena: everything of one lifetime, freed at once.  Zero-initialise with
 * lep_arena_init; memory is 64-byte aligned and zeroed.
 */
typedef struct LepArena
{
	const LepAllocator *allocator;
	struct LepArenaBlock *blocks;
	size_t limit; /* bytes in all; 0 = no limit */
	size_t used;
} LepArena;

void lep_arena_init(LepArena *arena, const LepAllocator *allocator, size_t limit);
/* NULL when out of memory or over the limit; size 0 gives a valid pointer. */
void *lep_arena_alloc(LepArena *arena, size_t size);
/* Same for n elements, NULL also when n * size overflows. */
void *lep_arena_array(LepArena *arena, size_t n, size_t size);
char *lep_arena_strndup(LepArena *arena, const char *s, size_t len);
void lep_arena_free(LepArena *arena);

/* Checked arithmetic: false on overflow. */
static inline bool
lep_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}
static inline bool
lep_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

#endif
