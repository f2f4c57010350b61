/*
 * attention_tensor.cu: attention of packed texts on tensor cores (Dao, arXiv:2307.08691): softmax block by block of keys,
 * scores never leave registers; refuses places, and heads that are not 32, 64, 96 or 128 wide.
 *
 * A block takes 16 queries for each of its warps, of one head of one text; keys and values come to shared memory 64 at a
 * time, the next ones while the tensor cores work on these.
 */
#include "attention.cuh"

#define KEYS  64
#define STEPS (KEYS / 16) /* of 16 keys */
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

/* Wait until no more than LEFT groups of copies are under way. */
template <int LEFT>
static __device__ __forceinline__ void
wait_copies(void)
{
#if __CUDA_ARCH__ >= 800
	asm volatile("cp.async.wait_group %0;" ::"n"(LEFT));
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
	int low, high; /* keys that a query of the block sees */
	size_t head, key_head;
};

/* Bring keys [first, first + KEYS) and their values to shared memory; with TURN keys are turned on the way. */
template <typename T, int D, int THREADS, bool TURN>
static __device__ __forceinline__ void
bring(const LepCudaAttention &a, const Piece &piece, int first, T *keys, T *values)
{
	constexpr int ACROSS = D / V8, LD = D + V8;
	const T *k = (const T *) a.k + piece.start * a.ldq + piece.key_head * D;
	const T *v = (const T *) a.v + piece.start * a.ldq + piece.key_head * D;

#pragma unroll
	for (int i = threadIdx.x; i < KEYS * ACROSS; i += THREADS)
	{
		int s = i / ACROSS, col = i % ACROSS * V8;
		bool there = first + s < piece.n;
		size_t row = there ? (size_t) (first + s) * a.ldq : 0;

		copy16(values + s * LD + col, v + row + col, there);
		if (!TURN)
			copy16(keys + s * LD + col, k + row + col, there);
	}
	if (TURN)
	{
#pragma unroll 1
		for (int i = threadIdx.x; i < KEYS * ACROSS / 2; i += THREADS)
		{
			int s = i / (ACROSS / 2), col = i % (ACROSS / 2) * V8;
			float x[V8] = {0}, y[V8] = {0}, low[V8], high[V8];

			if (first + s < piece.n)
			{
				const T *row = k + (size_t) (first + s) * a.ldq + col;
				const float *cosine = a.cosine + (size_t) (first + s) * (D / 2) + col;
				const float *sine = a.sine + (size_t) (first + s) * (D / 2) + col;

				load8(row, x);
				load8(row + D / 2, y);
#pragma unroll
				for (int j = 0; j < V8; j++)
				{
					low[j] = x[j] * cosine[j] - y[j] * sine[j];
					high[j] = y[j] * cosine[j] + x[j] * sine[j];
				}
				store8(keys + s * LD + col, low);
				store8(keys + s * LD + col + D / 2, high);
			}
			else
			{
				store8(keys + s * LD + col, x);
				store8(keys + s * LD + col + D / 2, y);
			}
		}
	}
	close_copies();
}

/* q[D / 16] = a warp's 16 queries from row t on, as the tensor cores want them. */
template <typename T, int D, bool TURN>
static __device__ __forceinline__ void
take_queries(const LepCudaAttention &a, const Piece &piece, int t, uint32_t q[D / 16][4])
{
	int lane = threadIdx.x % WARP;
	const T *rows = (const T *) a.q + piece.start * a.ldq + piece.head * D;

#pragma unroll
	for (int j = 0; j < D / 16; j++)
	{
#pragma unroll
		for (int r = 0; r < 4; r++)
		{
			int row = t + lane / 4 + r % 2 * 8, col = j * 16 + lane % 4 * 2 + r / 2 * 8;

			q[j][r] = row < piece.n ? *(const uint32_t *) (rows + (size_t) row * a.ldq + col) : 0;
		}
	}
#pragma unroll
	for (int j = 0; j < (TURN ? D / 32 : 0); j++)
	{
#pragma unroll
		for (int r = 0; r < 4; r++)
		{
			int row = t + lane / 4 + r % 2 * 8, col = j * 16 + lane % 4 * 2 + r / 2 * 8;
			size_t at = (size_t) (row < piece.n ? row : 0) * (D / 2) + col;
			float2 cosine = *(const float2 *) (a.cosine + at);
			float2 sine = *(const float2 *) (a.sine + at);
			float2 x = widen2<T>(q[j][r]), y = widen2<T>(q[j + D / 32][r]);

			q[j][r] = narrow2<T>(x.x * cosine.x - y.x * sine.x, x.y * cosine.y - y.y * sine.y);
			q[j + D / 32][r] =
				narrow2<T>(y.x * cosine.x + x.x * sine.x, y.y * cosine.y + x.y * sine.y);
		}
	}
}

