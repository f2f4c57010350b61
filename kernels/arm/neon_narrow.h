/*
 * neon_narrow.h: the narrow operators with NEON, for the tables in neon.c, and the
 * primitives that their files share.
 */
#ifndef LEPTON_ARM_NEON_NARROW_H
#define LEPTON_ARM_NEON_NARROW_H

#include "neon_vector.h"

extern const LepNarrow lep_neon_i8;		/* any aarch64 */
extern const LepNarrow lep_neondot_i8;	/* with products of four int8 (sdot) */
extern const LepNarrow lep_neoni8mm_i8; /* with products of matrices (usmmla) */

static inline VF
v_from_sums(const int32_t *p)
{
	return vcvtq_f32_s32(vld1q_s32(p));
}

/* Return v rounded to whole numbers of 16 bits, ties to even, those beyond cut; 0 for NaN. */
static inline int16x4_t
v_codes(VF v)
{
	return vqmovn_s32(vcvtnq_s32_f32(v));
}

/* Store v as bf16, ties to even; NaN stays NaN. */
static inline void
v_store_half(uint16_t *p, VF v)
{
	uint32x4_t bits = vreinterpretq_u32_f32(v);
	uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
	uint32x4_t half = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));

	half = vbslq_u32(v_is_nan(v), vorrq_u32(bits, vdupq_n_u32(0x400000)), half);
	vst1_u16(p, vshrn_n_u32(half, 16));
}

static inline void
v_store_half_n(uint16_t *p, VF v, size_t n)
{
	uint16_t half[W];

	v_store_half(half, v);
	memcpy(p, half, n * sizeof(uint16_t));
}

#endif
