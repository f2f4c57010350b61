/*
 * compress_shared.c: the inputs of linears that several layers share.  Each layer gives other
 * rows to the same weights, so these are compressed for rows of all of them, taken from one run of the sample
 * as the model is.  It compresses nothing itself.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "compress_parts.h"

#define SHARED_ROWS 4096 /* of a linear, from all of its layers together */

/* Count the linears that use each slot; false when no slot has several. */
static bool
count_uses(const LepCompression *c, uint32_t *uses)
{
	const LepGraph *graph = c->sample.graph;
	bool any = false;

	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		if (!lep_compression_takes(c, i))
			continue;
		any = any || uses[graph->ops[i].slots[0]] > 0;
		uses[graph->ops[i].slots[0]]++;
	}
	return any;
}

/* Append rows of a linear's input, at even distances. */
static LepStatus
gather_rows(LepCompression *c, const LepOp *op, uint32_t uses)
{
	LepSharedInput *shared = &c->shared[op->slots[0]];
	size_t cols = c->sample.graph->slots[op->slots[0]].cols;
	size_t share = SHARED_ROWS / uses + 1;
	size_t ldx;
	size_t n;
	const float *x = lep_sample_input(&c->sample, &c->plain, op, &ldx, &n);
	size_t stride = (n + share - 1) / share;

	if (shared->x == NULL)
		shared->x = lep_arena_array(&c->scratch, share * uses * cols, sizeof(float));
	if (shared->x == NULL)
		return lep_press_no_memory(&c->press);
	for (size_t i = 0; i < n; i += stride)
		memcpy(shared->x + shared->n++ * cols, x + i * ldx, cols * sizeof(float));
	return LEP_OK;
}

/* Collect the inputs of shared linears. */
LepStatus
lep_compression_gather(LepCompression *c, LepScheme table)
{
	const LepGraph *graph = c->sample.graph;
	uint32_t *uses = lep_arena_array(&c->scratch, graph->n_slots, sizeof(uint32_t));
	LepStatus status = LEP_OK;

	c->shared = lep_arena_array(&c->scratch, graph->n_slots, sizeof(LepSharedInput));
	if (uses == NULL || c->shared == NULL)
		return lep_press_no_memory(&c->press);
	if (!count_uses(c, uses))
		return LEP_OK;
	for (uint32_t i = 0; i < graph->n_ops && status == LEP_OK; i++)
	{
		const LepOp *op = &graph->ops[i];

		if (op->kind == LEP_OP_EMBED)
			status = lep_compression_tables(c, op, table);
		if (status == LEP_OK && lep_compression_takes(c, i) && uses[op->slots[0]] > 1)
			status = gather_rows(c, op, uses[op->slots[0]]);
		if (status == LEP_OK)
			status = lep_compression_step(c, &c->plain, i, NULL);
	}
	return status;
}
