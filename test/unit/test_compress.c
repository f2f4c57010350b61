/*
 * test_compress.c: compression: its arithmetic against formulas, then
 * whole folders of every layout, compressed in every precision, opened and run again.
 */
#include <math.h>

#include "../../src/engine/compress_parts.h"
#include "../tools/dir_folder.h"
#include "../tools/memory_image.h"
#include "testing.h"

#define LAYOUTS		 "test/data/layouts"
#define SAMPLE_TEXTS 24
#define SAMPLE_MOST	 600

static uint64_t seed = 1;

/* A number between -1 and 1. */
static float
random_float(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (float) ((double) (seed >> 40) / (1 << 23) - 1);
}

/* Fill x[n]. */
static void
fill(float *x, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		x[i] = scale * random_float();
}

/* A compression's tools on the fastest kernels. */
static LepPress
tools(LepError *err)
{
	return (LepPress){NULL, lep_kernels_choose("auto"), &lep_malloc_allocator, 100000000, NULL,
					  err};
}

/* 16-bit floats come back from their values, and halves go to even. */
static void
test_halves(void)
{
	const LepKernels *kernels = lep_kernels_choose("auto");
	const float halfway[] = {1 + 0x1p-11f, 1 + 3 * 0x1p-11f, 0x1p-25f, 3 * 0x1p-25f, 65519.996f};
	const uint16_t rounded[] = {0x3c00, 0x3c02, 0, 2, 0x7bff};

	for (unsigned bits = 0; bits < 0x10000; bits++)
	{
		uint16_t half = (uint16_t) bits;
		float x;

		kernels->widen(&half, LEP_F16, &x, 1);
		if (!isnan(x))
			check(lep_round_f16(x) == half, "f16 %04x came back as %04x", bits, lep_round_f16(x));
		else
			check((lep_round_f16(x) & 0x7fff) > 0x7c00, "f16 %04x lost its NaN", bits);
		if (isfinite(x))
		{
			float same = x;

			lep_half_value(&same, 1, LEP_F16);
			check(same == x, "f16 value %g became %g", (double) x, (double) same);
		}
		kernels->widen(&half, LEP_BF16, &x, 1);
		if (!isnan(x))
			check(lep_round_bf16(x) == half, "bf16 %04x came back as %04x", bits,
				  lep_round_bf16(x));
	}
	for (size_t i = 0; i < sizeof(halfway) / sizeof(halfway[0]); i++)
		check(lep_round_f16(halfway[i]) == rounded[i], "%.9g became f16 %04x, expected %04x",
			  (double) halfway[i], lep_round_f16(halfway[i]), rounded[i]);
	check(lep_round_f16(65520.0f) == 0x7c00, "65520 is no f16 infinity");
	check(lep_round_bf16(1 + 0x1p-8f) == 0x3f80 && lep_round_bf16(1 + 3 * 0x1p-8f) == 0x3f82,
		  "halves of bf16 do not go to even");
}

