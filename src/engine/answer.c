/*
 * answer.c: chooses spans of tokens in each window, widens them to whole words,
 * adds up the scores of equal texts over all windows.
 */
#define LEPTON_ENGINE_SOURCE

#include "answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unicode.h"
#include "utf8.h"

#define MASKED -10000.0f /* logit of a token that is in no answer */

/* An answer with the hash of its text in lower case. */
typedef struct Found
{
	LepAnswer answer;
	size_t from, to; /* bytes */
	uint64_t hash;
	size_t number; /* in the order of finding */
} Found;

/* A span of tokens of a window. */
typedef struct Candidate
{
	float score;
	uint32_t start, end;
} Candidate;

struct LepAnswers
{
	const LepAllocator *allocator;
	LepAnswerOptions options;
	LepCursor cursor;
	double null_score;
	bool has_windows;
	Found *found; /* [n_found] */
	size_t n_found, found_capacity;
	size_t *table; /* [table_size] number of a Found + 1, 0 free; a power of two */
	size_t table_size;
	Candidate *heap; /* [n_heap], the worst on top */
	size_t n_heap, heap_capacity;
	float *starts, *ends; /* [n] probabilities */
	size_t n_capacity;
};

/* Free memory of an allocator; NULL is fine */
static void
release(const LepAllocator *allocator, void *memory)
{
	if (memory != NULL)
		allocator->free(allocator->ctx, memory);
}

/* Make an empty collection */
LepAnswers *
lep_answers_new(const LepAllocator *allocator, const char *context, size_t len,
				const LepAnswerOptions *options)
{
	LepAnswers *a = allocator->alloc(allocator->ctx, sizeof(LepAnswers));

	if (a == NULL)
		return NULL;
	memset(a, 0, sizeof(LepAnswers));
	a->allocator = allocator;
	a->options = *options;
	lep_cursor_init(&a->cursor, context, len);
	return a;
}

/* Free it; NULL is fine */
void
lep_answers_free(LepAnswers *a)
{
	if (a == NULL)
		return;
	release(a->allocator, a->found);
	release(a->allocator, a->table);
	release(a->allocator, a->heap);
	release(a->allocator, a->starts);
	release(a->allocator, a->ends);
	release(a->allocator, a);
}

/* Give *array room for n elements of size bytes, keeping used of them */
static bool
resize(const LepAllocator *allocator, void *array, size_t used, size_t n, size_t size)
{
	void **old = array;
	void *memory;
	size_t bytes;

	if (!lep_mul(n, size, &bytes) || (memory = allocator->alloc(allocator->ctx, bytes)) == NULL)
		return false;
	if (used > 0)
		memcpy(memory, *old, used * size);
	release(allocator, *old);
	*old = memory;
	return true;
}

/* Decode a character and give its lower case out[LEP_LOWER_MAX]; its bytes */
static size_t
lower_at(const LepCursor *text, size_t byte, uint32_t *out, size_t *n)
{
	uint32_t c;
	size_t size = lep_utf8_decode((const unsigned char *) text->text + byte, text->len - byte, &c);

	if (size == 0)
	{
		out[0] = (unsigned char) text->text[byte];
		*n = 1;
		return 1;
	}
	*n = lep_char_lower(c, out);
	return size;
}

/* Hash a part of the text in lower case (FNV-1a over code points) */
static uint64_t
hash_lower(const LepCursor *text, size_t from, size_t to)
{
	uint64_t hash = 0xCBF29CE484222325u;
	uint32_t lower[LEP_LOWER_MAX];
	size_t n;

	while (from < to)
	{
		from += lower_at(text, from, lower, &n);
		for (size_t i = 0; i < n; i++)
			hash = (hash ^ lower[i]) * 0x100000001B3u;
	}
	return hash ^ hash >> 29;
}

/* Tell whether two parts of the text are equal in lower case */
static bool
equal_lower(const LepCursor *text, size_t a, size_t a_end, size_t b, size_t b_end)
{
	uint32_t x[LEP_LOWER_MAX], y[LEP_LOWER_MAX];
	size_t n_x = 0, n_y = 0, i = 0, j = 0;

	for (;;)
	{
		if (i == n_x && a < a_end)
		{
			a += lower_at(text, a, x, &n_x);
			i = 0;
		}
		if (j == n_y && b < b_end)
		{
			b += lower_at(text, b, y, &n_y);
			j = 0;
		}
		if (i == n_x || j == n_y)
			return i == n_x && j == n_y;
		if (x[i++] != y[j++])
			return false;
	}
}

