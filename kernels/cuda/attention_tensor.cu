/*
 * attention_tensor.cu: attention of packed texts on tensor cores (Dao, arXiv:2307.08691): softmax block by block of keys,
 * scores never leave registers; refuses places, and heads that are not 32, 64, 96 or 128 wide.
 *
 * A block of threads takes 64 queries of one text, 16 for each warp, and some heads one after another.  Its steps are all
 * blocks of 64 keys of all its heads: keys, values and, with a new head, queries of the next step come to shared memory
 * while the tensor cores work on this one.  A warp brings its own queries.
 */
#include "attention.cuh"

#define KEYS	64
#define STEPS	(KEYS / 16) /* of 16 keys */
#define WARPS	4
#define ROWS	(16 * WARPS)
#define THREADS (WARPS * WARP)
#define MANY_BLOCKS \
	12 /* for each multiprocessor: more heads than needed for these are taken by one block */
#define LOG2E 1.44269504088896f

/* d += a * b of one tensor core step: 16 x 8 x 16. */
template <typename T>
static __device__ __forceinline__ void multiply(float *d, const uint32_t *a, uint32_t b0,
												uint32_t b1);

template <>
__device__ __forceinline__ void
multiply<__half>(float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
				 "{%8,%9}, {%0,%1,%2,%3};"
				 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
				 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

template <>
__device__ __forceinline__ void
multiply<__nv_bfloat16>(float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
	asm volatile(
		"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
		"{%8,%9}, {%0,%1,%2,%3};"
		: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/* Four 8 x 8 matrices out of shared memory; every lane gives the address of a row. */
static __device__ __forceinline__ void
load_matrices(uint32_t *r, const void *row)
{
	uint32_t at = (uint32_t) __cvta_generic_to_shared(row);

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
				 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
				 : "r"(at));
}

/* The same, each transposed. */
static __device__ __forceinline__ void
load_transposed(uint32_t *r, const void *row)
{
	uint32_t at = (uint32_t) __cvta_generic_to_shared(row);

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
				 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
				 : "r"(at));
}

/* Begin to copy 16 bytes to shared memory, or zeroes. */
static __device__ __forceinline__ void
copy16(void *to, const void *from, bool there)
{
#if __CUDA_ARCH__ >= 800
	uint32_t at = (uint32_t) __cvta_generic_to_shared(to);
	int bytes = there ? 16 : 0;

	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes));
#endif
}

/* Close a group of copies. */
static __device__ __forceinline__ void
close_copies(void)
{
#if __CUDA_ARCH__ >= 800
	asm volatile("cp.async.commit_group;");
#endif
}

/* Wait until all copies have arrived. */
static __device__ __forceinline__ void
wait_copies(void)
{
#if __CUDA_ARCH__ >= 800
	asm volatile("cp.async.wait_group 0;");
#endif
}

