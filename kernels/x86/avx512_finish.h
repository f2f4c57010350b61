/*
 * avx512_finish.h: tiles of 8-bit products whose outputs are finished in the registers of their sums: what
 * narrow_finish() makes of stored ones, to the same bits.  Owns heights from FINISH_LEAST on, whole panels and the
 * three ends that encoders have; refuses to know packing.
 */
#ifndef LEPTON_X86_AVX512_FINISH_H
#define LEPTON_X86_AVX512_FINISH_H

#include "avx512_gelu.h"
#include "avx512_tile.h"

#define FINISH_LEAST 8

/* What becomes of outputs: nothing here, bf16, f32 with a residual, f32 after GELU. */
typedef enum FinishEnd
{
	FINISH_APART,
	FINISH_HALF,
	FINISH_RESIDUAL,
	FINISH_GELU
} FinishEnd;

/*
 * The numbers of a tile's rows, then of a panel's columns, then GELU's; the assembly knows their places, which its
 * short displacements reach.
 */
typedef struct FinishPanel
{
	float factor[W], shift[W], taken[W]; /* at 0, 64, 128 */
	const char *residual;				 /* at 192 */
	size_t residual_step;				 /* at 200, in bytes */
	float beyond, unit, magic;			 /* at 208, 212, 216, of GELU */
	float unused[9];
	float scale[NV * W], sum[NV * W], bias[NV * W], zero[NV * W]; /* at 256, 384, 512, 640 */
	float pieces[3][2 * W];										  /* at 768, of GELU */
} __attribute__((aligned(64))) FinishPanel;

/* clang-format off */
/* Load the columns' numbers, at 0 or 64 of each array. */
#define FINISH_COLUMNS(at)                                                              \
	"vmovups 384+" at "(%[panel]), %%zmm28\n\t"                                         \
	"vmovups 640+" at "(%[panel]), %%zmm29\n\t"                                         \
	"vmovups 512+" at "(%[panel]), %%zmm30\n\t"

/* Make outputs of the sums of row in register a. */
#define FINISH_SUMS(a, at, row)                                                         \
	"vcvtdq2ps " R(a) ", " R(a) "\n\t"                                                  \
	"vmulps 256+" at "(%[panel]), " R(a) ", " R(a) "\n\t"                                   \
	"vbroadcastss 64+4*" row "(%[panel]), %%zmm31\n\t"                                 \
	"vfmadd213ps %%zmm30, %%zmm28, %%zmm31\n\t"                                         \
	"vfmadd231ps 128+4*" row "(%[panel])%{1to16%}, %%zmm29, %%zmm31\n\t"                \
	"vfmadd132ps 4*" row "(%[panel])%{1to16%}, %%zmm31, " R(a) "\n\t"

#define FINISH_LEFT(a, b, row)	FINISH_SUMS(a, "0", row)
#define FINISH_RIGHT(a, b, row) FINISH_SUMS(b, "64", row)
#define FINISH_NEXT				"add %[outstep], %[out]\n\t"

/* The right half of a row and its end. */
#define FINISH_AS_HALF(a, b, row)                                                       \
	FINISH_SUMS(b, "64", row)                                                           \
	"vcvtne2ps2bf16 " R(a) ", " R(b) ", " R(b) "\n\t"                                   \
	"vmovups " R(b) ", (%[out])\n\t" FINISH_NEXT
#define FINISH_AS_RESIDUAL(a, b, row)                                                   \
	FINISH_SUMS(b, "64", row)                                                           \
	"vaddps (%[x0]), " R(a) ", " R(a) "\n\t"                                            \
	"vaddps 64(%[x0]), " R(b) ", " R(b) "\n\t"                                          \
	"add %[x1], %[x0]\n\t"                                                              \
	"vmovups " R(a) ", (%[out])\n\t"                                                    \
	"vmovups " R(b) ", 64(%[out])\n\t" FINISH_NEXT

/* GELU as in avx512_gelu.h; zmm0 to zmm5 hold its constants. */
#define FINISH_GELU_OF(a)                                                               \
	"vrangeps $10, 208(%[panel])%{1to16%}, " R(a) ", %%zmm28\n\t"                       \
	"vmovaps %%zmm28, %%zmm29\n\t"                                                      \
	"vfmadd132ps %%zmm5, %%zmm3, %%zmm29\n\t"                                           \
	"vmovaps %%zmm29, %%zmm30\n\t"                                                      \
	"vpermi2ps 1088(%[panel]), %%zmm2, %%zmm30\n\t"                                      \
	"vmovaps %%zmm29, %%zmm31\n\t"                                                      \
	"vpermi2ps 960(%[panel]), %%zmm1, %%zmm31\n\t"                                      \
	"vpermi2ps 832(%[panel]), %%zmm0, %%zmm29\n\t"                                       \
	"vfmadd213ps %%zmm31, %%zmm28, %%zmm30\n\t"                                         \
	"vfmadd213ps %%zmm29, %%zmm28, %%zmm30\n\t"                                         \
	"vmaxps " R(a) ", %%zmm4, " R(a) "\n\t"                                             \
	"vsubps %%zmm30, " R(a) ", " R(a) "\n\t"
