/*
 * head_set.c: the rows that a classifier learns from, packed by part, and what
 * can be said of them with given weights; minimises nothing.
 */
#define LEPTON_ENGINE_SOURCE
#include "head_set.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define BLOCK_ELEMENTS ((size_t) 96 << 10) /* a block's x, so that it stays in L2 */
#define BLOCK_ROWS_MIN ((size_t) 16)
#define BLOCK_ROWS_MAX ((size_t) 256)
#define PRODUCT_WORK   ((size_t) 8 << 20) /* multiplications between two questions to stop */
#define MAX_VARS	   ((size_t) 1 << 19) /* keeps an iteration of L-BFGS itself near 20 ms */

/* n elements of size from the arena; clears *ok when there is no memory. */
static void *
take(LepArena *arena, size_t n, size_t size, bool *ok)
{
	void *p = lep_arena_array(arena, n, size);

	if (p == NULL)
		*ok = false;
	return p;
}

/* Report that the arena or liblbfgs had no memory. */
LepStatus
lep_head_no_memory(LepError *err)
{
	return lep_error(err, LEP_NO_MEMORY, "not enough memory to train the classifier");
}

/* Report that stop asked to stop. */
LepStatus
lep_head_cancelled(LepError *err)
{
	return lep_error(err, LEP_CANCELLED, "training was cancelled");
}

/* True when the rows of block count in parts. */
bool
lep_head_chosen(const LepHeadBlock *block, uint32_t parts)
{
	return (parts >> block->part & 1) != 0;
}

/* Rows between two questions to stop in a plain pass over x[n_rows, d]. */
static size_t
pass_rows(size_t d)
{
	return 1 + ((size_t) 1 << 18) / d;
}

/* mean[d] of x[n_rows, d] and the root mean square of what differs from it. */
static LepStatus
measure(LepHeadSet *set, const LepHeadData *data, const LepStop *stop, LepError *err)
{
	size_t d = data->d;
	size_t step = pass_rows(d);
	double total = 0;

	for (size_t i = 0; i < data->n_rows; i++)
	{
		const float *x = data->x + i * d;

		if (i % step == 0 && lep_stopped(stop))
			return lep_head_cancelled(err);
		for (size_t j = 0; j < d; j++)
		{
			if (!isfinite(x[j]))
			{
				lep_error(err, LEP_NOT_FINITE, "an embedding is not finite");
				lep_error_detail(err, "Row %zu of %zu has %g in dimension %zu.", i + 1,
								 data->n_rows, (double) x[j], j + 1);
				return LEP_NOT_FINITE;
			}
			set->mean[j] += x[j];
		}
	}
	for (size_t j = 0; j < d; j++)
		set->mean[j] /= (double) data->n_rows;
	for (size_t i = 0; i < data->n_rows; i++)
	{
		const float *x = data->x + i * d;
		double sum = 0;

		if (i % step == 0 && lep_stopped(stop))
			return lep_head_cancelled(err);
		for (size_t j = 0; j < d; j++)
			sum += (x[j] - set->mean[j]) * (x[j] - set->mean[j]);
		total += sum;
	}
	set->scale = sqrt(total / (double) data->n_rows / (double) d);
	if (set->scale < FLT_MIN)
		set->scale = 1;
	return LEP_OK;
}

/* Pack rows[n], indices into data, as one block; both scratches hold [n, d]. */
static LepStatus
pack_block(LepHeadSet *set, const LepHeadData *data, const size_t *rows, size_t n, uint32_t part,
		   float *by_row, float *by_column, LepArena *arena, LepError *err)
{
	LepHeadBlock *block = &set->blocks[set->n_blocks];
	const LepKernels *kernels = set->kernels;
	size_t d = set->d;
	size_t rows_size = kernels->linear_packed_size(n, d);
	size_t columns_size = kernels->linear_packed_size(d, n);
	int32_t *y;
	bool ok = true;

	if (rows_size == 0 || columns_size == 0)
		return lep_error(err, LEP_TOO_LARGE, "the training set is too large");
	block->rows = take(arena, rows_size, 1, &ok);
	block->columns = take(arena, columns_size, 1, &ok);
	y = take(arena, n, sizeof(*y), &ok);
	if (!ok)
		return lep_head_no_memory(err);
	for (size_t i = 0; i < n; i++)
	{
		const float *x = data->x + rows[i] * d;

		for (size_t j = 0; j < d; j++)
		{
			float value = (float) ((x[j] - set->mean[j]) / set->scale);

			by_row[i * d + j] = value;
			by_column[j * n + i] = value;
		}
		y[i] = data->y[rows[i]];
	}
	kernels->linear_pack(by_row, n, d, block->rows);
	kernels->linear_pack(by_column, d, n, block->columns);
	block->y = y;
	block->n = n;
	block->part = part;
	set->part_rows[part] += n;
	set->n_blocks++;
	return LEP_OK;
}

