/*
 * neon_mlal.c: products of 8-bit rows with NEON as every aarch64 CPU has it: multiply-adds of 16 bits into
 * 32, of a row's numbers with four columns each.  Owns the tile; refuses to know layouts
 * (simd_narrow.inc).
 *
 * Tile of 8 rows by 2 registers: 16 accumulators, 4 weights, the rest for rows.
 */
#if defined(__aarch64__)
#include "neon_narrow.h"

#define MR 8

#include "../simd_math.inc"
#include "../simd_panel.inc"

/*
 * Compute a tile whose rows and vecs are constants.  Two k at a time, which are four numbers
 * of a row: rows and panels are zero behind the last.
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
	for (size_t k = 0; k < t->k; k += 2)
	{
		int16x4_t b[4][NV], a[MR]; /* b[i]: of number i and four columns */

		UNROLL for (size_t i = 0; i < 2; i++) UNROLL for (size_t j = 0; j < vecs; j++)
		{
			const int8_t *pairs = (const int8_t *) (w + i * step + j * 8);
			int16x8_t wide = vmovl_s8(vld1_s8(pairs));
			int16x4x2_t apart = vuzp_s16(vget_low_s16(wide), vget_high_s16(wide));

			b[2 * i][j] = apart.val[0];
			b[2 * i + 1][j] = apart.val[1];
		}
		UNROLL for (size_t i = 0; i < rows; i++) a[i] =
			vld1_s16((const int16_t *) (x + i * stride));
		UNROLL for (size_t i = 0; i < rows; i++) UNROLL for (size_t j = 0; j < vecs; j++)
		{
			c[i][j] = vmlal_lane_s16(c[i][j], b[0][j], a[i], 0);
			c[i][j] = vmlal_lane_s16(c[i][j], b[1][j], a[i], 1);
			c[i][j] = vmlal_lane_s16(c[i][j], b[2][j], a[i], 2);
			c[i][j] = vmlal_lane_s16(c[i][j], b[3][j], a[i], 3);
		}
		x += 8;
		w += 2 * step;
	}
	UNROLL for (size_t i = 0; i < rows; i++) UNROLL for (size_t j = 0; j < vecs; j++)
		vst1q_s32(out + i * t->outstep + j * W, c[i][j]);
}

#include "../tile_narrow.inc"

#define NARROW_BITS 8
#define NARROW_TILE narrow_tile
#define NARROW_GELU v_gelu
#define ROW_ZERO	0

typedef int16_t ROW_T;
typedef int8_t WEIGHT_T;

static inline void
v_store_codes(int16_t *p, VF v)
{
	vst1_s16(p, v_codes(v));
}

static inline void
v_store_codes_n(int16_t *p, VF v, size_t n)
{
	int16_t codes[W];

	v_store_codes(codes, v);
	memcpy(p, codes, n * sizeof(int16_t));
}

#include "../simd_narrow.inc"

const LepNarrow lep_neon_i8 = NARROW_TABLE("i8");
#else
typedef int lep_neon_mlal_is_for_arm; /* ISO C wants a declaration in every file */
#endif
