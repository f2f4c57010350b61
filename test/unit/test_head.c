/*
 * test_head.c: training of classifiers: weights against scikit-learn's, the
 * split and its corner cases, cancelling at every question, memory limits
 * and refused input.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/head.h"
#include "head_golden.h"
#include "testing.h"

#define MAX_LABELS 32
#define MAX_D	   64

static const LepKernels *kernels;
static float w[MAX_LABELS * MAX_D];
static float bias[MAX_LABELS];
static uint64_t noise_state = 1;

/* A number of a simple generator, in -1 ... 1. */
static float
noise(void)
{
	noise_state = noise_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (float) (noise_state >> 40) / (float) (1 << 23) - 1;
}

/* Fill x[n, d] with rows around one centre per label, y[n]; label i % n_labels. */
static LepHeadData
make_rows(float *x, int32_t *y, size_t n, size_t d, size_t n_labels, float spread)
{
	LepHeadData data = {x, y, n, d, n_labels};
	float centres[MAX_LABELS * MAX_D];

	for (size_t i = 0; i < n_labels * d; i++)
		centres[i] = noise();
	for (size_t i = 0; i < n; i++)
	{
		y[i] = (int32_t) (i % n_labels);
		for (size_t j = 0; j < d; j++)
			x[i * d + j] = centres[(size_t) y[i] * d + j] + spread * noise();
	}
	return data;
}

/* Train with a fresh arena of limit bytes. */
static LepStatus
train(const LepHeadData *data, double c, uint64_t seed, size_t limit, LepHeadReport *report,
	  const LepHeadProgress *progress, const LepStop *stop, LepError *err)
{
	LepArena arena;
	LepStatus status;

	lep_arena_init(&arena, &lep_malloc_allocator, limit);
	status = lep_head_train(data, c, seed, kernels, &arena, w, bias, report, progress, stop, err);
	lep_arena_free(&arena);
	return status;
}

/* Fit with a fresh arena. */
static LepStatus
fit(const LepHeadData *data, double c, LepError *err)
{
	LepArena arena;
	LepStatus status;
	size_t iterations;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_head_fit(data, c, kernels, &arena, w, bias, &iterations, NULL, err);
	lep_arena_free(&arena);
	return status;
}

/* The largest absolute number of a[n]. */
static double
largest(const float *a, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double) a[i]));
	return most;
}

/* The label that w and bias give x[d]. */
static int32_t
predict(const LepHeadData *data, const float *x)
{
	int32_t label = 0;
	double best = -DBL_MAX;

	for (size_t i = 0; i < data->n_labels; i++)
	{
		double z = bias[i];

		for (size_t j = 0; j < data->d; j++)
			z += (double) w[i * data->d + j] * x[j];
		if (z > best)
		{
			best = z;
			label = (int32_t) i;
		}
	}
	return label;
}

/* Compare with the weights that scikit-learn found. */
static void
test_golden(const Golden *golden)
{
	LepHeadData data = {golden->x, golden->y, golden->n_rows, golden->d, golden->n_labels};
	size_t n = golden->n_labels * golden->d;
	double w_limit = 5e-4 * largest(golden->w, n);
	double bias_limit = 5e-4 * (largest(golden->bias, golden->n_labels) + 1);
	LepError err = {0};
	LepStatus status = fit(&data, golden->c, &err);

	if (!check(status == LEP_OK, "%s: %d %s %s", golden->name, status, err.message, err.detail))
		return;
	for (size_t i = 0; i < n; i++)
		check(fabs((double) w[i] - golden->w[i]) <= w_limit, "%s: w[%zu] is %g, not %g",
			  golden->name, i, (double) w[i], (double) golden->w[i]);
	for (size_t i = 0; i < golden->n_labels; i++)
		check(fabs((double) bias[i] - golden->bias[i]) <= bias_limit, "%s: bias[%zu] is %g, not %g",
			  golden->name, i, (double) bias[i], (double) golden->bias[i]);
}

/* What the progress callback has seen. */
typedef struct Seen
{
	uint64_t calls, done, total;
	bool ordered;
} Seen;

static void
see(void *arg, uint64_t done, uint64_t total)
{
	Seen *seen = arg;

	seen->ordered = (seen->calls == 0 || (done > seen->done && total == seen->total));
	seen->calls++;
	seen->done = done;
	seen->total = total;
}

