/*
 * hopper.cu: products for compute capability 9.0: wgmma fed by the tensor memory accelerator, with bias, GELU, residual and
 * the norm of whole rows done in registers; refuses other activations, widths and strides that are no multiples of 8.
 *
 * Blocks stay and take one tile after another. A tile has 128 rows by 384 (or 256) columns. A thread of the first warpgroup
 * brings pieces of 64 columns of x and w to shared memory, a ring of stages; the two others multiply, 64 rows each. Two
 * neighbouring blocks work on the same columns: each brings half of w's piece to both. Where rows of 768 are normed
 * the two work on the same rows instead, each brings half of x's piece to both, and they tell each other what
 * they know of a row's mean and variance.
 *
 * Each warp ends its 16 rows alone, in boxes of 64 columns that pass through two places of its own, so that all of global
 * memory is read and written in whole lines; the next tile's pieces are under way meanwhile.
 */
#include <cuda.h>
#include <string.h>

#include "products.h"
#include "wgmma.cuh"

#define ROWS	  128 /* of a tile */
#define DEPTH	  64  /* columns of a piece: 128 bytes */
#define GROUP	  128 /* threads of a warpgroup */
#define THREADS	  (3 * GROUP)
#define CLUSTER	  2	  /* blocks that share w */
#define MOST	  384 /* columns of the widest tile */
#define BOX		  64  /* columns that a warp ends together: 128 bytes */
#define BOX_ROWS  16
#define BOX_BYTES (BOX_ROWS * BOX * 2)
#define N_WARPS	  8 /* that multiply */

/* Shared memory. */
#define RING	 ((size_t) 192 * 1024)
#define BOXES_AT RING /* [N_WARPS][2][BOX_BYTES] */
#define BIAS_AT	 (BOXES_AT + N_WARPS * 2 * BOX_BYTES)
#define BETA_AT \
	(BIAS_AT +  \
	 2 * MOST * 2) /* the second bias makes room for gamma where there is but one tile across */
#define GATES_AT (BETA_AT + MOST * 2)
#define SHARED	 (GATES_AT + 384)

typedef enum Ending
{
	END_PLAIN,
	END_GELU,
	END_NORM,
	END_PAIR /* norm of rows that two blocks share */
} Ending;

/* Arguments of the kernel; maps are of x [n_rows, d_in], w [d_out, d_in], residual and out [n_rows, d_out]. */
struct Product
{
	CUtensorMap x, w, residual, out;
	const void *half_bias;
	bool has_residual, gelu, rms;
	int n_rows, d_out, d_in;
	const float *gamma, *beta;
	float eps;
};

/* Geometry of a tile of N_PARTS times N columns. */
template <int N_PARTS, int N> struct Tile
{
	static constexpr int COLUMNS = N_PARTS * N;
	static constexpr int X_BYTES = ROWS * DEPTH * 2, W_BYTES = COLUMNS * DEPTH * 2;
	static constexpr int STAGE_BYTES = X_BYTES + W_BYTES;
	static constexpr int STAGES = (int) (RING / STAGE_BYTES);
	static constexpr int BOXES = COLUMNS / BOX;
};

/* Barriers. */
struct Gates
{
	uint64_t full[4], empty[4];					 /* of the ring's stages */
	uint64_t residual[N_WARPS][2];				 /* of a warp's places */
	uint64_t told[N_WARPS], understood[N_WARPS]; /* by the same warp of the other block */
};

static_assert(sizeof(Gates) <= 384, "there is room for the barriers");

/* A place in the ring, and how often it has been around. */
struct Place
{
	int stage;
	uint32_t parity;

	__device__ void step(int stages)
	{
		if (++stage == stages)
		{
			stage = 0;
			parity ^= 1;
		}
	}
};

static __device__ __forceinline__ uint32_t
shared_address(const void *at)
{
	return (uint32_t) __cvta_generic_to_shared(at);
}

/* Prepare a barrier for a number of arrivals. */
static __device__ __forceinline__ void
barrier_init(uint64_t *barrier, uint32_t arrivals)
{
	asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
				 "r"(arrivals));
}

