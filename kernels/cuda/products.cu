/*
 * products.cu: what multiplies matrices; refuses the rest.
 */
#include "cuda_private.h"

/* Find what multiplies. */
void
lep_cuda_products_open(LepCuda *cuda)
{
	cuda->products = NULL;
}

/* Let it go. */
void
lep_cuda_products_close(LepCuda *cuda)
{
	cuda->products = NULL;
}

/* Tell the version of cuBLASLt. */
size_t
lep_cuda_cublas(const LepCuda *cuda)
{
	(void) cuda;
	return 0;
}
