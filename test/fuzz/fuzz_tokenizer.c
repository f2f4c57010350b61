/*
 * fuzz_tokenizer.c: arbitrary bytes as a text, over the small tokenizers of
 * tokenizer_samples.h and all options.
 *
 * The first byte picks tokenizer and options, the second the token limit.
 * Checked: ids and spans are in range and in order, a span covers whole
 * characters, and a truncated result is the end or the beginning of the whole.
 */
#define LEPTON_ENGINE_SOURCE
#include "../../src/engine/tokenizer.h"
#include "fuzzing.h"
#include "tokenizer_samples.h"

static LepTokenizer tokenizers[N_SAMPLES];
static LepArena arena;

/* A copy of a result, which the next run would overwrite. */
typedef struct Copy
{
	int32_t *ids;	/* [n] */
	LepSpan *spans; /* [n] */
	size_t n;
} Copy;

/* Build the sample tokenizers. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	lep_arena_init(&arena, &fuzz_allocator, 0);
	for (size_t i = 0; i < N_SAMPLES; i++)
	{
		void *blob;
		size_t size;

		require(lep_tokenizer_build(tokenizer_samples[i], strlen(tokenizer_samples[i]), SAMPLE_IDS,
									&arena, &blob, &size, NULL) == LEP_OK);
		require(lep_tokenizer_open(blob, size, &tokenizers[i], NULL) == LEP_OK);
	}
	return 0;
}

/* Does a character of text[len] begin or end at `at`? */
static bool
is_boundary(const char *text, size_t len, size_t at)
{
	return at == len || ((unsigned char) text[at] & 0xC0) != 0x80;
}

/* Check what holds for every result. */
static void
check_tokens(const LepTokens *tokens, const char *text, size_t len, bool ordered)
{
	uint32_t last = 0;

	for (size_t i = 0; i < tokens->n; i++)
	{
		LepSpan span = tokens->spans[i];

		require(tokens->ids[i] >= 0 && tokens->ids[i] < SAMPLE_IDS);
		require(tokens->types[i] >= 0 && tokens->types[i] <= 1);
		require(span.start <= span.end && span.end <= len);
		require(is_boundary(text, len, span.start) && is_boundary(text, len, span.end));
		if (ordered && span.end > 0)
		{
			require(span.start >= last);
			last = span.start;
		}
	}
}

/* Take a copy of a result. */
static Copy
copy_of(const LepTokens *tokens)
{
	Copy copy = {malloc(tokens->n * sizeof(int32_t) + 1), malloc(tokens->n * sizeof(LepSpan) + 1),
				 tokens->n};

	require(copy.ids != NULL && copy.spans != NULL);
	if (tokens->n > 0)
	{
		memcpy(copy.ids, tokens->ids, tokens->n * sizeof(int32_t));
		memcpy(copy.spans, tokens->spans, tokens->n * sizeof(LepSpan));
	}
	return copy;
}

/* Tokenize one text in full and truncated. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LepTokenizeOptions options = {0};
	LepTokenScratch *scratch;
	const char *text;
	LepTokens tokens;
	LepError err;
	Copy whole = {NULL, NULL, 0};
	LepStatus full;
	LepStatus status;
	size_t sample;
	size_t limit;
	size_t len;

	if (size < 2)
		return 0;
	sample = data[0] % N_SAMPLES;
	options.lower_first = data[0] >= 0xC0;
	limit = 1 + data[1] % 32;
	text = (const char *) data + 2;
	len = size - 2;
	scratch = lep_token_scratch_new(&fuzz_allocator);
	require(scratch != NULL);
	full = lep_tokenize(&tokenizers[sample], scratch, text, len, &options, &tokens, NULL, &err);
	require(full == LEP_OK || full == LEP_BAD_INPUT);
	if (full == LEP_OK)
	{
		require(!tokens.truncated);
		check_tokens(&tokens, text, len,
					 sample != 2 && (sample < 5 || sample == 7 || sample == 10));
		whole = copy_of(&tokens);
	}
	options.max_tokens = limit;
	status = lep_tokenize(&tokenizers[sample], scratch, text, len, &options, &tokens, NULL, &err);
	require(status == LEP_OK || (status == LEP_BAD_INPUT && full == LEP_BAD_INPUT));
	/* The last sample repeats the text, so that its results are no part of each other. */
	if (status == LEP_OK && full == LEP_OK && sample != 5)
	{
		size_t skip = sample == 1 ? whole.n - tokens.n : 0;

		require(tokens.n == (whole.n < limit ? whole.n : limit));
		require(tokens.truncated == (tokens.n < whole.n));
		for (size_t i = 0; i < tokens.n; i++)
			require(tokens.ids[i] == whole.ids[skip + i] &&
					tokens.spans[i].start == whole.spans[skip + i].start &&
					tokens.spans[i].end == whole.spans[skip + i].end);
	}
	options.add_special = true;
	status = lep_tokenize(&tokenizers[sample], scratch, text, len, &options, &tokens, NULL, &err);
	require(status == LEP_OK || status == LEP_BAD_INPUT);
	if (status == LEP_OK)
		check_tokens(&tokens, text, len, false);
	/* The same text in two parts as a pair. */
	len /= 2;
	while (len > 0 && !is_boundary(text, size - 2, len))
		len--;
	options.truncation = (LepTruncation) (data[1] / 32 % 3);
	status = lep_tokenize_pair(&tokenizers[sample], scratch, text, len, text + len, size - 2 - len,
							   &options, &tokens, NULL, &err);
	require(status == LEP_OK || status == LEP_BAD_INPUT);
	require(status != LEP_OK || options.max_tokens == 0 || sample == 5 ||
			tokens.n <= options.max_tokens);
	free(whole.ids);
	free(whole.spans);
	lep_token_scratch_free(scratch);
	return 0;
}
