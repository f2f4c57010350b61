/*
 * test_narrow_graph.c: compressed models: values against the formulas with the same
 * narrowing, same bits in any batch and piece, arena bounds, cancelling, candidates and taps, and
 * damage to "lepton.json", to what stands beside weights and to images.
 */
#include "graph_testing.h"
#include "narrow_bert.h"

#include "../../src/engine/image_format.h"

#define N_BATCH 28

static const NarrowSpec specs[] = {
	{.base = {.name = "asymmetric",
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
	 .linears = "a",
	 .tables = "888",
	 .input_scale = true},
	{.base = {.name = "all kinds",
			  .layers = 3,
			  .hidden = 32,
			  .heads = 2,
			  .inter = 96,
			  .vocab = 50,
			  .positions = 200,
			  .types = 3,
			  .act = "silu",
			  .pools = "[\"mean\",\"max\"]",
			  .dense = 12,
			  .norm = true},
	 .linears = "szfa-h4b",
	 .tables = "8h-",
	 .input_scale = true},
	{.base = {.name = "int4",
			  .layers = 2,
			  .hidden = 64,
			  .heads = 4,
			  .inter = 32,
			  .vocab = 50,
			  .positions = 64,
			  .types = 2,
			  .act = "gelu_new",
			  .pools = "[\"lasttoken\"]"},
	 .linears = "4",
	 .tables = "b8f",
	 .input_scale = true},
	{.base = {.name = "odd classifier",
			  .layers = 2,
			  .hidden = 30,
			  .heads = 3,
			  .inter = 37,
			  .vocab = 41,
			  .positions = 64,
			  .types = 2,
			  .act = "relu",
			  .labels = 3},
	 .linears = "zas",
	 .tables = "888"},
	{.base = {.name = "half",
			  .layers = 2,
			  .hidden = 48,
			  .heads = 3,
			  .inter = 80,
			  .vocab = 50,
			  .positions = 150,
			  .types = 2,
			  .act = "gelu",
			  .pools = "[\"mean\"]"},
	 .linears = "b",
	 .tables = "bbb"},
	{.base = {.name = "half classifier",
			  .layers = 1,
			  .hidden = 33,
			  .heads = 3,
			  .inter = 50,
			  .vocab = 50,
			  .positions = 64,
			  .types = 2,
			  .act = "gelu",
			  .labels = 2},
	 .linears = "h",
	 .tables = "hhh"},
};

/* Texts of all lengths up to a few panels. */
static Batch *
mixed_batch(TinyModel *m)
{
	size_t lengths[N_BATCH];

	for (size_t i = 0; i < N_BATCH; i++)
		lengths[i] = i == 14 ? m->spec.positions : 1 + tiny_random(m) % (i % 8 == 7 ? 60 : 9);
	return make_batch(m, lengths, N_BATCH);
}

/* Largest distance of the batch's outputs from the formulas, against the largest of a text. */
static double
distance(const TinyModel *m, const Opened *o, const Batch *b, const float *out)
{
	size_t width = lep_desc_width(o->model.view.desc);
	double expected[8 * MAX_WIDTH];
	double worst = 0;

	for (size_t i = 0; i < b->n_texts; i++)
	{
		double top = 0;

		tiny_forward(m, b->ids + b->starts[i], b->types + b->starts[i],
					 b->starts[i + 1] - b->starts[i], 0, expected);
		for (size_t j = 0; j < width; j++)
			top = fmax(top, fabs(expected[j]));
		for (size_t j = 0; j < width; j++)
			worst = fmax(worst, fabs(out[i * width + j] - expected[j]) / top);
	}
	return worst;
}

/* Change the pieces of all stages to n rows. */
static void
set_panels(LepGraph *graph, size_t n)
{
	for (uint32_t i = 0; i < graph->n_stages; i++)
		graph->stages[i].panel = n;
}

/* Every height of pieces must give the bits of out. */
static void
check_panels(const Opened *o, const Batch *b, const char *name, const char *isa, const float *out)
{
	static const size_t heights[] = {1, 2, 7, 13, 14, 15, 28, 29, 100, 1000};
	size_t n = b->n_texts * lep_desc_width(o->model.view.desc);
	float *other = malloc(n * sizeof(float));
	LepError err = {0};

	for (size_t i = 0; i < sizeof(heights) / sizeof(heights[0]); i++)
	{
		set_panels(o->model.graph, heights[i]);
		check(run_texts(o, b, 0, b->n_texts, other, NULL, &err) == LEP_OK, "%s: %s", name,
			  err.message);
		check(memcmp(out, other, n * sizeof(float)) == 0, "%s on %s: other bits in pieces of %zu",
			  name, isa, heights[i]);
	}
	free(other);
}

/* Every spec on every instruction set. */
static void
test_values(void)
{
	for (size_t s = 0; s < sizeof(specs) / sizeof(specs[0]); s++)
	{
		const char *name = specs[s].base.name;

		for (const char *const *isa = lep_kernels_names(); *isa != NULL; isa++)
		{
			const LepKernels *kernels = lep_kernels_choose(*isa);
			TinyModel *m;
			LepError err = {0};
			Opened o;
			Batch *b;

			if (kernels == NULL || strcmp(*isa, "auto") == 0)
				continue;
			m = narrow_make(&specs[s], kernels->i8 != NULL);
			b = mixed_batch(m);
			if (open_model(m, kernels, &o))
			{
				float *out = malloc(b->n_texts * MAX_WIDTH * sizeof(float));
				double off;

				check(run_texts(&o, b, 0, b->n_texts, out, NULL, &err) == LEP_OK, "%s: %s", name,
					  err.message);
				off = distance(m, &o, b, out);
				/* Inputs in 16 bits are not in the formulas. */
				check(off < (specs[s].linears[0] == 'h' || specs[s].linears[0] == 'b' ? 0.1 : 0.03),
					  "%s on %s: values are off by %g", name, *isa, off);
				if (kernels->same_bits)
				{
					check_same_bits(&o, b, name, *isa, out);
					check_panels(&o, b, name, *isa, out);
				}
				free(out);
			}
			close_model(&o);
			free_batch(b);
			tiny_free(m);
		}
	}
}

/* Cancel at every question. */
static void
test_cancel(void)
{
	for (size_t s = 0; s < 5; s += 4)
	{
		const size_t lengths[] = {9, 3, 64, 2, 2};
		TinyModel *m = narrow_make(&specs[s], true);
		Batch *b = make_batch(m, lengths, 5);
		float out[5 * MAX_WIDTH];
		Opened o;
		LepStatus status = LEP_CANCELLED;
		size_t at = 0;

		if (open_model(m, lep_kernels_choose("reference"), &o))
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
			check(status == LEP_OK && at > 20, "run ended with %d after %zu questions",
				  (int) status, at);
			check(distance(m, &o, b, out) < 0.03, "values after cancelled runs");
		}
		close_model(&o);
		free_batch(b);
		tiny_free(m);
	}
}

