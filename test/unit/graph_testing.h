/*
 * graph_testing.h: what tests of graphs share: a model written to an image in memory and
 * opened, batches of texts, runs in arenas of exactly the size asked for, comparing bits.
 */
#ifndef LEPTON_GRAPH_TESTING_H
#define LEPTON_GRAPH_TESTING_H

#include "random_bert.h"
#include "scarce.h"
#include "testing.h"

#define MAX_TEXTS 80
#define MAX_WIDTH 256

static const uint8_t test_hash[LEP_HASH_BYTES] = {1, 2, 3};

/* A model opened from its image. */
typedef struct Opened
{
	char *image;
	size_t length, room;
	LepArena arena;
	LepModel model;
} Opened;

/* Counts questions and answers yes from one on. */
typedef struct Stopper
{
	size_t asked, stop_at;
} Stopper;

/* Answer the engine's question. */
static inline bool
stopper_asks(void *arg)
{
	Stopper *stopper = arg;

	return stopper->asked++ >= stopper->stop_at;
}

/* Append to the image. */
static inline LepStatus
keep(void *ctx, const void *data, size_t len, LepError *err)
{
	Opened *o = ctx;

	if (o->length + len > o->room)
		return lep_error(err, LEP_IO, "image is longer than it said");
	memcpy(o->image + o->length, data, len);
	o->length += len;
	return LEP_OK;
}

/* Write the image of a folder; the result's status. */
static inline LepStatus
write_image(TinyModel *m, const LepKernels *kernels, const LepAllocator *allocator,
			const LepStop *stop, Opened *o, LepError *err)
{
	LepSink sink = {keep, o};
	LepSource *source;
	LepArena arena;
	LepStatus status;
	uint64_t size = 0;

	memset(o, 0, sizeof(*o));
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_source_open(&m->folder, &arena, LEP_TASK_DEFAULT, &source, NULL, err);
	if (status == LEP_OK)
		status = lep_image_size(source, kernels, &size, err);
	if (status == LEP_OK)
	{
		o->image = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
		o->room = size;
		status = lep_image_write(source, kernels, test_hash, allocator, &sink, stop, err);
	}
	if (status == LEP_OK)
		check(o->length == size, "%s: image has %zu bytes, announced %llu", m->spec.name, o->length,
			  (unsigned long long) size);
	lep_arena_free(&arena);
	return status;
}

/* Write and open. */
static inline bool
open_model(TinyModel *m, const LepKernels *kernels, Opened *o)
{
	LepError err = {0};
	LepStatus status = write_image(m, kernels, &lep_malloc_allocator, NULL, o, &err);

	lep_arena_init(&o->arena, &lep_malloc_allocator, 0);
	if (status == LEP_OK)
		status =
			lep_image_open(o->image, o->length, test_hash, kernels, &o->arena, &o->model, &err);
	return check(status == LEP_OK, "%s: %s %s", m->spec.name, err.message, err.detail);
}

/* Writing an image must fail cleanly at every allocation and every question; o gets the last, whole image. */
static inline void
check_disturbed_writing(TinyModel *m, const LepKernels *kernels, Opened *o)
{
	LepStatus status = LEP_NO_MEMORY;
	LepError err = {0};
	size_t n = 0;

	for (; status == LEP_NO_MEMORY && n < 1000; n++)
	{
		scarce_left = n;
		status = write_image(m, kernels, &scarce, NULL, o, &err);
		if (status == LEP_NO_MEMORY)
			free(o->image);
	}
	check(status == LEP_OK && n > 3, "writing with %zu allocations: %s", n, err.message);
	status = LEP_CANCELLED;
	for (n = 0; status == LEP_CANCELLED && n < 1000; n++)
	{
		Stopper stopper = {0, n};
		LepStop stop = {stopper_asks, &stopper};

		free(o->image);
		status = write_image(m, kernels, &lep_malloc_allocator, &stop, o, &err);
	}
	check(status == LEP_OK && n > 10, "writing after %zu questions: %s", n, err.message);
}

/* Free an opened model. */
static inline void
close_model(Opened *o)
{
	lep_arena_free(&o->arena);
	free(o->image);
}

