/*
 * portable_vector.h: primitives in plain C on vectors of four floats (GNU vector extensions), for
 * the files of kernels that any compiler target turns into what its baseline has.  Refuses
 * intrinsics.
 */
#ifndef LEPTON_PORTABLE_VECTOR_H
#define LEPTON_PORTABLE_VECTOR_H

#include <math.h>
#include <string.h>

#include "tables.h"

typedef float VF __attribute__((vector_size(16)));
typedef int32_t VM __attribute__((vector_size(16)));
#define W  4
#define NV 2
#define MR 4

extern const LepNarrow lep_portable_i8;

static inline VF
v_load(const float *p)
{
	VF v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline VF
v_load_n(const float *p, size_t n)
{
	VF v = {0};

	for (size_t i = 0; i < n; i++)
		v[i] = p[i];
	return v;
}

static inline void
v_store(float *p, VF v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void
v_store_n(float *p, VF v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = v[i];
}

static inline VF
v_set(float x)
{
	return (VF){x, x, x, x};
}

static inline VF
v_tail(VF v, size_t n, float rest)
{
	for (size_t i = n; i < W; i++)
		v[i] = rest;
	return v;
}

static inline VF
v_add(VF a, VF b)
{
	return a + b;
}

static inline VF
v_sub(VF a, VF b)
{
	return a - b;
}

static inline VF
v_mul(VF a, VF b)
{
	return a * b;
}

static inline VF
v_div(VF a, VF b)
{
	return a / b;
}

/* Return a * b + c, rounded twice where the baseline has no fused multiply-add. */
static inline VF
v_fma(VF a, VF b, VF c)
{
	return a * b + c;
}

static inline VF
v_select(VM m, VF yes, VF no)
{
	return (VF) ((m & (VM) yes) | (~m & (VM) no));
}

static inline VM
v_less(VF a, VF b)
{
	return a < b;
}

static inline VM
v_is_nan(VF v)
{
	return v != v;
}

/* Return the larger; b when either is NaN. */
static inline VF
v_max(VF a, VF b)
{
	return v_select(a > b, a, b);
}

/* Return the smaller; b when either is NaN. */
static inline VF
v_min(VF a, VF b)
{
	return v_select(a < b, a, b);
}

static inline VF
v_abs(VF v)
{
	return (VF) ((VM) v & 0x7fffffff);
}

static inline VF
v_copysign(VF v, VF sign)
{
	return (VF) (((VM) v & 0x7fffffff) | ((VM) sign & INT32_MIN));
}

/* Round to the nearest whole number, |v| < 2^22: adding 1.5 * 2^23 leaves no fraction bits. */
static inline VF
v_round(VF v)
{
	return (v + 12582912.0f) - 12582912.0f;
}

/* Return v * 2^n for whole -252 <= n <= 254, in two steps so that neither overflows. */
static inline VF
v_pow2(VF v, VF n)
{
	VM whole = (VM) (n + 12582912.0f) - 0x4b400000;
	VM half = whole >> 1;

	return v * (VF) ((half + 127) << 23) * (VF) ((whole - half + 127) << 23);
}

static inline float
v_sum(VF v)
{
	return (v[0] + v[2]) + (v[1] + v[3]);
}

static inline float
v_highest(VF v)
{
	float a = v[0] > v[2] ? v[0] : v[2];
	float b = v[1] > v[3] ? v[1] : v[3];

	return a > b ? a : b;
}

/*
 * Widen four half-precision numbers: the 15 bits below the sign, moved to f32's
 * place and multiplied by 2^112, are right for normal and subnormal numbers;
 * infinity and NaN get their exponent by hand.
 */
static inline VF
v_from_f16(const uint16_t *p)
{
	VM bits = {p[0], p[1], p[2], p[3]};
	VM low = (bits & 0x7fff) << 13;
	VM special = (bits & 0x7c00) == 0x7c00;
	VM value = (VM) ((VF) low * 0x1p112f);

	value = (special & (low | 0x7f800000)) | (~special & value);
	return (VF) (value | (bits & 0x8000) << 16);
}

static inline VF
v_from_bf16(const uint16_t *p)
{
	VM bits = {p[0], p[1], p[2], p[3]};

	return (VF) (bits << 16);
}

static inline VF
v_from_i8(const int8_t *p)
{
	return (VF){p[0], p[1], p[2], p[3]};
}

static inline void
v_transpose(VF r[W])
{
	for (int i = 0; i < W; i++)
		for (int j = 0; j < i; j++)
		{
			float swap = r[i][j];

			r[i][j] = r[j][i];
			r[j][i] = swap;
		}
}

#endif
