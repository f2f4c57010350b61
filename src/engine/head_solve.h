/*
 * head_solve.h: one fit of the linear classifier over some parts of the rows.
 *
 * liblbfgs allocates for itself, and frees all of it before lep_head_solve
 * returns, whatever it returns.
 */
#ifndef LEPTON_HEAD_SOLVE_H
#define LEPTON_HEAD_SOLVE_H

#include "head_set.h"

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
 * Minimise over the parts whose bit is set, from and into theta[k, d + 1]
 * (a row is d weights over xs, then the intercept).
 */
LepStatus lep_head_solve(LepHeadSet *set, uint32_t parts, double c, const LepHeadGoal *goal,
						 double *theta, LepHeadResult *result, const LepStop *stop, LepError *err);

#endif
