/*
 * gpu_batch.c: one batch from its tokens to its rows: checks it, stages it in pinned memory, runs it in a slot and
 * takes what comes back.
 *
 * A small batch costs more in calls than in work, so it runs in the shape of its bucket, rounded up: the second run of a shape is captured,
 * and all later ones are one call.  Rows beyond the batch's belong to no text; what they hold is never looked at.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>
#include <unistd.h>

#include "gpu_parts.h"

#define SMALL_PICKS	 ((size_t) 256)		/* of a batch that has a bucket */
#define MEMORY_LEAST ((size_t) 1 << 20) /* bytes of a slot's memory: it grows seldom */
#define STAGE_LEAST	 ((size_t) 64 << 10)

static const size_t token_buckets[] = {32, 64, 128, 256, 384, 512, 768, 1024};
static const size_t text_buckets[] = {1, 4, 16, 64, 256, 1024};
static const size_t longest_buckets[] = {32, 128, 512, 1024};
static const size_t pick_buckets[] = {0, 1, 4, 16, 64, SMALL_PICKS};

#define BUCKETS(list) (list), sizeof(list) / sizeof((list)[0])

/* The least bucket that holds n; false when none does. */
static bool
find_bucket(size_t n, const size_t *buckets, size_t n_buckets, size_t *bucket)
{
	for (size_t i = 0; i < n_buckets; i++)
	{
		*bucket = buckets[i];
		if (n <= buckets[i])
			return true;
	}
	return false;
}

/* Values of the output of a shape, SIZE_MAX on overflow. */
static size_t
count_values(const LepGraph *graph, const LepGpuShape *shape)
{
	const LepBuffer *out = &graph->buffers[graph->ops[graph->n_ops - 1].out];
	size_t values;

	return lep_mul(shape->rows[out->rows], out->width, &values) ? values : SIZE_MAX;
}

/* Round a batch's shape up to its bucket's; false when it is too large for one. */
static bool
round_shape(const LepGpuModel *model, const LepGpuShape *exact, LepGpuShape *shape)
{
	bool small = find_bucket(exact->rows[LEP_ROWS_TOKENS], BUCKETS(token_buckets),
							 &shape->rows[LEP_ROWS_TOKENS]) &&
				 find_bucket(exact->rows[LEP_ROWS_TEXTS], BUCKETS(text_buckets),
							 &shape->rows[LEP_ROWS_TEXTS]) &&
				 find_bucket(exact->rows[LEP_ROWS_PICKS], BUCKETS(pick_buckets),
							 &shape->rows[LEP_ROWS_PICKS]) &&
				 find_bucket(exact->longest, BUCKETS(longest_buckets), &shape->longest);

	if (shape->longest > model->table)
		shape->longest = model->table;
	return small && count_values(model->plan.graph, shape) <= LEP_GPU_VALUES_MAX;
}

/* Check a batch against the model and the limits; *shape gets what it has. */
static LepStatus
check_batch(const LepGpuModel *model, const LepBatch *batch, LepGpuShape *shape, LepError *err)
{
	LepStatus status;

	memset(shape, 0, sizeof(*shape));
	if (batch->n_tokens > LEP_GPU_TOKENS_MAX || batch->n_texts > LEP_GPU_TEXTS_MAX)
	{
		lep_error(err, LEP_TOO_LARGE, "batch is too large for the GPU");
		lep_error_detail(err, "It has %zu tokens in %zu texts, at most %zu in %zu are taken.",
						 batch->n_tokens, batch->n_texts, LEP_GPU_TOKENS_MAX, LEP_GPU_TEXTS_MAX);
		return LEP_TOO_LARGE;
	}
	status = lep_graph_check_batch(model->plan.graph, batch, &shape->longest, err);
	if (status != LEP_OK)
		return status;
	shape->rows[LEP_ROWS_TOKENS] = batch->n_tokens;
	shape->rows[LEP_ROWS_TEXTS] = batch->n_texts;
	shape->rows[LEP_ROWS_PICKS] = model->plan.reads_picks ? batch->n_picks : 0;
	if (count_values(model->plan.graph, shape) <= LEP_GPU_VALUES_MAX)
		return LEP_OK;
	lep_error(err, LEP_TOO_LARGE, "batch is too large for the GPU");
	lep_error_detail(err, "Its output has %zu values, at most %zu are taken.",
					 count_values(model->plan.graph, shape), LEP_GPU_VALUES_MAX);
	return LEP_TOO_LARGE;
}

