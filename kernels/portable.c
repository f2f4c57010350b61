/*
 * portable.c: every operator in plain C on vectors of four floats.  Owns the order of the parts;
 * refuses intrinsics.
 *
 * Tile of 4 rows by 2 vectors: fits the 16 registers of SSE2.
 */
#include "portable_vector.h"

#include "tile_c.inc"

#include "simd_math.inc"

#include "simd_linear.inc"

#include "simd_attention.inc"

#include "simd_rows.inc"

#undef NARROW_I8
#define NARROW_I8 &lep_portable_i8
const LepKernels lep_kernels_portable = SIMD_TABLE("portable", "f32p8i8k2");
