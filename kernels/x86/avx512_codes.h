/*
 * avx512_codes.h: the rounding of rows to u8, for products that take them so.  Refuses to know scales.
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

#endif