/* The place of a text in the table: its own, or a free one */
static size_t *
find_place(const LepAnswers *a, uint64_t hash, size_t from, size_t to)
{
	size_t i = (size_t) hash & (a->table_size - 1);

	for (; a->table[i] != 0; i = (i + 1) & (a->table_size - 1))
	{
		const Found *f = &a->found[a->table[i] - 1];

		if (f->hash == hash && equal_lower(&a->cursor, f->from, f->to, from, to))
			break;
	}
	return &a->table[i];
}

/* Make room for one more answer */
static bool
reserve_found(LepAnswers *a)
{
	size_t size;

	if (a->n_found == a->found_capacity)
	{
		if (!lep_mul(a->found_capacity, 2, &size))
			return false;
		size = size < 32 ? 32 : size;
		if (!resize(a->allocator, &a->found, a->n_found, size, sizeof(Found)))
			return false;
		a->found_capacity = size;
	}
	if (a->n_found * 2 < a->table_size)
		return true;
	size = a->table_size < 64 ? 64 : a->table_size * 2;
	if (!resize(a->allocator, &a->table, 0, size, sizeof(size_t)))
		return false;
	a->table_size = size;
	memset(a->table, 0, size * sizeof(size_t));
	for (size_t i = 0; i < a->n_found; i++)
	{
		const Found *f = &a->found[i];

		*find_place(a, f->hash, f->from, f->to) = i + 1;
	}
	return true;
}

/* Add an answer, or its score to that of the same text */
static bool
add_answer(LepAnswers *a, LepSpan span, float score)
{
	Found found = {{span, score}, 0, 0, 0, a->n_found};
	size_t *place;

	if (!reserve_found(a))
		return false;
	found.from = lep_cursor_to_character(&a->cursor, span.start);
	found.to = span.end > span.start ? lep_cursor_to_character(&a->cursor, span.end) : found.from;
	found.hash = hash_lower(&a->cursor, found.from, found.to);
	place = find_place(a, found.hash, found.from, found.to);
	if (*place != 0)
		a->found[*place - 1].answer.score += score;
	else
	{
		a->found[a->n_found++] = found;
		*place = a->n_found;
	}
	return true;
}

/* Tell whether x is a worse candidate than y; of equals the later one is */
static bool
is_worse(const Candidate *x, const Candidate *y)
{
	if (x->score != y->score)
		return x->score < y->score;
	return x->start != y->start ? x->start > y->start : x->end > y->end;
}

/* Order candidates, the best first */
static int
compare_candidates(const void *x, const void *y)
{
	return is_worse(x, y) ? 1 : is_worse(y, x) ? -1 : 0;
}

