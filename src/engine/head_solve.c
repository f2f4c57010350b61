/*
 * head_solve.c: the objective of a linear classifier and its minimisation by
 * L-BFGS; chooses neither the rows nor the strength.
 *
 * With n rows in the chosen parts it minimises what scikit-learn minimises,
 *		1/n * sum_i loss(y_i, W x_i + b) + 1 / (2 C n) * |W|^2
 * The two matrix products of an evaluation run in f32 on the kernels, over
 * blocks of rows; the loss, the sums over blocks and L-BFGS itself are f64.
 */
#define LEPTON_ENGINE_SOURCE
#include "head_solve.h"

#include <float.h>
#include <lbfgs.h>
#include <math.h>
#include <string.h>

#define BLOCK_ELEMENTS ((size_t) 96 << 10) /* a block's x, so that it stays in L2 */
#define BLOCK_ROWS_MIN ((size_t) 16)
#define BLOCK_ROWS_MAX ((size_t) 256)
#define PRODUCT_WORK   ((size_t) 8 << 20) /* multiplications between two questions to stop */
#define MAX_VARS	   ((size_t) 1 << 19) /* keeps an iteration of L-BFGS itself near 20 ms */
#define HISTORY		   10				  /* corrections that L-BFGS keeps, as scipy does */
#define LINE_SEARCHES  50				  /* evaluations of a line search, as scikit-learn */
#define RESTARTS	   3				  /* after a line search lost in rounding */
#define NEAR		   1e-5				  /* relative difference below which refine() acts */
#define GRADIENT_FLOOR 1e-12			  /* what counts as no gradient at all */

enum
{
	SOLVE_CONVERGED = 1001, /* returned through lbfgs() by our progress callback */
	SOLVE_CANCELLED = 1002,
	SOLVE_NOT_FINITE = 1003
};

/* What the callbacks of one lep_head_solve share. */
typedef struct Solve
{
	LepHeadSet *set;
	const LepStop *stop;
	const LepHeadGoal *goal;
	uint32_t parts;
	double n;  /* rows in parts */
	double l2; /* 1 / (C n scale^2): the penalty over xs */
	/*
	 * What L-BFGS sees is weights / stretch.  A strong penalty makes the weights
	 * much stiffer than the intercepts; this evens them out.
	 */
	double stretch;
	double *last_theta; /* [n_vars]: where the last iteration ended ... */
	double *last_g;		/* [n_vars]: ... its gradient ... */
	double last_f;		/* ... and the value that evaluate() gave there */
	size_t iterations;
	double gradient, enough;
	bool cancelled, not_finite;
} Solve;

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
static LepStatus
no_memory(LepError *err)
{
	return lep_error(err, LEP_NO_MEMORY, "not enough memory to train the classifier");
}

/* Report that stop asked to stop. */
static LepStatus
cancelled(LepError *err)
{
	return lep_error(err, LEP_CANCELLED, "training was cancelled");
}

/* True when the rows of block count in parts. */
static bool
is_chosen(const LepHeadBlock *block, uint32_t parts)
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
			return cancelled(err);
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
			return cancelled(err);
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
		return no_memory(err);
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
	size_t most, n_order = 0;
	size_t *order; /* [n_rows]: rows by part */
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
		return no_memory(err);
	if ((status = measure(set, data, stop, err)) != LEP_OK)
		return status;
	for (uint32_t p = 0; p < n_parts; p++)
	{
		size_t first = n_order;
		size_t n, n_blocks;

		for (size_t i = 0; i < data->n_rows; i++)
			if (part[i] == p)
				order[n_order++] = i;
		n = n_order - first;
		n_blocks = (n + most - 1) / most;
		for (size_t b = 0; b < n_blocks; b++)
		{
			size_t from = first + n * b / n_blocks;
			size_t to = first + n * (b + 1) / n_blocks;

			if (lep_stopped(stop))
				return cancelled(err);
			status =
				pack_block(set, data, order + from, to - from, p, by_row, by_column, arena, err);
			if (status != LEP_OK)
				return status;
		}
	}
	return LEP_OK;
}

