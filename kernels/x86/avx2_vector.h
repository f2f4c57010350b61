/*
 * avx2_vector.h: primitives with AVX2, FMA and F16C on 256-bit registers, and the shape of
 * tiles, for every file of kernels with such registers.  Refuses to know operators.
 * Included by each after the pragma that allows these instructions.
 */
#ifndef LEPTON_X86_AVX2_VECTOR_H
#define LEPTON_X86_AVX2_VECTOR_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "../tables.h"

typedef __m256 VF;
typedef __m256 VM;
#define W  8
#define NV 2
#define MR 6

/* Loading n lanes from lane_masks + 8 - n gives a mask of the first n. */
static const int32_t lane_masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

/* Return the mask of the first n lanes. */
static inline __m256i
lanes(size_t n)
{
	return _mm256_loadu_si256((const __m256i *) (lane_masks + W - n));
}

static inline VF
v_load(const float *p)
{
	return _mm256_loadu_ps(p);
}

static inline VF
v_load_n(const float *p, size_t n)
{
	return _mm256_maskload_ps(p, lanes(n));
}

static inline void
v_store(float *p, VF v)
{
	_mm256_storeu_ps(p, v);
}

static inline void
v_store_n(float *p, VF v, size_t n)
{
	_mm256_maskstore_ps(p, lanes(n), v);
}

static inline VF
v_set(float x)
{
	return _mm256_set1_ps(x);
}

static inline VF
v_tail(VF v, size_t n, float rest)
{
	return _mm256_blendv_ps(_mm256_set1_ps(rest), v, _mm256_castsi256_ps(lanes(n)));
}

static inline VF
v_add(VF a, VF b)
{
	return _mm256_add_ps(a, b);
}

static inline VF
v_sub(VF a, VF b)
{
	return _mm256_sub_ps(a, b);
}

static inline VF
v_mul(VF a, VF b)
{
	return _mm256_mul_ps(a, b);
}

static inline VF
v_div(VF a, VF b)
{
	return _mm256_div_ps(a, b);
}

static inline VF
v_fma(VF a, VF b, VF c)
{
	return _mm256_fmadd_ps(a, b, c);
}

static inline VF
v_max(VF a, VF b)
{
	return _mm256_max_ps(a, b);
}

static inline VF
v_min(VF a, VF b)
{
	return _mm256_min_ps(a, b);
}

static inline VF
v_round(VF v)
{
	return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* Return v * 2^n for whole -252 <= n <= 254, in two steps so that neither overflows. */
static inline VF
v_pow2(VF v, VF n)
{
	__m256i whole = _mm256_cvtps_epi32(n);
	__m256i half = _mm256_srai_epi32(whole, 1);
	__m256i rest = _mm256_sub_epi32(whole, half);
	__m256i bias = _mm256_set1_epi32(127);
	__m256 first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
	__m256 second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));

	return _mm256_mul_ps(_mm256_mul_ps(v, first), second);
}

static inline VF
v_abs(VF v)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

static inline VF
v_copysign(VF v, VF sign)
{
	VF bit = _mm256_set1_ps(-0.0f);

	return _mm256_or_ps(_mm256_andnot_ps(bit, v), _mm256_and_ps(sign, bit));
}

static inline VM
v_less(VF a, VF b)
{
	return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

static inline VM
v_is_nan(VF v)
{
	return _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
}

static inline VF
v_select(VM m, VF yes, VF no)
{
	return _mm256_blendv_ps(no, yes, m);
}

static inline float
v_sum(VF v)
{
	__m128 q = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	q = _mm_add_ps(q, _mm_movehl_ps(q, q));
	return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

static inline float
v_highest(VF v)
{
	__m128 q = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	q = _mm_max_ps(q, _mm_movehl_ps(q, q));
	return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

static inline VF
v_from_f16(const uint16_t *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p));
}

static inline VF
v_from_bf16(const uint16_t *p)
{
	__m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *) p));

	return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline VF
v_from_i8(const int8_t *p)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) p)));
}

/* Transpose 8 x 8 in place: pairs, quads, then halves of registers. */
static inline void
v_transpose(VF r[W])
{
	VF t[W];

	for (int i = 0; i < W; i += 4)
	{
		VF a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
		VF c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);

		t[i] = _mm256_shuffle_ps(a, c, 0x44);
		t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
		t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
		t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
	}
	for (int j = 0; j < 4; j++)
	{
		r[j] = _mm256_permute2f128_ps(t[j], t[j + 4], 0x20);
		r[j + 4] = _mm256_permute2f128_ps(t[j], t[j + 4], 0x31);
	}
}

#endif
