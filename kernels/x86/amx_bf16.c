/*
 * amx_bf16.c: products and attention in bf16 on the tiles of AMX.  Packed weights and rows are those
 * of avx512_bf16.c.  Owns the instruction; refuses to know blocking (amx_linear.h).
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(                                                    \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
	apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

#include "avx512_gelu.h"
#include "avx512_pairs.h"

#define AMX_MULTIPLY "tdpbf16ps"
#include "amx.h"

#include "../simd_math.inc"

#define NARROW_BITS	  16
#define NARROW_GELU	  v_gelu_narrow
#define NARROW_LINEAR amx_linear

typedef uint16_t ROW_T;
typedef uint16_t WEIGHT_T;

#undef MR
#define MR		  AMX_ROWS
#define HALF_STEP 16
#define HALF_EVEN
#define half_begin amx_configure
#define half_end   amx_release

/* Compute a tile of the rows for which tiles are configured, from zero; see kernels/tile.h. */
static inline void
tile(size_t rows, size_t vecs, const Tile *t)
{
	AmxBlock b = {.steps = t->k / HALF_STEP,
				  .x = t->x,
				  .ldx = t->ldx * 4,
				  .w = {t->w, NULL},
				  .vecs = {vecs, 0},
				  .out = {t->out, NULL},
				  .outstep = t->outstep * 4};

	(void) rows;
	amx_flat(&b);
}

/* tile() of a panel and the next one, of vecs registers. */
static inline void
tile_pair(size_t rows, size_t vecs, const Tile *t)
{
	AmxBlock b = {.steps = t->k / HALF_STEP,
				  .x = t->x,
				  .ldx = t->ldx * 4,
				  .w = {t->w, (const char *) t->w + t->k * NR * 4},
				  .vecs = {NV, vecs},
				  .out = {t->out, (float *) t->out + NR},
				  .outstep = t->outstep * 4};

	(void) rows;
	amx_flat(&b);
}

#include "../simd_attention_half.inc"
#include "../simd_narrow.inc"

#include "amx_linear.h"

size_t
lep_amx_attention_scratch(size_t n_tokens, size_t d_head)
{
	return attention_half_scratch(n_tokens, d_head);
}

void
lep_amx_attention(const LepAttentionHalf *args)
{
	attention_half(args);
}

const LepNarrow lep_amx_half = NARROW_TABLE("bf16");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_amx_bf16_is_for_x86; /* ISO C wants a declaration in every file */
#endif