/* out[k, d_out] = x[k, d_in] * packed^T, some labels at a time; false when stopped. */
static bool
product(const LepHeadSet *set, const float *x, const void *packed, float *out, size_t d_out,
		size_t d_in, const LepStop *stop)
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
static void
narrow_weights(LepHeadSet *set, const double *theta, double stretch)
{
	for (size_t label = 0; label < set->k; label++)
		for (size_t j = 0; j < set->d; j++)
			set->w[label * set->d + j] = (float) (stretch * theta[label * (set->d + 1) + j]);
}

/* Multiply the weights of theta[k, d + 1], not the intercepts, by factor. */
static void
scale_weights(const LepHeadSet *set, double *theta, double factor)
{
	for (size_t label = 0; label < set->k; label++)
		for (size_t j = 0; j < set->d; j++)
			theta[label * (set->d + 1) + j] *= factor;
}

/*
 * Binomial loss of a block's scores[1, n]; scores become the residuals
 * p - y, whose sum goes to *slope.
 */
static double
binomial_loss(LepHeadSet *set, const LepHeadBlock *block, double bias, double *slope)
{
	double loss = 0;

	for (size_t i = 0; i < block->n; i++)
	{
		double z = set->scores[i] + bias;
		double e = exp(-fabs(z));
		double p = z >= 0 ? 1 / (1 + e) : e / (1 + e);
		double r = p - block->y[i];

		loss += log1p(e) + (z > 0 ? z : 0) - (block->y[i] ? z : 0);
		set->scores[i] = (float) r;
		*slope += r;
	}
	return loss;
}

/*
 * Softmax loss of a block's scores[k, n]; scores become the residuals
 * p - [y = label], whose sums are added to slope[k], stride apart.
 */
static double
softmax_loss(LepHeadSet *set, const LepHeadBlock *block, const double *bias, double *slope,
			 size_t stride)
{
	size_t n = block->n;
	double loss = 0;

	for (size_t i = 0; i < n; i++)
	{
		set->top[i] = -DBL_MAX;
		set->sum[i] = 0;
	}
	for (size_t label = 0; label < set->k; label++)
	{
		float *s = set->scores + label * n;

		for (size_t i = 0; i < n; i++)
		{
			double z = s[i] + bias[label * stride];

			set->top[i] = z > set->top[i] ? z : set->top[i];
		}
	}
	for (size_t i = 0; i < n; i++)
	{
		size_t label = (size_t) block->y[i];

		loss += set->top[i] - (set->scores[label * n + i] + bias[label * stride]);
	}
	for (size_t label = 0; label < set->k; label++)
	{
		float *s = set->scores + label * n;

		for (size_t i = 0; i < n; i++)
		{
			double e = exp(s[i] + bias[label * stride] - set->top[i]);

			set->sum[i] += e;
			s[i] = (float) e;
		}
	}
	for (size_t i = 0; i < n; i++)
	{
		loss += log(set->sum[i]);
		set->sum[i] = 1 / set->sum[i];
	}
	for (size_t label = 0; label < set->k; label++)
	{
		float *s = set->scores + label * n;
		double total = 0;

		for (size_t i = 0; i < n; i++)
		{
			double r = s[i] * set->sum[i] - (block->y[i] == (int32_t) label ? 1 : 0);

			total += r;
			s[i] = (float) r;
		}
		slope[label * stride] += total;
	}
	return loss;
}

/* Remember an iteration's end theta and its gradient g, and weigh the gradient. */
static void
remember(Solve *solve, const double *theta, const double *g, double f)
{
	const LepHeadSet *set = solve->set;
	double norm = 0, slope = 0;

	memcpy(solve->last_theta, theta, set->n_vars * sizeof(*theta));
	memcpy(solve->last_g, g, set->n_vars * sizeof(*g));
	solve->last_f = f;
	for (size_t i = 0; i < set->n_vars; i++)
	{
		slope += g[i] * g[i];
		if (i % (set->d + 1) != set->d)
			norm += theta[i] * theta[i];
	}
	solve->gradient = sqrt(slope);
	solve->enough = solve->goal->precision * solve->l2 * solve->stretch * solve->stretch;
	solve->enough = fmax(solve->enough * sqrt(norm), GRADIENT_FLOOR);
}

