/*
 * plain.cu: a product for any device, any width and any epilogue, in f32 arithmetic; refuses to be fast.
 */
#include "numbers.cuh"
#include "products.h"

#define TILE	64 /* rows and columns of a block */
#define DEPTH	16
#define SIDE	16 /* threads of a block, each way */
#define EACH	(TILE / SIDE)
#define THREADS (SIDE * SIDE)

/* t[DEPTH][TILE] = rows [first, first + TILE) of m[n, depth], columns [k, k + DEPTH), turned; zeroes beyond. */
template <typename T>
static __device__ __forceinline__ void
bring(const T *m, size_t ld, size_t n, size_t depth, size_t first, size_t k, float t[][TILE + 1])
{
	for (unsigned i = threadIdx.x; i < TILE * DEPTH; i += THREADS)
	{
		unsigned row = i / DEPTH, col = i % DEPTH;

		t[col][row] =
			first + row < n && k + col < depth ? widen(m[(first + row) * ld + k + col]) : 0.0f;
	}
}

/* One tile of out a block. */
template <typename T, typename Out>
static __global__ void
multiply(LepCudaLinear a)
{
	__shared__ float x[DEPTH][TILE + 1], w[DEPTH][TILE + 1];
	size_t row = (size_t) blockIdx.x * TILE, col = (size_t) blockIdx.y * TILE;
	unsigned down = threadIdx.x / SIDE, right = threadIdx.x % SIDE;
	float sums[EACH][EACH] = {};

	for (size_t k = 0; k < a.d_in; k += DEPTH)
	{
		bring((const T *) a.x, a.ldx, a.n_rows, a.d_in, row, k, x);
		bring((const T *) a.w, a.d_in, a.d_out, a.d_in, col, k, w);
		__syncthreads();
#pragma unroll
		for (int d = 0; d < DEPTH; d++)
		{
#pragma unroll
			for (int i = 0; i < EACH; i++)
			{
#pragma unroll
				for (int j = 0; j < EACH; j++)
					sums[i][j] = fmaf(x[d][down + i * SIDE], w[d][right + j * SIDE], sums[i][j]);
			}
		}
		__syncthreads();
	}
	for (int i = 0; i < EACH; i++)
		for (int j = 0; j < EACH; j++)
		{
			size_t m = row + down + i * SIDE, n = col + right + j * SIDE;
			float v = sums[i][j];

			if (m >= a.n_rows || n >= a.d_out)
				continue;
			if (a.half_bias != NULL)
				v += widen(((const T *) a.half_bias)[n]);
			v = activation(v, a.act);
			if (a.residual != NULL)
				v += widen(((const T *) a.residual)[m * a.ldr + n]);
			((Out *) a.out)[m * a.ldo + n] = narrow<Out>(v);
		}
}

/* Launch it. */
template <typename T>
static LepStatus
run(LepCudaStream *stream, const LepCudaLinear *args)
{
	dim3 grid(blocks(args->n_rows, TILE), blocks(args->d_out, TILE));

	if (args->wide)
		multiply<T, float><<<grid, THREADS, 0, stream->stream>>>(*args);
	else
		multiply<T, T><<<grid, THREADS, 0, stream->stream>>>(*args);
	return lep_cuda_launched(stream, "linear");
}

/* Multiply. */
LepStatus
lep_cuda_plain_run(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args)
{
	return LEP_CUDA_DISPATCH(stream, numbers, run, stream, args);
}
