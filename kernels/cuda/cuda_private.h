/*
 * cuda_private.h: what the files of kernels/cuda share among themselves.
 */
#ifndef LEPTON_CUDA_PRIVATE_H
#define LEPTON_CUDA_PRIVATE_H

#include <cuda_runtime.h>

#include "lepton_cuda.h"

struct LepCuda
{
	int device;
	cudaStream_t stream;
	float *buffer;		 /* device memory, grown on demand */
	size_t buffer_bytes; /* of buffer */
};

/* Write what failed and why; the LepStatus for a CUDA error. */
LepStatus lep_cuda_fail(cudaError_t error, const char *what, char *why, size_t why_size);

/* Make cuda's device current and its buffer at least bytes large. */
LepStatus lep_cuda_reserve(LepCuda *cuda, size_t bytes, char *why, size_t why_size);

#endif
