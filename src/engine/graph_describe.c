/*
 * graph_describe.c: prints a graph, one line per operator; for people.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>

#include "graph_parts.h"

/* Name an operator kind. */
static const char *
kind_name(LepOpKind kind)
{
	static const char *const names[] = {
		[LEP_OP_EMBED] = "embed",
		[LEP_OP_LINEAR] = "linear",
		[LEP_OP_ATTENTION] = "attention",
		[LEP_OP_ADD] = "add",
		[LEP_OP_NORM] = "norm",
		[LEP_OP_ACTIVATE] = "activate",
		[LEP_OP_UNFOLD] = "unfold",
		[LEP_OP_GATE] = "gate",
		[LEP_OP_CUT] = "cut",
		[LEP_OP_POOL] = "pool",
		[LEP_OP_NORMALIZE] = "normalize",
		[LEP_OP_PICK] = "pick",
		[LEP_OP_SPARSE] = "sparse",
	};

	return names[kind];
}

/* Name a dtype. */
static const char *
dtype_name(LepDtype dtype)
{
	static const char *const names[] = {
		[LEP_F32] = "f32",
		[LEP_F16] = "f16",
		[LEP_BF16] = "bf16",
		[LEP_I8] = "i8",
	};

	return names[dtype];
}

/* Name the numbers in which an operator computes, or reads its table. */
static const char *
precision_name(const LepGraph *graph, const LepOp *op)
{
	const LepNarrow *narrow = lep_op_narrow(graph, op);

	if (op->kind == LEP_OP_EMBED)
		return dtype_name(graph->slots[op->slots[0]].dtype);
	if (op->kind == LEP_OP_ATTENTION && graph->buffers[op->in[0].buf].half)
		narrow = graph->kernels->half;
	return narrow != NULL ? narrow->name : "f32";
}

/* Name the form in which an operator's main weight is stored. */
static const char *
stored_name(const LepGraph *graph, const LepOp *op)
{
	const LepSlot *slot;

	if (op->kind != LEP_OP_EMBED && op->kind != LEP_OP_LINEAR && op->kind != LEP_OP_SPARSE)
		return NULL;
	slot = &graph->slots[op->slots[0]];
	return slot->scheme != LEP_SCHEME_F32 ? lep_scheme_name(slot->scheme) : dtype_name(slot->dtype);
}

/* Name a kind of rows. */
static const char *
rows_name(LepRows rows)
{
	return rows == LEP_ROWS_TEXTS ? "texts" : rows == LEP_ROWS_PICKS ? "picks" : "tokens";
}

/* Name the pieces in which an operator's stage runs. */
static const char *
segment_name(const LepGraph *graph, uint32_t op)
{
	const LepStage *stage = graph->stages;

	while (op >= stage->end)
		stage++;
	if (stage->sequences)
		return "sequences";
	return stage->rows == LEP_ROWS_TOKENS ? "rows" : rows_name(stage->rows);
}

/* Offset of a buffer in the arena for one text of LEP_INFO_TOKENS. */
static uint64_t
scratch_offset(const LepGraph *graph, const LepBuffer *buffer)
{
	size_t len = graph->max_len < LEP_INFO_TOKENS ? graph->max_len : LEP_INFO_TOKENS;
	LepRegions regions;

	if (buffer->scope == LEP_SCOPE_OUT || !lep_graph_regions(graph, len, 1, len, &regions))
		return 0;
	if (buffer->scope == LEP_SCOPE_BATCH)
		return regions.rows[buffer->rows] +
			   buffer->offset * (buffer->rows == LEP_ROWS_TOKENS ? len : 1) * sizeof(float);
	for (uint32_t i = 0; i < graph->n_stages; i++)
	{
		const LepStage *stage = &graph->stages[i];
		size_t rows = stage->rows == LEP_ROWS_TOKENS ? len : 1;

		if (buffer->maker < stage->first || buffer->maker >= stage->end)
			continue;
		if (!stage->sequences && rows > stage->panel)
			rows = stage->panel;
		return regions.local + buffer->offset * rows * sizeof(float);
	}
	return 0;
}

/* Describe operator i. */
void
lep_graph_op_info(const LepGraph *graph, size_t i, LepOpInfo *info)
{
	const LepOp *op = &graph->ops[i];
	const LepBuffer *out = &graph->buffers[op->out];

	info->op = kind_name(op->kind);
	info->name = op->name;
	if (op->kind == LEP_OP_EMBED)
		snprintf(info->shape, sizeof(info->shape), "[tokens] -> [tokens, %u]", out->width);
	else
	{
		const LepBuffer *in = &graph->buffers[op->in[0].buf];

		snprintf(info->shape, sizeof(info->shape), "[%s, %u] -> [%s, %u]", rows_name(in->rows),
				 in->width, rows_name(out->rows), out->width);
	}
	info->precision = precision_name(graph, op);
	info->stored = stored_name(graph, op);
	info->segment = segment_name(graph, (uint32_t) i);
	info->bytes = 0;
	for (uint32_t j = 0; j < op->n_slots; j++)
	{
		if (op->slots[j] != LEP_NO_SLOT)
			info->bytes += graph->slots[op->slots[j]].bytes;
	}
	info->scratch = scratch_offset(graph, out);
}