/* Texts of ids. */
typedef struct Batch
{
	int32_t *ids, *types;
	uint32_t starts[MAX_TEXTS + 1];
	size_t n_texts;
} Batch;

/* Make texts of the given lengths. */
static inline Batch *
make_batch(TinyModel *m, const size_t *lengths, size_t n)
{
	Batch *b = calloc(1, sizeof(Batch));
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		b->starts[i + 1] = (uint32_t) (total += lengths[i]);
	b->n_texts = n;
	b->ids = malloc(total * sizeof(int32_t));
	b->types = malloc(total * sizeof(int32_t));
	for (size_t i = 0; i < total; i++)
	{
		b->ids[i] = (int32_t) (tiny_random(m) % m->spec.vocab);
		b->types[i] = (int32_t) (tiny_random(m) % m->spec.types);
	}
	return b;
}

/* Free texts. */
static inline void
free_batch(Batch *b)
{
	free(b->ids);
	free(b->types);
	free(b);
}

/* Run texts [first, end) in an arena of exactly the size asked for. */
static inline LepStatus
run_texts(const Opened *o, const Batch *b, size_t first, size_t end, float *out,
		  const LepStop *stop, LepError *err)
{
	uint32_t starts[MAX_TEXTS + 1];
	LepBatch batch = {end - first,
					  b->starts[end] - b->starts[first],
					  b->ids + b->starts[first],
					  b->types + b->starts[first],
					  starts,
					  NULL,
					  0};
	size_t longest = 0;
	size_t size;
	void *arena;
	LepStatus status;

	for (size_t i = first; i <= end; i++)
		starts[i - first] = b->starts[i] - b->starts[first];
	for (size_t i = first; i < end; i++)
		longest =
			b->starts[i + 1] - b->starts[i] > longest ? b->starts[i + 1] - b->starts[i] : longest;
	size = lep_graph_arena_size(o->model.graph, batch.n_tokens, batch.n_texts, longest);
	arena = aligned_alloc(LEP_ALIGN, size);
	memset(arena, 0xff, size);
	status = lep_graph_run(o->model.graph, &batch, arena, size, out, stop, err);
	free(arena);
	return status;
}

/* Every text alone, and all in reverse order, must have the bits of the batch. */
static inline void
check_same_bits(const Opened *o, const Batch *b, const char *name, const char *isa,
				const float *out)
{
	size_t width = lep_desc_width(o->model.view.desc);
	float alone[MAX_WIDTH];
	LepError err = {0};
	size_t different = 0;
	Batch *back = calloc(1, sizeof(Batch));
	float *other = malloc(b->n_texts * width * sizeof(float));
	uint32_t total = b->starts[b->n_texts];

	back->ids = malloc(total * sizeof(int32_t));
	back->types = malloc(total * sizeof(int32_t));
	back->n_texts = b->n_texts;
	for (size_t i = 0; i < b->n_texts; i++)
	{
		size_t from = b->n_texts - 1 - i;
		size_t n = b->starts[from + 1] - b->starts[from];

		check(run_texts(o, b, i, i + 1, alone, NULL, &err) == LEP_OK, "%s: %s", name, err.message);
		different += memcmp(alone, out + i * width, width * sizeof(float)) != 0;
		memcpy(back->ids + back->starts[i], b->ids + b->starts[from], n * sizeof(int32_t));
		memcpy(back->types + back->starts[i], b->types + b->starts[from], n * sizeof(int32_t));
		back->starts[i + 1] = back->starts[i] + (uint32_t) n;
	}
	check(different == 0, "%s on %s: %zu texts have other bits alone", name, isa, different);
	check(run_texts(o, back, 0, b->n_texts, other, NULL, &err) == LEP_OK, "%s: %s", name,
		  err.message);
	for (size_t i = 0; i < b->n_texts; i++)
		different += memcmp(other + (b->n_texts - 1 - i) * width, out + i * width,
							width * sizeof(float)) != 0;
	check(different == 0, "%s on %s: %zu texts have other bits in another order", name, isa,
		  different);
	free(other);
	free_batch(back);
}

#endif
