/*
 * graph_weights.c: what a graph's slots ask of a model's files: which
 * tensors, of which shape, in how many bytes of the image.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "graph_parts.h"

/* Bytes of a table of rows; 0 on overflow. */
static uint64_t
table_bytes(const LepSlot *slot, LepDtype dtype)
{
	size_t scales = 0;
	size_t bytes;

	if (dtype != LEP_F32 && dtype != LEP_F16 && dtype != LEP_BF16 && dtype != LEP_I8)
		return 0;
	if (!lep_mul(slot->rows, slot->cols, &bytes) ||
		(dtype != LEP_I8 && !lep_mul(bytes, lep_dtype_size(dtype), &bytes)) ||
		(dtype == LEP_I8 && !lep_mul(slot->rows, sizeof(float), &scales)) ||
		!lep_add(bytes, scales, &bytes))
		return 0;
	return bytes;
}

/* Bytes of a slot in an image. */
uint64_t
lep_slot_bytes(const LepSlot *slot, const LepKernels *kernels, LepDtype dtype)
{
	size_t bytes;

	switch (slot->store)
	{
		case LEP_STORE_LINEAR:
			if (slot->compute == LEP_COMPUTE_I8)
				return kernels->i8->packed_size(slot->rows, slot->cols);
			if (slot->compute == LEP_COMPUTE_HALF)
				return kernels->half->packed_size(slot->rows, slot->cols);
			return kernels->linear_packed_size(slot->rows, slot->cols);
		case LEP_STORE_TABLE:
			return table_bytes(slot, dtype);
		case LEP_STORE_VECTOR:
			return lep_mul(slot->rows, slot->cols, &bytes) && lep_mul(bytes, sizeof(float), &bytes)
					   ? bytes
					   : 0;
	}
	return 0;
}

/* The dtype in which an image keeps a tensor; of a linear's weights that of the file. */
static LepDtype
image_dtype(const LepSlot *slot, const LepTensor *tensor)
{
	if (slot->store == LEP_STORE_VECTOR)
		return LEP_F32;
	if (tensor->type <= LEP_TENSOR_BF16)
		return (LepDtype) tensor->type;
	return slot->store == LEP_STORE_LINEAR && slot->scheme == LEP_SCHEME_F32 ? LEP_F32 : LEP_I8;
}

/* Find and check a slot's tensors. */
LepStatus
lep_slot_resolve(const LepGraph *graph, uint32_t number, const LepSource *source,
				 const LepTensor *tensors[LEP_MAX_PARTS], LepDtype *dtype, LepError *err)
{
	const LepSlot *slot = &graph->slots[number];

	for (uint32_t i = 0; i < slot->n_parts; i++)
	{
		const LepPart *part = &slot->parts[i];
		const LepTensorSet *set =
			part->module < 0 ? source->tensors : source->module_tensors[part->module];
		const uint64_t dims[3] = {
			part->rows, part->depth > 0 ? part->cols / part->depth : part->cols, part->depth};
		LepStatus status;

		if (set == NULL)
		{
			lep_error(err, LEP_MISSING, "tensor \"%s\" is missing", part->tensor);
			lep_error_detail(err, "Module \"%s\" has no file of weights.",
							 source->view.desc->modules[part->module].path);
			return LEP_MISSING;
		}
		status =
			lep_source_tensor(source, set, part->tensor, 1 + (part->cols > 0) + (part->depth > 0),
							  dims, &tensors[i], err);
		if (status != LEP_OK)
			return status;
	}
	*dtype = image_dtype(slot, tensors[0]);
	return LEP_OK;
}

/* Does a slot before this one, or a part of its before this, hold the same tensor? */
static bool
counted(const LepGraph *graph, uint32_t number, uint32_t part)
{
	const LepPart *p = &graph->slots[number].parts[part];

	for (uint32_t i = 0; i <= number; i++)
	{
		const LepSlot *slot = &graph->slots[i];

		for (uint32_t j = 0; j < (i < number ? slot->n_parts : part); j++)
		{
			if (slot->parts[j].hash == p->hash && slot->parts[j].module == p->module &&
				strcmp(slot->parts[j].tensor, p->tensor) == 0)
				return true;
		}
	}
	return false;
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
		for (uint32_t j = 0; j < graph->slots[i].n_parts; j++)
		{
			const LepPart *part = &graph->slots[i].parts[j];

			if (!counted(graph, i, j))
				n += part->rows * (part->cols > 0 ? part->cols : 1);
		}
	}
	*n_parameters = n;
	return LEP_OK;
}