/* What the graph says of itself. */
static void
test_describe(void)
{
	const LepKernels *kernels = lep_kernels_choose("reference");
	TinyModel *m = narrow_make(&specs[1], true);
	LepOpInfo info;
	Opened o;

	if (open_model(m, kernels, &o))
	{
		static const char *const stored[] = {"i8", "i8_symmetric", NULL,		   "i8_full",
											 NULL, "f32",		   "i8_asymmetric"};

		for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++)
		{
			lep_graph_op_info(o.model.graph, i, &info);
			check((stored[i] == NULL) == (info.stored == NULL) &&
					  (stored[i] == NULL || strcmp(stored[i], info.stored) == 0),
				  "operator %zu is stored as %s", i, info.stored != NULL ? info.stored : "nothing");
			if (stored[i] != NULL)
				check(strcmp(info.precision, stored[i][0] == 'i' ? "i8" : "f32") == 0,
					  "operator %zu computes in %s", i, info.precision);
		}
	}
	close_model(&o);
	tiny_free(m);
}

/* A tap's count. */
typedef struct Count
{
	size_t rows, calls, stop_at;
} Count;

/* Count rows and look at each number. */
static LepStatus
count_rows(void *ctx, const LepOp *op, const float *x, size_t ldx, size_t n_rows, LepError *err)
{
	Count *count = ctx;

	check(op->kind == LEP_OP_LINEAR, "tap of operator %s", op->name);
	for (size_t i = 0; i < n_rows; i++)
		check(isfinite(x[i * ldx]) && isfinite(x[i * ldx + ldx - 1]), "row %zu is not finite", i);
	count->rows += n_rows;
	if (++count->calls == count->stop_at)
		return lep_error(err, LEP_IO, "the tap had enough");
	return LEP_OK;
}

