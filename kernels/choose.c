/*
 * choose.c: picks a table of kernels by name or by speed.  Owns the order of
 * preference; refuses to measure at run time (bench/kernels.c measures).
 *
 * AVX-512 beats AVX2 and both beat OpenBLAS at the shapes of encoders, but
 * OpenBLAS beats the portable kernels; kernels/README.md has the figures.
 */
#include <string.h>

#include "cpu_features.h"
#include "tables.h"

static const char *const names[] = {"auto", "reference", "portable",
#if defined(__x86_64__)
									"avx2", "avx512",
#endif
#if defined(__aarch64__)
									"neon",
#endif
									"blas", NULL};

/* Return the fastest kernels that run here; OpenBLAS counts once it is loaded. */
static const LepKernels *
fastest(void)
{
#if defined(__x86_64__)
	LepCpuFeatures cpu = lep_cpu_features();

	if (cpu.avx512)
		return &lep_kernels_avx512;
	if (cpu.avx2)
		return &lep_kernels_avx2;
#endif
#if defined(__aarch64__)
	return &lep_kernels_neon;
#else
	return lep_kernels_blas() ? lep_kernels_blas() : &lep_kernels_portable;
#endif
}

const LepKernels *
lep_kernels_choose(const char *name)
{
	if (strcmp(name, "auto") == 0)
		return fastest();
	if (strcmp(name, "reference") == 0)
		return &lep_kernels_reference;
	if (strcmp(name, "portable") == 0)
		return &lep_kernels_portable;
	if (strcmp(name, "blas") == 0)
		return lep_kernels_blas();
#if defined(__x86_64__)
	if (strcmp(name, "avx2") == 0)
		return lep_cpu_features().avx2 ? &lep_kernels_avx2 : NULL;
	if (strcmp(name, "avx512") == 0)
		return lep_cpu_features().avx512 ? &lep_kernels_avx512 : NULL;
#elif defined(__aarch64__)
	if (strcmp(name, "neon") == 0)
		return &lep_kernels_neon;
#endif
	return NULL;
}

const char *const *
lep_kernels_names(void)
{
	return names;
}

size_t
lep_dtype_size(LepDtype dtype)
{
	return dtype == LEP_F32 ? 4 : dtype == LEP_I8 ? 1 : 2;
}
