/*
 * pool.cu: one row of each text: pooling, and the weights of a vocabulary pooled as they come; refuses to multiply.
 */
#include "numbers.cuh"

#define THREADS		 512
#define MAX_SHARED	 16384		 /* floats of a pooled row that is kept on the chip */
#define USUAL_SHARED (46 * 1024) /* bytes that a block may have without asking */
#define MAX_TEXTS	 65535		 /* of one grid */

/* What pooling needs, in device memory. */
template <typename T> struct Pool
{
	const T *x;
	size_t ldx;
	const uint32_t *starts;
	size_t d;
	uint8_t modes[LEP_CUDA_MAX_POOLS];
	uint32_t n_modes, skip;
	bool normalize;
};

/* Return the number with which a row of a mode begins. */
static __device__ __forceinline__ float
beginning(unsigned mode)
{
	return mode == LEP_CUDA_POOL_MAX ? -INFINITY : 0.0f;
}

/* Return what stands for the rows so far and one or more others. */
static __device__ __forceinline__ float
together(unsigned mode, float a, float b)
{
	return mode == LEP_CUDA_POOL_MAX ? max_or_nan(a, b) : a + b;
}

/* Return what a pooled number is divided by; n rows, the first skip left out. */
static __device__ float
divisor(unsigned mode, uint32_t n, uint32_t skip)
{
	float count = n > skip ? (float) (n - skip) : 0.0f;

	if (mode == LEP_CUDA_POOL_WEIGHTED_MEAN)
		count = n > skip ? 0.5f * ((float) n * (float) (n + 1) - (float) skip * (float) (skip + 1))
						 : 0.0f;
	count = count > 1e-9f ? count : 1e-9f;
	if (mode == LEP_CUDA_POOL_MEAN || mode == LEP_CUDA_POOL_WEIGHTED_MEAN)
		return count;
	return mode == LEP_CUDA_POOL_MEAN_SQRT ? sqrtf(count) : 1.0f;
}

/* The rows [*first, *end) of a text of n that a mode looks at. */
static __device__ void
rows_of(unsigned mode, uint32_t n, uint32_t skip, uint32_t *first, uint32_t *end)
{
	*first = skip < n ? skip : n;
	*end = n;
	if (mode == LEP_CUDA_POOL_CLS)
	{
		*first = skip < n ? skip : 0;
		*end = n > 0 ? *first + 1 : *first;
	}
	else if (mode == LEP_CUDA_POOL_LAST && skip < n)
		*first = n - 1;
}

/*
 * One text a block.  Threads stand in groups, each as wide as the row in pieces of V; a group takes every so-manieth
 * row of the text, and the groups' rows are brought together one after another.  row holds one mode, or all of them
 * where the whole is normalized.
 */