/* Whole numbers lie in their range and half a step from their weights. */
static void
test_grid(void)
{
	enum
	{
		ROWS = 7,
		COLS = 64
	};
	static const struct
	{
		LepGrid grid;
		bool zero;
	} cases[] = {{{NULL, NULL, 0, COLS, -127, 127}, false},
				 {{NULL, NULL, 0, COLS, -127, 127}, true},
				 {{NULL, NULL, 8, LEP_I4_GROUP, 0, 15}, false}};
	LepError err;
	LepPress press = tools(&err);
	float w[ROWS * COLS], value[ROWS * COLS], scale[ROWS * COLS], zero[ROWS];
	int8_t q[ROWS * COLS];

	fill(w, ROWS * COLS, 0.3f);
	for (size_t k = 0; k < COLS; k++)
	{
		w[k] = 0;
		w[COLS + k] = 0.01f + w[COLS + k] * w[COLS + k];
		w[2 * COLS + k] = 1e-38f * (float) k;
	}
	w[3 * COLS] = 100;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		LepGrid grid = cases[i].grid;

		grid.scale = scale;
		grid.zero = cases[i].zero ? zero : NULL;
		check(lep_grid_fit(&press, &grid, cases[i].zero ? zero : NULL, w, ROWS, COLS, NULL, true) ==
					  LEP_OK &&
				  lep_grid_nearest(&press, &grid, w, ROWS, COLS, q) == LEP_OK,
			  "grid %zu failed", i);
		lep_grid_value(&grid, q, ROWS, COLS, value);
		for (size_t j = 0; j < ROWS * COLS; j++)
		{
			float step = scale[j / grid.group];

			check(q[j] >= grid.lowest && q[j] <= grid.highest, "grid %zu gave %d", i, q[j]);
			check(step > 0 && isfinite(step), "grid %zu has a step of %g", i, (double) step);
			check(fabsf(w[j] - value[j]) <= 0.5001f * step || j / COLS == 2,
				  "grid %zu: %g became %g, step %g", i, (double) w[j], (double) value[j],
				  (double) step);
		}
	}
}

/* A narrowed row is half a step from its values. */
static void
test_narrow(void)
{
	float x[2][100], s[100], out[200];

	for (int symmetric = 0; symmetric < 2; symmetric++)
	{
		float low = INFINITY, high = -INFINITY, step;

		fill(x[0], 100, 3);
		for (size_t k = 0; k < 100; k++)
		{
			float v;

			s[k] = 0.1f + fabsf(random_float());
			v = (x[0][k] += 1) * s[k];
			x[1][k] = 0.25f / s[k];
			low = v < low ? v : low;
			high = v > high ? v : high;
		}
		lep_narrow_value(x[0], 100, 2, 100, s, symmetric, out);
		step = symmetric ? fmaxf(high, -low) / 127 : (high - low) / 255;
		for (size_t k = 0; k < 100; k++)
		{
			check(fabsf(out[k] - x[0][k] * s[k]) <= 0.501f * step, "%g was narrowed to %g",
				  (double) (x[0][k] * s[k]), (double) out[k]);
			check(fabsf(out[100 + k] - 0.25f) < 1e-6f, "a row of one value became %g",
				  (double) out[100 + k]);
		}
	}
}

/* Squared error (w - v) h (w - v)^T of all rows. */
static double
objective(const float *w, const float *v, const double *h, size_t rows, size_t d)
{
	double sum = 0;

	for (size_t row = 0; row < rows; row++)
		for (size_t i = 0; i < d; i++)
			for (size_t j = 0; j < d; j++)
				sum += ((double) w[row * d + i] - v[row * d + i]) * h[i * d + j] *
					   ((double) w[row * d + j] - v[row * d + j]);
	return sum;
}

