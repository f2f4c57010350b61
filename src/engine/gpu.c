/*
 * gpu.c: a device, its memory within a limit, its models, and what its errors mean.  It runs nothing.
 */
#define LEPTON_ENGINE_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gpu_parts.h"

#define WHY_BYTES 256

/* Round up to whole arrays. */
bool
lep_gpu_round(size_t bytes, size_t *rounded)
{
	if (!lep_add(bytes, LEP_GPU_ALIGN - 1, rounded))
		return false;
	*rounded -= *rounded % LEP_GPU_ALIGN;
	return true;
}

/* Say that the device is of no use any more. */
static LepStatus
say_lost(const LepGpu *gpu, LepError *err)
{
	lep_error(err, LEP_DEVICE, "the GPU failed");
	lep_error_detail(err, "%s", lep_cuda_reason(gpu->cuda));
	lep_error_hint(err, "The server's log may say more, and so may the system's.");
	return LEP_DEVICE;
}

/* Say what a call of the device answered. */
LepStatus
lep_gpu_check(LepGpu *gpu, LepStatus status, LepError *err)
{
	if (status == LEP_OK)
		return LEP_OK;
	if (status == LEP_IO || lep_cuda_is_lost(gpu->cuda))
	{
		gpu->lost = true;
		return say_lost(gpu, err);
	}
	if (status == LEP_NO_MEMORY)
		lep_error(err, LEP_NO_MEMORY, "out of memory on the GPU");
	else
	{
		status = status == LEP_TOO_LARGE ? LEP_TOO_LARGE : LEP_UNSUPPORTED;
		lep_error(err, status, "the GPU cannot run this model");
	}
	lep_error_detail(err, "%s", lep_cuda_reason(gpu->cuda));
	return status;
}

/* Take device memory within the limit. */
static LepStatus
take(LepGpu *gpu, size_t bytes, char **at, LepError *err)
{
	void *memory = NULL;
	LepStatus status;

	*at = NULL;
	if (gpu->limit > 0 && (bytes > gpu->limit || gpu->used > gpu->limit - bytes))
	{
		lep_error(err, LEP_NO_MEMORY, "out of memory on the GPU");
		lep_error_detail(err, "%llu bytes of %llu are in use, %zu more are needed.",
						 (unsigned long long) gpu->used, (unsigned long long) gpu->limit, bytes);
		return LEP_NO_MEMORY;
	}
	status = lep_gpu_check(gpu, lep_cuda_alloc(gpu->cuda, bytes, &memory), err);
	if (status != LEP_OK)
		return status;
	gpu->used += bytes;
	*at = memory;
	return LEP_OK;
}

/* Take device memory, at the cost of free slots' memory where needed. */
LepStatus
lep_gpu_alloc(LepGpu *gpu, size_t bytes, char **at, LepError *err)
{
	LepStatus status = take(gpu, bytes, at, err);

	for (int i = 0; i < LEP_GPU_SLOTS && status == LEP_NO_MEMORY; i++)
	{
		if (gpu->slots[i].model != NULL || gpu->slots[i].memory == NULL)
			continue;
		lep_gpu_slot_drop(&gpu->slots[i]);
		status = take(gpu, bytes, at, err);
	}
	return status;
}

/* Give device memory back. */
void
lep_gpu_free(LepGpu *gpu, char *at, size_t bytes)
{
	if (at == NULL)
		return;
	lep_cuda_free(gpu->cuda, at);
	gpu->used -= bytes;
}

/* Describe what is there. */
LepStatus
lep_gpu_probe(LepGpuInfo *info, LepError *err)
{
	char why[WHY_BYTES] = "";
	LepCudaInfo cuda;
	LepStatus status = lep_cuda_probe(&cuda, why, sizeof(why));

	memset(info, 0, sizeof(*info));
	info->devices = cuda.devices;
	info->driver = cuda.driver;
	info->runtime = cuda.runtime;
	info->major = cuda.major;
	info->minor = cuda.minor;
	info->memory = cuda.memory;
	memcpy(info->name, cuda.name, sizeof(info->name) - 1);
	if (status == LEP_OK)
		return LEP_OK;
	lep_error(err, status, "there is no GPU that can be used");
	lep_error_detail(err, "%s", why);
	return status;
}

/* Open the device's streams and the descriptor. */
static LepStatus
open_parts(LepGpu *gpu, LepError *err)
{
	LepStatus status = lep_gpu_check(gpu, lep_cuda_stream_open(gpu->cuda, &gpu->loader), err);

	for (int i = 0; i < LEP_GPU_SLOTS && status == LEP_OK; i++)
	{
		LepGpuSlot *slot = &gpu->slots[i];

		slot->gpu = gpu;
		status = lep_gpu_check(gpu, lep_cuda_stream_open(gpu->cuda, &slot->stream), err);
		if (status == LEP_OK)
			lep_cuda_tune(slot->stream, true);
	}
	if (status != LEP_OK)
		return status;
	gpu->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gpu->event_fd < 0)
		return lep_error(err, LEP_IO, "could not make an event descriptor: %s", strerror(errno));
	return LEP_OK;
}

