/*
 * tokenizer.c: speed of the tokenizer alone, on one thread.
 *
 * usage: tokenizer tokenizer.json seconds [max_tokens] < texts
 * Each text is a 32-bit length and its bytes.  Prints the megabytes per second
 * of processor time of the fastest round that fits into the given seconds, and
 * the number of tokens of a round.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/engine/tokenizer.h"

typedef struct Texts
{
	char *bytes; /* lengths and texts, as read */
	size_t size;
	size_t payload; /* bytes of the texts alone */
} Texts;

/* Read a stream to its end. */
static char *
read_all(FILE *file, size_t *size)
{
	size_t capacity = 1 << 20;
	char *bytes = malloc(capacity);
	size_t n;

	*size = 0;
	while (bytes != NULL && (n = fread(bytes + *size, 1, capacity - *size, file)) > 0)
	{
		*size += n;
		if (*size == capacity)
			bytes = realloc(bytes, capacity *= 2);
	}
	return bytes;
}

/* Seconds of processor time that this process took, so that others on the machine do not count. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Tokenize all texts once; the number of tokens, or -1. */
static long
round_of(const LepTokenizer *tok, LepTokenScratch *scratch, Texts *texts, size_t max_tokens)
{
	LepTokenizeOptions options = {.max_tokens = max_tokens, .add_special = true};
	long total = 0;

	texts->payload = 0;
	for (size_t at = 0; at + 4 <= texts->size;)
	{
		LepTokens tokens;
		LepError err;
		uint32_t len;

		memcpy(&len, texts->bytes + at, 4);
		at += 4;
		if (len > texts->size - at || lep_tokenize(tok, scratch, texts->bytes + at, len, &options,
												   &tokens, NULL, &err) != LEP_OK)
			return -1;
		total += (long) tokens.n;
		texts->payload += len;
		at += len;
	}
	return total;
}

/* Measure. */
int
main(int argc, char **argv)
{
	double limit = argc > 2 ? atof(argv[2]) : 1;
	size_t max_tokens = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
	LepArena arena;
	LepError err = {0};
	LepTokenizer tok;
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	Texts texts = {0};
	void *blob;
	size_t size;
	char *json;
	double best = 1e30, started, spent = 0;
	long total = 0;

	if (file == NULL || scratch == NULL)
		return 2;
	json = read_all(file, &size);
	fclose(file);
	texts.bytes = read_all(stdin, &texts.size);
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	started = now();
	if (json == NULL || texts.bytes == NULL ||
		lep_tokenizer_build(json, size, INT32_MAX, &arena, &blob, &size, &err) != LEP_OK ||
		lep_tokenizer_open(blob, size, &tok, &err) != LEP_OK)
	{
		fprintf(stderr, "%s: %s\n", err.message, err.detail);
		return 1;
	}
	fprintf(stderr, "tables: %.1f ms, %zu bytes\n", (now() - started) * 1e3, size);
	while (spent < limit && total >= 0)
	{
		started = now();
		total = round_of(&tok, scratch, &texts, max_tokens);
		started = now() - started;
		spent += started;
		best = started < best ? started : best;
	}
	printf("%.3f MB/s %ld tokens\n", (double) texts.payload / best / 1e6, total);
	lep_token_scratch_free(scratch);
	lep_arena_free(&arena);
	free(json);
	free(texts.bytes);
	return total < 0;
}
