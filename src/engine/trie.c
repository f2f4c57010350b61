/*
 * trie.c: builds the double array of trie.h; refuses sets that need more than
 * LEP_TRIE_MAX units.
 */
#define LEPTON_ENGINE_SOURCE
#include "trie.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK		256u /* children of one node lie in one aligned block */
#define TRIES_MAX	512	 /* free units looked at before a new block is opened */
#define UNITS_FIRST ((size_t) 512)

/* A node whose children are still to be placed: keys[low, high) share its depth bytes. */
typedef struct Pending
{
	size_t low, high;
	size_t depth;
	uint32_t node;
} Pending;

typedef struct Builder
{
	const LepAllocator *allocator;
	const LepTrieKey *keys;
	LepTrieUnit *units; /* [capacity], n in use, a multiple of BLOCK */
	uint32_t *next;		/* [capacity] ring of free units, LEP_TRIE_NONE for used ones */
	uint32_t *previous; /* [capacity] */
	size_t n;
	size_t capacity;
	uint32_t first_free; /* LEP_TRIE_NONE when the ring is empty */
	Pending *stack;		 /* [stack_capacity] */
	size_t depth;
	size_t stack_capacity;
} Builder;

/* Compare two keys by their bytes. */
static int
compare_keys(const void *a, const void *b)
{
	const LepTrieKey *x = a;
	const LepTrieKey *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = len > 0 ? memcmp(x->bytes, y->bytes, len) : 0;

	if (order != 0)
		return order;
	return x->len < y->len ? -1 : x->len > y->len;
}

/* Sort keys by their bytes. */
void
lep_trie_sort(LepTrieKey *keys, size_t n_keys)
{
	if (n_keys > 1)
		qsort(keys, n_keys, sizeof(LepTrieKey), compare_keys);
}

/* Grow *array of elements of size bytes from used to at least need elements; false without memory. */
static bool
grow(const LepAllocator *allocator, void **array, size_t used, size_t need, size_t size)
{
	size_t bytes;
	void *bigger;

	if (!lep_mul(need, size, &bytes))
		return false;
	bigger = allocator->alloc(allocator->ctx, bytes);
	if (bigger == NULL)
		return false;
	if (*array != NULL)
	{
		memcpy(bigger, *array, used * size);
		allocator->free(allocator->ctx, *array);
	}
	*array = bigger;
	return true;
}

/* Take unit out of the ring of free ones. */
static void
use_unit(Builder *b, uint32_t unit, uint32_t parent)
{
	uint32_t next = b->next[unit];
	uint32_t previous = b->previous[unit];

	if (next == unit)
		b->first_free = LEP_TRIE_NONE;
	else
	{
		b->next[previous] = next;
		b->previous[next] = previous;
		if (b->first_free == unit)
			b->first_free = next;
	}
	b->next[unit] = LEP_TRIE_NONE;
	b->units[unit].parent = parent;
}

/* Append a block of free units at the ring's end. */
static LepStatus
open_block(Builder *b, LepError *err)
{
	size_t need = b->n + BLOCK;

	if (need > LEP_TRIE_MAX)
	{
		lep_error(err, LEP_TOO_LARGE, "vocabulary is too large");
		lep_error_detail(err, "Its table would need more than %zu entries.", LEP_TRIE_MAX);
		return LEP_TOO_LARGE;
	}
	if (need > b->capacity)
	{
		size_t capacity = b->capacity == 0 ? UNITS_FIRST : b->capacity * 2;

		if (!grow(b->allocator, (void **) &b->units, b->n, capacity, sizeof(LepTrieUnit)) ||
			!grow(b->allocator, (void **) &b->next, b->n, capacity, sizeof(uint32_t)) ||
			!grow(b->allocator, (void **) &b->previous, b->n, capacity, sizeof(uint32_t)))
			return lep_error(err, LEP_NO_MEMORY, "out of memory building a vocabulary");
		b->capacity = capacity;
	}
	for (uint32_t unit = (uint32_t) b->n; unit < need; unit++)
	{
		LepTrieUnit empty = {0, LEP_TRIE_NONE, -1};

		b->units[unit] = empty;
		if (b->first_free == LEP_TRIE_NONE)
		{
			b->first_free = unit;
			b->next[unit] = b->previous[unit] = unit;
		}
		else
		{
			uint32_t last = b->previous[b->first_free];

			b->next[unit] = b->first_free;
			b->previous[unit] = last;
			b->next[last] = unit;
			b->previous[b->first_free] = unit;
		}
	}
	b->n = need;
	return LEP_OK;
}

