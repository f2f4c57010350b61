/*
 * gpu_engine.c: speed and accuracy of a model folder on the GPU without a server: tokens per second of texts as they are
 * and of even texts of 128 tokens, with one batch and with two in flight; the time of one short text; the cosine of embeddings to those that the
 * CPU computes in f32.
 *
 * bench_gpu_engine FOLDER [bf16] < texts		texts end with NUL
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/engine/gpu.h"
#include "../src/engine/task.h"
#include "../test/tools/dir_folder.h"
#include "../test/tools/memory_image.h"

#define TEXTS_MAX  65536
#define BATCH_MAX  4096	 /* batches of a round */
#define CPU_TOKENS 60000 /* compared with the CPU */
#define ROUNDS	   5
#define FIXED	   128 /* tokens of texts of one length */
#define SINGLES	   2000

typedef struct Text
{
	int32_t *ids;
	size_t n;
} Text;

/* Texts of a round, packed into batches. */
typedef struct Round
{
	int32_t *ids;
	uint32_t *starts; /* each batch's own, one behind the other */
	LepBatch batches[BATCH_MAX];
	float *outs[BATCH_MAX];
	size_t n_batches, n_tokens;
} Round;

static Text texts[TEXTS_MAX];
static size_t n_texts;
static LepGpu *gpu;

/* Stop with a message when a call failed. */
static void
must(LepStatus status, const LepError *err)
{
	if (status == LEP_OK)
		return;
	fprintf(stderr, "gpu_engine: %s (status %d)\n%s\n", err->message, (int) status, err->detail);
	exit(1);
}

/* Seconds since some point in time. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Seconds that this process has computed. */
static double
computed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Make an image of a folder and open it. */
static void
open_model(const char *path, const LepKernels *kernels, LepArena *arena, LepModel *model)
{
	static DirFolder dir;
	LepError err = {0};
	LepArena source_arena;
	LepSource *source;
	uint64_t size;
	char *image;

	if (!dir_folder_open(&dir, path))
	{
		fprintf(stderr, "gpu_engine: cannot open folder \"%s\"\n", path);
		exit(1);
	}
	lep_arena_init(&source_arena, &lep_malloc_allocator, 0);
	must(lep_source_open(&dir.folder, &source_arena, LEP_TASK_DEFAULT, &source, NULL, &err), &err);
	image = memory_image(source, kernels, &size, &err);
	must(image == NULL ? err.status : LEP_OK, &err);
	lep_arena_free(&source_arena);
	lep_arena_init(arena, &lep_malloc_allocator, 0);
	must(lep_image_open(image, size, memory_image_hash, kernels, arena, model, &err), &err);
}

/* Tokenize the texts of stdin. */
static void
read_texts(const LepModel *model)
{
	LepEncoder *encoder = lep_encoder_new(&lep_malloc_allocator);
	LepError err = {0};
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while (n_texts < TEXTS_MAX && (len = getdelim(&line, &room, '\0', stdin)) > 0)
	{
		LepTokens tokens;

		if (line[len - 1] == '\0')
			len--;
		must(lep_encode(model, encoder, line, (size_t) len, true, &tokens, NULL, &err), &err);
		texts[n_texts].n = tokens.n;
		texts[n_texts].ids = malloc(tokens.n * sizeof(int32_t));
		memcpy(texts[n_texts].ids, tokens.ids, tokens.n * sizeof(int32_t));
		n_texts++;
	}
	free(line);
	lep_encoder_free(encoder);
}

/* Order texts by their length. */
static int
by_length(const void *a, const void *b)
{
	const Text *x = a, *y = b;

	return (x->n > y->n) - (x->n < y->n);
}

