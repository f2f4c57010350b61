/*
 * test_families.c: small folders of every family and task (test/data/families, made by
 * test/tools/make_tiny_families.py) against transformers' answers on them, texts together in
 * one batch and each alone.
 */
#include <math.h>

#include "../../src/engine/json.h"
#include "../../src/engine/task.h"
#include "folder_testing.h"

#define FAMILIES   "test/data/families"
#define TOLERANCE  2e-5
#define TEXTS_MAX  16
#define TOKENS_MAX 1024

/* The texts of a folder as one batch. */
typedef struct Texts
{
	int32_t ids[TOKENS_MAX], types[TOKENS_MAX];
	uint32_t starts[TEXTS_MAX + 1], picks[TOKENS_MAX];
	size_t first_pick[TEXTS_MAX + 1];
	size_t n, longest;
} Texts;

/* Tokenize all texts of the answers and check their ids; false when they do not fit. */
static bool
read_texts(const LepModel *model, const char *name, const json_t *golden, Texts *texts)
{
	const json_t *list = json_object_get(golden, "texts");
	LepEncoder *encoder = lep_encoder_new(&lep_malloc_allocator);
	LepError err = {0};
	bool fits = json_array_size(list) <= TEXTS_MAX;

	memset(texts, 0, sizeof(*texts));
	for (size_t i = 0; i < json_array_size(list) && fits; i++)
	{
		const json_t *ids = json_array_get(json_object_get(golden, "ids"), i);
		const json_t *picks = json_array_get(json_object_get(golden, "picks"), i);
		const char *text = json_string_value(json_array_get(list, i));
		uint32_t start = texts->starts[i];
		LepTokens tokens;

		fits =
			lep_encode(model, encoder, text, strlen(text), true, &tokens, NULL, &err) == LEP_OK &&
			tokens.n == json_array_size(ids) && start + tokens.n <= TOKENS_MAX;
		for (size_t j = 0; j < tokens.n && fits; j++)
		{
			fits = tokens.ids[j] == json_integer_value(json_array_get(ids, j));
			texts->ids[start + j] = tokens.ids[j];
			texts->types[start + j] = tokens.types[j];
		}
		for (size_t j = 0; j < json_array_size(picks); j++)
			texts->picks[texts->first_pick[i + 1]++ + texts->first_pick[i]] =
				start + (uint32_t) json_integer_value(json_array_get(picks, j));
		texts->first_pick[i + 1] += texts->first_pick[i];
		texts->starts[i + 1] = start + (uint32_t) tokens.n;
		texts->longest = tokens.n > texts->longest ? tokens.n : texts->longest;
		texts->n = i + 1;
	}
	lep_encoder_free(encoder);
	return check(fits && texts->n > 0, "%s: the ids of a text differ (%s)", name, err.message);
}

/* Run texts [first, end); their rows, to be freed, or NULL.  *n_rows gets how many. */
static float *
run_texts(const LepModel *model, const Texts *all, size_t first, size_t end, size_t *n_rows)
{
	uint32_t starts[TEXTS_MAX + 1];
	uint32_t picks[TOKENS_MAX];
	uint32_t begin = all->starts[first];
	LepBatch batch = {end - first,
					  all->starts[end] - begin,
					  all->ids + begin,
					  all->types + begin,
					  starts,
					  picks,
					  all->first_pick[end] - all->first_pick[first]};
	size_t size = lep_graph_arena_size(model->graph, batch.n_tokens, batch.n_texts, all->longest);
	void *arena = aligned_alloc(64, (size + 63) / 64 * 64);
	LepError err = {0};
	float *out;

	for (size_t i = 0; i <= end - first; i++)
		starts[i] = all->starts[first + i] - begin;
	for (size_t i = 0; i < batch.n_picks; i++)
		picks[i] = all->picks[all->first_pick[first] + i] - begin;
	*n_rows = lep_graph_out_rows(model->graph, &batch);
	out = malloc(*n_rows * lep_desc_width(model->view.desc) * sizeof(float) + 1);
	if (lep_graph_run(model->graph, &batch, arena, size, out, NULL, &err) != LEP_OK)
	{
		check(false, "%s: %s", err.message, err.detail);
		free(out);
		out = NULL;
	}
	free(arena);
	return out;
}

