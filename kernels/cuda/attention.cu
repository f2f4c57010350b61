/*
 * attention.cu: attention with all its extras for heads of any width, on any device: a warp for each query; and the
 * choice between it and the tensor cores' one.
 */
#include "attention.cuh"

#define THREADS 128
#define WARPS	(THREADS / WARP)
#define N_OUT	(LEP_CUDA_MAX_HEAD / WARP) /* columns of a lane */

/* Return the text that row belongs to. */
static __device__ size_t
text_of(const uint32_t *starts, size_t n_texts, size_t row)
{
	size_t low = 0, high = n_texts;

	while (high - low > 1)
	{
		size_t middle = low + (high - low) / 2;

		if (starts[middle] <= row)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* v[V] = columns [i, i + V) of a row at position t, turned; V is 8 or 1. */
template <typename T, int V>
static __device__ __forceinline__ void
turned(const LepCudaAttention &a, const T *x, size_t t, unsigned i, float *v)
{
	unsigned half = (unsigned) a.d_head / 2, pair = i < half ? i : i - half;
	float other[V];

	if (V == V8)
		load8(x + i, v);
	else
		v[0] = widen(x[i]);
	if (a.cosine == NULL)
		return;
	if (V == V8)
		load8(x + (i < half ? i + half : i - half), other);
	else
		other[0] = widen(x[i < half ? i + half : i - half]);
#pragma unroll
	for (int j = 0; j < V; j++)
	{
		float sine = a.sine[t * half + pair + j];

		v[j] = v[j] * a.cosine[t * half + pair + j] + (i < half ? -sine : sine) * other[j];
	}
}

/* Return the score of the query whose turned numbers are q, at t, and key s. */
template <typename T, int V>
static __device__ float
score(const LepCudaAttention &a, const float *q, const T *k, size_t head, size_t t, size_t s)
{
	ptrdiff_t distance = (ptrdiff_t) s - (ptrdiff_t) t;
	size_t place = a.place == NULL ? 0 : (size_t) a.place[distance] * a.ldp + head * a.d_head;
	const T *place_key = a.place == NULL ? NULL : (const T *) a.place_key;
	const T *place_query = a.place == NULL ? NULL : (const T *) a.place_query;
	float sum = 0.0f, v[V], w[V];

	for (unsigned i = 0; i < a.d_head; i += V)
	{
		turned<T, V>(a, k, s, i, v);
#pragma unroll
		for (int j = 0; j < V; j++)
			sum = fmaf(q[i + j], v[j], sum);
		if (place_key != NULL)
		{
			if (V == V8)
				load8(place_key + place + i, w);
			else
				w[0] = widen(place_key[place + i]);
#pragma unroll
			for (int j = 0; j < V; j++)
				sum = fmaf(q[i + j], w[j], sum);
		}
		if (place_query != NULL)
		{
			if (V == V8)
				load8(place_query + place + i, w);
			else
				w[0] = widen(place_query[place + i]);
#pragma unroll
			for (int j = 0; j < V; j++)
				sum = fmaf(v[j], w[j], sum);
		}
	}
	sum *= a.scale;
	return a.bias == NULL ? sum : sum + a.bias[(ptrdiff_t) (head * a.ldb) + distance];
}

/* One query and head a warp; keys are taken 32 at a time, a lane each, and then weighed one after another. */
template <typename T, int V>
static __global__ void
attend(LepCudaAttention a)
{
	__shared__ float queries[WARPS][LEP_CUDA_MAX_HEAD];
	size_t at = (size_t) blockIdx.x * WARPS + threadIdx.x / WARP;
	size_t row = at / a.n_heads, head = at % a.n_heads;
	unsigned lane = threadIdx.x % WARP;
	float *q = queries[threadIdx.x / WARP];
	float out[N_OUT], top = -INFINITY, total = 0.0f;
	size_t text, start, n, t, low, high, key_head;
	const T *keys, *values;

	if (row >= a.n_rows)
		return;
	text = text_of(a.starts, a.n_texts, row);
	start = a.starts[text];
	n = a.starts[text + 1];
	if (row >= n)
		return;
	n -= start;
	t = row - start;
	low = a.local > 0 && t >= a.local ? t - a.local + 1 : 0;
	high = a.local > 0 && n - t > a.local ? t + a.local : n;
	key_head = head / (a.n_group > 0 ? a.n_group : 1);
	keys = (const T *) a.k + start * a.ldq + key_head * a.d_head;
	values = (const T *) a.v + start * a.ldq + key_head * a.d_head;
	for (unsigned i = lane; i < a.d_head; i += WARP)
		turned<T, 1>(a, (const T *) a.q + row * a.ldq + head * a.d_head, t, i, q + i);
	__syncwarp();
#pragma unroll
	for (int i = 0; i < N_OUT; i++)
		out[i] = 0.0f;
	for (size_t first = low; first < high; first += WARP)
	{
		size_t s = first + lane;
		unsigned count = high - first < WARP ? (unsigned) (high - first) : WARP;
		float p = s < high ? score<T, V>(a, q, keys + s * a.ldq, head, t, s) : -INFINITY;
		float best = p;

#pragma unroll
		for (int step = WARP / 2; step > 0; step /= 2)
			best = fmaxf(best, __shfl_xor_sync(ALL_LANES, best, step));
		best = fmaxf(best, top);
		p = lane < count ? expf(p - best) : 0.0f;
		top = expf(top - best);
		total = total * top + warp_sum(p);
#pragma unroll
		for (int i = 0; i < N_OUT; i++)
			out[i] *= top;
		top = best;
		for (unsigned j = 0; j < count; j++)
		{
			float w = __shfl_sync(ALL_LANES, p, j);
			const T *v = values + (first + j) * a.ldq;

#pragma unroll
			for (int i = 0; i < N_OUT; i++)
				if (lane + i * WARP < a.d_head)
					out[i] = fmaf(w, widen(v[lane + i * WARP]), out[i]);
		}
	}
#pragma unroll
	for (int i = 0; i < N_OUT; i++)
		if (lane + i * WARP < a.d_head)
			((T *) a.out)[row * a.ldo + head * a.d_head + lane + i * WARP] =
				narrow<T>(out[i] / total);
}

/* Can numbers be read eight at a time? */
static bool
eights(const LepCudaAttention *a)
{
	return a->d_head % V8 == 0 && a->ldq % V8 == 0 && aligned(a->k) && aligned(a->q) &&
		   (a->cosine == NULL || a->d_head % (2 * V8) == 0) &&
		   (a->place == NULL ||
			(a->ldp % V8 == 0 && aligned(a->place_key) && aligned(a->place_query)));
}

/* The typed part of lep_cuda_attention. */
template <typename T>
static LepStatus
attention(LepCudaStream *stream, const LepCudaAttention *args)
{
	size_t n = args->n_rows * args->n_heads;

	if (lep_cuda_attention_fits(stream->cuda, args))
		return lep_cuda_attention_tensor<T>(stream, args);
	if (eights(args))
		attend<T, V8><<<blocks(n, WARPS), THREADS, 0, stream->stream>>>(*args);
	else
		attend<T, 1><<<blocks(n, WARPS), THREADS, 0, stream->stream>>>(*args);
	return lep_cuda_launched(stream, "attention");
}

/* Attend. */
LepStatus
lep_cuda_attention(LepCudaStream *stream, LepDtype numbers, const LepCudaAttention *args)
{
	LepCuda *cuda = stream->cuda;
	size_t width = args->n_heads * args->d_head;
	LepStatus status = lep_cuda_count(cuda, args->n_rows, args->n_heads);

	if (status == LEP_OK)
		status = lep_cuda_count(cuda, args->n_texts, args->max_len);
	if (status != LEP_OK || args->n_rows == 0 || args->n_texts == 0 || width == 0)
		return status;
	if (args->d_head > LEP_CUDA_MAX_HEAD)
		return lep_cuda_refuse(cuda, LEP_UNSUPPORTED,
							   "attention heads of %zu are wider than the GPU's %d", args->d_head,
							   LEP_CUDA_MAX_HEAD);
	if (args->n_rows > (size_t) INT32_MAX / args->n_heads ||
		args->n_texts > (size_t) INT32_MAX / args->n_heads)
		return lep_cuda_count(cuda, SIZE_MAX, width);
	if ((args->cosine != NULL && (args->sine == NULL || args->d_head % 2 != 0)) ||
		(args->n_group > 0 && args->n_heads % args->n_group != 0))
		return lep_cuda_refuse(cuda, LEP_BAD_INPUT,
							   "attention of %zu heads of %zu cannot be grouped by %zu or turned",
							   args->n_heads, args->d_head, args->n_group);
	return LEP_CUDA_DISPATCH(stream, numbers, attention, stream, args);
}
