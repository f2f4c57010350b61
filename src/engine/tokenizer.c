/*
 * tokenizer.c: opens a blob and runs it over a text: options, truncation,
 * template and result.  What happens to the text in between is in the files that
 * tokenizer_run.h lists; the blob is written by tokenizer_pack.c.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer.h"

#include <string.h>

#include "decoder.h"
#include "normalizer_parts.h"
#include "tokenizer_model.h"

#define BLOB_ALIGN	   64
#define CODE_POINT_MAX 0x10FFFFu
#define TOKENS_FIRST   ((size_t) 512)
#define BLOCK_FIRST	   ((size_t) 256)

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

/* View the data area. */
static LepData
data_of(const struct LepTokenizerTables *tables)
{
	LepData data = {(const unsigned char *) tables + tables->data.offset, tables->data.n};

	return data;
}

/* Is the data of a split there and sound? */
static bool
split_fits(const LepStep *step, LepData data)
{
	const void *bytes = lep_data_array(data, step->offset, step->len, 1);

	if (bytes == NULL)
		return false;
	if (step->kind == LEP_PRE_REGEX ||
		(step->kind == LEP_PRE_BYTES && (step->flags & LEP_BYTES_REGEX)))
		return lep_regex_fits(bytes, step->len);
	if (step->kind == LEP_PRE_DIGITS || step->kind == LEP_PRE_SCRIPTS)
		return lep_char_map_fits(bytes, step->len);
	if (step->kind == LEP_PRE_METASPACE)
		return LEP_META_CHAR(step->flags) <= CODE_POINT_MAX;
	return step->kind != LEP_PRE_FIXED || step->flags > 0;
}

/* Is the data of a normalizer or a decoder there and, of a Replace, sound? */
static bool
rewriting_fits(const LepStep *step, uint32_t replace, LepData data)
{
	LepReplacing what;

	if (step->kind != replace)
		return lep_data_array(data, step->offset, step->len, 1) != NULL;
	return lep_replacing_view(data, step, &what) &&
		   (!what.regex || lep_regex_fits(what.pattern, what.pattern_len));
}

/* Does the data of steps lie in the data area, and is the model's sound? */
static bool
parts_fit(const struct LepTokenizerTables *tables)
{
	LepData data = data_of(tables);

	for (uint32_t i = 0; i < tables->n_norms; i++)
		if (!rewriting_fits(&tables->norms[i], LEP_NORM_REPLACE, data))
			return false;
	for (uint32_t i = 0; i < tables->n_decoders; i++)
		if (!rewriting_fits(&tables->decoders[i], LEP_DECODE_REPLACE, data))
			return false;
	for (uint32_t i = 0; i < tables->n_splits; i++)
		if (!split_fits(&tables->split_steps[i], data))
			return false;
	return lep_models[tables->model]->fits(tables, data);
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
		!section_fits(t->pieces, sizeof(LepPiece), size) ||
		!section_fits(t->pair, sizeof(LepPiece), size) ||
		!section_fits(t->names, sizeof(LepName), size) || !section_fits(t->name_bytes, 1, size) ||
		!section_fits(t->blanks, sizeof(LepBlanks), size) || !section_fits(t->data, 1, size) ||
		t->words.n == 0 || t->n_norms > LEP_STEPS_MAX || t->n_splits > LEP_STEPS_MAX ||
		t->n_decoders > LEP_STEPS_MAX || t->n_trims > LEP_TRIMS_MAX || t->n_ids > INT32_MAX ||
		t->unk_id < -1 || (t->unk_id >= 0 && (uint32_t) t->unk_id >= t->n_ids) ||
		t->model >= LEP_MODEL_COUNT || lep_models[t->model] == NULL ||
		(t->fast && t->model != LEP_MODEL_WORDPIECE) || !parts_fit(t))
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

/* Tell the token for what the vocabulary lacks. */
int32_t
lep_tokenizer_unknown(const LepTokenizer *tok)
{
	return tok->tables->unk_id;
}

