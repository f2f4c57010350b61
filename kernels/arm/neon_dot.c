/*
 * neon_dot.c: products of 8-bit rows with sdot (ARMv8.2 dotprod): four int8 of a row by four of
 * each of four columns.  It wants signs, so rows hold codes less 128.  Owns the tile; refuses to
 * know layouts (simd_narrow.inc).
 *
 * Tile of 8 rows by 2 registers: 16 accumulators, 8 rows of 16 numbers, 2 weights.
 */
#if defined(__aarch64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#include "neon_narrow.h"

#define MR 8

#include "../simd_math.inc"
#include "../simd_panel.inc"

/* c += products of b with numbers 4 * lane .. of a; assembly, since not all compilers offer it in a part of a file. */
#define DOT(c, b, a, lane) \
	__asm__("sdot %0.4s, %1.16b, %2.4b[" #lane "]" : "+w"(c) : "w"(b), "w"(a))

/* One k of four: number 4 * lane of 16. */
#define DOTS(lane)                                                                               \
	do                                                                                           \
	{                                                                                            \
		UNROLL for (size_t j = 0; j < vecs; j++) b[j] = vld1q_s8((const int8_t *) (w + j * 16)); \
		UNROLL for (size_t i = 0; i < rows; i++) UNROLL for (size_t j = 0; j < vecs; j++)        \
			DOT(c[i][j], b[j], a[i], lane);                                                      \
		w += step;                                                                               \
	} while (0)

/*
 * Compute a tile whose rows and vecs are constants.  Four k at a time, which are 16 numbers of a row:
 * rows and panels are zero behind the last.
 */
static inline __attribute__((always_inline)) void
narrow_tile_as(size_t rows, size_t vecs, const Tile *t)
{
	size_t step = t->wstep * 4, stride = t->ldx * 4;
	const char *x = t->x, *w = t->w;
	int32_t *out = t->out;
	int32x4_t c[MR][NV];

	UNROLL for (size_t i = 0; i < rows; i++) UNROLL for (size_t j = 0; j < vecs; j++) c[i][j] =
		vdupq_n_s32(0);
	for (size_t k = 0; k < t->k; k += 4)
	{
		int8x16_t a[MR], b[NV];

		UNROLL for (size_t i = 0; i < rows; i++) a[i] = vld1q_s8((const int8_t *) (x + i * stride));
		DOTS(0);
		DOTS(1);
		DOTS(2);
		DOTS(3);
		x += 16;
	}
	UNROLL for (size_t i = 0; i < rows; i++) UNROLL for (size_t j = 0; j < vecs; j++)
		vst1q_s32(out + i * t->outstep + j * W, c[i][j]);
}

#include "../tile_narrow.inc"

#define NARROW_BITS 8
#define NARROW_TILE narrow_tile
#define NARROW_GELU v_gelu
#define ROW_ZERO	128

typedef int8_t ROW_T;
typedef int8_t WEIGHT_T;

static inline void
v_store_codes_n(int8_t *p, VF v, size_t n)
{
	int16x4_t codes = v_codes(v);
	int8_t bytes[8];

	vst1_s8(bytes, vqmovn_s16(vcombine_s16(codes, codes)));
	memcpy(p, bytes, n);
}

static inline void
v_store_codes(int8_t *p, VF v)
{
	v_store_codes_n(p, v, W);
}

#include "../simd_narrow.inc"

const LepNarrow lep_neondot_i8 = NARROW_TABLE("i8");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_neon_dot_is_for_arm; /* ISO C wants a declaration in every file */
#endif
