/*
 * avx_vnni.c: products of 8-bit rows with AVX-VNNI.  Owns the instruction of the tile; refuses to
 * know layouts (simd_narrow.inc).
 */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#include "avx2_narrow.h"

/* The prefix keeps the assembler from AVX512-VNNI's form. */
#define MULTIPLY(a, b, c) "%{vex%} vpdpbusd " b ", " a ", " c "\n\t"
#define XOR				  "vpxor "
#include "avx2_tile.h"

#include "../simd_math.inc"

#define NARROW_BITS 8
#define NARROW_TILE tile
#define ROW_ZERO	0
#define NARROW_GELU v_gelu

typedef uint8_t ROW_T;
typedef int8_t WEIGHT_T;

static inline void
v_store_codes(uint8_t *p, VF v)
{
	__m128i codes = v_codes(v);

	_mm_storel_epi64((__m128i *) p, _mm_packus_epi16(codes, codes));
}

static inline void
v_store_codes_n(uint8_t *p, VF v, size_t n)
{
	uint8_t codes[W];

	v_store_codes(codes, v);
	memcpy(p, codes, n);
}

#include "../simd_narrow.inc"

const LepNarrow lep_avxvnni_i8 = NARROW_TABLE("i8");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx_vnni_is_for_x86; /* ISO C wants a declaration in every file */
#endif
