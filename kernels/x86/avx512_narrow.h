/*
 * avx512_narrow.h: the narrow operators on 512-bit registers, for the tables in avx512.c, and the primitives
 * that their files share.
 */
#ifndef LEPTON_X86_AVX512_NARROW_H
#define LEPTON_X86_AVX512_NARROW_H

#include "avx512_vector.h"

#include "../simd_panel.inc"

extern const LepNarrow lep_avx512_i8; /* AVX-512 without VNNI */
extern const LepNarrow lep_avx512vnni_i8;
extern const LepNarrow lep_avx512bf16_half;

size_t lep_avx512bf16_attention_scratch(size_t n_tokens, size_t d_head);
void lep_avx512bf16_attention(const LepAttentionHalf *args);

extern const LepNarrow lep_avx512fp16_half;
extern const LepNarrow lep_amx_i8;
extern const LepNarrow lep_amx_half;

size_t lep_amx_attention_scratch(size_t n_tokens, size_t d_head);
void lep_amx_attention(const LepAttentionHalf *args);

static inline VF
v_from_sums(const int32_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_loadu_si512(p));
}

/* Return v in bf16.  Only for tables with attention_half: elsewhere the CPU may lack the instruction. */
static inline __m256i
v_to_bf16(VF v)
{
	__m256i half;

	__asm__("vcvtneps2bf16 %1, %0" : "=v"(half) : "v"(v));
	return half;
}

static inline void
v_store_half(uint16_t *p, VF v)
{
	_mm256_storeu_si256((__m256i *) p, v_to_bf16(v));
}

static inline void
v_store_half_n(uint16_t *p, VF v, size_t n)
{
	_mm256_mask_storeu_epi16(p, lanes(n), v_to_bf16(v));
}

#endif