/* Easy rows: everything is found, reported and the same the second time. */
static void
test_train(size_t n, size_t d, size_t n_labels)
{
	float *x = malloc(n * d * sizeof(*x));
	int32_t *y = malloc(n * sizeof(*y));
	LepHeadData data = make_rows(x, y, n, d, n_labels, 0.2f);
	float *first = malloc(n_labels * d * sizeof(*first));
	Seen seen = {0};
	LepHeadProgress progress = {see, &seen};
	LepHeadReport report, again;
	LepError err = {0};
	size_t right = 0;

	check(train(&data, 0, 1, 0, &report, &progress, NULL, &err) == LEP_OK, "%zu rows: %s", n,
		  err.message);
	check(report.n_test == n / 5 && report.n_train == n - n / 5, "%zu rows: %zu + %zu", n,
		  report.n_train, report.n_test);
	check(report.n_folds == 5 && report.c >= 1e-4 && report.c <= 1e4, "%zu rows: c %g", n,
		  report.c);
	check(report.test_accuracy == 1 && fabs(report.cv_accuracy - 1) < 1e-9,
		  "%zu rows: accuracy %g, %g", n, report.test_accuracy, report.cv_accuracy);
	check(seen.calls == 52 && seen.done == 52 && seen.total == 52 && seen.ordered,
		  "%zu rows: progress %d of %d in %d calls", n, (int) seen.done, (int) seen.total,
		  (int) seen.calls);
	for (size_t i = 0; i < n; i++)
		right += predict(&data, x + i * d) == y[i];
	check(right == n, "%zu rows: %zu right", n, right);
	memcpy(first, w, n_labels * d * sizeof(*first));
	check(train(&data, 0, 1, 0, &again, NULL, NULL, &err) == LEP_OK, "%zu rows: %s", n,
		  err.message);
	check(memcmp(first, w, n_labels * d * sizeof(*first)) == 0 && again.c == report.c,
		  "%zu rows: the second training differs", n);
	check(train(&data, report.c, 99, 0, &again, NULL, NULL, &err) == LEP_OK && again.n_folds == 0,
		  "%zu rows: c given: %s", n, err.message);
	/* The split only chooses c: the final fit does not depend on the seed but for its start. */
	for (size_t i = 0; i < n_labels * d; i++)
		check(fabs((double) w[i] - first[i]) <= 1e-3 * largest(first, n_labels * d),
			  "%zu rows: weight %zu depends on the seed", n, i);
	free(x);
	free(y);
	free(first);
}

/* Noise without any sense is learned no better than by always giving the larger label. */
static void
test_noise(void)
{
	static float x[200 * 8];
	static int32_t y[200];
	LepHeadData data = make_rows(x, y, 200, 8, 2, 50);
	LepHeadReport report;
	LepError err = {0};

	for (size_t i = 0; i < 200; i++)
		y[i] = i % 4 == 0;
	check(train(&data, 0, 1, 0, &report, NULL, NULL, &err) == LEP_OK, "noise: %s", err.message);
	check(report.c < 1 && report.cv_accuracy >= 0.7 && report.n_test == 40 &&
			  report.test_accuracy == 0.75,
		  "noise: c %g, %g, %g of %zu", report.c, report.cv_accuracy, report.test_accuracy,
		  report.n_test);
}

