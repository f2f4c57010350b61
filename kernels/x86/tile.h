/*
 * x86/tile.h: the inner loop of every product on x86, as one block of assembly
 * per tile shape.  Owns register numbers and addressing; refuses to know
 * packing, activations and which instruction set surrounds it.
 *
 * Why assembly: compilers spill accumulators or copy them between registers
 * when the tile fills the register file, differently in every version and at
 * every -O level, and that costs up to half of the speed.  Here the loop is
 * what is written: per k one load per weight register, one broadcast per row,
 * one fused multiply-add per accumulator.
 *
 * The including file defines as strings: REG ("zmm" or "ymm"), BYTES of a
 * register, B0 and B1 (numbers of the weight registers), A0 (of the broadcast
 * register), FETCH_1 and FETCH_2 (prefetches of one k, by weight registers) and
 * CLOBBERS.
 *
 * For other numbers than f32 it also defines MULTIPLY(a, b, c), which adds the
 * product of the 4 bytes of a row in register a and of weights in register b to c; if
 * weights are widened as they are loaded, LOAD_WEIGHTS and WEIGHT_BYTES (of one register's weights in
 * memory); and XOR ("vpxord " or "vpxor ") if sums begin at zero instead of at init.
 */
#ifndef LEPTON_X86_TILE_H
#define LEPTON_X86_TILE_H

#include "../tile.h"

/* clang-format off */
#define R(n) "%%" REG n

#ifndef MULTIPLY
#define MULTIPLY(a, b, c) "vfmadd231ps " a ", " b ", " c "\n\t"
#endif
#ifndef LOAD_WEIGHTS
#define LOAD_WEIGHTS "vmovups "
#define WEIGHT_BYTES BYTES
#endif

/* One row's step for two and for one weight register. */
#define STEP_2(a, b, at)                         \
	"vbroadcastss " at ", " R(A0) "\n\t"         \
	MULTIPLY(R(A0), R(B0), R(a))                 \
	MULTIPLY(R(A0), R(B1), R(b))
#define STEP_1(a, b, at)                         \
	"vbroadcastss " at ", " R(A0) "\n\t"         \
	MULTIPLY(R(A0), R(B0), R(a))

#ifdef XOR
#define LOAD_2(a, b, at)                         \
	XOR R(a) ", " R(a) ", " R(a) "\n\t" \
	XOR R(b) ", " R(b) ", " R(b) "\n\t"
#define LOAD_1(a, b, at)                         \
	XOR R(a) ", " R(a) ", " R(a) "\n\t"
#else
#define LOAD_2(a, b, at)                         \
	"vmovups (%[init]), " R(a) "\n\t"            \
	"vmovups " BYTES "(%[init]), " R(b) "\n\t"
#define LOAD_1(a, b, at)                         \
	"vmovups (%[init]), " R(a) "\n\t"
#endif
#define STORE_2(a, b, at)                        \
	"vmovups " R(a) ", (%[out])\n\t"             \
	"vmovups " R(b) ", " BYTES "(%[out])\n\t"    \
	"add %[outstep], %[out]\n\t"
#define STORE_1(a, b, at)                        \
	"vmovups " R(a) ", (%[out])\n\t"             \
	"add %[outstep], %[out]\n\t"

/* Rows: two accumulators each, five rows to a base pointer; d is a displacement in bytes. */
#define ROW_0(op, d)  op("0", "1", d "(%[x0])")
#define ROW_1(op, d)  op("2", "3", d "(%[x0], %[ld])")
#define ROW_2(op, d)  op("4", "5", d "(%[x0], %[ld], 2)")
#define ROW_3(op, d)  op("6", "7", d "(%[x0], %[ld3])")
#define ROW_4(op, d)  op("8", "9", d "(%[x0], %[ld], 4)")
#define ROW_5(op, d)  op("10", "11", d "(%[x1])")
#define ROW_6(op, d)  op("12", "13", d "(%[x1], %[ld])")
#define ROW_7(op, d)  op("14", "15", d "(%[x1], %[ld], 2)")
#define ROW_8(op, d)  op("16", "17", d "(%[x1], %[ld3])")
#define ROW_9(op, d)  op("18", "19", d "(%[x1], %[ld], 4)")
#define ROW_10(op, d) op("20", "21", d "(%[x2])")
#define ROW_11(op, d) op("22", "23", d "(%[x2], %[ld])")
#define ROW_12(op, d) op("24", "25", d "(%[x2], %[ld], 2)")
#define ROW_13(op, d) op("26", "27", d "(%[x2], %[ld3])")

