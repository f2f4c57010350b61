/*
 * head.c: trains a classifier: checks the rows, splits them, chooses the
 * strength by cross-validation and measures; leaves every fit to
 * head_solve.c.
 */
#define LEPTON_ENGINE_SOURCE
#include "head.h"

#include <math.h>
#include <string.h>

#include "head_solve.h"

#define N_FOLDS		 5
#define N_PARTS		 (N_FOLDS + 2)
#define PART_TEST	 N_FOLDS	   /* the held-out fifth */
#define PART_TRAIN	 (N_FOLDS + 1) /* rows that every fit before the last learns from */
#define ALL_PARTS	 ((UINT32_C(1) << N_PARTS) - 1)
#define N_STRENGTHS	 10 /* 1e-4 ... 1e4 */
#define MIN_STRENGTH 1e-20
#define MAX_STRENGTH 1e20
#define MIN_ROWS	 10
#define ASK_EVERY	 ((size_t) 1 << 17) /* rows between two questions to stop */
#define TEST_SHARE	 5					/* one row in five is held out */

/* A fit of the cross-validation; LogisticRegressionCV, too, stops at 100 iterations. */
static const LepHeadGoal search_goal = {0.05, 0, 100};
/* A fit that is kept. */
static const LepHeadGoal final_goal = {1e-4, 1e-4, 3000};

/* The next number of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* A number below n, all equally likely. */
static size_t
random_below(uint64_t *state, size_t n)
{
	uint64_t whole = UINT64_MAX - UINT64_MAX % n; /* a multiple of n */
	uint64_t r;

	do
		r = next_random(state);
	while (r >= whole);
	return (size_t) (r % n);
}

/* Shuffle rows[n] (Fisher and Yates); false when stopped. */
static bool
shuffle(size_t *rows, size_t n, uint64_t *state, const LepStop *stop)
{
	for (size_t i = n; i > 1; i--)
	{
		size_t j = random_below(state, i);
		size_t row = rows[i - 1];

		if (i % ASK_EVERY == 0 && lep_stopped(stop))
			return false;
		rows[i - 1] = rows[j];
		rows[j] = row;
	}
	return true;
}

/* Refuse a strength that arithmetic cannot stand. */
static LepStatus
check_strength(double c, LepError *err)
{
	if (c >= MIN_STRENGTH && c <= MAX_STRENGTH)
		return LEP_OK;
	lep_error(err, LEP_BAD_INPUT, "the strength is out of range");
	lep_error_detail(err, "It is %g, and must be between %g and %g.", c, MIN_STRENGTH,
					 MAX_STRENGTH);
	return LEP_BAD_INPUT;
}

/* Count the rows of each label into counts[n_labels], and refuse what cannot be learned. */
static LepStatus
count_labels(const LepHeadData *data, size_t min_rows, LepArena *arena, size_t **counts,
			 LepError *err)
{
	if (data->n_labels < 2)
	{
		lep_error(err, LEP_BAD_INPUT, "a classifier needs at least two labels");
		lep_error_detail(err, "The %zu rows have %zu.", data->n_rows, data->n_labels);
		return LEP_BAD_INPUT;
	}
	if (data->n_rows < min_rows)
	{
		lep_error(err, LEP_BAD_INPUT, "too few rows to train a classifier");
		lep_error_detail(err, "There are %zu, at least %zu are needed.", data->n_rows, min_rows);
		return LEP_BAD_INPUT;
	}
	if (data->d == 0)
		return lep_error(err, LEP_BAD_INPUT, "embeddings have no dimensions");
	if (data->n_labels > data->n_rows)
	{
		lep_error(err, LEP_BAD_INPUT, "a label has no rows");
		lep_error_detail(err, "There are %zu labels and %zu rows.", data->n_labels, data->n_rows);
		return LEP_BAD_INPUT;
	}
	*counts = lep_arena_array(arena, data->n_labels, sizeof(**counts));
	if (*counts == NULL)
		return lep_head_no_memory(err);
	for (size_t i = 0; i < data->n_rows; i++)
	{
		if (data->y[i] < 0 || (size_t) data->y[i] >= data->n_labels)
		{
			lep_error(err, LEP_BAD_INPUT, "a label is out of range");
			lep_error_detail(err, "Row %zu has label %d of %zu.", i + 1, (int) data->y[i],
							 data->n_labels);
			return LEP_BAD_INPUT;
		}
		(*counts)[data->y[i]]++;
	}
	for (size_t label = 0; label < data->n_labels; label++)
		if ((*counts)[label] == 0)
		{
			lep_error(err, LEP_BAD_INPUT, "a label has no rows");
			lep_error_detail(err, "Label %zu of %zu has none.", label, data->n_labels);
			return LEP_BAD_INPUT;
		}
	return LEP_OK;
}