/*
 * The value f at theta as a line search should see it.  Close to the last
 * iteration's end the difference drowns in the rounding of f32 products, while
 * the gradients are still good: there the value follows from them by the
 * trapezoid rule, which is what Hager and Zhang (2005) call the approximate
 * Wolfe condition.
 */
static double
refine(const Solve *solve, const double *theta, const double *g, double f)
{
	double rise = 0;

	if (fabs(f - solve->last_f) > NEAR * fabs(f))
		return f;
	for (size_t i = 0; i < solve->set->n_vars; i++)
		rise += (theta[i] - solve->last_theta[i]) * (g[i] + solve->last_g[i]) / 2;
	return solve->last_f + rise;
}

/* The objective at theta[k, d + 1] and its gradient g[k, d + 1], for liblbfgs. */
static lbfgsfloatval_t
evaluate(void *arg, const lbfgsfloatval_t *theta, lbfgsfloatval_t *g, const int n_vars,
		 const lbfgsfloatval_t step)
{
	Solve *solve = arg;
	LepHeadSet *set = solve->set;
	size_t d = set->d, width = set->d + 1;
	double stretch = solve->stretch;
	double l2 = solve->l2 * stretch * stretch;
	double loss = 0, norm = 0;

	memset(g, 0, (size_t) n_vars * sizeof(*g));
	narrow_weights(set, theta, solve->stretch);
	for (size_t b = 0; b < set->n_blocks && !solve->cancelled; b++)
	{
		const LepHeadBlock *block = &set->blocks[b];

		if (!is_chosen(block, solve->parts))
			continue;
		if (!product(set, set->w, block->rows, set->scores, block->n, d, solve->stop))
			solve->cancelled = true;
		else if (set->k == 1)
			loss += binomial_loss(set, block, theta[d], &g[d]);
		else
			loss += softmax_loss(set, block, theta + d, g + d, width);
		if (!solve->cancelled &&
			!product(set, set->scores, block->columns, set->partial, d, block->n, solve->stop))
			solve->cancelled = true;
		for (size_t label = 0; label < set->k; label++)
			for (size_t j = 0; j < d; j++)
				g[label * width + j] += set->partial[label * d + j];
	}
	for (size_t label = 0; label < set->k; label++)
	{
		const double *w = theta + label * width;
		double *out = g + label * width;

		for (size_t j = 0; j < d; j++)
		{
			norm += w[j] * w[j];
			out[j] = stretch * out[j] / solve->n + l2 * w[j];
		}
		out[d] /= solve->n;
	}
	loss = loss / solve->n + 0.5 * l2 * norm;
	if (!isfinite(loss))
		solve->not_finite = true;
	if (solve->cancelled || solve->not_finite)
		loss = -DBL_MAX;
	else if (step != 0)
		return refine(solve, theta, g, loss);
	else
	{
		remember(solve, theta, g, loss);
		if (solve->gradient > solve->enough)
			return loss;
	}
	/* A flat place ends lbfgs(), or its line search, at once. */
	memset(g, 0, (size_t) n_vars * sizeof(*g));
	return loss;
}

/* Count an iteration and end lbfgs() when there is a reason to. */
static int
after_iteration(void *arg, const lbfgsfloatval_t *theta, const lbfgsfloatval_t *g,
				const lbfgsfloatval_t fx, const lbfgsfloatval_t xnorm, const lbfgsfloatval_t gnorm,
				const lbfgsfloatval_t step, int n_vars, int k, int searches)
{
	Solve *solve = arg;

	(void) n_vars, (void) xnorm, (void) gnorm, (void) step, (void) k, (void) searches;
	if (solve->cancelled || lep_stopped(solve->stop))
		return SOLVE_CANCELLED;
	if (solve->not_finite)
		return SOLVE_NOT_FINITE;
	solve->iterations++;
	remember(solve, theta, g, fx);
	return solve->gradient <= solve->enough ? SOLVE_CONVERGED : 0;
}

