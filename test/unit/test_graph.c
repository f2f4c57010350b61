/*
 * test_graph.c: graphs and images of tiny models: values against the formulas
 * in double precision, same bits in any batch, arena bounds, cancelling, damage.
 */
#include "graph_testing.h"

#include "../../src/engine/image_format.h"

static const TinySpec specs[] = {
	{.name = "plain",
	 .layers = 2,
	 .hidden = 32,
	 .heads = 4,
	 .inter = 64,
	 .vocab = 50,
	 .positions = 64,
	 .types = 2,
	 .act = "gelu",
	 .pools = "[\"mean\"]",
	 .normalize = true},
	{.name = "odd widths",
	 .layers = 2,
	 .hidden = 30,
	 .heads = 3,
	 .inter = 37,
	 .vocab = 41,
	 .positions = 64,
	 .types = 3,
	 .act = "relu",
	 .pools = "[\"cls\"]"},
	{.name = "one head",
	 .layers = 1,
	 .hidden = 24,
	 .heads = 1,
	 .inter = 100,
	 .vocab = 41,
	 .positions = 300,
	 .types = 1,
	 .act = "silu",
	 .pools = "[\"max\"]",
	 .dtype = LEP_BF16},
	{.name = "all pools",
	 .layers = 1,
	 .hidden = 16,
	 .heads = 2,
	 .inter = 48,
	 .vocab = 41,
	 .positions = 64,
	 .types = 2,
	 .act = "gelu_new",
	 .dtype = LEP_F16,
	 .pools = "[\"cls\",\"max\",\"mean\",\"mean_sqrt_len_tokens\",\"weightedmean\",\"lasttoken\"]",
	 .norm = true},
	{.name = "modules",
	 .layers = 1,
	 .hidden = 32,
	 .heads = 4,
	 .inter = 64,
	 .vocab = 50,
	 .positions = 64,
	 .types = 2,
	 .act = "gelu",
	 .pools = "[\"weightedmean\",\"mean\"]",
	 .dense = 20,
	 .norm = true,
	 .normalize = true,
	 .truncate_dim = 7},
	{.name = "prompt",
	 .layers = 1,
	 .hidden = 32,
	 .heads = 4,
	 .inter = 64,
	 .vocab = 50,
	 .positions = 64,
	 .types = 2,
	 .act = "gelu",
	 .pools = "[\"mean\",\"cls\",\"lasttoken\"]",
	 .prompt = "ah ai",
	 .skip_prompt = true},
	{.name = "last token",
	 .layers = 3,
	 .hidden = 48,
	 .heads = 3,
	 .inter = 96,
	 .vocab = 50,
	 .positions = 64,
	 .types = 2,
	 .act = "gelu",
	 .pools = "[\"lasttoken\"]",
	 .normalize = true},
	{.name = "classifier",
	 .layers = 2,
	 .hidden = 32,
	 .heads = 2,
	 .inter = 64,
	 .vocab = 50,
	 .positions = 64,
	 .types = 2,
	 .act = "gelu",
	 .labels = 3},
	{.name = "regression",
	 .layers = 1,
	 .hidden = 17,
	 .heads = 1,
	 .inter = 33,
	 .vocab = 50,
	 .positions = 64,
	 .types = 2,
	 .act = "relu",
	 .labels = 1},
};

/* Compare a batch with the formulas. */
static void
check_values(TinyModel *m, const Opened *o, const Batch *b, const char *isa, const float *out)
{
	size_t width = lep_desc_width(o->model.view.desc);
	double expected[8 * MAX_WIDTH];
	double worst = 0;

	for (size_t i = 0; i < b->n_texts; i++)
	{
		size_t n = tiny_forward(m, b->ids + b->starts[i], b->types + b->starts[i],
								b->starts[i + 1] - b->starts[i], o->model.view.desc->prompt_tokens,
								expected);

		check(n == width, "%s: width %zu, expected %zu", m->spec.name, width, n);
		for (size_t j = 0; j < width; j++)
			worst =
				fmax(worst, fabs(out[i * width + j] - expected[j]) / fmax(1, fabs(expected[j])));
	}
	check(worst < 2e-5, "%s on %s: values are off by %g", m->spec.name, isa, worst);
}