/* Second moments, their factor, and rounding that evens out errors. */
static void
test_even(size_t rows, size_t d, size_t n)
{
	LepError err;
	LepPress press = tools(&err);
	float *x = calloc(n * d, sizeof(float)), *w = calloc(rows * d, sizeof(float));
	float *h = calloc(d * d, sizeof(float)), *xt = calloc(n * d, sizeof(float));
	float *panel = calloc((2 * LEP_PANEL + 1) * d, sizeof(float));
	float *room = calloc(lep_press_even_room(rows, d), sizeof(float));
	float *plain = calloc(rows * d, sizeof(float)), *even = calloc(rows * d, sizeof(float));
	double *moments = calloc(d * d, sizeof(double));
	uint32_t *order = calloc(d, sizeof(uint32_t));
	int8_t *q = calloc(rows, d);
	float *scale = calloc(rows, sizeof(float));
	void *scratch = aligned_alloc(LEP_ALIGN, (lep_press_scratch(&press, d) + 63) / 64 * 64);
	LepGrid grid = {scale, NULL, 0, d, -7, 7};
	double damping = 0, worst = 0;

	/* Columns that depend on each other, and one that is always 0. */
	fill(x, n * d, 1);
	for (size_t row = 0; row < n; row++)
		for (size_t k = 1; k < d; k++)
			x[row * d + k] = k == d / 2 ? 0 : x[row * d + k] + 0.8f * x[row * d + k - 1];
	fill(w, rows * d, 0.2f);
	for (size_t k = 0; k < d; k++)
		order[k] = (uint32_t) (d - 1 - k);
	check(lep_press_gram(&press, x, n, d, order, xt, h, scratch) == LEP_OK, "gram failed");
	for (size_t i = 0; i < d; i++)
		for (size_t j = 0; j < d; j++)
			for (size_t row = 0; row < n; row++)
				moments[i * d + j] += (double) x[row * d + i] * x[row * d + j];
	for (size_t i = 0; i < d; i++)
		for (size_t j = 0; j <= i; j++)
			worst = fmax(worst, fabs(h[i * d + j] - moments[order[i] * d + order[j]]));
	check(worst < 1e-4 * (double) n, "second moments are off by %g", worst);
	check(lep_press_factor(&press, h, d, n, panel, scratch) == LEP_OK, "factor failed");
	worst = 0;
	for (size_t i = 0; i < d; i++)
		for (size_t j = 0; j <= i; j++)
		{
			double sum = 0;

			for (size_t k = 0; k <= j; k++)
				sum += (double) h[i * d + k] * h[j * d + k];
			sum -= moments[order[i] * d + order[j]];
			if (i == 0)
				damping = sum;
			worst = fmax(worst, fabs(sum - (i == j ? damping : 0)));
		}
	check(damping > 0 && worst < 1e-3 * (double) n, "the factor is off by %g", worst);
	check(lep_grid_fit(&press, &grid, NULL, w, rows, d, NULL, false) == LEP_OK &&
			  lep_grid_nearest(&press, &grid, w, rows, d, q) == LEP_OK,
		  "plain rounding failed");
	lep_grid_value(&grid, q, rows, d, plain);
	check(lep_press_even(&press, &grid, w, rows, d, h, order, q, room, scratch) == LEP_OK,
		  "rounding failed");
	lep_grid_value(&grid, q, rows, d, even);
	for (size_t i = 0; i < d; i++)
		moments[i * d + i] += damping;
	check(objective(w, even, moments, rows, d) <= objective(w, plain, moments, rows, d),
		  "evened out rounding of [%zu, %zu] costs %g, plain rounding %g", rows, d,
		  objective(w, even, moments, rows, d), objective(w, plain, moments, rows, d));
	free(x);
	free(w);
	free(h);
	free(xt);
	free(panel);
	free(room);
	free(plain);
	free(even);
	free(moments);
	free(order);
	free(q);
	free(scale);
	free(scratch);
}

/* Scales of inputs stay in bounds, do not change the product and lower the error of outliers. */
static void
test_balance(void)
{
	enum
	{
		ROWS = 20,
		COLS = 48,
		N = 60
	};
	LepError err;
	LepPress press = tools(&err);
	float *x = calloc(N * COLS, sizeof(float)), *w = calloc(ROWS * COLS, sizeof(float));
	float s[COLS], x_top[COLS] = {0}, w_top[COLS] = {0};
	LepFit fit = {.w = w, .rows = ROWS, .cols = COLS, .x = x, .ldx = COLS, .n = N};

	fill(x, N * COLS, 1);
	fill(w, ROWS * COLS, 0.1f);
	for (size_t i = 0; i < N; i++)
	{
		x[i * COLS + 3] *= 60;
		x[i * COLS + 9] = 0;
	}
	for (size_t i = 0; i < N * COLS; i++)
		x_top[i % COLS] = fmaxf(x_top[i % COLS], fabsf(x[i]));
	for (size_t i = 0; i < ROWS * COLS; i++)
		w_top[i % COLS] = fmaxf(w_top[i % COLS], fabsf(w[i]));
	lep_balance_start(x_top, w_top, COLS, 0.5f, s);
	check(lep_balance(&press, &fit, x, N, false, s) == LEP_OK, "balance failed");
	check(s[3] < s[4] / 2, "an outlier is scaled by %g, others by %g", (double) s[3],
		  (double) s[4]);
	for (size_t k = 0; k < COLS; k++)
		check(s[k] > 0 && isfinite(s[k]), "scale %zu is %g", k, (double) s[k]);
	for (size_t i = 0; i < N; i++)
	{
		double plain = 0, scaled = 0;

		for (size_t k = 0; k < COLS; k++)
		{
			plain += (double) x[i * COLS + k] * w[k];
			scaled += (double) (x[i * COLS + k] * s[k]) * (w[k] / s[k]);
		}
		check(fabs(plain - scaled) <= 1e-5 * (1 + fabs(plain)), "product %g became %g", plain,
			  scaled);
	}
	free(x);
	free(w);
}

