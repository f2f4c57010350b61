/*
 * amx.h: products on the tiles of AMX: registers of 16 rows by 64 bytes.  Owns their configuration and
 * blocks of up to 32 x 32 or 16 x 64 sums; refuses to know what rows and weights mean.
 *
 * Packed weights are the panels of simd_narrow.inc: 16 rows of 4-byte k, 64 bytes of each, are
 * a tile as it stands.  A block has four tiles of sums, for one multiplication takes 16 cycles and its
 * sum 52: fewer would wait for themselves.
 *
 * The including file defines AMX_MULTIPLY, the instruction.  The compiler does not know tiles, so
 * no code here keeps them across calls.
 */
#ifndef LEPTON_X86_AMX_H
#define LEPTON_X86_AMX_H

#include "avx512_narrow.h"

#define AMX_ROWS 16 /* of a tile */

/* clang-format off */
#define AMX_LOAD(t, at, stride) \
	__asm__ volatile("tileloadd (%0,%1), %%tmm" #t : : "r"(at), "r"(stride) : "memory")
#define AMX_STORE(t, at, stride) \
	__asm__ volatile("tilestored %%tmm" #t ", (%0,%1)" : : "r"(at), "r"(stride) : "memory")
#define AMX_ADD(c, a, b) \
	__asm__ volatile(AMX_MULTIPLY " %%tmm" #b ", %%tmm" #a ", %%tmm" #c : : : "memory")
#define AMX_ZERO(t) __asm__ volatile("tilezero %%tmm" #t : : : "memory")
/* every row of a tile that is loaded with a stride of 0 is the same */
#define AMX_BEGIN(t, init, at) \
	do                         \
	{                          \
		if (init)              \
			AMX_LOAD(t, (init) + (at), (size_t) 0); \
		else                   \
			AMX_ZERO(t);       \
	} while (0)
/* clang-format on */

/* What ldtilecfg reads. */
typedef struct AmxConfig
{
	uint8_t palette, start_row, unused[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
} AmxConfig;

/* A block of products of one tile's height or two; panels of 4-byte k, as in tile.h. */
typedef struct AmxBlock
{
	size_t steps;	   /* of 64 bytes of a row */
	const char *x;	   /* rows */
	size_t ldx;		   /* bytes between rows */
	const char *w[2];  /* panels; a flat block has up to two */
	size_t vecs[2];	   /* their width in registers; 0: no panel */
	const float *init; /* where sums begin, NR floats further for the second panel; NULL: zero */
	void *out[2];	   /* sums of a panel, 4 bytes each */
	size_t outstep;	   /* bytes between rows of sums */
} AmxBlock;

/* Prepare tiles for blocks of so many rows, at most 32: more than 16 are tall blocks, others flat. */
static inline void
amx_configure(size_t rows)
{
	AmxConfig c = {.palette = 1};
	size_t upper = rows < AMX_ROWS ? rows : AMX_ROWS;

	for (int t = 0; t < 8; t++)
	{
		c.row_bytes[t] = 64;
		c.rows[t] = (uint8_t) (t < 5 ? upper : AMX_ROWS);
	}
	if (rows > AMX_ROWS)
		c.rows[2] = c.rows[3] = c.rows[5] = (uint8_t) (rows - AMX_ROWS);
	__asm__ volatile("ldtilecfg %0" : : "m"(c) : "memory");
}

/* Leave no tiles behind, which the system would have to save at every switch of processes. */
static inline void
amx_release(void)
{
	__asm__ volatile("tilerelease" : : : "memory");
}

/* Compute more than 16 rows by one panel of vecs registers, a constant. */
static inline __attribute__((always_inline)) void
amx_tall_as(const AmxBlock *b, size_t vecs)
{
	const char *x = b->x, *below = x + AMX_ROWS * b->ldx, *w = b->w[0];
	size_t ldx = b->ldx, width = vecs * 64, outstep = b->outstep;
	char *out = b->out[0], *out_below = out + AMX_ROWS * outstep;

	AMX_BEGIN(0, b->init, 0);
	AMX_BEGIN(2, b->init, 0);
	if (vecs == 2)
	{
		AMX_BEGIN(1, b->init, W);
		AMX_BEGIN(3, b->init, W);
	}
	for (size_t k = 0; k < b->steps; k++)
	{
		AMX_LOAD(6, w, width);
		AMX_LOAD(4, x, ldx);
		AMX_ADD(0, 4, 6);
		AMX_LOAD(5, below, ldx);
		AMX_ADD(2, 5, 6);
		if (vecs == 2)
		{
			AMX_LOAD(7, w + 64, width);
			AMX_ADD(1, 4, 7);
			AMX_ADD(3, 5, 7);
		}
		x += 64;
		below += 64;
		w += AMX_ROWS * width;
	}
	AMX_STORE(0, out, outstep);
	AMX_STORE(2, out_below, outstep);
	if (vecs == 2)
	{
		AMX_STORE(1, out + 64, outstep);
		AMX_STORE(3, out_below + 64, outstep);
	}
}

/* Compute at most 16 rows by one or two panels of vecs and more registers, both constants. */
static inline __attribute__((always_inline)) void
amx_flat_as(const AmxBlock *b, size_t vecs, size_t more)
{
	const char *x = b->x, *w = b->w[0], *v = b->w[1];
	size_t ldx = b->ldx, width = vecs * 64, other = more * 64, outstep = b->outstep;
	char *out = b->out[0], *second = b->out[1];

	AMX_BEGIN(0, b->init, 0);
	if (vecs == 2)
		AMX_BEGIN(1, b->init, W);
	if (more)
		AMX_BEGIN(2, b->init, NR);
	if (more == 2)
		AMX_BEGIN(3, b->init, NR + W);
	for (size_t k = 0; k < b->steps; k++)
	{
		AMX_LOAD(4, x, ldx);
		AMX_LOAD(5, w, width);
		AMX_ADD(0, 4, 5);
		if (vecs == 2)
		{
			AMX_LOAD(6, w + 64, width);
			AMX_ADD(1, 4, 6);
		}
		if (more)
		{
			AMX_LOAD(7, v, other);
			AMX_ADD(2, 4, 7);
			v += AMX_ROWS * other;
		}
		if (more == 2)
		{
			AMX_LOAD(5, v + 64 - AMX_ROWS * other, other);
			AMX_ADD(3, 4, 5);
		}
		x += 64;
		w += AMX_ROWS * width;
	}
	AMX_STORE(0, out, outstep);
	if (vecs == 2)
		AMX_STORE(1, out + 64, outstep);
	if (more)
		AMX_STORE(2, second, outstep);
	if (more == 2)
		AMX_STORE(3, second + 64, outstep);
}

/* Compute a block of more than 16 rows. */
static void
amx_tall(const AmxBlock *b)
{
	if (b->vecs[0] == 2)
		amx_tall_as(b, 2);
	else
		amx_tall_as(b, 1);
}

/* Compute a block of at most 16 rows. */
static void
amx_flat(const AmxBlock *b)
{
	if (b->vecs[1] == 2)
		amx_flat_as(b, 2, 2);
	else if (b->vecs[1] == 1)
		amx_flat_as(b, 2, 1);
	else if (b->vecs[0] == 2)
		amx_flat_as(b, 2, 0);
	else
		amx_flat_as(b, 1, 0);
}

#endif