/* Give a slot's memory back. */
void
lep_gpu_slot_drop(LepGpuSlot *slot)
{
	lep_gpu_free(slot->gpu, slot->memory, slot->bytes);
	slot->memory = NULL;
	slot->bytes = 0;
	if (slot->in != NULL)
		lep_cuda_free_host(slot->gpu->cuda, slot->in);
	if (slot->out != NULL)
		lep_cuda_free_host(slot->gpu->cuda, slot->out);
	slot->in = slot->out = NULL;
	slot->in_bytes = slot->out_bytes = 0;
	slot->number++;
}

/* Make pinned memory at least bytes large. */
static LepStatus
reserve_stage(LepGpuSlot *slot, char **at, size_t *has, size_t bytes, LepError *err)
{
	void *memory = NULL;
	LepStatus status;

	if (bytes <= *has)
		return LEP_OK;
	bytes = bytes < STAGE_LEAST ? STAGE_LEAST : bytes;
	if (*at != NULL)
		lep_cuda_free_host(slot->gpu->cuda, *at);
	*at = NULL;
	*has = 0;
	slot->number++;
	status = lep_gpu_check(slot->gpu, lep_cuda_alloc_host(slot->gpu->cuda, bytes, &memory), err);
	if (status != LEP_OK)
		return status;
	*at = memory;
	*has = bytes;
	return LEP_OK;
}

/* Make all of a slot's memory large enough; device memory grows by more than is asked for where there is room. */
static LepStatus
reserve(LepGpuSlot *slot, const LepGpuRegions *regions, size_t out_bytes, LepError *err)
{
	LepStatus status = reserve_stage(slot, &slot->in, &slot->in_bytes, regions->in_bytes, err);
	size_t wanted = regions->total + regions->total / 4;

	if (status == LEP_OK)
		status = reserve_stage(slot, &slot->out, &slot->out_bytes, out_bytes, err);
	if (status != LEP_OK || regions->total <= slot->bytes)
		return status;
	wanted = wanted < MEMORY_LEAST ? MEMORY_LEAST : wanted;
	lep_gpu_free(slot->gpu, slot->memory, slot->bytes);
	slot->memory = NULL;
	slot->bytes = 0;
	slot->number++;
	status = lep_gpu_alloc(slot->gpu, wanted, &slot->memory, err);
	if (status == LEP_NO_MEMORY)
	{
		wanted = regions->total;
		status = lep_gpu_alloc(slot->gpu, wanted, &slot->memory, err);
	}
	if (status == LEP_OK)
		slot->bytes = wanted;
	return status;
}

/* Number tokens from their texts' beginnings; those of the padding's id take no place. */
static void
set_positions(const LepOp *embed, const LepBatch *batch, int32_t *positions)
{
	int32_t first = (int32_t) embed->position_first;

	for (size_t text = 0; text < batch->n_texts; text++)
	{
		int32_t next = first;

		for (size_t i = batch->starts[text]; i < batch->starts[text + 1]; i++)
		{
			bool pad = embed->position_pad >= 0 && batch->ids[i] == embed->position_pad;

			positions[i] = pad ? first - 1 : next++;
		}
	}
}

/* Write a batch into the slot's stage, in a shape; texts beyond the batch's have no tokens. */
static void
stage(const LepGpuModel *model, LepGpuSlot *slot, const LepBatch *batch, const LepGpuShape *shape,
	  const LepGpuRegions *regions)
{
	const LepGraph *graph = model->plan.graph;
	uint32_t *starts = (uint32_t *) (slot->in + regions->starts);
	size_t bytes = batch->n_tokens * sizeof(int32_t);

	memset(slot->in, 0, regions->in_bytes);
	memcpy(slot->in + regions->ids, batch->ids, bytes);
	if (graph->n_types > 0 && batch->types != NULL)
		memcpy(slot->in + regions->types, batch->types, bytes);
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		if (graph->ops[i].kind == LEP_OP_EMBED && graph->ops[i].slots[1] != LEP_NO_SLOT)
			set_positions(&graph->ops[i], batch, (int32_t *) (slot->in + regions->positions));
	}
	for (size_t i = 0; i <= shape->rows[LEP_ROWS_TEXTS]; i++)
		starts[i] = batch->starts[i < batch->n_texts ? i : batch->n_texts];
	if (model->plan.reads_picks && batch->n_picks > 0)
		memcpy(slot->in + regions->picks, batch->picks, batch->n_picks * sizeof(uint32_t));
}