#define FINISH_AS_GELU(a, b, row)                                                       \
	FINISH_GELU_OF(a)                                                                   \
	"vmovups " R(a) ", (%[out])\n\t"                                                    \
	FINISH_GELU_OF(b)                                                                   \
	"vmovups " R(b) ", 64(%[out])\n\t" FINISH_NEXT
#define FINISH_STORE(a, b, row)                                                         \
	"vmovups " R(a) ", (%[out])\n\t"                                                    \
	"vmovups " R(b) ", 64(%[out])\n\t" FINISH_NEXT
#define FINISH_LOAD(a, b, row)                                                          \
	"vmovups (%[out]), " R(a) "\n\t"                                                    \
	"vmovups 64(%[out]), " R(b) "\n\t"

/* The first three rows, whose registers GELU takes, and those behind them. */
#define FINISH_HEAD(op) op("0", "1", "0") op("2", "3", "1") op("4", "5", "2")
#define FINISH_TAIL_8(op)                                                               \
	op("6", "7", "3") op("8", "9", "4") op("10", "11", "5") op("12", "13", "6")         \
	op("14", "15", "7")
#define FINISH_TAIL_9(op)  FINISH_TAIL_8(op) op("16", "17", "8")
#define FINISH_TAIL_10(op) FINISH_TAIL_9(op) op("18", "19", "9")
#define FINISH_TAIL_11(op) FINISH_TAIL_10(op) op("20", "21", "10")
#define FINISH_TAIL_12(op) FINISH_TAIL_11(op) op("22", "23", "11")
#define FINISH_TAIL_13(op) FINISH_TAIL_12(op) op("24", "25", "12")
#define FINISH_TAIL_14(op) FINISH_TAIL_13(op) op("26", "27", "13")
#define FINISH_ROWS(rows, op) FINISH_HEAD(op) FINISH_TAIL_##rows(op)

#define FINISH_HALVES(rows)                                                             \
	FINISH_COLUMNS("64") FINISH_ROWS(rows, FINISH_AS_HALF)
#define FINISH_RESIDUALS(rows)                                                          \
	FINISH_COLUMNS("64")                                                                \
	"mov 192(%[panel]), %[x0]\n\t"                                                      \
	"mov 200(%[panel]), %[x1]\n\t"                                                      \
	FINISH_ROWS(rows, FINISH_AS_RESIDUAL)
#define FINISH_GELUS(rows)                                                              \
	FINISH_COLUMNS("64") FINISH_ROWS(rows, FINISH_RIGHT)                                \
	"mov %[out], %[x0]\n\t"                                                             \
	FINISH_HEAD(FINISH_STORE)                                                           \
	"vmovaps 768(%[panel]), %%zmm0\n\t"                                                     \
	"vmovaps 896(%[panel]), %%zmm1\n\t"                                                 \
	"vmovaps 1024(%[panel]), %%zmm2\n\t"                                                 \
	"vbroadcastss 216(%[panel]), %%zmm3\n\t"                                            \
	"vpxord %%zmm4, %%zmm4, %%zmm4\n\t"                                                 \
	"vbroadcastss 212(%[panel]), %%zmm5\n\t"                                            \
	FINISH_TAIL_##rows(FINISH_AS_GELU)                                                  \
	"mov %[x0], %[out]\n\t"                                                             \
	FINISH_LOAD("6", "7", "0") FINISH_AS_GELU("6", "7", "0")                            \
	FINISH_LOAD("8", "9", "1") FINISH_AS_GELU("8", "9", "1")                            \
	FINISH_LOAD("10", "11", "2") FINISH_AS_GELU("10", "11", "2")

