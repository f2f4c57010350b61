/*
 * numbers.cuh: 16-bit floats, eight of them at once, and the activations, for the kernels of this
 * folder.
 */
#ifndef LEPTON_CUDA_NUMBERS_CUH
#define LEPTON_CUDA_NUMBERS_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "cuda_private.h"

#define WARP	  32
#define ALL_LANES 0xffffffffu
#define V8		  8 /* 16-bit floats of one access */

/* Call a function template with the type of numbers; refuse other numbers. */
#define LEP_CUDA_DISPATCH(stream, numbers, function, ...) \
	((numbers) == LEP_F16 ? function<__half>(__VA_ARGS__) \
	 : (numbers) == LEP_BF16                              \
		 ? function<__nv_bfloat16>(__VA_ARGS__)           \
		 : lep_cuda_refuse((stream)->cuda, LEP_BAD_INPUT, "numbers are neither f16 nor bf16"))

static __device__ __forceinline__ float
widen(__half x)
{
	return __half2float(x);
}

static __device__ __forceinline__ float
widen(__nv_bfloat16 x)
{
	return __bfloat162float(x);
}

static __device__ __forceinline__ float
widen(float x)
{
	return x;
}

template <typename T> static __device__ __forceinline__ T narrow(float x);

template <>
__device__ __forceinline__ __half
narrow<__half>(float x)
{
	return __float2half_rn(x);
}

template <>
__device__ __forceinline__ __nv_bfloat16
narrow<__nv_bfloat16>(float x)
{
	return __float2bfloat16_rn(x);
}

template <>
__device__ __forceinline__ float
narrow<float>(float x)
{
	return x;
}

/* Two floats, the first in the low half. */
template <typename T> static __device__ __forceinline__ uint32_t narrow2(float low, float high);

template <>
__device__ __forceinline__ uint32_t
narrow2<__half>(float low, float high)
{
	__half2 both = __floats2half2_rn(low, high);

	return *(uint32_t *) &both;
}

template <>
__device__ __forceinline__ uint32_t
narrow2<__nv_bfloat16>(float low, float high)
{
	__nv_bfloat162 both = __floats2bfloat162_rn(low, high);

	return *(uint32_t *) &both;
}

template <typename T> static __device__ __forceinline__ float2 widen2(uint32_t both);

template <>
__device__ __forceinline__ float2
widen2<__half>(uint32_t both)
{
	return __half22float2(*(__half2 *) &both);
}

template <>
__device__ __forceinline__ float2
widen2<__nv_bfloat16>(uint32_t both)
{
	return make_float2(__uint_as_float(both << 16), __uint_as_float(both & 0xffff0000u));
}

/* v[8] = the floats at x, which is aligned to 16 bytes. */
template <typename T>
static __device__ __forceinline__ void
load8(const T *x, float *v)
{
	uint4 words = *(const uint4 *) x;
	const uint32_t *pairs = (const uint32_t *) &words;

#pragma unroll
	for (int i = 0; i < 4; i++)
	{
		float2 two = widen2<T>(pairs[i]);

		v[2 * i] = two.x;
		v[2 * i + 1] = two.y;
	}
}

template <>
__device__ __forceinline__ void
load8<float>(const float *x, float *v)
{
	float4 low = ((const float4 *) x)[0], high = ((const float4 *) x)[1];

	v[0] = low.x;
	v[1] = low.y;
	v[2] = low.z;
	v[3] = low.w;
	v[4] = high.x;
	v[5] = high.y;
	v[6] = high.z;
	v[7] = high.w;
}

/* The floats at out = v[8]. */
template <typename T>
static __device__ __forceinline__ void
store8(T *out, const float *v)
{
	uint4 words;

	words.x = narrow2<T>(v[0], v[1]);
	words.y = narrow2<T>(v[2], v[3]);
	words.z = narrow2<T>(v[4], v[5]);
	words.w = narrow2<T>(v[6], v[7]);
	*(uint4 *) out = words;
}

template <>
__device__ __forceinline__ void
store8<float>(float *out, const float *v)
{
	((float4 *) out)[0] = make_float4(v[0], v[1], v[2], v[3]);
	((float4 *) out)[1] = make_float4(v[4], v[5], v[6], v[7]);
}

/* Return the sum of v over the lanes of a warp, in every lane. */
static __device__ __forceinline__ float
warp_sum(float v)
{
#pragma unroll
	for (int step = WARP / 2; step > 0; step /= 2)
		v += __shfl_xor_sync(ALL_LANES, v, step);
	return v;
}

/* Return max(a, b), NaN when either is. */
static __device__ __forceinline__ float
max_or_nan(float a, float b)
{
	return a >= b || a != a ? a : b;
}

/*
 * Return erf(x): Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26, error below 1.5e-7 before roundings.
 */
static __device__ __forceinline__ float
fast_erf(float x)
{
	float far = fabsf(x);
	float t = __fdividef(1.0f, fmaf(0.3275911f, far, 1.0f));
	float sum = fmaf(1.061405429f, t, -1.453152027f);

	sum = fmaf(sum, t, 1.421413741f);
	sum = fmaf(sum, t, -0.284496736f);
	sum = fmaf(sum, t, 0.254829592f);
	return copysignf(1.0f - sum * t * __expf(-far * far), x);
}

/* Return act(x); formulas of kernels/ref.c. */
static __device__ __forceinline__ float
activation(float x, LepAct act)
{
	switch (act)
	{
		case LEP_ACT_GELU:
			return 0.5f * x * (1.0f + fast_erf(x * 0.70710678f));
		case LEP_ACT_GELU_TANH:
			return x / (1.0f + __expf(-1.5957691216f * (x + 0.044715f * x * x * x)));
		case LEP_ACT_QUICK_GELU:
			return x / (1.0f + __expf(-1.702f * x));
		case LEP_ACT_RELU:
			return x < 0.0f ? 0.0f : x;
		case LEP_ACT_RELU6:
			return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;
		case LEP_ACT_RELU2:
			return x < 0.0f ? 0.0f : x * x;
		case LEP_ACT_SILU:
			return x / (1.0f + __expf(-x));
		case LEP_ACT_MISH:
			return x * tanhf(x > 30.0f ? x : log1pf(__expf(x)));
		case LEP_ACT_TANH:
			return tanhf(x);
		case LEP_ACT_SIGMOID:
			return 1.0f / (1.0f + __expf(-x));
		case LEP_ACT_LEAKY_RELU:
			return x < 0.0f ? 0.01f * x : x;
		case LEP_ACT_NONE:
		case LEP_ACT_COUNT:
			break;
	}
	return x;
}

/* Is a pointer aligned to 16 bytes? */
static inline bool
aligned(const void *at)
{
	return (uintptr_t) at % 16 == 0;
}

/* Blocks for n things of per each. */
static inline unsigned
blocks(size_t n, size_t per)
{
	return (unsigned) ((n + per - 1) / per);
}

#endif
