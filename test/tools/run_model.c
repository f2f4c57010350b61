/*
 * run_model.c: runs a model folder without a server: texts in, embeddings, logits or sparse
 * weights out, one row a line; measures the bare engine.  It owns no arithmetic.
 *
 *		run_model [options] FOLDER < texts
 *			--isa NAME			kernels, as in lepton.cpu_isa (auto)
 *			--batch-tokens N	tokens of a batch (1024)
 *			--max-tokens N		cut texts shorter than the model does
 *			--task NAME			the task wanted, as in lep_task_name (the folder's own); of a
 *								masked language model the logits of every token
 *			--null				texts end with NUL instead of a newline
 *			--graph				print the graph instead
 *			--bench SECONDS		print speed instead of values
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/engine/task.h"
#include "dir_folder.h"
#include "memory_image.h"

typedef struct Options
{
	const char *folder, *isa;
	size_t batch_tokens, max_tokens;
	double bench;
	int task;
	bool null, graph;
} Options;

/* A text's tokens. */
typedef struct Text
{
	int32_t *ids, *types;
	float *out; /* [n_rows, width] */
	size_t n, number, n_rows;
} Text;

/* Stop with a message when a call failed. */
static void
must(LepStatus status, const LepError *err)
{
	if (status == LEP_OK)
		return;
	fprintf(stderr, "run_model: %s (status %d)\n%s\n%s\n", err->message, (int) status, err->detail,
			err->hint);
	exit(1);
}

/* Seconds that this process has computed: other programs' turns do not count. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Make an image of a folder in memory and open it. */
static void
open_model(const Options *options, const LepKernels *kernels, LepArena *arena, LepModel *model)
{
	static DirFolder dir;
	LepError err = {0};
	LepSource *source;
	LepArena source_arena;
	char *image;
	uint64_t size;
	double start;

	if (!dir_folder_open(&dir, options->folder))
	{
		fprintf(stderr, "run_model: cannot open folder \"%s\"\n", options->folder);
		exit(1);
	}
	lep_arena_init(&source_arena, &lep_malloc_allocator, 0);
	start = now();
	must(lep_source_open(&dir.folder, &source_arena, options->task, &source, NULL, &err), &err);
	fprintf(stderr, "folder read in %.1f ms, task %s of", 1e3 * (now() - start),
			lep_task_name((LepTask) source->view.desc->task));
	for (int task = 0; task < LEP_TASK_COUNT; task++)
		if ((source->tasks >> task & 1) != 0)
			fprintf(stderr, " %s", lep_task_name((LepTask) task));
	fprintf(stderr, "\n");
	start = now();
	image = memory_image(source, kernels, &size, &err);
	if (image == NULL)
		must(LEP_NO_MEMORY, &err);
	fprintf(stderr, "image of %.1f MB written in %.1f ms\n", 1e-6 * (double) size,
			1e3 * (now() - start));
	lep_arena_free(&source_arena);
	start = now();
	must(lep_image_open(image, size, memory_image_hash, kernels, arena, model, &err), &err);
	fprintf(stderr, "image opened in %.2f ms, %zu bytes of memory\n", 1e3 * (now() - start),
			arena->used);
}

/* Read all texts of stdin and tokenize them. */
static Text *
read_texts(const Options *options, const LepModel *model, size_t *n_texts)
{
	LepEncoder *encoder = lep_encoder_new(&lep_malloc_allocator);
	Text *texts = NULL;
	size_t room = 0;
	char *line = NULL;
	size_t line_room = 0;
	ssize_t len;
	double seconds = 0;
	size_t n_tokens = 0;

	*n_texts = 0;
	while ((len = getdelim(&line, &line_room, options->null ? '\0' : '\n', stdin)) > 0)
	{
		LepError err = {0};
		LepTokens tokens;
		Text *text;
		double start = now();

		if (line[len - 1] == (options->null ? '\0' : '\n'))
			len--;
		must(lep_encode(model, encoder, line, (size_t) len, true, &tokens, NULL, &err), &err);
		seconds += now() - start;
		if (*n_texts == room)
			texts = realloc(texts, (room = room * 2 + 1024) * sizeof(Text));
		text = &texts[*n_texts];
		text->out = NULL;
		text->n = tokens.n;
		if (options->max_tokens > 1 && text->n > options->max_tokens)
			text->n = options->max_tokens;
		text->number = (*n_texts)++;
		text->ids = malloc(text->n * sizeof(int32_t));
		text->types = malloc(text->n * sizeof(int32_t));
		memcpy(text->ids, tokens.ids, text->n * sizeof(int32_t));
		memcpy(text->types, tokens.types, text->n * sizeof(int32_t));
		text->ids[text->n - 1] = tokens.ids[tokens.n - 1];
		n_tokens += text->n;
	}
	free(line);
	lep_encoder_free(encoder);
	fprintf(stderr, "%zu texts, %zu tokens, tokenized in %.1f ms\n", *n_texts, n_tokens,
			1e3 * seconds);
	return texts;
}

