/*
 * avx512_pairs.h: primitives on pairs of bf16 with AVX512-BF16, for attention (see
 * simd_attention_half.inc).  Refuses to know operators.
 */
#ifndef LEPTON_X86_AVX512_PAIRS_H
#define LEPTON_X86_AVX512_PAIRS_H

#include "avx512_narrow.h"

/* Return the mask of the first n of 32 numbers. */
static inline __mmask32
halves(size_t n)
{
	return n < 32 ? (__mmask32) ((1u << n) - 1) : ~(__mmask32) 0;
}

static inline VF
v_load_pairs(const uint16_t *p, size_t n)
{
	return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(halves(n), p));
}

/* Positions for v_interleave(): numbers of a below 32, of b from there. */
static const uint16_t interleave_low[32] = {0,	32, 1,	33, 2,	34, 3,	35, 4,	36, 5,
											37, 6,	38, 7,	39, 8,	40, 9,	41, 10, 42,
											11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
static const uint16_t interleave_high[32] = {16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21,
											 53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58,
											 27, 59, 28, 60, 29, 61, 30, 62, 31, 63};

static inline void
v_interleave(VF a, VF b, VF *low, VF *high)
{
	__m512i i = _mm512_castps_si512(a), j = _mm512_castps_si512(b);

	*low = _mm512_castsi512_ps(_mm512_permutex2var_epi16(i, _mm512_loadu_si512(interleave_low), j));
	*high =
		_mm512_castsi512_ps(_mm512_permutex2var_epi16(i, _mm512_loadu_si512(interleave_high), j));
}

static inline VF
v_round_pairs(VF low, VF high)
{
	VF pairs;

	__asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(pairs) : "v"(low), "v"(high));
	return pairs;
}

static inline VF
v_add_pairs(VF sum, VF pairs)
{
	VF ones = _mm512_castsi512_ps(_mm512_set1_epi16(0x3f80));

	__asm__("vdpbf16ps %1, %2, %0" : "+v"(sum) : "v"(pairs), "v"(ones));
	return sum;
}

static inline VF
v_add_squares(VF sum, VF pairs)
{
	__asm__("vdpbf16ps %1, %1, %0" : "+v"(sum) : "v"(pairs));
	return sum;
}

static inline VF
v_greater_pattern(VF a, VF b)
{
	return _mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

static inline float
v_greatest_pattern(VF v)
{
	uint32_t pattern = _mm512_reduce_max_epu32(_mm512_castps_si512(v));
	float number;

	memcpy(&number, &pattern, sizeof(number));
	return number;
}

/*
 * Define name(): reduce 16 registers to one, whose lane i is register i's result.  Every register is reduced in the
 * same order: quarters of its four 128-bit parts, then the parts.
 */
#define REDUCE_ROWS(name, op)                                                                 \
	static inline VF name(const VF r[W])                                                      \
	{                                                                                         \
		VF quad[4], half[2];                                                                  \
                                                                                              \
		UNROLL for (int i = 0; i < 4; i++)                                                    \
		{                                                                                     \
			const VF *q = r + 4 * i;                                                          \
			VF a = op(_mm512_unpacklo_ps(q[0], q[1]), _mm512_unpackhi_ps(q[0], q[1]));        \
			VF b = op(_mm512_unpacklo_ps(q[2], q[3]), _mm512_unpackhi_ps(q[2], q[3]));        \
                                                                                              \
			quad[i] = op(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));       \
		}                                                                                     \
		UNROLL for (int i = 0; i < 2; i++)                                                    \
		{                                                                                     \
			VF a = quad[2 * i], b = quad[2 * i + 1];                                          \
                                                                                              \
			half[i] = op(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd)); \
		}                                                                                     \
		return op(_mm512_shuffle_f32x4(half[0], half[1], 0x88),                               \
				  _mm512_shuffle_f32x4(half[0], half[1], 0xdd));                              \
	}

REDUCE_ROWS(v_highest_rows, v_max)
REDUCE_ROWS(v_sum_rows, v_add)

static inline VF
v_raise(VF p, VF t)
{
	__m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(t), 23);

	return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), exponent));
}

static inline VF
v_negate_pairs(VF pairs)
{
	return _mm512_castsi512_ps(
		_mm512_xor_si512(_mm512_castps_si512(pairs), _mm512_set1_epi16((short) 0x8000)));
}

#endif
