/*
 * fuzz_tokenizer_json.c: arbitrary files for the tokenizer's builder, and
 * arbitrary damage for its tables.
 *
 * An input that begins with 'b' is a
 * sample's number and quadruples (24-bit offset, byte) that damage its good blob;
 * all others are a tokenizer.json.  What builds or opens tokenizes a text.
 */
#define LEPTON_ENGINE_SOURCE
#include <jansson.h>

#include "../../src/engine/tokenizer.h"
#include "fuzzing.h"
#include "tokenizer_samples.h"

#define IDS 1000

static LepArena samples;
static const char *good[N_SAMPLES];
static size_t good_size[N_SAMPLES];

static const char fixed_text[] =
	"The quick [MASK] brown [CLS]fox\xC3\xA9 a\xCC\x81\xCC\xA3 \xE4\xB8\xAD\xE5\x9B\xBD "
	"##ing  \xF0\x9F\x98\x80 \xEA\xB0\x80 \xC4\xB0\xCE\xA3 <\xCC\xB8 aaa...bbb\x01z ";

/* Build good blobs to damage. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	json_set_alloc_funcs(fuzz_json_alloc, fuzz_json_free);
	lep_arena_init(&samples, &fuzz_allocator, 0);
	for (size_t i = 0; i < N_SAMPLES; i++)
	{
		void *blob;

		require(lep_tokenizer_build(tokenizer_samples[i], strlen(tokenizer_samples[i]), SAMPLE_IDS,
									&samples, &blob, &good_size[i], NULL) == LEP_OK);
		good[i] = blob;
	}
	return 0;
}

/* Tokenize the fixed text with whatever the blob is. */
static void
use(const void *blob, size_t size, bool whole)
{
	LepTokenizeOptions options = {.add_special = true};
	LepTokenScratch *scratch;
	LepTokenizer tok;
	LepTokens tokens;
	LepError err;
	LepStatus status = lep_tokenizer_open(blob, size, &tok, &err);

	require(status == LEP_OK || !whole);
	if (status != LEP_OK)
		return;
	scratch = lep_token_scratch_new(&fuzz_allocator);
	require(scratch != NULL);
	status = lep_tokenize(&tok, scratch, fixed_text, sizeof(fixed_text) - 1, &options, &tokens,
						  NULL, &err);
	/* A vocabulary may lack what it would need; a pattern may go wild. */
	require(status == LEP_OK || status == LEP_BAD_INPUT || status == LEP_TOO_LARGE || !whole);
	for (size_t i = 0; i < tokens.n; i++)
		require(tokens.ids[i] >= 0 && (!whole || tokens.ids[i] < IDS));
	lep_token_scratch_free(scratch);
}

/* Damage a good blob and use it. */
static void
damage(const uint8_t *data, size_t size)
{
	size_t sample = data[0] % N_SAMPLES;
	unsigned char *copy = fuzz_copy(good[sample], good_size[sample]);

	for (size_t i = 1; i + 4 <= size; i += 4)
		copy[(data[i] | (size_t) data[i + 1] << 8 | (size_t) data[i + 2] << 16) %
			 good_size[sample]] = data[i + 3];
	use(copy, good_size[sample], false);
	fuzz_free(NULL, copy);
}

/* Build from one input. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LepArena arena;
	LepError err;
	void *blob;
	size_t blob_size;
	LepStatus status;

	if (size > 1 && data[0] == 'b')
	{
		damage(data + 1, size - 1);
		return 0;
	}
	lep_arena_init(&arena, &fuzz_allocator, (size_t) 256 << 20);
	status = lep_tokenizer_build((const char *) data, size, IDS, &arena, &blob, &blob_size, &err);
	if (status == LEP_OK)
		use(blob, blob_size, true);
	else
		require(err.status == status && err.message[0] != '\0');
	lep_arena_free(&arena);
	return 0;
}
