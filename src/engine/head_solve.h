/*
 * head_solve.h: one fit of the linear classifier over some parts of the rows.
 *
 *		lep_head_set_build(&set, data, part, n_parts, kernels, arena, stop, err);
 *		lep_head_solve(&set, parts, c, &goal, theta, &result, stop, err);
 *		lep_head_count(&set, parts, theta, &right, &total, stop, err);
 *
 * Rows are laid out once, by part (a fold, the held-out rows ...), so that
 * every fit of a cross-validation runs over whole blocks without moving a row.
 * Everything lives in the arena; only liblbfgs allocates for itself, and frees
 * it before lep_head_solve returns.
 */
#ifndef LEPTON_HEAD_SOLVE_H
#define LEPTON_HEAD_SOLVE_H

#include "head.h"

#define LEP_HEAD_MAX_PARTS 8

/* Some rows of one part, packed for both products of an evaluation. */
typedef struct LepHeadBlock
{
	void *rows;		  /* xs[n, d] packed: scores[k, n] = w[k, d] * xs^T */
	void *columns;	  /* xs^T[d, n] packed: gradient[k, d] = r[k, n] * xs */
	const int32_t *y; /* [n] */
	size_t n;
	uint32_t part;
} LepHeadBlock;

/*
 * The rows as the optimiser sees them: xs = (x - mean) / scale with one scale
 * for all columns.  The intercept is free, so moving the origin changes
 * nothing but the conditioning; the penalty takes the scale into account.
 */
typedef struct LepHeadSet
{
	LepHeadBlock *blocks; /* [n_blocks] */
	size_t n_blocks;
	size_t part_rows[LEP_HEAD_MAX_PARTS];
	size_t d, n_labels;
	size_t k;		   /* rows of theta: 1 with two labels, else n_labels */
	size_t n_vars;	   /* k * (d + 1) */
	size_t label_step; /* rows of theta in one product, so that cancelling stays quick */
	double *mean;	   /* [d] */
	double scale;
	const LepKernels *kernels;
	float *w;					 /* [k, d]: theta's weights for the kernels */
	float *scores;				 /* [k, rows of the largest block]; the residuals replace them */
	float *partial;				 /* [k, d]: one block's gradient */
	double *last_theta, *last_g; /* [k, d + 1] */
	double *top;				 /* [rows of the largest block] */
	double *sum;				 /* [rows of the largest block] */
} LepHeadSet;

/*
 * When to be content.  The penalty makes the objective strongly convex, so a
 * gradient of at most precision * (penalty's curvature) * |W| puts W within
 * precision * |W| of the minimum.
 */
typedef struct LepHeadGoal
{
	double precision;
	double acceptable; /* of the gradient, when rounding allows no progress; <= 0: anything */
	int max_iterations;
} LepHeadGoal;

typedef struct LepHeadResult
{
	size_t iterations;
	double gradient; /* its length at theta */
} LepHeadResult;

/*
 * Lay out the rows of data; part[n_rows] names each row's part, below n_parts.
 * data->y has been checked; LEP_NOT_FINITE when x is not.
 */
LepStatus lep_head_set_build(LepHeadSet *set, const LepHeadData *data, const uint32_t *part,
							 size_t n_parts, const LepKernels *kernels, LepArena *arena,
							 const LepStop *stop, LepError *err);

/*
 * Minimise over the parts whose bit is set, from and into theta[k, d + 1]
 * (a row is d weights over xs, then the intercept).
 */
LepStatus lep_head_solve(LepHeadSet *set, uint32_t parts, double c, const LepHeadGoal *goal,
						 double *theta, LepHeadResult *result, const LepStop *stop, LepError *err);

/* Count the rows of parts and those that theta[k, d + 1] labels right. */
LepStatus lep_head_count(LepHeadSet *set, uint32_t parts, const double *theta, size_t *right,
						 size_t *total, const LepStop *stop, LepError *err);

/*
 * Write theta[k, d + 1] as w[n_labels, d] and bias[n_labels] over x, in softmax
 * form, the intercepts' sum zero; LEP_NOT_FINITE when f32 cannot hold them.
 */
LepStatus lep_head_export(const LepHeadSet *set, const double *theta, float *w, float *bias,
						  LepError *err);

#endif
