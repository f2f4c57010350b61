/*
 * fuzz_unigram.c: what comes with SentencePiece: character maps, model files,
 * texts over a Unigram tokenizer, ids to decode, damaged tables.
 *
 * The first byte chooses: 'm' a length, a text of it and a character map; 's'
 * a class of tokenizer and a model file; 't' a text for the sample tokenizer;
 * 'd' ids to decode (one byte each); 'b' triples (16-bit offset, byte) that
 * damage the sample's tables, which then tokenize and decode.
 */
#define LEPTON_ENGINE_SOURCE
#include <jansson.h>

#include "../../src/engine/normalizer_parts.h"
#include "../../src/engine/tokenizer.h"
#include "../../src/engine/utf8.h"
#include "fuzzing.h"

#define IDS 1000

/* A map of a to xyz and of U+0301 behind e, pieces with many ties, bytes to fall back to, every kind of decoder. */
static const char sample[] =
	"{\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":true,"
	"\"rstrip\":false,\"normalized\":true,\"special\":true}],\"normalizer\":{\"type\":\"Sequence\","
	"\"normalizers\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"aa\"},\"content\":\"b\"},"
	"{\"type\":\"Nmt\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}|[bc]+d\"},\"content\":"
	"\" \"},{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true},{\"type\":\"Prepend\","
	"\"prepend\":\" x\"},{\"type\":\"NFKC\"}]},\"pre_tokenizer\":{\"type\":\"Metaspace\","
	"\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"always\",\"split\":true},\"decoder\":{"
	"\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Replace\","
	"\"pattern\":{\"Regex\":\"[ab]+\"},\"content\":\"-\"},{\"type\":\"Metaspace\",\"replacement\":"
	"\"\xE2\x96\x81\",\"prepend_scheme\":\"always\"},{\"type\":\"WordPiece\",\"prefix\":\"a\","
	"\"cleanup\":true},{\"type\":\"BPEDecoder\",\"suffix\":\"b\"},{\"type\":\"Strip\",\"content\":"
	"\" \",\"start\":1,\"stop\":2},{\"type\":\"Fuse\"},{\"type\":\"ByteLevel\",\"add_prefix_space\":"
	"true,\"trim_offsets\":true}]},\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"byte_fallback\":"
	"true,\"vocab\":[[\"<s>\",0],[\"<unk>\",0],[\"a\",-1],[\"b\",-2],[\"ab\",-3],[\"ba\",-3.5],"
	"[\"aba\",-4.5],[\"\xE2\x96\x81\",-1],[\"\xE2\x96\x81\xE2\x96\x81\",-2],[\"\xE2\x96\x81"
	"a\",-2],[\"<0x61>\",0],[\"<0xC3>\",0],[\"<0xA9>\",0],[\"c\xC3\xA9\",-2],[\"cd\",-90],"
	"[\"x\",-1.5],[\"do\",-3],[\"not\",-3],[\".\",-3],[\"'\",-3],[\"s\",-3],[\"\xC4\xA0\",-3]]}}";

static const char fixed_text[] =
	"the  aabab \xE2\x96\x81 c\xC3\xA9 cd <s> e\xCC\x81\xE2\x80\x8B\xEF\xAC\x81 do not 's \xF0\x9F\x98\x80 .";

static LepArena arena;
static LepTokenizer tokenizer;
static void *good;
static size_t good_size;

