/*
 * tile.h: the arguments of a tile, the one inner loop under every product.
 *
 * A tile computes out[rows, vecs * W] = init + x[rows, k] * w[k, vecs * W], W
 * being the floats of a register: one chain of multiply-adds per output in the
 * order of k, so that its bits do not depend on rows.
 *
 * One k is 4 bytes of a row: a float, or, in narrow products (simd_narrow.inc), two numbers of 16 bits
 * or four of 8; w holds as many for each column, and sums may be int32, which begin at zero.
 */
#ifndef LEPTON_KERNEL_TILE_H
#define LEPTON_KERNEL_TILE_H

#include <stddef.h>
#include <stdint.h>

typedef struct Tile
{
	size_t k;
	const void *x; /* [rows, k], rows ldx times 4 bytes apart */
	size_t ldx;
	const void *w; /* [k, vecs * W], rows wstep times 4 bytes apart */
	size_t wstep;
	const float *init; /* [vecs * W], the same for every row */
	void *out;		   /* [rows, vecs * W], rows outstep times 4 bytes apart */
	size_t outstep;
	uintptr_t ahead;  /* address to prefetch; may lie outside of every array */
	size_t aheadstep; /* its bytes per k */
} Tile;

#endif
