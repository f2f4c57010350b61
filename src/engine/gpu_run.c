/*
 * gpu_run.c: enqueues a plan's steps: for each the arguments of one call of the device.  It waits for nothing and
 * allocates nothing, so that what it enqueues can be captured.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "gpu_parts.h"

/* A run being enqueued. */
typedef struct Run
{
	const LepGpuModel *model;
	const LepGraph *graph;
	LepCudaStream *stream;
	char *memory; /* the slot's, on the device */
	const LepGpuShape *shape;
	const LepGpuRegions *regions;
} Run;

/* First row of a buffer, from a column on. */
static char *
at(const Run *run, uint32_t buf, uint32_t col)
{
	LepRows rows = run->graph->buffers[buf].rows;
	size_t before = run->model->plan.places[buf].offset * run->shape->rows[rows] + col;

	return run->memory + run->regions->buffers[rows] + before * sizeof(uint16_t);
}

/* The same of an operator's input. */
static const char *
input(const Run *run, const LepOp *op, uint32_t i)
{
	return at(run, op->in[i].buf, op->in[i].col);
}

/* Columns from a row of an operator's input to the next one. */
static size_t
stride(const Run *run, const LepOp *op, uint32_t i)
{
	return run->graph->buffers[op->in[i].buf].width;
}

/* Rows of a buffer in this run. */
static size_t
rows_of(const Run *run, uint32_t buf)
{
	return run->shape->rows[run->graph->buffers[buf].rows];
}

/* An operator's weight on the device, NULL when it has none. */
static const void *
weight(const Run *run, const LepOp *op, uint32_t i)
{
	return op->slots[i] == LEP_NO_SLOT ? NULL : run->model->weights[op->slots[i]];
}

/* The graph's output. */
static float *
output(const Run *run)
{
	return (float *) (run->memory + run->regions->out);
}

/* Something that was uploaded with the batch. */
static const void *
uploaded(const Run *run, size_t offset)
{
	return run->memory + offset;
}

/* Point at a table of an embedding, where the operator has it. */
static void
set_table(const Run *run, const LepOp *op, uint32_t i, const void **table, LepDtype *dtype,
		  size_t *rows)
{
	if (op->slots[i] == LEP_NO_SLOT)
		return;
	*table = run->model->weights[op->slots[i]];
	*dtype = run->graph->slots[op->slots[i]].dtype;
	*rows = run->graph->slots[op->slots[i]].rows;
}

/* out = norm(word[ids] + position[positions] + type[types]) */
static LepStatus
embed(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	LepCudaEmbed args = {
		.ids = uploaded(run, run->regions->ids),
		.positions = uploaded(run, run->regions->positions),
		.types = run->graph->n_types > 0 ? uploaded(run, run->regions->types) : NULL,
		.gamma = weight(run, op, 3),
		.beta = weight(run, op, 4),
		.eps = op->eps,
		.out = at(run, step->out, 0),
		.n_rows = rows_of(run, step->out),
		.d = run->graph->buffers[step->out].width,
	};

	set_table(run, op, 0, &args.word, &args.word_dtype, &args.word_rows);
	set_table(run, op, 1, &args.position, &args.position_dtype, &args.position_rows);
	set_table(run, op, 2, &args.type, &args.type_dtype, &args.type_rows);
	return lep_cuda_embed(run->stream, run->model->numbers, &args);
}

/* out = act(x * w1^T + bias1) * w2^T + bias2 + residual, and the norm of it */
static LepStatus
feed_forward(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	const LepOp *second = step->second;
	LepCudaFeedForward args = {
		.x = input(run, op, 0),
		.ldx = stride(run, op, 0),
		.w1 = weight(run, op, 0),
		.half_bias1 = weight(run, op, 1),
		.w2 = weight(run, second, 0),
		.half_bias2 = weight(run, second, 1),
		.inner = at(run, op->out, 0),
		.n_rows = rows_of(run, op->out),
		.d = run->graph->slots[op->slots[0]].cols,
		.d_inner = run->graph->slots[op->slots[0]].rows,
		.act = op->act,
	};

	if (second->n_in > 1)
	{
		args.residual = input(run, second, 1);
		args.ldr = stride(run, second, 1);
	}
	if (step->out != LEP_NO_BUF)
	{
		args.out = at(run, step->out, 0);
		args.ldo = run->graph->buffers[step->out].width;
	}
	if (step->norm != NULL)
	{
		args.normed = at(run, step->norm->out, 0);
		args.gamma = weight(run, step->norm, 0);
		args.beta = weight(run, step->norm, 1);
		args.eps = step->norm->eps;
		args.rms = step->norm->rms;
	}
	return lep_cuda_feed_forward(run->stream, run->model->numbers, &args);
}