/* Tell whether the vocabulary marks tokens that go on with a word. */
bool
lep_tokenizer_marks_subwords(const LepTokenizer *tok)
{
	return tok->tables->model == LEP_MODEL_WORDPIECE && tok->tables->continuing != LEP_TRIE_ROOT;
}

/* Tell whether long texts are cut at their start. */
bool
lep_tokenizer_cuts_left(const LepTokenizer *tok)
{
	return tok->tables->truncate_left;
}

/* Tell how many special tokens the template adds. */
size_t
lep_tokenizer_special_count(const LepTokenizer *tok)
{
	return tok->tables->special[0];
}

/* Tell how many it adds to two texts. */
size_t
lep_tokenizer_pair_special_count(const LepTokenizer *tok)
{
	return tok->tables->special[1];
}

/* Tell the largest segment id of two texts. */
size_t
lep_tokenizer_pair_max_type(const LepTokenizer *tok)
{
	return tok->tables->pair_max_type;
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
	lep_chars_init(&scratch->split_chars, allocator);
	return scratch;
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
	lep_chars_free(&scratch->split_chars);
	for (size_t i = 0; i < LEP_MEMORY_COUNT; i++)
		if (scratch->blocks[i].bytes != NULL)
			allocator->free(allocator->ctx, scratch->blocks[i].bytes);
	allocator->free(allocator->ctx, scratch);
}

/* Give working memory of n elements of size bytes, grown by half if it grows. */
void *
lep_run_memory(LepTokenScratch *scratch, LepRunMemory use, size_t n, size_t size, size_t keep)
{
	LepBlock *block = &scratch->blocks[use];
	const LepAllocator *allocator = scratch->allocator;
	void *bigger = NULL;
	size_t bytes;

	if (!lep_mul(n, size, &bytes))
		return NULL;
	if (bytes <= block->size && block->bytes != NULL)
		return block->bytes;
	if (lep_add(bytes, bytes / 2 + BLOCK_FIRST, &bytes))
		bigger = allocator->alloc(allocator->ctx, bytes);
	if (bigger == NULL)
		return NULL;
	if (block->bytes != NULL)
	{
		memcpy(bigger, block->bytes, keep);
		allocator->free(allocator->ctx, block->bytes);
	}
	block->bytes = bigger;
	block->size = bytes;
	return bigger;
}

/* Say that memory ran out. */
LepStatus
lep_run_no_memory(LepTokenRun *run)
{
	return lep_error(run->err, LEP_NO_MEMORY, "out of memory tokenizing a text");
}

/* Make room for more tokens. */
LepStatus
lep_run_reserve(LepTokenRun *run, size_t more)
{
	LepTokenScratch *scratch = run->scratch;
	size_t need;
	size_t n = run->n;

	if (!lep_add(n, more, &need))
		return lep_run_no_memory(run);
	if (need <= scratch->capacity)
		return LEP_OK;
	if (need < TOKENS_FIRST)
		need = TOKENS_FIRST;
	if (!lep_add(need, need / 2, &need))
		return lep_run_no_memory(run);
	scratch->capacity = 0;
	scratch->ids =
		lep_run_memory(scratch, LEP_MEMORY_IDS, need, sizeof(int32_t), n * sizeof(int32_t));
	scratch->spans =
		lep_run_memory(scratch, LEP_MEMORY_SPANS, need, sizeof(LepSpan), n * sizeof(LepSpan));
	scratch->words =
		lep_run_memory(scratch, LEP_MEMORY_WORDS, need, sizeof(uint32_t), n * sizeof(uint32_t));
	if (scratch->ids == NULL || scratch->spans == NULL || scratch->words == NULL)
		return lep_run_no_memory(run);
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

/* Note the white space at the ends of the last token's string, chars[n]. */
LepStatus
lep_run_mark(LepTokenRun *run, const LepChar *chars, size_t n)
{
	LepMark mark = {.token = run->n - 1};
	LepMark *marks;

	if (run->tables->n_trims == 0)
		return LEP_OK;
	marks = lep_run_memory(run->scratch, LEP_MEMORY_MARKS, run->n_marks + 1, sizeof(LepMark),
						   run->n_marks * sizeof(LepMark));
	if (marks == NULL)
		return lep_run_no_memory(run);
	while (mark.blanks.lead < n && lep_blank_char(chars[mark.blanks.lead].c))
		mark.blanks.lead++;
	while (mark.blanks.trail < n && lep_blank_char(chars[n - 1 - mark.blanks.trail].c))
		mark.blanks.trail++;
	marks[run->n_marks++] = mark;
	return lep_run_worked(run, n);
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
		.piece = lep_models[tables->model]->piece,
		.data = data_of(tables),
		.words = (const LepTrieUnit *) (const void *) (blob + tables->words.offset),
		.raw = (const LepTrieUnit *) (const void *) (blob + tables->raw.offset),
		.normal = (const LepTrieUnit *) (const void *) (blob + normal.offset),
		.n_normal = normal.n,
		.added = (const LepAdded *) (const void *) (blob + tables->added.offset),
		.scratch = scratch,
		.lower_first = lower_first,
		.stop = stop,
		.err = err,
	};

	return run;
}