/* Every spec on every instruction set: values, and bits where they are promised. */
static void
test_values(void)
{
	for (size_t s = 0; s < sizeof(specs) / sizeof(specs[0]); s++)
	{
		TinyModel *m = tiny_make(&specs[s]);
		size_t lengths[MAX_TEXTS];
		Batch *b;

		for (size_t i = 0; i < MAX_TEXTS; i++)
			lengths[i] = i == 40 ? specs[s].positions : 1 + tiny_random(m) % 9;
		b = make_batch(m, lengths, MAX_TEXTS);
		for (const char *const *isa = lep_kernels_names(); *isa != NULL; isa++)
		{
			const LepKernels *kernels = lep_kernels_choose(*isa);
			LepError err = {0};
			Opened o;
			float *out;

			if (kernels == NULL || strcmp(*isa, "auto") == 0)
				continue;
			if (open_model(m, kernels, &o))
			{
				out = malloc(b->n_texts * lep_desc_width(o.model.view.desc) * sizeof(float));
				check(run_texts(&o, b, 0, b->n_texts, out, NULL, &err) == LEP_OK, "%s: %s",
					  specs[s].name, err.message);
				check_values(m, &o, b, *isa, out);
				if (kernels->same_bits)
					check_same_bits(&o, b, specs[s].name, *isa, out);
				free(out);
			}
			close_model(&o);
		}
		free_batch(b);
		tiny_free(m);
	}
}

/* Cancel at every question; the last run is whole and has the right values. */
static void
test_cancel(void)
{
	const LepKernels *kernels = lep_kernels_choose("reference");
	const size_t lengths[] = {9, 3, 64, 2, 2};
	TinyModel *m = tiny_make(&specs[0]);
	Batch *b = make_batch(m, lengths, 5);
	float out[5 * MAX_WIDTH];
	Opened o;
	LepStatus status = LEP_CANCELLED;
	size_t at = 0;

	if (open_model(m, kernels, &o))
	{
		for (; at < 10000 && status == LEP_CANCELLED; at++)
		{
			Stopper stopper = {0, at};
			LepStop stop = {stopper_asks, &stopper};
			LepError err = {0};

			status = run_texts(&o, b, 0, 5, out, &stop, &err);
			if (status == LEP_CANCELLED)
				check(stopper.asked == at + 1, "asked again after the answer to stop");
		}
		check(status == LEP_OK && at > 20, "run ended with %d after %zu questions", (int) status,
			  at);
		check_values(m, &o, b, "reference", out);
	}
	close_model(&o);
	free_batch(b);
	tiny_free(m);
}

/* What lep_graph_run must refuse. */
static void
test_bad_input(void)
{
	TinyModel *m = tiny_make(&specs[0]);
	const size_t lengths[] = {4, 3};
	Batch *b = make_batch(m, lengths, 2);
	float out[3 * MAX_WIDTH];
	LepError err = {0};
	Opened o;

	if (open_model(m, lep_kernels_choose("auto"), &o))
	{
		uint32_t starts[] = {0, 4, 7};
		uint32_t unordered[] = {0, 8, 7};
		uint32_t empty[] = {0, 0, 7};
		uint32_t none[] = {0};
		size_t size = lep_graph_arena_size(o.model.graph, 100, 2, 100);
		void *arena = aligned_alloc(LEP_ALIGN, size);
		LepBatch batch = {2, 7, b->ids, b->types, starts, NULL, 0};
		int32_t long_ids[65] = {0};
		uint32_t long_starts[] = {0, 65};

#define STATUS(name, wanted)                                                                \
	do                                                                                      \
	{                                                                                       \
		LepStatus got = lep_graph_run(o.model.graph, &batch, arena, size, out, NULL, &err); \
		check(got == (wanted), name ": status %d, expected %d", (int) got, (int) (wanted)); \
	} while (0)
		STATUS("good batch", LEP_OK);
		b->ids[6] = (int32_t) specs[0].vocab;
		STATUS("id behind the vocabulary", LEP_BAD_INPUT);
		b->ids[6] = -1;
		STATUS("negative id", LEP_BAD_INPUT);
		b->ids[6] = 0;
		b->types[0] = 2;
		STATUS("type behind the table", LEP_BAD_INPUT);
		b->types[0] = -5;
		STATUS("negative type", LEP_BAD_INPUT);
		b->types[0] = 0;
		batch.starts = unordered;
		STATUS("descending starts", LEP_BAD_INPUT);
		batch.starts = empty;
		STATUS("text without tokens", LEP_BAD_INPUT);
		batch.starts = starts;
		batch.n_tokens = 8;
		STATUS("tokens behind the last text", LEP_BAD_INPUT);
		batch = (LepBatch){1, 65, long_ids, NULL, long_starts, NULL, 0};
		STATUS("text beyond the positions", LEP_TOO_LARGE);
		long_starts[1] = batch.n_tokens = 64;
		STATUS("longest text, no types", LEP_OK);
		size = lep_graph_arena_size(o.model.graph, 64, 1, 64) - 1;
		STATUS("arena one byte short", LEP_NO_MEMORY);
		batch = (LepBatch){0, 0, NULL, NULL, none, NULL, 0};
		size = lep_graph_arena_size(o.model.graph, 0, 0, 0);
		check(size > 0, "size of an empty batch");
		STATUS("no texts", LEP_OK);
#undef STATUS
		check(lep_graph_arena_size(o.model.graph, SIZE_MAX / 64, 1, 1) == 0, "arena overflow");
		free(arena);
	}
	close_model(&o);
	free_batch(b);
	tiny_free(m);
}