/* Move the candidate at the top of the heap to its place */
static void
sift_down(Candidate *heap, size_t n)
{
	Candidate moved = heap[0];
	size_t i = 0;

	for (size_t child = 1; child < n; child = 2 * i + 1)
	{
		if (child + 1 < n && is_worse(&heap[child + 1], &heap[child]))
			child++;
		if (!is_worse(&heap[child], &moved))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = moved;
}

/* Keep a candidate if it is among the best limit */
static void
keep_candidate(LepAnswers *a, Candidate candidate, size_t limit)
{
	size_t i = a->n_heap;

	if (a->n_heap == limit)
	{
		if (is_worse(&candidate, &a->heap[0]))
			return;
		a->heap[0] = candidate;
		sift_down(a->heap, a->n_heap);
		return;
	}
	a->n_heap++;
	for (; i > 0 && is_worse(&candidate, &a->heap[(i - 1) / 2]); i = (i - 1) / 2)
		a->heap[i] = a->heap[(i - 1) / 2];
	a->heap[i] = candidate;
}

/* Tell whether a token may be in an answer */
static bool
is_allowed(const LepAnswerWindow *w, size_t i)
{
	return (i == 0 && w->has_class) || (i >= w->first && i - w->first < w->n_context);
}

/* Probabilities of being the first (column 0) or last (1) token: out[n] */
static void
probabilities(const LepAnswerWindow *w, int column, float *out)
{
	float top = MASKED, sum = 0;

	for (size_t i = 0; i < w->n; i++)
	{
		out[i] = is_allowed(w, i) ? w->logits[2 * i + column] : MASKED;
		if (i == 0 || out[i] > top)
			top = out[i];
	}
	for (size_t i = 0; i < w->n; i++)
	{
		out[i] = expf(out[i] - top);
		sum += out[i];
	}
	for (size_t i = 0; i < w->n; i++)
		out[i] /= sum;
}

/* Characters of a span of tokens, widened to whole words */
static LepSpan
widen(const LepAnswerWindow *w, const Candidate *c)
{
	size_t from = c->start - w->first;
	size_t to = c->end - w->first;
	LepSpan span;

	while (from > 0 && w->words[from - 1] == w->words[from])
		from--;
	while (to + 1 < w->n_context && w->words[to + 1] == w->words[to])
		to++;
	span.start = w->spans[from].start;
	span.end = w->spans[to].end;
	return span;
}

/* Find the best spans of a window: into the heap, sorted */
static void
choose_spans(LepAnswers *a, const LepAnswerWindow *w, size_t limit)
{
	size_t end = w->first + w->n_context;

	a->n_heap = 0;
	for (size_t i = w->first; i < end; i++)
		for (size_t j = i; j < end && j - i < a->options.max_answer_len; j++)
		{
			Candidate candidate = {a->starts[i] * a->ends[j], (uint32_t) i, (uint32_t) j};

			if (candidate.score > 0)
				keep_candidate(a, candidate, limit);
		}
	if (a->n_heap > 1)
		qsort(a->heap, a->n_heap, sizeof(Candidate), compare_candidates);
}

/* Take the logits of a window */
LepStatus
lep_answers_add(LepAnswers *a, const LepAnswerWindow *w, const LepStop *stop, LepError *err)
{
	/* Some spans widen to the same words, so there must be more of them than answers. */
	size_t limit = a->options.top_k * 2 + 10;
	double null_score;

	if (lep_stopped(stop))
		return lep_error(err, LEP_CANCELLED, "choosing answers was cancelled");
	if (w->n > a->n_capacity)
	{
		a->n_capacity = 0;
		if (!resize(a->allocator, &a->starts, 0, w->n, sizeof(float)) ||
			!resize(a->allocator, &a->ends, 0, w->n, sizeof(float)))
			return lep_error(err, LEP_NO_MEMORY, "out of memory");
		a->n_capacity = w->n;
	}
	if (a->heap == NULL)
	{
		if (!resize(a->allocator, &a->heap, 0, limit, sizeof(Candidate)))
			return lep_error(err, LEP_NO_MEMORY, "out of memory");
		a->heap_capacity = limit;
	}
	if (w->n == 0)
		return LEP_OK;
	probabilities(w, 0, a->starts);
	probabilities(w, 1, a->ends);
	null_score = (double) (a->starts[0] * a->ends[0]);
	if (!a->has_windows || null_score < a->null_score)
		a->null_score = null_score;
	a->has_windows = true;
	a->starts[0] = a->ends[0] = 0;
	choose_spans(a, w, a->heap_capacity);
	for (size_t i = 0; i < a->n_heap; i++)
		if (!add_answer(a, widen(w, &a->heap[i]), a->heap[i].score))
			return lep_error(err, LEP_NO_MEMORY, "out of memory");
	return LEP_OK;
}

/* Order answers, the best first, of equals the one found first */
static int
compare_found(const void *a, const void *b)
{
	const Found *x = a;
	const Found *y = b;

	if (x->answer.score != y->answer.score)
		return x->answer.score > y->answer.score ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Give the best answers */
size_t
lep_answers_finish(LepAnswers *a, LepAnswer *out)
{
	LepAnswer none = {{0, 0}, a->options.has_null ? a->null_score : 0};
	bool has_none = a->options.has_null || a->n_found == 0;
	size_t n = 0;

	if (a->n_found > 1)
		qsort(a->found, a->n_found, sizeof(Found), compare_found);
	for (size_t i = 0; n < a->options.top_k && (i < a->n_found || has_none);)
	{
		if (has_none && (i == a->n_found || none.score > a->found[i].answer.score))
		{
			out[n++] = none;
			has_none = false;
		}
		else
			out[n++] = a->found[i++].answer;
	}
	return n;
}