/* Compare one text's rows with the oracle's, which are near 1. */
static void
check_rows(const char *name, const char *task, size_t text, const float *out, size_t n_rows,
		   size_t width, const json_t *expected)
{
	double worst = 0;

	if (!check(json_array_size(expected) == n_rows, "%s, %s: text %zu has %zu rows, expected %zu",
			   name, task, text, n_rows, json_array_size(expected)))
		return;
	for (size_t row = 0; row < n_rows; row++)
	{
		const json_t *values = json_array_get(expected, row);

		if (!check(json_array_size(values) == width, "%s, %s: %zu columns, expected %zu", name,
				   task, width, json_array_size(values)))
			return;
		for (size_t i = 0; i < width; i++)
		{
			double value = json_number_value(json_array_get(values, i));
			double error = fabs(out[row * width + i] - value) / fmax(1, fabs(value));

			worst = error > worst || isnan(error) ? error : worst;
		}
	}
	check(worst <= TOLERANCE, "%s, %s: text %zu is off by %g", name, task, text, worst);
}

/* Run all texts together and each alone: the same bits, and the oracle's rows. */
static void
check_task(const LepModel *model, const char *name, const char *task, const json_t *golden,
		   const json_t *expected)
{
	size_t width = lep_desc_width(model->view.desc);
	Texts texts;
	size_t n_all = 0;
	size_t at = 0;
	float *all;

	if (!read_texts(model, name, golden, &texts))
		return;
	all = run_texts(model, &texts, 0, texts.n, &n_all);
	for (size_t i = 0; i < texts.n && all != NULL; i++)
	{
		size_t n = 0;
		float *alone = run_texts(model, &texts, i, i + 1, &n);

		if (alone != NULL && check(at + n <= n_all, "%s, %s: rows of the batch", name, task))
			check(memcmp(alone, all + at * width, n * width * sizeof(float)) == 0,
				  "%s, %s: text %zu differs in a batch", name, task, i);
		if (alone != NULL)
			check_rows(name, task, i, alone, n, width, json_array_get(expected, i));
		at += n;
		free(alone);
	}
	check(at == n_all, "%s, %s: %zu rows in the batch, %zu alone", name, task, n_all, at);
	free(all);
}

/* The number of a task's name. */
static int
find_task(const char *name)
{
	int task = 0;

	while (task < LEP_TASK_COUNT && strcmp(lep_task_name((LepTask) task), name) != 0)
		task++;
	return task;
}

/* Check all tasks of one folder with one set of kernels. */
static void
check_folder(const char *name, const LepKernels *kernels)
{
	char path[512];
	json_error_t json_error;
	json_t *golden;
	const char *task;
	json_t *expected;

	snprintf(path, sizeof(path), "%s/%s/golden.json", FAMILIES, name);
	golden = json_load_file(path, 0, &json_error);
	snprintf(path, sizeof(path), "%s/%s", FAMILIES, name);
	check(json_object_size(json_object_get(golden, "tasks")) > 0, "%s: no golden.json", name);
	json_object_foreach(json_object_get(golden, "tasks"), task, expected)
	{
		LepError err = {0};
		LepArena arena;
		LepModel model;
		uint64_t size = 0;
		char *image = make_image(path, find_task(task), kernels, &size, &err);

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		if (check(image != NULL && lep_image_open(image, size, memory_image_hash, kernels, &arena,
												  &model, &err) == LEP_OK,
				  "%s, %s: %s (%s)", name, task, err.message, err.detail))
			check_task(&model, name, task, golden, expected);
		lep_arena_free(&arena);
		free(image);
	}
	json_decref(golden);
}