/* Linears with odd inputs and weights are compressed without trouble. */
static void
test_odd_linears(void)
{
	static const LepScheme all[] = {LEP_SCHEME_I8_ASYMMETRIC, LEP_SCHEME_I8_SYMMETRIC,
									LEP_SCHEME_I8_FULL, LEP_SCHEME_I4, LEP_SCHEME_F16};
	enum
	{
		ROWS = 5,
		COLS = 32
	};
	float w[ROWS * COLS], x[40 * COLS], value[ROWS * COLS];

	for (int kind = 0; kind < 6; kind++)
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		{
			LepError err = {0};
			LepPress press = tools(&err);
			LepFit fit = {.w = w, .rows = ROWS, .cols = COLS, .x = x, .ldx = COLS, .n = 40};
			LepPressed stored;
			LepArena arena;
			double error;
			LepStatus status;

			fill(w, ROWS * COLS, kind == 3 ? 1e5f : kind == 4 ? 1e-30f : 1);
			fill(x, 40 * COLS, kind == 5 ? 1e-30f : 1);
			for (size_t j = 0; j < ROWS * COLS && kind == 0; j++)
				w[j] = 0;
			for (size_t j = 0; j < 40 * COLS && kind == 1; j++)
				x[j] = 0;
			if (kind == 2)
				fit.n = 1;
			fit.schemes = &all[i];
			fit.n_schemes = 1;
			lep_arena_init(&arena, &lep_malloc_allocator, 0);
			status = lep_fit_linear(&press, &fit, &arena, &stored, &error);
			check(status == LEP_OK && error >= 0 &&
					  (kind == 4 || error < (all[i] == LEP_SCHEME_I4 ? 0.05 : 1e-3)),
				  "linear %d in %s: %s, error %g", kind, lep_scheme_name(all[i]), err.message,
				  error);
			if (status == LEP_OK)
			{
				lep_pressed_value(&press, &stored, value);
				for (size_t j = 0; j < ROWS * COLS; j++)
					check(isfinite(value[j]), "linear %d in %s has a weight of %g", kind,
						  lep_scheme_name(all[i]), (double) value[j]);
			}
			lep_arena_free(&arena);
		}
}

/* A sample of random tokens. */
typedef struct Sample
{
	int32_t ids[SAMPLE_MOST];
	uint32_t starts[SAMPLE_TEXTS + 1];
	LepCompressSample sample;
} Sample;

/* Make a sample for a model. */
static void
make_sample(const LepDesc *desc, Sample *s)
{
	uint32_t longest = desc->n_positions < 20 ? desc->n_positions : 20;
	uint32_t at = 0;

	seed = 7;
	for (uint32_t i = 0; i < SAMPLE_TEXTS; i++)
	{
		uint32_t len = 1 + i * 5 % longest;

		s->starts[i] = at;
		for (uint32_t end = at + len; at < end; at++)
			s->ids[at] = (int32_t) (fabsf(random_float()) * (float) (desc->vocab - 1));
	}
	s->starts[SAMPLE_TEXTS] = at;
	s->sample = (LepCompressSample){SAMPLE_TEXTS, at, s->ids, s->starts};
}