template <typename T, typename Out, int V>
static __global__ void
pool_texts(Pool<T> a, Out *out)
{
	extern __shared__ float row[];
	__shared__ float lengths[THREADS / WARP];
	size_t text = blockIdx.x, across = a.d / V;
	uint32_t start = a.starts[text], n = a.starts[text + 1] - start;
	unsigned n_groups = across < THREADS ? (unsigned) (THREADS / across) : 1;
	unsigned group = (unsigned) (threadIdx.x / across);
	size_t piece = threadIdx.x % across;
	unsigned step = across < THREADS ? (unsigned) across : THREADS;
	float squares = 0.0f;

	for (unsigned k = 0; k < a.n_modes; k++)
	{
		unsigned mode = a.modes[k];
		float *pooled = a.normalize ? row + k * a.d : row;
		float factor = 1.0f / divisor(mode, n, a.skip);
		uint32_t first, end;

		rows_of(mode, n, a.skip, &first, &end);
		for (size_t i = threadIdx.x; i < a.d; i += THREADS)
			pooled[i] = beginning(mode);
		__syncthreads();
		for (size_t p = piece; p < across; p += step)
		{
			float sum[V], v[V];

#pragma unroll
			for (int j = 0; j < V; j++)
				sum[j] = beginning(mode);
			for (uint32_t t = first + group; t < end && group < n_groups; t += n_groups)
			{
				const T *x = a.x + ((size_t) start + t) * a.ldx + p * V;
				float w = mode == LEP_CUDA_POOL_WEIGHTED_MEAN ? (float) (t + 1) : 1.0f;

				if (V == V8)
					load8(x, v);
				else
					v[0] = widen(x[0]);
#pragma unroll
				for (int j = 0; j < V; j++)
					sum[j] = together(mode, sum[j], w * v[j]);
			}
			for (unsigned g = 0; g < n_groups; g++)
			{
				if (g == group)
				{
#pragma unroll
					for (int j = 0; j < V; j++)
						pooled[p * V + j] = together(mode, pooled[p * V + j], sum[j]);
				}
				if (n_groups > 1)
					__syncthreads();
			}
		}
		__syncthreads();
		for (size_t i = threadIdx.x; i < a.d; i += THREADS)
		{
			float v = n == 0 ? 0.0f : pooled[i] * factor;

			if (a.normalize)
				pooled[i] = v;
			else
				out[(text * a.n_modes + k) * a.d + i] = narrow<Out>(v);
			squares += v * v;
		}
		__syncthreads();
	}
	if (!a.normalize)
		return;
	squares = warp_sum(squares);
	if (threadIdx.x % WARP == 0)
		lengths[threadIdx.x / WARP] = squares;
	__syncthreads();
	squares = 0.0f;
	for (int i = 0; i < THREADS / WARP; i++)
		squares += lengths[i];
	squares = sqrtf(squares);
	squares = 1.0f / (squares > 1e-12f || squares != squares ? squares : 1e-12f);
	for (size_t i = threadIdx.x; i < a.n_modes * a.d; i += THREADS)
		out[text * a.n_modes * a.d + i] = narrow<Out>(row[i] * squares);
}

/* Launch it for V numbers a thread. */
template <typename T, typename Out, int V>
static LepStatus
launch(LepCudaStream *stream, const Pool<T> &a, void *out, size_t n_texts)
{
	size_t shared = (a.normalize ? a.d * a.n_modes : a.d) * sizeof(float);
	cudaError_t error = cudaSuccess;

	if (shared > USUAL_SHARED)
		error = cudaFuncSetAttribute(pool_texts<T, Out, V>,
									 cudaFuncAttributeMaxDynamicSharedMemorySize, (int) shared);
	if (error != cudaSuccess)
		return lep_cuda_fail(stream->cuda, error, "pooling");
	pool_texts<T, Out, V><<<(unsigned) n_texts, THREADS, shared, stream->stream>>>(a, (Out *) out);
	return lep_cuda_launched(stream, "pooling");
}

/* The typed part of lep_cuda_pool. */
template <typename T>
static LepStatus
pool(LepCudaStream *stream, const LepCudaPool *args, bool normalize)
{
	Pool<T> a = {(const T *) args->x, args->ldx,  args->starts, args->d, {0},
				 args->n_modes,		  args->skip, normalize};
	bool eights = args->d % V8 == 0 && args->ldx % V8 == 0 && aligned(args->x);

	for (unsigned i = 0; i < args->n_modes; i++)
		a.modes[i] = args->modes[i];
	if (eights)
		return args->wide ? launch<T, float, V8>(stream, a, args->out, args->n_texts)
						  : launch<T, T, V8>(stream, a, args->out, args->n_texts);
	return args->wide ? launch<T, float, 1>(stream, a, args->out, args->n_texts)
					  : launch<T, T, 1>(stream, a, args->out, args->n_texts);
}

/* Pool; a row too wide for the chip is normalized afterwards. */
LepStatus
lep_cuda_pool(LepCudaStream *stream, LepDtype numbers, const LepCudaPool *args)
{
	LepStatus status = lep_cuda_count(stream->cuda, args->n_texts, args->d);
	bool later = args->normalize && args->d > MAX_SHARED / LEP_CUDA_MAX_POOLS &&
				 args->d * args->n_modes > MAX_SHARED;

	if (status != LEP_OK || args->n_texts == 0 || args->d == 0 || args->n_modes == 0)
		return status;
	if (args->n_modes > LEP_CUDA_MAX_POOLS)
		return lep_cuda_refuse(stream->cuda, LEP_BAD_INPUT, "%u modes of pooling are too many",
							   args->n_modes);
	if (args->d > MAX_SHARED)
		return lep_cuda_refuse(stream->cuda, LEP_TOO_LARGE, "rows of %zu are too wide to be pooled",
							   args->d);
	status = LEP_CUDA_DISPATCH(stream, numbers, pool, stream, args, args->normalize && !later);
	if (status != LEP_OK || !later)
		return status;
	return lep_cuda_normalize(stream, args->wide ? LEP_F32 : numbers, args->out,
							  args->d * args->n_modes, args->out, args->n_texts,
							  args->d * args->n_modes);
}

