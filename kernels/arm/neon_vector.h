/*
 * neon_vector.h: primitives with NEON as every aarch64 CPU has it, for every file of kernels
 * with such registers.  Refuses to know operators; a file's tile has its own height MR.
 */
#ifndef LEPTON_ARM_NEON_VECTOR_H
#define LEPTON_ARM_NEON_VECTOR_H

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "../tables.h"

typedef float32x4_t VF;
typedef uint32x4_t VM;
#define W  4
#define NV 2

static inline VF
v_load(const float *p)
{
	return vld1q_f32(p);
}

static inline VF
v_load_n(const float *p, size_t n)
{
	float lane[W] = {0};

	for (size_t i = 0; i < n; i++)
		lane[i] = p[i];
	return vld1q_f32(lane);
}

static inline void
v_store(float *p, VF v)
{
	vst1q_f32(p, v);
}

static inline void
v_store_n(float *p, VF v, size_t n)
{
	float lane[W];

	vst1q_f32(lane, v);
	for (size_t i = 0; i < n; i++)
		p[i] = lane[i];
}

static inline VF
v_set(float x)
{
	return vdupq_n_f32(x);
}

static inline VF
v_tail(VF v, size_t n, float rest)
{
	float lane[W];

	vst1q_f32(lane, v);
	for (size_t i = n; i < W; i++)
		lane[i] = rest;
	return vld1q_f32(lane);
}

static inline VF
v_add(VF a, VF b)
{
	return vaddq_f32(a, b);
}

static inline VF
v_sub(VF a, VF b)
{
	return vsubq_f32(a, b);
}

static inline VF
v_mul(VF a, VF b)
{
	return vmulq_f32(a, b);
}

static inline VF
v_div(VF a, VF b)
{
	return vdivq_f32(a, b);
}

static inline VF
v_fma(VF a, VF b, VF c)
{
	return vfmaq_f32(c, a, b);
}

static inline VF
v_max(VF a, VF b)
{
	return vmaxq_f32(a, b);
}

static inline VF
v_min(VF a, VF b)
{
	return vminq_f32(a, b);
}

static inline VF
v_round(VF v)
{
	return vrndnq_f32(v);
}

/* Return v * 2^n for whole -252 <= n <= 254, in two steps so that neither overflows. */
static inline VF
v_pow2(VF v, VF n)
{
	int32x4_t whole = vcvtq_s32_f32(n);
	int32x4_t half = vshrq_n_s32(whole, 1);
	int32x4_t bias = vdupq_n_s32(127);
	int32x4_t rest = vaddq_s32(vsubq_s32(whole, half), bias);

	v = vmulq_f32(v, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
	return vmulq_f32(v, vreinterpretq_f32_s32(vshlq_n_s32(rest, 23)));
}

static inline VF
v_abs(VF v)
{
	return vabsq_f32(v);
}

static inline VF
v_copysign(VF v, VF sign)
{
	return vbslq_f32(vdupq_n_u32(0x80000000u), sign, v);
}

static inline VM
v_less(VF a, VF b)
{
	return vcltq_f32(a, b);
}

static inline VM
v_is_nan(VF v)
{
	return vmvnq_u32(vceqq_f32(v, v));
}

static inline VF
v_select(VM m, VF yes, VF no)
{
	return vbslq_f32(m, yes, no);
}

static inline float
v_sum(VF v)
{
	return vaddvq_f32(v);
}

static inline float
v_highest(VF v)
{
	return vmaxvq_f32(v);
}

static inline VF
v_from_f16(const uint16_t *p)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline VF
v_from_bf16(const uint16_t *p)
{
	return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

static inline VF
v_from_i8(const int8_t *p)
{
	int8_t lane[8] = {p[0], p[1], p[2], p[3]};

	return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(lane)))));
}

/* Transpose 4 x 4 in place. */
static inline void
v_transpose(VF r[W])
{
	float32x4x2_t a = vtrnq_f32(r[0], r[1]);
	float32x4x2_t b = vtrnq_f32(r[2], r[3]);

	r[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
	r[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
	r[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
	r[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#endif
