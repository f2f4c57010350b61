/*
 * avx512_vnni.c: products of 8-bit rows with AVX512-VNNI.  Owns the instruction of the tile;
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

#include "avx512_codes.h"
#include "avx512_gelu.h"

#define MULTIPLY(a, b, c) "vpdpbusd " b ", " a ", " c "\n\t"
#define XOR				  "vpxord "
#include "avx512_finish.h"

#include "../simd_math.inc"

#define NARROW_BITS	  8
#define NARROW_TILE	  tile
#define NARROW_GELU	  v_gelu_narrow
#define NARROW_FINISH /* finish_tile() */
#define ROW_ZERO	  0

typedef uint8_t ROW_T;
typedef int8_t WEIGHT_T;

#include "../simd_narrow.inc"

const LepNarrow lep_avx512vnni_i8 = NARROW_TABLE("i8");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx512_vnni_is_for_x86; /* ISO C wants a declaration in every file */
#endif
