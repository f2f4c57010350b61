/*
 * gpu_plan.c: turns a graph into steps for the device: joins what one call can do, and places every buffer by its lifetime.
 * It knows neither a device nor weights.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "gpu_parts.h"

#define ROW_STEP	 64					/* 16-bit floats: rows' places begin at multiples of it */
#define COLUMN_STEP	 8					/* an operator begins to read at multiples of it */
#define LOGITS_MAX	 ((size_t) 1 << 26) /* of a sparse operator at a time */
#define LOGITS_LEAST ((size_t) 128)		/* rows of them */
#define ENTRY_STEP	 4 /* numbers: uploaded arrays begin at multiples of 16 bytes */

/* The operator right behind operator at, when it reads its output from the first column on; else NULL. */
static const LepOp *
next_reader(const LepGraph *graph, uint32_t at)
{
	const LepOp *op = &graph->ops[at];
	const LepOp *next = op + 1;

	if (at + 1 == graph->n_ops || next->in[0].buf != op->out || next->in[0].col != 0)
		return NULL;
	return next;
}

/* Is there no other reader of an operator's output than one? */
static bool
read_once(const LepGraph *graph, const LepOp *op)
{
	return graph->buffers[op->out].n_uses == 1;
}

/* Are two linears, the second reading the first, a feed-forward network that leads back to its width? */
static bool
feed_forward(const LepGraph *graph, const LepOp *first, const LepOp *second)
{
	return second->kind == LEP_OP_LINEAR && second->act == LEP_ACT_NONE && first->n_in == 1 &&
		   read_once(graph, first) && second != &graph->ops[graph->n_ops - 1] &&
		   graph->slots[second->slots[0]].rows == graph->slots[first->slots[0]].cols;
}

/* Join what stands behind linear i to its step; how many operators the step does. */
static uint32_t
join_linear(const LepGraph *graph, uint32_t i, LepGpuStep *step)
{
	const LepOp *next = next_reader(graph, i);
	uint32_t last = i;

	if (next != NULL && feed_forward(graph, &graph->ops[i], next))
	{
		step->second = next;
		last++;
	}
	step->out = graph->ops[last].out;
	next = next_reader(graph, last);
	if (next != NULL && next->kind == LEP_OP_NORM)
	{
		step->norm = next;
		if (read_once(graph, &graph->ops[last]))
			step->out = LEP_NO_BUF;
		last++;
	}
	return last + 1 - i;
}

/* Make the step that begins with operator i; how many operators it does. */
static uint32_t
make_step(const LepGraph *graph, uint32_t i, LepGpuStep *step)
{
	const LepOp *op = &graph->ops[i];
	const LepOp *next = next_reader(graph, i);
	uint32_t n = 1;

	memset(step, 0, sizeof(*step));
	step->kind = op->kind;
	step->op = op;
	step->out = op->out;
	if (op->kind == LEP_OP_LINEAR)
		n = join_linear(graph, i, step);
	else if (op->kind == LEP_OP_POOL && next != NULL && next->kind == LEP_OP_NORMALIZE &&
			 read_once(graph, op))
	{
		step->normalize = true;
		step->out = next->out;
		n = 2;
	}
	if (i + n == graph->n_ops)
		step->wide =
			op->kind == LEP_OP_POOL || op->kind == LEP_OP_SPARSE ||
			(op->kind == LEP_OP_LINEAR && n == 1 && op->act == LEP_ACT_NONE && op->n_in == 1);
	return n;
}

/* Refuse what the device has no operator for. */
static LepStatus
check_op(const LepGraph *graph, uint32_t i, LepError *err)
{
	const LepOp *op = &graph->ops[i];
	const char *what = NULL;

	for (uint32_t j = 0; j < op->n_in; j++)
	{
		if (op->in[j].col % COLUMN_STEP != 0)
			what = "Its widths are no multiples of 8.";
	}
	if (op->kind == LEP_OP_ATTENTION &&
		graph->buffers[op->out].width / op->n_heads > LEP_CUDA_MAX_HEAD)
		what = "Its attention heads are wider than 256.";
	if (op->kind == LEP_OP_POOL && op->n_modes > LEP_CUDA_MAX_POOLS)
		what = "It pools in more than 6 modes at once.";
	if (op->kind == LEP_OP_SPARSE && i + 1 != graph->n_ops)
		what = "It goes on behind its sparse weights.";
	if (what == NULL)
		return LEP_OK;
	lep_error(err, LEP_UNSUPPORTED, "the GPU cannot run this model");
	lep_error_detail(err, "%s", what);
	return LEP_UNSUPPORTED;
}