/* A weight that is no number must surface as an error. */
static void
test_not_finite(void)
{
	const size_t lengths[] = {4, 3};
	TinyModel *m = tiny_make(&specs[7]);
	Batch *b = make_batch(m, lengths, 2);
	float nan_value = NAN;
	float out[2 * MAX_WIDTH];
	LepError err = {0};
	Opened o;

	/* The last tensor of the file is the classifier's bias. */
	memcpy(m->bytes[0].bytes + m->bytes[0].size - 4, &nan_value, 4);
	if (open_model(m, lep_kernels_choose("auto"), &o))
		check(run_texts(&o, b, 0, 2, out, NULL, &err) == LEP_NOT_FINITE, "NaN gave %s",
			  err.message);
	close_model(&o);
	free_batch(b);
	tiny_free(m);
}

/* What passes do to a recipe, as a person sees it. */
static void
test_describe(void)
{
	static const char *const names[] = {
		"embeddings.word_embeddings.weight+LayerNorm",
		"encoder.layer.0.attention.self.query+key+value",
		"encoder.layer.0.attention.self",
		"pool",
		"pool",
		"encoder.layer.0.attention.output.dense+residual",
		"encoder.layer.0.attention.output.LayerNorm",
		"encoder.layer.0.intermediate.dense+activation",
		"encoder.layer.0.output.dense+residual",
		"encoder.layer.0.output.LayerNorm",
		"pooler.dense+activation",
		"classifier",
	};
	TinyModel *m = tiny_make(&specs[8]);
	uint64_t bytes = 0;
	LepOpInfo info;
	Opened o;

	if (open_model(m, lep_kernels_choose("auto"), &o))
	{
		size_t n = lep_graph_op_count(o.model.graph);

		check(n == sizeof(names) / sizeof(names[0]), "%zu operators", n);
		for (size_t i = 0; i < n && i < sizeof(names) / sizeof(names[0]); i++)
		{
			lep_graph_op_info(o.model.graph, i, &info);
			check(strcmp(info.name, names[i]) == 0, "operator %zu is \"%s\", expected \"%s\"", i,
				  info.name, names[i]);
			check(strcmp(info.segment, i < 1   ? "rows"
									   : i < 5 ? "sequences"
											   : "texts") == 0,
				  "operator %zu runs over %s", i, info.segment);
			bytes += info.bytes;
		}
		lep_graph_op_info(o.model.graph, 1, &info);
		check(strcmp(info.shape, "[tokens, 17] -> [tokens, 51]") == 0, "shape %s", info.shape);
		check(strcmp(info.op, "linear") == 0 && strcmp(info.precision, "f32") == 0, "%s %s",
			  info.op, info.precision);
		check(bytes > 0 && bytes < o.length, "%llu bytes of weights", (unsigned long long) bytes);
	}
	close_model(&o);
	tiny_free(m);
}

/* Open a copy of the image of exactly length bytes; its status. */
static LepStatus
open_copy(const Opened *o, size_t length, const uint8_t *hash, const LepKernels *kernels,
		  size_t flip, uint8_t bits, bool repair)
{
	char *copy = aligned_alloc(LEP_ALIGN, (length + LEP_ALIGN) / LEP_ALIGN * LEP_ALIGN);
	char *image = copy;
	LepImageHeader *header;
	LepError err = {0};
	LepArena arena;
	LepModel model;
	LepStatus status;

	memcpy(image, o->image, length);
	if (flip < length)
		image[flip] = (char) (image[flip] ^ bits);
	header = (LepImageHeader *) image;
	if (repair && length >= sizeof(*header) && header->desc.offset <= length &&
		header->desc.bytes <= length - header->desc.offset && header->tokens.offset <= length &&
		header->tokens.bytes <= length - header->tokens.offset && header->slots.offset <= length &&
		header->slots.bytes <= length - header->slots.offset)
		header->crc = lep_image_crc(header, image + header->desc.offset,
									image + header->tokens.offset, image + header->slots.offset);
	lep_arena_init(&arena, &lep_malloc_allocator, 64u << 20);
	status = lep_image_open(image, length, hash, kernels, &arena, &model, &err);
	check(status == LEP_OK || err.message[0] != '\0', "status %d without a message", (int) status);
	lep_arena_free(&arena);
	free(copy);
	return status;
}

