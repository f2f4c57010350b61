/*
 * hopper.cu: products for compute capability 9.0: wgmma fed by the tensor memory accelerator, with bias, activation,
 * residual and the norm of whole rows done in registers; refuses activations but GELU, widths and strides that are no
 * multiples of 8.
 *
 * Blocks stay and take one tile after another. A tile has 128 rows by 384 (or 256) columns. A warp of the first warpgroup brings
 * pieces of 64 columns of x and w to shared memory, a ring of stages; the two others multiply, 64 rows each. Two neighbouring
 * blocks work on the same columns: each brings half of w's piece to both.
 *
 * Behind the pieces of a tile its residual comes through the same ring, and out leaves through the places where the
 * residual was, so that all of global memory is read and written in whole lines, and the next tile's pieces are
 * under way meanwhile.
 */
#include <cuda.h>
#include <string.h>

#include "products.h"
#include "wgmma.cuh"

#define ROWS	  128 /* of a tile */
#define DEPTH	  64  /* columns of a piece: 128 bytes */
#define GROUP	  128 /* threads of a warpgroup */
#define THREADS	  (3 * GROUP)
#define CLUSTER	  2 /* blocks that share w */
#define RING	  ((size_t) 192 * 1024)
#define MOST	  384											 /* columns of the widest tile */
#define SHARED	  (RING + 1024 + 256 + 4 * MOST * sizeof(float)) /* alignment; barriers; vectors */
#define BOX		  64 /* columns of residual and out that move together */
#define BOX_BYTES (ROWS * BOX * 2)

typedef enum Ending
{
	END_PLAIN,
	END_GELU,
	END_NORM
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
	static constexpr int PER_SLOT = STAGE_BYTES / BOX_BYTES;
	static constexpr int SLOTS = (BOXES + PER_SLOT - 1) / PER_SLOT;
};

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