/* Are the units at base ^ labels[n] all free? */
static bool
fits(const Builder *b, uint32_t base, const unsigned char *labels, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (b->next[base ^ labels[i]] == LEP_TRIE_NONE)
			return false;
	return true;
}

/*
 * Find a base for children labels[n].  Single children fill the oldest gaps;
 * others look from the newest block back, so that the search stays short.
 */
static LepStatus
find_base(Builder *b, const unsigned char *labels, size_t n, uint32_t *base, LepError *err)
{
	uint32_t unit = b->first_free;
	LepStatus status;

	if (unit != LEP_TRIE_NONE && n > 1)
		unit = b->previous[unit];
	for (int tries = 0; unit != LEP_TRIE_NONE && tries < TRIES_MAX; tries++)
	{
		*base = unit ^ labels[0];
		if (fits(b, *base, labels, n))
			return LEP_OK;
		unit = b->previous[unit];
	}
	*base = (uint32_t) b->n;
	status = open_block(b, err);
	return status;
}

/* Put a node on the stack. */
static LepStatus
push(Builder *b, Pending pending, LepError *err)
{
	if (b->depth == b->stack_capacity)
	{
		size_t capacity = b->stack_capacity == 0 ? BLOCK : b->stack_capacity * 2;

		if (!grow(b->allocator, (void **) &b->stack, b->depth, capacity, sizeof(Pending)))
			return lep_error(err, LEP_NO_MEMORY, "out of memory building a vocabulary");
		b->stack_capacity = capacity;
	}
	b->stack[b->depth++] = pending;
	return LEP_OK;
}

/* Place the children of one node and push them. */
static LepStatus
place_children(Builder *b, Pending at, LepError *err)
{
	unsigned char labels[BLOCK];
	size_t starts[BLOCK + 1];
	size_t n = 0;
	uint32_t base = 0;
	LepStatus status;

	/* Keys are sorted and distinct: one that ends here comes first. */
	if (at.low < at.high && b->keys[at.low].len == at.depth)
		b->units[at.node].value = b->keys[at.low++].value;
	for (size_t i = at.low; i < at.high; i++)
	{
		unsigned char label = (unsigned char) b->keys[i].bytes[at.depth];

		if (n == 0 || labels[n - 1] != label)
		{
			labels[n] = label;
			starts[n++] = i;
		}
	}
	if (n == 0)
		return LEP_OK;
	starts[n] = at.high;
	status = find_base(b, labels, n, &base, err);
	if (status != LEP_OK)
		return status;
	b->units[at.node].base = base;
	for (size_t i = 0; i < n; i++)
		use_unit(b, base ^ labels[i], at.node);
	for (size_t i = n; i-- > 0 && status == LEP_OK;)
	{
		Pending child = {starts[i], starts[i + 1], at.depth + 1, base ^ labels[i]};

		status = push(b, child, err);
	}
	return status;
}

/* Build the trie of sorted, distinct keys. */
LepStatus
lep_trie_build(const LepTrieKey *keys, size_t n_keys, LepArena *arena, LepTrieUnit **units,
			   size_t *n_units, LepError *err)
{
	Builder b = {.allocator = arena->allocator, .keys = keys, .first_free = LEP_TRIE_NONE};
	Pending root = {0, n_keys, 0, LEP_TRIE_ROOT};
	LepStatus status;

	status = open_block(&b, err);
	if (status == LEP_OK)
	{
		use_unit(&b, LEP_TRIE_ROOT, LEP_TRIE_NONE);
		status = push(&b, root, err);
	}
	while (status == LEP_OK && b.depth > 0)
		status = place_children(&b, b.stack[--b.depth], err);
	if (status == LEP_OK)
	{
		*n_units = b.n;
		*units = lep_arena_array(arena, b.n, sizeof(LepTrieUnit));
		if (*units == NULL)
			status = lep_error(err, LEP_NO_MEMORY, "out of memory building a vocabulary");
		else
			memcpy(*units, b.units, b.n * sizeof(LepTrieUnit));
	}
	if (b.units != NULL)
		b.allocator->free(b.allocator->ctx, b.units);
	if (b.next != NULL)
		b.allocator->free(b.allocator->ctx, b.next);
	if (b.previous != NULL)
		b.allocator->free(b.allocator->ctx, b.previous);
	if (b.stack != NULL)
		b.allocator->free(b.allocator->ctx, b.stack);
	return status;
}
