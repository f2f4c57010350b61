/*
 * bpe.c: the model BPE (Sennrich et al. 2016): the symbols of a piece are
 * merged pair by pair, the pair that was learned first before the others and
 * the leftmost of these first.  Reading and packing is bpe_build.c.
 *
 * Short pieces look through all pairs for the next one; long ones keep them in
 * a heap, so that a piece of n symbols takes n log n.
 */
#define LEPTON_ENGINE_SOURCE
#include "bpe.h"

#include <string.h>

/* Symbols of a piece up to which looking through all pairs is faster than a heap. */
#define SHORT_PIECE 24

/* Heap steps between two counts of work. */
#define STEPS_COUNTED 4096

#define NO_SYMBOL UINT32_MAX
#define NO_RANK	  UINT32_MAX

/* A symbol of a piece, in a list. */
typedef struct Symbol
{
	int32_t id;
	uint32_t len; /* bytes of the piece; 0: merged into one before it */
	uint32_t previous, next;
} Symbol;

/* A piece in work. */
typedef struct Word
{
	LepTokenRun *run;
	const LepBpe *bpe;
	const LepBpeMerge *merges; /* [bpe->n_slots] */
	const int32_t *merged;	   /* [bpe->n_ranks] what a rank's pair becomes */
	Symbol *symbols;		   /* [n] */
	size_t n;
	int32_t unknown; /* a symbol not yet appended, or -1 */
	uint32_t unknown_len;
} Word;

/* Look a pair up; NULL when it does not merge. */
static inline const LepBpeMerge *
find_merge(const Word *w, int32_t left, int32_t right)
{
	uint32_t slot = lep_bpe_hash((uint32_t) left, (uint32_t) right, w->bpe->shift);

	for (;; slot = (slot + 1) & (w->bpe->n_slots - 1))
	{
		const LepBpeMerge *merge = &w->merges[slot];

		if (merge->left < 0)
			return NULL;
		if (merge->left == left && merge->right == right)
			return merge;
	}
}

/* Append a symbol. */
static void
add_symbol(Word *w, int32_t id, uint32_t len)
{
	Symbol *symbol = &w->symbols[w->n++];

	symbol->id = id;
	symbol->len = len;
}

