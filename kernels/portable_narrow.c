/*
 * portable_narrow.c: products of 8-bit rows in plain C: rows and weights widened to 16 bits, two
 * products of which make one of 32.  Owns the tile; refuses to know layouts (simd_narrow.inc).
 *
 * Tile of 4 rows by 2 vectors: 8 accumulators, 2 weights, 1 row.
 */
#include "portable_vector.h"

#include "simd_math.inc"
#include "simd_panel.inc"

typedef int16_t VS __attribute__((vector_size(16)));

/* Return a[2 i] * b[2 i] + a[2 i + 1] * b[2 i + 1]: one instruction of x86, which compilers do not find by themselves. */
static inline VM
v_pairs(VS a, VS b)
{
#if defined(__SSE2__)
	return (VM) __builtin_ia32_pmaddwd128(a, b);
#else
	return (((VM) a << 16) >> 16) * (((VM) b << 16) >> 16) + ((VM) a >> 16) * ((VM) b >> 16);
#endif
}

/* Compute a tile whose rows and vecs are constants. */
static inline __attribute__((always_inline)) void
narrow_tile_as(size_t rows, size_t vecs, const Tile *t)
{
	size_t step = t->wstep * 4, stride = t->ldx * 4;
	const char *x = t->x, *w = t->w;
	int32_t *out = t->out;
	VM c[MR][NV];

	UNROLL for (size_t i = 0; i < rows; i++) UNROLL for (size_t j = 0; j < vecs; j++) c[i][j] =
		(VM){0};
	for (size_t k = 0; k < t->k; k++)
	{
		VS b[NV];

		UNROLL for (size_t j = 0; j < vecs; j++) memcpy(&b[j], w + j * sizeof(VS), sizeof(VS));
		UNROLL for (size_t i = 0; i < rows; i++)
		{
			int32_t pair;
			VM a;

			memcpy(&pair, x + i * stride, sizeof(pair));
			a = (VM){pair, pair, pair, pair};
			UNROLL for (size_t j = 0; j < vecs; j++) c[i][j] += v_pairs((VS) a, b[j]);
		}
		x += 4;
		w += step;
	}
	UNROLL for (size_t i = 0; i < rows; i++) UNROLL for (size_t j = 0; j < vecs; j++)
		memcpy(out + i * t->outstep + j * W, &c[i][j], sizeof(VM));
}

#include "tile_narrow.inc"

#define NARROW_BITS 8
#define NARROW_TILE narrow_tile
#define NARROW_GELU v_gelu
#define ROW_ZERO	0

typedef int16_t ROW_T;
typedef int16_t WEIGHT_T;

static inline VF
v_from_sums(const int32_t *p)
{
	VM sums;

	memcpy(&sums, p, sizeof(sums));
	return __builtin_convertvector(sums, VF);
}

static inline void
v_store_codes_n(int16_t *p, VF v, size_t n)
{
	/* adding 1.5 * 2^23 rounds to a whole number in the low bits */
	VM codes = (VM) (v + 12582912.0f) - 0x4b400000;

	for (size_t i = 0; i < n; i++)
		p[i] = (int16_t) (codes[i] & 255);
}

static inline void
v_store_codes(int16_t *p, VF v)
{
	v_store_codes_n(p, v, W);
}

/* Store n numbers of v as bf16, ties to even; NaN stays NaN. */
static inline void
v_store_half_n(uint16_t *p, VF v, size_t n)
{
	VM odd = ((VM) v >> 16) & 1;
	VM half = (VM) v + 0x7fff + odd;

	half = (VM) v_select(v_is_nan(v), (VF) ((VM) v | 0x400000), (VF) half);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint16_t) ((uint32_t) half[i] >> 16);
}

static inline void
v_store_half(uint16_t *p, VF v)
{
	v_store_half_n(p, v, W);
}

#include "simd_narrow.inc"

const LepNarrow lep_portable_i8 = NARROW_TABLE("i8");
