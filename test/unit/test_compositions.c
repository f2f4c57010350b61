/*
 * test_compositions.c: splits, regular expressions, models and post-processors
 * of tokenizer.json against the answers of the pinned package
 * (test/data/tokenizer/compositions.json).
 */
#define LEPTON_ENGINE_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/tokenizer.h"
#include "token_testing.h"

#define FILE_NAME "test/data/tokenizer/compositions.json"
#define ROWS	  100000

/* Compare one text: text, ids, spans. */
static void
compare_row(const LepTokenizer *tok, LepTokenScratch *scratch, const char *name, const json_t *row)
{
	LepTokenizeOptions options = {.add_special = true};

	check_tokens(tok, scratch, &options, name, json_array_get(row, 0), json_array_get(row, 1), NULL,
				 json_array_get(row, 2));
}

/* Compare the pair, cut to nine tokens, and the frame around its texts. */
static void
compare_pair(const LepTokenizer *tok, LepTokenScratch *scratch, const char *name,
			 const json_t *pair, const json_t *want)
{
	LepTokenizeOptions options = {.add_special = true, .max_tokens = 9};
	const char *first = json_string_value(json_array_get(pair, 0));
	const char *second = json_string_value(json_array_get(pair, 1));
	const json_t *ids = json_array_get(want, 0);
	const json_t *types = json_array_get(want, 1);
	LepTokenScratch *other = lep_token_scratch_new(&lep_malloc_allocator);
	LepTokens tokens, parts[2], framed;
	LepStatus status = lep_tokenize_pair(tok, scratch, first, strlen(first), second, strlen(second),
										 &options, &tokens, NULL, NULL);
	bool same = status == LEP_OK && tokens.n == json_array_size(ids);

	for (size_t i = 0; same && i < tokens.n; i++)
		same = tokens.ids[i] == json_integer_value(json_array_get(ids, i)) &&
			   tokens.types[i] == json_integer_value(json_array_get(types, i));
	check(same, "%s: the pair differs (status %d)", name, status);
	options.max_tokens = 0;
	status = lep_tokenize_pair(tok, scratch, first, strlen(first), second, strlen(second), &options,
							   &tokens, NULL, NULL);
	options.add_special = false;
	if (status == LEP_OK)
		status = lep_tokenize(tok, other, second, strlen(second), &options, &parts[1], NULL, NULL);
	same = status == LEP_OK;
	if (same)
	{
		LepTokenScratch *third = lep_token_scratch_new(&lep_malloc_allocator);

		same = lep_tokenize(tok, third, first, strlen(first), &options, &parts[0], NULL, NULL) ==
				   LEP_OK &&
			   lep_tokens_frame(tok, third, &parts[0], &parts[1], &framed, NULL) == LEP_OK &&
			   framed.n == tokens.n;
		for (size_t i = 0; same && i < tokens.n; i++)
			same = framed.ids[i] == tokens.ids[i] && framed.types[i] == tokens.types[i] &&
				   framed.sequence[i] == tokens.sequence[i] &&
				   framed.spans[i].start == tokens.spans[i].start &&
				   framed.spans[i].end == tokens.spans[i].end;
		lep_token_scratch_free(third);
	}
	check(same, "%s: the frame differs (status %d)", name, status);
	lep_token_scratch_free(other);
}

/* Build a case's tokenizer from its base and compare. */
static void
compare_case(const json_t *file, const json_t *item)
{
	const char *name = json_string_value(json_object_get(item, "name"));
	const char *base = json_string_value(json_object_get(item, "base"));
	json_t *tokenizer = json_deep_copy(json_object_get(json_object_get(file, "bases"), base));
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	LepArena arena;
	LepTokenizer tok;
	LepError err = {0};
	json_t *row;
	char *text;
	void *blob;
	size_t size;
	size_t i;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	json_object_update(tokenizer, json_object_get(item, "parts"));
	json_object_update(json_object_get(tokenizer, "model"), json_object_get(item, "model"));
	text = json_dumps(tokenizer, JSON_COMPACT);
	if (check(lep_tokenizer_build(text, strlen(text), ROWS, &arena, &blob, &size, &err) == LEP_OK &&
				  lep_tokenizer_open(blob, size, &tok, &err) == LEP_OK,
			  "%s does not build: %s: %s", name, err.message, err.detail))
	{
		json_array_foreach(json_object_get(item, "rows"), i, row)
			compare_row(&tok, scratch, name, row);
		compare_pair(&tok, scratch, name, json_object_get(file, "pair"),
					 json_object_get(item, "pair"));
	}
	free(text);
	lep_token_scratch_free(scratch);
	lep_arena_free(&arena);
	json_decref(tokenizer);
}

