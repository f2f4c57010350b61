/*
 * image_weights.c: reads one linear's weights out of a model's files and packs them for the
 * kernels, in the numbers in which its slot computes.
 *
 * int8 weights go to the kernels as they are stored.  int4 weights, whose groups of inputs have
 * scales of their own, become int8 with one scale per output.  What depends on weights alone, a
 * table behind a linear, is computed here once and for all.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "graph_parts.h"

#define READ_BYTES	  ((size_t) 1 << 20) /* read between two questions */
#define PROJECT_FLOPS ((size_t) 1 << 21) /* multiplied between two questions */

/* Report that a stop was asked for. */
static LepStatus
cancelled(LepError *err)
{
	return lep_error(err, LEP_CANCELLED, "cancelled while packing weights");
}

/* Read all of a tensor's bytes. */
static LepStatus
read_all(const LepSource *source, const LepTensor *tensor, void *dst, const LepStop *stop,
		 LepError *err)
{
	for (uint64_t done = 0; done < tensor->size; done += READ_BYTES)
	{
		uint64_t left = tensor->size - done;
		LepStatus status;

		if (lep_stopped(stop))
			return cancelled(err);
		status = lep_source_read_raw(source, tensor, done,
									 left < READ_BYTES ? (size_t) left : READ_BYTES,
									 (char *) dst + done, err);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Read n numbers of a tensor, rows of cols, into w. */
static LepStatus
read_numbers(const LepSource *source, const LepTensor *tensor, uint64_t n, uint64_t cols, float *w,
			 const LepStop *stop, LepError *err)
{
	uint64_t step = READ_BYTES / sizeof(float);

	/* Whole rows, where several fit. */
	step -= cols < step ? step % cols : 0;
	for (uint64_t done = 0; done < n; done += step)
	{
		uint64_t share = n - done < step ? n - done : step;
		LepStatus status;

		if (lep_stopped(stop))
			return cancelled(err);
		status = lep_source_read_f32(source, tensor, done, share, w + done, err);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Read a part of a slot into new memory. */
static LepStatus
read_part(const LepSlot *slot, uint32_t i, const LepSource *source, const LepTensor *tensor,
		  LepArena *arena, float **w, const LepStop *stop, LepError *err)
{
	const LepPart *part = &slot->parts[i];
	uint64_t cols = part->cols > 0 ? part->cols : 1;

	*w = lep_arena_array(arena, part->rows * cols, sizeof(float));
	if (*w == NULL)
		return lep_graph_no_memory(err);
	return read_numbers(source, tensor, part->rows * cols, cols, *w, stop, err);
}

/* Compute a projected slot's numbers w[rows, cols]; kernels that only pack leave that to the CPU's. */
static LepStatus
project(const LepSlot *slot, const LepSource *source, const LepTensor *const *tensors,
		const LepKernels *wanted, LepArena *arena, float *w, const LepStop *stop, LepError *err)
{
	const LepKernels *kernels = wanted->linear != NULL ? wanted : lep_kernels_choose("auto");
	size_t d_in = slot->parts[0].cols, d_out = slot->cols;
	size_t step = PROJECT_FLOPS / d_in / d_out + 1;
	size_t packed_size = kernels->linear_packed_size(d_out, d_in);
	void *packed = packed_size > 0 ? lep_arena_alloc(arena, packed_size) : NULL;
	float *parts[LEP_MAX_PARTS];
	LepStatus status = packed != NULL ? LEP_OK : lep_graph_no_memory(err);

	for (uint32_t i = 0; i < slot->n_parts && status == LEP_OK; i++)
		status = read_part(slot, i, source, tensors[i], arena, &parts[i], stop, err);
	if (status != LEP_OK)
		return status;
	kernels->linear_pack(parts[1], d_out, d_in, packed);
	for (size_t row = 0; row < slot->rows; row += step)
	{
		size_t n = slot->rows - row < step ? slot->rows - row : step;
		float *x = parts[0] + row * d_in;
		const LepLinear linear = {.x = x,
								  .ldx = d_in,
								  .w = packed,
								  .bias = slot->n_parts % 2 != 0 ? parts[slot->n_parts - 1] : NULL,
								  .out = w + row * d_out,
								  .ldo = d_out,
								  .n_rows = n,
								  .d_out = d_out,
								  .d_in = d_in};

		if (lep_stopped(stop))
			return cancelled(err);
		if (slot->n_parts >= 4)
			kernels->norm(x, parts[2], parts[3], slot->eps, x, n, d_in);
		kernels->linear(&linear);
	}
	return LEP_OK;
}

/* Read all of a slot's numbers into w[rows, cols]. */
LepStatus
lep_slot_read(const LepSlot *slot, const LepSource *source, const LepTensor *const *tensors,
			  const LepKernels *kernels, LepArena *arena, float *w, const LepStop *stop,
			  LepError *err)
{
	if (slot->projected)
		return project(slot, source, tensors, kernels, arena, w, stop, err);
	for (uint32_t i = 0; i < slot->n_parts; i++)
	{
		uint64_t n = slot->parts[i].rows * slot->cols;
		LepStatus status = read_numbers(source, tensors[i], n, slot->cols, w, stop, err);

		if (status != LEP_OK)
			return status;
		w += n;
	}
	return LEP_OK;
}

/* q[cols] and *scale nearest to w[cols]: symmetric, the largest weight at 127. */
static void
round_row(const float *w, size_t cols, int8_t *q, float *scale)
{
	float top = 0;
	float inverse;

	for (size_t k = 0; k < cols; k++)
		top = fmaxf(top, fabsf(w[k]));
	*scale = top / 127.0f;
	inverse = *scale > 0 ? 1.0f / *scale : 0.0f;
	for (size_t k = 0; k < cols; k++)
		q[k] = (int8_t) fmaxf(-127.0f, fminf(127.0f, rintf(w[k] * inverse)));
}

/* Read a part stored as int4 into q[rows, cols] and scale[rows]. */
static LepStatus
read_i4(const LepSource *source, const LepTensor *tensor, const LepStored *stored, size_t rows,
		size_t cols, LepArena *arena, int8_t *q, float *scale, const LepStop *stop, LepError *err)
{
	size_t groups = cols / LEP_I4_GROUP;
	uint8_t *packed = lep_arena_alloc(arena, (size_t) tensor->size);
	float *scales = lep_arena_alloc(arena, (size_t) stored->scale->size);
	float *zeroes = lep_arena_alloc(arena, (size_t) stored->scale->size);
	float *row = lep_arena_array(arena, cols, sizeof(float));
	LepStatus status;

	if (packed == NULL || scales == NULL || zeroes == NULL || row == NULL)
		return lep_graph_no_memory(err);
	status = read_all(source, tensor, packed, stop, err);
	if (status == LEP_OK)
		status = read_all(source, stored->scale, scales, stop, err);
	if (status == LEP_OK && stored->zero != NULL)
		status = read_all(source, stored->zero, zeroes, stop, err);
	for (size_t i = 0; i < rows * groups && stored->zero == NULL; i++)
		zeroes[i] = 8;
	for (size_t r = 0; r < rows && status == LEP_OK; r++)
	{
		if (r * cols % READ_BYTES < cols && lep_stopped(stop))
			return cancelled(err);
		for (size_t k = 0; k < cols; k++)
		{
			uint8_t b = packed[(r * cols + k) / 2];
			size_t group = r * groups + k / LEP_I4_GROUP;

			row[k] = ((float) (k % 2 == 0 ? b & 15 : b >> 4) - zeroes[group]) * scales[group];
		}
		round_row(row, cols, q + r * cols, scale + r);
	}
	return status;
}

/* Read a part stored as int8 into q[rows, cols] and scale[rows]. */
static LepStatus
read_i8(const LepSource *source, const LepTensor *tensor, const LepStored *stored, int8_t *q,
		float *scale, const LepStop *stop, LepError *err)
{
	LepStatus status = read_all(source, tensor, q, stop, err);

	if (status == LEP_OK)
		status = read_all(source, stored->scale, scale, stop, err);
	/* Kernels take weights of -127 at the lowest. */
	for (uint64_t i = 0; i < tensor->size && status == LEP_OK; i++)
		q[i] = q[i] < -127 ? -127 : q[i];
	return status;
}

/* Pack a linear that computes in int8. */
static LepStatus
pack_i8(const LepSlot *slot, const LepSource *source, const LepTensor *const *tensors,
		const LepKernels *kernels, LepArena *arena, void *packed, const LepStop *stop,
		LepError *err)
{
	const LepStored *first = lep_source_stored(source, tensors[0]);
	int8_t *q = lep_arena_array(arena, slot->rows, slot->cols);
	float *scale = lep_arena_array(arena, slot->rows, sizeof(float));
	float *zero = lep_arena_array(arena, slot->rows, sizeof(float)); /* 0 where there is none */
	float *input_scale = lep_arena_array(arena, slot->cols, sizeof(float));
	LepNarrowWeights weights = {.q = q, .scale = scale};
	LepStatus status = LEP_OK;
	size_t row = 0;

	if (q == NULL || scale == NULL || zero == NULL || input_scale == NULL)
		return lep_graph_no_memory(err);
	for (uint32_t i = 0; i < slot->n_parts && status == LEP_OK; i++)
	{
		const LepStored *stored = lep_source_stored(source, tensors[i]);
		size_t rows = slot->parts[i].rows;

		if (stored->scheme == LEP_SCHEME_I4)
			status = read_i4(source, tensors[i], stored, rows, slot->cols, arena,
							 q + row * slot->cols, scale + row, stop, err);
		else
		{
			status =
				read_i8(source, tensors[i], stored, q + row * slot->cols, scale + row, stop, err);
			if (status == LEP_OK && stored->zero != NULL)
			{
				status = read_all(source, stored->zero, zero + row, stop, err);
				weights.zero = zero;
			}
		}
		row += rows;
	}
	if (status == LEP_OK && first->input_scale != NULL)
	{
		status = read_all(source, first->input_scale, input_scale, stop, err);
		weights.input_scale = input_scale;
	}
	weights.symmetric = first->scheme == LEP_SCHEME_I8_SYMMETRIC;
	if (status == LEP_OK)
		kernels->i8->pack(&weights, slot->rows, slot->cols, packed);
	return status;
}

/* Read a linear's weights and pack them as its slot computes. */
LepStatus
lep_slot_pack(const LepSlot *slot, const LepSource *source, const LepTensor *const *tensors,
			  const LepKernels *kernels, LepArena *arena, void *packed, const LepStop *stop,
			  LepError *err)
{
	LepNarrowWeights weights = {0};
	LepStatus status;
	float *w;

	if (slot->compute == LEP_COMPUTE_I8)
		return pack_i8(slot, source, tensors, kernels, arena, packed, stop, err);
	w = lep_arena_array(arena, slot->rows * slot->cols, sizeof(float));
	if (w == NULL)
		return lep_graph_no_memory(err);
	status = lep_slot_read(slot, source, tensors, kernels, arena, w, stop, err);
	if (status != LEP_OK)
		return status;
	weights.w = w;
	if (slot->compute == LEP_COMPUTE_HALF)
		kernels->half->pack(&weights, slot->rows, slot->cols, packed);
	else
		kernels->linear_pack(w, slot->rows, slot->cols, packed);
	return LEP_OK;
}