#define ROWS_1(op, d)  ROW_0(op, d)
#define ROWS_2(op, d)  ROWS_1(op, d) ROW_1(op, d)
#define ROWS_3(op, d)  ROWS_2(op, d) ROW_2(op, d)
#define ROWS_4(op, d)  ROWS_3(op, d) ROW_3(op, d)
#define ROWS_5(op, d)  ROWS_4(op, d) ROW_4(op, d)
#define ROWS_6(op, d)  ROWS_5(op, d) ROW_5(op, d)
#define ROWS_7(op, d)  ROWS_6(op, d) ROW_6(op, d)
#define ROWS_8(op, d)  ROWS_7(op, d) ROW_7(op, d)
#define ROWS_9(op, d)  ROWS_8(op, d) ROW_8(op, d)
#define ROWS_10(op, d) ROWS_9(op, d) ROW_9(op, d)
#define ROWS_11(op, d) ROWS_10(op, d) ROW_10(op, d)
#define ROWS_12(op, d) ROWS_11(op, d) ROW_11(op, d)
#define ROWS_13(op, d) ROWS_12(op, d) ROW_12(op, d)
#define ROWS_14(op, d) ROWS_13(op, d) ROW_13(op, d)

#define WEIGHTS_1 LOAD_WEIGHTS "(%[w]), " R(B0) "\n\t"
#define WEIGHTS_2 WEIGHTS_1 LOAD_WEIGHTS WEIGHT_BYTES "(%[w]), " R(B1) "\n\t"

#define STEP(rows, vecs, d)              \
	WEIGHTS_##vecs FETCH_##vecs          \
	"add %[aheadstep], %[ahead]\n\t"     \
	"add %[wstep], %[w]\n\t"             \
	ROWS_##rows(STEP_##vecs, d)
#define ADVANCE(bytes)                   \
	"add $" bytes ", %[x0]\n\t"          \
	"add $" bytes ", %[x1]\n\t"          \
	"add $" bytes ", %[x2]\n\t"

/* Define tile_ROWS_VECS(). */
#define TILE(rows, vecs)                                                                   \
	static void                                                                            \
	tile_##rows##_##vecs(const Tile *t)                                                    \
	{                                                                                      \
		size_t k = t->k;                                                                   \
		const char *x0 = t->x, *x1 = x0 + 20 * t->ldx, *x2 = x1 + 20 * t->ldx, *w = t->w;   \
		char *out = t->out;                                                                \
		uintptr_t ahead = t->ahead;                                                        \
                                                                                           \
		__asm__ volatile(                                                                  \
			ROWS_##rows(LOAD_##vecs, "0")                                                  \
			"sub $4, %[k]\n\t"                                                             \
			"jb 2f\n\t"                                                                    \
			".p2align 4\n"                                                                 \
			"1:\n\t"                                                                       \
			STEP(rows, vecs, "0") STEP(rows, vecs, "4")                                    \
			STEP(rows, vecs, "8") STEP(rows, vecs, "12")                                   \
			ADVANCE("16")                                                                  \
			"sub $4, %[k]\n\t"                                                             \
			"jae 1b\n"                                                                     \
			"2:\n\t"                                                                       \
			"add $4, %[k]\n\t"                                                             \
			"jz 4f\n"                                                                      \
			"3:\n\t"                                                                       \
			STEP(rows, vecs, "0")                                                          \
			ADVANCE("4")                                                                   \
			"sub $1, %[k]\n\t"                                                             \
			"jnz 3b\n"                                                                     \
			"4:\n\t"                                                                       \
			ROWS_##rows(STORE_##vecs, "0")                                                 \
			: [k] "+r"(k), [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [w] "+r"(w),       \
			  [out] "+r"(out), [ahead] "+r"(ahead)                                         \
			: [ld] "r"(t->ldx * 4), [ld3] "r"(t->ldx * 12), [init] "r"(t->init),           \
			  [wstep] "rm"(t->wstep * 4), [outstep] "rm"(t->outstep * 4),                  \
			  [aheadstep] "rm"(t->aheadstep)                                               \
			: "memory", "cc", CLOBBERS);                                                   \
	}
/* clang-format on */

#endif
