/*
 * tile.h: the arguments of a tile, the one inner loop under every product.
 *
 * A tile computes out[rows, vecs * W] = init + x[rows, k] * w[k, vecs * W], W
 * being the floats of a register: one chain of multiply-adds per output in the
 * order of k, so that its bits do not depend on rows.
 */
#ifndef LEPTON_KERNEL_TILE_H
#define LEPTON_KERNEL_TILE_H

#include <stddef.h>
#include <stdint.h>

typedef struct Tile
{
	size_t k;
	const float *x; /* [rows, k], rows ldx floats apart */
	size_t ldx;
	const float *w; /* [k, vecs * W], rows wstep floats apart */
	size_t wstep;
	const float *init; /* [vecs * W], the same for every row */
	float *out;		   /* [rows, vecs * W], rows outstep floats apart */
	size_t outstep;
	uintptr_t ahead;  /* address to prefetch; may lie outside of every array */
	size_t aheadstep; /* its bytes per k */
} Tile;

#endif