/* Bytes of a file of a folder; NULL when it cannot be read. */
static char *
read_all(const LepFolder *folder, size_t file)
{
	LepError err = {0};
	char *bytes = malloc(folder->files[file].size + 1);

	if (folder->read(folder->ctx, file, 0, bytes, folder->files[file].size, &err) == LEP_OK)
		return bytes;
	free(bytes);
	return NULL;
}

/* Have two folders the same files? */
static bool
same_folders(const LepFolder *a, const LepFolder *b)
{
	bool same = a->n_files == b->n_files;

	for (size_t i = 0; i < a->n_files && same; i++)
	{
		char *x = read_all(a, i);
		char *y = read_all(b, i);

		same = x != NULL && y != NULL && strcmp(a->files[i].path, b->files[i].path) == 0 &&
			   a->files[i].size == b->files[i].size && memcmp(x, y, a->files[i].size) == 0;
		free(x);
		free(y);
	}
	return same;
}

/* Run a source's model over the sample: out[n_texts, width], NULL when that fails. */
static float *
run_source(const LepSource *source, const LepCompressSample *sample, LepError *err)
{
	const LepKernels *kernels = lep_kernels_choose("auto");
	LepBatch batch = {
		sample->n_texts, sample->n_tokens, sample->ids, NULL, sample->starts, NULL, 0};
	float *out = NULL;
	char *image;
	LepArena arena;
	LepModel model;
	uint64_t size;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	image = memory_image(source, kernels, &size, err);
	if (image != NULL &&
		lep_image_open(image, size, memory_image_hash, kernels, &arena, &model, err) == LEP_OK)
	{
		size_t bytes = lep_graph_arena_size(model.graph, batch.n_tokens, batch.n_texts, 20);
		void *room = aligned_alloc(LEP_ALIGN, (bytes + 63) / 64 * 64);

		out = calloc(batch.n_texts * lep_desc_width(source->view.desc), sizeof(float));
		if (lep_graph_run(model.graph, &batch, room, bytes, out, NULL, err) != LEP_OK)
		{
			free(out);
			out = NULL;
		}
		free(room);
	}
	free(image);
	lep_arena_free(&arena);
	return out;
}

/* Mean cosine of rows a[n, d] and b[n, d]. */
static double
mean_cosine(const float *a, const float *b, size_t n, size_t d)
{
	double mean = 0;

	for (size_t i = 0; i < n; i++)
	{
		double ab = 0, aa = 0, bb = 0;

		for (size_t k = i * d; k < (i + 1) * d; k++)
		{
			ab += (double) a[k] * b[k];
			aa += (double) a[k] * a[k];
			bb += (double) b[k] * b[k];
		}
		mean += (aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : aa == bb) / (double) n;
	}
	return mean;
}

