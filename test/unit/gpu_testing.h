/*
 * gpu_testing.h: what tests of graphs on a GPU share: models opened for the CPU and for the GPU, random batches, and the
 * distance between what the two make of them.
 */
#ifndef LEPTON_GPU_TESTING_H
#define LEPTON_GPU_TESTING_H

#include <math.h>
#include <poll.h>

#include "../../src/engine/gpu_parts.h"
#include "../tools/dir_folder.h"
#include "../tools/memory_image.h"
#include "testing.h"

#define WAIT_MS 60000 /* for a batch */

/* A model on both sides. */
typedef struct Pair
{
	const char *name;
	char *images[2];
	LepArena arenas[2];
	LepModel cpu, gpu;
	LepGpuModel *loaded;
} Pair;

/* A batch that owns its arrays. */
typedef struct Tokens
{
	LepBatch batch;
	int32_t *ids, *types;
	uint32_t *starts, *picks;
	size_t longest;
} Tokens;

/* The CPU's kernels, computing in f32 alone. */
static inline const LepKernels *
plain_kernels(void)
{
	static LepKernels plain;

	plain = *lep_kernels_choose("auto");
	plain.layout = "plain";
	plain.i8 = plain.half = NULL;
	plain.attention_half = NULL;
	plain.attention_half_scratch = NULL;
	return &plain;
}

/* The kernels of one side. */
static inline const LepKernels *
side_kernels(int side, LepDtype numbers)
{
	return side == 0 ? plain_kernels() : lep_kernels_gpu(numbers);
}

/* Open a model from a folder for both sides, and load it. */
static inline LepStatus
open_pair(LepGpu *gpu, LepFolder *folder, const char *name, int task, LepDtype numbers, Pair *pair,
		  LepError *err)
{
	LepStatus status = LEP_OK;

	memset(pair, 0, sizeof(*pair));
	pair->name = name;
	for (int side = 0; side < 2; side++)
		lep_arena_init(&pair->arenas[side], &lep_malloc_allocator, 0);
	for (int side = 0; side < 2 && status == LEP_OK; side++)
	{
		const LepKernels *kernels = side_kernels(side, numbers);
		LepSource *source;
		LepArena arena;
		uint64_t size = 0;

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		status = lep_source_open(folder, &arena, task, &source, NULL, err);
		if (status == LEP_OK)
			pair->images[side] = memory_image(source, kernels, &size, err);
		if (status == LEP_OK && pair->images[side] == NULL)
			status = err->status;
		if (status == LEP_OK)
			status = lep_image_open(pair->images[side], size, memory_image_hash, kernels,
									&pair->arenas[side], side == 0 ? &pair->cpu : &pair->gpu, err);
		lep_arena_free(&arena);
	}
	return status == LEP_OK ? lep_gpu_model_load(gpu, &pair->gpu, &pair->loaded, err) : status;
}

/* Free a model. */
static inline void
close_pair(Pair *pair)
{
	lep_gpu_model_free(pair->loaded);
	for (int side = 0; side < 2; side++)
	{
		lep_arena_free(&pair->arenas[side]);
		free(pair->images[side]);
	}
}

/* A small step of a random sequence. */
static inline uint32_t
random_below(uint64_t *random, size_t n)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t) ((*random >> 33) % n);
}

/* Make a batch of texts of these lengths, with every third token picked where picks is set. */
static inline Tokens *
make_tokens(const LepModel *model, const size_t *lengths, size_t n_texts, bool picks, uint64_t seed)
{
	Tokens *t = calloc(1, sizeof(Tokens));
	uint64_t random = seed * 2 + 1;
	size_t n = 0;

	t->starts = calloc(n_texts + 1, sizeof(uint32_t));
	for (size_t i = 0; i < n_texts; i++)
	{
		t->starts[i + 1] = (uint32_t) (n += lengths[i]);
		t->longest = lengths[i] > t->longest ? lengths[i] : t->longest;
	}
	t->ids = calloc(n + 1, sizeof(int32_t));
	t->types = calloc(n + 1, sizeof(int32_t));
	t->picks = calloc(n + 1, sizeof(uint32_t));
	t->batch = (LepBatch){n_texts, n, t->ids, t->types, t->starts, t->picks, 0};
	for (size_t i = 0; i < n; i++)
	{
		t->ids[i] = (int32_t) random_below(&random, model->graph->vocab);
		if (model->graph->n_types > 0)
			t->types[i] = (int32_t) random_below(&random, model->graph->n_types);
		if (picks && random_below(&random, 3) == 0)
			t->picks[t->batch.n_picks++] = (uint32_t) i;
	}
	return t;
}