/* Same input, same bytes; everything else is refused. */
static void
test_image(void)
{
	static const uint8_t other_hash[LEP_HASH_BYTES] = {9};
	const LepKernels *kernels = lep_kernels_choose("portable");
	const LepKernels *reference = lep_kernels_choose("reference");
	TinyModel *m = tiny_make(&specs[4]);
	const LepImageHeader *header;
	LepError err = {0};
	Opened o;
	Opened again;
	size_t accepted = 0;

	if (!open_model(m, kernels, &o))
		return;
	check(write_image(m, kernels, &lep_malloc_allocator, NULL, &again, &err) == LEP_OK, "%s",
		  err.message);
	check(again.length == o.length && memcmp(again.image, o.image, o.length) == 0,
		  "two images of one model differ");
	free(again.image);
	check(open_copy(&o, o.length, test_hash, kernels, SIZE_MAX, 0, false) == LEP_OK,
		  "a copy opens");
	check(open_copy(&o, o.length, other_hash, kernels, SIZE_MAX, 0, false) == LEP_BAD_IMAGE,
		  "an image of another model opens");
	if (strcmp(reference->layout, kernels->layout) != 0)
		check(open_copy(&o, o.length, test_hash, reference, SIZE_MAX, 0, false) == LEP_BAD_IMAGE,
			  "an image of another layout opens");
	for (size_t length = 0; length < o.length; length += length < 300 ? 1 : 997)
		accepted += open_copy(&o, length, test_hash, kernels, SIZE_MAX, 0, false) != LEP_BAD_IMAGE;
	check(accepted == 0, "%zu cut images were accepted", accepted);

	header = (const LepImageHeader *) o.image;
	for (size_t i = 0; i < header->weights.offset; i += i < header->tokens.offset ? 1 : 61)
	{
		bool sealed =
			i < sizeof(*header) ||
			(i >= header->desc.offset && i < header->desc.offset + header->desc.bytes) ||
			(i >= header->tokens.offset && i < header->tokens.offset + header->tokens.bytes) ||
			(i >= header->slots.offset && i < header->slots.offset + header->slots.bytes);

		if (!sealed)
			continue;
		accepted += open_copy(&o, o.length, test_hash, kernels, i, 0x10, false) != LEP_BAD_IMAGE;
	}
	check(accepted == 0, "%zu damaged images were accepted", accepted);
	/* With a right checksum the contents themselves must be checked; nothing may crash. */
	for (size_t i = 0; i < header->slots.offset + header->slots.bytes; i++)
	{
		if (i >= header->tokens.offset && i < header->slots.offset)
			continue;
		open_copy(&o, o.length, test_hash, kernels, i, (uint8_t) (1u << i % 8), true);
		accepted += open_copy(&o, o.length, test_hash, kernels, i, 0x80, true) == LEP_OK &&
					i >= header->slots.offset;
	}
	check(accepted == 0, "%zu damaged slots were accepted", accepted);
	close_model(&o);
	tiny_free(m);
}

/* Writing fails cleanly at every allocation and every question, opening at every limit. */
static void
test_scarce(void)
{
	const LepKernels *kernels = lep_kernels_choose("auto");
	TinyModel *m = tiny_make(&specs[0]);
	LepStatus status = LEP_NO_MEMORY;
	LepError err = {0};
	LepModel model;
	LepArena arena;
	Opened o;
	size_t n;

	check_disturbed_writing(m, kernels, &o);
	status = LEP_NO_MEMORY;
	for (n = 1024; status == LEP_NO_MEMORY && n < 1u << 22; n += 512)
	{
		lep_arena_init(&arena, &lep_malloc_allocator, n);
		status = lep_image_open(o.image, o.length, test_hash, kernels, &arena, &model, &err);
		lep_arena_free(&arena);
	}
	check(status == LEP_OK && n > 4096, "opening in %zu bytes: %s", n, err.message);
	free(o.image);
	tiny_free(m);
}

int
main(void)
{
	char why[256];

	lep_blas_load(why, sizeof(why));
	test_values();
	test_cancel();
	test_bad_input();
	test_not_finite();
	test_describe();
	test_image();
	test_scarce();
	return test_done();
}