/*
 * Name the part[n_rows] of each row; *n_dealt counts those in the folds.
 *
 * The rows of each label are shuffled and the labels laid end to end.  Every
 * fifth is held out; the others are dealt to the folds in turn.  So each
 * label is spread as evenly as its rows allow, and all parts have the same
 * size within one row.  A label's last row to learn from is never dealt.
 */
static LepStatus
split(const LepHeadData *data, const size_t *counts, uint64_t seed, LepArena *arena, uint32_t *part,
	  size_t *n_dealt, const LepStop *stop, LepError *err)
{
	size_t *rows = lep_arena_array(arena, data->n_rows, sizeof(*rows)); /* by label */
	size_t *ends = lep_arena_array(arena, data->n_labels, sizeof(*ends));
	size_t seen = 0, begin = 0;

	if (rows == NULL || ends == NULL)
		return lep_head_no_memory(err);
	for (size_t label = 0; label < data->n_labels; label++)
	{
		ends[label] = begin;
		begin += counts[label];
	}
	for (size_t i = 0; i < data->n_rows; i++)
		rows[ends[data->y[i]]++] = i;
	begin = 0;
	for (size_t label = 0; label < data->n_labels; label++)
	{
		size_t kept = 0; /* rows[begin .. begin + kept] are not held out */

		if (lep_stopped(stop) || !shuffle(rows + begin, counts[label], &seed, stop))
			return lep_head_cancelled(err);
		for (size_t i = begin; i < ends[label]; i++)
		{
			if (counts[label] > 1 && seen++ % TEST_SHARE == TEST_SHARE - 1)
				part[rows[i]] = PART_TEST;
			else
				rows[begin + kept++] = rows[i];
		}
		for (size_t i = begin; i < begin + kept; i++)
			part[rows[i]] = kept > 1 ? (uint32_t) ((*n_dealt)++ % N_FOLDS) : PART_TRAIN;
		begin = ends[label];
	}
	return LEP_OK;
}

/* What the steps of one training share. */
typedef struct Training
{
	LepHeadSet set;
	double *theta; /* [k, d + 1] */
	const LepHeadProgress *progress;
	uint64_t done, total; /* fits */
	const LepStop *stop;
	LepError *err;
} Training;

/* Fit parts from training->theta and report the step. */
static LepStatus
fit(Training *training, uint32_t parts, double c, const LepHeadGoal *goal, size_t *iterations)
{
	const LepHeadProgress *progress = training->progress;
	LepHeadResult result;
	LepStatus status = lep_head_solve(&training->set, parts, c, goal, training->theta, &result,
									  training->stop, training->err);

	if (status != LEP_OK)
		return status;
	*iterations = result.iterations;
	training->done++;
	if (progress != NULL && progress->report != NULL)
		progress->report(progress->arg, training->done, training->total);
	return LEP_OK;
}

/* The strength at position i of the grid, numpy.logspace(-4, 4, 10)[i]. */
static double
strength(int i)
{
	return pow(10, -4 + 8.0 * i / (N_STRENGTHS - 1));
}

/*
 * Choose the strength of the best mean accuracy over the folds, the smaller
 * of equals.  A fold walks the grid upwards, each fit beginning at the last.
 */