/* Arrive at a barrier. */
static __device__ __forceinline__ void
barrier_arrive(uint64_t *barrier)
{
	asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
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

/* Bring all pieces of all tiles of the block: one thread. */
template <int N_PARTS, int N>
static __device__ __forceinline__ void
produce(const Product &a, unsigned char *ring, uint64_t *full, uint64_t *empty, uint32_t rank)
{
	typedef Tile<N_PARTS, N> Geometry;
	constexpr int HALF = Geometry::COLUMNS / CLUSTER;
	int across = (a.d_out + Geometry::COLUMNS - 1) / Geometry::COLUMNS;
	int n_tiles = (a.n_rows + CLUSTER * ROWS - 1) / (CLUSTER * ROWS) * across;
	int n_pieces = (a.d_in + DEPTH - 1) / DEPTH;
	Place place = {0, 0};

	for (int tile = blockIdx.x / CLUSTER; tile < n_tiles; tile += gridDim.x / CLUSTER)
	{
		int row = (tile / across * CLUSTER + (int) rank) * ROWS;
		int col = tile % across * Geometry::COLUMNS;

		for (int piece = 0; piece < n_pieces; piece++, place.step(Geometry::STAGES))
		{
			unsigned char *x = ring + place.stage * Geometry::STAGE_BYTES;

			barrier_wait(&empty[place.stage], place.parity ^ 1);
			barrier_expect(&full[place.stage], Geometry::STAGE_BYTES);
			bring(x, &a.x, &full[place.stage], piece * DEPTH, row);
			bring_to_all(x + Geometry::X_BYTES + rank * (HALF * DEPTH * 2), &a.w,
						 &full[place.stage], piece * DEPTH, col + (int) rank * HALF);
		}
		for (int slot = 0; slot < Geometry::SLOTS; slot++, place.step(Geometry::STAGES))
		{
			unsigned char *at = ring + place.stage * Geometry::STAGE_BYTES;
			int left = Geometry::BOXES - slot * Geometry::PER_SLOT;
			int boxes = left < Geometry::PER_SLOT ? left : Geometry::PER_SLOT;

			barrier_wait(&empty[place.stage], place.parity ^ 1);
			if (!a.has_residual)
			{
				barrier_arrive(&full[place.stage]);
				continue;
			}
			barrier_expect(&full[place.stage], boxes * BOX_BYTES);
			for (int box = 0; box < boxes; box++)
				bring(at + box * BOX_BYTES, &a.residual, &full[place.stage],
					  col + (slot * Geometry::PER_SLOT + box) * BOX, row);
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

/* v[0 .. 1] of two rows are what becomes of sums in columns col and col + 1 of the tile: bias, activation. */
template <Ending END>
static __device__ __forceinline__ void
end_sums(const float *bias, float *v, int col)
{
	float2 more = *(const float2 *) (bias + col);

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

/* Make sums[2][...] of a warp's 16 whole rows their norm; a thread has pairs of two rows. */
template <int COLUMNS>
static __device__ __forceinline__ void
norm_sums(const Product &a, const float *gammas, const float *betas, float (*v)[4])
{
	float mean[2] = {0.0f, 0.0f}, factor[2];
	int first = threadIdx.x % 4 * 2;

	if (!a.rms)
	{
#pragma unroll
		for (int j = 0; j < COLUMNS / 8; j++)
		{
			mean[0] += v[j][0] + v[j][1];
			mean[1] += v[j][2] + v[j][3];
		}
	}
#pragma unroll
	for (int r = 0; r < 2; r++)
	{
		mean[r] += __shfl_xor_sync(ALL_LANES, mean[r], 1);
		mean[r] += __shfl_xor_sync(ALL_LANES, mean[r], 2);
		mean[r] *= 1.0f / COLUMNS;
		factor[r] = 0.0f;
	}
#pragma unroll
	for (int j = 0; j < COLUMNS / 8; j++)
	{
#pragma unroll
		for (int i = 0; i < 4; i++)
		{
			v[j][i] -= mean[i / 2];
			factor[i / 2] = fmaf(v[j][i], v[j][i], factor[i / 2]);
		}
	}
#pragma unroll
	for (int r = 0; r < 2; r++)
	{
		factor[r] += __shfl_xor_sync(ALL_LANES, factor[r], 1);
		factor[r] += __shfl_xor_sync(ALL_LANES, factor[r], 2);
		factor[r] = rsqrtf(factor[r] * (1.0f / COLUMNS) + a.eps);
	}
#pragma unroll
	for (int j = 0; j < COLUMNS / 8; j++)
	{
		float2 gamma = *(const float2 *) (gammas + j * 8 + first);
		float2 beta = *(const float2 *) (betas + j * 8 + first);

		v[j][0] = fmaf(v[j][0] * factor[0], gamma.x, beta.x);
		v[j][1] = fmaf(v[j][1] * factor[0], gamma.y, beta.y);
		v[j][2] = fmaf(v[j][2] * factor[1], gamma.x, beta.x);
		v[j][3] = fmaf(v[j][3] * factor[1], gamma.y, beta.y);
	}
}

/* Multiply and end all tiles of the block: two warpgroups, of which this is number group. */
template <typename T, int N_PARTS, int N, Ending END>
static __device__ __forceinline__ void
consume(const Product &a, unsigned char *ring, uint64_t *full, uint64_t *empty, float *vectors,
		uint32_t rank, int group)
{
	typedef Tile<N_PARTS, N> Geometry;
	int across = (a.d_out + Geometry::COLUMNS - 1) / Geometry::COLUMNS;
	int n_tiles = (a.n_rows + CLUSTER * ROWS - 1) / (CLUSTER * ROWS) * across;
	int n_pieces = (a.d_in + DEPTH - 1) / DEPTH;
	int warp = threadIdx.x / WARP % 4, lane = threadIdx.x % WARP;
	int warp_row = group * 64 + warp * 16;
	/* of the thread's first row in a box; its second one is eight rows on */
	int box_at = (warp_row + lane / 4) * (BOX * 2) + lane % 4 * 4, swizzle = lane / 4;
	Place place = {0, 0};
	float *gammas = vectors + 2 * MOST, *betas = vectors + 3 * MOST;
	int turn = 0;

	for (int i = threadIdx.x - GROUP; END == END_NORM && i < Geometry::COLUMNS; i += 2 * GROUP)
	{
		gammas[i] = a.gamma[i];
		betas[i] = a.beta == NULL ? 0.0f : a.beta[i];
	}
	for (int tile = blockIdx.x / CLUSTER; tile < n_tiles; tile += gridDim.x / CLUSTER, turn ^= 1)
	{
		int row = (tile / across * CLUSTER + (int) rank) * ROWS;
		int col = tile % across * Geometry::COLUMNS;
		float *bias = vectors + turn * MOST;
		float sums[Geometry::COLUMNS / 8][4];
		int before = 0;

		for (int i = threadIdx.x - GROUP; i < Geometry::COLUMNS; i += 2 * GROUP)
			bias[i] = a.half_bias == NULL || col + i >= a.d_out
						  ? 0.0f
						  : widen(((const T *) a.half_bias)[col + i]);
		/* Those who wait here are done with the tile before, and with the other bias. */
		asm volatile("bar.sync 1, %0;" ::"n"(2 * GROUP) : "memory");
		for (int piece = 0; piece < n_pieces; piece++)
		{
			unsigned char *x = ring + place.stage * Geometry::STAGE_BYTES;
			uint64_t from_x = descriptor(x + group * (64 * DEPTH * 2));
			uint64_t from_w = descriptor(x + Geometry::X_BYTES);

			barrier_wait(&full[place.stage], place.parity);
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
				release(&empty[before]);
			}
			before = place.stage;
			place.step(Geometry::STAGES);
		}
		asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
		release(&empty[before]);
		{
			Place slot = place;

#pragma unroll
			for (int j = 0; j < Geometry::COLUMNS / 8; j++)
			{
				int box = j / 8;

				if (j % (8 * Geometry::PER_SLOT) == 0)
				{
					if (j > 0)
						slot.step(Geometry::STAGES);
					barrier_wait(&full[slot.stage], slot.parity);
				}
				end_sums<END>(bias, sums[j], j * 8 + lane % 4 * 2);
				if (a.has_residual)
				{
					const unsigned char *at = ring + slot.stage * Geometry::STAGE_BYTES +
											  box % Geometry::PER_SLOT * BOX_BYTES + box_at +
											  ((j % 8 ^ swizzle) << 4);
					float2 low = widen2<T>(*(const uint32_t *) at);
					float2 high = widen2<T>(*(const uint32_t *) (at + 8 * BOX * 2));

					sums[j][0] += low.x;
					sums[j][1] += low.y;
					sums[j][2] += high.x;
					sums[j][3] += high.y;
				}
			}
		}
		if (END == END_NORM)
			norm_sums<Geometry::COLUMNS>(a, gammas, betas, sums);
		{
			Place slot = place;

#pragma unroll
			for (int box = 0; box < Geometry::BOXES; box++)
			{
				unsigned char *at;

				if (box > 0 && box % Geometry::PER_SLOT == 0)
					slot.step(Geometry::STAGES);
				at = ring + slot.stage * Geometry::STAGE_BYTES +
					 box % Geometry::PER_SLOT * BOX_BYTES;
#pragma unroll
				for (int j = 0; j < 8; j++)
				{
					float *v = sums[box * 8 + j];
					unsigned char *to = at + box_at + ((j ^ swizzle) << 4);

					*(uint32_t *) to = narrow2<T>(v[0], v[1]);
					*(uint32_t *) (to + 8 * BOX * 2) = narrow2<T>(v[2], v[3]);
				}
				asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
				__syncwarp();
				if (lane == 0)
				{
					take_away(&a.out, at + warp_row * (BOX * 2), col + box * BOX, row + warp_row);
					asm volatile("cp.async.bulk.commit_group;" ::: "memory");
				}
			}
		}
		if (lane == 0)
			asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
		__syncwarp();
		for (int slot = 0; slot < Geometry::SLOTS; slot++, place.step(Geometry::STAGES))
			release(&empty[place.stage]);
	}
}

/* See the head of this file. */
template <typename T, int N_PARTS, int N, Ending END>
static __global__ void
__cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)
	multiply_tiles(const __grid_constant__ Product a)
{
	typedef Tile<N_PARTS, N> Geometry;
	extern __shared__ unsigned char shared[];
	unsigned char *ring = shared + (1024 - shared_address(shared) % 1024) % 1024;
	uint64_t *full = (uint64_t *) (ring + RING), *empty = full + Geometry::STAGES;
	uint32_t rank = cluster_rank();
	int group = threadIdx.x / GROUP;

	if (threadIdx.x == 0)
	{
		for (int i = 0; i < Geometry::STAGES; i++)
		{
			barrier_init(&full[i], 1);
			barrier_init(&empty[i], CLUSTER * 2 * GROUP / WARP);
		}
		asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
	}
	cluster_sync();
	if (group == 0)
	{
		asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
		if (threadIdx.x == 0)
			produce<N_PARTS, N>(a, ring, full, empty, rank);
		__syncwarp();
	}
	else
	{
		asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
		consume<T, N_PARTS, N, END>(a, ring, full, empty, (float *) (ring + RING + 256), rank,
									group - 1);
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
	if (norm && (a->out != NULL || a->act != LEP_ACT_NONE || (a->d_out != 384 && a->d_out != 256) ||
				 !aligned(a->gamma) || !aligned(a->beta)))
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
	typedef Tile<N_PARTS, N> Geometry;
	static bool prepared = false;
	int across = (product.d_out + Geometry::COLUMNS - 1) / Geometry::COLUMNS;
	int n_tiles = (product.n_rows + CLUSTER * ROWS - 1) / (CLUSTER * ROWS) * across;
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
	if (!describe(&product.x, numbers, args->x, args->n_rows, args->d_in, args->ldx, ROWS) ||
		!describe(&product.w, numbers, args->w, args->d_out, args->d_in, args->d_in,
				  (wide_tiles ? 384 : 256) / CLUSTER) ||
		!describe(&product.residual, numbers, args->residual == NULL ? out : args->residual,
				  args->n_rows, args->d_out, args->residual == NULL ? ldo : args->ldr, ROWS) ||
		!describe(&product.out, numbers, out, args->n_rows, args->d_out, ldo, 16))
		return lep_cuda_refuse(stream->cuda, LEP_IO, "linear of %zu x %zu cannot be described",
							   args->d_out, args->d_in);
	return LEP_CUDA_DISPATCH(stream, numbers, run, stream, product, wide_tiles, norm);
}
