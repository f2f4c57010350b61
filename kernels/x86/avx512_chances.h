/*
 * avx512_chances.h: the tile of attention that multiplies queries by keys and leaves probabilities, for
 * scores that need no maximum taken off (see simd_attention_half.inc).  Owns its registers and the
 * exponential on 16-bit numbers; refuses to know how keys are packed.
 *
 * A bf16 is a whole number of which 128 make a power of two: round(128 (u + 127)) are the bits of about 2^u, whose
 * mantissa is 1 + f where 2^f is due, f being the fraction of u.  So a table of
 * round(128 (1 + f - 2^f)) by the first 6 bits of f makes it right to 8e-3, 2.3e-3 in the mean, of which bf16's own
 * rounding is 3.9e-3 and 1.6e-3.  Scores are turned into such numbers by one multiply-add, to 1.5 * 2^23 of which
 * the low 16 bits are taken: six instructions for 32 probabilities, on scores still in registers.
 */
#ifndef LEPTON_X86_AVX512_CHANCES_H
#define LEPTON_X86_AVX512_CHANCES_H

#include "avx512_tile.h"

/* Where the low 16 bits of 2 * 16 numbers lie, and the table by the first 6 bits of f. */
static const uint16_t chance_tables[96] __attribute__((aligned(64))) = {
	0,	2,	4,	6,	8,	10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46,
	48, 50, 52, 54, 56, 58, 60, 62, 0,	1,	1,	2,	2,	3,	4,	4,	5,	5,	5,	6,	6,	7,	7,	8,
	8,	8,	9,	9,	9,	9,	10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
	11, 10, 10, 10, 10, 10, 9,	9,	9,	8,	8,	8,	7,	7,	6,	6,	5,	5,	4,	3,	3,	2,	1,	1};

/* clang-format off */
#define ZERO_2(a, b, at)                                         \
	"vpxord " R(a) ", " R(a) ", " R(a) "\n\t"                    \
	"vpxord " R(b) ", " R(b) ", " R(b) "\n\t"
#define ZERO_1(a, b, at) ZERO_2(a, b, at)
#define BITS(a) "vfmadd213ps %%zmm29, %%zmm28, " R(a) "\n\t"
#define CHANCES_1(a, b, at)                                      \
	BITS(a)                                                      \
	"vpermt2w " R(b) ", %%zmm30, " R(a) "\n\t"                   \
	"vpsrlw $1, " R(a) ", " R(b) "\n\t"                          \
	"vpermi2w 128+%[tables], %%zmm31, " R(b) "\n\t"              \
	"vpsubw " R(b) ", " R(a) ", " R(a) "%{%%k1%}%{z%}\n\t"       \
	"vmovups " R(a) ", (%[out])\n\t"                             \
	"add %[outstep], %[out]\n\t"
#define CHANCES_2(a, b, at) BITS(b) CHANCES_1(a, b, at)

#define CHANCES_TILE(rows, vecs)                                                            \
	static void                                                                            \
	chances_##rows##_##vecs(const Tile *t, const float *with, uint32_t live)                \
	{                                                                                      \
		size_t k = t->k;                                                                   \
		const char *x0 = t->x, *x1 = x0 + 20 * t->ldx, *x2 = x1 + 20 * t->ldx, *w = t->w;   \
		char *out = t->out;                                                                \
                                                                                           \
		__asm__ volatile(                                                                  \
			"kmovd %[live], %%k1\n\t"                                                      \
			ROWS_##rows(ZERO_##vecs, "0")                                                  \
			".p2align 4\n"                                                                 \
			"1:\n\t"                                                                       \
			WEIGHTS_##vecs ROWS_##rows(STEP_##vecs, "0")                                   \
			ADVANCE("4")                                                                   \
			"add $64*" #vecs ", %[w]\n\t"                                                  \
			"sub $1, %[k]\n\t"                                                             \
			"jnz 1b\n\t"                                                                   \
			"vbroadcastss (%[with]), %%zmm28\n\t"                                          \
			"vbroadcastss 4(%[with]), %%zmm29\n\t"                                         \
			"vmovups %[tables], %%zmm30\n\t"                                               \
			"vmovups 64+%[tables], %%zmm31\n\t"                                            \
			ROWS_##rows(CHANCES_##vecs, "0")                                               \
			: [k] "+r"(k), [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [w] "+r"(w),       \
			  [out] "+r"(out)                                                              \
			: [ld] "r"(t->ldx * 4), [ld3] "r"(t->ldx * 12), [outstep] "r"(t->outstep * 4), \
			  [with] "r"(with), [live] "r"(live), [tables] "m"(chance_tables)                \
			: "memory", "cc", "k1", CLOBBERS);                                             \
	}
/* clang-format on */

typedef void (*ChancesTile)(const Tile *, const float *, uint32_t);

#define CHANCES_TILES(h) CHANCES_TILE(h, 1) CHANCES_TILE(h, 2)
CHANCES_TILES(1)
CHANCES_TILES(2)
CHANCES_TILES(3)
CHANCES_TILES(4)
CHANCES_TILES(5)
CHANCES_TILES(6)
CHANCES_TILES(7)
CHANCES_TILES(8)
CHANCES_TILES(9)
CHANCES_TILES(10)
CHANCES_TILES(11)
CHANCES_TILES(12)
CHANCES_TILES(13)
CHANCES_TILES(14)

static const ChancesTile chances_tiles[NV][MR] = {
	{chances_1_1, chances_2_1, chances_3_1, chances_4_1, chances_5_1, chances_6_1, chances_7_1,
	 chances_8_1, chances_9_1, chances_10_1, chances_11_1, chances_12_1, chances_13_1,
	 chances_14_1},
	{chances_1_2, chances_2_2, chances_3_2, chances_4_2, chances_5_2, chances_6_2, chances_7_2,
	 chances_8_2, chances_9_2, chances_10_2, chances_11_2, chances_12_2, chances_13_2,
	 chances_14_2},
};

/*
 * Compute out[rows, 2 * W] = 2^(score * slope) in bf16, zeros from column live on; scores as tile() has them.
 */
static inline void
tile_chances(size_t rows, size_t vecs, const Tile *t, float slope, size_t live)
{
	const float with[2] = {slope * 128.0f, 12582912.0f + 127.0f * 128.0f};

	chances_tiles[vecs - 1][rows - 1](t, with, live < 32 ? (1u << live) - 1 : ~0u);
}

#endif