/* Check the options; *keep is how many tokens of the texts are kept. */
static LepStatus
check_options(const LepTokenizer *tok, const LepTokenizeOptions *options, size_t special,
			  size_t *keep, LepError *err)
{
	*keep = SIZE_MAX;
	if (options->lower_first && tok->tables->no_lower_first)
		return lep_error(err, LEP_UNSUPPORTED, "added tokens cannot be told apart in lower case");
	if (options->max_tokens == 0)
		return LEP_OK;
	if (options->max_tokens < special)
	{
		lep_error(err, LEP_BAD_INPUT, "token limit leaves no room for the special tokens");
		lep_error_detail(err, "The limit is %zu, the tokenizer adds %zu special tokens.",
						 options->max_tokens, special);
		return LEP_BAD_INPUT;
	}
	*keep = options->max_tokens - special;
	return LEP_OK;
}

/* Tokenize text[len] behind the tokens that the run has; at most limit new ones, or one more. */
static LepStatus
run_text(LepTokenRun *run, const char *text, size_t len, size_t limit)
{
	LepStatus status;

	if (len >= UINT32_MAX)
		return lep_error(run->err, LEP_TOO_LARGE, "text is too long to be tokenized");
	run->text = text;
	run->len = len;
	run->limit = limit > SIZE_MAX - run->n ? SIZE_MAX : run->n + limit;
	status = lep_run_reserve(run, 1);
	return status == LEP_OK ? lep_run_text(run) : status;
}

/* View tokens [from, from + n) of the run, of which the marks from *mark on are. */
static LepStatus
view_run(LepTokenRun *run, size_t from, size_t n, size_t *mark, LepTokens *out)
{
	const struct LepTokenizerTables *tables = run->tables;
	const LepBlanks *by_id =
		(const LepBlanks *) (const void *) ((const char *) tables + tables->blanks.offset);
	const LepMark *marks = run->scratch->blocks[LEP_MEMORY_MARKS].bytes;
	LepBlanks *blanks;

	memset(out, 0, sizeof(*out));
	out->ids = run->scratch->ids + from;
	out->whole = run->scratch->spans + from;
	out->words = run->scratch->words + from;
	out->text = run->text;
	out->text_len = run->len;
	out->n = n;
	if (tables->n_trims == 0)
		return LEP_OK;
	blanks = lep_run_memory(run->scratch, LEP_MEMORY_BLANKS, run->n, sizeof(LepBlanks),
							from * sizeof(LepBlanks));
	if (blanks == NULL)
		return lep_run_no_memory(run);
	for (size_t i = from; i < from + n; i++)
	{
		uint32_t id = (uint32_t) run->scratch->ids[i];
		LepBlanks none = {0, 0};

		while (*mark < run->n_marks && marks[*mark].token < i)
			++*mark;
		if (*mark < run->n_marks && marks[*mark].token == i)
			blanks[i] = marks[*mark].blanks;
		else
			blanks[i] = id < tables->blanks.n ? by_id[id] : none;
	}
	out->blanks = blanks + from;
	return LEP_OK;
}

