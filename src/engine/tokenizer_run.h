/*
 * tokenizer_run.h: the state of one lep_tokenize call and the working memory
 * behind it; private to the tokenizer's sources.
 *
 *		tokenizer.c    -- options, truncation, template, result
 *		added_tokens.c -- cuts the text at added tokens
 *		stretch.c	   -- the stretches between: normalise, split simply
 *		pretokenizer.c -- splits of every kind
 *		wordpiece.c, bpe.c, unigram.c, wordlevel.c -- pieces to tokens
 */
#ifndef LEPTON_TOKENIZER_RUN_H
#define LEPTON_TOKENIZER_RUN_H

#include "tokenizer_tables.h"

/* Working memory by use; each is one block that only grows. */
typedef enum LepRunMemory
{
	LEP_MEMORY_IDS,						   /* int32_t: the text's tokens */
	LEP_MEMORY_SPANS,					   /* LepSpan */
	LEP_MEMORY_WORDS,					   /* uint32_t */
	LEP_MEMORY_MARKS,					   /* LepMark */
	LEP_MEMORY_BLANKS,					   /* LepBlanks: of the text's tokens, before truncation */
	LEP_MEMORY_OUT,						   /* the result: four blocks */
	LEP_MEMORY_FRAME = LEP_MEMORY_OUT + 4, /* a framed result: four blocks */
	LEP_MEMORY_LAST_FRAME = LEP_MEMORY_FRAME + 3,
	LEP_MEMORY_PIECES,	/* LepRange: pieces between two splits */
	LEP_MEMORY_PIECES2, /* LepRange */
	LEP_MEMORY_MATCHES, /* of a split */
	LEP_MEMORY_CLASSES, /* a regex's view of a text */
	LEP_MEMORY_STACK,	/* a regex's choices */
	LEP_MEMORY_MEMO,	/* a regex's dead ends */
	LEP_MEMORY_MODEL,	/* the model's own */
	LEP_MEMORY_MODEL2,
	LEP_MEMORY_MODEL3,
	LEP_MEMORY_MODEL4,
	LEP_MEMORY_COUNT
} LepRunMemory;

typedef struct LepBlock
{
	void *bytes; /* [size] */
	size_t size;
} LepBlock;

/* A token whose string is not the vocabulary's, and the white space of that string. */
typedef struct LepMark
{
	size_t token;
	LepBlanks blanks;
} LepMark;

struct LepTokenScratch
{
	const LepAllocator *allocator;
	LepCharBuffer chars;
	LepCharBuffer split_chars; /* what splits rewrite */
	LepBlock blocks[LEP_MEMORY_COUNT];
	int32_t *ids;	 /* [capacity] the text's tokens */
	LepSpan *spans;	 /* [capacity] */
	uint32_t *words; /* [capacity] */
	size_t capacity;
};

/* Characters [start, end) of some array. */
typedef struct LepRange
{
	size_t start, end;
} LepRange;

typedef struct LepTokenRun
{
	const struct LepTokenizerTables *tables;
	LepStatus (*piece)(struct LepTokenRun *run, const LepChar *chars, size_t n); /* the model's */
	LepData data;
	const LepTrieUnit *words;
	const LepTrieUnit *raw;
	const LepTrieUnit *normal; /* [n_normal] */
	size_t n_normal;
	const LepAdded *added;
	LepTokenScratch *scratch;
	const char *text; /* [len] */
	size_t len;
	bool lower_first; /* lower case before the normaliser's steps */
	size_t limit;	  /* stop once there are more tokens than that */
	size_t n;		  /* tokens so far, in scratch->ids and spans */
	uint32_t word;	  /* number of the piece whose tokens are pushed */
	size_t n_marks;
	size_t work; /* steps since stop was last asked */
	const LepStop *stop;
	LepError *err;
} LepTokenRun;

/* Steps between two looks at stop. */
#define LEP_RUN_STEPS ((size_t) 1 << 18)

/*
 * Working memory of at least n elements of size bytes; NULL without memory.  A
 * block that grows keeps its first `keep` bytes.
 */
void *lep_run_memory(LepTokenScratch *scratch, LepRunMemory use, size_t n, size_t size,
					 size_t keep);

/* Say that memory ran out. */
LepStatus lep_run_no_memory(LepTokenRun *run);

/* Make room for more tokens. */
LepStatus lep_run_reserve(LepTokenRun *run, size_t more);

/* Append a token; there must be room. */
static inline void
lep_run_push(LepTokenRun *run, int32_t id, size_t start, size_t end)
{
	LepSpan span = {(uint32_t) start, (uint32_t) end};

	run->scratch->ids[run->n] = id;
	run->scratch->words[run->n] = run->word;
	run->scratch->spans[run->n++] = span;
}

/*
 * After lep_run_push: the token's string is chars[n], not the vocabulary's
 * (added tokens; unknown tokens of models that keep the text).
 */
LepStatus lep_run_mark(LepTokenRun *run, const LepChar *chars, size_t n);

/* Count steps; LEP_CANCELLED when stop asks to stop. */
LepStatus lep_run_worked(LepTokenRun *run, size_t steps);

/* Tokenize the whole text, added tokens and all. */
LepStatus lep_run_text(LepTokenRun *run);

/* Tokenize text[start, end), in which no added token is to be looked for as it is. */
LepStatus lep_run_stretch(LepTokenRun *run, size_t start, size_t end);

/* Split characters chars[n] at added tokens of the normalised text and tokenize the rest. */
LepStatus lep_run_normalized(LepTokenRun *run, const LepChar *chars, size_t n);

/* Split chars[n] into pieces and look these up. */
LepStatus lep_run_words(LepTokenRun *run, const LepChar *chars, size_t n);

/* The same by the list of splits; pretokenizer.c. */
LepStatus lep_run_splits(LepTokenRun *run, const LepChar *chars, size_t n);

/* Look up the ASCII word text[start, end); WordPiece alone. */
LepStatus lep_wordpiece_ascii(LepTokenRun *run, size_t start, size_t end);

#endif
