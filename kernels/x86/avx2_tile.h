/*
 * avx2_tile.h: the tiles of 6 rows by 2 registers in all their heights and widths, for f32 or
 * for what the including file has defined (see tile.h).  Owns tile(); refuses to know packing.
 *
 * 12 accumulators, 2 weights, 1 broadcast, and 1 to spare.
 */
#ifndef LEPTON_X86_AVX2_TILE_H
#define LEPTON_X86_AVX2_TILE_H

#define REG		"ymm"
#define BYTES	"32"
#define B0		"12"
#define B1		"13"
#define A0		"14"
#define FETCH_1 "prefetcht0 (%[ahead])\n\t"
#define FETCH_2 FETCH_1
#define CLOBBERS                                                                             \
	"ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9", "ymm10", \
		"ymm11", "ymm12", "ymm13", "ymm14", "ymm15"
#include "tile.h"

#define TILES(h) TILE(h, 1) TILE(h, 2)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)

static void (*const tiles[NV][MR])(const Tile *) = {
	{tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1},
	{tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2},
};

/* Compute a tile of rows <= MR and vecs <= NV, see kernels/tile.h. */
static inline void
tile(size_t rows, size_t vecs, const Tile *t)
{
	tiles[vecs - 1][rows - 1](t);
}

#endif
