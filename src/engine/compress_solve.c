/*
 * compress_solve.c: matrix products on the f32 kernels, cut so that a
 * stop is noticed, and on top of them what GPTQ needs: second moments of the inputs, their Cholesky
 * factor, and rounding that evens out the errors of a row.  It knows no model.
 *
 * Rounding w to q costs (w - q) H (w - q)^T = |L^T (w - q)^T|^2 with H = L L^T.  Row k of L^T
 * has zeroes before k, so from the last column to the first each one can make up for those behind it.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "compress_parts.h"

#define BLOCK	  128  /* outputs that are packed at once */
#define GRAM_ROWS 512  /* rows of x transposed at once */
#define DAMPING	  0.01 /* share of the mean moment that is added to each ... */
#define DOUBT	  0.1  /* ... and as much more of it as columns are to rows */
#define TRIES	  4	   /* each with ten times the damping of the one before */
#define STOP_ROWS 64

/* Report that memory ran out. */
LepStatus
lep_press_no_memory(const LepPress *press)
{
	return lep_error(press->err, LEP_NO_MEMORY, "out of memory while compressing a model");
}

/* Report that a stop was asked for. */
LepStatus
lep_press_cancelled(const LepPress *press)
{
	return lep_error(press->err, LEP_CANCELLED, "cancelled while compressing a model");
}

/* Bytes of scratch for products. */
size_t
lep_press_scratch(const LepPress *press, size_t d_in)
{
	size_t gram = press->kernels->linear_packed_size(BLOCK, GRAM_ROWS);
	size_t wide = press->kernels->linear_packed_size(BLOCK, d_in > BLOCK ? d_in : BLOCK);

	if (gram == 0 || wide == 0)
		return 0;
	return gram > wide ? gram : wide;
}

/* Multiply by dense weights. */
LepStatus
lep_press_product(const LepPress *press, const LepLinear *l, void *scratch)
{
	const float *w = l->w;

	for (size_t at = 0; at < l->d_out; at += BLOCK)
	{
		LepLinear part = *l;
		uint64_t rows;

		part.d_out = l->d_out - at < BLOCK ? l->d_out - at : BLOCK;
		part.w = scratch;
		part.bias = l->bias != NULL ? l->bias + at : NULL;
		part.residual = l->residual != NULL ? l->residual + at : NULL;
		part.out = l->out + at;
		rows = press->call_flops / (2 * part.d_out * l->d_in);
		rows = rows > 0 ? rows : 1;
		press->kernels->linear_pack(w + at * l->d_in, part.d_out, l->d_in, scratch);
		for (size_t row = 0; row < l->n_rows; row += part.n_rows)
		{
			part.n_rows = l->n_rows - row < rows ? l->n_rows - row : (size_t) rows;
			if (lep_stopped(press->stop))
				return lep_press_cancelled(press);
			press->kernels->linear(&part);
			part.x += part.n_rows * l->ldx;
			part.out += part.n_rows * l->ldo;
			if (part.residual != NULL)
				part.residual += part.n_rows * l->ldr;
		}
	}
	return LEP_OK;
}

/*
 * Lower half of c[d, d] += a[d, n] * b[d, n]^T, with lda == n: by blocks of columns from their
 * diagonal down.
 */
static LepStatus
add_lower(const LepPress *press, const float *a, const float *b, size_t d, size_t n, float *c,
		  size_t ldc, void *scratch)
{
	LepStatus status = LEP_OK;

	for (size_t at = 0; at < d && status == LEP_OK; at += BLOCK)
	{
		LepLinear l = {0};

		l.x = a + at * n;
		l.ldx = n;
		l.w = b + at * n;
		l.out = c + at * ldc + at;
		l.ldo = ldc;
		l.residual = l.out;
		l.ldr = ldc;
		l.n_rows = d - at;
		l.d_out = d - at < BLOCK ? d - at : BLOCK;
		l.d_in = n;
		status = lep_press_product(press, &l, scratch);
	}
	return status;
}