/*
 * Make s[2 * STEPS], scores of 16 queries from row t on and keys from first on, into exponents of 2: masked, biased,
 * multiplied by what scale says.
 */
template <bool EXTRA>
static __device__ __forceinline__ void
mask(const LepCudaAttention &a, const Piece &piece, int t, int first, float s[2 * STEPS][4])
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

			s[j][i] *= scale;
			if (EXTRA)
			{
				int row = t + lane / 4 + i / 2 * 8, distance = key - row;
				int far = distance < 0 ? -distance : distance;

				seen = seen && row < piece.n && (a.local == 0 || far < (int) a.local);
				if (a.bias != NULL && seen)
					s[j][i] += LOG2E * a.bias[(ptrdiff_t) (piece.head * a.ldb) + distance];
			}
			s[j][i] = seen ? s[j][i] : -INFINITY;
		}
	}
}

/* Attend: see the head of this file. */
template <typename T, int D, int WARPS, bool TURN, bool EXTRA>
static __global__ void
__launch_bounds__(WARPS *WARP) attend(LepCudaAttention a)
{
	constexpr int LD = D + V8;
	extern __shared__ __align__(16) unsigned char shared[];
	T *keys = (T *) shared;			  /* [2][KEYS][LD] */
	T *values = keys + 2 * KEYS * LD; /* the same */
	int lane = threadIdx.x % WARP;
	int block_first = blockIdx.y * (16 * WARPS);
	int t = block_first + (int) (threadIdx.x / WARP) * 16;
	size_t text = blockIdx.x / a.n_heads;
	float o[D / 8][4], top[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
	uint32_t q[D / 16][4];
	Piece piece;

	piece.start = a.starts[text];
	piece.n = (int) (a.starts[text + 1] - a.starts[text]);
	if (block_first >= piece.n)
		return;
	piece.head = blockIdx.x % a.n_heads;
	piece.key_head = a.n_group > 1 ? piece.head / a.n_group : piece.head;
	piece.low = 0;
	piece.high = piece.n;
	if (EXTRA && a.local > 0)
	{
		int local = (int) a.local;

		piece.low = block_first >= local ? (block_first - local + 1) / KEYS * KEYS : 0;
		if (piece.n - (block_first + 16 * WARPS - 1) > local)
			piece.high = block_first + 16 * WARPS - 1 + local;
	}
	bring<T, D, WARPS * WARP, TURN>(a, piece, piece.low, keys, values);
	take_queries<T, D, TURN>(a, piece, t, q);
#pragma unroll
	for (int j = 0; j < D / 8; j++)
		o[j][0] = o[j][1] = o[j][2] = o[j][3] = 0.0f;
	for (int first = piece.low, stage = 0; first < piece.high; first += KEYS, stage ^= 1)
	{
		const T *k = keys + stage * KEYS * LD, *v = values + stage * KEYS * LD;
		int left = piece.high - first;
		float s[2 * STEPS][4];

		if (left > KEYS)
			bring<T, D, WARPS * WARP, TURN>(a, piece, first + KEYS, keys + (stage ^ 1) * KEYS * LD,
											values + (stage ^ 1) * KEYS * LD);
		if (left > KEYS)
			wait_copies<1>();
		else
			wait_copies<0>();
		__syncthreads();
		if (t < piece.n)
		{
#pragma unroll
			for (int j = 0; j < STEPS; j++)
			{
#pragma unroll
				for (int i = 0; i < 4; i++)
					s[2 * j][i] = s[2 * j + 1][i] = 0.0f;
				if (j * 16 < left)
				{
					const T *row = k + (j * 16 + lane % 8 + lane / 16 * 8) * LD + lane / 8 % 2 * 8;

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
			mask<EXTRA>(a, piece, t, first, s);
#pragma unroll
			for (int r = 0; r < 2; r++)
			{
				float best = top[r], shrink, sum = 0.0f, zero;

#pragma unroll
				for (int j = 0; j < 2 * STEPS; j++)
					best = fmaxf(best, fmaxf(s[j][2 * r], s[j][2 * r + 1]));
				best = fmaxf(best, __shfl_xor_sync(ALL_LANES, best, 1));
				best = fmaxf(best, __shfl_xor_sync(ALL_LANES, best, 2));
				zero = best == -INFINITY ? 0.0f : best;
				shrink = power2(top[r] - zero);
				top[r] = best;
#pragma unroll
				for (int j = 0; j < 2 * STEPS; j++)
				{
					s[j][2 * r] = power2(s[j][2 * r] - zero);
					s[j][2 * r + 1] = power2(s[j][2 * r + 1] - zero);
					sum += s[j][2 * r] + s[j][2 * r + 1];
				}
				total[r] = total[r] * shrink + sum;
#pragma unroll
				for (int j = 0; j < D / 8; j++)
				{
					o[j][2 * r] *= shrink;
					o[j][2 * r + 1] *= shrink;
				}
			}
#pragma unroll
			for (int j = 0; j < STEPS; j++)
			{
				const T *row = v + (j * 16 + lane % 16) * LD + lane / 16 * 8;
				uint32_t p[4];

				if (j * 16 >= left)
					continue;
				p[0] = narrow2<T>(s[2 * j][0], s[2 * j][1]);
				p[1] = narrow2<T>(s[2 * j][2], s[2 * j][3]);
				p[2] = narrow2<T>(s[2 * j + 1][0], s[2 * j + 1][1]);
				p[3] = narrow2<T>(s[2 * j + 1][2], s[2 * j + 1][3]);
#pragma unroll
				for (int d = 0; d < D / 16; d++)
				{
					uint32_t b[4];

					load_transposed(b, row + d * 16);
					multiply<T>(o[2 * d], p, b[0], b[1]);
					multiply<T>(o[2 * d + 1], p, b[2], b[3]);
				}
			}
		}
		__syncthreads();
	}
#pragma unroll
	for (int r = 0; r < 2; r++)
	{
		int row = t + lane / 4 + r * 8;
		T *out = (T *) a.out + (piece.start + (size_t) row) * a.ldo + piece.head * D + lane % 4 * 2;
		float sum = total[r], factor;

		sum += __shfl_xor_sync(ALL_LANES, sum, 1);
		sum += __shfl_xor_sync(ALL_LANES, sum, 2);
		factor = 1.0f / sum;
		if (row >= piece.n)
			continue;
#pragma unroll
		for (int j = 0; j < D / 8; j++)
			*(uint32_t *) (out + j * 8) =
				narrow2<T>(o[j][2 * r] * factor, o[j][2 * r + 1] * factor);
	}
}

/* Launch it. */
template <typename T, int D, int WARPS, bool TURN, bool EXTRA>
static LepStatus
launch(LepCudaStream *stream, const LepCudaAttention *a)
{
	constexpr int SHARED = 4 * KEYS * (D + V8) * (int) sizeof(T);
	dim3 grid((unsigned) (a->n_texts * a->n_heads), blocks(a->max_len, 16 * WARPS));
	cudaError_t error = cudaSuccess;

	if (SHARED > 48 * 1024)
		error = cudaFuncSetAttribute(attend<T, D, WARPS, TURN, EXTRA>,
									 cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED);
	if (error != cudaSuccess)
		return lep_cuda_fail(stream->cuda, error, "attention");
	attend<T, D, WARPS, TURN, EXTRA><<<grid, WARPS * WARP, SHARED, stream->stream>>>(*a);
	return lep_cuda_launched(stream, "attention");
}

/* Choose the kernel for the extras and the longest text. */
template <typename T, int D>
static LepStatus
choose(LepCudaStream *stream, const LepCudaAttention *a)
{
	if (a->cosine != NULL)
		return launch<T, D, 4, true, true>(stream, a);
	if (a->local > 0 || a->bias != NULL)
		return launch<T, D, 4, false, true>(stream, a);
	return a->max_len <= 64 ? launch<T, D, 4, false, false>(stream, a)
							: launch<T, D, 8, false, false>(stream, a);
}

/* Does it take these arguments? */
bool
lep_cuda_attention_fits(const LepCuda *cuda, const LepCudaAttention *a)
{
	return cuda->major >= 8 && a->d_head % 32 == 0 && a->d_head <= 128 && a->place == NULL &&
		   a->ldq % V8 == 0 && a->ldo % 2 == 0 && aligned(a->q) && aligned(a->k) && aligned(a->v) &&
		   aligned(a->out) && aligned(a->cosine) && aligned(a->sine) && a->max_len <= 1 << 20 &&
		   (size_t) 4 * KEYS * (a->d_head + V8) * 2 <= cuda->shared_max && a->local <= 1 << 20;
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
