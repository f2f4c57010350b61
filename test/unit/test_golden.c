/*
 * test_golden.c: whole folders from text to scores, against the numbers that
 * Hugging Face's libraries gave for them (test/data/golden/tiny.json).
 */
#include "testing.h"

#include <jansson.h>
#include <math.h>

#include "../../src/engine/image.h"
#include "../../src/engine/task.h"
#include "../tools/dir_folder.h"

#define MAX_WIDTH 64
#define ROOM	  ((size_t) 1 << 24) /* bytes of an image */

/* An image in memory. */
typedef struct Memory
{
	char *bytes;
	size_t used;
} Memory;

/* Append to the image. */
static LepStatus
keep(void *ctx, const void *data, size_t len, LepError *err)
{
	Memory *memory = ctx;

	if (len > ROOM - memory->used)
		return lep_error(err, LEP_IO, "image is too large");
	memcpy(memory->bytes + memory->used, data, len);
	memory->used += len;
	return LEP_OK;
}

/* Open a folder of test/data through an image. */
static LepStatus
open_folder(const char *name, const LepKernels *kernels, Memory *memory, LepArena *arena,
			LepModel *model, LepError *err)
{
	static const uint8_t hash[LEP_HASH_BYTES];
	static DirFolder dir;
	LepSink sink = {keep, memory};
	LepArena source_arena;
	LepSource *source;
	LepStatus status;
	char path[256];

	snprintf(path, sizeof(path), "test/data/%s", name);
	if (!dir_folder_open(&dir, path))
		return lep_error(err, LEP_IO, "no folder %s", path);
	lep_arena_init(&source_arena, &lep_malloc_allocator, 0);
	status = lep_source_open(&dir.folder, &source_arena, LEP_TASK_DEFAULT, &source, NULL, err);
	if (status == LEP_OK)
		status = lep_image_write(source, kernels, hash, &lep_malloc_allocator, &sink, NULL, err);
	lep_arena_free(&source_arena);
	if (status == LEP_OK)
		status = lep_image_open(memory->bytes, memory->used, hash, kernels, arena, model, err);
	return status;
}

/* Run one text; out[width] gets embedding or scores. */
static LepStatus
run_text(const LepModel *model, LepEncoder *encoder, const char *text, float *out, LepError *err)
{
	const LepDesc *desc = model->view.desc;
	LepTokens tokens;
	uint32_t starts[2] = {0, 0};
	LepStatus status = lep_encode(model, encoder, text, strlen(text), true, &tokens, NULL, err);
	LepBatch batch = {1, 0, NULL, NULL, starts, NULL, 0};
	size_t size;
	void *arena;

	if (status != LEP_OK)
		return status;
	starts[1] = (uint32_t) tokens.n;
	batch.n_tokens = tokens.n;
	batch.ids = tokens.ids;
	batch.types = tokens.types;
	size = lep_graph_arena_size(model->graph, tokens.n, 1, tokens.n);
	arena = aligned_alloc(LEP_ALIGN, size);
	status = lep_graph_run(model->graph, &batch, arena, size, out, NULL, err);
	free(arena);
	if (status == LEP_OK && desc->task == LEP_TASK_CLASSIFY)
		lep_scores(model->kernels, (LepProblem) desc->problem, out, desc->n_labels);
	return status;
}

/* The largest error of one text's row, an array of numbers or an object of scores by label. */
static double
row_error(const LepModel *model, const json_t *expected, const float *out)
{
	uint32_t width = lep_desc_width(model->view.desc);
	double worst = 0;

	for (uint32_t i = 0; i < width; i++)
	{
		const json_t *value = json_is_array(expected)
								  ? json_array_get(expected, i)
								  : json_object_get(expected, lep_desc_label(&model->view, i));

		if (!json_is_number(value))
			return INFINITY;
		worst = fmax(worst, fabs(json_number_value(value) - (double) out[i]));
	}
	return worst;
}

/* Compare one folder on one instruction set. */
static void
check_folder(const char *name, const LepKernels *kernels, const json_t *texts, const json_t *rows)
{
	LepEncoder *encoder = lep_encoder_new(&lep_malloc_allocator);
	Memory memory = {aligned_alloc(4096, ROOM), 0};
	LepError err = {0};
	LepArena arena;
	LepModel model;
	double worst = 0;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (check(open_folder(name, kernels, &memory, &arena, &model, &err) == LEP_OK, "%s: %s %s",
			  name, err.message, err.detail))
	{
		check(lep_desc_width(model.view.desc) <= MAX_WIDTH, "%s is too wide", name);
		for (size_t i = 0; i < json_array_size(texts); i++)
		{
			float out[MAX_WIDTH];

			check(run_text(&model, encoder, json_string_value(json_array_get(texts, i)), out,
						   &err) == LEP_OK,
				  "%s, text %zu: %s %s", name, i, err.message, err.detail);
			worst = fmax(worst, row_error(&model, json_array_get(rows, i), out));
		}
		check(worst <= 5e-6, "%s on %s is off by %g", name, kernels->isa, worst);
	}
	lep_arena_free(&arena);
	lep_encoder_free(encoder);
	free(memory.bytes);
}

int
main(void)
{
	json_t *golden = json_load_file("test/data/golden/tiny.json", 0, NULL);
	const json_t *texts = json_object_get(golden, "texts");
	const char *name;
	char why[256];
	json_t *rows;

	lep_blas_load(why, sizeof(why));
	check(json_array_size(texts) > 0, "cannot read test/data/golden/tiny.json");
	json_object_foreach(golden, name, rows)
	{
		if (rows == texts)
			continue;
		for (const char *const *isa = lep_kernels_names(); *isa != NULL; isa++)
		{
			const LepKernels *kernels = lep_kernels_choose(*isa);

			if (kernels != NULL && strcmp(*isa, "auto") != 0)
				check_folder(name, kernels, texts, rows);
		}
	}
	json_decref(golden);
	return test_done();
}
