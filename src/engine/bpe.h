/*
 * bpe.h: the tables of the model BPE in the data area, between bpe_build.c,
 * which writes them, and bpe.c, which runs them.
 */
#ifndef LEPTON_BPE_H
#define LEPTON_BPE_H

#include "tokenizer_model.h"

#define LEP_BPE_UNKNOWN 1u /* there is an unknown token */
#define LEP_BPE_FUSE	2u /* unknown characters in a row are one token */
#define LEP_BPE_BYTES	4u /* a character that the vocabulary lacks is spelled in bytes */
#define LEP_BPE_WHOLE	8u /* a piece that is in the vocabulary is not merged but taken */

#define LEP_BPE_DIRECT 512 /* code points with a table of their ids */

/* A pair that merges; an entry of a hash table with linear probing. */
typedef struct LepBpeMerge
{
	int32_t left, right; /* ids; left -1 in a free entry */
	uint32_t rank;		 /* the lower, the sooner */
	uint32_t unused;
} LepBpeMerge;

typedef struct LepBpe
{
	uint32_t flags; /* LEP_BPE_ */
	uint32_t shift; /* of lep_bpe_hash */
	uint32_t n_slots;
	uint32_t n_ranks;
	uint64_t merges_at;	  /* LepBpeMerge[n_slots] */
	uint64_t merged_at;	  /* int32_t[n_ranks]: what a rank's pair becomes */
	LepStep suffix;		  /* bytes behind the last character of a piece */
	uint32_t prefix_node; /* where the trie stands before a character that is not the first */
	uint32_t unused;
	int32_t byte_ids[256];			/* tokens <0x00> to <0xFF>, -1 where there is none */
	int32_t direct[LEP_BPE_DIRECT]; /* ids of characters without prefix and suffix, or -1 */
} LepBpe;

/* The first entry to look for a pair in, of 2^(32 - shift). */
static inline uint32_t
lep_bpe_hash(uint32_t left, uint32_t right, uint32_t shift)
{
	uint64_t mixed = ((uint64_t) left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);

	return (uint32_t) (mixed >> 32) >> shift;
}

LepStatus lep_bpe_read(LepTokenizerSpec *spec, const json_t *json, LepError *err);
LepStatus lep_bpe_pack(LepTokenizerSpec *spec, const LepTrieUnit *words, size_t n_words,
					   LepError *err);

#endif
