/*
 * device.cu: finds, opens and closes a GPU and owns its memory; refuses to
 * compute.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_private.h"

LepStatus
lep_cuda_fail(cudaError_t error, const char *what, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s: %s", what, cudaGetErrorString(error));
	/* an error that the launch left behind must not be found by the next call */
	(void) cudaGetLastError();
	if (error == cudaErrorMemoryAllocation)
		return LEP_NO_MEMORY;
	if (error == cudaErrorNoDevice || error == cudaErrorInitializationError)
		return LEP_MISSING;
	if (error == cudaErrorInsufficientDriver || error == cudaErrorNoKernelImageForDevice)
		return LEP_UNSUPPORTED;
	return LEP_IO;
}

LepStatus
lep_cuda_probe(LepCudaInfo *info, char *why, size_t why_size)
{
	cudaDeviceProp properties;
	cudaError_t error;

	memset(info, 0, sizeof(*info));
	if (why_size > 0)
		why[0] = '\0';
	(void) cudaRuntimeGetVersion(&info->runtime);
	(void) cudaDriverGetVersion(&info->driver);
	(void) cudaGetLastError();
	if (info->driver == 0)
	{
		snprintf(why, why_size, "no CUDA driver on this machine");
		return LEP_MISSING;
	}
	error = cudaGetDeviceCount(&info->devices);
	if (error != cudaSuccess)
	{
		info->devices = 0;
		return lep_cuda_fail(error, "looking for CUDA devices", why, why_size);
	}
	if (info->devices == 0)
	{
		snprintf(why, why_size, "no CUDA device on this machine");
		return LEP_MISSING;
	}
	error = cudaGetDeviceProperties(&properties, 0);
	if (error != cudaSuccess)
	{
		info->devices = 0;
		return lep_cuda_fail(error, "asking CUDA device 0 for its properties", why, why_size);
	}
	snprintf(info->name, sizeof(info->name), "%s", properties.name);
	info->major = properties.major;
	info->minor = properties.minor;
	info->memory = properties.totalGlobalMem;
	return LEP_OK;
}

LepStatus
lep_cuda_open(int device, LepCuda **cuda, char *why, size_t why_size)
{
	LepCudaInfo info;
	LepStatus status;
	cudaError_t error;

	*cuda = NULL;
	status = lep_cuda_probe(&info, why, why_size);
	if (status != LEP_OK)
		return status;
	if (device < 0 || device >= info.devices)
	{
		snprintf(why, why_size, "CUDA device %d does not exist, there are %d", device,
				 info.devices);
		return LEP_BAD_INPUT;
	}
	*cuda = (LepCuda *) calloc(1, sizeof(LepCuda));
	if (*cuda == NULL)
	{
		snprintf(why, why_size, "out of memory");
		return LEP_NO_MEMORY;
	}
	(*cuda)->device = device;
	error = cudaSetDevice(device);
	if (error == cudaSuccess)
		error = cudaStreamCreateWithFlags(&(*cuda)->stream, cudaStreamNonBlocking);
	if (error != cudaSuccess)
	{
		free(*cuda);
		*cuda = NULL;
		return lep_cuda_fail(error, "opening the CUDA device", why, why_size);
	}
	return LEP_OK;
}

void
lep_cuda_close(LepCuda *cuda)
{
	if (cuda == NULL)
		return;
	(void) cudaSetDevice(cuda->device);
	(void) cudaStreamSynchronize(cuda->stream);
	(void) cudaFree(cuda->buffer);
	(void) cudaStreamDestroy(cuda->stream);
	(void) cudaGetLastError();
	free(cuda);
}

LepStatus
lep_cuda_reserve(LepCuda *cuda, size_t bytes, char *why, size_t why_size)
{
	cudaError_t error = cudaSetDevice(cuda->device);

	if (error != cudaSuccess)
		return lep_cuda_fail(error, "selecting the CUDA device", why, why_size);
	if (bytes <= cuda->buffer_bytes)
		return LEP_OK;
	(void) cudaFree(cuda->buffer);
	cuda->buffer = NULL;
	cuda->buffer_bytes = 0;
	error = cudaMalloc((void **) &cuda->buffer, bytes);
	if (error != cudaSuccess)
		return lep_cuda_fail(error, "allocating GPU memory", why, why_size);
	cuda->buffer_bytes = bytes;
	return LEP_OK;
}
