/*
 * pass_fuse.c: merges operators so that recipes can stay plain: linears of
 * one input, activations and residuals behind a linear, the norm behind the
 * embedding.  It changes no result beyond the order of nothing: every fused
 * operator computes the same sums.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "graph_parts.h"

/* Find the last dot of a name, or its beginning. */
static const char *
last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot == NULL ? name : dot + 1;
}

/* Is every use of a buffer an attention's or a gate's?  They read any columns. */
static bool
only_columns(const LepGraph *graph, uint32_t buf)
{
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];

		if (op->dead || op->kind == LEP_OP_ATTENTION || op->kind == LEP_OP_GATE)
			continue;
		for (uint32_t j = 0; j < op->n_in; j++)
		{
			if (op->in[j].buf == buf)
				return false;
		}
	}
	return true;
}

/* Can b join a: plain linears of the same input, with or without bias alike? */
static bool
parallel(const LepOp *a, const LepOp *b)
{
	return !b->dead && b->kind == LEP_OP_LINEAR && b->n_in == 1 && b->in[0].buf == a->in[0].buf &&
		   b->in[0].col == a->in[0].col && b->act == LEP_ACT_NONE &&
		   (a->slots[1] == LEP_NO_SLOT) == (b->slots[1] == LEP_NO_SLOT);
}

/* Make the slot of n operators' slots, one below the other. */
static uint32_t
join_slots(LepGraph *graph, uint32_t first, uint32_t n, uint32_t which)
{
	LepSlot joined = graph->slots[graph->ops[first].slots[which]];

	for (uint32_t i = 1; i < n; i++)
	{
		const LepSlot *slot = &graph->slots[graph->ops[first + i].slots[which]];

		joined.parts[joined.n_parts++] = slot->parts[0];
		joined.rows += slot->rows;
	}
	return lep_graph_add_slot(graph, &joined);
}

/* Merge ops [first, first + n) into the first; their readers get columns of its output. */
static LepStatus
join_linears(LepGraph *graph, uint32_t first, uint32_t n, LepArg *moved, LepError *err)
{
	LepOp *op = &graph->ops[first];
	const char *name = op->name;
	uint64_t width = 0;
	uint32_t out;

	for (uint32_t i = 0; i < n; i++)
		width += graph->buffers[graph->ops[first + i].out].width;
	out = lep_graph_add_buffer(graph, width, graph->buffers[op->out].rows);
	if (out == LEP_NO_BUF)
		return lep_graph_no_memory(err);
	width = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		LepOp *part = &graph->ops[first + i];

		moved[part->out].buf = out;
		moved[part->out].col = (uint32_t) width;
		width += graph->buffers[part->out].width;
		if (i > 0)
		{
			part->dead = true;
			name = lep_graph_text(graph, "%s+%s", name, last_part(part->name));
			if (name == NULL)
				return lep_graph_no_memory(err);
		}
	}
	for (uint32_t which = 0; which < op->n_slots; which++)
	{
		uint32_t joined;

		if (op->slots[which] == LEP_NO_SLOT)
			continue;
		joined = join_slots(graph, first, n, which);
		if (joined == LEP_NO_SLOT)
			return lep_graph_no_memory(err);
		op->slots[which] = joined;
	}
	op->name = name;
	op->out = out;
	return LEP_OK;
}

/* Merge the linears that feed one attention or one gate. */
static LepStatus
fuse_parallel(LepGraph *graph, LepError *err)
{
	uint32_t n_buffers = graph->n_buffers;
	LepArg *moved = lep_arena_array(graph->arena, n_buffers, sizeof(LepArg));

	if (moved == NULL)
		return lep_graph_no_memory(err);
	for (uint32_t i = 0; i < n_buffers; i++)
	{
		moved[i].buf = i;
		moved[i].col = 0;
	}
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];
		uint32_t n = 1;
		LepStatus status;

		if (op->kind != LEP_OP_LINEAR || !parallel(op, op) || !only_columns(graph, op->out))
			continue;
		while (n < LEP_MAX_JOINED && i + n < graph->n_ops && parallel(op, &graph->ops[i + n]) &&
			   only_columns(graph, graph->ops[i + n].out))
			n++;
		if (n == 1)
			continue;
		status = join_linears(graph, i, n, moved, err);
		if (status != LEP_OK)
			return status;
		i += n - 1;
	}
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		LepOp *op = &graph->ops[i];

		for (uint32_t j = 0; j < op->n_in; j++)
		{
			uint32_t col = op->in[j].col;

			if (op->in[j].buf >= n_buffers)
				continue;
			op->in[j] = moved[op->in[j].buf];
			op->in[j].col += col;
		}
	}
	return LEP_OK;
}

/* The only reader of an operator's output, or NULL when there are none or several. */
static LepOp *
only_reader(LepGraph *graph, const LepOp *op)
{
	const LepBuffer *out = &graph->buffers[op->out];

	return out->n_uses == 1 ? &graph->ops[out->last_use] : NULL;
}

/* Let a linear do the activation or the addition that alone reads its output. */
static LepStatus
fuse_epilogue(LepGraph *graph, LepOp *op, LepError *err)
{
	LepOp *next = only_reader(graph, op);
	uint32_t at = (uint32_t) (op - graph->ops);

	if (next != NULL && next->kind == LEP_OP_ACTIVATE && op->n_in == 1 && op->act == LEP_ACT_NONE)
	{
		op->act = next->act;
		op->name = lep_graph_text(graph, "%s+%s", op->name, next->name);
		op->out = next->out;
		next->dead = true;
		next = only_reader(graph, op);
	}
	if (next != NULL && next->kind == LEP_OP_ADD && op->n_in == 1)
	{
		LepArg other = next->in[next->in[0].buf == op->out ? 1 : 0];

		if (graph->buffers[other.buf].maker < at)
		{
			op->in[1] = other;
			op->n_in = 2;
			op->name = lep_graph_text(graph, "%s+%s", op->name, next->name);
			op->out = next->out;
			next->dead = true;
		}
	}
	return op->name == NULL ? lep_graph_no_memory(err) : LEP_OK;
}

/* Let the embedding do the norm that alone reads its output. */
static LepStatus
fuse_embed_norm(LepGraph *graph, LepOp *op, LepError *err)
{
	LepOp *next = only_reader(graph, op);

	if (next == NULL || next->kind != LEP_OP_NORM || next->rms || next->slots[1] == LEP_NO_SLOT)
		return LEP_OK;
	op->slots[3] = next->slots[0];
	op->slots[4] = next->slots[1];
	op->eps = next->eps;
	op->name = lep_graph_text(graph, "%s+%s", op->name, last_part(next->name));
	op->out = next->out;
	next->dead = true;
	return op->name == NULL ? lep_graph_no_memory(err) : LEP_OK;
}

/* Fuse all that can be fused. */
LepStatus
lep_pass_fuse(LepGraph *graph, LepError *err)
{
	LepStatus status = fuse_parallel(graph, err);

	lep_graph_index(graph);
	for (uint32_t i = 0; status == LEP_OK && i < graph->n_ops; i++)
	{
		LepOp *op = &graph->ops[i];

		if (op->dead)
			continue;
		if (op->kind == LEP_OP_LINEAR)
			status = fuse_epilogue(graph, op, err);
		else if (op->kind == LEP_OP_EMBED)
			status = fuse_embed_norm(graph, op, err);
	}
	if (status == LEP_OK)
		status = lep_graph_compact(graph, err);
	return status;
}