/* Run the batch with a tap. */
static LepStatus
run_tapped(const Opened *o, const Batch *b, Count *count, float *out, LepError *err)
{
	const LepTap tap = {count_rows, count};
	LepBatch batch = {b->n_texts, b->starts[b->n_texts], b->ids, b->types, b->starts, NULL, 0};
	size_t size = lep_graph_arena_size(o->model.graph, batch.n_tokens, b->n_texts, 64);
	void *arena = aligned_alloc(LEP_ALIGN, size);
	LepStatus status =
		lep_graph_run_tapped(o->model.graph, &batch, arena, size, out, &tap, NULL, err);

	free(arena);
	return status;
}

/* Taps see every row of every linear; swapped weights compute as an image's own. */
static void
test_hooks(void)
{
	for (const char *const *isa = lep_kernels_names(); *isa != NULL; isa++)
	{
		const LepKernels *kernels = lep_kernels_choose(*isa);
		const size_t lengths[] = {9, 3, 64, 2, 2};
		TinyModel *m;
		TinyModel *plain;
		Batch *b;
		float expected[5 * MAX_WIDTH];
		float out[5 * MAX_WIDTH];
		LepError err = {0};
		Count count = {0, 0, 0};
		Opened o;
		Opened p;

		if (kernels == NULL || kernels->i8 == NULL || !kernels->same_bits)
			continue;
		m = narrow_make(&specs[0], true);
		plain = tiny_make(&specs[0].base);
		b = make_batch(m, lengths, 5);
		if (open_model(m, kernels, &o) & open_model(plain, kernels, &p))
		{
			LepGraph *from = o.model.graph;
			LepGraph *to = p.model.graph;

			check(run_tapped(&o, b, &count, expected, &err) == LEP_OK, "%s", err.message);
			check(count.rows == 80 * 2 * 4, "a tap saw %zu rows", count.rows);
			check(run_texts(&o, b, 0, 5, out, NULL, &err) == LEP_OK &&
					  memcmp(out, expected, sizeof(float) * 5 * 32) == 0,
				  "a tap changes bits");
			count = (Count){0, 0, 3};
			check(run_tapped(&o, b, &count, out, &err) == LEP_IO && count.calls == 3,
				  "a tap that fails: %s", err.message);
			check(run_texts(&p, b, 0, 5, out, NULL, &err) == LEP_OK &&
					  memcmp(out, expected, sizeof(float) * 5 * 32) != 0,
				  "the plain model is the compressed one");
			for (uint32_t i = 0; i < to->n_slots; i++)
			{
				/* Tables cannot be swapped; they and the vectors become the other model's by hand. */
				if (to->slots[i].store == LEP_STORE_LINEAR)
					lep_graph_swap(to, i, from->slots[i].scheme, from->slots[i].data);
				else
					to->slots[i] = from->slots[i];
			}
			check(run_texts(&p, b, 0, 5, out, NULL, &err) == LEP_OK &&
					  memcmp(out, expected, sizeof(float) * 5 * 32) == 0,
				  "on %s swapped weights give other bits", *isa);
		}
		close_model(&o);
		close_model(&p);
		free_batch(b);
		tiny_free(m);
		tiny_free(plain);
	}
}

/* Numbers of a compressed tensor, read in any share, are those of the formulas. */
static void
test_read(void)
{
	for (size_t s = 0; s < 4; s++)
	{
		TinyModel *m = narrow_make(&specs[s], false);
		LepSource *source;
		LepArena arena;
		LepError err = {0};

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		if (check(lep_source_open(&m->folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err) ==
					  LEP_OK,
				  "%s (%s)", err.message, err.detail))
		{
			check(strcmp(source->stored, s == 2	  ? "i4"
										 : s == 1 ? "f32"
												  : "i8") == 0 ||
					  s == 1,
				  "%s: stored as %s", m->spec.name, source->stored);
			for (size_t i = 0; i < lep_tensor_count(source->tensors); i++)
			{
				const LepTensor *t = lep_tensor_at(source->tensors, i);
				const TinyTensor *tiny = m->tensors;
				float numbers[100 * 200];
				size_t n;

				while (tiny < m->tensors + m->n_tensors && strcmp(tiny->name, t->name) != 0)
					tiny++;
				if (tiny == m->tensors + m->n_tensors)
					continue;
				n = tiny->rows * (tiny->cols > 0 ? tiny->cols : 1);
				for (size_t at = 0, step = 1; at < n; at += step, step = step % 97 + 13)
				{
					step = step < n - at ? step : n - at;
					check(lep_source_read_f32(source, t, at, step, numbers + at, &err) == LEP_OK,
						  "%s", err.message);
				}
				for (size_t j = 0; j < n; j++)
					check(numbers[j] == (float) tiny->values[j],
						  "%s: number %zu of %s is %g not %g", m->spec.name, j, t->name,
						  (double) numbers[j], tiny->values[j]);
				check(lep_source_read_f32(source, t, n, 1, numbers, &err) == LEP_BAD_INPUT &&
						  lep_source_read_f32(source, t, 1, n, numbers, &err) == LEP_BAD_INPUT,
					  "read behind %s", t->name);
			}
		}
		lep_arena_free(&arena);
		tiny_free(m);
	}
}

