/*
 * avx512_vector.h: primitives with AVX-512F, BW, DQ and VL on 512-bit registers, and the
 * shape of tiles, for every file of kernels with such registers.  Refuses to know operators.
 * Included by each after the pragma that allows these instructions.
 */
#ifndef LEPTON_X86_AVX512_VECTOR_H
#define LEPTON_X86_AVX512_VECTOR_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "../tables.h"

typedef __m512 VF;
typedef __mmask16 VM;
#define W  16
#define NV 2
#define MR 14

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

#endif
