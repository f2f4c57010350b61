/*
 * norm.cu: look-up of embeddings and the norms, in one pass over a row that stays in registers; refuses
 * to multiply matrices.
 *
 * The two kernels take a reader, which gives a row's numbers as floats: from tables, or from x and a residual.
 */
#include "numbers.cuh"

#define SLOW_THREADS 256

/* Reads x + residual. */
template <typename T> struct FromRows
{
	const T *x, *residual;
	size_t ldx, ldr;

	__device__ void eight(size_t row, unsigned i, float *v) const
	{
		load8(x + row * ldx + i, v);
		if (residual != NULL)
		{
			float more[V8];

			load8(residual + row * ldr + i, more);
#pragma unroll
			for (int j = 0; j < V8; j++)
				v[j] += more[j];
		}
	}

	__device__ float one(size_t row, unsigned i) const
	{
		float v = widen(x[row * ldx + i]);

		return residual == NULL ? v : v + widen(residual[row * ldr + i]);
	}
};

/* A table of weights. */
struct Table
{
	const void *data;
	LepDtype dtype;
	size_t rows;

	__device__ float entry(size_t row, size_t d, unsigned i) const
	{
		size_t at = row * d + i;

		switch (dtype)
		{
			case LEP_F16:
				return widen(((const __half *) data)[at]);
			case LEP_BF16:
				return widen(((const __nv_bfloat16 *) data)[at]);
			case LEP_I8:
				return ((const float *) data)[row] *
					   (float) ((const int8_t *) ((const float *) data + rows))[at];
			case LEP_F32:
				break;
		}
		return ((const float *) data)[at];
	}

	__device__ void add_eight(size_t row, size_t d, unsigned i, float *v) const
	{
		float more[V8];

		if (dtype == LEP_F32)
			load8((const float *) data + row * d + i, more);
		else if (dtype == LEP_F16)
			load8((const __half *) data + row * d + i, more);
		else if (dtype == LEP_BF16)
			load8((const __nv_bfloat16 *) data + row * d + i, more);
		else
			for (unsigned j = 0; j < V8; j++)
				more[j] = entry(row, d, i + j);
#pragma unroll
		for (int j = 0; j < V8; j++)
			v[j] += more[j];
	}
};

/* Reads word[ids] + type[types] + position[positions]. */
struct FromTables
{
	const int32_t *ids, *positions, *types;
	Table word, position, type;
	size_t d;

	__device__ void eight(size_t row, unsigned i, float *v) const
	{
#pragma unroll
		for (int j = 0; j < V8; j++)
			v[j] = 0.0f;
		word.add_eight((size_t) ids[row], d, i, v);
		if (type.data != NULL)
			type.add_eight(types == NULL ? 0 : (size_t) types[row], d, i, v);
		if (position.data != NULL)
			position.add_eight((size_t) positions[row], d, i, v);
	}

	__device__ float one(size_t row, unsigned i) const
	{
		float v = word.entry((size_t) ids[row], d, i);

		if (type.data != NULL)
			v += type.entry(types == NULL ? 0 : (size_t) types[row], d, i);
		if (position.data != NULL)
			v += position.entry((size_t) positions[row], d, i);
		return v;
	}
};

/* What the kernels do with a row. */
template <typename T> struct Finish
{
	const float *gamma, *beta; /* NULL gamma: no norm */
	float eps;
	bool rms;
	T *sum, *out; /* [n_rows, d]; NULL sum: not wanted */
	size_t n_rows;
	unsigned d;
};

/* Return the sum of v over the THREADS of a row, in all of them; scratch holds a float for each warp. */
template <int THREADS>
static __device__ __forceinline__ float
row_sum(float v, float *scratch)
{
	v = warp_sum(v);
	if (THREADS > WARP)
	{
		__syncthreads();
		if (threadIdx.x % WARP == 0)
			scratch[threadIdx.x / WARP] = v;
		__syncthreads();
		v = 0.0f;
#pragma unroll
		for (int i = 0; i < THREADS / WARP; i++)
			v += scratch[i];
	}
	return v;
}