/* Move over k characters of text[len] forward from at. */
static size_t
skip_forward(const char *text, size_t len, size_t at, size_t k)
{
	for (; k > 0 && at < len; k--)
		for (at++; at < len && ((unsigned char) text[at] & 0xC0) == 0x80;)
			at++;
	return at;
}

/* Move over k characters of text backward from at. */
static size_t
skip_back(const char *text, size_t at, size_t k)
{
	for (; k > 0 && at > 0; k--)
		for (at--; at > 0 && ((unsigned char) text[at] & 0xC0) == 0x80;)
			at--;
	return at;
}

/*
 * Trim the white space of a token's string off its span, as the byte-level
 * post-processor does: so many characters of the text, whatever they are.
 */
static LepSpan
trim_span(const LepTokens *tokens, size_t i, LepTrim trim, bool is_first, LepSpan span)
{
	LepBlanks blanks = tokens->blanks[i];

	if (blanks.lead > 0 && !(trim.prefix && (is_first || span.start == 0)))
	{
		size_t start = skip_forward(tokens->text, tokens->text_len, span.start, blanks.lead);

		span.start = start < span.end ? (uint32_t) start : span.end;
	}
	if (blanks.trail > 0)
	{
		size_t end = skip_back(tokens->text, span.end, blanks.trail - 1);

		/* The library leaves the end where there are fewer characters before it. */
		if (end > 0)
		{
			end = skip_back(tokens->text, end, 1);
			span.end = end > span.start ? (uint32_t) end : span.start;
		}
	}
	return span;
}

/* Where a result is written. */
typedef struct Output
{
	int32_t *ids;	   /* [n] */
	int32_t *types;	   /* [n] */
	LepSpan *spans;	   /* [n] */
	uint8_t *sequence; /* [n] */
	size_t n;
} Output;

