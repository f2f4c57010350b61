/*
 * graph_weights.c: what a graph's slots ask of a model's files: which
 * tensors, of which shape, in how many bytes of the image.
 */
#define LEPTON_ENGINE_SOURCE
#include "graph_parts.h"

/* Bytes of a slot in an image. */
uint64_t
lep_slot_bytes(const LepSlot *slot, const LepKernels *kernels, LepDtype dtype)
{
	size_t bytes;

	switch (slot->store)
	{
		case LEP_STORE_LINEAR:
			return kernels->linear_packed_size(slot->rows, slot->cols);
		case LEP_STORE_TABLE:
			if (dtype != LEP_F32 && dtype != LEP_F16 && dtype != LEP_BF16)
				return 0;
			if (!lep_mul(slot->rows, slot->cols, &bytes) ||
				!lep_mul(bytes, lep_dtype_size(dtype), &bytes))
				return 0;
			return bytes;
		case LEP_STORE_VECTOR:
			return lep_mul(slot->rows, sizeof(float), &bytes) ? bytes : 0;
	}
	return 0;
}

/* Find and check a slot's tensors. */
LepStatus
lep_slot_resolve(const LepGraph *graph, uint32_t number, const LepSource *source,
				 const LepTensor *tensors[LEP_MAX_PARTS], LepDtype *dtype, LepError *err)
{
	const LepSlot *slot = &graph->slots[number];
	uint32_t n_dims = slot->store == LEP_STORE_VECTOR ? 1 : 2;

	for (uint32_t i = 0; i < slot->n_parts; i++)
	{
		const LepPart *part = &slot->parts[i];
		const LepTensorSet *set =
			part->module < 0 ? source->tensors : source->module_tensors[part->module];
		LepStatus status;

		if (set == NULL)
		{
			lep_error(err, LEP_MISSING, "tensor \"%s\" is missing", part->tensor);
			lep_error_detail(err, "Module \"%s\" has no file of weights.",
							 source->view.desc->modules[part->module].path);
			return LEP_MISSING;
		}
		status = lep_source_tensor(source, set, part->tensor, n_dims, part->rows, slot->cols,
								   &tensors[i], err);
		if (status != LEP_OK)
			return status;
	}
	*dtype = slot->store == LEP_STORE_TABLE ? (LepDtype) tensors[0]->type : LEP_F32;
	return LEP_OK;
}

/* Check that all slots' tensors are there; count parameters. */
LepStatus
lep_graph_check_source(const LepGraph *graph, const LepSource *source, uint64_t *n_parameters,
					   LepError *err)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		const LepTensor *tensors[LEP_MAX_PARTS];
		LepDtype dtype;
		LepStatus status = lep_slot_resolve(graph, i, source, tensors, &dtype, err);

		if (status != LEP_OK)
			return status;
		/* Both factors are below 2^24, slots below 2^16. */
		n += graph->slots[i].rows * graph->slots[i].cols;
	}
	*n_parameters = n;
	return LEP_OK;
}