/* Build the sample tokenizer. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	json_set_alloc_funcs(fuzz_json_alloc, fuzz_json_free);
	lep_arena_init(&arena, &fuzz_allocator, 0);
	require(lep_tokenizer_build(sample, strlen(sample), IDS, &arena, &good, &good_size, NULL) ==
			LEP_OK);
	require(lep_tokenizer_open(good, good_size, &tokenizer, NULL) == LEP_OK);
	return 0;
}

/* Is text[len] UTF-8? */
static bool
is_utf8(const char *text, size_t len)
{
	for (size_t at = 0; at < len;)
	{
		uint32_t c;
		size_t n = lep_utf8_decode((const unsigned char *) text + at, len - at, &c);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

/* Decode ids; whole tables give UTF-8. */
static void
decode(const LepTokenizer *tok, LepTokenScratch *scratch, const int32_t *ids, size_t n, bool whole)
{
	for (int skip = 0; skip < 2; skip++)
	{
		const char *text;
		size_t len;
		LepError err;
		LepStatus status =
			lep_token_decode(tok, scratch, ids, n, skip == 1, &text, &len, NULL, &err);

		require(status == LEP_OK || !whole);
		require(status != LEP_OK || !whole || is_utf8(text, len));
	}
}

/* Tokenize a text and decode what it gives. */
static void
tokenize(const LepTokenizer *tok, const char *text, size_t len, bool whole)
{
	LepTokenizeOptions options = {.add_special = true};
	LepTokenScratch *scratch = lep_token_scratch_new(&fuzz_allocator);
	LepTokens tokens;
	LepError err;
	LepStatus status;
	int32_t *ids;

	require(scratch != NULL);
	status = lep_tokenize(tok, scratch, text, len, &options, &tokens, NULL, &err);
	if (whole && status != LEP_OK && status != LEP_BAD_INPUT)
		fprintf(stderr, "%s\n", err.message);
	require(status == LEP_OK || status == LEP_BAD_INPUT || !whole);
	if (status == LEP_OK)
	{
		ids = malloc(tokens.n * sizeof(int32_t) + 1);
		require(ids != NULL);
		for (size_t i = 0; i < tokens.n; i++)
		{
			require(!whole || (tokens.ids[i] >= 0 && tokens.ids[i] < IDS));
			require(!whole || tokens.spans[i].end <= len);
			ids[i] = tokens.ids[i];
		}
		decode(tok, scratch, ids, tokens.n, whole);
		free(ids);
	}
	lep_token_scratch_free(scratch);
}

/* Apply a character map to a text. */
static void
apply_map(const uint8_t *data, size_t size)
{
	size_t len = size > 0 ? data[0] : 0;
	LepCharBuffer chars;
	LepCharsmap map;
	LepError err;
	unsigned char *bytes;

	if (size < 1 + len)
		return;
	bytes = fuzz_copy(data + 1 + len, size - 1 - len);
	lep_chars_init(&chars, &fuzz_allocator);
	if (lep_charsmap_open("f", bytes, size - 1 - len, &map, &err) == LEP_OK &&
		lep_chars_load(&chars, (const char *) data + 1, 0, len, NULL, &err) == LEP_OK)
	{
		require(lep_chars_precompiled(&chars, &map, NULL, &err) == LEP_OK);
		for (size_t i = 0; i < chars.n; i++)
			require(chars.chars[i].c <= 0x10FFFF && chars.chars[i].start <= chars.chars[i].end &&
					chars.chars[i].end <= len);
	}
	lep_chars_free(&chars);
	fuzz_free(NULL, bytes);
}

/* Read a SentencePiece model as a class does. */
static void
read_model(const uint8_t *data, size_t size)
{
	static const char *const configs[] = {
		"{\"tokenizer_class\":\"XLMRobertaTokenizer\"}",
		"{\"tokenizer_class\":\"AlbertTokenizer\",\"mask_token\":null}",
		"{\"tokenizer_class\":\"DebertaV2Tokenizer\",\"split_by_punct\":true}",
		"{\"tokenizer_class\":\"CamembertTokenizer\",\"add_prefix_space\":false}",
		"{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":2}",
	};
	LepSlowFiles files = {{NULL}, {0}};
	LepArena work;
	LepTokenizer tok;
	LepError err;
	void *blob;
	size_t blob_size;
	LepStatus status;

	if (size < 1)
		return;
	files.text[LEP_SLOW_SETTINGS] = configs[data[0] % 5];
	files.len[LEP_SLOW_SETTINGS] = strlen(configs[data[0] % 5]);
	for (int i = LEP_SLOW_SPIECE; i <= LEP_SLOW_SPM; i++)
	{
		files.text[i] = (const char *) data + 1;
		files.len[i] = size - 1;
	}
	lep_arena_init(&work, &fuzz_allocator, (size_t) 256 << 20);
	status = lep_tokenizer_build_slow(&files, IDS, &work, &blob, &blob_size, &err);
	if (status == LEP_OK)
	{
		require(lep_tokenizer_open(blob, blob_size, &tok, &err) == LEP_OK);
		tokenize(&tok, fixed_text, sizeof(fixed_text) - 1, true);
	}
	else
		require(err.status == status && err.message[0] != '\0');
	lep_arena_free(&work);
}

/* Damage the sample's tables and use them. */
static void
damage(const uint8_t *data, size_t size)
{
	unsigned char *copy = fuzz_copy(good, good_size);
	LepTokenizer tok;
	LepError err;

	for (size_t i = 0; i + 3 <= size; i += 3)
		copy[(data[i] | (size_t) data[i + 1] << 8) % good_size] = data[i + 2];
	if (lep_tokenizer_open(copy, good_size, &tok, &err) == LEP_OK)
		tokenize(&tok, fixed_text, sizeof(fixed_text) - 1, false);
	fuzz_free(NULL, copy);
}

/* Decode ids, one byte each. */
static void
decode_bytes(const uint8_t *data, size_t size)
{
	LepTokenScratch *scratch = lep_token_scratch_new(&fuzz_allocator);
	int32_t *ids = malloc(size * sizeof(int32_t) + 1);

	require(scratch != NULL && ids != NULL);
	for (size_t i = 0; i < size; i++)
		ids[i] = data[i] - 1;
	decode(&tokenizer, scratch, ids, size, true);
	free(ids);
	lep_token_scratch_free(scratch);
}

/* Do what the first byte says. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'm')
		apply_map(data + 1, size - 1);
	else if (data[0] == 's')
		read_model(data + 1, size - 1);
	else if (data[0] == 'b')
		damage(data + 1, size - 1);
	else if (data[0] == 'd')
		decode_bytes(data + 1, size - 1);
	else
		tokenize(&tokenizer, (const char *) data + 1, size - 1, true);
	return 0;
}