/* Enqueue the upload of what is staged, and all steps. */
static LepStatus
enqueue(const LepGpuModel *model, const LepGpuSlot *slot, const LepGpuShape *shape,
		const LepGpuRegions *regions)
{
	LepStatus status = lep_cuda_upload(slot->stream, slot->memory, slot->in, regions->in_bytes);

	return status == LEP_OK ? lep_gpu_enqueue(model, slot, shape, regions) : status;
}

/* Are two shapes the same? */
static bool
same_shape(const LepGpuShape *a, const LepGpuShape *b)
{
	for (int i = 0; i < LEP_ROWS_COUNT; i++)
	{
		if (a->rows[i] != b->rows[i])
			return false;
	}
	return a->longest == b->longest;
}

/* The entry of a shape, with *known set; else one to be used for it, the one used least lately. */
static LepGpuCaptured *
find_captured(LepGpuModel *model, int slot, const LepGpuShape *shape, bool *known)
{
	LepGpuCaptured *entries = model->captured[slot];
	LepGpuCaptured *oldest = &entries[0];

	*known = false;
	for (int i = 0; i < LEP_GPU_CAPTURED; i++)
	{
		*known = entries[i].met && same_shape(&entries[i].shape, shape);
		if (*known)
			return &entries[i];
		if (entries[i].used < oldest->used)
			oldest = &entries[i];
	}
	return oldest;
}

/* Forget what an entry has captured. */
static void
forget(LepGpu *gpu, LepGpuCaptured *entry)
{
	lep_cuda_graph_free(gpu->cuda, entry->graph);
	entry->graph = NULL;
	entry->refused = false;
}

/* Capture a shape's work; an entry without a graph, and LEP_OK, when the device does not want to. */
static LepStatus
capture(LepGpuModel *model, LepGpuSlot *slot, const LepGpuShape *shape,
		const LepGpuRegions *regions, LepGpuCaptured *entry)
{
	LepStatus status = lep_cuda_capture_begin(slot->stream);
	LepStatus ended;

	if (status == LEP_OK)
	{
		lep_cuda_tune(slot->stream, false);
		status = enqueue(model, slot, shape, regions);
		ended = lep_cuda_capture_end(slot->stream, &entry->graph);
		lep_cuda_tune(slot->stream, true);
		status = status == LEP_OK ? ended : status;
	}
	if (status == LEP_OK)
	{
		entry->memory = slot->number;
		return LEP_OK;
	}
	forget(model->gpu, entry);
	entry->refused = true;
	return status == LEP_IO || lep_cuda_is_lost(model->gpu->cuda) ? status : LEP_OK;
}

/* Run a shape that has a bucket: captured from its second time on. */
static LepStatus
run_bucket(LepGpuModel *model, int number, const LepGpuShape *shape, const LepGpuRegions *regions)
{
	LepGpuSlot *slot = &model->gpu->slots[number];
	LepStatus status = LEP_OK;
	bool known;
	LepGpuCaptured *entry = find_captured(model, number, shape, &known);

	if (!known || entry->memory != slot->number)
		forget(model->gpu, entry);
	entry->used = ++model->gpu->clock;
	if (known && entry->graph == NULL && !entry->refused)
		status = capture(model, slot, shape, regions, entry);
	if (status != LEP_OK)
		return status;
	entry->met = true;
	entry->shape = *shape;
	entry->memory = slot->number;
	if (entry->graph != NULL)
		return lep_cuda_graph_launch(slot->stream, entry->graph);
	return enqueue(model, slot, shape, regions);
}

/* Note that a slot's batch is done; called on a thread of CUDA's. */
static void
notify(void *ctx)
{
	LepGpuSlot *slot = ctx;
	const uint64_t one = 1;

	__atomic_store_n(&slot->done, 1, __ATOMIC_RELEASE);
	/* A full counter is readable already. */
	if (write(slot->gpu->event_fd, &one, sizeof(one)) < 0)
		return;
}

