/*
 * rows.cu: operators that move numbers or change each for itself, and the way to f32 and back; refuses sums
 * but those of a row's length.
 */
#include "numbers.cuh"

#define THREADS	   256
#define MAX_BLOCKS 8192

typedef enum Step
{
	STEP_CUT,
	STEP_ACTIVATE,
	STEP_GATE,
	STEP_ADD,
	STEP_PICK
} Step;

/* out[n_rows, d] of x and y, see the Step. */
template <typename T> struct Rows
{
	const T *x, *y;
	size_t ldx, ldy;
	const uint32_t *picks;
	T *out;
	size_t n_rows, d;
	LepAct act;
};

/* Return what a step makes of one number. */
template <Step STEP>
static __device__ __forceinline__ float
made(float x, float y, LepAct act)
{
	if (STEP == STEP_ACTIVATE)
		return activation(x, act);
	if (STEP == STEP_GATE)
		return activation(x, act) * y;
	if (STEP == STEP_ADD)
		return x + y;
	return x;
}

/* V numbers a thread, V being 8 or 1. */
template <typename T, Step STEP, int V>
static __global__ void
change(Rows<T> a)
{
	constexpr bool two = STEP == STEP_GATE || STEP == STEP_ADD;
	size_t across = a.d / V, n = a.n_rows * across;

	for (size_t at = (size_t) blockIdx.x * THREADS + threadIdx.x; at < n;
		 at += (size_t) gridDim.x * THREADS)
	{
		size_t row = at / across, i = at % across * V;
		size_t from = STEP == STEP_PICK ? a.picks[row] : row;
		float x[V], y[V];

		if (V == V8)
		{
			load8(a.x + from * a.ldx + i, x);
			if (two)
				load8(a.y + row * a.ldy + i, y);
		}
		else
		{
			x[0] = widen(a.x[from * a.ldx + i]);
			if (two)
				y[0] = widen(a.y[row * a.ldy + i]);
		}
#pragma unroll
		for (int j = 0; j < V; j++)
			x[j] = made<STEP>(x[j], two ? y[j] : 0.0f, a.act);
		if (V == V8)
			store8(a.out + row * a.d + i, x);
		else
			a.out[row * a.d + i] = narrow<T>(x[0]);
	}
}

/* Blocks for n threads that take several things each where there are many. */
static unsigned
some_blocks(size_t n)
{
	unsigned all = blocks(n, THREADS);

	return all < MAX_BLOCKS ? all : MAX_BLOCKS;
}

/* Launch a step. */
template <typename T, Step STEP>
static LepStatus
run(LepCudaStream *stream, const Rows<T> &a, const char *what)
{
	bool eights = a.d % V8 == 0 && a.ldx % V8 == 0 && a.ldy % V8 == 0 && aligned(a.x) &&
				  aligned(a.y) && aligned(a.out);

	if (eights)
		change<T, STEP, V8><<<some_blocks(a.n_rows * (a.d / V8)), THREADS, 0, stream->stream>>>(a);
	else
		change<T, STEP, 1><<<some_blocks(a.n_rows * a.d), THREADS, 0, stream->stream>>>(a);
	return lep_cuda_launched(stream, what);
}

/* Choose the step. */
template <typename T>
static LepStatus
choose(LepCudaStream *stream, Step step, const void *x, size_t ldx, const void *y, size_t ldy,
	   const uint32_t *picks, void *out, size_t n_rows, size_t d, LepAct act)
{
	Rows<T> a = {(const T *) x, (const T *) y, ldx, ldy, picks, (T *) out, n_rows, d, act};

	switch (step)
	{
		case STEP_CUT:
			return run<T, STEP_CUT>(stream, a, "copying columns");
		case STEP_ACTIVATE:
			return run<T, STEP_ACTIVATE>(stream, a, "activation");
		case STEP_GATE:
			return run<T, STEP_GATE>(stream, a, "gate");
		case STEP_ADD:
			return run<T, STEP_ADD>(stream, a, "addition");
		case STEP_PICK:
			break;
	}
	return run<T, STEP_PICK>(stream, a, "picking rows");
}

/* Check sizes, then run a step. */
static LepStatus
start(LepCudaStream *stream, LepDtype numbers, Step step, const void *x, size_t ldx, const void *y,
	  size_t ldy, const uint32_t *picks, void *out, size_t n_rows, size_t d, LepAct act)
{
	LepStatus status = lep_cuda_count(stream->cuda, n_rows, d);

	if (status != LEP_OK || n_rows == 0 || d == 0)
		return status;
	return LEP_CUDA_DISPATCH(stream, numbers, choose, stream, step, x, ldx, y, ldy, picks, out,
							 n_rows, d, act);
}

