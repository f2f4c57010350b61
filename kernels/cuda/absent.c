/*
 * absent.c: lepton_cuda.h for a build without CUDA.  Every question gets the
 * same calm answer; refuses to compute.
 */
#include <stdio.h>
#include <string.h>

#include "lepton_cuda.h"

/* Write the reason and return its status. */
static LepStatus
absent(char *why, size_t why_size)
{
	snprintf(why, why_size, "lepton was built without CUDA");
	return LEP_UNSUPPORTED;
}

LepStatus
lep_cuda_probe(LepCudaInfo *info, char *why, size_t why_size)
{
	memset(info, 0, sizeof(*info));
	return absent(why, why_size);
}

LepStatus
lep_cuda_open(int device, LepCuda **cuda, char *why, size_t why_size)
{
	(void) device;
	*cuda = NULL;
	return absent(why, why_size);
}

void
lep_cuda_close(LepCuda *cuda)
{
	(void) cuda;
}

LepStatus
lep_cuda_norm(LepCuda *cuda, const float *x, const float *gamma, const float *beta, float eps,
			  float *out, size_t n_rows, size_t d, char *why, size_t why_size)
{
	(void) cuda;
	(void) x;
	(void) gamma;
	(void) beta;
	(void) eps;
	(void) out;
	(void) n_rows;
	(void) d;
	return absent(why, why_size);
}