/* Tasks that a folder does not serve, and those that it says it serves. */
static void
test_tasks(void)
{
	static const struct
	{
		const char *folder;
		uint32_t tasks;
	} cases[] = {
		{"bert-entities", 1 << LEP_TASK_ENTITIES},
		{"bert-answer", 1 << LEP_TASK_ANSWER},
		{"albert-classify", 1 << LEP_TASK_CLASSIFY},
		{"data2vec-embed-bare", 1 << LEP_TASK_EMBED},
		{"electra-mask", 1 << LEP_TASK_EMBED | 1 << LEP_TASK_MASK | 1 << LEP_TASK_SPARSE},
		{"bert-mask-splade", 1 << LEP_TASK_SPARSE | 1 << LEP_TASK_MASK},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char path[512];
		DirFolder dir;

		snprintf(path, sizeof(path), "%s/%s", FAMILIES, cases[i].folder);
		if (!check(dir_folder_open(&dir, path), "%s is not there", path))
			continue;
		for (int wanted = LEP_TASK_DEFAULT; wanted < LEP_TASK_COUNT; wanted++)
		{
			bool serves = wanted == LEP_TASK_DEFAULT || (cases[i].tasks >> wanted & 1) != 0;
			LepError err = {0};
			LepSource *source;
			LepArena arena;
			LepStatus status;

			lep_arena_init(&arena, &lep_malloc_allocator, 0);
			status = lep_source_open(&dir.folder, &arena, wanted, &source, NULL, &err);
			check((status == LEP_OK) == serves, "%s for task %d: %s (%s)", cases[i].folder, wanted,
				  err.message, err.detail);
			if (status == LEP_OK)
				check(source->tasks == cases[i].tasks, "%s serves %x, expected %x", cases[i].folder,
					  source->tasks, cases[i].tasks);
			else
				check(status == LEP_UNSUPPORTED || status == LEP_MISSING, "%s: status %d",
					  cases[i].folder, (int) status);
			lep_arena_free(&arena);
		}
	}
}

/* Stops at the question number left. */
static bool
stop_later(void *ctx)
{
	int *left = ctx;

	return (*left)-- <= 0;
}

/* Run three tokens with these picks on a model, stopped at question number at (none: below 0). */
static LepStatus
run_picks(const LepModel *model, const uint32_t *picks, size_t n_picks, int at, LepError *err)
{
	static const int32_t ids[3] = {2, 4, 3};
	static const uint32_t starts[2] = {0, 3};
	static float out[3 * 1024];
	LepBatch batch = {1, 3, ids, NULL, starts, picks, n_picks};
	LepStop stop = {stop_later, &at};
	size_t size = lep_graph_arena_size(model->graph, 3, 1, 3);
	void *arena = aligned_alloc(64, (size + 63) / 64 * 64);
	LepStatus status =
		lep_graph_run(model->graph, &batch, arena, size, out, at < 0 ? NULL : &stop, err);

	free(arena);
	return status;
}

/* Picks that are none, out of order or beyond the batch; a stop at every question. */
static void
test_picks(int task)
{
	static const uint32_t good[2] = {0, 2};
	static const uint32_t bad[][2] = {{2, 0}, {1, 1}, {1, 3}};
	const LepKernels *kernels = lep_kernels_choose("auto");
	LepError err = {0};
	LepArena arena;
	LepModel model;
	uint64_t size = 0;
	char *image = make_image(FAMILIES "/electra-mask", task, kernels, &size, &err);
	int n_stops = 0;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (check(image != NULL && lep_image_open(image, size, memory_image_hash, kernels, &arena,
											  &model, &err) == LEP_OK,
			  "%s", err.message) &&
		check(3 * lep_desc_width(model.view.desc) <= 3 * 1024, "room for three rows"))
	{
		check(run_picks(&model, good, 2, -1, &err) == LEP_OK, "%s", err.message);
		check(run_picks(&model, NULL, 0, -1, &err) == LEP_OK, "no picks: %s", err.message);
		for (size_t i = 0; i < 3; i++)
			check(run_picks(&model, bad[i], 2, -1, &err) == LEP_BAD_INPUT, "bad picks %zu", i);
		while (n_stops < 1000 && run_picks(&model, good, 2, n_stops, &err) == LEP_CANCELLED)
			n_stops++;
		check(n_stops > 10 && run_picks(&model, good, 2, n_stops, &err) == LEP_OK,
			  "%d questions: %s", n_stops, err.message);
	}
	lep_arena_free(&arena);
	free(image);
}

int
main(void)
{
	check_folders(FAMILIES, check_folder);
	test_tasks();
	test_picks(LEP_TASK_MASK);
	test_picks(LEP_TASK_SPARSE);
	return test_done();
}
