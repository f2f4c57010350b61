/*
 * avx512_tile.h: the tiles of 14 rows by 2 registers in all their heights and widths, for f32 or
 * for what the including file has defined (see tile.h).  Owns tile(); refuses to know packing.
 *
 * 28 accumulators, 2 weights, 1 broadcast, and 1 to spare.
 */
#ifndef LEPTON_X86_AVX512_TILE_H
#define LEPTON_X86_AVX512_TILE_H

#define REG		"zmm"
#define BYTES	"64"
#define B0		"28"
#define B1		"29"
#define A0		"30"
#define FETCH_1 "prefetcht0 (%[ahead])\n\t"
#define FETCH_2 FETCH_1 "prefetcht0 64(%[ahead])\n\t"
#define CLOBBERS                                                                                  \
	"zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",      \
		"zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", \
		"zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30", \
		"zmm31"
#include "tile.h"

#define TILES(h) TILE(h, 1) TILE(h, 2)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
TILES(13)
TILES(14)

static void (*const tiles[NV][MR])(const Tile *) = {
	{tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1, tile_7_1, tile_8_1, tile_9_1,
	 tile_10_1, tile_11_1, tile_12_1, tile_13_1, tile_14_1},
	{tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2, tile_7_2, tile_8_2, tile_9_2,
	 tile_10_2, tile_11_2, tile_12_2, tile_13_2, tile_14_2},
};

/* Compute a tile of rows <= MR and vecs <= NV, see kernels/tile.h. */
static inline void
tile(size_t rows, size_t vecs, const Tile *t)
{
	tiles[vecs - 1][rows - 1](t);
}

#endif
