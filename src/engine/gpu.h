/*
 * gpu.h: runs graphs on a GPU, on top of kernels/cuda/lepton_cuda.h: models' weights in device memory, batches of
 * tokens in, rows of f32 out.  Owns memory, order and failure; the arithmetic is the device's.
 *
 * Use, in a process that never forks and in one thread of it:
 *		lep_image_open(image, ..., lep_kernels_gpu(LEP_F16), &arena, &model, &err);
 *		lep_gpu_open(0, limit, &lep_malloc_allocator, &gpu, &err);
 *		lep_gpu_model_load(gpu, &model, &loaded, &err);		-- LEP_NO_MEMORY: free another model, try again
 *		lep_gpu_submit(loaded, &batch, 0, &err);			-- returns at once
 *		poll(lep_gpu_event_fd(gpu)); done = lep_gpu_ready(gpu);	-- bit 0: slot 0 is done
 *		lep_gpu_collect(gpu, 0, out, &err);
 *
 * Numbers: activations, and weights and biases of linears, are f16 or bf16, as the image says; sums, norms, softmax and pooling
 * are f32; tables of embeddings are as stored.  The same text may differ in the last bits of its 16-bit
 * numbers from batch to batch: products of different sizes may add in another order.
 *
 * Failure: a call that fails leaves no trace: its slot is free, its memory is given back, other models and the other slot go on.
 * The exception is LEP_DEVICE: the device does not answer any more, or what it does cannot be trusted (an illegal
 * address, a failed launch, a lost device).  From then on every call answers LEP_DEVICE, lep_gpu_is_lost is
 * true, and all that is left to do is to end the process; closing is safe.
 */
#ifndef LEPTON_GPU_H
#define LEPTON_GPU_H

#include "image.h"

/* Most that one batch may have; larger ones are LEP_TOO_LARGE.  A text longer than the batch has no place here. */
#define LEP_GPU_TOKENS_MAX ((size_t) 65536)
#define LEP_GPU_TEXTS_MAX  ((size_t) 8192)
#define LEP_GPU_VALUES_MAX ((size_t) 1 << 25) /* of its output: rows * lep_desc_width */
#define LEP_GPU_SLOTS	   2				  /* batches in flight */

/*
 * Kernels whose packed linears are row-major f16 (LEP_F16, layout "gpuf16") or bf16 (LEP_BF16, "gpubf16"): with them the image
 * of any model is written and opened, compressed ones included.  They pack and do nothing else: running such a graph on the CPU is
 * LEP_UNSUPPORTED.  NULL for other numbers.
 *
 * f16 is the more exact of the two and what most models are made for; the few whose activations pass 65,504 give LEP_NOT_FINITE
 * in it and need bf16.  Links without the rest of gpu.h.
 */
const LepKernels *lep_kernels_gpu(LepDtype numbers);

/* What lep_gpu_probe finds. */
typedef struct LepGpuInfo
{
	int devices;	  /* that can be used; 0: none */
	int driver;		  /* CUDA version of the driver, 1000 major + 10 minor; 0: no driver */
	int runtime;	  /* CUDA version this was built with; 0: built without */
	int major, minor; /* compute capability of device 0 */
	uint64_t memory;  /* bytes of device 0 */
	char name[256];	  /* of device 0 */
} LepGpuInfo;

/* A device. */
typedef struct LepGpu LepGpu;
/* A model's weights on it. */
typedef struct LepGpuModel LepGpuModel;

/*
 * Describe what is there: LEP_OK when at least one device can be used, else LEP_MISSING (no driver, no
 * device) or LEP_UNSUPPORTED (built without CUDA, driver or device too old).  info is always filled.  Makes no
 * context: takes milliseconds.
 */
LepStatus lep_gpu_probe(LepGpuInfo *info, LepError *err);

/*
 * Open a device: takes a context's time (0.3 to 0.5 s) and memory.  memory_limit bounds the bytes that weights and batches
 * take of it; 0: what the device has.  Host memory comes from the allocator, which must outlive the LepGpu.  *gpu is NULL unless LEP_OK.
 */
LepStatus lep_gpu_open(int device, uint64_t memory_limit, const LepAllocator *allocator,
					   LepGpu **gpu, LepError *err);
/* Close and free all, models too; waits for what runs.  NULL is allowed. */
void lep_gpu_close(LepGpu *gpu);

/*
 * Copy a model's weights to the device.  model was opened with lep_kernels_gpu and must outlive *loaded, but the bytes of its
 * weights are not read again.  LEP_NO_MEMORY when the limit or the device is full, LEP_UNSUPPORTED for a model with an operator that
 * the device has not (heads wider than 256, widths that are no multiples of 8).
 */
LepStatus lep_gpu_model_load(LepGpu *gpu, const LepModel *model, LepGpuModel **loaded,
							 LepError *err);
/* Free; waits for and forgets its batches in flight.  NULL is allowed. */
void lep_gpu_model_free(LepGpuModel *loaded);
/* Bytes of device memory that are the model's own: weights and tables. */
uint64_t lep_gpu_model_bytes(const LepGpuModel *loaded);

/* Bytes of device memory in use, of models and of batches in flight, and the limit on them. */
typedef struct LepGpuMemory
{
	uint64_t used;	/* by all */
	uint64_t batch; /* of them for batches: grows with the largest one seen */
	uint64_t limit;
} LepGpuMemory;
void lep_gpu_memory(const LepGpu *gpu, LepGpuMemory *memory);

/*
 * Start a batch in a free slot below LEP_GPU_SLOTS.  What it points at is copied.  Returns at once but for sizes of batches that the
 * device has not met: then it measures products for some milliseconds.  Errors are those of lep_graph_run for a bad batch,
 * LEP_TOO_LARGE beyond the limits above, LEP_NO_MEMORY when its intermediates do not fit (free a model, try again),
 * LEP_BAD_INPUT for a slot that is taken.  A batch without texts is done at once.
 */
LepStatus lep_gpu_submit(LepGpuModel *loaded, const LepBatch *batch, int slot, LepError *err);

/* A file descriptor that poll() finds readable when a slot may be done; lep_gpu_ready reads it.  Belongs to the LepGpu. */
int lep_gpu_event_fd(const LepGpu *gpu);

/*
 * Bits of the slots whose batch is done, well or badly, and not collected.  Never waits.  A device that fails may not
 * signal the descriptor: ask at least every 100 ms while a batch runs.
 */
unsigned lep_gpu_ready(LepGpu *gpu);

/*
 * Wait for a slot's batch and take its rows, out[lep_graph_out_rows, lep_desc_width]; the slot is free then, whatever
 * is answered.  LEP_NOT_FINITE as lep_graph_run says it.  out may be NULL: the rows are dropped.
 */
LepStatus lep_gpu_collect(LepGpu *gpu, int slot, float *out, LepError *err);

/* True after LEP_DEVICE. */
bool lep_gpu_is_lost(const LepGpu *gpu);

#endif
