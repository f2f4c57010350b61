/*
 * norm.cu: layer normalisation on the GPU; refuses other norms.
 *
 * One warp a row: the mean, then the variance around it, each lane adding every
 * 32nd element and the lanes adding in a butterfly, so that a row's bits do not
 * depend on the grid.
 */
#include <stdio.h>

#include "cuda_private.h"

#define WARP		   32
#define ROWS_PER_BLOCK 8
#define MAX_BLOCKS	   65535

/* Return the sum of v over the lanes of a warp, in every lane. */
static __device__ float
warp_sum(float v)
{
	for (int step = WARP / 2; step > 0; step /= 2)
		v += __shfl_xor_sync(0xffffffffu, v, step);
	return v;
}

/* out[n_rows, d] = norm of x[n_rows, d] with gamma[d], beta[d]; device memory; out may be x. */
static __global__ void
norm_rows(const float *x, const float *gamma, const float *beta, float eps, float *out,
		  size_t n_rows, size_t d)
{
	int lane = threadIdx.x % WARP;
	size_t row = (size_t) blockIdx.x * ROWS_PER_BLOCK + threadIdx.x / WARP;
	size_t stride = (size_t) gridDim.x * ROWS_PER_BLOCK;

	for (; row < n_rows; row += stride)
	{
		const float *in = x + row * d;
		float sum = 0.0f, squares = 0.0f, mean, inverse;

		for (size_t i = lane; i < d; i += WARP)
			sum += in[i];
		mean = warp_sum(sum) / (float) d;
		for (size_t i = lane; i < d; i += WARP)
			squares += (in[i] - mean) * (in[i] - mean);
		inverse = 1.0f / sqrtf(warp_sum(squares) / (float) d + eps);
		for (size_t i = lane; i < d; i += WARP)
			out[row * d + i] = (in[i] - mean) * inverse * gamma[i] + beta[i];
	}
}

/* Return the bytes of x[n_rows, d], gamma[d] and beta[d]; 0 on overflow. */
static size_t
norm_bytes(size_t n_rows, size_t d)
{
	if (d == 0 || n_rows > SIZE_MAX / sizeof(float) / d - 2)
		return 0;
	return (n_rows + 2) * d * sizeof(float);
}

LepStatus
lep_cuda_norm(LepCuda *cuda, const float *x, const float *gamma, const float *beta, float eps,
			  float *out, size_t n_rows, size_t d, char *why, size_t why_size)
{
	size_t bytes = norm_bytes(n_rows, d);
	size_t blocks = (n_rows + ROWS_PER_BLOCK - 1) / ROWS_PER_BLOCK;
	float *rows, *scale, *shift; /* in device memory */
	cudaError_t error;
	LepStatus status;

	if (n_rows == 0 || d == 0)
		return LEP_OK;
	if (bytes == 0)
	{
		snprintf(why, why_size, "array of %zu rows of %zu is too large", n_rows, d);
		return LEP_TOO_LARGE;
	}
	status = lep_cuda_reserve(cuda, bytes, why, why_size);
	if (status != LEP_OK)
		return status;
	scale = cuda->buffer;
	shift = scale + d;
	rows = shift + d;
	error = cudaMemcpyAsync(scale, gamma, d * sizeof(float), cudaMemcpyDefault, cuda->stream);
	if (error == cudaSuccess)
		error = cudaMemcpyAsync(shift, beta, d * sizeof(float), cudaMemcpyDefault, cuda->stream);
	if (error == cudaSuccess)
		error =
			cudaMemcpyAsync(rows, x, n_rows * d * sizeof(float), cudaMemcpyDefault, cuda->stream);
	if (error != cudaSuccess)
		return lep_cuda_fail(error, "copying to the GPU", why, why_size);
	norm_rows<<<(unsigned) (blocks < MAX_BLOCKS ? blocks : MAX_BLOCKS), ROWS_PER_BLOCK * WARP, 0,
				cuda->stream>>>(rows, scale, shift, eps, rows, n_rows, d);
	error = cudaGetLastError();
	if (error != cudaSuccess)
		return lep_cuda_fail(error, "starting the norm kernel", why, why_size);
	error = cudaMemcpyAsync(out, rows, n_rows * d * sizeof(float), cudaMemcpyDefault, cuda->stream);
	if (error == cudaSuccess)
		error = cudaStreamSynchronize(cuda->stream);
	if (error != cudaSuccess)
		return lep_cuda_fail(error, "running the norm kernel", why, why_size);
	return LEP_OK;
}
