/*
 * neon.c: every operator with NEON as every aarch64 CPU has it, and the tables of all its levels, which
 * differ in products of 8-bit rows.  Refuses to choose itself (see kernels/choose.c).
 *
 * Tile of 12 rows by 2 registers: 24 accumulators, 2 weights, the rest for
 * broadcasts.
 */
#if defined(__aarch64__)
#include "neon_narrow.h"

#define MR 12

#include "../tile_c.inc"

#include "../simd_math.inc"

#include "../simd_linear.inc"

#include "../simd_attention.inc"

#include "../simd_rows.inc"

#undef NARROW_I8
#define NARROW_I8 &lep_neon_i8
const LepKernels lep_kernels_neon = SIMD_TABLE("neon", "f32p8i8k2");

#undef NARROW_I8
#define NARROW_I8 &lep_neondot_i8
const LepKernels lep_kernels_neondot = SIMD_TABLE("neondot", "f32p8i8k4");

#undef NARROW_I8
#define NARROW_I8 &lep_neoni8mm_i8
const LepKernels lep_kernels_neoni8mm = SIMD_TABLE("neoni8mm", "f32p8i8k8");
#else
typedef int lep_neon_is_for_arm; /* ISO C wants a declaration in every file */
#endif
