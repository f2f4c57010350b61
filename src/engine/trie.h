/*
 * trie.h: a set of byte strings with a number each, as one flat array that is
 * walked byte by byte (a double array): one load a step, no pointers.
 *
 *		lep_trie_build(keys, n, arena, scratch, &units, &n_units);
 *		node = LEP_TRIE_ROOT; node = lep_trie_step(units, n_units, node, byte); units[node].value
 *
 * The children of a node live at base ^ byte and name their parent, so that a
 * slot is a child only of the node it says.
 */
#ifndef LEPTON_TRIE_H
#define LEPTON_TRIE_H

#include "base.h"

#define LEP_TRIE_ROOT 0u
#define LEP_TRIE_NONE UINT32_MAX
#define LEP_TRIE_MAX  ((size_t) 1 << 26) /* units */

typedef struct LepTrieUnit
{
	uint32_t base;	 /* where children are */
	uint32_t parent; /* LEP_TRIE_NONE in a free unit and in the root */
	int32_t value;	 /* of the key that ends here, -1 when none does */
} LepTrieUnit;

typedef struct LepTrieKey
{
	const char *bytes;
	size_t len;
	int32_t value; /* not negative */
} LepTrieKey;

/*
 * Build the trie of keys[n_keys], which are sorted by lep_trie_sort and
 * distinct; units[*n_units] come from arena, working memory from its
 * allocator.  LEP_TOO_LARGE above LEP_TRIE_MAX units.
 */
LepStatus lep_trie_build(const LepTrieKey *keys, size_t n_keys, LepArena *arena,
						 LepTrieUnit **units, size_t *n_units, LepError *err);

/* Sort keys[n_keys] by their bytes. */
void lep_trie_sort(LepTrieKey *keys, size_t n_keys);

/* The child of node for byte, or LEP_TRIE_NONE. */
static inline uint32_t
lep_trie_step(const LepTrieUnit *units, size_t n_units, uint32_t node, unsigned char byte)
{
	uint32_t child = units[node].base ^ byte;

	return child < n_units && units[child].parent == node ? child : LEP_TRIE_NONE;
}

#endif