/* Append the symbols of bytes[n], a character that the vocabulary lacks; false when bytes lack too. */
static bool
add_bytes(Word *w, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (w->bpe->byte_ids[bytes[i]] < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		add_symbol(w, w->bpe->byte_ids[bytes[i]], 1);
	return true;
}

/* Note an unknown character of len bytes. */
static LepStatus
add_unknown(Word *w, uint32_t len)
{
	const LepBpe *bpe = w->bpe;

	if (!(bpe->flags & LEP_BPE_UNKNOWN))
		return LEP_OK;
	if (w->unknown >= 0 && (bpe->flags & LEP_BPE_FUSE))
	{
		w->unknown_len += len;
		return LEP_OK;
	}
	if (w->unknown >= 0)
		add_symbol(w, w->unknown, w->unknown_len);
	if (w->run->tables->unk_id < 0)
		return lep_error(w->run->err, LEP_BAD_INPUT,
						 "text has a character that the vocabulary lacks, and so it does the "
						 "unknown token");
	w->unknown = w->run->tables->unk_id;
	w->unknown_len = len;
	return LEP_OK;
}

/* The vocabulary's id of a character as it stands in a piece, -1 when there is none. */
static int32_t
find_symbol(const Word *w, uint32_t c, bool first, bool last)
{
	const LepBpe *bpe = w->bpe;
	const struct LepTokenizerTables *tables = w->run->tables;
	const LepTrieUnit *words = w->run->words;
	size_t n_words = tables->words.n;
	uint32_t node = first ? LEP_TRIE_ROOT : bpe->prefix_node;

	if (c < LEP_BPE_DIRECT && bpe->prefix_node == LEP_TRIE_ROOT && !(last && bpe->suffix.len > 0))
		return bpe->direct[c];
	if (node != LEP_TRIE_NONE)
		node = lep_trie_step_char(words, n_words, node, c);
	if (last)
		for (uint64_t i = 0; i < bpe->suffix.len && node != LEP_TRIE_NONE; i++)
			node = lep_trie_step(words, n_words, node, w->run->data.bytes[bpe->suffix.offset + i]);
	return node == LEP_TRIE_NONE ? -1 : words[node].value;
}

/* Write the symbols of chars[n]. */
static LepStatus
spell(Word *w, const LepChar *chars, size_t n)
{
	LepStatus status = LEP_OK;

	w->n = 0;
	w->unknown = -1;
	for (size_t i = 0; i < n && status == LEP_OK; i++)
	{
		int32_t id = find_symbol(w, chars[i].c, i == 0, i + 1 == n);
		unsigned char bytes[4];
		size_t len = lep_utf8_encode(chars[i].c, bytes);

		if (id >= 0)
		{
			if (w->unknown >= 0)
				add_symbol(w, w->unknown, w->unknown_len);
			w->unknown = -1;
			add_symbol(w, id, (uint32_t) len);
		}
		else if (!(w->bpe->flags & LEP_BPE_BYTES) || !add_bytes(w, bytes, len))
			status = add_unknown(w, (uint32_t) len);
	}
	if (w->unknown >= 0)
		add_symbol(w, w->unknown, w->unknown_len);
	return status;
}

/* Merge the symbols of a short piece. */
static void
merge_short(Word *w)
{
	Symbol *symbols = w->symbols;
	uint32_t ranks[SHORT_PIECE];
	size_t n = w->n;

	for (size_t i = 0; i + 1 < n; i++)
	{
		const LepBpeMerge *merge = find_merge(w, symbols[i].id, symbols[i + 1].id);

		ranks[i] = merge != NULL ? merge->rank : NO_RANK;
	}
	while (n > 1)
	{
		uint32_t best = NO_RANK;
		size_t at = 0;

		for (size_t i = 0; i + 1 < n; i++)
			if (ranks[i] < best)
			{
				best = ranks[i];
				at = i;
			}
		if (best == NO_RANK)
			break;
		symbols[at].id = w->merged[best];
		symbols[at].len += symbols[at + 1].len;
		n--;
		memmove(symbols + at + 1, symbols + at + 2, (n - at - 1) * sizeof(Symbol));
		if (at + 1 < n)
			memmove(ranks + at + 1, ranks + at + 2, (n - at - 2) * sizeof(uint32_t));
		for (size_t i = at > 0 ? at - 1 : 0; i <= at && i + 1 < n; i++)
		{
			const LepBpeMerge *merge = find_merge(w, symbols[i].id, symbols[i + 1].id);

			ranks[i] = merge != NULL ? merge->rank : NO_RANK;
		}
	}
	w->n = n;
}

/* A heap of pairs, four children a node: rank above the left symbol's place. */
typedef struct Heap
{
	uint64_t *pairs; /* [n] */
	size_t n;
} Heap;

/* Move the pair at `at` down to its place. */
static void
sift_down(Heap *heap, size_t at)
{
	uint64_t moving = heap->pairs[at];

	for (;;)
	{
		size_t child = 4 * at + 1;
		size_t end = child + 4 < heap->n ? child + 4 : heap->n;
		size_t least = child;

		if (child >= heap->n)
			break;
		for (size_t i = child + 1; i < end; i++)
			if (heap->pairs[i] < heap->pairs[least])
				least = i;
		if (heap->pairs[least] >= moving)
			break;
		heap->pairs[at] = heap->pairs[least];
		at = least;
	}
	heap->pairs[at] = moving;
}

/* Add a pair. */
static void
heap_push(Heap *heap, uint64_t pair)
{
	size_t at = heap->n++;

	while (at > 0 && heap->pairs[(at - 1) / 4] > pair)
	{
		heap->pairs[at] = heap->pairs[(at - 1) / 4];
		at = (at - 1) / 4;
	}
	heap->pairs[at] = pair;
}

/* Take the least pair. */
static uint64_t
heap_pop(Heap *heap)
{
	uint64_t least = heap->pairs[0];

	heap->pairs[0] = heap->pairs[--heap->n];
	if (heap->n > 0)
		sift_down(heap, 0);
	return least;
}

/* Add the pair of a symbol and its next, if it merges. */
static void
push_pair(const Word *w, Heap *heap, uint32_t at)
{
	const Symbol *symbol = &w->symbols[at];
	const LepBpeMerge *merge;

	if (symbol->next == NO_SYMBOL)
		return;
	merge = find_merge(w, symbol->id, w->symbols[symbol->next].id);
	if (merge != NULL)
		heap_push(heap, (uint64_t) merge->rank << 32 | at);
}

/* Merge the symbols of a piece of any length. */
static LepStatus
merge_long(Word *w)
{
	Symbol *symbols = w->symbols;
	Heap heap = {.n = 0};
	size_t steps = 0;
	size_t n = 0;
	LepStatus status = LEP_OK;

	/* Every merge takes one pair and gives two at most. */
	heap.pairs = lep_run_memory(w->run->scratch, LEP_MEMORY_MODEL2, 2 * w->n, sizeof(uint64_t), 0);
	if (heap.pairs == NULL)
		return lep_run_no_memory(w->run);
	for (size_t i = 0; i < w->n; i++)
	{
		const LepBpeMerge *merge = NULL;

		symbols[i].previous = i > 0 ? (uint32_t) i - 1 : NO_SYMBOL;
		symbols[i].next = i + 1 < w->n ? (uint32_t) i + 1 : NO_SYMBOL;
		if (i + 1 < w->n)
			merge = find_merge(w, symbols[i].id, symbols[i + 1].id);
		if (merge != NULL)
			heap.pairs[heap.n++] = (uint64_t) merge->rank << 32 | i;
	}
	status = lep_run_worked(w->run, w->n);
	for (size_t i = heap.n / 4 + 1; i-- > 0 && heap.n > 0;)
		if (i < heap.n)
			sift_down(&heap, i);
	while (heap.n > 0 && status == LEP_OK)
	{
		uint64_t pair = heap_pop(&heap);
		int32_t id = w->merged[pair >> 32];
		uint32_t at = (uint32_t) pair;
		Symbol *left = &symbols[at];
		const LepBpeMerge *merge;
		Symbol *right;

		if (++steps % STEPS_COUNTED == 0)
			status = lep_run_worked(w->run, 8 * STEPS_COUNTED);
		if (left->len == 0 || left->next == NO_SYMBOL)
			continue;
		right = &symbols[left->next];
		merge = find_merge(w, left->id, right->id);
		/* The pair may have changed since. */
		if (merge == NULL || w->merged[merge->rank] != id)
			continue;
		left->id = id;
		left->len += right->len;
		left->next = right->next;
		right->len = 0;
		if (left->next != NO_SYMBOL)
			symbols[left->next].previous = at;
		if (left->previous != NO_SYMBOL)
			push_pair(w, &heap, left->previous);
		push_pair(w, &heap, at);
	}
	for (size_t i = 0; i < w->n; i++)
		if (symbols[i].len > 0)
			symbols[n++] = symbols[i];
	w->n = n;
	return status;
}

/* Append the symbols as tokens; their bytes count from the start of chars[n]. */
static LepStatus
push_symbols(Word *w, const LepChar *chars, size_t n)
{
	LepTokenRun *run = w->run;
	LepStatus status = lep_run_reserve(run, w->n);
	size_t at = 0;
	size_t before = 0; /* bytes before chars[at] */
	size_t end = 0;

	for (size_t i = 0; i < w->n && status == LEP_OK; i++)
	{
		size_t start = end;
		size_t first;

		end += w->symbols[i].len;
		for (; at + 1 < n && before + lep_utf8_length(chars[at].c) <= start; at++)
			before += lep_utf8_length(chars[at].c);
		first = at;
		for (; at + 1 < n && before + lep_utf8_length(chars[at].c) < end; at++)
			before += lep_utf8_length(chars[at].c);
		lep_run_push(run, w->symbols[i].id, chars[first].start, chars[at].end);
	}
	return status;
}

/* Find the whole piece in the vocabulary; -1 when it is not there. */
static int32_t
find_whole(const LepTokenRun *run, const LepChar *chars, size_t n)
{
	uint32_t node = LEP_TRIE_ROOT;

	for (size_t i = 0; i < n && node != LEP_TRIE_NONE; i++)
		node = lep_trie_step_char(run->words, run->tables->words.n, node, chars[i].c);
	return node == LEP_TRIE_NONE ? -1 : run->words[node].value;
}

/* Tokenize one piece. */
static LepStatus
bpe(LepTokenRun *run, const LepChar *chars, size_t n)
{
	Word w = {.run = run};
	size_t need;
	LepStatus status;

	w.bpe = lep_data_array(run->data, run->tables->model_at, 1, sizeof(LepBpe));
	w.merges = lep_data_array(run->data, w.bpe->merges_at, w.bpe->n_slots, sizeof(LepBpeMerge));
	w.merged = lep_data_array(run->data, w.bpe->merged_at, w.bpe->n_ranks, sizeof(int32_t));
	if (w.bpe->flags & LEP_BPE_WHOLE)
	{
		int32_t id = find_whole(run, chars, n);

		if (id >= 0)
		{
			status = lep_run_reserve(run, 1);
			if (status == LEP_OK)
				lep_run_push(run, id, chars[0].start, chars[n - 1].end);
			return status == LEP_OK ? lep_run_worked(run, n) : status;
		}
	}
	if (n >= NO_SYMBOL / 4 || !lep_mul(n, w.bpe->flags & LEP_BPE_BYTES ? 4 : 1, &need))
		return lep_error(run->err, LEP_TOO_LARGE, "text is too long to be tokenized");
	w.symbols = lep_run_memory(run->scratch, LEP_MEMORY_MODEL, need, sizeof(Symbol), 0);
	if (w.symbols == NULL)
		return lep_run_no_memory(run);
	status = spell(&w, chars, n);
	if (status == LEP_OK && w.n > SHORT_PIECE)
		status = merge_long(&w);
	else if (status == LEP_OK)
		merge_short(&w);
	if (status == LEP_OK)
		status = push_symbols(&w, chars, n);
	return status == LEP_OK ? lep_run_worked(run, n) : status;
}

/* Check what a run relies on: arrays within the data, ids and ranks within their arrays. */
static bool
bpe_fits(const struct LepTokenizerTables *tables, LepData data)
{
	const LepBpe *b = lep_data_array(data, tables->model_at, 1, sizeof(LepBpe));
	const LepBpeMerge *merges;
	bool has_gap = false;

	if (b == NULL || b->shift < 1 || b->shift > 31 || b->n_slots != 1u << (32 - b->shift) ||
		lep_data_array(data, b->suffix.offset, b->suffix.len, 1) == NULL ||
		(b->prefix_node != LEP_TRIE_NONE && b->prefix_node >= tables->words.n))
		return false;
	merges = lep_data_array(data, b->merges_at, b->n_slots, sizeof(LepBpeMerge));
	if (merges == NULL || lep_data_array(data, b->merged_at, b->n_ranks, sizeof(int32_t)) == NULL)
		return false;
	/* A look-up ends at a gap. */
	for (uint32_t i = 0; i < b->n_slots; i++)
	{
		has_gap = has_gap || merges[i].left < 0;
		if (merges[i].left >= 0 && merges[i].rank >= b->n_ranks)
			return false;
	}
	return has_gap;
}

const LepModelKind lep_model_bpe = {"BPE", lep_bpe_read, lep_bpe_pack, bpe_fits, bpe};