/*
 * Rows of THREADS threads, each holding N times eight numbers; d is a multiple of 8, at most
 * 8 * N * THREADS.  A block has 128 threads, or THREADS where that is more.
 */
template <typename T, typename Reader, int THREADS, int N>
static __global__ void
finish_rows(Reader reader, Finish<T> to)
{
	constexpr int PER_BLOCK = THREADS < 128 ? 128 / THREADS : 1;
	__shared__ float scratch[THREADS / WARP];
	size_t row = (size_t) blockIdx.x * PER_BLOCK + threadIdx.x / THREADS;
	unsigned first = threadIdx.x % THREADS * V8;
	float v[N][V8], total = 0.0f, mean = 0.0f, factor;

	if (row >= to.n_rows)
		return;
#pragma unroll
	for (int n = 0; n < N; n++)
	{
		unsigned i = first + n * THREADS * V8;

		if (i < to.d)
			reader.eight(row, i, v[n]);
		else
		{
#pragma unroll
			for (int j = 0; j < V8; j++)
				v[n][j] = 0.0f;
		}
#pragma unroll
		for (int j = 0; j < V8; j++)
			total += v[n][j];
		if (to.sum != NULL && i < to.d)
			store8(to.sum + row * to.d + i, v[n]);
	}
	if (to.gamma == NULL)
	{
#pragma unroll
		for (int n = 0; n < N; n++)
			if (first + n * THREADS * V8 < to.d)
				store8(to.out + row * to.d + first + n * THREADS * V8, v[n]);
		return;
	}
	if (!to.rms)
		mean = row_sum<THREADS>(total, scratch) / (float) to.d;
	total = 0.0f;
#pragma unroll
	for (int n = 0; n < N; n++)
		if (first + n * THREADS * V8 < to.d)
		{
#pragma unroll
			for (int j = 0; j < V8; j++)
				total += (v[n][j] - mean) * (v[n][j] - mean);
		}
	factor = rsqrtf(row_sum<THREADS>(total, scratch) / (float) to.d + to.eps);
#pragma unroll
	for (int n = 0; n < N; n++)
	{
		unsigned i = first + n * THREADS * V8;
		float gamma[V8], beta[V8] = {0};

		if (i >= to.d)
			continue;
		load8(to.gamma + i, gamma);
		if (to.beta != NULL)
			load8(to.beta + i, beta);
#pragma unroll
		for (int j = 0; j < V8; j++)
			v[n][j] = fmaf((v[n][j] - mean) * factor, gamma[j], beta[j]);
		store8(to.out + row * to.d + i, v[n]);
	}
}

/* A row of any width for each block: it is read once for every sum, and again to be written. */
template <typename T, typename Reader>
static __global__ void
finish_any(Reader reader, Finish<T> to)
{
	__shared__ float scratch[SLOW_THREADS / WARP];
	size_t row = blockIdx.x;
	float total = 0.0f, mean = 0.0f, factor = 1.0f;

	if (to.gamma != NULL && !to.rms)
	{
		for (unsigned i = threadIdx.x; i < to.d; i += SLOW_THREADS)
			total += reader.one(row, i);
		mean = row_sum<SLOW_THREADS>(total, scratch) / (float) to.d;
	}
	if (to.gamma != NULL)
	{
		total = 0.0f;
		for (unsigned i = threadIdx.x; i < to.d; i += SLOW_THREADS)
		{
			float v = reader.one(row, i) - mean;

			total += v * v;
		}
		factor = rsqrtf(row_sum<SLOW_THREADS>(total, scratch) / (float) to.d + to.eps);
	}
	for (unsigned i = threadIdx.x; i < to.d; i += SLOW_THREADS)
	{
		float v = reader.one(row, i);

		if (to.sum != NULL)
			to.sum[row * to.d + i] = narrow<T>(v);
		if (to.gamma != NULL)
			v = fmaf((v - mean) * factor, to.gamma[i], to.beta == NULL ? 0.0f : to.beta[i]);
		to.out[row * to.d + i] = narrow<T>(v);
	}
}

