/*
 * avx512_codes.h: the rounding of rows to u8 and their sums, for products that take them so.  Refuses to
 * know scales.
 */
#ifndef LEPTON_X86_AVX512_CODES_H
#define LEPTON_X86_AVX512_CODES_H

#include "avx512_narrow.h"

static inline void
v_store_codes(uint8_t *p, VF v)
{
	_mm_storeu_si128((__m128i *) p, _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(v)));
}

static inline void
v_store_codes_n(uint8_t *p, VF v, size_t n)
{
	_mm512_mask_cvtusepi32_storeu_epi8(p, lanes(n), _mm512_cvtps_epi32(v));
}

/* Return the sum of row[d]. */
static inline int32_t
v_sum_codes(const uint8_t *row, size_t d)
{
	__m512i sum = _mm512_setzero_si512();
	size_t k = 0;

	for (; k + 64 <= d; k += 64)
		sum = _mm512_add_epi64(
			sum, _mm512_sad_epu8(_mm512_loadu_si512(row + k), _mm512_setzero_si512()));
	if (k < d)
		sum = _mm512_add_epi64(
			sum, _mm512_sad_epu8(_mm512_maskz_loadu_epi8((1ull << (d - k)) - 1, row + k),
								 _mm512_setzero_si512()));
	return (int32_t) _mm512_reduce_add_epi64(sum);
}
#define V_SUM_CODES v_sum_codes

#endif