/* Run a batch that has texts. */
static LepStatus
run(LepGpuModel *model, int number, const LepBatch *batch, const LepGpuShape *exact, LepError *err)
{
	LepGpuSlot *slot = &model->gpu->slots[number];
	size_t bytes = count_values(model->plan.graph, exact) * sizeof(float);
	LepGpuShape shape;
	LepGpuRegions regions;
	LepStatus status;
	bool small = round_shape(model, exact, &shape);

	if (!small)
		shape = *exact;
	if (!lep_gpu_regions(&model->plan, &shape, &regions))
		return lep_error(err, LEP_TOO_LARGE, "batch is too large for the GPU");
	bytes += regions.out - regions.first_bad;
	status = reserve(slot, &regions, bytes, err);
	if (status != LEP_OK)
		return status;
	stage(model, slot, batch, &shape, &regions);
	status = small ? run_bucket(model, number, &shape, &regions)
				   : enqueue(model, slot, &shape, &regions);
	if (status == LEP_OK)
		status =
			lep_cuda_download(slot->stream, slot->out, slot->memory + regions.first_bad, bytes);
	if (status == LEP_OK)
		status = lep_cuda_notify(slot->stream, notify, slot);
	if (status == LEP_OK)
		return LEP_OK;
	status = lep_gpu_check(model->gpu, status, err);
	lep_cuda_wait(slot->stream);
	return status;
}

/* Start a batch. */
LepStatus
lep_gpu_submit(LepGpuModel *loaded, const LepBatch *batch, int slot, LepError *err)
{
	LepGpu *gpu = loaded->gpu;
	LepGpuShape shape;
	LepStatus status;

	if (gpu->lost)
		return lep_gpu_check(gpu, LEP_IO, err);
	if (slot < 0 || slot >= LEP_GPU_SLOTS || gpu->slots[slot].model != NULL)
		return lep_error(err, LEP_BAD_INPUT, "slot %d of the GPU is not free", slot);
	status = check_batch(loaded, batch, &shape, err);
	if (status != LEP_OK)
		return status;
	__atomic_store_n(&gpu->slots[slot].done, 0, __ATOMIC_RELEASE);
	if (batch->n_texts == 0)
		notify(&gpu->slots[slot]);
	else
		status = run(loaded, slot, batch, &shape, err);
	if (status != LEP_OK)
		return status;
	gpu->slots[slot].model = loaded;
	gpu->slots[slot].n_rows =
		batch->n_texts > 0 ? lep_graph_out_rows(loaded->plan.graph, batch) : 0;
	return LEP_OK;
}

/* Bits of the slots whose batch is done. */
unsigned
lep_gpu_ready(LepGpu *gpu)
{
	unsigned bits = 0;
	uint64_t count;

	/* Nothing to be read is no error here. */
	if (read(gpu->event_fd, &count, sizeof(count)) < 0)
		count = 0;
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
	{
		LepGpuSlot *slot = &gpu->slots[i];
		bool done = false;

		if (slot->model == NULL)
			continue;
		if (__atomic_load_n(&slot->done, __ATOMIC_ACQUIRE) == 0 &&
			lep_gpu_check(gpu, lep_cuda_poll(slot->stream, &done), NULL) == LEP_OK && !done)
			continue;
		bits |= 1u << i;
	}
	return bits;
}

/* Take a slot's rows. */
LepStatus
lep_gpu_collect(LepGpu *gpu, int number, float *out, LepError *err)
{
	LepGpuSlot *slot;
	const LepGraph *graph;
	size_t n_values;
	uint64_t first_bad;
	const char *rows;
	LepStatus status;

	if (number < 0 || number >= LEP_GPU_SLOTS || gpu->slots[number].model == NULL)
		return lep_error(err, LEP_BAD_INPUT, "slot %d of the GPU is free", number);
	slot = &gpu->slots[number];
	graph = slot->model->plan.graph;
	slot->model = NULL;
	status = lep_gpu_check(gpu, lep_cuda_wait(slot->stream), err);
	n_values = slot->n_rows * lep_desc_width(graph->view.desc);
	if (status != LEP_OK || n_values == 0)
		return status;
	memcpy(&first_bad, slot->out, sizeof(first_bad));
	rows = slot->out + LEP_GPU_HEADER;
	if (first_bad < n_values)
	{
		float bad;

		memcpy(&bad, rows + first_bad * sizeof(float), sizeof(bad));
		return lep_graph_not_finite(graph, (size_t) first_bad, bad, err);
	}
	if (out != NULL)
		memcpy(out, rows, n_values * sizeof(float));
	return LEP_OK;
}