/* Let a buffer be alive at a step. */
static void
touch(LepGpuPlan *plan, uint32_t buf, uint32_t step)
{
	LepGpuPlace *place = &plan->places[buf];

	if (!place->used)
		place->first = step;
	place->used = true;
	place->root = buf;
	place->last = step;
}

/* Find out how long each buffer lives. */
static void
find_lives(LepGpuPlan *plan)
{
	for (uint32_t i = 0; i < plan->n_steps; i++)
	{
		const LepGpuStep *step = &plan->steps[i];

		for (uint32_t j = 0; j < step->op->n_in; j++)
			touch(plan, step->op->in[j].buf, i);
		if (step->second != NULL)
		{
			touch(plan, step->op->out, i);
			if (step->second->n_in > 1)
				touch(plan, step->second->in[1].buf, i);
		}
		if (step->norm != NULL)
			touch(plan, step->norm->out, i);
		if (step->out != LEP_NO_BUF && !step->wide)
			touch(plan, step->out, i);
	}
	if (plan->result != LEP_NO_BUF)
		plan->places[plan->result].last = plan->n_steps;
}

/* The input in whose place a step may write, or LEP_NO_BUF; *to gets the output that may be there. */
static uint32_t
in_place(const LepGpuPlan *plan, const LepGpuStep *step, uint32_t *to)
{
	const LepOp *op = step->op;
	const LepOp *last = step->second != NULL ? step->second : op;
	const LepArg *from = &op->in[0];
	uint32_t x = plan->places[op->in[0].buf].root;

	*to = step->out;
	switch (step->kind)
	{
		case LEP_OP_LINEAR:
			if (step->wide || last->n_in < 2)
				return LEP_NO_BUF;
			from = &last->in[1];
			if (step->out == LEP_NO_BUF)
				*to = step->norm->out;
			/* Only a network that is normed at once may overwrite what it reads. */
			if (plan->places[from->buf].root == x &&
				!(step->second != NULL && step->out == LEP_NO_BUF))
				return LEP_NO_BUF;
			break;
		case LEP_OP_ADD:
		case LEP_OP_NORM:
		case LEP_OP_ACTIVATE:
		case LEP_OP_NORMALIZE:
			break;
		default:
			return LEP_NO_BUF;
	}
	return from->col == 0 ? from->buf : LEP_NO_BUF;
}

/* Let outputs take their inputs' places where they may. */
static void
share_places(LepGpuPlan *plan)
{
	const LepBuffer *buffers = plan->graph->buffers;

	for (uint32_t i = 0; i < plan->n_steps; i++)
	{
		uint32_t to;
		uint32_t from = in_place(plan, &plan->steps[i], &to);
		LepGpuPlace *root;

		if (from == LEP_NO_BUF || buffers[from].width != buffers[to].width ||
			buffers[from].rows != buffers[to].rows)
			continue;
		root = &plan->places[plan->places[from].root];
		if (root->last != i)
			continue;
		root->last = plan->places[to].last;
		plan->places[to].root = plan->places[from].root;
	}
}

/* Have two buffers their own places, of the same kind of rows, and are alive together? */
static bool
collide(const LepGpuPlan *plan, uint32_t a, uint32_t b)
{
	const LepGpuPlace *x = &plan->places[a];
	const LepGpuPlace *y = &plan->places[b];

	return y->used && y->root == b &&
		   plan->graph->buffers[a].rows == plan->graph->buffers[b].rows && x->first <= y->last &&
		   y->first <= x->last;
}

/* 16-bit floats for a row of a buffer. */
static size_t
row_width(const LepGpuPlan *plan, uint32_t buf)
{
	return ((size_t) plan->graph->buffers[buf].width + ROW_STEP - 1) / ROW_STEP * ROW_STEP;
}