/* Labels with a row or two, and rows that are all alike. */
static void
test_few_rows(void)
{
	float x[40 * 3];
	int32_t y[40];
	LepHeadData data = make_rows(x, y, 40, 3, 2, 0.1f);
	LepHeadReport report;
	LepError err = {0};

	/* One row of its own for every label: nothing to hold out, nothing to choose. */
	data.n_rows = data.n_labels = 12;
	for (int32_t i = 0; i < 12; i++)
		y[i] = i;
	check(train(&data, 0, 1, 0, &report, NULL, NULL, &err) == LEP_OK, "single rows: %s",
		  err.message);
	check(report.c == 1 && report.n_folds == 0 && report.n_test == 0 && report.n_train == 12,
		  "single rows: c %g, %zu folds, %zu held out", report.c, report.n_folds, report.n_test);

	/* One label with one row, one with two, and enough others. */
	data.n_rows = 40;
	data.n_labels = 4;
	for (int32_t i = 0; i < 40; i++)
		y[i] = i == 7 ? 2 : i == 8 || i == 30 ? 3 : i % 2;
	for (uint64_t seed = 0; seed < 20; seed++)
	{
		check(train(&data, 0, seed, 0, &report, NULL, NULL, &err) == LEP_OK, "rare labels: %s",
			  err.message);
		check(report.n_folds == 5 && report.n_test == 7, "rare labels: %zu held out",
			  report.n_test);
	}

	/* All rows alike: only the intercepts can learn, and they learn the shares. */
	data.n_labels = 2;
	for (size_t i = 0; i < 40; i++)
	{
		y[i] = i < 10;
		x[i * 3] = 5;
		x[i * 3 + 1] = -1e-3f;
		x[i * 3 + 2] = 0;
	}
	check(train(&data, 0, 1, 0, &report, NULL, NULL, &err) == LEP_OK, "equal rows: %s",
		  err.message);
	check(report.test_accuracy == 0.75 && largest(w, 6) < 1e-3, "equal rows: %g, w %g",
		  report.test_accuracy, largest(w, 6));
	check(fabs(bias[1] - bias[0] - log(10.0 / 30)) < 1e-3, "equal rows: bias %g",
		  (double) (bias[1] - bias[0]));
}

/* The scale of x changes nothing but the weights' scale, with c to match. */
static void
test_scale(void)
{
	static const float scales[] = {1e-15f, 1e-6f, 1e6f, 1e15f};
	float x[60 * 4], scaled[60 * 4], first[3 * 4];
	int32_t y[60];
	LepHeadData data = make_rows(x, y, 60, 4, 3, 0.8f);
	LepError err = {0};

	check(fit(&data, 2, &err) == LEP_OK, "scale 1: %s", err.message);
	memcpy(first, w, sizeof(first));
	data.x = scaled;
	for (size_t s = 0; s < 4; s++)
	{
		double c = 2 / ((double) scales[s] * scales[s]);

		for (size_t i = 0; i < 60 * 4; i++)
			scaled[i] = x[i] * scales[s];
		if (c > 1e20 || c < 1e-20)
			c = c > 1 ? 1e20 : 1e-20;
		check(fit(&data, c, &err) == LEP_OK, "scale %g: %s %s", (double) scales[s], err.message,
			  err.detail);
		if (scales[s] < 1e-10f || scales[s] > 1e10f)
			continue;
		for (size_t i = 0; i < 12; i++)
			check(fabs((double) w[i] * scales[s] - first[i]) < 1e-3 * largest(first, 12),
				  "scale %g: weight %zu", (double) scales[s], i);
	}
}

/* A stop that asks to stop after some questions. */
typedef struct Countdown
{
	long left, asked;
} Countdown;

static bool
count_down(void *arg)
{
	Countdown *countdown = arg;

	countdown->asked++;
	return countdown->left-- <= 0;
}

/* Cancel at every question of a small training. */
static void
test_cancel(size_t n_labels)
{
	float x[30 * 2];
	int32_t y[30];
	LepHeadData data = make_rows(x, y, 30, 2, n_labels, 0.5f);
	LepHeadReport report;
	LepError err = {0};
	Countdown countdown = {10000000, 0};
	LepStop stop = {count_down, &countdown};
	long all;

	check(train(&data, 0, 1, 0, &report, NULL, &stop, &err) == LEP_OK, "%s", err.message);
	all = countdown.asked;
	check(all > 500, "only %ld questions", all);
	for (long i = 0; i < all; i += i < 500 ? 1 : 37)
	{
		countdown.left = i;
		countdown.asked = 0;
		check(train(&data, 0, 1, 0, &report, NULL, &stop, &err) == LEP_CANCELLED,
			  "cancelling at question %ld of %ld", i, all);
		check(countdown.asked <= i + 3, "%ld questions after the answer to number %ld",
			  countdown.asked - i, i);
	}
}

/* Train under every memory limit in steps: an error or success, nothing else. */
static void
test_memory(void)
{
	float x[30 * 3];
	int32_t y[30];
	LepHeadData data = make_rows(x, y, 30, 3, 3, 0.5f);
	LepHeadReport report;
	LepError err;
	size_t refused = 0;
	LepStatus status = LEP_NO_MEMORY;

	for (size_t limit = 64; limit < 10000000 && status != LEP_OK; limit += 192)
	{
		memset(&err, 0, sizeof(err));
		status = train(&data, 1, 1, limit, &report, NULL, NULL, &err);
		check(status == LEP_OK || (status == LEP_NO_MEMORY && err.message[0] != 0),
			  "limit %zu: status %d", limit, status);
		refused += status != LEP_OK;
	}
	check(status == LEP_OK && refused > 3, "memory: status %d after %zu refusals", status, refused);
}