/* Compress a folder in one precision, twice, and run what comes out. */
static void
test_folder(const char *path, const char *precision, double expected)
{
	static DirFolder dir;
	static Sample sample;
	const LepKernels *kernels = lep_kernels_choose("auto");
	LepCompressOptions options = {precision, 0.999, 0.5};
	LepCompressResult result, again;
	LepSource *source, *made, *twice;
	LepError err = {0};
	LepArena arena;
	float *before = NULL, *after = NULL;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (check(dir_folder_open(&dir, path) && lep_source_open(&dir.folder, &arena, LEP_TASK_DEFAULT,
															 &source, NULL, &err) == LEP_OK,
			  "%s: %s", path, err.message))
	{
		make_sample(source->view.desc, &sample);
		if (check(lep_compress(source, &options, &sample.sample, kernels, &arena, &result, NULL,
							   NULL, &err) == LEP_OK,
				  "%s in %s: %s", path, precision, err.message) &&
			check(lep_compress(source, &options, &sample.sample, kernels, &arena, &again, NULL,
							   NULL, &err) == LEP_OK,
				  "%s in %s again: %s", path, precision, err.message) &&
			check(same_folders(result.folder, again.folder), "%s in %s: other bytes", path,
				  precision) &&
			check(lep_source_open(result.folder, &arena, LEP_TASK_DEFAULT, &made, NULL, &err) ==
					  LEP_OK,
				  "%s in %s does not open: %s %s", path, precision, err.message, err.detail))
		{
			size_t width = lep_desc_width(source->view.desc);
			uint64_t was = 0, is = 0;

			before = run_source(source, &sample.sample, &err);
			after = run_source(made, &sample.sample, &err);
			if (check(before != NULL && after != NULL, "%s in %s does not run: %s", path, precision,
					  err.message))
			{
				bool labels = source->view.desc->task == LEP_TASK_CLASSIFY;
				double cosine = labels ? mean_cosine(before, after, 1, SAMPLE_TEXTS * width)
									   : mean_cosine(before, after, SAMPLE_TEXTS, width);

				check(cosine >= expected, "%s in %s: cosine %f", path, precision, cosine);
				check(fabs(cosine - result.cosine_mean) < 0.5 * (1 - expected) + 1e-6,
					  "%s in %s: cosine %f, reported %f", path, precision, cosine,
					  result.cosine_mean);
			}
			for (size_t i = 0; i < result.n_layers; i++)
			{
				was += result.layers[i].bytes_before;
				is += result.layers[i].bytes;
			}
			check(is < was || strcmp(source->stored, "f32") != 0, "%s in %s: %llu -> %llu bytes",
				  path, precision, (unsigned long long) was, (unsigned long long) is);
			check(lep_compress(made, &options, &sample.sample, kernels, &arena, &again, NULL, NULL,
							   &err) == LEP_BAD_INPUT,
				  "%s in %s was compressed twice", path, precision);
			check(lep_source_open(again.folder != NULL ? again.folder : result.folder, &arena,
								  LEP_TASK_DEFAULT, &twice, NULL, &err) == LEP_OK,
				  "%s in %s does not open again", path, precision);
		}
	}
	free(before);
	free(after);
	lep_arena_free(&arena);
}

/* Every layout in every precision. */
static void
test_layouts(void)
{
	static const struct
	{
		const char *precision;
		double expected;
	} cases[] = {{"auto", 0.999},	 {"i8", 0.997},	  {"i8_symmetric", 0.995},
				 {"i8_full", 0.997}, {"i4", 0.9},	  {"i8_asymmetric", 0.997},
				 {"f16", 0.9995},	 {"bf16", 0.9995}};
	DIR *handle = opendir(LAYOUTS);
	struct dirent *entry;
	size_t n = 0;

	if (!check(handle != NULL, "there are no layouts"))
		return;
	while ((entry = readdir(handle)) != NULL)
	{
		char path[512];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", LAYOUTS, entry->d_name);
		for (size_t i = 0; i < 2; i++)
		{
			size_t at = i == 0 ? 0 : n++ % (sizeof(cases) / sizeof(cases[0]));

			test_folder(path, cases[at].precision, cases[at].expected);
		}
	}
	closedir(handle);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		test_folder("test/data/tiny", cases[i].precision, cases[i].expected);
		test_folder("test/data/tiny_classify", cases[i].precision, cases[i].expected);
	}
}

/* Questions or allocations that are left. */
static long left;

/* Stop at the last question. */
static bool
stop_at_last(void *arg)
{
	(void) arg;
	return --left <= 0;
}

/* Allocate, or fail from the last allocation on. */
static void *
allocate(void *ctx, size_t size)
{
	(void) ctx;
	return --left <= 0 ? NULL : malloc(size);
}

/* Give back. */
static void
give_back(void *ctx, void *ptr)
{
	(void) ctx;
	free(ptr);
}