/* Pack texts, cut or repeated to length tokens (0: as they are), into batches of at most most tokens. */
static void
pack(const LepModel *model, size_t length, size_t most, Round *round)
{
	size_t width = lep_desc_width(model->view.desc);
	size_t total = 0, at = 0;

	memset(round, 0, sizeof(*round));
	for (size_t i = 0; i < n_texts; i++)
		total += length > 0 ? length : texts[i].n;
	round->ids = malloc(total * sizeof(int32_t));
	round->starts = calloc(2 * n_texts + 2, sizeof(uint32_t));
	for (size_t i = 0; i < n_texts && round->n_batches < BATCH_MAX;)
	{
		LepBatch *b = &round->batches[round->n_batches];
		uint32_t *starts = round->starts + i + round->n_batches;

		*b = (LepBatch){0, 0, round->ids + at, NULL, starts, NULL, 0};
		for (; i < n_texts && b->n_texts < LEP_GPU_TEXTS_MAX; i++)
		{
			size_t n = length > 0 ? length : texts[i].n;

			if (b->n_tokens + n > most)
				break;
			for (size_t j = 0; j < n; j++)
				round->ids[at++] = texts[i].ids[j % texts[i].n];
			b->n_tokens += n;
			starts[++b->n_texts] = (uint32_t) b->n_tokens;
		}
		round->outs[round->n_batches++] =
			malloc(lep_graph_out_rows(model->graph, b) * width * sizeof(float));
		round->n_tokens += b->n_tokens;
	}
}

/* Free a round. */
static void
unpack(Round *round)
{
	for (size_t i = 0; i < round->n_batches; i++)
		free(round->outs[i]);
	free(round->ids);
	free(round->starts);
}

/* Run a round with so many batches in flight. */
static void
run(LepGpuModel *loaded, Round *round, size_t in_flight)
{
	LepError err = {0};

	for (size_t i = 0; i < round->n_batches + in_flight; i++)
	{
		int slot = (int) (i % in_flight);

		if (i >= in_flight)
			must(lep_gpu_collect(gpu, slot, round->outs[i - in_flight], &err), &err);
		if (i < round->n_batches)
			must(lep_gpu_submit(loaded, &round->batches[i], slot, &err), &err);
	}
}

/* Print the best of some rounds. */
static void
measure(LepGpuModel *loaded, const LepModel *model, const char *name, size_t length, size_t most)
{
	Round round;

	pack(model, length, most, &round);
	run(loaded, &round, 2);
	for (size_t in_flight = 1; in_flight <= 2; in_flight++)
	{
		double best = INFINITY, cpu = 0;

		for (int i = 0; i < ROUNDS; i++)
		{
			double start = now(), used = computed();

			run(loaded, &round, in_flight);
			if (now() - start < best)
			{
				best = now() - start;
				cpu = computed() - used;
			}
		}
		printf(
			"%-9s batches of %6zu tokens, %zu in flight: %7.3f M tokens/s (%zu texts, %zu tokens, CPU %2.0f %%)\n",
			name, most, in_flight, (double) round.n_tokens / best / 1e6, n_texts, round.n_tokens,
			100 * cpu / best);
	}
	unpack(&round);
}

