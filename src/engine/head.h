/*
 * head.h: a linear classifier on frozen embeddings: multinomial logistic
 * regression with L2, fitted by L-BFGS, strength chosen by cross-validation.
 *
 * Objective (scikit-learn's LogisticRegression, same C):
 *		C * sum_i loss(y_i, W x_i + b) + 1/2 |W|^2		(b is not penalised)
 * with two labels the binomial loss on one row of W, with more the softmax
 * loss on one row per label.
 */
#ifndef LEPTON_HEAD_H
#define LEPTON_HEAD_H

#include "../../kernels/lepton_kernels.h"
#include "base.h"

typedef struct LepHeadData
{
	const float *x;	  /* [n_rows, d] */
	const int32_t *y; /* [n_rows], 0 <= y < n_labels */
	size_t n_rows, d, n_labels;
} LepHeadData;

typedef struct LepHeadReport
{
	double c;			  /* chosen strength, scikit-learn's C */
	double cv_accuracy;	  /* mean over the folds at c; 0 without folds */
	double test_accuracy; /* on the held-out rows, of a fit on the others; 0 without */
	size_t n_train, n_test;
	size_t n_folds;	   /* 5; 0 when c was given, or nothing could be chosen and c is 1 */
	size_t iterations; /* of the final fit */
} LepHeadReport;

/* Called between steps: done of total units of work. */
typedef struct LepHeadProgress
{
	void (*report)(void *arg, uint64_t done, uint64_t total);
	void *arg;
} LepHeadProgress;

/*
 * Hold out a fifth, choose C on the rest, measure on the fifth, then fit all rows with that C.
 *
 * seed decides the split: each label's rows are shuffled (splitmix64), every
 * fifth row is held out and the others are dealt to five folds, so that every
 * part has its share of each label within one row.  A label's only row is
 * neither held out nor in a fold: every fit learns from it, as from the last
 * row that holding out left to a label.  A label of two to four rows may be
 * missing from the held-out rows or from some folds.
 *
 * C is the one of numpy.logspace(-4, 4, 10) with the best mean accuracy over
 * the folds, the smallest of equals.  c > 0 skips the choice; so do fewer than
 * five rows for the folds, and then C is 1.
 *
 * w[n_labels, d] and bias[n_labels] get the softmax form (two labels: the
 * binomial row w1 becomes (-w1/2, +w1/2), which gives the same probabilities);
 * the intercepts' sum is zero.
 *
 * The arena needs some two and a half times the bytes of x, and keeps them.  liblbfgs
 * allocates and frees 26 * 8 bytes for every weight on its own.
 *
 * LEP_BAD_INPUT: fewer than two labels or ten rows, a label without rows, a
 * label or c out of range (c: 1e-20 to 1e20).  LEP_TOO_LARGE: n_labels * (d + 1) above
 * 524,288.  LEP_NOT_FINITE: an x that is not finite, or weights that f32 cannot hold.
 * LEP_NO_CONVERGENCE: a kept fit did not come near its minimum.  w, bias and
 * report hold nothing useful then.
 */
LepStatus lep_head_train(const LepHeadData *data, double c, uint64_t seed,
						 const LepKernels *kernels, LepArena *arena, float *w, float *bias,
						 LepHeadReport *report, const LepHeadProgress *progress,
						 const LepStop *stop, LepError *err);

/* Fit all rows (at least two) at one C > 0; the piece that tests compare with scikit-learn. */
LepStatus lep_head_fit(const LepHeadData *data, double c, const LepKernels *kernels,
					   LepArena *arena, float *w, float *bias, size_t *iterations,
					   const LepStop *stop, LepError *err);

#endif