/* out = act(x * w^T + bias) + residual, and the norm of it */
static LepStatus
linear(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	LepCudaLinear args = {
		.x = input(run, op, 0),
		.ldx = stride(run, op, 0),
		.w = weight(run, op, 0),
		.half_bias = weight(run, op, 1),
		.n_rows = rows_of(run, op->out),
		.d_out = run->graph->slots[op->slots[0]].rows,
		.d_in = run->graph->slots[op->slots[0]].cols,
		.act = op->act,
		.wide = step->wide,
	};

	if (op->n_in > 1)
	{
		args.residual = input(run, op, 1);
		args.ldr = stride(run, op, 1);
	}
	if (step->out != LEP_NO_BUF)
	{
		args.out = step->wide ? (void *) output(run) : (void *) at(run, step->out, 0);
		args.ldo = run->graph->buffers[step->out].width;
	}
	if (step->norm != NULL)
	{
		args.normed = at(run, step->norm->out, 0);
		args.gamma = weight(run, step->norm, 0);
		args.beta = weight(run, step->norm, 1);
		args.eps = step->norm->eps;
		args.rms = step->norm->rms;
	}
	return lep_cuda_linear(run->stream, run->model->numbers, &args);
}

/* out = norm(x) */
static LepStatus
norm(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	const LepCudaNorm args = {
		.x = input(run, op, 0),
		.ldx = stride(run, op, 0),
		.gamma = weight(run, op, 0),
		.beta = weight(run, op, 1),
		.eps = op->eps,
		.rms = op->rms,
		.out = at(run, step->out, 0),
		.n_rows = rows_of(run, step->out),
		.d = run->graph->buffers[step->out].width,
	};

	return lep_cuda_norm(run->stream, run->model->numbers, &args);
}

/* Middle of a relation's table, where distance 0 stands, in entries of 4 bytes; NULL for number 0. */
static const void *
middle(const Run *run, uint32_t number)
{
	if (number == 0)
		return NULL;
	return run->model->relations[number - 1] + (run->model->table - 1) * sizeof(float);
}

/* out = attention of each text over itself */
static LepStatus
attention(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	LepCudaAttention args = {
		.q = input(run, op, 0),
		.k = input(run, op, 1),
		.v = input(run, op, 2),
		.ldq = stride(run, op, 0),
		.out = at(run, step->out, 0),
		.ldo = run->graph->buffers[step->out].width,
		.starts = uploaded(run, run->regions->starts),
		.n_texts = run->shape->rows[LEP_ROWS_TEXTS],
		.n_rows = run->shape->rows[LEP_ROWS_TOKENS],
		.max_len = run->shape->longest,
		.n_heads = op->n_heads,
		.d_head = run->graph->buffers[step->out].width / op->n_heads,
		.scale = op->scale,
		.n_group = op->n_group,
		.local = op->local,
	};

	if (op->turn > 0)
	{
		args.cosine = (const float *) run->model->relations[op->turn - 1];
		args.sine = (const float *) run->model->sines[op->turn - 1];
	}
	args.bias = middle(run, op->bias);
	args.ldb = 2 * run->model->table - 1;
	args.place = middle(run, op->place);
	if (op->place > 0)
	{
		args.place_key = weight(run, op, 1);
		args.place_query = weight(run, op, 2);
		args.ldp = run->graph->buffers[step->out].width;
	}
	return lep_cuda_attention(run->stream, run->model->numbers, &args);
}

/* out = each text's rows pooled, to unit length where the step says so */
static LepStatus
pool(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	LepCudaPool args = {
		.x = input(run, op, 0),
		.ldx = stride(run, op, 0),
		.starts = uploaded(run, run->regions->starts),
		.n_texts = run->shape->rows[LEP_ROWS_TEXTS],
		.d = run->graph->buffers[op->out].width / op->n_modes,
		.n_modes = op->n_modes,
		.skip = op->skip,
		.normalize = step->normalize,
		.wide = step->wide,
		.out = step->wide ? (void *) output(run) : (void *) at(run, step->out, 0),
	};

	memcpy(args.modes, op->modes, op->n_modes);
	return lep_cuda_pool(run->stream, run->model->numbers, &args);
}