/* Replace the first text in a file by another of the same length, or in all its places. */
static bool
replace(TinyModel *m, const char *path, const char *from, const char *to)
{
	int file = lep_folder_find(&m->folder, path);
	char *bytes = m->bytes[file].bytes;
	char *at = memmem(bytes, m->bytes[file].size, from, strlen(from));
	size_t before = at == NULL ? 0 : (size_t) (at - bytes);
	size_t size = m->bytes[file].size - strlen(from) + strlen(to);
	char *copy;

	if (!check(at != NULL, "\"%s\" is not in %s", from, path))
		return false;
	copy = malloc(size);
	memcpy(copy, bytes, before);
	memcpy(copy + before, to, strlen(to));
	memcpy(copy + before + strlen(to), at + strlen(from), size - before - strlen(to));
	narrow_replace(m, (size_t) file, copy, size);
	free(copy);
	return true;
}

/* Open a damaged folder; the error must have the status and the word. */
static void
check_refused(TinyModel *m, const char *what, LepStatus expected, const char *word)
{
	LepSource *source;
	LepArena arena;
	LepError err = {0};
	LepStatus status;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_source_open(&m->folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err);
	check(status == expected, "%s: status %d, expected %d: %s (%s)", what, (int) status,
		  (int) expected, err.message, err.detail);
	check(status == LEP_OK || strstr(err.message, word) != NULL || strstr(err.detail, word) != NULL,
		  "%s: \"%s\" is not in: %s (%s)", what, word, err.message, err.detail);
	lep_arena_free(&arena);
}

