/*
 * tokenize_file.c: runs the tokenizer over texts from standard input, for
 * comparisons with other implementations.
 *
 * usage: tokenize_file [-l] [-n] [-m max] [-p strategy] tokenizer.json
 *		  tokenize_file [-l] [-n] [-m max] [-p strategy] -v folder	  (vocab.txt and its neighbours)
 * -l lower first, -n no special tokens, -p pairs of texts (strategy 0 to 2, a
 * LepTruncation).  Each text is a 32-bit length and its bytes.  The answer to
 * each is 32-bit numbers: how many tokens (0xFFFFFFFF and the LepStatus when
 * it failed), then ids, types, starts and ends; with -p types are those plus
 * 65536 times the sequence.
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

/* Build from tokenizer.json, or from a folder with vocab.txt. */
static LepStatus
build(const char *path, bool vocab_route, LepArena *arena, void **blob, size_t *size, LepError *err)
{
	size_t len[4];
	char *file[4];
	LepStatus status;

	if (!vocab_route)
	{
		file[0] = slurp("", path, &len[0]);
		if (file[0] == NULL)
			return lep_error(err, LEP_MISSING, "cannot read %s", path);
		status = lep_tokenizer_build(file[0], len[0], INT32_MAX, arena, blob, size, err);
		free(file[0]);
		return status;
	}
	file[0] = slurp(path, "vocab.txt", &len[0]);
	file[1] = slurp(path, "tokenizer_config.json", &len[1]);
	file[2] = slurp(path, "special_tokens_map.json", &len[2]);
	file[3] = slurp(path, "added_tokens.json", &len[3]);
	if (file[0] == NULL)
		return lep_error(err, LEP_MISSING, "cannot read %s/vocab.txt", path);
	status = lep_tokenizer_build_vocab(file[0], len[0], file[1], len[1], file[2], len[2], file[3],
									   len[3], INT32_MAX, arena, blob, size, err);
	for (int i = 0; i < 4; i++)
		free(file[i]);
	return status;
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
	LepArena arena;
	LepError err = {0};
	LepTokenizer tok;
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	void *blob;
	size_t size;
	char *text[2] = {NULL, NULL};
	size_t len[2];
	int option;

	while ((option = getopt(argc, argv, "lnvm:p:")) != -1)
	{
		if (option == 'l')
			options.lower_first = true;
		else if (option == 'n')
			options.add_special = false;
		else if (option == 'v')
			vocab_route = true;
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
