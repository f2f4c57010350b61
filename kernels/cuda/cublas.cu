/*
 * cublas.cu: products through cuBLASLt, which is loaded when it is there; refuses norms.
 *
 * cuBLASLt counts columns first: out^T[d_out, n_rows] = w^T^T x^T, so its A is w, transposed, and its B is x.
 */
#include <cublasLt.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "products.h"

#define LIBRARY	  "libcublasLt.so.13"
#define ALIGNMENT 16 /* bytes, of every array */

/* The functions that are used, by name. */
#define FUNCTIONS(F)                   \
	F(cublasLtCreate)                  \
	F(cublasLtDestroy)                 \
	F(cublasLtGetVersion)              \
	F(cublasLtMatmul)                  \
	F(cublasLtMatmulAlgoGetHeuristic)  \
	F(cublasLtMatmulDescCreate)        \
	F(cublasLtMatmulDescDestroy)       \
	F(cublasLtMatmulDescSetAttribute)  \
	F(cublasLtMatrixLayoutCreate)      \
	F(cublasLtMatrixLayoutDestroy)     \
	F(cublasLtMatmulPreferenceCreate)  \
	F(cublasLtMatmulPreferenceDestroy) \
	F(cublasLtMatmulPreferenceSetAttribute)

struct LepCudaCublas
{
	void *library;
	cublasLtHandle_t handle;
#define POINTER(name) decltype(&::name) name;
	FUNCTIONS(POINTER)
#undef POINTER
};

/* One product in cuBLASLt's terms. */
typedef struct Problem
{
	cublasLtMatmulDesc_t product;
	cublasLtMatrixLayout_t w, x, residual, out;
} Problem;

/* Load the library. */
LepCudaCublas *
lep_cuda_cublas_open(void)
{
	LepCudaCublas *cublas = (LepCudaCublas *) calloc(1, sizeof(LepCudaCublas));
	bool whole = cublas != NULL;

	if (cublas == NULL)
		return NULL;
	cublas->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	whole = cublas->library != NULL;
#define FIND(name)                                                        \
	if (whole)                                                            \
	{                                                                     \
		cublas->name = (decltype(&::name)) dlsym(cublas->library, #name); \
		whole = cublas->name != NULL;                                     \
	}
	FUNCTIONS(FIND)
#undef FIND
	if (whole)
		whole = cublas->cublasLtCreate(&cublas->handle) == CUBLAS_STATUS_SUCCESS;
	if (whole)
		return cublas;
	if (cublas->library != NULL)
		(void) dlclose(cublas->library);
	free(cublas);
	return NULL;
}

/* Unload it. */
void
lep_cuda_cublas_close(LepCudaCublas *cublas)
{
	if (cublas == NULL)
		return;
	(void) cublas->cublasLtDestroy(cublas->handle);
	(void) dlclose(cublas->library);
	free(cublas);
}

/* Tell its version. */
size_t
lep_cuda_cublas_version(const LepCudaCublas *cublas)
{
	return cublas == NULL ? 0 : cublas->cublasLtGetVersion();
}

/* The epilogue for a bias and an activation; false when there is none. */
static bool
epilogue_of(bool bias, LepAct act, cublasLtEpilogue_t *epilogue)
{
	switch (act)
	{
		case LEP_ACT_NONE:
			*epilogue = bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
			return true;
		case LEP_ACT_RELU:
			*epilogue = bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
			return true;
		case LEP_ACT_GELU:
		case LEP_ACT_GELU_TANH:
			*epilogue = bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
			return true;
		default:
			return false;
	}
}

/* Does a linear need a pass for its activation or its residual? */
static void
passes_of(const LepCudaLinear *a, bool *activate, bool *add)
{
	cublasLtEpilogue_t epilogue;

	*activate = !epilogue_of(a->half_bias != NULL, a->act, &epilogue);
	*add = a->residual != NULL && a->act != LEP_ACT_NONE;
}

/* Free what there is of a problem. */
static void
problem_free(LepCudaCublas *cublas, Problem *p)
{
	if (p->product != NULL)
		(void) cublas->cublasLtMatmulDescDestroy(p->product);
	if (p->w != NULL)
		(void) cublas->cublasLtMatrixLayoutDestroy(p->w);
	if (p->x != NULL)
		(void) cublas->cublasLtMatrixLayoutDestroy(p->x);
	if (p->residual != NULL)
		(void) cublas->cublasLtMatrixLayoutDestroy(p->residual);
	if (p->out != NULL)
		(void) cublas->cublasLtMatrixLayoutDestroy(p->out);
}

/* Say a linear in cuBLASLt's terms. */
static bool
problem_make(LepCudaCublas *cublas, LepDtype numbers, const LepCudaLinear *a, Problem *p)
{
	cudaDataType_t type = numbers == LEP_F16 ? CUDA_R_16F : CUDA_R_16BF;
	cudaDataType_t out = a->wide ? CUDA_R_32F : type;
	cublasOperation_t turned = CUBLAS_OP_T;
	cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
	bool activate, add, fine;

	memset(p, 0, sizeof(*p));
	passes_of(a, &activate, &add);
	(void) epilogue_of(a->half_bias != NULL, activate ? LEP_ACT_NONE : a->act, &epilogue);
	fine =
		cublas->cublasLtMatmulDescCreate(&p->product, CUBLAS_COMPUTE_32F, CUDA_R_32F) ==
			CUBLAS_STATUS_SUCCESS &&
		cublas->cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA, &turned,
											   sizeof(turned)) == CUBLAS_STATUS_SUCCESS &&
		cublas->cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
											   sizeof(epilogue)) == CUBLAS_STATUS_SUCCESS;
	if (fine && a->half_bias != NULL)
		fine =
			cublas->cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
												   &a->half_bias,
												   sizeof(a->half_bias)) == CUBLAS_STATUS_SUCCESS &&
			cublas->cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
												   &type, sizeof(type)) == CUBLAS_STATUS_SUCCESS;
	fine =
		fine &&
		cublas->cublasLtMatrixLayoutCreate(&p->w, type, a->d_in, a->d_out, (int64_t) a->d_in) ==
			CUBLAS_STATUS_SUCCESS &&
		cublas->cublasLtMatrixLayoutCreate(&p->x, type, a->d_in, a->n_rows, (int64_t) a->ldx) ==
			CUBLAS_STATUS_SUCCESS &&
		cublas->cublasLtMatrixLayoutCreate(
			&p->residual, out, a->d_out, a->n_rows,
			(int64_t) (a->residual != NULL && !add ? a->ldr : a->ldo)) == CUBLAS_STATUS_SUCCESS &&
		cublas->cublasLtMatrixLayoutCreate(&p->out, out, a->d_out, a->n_rows, (int64_t) a->ldo) ==
			CUBLAS_STATUS_SUCCESS;
	if (!fine)
		problem_free(cublas, p);
	return fine;
}