/* Launch the kernel for the width. */
template <typename T, typename Reader>
static LepStatus
finish(LepCudaStream *stream, const Reader &reader, const Finish<T> &to, bool eights,
	   const char *what)
{
	cudaStream_t s = stream->stream;

	eights = eights && to.d % V8 == 0 && aligned(to.out) && aligned(to.sum) && aligned(to.gamma) &&
			 aligned(to.beta);
	if (!eights || to.d > 16384)
		finish_any<T, Reader><<<(unsigned) to.n_rows, SLOW_THREADS, 0, s>>>(reader, to);
	else if (to.d <= 512)
		finish_rows<T, Reader, WARP, 2><<<blocks(to.n_rows, 4), 128, 0, s>>>(reader, to);
	else if (to.d <= 1024)
		finish_rows<T, Reader, WARP, 4><<<blocks(to.n_rows, 4), 128, 0, s>>>(reader, to);
	else if (to.d <= 4096)
		finish_rows<T, Reader, 256, 2><<<(unsigned) to.n_rows, 256, 0, s>>>(reader, to);
	else
		finish_rows<T, Reader, 256, 8><<<(unsigned) to.n_rows, 256, 0, s>>>(reader, to);
	return lep_cuda_launched(stream, what);
}

/* The typed part of lep_cuda_embed. */
template <typename T>
static LepStatus
embed(LepCudaStream *stream, const LepCudaEmbed *a)
{
	FromTables reader = {a->ids,
						 a->positions,
						 a->types,
						 {a->word, a->word_dtype, a->word_rows},
						 {a->position, a->position_dtype, a->position_rows},
						 {a->type, a->type_dtype, a->type_rows},
						 a->d};
	Finish<T> to = {a->gamma, a->beta,		a->eps,	   false,
					NULL,	  (T *) a->out, a->n_rows, (unsigned) a->d};

	return finish(stream, reader, to, aligned(a->word) && aligned(a->position) && aligned(a->type),
				  "embedding");
}

/* Look up and norm. */
LepStatus
lep_cuda_embed(LepCudaStream *stream, LepDtype numbers, const LepCudaEmbed *args)
{
	LepStatus status = lep_cuda_count(stream->cuda, args->n_rows, args->d);

	if (status != LEP_OK || args->n_rows == 0 || args->d == 0)
		return status;
	if (args->position != NULL && args->positions == NULL)
		return lep_cuda_refuse(stream->cuda, LEP_BAD_INPUT, "embedding has no positions");
	return LEP_CUDA_DISPATCH(stream, numbers, embed, stream, args);
}

/* The typed part of lep_cuda_norm. */
template <typename T>
static LepStatus
norm(LepCudaStream *stream, const LepCudaNorm *a)
{
	FromRows<T> reader = {(const T *) a->x, (const T *) a->residual, a->ldx, a->ldr};
	Finish<T> to = {a->gamma,	  a->beta,		a->eps,	   a->rms,
					(T *) a->sum, (T *) a->out, a->n_rows, (unsigned) a->d};

	return finish(stream, reader, to,
				  aligned(a->x) && aligned(a->residual) && a->ldx % V8 == 0 &&
					  (a->residual == NULL || a->ldr % V8 == 0),
				  "norm");
}

/* Norm, of a sum where there is a residual. */
LepStatus
lep_cuda_norm(LepCudaStream *stream, LepDtype numbers, const LepCudaNorm *args)
{
	LepStatus status = lep_cuda_count(stream->cuda, args->n_rows, args->d);

	if (status != LEP_OK || args->n_rows == 0 || args->d == 0)
		return status;
	if (args->gamma == NULL)
		return lep_cuda_refuse(stream->cuda, LEP_BAD_INPUT, "norm has no gamma");
	return LEP_CUDA_DISPATCH(stream, numbers, norm, stream, args);
}
