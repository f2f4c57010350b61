/*
 * avx2.c: every operator with AVX2, FMA and F16C on 256-bit registers, and the tables of all
 * levels that have no wider ones.  Refuses to choose itself (see kernels/choose.c).
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#include "avx2_narrow.h"

#include "avx2_tile.h"

#include "../simd_math.inc"

#include "../simd_linear.inc"

#include "../simd_attention.inc"

#include "../simd_rows.inc"

#undef NARROW_I8
#define NARROW_I8 &lep_avx2_i8
const LepKernels lep_kernels_avx2 = SIMD_TABLE("avx2", "f32p16i8k2");

#undef NARROW_I8
#define NARROW_I8 &lep_avxvnni_i8
const LepKernels lep_kernels_avxvnni = SIMD_TABLE("avxvnni", "f32p16i8k4");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx2_is_for_x86; /* ISO C wants a declaration in every file */
#endif
