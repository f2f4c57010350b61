/*
 * amx_i8.c: products of 8-bit rows on the tiles of AMX.  Packed weights and rows are those of
 * avx512_vnni.c.  Owns the instruction; refuses to know blocking (amx_linear.h).
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

#define AMX_MULTIPLY "tdpbusd"
#include "amx.h"

#include "../simd_math.inc"

#define NARROW_BITS	  8
#define NARROW_GELU	  v_gelu_narrow
#define NARROW_LINEAR amx_linear
#define ROW_ZERO	  0

typedef uint8_t ROW_T;
typedef int8_t WEIGHT_T;

#include "../simd_narrow.inc"

#include "amx_linear.h"

const LepNarrow lep_amx_i8 = NARROW_TABLE("i8");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_amx_i8_is_for_x86; /* ISO C wants a declaration in every file */
#endif