/* Wait until a barrier's phase of this parity is over. */
static __device__ __forceinline__ void
barrier_wait(uint64_t *barrier, uint32_t parity)
{
	asm volatile("{\n"
				 ".reg .pred done;\n"
				 "again:\n"
				 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
				 "@done bra over;\n"
				 "bra again;\n"
				 "over:\n"
				 "}" ::"r"(shared_address(barrier)),
				 "r"(parity)
				 : "memory");
}

/* Arrive at a barrier that bytes are still to come to. */
static __device__ __forceinline__ void
barrier_expect(uint64_t *barrier, uint32_t bytes)
{
	asm volatile(
		"mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
		"r"(bytes)
		: "memory");
}

/* Arrive at the same barrier of a block of the cluster. */
static __device__ __forceinline__ void
barrier_arrive_at(uint64_t *barrier, uint32_t block)
{
	asm volatile("{\n"
				 ".reg .b32 there;\n"
				 "mapa.shared::cluster.u32 there, %0, %1;\n"
				 "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n"
				 "}" ::"r"(shared_address(barrier)),
				 "r"(block)
				 : "memory");
}

/* Bring a box whose first number is at (col, row). */
static __device__ __forceinline__ void
bring(void *to, const CUtensorMap *map, uint64_t *barrier, int col, int row)
{
	asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
				 "[%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)),
				 "l"(map), "r"(shared_address(barrier)), "r"(col), "r"(row)
				 : "memory");
}

/* Bring it to all blocks of the cluster. */
static __device__ __forceinline__ void
bring_to_all(void *to, const CUtensorMap *map, uint64_t *barrier, int col, int row)
{
	asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
				 ".multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(shared_address(to)),
				 "l"(map), "r"(shared_address(barrier)), "r"(col), "r"(row),
				 "h"((uint16_t) ((1 << CLUSTER) - 1))
				 : "memory");
}

/* Begin to write a box. */
static __device__ __forceinline__ void
take_away(const CUtensorMap *map, const void *from, int col, int row)
{
	asm volatile(
		"cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
		"r"(shared_address(from)), "r"(col), "r"(row)
		: "memory");
}

/* Wait for all blocks of the cluster. */
static __device__ __forceinline__ void
cluster_sync(void)
{
	asm volatile("barrier.cluster.arrive.release.aligned;\n"
				 "barrier.cluster.wait.acquire.aligned;" ::
					 : "memory");
}

static __device__ __forceinline__ uint32_t
cluster_rank(void)
{
	uint32_t rank;

	asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
	return rank;
}

/* Describe rows of 128 swizzled bytes to the matrix instruction. */
static __device__ __forceinline__ uint64_t
descriptor(const void *at)
{
	return ((uint64_t) (shared_address(at) & 0x3ffff) >> 4) | (uint64_t) 1 << 16 |
		   (uint64_t) (1024 >> 4) << 32 | (uint64_t) 1 << 62;
}

/* Return GELU(x): 0.5 x (1 + tanh(u)), u fitted to the erf form; error below 2.6e-5, and that of the tanh instruction. */
static __device__ __forceinline__ float
quick_gelu(float x)
{
	float square = fminf(x * x, 49.0f), half = 0.5f * x, t;
	float u = fmaf(fmaf(-3.5153562e-4f, square, 3.7005823e-2f), square, 0.7975074f) * x;

	asm("tanh.approx.f32 %0, %1;" : "=f"(t) : "f"(u));
	return fmaf(half, t, half);
}

/* The tiles of a block: number tile is at this row and column. */
template <int COLUMNS, Ending END> struct Tiles
{
	int across, n;

	__device__ Tiles(const Product &a)
	{
		across = END == END_PAIR ? 1 : (a.d_out + COLUMNS - 1) / COLUMNS;
		n = END == END_PAIR ? (a.n_rows + ROWS - 1) / ROWS
							: (a.n_rows + CLUSTER * ROWS - 1) / (CLUSTER * ROWS) * across;
	}

	__device__ int row(int tile, uint32_t rank) const
	{
		return END == END_PAIR ? tile * ROWS : (tile / across * CLUSTER + (int) rank) * ROWS;
	}

	__device__ int col(int tile, uint32_t rank) const
	{
		return END == END_PAIR ? (int) rank * COLUMNS : tile % across * COLUMNS;
	}
};

