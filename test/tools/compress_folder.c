/*
 * compress_folder.c: compresses a model folder without a server and writes the
 * new folder; prints the report.  It owns no arithmetic.
 *
 *		compress_folder [--isa NAME] [--min-cosine X] [--min-agreement X] FOLDER OUT PRECISION [TEXTS]
 *
 * TEXTS is a file with one text per line; without it the built-in sample is used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/engine/compress.h"
#include "../../src/engine/task.h"
#include "dir_folder.h"

/* Texts as tokens, one behind the other. */
typedef struct Tokens
{
	int32_t *ids;
	uint32_t *starts;
	size_t n_texts, n_tokens, room_texts, room_tokens;
} Tokens;

/* Stop with a message when a call failed. */
static void
must(LepStatus status, const LepError *err)
{
	if (status == LEP_OK)
		return;
	fprintf(stderr, "compress_folder: %s (status %d)\n%s\n%s\n", err->message, (int) status,
			err->detail, err->hint);
	exit(1);
}

/* Seconds that this process has computed. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Append a text. */
static void
add_text(Tokens *tokens, const LepModel *model, LepEncoder *encoder, const char *text, size_t len)
{
	LepError err = {0};
	LepTokens found;

	must(lep_encode(model, encoder, text, len, true, &found, NULL, &err), &err);
	while (tokens->n_tokens + found.n > tokens->room_tokens)
		tokens->ids = realloc(tokens->ids, (tokens->room_tokens = tokens->room_tokens * 2 + 65536) *
											   sizeof(int32_t));
	if (tokens->n_texts + 1 >= tokens->room_texts)
		tokens->starts =
			realloc(tokens->starts,
					(tokens->room_texts = tokens->room_texts * 2 + 1024) * sizeof(uint32_t));
	memcpy(tokens->ids + tokens->n_tokens, found.ids, found.n * sizeof(int32_t));
	tokens->starts[0] = 0;
	tokens->n_tokens += found.n;
	tokens->starts[++tokens->n_texts] = (uint32_t) tokens->n_tokens;
}

/* Tokenize a file's lines, or the built-in sample. */
static void
read_sample(const LepSource *source, const char *path, Tokens *tokens)
{
	LepModel model = {.view = source->view};
	LepEncoder *encoder = lep_encoder_new(&lep_malloc_allocator);
	LepError err = {0};
	FILE *file = path != NULL ? fopen(path, "r") : NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	must(lep_tokenizer_open(source->tokenizer, source->tokenizer_size, &model.tokenizer, &err),
		 &err);
	if (path != NULL && file == NULL)
	{
		fprintf(stderr, "compress_folder: cannot open file \"%s\"\n", path);
		exit(1);
	}
	while (file != NULL && (len = getline(&line, &room, file)) > 0)
		add_text(tokens, &model, encoder, line, (size_t) len - (line[len - 1] == '\n'));
	for (size_t i = 0; file == NULL && lep_sample_texts[i] != NULL; i++)
		add_text(tokens, &model, encoder, lep_sample_texts[i], strlen(lep_sample_texts[i]));
	if (file != NULL)
		fclose(file);
	free(line);
	lep_encoder_free(encoder);
}

/* Write the new folder's files below a directory. */
static void
write_folder(const LepFolder *folder, const char *root)
{
	static char piece[1 << 20];

	mkdir(root, 0777);
	for (size_t i = 0; i < folder->n_files; i++)
	{
		const char *slash = strchr(folder->files[i].path, '/');
		char path[2048];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%.*s", root,
				 slash != NULL ? (int) (slash - folder->files[i].path) : 0, folder->files[i].path);
		mkdir(path, 0777);
		snprintf(path, sizeof(path), "%s/%s", root, folder->files[i].path);
		file = fopen(path, "w");
		for (uint64_t at = 0; file != NULL && at < folder->files[i].size; at += sizeof(piece))
		{
			uint64_t left = folder->files[i].size - at;
			size_t n = left < sizeof(piece) ? (size_t) left : sizeof(piece);
			LepError err = {0};

			must(folder->read(folder->ctx, i, at, piece, n, &err), &err);
			fwrite(piece, 1, n, file);
		}
		if (file == NULL || fclose(file) != 0)
		{
			fprintf(stderr, "compress_folder: cannot write file \"%s\"\n", path);
			exit(1);
		}
	}
}

int
main(int argc, char **argv)
{
	static DirFolder dir;
	const char *isa = "auto";
	LepCompressOptions options = {"auto", 0.999, 0.998};
	const LepKernels *kernels;
	LepCompressSample sample;
	LepCompressResult result;
	LepError err = {0};
	Tokens tokens = {0};
	LepSource *source;
	LepArena arena;
	double start;
	int at = 1;

	for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
	{
		if (strcmp(argv[at], "--isa") == 0)
			isa = argv[at + 1];
		else if (strcmp(argv[at], "--min-cosine") == 0)
			options.min_cosine = strtod(argv[at + 1], NULL);
		else if (strcmp(argv[at], "--min-agreement") == 0)
			options.min_agreement = strtod(argv[at + 1], NULL);
	}
	kernels = lep_kernels_choose(isa);
	if (argc - at < 3 || kernels == NULL || !dir_folder_open(&dir, argv[at]))
	{
		fprintf(stderr, "usage: compress_folder [--isa NAME] [--min-cosine X] [--min-agreement X] "
						"FOLDER OUT PRECISION [TEXTS]\n");
		return 2;
	}
	options.precision = argv[at + 2];
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	must(lep_source_open(&dir.folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err), &err);
	read_sample(source, argc - at > 3 ? argv[at + 3] : NULL, &tokens);
	sample = (LepCompressSample){tokens.n_texts, tokens.n_tokens, tokens.ids, tokens.starts};
	start = now();
	must(lep_compress(source, &options, &sample, kernels, &arena, &result, NULL, NULL, &err), &err);
	for (size_t i = 0; i < result.n_layers; i++)
		printf("%-60s %-12s error %.3e  %9llu -> %9llu bytes\n", result.layers[i].name,
			   lep_scheme_name(result.layers[i].scheme), result.layers[i].error,
			   (unsigned long long) result.layers[i].bytes_before,
			   (unsigned long long) result.layers[i].bytes);
	printf("%s: %zu texts, %zu tokens, cosine mean %.6f, least %.6f, agreement %.4f, %.1f s\n",
		   result.precision, tokens.n_texts, tokens.n_tokens, result.cosine_mean, result.cosine_min,
		   result.agreement, now() - start);
	write_folder(result.folder, argv[at + 1]);
	return 0;
}
