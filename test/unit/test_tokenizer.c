/*
 * test_tokenizer.c: the tokenizer against golden answers of the pinned
 * libraries (test/data/tokenizer), its limits, failures and speed bounds.
 */
#define LEPTON_ENGINE_SOURCE
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "../../src/engine/json.h"
#include "../../src/engine/normalizer.h"
#include "../../src/engine/tokenizer.h"
#include "../../src/engine/unicode.h"
#include "../../src/engine/utf8.h"
#include "../fuzz/tokenizer_samples.h"
#include "token_testing.h"

#define DATA	"test/data/tokenizer/"
#define ROWS	100000
#define LAST_CP 0x110000u

/* Load a golden file. */
static json_t *
load(const char *path)
{
	json_error_t error;
	json_t *json = json_load_file(path, 0, &error);

	if (!check(json != NULL, "%s: %s", path, error.text))
		exit(test_done());
	return json;
}

/* Build and open a tokenizer from the text of a tokenizer.json; false when it fails. */
static bool
build(const char *text, size_t rows, LepArena *arena, LepTokenizer *tok, LepError *err)
{
	void *blob;
	size_t size;

	return lep_tokenizer_build(text, strlen(text), rows, arena, &blob, &size, err) == LEP_OK &&
		   lep_tokenizer_open(blob, size, tok, err) == LEP_OK;
}

/* Compare one row: text, ids, types, spans. */
static void
compare_row(const LepTokenizer *tok, LepTokenScratch *scratch, const char *name, const json_t *row,
			bool lower)
{
	LepTokenizeOptions options = {.add_special = true, .lower_first = lower};

	check_tokens(tok, scratch, &options, name, json_array_get(row, 0), json_array_get(row, 1),
				 json_array_get(row, 2), json_array_get(row, 3));
}

/* Text and length of a file of a case; NULL when it is absent. */
static const char *
file_of(const json_t *files, const char *name, size_t *len)
{
	const json_t *text = json_object_get(files, name);

	*len = json_string_length(text);
	return json_string_value(text);
}

/* Build a case's tokenizer. */
static bool
build_case(const json_t *item, json_t *vocab, LepArena *arena, LepTokenizer *tok, LepError *err)
{
	const json_t *files = json_object_get(item, "files");
	json_t *tokenizer = json_object_get(item, "tokenizer");
	LepSlowFiles slow = {{NULL}, {0}};
	char *written;
	void *blob;
	size_t size;
	bool ok;

	if (files == NULL)
	{
		json_object_set(json_object_get(tokenizer, "model"), "vocab", vocab);
		written = json_dumps(tokenizer, JSON_COMPACT);
		ok = build(written, ROWS, arena, tok, err);
		free(written);
		return ok;
	}
	for (size_t i = 0; i < LEP_SLOW_FILES; i++)
		slow.text[i] = file_of(files, lep_slow_file_names[i], &slow.len[i]);
	return lep_tokenizer_build_slow(&slow, ROWS, arena, &blob, &size, err) == LEP_OK &&
		   lep_tokenizer_open(blob, size, tok, err) == LEP_OK;
}

/* Golden answers. */
static void
test_cases(void)
{
	json_t *file = load(DATA "cases.json");
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	json_t *item;
	json_t *row;
	size_t i;
	size_t j;

	json_array_foreach(json_object_get(file, "cases"), i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));
		LepArena arena;
		LepTokenizer tok;
		LepError err = {0};

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		if (check(build_case(item, json_object_get(file, "vocab"), &arena, &tok, &err),
				  "%s does not build: %s: %s", name, err.message, err.detail))
			json_array_foreach(json_object_get(item, "rows"), j, row)
				compare_row(&tok, scratch, name, row, json_is_true(json_object_get(item, "lower")));
		lep_arena_free(&arena);
	}
	lep_token_scratch_free(scratch);
	json_decref(file);
}

