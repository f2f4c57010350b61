/*
 * avx512.c: every operator with AVX-512F, BW, DQ and VL on 512-bit registers, and the tables
 * of all levels that have them.  Refuses to choose itself (see kernels/choose.c).
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(                                                    \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
	apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

#include "avx512_narrow.h"

#include "avx512_tile.h"

#include "../simd_math.inc"

#include "../simd_linear.inc"

#include "../simd_attention.inc"

#include "../simd_rows.inc"

#undef NARROW_I8
#define NARROW_I8 &lep_avx512_i8
const LepKernels lep_kernels_avx512 = SIMD_TABLE("avx512", "f32p32i8k2");

#undef NARROW_I8
#define NARROW_I8 &lep_avx512vnni_i8
const LepKernels lep_kernels_avx512vnni = SIMD_TABLE("avx512vnni", "f32p32i8k4");

#undef NARROW_HALF
#define NARROW_HALF &lep_avx512fp16_half
const LepKernels lep_kernels_avx512fp16 = SIMD_TABLE("avx512fp16", "f32p32i8k4f16k2");

#undef NARROW_HALF
#undef ATTENTION_HALF_SCRATCH
#undef ATTENTION_HALF
#define NARROW_HALF			   &lep_avx512bf16_half
#define ATTENTION_HALF_SCRATCH lep_avx512bf16_attention_scratch
#define ATTENTION_HALF		   lep_avx512bf16_attention
const LepKernels lep_kernels_avx512bf16 = SIMD_TABLE("avx512bf16", "f32p32i8k4bf16k2");

#undef NARROW_I8
#undef NARROW_HALF
#undef ATTENTION_HALF_SCRATCH
#undef ATTENTION_HALF
#define NARROW_I8			   &lep_amx_i8
#define NARROW_HALF			   &lep_amx_half
#define ATTENTION_HALF_SCRATCH lep_amx_attention_scratch
#define ATTENTION_HALF		   lep_amx_attention
const LepKernels lep_kernels_amx = SIMD_TABLE("amx", "f32p32i8k4bf16k2");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx512_is_for_x86; /* ISO C wants a declaration in every file */
#endif