/* Bring all pieces of all tiles of the block: one thread. */
template <int N_PARTS, int N, Ending END>
static __device__ __forceinline__ void
produce(const Product &a, unsigned char *ring, Gates *gates, uint32_t rank)
{
	typedef Tile<N_PARTS, N> Geometry;
	constexpr int HALF = Geometry::COLUMNS / CLUSTER; /* columns of a box of w */
	Tiles<Geometry::COLUMNS, END> tiles(a);
	int n_pieces = (a.d_in + DEPTH - 1) / DEPTH;
	Place place = {0, 0};

	for (int tile = blockIdx.x / CLUSTER; tile < tiles.n; tile += gridDim.x / CLUSTER)
	{
		int row = tiles.row(tile, rank), col = tiles.col(tile, rank);

		for (int piece = 0; piece < n_pieces; piece++, place.step(Geometry::STAGES))
		{
			unsigned char *x = ring + place.stage * Geometry::STAGE_BYTES;
			unsigned char *w = x + Geometry::X_BYTES;
			uint64_t *full = &gates->full[place.stage];

			barrier_wait(&gates->empty[place.stage], place.parity ^ 1);
			barrier_expect(full, Geometry::STAGE_BYTES);
			if (END == END_PAIR)
			{
				bring_to_all(x + rank * (Geometry::X_BYTES / CLUSTER), &a.x, full, piece * DEPTH,
							 row + (int) rank * (ROWS / CLUSTER));
				bring(w, &a.w, full, piece * DEPTH, col);
				bring(w + HALF * DEPTH * 2, &a.w, full, piece * DEPTH, col + HALF);
			}
			else
			{
				bring(x, &a.x, full, piece * DEPTH, row);
				bring_to_all(w + rank * (HALF * DEPTH * 2), &a.w, full, piece * DEPTH,
							 col + (int) rank * HALF);
			}
		}
	}
}

/* Tell all blocks of the cluster that a warp needs a stage no longer. */
static __device__ __forceinline__ void
release(uint64_t *empty)
{
	int lane = threadIdx.x % WARP;

	if (lane < CLUSTER)
		barrier_arrive_at(empty, lane);
}

/* v[0 .. 1] of two rows are what becomes of sums: bias, GELU. */
template <typename T, Ending END>
static __device__ __forceinline__ void
end_sums(const T *bias, float *v)
{
	float2 more = widen2<T>(*(const uint32_t *) bias);

	v[0] += more.x;
	v[1] += more.y;
	v[2] += more.x;
	v[3] += more.y;
	if (END == END_GELU)
	{
#pragma unroll
		for (int i = 0; i < 4; i++)
			v[i] = quick_gelu(v[i]);
	}
}

/* Return the sum of v over the four lanes that share rows. */
static __device__ __forceinline__ float
row_sum(float v)
{
	v += __shfl_xor_sync(ALL_LANES, v, 1);
	return v + __shfl_xor_sync(ALL_LANES, v, 2);
}

/* What a warp knows of its 16 rows, for the other block: mean and sum of squares around it. */
typedef float2 Knowledge[BOX_ROWS];