/* Add rows to the second moments of their columns. */
LepStatus
lep_press_gram(const LepPress *press, const float *x, size_t n, size_t d, const uint32_t *order,
			   float *xt, float *h, void *scratch)
{
	for (size_t k = 0; k < d; k++)
	{
		const float *column = x + order[k];

		for (size_t row = 0; row < n; row++)
			xt[k * n + row] = column[row * d];
	}
	return add_lower(press, xt, xt, d, n, h, d, scratch);
}

/* Factor the block h[n, n] of a matrix in place; false when it is not positive. */
static bool
factor_block(float *h, size_t d, size_t n)
{
	for (size_t j = 0; j < n; j++)
	{
		double pivot = h[j * d + j];

		for (size_t k = 0; k < j; k++)
			pivot -= (double) h[j * d + k] * h[j * d + k];
		if (!(pivot > 0) || !isfinite(pivot))
			return false;
		pivot = sqrt(pivot);
		h[j * d + j] = (float) pivot;
		for (size_t i = j + 1; i < n; i++)
		{
			double sum = h[i * d + j];

			for (size_t k = 0; k < j; k++)
				sum -= (double) h[i * d + k] * h[j * d + k];
			h[i * d + j] = (float) (sum / pivot);
		}
	}
	return true;
}

/* inverse[n, n] of the lower triangle l[n, n], zero above. */
static void
invert_block(const float *l, size_t d, size_t n, float *inverse)
{
	memset(inverse, 0, n * n * sizeof(float));
	for (size_t j = 0; j < n; j++)
		for (size_t i = j; i < n; i++)
		{
			double sum = i == j ? 1 : 0;

			for (size_t k = j; k < i; k++)
				sum -= (double) l[i * d + k] * inverse[k * n + j];
			inverse[i * n + j] = (float) (sum / l[i * d + i]);
		}
}

/* Factor h[d, d] in place; *positive tells whether that went well. */
static LepStatus
factor(const LepPress *press, float *h, size_t d, float *panel, bool *positive, void *scratch)
{
	float inverse[LEP_PANEL * LEP_PANEL];

	*positive = false;
	for (size_t at = 0; at < d; at += LEP_PANEL)
	{
		size_t n = d - at < LEP_PANEL ? d - at : LEP_PANEL;
		size_t below = d - at - n;
		float *diagonal = h + at * d + at;
		float *minus = panel + below * n;
		LepLinear l = {0};
		LepStatus status;

		if (!factor_block(diagonal, d, n))
			return LEP_OK;
		invert_block(diagonal, d, n, inverse);
		l.x = diagonal + n * d;
		l.ldx = d;
		l.w = inverse;
		l.out = panel;
		l.ldo = n;
		l.n_rows = below;
		l.d_out = l.d_in = n;
		status = lep_press_product(press, &l, scratch);
		if (status != LEP_OK)
			return status;
		for (size_t row = 0; row < below; row++)
			memcpy(diagonal + (n + row) * d, panel + row * n, n * sizeof(float));
		for (size_t i = 0; i < below * n; i++)
			minus[i] = -panel[i];
		status = add_lower(press, minus, panel, below, n, diagonal + n * d + n, d, scratch);
		if (status != LEP_OK)
			return status;
	}
	*positive = true;
	return LEP_OK;
}