/* Files that must be refused, and as what. */
static void
test_refused(void)
{
	json_t *file = load(DATA "refused.json");
	json_t *item;
	size_t i;

	json_array_foreach(file, i, item)
	{
		const char *name = json_string_value(json_array_get(item, 0));
		const char *text = json_string_value(json_array_get(item, 1));
		bool bad = strcmp(json_string_value(json_array_get(item, 2)), "bad_file") == 0;
		LepArena arena;
		LepError err = {0};
		void *blob;
		size_t size;
		LepStatus status;

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		status = lep_tokenizer_build(text, strlen(text), 5000, &arena, &blob, &size, &err);
		check(status == (bad ? LEP_BAD_FILE : LEP_UNSUPPORTED), "%s: status %d", name, status);
		check(err.message[0] != '\0' && strstr(err.message, "tokenizer.json") != NULL,
			  "%s: message \"%s\"", name, err.message);
		check(err.detail[0] != '\0', "%s: no detail", name);
		lep_arena_free(&arena);
	}
	json_decref(file);
}

/* The steps that a name of code_points.json lists. */
static size_t
steps_of(const char *name, LepStep *steps)
{
	static const struct
	{
		const char *name;
		LepNormKind step;
	} known[] = {{"CLEAN", LEP_NORM_CLEAN},		  {"CHINESE", LEP_NORM_CHINESE},
				 {"NFD", LEP_NORM_NFD},			  {"NFKD", LEP_NORM_NFKD},
				 {"NFC", LEP_NORM_NFC},			  {"NFKC", LEP_NORM_NFKC},
				 {"STRIP_MN", LEP_NORM_STRIP_MN}, {"STRIP_MARKS", LEP_NORM_STRIP_MARKS},
				 {"LOWER", LEP_NORM_LOWER}};
	size_t n = 0;

	while (*name != '\0')
	{
		size_t len = strcspn(name, " ");

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i].name) == len && strncmp(known[i].name, name, len) == 0)
				steps[n++].kind = known[i].step;
		name += len + (name[len] == ' ');
	}
	return n;
}

/* Write c, aCb and ccc for the block's code points to text; its length. */
static size_t
block_text(uint32_t first, uint32_t block, char *text)
{
	size_t n = 0;

	for (uint32_t c = first == 0 ? 1 : first; c < first + block; c++)
	{
		unsigned char bytes[4];
		size_t len;

		if (c >= 0xD800 && c < 0xE000)
			continue;
		len = lep_utf8_encode(c, bytes);
		memcpy(text + n, bytes, len);
		n += len;
		text[n++] = '\n';
		text[n++] = 'a';
		memcpy(text + n, bytes, len);
		n += len;
		text[n++] = 'b';
		text[n++] = '\n';
		for (int i = 0; i < 3; i++, n += len)
			memcpy(text + n, bytes, len);
		text[n++] = '\n';
	}
	return n;
}

/* Checksum of the block's split counts. */
static uint32_t
split_sum(uint32_t first, uint32_t block)
{
	uLong sum = crc32(0, NULL, 0);

	for (uint32_t c = first == 0 ? 1 : first; c < first + block; c++)
	{
		uint32_t flags;
		unsigned char counts[2];

		if (c >= 0xD800 && c < 0xE000)
			continue;
		flags = lep_char_flags(c);
		counts[0] = flags & LEP_UC_SPACE ? 2 : flags & LEP_UC_PUNCT ? 3 : 1;
		counts[1] = flags & LEP_UC_SPACE ? 1 : flags & LEP_UC_WORD ? 1 : 2;
		sum = crc32(sum, counts, 2);
	}
	return (uint32_t) sum;
}