/* Return 2^x. */
static __device__ __forceinline__ float
power2(float x)
{
	float y;

	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

/* What a block works on. */
struct Piece
{
	size_t start;  /* of the text */
	int n;		   /* tokens of the text */
	int t;		   /* first query of the warp */
	int low, high; /* keys that a query of the block sees */
};

/* Shared memory. */
template <typename T, int D> struct Room
{
	static constexpr int LD = D + V8; /* so that eight rows lie in different banks */

	T keys[2][KEYS][LD], values[2][KEYS][LD], queries[ROWS][LD];
};

/* Begin to bring keys [first, first + KEYS) of a head, and their values; with TURN keys are turned on the way. */
template <typename T, int D, bool TURN>
static __device__ __forceinline__ void
bring(const LepCudaAttention &a, const Piece &piece, size_t head, int first, Room<T, D> *room,
	  int stage)
{
	constexpr int ACROSS = D / V8, DOWN = THREADS / ACROSS; /* threads of a row; rows at once */
	int key_head = (int) (a.n_group > 1 ? head / a.n_group : head), s = threadIdx.x / ACROSS;
	int col = threadIdx.x % ACROSS * V8, left = piece.high - first;
	int rows = left < KEYS ? (left + 15) / 16 * 16 : KEYS, there = piece.n - first;
	size_t at = (piece.start + first + s) * a.ldq + key_head * D + col, step = DOWN * a.ldq;
	const T *k = (const T *) a.k + at, *v = (const T *) a.v + at;
	T *to_key = &room->keys[stage][s][col], *to_value = &room->values[stage][s][col];

	if (DOWN * ACROSS < THREADS && s >= DOWN)
		return;
#pragma unroll 4
	for (; s < rows; s += DOWN)
	{
		if (!TURN)
			copy16(to_key, k, s < there);
		else if (col < D / 2)
		{
			float x[V8] = {0}, y[V8] = {0}, low[V8] = {0}, high[V8] = {0};

			if (s < there)
			{
				const float *cosine = a.cosine + (size_t) (first + s) * (D / 2) + col;
				const float *sine = a.sine + (size_t) (first + s) * (D / 2) + col;

				load8(k, x);
				load8(k + D / 2, y);
#pragma unroll
				for (int j = 0; j < V8; j++)
				{
					low[j] = x[j] * cosine[j] - y[j] * sine[j];
					high[j] = y[j] * cosine[j] + x[j] * sine[j];
				}
			}
			store8(to_key, low);
			store8(to_key + D / 2, high);
		}
		copy16(to_value, v, s < there);
		k += step;
		v += step;
		to_key += DOWN * Room<T, D>::LD;
		to_value += DOWN * Room<T, D>::LD;
	}
}

/* Begin to bring the warp's 16 queries of a head. */
template <typename T, int D>
static __device__ __forceinline__ void
bring_queries(const LepCudaAttention &a, const Piece &piece, size_t head, Room<T, D> *room)
{
	constexpr int ACROSS = D / V8;
	const T *q = (const T *) a.q + piece.start * a.ldq + head * D;
	int first = (int) (threadIdx.x / WARP) * 16;

#pragma unroll 1
	for (int i = threadIdx.x % WARP; i < 16 * ACROSS; i += WARP)
	{
		int row = i / ACROSS, col = i % ACROSS * V8;
		bool there = piece.t + row < piece.n;

		copy16(&room->queries[first + row][col], q + (size_t) (piece.t + row) * a.ldq + col, there);
	}
}

/* q[D / 16] = the warp's queries as the tensor cores want them, turned. */
template <typename T, int D, bool TURN>
static __device__ __forceinline__ void
take_queries(const LepCudaAttention &a, const Piece &piece, const Room<T, D> *room,
			 uint32_t q[D / 16][4])
{
	int lane = threadIdx.x % WARP;
	const T *row = &room->queries[threadIdx.x / WARP * 16 + lane % 16][lane / 16 * 8];

#pragma unroll
	for (int j = 0; j < D / 16; j++)
		load_matrices(q[j], row + j * 16);
#pragma unroll
	for (int j = 0; j < (TURN ? D / 32 : 0); j++)
	{
#pragma unroll
		for (int r = 0; r < 4; r++)
		{
			int at = piece.t + lane / 4 + r % 2 * 8, col = j * 16 + lane % 4 * 2 + r / 2 * 8;
			size_t angle = (size_t) (at < piece.n ? at : 0) * (D / 2) + col;
			float2 cosine = *(const float2 *) (a.cosine + angle);
			float2 sine = *(const float2 *) (a.sine + angle);
			float2 x = widen2<T>(q[j][r]), y = widen2<T>(q[j + D / 32][r]);

			q[j][r] = narrow2<T>(x.x * cosine.x - y.x * sine.x, x.y * cosine.y - y.y * sine.y);
			q[j + D / 32][r] =
				narrow2<T>(y.x * cosine.x + x.x * sine.x, y.y * cosine.y + x.y * sine.y);
		}
	}
}

/* Mask scores of keys from first on that a query does not see; with EXTRA scores become exponents of 2. */
template <bool EXTRA>
static __device__ __forceinline__ void
mask(const LepCudaAttention &a, const Piece &piece, size_t head, int first, float s[2 * STEPS][4])
{
	int lane = threadIdx.x % WARP;
	float scale = a.scale * LOG2E;

#pragma unroll
	for (int j = 0; j < 2 * STEPS; j++)
	{
#pragma unroll
		for (int i = 0; i < 4; i++)
		{
			int key = first + j * 8 + lane % 4 * 2 + i % 2;
			bool seen = key < piece.n;

			if (EXTRA)
			{
				int row = piece.t + lane / 4 + i / 2 * 8, distance = key - row;
				int far = distance < 0 ? -distance : distance;

				s[j][i] *= scale;
				seen = seen && row < piece.n && (a.local == 0 || far < (int) a.local);
				if (a.bias != NULL && seen)
					s[j][i] += LOG2E * a.bias[(ptrdiff_t) (head * a.ldb) + distance];
			}
			s[j][i] = seen ? s[j][i] : -INFINITY;
		}
	}
}

/* The running softmax of a warp's 16 queries. */
template <int D> struct Sums
{
	float o[D / 8][4], top[2], total[2];
};

/* Take in the keys from first on, which are at a stage; FULL: there are KEYS of them. */
template <typename T, int D, bool EXTRA, bool FULL>
static __device__ __forceinline__ void
take_in(const LepCudaAttention &a, const Piece &piece, size_t head, int first,
		const Room<T, D> *room, int stage, const uint32_t q[D / 16][4], Sums<D> &sums)
{
	int lane = threadIdx.x % WARP, left = FULL ? KEYS : piece.high - first;
	float scale = EXTRA ? 1.0f : a.scale * LOG2E;
	float s[2 * STEPS][4];

#pragma unroll
	for (int j = 0; j < STEPS; j++)
	{
#pragma unroll
		for (int i = 0; i < 4; i++)
			s[2 * j][i] = s[2 * j + 1][i] = 0.0f;
		if (j * 16 < left)
		{
			const T *row = &room->keys[stage][j * 16 + lane % 8 + lane / 16 * 8][lane / 8 % 2 * 8];

#pragma unroll
			for (int d = 0; d < D / 16; d++)
			{
				uint32_t b[4];

				load_matrices(b, row + d * 16);
				multiply<T>(s[2 * j], q[d], b[0], b[1]);
				multiply<T>(s[2 * j + 1], q[d], b[2], b[3]);
			}
		}
	}
	if (EXTRA || !FULL)
		mask<EXTRA>(a, piece, head, first, s);
#pragma unroll
	for (int r = 0; r < 2; r++)
	{
		float best = sums.top[r], shrink, sum = 0.0f, zero;

#pragma unroll
		for (int j = 0; j < 2 * STEPS; j++)
			best = fmaxf(best, fmaxf(s[j][2 * r], s[j][2 * r + 1]));
		best = fmaxf(best, __shfl_xor_sync(ALL_LANES, best, 1));
		best = fmaxf(best, __shfl_xor_sync(ALL_LANES, best, 2));
		zero = best == -INFINITY ? 0.0f : best * scale;
		shrink = power2(fmaf(sums.top[r], scale, -zero));
		sums.top[r] = best;
#pragma unroll
		for (int j = 0; j < 2 * STEPS; j++)
		{
			if (j * 8 >= left)
				continue;
			s[j][2 * r] = power2(fmaf(s[j][2 * r], scale, -zero));
			s[j][2 * r + 1] = power2(fmaf(s[j][2 * r + 1], scale, -zero));
			sum += s[j][2 * r] + s[j][2 * r + 1];
		}
		sums.total[r] = sums.total[r] * shrink + sum;
#pragma unroll
		for (int j = 0; j < D / 8; j++)
		{
			sums.o[j][2 * r] *= shrink;
			sums.o[j][2 * r + 1] *= shrink;
		}
	}
#pragma unroll
	for (int j = 0; j < STEPS; j++)
	{
		const T *row = &room->values[stage][j * 16 + lane % 16][lane / 16 * 8];
		bool second = j * 16 + 8 < left; /* else its scores were left as they are */
		uint32_t p[4];

		if (j * 16 >= left)
			continue;
		p[0] = narrow2<T>(s[2 * j][0], s[2 * j][1]);
		p[1] = narrow2<T>(s[2 * j][2], s[2 * j][3]);
		p[2] = second ? narrow2<T>(s[2 * j + 1][0], s[2 * j + 1][1]) : 0;
		p[3] = second ? narrow2<T>(s[2 * j + 1][2], s[2 * j + 1][3]) : 0;
#pragma unroll
		for (int d = 0; d < D / 16; d++)
		{
			uint32_t b[4];

			load_transposed(b, row + d * 16);
			multiply<T>(sums.o[2 * d], p, b[0], b[1]);
			multiply<T>(sums.o[2 * d + 1], p, b[2], b[3]);
		}
	}
}

/* Write a head's rows. */
template <typename T, int D>
static __device__ __forceinline__ void
put_out(const LepCudaAttention &a, const Piece &piece, size_t head, const Sums<D> &sums)
{
	int lane = threadIdx.x % WARP;

#pragma unroll
	for (int r = 0; r < 2; r++)
	{
		int row = piece.t + lane / 4 + r * 8;
		T *out = (T *) a.out + (piece.start + (size_t) row) * a.ldo + head * D + lane % 4 * 2;
		float sum = sums.total[r], factor;

		sum += __shfl_xor_sync(ALL_LANES, sum, 1);
		sum += __shfl_xor_sync(ALL_LANES, sum, 2);
		factor = 1.0f / sum;
		if (row >= piece.n)
			continue;
#pragma unroll
		for (int j = 0; j < D / 8; j++)
			*(uint32_t *) (out + j * 8) =
				narrow2<T>(sums.o[j][2 * r] * factor, sums.o[j][2 * r + 1] * factor);
	}
}

/* Attend over some heads of 64 queries: see the head of this file. */
template <typename T, int D, bool TURN, bool EXTRA>
static __global__ void
__launch_bounds__(THREADS, D == 32 && !EXTRA   ? 5
						   : D == 64 && !EXTRA ? 4
											   : 1) attend(LepCudaAttention a, unsigned heads)
{
	extern __shared__ __align__(16) unsigned char shared[];
	Room<T, D> *room = (Room<T, D> *) shared;
	unsigned groups = (unsigned) a.n_heads / heads;
	size_t text = blockIdx.x / groups, head = blockIdx.x % groups * heads, end = head + heads;
	/* Long texts, which have many pieces, come first. */
	int block_first = (int) (gridDim.y - 1 - blockIdx.y) * ROWS, first, stage = 0;
	uint32_t q[D / 16][4];
	Sums<D> sums;
	Piece piece;

	piece.start = a.starts[text];
	piece.n = (int) (a.starts[text + 1] - a.starts[text]);
	if (block_first >= piece.n)
		return;
	piece.t = block_first + (int) (threadIdx.x / WARP) * 16;
	piece.low = 0;
	piece.high = piece.n;
	if (EXTRA && a.local > 0)
	{
		int local = (int) a.local;

		piece.low = block_first >= local ? (block_first - local + 1) / KEYS * KEYS : 0;
		if (piece.n - (block_first + ROWS - 1) > local)
			piece.high = block_first + ROWS - 1 + local;
	}
	first = piece.low;
	bring_queries<T, D>(a, piece, head, room);
	bring<T, D, TURN>(a, piece, head, first, room, 0);
	close_copies();
	while (head < end)
	{
		size_t next_head = first + KEYS < piece.high ? head : head + 1;
		int next = first + KEYS < piece.high ? first + KEYS : piece.low;

		wait_copies();
		__syncthreads();
		if (first == piece.low)
		{
			take_queries<T, D, TURN>(a, piece, room, q);
			__syncwarp();
#pragma unroll
			for (int j = 0; j < D / 8; j++)
				sums.o[j][0] = sums.o[j][1] = sums.o[j][2] = sums.o[j][3] = 0.0f;
			sums.top[0] = sums.top[1] = -INFINITY;
			sums.total[0] = sums.total[1] = 0.0f;
		}
		if (next_head < end)
		{
			if (next_head != head)
				bring_queries<T, D>(a, piece, next_head, room);
			bring<T, D, TURN>(a, piece, next_head, next, room, stage ^ 1);
			close_copies();
		}
		if (piece.t < piece.n)
		{
			if (piece.high - first >= KEYS)
				take_in<T, D, EXTRA, true>(a, piece, head, first, room, stage, q, sums);
			else
				take_in<T, D, EXTRA, false>(a, piece, head, first, room, stage, q, sums);
			if (next_head != head)
				put_out<T, D>(a, piece, head, sums);
		}
		first = next;
		head = next_head;
		stage ^= 1;
	}
}

/* Heads that one block takes: as many as leave enough blocks. */
static unsigned
heads_of(const LepCuda *cuda, const LepCudaAttention *a)
{
	size_t wanted = (size_t) cuda->n_processors * MANY_BLOCKS;
	size_t pieces = a->n_rows / ROWS + a->n_texts / 2 + 1;
	unsigned best = 1;

	for (unsigned heads = 2; heads <= a->n_heads; heads++)
	{
		if (a->n_heads % heads == 0 && pieces * (a->n_heads / heads) >= wanted)
			best = heads;
	}
	return best;
}

/* Launch it. */
template <typename T, int D, bool TURN, bool EXTRA>
static LepStatus
launch(LepCudaStream *stream, const LepCudaAttention *a)
{
	constexpr int SHARED = (int) sizeof(Room<T, D>);
	unsigned heads = heads_of(stream->cuda, a);
	dim3 grid((unsigned) (a->n_texts * (a->n_heads / heads)), blocks(a->max_len, ROWS));
	cudaError_t error = cudaSuccess;

	if (SHARED > 48 * 1024)
		error = cudaFuncSetAttribute(attend<T, D, TURN, EXTRA>,
									 cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED);
	if (error != cudaSuccess)
		return lep_cuda_fail(stream->cuda, error, "attention");
	attend<T, D, TURN, EXTRA><<<grid, THREADS, SHARED, stream->stream>>>(*a, heads);
	return lep_cuda_launched(stream, "attention");
}

/* Choose the kernel for the extras. */
template <typename T, int D>
static LepStatus
choose(LepCudaStream *stream, const LepCudaAttention *a)
{
	if (a->cosine != NULL)
		return launch<T, D, true, true>(stream, a);
	if (a->local > 0 || a->bias != NULL || !(a->scale > 0))
		return launch<T, D, false, true>(stream, a);
	return launch<T, D, false, false>(stream, a);
}

/* Does it take these arguments? */
bool
lep_cuda_attention_fits(const LepCuda *cuda, const LepCudaAttention *a)
{
	return cuda->major >= 8 && a->d_head % 32 == 0 && a->d_head <= 128 && a->place == NULL &&
		   a->ldq % V8 == 0 && a->ldo % 2 == 0 && aligned(a->q) && aligned(a->k) && aligned(a->v) &&
		   aligned(a->out) && aligned(a->cosine) && aligned(a->sine) && a->max_len <= 1 << 20 &&
		   (4 * KEYS + ROWS) * (a->d_head + V8) * 2 <= cuda->shared_max && a->local <= 1 << 20;
}

/* Attend on tensor cores. */
template <typename T>
LepStatus
lep_cuda_attention_tensor(LepCudaStream *stream, const LepCudaAttention *a)
{
	return a->d_head == 32	 ? choose<T, 32>(stream, a)
		   : a->d_head == 64 ? choose<T, 64>(stream, a)
		   : a->d_head == 96 ? choose<T, 96>(stream, a)
							 : choose<T, 128>(stream, a);
}

template LepStatus lep_cuda_attention_tensor<__half>(LepCudaStream *, const LepCudaAttention *);
template LepStatus lep_cuda_attention_tensor<__nv_bfloat16>(LepCudaStream *,
															const LepCudaAttention *);
