/*
 * test_unigram.c: Unigram tokenizers, character maps, decoders and folders
 * without tokenizer.json against golden answers of the pinned libraries
 * (test/data/tokenizer/unigram.json); damaged maps and models; speed bounds.
 */
#define LEPTON_ENGINE_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/engine/charsmap.h"
#include "../../src/engine/grapheme.h"
#include "../../src/engine/spm_model.h"
#include "../../src/engine/tokenizer.h"
#include "../../src/engine/unigram.h"
#include "../../src/engine/utf8.h"
#include "token_testing.h"

#define GOLDEN "test/data/tokenizer/unigram.json"
#define ROWS   100000

/* Decode base64 into malloc'ed bytes. */
static char *
from_base64(const char *text, size_t *len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *bytes = malloc(strlen(text) + 1);
	unsigned bits = 0;

	*len = 0;
	for (size_t i = 0; text[i] != '\0' && text[i] != '='; i++)
	{
		bits = bits << 6 | (unsigned) (strchr(digits, text[i]) - digits);
		if (i % 4 != 0)
			bytes[(*len)++] = (char) (bits >> (6 - 2 * (i % 4)));
	}
	bytes[*len] = '\0';
	return bytes;
}

/* Build a case's tokenizer from its files or its tokenizer.json. */
static bool
build_case(const json_t *item, const json_t *vocabularies, LepArena *arena, LepTokenizer *tok,
		   LepError *err)
{
	json_t *model = json_object_get(json_object_get(item, "tokenizer"), "model");
	const json_t *vocab = json_object_get(model, "vocab");
	LepSlowFiles files = {{NULL}, {0}};
	char *text[LEP_SLOW_FILES] = {NULL};
	void *blob;
	size_t size;
	LepStatus status;

	if (model != NULL)
	{
		if (json_is_null(vocab) || json_is_integer(vocab))
			json_object_set(model, "vocab",
							json_array_get(vocabularies, (size_t) json_integer_value(vocab)));
		text[0] = json_dumps(json_object_get(item, "tokenizer"), JSON_COMPACT);
		status = lep_tokenizer_build(text[0], strlen(text[0]), ROWS, arena, &blob, &size, err);
		free(text[0]);
		return status == LEP_OK && lep_tokenizer_open(blob, size, tok, err) == LEP_OK;
	}
	for (size_t i = 0; i < LEP_SLOW_FILES; i++)
	{
		const json_t *content =
			json_object_get(json_object_get(item, "files"), lep_slow_file_names[i]);

		if (content != NULL)
			files.text[i] = text[i] = from_base64(json_string_value(content), &files.len[i]);
	}
	status = lep_tokenizer_build_slow(&files, ROWS, arena, &blob, &size, err);
	for (size_t i = 0; i < LEP_SLOW_FILES; i++)
		free(text[i]);
	return status == LEP_OK && lep_tokenizer_open(blob, size, tok, err) == LEP_OK;
}

/* Compare one text: ids, types, spans. */
static void
compare_row(const LepTokenizer *tok, LepTokenScratch *scratch, const char *name, const json_t *row)
{
	LepTokenizeOptions options = {.add_special = true};

	check_tokens(tok, scratch, &options, name, json_array_get(row, 0), json_array_get(row, 1),
				 json_array_get(row, 2), json_array_get(row, 3));
}

/* Compare what one list of ids decodes to, with special tokens and without. */
static void
compare_decode(const LepTokenizer *tok, LepTokenScratch *scratch, const char *name,
			   const json_t *row)
{
	const json_t *list = json_array_get(row, 0);
	int32_t ids[16];
	size_t n = json_array_size(list);
	LepError err = {0};

	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t) json_integer_value(json_array_get(list, i));
	for (int skip = 0; skip < 2; skip++)
	{
		const json_t *want = json_array_get(row, 1 + (size_t) skip);
		const char *text;
		size_t len;
		LepStatus status =
			lep_token_decode(tok, scratch, ids, n, skip == 1, &text, &len, NULL, &err);

		check(status == LEP_OK && len == json_string_length(want) &&
				  memcmp(text, json_string_value(want), len) == 0,
			  "%s: decodes to \"%.*s\", expected \"%s\"", name, (int) len, text,
			  json_string_value(want));
	}
}