/* Every code point through every step. */
static void
test_code_points(void)
{
	json_t *file = load(DATA "code_points.json");
	uint32_t block = (uint32_t) json_integer_value(json_object_get(file, "block"));
	char *text = malloc((size_t) block * 32);
	char *out = malloc((size_t) block * 512);
	LepCharBuffer chars;
	const char *name;
	json_t *sums;

	lep_chars_init(&chars, &lep_malloc_allocator);
	for (uint32_t first = 0; text != NULL && out != NULL && first < LAST_CP; first += block)
	{
		size_t len = block_text(first, block, text);
		json_t *splits = json_object_get(file, "splits");

		check(split_sum(first, block) == json_integer_value(json_array_get(splits, first / block)),
			  "splits of the block at U+%04X differ", first);
		json_object_foreach(json_object_get(file, "forms"), name, sums)
		{
			LepStep steps[8] = {{0}};
			LepData none = {NULL, 0};
			size_t n_steps = steps_of(name, steps);
			size_t n = 0;
			LepError err;

			check(lep_chars_load(&chars, text, 0, len, NULL, &err) == LEP_OK &&
					  lep_chars_normalize(&chars, steps, n_steps, none, NULL, &err) == LEP_OK,
				  "block at U+%04X does not normalize", first);
			for (size_t i = 0; i < chars.n; i++)
				n += lep_utf8_encode(chars.chars[i].c, (unsigned char *) out + n);
			check(crc32(crc32(0, NULL, 0), (unsigned char *) out, (uInt) n) ==
					  (uLong) json_integer_value(json_array_get(sums, first / block)),
				  "%s of the block at U+%04X differs", name, first);
		}
	}
	lep_chars_free(&chars);
	free(text);
	free(out);
	json_decref(file);
}

/* Tokenize text[len] with sample 0 and say how it went. */
static LepStatus
run_sample(size_t sample, const char *text, size_t len, size_t max_tokens, bool special,
		   LepTokenScratch *scratch, LepTokens *tokens, const LepStop *stop)
{
	LepTokenizeOptions options = {.max_tokens = max_tokens, .add_special = special};
	LepArena arena;
	LepTokenizer tok;
	LepError err = {0};
	LepStatus status;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (!check(build(tokenizer_samples[sample], SAMPLE_IDS, &arena, &tok, &err),
			   "sample %zu does not build: %s: %s", sample, err.message, err.detail))
		return LEP_BAD_FILE;
	status = lep_tokenize(&tok, scratch, text, len, &options, tokens, stop, &err);
	check(status == LEP_OK || err.message[0] != '\0', "no message for status %d", status);
	lep_arena_free(&arena);
	return status;
}

/* Invalid UTF-8 is an error, wherever it is read. */
static void
test_invalid_text(void)
{
	static const char *const bad[] = {"\x80",
									  "a\xC3",
									  "\xC0\x80",
									  "\xED\xA0\x80",
									  "\xF4\x90\x80\x80",
									  "\xF8\x88\x80\x80\x80",
									  "ok \xE4\xB8 more",
									  "x\xFF",
									  "\xE0\x80\x80"};
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	LepTokens tokens;

	for (size_t sample = 0; sample < N_SAMPLES; sample++)
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			check(run_sample(sample, bad[i], strlen(bad[i]), 0, true, scratch, &tokens, NULL) ==
					  LEP_BAD_INPUT,
				  "invalid text %zu was accepted by sample %zu", i, sample);
	check(run_sample(0, "a b c \xFF", 7, 3, true, scratch, &tokens, NULL) == LEP_OK &&
			  tokens.n == 3 && tokens.truncated,
		  "text behind the cut was read");
	lep_token_scratch_free(scratch);
}

/* Limits: special tokens included, none left, both sides. */
static void
test_truncation(void)
{
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	LepTokens tokens;

	check(run_sample(0, "a b c a", 7, 4, true, scratch, &tokens, NULL) == LEP_OK && tokens.n == 4 &&
			  tokens.truncated && tokens.ids[0] == 2 && tokens.ids[1] == 5 && tokens.ids[2] == 6 &&
			  tokens.ids[3] == 3,
		  "right truncation");
	check(run_sample(1, "a b c a", 7, 4, true, scratch, &tokens, NULL) == LEP_OK && tokens.n == 4 &&
			  tokens.truncated && tokens.ids[1] == 7 && tokens.ids[2] == 5,
		  "left truncation");
	check(run_sample(0, "a b", 3, 4, true, scratch, &tokens, NULL) == LEP_OK && tokens.n == 4 &&
			  !tokens.truncated,
		  "a text that just fits");
	check(run_sample(0, "a b", 3, 2, true, scratch, &tokens, NULL) == LEP_OK && tokens.n == 2 &&
			  tokens.truncated,
		  "only special tokens fit");
	check(run_sample(0, "a b", 3, 1, true, scratch, &tokens, NULL) == LEP_BAD_INPUT,
		  "special tokens do not fit");
	check(run_sample(0, "", 0, 0, false, scratch, &tokens, NULL) == LEP_OK && tokens.n == 0,
		  "an empty text");
	check(run_sample(5, "a b", 3, 0, true, scratch, &tokens, NULL) == LEP_OK && tokens.n == 6 &&
			  tokens.types[0] == 1 && tokens.types[4] == 0 && tokens.ids[2] == 2 &&
			  tokens.ids[3] == 3,
		  "a template with the text twice");
	lep_token_scratch_free(scratch);
}