/* Factor second moments, made safe by a share of their mean on the diagonal. */
LepStatus
lep_press_factor(const LepPress *press, float *h, size_t d, size_t n, float *panel, void *scratch)
{
	double mean = 0;
	double damping = DAMPING + DOUBT * (double) d / (double) (n > 0 ? n : 1);

	for (size_t i = 0; i < d; i++)
	{
		if (i % STOP_ROWS == 0 && lep_stopped(press->stop))
			return lep_press_cancelled(press);
		mean += h[i * d + i] / (double) d;
		for (size_t j = 0; j < i; j++) /* the upper half keeps a copy */
			h[j * d + i] = h[i * d + j];
	}
	if (!isfinite(mean))
		return lep_error(press->err, LEP_NOT_FINITE,
						 "the model's inner values are not finite on the sample");
	if (!(mean > 0))
		mean = 1;
	/* A diagonal that is tried again is that of the copy: its sum is known, its entries are not lost. */
	for (int i = 0; i < TRIES; i++, damping *= 10)
	{
		LepStatus status;
		bool positive;

		for (size_t row = 0; row < d; row++)
			panel[row] = h[row * d + row];
		for (size_t row = 0; row < d; row++)
			h[row * d + row] += (float) (damping * mean);
		status = factor(press, h, d, panel + d, &positive, scratch);
		if (status != LEP_OK || positive)
			return status;
		for (size_t row = 0; row < d; row++)
		{
			if (row % STOP_ROWS == 0 && lep_stopped(press->stop))
				return lep_press_cancelled(press);
			h[row * d + row] = panel[row];
			for (size_t k = 0; k < row; k++)
				h[row * d + k] = h[k * d + row];
		}
	}
	return lep_error(press->err, LEP_NOT_FINITE,
					 "the model's inner values are too large on the sample");
}

/* Floats of room: sums for all columns, errors of a block, and its part of the factor. */
size_t
lep_press_even_room(size_t rows, size_t cols)
{
	return rows * cols + rows * LEP_PANEL + LEP_PANEL * LEP_PANEL + LEP_PANEL * cols;
}

/*
 * Round columns [from, from + n) of one row; late[n] holds what the columns behind make them owe,
 * multiplied by the pivots; e[n] gets their errors.
 */
static void
even_row(const LepGrid *grid, const float *w, const float *scale, float zero, const float *factor,
		 size_t cols, const uint32_t *order, size_t from, size_t n, float *late, float *e,
		 int8_t *q)
{
	for (size_t j = n; j-- > 0;)
	{
		const float *l = factor + (from + j) * cols + from;
		uint32_t column = order[from + j];
		float s = scale[column / grid->group];
		float aim = w[column] + late[j] / l[j];
		float level = lep_grid_round(aim, 1.0f / s, zero, grid->lowest, grid->highest);

		q[column] = (int8_t) level;
		e[j] = w[column] - s * (level - zero);
		for (size_t k = 0; k < j; k++)
			late[k] += e[j] * l[k];
	}
}

/* Round all rows, evening out errors. */
LepStatus
lep_press_even(const LepPress *press, const LepGrid *grid, const float *w, size_t rows, size_t cols,
			   const float *factor, const uint32_t *order, int8_t *q, float *room, void *scratch)
{
	float *late = room;
	float *errors = late + rows * cols;
	float *across = errors + rows * LEP_PANEL;
	size_t groups = cols / grid->group;
	size_t end = cols;

	memset(late, 0, rows * cols * sizeof(float));
	while (end > 0)
	{
		size_t n = (end - 1) % LEP_PANEL + 1;
		size_t from = end - n;
		LepLinear l = {0};
		LepStatus status;

		for (size_t row = 0; row < rows; row++)
		{
			if (row % STOP_ROWS == 0 && lep_stopped(press->stop))
				return lep_press_cancelled(press);
			even_row(grid, w + row * cols, grid->scale + row * groups,
					 grid->zero != NULL ? grid->zero[row] : grid->constant_zero, factor, cols,
					 order, from, n, late + row * cols + from, errors + row * n, q + row * cols);
		}
		for (size_t k = 0; k < from; k++)
			for (size_t j = 0; j < n; j++)
				across[k * n + j] = factor[(from + j) * cols + k];
		l.x = errors;
		l.ldx = n;
		l.w = across;
		l.residual = l.out = late;
		l.ldr = l.ldo = cols;
		l.n_rows = rows;
		l.d_out = from;
		l.d_in = n;
		status = lep_press_product(press, &l, scratch);
		if (status != LEP_OK)
			return status;
		end = from;
	}
	return LEP_OK;
}
