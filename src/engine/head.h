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
	double cv_accuracy;	  /* mean over the folds at c */
	double test_accuracy; /* on the held-out fifth */
	size_t n_train, n_test;
	size_t iterations; /* of the final fit */
} LepHeadReport;

/* Called between steps: done of total units of work. */
typedef struct LepHeadProgress
{
	void (*report)(void *arg, uint64_t done, uint64_t total);
	void *arg;
} LepHeadProgress;

/*
 * Hold out a fifth (stratified, chosen by seed), choose C on the rest, measure on the
 * fifth, then fit all rows with that C.  c > 0 skips the choice.
 * w[n_labels, d] and bias[n_labels] get the softmax form (two labels: the
 * binomial row w1 becomes (-w1/2, +w1/2), which gives the same probabilities).
 */
LepStatus lep_head_train(const LepHeadData *data, double c, uint64_t seed,
						 const LepKernels *kernels, LepArena *arena, float *w, float *bias,
						 LepHeadReport *report, const LepHeadProgress *progress,
						 const LepStop *stop, LepError *err);

/* Fit all rows at one C; the piece that tests compare with scikit-learn. */
LepStatus lep_head_fit(const LepHeadData *data, double c, const LepKernels *kernels,
					   LepArena *arena, float *w, float *bias, size_t *iterations,
					   const LepStop *stop, LepError *err);

#endif
