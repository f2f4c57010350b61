/*
 * device.cu: finds, opens and closes a GPU, owns its memory and tells its errors; refuses to
 * compute.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_private.h"

#define OLDEST_MAJOR 7
#define OLDEST_MINOR 5

/* The LepStatus for a CUDA error. */
static LepStatus
status_of(cudaError_t error)
{
	switch (error)
	{
		case cudaSuccess:
			return LEP_OK;
		case cudaErrorMemoryAllocation:
			return LEP_NO_MEMORY;
		case cudaErrorNoDevice:
		case cudaErrorInitializationError:
			return LEP_MISSING;
		case cudaErrorInsufficientDriver:
		case cudaErrorNoKernelImageForDevice:
		case cudaErrorSystemDriverMismatch:
		case cudaErrorCompatNotSupportedOnDevice:
			return LEP_UNSUPPORTED;
		default:
			return LEP_IO;
	}
}

/* Does an error leave a context that can be used? */
static bool
harmless(cudaError_t error)
{
	switch (error)
	{
		case cudaSuccess:
		case cudaErrorNotReady:
		case cudaErrorMemoryAllocation:
		case cudaErrorInvalidValue:
		case cudaErrorInvalidConfiguration:
		case cudaErrorInvalidDevice:
		case cudaErrorInvalidDeviceFunction:
		case cudaErrorInvalidResourceHandle:
		case cudaErrorInvalidDevicePointer:
		case cudaErrorInvalidMemcpyDirection:
		case cudaErrorLaunchOutOfResources:
		case cudaErrorNoKernelImageForDevice:
		case cudaErrorHostMemoryAlreadyRegistered:
		case cudaErrorHostMemoryNotRegistered:
		case cudaErrorNotSupported:
		case cudaErrorNotPermitted:
		case cudaErrorSymbolNotFound:
		case cudaErrorStreamCaptureUnsupported:
		case cudaErrorStreamCaptureInvalidated:
		case cudaErrorStreamCaptureMerge:
		case cudaErrorStreamCaptureUnmatched:
		case cudaErrorStreamCaptureUnjoined:
		case cudaErrorStreamCaptureIsolation:
		case cudaErrorStreamCaptureImplicit:
		case cudaErrorStreamCaptureWrongThread:
		case cudaErrorCapturedEvent:
		case cudaErrorGraphExecUpdateFailure:
			return true;
		default:
			return false;
	}
}

/* Keep what failed and why; return its status. */
LepStatus
lep_cuda_fail(LepCuda *cuda, cudaError_t error, const char *what)
{
	snprintf(cuda->reason, sizeof(cuda->reason), "%s: %s", what, cudaGetErrorString(error));
	if (!harmless(error))
		cuda->lost = true;
	/* an error that the launch left behind must not be found by the next call */
	(void) cudaGetLastError();
	return status_of(error);
}

/* Keep a refusal; return its status. */
LepStatus
lep_cuda_refuse(LepCuda *cuda, LepStatus status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(cuda->reason, sizeof(cuda->reason), format, args);
	va_end(args);
	return status;
}

/* Return the status of the launch that came just before. */
LepStatus
lep_cuda_launched(LepCudaStream *stream, const char *what)
{
	cudaError_t error = cudaGetLastError();

	return error == cudaSuccess ? LEP_OK : lep_cuda_fail(stream->cuda, error, what);
}

/* Refuse what the kernels cannot count. */
LepStatus
lep_cuda_count(LepCuda *cuda, size_t n_rows, size_t width)
{
	if (n_rows > (size_t) INT32_MAX / 2 || width > (size_t) INT32_MAX / 2)
		return lep_cuda_refuse(cuda, LEP_TOO_LARGE, "%zu rows of %zu are more than a kernel counts",
							   n_rows, width);
	return LEP_OK;
}