/* Ask for algorithms. */
int
lep_cuda_cublas_list(LepCudaCublas *cublas, LepDtype numbers, const LepCudaLinear *args,
					 LepCudaAlgorithm *algorithms, int max)
{
	cublasLtMatmulHeuristicResult_t results[LEP_CUDA_ALGORITHMS];
	cublasLtMatmulPreference_t preference = NULL;
	size_t workspace = LEP_CUDA_WORKSPACE;
	uint32_t alignment = ALIGNMENT;
	int n = 0, kept = 0;
	Problem p;
	bool fine;

	if (cublas == NULL || (args->wide && args->half_bias != NULL) ||
		!problem_make(cublas, numbers, args, &p))
		return 0;
	fine = cublas->cublasLtMatmulPreferenceCreate(&preference) == CUBLAS_STATUS_SUCCESS &&
		   cublas->cublasLtMatmulPreferenceSetAttribute(
			   preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
			   sizeof(workspace)) == CUBLAS_STATUS_SUCCESS;
	for (int i = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
		 i <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES && fine; i++)
		fine = cublas->cublasLtMatmulPreferenceSetAttribute(
				   preference, (cublasLtMatmulPreferenceAttributes_t) i, &alignment,
				   sizeof(alignment)) == CUBLAS_STATUS_SUCCESS;
	if (max > LEP_CUDA_ALGORITHMS)
		max = LEP_CUDA_ALGORITHMS;
	if (fine && cublas->cublasLtMatmulAlgoGetHeuristic(cublas->handle, p.product, p.w, p.x,
													   p.residual, p.out, preference, max, results,
													   &n) != CUBLAS_STATUS_SUCCESS)
		n = 0;
	for (int i = 0; i < n; i++)
	{
		if (results[i].state == CUBLAS_STATUS_SUCCESS &&
			results[i].workspaceSize <= LEP_CUDA_WORKSPACE)
			memcpy(&algorithms[kept++], &results[i].algo, sizeof(LepCudaAlgorithm));
	}
	if (preference != NULL)
		(void) cublas->cublasLtMatmulPreferenceDestroy(preference);
	problem_free(cublas, &p);
	return kept;
}

/* Enqueue a product, then what its epilogue cannot do. */
LepStatus
lep_cuda_cublas_run(LepCudaCublas *cublas, LepCudaStream *stream, LepDtype numbers,
					const LepCudaLinear *args, const LepCudaAlgorithm *algorithm)
{
	static const float one = 1.0f, zero = 0.0f;
	LepStatus status = LEP_OK;
	cublasStatus_t done;
	bool activate, add;
	Problem p;

	passes_of(args, &activate, &add);
	if ((add || activate) && args->ldo != args->d_out)
		return lep_cuda_plain_run(stream, numbers, args);
	if (!problem_make(cublas, numbers, args, &p))
		return lep_cuda_refuse(stream->cuda, LEP_NO_MEMORY, "cuBLASLt describes no product");
	done = cublas->cublasLtMatmul(cublas->handle, p.product, &one, args->w, p.w, args->x, p.x,
								  args->residual != NULL && !add ? &one : &zero,
								  args->residual != NULL && !add ? args->residual : args->out,
								  p.residual, args->out, p.out,
								  (const cublasLtMatmulAlgo_t *) algorithm, stream->workspace,
								  LEP_CUDA_WORKSPACE, stream->stream);
	problem_free(cublas, &p);
	if (done != CUBLAS_STATUS_SUCCESS)
	{
		cudaError_t error = cudaGetLastError();

		if (error != cudaSuccess)
			return lep_cuda_fail(stream->cuda, error, "linear");
		return lep_cuda_refuse(stream->cuda, LEP_IO, "linear of %zu x %zu: cuBLASLt says %d",
							   args->d_out, args->d_in, (int) done);
	}
	if (activate)
		status = lep_cuda_activate(stream, numbers, args->out, args->ldo, args->out, args->n_rows,
								   args->d_out, args->act);
	if (add && status == LEP_OK)
		status = lep_cuda_add(stream, numbers, args->out, args->ldo, args->residual, args->ldr,
							  args->out, args->n_rows, args->d_out);
	return status;
}
