/*
 * pass_precision.c: decides in which numbers each linear computes, from how the
 * model stores it and what the kernels can do fast.  Look-up tables stay as they are stored and
 * widen on reading; everything that the description says nothing of computes in f32.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "graph_parts.h"

/* In which numbers these kernels multiply weights of a scheme. */
LepCompute
lep_scheme_compute(LepScheme scheme, const LepKernels *kernels)
{
	switch (scheme)
	{
		case LEP_SCHEME_F16:
		case LEP_SCHEME_BF16:
			return kernels != NULL && kernels->half != NULL ? LEP_COMPUTE_HALF : LEP_COMPUTE_F32;
		case LEP_SCHEME_I8_SYMMETRIC:
		case LEP_SCHEME_I8_ASYMMETRIC:
		case LEP_SCHEME_I8_FULL:
		case LEP_SCHEME_I4:
			return kernels != NULL && kernels->i8 != NULL ? LEP_COMPUTE_I8 : LEP_COMPUTE_F32;
		case LEP_SCHEME_F32:
		case LEP_SCHEME_I8:
		case LEP_SCHEME_COUNT:
			break;
	}
	return LEP_COMPUTE_F32;
}

/* The kernels of a linear's product. */
const LepNarrow *
lep_op_narrow(const LepGraph *graph, const LepOp *op)
{
	LepCompute compute;

	if (op->kind != LEP_OP_LINEAR || graph->kernels == NULL)
		return NULL;
	compute = graph->slots[op->slots[0]].compute;
	return compute == LEP_COMPUTE_I8	 ? graph->kernels->i8
		   : compute == LEP_COMPUTE_HALF ? graph->kernels->half
										 : NULL;
}

/* Decide which buffers hold 16-bit floats. */
void
lep_graph_choose_halves(LepGraph *graph)
{
	bool changed = true;

	for (uint32_t i = 0; i < graph->n_buffers; i++)
		graph->buffers[i].half = false;
	if (graph->kernels == NULL || graph->kernels->attention_half == NULL)
		return;
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];

		graph->buffers[op->out].half =
			lep_op_narrow(graph, op) != NULL && op->act == LEP_ACT_NONE && op->n_in == 1;
	}
	/* A plain attention reads three buffers of one kind; all other operators read f32. */
	while (changed)
	{
		changed = false;
		for (uint32_t i = 0; i < graph->n_ops; i++)
		{
			const LepOp *op = &graph->ops[i];
			bool all = op->kind == LEP_OP_ATTENTION && lep_op_plain(op);

			for (uint32_t j = 0; j < op->n_in; j++)
				all = all && graph->buffers[op->in[j].buf].half;
			for (uint32_t j = 0; j < op->n_in && !all; j++)
			{
				changed = changed || graph->buffers[op->in[j].buf].half;
				graph->buffers[op->in[j].buf].half = false;
			}
		}
	}
	graph->buffers[graph->ops[graph->n_ops - 1].out].half = false;
}

/* Let a linear compute with other weights. */
void
lep_graph_swap(LepGraph *graph, uint32_t slot, LepScheme scheme, const void *data)
{
	LepSlot *s = &graph->slots[slot];

	s->scheme = scheme;
	s->compute = lep_scheme_compute(scheme, graph->kernels);
	s->data = data;
	s->bytes = lep_slot_bytes(s, graph->kernels, s->dtype);
	lep_graph_choose_halves(graph);
}

/* Report letters that do not fit the graph's weights. */
static LepStatus
bad_letters(LepError *err)
{
	lep_error(err, LEP_BAD_IMAGE, "model description is damaged");
	lep_error_detail(err, "What it says of its weights' precision does not fit them.");
	return LEP_BAD_IMAGE;
}

/* Choose the precision of every linear. */
LepStatus
lep_pass_precision(LepGraph *graph, LepError *err)
{
	const char *letters = lep_desc_precision(&graph->view);

	if (letters[0] != '\0' && strlen(letters) != graph->n_slots)
		return bad_letters(err);
	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		LepSlot *slot = &graph->slots[i];

		slot->scheme = LEP_SCHEME_F32;
		slot->compute = LEP_COMPUTE_F32;
		if (letters[0] == '\0')
			continue;
		if ((letters[i] == LEP_VECTOR_LETTER) != (slot->store == LEP_STORE_VECTOR))
			return bad_letters(err);
		if (slot->store == LEP_STORE_VECTOR)
			continue;
		if (!lep_scheme_of_letter(letters[i], &slot->scheme) ||
			!(slot->store == LEP_STORE_LINEAR ? lep_scheme_for_linear(slot->scheme)
											  : lep_scheme_for_table(slot->scheme)))
			return bad_letters(err);
		if (slot->scheme > LEP_SCHEME_BF16 && slot->store == LEP_STORE_LINEAR &&
			slot->cols > LEP_I8_INPUTS_MAX)
			return bad_letters(err);
		if (slot->store == LEP_STORE_LINEAR)
			slot->compute = lep_scheme_compute(slot->scheme, graph->kernels);
	}
	/* A sparse operator runs on f32 alone. */
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		if (graph->ops[i].kind == LEP_OP_SPARSE)
			graph->slots[graph->ops[i].slots[0]].compute = LEP_COMPUTE_F32;
	}
	lep_graph_choose_halves(graph);
	return LEP_OK;
}
