/*
 * tokenizer_run.h: the state of one lep_tokenize call and the working memory
 * behind it; private to tokenizer.c, added_tokens.c and wordpiece.c.
 *
 *		tokenizer.c    -- options, truncation, template, result
 *		added_tokens.c -- cuts the text at added tokens
 *		wordpiece.c	   -- the stretches between: normalise, split, look up
 */
#ifndef LEPTON_TOKENIZER_RUN_H
#define LEPTON_TOKENIZER_RUN_H

#include "tokenizer_tables.h"

struct LepTokenScratch
{
	const LepAllocator *allocator;
	LepCharBuffer chars;
	int32_t *ids;	/* [capacity] the text's tokens */
	LepSpan *spans; /* [capacity] */
	size_t capacity;
	int32_t *out_ids;	/* [out_capacity] the result */
	int32_t *out_types; /* [out_capacity] */
	LepSpan *out_spans; /* [out_capacity] */
	size_t out_capacity;
};

typedef struct LepTokenRun
{
	const struct LepTokenizerTables *tables;
	const LepTrieUnit *words;
	const LepTrieUnit *raw;
	const LepTrieUnit *normal; /* [n_normal] */
	size_t n_normal;
	const LepAdded *added;
	const LepPiece *pieces;
	LepTokenScratch *scratch;
	const char *text; /* [len] */
	size_t len;
	bool lower_first; /* lower case before the normaliser's steps */
	size_t limit;	  /* stop once there are more tokens than that */
	size_t n;		  /* tokens so far, in scratch->ids and spans */
	size_t work;	  /* steps since stop was last asked */
	const LepStop *stop;
	LepError *err;
} LepTokenRun;

/* Steps between two looks at stop. */
#define LEP_RUN_STEPS ((size_t) 1 << 18)

/* Make room for more tokens. */
LepStatus lep_run_reserve(LepTokenRun *run, size_t more);

/* Append a token; there must be room. */
static inline void
lep_run_push(LepTokenRun *run, int32_t id, size_t start, size_t end)
{
	LepSpan span = {(uint32_t) start, (uint32_t) end};

	run->scratch->ids[run->n] = id;
	run->scratch->spans[run->n++] = span;
}

/* Count steps; LEP_CANCELLED when stop asks to stop. */
LepStatus lep_run_worked(LepTokenRun *run, size_t steps);

/* Tokenize the whole text, added tokens and all. */
LepStatus lep_run_text(LepTokenRun *run);

/* Tokenize text[start, end), in which no added token is to be looked for as it is. */
LepStatus lep_run_stretch(LepTokenRun *run, size_t start, size_t end);

/* Split characters chars[n] at added tokens of the normalised text and tokenize the rest. */
LepStatus lep_run_normalized(LepTokenRun *run, const LepChar *chars, size_t n);

/* Split chars[n] into words and look these up. */
LepStatus lep_run_words(LepTokenRun *run, const LepChar *chars, size_t n);

#endif
