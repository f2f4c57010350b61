/*
 * source_tensor.c: finds an opened folder's tensors by name, type and shape
 * and reads their numbers; decides nothing about the model.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <string.h>

#include "source.h"

#define NAME_SIZE 512		/* bytes of a tensor's name built here */
#define PIECE	  (1 << 14) /* numbers that are widened at once */

/* Find name as it stands, or as older files call it: gamma and beta of a LayerNorm. */
static const LepTensor *
find_either(const LepTensorSet *set, const char *name)
{
	static const char *const pairs[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
										   {"LayerNorm.bias", "LayerNorm.beta"}};
	const LepTensor *t = lep_tensor_find(set, name);
	size_t len = strlen(name);
	char older[NAME_SIZE];

	for (size_t i = 0; t == NULL && i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		size_t tail = strlen(pairs[i][0]);

		if (len < tail || strcmp(name + len - tail, pairs[i][0]) != 0)
			continue;
		snprintf(older, sizeof(older), "%.*s%s", (int) (len - tail), name, pairs[i][1]);
		t = lep_tensor_find(set, older);
	}
	return t;
}

/* Write a shape as "[2, 3]". */
static void
format_shape(char *dst, size_t size, const uint64_t *dims, uint32_t n_dims)
{
	size_t used = 0;

	for (uint32_t i = 0; i < n_dims && i < LEP_MAX_DIMS; i++)
		used += (size_t) snprintf(dst + used, size - used, "%s%llu", i == 0 ? "" : ", ",
								  (unsigned long long) dims[i]);
	snprintf(dst + used, size - used, "%s", n_dims > LEP_MAX_DIMS ? ", ..." : "");
}

/* Report a tensor that is not there. */
static LepStatus
missing(const LepSource *source, const LepTensorSet *set, const char *name, LepError *err)
{
	lep_error(err, LEP_MISSING, "tensor \"%s\" is missing", name);
	if (lep_tensor_count(set) > 0)
		lep_error_detail(err, "It is not in file \"%s\"%s.",
						 source->folder->files[lep_tensor_at(set, 0)->file].path,
						 lep_tensor_at(set, lep_tensor_count(set) - 1)->file !=
								 lep_tensor_at(set, 0)->file
							 ? " nor in the others"
							 : "");
	return LEP_MISSING;
}

/* Find a tensor and check its type and shape. */
LepStatus
lep_source_tensor(const LepSource *source, const LepTensorSet *set, const char *name,
				  uint32_t n_dims, uint64_t d0, uint64_t d1, const LepTensor **tensor,
				  LepError *err)
{
	const uint64_t dims[2] = {d0, d1};
	char full[NAME_SIZE];
	char found[LEP_MAX_DIMS * 22 + 8];
	char expected[64];
	const LepTensor *t = NULL;
	const char *file;

	*tensor = NULL;
	if (set == source->tensors && source->prefix[0] != '\0')
	{
		snprintf(full, sizeof(full), "%s%s", source->prefix, name);
		t = find_either(set, full);
	}
	if (t == NULL)
		t = find_either(set, name);
	if (t == NULL)
		return missing(source, set, name, err);
	file = source->folder->files[t->file].path;
	if (t->n_dims != n_dims || t->dims[0] != d0 || (n_dims == 2 && t->dims[1] != d1))
	{
		format_shape(found, sizeof(found), t->dims, t->n_dims);
		format_shape(expected, sizeof(expected), dims, n_dims);
		lep_error(err, LEP_BAD_FILE, "tensor \"%s\" of file \"%s\" has the wrong shape", t->name,
				  file);
		lep_error_detail(err, "Found [%s], expected [%s].", found, expected);
		return LEP_BAD_FILE;
	}
	if (t->type == LEP_TENSOR_OTHER)
	{
		lep_error(err, LEP_UNSUPPORTED, "tensor \"%s\" of file \"%s\" has the wrong dtype", t->name,
				  file);
		lep_error_detail(err, "Found %s, expected F32, F16 or BF16.", t->type_name);
		return LEP_UNSUPPORTED;
	}
	*tensor = t;
	return LEP_OK;
}

/* Read raw bytes of a tensor's data. */
LepStatus
lep_source_read_raw(const LepSource *source, const LepTensor *tensor, uint64_t offset, size_t len,
					void *dst, LepError *err)
{
	if (offset > tensor->size || len > tensor->size - offset)
	{
		lep_error(err, LEP_BAD_INPUT, "read outside of tensor \"%s\"", tensor->name);
		return LEP_BAD_INPUT;
	}
	if (len == 0)
		return LEP_OK;
	return source->folder->read(source->folder->ctx, tensor->file, tensor->offset + offset, dst,
								len, err);
}

/* Read numbers of a tensor, widened to f32. */
LepStatus
lep_source_read_f32(const LepSource *source, const LepTensor *tensor, uint64_t first, uint64_t n,
					float *dst, LepError *err)
{
	uint16_t piece[PIECE];
	size_t width = tensor->type == LEP_TENSOR_F32 ? sizeof(float) : sizeof(uint16_t);
	uint64_t n_all = tensor->size / width;
	const LepKernels *kernels;

	if (tensor->type == LEP_TENSOR_OTHER || first > n_all || n > n_all - first)
		return lep_error(err, LEP_BAD_INPUT, "read outside of tensor \"%s\"", tensor->name);
	if (tensor->type == LEP_TENSOR_F32)
		return lep_source_read_raw(source, tensor, first * width, (size_t) n * width, dst, err);
	kernels = lep_kernels_choose("auto");
	while (n > 0)
	{
		size_t now = n < PIECE ? (size_t) n : PIECE;
		LepStatus status =
			lep_source_read_raw(source, tensor, first * width, now * width, piece, err);

		if (status != LEP_OK)
			return status;
		kernels->widen(piece, (LepDtype) tensor->type, dst, now);
		first += now;
		dst += now;
		n -= now;
	}
	return LEP_OK;
}