/* Define name_ROWS(), a tile of two registers a row with an end. */
#define FINISH_TILE(name, end, rows)                                                    \
	static void                                                                         \
	name##_##rows(const Tile *t, const FinishPanel *panel)                              \
	{                                                                                   \
		size_t k = t->k;                                                                \
		const char *x0 = t->x, *x1 = x0 + 20 * t->ldx, *x2 = x1 + 20 * t->ldx, *w = t->w; \
		char *out = t->out;                                                             \
		uintptr_t ahead = t->ahead;                                                     \
                                                                                        \
		__asm__ volatile(                                                               \
			ROWS_##rows(LOAD_2, "0")                                                    \
			"sub $4, %[k]\n\t"                                                          \
			"jb 2f\n\t"                                                                 \
			".p2align 4\n"                                                              \
			"1:\n\t"                                                                    \
			STEP(rows, 2, "0") STEP(rows, 2, "4")                                       \
			STEP(rows, 2, "8") STEP(rows, 2, "12")                                      \
			ADVANCE("16")                                                               \
			"sub $4, %[k]\n\t"                                                          \
			"jae 1b\n"                                                                  \
			"2:\n\t"                                                                    \
			"add $4, %[k]\n\t"                                                          \
			"jz 4f\n"                                                                   \
			"3:\n\t"                                                                    \
			STEP(rows, 2, "0")                                                          \
			ADVANCE("4")                                                                \
			"sub $1, %[k]\n\t"                                                          \
			"jnz 3b\n"                                                                  \
			"4:\n\t"                                                                    \
			FINISH_COLUMNS("0") FINISH_ROWS(rows, FINISH_LEFT)                          \
			end(rows)                                                                   \
			: [k] "+r"(k), [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [w] "+r"(w),    \
			  [out] "+r"(out), [ahead] "+r"(ahead)                                      \
			: [ld] "r"(t->ldx * 4), [ld3] "r"(t->ldx * 12), [panel] "r"(panel),         \
			  [wstep] "rm"(t->wstep * 4), [outstep] "rm"(t->outstep),                   \
			  [aheadstep] "rm"(t->aheadstep)                 \
			: "memory", "cc", CLOBBERS);                                                \
	}
/* clang-format on */

#define FINISH_TILES(rows)                               \
	FINISH_TILE(finish_half, FINISH_HALVES, rows)        \
	FINISH_TILE(finish_residual, FINISH_RESIDUALS, rows) \
	FINISH_TILE(finish_gelu, FINISH_GELUS, rows)
FINISH_TILES(8)
FINISH_TILES(9)
FINISH_TILES(10)
FINISH_TILES(11)
FINISH_TILES(12)
FINISH_TILES(13)
FINISH_TILES(14)

typedef void (*FinishTile)(const Tile *, const FinishPanel *);

#define FINISH_ALL(name)                                                          \
	{                                                                             \
		name##_8, name##_9, name##_10, name##_11, name##_12, name##_13, name##_14 \
	}
static const FinishTile finish_tiles[][MR - FINISH_LEAST + 1] = {
	FINISH_ALL(finish_half), FINISH_ALL(finish_residual), FINISH_ALL(finish_gelu)};

/* Return the end of a linear's whole panels. */
static inline FinishEnd
finish_end(LepAct act, bool residual, bool half)
{
	if (half)
		return FINISH_HALF;
	if (residual)
		return act == LEP_ACT_NONE ? FINISH_RESIDUAL : FINISH_APART;
	return act == LEP_ACT_GELU ? FINISH_GELU : FINISH_APART;
}

/* Take what does not change. */
static inline void
finish_begin(FinishPanel *p)
{
	p->beyond = GELU_BEYOND;
	p->unit = GELU_PIECES_A_UNIT;
	p->magic = 12582912.0f;
	memcpy(p->pieces, gelu_pieces, sizeof(gelu_pieces));
}

/* Take the columns of a panel: scale * sum of codes + offset * sum + bias, less taken * zero where there are zeros. */
static inline void
finish_columns(FinishPanel *p, const float *scale, const float *sum, const int32_t *zero,
			   const float *bias)
{
	for (size_t i = 0; i < NV * W; i += W)
	{
		VF by = v_load(scale + i);

		v_store(p->scale + i, by);
		v_store(p->sum + i, v_load(sum + i));
		v_store(p->bias + i, v_load(bias + i));
		v_store(p->zero + i, zero ? v_mul(v_from_sums(zero + i), by) : v_set(0.0f));
	}
}

/* Take the rows of a tile; sum is NULL where weights have no zeros. */
static inline void
finish_rows(FinishPanel *p, size_t rows, const float *scale, const float *offset,
			const int32_t *sum)
{
	VF by = v_load_n(scale, rows), sums = v_set(0.0f);

	if (sum)
		sums = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(lanes(rows), sum));
	v_store(p->factor, by);
	v_store(p->shift, v_load_n(offset, rows));
	v_store(p->taken, v_mul(v_sub(v_set(0.0f), by), sums));
}

/* Compute a tile of FINISH_LEAST rows or more and two registers; t->outstep is in bytes. */
static inline void
finish_tile(FinishEnd end, size_t rows, const Tile *t, const FinishPanel *p)
{
	/* what else a tile touches lies a row apart, where the processor sees no stream */
	if (end == FINISH_RESIDUAL)
		for (size_t r = 0; r < rows; r++)
		{
			__builtin_prefetch(p->residual + r * p->residual_step);
			__builtin_prefetch(p->residual + r * p->residual_step + 4 * W);
		}
	if (end == FINISH_HALF)
		for (size_t r = 0; r < rows; r++)
			__builtin_prefetch((const char *) t->out + r * t->outstep, 1);
	finish_tiles[end - FINISH_HALF][rows - FINISH_LEAST](t, p);
}

#endif
