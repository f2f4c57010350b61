/*
 * neon_i8mm.c: products of 8-bit rows with usmmla (ARMv8.6 i8mm): eight numbers of two rows by eight
 * of two columns.  Owns the tile; refuses to know layouts (simd_narrow.inc).
 *
 * Tile of 8 rows by 8 columns: 16 accumulators of 2 x 2, 4 pairs of rows, 4 pairs of columns.
 */
#if defined(__aarch64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+i8mm")
#endif

#include "neon_narrow.h"

#define MR 8

#include "../simd_math.inc"
#include "../simd_panel.inc"

/* c += rows a by columns b; assembly, since not all compilers offer it in a part of a file. */
#define MATRIX(c, a, b) __asm__("usmmla %0.4s, %1.16b, %2.16b" : "+w"(c) : "w"(a), "w"(b))

/*
 * Compute a tile whose rows and vecs are constants.  Four k at a time, which are 16 numbers of a row:
 * rows and panels are zero behind the last.  Of an odd number of rows the last counts twice.
 */
static inline __attribute__((always_inline)) void
narrow_tile_as(size_t rows, size_t vecs, const Tile *t)
{
	size_t step = t->wstep * 8, stride = t->ldx * 4; /* step: of 8 numbers */
	const char *x = t->x, *w = t->w;
	int32_t *out = t->out;
	int32x4_t c[MR / 2][2 * NV];
	size_t pairs = (rows + 1) / 2;

	UNROLL for (size_t i = 0; i < pairs; i++) UNROLL for (size_t j = 0; j < 2 * vecs; j++) c[i][j] =
		vdupq_n_s32(0);
	for (size_t k = 0; k < t->k; k += 4)
	{
		uint64x2_t first[MR / 2], second[MR / 2];

		UNROLL for (size_t i = 0; i < pairs; i++)
		{
			size_t other = 2 * i + 1 < rows ? 2 * i + 1 : 2 * i;
			const uint8_t *upper = (const uint8_t *) (x + 2 * i * stride);
			const uint8_t *lower = (const uint8_t *) (x + other * stride);
			uint64x2_t a = vreinterpretq_u64_u8(vld1q_u8(upper));
			uint64x2_t b = vreinterpretq_u64_u8(vld1q_u8(lower));

			first[i] = vzip1q_u64(a, b);
			second[i] = vzip2q_u64(a, b);
		}
		UNROLL for (size_t j = 0; j < 2 * vecs; j++)
		{
			int8x16_t b = vld1q_s8((const int8_t *) (w + j * 16));

			UNROLL for (size_t i = 0; i < pairs; i++) MATRIX(c[i][j], first[i], b);
		}
		UNROLL for (size_t j = 0; j < 2 * vecs; j++)
		{
			int8x16_t b = vld1q_s8((const int8_t *) (w + step + j * 16));

			UNROLL for (size_t i = 0; i < pairs; i++) MATRIX(c[i][j], second[i], b);
		}
		x += 16;
		w += 2 * step;
	}
	UNROLL for (size_t i = 0; i < pairs; i++) UNROLL for (size_t j = 0; j < 2 * vecs; j++)
	{
		vst1_s32(out + 2 * i * t->outstep + j * 2, vget_low_s32(c[i][j]));
		if (2 * i + 1 < rows)
			vst1_s32(out + (2 * i + 1) * t->outstep + j * 2, vget_high_s32(c[i][j]));
	}
}

#include "../tile_narrow.inc"

#define NARROW_BITS	 8
#define NARROW_TILE	 narrow_tile
#define NARROW_GELU	 v_gelu
#define ROW_ZERO	 0
#define WEIGHT_GROUP 8

typedef uint8_t ROW_T;
typedef int8_t WEIGHT_T;

static inline void
v_store_codes_n(uint8_t *p, VF v, size_t n)
{
	int16x4_t codes = v_codes(v);
	uint8_t bytes[8];

	vst1_u8(bytes, vqmovun_s16(vcombine_s16(codes, codes)));
	memcpy(p, bytes, n);
}

static inline void
v_store_codes(uint8_t *p, VF v)
{
	v_store_codes_n(p, v, W);
}

#include "../simd_narrow.inc"

const LepNarrow lep_neoni8mm_i8 = NARROW_TABLE("i8");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_neon_i8mm_is_for_arm; /* ISO C wants a declaration in every file */
#endif
