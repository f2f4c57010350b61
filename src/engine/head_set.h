/*
 * head_set.h: the rows of a training set, laid out once by part (a fold, the
 * held-out rows ...), so that every fit of a cross-validation runs over whole
 * blocks without moving a row.
 *
 *		lep_head_set_build(&set, data, part, n_parts, kernels, arena, stop, err);
 *		lep_head_solve(&set, parts, c, &goal, theta, &result, stop, err);
 *		lep_head_count(&set, parts, theta, &right, &total, stop, err);
 *		lep_head_export(&set, theta, w, bias, err);
 *
 * A set of parts is a bit mask.  theta[k, d + 1] holds the weights: a row is d
 * weights over xs, then the intercept.  Everything lives in the arena.
 */
#ifndef LEPTON_HEAD_SET_H
#define LEPTON_HEAD_SET_H

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
 * Lay out the rows of data; part[n_rows] names each row's part, below n_parts.
 * data->y has been checked; LEP_NOT_FINITE when x is not.
 */
LepStatus lep_head_set_build(LepHeadSet *set, const LepHeadData *data, const uint32_t *part,
							 size_t n_parts, const LepKernels *kernels, LepArena *arena,
							 const LepStop *stop, LepError *err);

/* Count the rows of parts and those that theta[k, d + 1] labels right. */
LepStatus lep_head_count(LepHeadSet *set, uint32_t parts, const double *theta, size_t *right,
						 size_t *total, const LepStop *stop, LepError *err);

/*
 * Write theta[k, d + 1] as w[n_labels, d] and bias[n_labels] over x, in softmax
 * form, the intercepts' sum zero; LEP_NOT_FINITE when f32 cannot hold them.
 */
LepStatus lep_head_export(const LepHeadSet *set, const double *theta, float *w, float *bias,
						  LepError *err);

/* True when the rows of block are in parts. */
bool lep_head_chosen(const LepHeadBlock *block, uint32_t parts);

/* set->w[k, d] = stretch * theta[k, d + 1] without the intercepts. */
void lep_head_narrow(LepHeadSet *set, const double *theta, double stretch);

/* out[k, d_out] = x[k, d_in] * packed^T; false when stopped. */
bool lep_head_product(const LepHeadSet *set, const float *x, const void *packed, float *out,
					  size_t d_out, size_t d_in, const LepStop *stop);

/* Fill err and return LEP_NO_MEMORY. */
LepStatus lep_head_no_memory(LepError *err);

/* Fill err and return LEP_CANCELLED. */
LepStatus lep_head_cancelled(LepError *err);

#endif