/* The same, all texts of one length. */
static inline Tokens *
make_even_tokens(const LepModel *model, size_t n_texts, size_t length, uint64_t seed)
{
	size_t *lengths = calloc(n_texts + 1, sizeof(size_t));
	Tokens *t;

	for (size_t i = 0; i < n_texts; i++)
		lengths[i] = length;
	t = make_tokens(model, lengths, n_texts, true, seed);
	free(lengths);
	return t;
}

/* Free a batch. */
static inline void
free_tokens(Tokens *t)
{
	free(t->ids);
	free(t->types);
	free(t->starts);
	free(t->picks);
	free(t);
}

/* Values of a batch's output. */
static inline size_t
output_values(const LepModel *model, const Tokens *t)
{
	return lep_graph_out_rows(model->graph, &t->batch) * lep_desc_width(model->view.desc);
}

/* Run a batch on the CPU; its output, to be freed. */
static inline float *
run_cpu(const LepModel *model, const Tokens *t)
{
	size_t size =
		lep_graph_arena_size(model->graph, t->batch.n_tokens, t->batch.n_texts, t->longest);
	void *arena = aligned_alloc(64, (size + 64) / 64 * 64);
	float *out = calloc(output_values(model, t) + 1, sizeof(float));
	LepError err = {0};

	check(lep_graph_run(model->graph, &t->batch, arena, size, out, NULL, &err) == LEP_OK,
		  "on the CPU: %s (%s)", err.message, err.detail);
	free(arena);
	return out;
}

/* Wait until a slot is done; false when it takes too long. */
static inline bool
wait_ready(LepGpu *gpu, int slot)
{
	for (int waited = 0; waited < WAIT_MS; waited += 100)
	{
		struct pollfd fd = {lep_gpu_event_fd(gpu), POLLIN, 0};

		if ((lep_gpu_ready(gpu) >> slot & 1) != 0)
			return true;
		poll(&fd, 1, 100);
	}
	return false;
}

/* Run a batch in a slot of the GPU; its output, to be freed, whatever *status gets. */
static inline float *
run_gpu(Pair *pair, const Tokens *t, int slot, LepStatus *status, LepError *err)
{
	float *out = calloc(output_values(&pair->gpu, t) + 1, sizeof(float));
	LepGpu *gpu = pair->loaded->gpu;

	*status = lep_gpu_submit(pair->loaded, &t->batch, slot, err);
	if (*status != LEP_OK)
		return out;
	check(wait_ready(gpu, slot), "%s: a batch takes too long", pair->name);
	*status = lep_gpu_collect(gpu, slot, out, err);
	return out;
}

/* How far rows are from the CPU's, each as a part of that one's length (or of 1, where it is shorter). */
typedef struct Distance
{
	double worst, mean; /* of the rows; the root of the mean square */
} Distance;

/* Measure it. */
static inline Distance
distance(const float *out, const float *expected, size_t n_rows, size_t width)
{
	Distance d = {0, 0};

	for (size_t row = 0; row < n_rows; row++)
	{
		double error = 0, length = 0;

		for (size_t i = row * width; i < (row + 1) * width; i++)
		{
			error += ((double) out[i] - expected[i]) * ((double) out[i] - expected[i]);
			length += (double) expected[i] * expected[i];
		}
		error /= fmax(1, length);
		d.mean += error / (double) n_rows;
		d.worst = error > d.worst || isnan(error) ? error : d.worst;
	}
	return (Distance){sqrt(d.worst), sqrt(d.mean)};
}

#endif
