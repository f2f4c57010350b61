/*
 * gpu_load.c: copies a model's weights to the device, in the forms that its operators read, and the tables of relations,
 * which are made once for the longest text that a batch can have.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "gpu_parts.h"
#include "graph_run.h"

#define COPY_BYTES ((size_t) 16 << 20) /* of a weight that are rewritten at a time */

/* Tokens around each that the only reader of an unfolding's output weighs; 1: no unfolding. */
static size_t
unfolded(const LepGraph *graph, uint32_t slot)
{
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];
		const LepOp *maker;

		if (op->kind != LEP_OP_LINEAR || op->slots[0] != slot)
			continue;
		maker = &graph->ops[graph->buffers[op->in[0].buf].maker];
		if (maker->kind == LEP_OP_UNFOLD)
			return maker->n_around;
	}
	return 1;
}

/* Is a slot of f32 read in 16 bits: the places of an attention, the bias of a linear? */
static bool
narrowed(const LepGraph *graph, uint32_t slot)
{
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];

		if ((op->kind == LEP_OP_LINEAR || op->kind == LEP_OP_SPARSE) && op->slots[1] == slot)
			return true;
	}
	return graph->slots[slot].projected;
}

/* Bytes of a slot on the device. */
static size_t
device_bytes(const LepGraph *graph, uint32_t slot)
{
	uint64_t bytes = graph->slots[slot].bytes;

	return (size_t) (narrowed(graph, slot) ? bytes / 2 : bytes);
}

/* Upload a weight whose columns [d, n] become [n, d], so that a token's stand side by side. */
static LepStatus
upload_unfolded(LepGpuModel *model, const LepSlot *slot, size_t n, char *to, LepArena *arena,
				LepError *err)
{
	const uint16_t *from = slot->data;
	size_t d = slot->cols / n;
	uint16_t *copy = lep_arena_array(arena, slot->rows * slot->cols, sizeof(uint16_t));

	if (copy == NULL)
		return lep_graph_no_memory(err);
	for (size_t row = 0; row < slot->rows; row++)
	{
		for (size_t i = 0; i < slot->cols; i++)
			copy[row * slot->cols + i % n * d + i / n] = from[row * slot->cols + i];
	}
	return lep_gpu_check(model->gpu,
						 lep_cuda_upload(model->gpu->loader, to, copy, (size_t) slot->bytes), err);
}

/* Upload a table of f32 in 16 bits, piece by piece. */
static LepStatus
upload_narrowed(LepGpuModel *model, const LepSlot *slot, char *to, LepArena *arena, LepError *err)
{
	const float *from = slot->data;
	size_t n = (size_t) slot->bytes / sizeof(float);
	size_t step = COPY_BYTES / sizeof(float);
	uint16_t *copy = lep_arena_array(arena, n < step ? n : step, sizeof(uint16_t));

	if (copy == NULL)
		return lep_graph_no_memory(err);
	for (size_t done = 0; done < n; done += step)
	{
		size_t now = n - done < step ? n - done : step;
		LepStatus status;

		model->plan.graph->kernels->linear_pack(from + done, 1, now, copy);
		status = lep_cuda_upload(model->gpu->loader, to + done * sizeof(uint16_t), copy,
								 now * sizeof(uint16_t));
		if (status != LEP_OK)
			return lep_gpu_check(model->gpu, status, err);
	}
	return LEP_OK;
}

/* Upload one slot. */
static LepStatus
upload_slot(LepGpuModel *model, uint32_t number, char *to, LepError *err)
{
	const LepSlot *slot = &model->plan.graph->slots[number];
	size_t n = slot->store == LEP_STORE_LINEAR ? unfolded(model->plan.graph, number) : 1;
	LepArena arena;
	LepStatus status;

	if (n == 1 && !narrowed(model->plan.graph, number))
		return lep_gpu_check(
			model->gpu, lep_cuda_upload(model->gpu->loader, to, slot->data, (size_t) slot->bytes),
			err);
	lep_arena_init(&arena, model->gpu->allocator, 0);
	status = n > 1 ? upload_unfolded(model, slot, n, to, &arena, err)
				   : upload_narrowed(model, slot, to, &arena, err);
	lep_arena_free(&arena);
	return status;
}

