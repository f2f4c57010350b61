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

#define HISTORY		   10	 /* corrections that L-BFGS keeps, as scipy does */
#define LINE_SEARCHES  50	 /* evaluations of a line search, as scikit-learn */
#define RESTARTS	   3	 /* after a line search lost in rounding */
#define NEAR		   1e-5	 /* relative difference below which refine() acts */
#define GRADIENT_FLOOR 1e-12 /* what counts as no gradient at all */

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
	lep_head_narrow(set, theta, solve->stretch);
	for (size_t b = 0; b < set->n_blocks && !solve->cancelled; b++)
	{
		const LepHeadBlock *block = &set->blocks[b];

		if (!lep_head_chosen(block, solve->parts))
			continue;
		if (!lep_head_product(set, set->w, block->rows, set->scores, block->n, d, solve->stop))
			solve->cancelled = true;
		else if (set->k == 1)
			loss += binomial_loss(set, block, theta[d], &g[d]);
		else
			loss += softmax_loss(set, block, theta + d, g + d, width);
		if (!solve->cancelled && !lep_head_product(set, set->scores, block->columns, set->partial,
												   d, block->n, solve->stop))
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
					 "After %zu iterations with strength %g the gradient's length is %.3g; at "
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
		return lep_head_no_memory(err);
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
		return lep_head_cancelled(err);
	if (code == LBFGSERR_OUTOFMEMORY)
		return lep_head_no_memory(err);
	if (code == SOLVE_NOT_FINITE || solve.not_finite)
		return lep_error(err, LEP_NOT_FINITE, "the classifier's loss is not finite");
	if (code == SOLVE_CONVERGED || code == LBFGS_ALREADY_MINIMIZED)
		return LEP_OK;
	return judge(&solve, c, err);
}