/* Order times. */
static int
by_time(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Print the time of one text, asking for its end all the time, or waiting for the descriptor. */
static void
measure_single(LepGpuModel *loaded, const LepModel *model, size_t length, bool waiting)
{
	static double times[SINGLES];
	uint32_t starts[2] = {0, (uint32_t) length};
	int32_t *ids = calloc(length, sizeof(int32_t));
	float *out = malloc(length * lep_desc_width(model->view.desc) * sizeof(float));
	LepBatch batch = {1, length, ids, NULL, starts, NULL, 0};
	LepError err = {0};

	for (size_t j = 0; j < length; j++)
		ids[j] = texts[0].ids[j % texts[0].n];
	for (int i = 0; i < SINGLES; i++)
	{
		double start = now();
		struct pollfd fd = {lep_gpu_event_fd(gpu), POLLIN, 0};

		must(lep_gpu_submit(loaded, &batch, 0, &err), &err);
		while (lep_gpu_ready(gpu) == 0)
		{
			if (waiting)
				poll(&fd, 1, 100);
		}
		must(lep_gpu_collect(gpu, 0, out, &err), &err);
		times[i] = now() - start;
	}
	qsort(times + 50, SINGLES - 50, sizeof(double), by_time);
	printf(
		"one text of %3zu tokens, %s: median %.3f ms, 99 %% within %.3f ms; first %.1f, second %.1f ms\n",
		length, waiting ? "waiting" : "asking ", 1e3 * times[50 + (SINGLES - 50) / 2],
		1e3 * times[SINGLES - (SINGLES - 50) / 100], 1e3 * times[0], 1e3 * times[1]);
	free(out);
	free(ids);
}

/* Compare texts with the CPU, as many as it computes in a while. */
static void
compare(LepGpuModel *loaded, const LepModel *model, const LepModel *cpu)
{
	size_t width = lep_desc_width(model->view.desc), n = 0;
	double least = 1, sum = 0;
	LepError err = {0};
	Round round;

	pack(model, 0, 8192, &round);
	run(loaded, &round, 2);
	for (size_t i = 0, tokens = 0; i < round.n_batches; i++)
	{
		const LepBatch *b = &round.batches[i];
		size_t size, rows = lep_graph_out_rows(cpu->graph, b);
		float *out;
		void *arena;

		/* Some of all lengths. */
		if (tokens + b->n_tokens > CPU_TOKENS || i % (round.n_batches / 6 + 1) != 0)
			continue;
		tokens += b->n_tokens;
		size =
			lep_graph_arena_size(cpu->graph, b->n_tokens, b->n_texts, cpu->view.desc->max_tokens);
		arena = aligned_alloc(64, size);
		out = malloc(rows * width * sizeof(float));
		must(lep_graph_run(cpu->graph, b, arena, size, out, NULL, &err), &err);
		for (size_t row = 0; row < rows; row++, n++)
		{
			double xy = 0, xx = 0, yy = 0;

			for (size_t j = row * width; j < (row + 1) * width; j++)
			{
				xy += (double) out[j] * round.outs[i][j];
				xx += (double) out[j] * out[j];
				yy += (double) round.outs[i][j] * round.outs[i][j];
			}
			xy /= sqrt(xx * yy);
			sum += xy;
			least = xy < least || isnan(xy) ? xy : least;
		}
		free(out);
		free(arena);
	}
	printf("cosine to f32 of %zu rows: mean %.7f, least %.7f\n", n, sum / (double) n, least);
	unpack(&round);
}

int
main(int argc, char **argv)
{
	/* Multiples of 128 rows for each of 132 multiprocessors, and powers of two. */
	static const size_t budgets[] = {8448, 16896, 33792, 65536};
	LepDtype numbers = argc > 2 && strcmp(argv[2], "bf16") == 0 ? LEP_BF16 : LEP_F16;
	LepKernels plain = *lep_kernels_choose("auto");
	LepArena arenas[2];
	LepModel models[2];
	LepGpuModel *loaded;
	LepError err = {0};
	LepGpuInfo info;
	double start = now();
	size_t places;

	if (argc < 2)
	{
		fprintf(stderr, "usage: gpu_engine FOLDER [bf16] < texts\n");
		return 2;
	}
	must(lep_gpu_probe(&info, &err), &err);
	must(lep_gpu_open(0, 0, &lep_malloc_allocator, &gpu, &err), &err);
	printf("%s, opened in %.2f s\n", info.name, now() - start);
	plain.i8 = plain.half = NULL;
	plain.attention_half = NULL;
	plain.attention_half_scratch = NULL;
	open_model(argv[1], lep_kernels_gpu(numbers), &arenas[0], &models[0]);
	open_model(argv[1], &plain, &arenas[1], &models[1]);
	start = now();
	must(lep_gpu_model_load(gpu, &models[0], &loaded, &err), &err);
	printf("%s: %.1f MB loaded in %.3f s\n", numbers == LEP_F16 ? "f16" : "bf16",
		   (double) lep_gpu_model_bytes(loaded) / 1e6, now() - start);
	read_texts(&models[0]);
	if (n_texts == 0)
	{
		fprintf(stderr, "gpu_engine: no texts\n");
		return 1;
	}
	places = lep_desc_places(models[0].view.desc);
	places = places < FIXED ? places : FIXED;
	measure_single(loaded, &models[0], 8, false);
	measure_single(loaded, &models[0], 8, true);
	measure_single(loaded, &models[0], places, false);
	qsort(texts, n_texts, sizeof(Text), by_length);
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++)
	{
		measure(loaded, &models[0], "mixed", 0, budgets[i]);
		measure(loaded, &models[0], "even", places, budgets[i]);
	}
	compare(loaded, &models[0], &models[1]);
	lep_gpu_close(gpu);
	return 0;
}
