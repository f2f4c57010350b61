/*
 * hopper.cu: products for compute capability 9.0.
 */
#include "products.h"

/* Can it take a linear? */
bool
lep_cuda_hopper_fits(const LepCuda *cuda, const LepCudaLinear *args, bool norm)
{
	(void) cuda;
	(void) args;
	(void) norm;
	return false;
}

/* Enqueue it. */
LepStatus
lep_cuda_hopper_run(LepCudaStream *stream, LepDtype numbers, const LepCudaLinear *args, bool norm)
{
	(void) numbers;
	(void) args;
	(void) norm;
	return lep_cuda_refuse(stream->cuda, LEP_UNSUPPORTED, "no kernel for this device");
}
