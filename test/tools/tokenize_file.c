/*
 * tokenize_file.c: runs the tokenizer over texts from standard input, for
 * comparisons with other implementations.
 *
 * usage: tokenize_file [-l] [-n] [-m max] [-p strategy] tokenizer.json
 *		  tokenize_file [-l] [-n] [-m max] [-p strategy] -v folder	  (without tokenizer.json)
 *		  tokenize_file -d | -s [-v] tokenizer.json or folder
 * -l lower first, -n no special tokens, -p pairs of texts (strategy 0 to 2, a
 * LepTruncation).  Each text is a 32-bit length and its bytes.  The answer to
 * each is 32-bit numbers: how many tokens (0xFFFFFFFF and the LepStatus when
 * it failed), then ids, types, starts and ends; with -p types are those plus
 * 65536 times the sequence.
 * -d decodes instead, -s without special tokens: each input is a 32-bit number
 * of ids and the ids, each answer a 32-bit length and the text.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/engine/tokenizer.h"

/* Read a whole file; NULL when it cannot be opened. */
static char *
slurp(const char *folder, const char *name, size_t *len)
{
	char path[4096];
	FILE *file;
	char *text;
	long size;

	*len = 0;
	snprintf(path, sizeof(path), "%s%s%s", folder, folder[0] ? "/" : "", name);
	file = fopen(path, "rb");
	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
		fseek(file, 0, SEEK_SET) != 0 || (text = malloc((size_t) size + 1)) == NULL)
	{
		fclose(file);
		return NULL;
	}
	*len = fread(text, 1, (size_t) size, file);
	text[*len] = '\0';
	fclose(file);
	return text;
}

/* Build from tokenizer.json, or from a folder with vocabulary files. */
static LepStatus
build(const char *path, bool vocab_route, LepArena *arena, void **blob, size_t *size, LepError *err)
{
	LepSlowFiles files;
	char *text[LEP_SLOW_FILES];
	LepStatus status;

	if (!vocab_route)
	{
		text[0] = slurp("", path, &files.len[0]);
		if (text[0] == NULL)
			return lep_error(err, LEP_MISSING, "cannot read %s", path);
		status = lep_tokenizer_build(text[0], files.len[0], INT32_MAX, arena, blob, size, err);
		free(text[0]);
		return status;
	}
	for (int i = 0; i < LEP_SLOW_FILES; i++)
		files.text[i] = text[i] = slurp(path, lep_slow_file_names[i], &files.len[i]);
	status = lep_tokenizer_build_slow(&files, INT32_MAX, arena, blob, size, err);
	for (int i = 0; i < LEP_SLOW_FILES; i++)
		free(text[i]);
	return status;
}

/* Decode lists of ids, each with its length in front; the answer is a length and text. */
static int
decode_all(const LepTokenizer *tok, LepTokenScratch *scratch, bool skip_special)
{
	uint32_t n;
	int32_t *ids = NULL;

	while (fread(&n, sizeof(n), 1, stdin) == 1)
	{
		const char *text;
		size_t len;
		uint32_t out;
		LepError err = {0};

		ids = realloc(ids, ((size_t) n + 1) * sizeof(int32_t));
		if (ids == NULL || fread(ids, sizeof(int32_t), n, stdin) != n ||
			lep_token_decode(tok, scratch, ids, n, skip_special, &text, &len, NULL, &err) != LEP_OK)
			return 1;
		out = (uint32_t) len;
		fwrite(&out, sizeof(out), 1, stdout);
		fwrite(text, 1, len, stdout);
	}
	free(ids);
	return 0;
}

/* Write one answer. */
static void
answer(const LepTokens *tokens, bool pairs)
{
	uint32_t n = (uint32_t) tokens->n;

	fwrite(&n, sizeof(n), 1, stdout);
	fwrite(tokens->ids, sizeof(int32_t), n, stdout);
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t type = (uint32_t) tokens->types[i];

		if (pairs)
			type |= (uint32_t) tokens->sequence[i] << 16;
		fwrite(&type, sizeof(type), 1, stdout);
	}
	for (uint32_t i = 0; i < n; i++)
		fwrite(&tokens->spans[i].start, sizeof(uint32_t), 1, stdout);
	for (uint32_t i = 0; i < n; i++)
		fwrite(&tokens->spans[i].end, sizeof(uint32_t), 1, stdout);
}

/* Read one text into *text; its length, or SIZE_MAX at the end. */
static size_t
read_text(char **text)
{
	uint32_t len;

	if (fread(&len, sizeof(len), 1, stdin) != 1)
		return SIZE_MAX;
	*text = realloc(*text, (size_t) len + 1);
	if (*text == NULL || fread(*text, 1, len, stdin) != len)
		exit(1);
	return len;
}

/* Tokenize every text of standard input. */
int
main(int argc, char **argv)
{
	LepTokenizeOptions options = {.add_special = true};
	bool vocab_route = false;
	bool pairs = false;
	bool decodes = false;
	bool skips = false;
	LepArena arena;
	LepError err = {0};
	LepTokenizer tok;
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	void *blob;
	size_t size;
	char *text[2] = {NULL, NULL};
	size_t len[2];
	int option;

	while ((option = getopt(argc, argv, "lnvdsm:p:")) != -1)
	{
		if (option == 'l')
			options.lower_first = true;
		else if (option == 'n')
			options.add_special = false;
		else if (option == 'v')
			vocab_route = true;
		else if (option == 'd' || option == 's')
		{
			decodes = true;
			skips = option == 's';
		}
		else if (option == 'm')
			options.max_tokens = strtoul(optarg, NULL, 10);
		else if (option == 'p')
		{
			pairs = true;
			options.truncation = (LepTruncation) atoi(optarg);
		}
		else
			return 2;
	}
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (optind >= argc || scratch == NULL ||
		build(argv[optind], vocab_route, &arena, &blob, &size, &err) != LEP_OK ||
		lep_tokenizer_open(blob, size, &tok, &err) != LEP_OK)
	{
		fprintf(stderr, "%d: %s: %s\n", err.status, err.message, err.detail);
		return 1;
	}
	if (decodes)
		return decode_all(&tok, scratch, skips);
	while ((len[0] = read_text(&text[0])) != SIZE_MAX)
	{
		LepTokens tokens;
		LepStatus status;

		if (pairs && (len[1] = read_text(&text[1])) == SIZE_MAX)
			return 1;
		status = pairs
					 ? lep_tokenize_pair(&tok, scratch, text[0], len[0], text[1], len[1], &options,
										 &tokens, NULL, &err)
					 : lep_tokenize(&tok, scratch, text[0], len[0], &options, &tokens, NULL, &err);
		if (status == LEP_OK)
			answer(&tokens, pairs);
		else
		{
			uint32_t failed[2] = {UINT32_MAX, (uint32_t) err.status};

			fwrite(failed, sizeof(failed), 1, stdout);
		}
	}
	free(text[0]);
	free(text[1]);
	lep_token_scratch_free(scratch);
	lep_arena_free(&arena);
	return 0;
}