/* Check the sizes and derive those of set; no allocation yet. */
static LepStatus
set_sizes(LepHeadSet *set, const LepHeadData *data, LepError *err)
{
	size_t width, elements;

	set->d = data->d;
	set->n_labels = data->n_labels;
	set->k = data->n_labels == 2 ? 1 : data->n_labels;
	if (!lep_add(data->d, 1, &width) || !lep_mul(set->k, width, &set->n_vars) ||
		set->n_vars > MAX_VARS)
	{
		lep_error(err, LEP_TOO_LARGE, "too many labels to train a classifier");
		lep_error_detail(err, "%zu labels over %zu dimensions are more than %zu weights.",
						 data->n_labels, data->d, MAX_VARS);
		lep_error_hint(err, "Check that the label column is the one you meant.");
		return LEP_TOO_LARGE;
	}
	if (!lep_mul(data->n_rows, data->d, &elements))
		return lep_error(err, LEP_TOO_LARGE, "the training set is too large");
	return LEP_OK;
}

/* Rows of a block for embeddings of d. */
static size_t
block_rows(size_t d)
{
	size_t rows = BLOCK_ELEMENTS / d;

	if (rows < BLOCK_ROWS_MIN)
		return BLOCK_ROWS_MIN;
	return rows > BLOCK_ROWS_MAX ? BLOCK_ROWS_MAX : rows;
}

/* Lay out the rows of data by part. */
LepStatus
lep_head_set_build(LepHeadSet *set, const LepHeadData *data, const uint32_t *part, size_t n_parts,
				   const LepKernels *kernels, LepArena *arena, const LepStop *stop, LepError *err)
{
	size_t ends[LEP_HEAD_MAX_PARTS + 1] = {0}; /* of the parts in order */
	size_t *order;							   /* [n_rows]: rows by part */
	size_t most;
	float *by_row, *by_column;
	bool ok = true;
	LepStatus status;

	memset(set, 0, sizeof(*set));
	set->kernels = kernels;
	if ((status = set_sizes(set, data, err)) != LEP_OK)
		return status;
	most = block_rows(set->d);
	set->label_step = PRODUCT_WORK / (most * set->d);
	if (set->label_step == 0)
		set->label_step = 1;
	set->mean = take(arena, set->d, sizeof(*set->mean), &ok);
	set->w = take(arena, set->k * set->d, sizeof(*set->w), &ok);
	set->scores = take(arena, set->k * most, sizeof(*set->scores), &ok);
	set->partial = take(arena, set->k * set->d, sizeof(*set->partial), &ok);
	set->last_theta = take(arena, set->n_vars, sizeof(*set->last_theta), &ok);
	set->last_g = take(arena, set->n_vars, sizeof(*set->last_g), &ok);
	set->top = take(arena, most, sizeof(*set->top), &ok);
	set->sum = take(arena, most, sizeof(*set->sum), &ok);
	set->blocks = take(arena, data->n_rows / most + n_parts, sizeof(*set->blocks), &ok);
	order = take(arena, data->n_rows, sizeof(*order), &ok);
	by_row = take(arena, most * set->d, sizeof(*by_row), &ok);
	by_column = take(arena, most * set->d, sizeof(*by_column), &ok);
	if (!ok)
		return lep_head_no_memory(err);
	if ((status = measure(set, data, stop, err)) != LEP_OK)
		return status;
	for (size_t i = 0; i < data->n_rows; i++)
		ends[part[i] + 1]++;
	for (size_t p = 0; p < n_parts; p++)
		ends[p + 1] += ends[p];
	for (size_t i = 0; i < data->n_rows; i++)
		order[ends[part[i]]++] = i;
	for (uint32_t p = 0; p < n_parts; p++)
	{
		size_t first = p == 0 ? 0 : ends[p - 1];
		size_t n = ends[p] - first;
		size_t n_blocks;

		n_blocks = (n + most - 1) / most;
		for (size_t b = 0; b < n_blocks; b++)
		{
			size_t from = first + n * b / n_blocks;
			size_t to = first + n * (b + 1) / n_blocks;

			if (lep_stopped(stop))
				return lep_head_cancelled(err);
			status =
				pack_block(set, data, order + from, to - from, p, by_row, by_column, arena, err);
			if (status != LEP_OK)
				return status;
		}
	}
	return LEP_OK;
}