/* Open a device. */
LepStatus
lep_gpu_open(int device, uint64_t memory_limit, const LepAllocator *allocator, LepGpu **gpu,
			 LepError *err)
{
	char why[WHY_BYTES] = "";
	LepArena arena;
	LepStatus status;
	LepGpu *made;

	*gpu = NULL;
	lep_arena_init(&arena, allocator, 0);
	made = lep_arena_alloc(&arena, sizeof(LepGpu));
	if (made == NULL)
		return lep_graph_no_memory(err);
	made->allocator = arena.allocator;
	made->limit = memory_limit;
	made->event_fd = -1;
	made->arena = arena;
	status = lep_cuda_open(device, &made->cuda, why, sizeof(why));
	if (status != LEP_OK)
	{
		lep_error(err, status == LEP_IO ? LEP_DEVICE : status, "could not open the GPU");
		lep_error_detail(err, "%s", why);
	}
	else
		status = open_parts(made, err);
	if (status != LEP_OK)
	{
		lep_gpu_close(made);
		return status == LEP_IO ? LEP_DEVICE : status;
	}
	*gpu = made;
	return LEP_OK;
}

/* Close a device. */
void
lep_gpu_close(LepGpu *gpu)
{
	LepArena arena;

	if (gpu == NULL)
		return;
	/* Streams first: nobody calls back after that. */
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
	{
		lep_cuda_stream_close(gpu->slots[i].stream);
		gpu->slots[i].stream = NULL;
		gpu->slots[i].model = NULL;
	}
	lep_cuda_stream_close(gpu->loader);
	while (gpu->models != NULL)
		lep_gpu_model_free(gpu->models);
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
		lep_gpu_slot_drop(&gpu->slots[i]);
	lep_cuda_close(gpu->cuda);
	if (gpu->event_fd >= 0)
		close(gpu->event_fd);
	arena = gpu->arena;
	lep_arena_free(&arena);
}

/* Numbers that an image's weights are packed in; false when it is no GPU's. */
static bool
find_numbers(const LepKernels *kernels, LepDtype *numbers)
{
	*numbers = kernels == lep_kernels_gpu(LEP_F16) ? LEP_F16 : LEP_BF16;
	return kernels == lep_kernels_gpu(*numbers);
}

/* Copy a model to the device. */
LepStatus
lep_gpu_model_load(LepGpu *gpu, const LepModel *model, LepGpuModel **loaded, LepError *err)
{
	LepGpuModel *made;
	LepArena arena;
	LepStatus status;

	*loaded = NULL;
	if (gpu->lost)
		return say_lost(gpu, err);
	lep_arena_init(&arena, gpu->allocator, 0);
	made = lep_arena_alloc(&arena, sizeof(LepGpuModel));
	if (made == NULL)
		return lep_graph_no_memory(err);
	made->gpu = gpu;
	made->arena = arena;
	made->next = gpu->models;
	gpu->models = made;
	if (!find_numbers(model->kernels, &made->numbers) || !model->graph->bound)
		status = lep_error(err, LEP_BAD_INPUT, "the model's weights are not packed for a GPU");
	else
		status = lep_gpu_plan(model->graph, &made->arena, &made->plan, err);
	if (status == LEP_OK)
		status = lep_gpu_upload_model(made, err);
	if (status != LEP_OK)
	{
		lep_gpu_model_free(made);
		return status;
	}
	*loaded = made;
	return LEP_OK;
}

/* Free a model. */
void
lep_gpu_model_free(LepGpuModel *loaded)
{
	LepGpuModel **link;
	LepArena arena;
	LepGpu *gpu;

	if (loaded == NULL)
		return;
	gpu = loaded->gpu;
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
	{
		if (gpu->slots[i].model == loaded)
			lep_gpu_collect(gpu, i, NULL, NULL);
		for (int j = 0; j < LEP_GPU_CAPTURED; j++)
			lep_cuda_graph_free(gpu->cuda, loaded->captured[i][j].graph);
	}
	for (link = &gpu->models; *link != loaded;)
		link = &(*link)->next;
	*link = loaded->next;
	lep_gpu_free(gpu, loaded->memory, (size_t) loaded->bytes);
	arena = loaded->arena;
	lep_arena_free(&arena);
}

/* Bytes of device memory that are the model's own. */
uint64_t
lep_gpu_model_bytes(const LepGpuModel *loaded)
{
	return loaded->bytes;
}

/* Say how much memory is in use. */
void
lep_gpu_memory(const LepGpu *gpu, LepGpuMemory *memory)
{
	memory->used = gpu->used;
	memory->limit = gpu->limit;
	memory->batch = 0;
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
		memory->batch += gpu->slots[i].bytes;
}

/* The descriptor that tells of batches that are done. */
int
lep_gpu_event_fd(const LepGpu *gpu)
{
	return gpu->event_fd;
}

/* Has the device failed? */
bool
lep_gpu_is_lost(const LepGpu *gpu)
{
	return gpu->lost;
}