/* Place every buffer that has its own place at the lowest offset that is free during its life. */
static void
place_buffers(LepGpuPlan *plan)
{
	const LepGraph *graph = plan->graph;

	for (uint32_t i = 0; i < graph->n_buffers; i++)
	{
		LepGpuPlace *place = &plan->places[i];
		bool again = place->used && place->root == i;
		size_t *width = &plan->width[graph->buffers[i].rows];
		size_t end;

		if (!again)
			continue;
		while (again)
		{
			again = false;
			for (uint32_t j = 0; j < i; j++)
			{
				const LepGpuPlace *other = &plan->places[j];

				if (!collide(plan, i, j) || place->offset >= other->offset + row_width(plan, j) ||
					other->offset >= place->offset + row_width(plan, i))
					continue;
				place->offset = other->offset + row_width(plan, j);
				again = true;
			}
		}
		end = place->offset + row_width(plan, i);
		if (*width < end)
			*width = end;
	}
	for (uint32_t i = 0; i < graph->n_buffers; i++)
		plan->places[i].offset = plan->places[plan->places[i].root].offset;
}

/* Make a plan. */
LepStatus
lep_gpu_plan(const LepGraph *graph, LepArena *arena, LepGpuPlan *plan, LepError *err)
{
	const LepGpuStep *last;

	memset(plan, 0, sizeof(*plan));
	plan->graph = graph;
	plan->steps = lep_arena_array(arena, graph->n_ops, sizeof(LepGpuStep));
	plan->places = lep_arena_array(arena, graph->n_buffers, sizeof(LepGpuPlace));
	if (plan->steps == NULL || plan->places == NULL)
		return lep_graph_no_memory(err);
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		LepStatus status = check_op(graph, i, err);

		if (status != LEP_OK)
			return status;
		plan->reads_picks = plan->reads_picks || graph->ops[i].kind == LEP_OP_PICK;
		if (graph->ops[i].kind == LEP_OP_SPARSE)
			plan->sparse = graph->buffers[graph->ops[i].out].width;
	}
	for (uint32_t i = 0; i < graph->n_ops;)
		i += make_step(graph, i, &plan->steps[plan->n_steps++]);
	last = &plan->steps[plan->n_steps - 1];
	plan->result = last->wide ? LEP_NO_BUF : last->norm != NULL ? last->norm->out : last->out;
	find_lives(plan);
	share_places(plan);
	place_buffers(plan);
	return LEP_OK;
}

/* Append n entries of size bytes at a multiple of align, both small powers of two; false on overflow. */
static bool
append(size_t n, size_t size, size_t align, size_t *start, size_t *total)
{
	size_t bytes;

	if (!lep_add(*total, align - 1, total))
		return false;
	*start = *total &= ~(align - 1);
	return lep_mul(n, size, &bytes) && lep_add(*total, bytes, total);
}

/* Lay out a slot's memory. */
bool
lep_gpu_regions(const LepGpuPlan *plan, const LepGpuShape *shape, LepGpuRegions *regions)
{
	const LepGraph *graph = plan->graph;
	const LepBuffer *out = &graph->buffers[graph->ops[graph->n_ops - 1].out];
	size_t tokens = shape->rows[LEP_ROWS_TOKENS];
	size_t align = ENTRY_STEP * sizeof(int32_t);
	size_t *total = &regions->total;
	size_t values, floats;

	memset(regions, 0, sizeof(*regions));
	if (!append(tokens, sizeof(int32_t), align, &regions->ids, total) ||
		!append(tokens, sizeof(int32_t), align, &regions->positions, total) ||
		!append(tokens, sizeof(int32_t), align, &regions->types, total) ||
		!append(shape->rows[LEP_ROWS_TEXTS] + 1, sizeof(uint32_t), align, &regions->starts,
				total) ||
		!append(shape->rows[LEP_ROWS_PICKS], sizeof(uint32_t), align, &regions->picks, total))
		return false;
	regions->in_bytes = *total;
	if (!append(LEP_GPU_HEADER, 1, LEP_GPU_ALIGN, &regions->first_bad, total) ||
		!lep_mul(shape->rows[out->rows], out->width, &values) ||
		!append(values, sizeof(float), 1, &regions->out, total))
		return false;
	for (int i = 0; i < LEP_ROWS_COUNT; i++)
	{
		if (!lep_mul(shape->rows[i], plan->width[i], &floats) ||
			!append(floats, sizeof(uint16_t), LEP_GPU_ALIGN, &regions->buffers[i], total))
			return false;
	}
	if (plan->sparse > 0)
	{
		size_t rows = LOGITS_MAX / plan->sparse;

		rows = rows < LOGITS_LEAST ? LOGITS_LEAST : rows;
		regions->logits_rows = rows < tokens ? rows : tokens;
		if (!lep_mul(regions->logits_rows, plan->sparse, &floats) ||
			!append(floats, sizeof(uint16_t), LEP_GPU_ALIGN, &regions->logits, total))
			return false;
	}
	return true;
}