/* What is wrong with "lepton.json" or beside a weight. */
static void
test_damaged_folders(void)
{
	static const struct
	{
		const char *file, *from, *to;
		LepStatus status;
		const char *word;
	} cases[] = {
		{"lepton.json", "{\"format\":1", "{\"format\":2", LEP_UNSUPPORTED, "format"},
		{"lepton.json", "{\"format\":1", "{\"format\":\"1\"", LEP_BAD_FILE, "format"},
		{"lepton.json", "{\"format\":1,", "{", LEP_MISSING, "format"},
		{"lepton.json", "{\"format\":1,", "{\"format\":1,\"more\":[],", LEP_OK, ""},
		{"lepton.json", "\"weights\":", "\"weight\":", LEP_BAD_FILE, "weights"},
		{"lepton.json", "\"weights\":{", "\"weights\":[],\"other\":{", LEP_BAD_FILE, "weights"},
		{"lepton.json", "{", "[{", LEP_BAD_FILE, "JSON"},
		{"lepton.json", "i8_asymmetric", "i8_other", LEP_UNSUPPORTED, "i8_other"},
		{"lepton.json", "\"i8_asymmetric\"", "8", LEP_UNSUPPORTED, "string"},
		{"lepton.json", "i8_asymmetric", "i8", LEP_BAD_FILE, "cannot be stored"},
		{"lepton.json", "\"i8\"", "\"i8_full\"", LEP_BAD_FILE, "cannot be stored"},
		{"lepton.json", "\"i8\"", "\"i4\"", LEP_BAD_FILE, "cannot be stored"},
		{"lepton.json", "self.query.weight", "self.quarry.weight", LEP_BAD_FILE, "quarry"},
		{"lepton.json", "self.query.weight", "self.query.bias", LEP_BAD_FILE, "a vector"},
		{"lepton.json", "\"encoder.layer.0.attention.self.query.weight\":\"i8_asymmetric\",", "",
		 LEP_BAD_FILE, "stored differently"},
		{"lepton.json", "self.key.weight\":\"i8_asymmetric\"", "self.key.weight\":\"i8_symmetric\"",
		 LEP_BAD_FILE, "stored differently"},
		{"lepton.json", "self.key.weight\":\"i8_asymmetric\"", "self.key.weight\":\"bf16\"",
		 LEP_BAD_FILE, "stored differently"},
		{"lepton.json", "output.dense.weight\":\"i8_asymmetric\"", "output.dense.weight\":\"i4\"",
		 LEP_BAD_FILE, "scale"},
		{"lepton.json", "output.dense.weight\":\"i8_asymmetric\"", "output.dense.weight\":\"bf16\"",
		 LEP_UNSUPPORTED, "expected BF16"},
		{"lepton.json", "output.dense.weight\":\"i8_asymmetric\"", "output.dense.weight\":\"f32\"",
		 LEP_UNSUPPORTED, "dtype"},
		{"lepton.json", "output.dense.weight\":\"i8_asymmetric\"",
		 "output.dense.weight\":\"i8_full\"", LEP_MISSING, "zero"},
		{"lepton.json", "output.dense.weight\":\"i8_asymmetric\"",
		 "output.dense.weight\":\"i8_symmetric\"", LEP_OK, ""},
		{"model.safetensors", "query.weight.scale\"", "query.weight.skale\"", LEP_MISSING,
		 "query.weight.scale"},
		{"model.safetensors", "query.weight.scale\":{\"dtype\":\"F32\"",
		 "query.weight.scale\":{\"dtype\":\"I32\"", LEP_BAD_FILE, "query.weight.scale"},
		{"model.safetensors", "query.weight.scale\":{\"dtype\":\"F32\",\"shape\":[32]",
		 "query.weight.scale\":{\"dtype\":\"F32\",\"shape\":[8,4]", LEP_BAD_FILE,
		 "query.weight.scale"},
		{"model.safetensors", "key.weight.input_scale\"", "key.weight.input_skale\"", LEP_BAD_FILE,
		 "input_scale"},
		{"model.safetensors", "query.weight\":{\"dtype\":\"I8\"",
		 "query.weight\":{\"dtype\":\"U8\"", LEP_UNSUPPORTED, "expected I8"},
		{"model.safetensors", "query.weight\":{\"dtype\":\"I8\",\"shape\":[32,32]",
		 "query.weight\":{\"dtype\":\"I8\",\"shape\":[64,16]", LEP_BAD_FILE, "shape"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TinyModel *m = narrow_make(&specs[0], true);
		uint64_t before = m->bytes[0].size;
		uint64_t length;

		if (replace(m, cases[i].file, cases[i].from, cases[i].to))
		{
			memcpy(&length, m->bytes[0].bytes, 8);
			length += m->bytes[0].size - before;
			memcpy(m->bytes[0].bytes, &length, 8);
			check_refused(m, cases[i].to, cases[i].status, cases[i].word);
		}
		tiny_free(m);
	}
}

/* Numbers beside a weight that cannot be. */
static void
test_bad_numbers(void)
{
	static const struct
	{
		const char *suffix;
		float value;
		LepStatus status;
	} cases[] = {
		{"scale", NAN, LEP_BAD_FILE},		  {"scale", INFINITY, LEP_BAD_FILE},
		{"scale", -0.5f, LEP_BAD_FILE},		  {"scale", 0, LEP_OK},
		{"zero", 0.5f, LEP_BAD_FILE},		  {"zero", NAN, LEP_BAD_FILE},
		{"zero", 5000, LEP_BAD_FILE},		  {"zero", -7, LEP_OK},
		{"input_scale", 0, LEP_BAD_FILE},	  {"input_scale", -1, LEP_BAD_FILE},
		{"input_scale", NAN, LEP_BAD_FILE},	  {"input_scale", INFINITY, LEP_BAD_FILE},
		{"input_scale", 0.25f, LEP_BAD_FILE}, /* other than that of the key */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NarrowSpec spec = specs[0];
		TinyModel *m;
		LepArena arena;
		LepSource *source;
		LepError err = {0};
		char name[96];
		const LepTensor *t = NULL;

		spec.linears = "z";
		m = narrow_make(&spec, true);
		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		snprintf(name, sizeof(name), "encoder.layer.1.attention.self.query.weight.%s",
				 cases[i].suffix);
		if (check(lep_source_open(&m->folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err) ==
					  LEP_OK,
				  "%s (%s)", err.message, err.detail))
			t = lep_tensor_find(source->tensors, name);
		if (check(t != NULL, "no %s", name))
		{
			memcpy(m->bytes[0].bytes + t->offset + t->size - 4, &cases[i].value, 4);
			check_refused(m, name, cases[i].status,
						  cases[i].value == 0.25f ? "differently" : "value");
		}
		lep_arena_free(&arena);
		tiny_free(m);
	}
}

/* Open an image with one byte of its metadata changed and the checksum repaired. */
static LepStatus
open_changed(const Opened *o, const LepKernels *kernels, size_t at, char byte)
{
	char *copy = aligned_alloc(4096, (o->length + 4095) / 4096 * 4096);
	LepImageHeader *header = (LepImageHeader *) copy;
	LepError err = {0};
	LepArena arena;
	LepModel model;
	LepStatus status;

	memcpy(copy, o->image, o->length);
	copy[at] = byte;
	header->crc = lep_image_crc(header, copy + header->desc.offset, copy + header->tokens.offset,
								copy + header->slots.offset);
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_image_open(copy, o->length, test_hash, kernels, &arena, &model, &err);
	lep_arena_free(&arena);
	free(copy);
	return status;
}

/* Same input, same bytes; a changed precision string fits no image. */
static void
test_image(void)
{
	const LepKernels *kernels = lep_kernels_choose("auto");
	TinyModel *m = narrow_make(&specs[1], true);
	LepError err = {0};
	Opened again;
	Opened o;

	if (open_model(m, kernels, &o))
	{
		const char *letters = lep_desc_precision(&o.model.view);
		size_t at = (size_t) (letters - o.image);
		LepScheme scheme;

		check(write_image(m, kernels, &lep_malloc_allocator, NULL, &again, &err) == LEP_OK, "%s",
			  err.message);
		check(again.length == o.length && memcmp(again.image, o.image, o.length) == 0,
			  "two images of one model differ");
		free(again.image);
		check(strlen(letters) == lep_graph_slot_count(o.model.graph), "precision \"%s\"", letters);
		for (size_t i = 0; letters[i] != '\0'; i++)
		{
			for (const char *c = "-fhbsaz48x"; *c != '\0'; c++)
			{
				/* Letters that mean the same to an image. */
				bool same = (strchr("saz4", *c) != NULL && strchr("saz4", letters[i]) != NULL) ||
							(*c == 'f' && strchr("hb", letters[i]) != NULL);

				if (*c == letters[i] || same || !lep_scheme_of_letter(letters[i], &scheme))
					continue;
				check(open_changed(&o, kernels, at + i, *c) == LEP_BAD_IMAGE,
					  "weight %zu: '%c' taken for '%c'", i, *c, letters[i]);
			}
			check(open_changed(&o, kernels, at + i, '\0') == LEP_BAD_IMAGE, "a cut string");
		}
	}
	close_model(&o);
	tiny_free(m);
}

/* Opening and writing fail cleanly at every allocation and question. */
static void
test_scarce(void)
{
	const LepKernels *kernels = lep_kernels_choose("auto");
	TinyModel *m = narrow_make(&specs[1], true);
	LepStatus status = LEP_NO_MEMORY;
	LepError err = {0};
	LepSource *source;
	LepArena arena;
	Opened o;
	size_t n;

	check_disturbed_writing(m, kernels, &o);
	free(o.image);
	status = LEP_CANCELLED;
	for (n = 0; status == LEP_CANCELLED && n < 1000; n++)
	{
		Stopper stopper = {0, n};
		LepStop stop = {stopper_asks, &stopper};

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		status = lep_source_open(&m->folder, &arena, LEP_TASK_DEFAULT, &source, &stop, &err);
		lep_arena_free(&arena);
	}
	check(status == LEP_OK && n > 20, "opening after %zu questions: %s", n, err.message);
	status = LEP_NO_MEMORY;
	for (n = 4096; status == LEP_NO_MEMORY && n < 1u << 24; n += 4096)
	{
		lep_arena_init(&arena, &lep_malloc_allocator, n);
		status = lep_source_open(&m->folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err);
		lep_arena_free(&arena);
	}
	check(status == LEP_OK, "opening in %zu bytes: %s", n, err.message);
	tiny_free(m);
}

int
main(void)
{
	test_values();
	test_cancel();
	test_describe();
	test_hooks();
	test_read();
	test_damaged_folders();
	test_bad_numbers();
	test_image();
	test_scarce();
	return test_done();
}
