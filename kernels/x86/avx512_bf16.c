/*
 * avx512_bf16.c: products and attention in bf16 with AVX512-BF16.  Owns the instruction of the
 * tile; refuses to know layouts (simd_narrow.inc).
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

#define MULTIPLY(a, b, c) "vdpbf16ps " b ", " a ", " c "\n\t"
#include "avx512_tile.h"

#include "../simd_math.inc"

#define NARROW_BITS 16
#define NARROW_TILE tile
#define NARROW_GELU v_gelu_narrow

typedef uint16_t ROW_T;
typedef uint16_t WEIGHT_T;

#include "avx512_chances.h"
#include "avx512_pairs.h"

#define HALF_CHANCES

#include "../simd_attention_half.inc"
#include "../simd_narrow.inc"

size_t
lep_avx512bf16_attention_scratch(size_t n_tokens, size_t d_head)
{
	return attention_half_scratch(n_tokens, d_head);
}

void
lep_avx512bf16_attention(const LepAttentionHalf *args)
{
	attention_half(args);
}

const LepNarrow lep_avx512bf16_half = NARROW_TABLE("bf16");

#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int lep_avx512_bf16_is_for_x86; /* ISO C wants a declaration in every file */
#endif
