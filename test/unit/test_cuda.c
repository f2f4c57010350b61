/*
 * test_cuda.c: the GPU's door.  With a device: norm against the reference over
 * many shapes, equal bits, times.  Without one, or without CUDA in the build:
 * every call must answer so and do nothing.  run_cuda.sh builds it with nvcc.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/cuda/lepton_cuda.h"
#include "../../kernels/lepton_kernels.h"
#include "testing.h"

/* Compare the norm of one shape with the reference; check bits of a row alone. */
static void
check_norm(LepCuda *cuda, size_t rows, size_t d)
{
	const LepKernels *ref = lep_kernels_choose("reference");
	size_t n = rows * d;
	float *x = malloc((n + 2 * d) * sizeof(float));
	float *gamma = x + n, *beta = gamma + d;
	float *got = malloc(n * sizeof(float)), *want = malloc(n * sizeof(float));
	char why[256] = "";
	double worst = 0.0;

	for (size_t i = 0; i < n + 2 * d; i++)
		x[i] = (float) ((i * 2654435761u) % 65536) / 32768.0f - 1.0f;
	check(lep_cuda_norm(cuda, x, gamma, beta, 1e-12f, got, rows, d, why, sizeof(why)) == LEP_OK,
		  "norm %zu x %zu: %s", rows, d, why);
	ref->norm(x, gamma, beta, 1e-12f, want, rows, d);
	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, fabs((double) got[i] - want[i]));
	check(worst <= 5e-6 || d < 3, "norm %zu x %zu is off by %g", rows, d, worst);
	check(lep_cuda_norm(cuda, x + n - d, gamma, beta, 1e-12f, want, 1, d, why, sizeof(why)) ==
			  LEP_OK,
		  "norm of one row: %s", why);
	check(memcmp(want, got + n - d, d * sizeof(float)) == 0,
		  "norm %zu x %zu: bits depend on neighbours", rows, d);
	free(x);
	free(got);
	free(want);
}

/* Run the checks that need a device. */
static void
test_device(void)
{
	static const size_t widths[] = {1, 2, 31, 32, 33, 384, 768, 1000, 4096};
	LepCuda *cuda;
	char why[256] = "";
	float one = 1.0f;

	if (!check(lep_cuda_open(0, &cuda, why, sizeof(why)) == LEP_OK, "open: %s", why))
		return;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		for (size_t rows = 1; rows <= 1024; rows = rows * 3 + 1)
			check_norm(cuda, rows, widths[i]);
	check_norm(cuda, 600000, 8);
	check(lep_cuda_norm(cuda, &one, &one, &one, 0.0f, &one, 0, 8, why, sizeof(why)) == LEP_OK,
		  "no rows: %s", why);
	check(lep_cuda_norm(cuda, &one, &one, &one, 0.0f, &one, SIZE_MAX / 2, 8, why, sizeof(why)) ==
			  LEP_TOO_LARGE,
		  "a size that overflows was accepted");
	check(lep_cuda_norm(cuda, &one, &one, &one, 0.0f, &one, (size_t) 1 << 50, 8, why,
						sizeof(why)) == LEP_NO_MEMORY,
		  "a size beyond any GPU was accepted");
	printf("as it should be: %s\n", why);
	check_norm(cuda, 5, 384);
	lep_cuda_close(cuda);
}

int
main(void)
{
	LepCudaInfo info;
	LepCuda *cuda;
	char why[256] = "";
	LepStatus status = lep_cuda_probe(&info, why, sizeof(why));

	if (status == LEP_OK)
	{
		printf("device 0 of %d: %s, compute capability %d.%d, %.1f GiB; driver %d, built with %d\n",
			   info.devices, info.name, info.major, info.minor, (double) info.memory / 1073741824.0,
			   info.driver, info.runtime);
		check(info.devices > 0 && info.name[0] != '\0' && info.memory > 0, "empty description");
		check(lep_cuda_open(info.devices, &cuda, why, sizeof(why)) == LEP_BAD_INPUT,
			  "opened a device that is not there");
		test_device();
	}
	else
	{
		printf("no device: %s\n", why);
		check(status == LEP_MISSING || status == LEP_UNSUPPORTED, "probe answered %d", status);
		check(info.devices == 0, "devices counted where none can be used");
		check(why[0] != '\0', "no reason given");
		why[0] = '\0';
		check(lep_cuda_open(0, &cuda, why, sizeof(why)) == status && cuda == NULL && why[0] != '\0',
			  "open without a device");
	}
	lep_cuda_close(NULL);
	return test_done();
}