/* An allocator that fails from the n-th allocation on. */
typedef struct Failing
{
	long left; /* allocations that still work */
	long live; /* allocations not freed */
} Failing;

/* Allocate until the count is used up. */
static void *
failing_alloc(void *ctx, size_t size)
{
	Failing *failing = ctx;

	if (failing->left-- <= 0)
		return NULL;
	failing->live++;
	return malloc(size);
}

/* Free and count. */
static void
failing_free(void *ctx, void *ptr)
{
	((Failing *) ctx)->live--;
	free(ptr);
}

/* Every allocation fails once; the answer is LEP_NO_MEMORY and nothing leaks. */
static void
test_no_memory(void)
{
	static const char text[] = "abc a\xCC\x81\xCC\xA3 \xE4\xB8\xAD b a AB \xC3\xA9"
							   "c [MASK] x";

	for (size_t sample = 0; sample < N_SAMPLES; sample++)
	{
		LepStatus status = LEP_NO_MEMORY;

		for (long n = 0; status == LEP_NO_MEMORY && n < 500; n++)
		{
			Failing failing = {n, 0};
			LepAllocator allocator = {failing_alloc, failing_free, &failing};
			LepTokenizeOptions options = {.add_special = true, .lower_first = true};
			LepTokenScratch *scratch = lep_token_scratch_new(&allocator);
			const char *json = tokenizer_samples[sample];
			LepArena arena;
			LepTokenizer tok;
			LepTokens tokens;
			LepError err;
			void *blob;
			size_t size;

			lep_arena_init(&arena, &allocator, 0);
			if (scratch != NULL)
				status =
					lep_tokenizer_build(json, strlen(json), SAMPLE_IDS, &arena, &blob, &size, &err);
			if (scratch != NULL && status == LEP_OK)
			{
				status = lep_tokenizer_open(blob, size, &tok, &err);
				if (status == LEP_OK)
					status = lep_tokenize(&tok, scratch, text, sizeof(text) - 1, &options, &tokens,
										  NULL, &err);
			}
			lep_token_scratch_free(scratch);
			lep_arena_free(&arena);
			check(failing.live == 0, "sample %zu leaks after %ld allocations", sample, n);
		}
		check(status == LEP_OK, "sample %zu: status %d without failures", sample, status);
	}
}

/* Count the calls and stop at the n-th. */
static bool
stop_at(void *arg)
{
	return --*(long *) arg <= 0;
}

/* A long text asks to stop, soon and often. */
static void
test_cancel(void)
{
	static const char *const parts[] = {"a ", "\xCC\x81", "\xE4\xB8\xAD", "abc", "\xC3\xA9 ",
										"[",  " "};
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	size_t len = (size_t) 4 << 20;
	char *text = malloc(len);

	for (size_t p = 0; text != NULL && p < sizeof(parts) / sizeof(parts[0]); p++)
	{
		size_t part = strlen(parts[p]);

		for (size_t at = 0; at < len; at += part)
			memcpy(text + at, parts[p], part < len - at ? part : len - at);
		for (long n = 1; n <= 8; n += 7)
		{
			long left = n;
			LepStop stop = {stop_at, &left};
			LepTokens tokens;

			check(run_sample(p % 2 == 0 ? 0 : 3, text, len / part * part, 0, true, scratch, &tokens,
							 &stop) == LEP_CANCELLED,
				  "text of part %zu was not cancelled at call %ld", p, n);
		}
	}
	free(text);
	lep_token_scratch_free(scratch);
}

