/*
 * avx512_madd.c: products of 8-bit rows with plain AVX-512, which multiplies pairs of 16 bits.
 * Sums are exact as everywhere.  Owns the instructions of the tile;
 * refuses to know layouts (simd_narrow.inc).
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(                                                    \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
	apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

#include "avx512_gelu.h"
#include "avx512_narrow.h"

#define MULTIPLY(a, b, c) "vpmaddwd " b ", " a ", %%zmm31\n\tvpaddd %%zmm31, " c ", " c "\n\t"
#define LOAD_WEIGHTS	  "vpmovsxbw "
#define WEIGHT_BYTES	  "32"
#define XOR				  "vpxord "
#include "avx512_tile.h"

#include "../simd_math.inc"

#define NARROW_BITS 8
#define NARROW_TILE tile
#define NARROW_GELU v_gelu_narrow
#define ROW_ZERO	0

typedef int16_t ROW_T;
typedef int8_t WEIGHT_T;

static inline void
v_store_codes(int16_t *p, VF v)
{
	_mm256_storeu_si256((__m256i *) p, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
}

static inline void
v_store_codes_n(int16_t *p, VF v, size_t n)
{
	_mm512_mask_cvtepi32_storeu_epi16(p, lanes(n), _mm512_cvtps_epi32(v));
}

#include "../simd_narrow.inc"

const LepNarrow lep_avx512_i8 = NARROW_TABLE("i8");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx512_madd_is_for_x86; /* ISO C wants a declaration in every file */
#endif