/* Report how an optimisation that did not reach its goal ended. */
static LepStatus
judge(const Solve *solve, double c, LepError *err)
{
	if (solve->goal->acceptable <= 0 || solve->gradient <= solve->goal->acceptable)
		return LEP_OK;
	lep_error(err, LEP_NO_CONVERGENCE, "the classifier did not converge");
	lep_error_detail(err,
					 "After %zu iterations with strength %g the largest gradient is %.3g; at "
					 "most %.3g is accepted.",
					 solve->iterations, c, solve->gradient, solve->goal->acceptable);
	lep_error_hint(err, "Give a smaller strength.");
	return LEP_NO_CONVERGENCE;
}

/* Minimise over the chosen parts, from and into theta[k, d + 1]. */
LepStatus
lep_head_solve(LepHeadSet *set, uint32_t parts, double c, const LepHeadGoal *goal, double *theta,
			   LepHeadResult *result, const LepStop *stop, LepError *err)
{
	Solve solve = {0};
	lbfgs_parameter_t parameters;
	lbfgsfloatval_t *vars;
	double share;
	int code = LBFGS_SUCCESS;

	solve.set = set;
	solve.stop = stop;
	solve.goal = goal;
	solve.parts = parts;
	for (uint32_t p = 0; p < LEP_HEAD_MAX_PARTS; p++)
		if (parts >> p & 1)
			solve.n += (double) set->part_rows[p];
	solve.l2 = 1 / (c * solve.n * set->scale * set->scale);
	share = 1 / (double) set->n_labels;
	solve.stretch = 1 / sqrt(1 + solve.l2 / (share * (1 - share)));
	solve.gradient = DBL_MAX;
	lbfgs_parameter_init(&parameters);
	parameters.m = HISTORY;
	parameters.epsilon = 0; /* after_iteration() decides */
	parameters.max_linesearch = LINE_SEARCHES;
	solve.last_theta = set->last_theta;
	solve.last_g = set->last_g;
	vars = lbfgs_malloc((int) set->n_vars);
	if (vars == NULL)
		return no_memory(err);
	memcpy(vars, theta, set->n_vars * sizeof(double));
	scale_weights(set, vars, 1 / solve.stretch);
	for (int attempt = 0; attempt <= RESTARTS; attempt++)
	{
		size_t before = solve.iterations;

		parameters.max_iterations = goal->max_iterations - (int) before;
		code = lbfgs((int) set->n_vars, vars, NULL, evaluate, after_iteration, &solve, &parameters);
		if (code >= 0 || code == LBFGSERR_OUTOFMEMORY || code == LBFGSERR_MAXIMUMITERATION ||
			solve.cancelled || solve.iterations == before ||
			solve.iterations >= (size_t) goal->max_iterations)
			break;
	}
	scale_weights(set, vars, solve.stretch);
	memcpy(theta, vars, set->n_vars * sizeof(double));
	lbfgs_free(vars);
	result->iterations = solve.iterations;
	result->gradient = solve.gradient;
	if (code == SOLVE_CANCELLED || solve.cancelled)
		return cancelled(err);
	if (code == LBFGSERR_OUTOFMEMORY)
		return no_memory(err);
	if (code == SOLVE_NOT_FINITE || solve.not_finite)
		return lep_error(err, LEP_NOT_FINITE, "the classifier's loss is not finite");
	if (code == SOLVE_CONVERGED || code == LBFGS_ALREADY_MINIMIZED)
		return LEP_OK;
	return judge(&solve, c, err);
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
	narrow_weights(set, theta, 1);
	for (size_t b = 0; b < set->n_blocks; b++)
	{
		const LepHeadBlock *block = &set->blocks[b];

		if (!is_chosen(block, parts))
			continue;
		if (!product(set, set->w, block->rows, set->scores, block->n, set->d, stop))
			return cancelled(err);
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
