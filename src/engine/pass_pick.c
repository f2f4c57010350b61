/*
 * pass_pick.c: where a model reads one token of each text only, or the batch's picks, computes
 * everything behind the last attention for those tokens alone.  Rows do not depend
 * on each other there, so no bit of the result changes.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "graph_parts.h"

/* The one pool of the graph when it picks a single token of each text, or the pick; else LEP_NO_BUF. */
static uint32_t
find_pick(const LepGraph *graph)
{
	uint32_t found = LEP_NO_BUF;

	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		if (graph->ops[i].kind == LEP_OP_SPARSE)
			return LEP_NO_BUF;
		if (graph->ops[i].kind != LEP_OP_POOL && graph->ops[i].kind != LEP_OP_PICK)
			continue;
		if (found != LEP_NO_BUF)
			return LEP_NO_BUF;
		found = i;
	}
	if (found == LEP_NO_BUF || graph->ops[found].kind == LEP_OP_PICK)
		return found;
	if (graph->ops[found].n_modes != 1)
		return LEP_NO_BUF;
	if (graph->ops[found].modes[0] == LEP_POOL_CLS)
		return found;
	if (graph->ops[found].modes[0] == LEP_POOL_LAST_TOKEN && graph->ops[found].skip == 0)
		return found;
	return LEP_NO_BUF;
}

/*
 * Mark the operators before pool whose outputs are read at picked rows only;
 * picked_uses[n_buffers] counts readers of that kind.  Returns how many.
 */
static uint32_t
mark_picked(const LepGraph *graph, uint32_t pool, bool *picked, uint32_t *picked_uses)
{
	uint32_t n = 0;

	picked_uses[graph->ops[pool].in[0].buf]++;
	for (uint32_t i = pool; i-- > 0;)
	{
		const LepOp *op = &graph->ops[i];

		if (!lep_op_row_wise(op) || op->kind == LEP_OP_EMBED || picked_uses[op->out] == 0 ||
			picked_uses[op->out] != graph->buffers[op->out].n_uses)
			continue;
		picked[i] = true;
		n++;
		for (uint32_t j = 0; j < op->n_in; j++)
			picked_uses[op->in[j].buf]++;
	}
	return n;
}

/* Append picks of the buffers that picked operators read and unpicked ones write. */
static LepStatus
add_picks(LepGraph *graph, const LepOp *pool, const bool *picked, const uint32_t *picked_uses,
		  uint32_t n_buffers, uint32_t *moved, LepError *err)
{
	for (uint32_t i = 0; i < n_buffers; i++)
	{
		LepOp *pick;

		if (picked_uses[i] == 0 || picked[graph->buffers[i].maker])
			continue;
		moved[i] =
			lep_graph_add_buffer(graph, graph->buffers[i].width, graph->buffers[pool->out].rows);
		pick = lep_graph_add_op(graph, pool->kind, pool->name);
		if (moved[i] == LEP_NO_BUF || pick == NULL)
			return lep_graph_no_memory(err);
		pick->in[0].buf = i;
		pick->n_in = 1;
		pick->out = moved[i];
		pick->modes[0] = pool->modes[0];
		pick->n_modes = pool->n_modes;
		pick->skip = pool->skip;
	}
	return LEP_OK;
}

/* Append a copy of an operator that reads the picked rows. */
static LepStatus
add_moved(LepGraph *graph, const LepOp *op, const uint32_t *moved, LepError *err)
{
	LepOp *copy = lep_graph_add_op(graph, op->kind, op->name);

	if (copy == NULL)
		return lep_graph_no_memory(err);
	*copy = *op;
	for (uint32_t j = 0; j < op->n_in; j++)
		copy->in[j].buf = moved[op->in[j].buf];
	return LEP_OK;
}

/* Pull the picking pool up to the last attention. */
LepStatus
lep_pass_pick(LepGraph *graph, LepError *err)
{
	uint32_t at = find_pick(graph);
	uint32_t n_ops = graph->n_ops;
	uint32_t n_buffers = graph->n_buffers;
	const LepOp *ops = graph->ops;
	LepStatus status = LEP_OK;
	uint32_t *uses;
	uint32_t *moved;
	bool *picked;

	if (at == LEP_NO_BUF)
		return LEP_OK;
	uses = lep_arena_array(graph->arena, n_buffers, sizeof(uint32_t));
	moved = lep_arena_array(graph->arena, n_buffers, sizeof(uint32_t));
	picked = lep_arena_array(graph->arena, n_ops, sizeof(bool));
	if (uses == NULL || moved == NULL || picked == NULL)
		return lep_graph_no_memory(err);
	if (mark_picked(graph, at, picked, uses) == 0)
		return LEP_OK;

	for (uint32_t i = 0; i < n_buffers; i++)
		moved[i] = i;
	graph->ops = NULL;
	graph->n_ops = 0;
	graph->max_ops = 0;
	for (uint32_t i = 0; i < at && status == LEP_OK; i++)
	{
		if (!picked[i])
			status = add_moved(graph, &ops[i], moved, err);
	}
	if (status == LEP_OK)
		status = add_picks(graph, &ops[at], picked, uses, n_buffers, moved, err);
	for (uint32_t i = 0; i < at && status == LEP_OK; i++)
	{
		if (!picked[i])
			continue;
		graph->buffers[ops[i].out].rows = graph->buffers[ops[at].out].rows;
		status = add_moved(graph, &ops[i], moved, err);
	}
	moved[ops[at].out] = ops[at].in[0].buf;
	for (uint32_t i = at + 1; i < n_ops && status == LEP_OK; i++)
		status = add_moved(graph, &ops[i], moved, err);
	if (status == LEP_OK)
		status = lep_graph_compact(graph, err);
	return status;
}