/* out[k, d_out] = x[k, d_in] * packed^T, some labels at a time; false when stopped. */
bool
lep_head_product(const LepHeadSet *set, const float *x, const void *packed, float *out,
				 size_t d_out, size_t d_in, const LepStop *stop)
{
	for (size_t from = 0; from < set->k; from += set->label_step)
	{
		LepLinear args = {0};

		if (lep_stopped(stop))
			return false;
		args.x = x + from * d_in;
		args.ldx = d_in;
		args.w = packed;
		args.out = out + from * d_out;
		args.ldo = d_out;
		args.n_rows = set->k - from < set->label_step ? set->k - from : set->label_step;
		args.d_out = d_out;
		args.d_in = d_in;
		set->kernels->linear(&args);
	}
	return true;
}

/* w[k, d] = stretch * theta[k, d + 1] without the intercepts, in f32. */
void
lep_head_narrow(LepHeadSet *set, const double *theta, double stretch)
{
	for (size_t label = 0; label < set->k; label++)
		for (size_t j = 0; j < set->d; j++)
			set->w[label * set->d + j] = (float) (stretch * theta[label * (set->d + 1) + j]);
}

/* The label of row i of a block's scores[k, n]; the first of equals. */
static int32_t
choose_label(const LepHeadSet *set, size_t n, size_t i, const double *theta)
{
	size_t width = set->d + 1;
	double best = set->scores[i] + theta[set->d];
	int32_t label = 0;

	if (set->k == 1)
		return best > 0;
	for (size_t other = 1; other < set->k; other++)
	{
		double z = set->scores[other * n + i] + theta[other * width + set->d];

		if (z > best)
		{
			best = z;
			label = (int32_t) other;
		}
	}
	return label;
}

/* Count the rows of parts and those that theta labels right. */
LepStatus
lep_head_count(LepHeadSet *set, uint32_t parts, const double *theta, size_t *right, size_t *total,
			   const LepStop *stop, LepError *err)
{
	*right = 0;
	*total = 0;
	lep_head_narrow(set, theta, 1);
	for (size_t b = 0; b < set->n_blocks; b++)
	{
		const LepHeadBlock *block = &set->blocks[b];

		if (!lep_head_chosen(block, parts))
			continue;
		if (!lep_head_product(set, set->w, block->rows, set->scores, block->n, set->d, stop))
			return lep_head_cancelled(err);
		for (size_t i = 0; i < block->n; i++)
			*right += choose_label(set, block->n, i, theta) == block->y[i];
		*total += block->n;
	}
	return LEP_OK;
}

/* The intercept over x of one row[d + 1] of theta. */
static double
intercept(const LepHeadSet *set, const double *row)
{
	double b = row[set->d];

	for (size_t j = 0; j < set->d; j++)
		b -= row[j] / set->scale * set->mean[j];
	return b;
}

/* True when all of values[n] are finite. */
static bool
all_finite(const float *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(values[i]))
			return false;
	return true;
}

/* Write theta as weights over x, in softmax form. */
LepStatus
lep_head_export(const LepHeadSet *set, const double *theta, float *w, float *bias, LepError *err)
{
	size_t d = set->d, width = set->d + 1;
	double middle = 0;

	/* Adding one number to every intercept changes no probability: let their sum be zero. */
	for (size_t label = 0; label < set->k; label++)
		middle += intercept(set, theta + label * width) / (double) set->n_labels;
	for (size_t label = 0; label < set->k; label++)
	{
		const double *row = theta + label * width;

		for (size_t j = 0; j < d; j++)
			w[label * d + j] = (float) (row[j] / set->scale);
		bias[label] = (float) (intercept(set, row) - middle);
	}
	if (set->k == 1)
	{
		for (size_t j = 0; j < d; j++)
		{
			w[d + j] = w[j] / 2;
			w[j] = -w[d + j];
		}
		bias[1] = (float) middle;
		bias[0] = -bias[1];
	}
	if (!all_finite(w, set->n_labels * d) || !all_finite(bias, set->n_labels))
		return lep_error(err, LEP_NOT_FINITE, "the classifier's weights are not finite");
	return LEP_OK;
}
