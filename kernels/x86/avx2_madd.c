/*
 * avx2_madd.c: products of 8-bit rows with plain AVX2, which multiplies pairs of 16 bits; its
 * instruction for pairs of 8 bits saturates.  Sums are exact as everywhere.  Owns the instructions of
 * the tile; refuses to know layouts (simd_narrow.inc).
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#include "avx2_narrow.h"

#define MULTIPLY(a, b, c) "vpmaddwd " b ", " a ", %%ymm15\n\tvpaddd %%ymm15, " c ", " c "\n\t"
#define LOAD_WEIGHTS	  "vpmovsxbw "
#define WEIGHT_BYTES	  "16"
#define XOR				  "vpxor "
#include "avx2_tile.h"

#include "../simd_math.inc"

#define NARROW_BITS 8
#define NARROW_TILE tile
#define ROW_ZERO	0
#define NARROW_GELU v_gelu

typedef int16_t ROW_T;
typedef int8_t WEIGHT_T;

static inline void
v_store_codes(int16_t *p, VF v)
{
	_mm_storeu_si128((__m128i *) p, v_codes(v));
}

static inline void
v_store_codes_n(int16_t *p, VF v, size_t n)
{
	int16_t codes[W];

	v_store_codes(codes, v);
	memcpy(p, codes, n * sizeof(int16_t));
}

#include "../simd_narrow.inc"

const LepNarrow lep_avx2_i8 = NARROW_TABLE("i8");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx2_madd_is_for_x86; /* ISO C wants a declaration in every file */
#endif
