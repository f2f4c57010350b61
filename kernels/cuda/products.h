/*
 * products.h: what the files that multiply share: one product, the ways to compute it, and which way is fastest for a
 * shape; nobody else includes it.
 */
#ifndef LEPTON_CUDA_PRODUCTS_H
#define LEPTON_CUDA_PRODUCTS_H

#include "cuda_private.h"

#define LEP_CUDA_ALGORITHMS 8 /* of cuBLASLt, that are measured */

/* An algorithm of cuBLASLt: its cublasLtMatmulAlgo_t. */
typedef struct LepCudaAlgorithm
{
	uint64_t data[8];
} LepCudaAlgorithm;

typedef enum LepCudaWayKind
{
	LEP_CUDA_WAY_PLAIN,	 /* own kernel, for any device and any width */
	LEP_CUDA_WAY_HOPPER, /* own kernel for compute capability 9.0 */
	LEP_CUDA_WAY_CUBLAS
} LepCudaWayKind;

/* How a product is computed. */
typedef struct LepCudaWay
{
	LepCudaWayKind kind;
	bool fuses_norm; /* hopper: the norm is done in passing */
	LepCudaAlgorithm algorithm;
} LepCudaWay;

typedef struct LepCudaCublas LepCudaCublas; /* cublas.cu */

/* Load cuBLASLt; NULL when it is not there. */
LepCudaCublas *lep_cuda_cublas_open(void);
void lep_cuda_cublas_close(LepCudaCublas *cublas);
size_t lep_cuda_cublas_version(const LepCudaCublas *cublas);

/* Its algorithms for a linear, best guess first; how many, at most max. */
int lep_cuda_cublas_list(LepCudaCublas *cublas, LepDtype numbers, const LepCudaLinear *args,
						 LepCudaAlgorithm *algorithms, int max);
/* Enqueue a linear, without its norm; wide with a bias is refused. */
LepStatus lep_cuda_cublas_run(LepCudaCublas *cublas, LepCudaStream *stream, LepDtype numbers,
							  const LepCudaLinear *args, const LepCudaAlgorithm *algorithm);

/* hopper.cu: can it take a linear, with its norm where norm says so? */
bool lep_cuda_hopper_fits(const LepCuda *cuda, const LepCudaLinear *args, bool norm);
LepStatus lep_cuda_hopper_run(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args,
							  bool norm);

/* plain.cu: any linear, without its norm. */
LepStatus lep_cuda_plain_run(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args);

#endif