/* Check that training data at strength c is refused with status and words. */
static void
refuse(const LepHeadData *data, double c, LepStatus status, const char *words)
{
	LepHeadReport report;
	LepError err = {0};
	LepStatus got = train(data, c, 1, 0, &report, NULL, NULL, &err);

	check(got == status && strstr(err.message, words) != NULL, "\"%s\": status %d, \"%s\"", words,
		  got, err.message);
	check(train(data, c, 1, 0, &report, NULL, NULL, NULL) == status, "\"%s\" without a record",
		  words);
}

/* Input that cannot be learned from. */
static void
test_refused(void)
{
	float x[40 * 3];
	int32_t y[40];
	LepHeadData good = make_rows(x, y, 40, 3, 2, 0.5f);
	LepHeadData data = good;
	LepError err = {0};

	data.n_labels = 1;
	refuse(&data, 0, LEP_BAD_INPUT, "at least two labels");
	data = good;
	data.n_rows = 9;
	refuse(&data, 0, LEP_BAD_INPUT, "too few rows");
	data.n_rows = 0;
	refuse(&data, 0, LEP_BAD_INPUT, "too few rows");
	data = good;
	data.d = 0;
	refuse(&data, 0, LEP_BAD_INPUT, "no dimensions");
	data = good;
	data.n_labels = 3;
	refuse(&data, 0, LEP_BAD_INPUT, "a label has no rows");
	data.n_labels = SIZE_MAX;
	refuse(&data, 0, LEP_BAD_INPUT, "a label has no rows");
	data = good;
	y[11] = 2;
	refuse(&data, 0, LEP_BAD_INPUT, "out of range");
	y[11] = -1;
	refuse(&data, 0, LEP_BAD_INPUT, "out of range");
	y[11] = 1;
	refuse(&data, (double) NAN, LEP_BAD_INPUT, "strength");
	refuse(&data, (double) INFINITY, LEP_BAD_INPUT, "strength");
	refuse(&data, 1e-30, LEP_BAD_INPUT, "strength");
	check(fit(&data, 0, &err) == LEP_BAD_INPUT, "fit with c 0");
	check(fit(&data, -1, &err) == LEP_BAD_INPUT, "fit with c -1");
	x[17] = (float) NAN;
	refuse(&data, 0, LEP_NOT_FINITE, "not finite");
	check(fit(&data, 1, &err) == LEP_NOT_FINITE && strstr(err.detail, "Row 6 of 40") != NULL &&
			  strstr(err.detail, "dimension 3") != NULL,
		  "detail: %s", err.detail);
	x[17] = -(float) INFINITY;
	refuse(&data, 0, LEP_NOT_FINITE, "not finite");
}

/* More weights than are allowed. */
static void
test_too_many_labels(void)
{
	size_t n = 1200, d = 500;
	float *x = calloc(n * d, sizeof(*x));
	int32_t *y = calloc(n, sizeof(*y));
	LepHeadData data = {x, y, n, d, n};

	for (size_t i = 0; i < n; i++)
		y[i] = (int32_t) i;
	refuse(&data, 0, LEP_TOO_LARGE, "too many labels");
	free(x);
	free(y);
}

int
main(void)
{
	const char *const *names = lep_kernels_names();

	for (size_t i = 0; names[i] != NULL; i++)
	{
		kernels = lep_kernels_choose(names[i]);
		if (kernels == NULL)
			continue;
		for (size_t g = 0; g < sizeof(goldens) / sizeof(goldens[0]); g++)
			test_golden(&goldens[g]);
	}
	kernels = lep_kernels_choose("auto");
	test_train(10, 3, 2);
	test_train(600, 40, 2);
	test_train(900, 60, 7);
	test_noise();
	test_few_rows();
	test_scale();
	test_cancel(2);
	test_cancel(3);
	test_memory();
	test_refused();
	test_too_many_labels();
	return test_done();
}
