/*
 * lepton_cuda.h: the GPU's door.  Plain C; no CUDA header is needed to include
 * it, and it answers the same questions when lepton was built without CUDA
 * (kernels/cuda/absent.c).
 *
 * Use:
 *		lep_cuda_probe(&info, why, sizeof(why));		-- is there a device?
 *		lep_cuda_open(0, &cuda, why, sizeof(why));
 *		lep_cuda_norm(cuda, x, gamma, beta, eps, out, n_rows, d, why, sizeof(why));
 *		lep_cuda_close(cuda);							-- frees everything
 *
 * Every function returns LEP_OK or a status with a reason in why; nothing
 * exits, aborts or prints.  A missing driver is an answer, not a fault.  Never
 * call these in a process that will fork: CUDA does not survive it.
 */
#ifndef LEPTON_CUDA_H
#define LEPTON_CUDA_H

#include <stddef.h>
#include <stdint.h>

#include "../lepton_status.h"

#ifdef __cplusplus
extern "C"
{
#endif

	typedef struct LepCudaInfo
	{
		int devices;	  /* 0: none that can be used */
		int driver;		  /* CUDA version of the driver, 1000 major + 10 minor; 0: no driver */
		int runtime;	  /* CUDA version lepton was built with; 0: built without */
		char name[256];	  /* of device 0 */
		int major, minor; /* compute capability of device 0 */
		uint64_t memory;  /* bytes of device 0 */
	} LepCudaInfo;

	/* A device with its stream and its memory. */
	typedef struct LepCuda LepCuda;

	/*
	 * Describe what is there.  LEP_OK when at least one device can be used, else
	 * LEP_MISSING (no driver, no device) or LEP_UNSUPPORTED (built without CUDA, driver
	 * too old) and the reason in why.  info is always filled.
	 */
	LepStatus lep_cuda_probe(LepCudaInfo *info, char *why, size_t why_size);

	/* Open a device; *cuda is NULL unless LEP_OK. */
	LepStatus lep_cuda_open(int device, LepCuda **cuda, char *why, size_t why_size);

	/* Close and free; NULL is allowed. */
	void lep_cuda_close(LepCuda *cuda);

	/*
	 * out[n_rows, d] = (x - mean) / sqrt(var + eps) * gamma + beta, arrays in host memory; out
	 * may be x.  Same bits for a row whatever its neighbours.
	 */
	LepStatus lep_cuda_norm(LepCuda *cuda, const float *x, const float *gamma, const float *beta,
							float eps, float *out, size_t n_rows, size_t d, char *why,
							size_t why_size);

#ifdef __cplusplus
}
#endif
#endif
