/*
 * head_fit.c: runs the classifier's training on a file of embeddings, for
 * compare_head.py; knows neither models nor texts.
 *
 *		head_fit kernels fit|train C seed input output
 *
 * input: int32 n_rows, d, n_labels; int32 y[n_rows]; float x[n_rows, d].
 * output: float w[n_labels, d], bias[n_labels].  Prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/engine/head.h"

/* Seconds of processor time. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Read n elements of size from file or end the program. */
static void *
read_array(FILE *file, size_t n, size_t size)
{
	void *p = malloc(n * size + 1);

	if (p == NULL || fread(p, size, n, file) != n)
	{
		fprintf(stderr, "head_fit: the input is too short\n");
		exit(1);
	}
	return p;
}

/* Read the rows, train, write the weights. */
int
main(int argc, char **argv)
{
	const LepKernels *kernels = argc == 7 ? lep_kernels_choose(argv[1]) : NULL;
	FILE *in = argc == 7 ? fopen(argv[5], "rb") : NULL;
	FILE *out = argc == 7 ? fopen(argv[6], "wb") : NULL;
	LepHeadReport report = {0};
	LepHeadData data;
	LepError err = {0};
	LepArena arena;
	LepStatus status;
	int32_t *sizes;
	float *w, *bias;
	double seconds;

	if (kernels == NULL || in == NULL || out == NULL)
	{
		fprintf(stderr, "usage: head_fit kernels fit|train C seed input output\n");
		return 2;
	}
	sizes = read_array(in, 3, sizeof(*sizes));
	data.n_rows = (size_t) sizes[0];
	data.d = (size_t) sizes[1];
	data.n_labels = (size_t) sizes[2];
	data.y = read_array(in, data.n_rows, sizeof(*data.y));
	data.x = read_array(in, data.n_rows * data.d, sizeof(*data.x));
	w = malloc(data.n_labels * data.d * sizeof(*w));
	bias = malloc(data.n_labels * sizeof(*bias));
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	seconds = now();
	report.c = strtod(argv[3], NULL);
	if (strcmp(argv[2], "train") == 0)
		status = lep_head_train(&data, report.c, strtoull(argv[4], NULL, 10), kernels, &arena, w,
								bias, &report, NULL, NULL, &err);
	else
		status =
			lep_head_fit(&data, report.c, kernels, &arena, w, bias, &report.iterations, NULL, &err);
	seconds = now() - seconds;
	if (status != LEP_OK)
	{
		fprintf(stderr, "head_fit: %s. %s\n", err.message, err.detail);
		return 1;
	}
	fwrite(w, sizeof(*w), data.n_labels * data.d, out);
	fwrite(bias, sizeof(*bias), data.n_labels, out);
	printf("{\"seconds\": %.4f, \"c\": %.9g, \"cv_accuracy\": %.6f, \"test_accuracy\": %.6f, "
		   "\"n_test\": %zu, \"n_folds\": %zu, \"iterations\": %zu, \"bytes\": %zu}\n",
		   seconds, report.c, report.cv_accuracy, report.test_accuracy, report.n_test,
		   report.n_folds, report.iterations, arena.used);
	lep_arena_free(&arena);
	free(sizes);
	free((void *) data.y);
	free((void *) data.x);
	free(w);
	free(bias);
	return fclose(out) == 0 && fclose(in) == 0 ? 0 : 1;
}
