/*
 * tile.h: the inner loop of every product on x86, as one block of assembly per
 * tile shape.  Owns register numbers and addressing; refuses to know packing,
 * activations and which instruction set surrounds it.
 *
 * Why assembly: compilers spill accumulators or copy them between registers
 * when the tile fills the register file, differently in every version and at
 * every -O level, and that costs up to half of the speed.  Here the loop is
 * what is written: per k one load per weight register, one broadcast per row,
 * one fused multiply-add per accumulator.
 *
 * A tile is out[rows, vecs * W] = init + x[rows, k] * w[k, vecs * W], one
 * chain of multiply-adds per output in the order of k.
 *
 * The including file defines REG ("zmm" or "ymm"), BYTES (of a register), B0,
 * B1 (weight registers) and A0 (broadcast register) as strings of numbers.
 */
#ifndef LEPTON_X86_TILE_H
#define LEPTON_X86_TILE_H

#define R(n) "%%" REG n

/* One row's step for two and for one weight register. */
#define FMA_2(a, b, at)                                                   \
	"vbroadcastss " at ", " R(A0) "\n\t"                                  \
								  "vfmadd231ps " R(A0) ", " R(B0) ", " R( \
									  a) "\n\t"                           \
										 "vfmadd231ps " R(A0) ", " R(B1) ", " R(b) "\n\t"
#define FMA_1(a, b, at)                  \
	"vbroadcastss " at ", " R(A0) "\n\t" \
								  "vfmadd231ps " R(A0) ", " R(B0) ", " R(a) "\n\t"

#define LOAD_2(a, b, at)                                                  \
	"vmovups (%[init]), " R(a) "\n\t"                                     \
							   "vmovups " BYTES "(%[init]), " R(b) "\n\t" \
																   "add %[initstep], %[init]\n\t"
#define LOAD_1(a, b, at)              \
	"vmovups (%[init]), " R(a) "\n\t" \
							   "add %[initstep], %[init]\n\t"
#define STORE_2(a, b, at)                                     \
	"vmovups " R(a) ", (%[out])\n\t"                          \
					"vmovups " R(b) ", " BYTES "(%[out])\n\t" \
									"add %[outstep], %[out]\n\t"
#define STORE_1(a, b, at)            \
	"vmovups " R(a) ", (%[out])\n\t" \
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

#define WEIGHTS_1 "vmovups (%[w]), " R(B0) "\n\tprefetcht0 " AHEAD "(%[w])\n\t"
#define WEIGHTS_2 \
	WEIGHTS_1 "vmovups " BYTES "(%[w]), " R(B1) "\n\tprefetcht0 " AHEAD "+" BYTES "(%[w])\n\t"

#define STEP(rows, vecs, d) WEIGHTS_##vecs "add %[wstep], %[w]\n\t" ROWS_##rows(FMA_##vecs, d)

/* Define tile_ROWS_VECS(); steps are in floats. */
#define TILE(rows, vecs)                                                                           \
	static void tile_##rows##_##vecs(size_t k, const float *x, size_t ldx, const float *w,         \
									 size_t wstep, const float *init, size_t initstep, float *out, \
									 size_t outstep)                                               \
	{                                                                                              \
		const float *x1 = x + 5 * ldx;                                                             \
		const float *x2 = x1 + 5 * ldx;                                                            \
		__asm__ volatile(                                                                          \
			ROWS_##rows(LOAD_##vecs,                                                               \
						"0") "sub $4, %[k]\n\t"                                                    \
							 "jb 2f\n\t"                                                           \
							 ".p2align 4\n"                                                        \
							 "1:\n\t" STEP(rows, vecs, "0") STEP(rows, vecs, "4") STEP(rows, vecs, \
																					   "8")        \
								 STEP(rows, vecs, "12") "add $16, %[x0]\n\t"                       \
														"add $16, %[x1]\n\t"                       \
														"add $16, %[x2]\n\t"                       \
														"sub $4, %[k]\n\t"                         \
														"jae 1b\n"                                 \
														"2:\n\t"                                   \
														"add $4, %[k]\n\t"                         \
														"jz 4f\n"                                  \
														"3:\n\t" STEP(rows, vecs,                  \
																	  "0") "add $4, %[x0]\n\t"     \
																		   "add $4, %[x1]\n\t"     \
																		   "add $4, %[x2]\n\t"     \
																		   "sub $1, %[k]\n\t"      \
																		   "jnz 3b\n"              \
																		   "4:\n\t" ROWS_##rows(   \
																			   STORE_##vecs, "0")  \
			: [k] "+r"(k), [x0] "+r"(x), [x1] "+r"(x1), [x2] "+r"(x2), [w] "+r"(w),                \
			  [init] "+r"(init), [out] "+r"(out)                                                   \
			: [ld] "r"(ldx * 4), [ld3] "r"(ldx * 12), [wstep] "r"(wstep * 4),                      \
			  [initstep] "rm"(initstep * 4), [outstep] "rm"(outstep * 4)                           \
			: "memory", "cc", CLOBBERS);                                                           \
	}

typedef void (*TileFunction)(size_t k, const float *x, size_t ldx, const float *w, size_t wstep,
							 const float *init, size_t initstep, float *out, size_t outstep);

#endif