/* Golden answers. */
static void
test_cases(void)
{
	json_error_t error;
	json_t *file = json_load_file(GOLDEN, 0, &error);
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	const json_t *cases = json_object_get(file, "cases");

	check(json_array_size(cases) > 30, "%s: %s", GOLDEN, error.text);
	for (size_t i = 0; i < json_array_size(cases); i++)
	{
		const json_t *item = json_array_get(cases, i);
		const json_t *rows = json_object_get(item, "rows");
		const json_t *decodes = json_object_get(item, "decodes");
		const char *name = json_string_value(json_object_get(item, "name"));
		LepArena arena;
		LepTokenizer tok;
		LepError err = {0};

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		if (check(build_case(item, json_object_get(file, "vocabularies"), &arena, &tok, &err),
				  "%s: %s: %s", name, err.message, err.detail))
		{
			for (size_t j = 0; j < json_array_size(rows); j++)
				compare_row(&tok, scratch, name, json_array_get(rows, j));
			for (size_t j = 0; j < json_array_size(decodes); j++)
				compare_decode(&tok, scratch, name, json_array_get(decodes, j));
		}
		lep_arena_free(&arena);
	}
	lep_token_scratch_free(scratch);
	json_decref(file);
}

/* Ends of graphemes: count how many there are in a text. */
static size_t
count_graphemes(const char *text)
{
	LepCharBuffer chars;
	size_t n = 0;

	lep_chars_init(&chars, &lep_malloc_allocator);
	lep_chars_load(&chars, text, 0, strlen(text), NULL, NULL);
	for (size_t at = 0; at < chars.n; n++)
		at = lep_grapheme_end(chars.chars, chars.n, at);
	lep_chars_free(&chars);
	return n;
}