/* Take in what the other block's warp knows of the same rows; mean and squares are of the thread's two rows. */
template <int COLUMNS>
static __device__ __forceinline__ void
share(Gates *gates, int warp, uint32_t rank, uint32_t parity, Knowledge *own, float *mean,
	  float *squares)
{
	int lane = threadIdx.x % WARP, row = lane / 4;
	uint32_t there;
	float other_mean[2], other_squares[2];

	if (lane % 4 == 0)
	{
		(*own)[row] = make_float2(mean[0], squares[0]);
		(*own)[row + 8] = make_float2(mean[1], squares[1]);
	}
	__syncwarp();
	if (lane == 0)
	{
		asm volatile("fence.acq_rel.cluster;" ::: "memory");
		barrier_arrive_at(&gates->told[warp], rank ^ 1);
	}
	barrier_wait(&gates->told[warp], parity);
	asm volatile("fence.acq_rel.cluster;" ::: "memory");
	asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
				 : "=r"(there)
				 : "r"(shared_address(&(*own)[row])), "r"(rank ^ 1));
	asm volatile("ld.shared::cluster.v2.f32 {%0, %1}, [%2];"
				 : "=f"(other_mean[0]), "=f"(other_squares[0])
				 : "r"(there)
				 : "memory");
	asm volatile("ld.shared::cluster.v2.f32 {%0, %1}, [%2];"
				 : "=f"(other_mean[1]), "=f"(other_squares[1])
				 : "r"(there + 8 * (uint32_t) sizeof(float2))
				 : "memory");
#pragma unroll
	for (int r = 0; r < 2; r++)
	{
		float apart = other_mean[r] - mean[r];

		/* Chan, Golub and LeVeque 1983, for two samples of one size; the same bits on both sides */
		mean[r] = 0.5f * (mean[r] + other_mean[r]);
		squares[r] = squares[r] + other_squares[r] + apart * apart * (COLUMNS / 2.0f);
	}
	__syncwarp();
	if (lane == 0)
		barrier_arrive_at(&gates->understood[warp], rank ^ 1);
	barrier_wait(&gates->understood[warp], parity);
}

/* Make v[COLUMNS / 8] of a warp's 16 rows their norm; a thread has pairs of two rows. */
template <typename T, int COLUMNS, Ending END>
static __device__ __forceinline__ void
norm_sums(const Product &a, Gates *gates, int warp, uint32_t rank, uint32_t parity, Knowledge *own,
		  const T *gammas, const T *betas, float (*v)[4])
{
	float mean[2] = {0.0f, 0.0f}, squares[2] = {0.0f, 0.0f}, factor[2];

	if (!a.rms)
	{
#pragma unroll
		for (int j = 0; j < COLUMNS / 8; j++)
		{
			mean[0] += v[j][0] + v[j][1];
			mean[1] += v[j][2] + v[j][3];
		}
		mean[0] = row_sum(mean[0]) * (1.0f / COLUMNS);
		mean[1] = row_sum(mean[1]) * (1.0f / COLUMNS);
	}
#pragma unroll
	for (int j = 0; j < COLUMNS / 8; j++)
	{
#pragma unroll
		for (int i = 0; i < 4; i++)
			squares[i / 2] = fmaf(v[j][i] - mean[i / 2], v[j][i] - mean[i / 2], squares[i / 2]);
	}
	squares[0] = row_sum(squares[0]);
	squares[1] = row_sum(squares[1]);
	if (END == END_PAIR)
		share<COLUMNS>(gates, warp, rank, parity, own, mean, squares);
#pragma unroll
	for (int r = 0; r < 2; r++)
	{
		factor[r] = rsqrtf(squares[r] * (1.0f / (COLUMNS * (END == END_PAIR ? 2 : 1))) + a.eps);
		mean[r] = -mean[r] * factor[r];
	}
#pragma unroll
	for (int j = 0; j < COLUMNS / 8; j++)
	{
		float2 gamma = widen2<T>(*(const uint32_t *) (gammas + j * 8));
		float2 beta = widen2<T>(*(const uint32_t *) (betas + j * 8));

		v[j][0] = fmaf(fmaf(v[j][0], factor[0], mean[0]), gamma.x, beta.x);
		v[j][1] = fmaf(fmaf(v[j][1], factor[0], mean[0]), gamma.y, beta.y);
		v[j][2] = fmaf(fmaf(v[j][2], factor[1], mean[1]), gamma.x, beta.x);
		v[j][3] = fmaf(fmaf(v[j][3], factor[1], mean[1]), gamma.y, beta.y);
	}
}

/* The warp's two places that boxes pass through. */
struct Boxes
{
	unsigned char *at;
	uint64_t *gates; /* of what is brought to them */
	uint32_t parity[2];
	int row; /* of the array, where the warp's rows begin */

