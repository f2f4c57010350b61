/*
 * cuda_private.h: what the files of kernels/cuda share among themselves: the device and its streams,
 * how errors are told, how kernels are launched.
 */
#ifndef LEPTON_CUDA_PRIVATE_H
#define LEPTON_CUDA_PRIVATE_H

#include <cuda_runtime.h>

#include "lepton_cuda.h"

#define LEP_CUDA_REASON 256

/* What a device was asked for and has not given back. */
typedef enum LepCudaKind
{
	LEP_CUDA_MEMORY,
	LEP_CUDA_HOST,
	LEP_CUDA_STREAM,
	LEP_CUDA_GRAPH,
	LEP_CUDA_MARK
} LepCudaKind;

typedef struct LepCudaHeld
{
	struct LepCudaHeld *next;
	LepCudaKind kind;
	void *thing;
} LepCudaHeld;

typedef struct LepCudaProducts LepCudaProducts; /* products.cu */

struct LepCuda
{
	int device;
	int major, minor, n_processors;
	size_t shared_max; /* bytes of shared memory that a block may have */
	bool lost;
	char reason[LEP_CUDA_REASON];
	LepCudaHeld *held;
	LepCudaProducts *products;
};

struct LepCudaStream
{
	LepCuda *cuda;
	cudaStream_t stream;
	bool tuning, capturing;
	void *workspace; /* of cuBLASLt, LEP_CUDA_WORKSPACE bytes */
};

#define LEP_CUDA_WORKSPACE ((size_t) 32 << 20)

/* Keep what failed and why; the LepStatus for a CUDA error. */
LepStatus lep_cuda_fail(LepCuda *cuda, cudaError_t error, const char *what);
/* Keep a refusal. */
LepStatus lep_cuda_refuse(LepCuda *cuda, LepStatus status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The status of the launch that came just before. */
LepStatus lep_cuda_launched(LepCudaStream *stream, const char *what);

/* Remember a thing until it is let go; false when out of memory. */
bool lep_cuda_hold(LepCuda *cuda, LepCudaKind kind, void *thing);
void lep_cuda_let_go(LepCuda *cuda, void *thing);

/* Can the kernels count all elements of [n_rows, width]?  Else LEP_TOO_LARGE. */
LepStatus lep_cuda_count(LepCuda *cuda, size_t n_rows, size_t width);

/* products.cu: what multiplies.  products_open never fails: own kernels do without cuBLASLt. */
void lep_cuda_products_open(LepCuda *cuda);
void lep_cuda_products_close(LepCuda *cuda);

#endif
