/*
 * attention.cuh: what the two kinds of attention share; nobody else includes it.
 */
#ifndef LEPTON_CUDA_ATTENTION_CUH
#define LEPTON_CUDA_ATTENTION_CUH

#include "numbers.cuh"

/* Can the tensor cores' attention take these arguments on this device? */
bool lep_cuda_attention_fits(const LepCuda *cuda, const LepCudaAttention *args);

/* Enqueue it. */
template <typename T>
LepStatus lep_cuda_attention_tensor(LepCudaStream *stream, const LepCudaAttention *args);

#endif