#define WORDS "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"a\":1}}}"
#define REGEX                                                                                          \
	"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},\"behavior\":\"Isolated\"," \
	"\"invert\":false}," WORDS

/* Build a tokenizer and tokenize text with a new scratch; the number of tokens or the status below 0. */
static int
count_tokens(const char *json, const char *text, bool framed)
{
	LepTokenizeOptions options = {0};
	LepTokenScratch *scratch = lep_token_scratch_new(&lep_malloc_allocator);
	LepArena arena;
	LepTokenizer tok;
	LepTokens tokens, frame;
	LepError err = {0};
	LepStatus status;
	void *blob;
	size_t size;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_tokenizer_build(json, strlen(json), ROWS, &arena, &blob, &size, &err);
	if (status == LEP_OK)
		status = lep_tokenizer_open(blob, size, &tok, &err);
	if (status == LEP_OK)
		status = lep_tokenize(&tok, scratch, text, strlen(text), &options, &tokens, NULL, &err);
	if (status == LEP_OK && framed)
	{
		LepTokens part = lep_tokens_slice(&tokens, tokens.n / 2, tokens.n - tokens.n / 2);

		status = lep_tokens_frame(&tok, scratch, &part, NULL, &frame, &err);
	}
	lep_token_scratch_free(scratch);
	lep_arena_free(&arena);
	return status == LEP_OK ? (int) tokens.n : -(int) status;
}

/* Texts of which no character is left, in memory that was never used. */
static void
test_nothing_left(void)
{
	static const char bytes[] =
		"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
		"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]}," WORDS;
	static const char spaces[] =
		"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"\"},"
		"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
		"{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\",\"split\":true}]}," WORDS;

	check(count_tokens(bytes, "   ", false) == 0, "white space for bytes");
	check(count_tokens(spaces, "xx", false) == 0, "a text that is replaced by nothing");
}

/* Templates that repeat a text: tokens as the package gives them, no windows. */
static void
test_repeated_text(void)
{
	static const char json[] =
		"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\","
		"\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}},"
		"\"pre_tokenizer\":{\"type\":\"Whitespace\"}," WORDS;

	check(count_tokens(json, "a b a", false) == 6, "a repeated text");
	check(count_tokens(json, "a b a", true) == -(int) LEP_UNSUPPORTED, "a window of it");
}

/* Patterns that add nothing but work, however often they repeat. */
static void
test_repeats_of_nothing(void)
{
	char json[1024];

	snprintf(json, sizeof(json), REGEX, "((?:(?:(?:(?:(?:){1000}){1000}){1000}){1000}){1000}a)");
	check(count_tokens(json, "a", false) == -(int) LEP_UNSUPPORTED, "repeats of nothing");
	snprintf(json, sizeof(json), REGEX, "(?:(?:){1000}){10}a");
	check(count_tokens(json, "a", false) == 1, "few repeats of nothing");
}

/* Compare all cases. */
int
main(void)
{
	json_error_t error;
	json_t *file = json_load_file(FILE_NAME, 0, &error);
	json_t *item;
	size_t i;

	if (check(file != NULL, "%s: %s", FILE_NAME, error.text))
		json_array_foreach(json_object_get(file, "cases"), i, item) compare_case(file, item);
	json_decref(file);
	test_nothing_left();
	test_repeated_text();
	test_repeats_of_nothing();
	return test_done();
}
