/*
 * tokenizer.c: opens a blob and runs it over a text: options, truncation,
 * template and result.  What happens to the text in between is added_tokens.c
 * and wordpiece.c; the blob is written by tokenizer_pack.c.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer.h"

#include <string.h>

#include "tokenizer_run.h"

#define BLOB_ALIGN	 64
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
		!trie_fits(t->lowered, size) || !section_fits(t->added, sizeof(LepAdded), size) ||
		!section_fits(t->pieces, sizeof(LepPiece), size) || t->words.n == 0 ||
		t->n_steps > LEP_NORM_STEPS_MAX || t->n_ids > INT32_MAX || t->unk_id < 0 ||
		(uint32_t) t->unk_id >= t->n_ids ||
		(t->continuing != LEP_TRIE_NONE && t->continuing >= t->words.n))
		return lep_error(err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
	tok->blob = blob;
	tok->tables = t;
	return LEP_OK;
}

/* Choose the side at which long texts are cut. */
void
lep_tokenizer_set_side(void *blob, bool left)
{
	((struct LepTokenizerTables *) blob)->truncate_left = left;
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

/* Append the text's tokens [from, from + n) to the result as segment type; at is where. */
static LepStatus
append_text(LepTokenRun *run, size_t from, size_t n, int32_t type, size_t at)
{
	LepTokenScratch *scratch = run->scratch;
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < n && status == LEP_OK; i++)
	{
		int32_t id = scratch->ids[from + i];

		if (id < 0 || (uint32_t) id >= run->tables->n_ids)
			return lep_error(run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		scratch->out_ids[at + i] = id;
		scratch->out_types[at + i] = type;
		scratch->out_spans[at + i] = scratch->spans[from + i];
		status = lep_run_worked(run, 1);
	}
	return status;
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
start_run(const LepTokenizer *tok, LepTokenScratch *scratch, bool lower_first, const LepStop *stop,
		  LepError *err)
{
	const struct LepTokenizerTables *tables = tok->tables;
	LepSection normal = lower_first ? tables->lowered : tables->normal;
	const char *blob = tok->blob;
	LepTokenRun run = {
		.tables = tables,
		.words = (const LepTrieUnit *) (const void *) (blob + tables->words.offset),
		.raw = (const LepTrieUnit *) (const void *) (blob + tables->raw.offset),
		.normal = (const LepTrieUnit *) (const void *) (blob + normal.offset),
		.n_normal = normal.n,
		.added = (const LepAdded *) (const void *) (blob + tables->added.offset),
		.pieces = (const LepPiece *) (const void *) (blob + tables->pieces.offset),
		.scratch = scratch,
		.lower_first = lower_first,
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
	LepTokenRun run = start_run(tok, scratch, options->lower_first, stop, err);
	size_t special = options->add_special ? tok->tables->special : 0;
	size_t keep = SIZE_MAX; /* tokens of the text that are kept */
	size_t n;
	LepStatus status;

	memset(out, 0, sizeof(*out));
	if (len >= UINT32_MAX)
		return lep_error(err, LEP_TOO_LARGE, "text is too long to be tokenized");
	if (options->lower_first && tok->tables->no_lower_first)
		return lep_error(err, LEP_UNSUPPORTED, "added tokens cannot be told apart in lower case");
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
	status = lep_run_text(&run);
	if (status != LEP_OK)
		return status;
	n = run.n < keep ? run.n : keep;
	out->truncated = run.n > keep;
	status = apply_template(&run, tok->tables->truncate_left ? run.n - n : 0, n,
							options->add_special, out);
	if (status != LEP_OK)
		memset(out, 0, sizeof(*out));
	return status;
}