static LepStatus
choose_strength(Training *training, LepHeadReport *report)
{
	LepHeadSet *set = &training->set;
	double accuracy[N_STRENGTHS] = {0};
	int best = 0;

	for (uint32_t fold = 0; fold < N_FOLDS; fold++)
	{
		uint32_t held = UINT32_C(1) << fold;
		uint32_t parts = ALL_PARTS & ~(UINT32_C(1) << PART_TEST) & ~held;

		memset(training->theta, 0, set->n_vars * sizeof(double));
		for (int i = 0; i < N_STRENGTHS; i++)
		{
			size_t iterations, right, total;
			LepStatus status = fit(training, parts, strength(i), &search_goal, &iterations);

			if (status == LEP_OK)
				status = lep_head_count(set, held, training->theta, &right, &total, training->stop,
										training->err);
			if (status != LEP_OK)
				return status;
			accuracy[i] += (double) right / (double) total / N_FOLDS;
		}
	}
	for (int i = 1; i < N_STRENGTHS; i++)
		if (accuracy[i] > accuracy[best] + 1e-12)
			best = i;
	report->c = strength(best);
	report->cv_accuracy = accuracy[best];
	report->n_folds = N_FOLDS;
	return LEP_OK;
}

/* Hold out a fifth, choose the strength, measure, and fit all rows. */
LepStatus
lep_head_train(const LepHeadData *data, double c, uint64_t seed, const LepKernels *kernels,
			   LepArena *arena, float *w, float *bias, LepHeadReport *report,
			   const LepHeadProgress *progress, const LepStop *stop, LepError *err)
{
	Training training = {0};
	LepHeadSet *set = &training.set;
	uint32_t *part;
	size_t *counts;
	size_t n_dealt = 0, iterations, right;
	LepStatus status = c <= 0 ? LEP_OK : check_strength(c, err);

	if (status == LEP_OK)
		status = count_labels(data, MIN_ROWS, arena, &counts, err);
	if (status != LEP_OK)
		return status;
	part = lep_arena_array(arena, data->n_rows, sizeof(*part));
	if (part == NULL)
		return lep_head_no_memory(err);
	status = split(data, counts, seed, arena, part, &n_dealt, stop, err);
	if (status == LEP_OK)
		status = lep_head_set_build(set, data, part, N_PARTS, kernels, arena, stop, err);
	if (status != LEP_OK)
		return status;
	training.theta = lep_arena_array(arena, set->n_vars, sizeof(double));
	if (training.theta == NULL)
		return lep_head_no_memory(err);
	training.progress = progress;
	training.stop = stop;
	training.err = err;
	memset(report, 0, sizeof(*report));
	report->c = c > 0 ? c : 1;
	training.total = 2;
	if (c <= 0 && n_dealt >= N_FOLDS)
	{
		training.total += N_FOLDS * N_STRENGTHS;
		if ((status = choose_strength(&training, report)) != LEP_OK)
			return status;
	}
	memset(training.theta, 0, set->n_vars * sizeof(double));
	status = fit(&training, ALL_PARTS & ~(UINT32_C(1) << PART_TEST), report->c, &final_goal,
				 &iterations);
	if (status == LEP_OK)
		status = lep_head_count(set, UINT32_C(1) << PART_TEST, training.theta, &right,
								&report->n_test, stop, err);
	if (status != LEP_OK)
		return status;
	report->n_train = data->n_rows - report->n_test;
	if (report->n_test > 0)
		report->test_accuracy = (double) right / (double) report->n_test;
	status = fit(&training, ALL_PARTS, report->c, &final_goal, &report->iterations);
	if (status == LEP_OK)
		status = lep_head_export(set, training.theta, w, bias, err);
	return status;
}

/* Fit all rows at one strength. */
LepStatus
lep_head_fit(const LepHeadData *data, double c, const LepKernels *kernels, LepArena *arena,
			 float *w, float *bias, size_t *iterations, const LepStop *stop, LepError *err)
{
	Training training = {0};
	uint32_t *part;
	size_t *counts;
	LepStatus status = check_strength(c, err);

	if (status == LEP_OK)
		status = count_labels(data, 2, arena, &counts, err);
	if (status != LEP_OK)
		return status;
	part = lep_arena_array(arena, data->n_rows, sizeof(*part)); /* all rows in part 0 */
	if (part == NULL)
		return lep_head_no_memory(err);
	status = lep_head_set_build(&training.set, data, part, 1, kernels, arena, stop, err);
	if (status != LEP_OK)
		return status;
	training.theta = lep_arena_array(arena, training.set.n_vars, sizeof(double));
	if (training.theta == NULL)
		return lep_head_no_memory(err);
	training.stop = stop;
	training.err = err;
	status = fit(&training, 1, c, &final_goal, iterations);
	if (status == LEP_OK)
		status = lep_head_export(&training.set, training.theta, w, bias, err);
	return status;
}
