/*
 * pass_bind.c: points a graph's slots at their weights and its operators at
 * kernels; it trusts no size or address that it is given.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "graph_parts.h"

/*
 * Most work of one kernel call, so that 20 ms never pass between two questions:
 * slow instruction sets, at their lowest seen rate, get smaller calls.
 */
static const struct
{
	const char *isa;
	uint64_t flops;
} call_limits[] = {
	{"reference", 5u * 1000 * 1000},	 {"portable", 40u * 1000 * 1000},
	{"avx512", 1000u * 1000 * 1000},	 {"avx512vnni", 1000u * 1000 * 1000},
	{"avx512bf16", 1000u * 1000 * 1000}, {"avx512fp16", 1000u * 1000 * 1000},
	{"amx", 1000u * 1000 * 1000},		 {"", 400u * 1000 * 1000}, /* any other */
};

/* Is dtype one in which an image keeps the slot? */
static bool
right_dtype(const LepSlot *slot, LepDtype dtype)
{
	if (slot->store == LEP_STORE_VECTOR)
		return dtype == LEP_F32;
	if (slot->scheme == LEP_SCHEME_F32)
		return dtype == LEP_F32 || dtype == LEP_F16 || dtype == LEP_BF16;
	if (slot->scheme <= LEP_SCHEME_BF16)
		return dtype == (LepDtype) slot->scheme;
	return dtype == LEP_I8;
}

/* Make the zeroes that stand for a norm's bias. */
static LepStatus
make_zeroes(LepGraph *graph, LepError *err)
{
	size_t width = 0;
	float *zeroes;

	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];

		if (op->kind == LEP_OP_NORM && op->slots[1] == LEP_NO_SLOT &&
			graph->buffers[op->out].width > width)
			width = graph->buffers[op->out].width;
	}
	graph->zeroes = NULL;
	if (width == 0)
		return LEP_OK;
	zeroes = lep_arena_array(graph->arena, width, sizeof(float));
	if (zeroes == NULL)
		return lep_graph_no_memory(err);
	memset(zeroes, 0, width * sizeof(float));
	graph->zeroes = zeroes;
	return LEP_OK;
}

/* Point every slot at its weights. */
LepStatus
lep_pass_bind(LepGraph *graph, const LepKernels *kernels, const LepBinding *bindings, LepError *err)
{
	size_t limit = 0;

	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		LepSlot *slot = &graph->slots[i];
		const LepBinding *binding = &bindings[i];
		uint64_t bytes = lep_slot_bytes(slot, kernels, binding->dtype);

		if (bytes == 0 || bytes != binding->bytes || !right_dtype(slot, binding->dtype) ||
			(uintptr_t) binding->data % LEP_ALIGN != 0)
		{
			lep_error(err, LEP_BAD_IMAGE, "image has a weight of the wrong size");
			lep_error_detail(err, "Weight \"%s\" has %llu bytes, expected %llu.",
							 slot->parts[0].tensor, (unsigned long long) binding->bytes,
							 (unsigned long long) bytes);
			return LEP_BAD_IMAGE;
		}
		slot->data = binding->data;
		slot->bytes = bytes;
		slot->dtype = binding->dtype;
	}
	while (call_limits[limit].isa[0] != '\0' && strcmp(call_limits[limit].isa, kernels->isa) != 0)
		limit++;
	graph->kernels = kernels;
	graph->call_flops = call_limits[limit].flops;
	graph->bound = true;
	return make_zeroes(graph, err);
}