/* A megabyte of one repeated thing takes time in proportion. */
static void
test_linear(void)
{
	static const char *const parts[] = {
		"a",	  "\xCC\x81", "\xCD\x84", "\xE4\xB8\xAD", " ",	  "[",
		"[MASK]", "[MASK] ",  "\xC3\xA9", "\xEA\xB0\x80", "\x01", "\xCC\x95\xCC\x80\xCC\xA3",
		"b a ",	  "\xC4\xB0"};
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	size_t len = (size_t) 1 << 20;
	char *text = malloc(len);

	for (size_t p = 0; text != NULL && p < sizeof(parts) / sizeof(parts[0]); p++)
	{
		size_t part = strlen(parts[p]);

		for (size_t at = 0; at < len; at += part)
			memcpy(text + at, parts[p], part < len - at ? part : len - at);
		for (size_t sample = 0; sample < N_SAMPLES; sample++)
		{
			LepTokens tokens;
			clock_t started = clock();
			double seconds;

			check(run_sample(sample, text, len / part * part, 0, true, scratch, &tokens, NULL) ==
					  LEP_OK,
				  "part %zu, sample %zu", p, sample);
			seconds = (double) (clock() - started) / CLOCKS_PER_SEC;
			check(seconds < 10, "part %zu, sample %zu took %.1f s", p, sample, seconds);
		}
	}
	free(text);
	lep_token_scratch_free(scratch);
}

/* A damaged header is found when it is opened. */
static void
test_open(void)
{
	LepArena arena;
	LepError err;
	LepTokenizer tok;
	void *blob;
	size_t size;
	unsigned char *copy;
	int refused = 0;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (!check(lep_tokenizer_build(tokenizer_samples[2], strlen(tokenizer_samples[2]), SAMPLE_IDS,
								   &arena, &blob, &size, &err) == LEP_OK,
			   "sample 2 does not build"))
		return;
	check(lep_tokenizer_open(blob, size, &tok, &err) == LEP_OK, "good tables");
	check(lep_tokenizer_special_count(&tok) == 0 && lep_tokenizer_max_type(&tok) == 0,
		  "no special tokens");
	check(lep_tokenizer_open(blob, size - 64, &tok, &err) == LEP_BAD_IMAGE, "short tables");
	check(lep_tokenizer_open(blob, 8, &tok, &err) == LEP_BAD_IMAGE, "eight bytes");
	check(lep_tokenizer_open(NULL, 0, &tok, &err) == LEP_BAD_IMAGE, "nothing");
	copy = lep_arena_alloc(&arena, size + 64);
	memcpy(copy + 1, blob, size);
	check(lep_tokenizer_open(copy + 1, size, &tok, &err) == LEP_BAD_IMAGE, "misplaced tables");
	for (size_t at = 0; at < 256; at++)
	{
		memcpy(copy, blob, size);
		copy[at] ^= 0xFF;
		refused += lep_tokenizer_open(copy, size, &tok, &err) == LEP_BAD_IMAGE;
	}
	check(refused >= 100, "only %d of 256 damaged header bytes were found", refused);
	lep_arena_free(&arena);
}

/* Ids at and above the embedding's rows are refused, whoever brings them. */
static void
test_rows(void)
{
	LepArena arena;
	LepError err;
	LepTokenizer tok;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	check(build(tokenizer_samples[0], 40, &arena, &tok, &err), "40 rows are enough");
	check(!build(tokenizer_samples[0], 39, &arena, &tok, &err) && err.status == LEP_BAD_FILE &&
			  strstr(err.detail, "id 39") != NULL,
		  "39 rows: %s", err.detail);
	check(!build(tokenizer_samples[2], 42, &arena, &tok, &err) && err.status == LEP_BAD_FILE,
		  "an added token without a row");
	check(build(tokenizer_samples[2], 43, &arena, &tok, &err), "43 rows are enough");
	lep_arena_free(&arena);
}

int
main(void)
{
	test_cases();
	test_refused();
	test_code_points();
	test_invalid_text();
	test_truncation();
	test_no_memory();
	test_cancel();
	test_linear();
	test_open();
	test_rows();
	return test_done();
}