/* Order texts by length, then by number. */
static int
shorter(const void *a, const void *b)
{
	const Text *x = a;
	const Text *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Pack texts[n] into a batch; of a masked language model every token is picked. */
static LepBatch
pack_batch(const Text *texts, size_t n, size_t n_tokens)
{
	int32_t *ids = malloc(n_tokens * sizeof(int32_t));
	int32_t *types = malloc(n_tokens * sizeof(int32_t));
	uint32_t *starts = malloc((n + 1) * sizeof(uint32_t));
	uint32_t *picks = malloc(n_tokens * sizeof(uint32_t));

	starts[0] = 0;
	for (size_t i = 0; i < n; i++)
	{
		memcpy(ids + starts[i], texts[i].ids, texts[i].n * sizeof(int32_t));
		memcpy(types + starts[i], texts[i].types, texts[i].n * sizeof(int32_t));
		starts[i + 1] = starts[i] + (uint32_t) texts[i].n;
	}
	for (size_t i = 0; i < n_tokens; i++)
		picks[i] = (uint32_t) i;
	return (LepBatch){n, n_tokens, ids, types, starts, picks, n_tokens};
}

/* Run all texts in batches; each text gets its rows.  Returns seconds. */
static double
run_all(const Options *options, const LepModel *model, Text *texts, size_t n_texts)
{
	size_t width = lep_desc_width(model->view.desc);
	size_t room = options->batch_tokens;
	double start = now();
	static void *arena;
	static size_t arena_size;

	for (size_t first = 0; first < n_texts;)
	{
		LepError err = {0};
		size_t n = 0;
		size_t n_tokens = 0;
		size_t longest = 0;
		size_t size;
		float *values;
		float *at;
		LepBatch batch;

		while (first + n < n_texts && (n == 0 || n_tokens + texts[first + n].n <= room))
		{
			longest = texts[first + n].n > longest ? texts[first + n].n : longest;
			n_tokens += texts[first + n++].n;
		}
		batch = pack_batch(texts + first, n, n_tokens);
		values = malloc(lep_graph_out_rows(model->graph, &batch) * width * sizeof(float));
		size = lep_graph_arena_size(model->graph, n_tokens, n, longest);
		if (size > arena_size)
		{
			free(arena);
			arena = aligned_alloc(LEP_ALIGN, size);
			arena_size = size;
		}
		must(lep_graph_run(model->graph, &batch, arena, arena_size, values, NULL, &err), &err);
		at = values;
		for (size_t i = first; i < first + n; i++)
		{
			texts[i].n_rows = lep_graph_out_rows(model->graph, &batch) == n ? 1 : texts[i].n;
			free(texts[i].out);
			texts[i].out = malloc(texts[i].n_rows * width * sizeof(float));
			memcpy(texts[i].out, at, texts[i].n_rows * width * sizeof(float));
			at += texts[i].n_rows * width;
		}
		free((void *) batch.ids);
		free((void *) batch.types);
		free((void *) batch.starts);
		free((void *) batch.picks);
		free(values);
		first += n;
	}
	if (options->bench > 0 && arena_size > 0)
		fprintf(stderr, "arena %.2f MB\n", 1e-6 * (double) arena_size);
	return now() - start;
}

/* GFLOP/s of the linear kernel alone at a layer's largest shape. */
static double
gemm_speed(const LepKernels *kernels, const LepDesc *desc)
{
	size_t d_in = desc->hidden;
	size_t d_out = desc->intermediate;
	size_t rows = 96;
	float *x = calloc(rows * d_in, sizeof(float));
	float *w = calloc(d_out * d_in, sizeof(float));
	float *out = calloc(rows * d_out, sizeof(float));
	void *packed =
		aligned_alloc(LEP_ALIGN, (kernels->linear_packed_size(d_out, d_in) + 63) / 64 * 64);
	LepLinear args = {0};
	double best = 0;

	kernels->linear_pack(w, d_out, d_in, packed);
	args.x = x;
	args.ldx = d_in;
	args.w = packed;
	args.out = out;
	args.ldo = d_out;
	args.n_rows = rows;
	args.d_in = d_in;
	args.d_out = d_out;
	for (int i = 0; i < 200; i++)
	{
		double start = now();
		double speed;

		kernels->linear(&args);
		speed = 2e-9 * (double) rows * (double) d_in * (double) d_out / (now() - start);
		best = speed > best ? speed : best;
	}
	free(x);
	free(w);
	free(out);
	free(packed);
	return best;
}

/* Repeat all texts for some seconds and print the median and best speed. */
static void
bench(const Options *options, const LepModel *model, Text *texts, size_t n_texts)
{
	const LepDesc *desc = model->view.desc;
	double h = desc->hidden;
	double flops = 0;
	double tokens = 0;
	double times[1000];
	double start = now();
	double gemm = gemm_speed(model->kernels, desc);
	size_t n = 0;

	for (size_t i = 0; i < n_texts; i++)
	{
		double len = (double) texts[i].n;

		tokens += len;
		flops += desc->n_layers *
				 (len * (8 * h * h + 4 * h * (double) desc->intermediate) + 4 * len * len * h);
	}
	while (n < 1000 && (n < 3 || now() - start < options->bench))
	{
		double t = run_all(options, model, texts, n_texts);
		size_t at = n++;

		for (; at > 0 && times[at - 1] > t; at--)
			times[at] = times[at - 1];
		times[at] = t;
	}
	printf("%zu texts, %.0f tokens, %zu runs: median %.0f tokens/s, best %.0f tokens/s, "
		   "%.1f GFLOP/s, linear kernel alone %.1f GFLOP/s, share %.0f %%\n",
		   n_texts, tokens, n, tokens / times[n / 2], tokens / times[0], 1e-9 * flops / times[0],
		   gemm, 100 * 1e-9 * flops / times[0] / gemm);
}

/* Print the graph. */
static void
print_graph(const LepGraph *graph)
{
	for (size_t i = 0; i < lep_graph_op_count(graph); i++)
	{
		LepOpInfo info;

		lep_graph_op_info(graph, i, &info);
		printf("%-10s %-60s %-36s %-5s %-14s %-10s %10llu %8llu\n", info.op, info.name, info.shape,
			   info.precision, info.stored != NULL ? info.stored : "", info.segment,
			   (unsigned long long) info.bytes, (unsigned long long) info.scratch);
	}
}

/* The task of a name; it ends the program where there is none. */
static int
find_task(const char *name)
{
	for (int task = 0; task < LEP_TASK_COUNT; task++)
		if (strcmp(lep_task_name((LepTask) task), name) == 0)
			return task;
	fprintf(stderr, "run_model: task \"%s\" is not known\n", name);
	exit(2);
}

/* Order texts by number. */
static int
earlier(const void *a, const void *b)
{
	const Text *x = a;
	const Text *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Print every row of every text. */
static void
print_rows(const Text *texts, size_t n_texts, size_t width)
{
	for (size_t i = 0; i < n_texts; i++)
		for (size_t j = 0; j < texts[i].n_rows * width; j++)
			printf("%.9g%c", (double) texts[i].out[j], (j + 1) % width != 0 ? ' ' : '\n');
}

/* Read the command line. */
static Options
read_options(int argc, char **argv)
{
	Options options = {NULL, "auto", 1024, 0, 0, LEP_TASK_DEFAULT, false, false};

	for (int i = 1; i < argc; i++)
	{
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--isa") == 0 && more)
			options.isa = argv[++i];
		else if (strcmp(argv[i], "--batch-tokens") == 0 && more)
			options.batch_tokens = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--max-tokens") == 0 && more)
			options.max_tokens = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--bench") == 0 && more)
			options.bench = strtod(argv[++i], NULL);
		else if (strcmp(argv[i], "--task") == 0 && more)
			options.task = find_task(argv[++i]);
		else if (strcmp(argv[i], "--null") == 0)
			options.null = true;
		else if (strcmp(argv[i], "--graph") == 0)
			options.graph = true;
		else if (options.folder == NULL && argv[i][0] != '-')
			options.folder = argv[i];
		else
			options.folder = "";
	}
	if (options.folder == NULL || options.folder[0] == '\0')
	{
		fprintf(stderr,
				"usage: run_model [--isa NAME] [--batch-tokens N] [--max-tokens N] [--task NAME] "
				"[--null] [--graph] [--bench SECONDS] FOLDER < texts\n");
		exit(2);
	}
	return options;
}

int
main(int argc, char **argv)
{
	Options options = read_options(argc, argv);
	const LepKernels *kernels;
	LepArena arena;
	LepModel model;
	Text *texts;
	size_t n_texts;
	char why[256] = "";

	if (strcmp(options.isa, "blas") == 0 && !lep_blas_load(why, sizeof(why)))
		fprintf(stderr, "run_model: %s\n", why);
	kernels = lep_kernels_choose(options.isa);
	if (kernels == NULL)
	{
		fprintf(stderr, "run_model: cannot run kernels \"%s\" here\n", options.isa);
		return 1;
	}
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	open_model(&options, kernels, &arena, &model);
	if (options.graph)
	{
		print_graph(model.graph);
		return 0;
	}
	texts = read_texts(&options, &model, &n_texts);
	qsort(texts, n_texts, sizeof(Text), shorter);
	if (options.bench > 0)
	{
		fprintf(stderr, "kernels: %s\n", kernels->isa);
		bench(&options, &model, texts, n_texts);
		return 0;
	}
	run_all(&options, &model, texts, n_texts);
	qsort(texts, n_texts, sizeof(Text), earlier);
	print_rows(texts, n_texts, lep_desc_width(model.view.desc));
	return 0;
}
