/*
 * avx512.c: every operator with AVX-512F, BW, DQ and VL on 512-bit registers.
 * Owns the primitives and the tile sizes; refuses to choose itself (see
 * kernels/choose.c).
 *
 * Tile of 14 rows by 2 registers: 28 accumulators, 2 weights, 1 broadcast.
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(                                                    \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
	apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "../tables.h"

typedef __m512 VF;
typedef __mmask16 VM;
#define W  16
#define NV 2
#define MR 14

#define REG		"zmm"
#define BYTES	"64"
#define B0		"28"
#define B1		"29"
#define A0		"30"
#define FETCH_1 "prefetcht0 (%[ahead])\n\t"
#define FETCH_2 FETCH_1 "prefetcht0 64(%[ahead])\n\t"
#define CLOBBERS                                                                                  \
	"zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",      \
		"zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", \
		"zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30"
#include "tile.h"

#define TILES(h) TILE(h, 1) TILE(h, 2)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
TILES(13)
TILES(14)

static void (*const tiles[NV][MR])(const Tile *) = {
	{tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1, tile_7_1, tile_8_1, tile_9_1,
	 tile_10_1, tile_11_1, tile_12_1, tile_13_1, tile_14_1},
	{tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2, tile_7_2, tile_8_2, tile_9_2,
	 tile_10_2, tile_11_2, tile_12_2, tile_13_2, tile_14_2},
};

/* Compute a tile of rows <= MR and vecs <= NV, see kernels/tile.h. */
static inline void
tile(size_t rows, size_t vecs, const Tile *t)
{
	tiles[vecs - 1][rows - 1](t);
}

/* Return the mask of the first n lanes. */
static inline VM
lanes(size_t n)
{
	return (VM) ((1u << n) - 1);
}

static inline VF
v_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

static inline VF
v_load_n(const float *p, size_t n)
{
	return _mm512_maskz_loadu_ps(lanes(n), p);
}

static inline void
v_store(float *p, VF v)
{
	_mm512_storeu_ps(p, v);
}

static inline void
v_store_n(float *p, VF v, size_t n)
{
	_mm512_mask_storeu_ps(p, lanes(n), v);
}

static inline VF
v_set(float x)
{
	return _mm512_set1_ps(x);
}

static inline VF
v_tail(VF v, size_t n, float rest)
{
	return _mm512_mask_blend_ps(lanes(n), _mm512_set1_ps(rest), v);
}

static inline VF
v_add(VF a, VF b)
{
	return _mm512_add_ps(a, b);
}

static inline VF
v_sub(VF a, VF b)
{
	return _mm512_sub_ps(a, b);
}

static inline VF
v_mul(VF a, VF b)
{
	return _mm512_mul_ps(a, b);
}

static inline VF
v_div(VF a, VF b)
{
	return _mm512_div_ps(a, b);
}

static inline VF
v_fma(VF a, VF b, VF c)
{
	return _mm512_fmadd_ps(a, b, c);
}

static inline VF
v_max(VF a, VF b)
{
	return _mm512_max_ps(a, b);
}

static inline VF
v_min(VF a, VF b)
{
	return _mm512_min_ps(a, b);
}

static inline VF
v_round(VF v)
{
	return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline VF
v_pow2(VF v, VF n)
{
	return _mm512_scalef_ps(v, n);
}

static inline VF
v_abs(VF v)
{
	return _mm512_abs_ps(v);
}

static inline VF
v_copysign(VF v, VF sign)
{
	return _mm512_or_ps(_mm512_abs_ps(v), _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}

static inline VM
v_less(VF a, VF b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

static inline VM
v_is_nan(VF v)
{
	return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
}

static inline VF
v_select(VM m, VF yes, VF no)
{
	return _mm512_mask_blend_ps(m, no, yes);
}

static inline float
v_sum(VF v)
{
	return _mm512_reduce_add_ps(v);
}

static inline float
v_highest(VF v)
{
	__m256 h = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
	__m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));

	q = _mm_max_ps(q, _mm_movehl_ps(q, q));
	return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

static inline VF
v_from_f16(const uint16_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) p));
}

static inline VF
v_from_bf16(const uint16_t *p)
{
	__m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) p));

	return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static inline VF
v_from_i8(const int8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *) p)));
}

/* Transpose 16 x 16 in place: pairs, quads, then quarters of registers. */
static inline void
v_transpose(VF r[W])
{
	VF t[W];

	for (int i = 0; i < W; i += 4)
	{
		VF a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
		VF c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);

		t[i] = _mm512_shuffle_ps(a, c, 0x44);
		t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
		t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
		t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
	}
	for (int j = 0; j < 4; j++)
	{
		VF a = _mm512_shuffle_f32x4(t[j], t[j + 4], 0x88);
		VF b = _mm512_shuffle_f32x4(t[j + 8], t[j + 12], 0x88);
		VF c = _mm512_shuffle_f32x4(t[j], t[j + 4], 0xdd);
		VF d = _mm512_shuffle_f32x4(t[j + 8], t[j + 12], 0xdd);

		r[j] = _mm512_shuffle_f32x4(a, b, 0x88);
		r[j + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
		r[j + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
		r[j + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
	}
}

#include "../simd_math.inc"

#include "../simd_linear.inc"

#include "../simd_attention.inc"

#include "../simd_rows.inc"

const LepKernels lep_kernels_avx512 = SIMD_TABLE("avx512", "f32p32");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx512_is_for_x86; /* ISO C wants a declaration in every file */
#endif
