/*
 * avx2_narrow.h: the narrow operators on 256-bit registers, for the tables in avx2.c, and the
 * primitives that their files share.
 */
#ifndef LEPTON_X86_AVX2_NARROW_H
#define LEPTON_X86_AVX2_NARROW_H

#include "avx2_vector.h"

extern const LepNarrow lep_avx2_i8; /* AVX2 without VNNI */
extern const LepNarrow lep_avxvnni_i8;

static inline VF
v_from_sums(const int32_t *p)
{
	return _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *) p));
}

/* Return v rounded to whole numbers of 16 bits, those beyond cut; any number for NaN. */
static inline __m128i
v_codes(VF v)
{
	__m256i whole = _mm256_cvtps_epi32(v);

	return _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}

/* Store v as bf16, ties to even; NaN stays NaN. */
static inline void
v_store_half(uint16_t *p, VF v)
{
	__m256i bits = _mm256_castps_si256(v);
	__m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
	__m256i half = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
	__m256i nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));

	half = _mm256_blendv_epi8(half, nan, _mm256_castps_si256(v_is_nan(v)));
	half = _mm256_srli_epi32(half, 16);
	_mm_storeu_si128((__m128i *) p, _mm_packus_epi32(_mm256_castsi256_si128(half),
													 _mm256_extracti128_si256(half, 1)));
}

static inline void
v_store_half_n(uint16_t *p, VF v, size_t n)
{
	uint16_t half[W];

	v_store_half(half, v);
	memcpy(p, half, n * sizeof(uint16_t));
}

#endif
