/*
 * fuzz_slow.c: arbitrary files of folders without tokenizer.json: vocab.txt,
 * vocab.json and merges.txt, SentencePiece models, and the settings beside them.
 *
 * An input is the files of LepSlowFile in their order, cut at bytes 0x1E, the
 * last a SentencePiece model under all its names.  What builds tokenizes a text.
 */
#define LEPTON_ENGINE_SOURCE
#include <jansson.h>

#include "../../src/engine/tokenizer.h"
#include "fuzzing.h"

#define IDS		  1000
#define SEPARATOR 0x1E

static const char fixed_text[] =
	"The quick [MASK] brown [CLS]fox\xC3\xA9 a\xCC\x81\xCC\xA3 \xE4\xB8\xAD\xE5\x9B\xBD "
	"##ing  \xF0\x9F\x98\x80 \xEA\xB0\x80 \xC4\xB0\xCE\xA3 <\xCC\xB8 aaa...bbb\x01z ";

/* Let jansson have the fast allocator. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	json_set_alloc_funcs(fuzz_json_alloc, fuzz_json_free);
	return 0;
}

/* Tokenize the fixed text with a blob. */
static void
use(const void *blob, size_t size)
{
	LepTokenizeOptions options = {.add_special = true};
	LepTokenScratch *scratch;
	LepTokenizer tok;
	LepTokens tokens;
	LepError err;
	LepStatus status = lep_tokenizer_open(blob, size, &tok, &err);

	require(status == LEP_OK);
	scratch = lep_token_scratch_new(&fuzz_allocator);
	require(scratch != NULL);
	status = lep_tokenize(&tok, scratch, fixed_text, sizeof(fixed_text) - 1, &options, &tokens,
						  NULL, &err);
	/* A vocabulary may lack what it would need; a pattern may go wild. */
	require(status == LEP_OK || status == LEP_BAD_INPUT || status == LEP_TOO_LARGE);
	for (size_t i = 0; i < tokens.n; i++)
		require(tokens.ids[i] >= 0 && tokens.ids[i] < IDS);
	lep_token_scratch_free(scratch);
}

/* Cut text at the separators into files in their order; the rest is any SentencePiece model. */
static void
cut(const char *text, size_t size, LepSlowFiles *files)
{
	for (int i = 0; i < LEP_SLOW_FILES && text != NULL; i++)
	{
		const char *end = i < LEP_SLOW_SPIECE ? memchr(text, SEPARATOR, size) : NULL;

		files->text[i] = text;
		files->len[i] = end != NULL ? (size_t) (end - text) : size;
		if (i >= LEP_SLOW_SPIECE)
			continue;
		size -= files->len[i] + (end != NULL);
		text = end != NULL ? end + 1 : NULL;
	}
}

/* Build from one input. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LepSlowFiles files = {{NULL}, {0}};
	LepArena arena;
	LepError err;
	void *blob;
	size_t blob_size;
	LepStatus status;

	lep_arena_init(&arena, &fuzz_allocator, (size_t) 256 << 20);
	cut((const char *) data, size, &files);
	status = lep_tokenizer_build_slow(&files, IDS, &arena, &blob, &blob_size, &err);
	if (status == LEP_OK)
		use(blob, blob_size);
	else
		require(err.status == status && err.message[0] != '\0');
	lep_arena_free(&arena);
	return 0;
}
