/*
 * tokenizer.c: opens a blob and runs it over a text: lower_first, truncation,
 * template and result.  What happens to the text in between is added_tokens.c
 * and wordpiece.c; the blob is written by tokenizer_pack.c.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer.h"

#include <string.h>

#include "tokenizer_run.h"
#include "unicode.h"
#include "utf8.h"

#define BLOB_ALIGN	 64
#define SIGMA		 0x3A3u
#define FINAL_SIGMA	 0x3C2u
#define SMALL_SIGMA	 0x3C3u
#define TOKENS_FIRST ((size_t) 512)

/* Is a section of elements of size bytes inside the blob? */
static bool
section_fits(LepSection section, size_t element, size_t size)
{
	return section.offset % BLOB_ALIGN == 0 && section.offset <= size &&
		   section.n <= (size - section.offset) / element;
}

/* Is a trie empty or whole, so that its root can be asked? */
static bool
trie_fits(LepSection section, size_t size)
{
	return section_fits(section, sizeof(LepTrieUnit), size) && section.n <= LEP_TRIE_MAX;
}

/* Check a blob and view it. */
LepStatus
lep_tokenizer_open(const void *blob, size_t size, LepTokenizer *tok, LepError *err)
{
	const struct LepTokenizerTables *t = blob;

	tok->blob = NULL;
	tok->tables = NULL;
	if (blob == NULL || (uintptr_t) blob % BLOB_ALIGN != 0 || size < sizeof(*t))
		return lep_error(err, LEP_BAD_IMAGE, "tokenizer tables are cut off or misplaced");
	if (t->magic != LEP_TOKENIZER_MAGIC || t->version != LEP_TOKENIZER_VERSION || t->size != size)
	{
		lep_error(err, LEP_BAD_IMAGE, "tokenizer tables have another layout");
		lep_error_detail(err, "Found version %u and %llu bytes, expected version %d and %zu bytes.",
						 t->version, (unsigned long long) t->size, LEP_TOKENIZER_VERSION, size);
		return LEP_BAD_IMAGE;
	}
	if (!trie_fits(t->words, size) || !trie_fits(t->raw, size) || !trie_fits(t->normal, size) ||
		!section_fits(t->added, sizeof(LepAdded), size) ||
		!section_fits(t->pieces, sizeof(LepPiece), size) || t->words.n == 0 ||
		t->n_steps > LEP_NORM_STEPS_MAX || t->n_ids > INT32_MAX || t->unk_id < 0 ||
		(uint32_t) t->unk_id >= t->n_ids ||
		(t->continuing != LEP_TRIE_NONE && t->continuing >= t->words.n))
		return lep_error(err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
	tok->blob = blob;
	tok->tables = t;
	return LEP_OK;
}

/* Tell how many special tokens the template adds. */
size_t
lep_tokenizer_special_count(const LepTokenizer *tok)
{
	return tok->tables->special;
}

/* Tell the largest segment id. */
size_t
lep_tokenizer_max_type(const LepTokenizer *tok)
{
	return tok->tables->max_type;
}

/* Make working memory; NULL without memory. */
LepTokenScratch *
lep_token_scratch_new(const LepAllocator *allocator)
{
	LepTokenScratch *scratch = allocator->alloc(allocator->ctx, sizeof(*scratch));

	if (scratch == NULL)
		return NULL;
	memset(scratch, 0, sizeof(*scratch));
	scratch->allocator = allocator;
	lep_chars_init(&scratch->chars, allocator);
	return scratch;
}

/* Free memory of the scratch's allocator; NULL is fine. */
static void
release(const LepAllocator *allocator, void *memory)
{
	if (memory != NULL)
		allocator->free(allocator->ctx, memory);
}

/* Give working memory back; NULL is fine. */
void
lep_token_scratch_free(LepTokenScratch *scratch)
{
	const LepAllocator *allocator;

	if (scratch == NULL)
		return;
	allocator = scratch->allocator;
	lep_chars_free(&scratch->chars);
	release(allocator, scratch->ids);
	release(allocator, scratch->spans);
	release(allocator, scratch->out_ids);
	release(allocator, scratch->out_types);
	release(allocator, scratch->out_spans);
	release(allocator, scratch->lowered);
	release(allocator, scratch->origins);
	release(allocator, scratch);
}

/* Replace *array by one of n elements of size bytes that begins with used elements of it. */
static bool
resize(const LepAllocator *allocator, void *array, size_t used, size_t n, size_t size)
{
	void **old = array;
	void *memory;
	size_t bytes;

	if (!lep_mul(n, size, &bytes))
		return false;
	memory = allocator->alloc(allocator->ctx, bytes);
	if (memory == NULL)
		return false;
	if (*old != NULL)
	{
		memcpy(memory, *old, used * size);
		allocator->free(allocator->ctx, *old);
	}
	*old = memory;
	return true;
}

/* Say that memory ran out. */
static LepStatus
no_memory(LepError *err)
{
	return lep_error(err, LEP_NO_MEMORY, "out of memory tokenizing a text");
}

/* Make room for more tokens. */
LepStatus
lep_run_reserve(LepTokenRun *run, size_t more)
{
	LepTokenScratch *scratch = run->scratch;
	size_t need;

	if (!lep_add(run->n, more, &need))
		return no_memory(run->err);
	if (need <= scratch->capacity)
		return LEP_OK;
	need = need < TOKENS_FIRST ? TOKENS_FIRST : need;
	if (!lep_add(need, need / 2, &need) ||
		!resize(scratch->allocator, &scratch->ids, run->n, need, sizeof(int32_t)) ||
		!resize(scratch->allocator, &scratch->spans, run->n, need, sizeof(LepSpan)))
	{
		scratch->capacity = 0;
		return no_memory(run->err);
	}
	scratch->capacity = need;
	return LEP_OK;
}

/* Count steps and ask stop now and then. */
LepStatus
lep_run_worked(LepTokenRun *run, size_t steps)
{
	run->work += steps;
	if (run->work < LEP_RUN_STEPS)
		return LEP_OK;
	run->work = 0;
	if (lep_stopped(run->stop))
		return lep_error(run->err, LEP_CANCELLED, "tokenizing was cancelled");
	return LEP_OK;
}

/* The small form of the capital sigma in chars[n] at `at`, as str.lower() chooses it. */
static uint32_t
small_sigma(const LepChar *chars, size_t n, size_t at)
{
	size_t i = at;

	while (i > 0 && (lep_char_flags(chars[i - 1].c) & LEP_UC_PY_IGNORABLE))
		i--;
	if (i == 0 || !(lep_char_flags(chars[i - 1].c) & LEP_UC_PY_CASED))
		return SMALL_SIGMA;
	i = at + 1;
	while (i < n && (lep_char_flags(chars[i].c) & LEP_UC_PY_IGNORABLE))
		i++;
	return i < n && (lep_char_flags(chars[i].c) & LEP_UC_PY_CASED) ? SMALL_SIGMA : FINAL_SIGMA;
}

/* Make run's text Python's str.lower() of it, and origins its bytes' places in the original. */
static LepStatus
lower_text(LepTokenRun *run)
{
	LepTokenScratch *scratch = run->scratch;
	LepCharBuffer *chars = &scratch->chars;
	size_t need;
	size_t n = 0;
	LepStatus status;

	status = lep_chars_load(chars, run->text, 0, run->len, run->stop, run->err);
	if (status != LEP_OK)
		return status;
	if (!lep_mul(chars->n, LEP_LOWER_MAX * 4, &need))
		return no_memory(run->err);
	if (need > scratch->lowered_capacity)
	{
		scratch->lowered_capacity = 0;
		if (!resize(scratch->allocator, &scratch->lowered, 0, need, 1) ||
			!resize(scratch->allocator, &scratch->origins, 0, need, sizeof(uint32_t)))
			return no_memory(run->err);
		scratch->lowered_capacity = need;
	}
	for (size_t i = 0; i < chars->n; i++)
	{
		uint32_t out[LEP_LOWER_MAX];
		LepChar now = chars->chars[i];
		size_t k = 1;

		if (now.c == SIGMA)
			out[0] = small_sigma(chars->chars, chars->n, i);
		else
			k = lep_char_py_lower(now.c, out);
		for (size_t j = 0; j < k; j++)
		{
			size_t len = lep_utf8_encode(out[j], (unsigned char *) scratch->lowered + n);

			for (size_t b = 0; b < len; b++)
				scratch->origins[n++] = now.start;
		}
		status = lep_run_worked(run, 1);
		if (status != LEP_OK)
			return status;
	}
	if (n > UINT32_MAX)
		return lep_error(run->err, LEP_TOO_LARGE, "text is too long to be tokenized");
	run->text = scratch->lowered;
	run->len = n;
	return LEP_OK;
}

/* Turn span, in the lower-cased text, into one of the original text[len]. */
static LepSpan
original_span(const LepTokenRun *run, LepSpan span, const char *text, size_t len)
{
	LepSpan original = {0, 0};

	if (span.end > span.start)
	{
		size_t last = run->scratch->origins[span.end - 1];

		original.start = run->scratch->origins[span.start];
		for (last++; last < len && ((unsigned char) text[last] & 0xC0) == 0x80;)
			last++;
		original.end = (uint32_t) last;
	}
	return original;
}

/* Append the text's tokens [from, from + n) to the result as segment type; at is where. */
static LepStatus
append_text(LepTokenRun *run, size_t from, size_t n, int32_t type, size_t at)
{
	LepTokenScratch *scratch = run->scratch;

	for (size_t i = 0; i < n; i++)
	{
		int32_t id = scratch->ids[from + i];

		if (id < 0 || (uint32_t) id >= run->tables->n_ids)
			return lep_error(run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		scratch->out_ids[at + i] = id;
		scratch->out_types[at + i] = type;
		scratch->out_spans[at + i] = scratch->spans[from + i];
	}
	return LEP_OK;
}

/* Fill the template with the text's tokens [from, from + n) and give the result. */
static LepStatus
apply_template(LepTokenRun *run, size_t from, size_t n, bool add_special, LepTokens *out)
{
	LepTokenScratch *scratch = run->scratch;
	const struct LepTokenizerTables *tables = run->tables;
	size_t need = 0;
	size_t at = 0;
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < tables->pieces.n; i++)
		if (!lep_add(need, run->pieces[i].id == LEP_PIECE_TEXT ? n : 1, &need))
			return no_memory(run->err);
	if (need > scratch->out_capacity)
	{
		size_t capacity = need + need / 2 + TOKENS_FIRST;

		scratch->out_capacity = 0;
		if (!resize(scratch->allocator, &scratch->out_ids, 0, capacity, sizeof(int32_t)) ||
			!resize(scratch->allocator, &scratch->out_types, 0, capacity, sizeof(int32_t)) ||
			!resize(scratch->allocator, &scratch->out_spans, 0, capacity, sizeof(LepSpan)))
			return no_memory(run->err);
		scratch->out_capacity = capacity;
	}
	for (size_t i = 0; i < tables->pieces.n && status == LEP_OK; i++)
	{
		LepPiece piece = run->pieces[i];

		if (piece.id == LEP_PIECE_TEXT)
		{
			status = append_text(run, from, n, piece.type, at);
			at += n;
		}
		else if (add_special)
		{
			LepSpan none = {0, 0};

			if (piece.id < 0 || (uint32_t) piece.id >= tables->n_ids)
				return lep_error(run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
			scratch->out_ids[at] = piece.id;
			scratch->out_types[at] = piece.type;
			scratch->out_spans[at++] = none;
		}
	}
	out->ids = scratch->out_ids;
	out->types = scratch->out_types;
	out->spans = scratch->out_spans;
	out->n = at;
	return status;
}

/* View the sections of the tables. */
static LepTokenRun
start_run(const LepTokenizer *tok, LepTokenScratch *scratch, const LepStop *stop, LepError *err)
{
	const struct LepTokenizerTables *tables = tok->tables;
	const char *blob = tok->blob;
	LepTokenRun run = {
		.tables = tables,
		.words = (const LepTrieUnit *) (const void *) (blob + tables->words.offset),
		.raw = (const LepTrieUnit *) (const void *) (blob + tables->raw.offset),
		.normal = (const LepTrieUnit *) (const void *) (blob + tables->normal.offset),
		.added = (const LepAdded *) (const void *) (blob + tables->added.offset),
		.pieces = (const LepPiece *) (const void *) (blob + tables->pieces.offset),
		.scratch = scratch,
		.stop = stop,
		.err = err,
	};

	return run;
}

/* Tokenize one text. */
LepStatus
lep_tokenize(const LepTokenizer *tok, LepTokenScratch *scratch, const char *text, size_t len,
			 const LepTokenizeOptions *options, LepTokens *out, const LepStop *stop, LepError *err)
{
	LepTokenRun run = start_run(tok, scratch, stop, err);
	size_t special = options->add_special ? tok->tables->special : 0;
	size_t keep = SIZE_MAX; /* tokens of the text that are kept */
	size_t n;
	LepStatus status;

	memset(out, 0, sizeof(*out));
	if (len >= UINT32_MAX)
		return lep_error(err, LEP_TOO_LARGE, "text is too long to be tokenized");
	if (options->max_tokens > 0)
	{
		if (options->max_tokens < special)
		{
			lep_error(err, LEP_BAD_INPUT, "token limit leaves no room for the special tokens");
			lep_error_detail(err, "The limit is %zu, the tokenizer adds %zu special tokens.",
							 options->max_tokens, special);
			return LEP_BAD_INPUT;
		}
		keep = options->max_tokens - special;
	}
	run.text = text;
	run.len = len;
	run.limit = tok->tables->truncate_left ? SIZE_MAX : keep;
	status = options->lower_first ? lower_text(&run) : LEP_OK;
	if (status == LEP_OK)
		status = lep_run_text(&run);
	if (status != LEP_OK)
		return status;
	n = run.n < keep ? run.n : keep;
	out->truncated = run.n > keep;
	if (options->lower_first)
		for (size_t i = 0; i < run.n; i++)
			scratch->spans[i] = original_span(&run, scratch->spans[i], text, len);
	status = apply_template(&run, tok->tables->truncate_left ? run.n - n : 0, n,
							options->add_special, out);
	if (status != LEP_OK)
		memset(out, 0, sizeof(*out));
	return status;
}