	/* Begin to bring a box of the residual, when the place is free. */
	__device__ __forceinline__ void fetch(const Product &a, int box, int col)
	{
		uint64_t *gate = &gates[box % 2];

		barrier_expect(gate, BOX_BYTES);
		bring(at + box % 2 * BOX_BYTES, &a.residual, gate, col + box * BOX, row);
	}

	/* Where the thread's pairs of columns j * 8 .. j * 8 + 7 of a box stand; its second row is 8 rows on. */
	__device__ __forceinline__ unsigned char *pair(int box, int j) const
	{
		int lane = threadIdx.x % WARP;

		return at + box % 2 * BOX_BYTES + lane / 4 * (BOX * 2) + ((j ^ lane / 4) << 4) +
			   lane % 4 * 4;
	}

	/* v[8] += a box of the residual. */
	template <typename T> __device__ __forceinline__ void add(int box, float (*v)[4])
	{
		barrier_wait(&gates[box % 2], parity[box % 2]);
		parity[box % 2] ^= 1;
#pragma unroll
		for (int j = 0; j < 8; j++)
		{
			const unsigned char *from = pair(box, j);
			float2 low = widen2<T>(*(const uint32_t *) from);
			float2 high = widen2<T>(*(const uint32_t *) (from + 8 * BOX * 2));

			v[j][0] += low.x;
			v[j][1] += low.y;
			v[j][2] += high.x;
			v[j][3] += high.y;
		}
	}

	/* Begin to write v[8] as a box of out. */
	template <typename T>
	__device__ __forceinline__ void put(const Product &a, int box, int col, float (*v)[4])
	{
#pragma unroll
		for (int j = 0; j < 8; j++)
		{
			unsigned char *to = pair(box, j);

			*(uint32_t *) to = narrow2<T>(v[j][0], v[j][1]);
			*(uint32_t *) (to + 8 * BOX * 2) = narrow2<T>(v[j][2], v[j][3]);
		}
		asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
		__syncwarp();
		if (threadIdx.x % WARP == 0)
		{
			take_away(&a.out, at + box % 2 * BOX_BYTES, col + box * BOX, row);
			asm volatile("cp.async.bulk.commit_group;" ::: "memory");
		}
	}
};

/* Wait until all but LEFT of the boxes that the thread sent away have left their places. */
template <int LEFT>
static __device__ __forceinline__ void
wait_boxes(void)
{
	asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(LEFT) : "memory");
}

/* End a tile whose norm is not asked for, box by box. */
template <typename T, int N_BOXES, Ending END>
static __device__ __forceinline__ void
end_tile(const Product &a, Boxes *boxes, const T *bias, int col, float (*sums)[4])
{
	bool first = threadIdx.x % WARP == 0;

#pragma unroll
	for (int box = 0; box < N_BOXES; box++)
	{
		float(*v)[4] = sums + box * 8;

#pragma unroll
		for (int j = 0; j < 8; j++)
			end_sums<T, END>(bias + box * BOX + j * 8, v[j]);
		if (a.has_residual)
			boxes->add<T>(box, v);
		else
		{
			/* The box before the last must have left this place. */
			if (first)
				wait_boxes<1>();
			__syncwarp();
		}
		boxes->put<T>(a, box, col, v);
		if (a.has_residual && box + 2 < N_BOXES && first)
		{
			wait_boxes<0>();
			boxes->fetch(a, box + 2, col);
		}
	}
}