/* Append a text's tokens as segment type. */
static LepStatus
append_text(LepTokenRun *run, Output *to, const LepTokens *tokens, int32_t type, uint8_t sequence)
{
	const struct LepTokenizerTables *tables = run->tables;

	for (size_t i = 0; i < tokens->n; i++)
	{
		int32_t id = tokens->ids[i];
		LepSpan span = tokens->whole[i];

		if (id < 0 || (uint32_t) id >= tables->n_ids)
			return lep_error(run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		for (uint32_t j = 0; tokens->blanks != NULL && j < tables->n_trims; j++)
			span = trim_span(tokens, i, tables->trims[j],
							 i == 0 && tables->trims[j].first[sequence], span);
		to->ids[to->n] = id;
		to->types[to->n] = type;
		to->spans[to->n] = span;
		to->sequence[to->n++] = sequence;
	}
	return lep_run_worked(run, tokens->n);
}

/* Fill the template with texts[2] (second NULL: that of one text) and give the result. */
static LepStatus
apply_template(LepTokenRun *run, LepRunMemory memory, const LepTokens *const *texts,
			   bool add_special, LepTokens *out)
{
	const struct LepTokenizerTables *tables = run->tables;
	LepSection section = texts[1] == NULL ? tables->pieces : tables->pair;
	const LepPiece *pieces =
		(const LepPiece *) (const void *) ((const char *) tables + section.offset);
	LepTokenScratch *scratch = run->scratch;
	Output to = {0};
	size_t need = 0;

	for (size_t i = 0; i < section.n; i++)
	{
		bool second = pieces[i].id == LEP_PIECE_SECOND;

		if (second && texts[1] == NULL)
			return lep_error(run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		if (!lep_add(need, pieces[i].id < 0 ? texts[second]->n : 1, &need))
			return lep_run_no_memory(run);
	}
	to.ids = lep_run_memory(scratch, memory, need, sizeof(int32_t), 0);
	to.types = lep_run_memory(scratch, memory + 1, need, sizeof(int32_t), 0);
	to.spans = lep_run_memory(scratch, memory + 2, need, sizeof(LepSpan), 0);
	to.sequence = lep_run_memory(scratch, memory + 3, need, 1, 0);
	if (to.ids == NULL || to.types == NULL || to.spans == NULL || to.sequence == NULL)
		return lep_run_no_memory(run);
	for (size_t i = 0; i < section.n; i++)
	{
		LepPiece piece = pieces[i];
		LepSpan none = {0, 0};

		if (piece.id < 0)
		{
			bool second = piece.id == LEP_PIECE_SECOND;
			LepStatus status = append_text(run, &to, texts[second], piece.type, second);

			if (status != LEP_OK)
				return status;
			continue;
		}
		if (!add_special)
			continue;
		if ((uint32_t) piece.id >= tables->n_ids)
			return lep_error(run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		to.ids[to.n] = piece.id;
		to.types[to.n] = piece.type;
		to.spans[to.n] = none;
		to.sequence[to.n++] = LEP_SEQUENCE_NONE;
	}
	out->ids = to.ids;
	out->types = to.types;
	out->spans = to.spans;
	out->sequence = to.sequence;
	out->n = to.n;
	return LEP_OK;
}

/* Cut tokens to n, from the side that the tokenizer keeps. */
static LepTokens
cut(const LepTokenRun *run, const LepTokens *tokens, size_t n)
{
	if (n >= tokens->n)
		return *tokens;
	return lep_tokens_slice(tokens, run->tables->truncate_left ? tokens->n - n : 0, n);
}

/* Tokenize one text. */
LepStatus
lep_tokenize(const LepTokenizer *tok, LepTokenScratch *scratch, const char *text, size_t len,
			 const LepTokenizeOptions *options, LepTokens *out, const LepStop *stop, LepError *err)
{
	LepTokenRun run = start_run(tok, scratch, options->lower_first, stop, err);
	size_t special = options->add_special ? tok->tables->special[0] : 0;
	LepTokens all, kept;
	const LepTokens *const texts[2] = {&kept, NULL};
	size_t keep;
	size_t mark = 0;
	LepStatus status;

	memset(out, 0, sizeof(*out));
	status = check_options(tok, options, special, &keep, err);
	if (status == LEP_OK)
		status = run_text(&run, text, len, tok->tables->truncate_left ? SIZE_MAX : keep);
	if (status == LEP_OK)
		status = view_run(&run, 0, run.n, &mark, &all);
	if (status != LEP_OK)
		return status;
	kept = cut(&run, &all, keep);
	if (!options->add_special)
		*out = kept;
	out->truncated = kept.n < all.n;
	status = apply_template(&run, LEP_MEMORY_OUT, texts, options->add_special, out);
	if (status != LEP_OK)
		memset(out, 0, sizeof(*out));
	if (out->n != kept.n)
	{
		/* The template repeats the text or leaves it out. */
		out->words = NULL;
		out->whole = NULL;
		out->blanks = NULL;
	}
	return status;
}

/*
 * Decide how many tokens n[2] of two texts stay when keep do in all; false
 * when the text to be cut is too short.  As truncate_encodings of `tokenizers`.
 */
static bool
share_tokens(size_t *n, size_t keep, LepTruncation strategy)
{
	bool swap = n[0] > n[1];
	size_t few = swap ? n[1] : n[0];
	size_t many;
	size_t remove;

	if (keep == 0)
		n[0] = n[1] = 0;
	if (n[0] <= keep && n[1] <= keep - n[0])
		return true;
	if (strategy != LEP_LONGEST_FIRST)
	{
		size_t *target = &n[strategy == LEP_ONLY_SECOND];

		remove = n[0] + n[1] - keep;
		if (*target <= remove)
			return false;
		*target -= remove;
		return true;
	}
	many = few > keep ? few : (keep - few > few ? keep - few : few);
	if (few > keep || many > keep - few)
	{
		few = keep / 2;
		many = few + keep % 2;
	}
	n[0] = swap ? many : few;
	n[1] = swap ? few : many;
	return true;
}

/* Tokenize two texts. */
LepStatus
lep_tokenize_pair(const LepTokenizer *tok, LepTokenScratch *scratch, const char *first,
				  size_t first_len, const char *second, size_t second_len,
				  const LepTokenizeOptions *options, LepTokens *out, const LepStop *stop,
				  LepError *err)
{
	LepTokenRun run = start_run(tok, scratch, options->lower_first, stop, err);
	size_t special = options->add_special ? tok->tables->special[1] : 0;
	LepTokens all[2], kept[2];
	const LepTokens *const texts[2] = {&kept[0], &kept[1]};
	size_t n[2];
	size_t keep;
	size_t mark = 0;
	LepStatus status;

	memset(out, 0, sizeof(*out));
	status = check_options(tok, options, special, &keep, err);
	if (status == LEP_OK)
		status = run_text(&run, first, first_len, SIZE_MAX);
	n[0] = run.n;
	if (status == LEP_OK)
		status = run_text(&run, second, second_len, SIZE_MAX);
	n[1] = run.n - n[0];
	if (status == LEP_OK)
		status = view_run(&run, 0, n[0], &mark, &all[0]);
	if (status == LEP_OK)
		status = view_run(&run, n[0], n[1], &mark, &all[1]);
	if (status != LEP_OK)
		return status;
	all[0].text = first;
	all[0].text_len = first_len;
	if (!share_tokens(n, keep, options->truncation))
	{
		lep_error(err, LEP_BAD_INPUT, "text is too short to be truncated");
		lep_error_detail(err, "The two texts have %zu and %zu tokens, %zu have to go.", all[0].n,
						 all[1].n, all[0].n + all[1].n - keep);
		return LEP_BAD_INPUT;
	}
	kept[0] = cut(&run, &all[0], n[0]);
	kept[1] = cut(&run, &all[1], n[1]);
	out->truncated = kept[0].n < all[0].n || kept[1].n < all[1].n;
	status = apply_template(&run, LEP_MEMORY_OUT, texts, options->add_special, out);
	if (status != LEP_OK)
		memset(out, 0, sizeof(*out));
	return status;
}

/* View some tokens of a result. */
LepTokens
lep_tokens_slice(const LepTokens *tokens, size_t from, size_t n)
{
	LepTokens slice = *tokens;

	slice.ids += from;
	slice.n = n;
	if (slice.types != NULL)
		slice.types += from;
	if (slice.spans != NULL)
		slice.spans += from;
	if (slice.sequence != NULL)
		slice.sequence += from;
	if (slice.words != NULL)
		slice.words += from;
	if (slice.whole != NULL)
		slice.whole += from;
	if (slice.blanks != NULL)
		slice.blanks += from;
	return slice;
}

/* Does the template have every text once? */
static bool
has_texts_once(const struct LepTokenizerTables *tables, bool pair)
{
	LepSection section = pair ? tables->pair : tables->pieces;
	const LepPiece *pieces =
		(const LepPiece *) (const void *) ((const char *) tables + section.offset);
	size_t n[2] = {0, 0};

	for (size_t i = 0; i < section.n; i++)
		if (pieces[i].id < 0)
			n[pieces[i].id == LEP_PIECE_SECOND]++;
	return n[0] == 1 && n[1] == (pair ? 1u : 0u);
}

/* Put the template around slices. */
LepStatus
lep_tokens_frame(const LepTokenizer *tok, LepTokenScratch *scratch, const LepTokens *first,
				 const LepTokens *second, LepTokens *out, LepError *err)
{
	LepTokenRun run = start_run(tok, scratch, false, NULL, err);
	const LepTokens *const texts[2] = {first, second};
	LepStatus status;

	memset(out, 0, sizeof(*out));
	if (!has_texts_once(tok->tables, second != NULL) || (first->whole == NULL && first->n > 0) ||
		(second != NULL && second->whole == NULL && second->n > 0))
		return lep_error(err, LEP_UNSUPPORTED,
						 "windows of texts that the tokenizer leaves out or repeats are not "
						 "supported");
	status = apply_template(&run, LEP_MEMORY_FRAME, texts, true, out);
	if (status != LEP_OK)
		memset(out, 0, sizeof(*out));
	return status;
}