/* Copy the first columns. */
LepStatus
lep_cuda_cut(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
			 size_t n_rows, size_t d)
{
	return start(stream, numbers, STEP_CUT, x, ldx, NULL, 0, NULL, out, n_rows, d, LEP_ACT_NONE);
}

/* Copy some rows. */
LepStatus
lep_cuda_pick(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
			  const uint32_t *picks, size_t n_picks, void *out, size_t d)
{
	return start(stream, numbers, STEP_PICK, x, ldx, NULL, 0, picks, out, n_picks, d, LEP_ACT_NONE);
}

/* Activate x, times y. */
LepStatus
lep_cuda_gate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, const void *y,
			  size_t ldy, void *out, size_t n_rows, size_t d, LepAct act)
{
	return start(stream, numbers, STEP_GATE, x, ldx, y, ldy, NULL, out, n_rows, d, act);
}

/* Activate. */
LepStatus
lep_cuda_activate(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
				  size_t n_rows, size_t d, LepAct act)
{
	return start(stream, numbers, STEP_ACTIVATE, x, ldx, NULL, 0, NULL, out, n_rows, d, act);
}

/* Add. */
LepStatus
lep_cuda_add(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, const void *y,
			 size_t ldy, void *out, size_t n_rows, size_t d)
{
	return start(stream, numbers, STEP_ADD, x, ldx, y, ldy, NULL, out, n_rows, d, LEP_ACT_NONE);
}

/* Divide a row by its length: one warp a row. */
template <typename T>
static __global__ void
normalize_rows(const T *x, size_t ldx, T *out, size_t n_rows, size_t d)
{
	size_t row = (size_t) blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP;
	unsigned lane = threadIdx.x % WARP;
	float squares = 0.0f, factor;

	if (row >= n_rows)
		return;
	for (size_t i = lane; i < d; i += WARP)
	{
		float v = widen(x[row * ldx + i]);

		squares += v * v;
	}
	factor = sqrtf(warp_sum(squares));
	factor = 1.0f / (factor > 1e-12f || factor != factor ? factor : 1e-12f);
	for (size_t i = lane; i < d; i += WARP)
		out[row * d + i] = narrow<T>(widen(x[row * ldx + i]) * factor);
}

/* Launch it for a type, which may be float. */
template <typename T>
static LepStatus
normalize(LepCudaStream *stream, const void *x, size_t ldx, void *out, size_t n_rows, size_t d)
{
	normalize_rows<T><<<blocks(n_rows, THREADS / WARP), THREADS, 0, stream->stream>>>(
		(const T *) x, ldx, (T *) out, n_rows, d);
	return lep_cuda_launched(stream, "normalizing");
}

/* Divide rows by their lengths. */
LepStatus
lep_cuda_normalize(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx, void *out,
				   size_t n_rows, size_t d)
{
	LepStatus status = lep_cuda_count(stream->cuda, n_rows, d);

	if (status != LEP_OK || n_rows == 0 || d == 0)
		return status;
	if (numbers == LEP_F32)
		return normalize<float>(stream, x, ldx, out, n_rows, d);
	return LEP_CUDA_DISPATCH(stream, numbers, normalize, stream, x, ldx, out, n_rows, d);
}

/* Lay each row's neighbours beside it, one number a thread. */
template <typename T>
static __global__ void
unfold_rows(const T *x, size_t ldx, const uint32_t *starts, size_t n_texts, size_t n_rows, T *out,
			size_t d, size_t n_around)
{
	size_t width = d * n_around, n = n_rows * width;

	for (size_t at = (size_t) blockIdx.x * THREADS + threadIdx.x; at < n;
		 at += (size_t) gridDim.x * THREADS)
	{
		size_t row = at / width, i = at % width, low = 0, high = n_texts;
		size_t from = row + i / d; /* too far by half of those around */

		/* the last text that begins at the row or before it */
		while (high - low > 1)
		{
			size_t middle = low + (high - low) / 2;

			if (starts[middle] <= row)
				low = middle;
			else
				high = middle;
		}
		if (from < starts[low] + n_around / 2 || from >= starts[low + 1] + n_around / 2)
			out[at] = narrow<T>(0.0f);
		else
			out[at] = x[(from - n_around / 2) * ldx + i % d];
	}
}

