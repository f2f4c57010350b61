/*
 * gpu_parts.h: what running graphs on a GPU is made of, shared by gpu.c, gpu_plan.c, gpu_load.c, gpu_batch.c and gpu_run.c;
 * nobody else includes it.
 *
 * A graph becomes a plan: steps, each one call of lepton_cuda.h, which may do several operators of the graph, and a place for
 * every buffer.  Buffers hold the whole batch in 16-bit floats.  A batch runs in a shape: so many rows of each kind,
 * which may be more than it has; what the rows beyond it hold is nobody's.
 */
#ifndef LEPTON_GPU_PARTS_H
#define LEPTON_GPU_PARTS_H

#include "../../kernels/cuda/lepton_cuda.h"
#include "gpu.h"
#include "graph_parts.h"

#define LEP_GPU_ALIGN	 256 /* bytes: of arrays in device memory */
#define LEP_GPU_CAPTURED 24	 /* runs of a model that are kept captured for each slot */
#define LEP_GPU_HEADER	 16	 /* bytes before a batch's output: the number of its first bad value */

/* One call of the device. */
typedef struct LepGpuStep
{
	LepOpKind kind;
	const LepOp *op;	 /* what it computes: the first of what it joins */
	const LepOp *second; /* linear: the linear behind it, as a feed-forward network; NULL: none */
	const LepOp *norm;	 /* linear: the norm behind it; NULL: none */
	uint32_t
		out; /* buffer it writes; of a linear with a norm LEP_NO_BUF when the sum is not needed */
	bool normalize; /* pool: to unit length */
	bool wide;		/* writes the graph's output, in f32 */
} LepGpuStep;

/* Where a buffer is: so many 16-bit floats for each row of its kind stand before it. */
typedef struct LepGpuPlace
{
	size_t offset;
	uint32_t first, last; /* steps between which it is alive */
	uint32_t root;		  /* the buffer in whose place it is */
	bool used;
} LepGpuPlace;

typedef struct LepGpuPlan
{
	const LepGraph *graph;
	LepGpuStep *steps;
	uint32_t n_steps;
	LepGpuPlace *places;		  /* [graph->n_buffers] */
	size_t width[LEP_ROWS_COUNT]; /* 16-bit floats for each row of a kind */
	uint32_t result; /* buffer to be widened into the output; LEP_NO_BUF: a step writes it */
	size_t sparse;	 /* columns of a sparse operator's logits; 0: there is none */
	bool reads_picks;
} LepGpuPlan;

/* Make a plan in the arena; LEP_UNSUPPORTED for what the device has no operator for. */
LepStatus lep_gpu_plan(const LepGraph *graph, LepArena *arena, LepGpuPlan *plan, LepError *err);

/* How many rows, and the most tokens of a text, a run is made for. */
typedef struct LepGpuShape
{
	size_t rows[LEP_ROWS_COUNT];
	size_t longest;
} LepGpuShape;

/* Byte offsets in a slot's device memory for one shape. */
typedef struct LepGpuRegions
{
	/* what is uploaded, in one piece from its beginning on: int32 and uint32 */
	size_t ids, positions, types, starts, picks, in_bytes;
	/* what is downloaded, in one piece: the first bad value's number, then out */
	size_t first_bad, out;
	size_t buffers[LEP_ROWS_COUNT], logits;
	size_t logits_rows;
	size_t total;
} LepGpuRegions;

/* Lay out a slot's memory; false on overflow. */
bool lep_gpu_regions(const LepGpuPlan *plan, const LepGpuShape *shape, LepGpuRegions *regions);

/* Steps enqueued and remembered by the device. */
typedef struct LepGpuCaptured
{
	LepGpuShape shape;
	uint64_t memory; /* number of the slot's memory that it was captured with */
	uint64_t used;	 /* when it was launched last */
	bool met;		 /* the entry is in use */
	bool refused;	 /* capturing it failed */
	LepCudaGraph *graph;
} LepGpuCaptured;

struct LepGpuModel
{
	LepGpu *gpu;
	LepGpuModel *next;
	LepArena arena; /* holds this struct, too */
	LepGpuPlan plan;
	LepDtype numbers;
	char *memory; /* on the device: weights and tables */
	uint64_t bytes;
	const char **weights;	/* [graph->n_slots] */
	const char **relations; /* [graph->n_relations]; cosines of turns */
	const char **sines;		/* [graph->n_relations] */
	size_t table;			/* tokens that the relations are made for */
	LepGpuCaptured captured[LEP_GPU_SLOTS][LEP_GPU_CAPTURED];
};

/* A place for one batch in flight. */
typedef struct LepGpuSlot
{
	LepGpu *gpu;
	LepCudaStream *stream;
	char *memory; /* on the device */
	size_t bytes;
	uint64_t number; /* of the memory: counts how often any of the three was replaced */
	char *in, *out;	 /* pinned memory of the host */
	size_t in_bytes, out_bytes;
	LepGpuModel *model; /* NULL: free */
	size_t n_rows;		/* of the batch's output */
	int done;			/* set by the thread that CUDA calls back on */
} LepGpuSlot;

struct LepGpu
{
	LepCuda *cuda;
	LepArena arena; /* holds this struct */
	const LepAllocator *allocator;
	LepCudaStream *loader;
	LepGpuModel *models;
	LepGpuSlot slots[LEP_GPU_SLOTS];
	uint64_t used, limit; /* bytes */
	uint64_t clock;		  /* counts launches */
	int event_fd;
	bool lost;
};

/* gpu.c */

/* Say what a call of the device answered; LEP_OK passes.  Notes a lost device. */
LepStatus lep_gpu_check(LepGpu *gpu, LepStatus status, LepError *err);
/* Take device memory within the limit, at the cost of free slots' memory where needed. */
LepStatus lep_gpu_alloc(LepGpu *gpu, size_t bytes, char **at, LepError *err);
void lep_gpu_free(LepGpu *gpu, char *at, size_t bytes);
/* Round up to whole arrays; false on overflow. */
bool lep_gpu_round(size_t bytes, size_t *rounded);

/* gpu_load.c */

/* Copy weights and tables of the model's graph to the device. */
LepStatus lep_gpu_upload_model(LepGpuModel *model, LepError *err);

/* gpu_run.c */

/* Enqueue the plan's steps for a shape on a slot's stream. */
LepStatus lep_gpu_enqueue(const LepGpuModel *model, const LepGpuSlot *slot,
						  const LepGpuShape *shape, const LepGpuRegions *regions);

/* gpu_batch.c */

/* Give a slot's memory back; the slot must be free. */
void lep_gpu_slot_drop(LepGpuSlot *slot);

#endif