/* Describe what is there. */
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
	if (error == cudaSuccess && info->devices > 0)
		error = cudaGetDeviceProperties(&properties, 0);
	if (error != cudaSuccess)
	{
		info->devices = 0;
		snprintf(why, why_size, "looking for CUDA devices: %s", cudaGetErrorString(error));
		(void) cudaGetLastError();
		return status_of(error) == LEP_UNSUPPORTED ? LEP_UNSUPPORTED : LEP_MISSING;
	}
	if (info->devices == 0)
	{
		snprintf(why, why_size, "no CUDA device on this machine");
		return LEP_MISSING;
	}
	snprintf(info->name, sizeof(info->name), "%s", properties.name);
	info->major = properties.major;
	info->minor = properties.minor;
	info->memory = properties.totalGlobalMem;
	if (info->major < OLDEST_MAJOR || (info->major == OLDEST_MAJOR && info->minor < OLDEST_MINOR))
	{
		info->devices = 0;
		snprintf(why, why_size, "%s has compute capability %d.%d, at least %d.%d is needed",
				 info->name, info->major, info->minor, OLDEST_MAJOR, OLDEST_MINOR);
		return LEP_UNSUPPORTED;
	}
	return LEP_OK;
}

/* Ask for the properties that kernels are chosen by, and make the context. */
static LepStatus
start(LepCuda *cuda)
{
	int shared = 0;
	cudaError_t error = cudaSetDevice(cuda->device);

	if (error == cudaSuccess)
		error =
			cudaDeviceGetAttribute(&cuda->major, cudaDevAttrComputeCapabilityMajor, cuda->device);
	if (error == cudaSuccess)
		error =
			cudaDeviceGetAttribute(&cuda->minor, cudaDevAttrComputeCapabilityMinor, cuda->device);
	if (error == cudaSuccess)
		error = cudaDeviceGetAttribute(&cuda->n_processors, cudaDevAttrMultiProcessorCount,
									   cuda->device);
	if (error == cudaSuccess)
		error =
			cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, cuda->device);
	if (error == cudaSuccess)
		error = cudaFree(NULL);
	if (error != cudaSuccess)
		return lep_cuda_fail(cuda, error, "opening the CUDA device");
	cuda->shared_max = (size_t) shared;
	if (cuda->major < OLDEST_MAJOR || (cuda->major == OLDEST_MAJOR && cuda->minor < OLDEST_MINOR))
		return lep_cuda_refuse(
			cuda, LEP_UNSUPPORTED,
			"CUDA device %d has compute capability %d.%d, at least %d.%d is needed", cuda->device,
			cuda->major, cuda->minor, OLDEST_MAJOR, OLDEST_MINOR);
	lep_cuda_products_open(cuda);
	return LEP_OK;
}

