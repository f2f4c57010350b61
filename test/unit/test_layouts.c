/*
 * test_layouts.c: folders in the layouts that people download
 * (test/data/layouts, made by test/tools/make_tiny_models.py) against what
 * transformers and sentence-transformers answer on them: ids, embeddings,
 * labels and scores.
 */
#include <math.h>

#include "../../src/engine/json.h"
#include "../../src/engine/task.h"
#include "folder_testing.h"

#define LAYOUTS	  "test/data/layouts"
#define TOLERANCE 1e-5
#define WIDTH_MAX 256

/* Run one text; false when that fails. */
static bool
run_text(const LepModel *model, LepEncoder *encoder, const char *text, float *out, LepError *err)
{
	LepTokens tokens;
	LepStatus status = lep_encode(model, encoder, text, strlen(text), true, &tokens, NULL, err);
	uint32_t starts[2] = {0, (uint32_t) tokens.n};
	LepBatch batch = {1, tokens.n, tokens.ids, tokens.types, starts, NULL, 0};
	size_t size;
	void *arena;

	if (status != LEP_OK)
		return false;
	size = lep_graph_arena_size(model->graph, tokens.n, 1, tokens.n);
	arena = aligned_alloc(64, (size + 63) / 64 * 64);
	status = lep_graph_run(model->graph, &batch, arena, size, out, NULL, err);
	free(arena);
	return status == LEP_OK;
}

/* Compare the ids of the text alone with the oracle's. */
static void
check_ids(const LepModel *model, LepEncoder *encoder, const char *name, const char *text,
		  const json_t *ids)
{
	LepTokens tokens;
	LepError err;
	bool same =
		lep_encode_plain(model, encoder, text, strlen(text), &tokens, NULL, &err) == LEP_OK &&
		tokens.n == json_array_size(ids);

	for (size_t i = 0; same && i < tokens.n; i++)
		same = tokens.ids[i] == json_integer_value(json_array_get(ids, i));
	check(same, "%s: ids of \"%.30s\"", name, text);
}

/* Compare numbers with the oracle's, which are near 1. */
static void
check_row(const char *name, const char *text, const float *out, const json_t *expected, size_t n)
{
	double worst = 0;

	if (!check(json_array_size(expected) == n, "%s: %zu numbers, expected %zu", name, n,
			   json_array_size(expected)))
		return;
	for (size_t i = 0; i < n; i++)
	{
		double value = json_number_value(json_array_get(expected, i));
		double error = fabs(out[i] - value) / fmax(1, fabs(value));

		worst = error > worst || isnan(error) ? error : worst;
	}
	check(worst <= TOLERANCE, "%s: \"%.30s\" is off by %g", name, text, worst);
}

/* Compare labels and scores, best first, with the oracle's. */
static void
check_scores(const LepModel *model, const char *name, const char *text, float *out,
			 const json_t *expected, size_t n)
{
	bool taken[WIDTH_MAX] = {false};

	lep_scores(model->kernels, (LepProblem) model->view.desc->problem, out, n);
	if (!check(json_array_size(expected) == n, "%s: %zu labels", name, n))
		return;
	for (size_t rank = 0; rank < n; rank++)
	{
		const json_t *pair = json_array_get(expected, rank);
		const json_t *label = json_array_get(pair, 0);
		double score = json_number_value(json_array_get(pair, 1));
		size_t best = n;
		char text_of[64];

		for (size_t i = 0; i < n; i++)
			best = !taken[i] && (best == n || out[i] > out[best]) ? i : best;
		taken[best] = true;
		snprintf(text_of, sizeof(text_of), "%lld", (long long) json_integer_value(label));
		check(strcmp(lep_desc_label(&model->view, (uint32_t) best),
					 json_is_string(label) ? json_string_value(label) : text_of) == 0 &&
				  fabs(out[best] - score) <= TOLERANCE * fmax(1, fabs(score)),
			  "%s: \"%.30s\" has %s %.7g at rank %zu, expected %.7g", name, text,
			  lep_desc_label(&model->view, (uint32_t) best), out[best], rank, score);
	}
}

/* Check one folder with one set of kernels. */
static void
check_folder(const char *name, const LepKernels *kernels)
{
	char path[512];
	json_error_t json_error;
	json_t *golden;
	const json_t *texts;
	uint64_t size = 0;
	LepArena arena;
	LepModel model;
	LepEncoder *encoder = lep_encoder_new(&lep_malloc_allocator);
	LepError err = {0};
	char *image;

	snprintf(path, sizeof(path), "%s/%s/golden.json", LAYOUTS, name);
	golden = json_load_file(path, 0, &json_error);
	texts = json_object_get(golden, "texts");
	snprintf(path, sizeof(path), "%s/%s", LAYOUTS, name);
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	image = make_image(path, LEP_TASK_DEFAULT, kernels, &size, &err);
	if (check(texts != NULL, "%s: no golden.json", name) &&
		check(image != NULL && lep_image_open(image, size, memory_image_hash, kernels, &arena,
											  &model, &err) == LEP_OK,
			  "%s: %s (%s)", name, err.message, err.detail))
	{
		uint32_t width = lep_desc_width(model.view.desc);

		for (size_t i = 0; i < json_array_size(texts) && width <= WIDTH_MAX; i++)
		{
			const char *text = json_string_value(json_array_get(texts, i));
			float out[WIDTH_MAX];

			check_ids(&model, encoder, name, text,
					  json_array_get(json_object_get(golden, "ids"), i));
			if (!check(run_text(&model, encoder, text, out, &err), "%s: %s", name, err.message))
				continue;
			if (model.view.desc->task == LEP_TASK_EMBED)
				check_row(name, text, out, json_array_get(json_object_get(golden, "embeddings"), i),
						  width);
			else
				check_scores(&model, name, text, out,
							 json_array_get(json_object_get(golden, "scores"), i), width);
		}
	}
	lep_arena_free(&arena);
	lep_encoder_free(encoder);
	free(image);
	json_decref(golden);
}

int
main(void)
{
	check_folders(LAYOUTS, check_folder);
	return test_done();
}