/* End a tile of whole rows, or of halves of rows, with their norm. */
template <typename T, int N_BOXES, Ending END>
static __device__ __forceinline__ void
end_normed(const Product &a, Gates *gates, Boxes *boxes, int warp, uint32_t rank, uint32_t parity,
		   const T *bias, const T *gammas, const T *betas, int col, float (*sums)[4])
{
	bool first = threadIdx.x % WARP == 0;

#pragma unroll
	for (int box = 0; box < N_BOXES; box++)
	{
#pragma unroll
		for (int j = 0; j < 8; j++)
			end_sums<T, END>(bias + box * BOX + j * 8, sums[box * 8 + j]);
		if (a.has_residual)
		{
			boxes->add<T>(box, sums + box * 8);
			asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
			__syncwarp();
			if (box + 2 < N_BOXES && first)
				boxes->fetch(a, box + 2, col);
		}
	}
	if (first)
		wait_boxes<0>();
	__syncwarp();
	norm_sums<T, N_BOXES * BOX, END>(a, gates, warp, rank, parity, (Knowledge *) boxes->at, gammas,
									 betas, sums);
#pragma unroll
	for (int box = 0; box < N_BOXES; box++)
	{
		if (first)
			wait_boxes<1>();
		__syncwarp();
		boxes->put<T>(a, box, col, sums + box * 8);
	}
}

/* Multiply and end all tiles of the block: eight warps, of which this is one. */
template <typename T, int N_PARTS, int N, Ending END>
static __device__ __forceinline__ void
consume(const Product &a, unsigned char *shared, Gates *gates, uint32_t rank)
{
	typedef Tile<N_PARTS, N> Geometry;
	constexpr bool NORM = END == END_NORM || END == END_PAIR;
	constexpr int BOXES = Geometry::BOXES;
	Tiles<Geometry::COLUMNS, END> tiles(a);
	int n_pieces = (a.d_in + DEPTH - 1) / DEPTH;
	int warp = (int) threadIdx.x / WARP - GROUP / WARP, lane = threadIdx.x % WARP;
	T *gammas = (T *) (shared + BIAS_AT) + MOST, *betas = (T *) (shared + BETA_AT);
	Boxes boxes = {shared + BOXES_AT + warp * 2 * BOX_BYTES, gates->residual[warp], {0, 0}, 0};
	Place place = {0, 0};
	uint32_t turn = 0;

	for (int i = threadIdx.x - GROUP; i < (NORM ? Geometry::COLUMNS : 0); i += 2 * GROUP)
	{
		int col = tiles.col(0, rank) + i;

		gammas[i] = narrow<T>(a.gamma[col]);
		betas[i] = narrow<T>(a.beta == NULL ? 0.0f : a.beta[col]);
	}
	for (int tile = blockIdx.x / CLUSTER; tile < tiles.n; tile += gridDim.x / CLUSTER, turn ^= 1)
	{
		int col = tiles.col(tile, rank);
		T *bias = (T *) (shared + BIAS_AT) + (NORM ? 0 : turn * MOST);
		float sums[Geometry::COLUMNS / 8][4];
		int before = 0;

		boxes.row = tiles.row(tile, rank) + warp * BOX_ROWS;
		if (a.has_residual && lane == 0)
		{
			wait_boxes<0>();
			boxes.fetch(a, 0, col);
			boxes.fetch(a, 1, col);
		}
		for (int i = threadIdx.x - GROUP; i < Geometry::COLUMNS; i += 2 * GROUP)
			bias[i] = a.half_bias == NULL || col + i >= a.d_out
						  ? narrow<T>(0.0f)
						  : ((const T *) a.half_bias)[col + i];
		/* Those who wait here are done with the tile before, and with the other bias. */
		asm volatile("bar.sync 1, %0;" ::"n"(2 * GROUP) : "memory");
		for (int piece = 0; piece < n_pieces; piece++)
		{
			unsigned char *x = shared + place.stage * Geometry::STAGE_BYTES;
			uint64_t from_x = descriptor(x + warp / 4 * (64 * DEPTH * 2));
			uint64_t from_w = descriptor(x + Geometry::X_BYTES);

			barrier_wait(&gates->full[place.stage], place.parity);
			asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
			for (int k = 0; k < DEPTH / 16; k++)
			{
#pragma unroll
				for (int part = 0; part < N_PARTS; part++)
					multiply<T, N>(sums[part * (N / 8)], from_x + k * 2,
								   from_w + k * 2 + part * (N * DEPTH * 2 >> 4),
								   piece == 0 && k == 0);
			}
			asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
			if (piece > 0)
			{
				asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
				release(&gates->empty[before]);
			}
			before = place.stage;
			place.step(Geometry::STAGES);
		}
		asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
		release(&gates->empty[before]);
		if (NORM)
			end_normed<T, BOXES, END>(a, gates, &boxes, warp, rank, turn, bias + lane % 4 * 2,
									  gammas + lane % 4 * 2, betas + lane % 4 * 2, col, sums);
		else
			end_tile<T, BOXES, END>(a, &boxes, bias + lane % 4 * 2, col, sums);
	}
}