/* Open a device. */
LepStatus
lep_cuda_open(int device, LepCuda **cuda, char *why, size_t why_size)
{
	LepCudaInfo info;
	LepStatus status = lep_cuda_probe(&info, why, why_size);

	*cuda = NULL;
	/* The first device may be too old where another is not. */
	if (status != LEP_OK && (status != LEP_UNSUPPORTED || device == 0))
		return status;
	if (cudaGetDeviceCount(&info.devices) != cudaSuccess || device < 0 || device >= info.devices)
	{
		(void) cudaGetLastError();
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
	status = start(*cuda);
	if (status != LEP_OK)
	{
		snprintf(why, why_size, "%s", (*cuda)->reason);
		free(*cuda);
		*cuda = NULL;
	}
	return status;
}

/* Remember a thing. */
bool
lep_cuda_hold(LepCuda *cuda, LepCudaKind kind, void *thing)
{
	LepCudaHeld *held = (LepCudaHeld *) malloc(sizeof(LepCudaHeld));

	if (held == NULL)
		return false;
	held->next = cuda->held;
	held->kind = kind;
	held->thing = thing;
	cuda->held = held;
	return true;
}

/* Forget a thing. */
void
lep_cuda_let_go(LepCuda *cuda, void *thing)
{
	for (LepCudaHeld **at = &cuda->held; *at != NULL; at = &(*at)->next)
	{
		LepCudaHeld *held = *at;

		if (held->thing != thing)
			continue;
		*at = held->next;
		free(held);
		return;
	}
}

/* Close a device and free what it still has: streams first, whose work may use the rest. */
void
lep_cuda_close(LepCuda *cuda)
{
	LepCudaHeld *held;

	if (cuda == NULL)
		return;
	for (held = cuda->held; held != NULL; held = held->next)
	{
		if (held->kind == LEP_CUDA_STREAM)
			(void) cudaStreamSynchronize(((LepCudaStream *) held->thing)->stream);
	}
	while (cuda->held != NULL)
	{
		void *thing = cuda->held->thing;

		switch (cuda->held->kind)
		{
			case LEP_CUDA_MEMORY:
				lep_cuda_free(cuda, thing);
				break;
			case LEP_CUDA_HOST:
				lep_cuda_free_host(cuda, thing);
				break;
			case LEP_CUDA_STREAM:
				lep_cuda_stream_close((LepCudaStream *) thing);
				break;
			case LEP_CUDA_GRAPH:
				lep_cuda_graph_free(cuda, (LepCudaGraph *) thing);
				break;
			case LEP_CUDA_MARK:
				lep_cuda_mark_free(cuda, (LepCudaMark *) thing);
				break;
		}
	}
	lep_cuda_products_close(cuda);
	(void) cudaGetLastError();
	free(cuda);
}

/* Tell why the last call failed. */
const char *
lep_cuda_reason(const LepCuda *cuda)
{
	return cuda == NULL ? "no CUDA device is open" : cuda->reason;
}

/* Has the context been poisoned? */
bool
lep_cuda_is_lost(const LepCuda *cuda)
{
	return cuda->lost;
}

/* Tell how much memory is free. */
LepStatus
lep_cuda_memory(LepCuda *cuda, size_t *free_bytes, size_t *total)
{
	cudaError_t error = cudaMemGetInfo(free_bytes, total);

	if (error == cudaSuccess)
		return LEP_OK;
	*free_bytes = *total = 0;
	return lep_cuda_fail(cuda, error, "asking for the GPU's free memory");
}

/* Allocate device memory. */
LepStatus
lep_cuda_alloc(LepCuda *cuda, size_t bytes, void **at)
{
	cudaError_t error;

	*at = NULL;
	error = cudaMalloc(at, bytes > 0 ? bytes : 1);
	if (error != cudaSuccess)
	{
		*at = NULL;
		(void) lep_cuda_fail(cuda, error, "allocating GPU memory");
		if (error == cudaErrorMemoryAllocation)
			return lep_cuda_refuse(cuda, LEP_NO_MEMORY, "the GPU has no %zu bytes of memory left",
								   bytes);
		return status_of(error);
	}
	if (lep_cuda_hold(cuda, LEP_CUDA_MEMORY, *at))
		return LEP_OK;
	(void) cudaFree(*at);
	*at = NULL;
	return lep_cuda_refuse(cuda, LEP_NO_MEMORY, "out of memory");
}

/* Free device memory. */
void
lep_cuda_free(LepCuda *cuda, void *at)
{
	if (at == NULL)
		return;
	lep_cuda_let_go(cuda, at);
	(void) cudaFree(at);
	(void) cudaGetLastError();
}

/* Allocate pinned memory. */
LepStatus
lep_cuda_alloc_host(LepCuda *cuda, size_t bytes, void **at)
{
	cudaError_t error;

	*at = NULL;
	error = cudaHostAlloc(at, bytes > 0 ? bytes : 1, cudaHostAllocDefault);
	if (error != cudaSuccess)
	{
		*at = NULL;
		return lep_cuda_fail(cuda, error, "allocating pinned memory");
	}
	if (lep_cuda_hold(cuda, LEP_CUDA_HOST, *at))
		return LEP_OK;
	(void) cudaFreeHost(*at);
	*at = NULL;
	return lep_cuda_refuse(cuda, LEP_NO_MEMORY, "out of memory");
}

/* Free pinned memory. */
void
lep_cuda_free_host(LepCuda *cuda, void *at)
{
	if (at == NULL)
		return;
	lep_cuda_let_go(cuda, at);
	(void) cudaFreeHost(at);
	(void) cudaGetLastError();
}