/* Launch it. */
template <typename T>
static LepStatus
unfold(LepCudaStream *stream, const void *x, size_t ldx, const uint32_t *starts, size_t n_texts,
	   size_t n_rows, void *out, size_t d, size_t n_around)
{
	unfold_rows<T><<<some_blocks(n_rows * d * n_around), THREADS, 0, stream->stream>>>(
		(const T *) x, ldx, starts, n_texts, n_rows, (T *) out, d, n_around);
	return lep_cuda_launched(stream, "unfolding");
}

/* Lay neighbours side by side. */
LepStatus
lep_cuda_unfold(LepCudaStream *stream, LepDtype numbers, const void *x, size_t ldx,
				const uint32_t *starts, size_t n_texts, size_t n_rows, void *out, size_t d,
				size_t n_around)
{
	LepStatus status = lep_cuda_count(stream->cuda, n_rows, d);

	if (status == LEP_OK)
		status = lep_cuda_count(stream->cuda, n_texts, n_around);
	if (status == LEP_OK && d > 0 && n_around > (size_t) INT32_MAX / d)
		status = lep_cuda_count(stream->cuda, n_rows, SIZE_MAX);
	if (status != LEP_OK || n_rows == 0 || d == 0 || n_texts == 0)
		return status;
	if (n_around % 2 == 0)
		return lep_cuda_refuse(stream->cuda, LEP_BAD_INPUT, "%zu rows have no middle", n_around);
	return LEP_CUDA_DISPATCH(stream, numbers, unfold, stream, x, ldx, starts, n_texts, n_rows, out,
							 d, n_around);
}

/* Widen, and note the first number that is none. */
template <typename T>
static __global__ void
widen_all(const T *x, float *out, size_t n, unsigned long long *first_bad)
{
	for (size_t i = (size_t) blockIdx.x * THREADS + threadIdx.x; i < n;
		 i += (size_t) gridDim.x * THREADS)
	{
		float v = widen(x[i]);

		if ((const void *) x != (const void *) out)
			out[i] = v;
		if (first_bad != NULL && !isfinite(v))
			atomicMin(first_bad, (unsigned long long) i);
	}
}

/* Launch it for a type, which may be float. */
template <typename T>
static LepStatus
widen_to(LepCudaStream *stream, const void *x, float *out, size_t n, uint64_t *first_bad)
{
	widen_all<T><<<some_blocks(n), THREADS, 0, stream->stream>>>((const T *) x, out, n,
																 (unsigned long long *) first_bad);
	return lep_cuda_launched(stream, "widening");
}

/* Widen to f32, and look for what is not finite. */
LepStatus
lep_cuda_widen(LepCudaStream *stream, LepDtype numbers, const void *x, float *out, size_t n,
			   uint64_t *first_bad)
{
	if (first_bad != NULL)
	{
		cudaError_t error = cudaMemsetAsync(first_bad, 0xff, sizeof(*first_bad), stream->stream);

		if (error != cudaSuccess)
			return lep_cuda_fail(stream->cuda, error, "clearing GPU memory");
	}
	if (n == 0)
		return LEP_OK;
	if (numbers == LEP_F32)
		return widen_to<float>(stream, x, out, n, first_bad);
	return LEP_CUDA_DISPATCH(stream, numbers, widen_to, stream, x, out, n, first_bad);
}

/* Narrow. */
template <typename T>
static __global__ void
narrow_all(const float *x, T *out, size_t n)
{
	for (size_t i = (size_t) blockIdx.x * THREADS + threadIdx.x; i < n;
		 i += (size_t) gridDim.x * THREADS)
		out[i] = narrow<T>(x[i]);
}

/* Launch it. */
template <typename T>
static LepStatus
narrow_to(LepCudaStream *stream, const float *x, void *out, size_t n)
{
	narrow_all<T><<<some_blocks(n), THREADS, 0, stream->stream>>>(x, (T *) out, n);
	return lep_cuda_launched(stream, "narrowing");
}

/* Narrow from f32. */
LepStatus
lep_cuda_narrow(LepCudaStream *stream, LepDtype numbers, const float *x, void *out, size_t n)
{
	if (n == 0)
		return LEP_OK;
	return LEP_CUDA_DISPATCH(stream, numbers, narrow_to, stream, x, out, n);
}