/* out = weights of the vocabulary, pooled over each text */
static LepStatus
sparse(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	const LepCudaSparse args = {
		.x = input(run, op, 0),
		.ldx = stride(run, op, 0),
		.w = weight(run, op, 0),
		.half_bias = weight(run, op, 1),
		.starts = uploaded(run, run->regions->starts),
		.n_texts = run->shape->rows[LEP_ROWS_TEXTS],
		.n_rows = run->shape->rows[LEP_ROWS_TOKENS],
		.d_out = run->graph->slots[op->slots[0]].rows,
		.d_in = run->graph->slots[op->slots[0]].cols,
		.sum = op->sparse == LEP_SPARSE_SUM,
		.n_logs = op->n_logs,
		.logits = run->memory + run->regions->logits,
		.logits_rows = run->regions->logits_rows,
		.out = output(run),
	};

	return lep_cuda_sparse(run->stream, run->model->numbers, &args);
}

/* Enqueue an operator that takes rows one by one, or picks or shifts them. */
static LepStatus
rows_step(const Run *run, const LepGpuStep *step)
{
	const LepOp *op = step->op;
	LepDtype numbers = run->model->numbers;
	const char *x = input(run, op, 0);
	size_t ldx = stride(run, op, 0);
	char *out = at(run, step->out, 0);
	size_t n_rows = rows_of(run, step->out);
	size_t d = run->graph->buffers[step->out].width;

	switch (step->kind)
	{
		case LEP_OP_PICK:
			return lep_cuda_pick(run->stream, numbers, x, ldx, uploaded(run, run->regions->picks),
								 n_rows, out, d);
		case LEP_OP_UNFOLD:
			return lep_cuda_unfold(
				run->stream, numbers, x, ldx, uploaded(run, run->regions->starts),
				run->shape->rows[LEP_ROWS_TEXTS], n_rows, out, d / op->n_around, op->n_around);
		case LEP_OP_GATE:
			return lep_cuda_gate(run->stream, numbers, x, ldx, input(run, op, 1),
								 stride(run, op, 1), out, n_rows, d, op->act);
		case LEP_OP_ACTIVATE:
			return lep_cuda_activate(run->stream, numbers, x, ldx, out, n_rows, d, op->act);
		case LEP_OP_ADD:
			return lep_cuda_add(run->stream, numbers, x, ldx, input(run, op, 1), stride(run, op, 1),
								out, n_rows, d);
		case LEP_OP_NORMALIZE:
			return lep_cuda_normalize(run->stream, numbers, x, ldx, out, n_rows, d);
		default:
			return lep_cuda_cut(run->stream, numbers, x, ldx, out, n_rows, d);
	}
}

/* Enqueue a step. */
static LepStatus
enqueue_step(const Run *run, const LepGpuStep *step)
{
	switch (step->kind)
	{
		case LEP_OP_EMBED:
			return embed(run, step);
		case LEP_OP_LINEAR:
			return step->second != NULL ? feed_forward(run, step) : linear(run, step);
		case LEP_OP_NORM:
			return norm(run, step);
		case LEP_OP_ATTENTION:
			return attention(run, step);
		case LEP_OP_POOL:
			return pool(run, step);
		case LEP_OP_SPARSE:
			return sparse(run, step);
		case LEP_OP_ADD:
		case LEP_OP_ACTIVATE:
		case LEP_OP_GATE:
		case LEP_OP_NORMALIZE:
		case LEP_OP_CUT:
		case LEP_OP_PICK:
		case LEP_OP_UNFOLD:
			break;
	}
	return rows_step(run, step);
}

/* Enqueue all steps, and look for values that are no finite numbers. */
LepStatus
lep_gpu_enqueue(const LepGpuModel *model, const LepGpuSlot *slot, const LepGpuShape *shape,
				const LepGpuRegions *regions)
{
	const LepGraph *graph = model->plan.graph;
	const Run run = {model, graph, slot->stream, slot->memory, shape, regions};
	uint32_t result = model->plan.result;
	const LepBuffer *last = &graph->buffers[graph->ops[graph->n_ops - 1].out];
	LepStatus status = LEP_OK;

	for (uint32_t i = 0; i < model->plan.n_steps && status == LEP_OK; i++)
		status = enqueue_step(&run, &model->plan.steps[i]);
	if (status != LEP_OK)
		return status;
	return lep_cuda_widen(slot->stream, result == LEP_NO_BUF ? LEP_F32 : model->numbers,
						  result == LEP_NO_BUF ? (const void *) output(&run)
											   : (const void *) at(&run, result, 0),
						  output(&run), shape->rows[last->rows] * last->width,
						  (uint64_t *) (slot->memory + regions->first_bad));
}