/* Return log1p(max(x, 0)), twice with n_logs 2; what is no number stays. */
static __device__ __forceinline__ float
weight(float x, uint32_t n_logs)
{
	if (x <= 0.0f)
		return 0.0f;
	return n_logs == 1 ? log1pf(x) : log1pf(log1pf(x));
}

/* out[texts, d] takes in the logits of rows [first, end) of the batch: one number of one text a thread. */
template <typename T>
static __global__ void
weigh(const T *logits, const uint32_t *starts, size_t first, size_t end, size_t d, bool sum,
	  uint32_t n_logs, float *out)
{
	size_t text = blockIdx.y, i = (size_t) blockIdx.x * THREADS + threadIdx.x;
	size_t from = starts[text], to = starts[text + 1];
	float total = 0.0f;

	from = from < first ? first : from;
	to = to > end ? end : to;
	if (from >= to || i >= d)
		return;
	for (size_t t = from; t < to; t++)
	{
		float v = widen(logits[(t - first) * d + i]);

		total = sum ? total + weight(v, n_logs) : max_or_nan(total, v);
	}
	out += text * d + i;
	*out = sum ? *out + total : max_or_nan(*out, weight(total, n_logs));
}

/* Launch it, in pieces of as many texts as a grid has rows. */
template <typename T>
static LepStatus
take_in(LepCudaStream *stream, const LepCudaSparse *a, size_t first, size_t end)
{
	for (size_t text = 0; text < a->n_texts; text += MAX_TEXTS)
	{
		size_t n = a->n_texts - text < MAX_TEXTS ? a->n_texts - text : MAX_TEXTS;
		dim3 grid(blocks(a->d_out, THREADS), (unsigned) n);

		weigh<T><<<grid, THREADS, 0, stream->stream>>>((const T *) a->logits, a->starts + text,
													   first, end, a->d_out, a->sum, a->n_logs,
													   a->out + text * a->d_out);
	}
	return lep_cuda_launched(stream, "pooling a vocabulary");
}

/* Weigh the vocabulary for each text. */
LepStatus
lep_cuda_sparse(LepCudaStream *stream, LepDtype numbers, const LepCudaSparse *args)
{
	size_t width = numbers == LEP_F16 || numbers == LEP_BF16 ? sizeof(uint16_t) : 0;
	LepStatus status = lep_cuda_count(stream->cuda, args->n_rows, args->d_out);

	if (status == LEP_OK)
		status = lep_cuda_count(stream->cuda, args->n_texts, args->d_in);
	if (status == LEP_OK && (args->logits_rows == 0 || width == 0))
		status = lep_cuda_refuse(stream->cuda, LEP_BAD_INPUT, "there is no room for logits");
	if (status == LEP_OK)
		status = lep_cuda_clear(stream, args->out, args->n_texts * args->d_out * sizeof(float));
	for (size_t row = 0; row < args->n_rows && status == LEP_OK; row += args->logits_rows)
	{
		size_t left = args->n_rows - row;
		LepCudaLinear linear = {};

		linear.x = (const char *) args->x + row * args->ldx * width;
		linear.ldx = args->ldx;
		linear.w = args->w;
		linear.half_bias = args->half_bias;
		linear.out = args->logits;
		linear.ldo = args->d_out;
		linear.n_rows = left < args->logits_rows ? left : args->logits_rows;
		linear.d_out = args->d_out;
		linear.d_in = args->d_in;
		linear.act = LEP_ACT_NONE;
		status = lep_cuda_linear(stream, numbers, &linear);
		if (status == LEP_OK)
			status =
				LEP_CUDA_DISPATCH(stream, numbers, take_in, stream, args, row, row + linear.n_rows);
	}
	return status;
}