/* See the head of this file. */
template <typename T, int N_PARTS, int N, Ending END>
static __global__ void
__cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)
	multiply_tiles(const __grid_constant__ Product a)
{
	extern __shared__ __align__(1024) unsigned char shared[];
	Gates *gates = (Gates *) (shared + GATES_AT);
	uint32_t rank = cluster_rank();

	if (threadIdx.x == 0)
	{
		for (int i = 0; i < Tile<N_PARTS, N>::STAGES; i++)
		{
			barrier_init(&gates->full[i], 1);
			barrier_init(&gates->empty[i], CLUSTER * N_WARPS);
		}
		for (int i = 0; i < N_WARPS; i++)
		{
			barrier_init(&gates->residual[i][0], 1);
			barrier_init(&gates->residual[i][1], 1);
			barrier_init(&gates->told[i], 1);
			barrier_init(&gates->understood[i], 1);
		}
		asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
	}
	cluster_sync();
	if (threadIdx.x < GROUP)
	{
		asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
		if (threadIdx.x == 0)
			produce<N_PARTS, N, END>(a, shared, gates, rank);
		__syncwarp();
	}
	else
	{
		asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
		consume<T, N_PARTS, N, END>(a, shared, gates, rank);
	}
	/* No block may end while another one writes to it. */
	cluster_sync();
}

typedef CUresult (*Encode)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
						   const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
						   const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
						   CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/* The driver's function that describes arrays; NULL when it has none. */
static Encode
encoder(void)
{
	static void *found = NULL;
	static bool asked = false;

	if (!asked)
	{
		cudaDriverEntryPointQueryResult result;

		asked = true;
		if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000,
											 cudaEnableDefault, &result) != cudaSuccess ||
			result != cudaDriverEntryPointSuccess)
			found = NULL;
		(void) cudaGetLastError();
	}
	return (Encode) found;
}