/* Compress a tiny model with something in the way. */
static LepStatus
disturbed(const LepSource *source, const Sample *sample, double min_cosine,
		  const LepAllocator *allocator, const LepStop *stop, LepError *err)
{
	LepCompressOptions options = {"auto", min_cosine, 0.5};
	LepCompressResult result;
	LepArena arena;
	LepStatus status;

	lep_arena_init(&arena, allocator, 0);
	status = lep_compress(source, &options, &sample->sample, lep_kernels_choose("auto"), &arena,
						  &result, NULL, stop, err);
	lep_arena_free(&arena);
	return status;
}

/* Compression ends cleanly at every question and every allocation. */
static void
test_disturbances(void)
{
	static DirFolder dir;
	static Sample sample;
	const LepAllocator failing = {allocate, give_back, NULL};
	const LepStop stop = {stop_at_last, NULL};
	LepSource *source;
	LepError err = {0};
	LepArena arena;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (check(dir_folder_open(&dir, "test/data/tiny") &&
				  lep_source_open(&dir.folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err) ==
					  LEP_OK,
			  "%s", err.message))
		for (int kind = 0; kind < 4; kind++)
		{
			/* A cosine that cannot be reached makes it try all that it can. */
			double min_cosine = kind % 2 == 0 ? 0.9 : 1.1;
			bool cancel = kind < 2;
			long n, step;

			make_sample(source->view.desc, &sample);
			left = n = 1000000000;
			check(disturbed(source, &sample, min_cosine, cancel ? &lep_malloc_allocator : &failing,
							cancel ? &stop : NULL, &err) == LEP_OK,
				  "compression failed: %s", err.message);
			n -= left;
			step = n / 150 + 1;
			for (long at = 1; at <= n; at += step)
			{
				LepStatus status;

				left = at;
				status = disturbed(source, &sample, min_cosine,
								   cancel ? &lep_malloc_allocator : &failing, cancel ? &stop : NULL,
								   &err);
				check(status == (cancel ? LEP_CANCELLED : LEP_NO_MEMORY) ||
						  (!cancel && status == LEP_OK),
					  "%s %ld of %ld gave status %d", cancel ? "question" : "allocation", at, n,
					  (int) status);
			}
		}
	lep_arena_free(&arena);
}

/* Bad options and samples are refused. */
static void
test_refusals(void)
{
	static DirFolder dir;
	static Sample sample;
	LepCompressOptions options = {"i7", 0.999, 0.5};
	const LepKernels *kernels = lep_kernels_choose("auto");
	LepCompressResult result;
	LepSource *source;
	LepError err = {0};
	LepArena arena;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (check(dir_folder_open(&dir, "test/data/tiny") &&
				  lep_source_open(&dir.folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err) ==
					  LEP_OK,
			  "%s", err.message))
	{
		make_sample(source->view.desc, &sample);
		check(lep_compress(source, &options, &sample.sample, kernels, &arena, &result, NULL, NULL,
						   &err) == LEP_BAD_INPUT &&
				  strstr(err.message, "i7") != NULL,
			  "precision i7 was taken: %s", err.message);
		options.precision = "i8";
		sample.sample.n_texts = 0;
		check(lep_compress(source, &options, &sample.sample, kernels, &arena, &result, NULL, NULL,
						   &err) == LEP_BAD_INPUT,
			  "an empty sample was taken");
		make_sample(source->view.desc, &sample);
		sample.ids[3] = (int32_t) source->view.desc->vocab;
		check(lep_compress(source, &options, &sample.sample, kernels, &arena, &result, NULL, NULL,
						   &err) == LEP_BAD_INPUT,
			  "a token outside of the vocabulary was taken");
	}
	lep_arena_free(&arena);
}

int
main(void)
{
	size_t n = 0;

	for (; lep_sample_texts[n] != NULL; n++)
		check(strlen(lep_sample_texts[n]) > 0, "text %zu is empty", n);
	check(n >= 100, "there are %zu texts", n);
	test_halves();
	test_grid();
	test_narrow();
	test_even(5, 40, 90);
	test_even(30, 200, 150);
	test_even(3, 1, 4);
	test_balance();
	test_odd_linears();
	test_layouts();
	test_disturbances();
	test_refusals();
	return test_done();
}
