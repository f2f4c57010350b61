/*
 * test_cuda.c: the GPU's door.  Without a device, or without CUDA in the build, every call must answer so and do
 * nothing.  run_cuda.sh builds it with nvcc.
 */
#include <stdlib.h>
#include <string.h>

#include "../../kernels/cuda/lepton_cuda.h"
#include "testing.h"

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