/* Upload the tables of relations; sines stand apart from cosines, each beginning an array. */
static LepStatus
upload_relations(LepGpuModel *model, char *to, LepError *err)
{
	const LepGraph *graph = model->plan.graph;
	LepStatus status = LEP_OK;
	size_t all = 0;
	LepArena arena;
	LepRun run;

	memset(&run, 0, sizeof(run));
	run.graph = graph;
	run.max_len = model->table;
	for (uint32_t i = 0; i < graph->n_relations; i++)
	{
		size_t floats;

		if (!lep_relation_floats(&graph->relations[i], model->table, &floats) ||
			!lep_add(all, floats, &all))
			return lep_graph_no_memory(err);
	}
	lep_arena_init(&arena, model->gpu->allocator, 0);
	run.relations = lep_arena_array(&arena, all, sizeof(float));
	status = run.relations != NULL ? lep_run_relations(&run) : lep_graph_no_memory(err);
	for (uint32_t i = 0; i < graph->n_relations && status == LEP_OK; i++)
	{
		const float *table = lep_run_relation(&run, i + 1);
		bool turn = graph->relations[i].kind == LEP_RELATION_TURN;
		size_t floats = 0;
		size_t rounded = 0;

		lep_relation_floats(&graph->relations[i], model->table, &floats);
		for (int half = 0; half < (turn ? 2 : 1) && status == LEP_OK; half++)
		{
			size_t bytes = floats / (turn ? 2 : 1) * sizeof(float);

			*(half == 0 ? &model->relations[i] : &model->sines[i]) = to;
			status =
				lep_gpu_check(model->gpu,
							  lep_cuda_upload(model->gpu->loader, to,
											  (const char *) table + (size_t) half * bytes, bytes),
							  err);
			lep_gpu_round(bytes, &rounded);
			to += rounded;
		}
	}
	lep_arena_free(&arena);
	return status;
}

/* Bytes of all weights and tables; false on overflow. */
static bool
model_bytes(const LepGpuModel *model, size_t *total)
{
	const LepGraph *graph = model->plan.graph;
	size_t bytes;

	*total = 0;
	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		if (!lep_gpu_round(device_bytes(graph, i), &bytes) || !lep_add(*total, bytes, total))
			return false;
	}
	for (uint32_t i = 0; i < graph->n_relations; i++)
	{
		size_t floats;

		/* Two arrays at most. */
		if (!lep_relation_floats(&graph->relations[i], model->table, &floats) ||
			!lep_mul(floats, sizeof(float), &bytes) || !lep_add(bytes, LEP_GPU_ALIGN, &bytes) ||
			!lep_gpu_round(bytes, &bytes) || !lep_add(*total, bytes, total))
			return false;
	}
	return true;
}

/* Copy weights and tables to the device. */
LepStatus
lep_gpu_upload_model(LepGpuModel *model, LepError *err)
{
	const LepGraph *graph = model->plan.graph;
	LepStatus status;
	size_t total;
	char *to;

	model->table = graph->max_len < LEP_GPU_TOKENS_MAX ? graph->max_len : LEP_GPU_TOKENS_MAX;
	model->weights = lep_arena_array(&model->arena, graph->n_slots, sizeof(char *));
	model->relations = lep_arena_array(&model->arena, graph->n_relations, sizeof(char *));
	model->sines = lep_arena_array(&model->arena, graph->n_relations, sizeof(char *));
	if (model->weights == NULL || model->relations == NULL || model->sines == NULL ||
		!model_bytes(model, &total))
		return lep_graph_no_memory(err);
	status = lep_gpu_alloc(model->gpu, total, &model->memory, err);
	if (status != LEP_OK)
		return status;
	model->bytes = total;
	to = model->memory;
	for (uint32_t i = 0; i < graph->n_slots && status == LEP_OK; i++)
	{
		size_t bytes = 0;

		model->weights[i] = to;
		lep_gpu_round(device_bytes(graph, i), &bytes);
		status = upload_slot(model, i, to, err);
		to += bytes;
	}
	if (status == LEP_OK)
		status = upload_relations(model, to, err);
	if (status != LEP_OK)
		return status;
	return lep_gpu_check(model->gpu, lep_cuda_wait(model->gpu->loader), err);
}