/* Rules of UAX #29, one by one. */
static void
test_graphemes(void)
{
	static const struct
	{
		const char *text;
		size_t n;
	} cases[] = {
		{"", 0},
		{"abc", 3},
		{"a\r\nb\n\r", 5},
		{"e\xCC\x81\xCC\xA3x", 2},					 /* marks */
		{"\x01\xCC\x81", 2},						 /* a mark behind a control character */
		{"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", 1}, /* Hangul L V T */
		{"\xEA\xB0\x80\xE1\x86\xA8\xEA\xB0\x80", 2}, /* LV T, LV */
		{"\xE1\x86\xA8\xE1\x85\xA1", 2},			 /* T V */
		{"\xE0\xA4\x95\xE0\xA5\x8D\xE0\xA4\x95", 1}, /* ka virama ka */
		{"\xE0\xA4\x95\xE0\xA4\x95", 2},
		{"\xD8\x80"
		 "a",
		 1},															 /* a prepended sign */
		{"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9", 1},			 /* picture ZWJ picture */
		{"\xF0\x9F\x91\xA9\xCC\x81\xE2\x80\x8D\xF0\x9F\x91\xA9", 1},	 /* with a mark */
		{"\xF0\x9F\x91\xA9\xE2\x80\x8D\xE2\x80\x8D\xF0\x9F\x91\xA9", 2}, /* ZWJ twice */
		{"a\xE2\x80\x8D\xF0\x9F\x91\xA9", 2},
		{"\xE0\xB8\x81\xE0\xB8\xB3", 1}, /* a spacing mark */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(count_graphemes(cases[i].text) == cases[i].n, "graphemes of case %zu: %zu, not %zu",
			  i, count_graphemes(cases[i].text), cases[i].n);
}

/* Scores as serde_json reads them. */
static void
test_scores(void)
{
	/* Pairs from the package: what the digits give, and what it makes of them. */
	static const double pairs[][2] = {
		{0.0, 0.0},	  {-1.0, -1.0},	   {-12345.0, -12345.0}, {-0.1, -0.1},
		{-8.5, -8.5}, {1e-5, 0.00001}, {-10.5, -10.5},		 {-9.65999984741211, -9.65999984741211},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		check(lep_unigram_score(pairs[i][0]) == pairs[i][1], "score %zu", i);
	/* 17 digits: the integer is rounded, and so is the quotient. */
	check(lep_unigram_score(-2.6872777424087236) == -(26872777424087236.0 / 1e16), "17 digits");
	check(lep_unigram_score(-13.274332236624613) == -(13274332236624613.0 / 1e15), "17 digits");
}

/* A map whose every byte is changed in turn, and its every prefix: nothing out of bounds. */
static void
test_damaged_map(void)
{
	/* One unit for the root, one for 'a', one with the value 0; then the texts. */
	unsigned char map[4 + 4 * 256 + 6] = {0};
	unsigned char copy[sizeof(map)];
	uint32_t units[256] = {0};
	LepCharsmap view;
	LepError err = {0};
	const char *text;
	size_t len = 0;

	units[0] = 1u << 10;
	units[1 ^ 'a'] = 'a' | 1u << 8 | (1u ^ 'a' ^ 7u) << 10;
	units[7] = 1u << 31;
	map[1] = 4;
	for (size_t i = 0; i < 256; i++)
		for (size_t j = 0; j < 4; j++)
			map[4 + 4 * i + j] = (unsigned char) (units[i] >> 8 * j);
	memcpy(map + 4 + 1024, "xyz\0q", 6);
	check(lep_charsmap_open("f", map, sizeof(map), &view, &err) == LEP_OK, "map: %s", err.detail);
	text = lep_charsmap_find(&view, (const unsigned char *) "ab", 2, &len);
	check(text != NULL && len == 3 && memcmp(text, "xyz", 3) == 0, "map: a is not xyz");
	check(lep_charsmap_find(&view, (const unsigned char *) "b", 1, &len) == NULL, "map: b");
	for (size_t i = 0; i < sizeof(map); i++)
		check(lep_charsmap_open("f", map, i, &view, &err) == (i < 1028 ? LEP_BAD_FILE : LEP_OK),
			  "map cut at %zu", i);
	for (size_t i = 0; i < sizeof(map) * 255; i++)
	{
		memcpy(copy, map, sizeof(map));
		copy[i / 255] ^= (unsigned char) (1 + i % 255);
		if (lep_charsmap_open("f", copy, sizeof(copy), &view, &err) != LEP_OK)
			continue;
		for (int c = 1; c < 256; c += 3)
		{
			unsigned char two[2] = {'a', (unsigned char) c};

			text = lep_charsmap_find(&view, two, 2, &len);
			if (text != NULL && (text < view.texts || text + len > view.texts + view.n_texts))
				check(false, "map damaged at %zu", i / 255);
		}
	}
}

/* A SentencePiece model of two pieces, its prefixes and damage. */
static void
test_spm(void)
{
	static const unsigned char model[] = {
		0x0A, 0x0A, 0x0A, 1,	'a',  0x15, 0, 0,	 0x80, 0xBF, 0x18, 4, /* "a", -1, user */
		0x0A, 3,	0x0A, 1,	'b',									  /* "b" */
		0x12, 8,	0x18, 1,	0x98, 2,	1, 0xC0, 2,	   1,			  /* trainer */
		0x1A, 4,	0x12, 2,	'm',  'p',								  /* map */
		0x7B, 0x08, 1,	  0x7C,											  /* a group, skipped */
	};
	unsigned char copy[sizeof(model)];
	LepArena arena;
	LepSpmModel read;
	LepError err = {0};
	LepStatus status;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_spm_read("f", model, sizeof(model), &arena, &read, &err);
	check(status == LEP_OK && read.n_pieces == 2, "spm: %s %s", err.message, err.detail);
	if (status == LEP_OK && read.n_pieces == 2)
		check(read.pieces[0].score == -1.0f && read.pieces[0].type == LEP_SPM_USER &&
				  read.pieces[1].type == LEP_SPM_NORMAL && read.pieces[1].len == 1 &&
				  read.type == LEP_SPM_UNIGRAM && read.byte_fallback && read.unk_id == 1 &&
				  read.charsmap_len == 2,
			  "spm: wrong content");
	for (size_t i = 0; i < sizeof(model); i++)
	{
		bool whole = i == 12 || i == 17 || i == 27 || i == 33;

		status = lep_spm_read("f", model, i, &arena, &read, &err);
		check(status == (whole ? LEP_OK : LEP_BAD_FILE), "spm cut at %zu: status %d", i, status);
	}
	for (size_t i = 0; i < sizeof(model) * 255; i++)
	{
		memcpy(copy, model, sizeof(model));
		copy[i / 255] ^= (unsigned char) (1 + i % 255);
		status = lep_spm_read("f", copy, sizeof(copy), &arena, &read, &err);
		if (status != LEP_OK && status != LEP_BAD_FILE)
			check(false, "spm damaged at %zu: status %d", i / 255, status);
	}
	lep_arena_free(&arena);
}

/* A text without an unknown token in the vocabulary is refused, not guessed. */
static void
test_no_unknown(void)
{
	static const char json[] =
		"{\"model\":{\"type\":\"Unigram\",\"unk_id\":null,\"vocab\":[[\"a\",-1]],"
		"\"byte_fallback\":false}}";
	LepTokenizeOptions options = {0};
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	LepArena arena;
	LepTokenizer tok;
	LepTokens tokens;
	LepError err = {0};
	void *blob;
	size_t size;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	check(lep_tokenizer_build(json, strlen(json), ROWS, &arena, &blob, &size, &err) == LEP_OK &&
			  lep_tokenizer_open(blob, size, &tok, &err) == LEP_OK,
		  "no unknown token: %s", err.message);
	check(lep_tokenize(&tok, scratch, "aa", 2, &options, &tokens, NULL, &err) == LEP_OK &&
			  tokens.n == 2,
		  "known characters: %s", err.message);
	check(lep_tokenize(&tok, scratch, "ab", 2, &options, &tokens, NULL, &err) == LEP_BAD_INPUT &&
			  strstr(err.detail, "U+0062") != NULL,
		  "an unknown character: %s", err.detail);
	lep_token_scratch_free(scratch);
	lep_arena_free(&arena);
}

/* Run all tests. */
int
main(void)
{
	test_cases();
	test_graphemes();
	test_scores();
	test_damaged_map();
	test_spm();
	test_no_unknown();
	return test_done();
}