/* Describe m[n, d] with rows ld apart, moved in boxes of rows by 64 columns. */
static bool
describe(CUtensorMap *map, LepDtype numbers, const void *m, size_t n, size_t d, size_t ld, int rows)
{
	cuuint64_t sizes[2] = {d, n}, strides[1] = {ld * sizeof(uint16_t)};
	cuuint32_t box[2] = {DEPTH, (cuuint32_t) rows}, steps[2] = {1, 1};

	return encoder()(map,
					 numbers == LEP_F16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
										: CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
					 2, (void *) m, sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
					 CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
					 CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

/* Can it take a linear? */
bool
lep_cuda_hopper_fits(const LepCuda *cuda, const LepCudaLinear *a, bool norm)
{
	const void *out = norm ? a->normed : a->out;

	if (a->act != LEP_ACT_NONE && a->act != LEP_ACT_GELU && a->act != LEP_ACT_GELU_TANH)
		return false;
	if (norm && (a->out != NULL || a->act != LEP_ACT_NONE ||
				 (a->d_out != 768 && a->d_out != 384 && a->d_out != 256) || !aligned(a->gamma) ||
				 !aligned(a->beta)))
		return false;
	return cuda->major == 9 && cuda->shared_max >= SHARED && !a->wide && a->d_in % V8 == 0 &&
		   a->d_out % V8 == 0 && a->ldx % V8 == 0 && (norm || a->ldo % V8 == 0) &&
		   (a->residual == NULL || a->ldr % V8 == 0) && aligned(a->x) && aligned(a->w) &&
		   aligned(a->residual) && aligned(out) && aligned(a->half_bias) && encoder() != NULL;
}

/* Launch the kernel for an ending. */
template <typename T, int N_PARTS, int N, Ending END>
static LepStatus
launch(LepCudaStream *stream, const Product &product)
{
	constexpr int COLUMNS = Tile<N_PARTS, N>::COLUMNS;
	static bool prepared = false;
	int across = (product.d_out + COLUMNS - 1) / COLUMNS;
	int n_tiles = END == END_PAIR
					  ? (product.n_rows + ROWS - 1) / ROWS
					  : (product.n_rows + CLUSTER * ROWS - 1) / (CLUSTER * ROWS) * across;
	int n_clusters = stream->cuda->n_processors / CLUSTER;
	cudaError_t error = cudaSuccess;

	if (!prepared)
		error = cudaFuncSetAttribute(multiply_tiles<T, N_PARTS, N, END>,
									 cudaFuncAttributeMaxDynamicSharedMemorySize, (int) SHARED);
	if (error != cudaSuccess)
		return lep_cuda_fail(stream->cuda, error, "linear");
	prepared = true;
	multiply_tiles<T, N_PARTS, N, END>
		<<<(unsigned) ((n_tiles < n_clusters ? n_tiles : n_clusters) * CLUSTER), THREADS, SHARED,
		   stream->stream>>>(product);
	return lep_cuda_launched(stream, "linear");
}

/* Choose the ending. */
template <typename T, int N_PARTS, int N>
static LepStatus
choose(LepCudaStream *stream, const Product &product, bool norm)
{
	if (norm && product.d_out > N_PARTS * N)
		return launch<T, 2, 192, END_PAIR>(stream, product);
	if (norm)
		return launch<T, N_PARTS, N, END_NORM>(stream, product);
	return product.gelu ? launch<T, N_PARTS, N, END_GELU>(stream, product)
						: launch<T, N_PARTS, N, END_PLAIN>(stream, product);
}

/* The typed part of lep_cuda_hopper_run. */
template <typename T>
static LepStatus
run(LepCudaStream *stream, const Product &product, bool wide_tiles, bool norm)
{
	return wide_tiles ? choose<T, 2, 192>(stream, product, norm)
					  : choose<T, 1, 256>(stream, product, norm);
}

/* Enqueue a linear, with its norm where norm says so. */
LepStatus
lep_cuda_hopper_run(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args, bool norm)
{
	/* The tiles that waste fewer columns. */
	bool wide_tiles = (args->d_out + 383) / 384 * 384 <= (args->d_out + 255) / 256 * 256;
	void *out = norm ? args->normed : args->out;
	size_t ldo = norm ? args->d_out : args->ldo;
	bool pair = norm && args->d_out > 384;
	Product product;

	memset(&product, 0, sizeof(product));
	product.half_bias = args->half_bias;
	product.has_residual = args->residual != NULL;
	product.rms = args->rms;
	product.n_rows = (int) args->n_rows;
	product.d_out = (int) args->d_out;
	product.d_in = (int) args->d_in;
	product.gelu = args->act != LEP_ACT_NONE;
	product.gamma = args->gamma;
	product.beta = args->beta;
	product.eps = args->eps;
	if (!describe(&product.x, numbers, args->x, args->n_rows, args->d_in, args->ldx,
				  pair ? ROWS / CLUSTER : ROWS) ||
		!describe(&product.w, numbers, args->w, args->d_out, args->d_in, args->d_in,
				  (wide_tiles ? 384 : 256) / CLUSTER) ||
		!describe(&product.residual, numbers, args->residual == NULL ? out : args->residual,
				  args->n_rows, args->d_out, args->residual == NULL ? ldo : args->ldr, BOX_ROWS) ||
		!describe(&product.out, numbers, out, args->n_rows, args->d_out, ldo, BOX_ROWS))
		return lep_cuda_refuse(stream->cuda, LEP_IO, "linear of %zu x %zu cannot be described",
							   args->d_out, args->d_in);
	return LEP_CUDA_DISPATCH(stream, numbers, run, stream, product, wide_tiles, norm);
}
