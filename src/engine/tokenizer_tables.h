/*
 * tokenizer_tables.h: the blob's layout and what its builder is told; private
 * to the tokenizer's sources.
 *
 * A blob is a LepTokenizerTables followed by its sections, each 64-byte
 * aligned; offsets count from the blob's start.
 */
#ifndef LEPTON_TOKENIZER_TABLES_H
#define LEPTON_TOKENIZER_TABLES_H

#include "normalizer.h"
#include "tokenizer.h"
#include "trie.h"

#define LEP_TOKENIZER_MAGIC	  UINT64_C(0x6E656B6F7470656C) /* "leptoken" */
#define LEP_TOKENIZER_VERSION 2
#define LEP_NORM_STEPS_MAX	  32
#define LEP_ADDED_BYTES_MAX	  256 /* bytes of an added token, so that matching stays linear */

/* How the pre-tokenizer splits; several may apply. */
#define LEP_SPLIT_SPACE 1u /* at white space, which is dropped */
#define LEP_SPLIT_PUNCT 2u /* around every punctuation character */
#define LEP_SPLIT_WORDS 4u /* into runs of \w and of other visible characters */

/* What an added token asks for. */
#define LEP_ADDED_SINGLE	 1u /* only as a word of its own */
#define LEP_ADDED_LSTRIP	 2u /* takes the white space before it */
#define LEP_ADDED_RSTRIP	 4u /* takes the white space behind it */
#define LEP_ADDED_NORMALIZED 8u /* looked for in the normalised text */

/* What a byte below 0x80 is to the fast path; all others are LEP_BYTE_SLOW. */
#define LEP_BYTE_SLOW  0 /* needs the normaliser */
#define LEP_BYTE_WORD  1
#define LEP_BYTE_ALONE 2 /* a word of its own */
#define LEP_BYTE_SPACE 3

/* An array in the blob. */
typedef struct LepSection
{
	uint64_t offset; /* bytes from the blob's start */
	uint64_t n;		 /* elements */
} LepSection;

typedef struct LepAdded
{
	int32_t id;
	uint32_t flags; /* LEP_ADDED_ */
} LepAdded;

/* A piece of the post-processor's template: the text (id -1) or a special token. */
typedef struct LepPiece
{
	int32_t id;
	int32_t type;
} LepPiece;

#define LEP_PIECE_TEXT (-1)

struct LepTokenizerTables
{
	uint64_t magic;
	uint32_t version;
	uint32_t n_steps;
	uint64_t size;					   /* bytes of the blob */
	uint8_t steps[LEP_NORM_STEPS_MAX]; /* LepNormStep */
	uint32_t splits;				   /* LEP_SPLIT_ */
	uint32_t truncate_left;			   /* truncation keeps the end */
	uint32_t streaming;	 /* text can be cut at ASCII white space and worked on in parts */
	uint32_t fast;		 /* ASCII words need no normaliser */
	uint32_t max_chars;	 /* a longer word is unknown */
	uint32_t continuing; /* trie node behind the continuing prefix, or LEP_TRIE_NONE */
	int32_t unk_id;
	uint32_t n_ids;			 /* every id is below */
	uint32_t special;		 /* special tokens in the template */
	uint32_t max_type;		 /* largest type id in the template */
	uint32_t no_lower_first; /* lower_first would make added tokens alike or empty */
	LepSection words;		 /* LepTrieUnit: the vocabulary, values are ids */
	LepSection raw;			/* LepTrieUnit: added tokens of the text as it is, values index added */
	LepSection normal;		/* LepTrieUnit: added tokens of the normalised text */
	LepSection lowered;		/* LepTrieUnit: the same for lower_first */
	LepSection added;		/* LepAdded */
	LepSection pieces;		/* LepPiece */
	uint8_t first_raw[256]; /* can a raw added token begin with this byte? */
	uint8_t kind[256];		/* LEP_BYTE_ */
	uint8_t fold[256];		/* a LEP_BYTE_WORD or LEP_BYTE_ALONE byte, normalised */
};

/* An added token as the files tell it. */
typedef struct LepSpecAdded
{
	const char *content; /* [len] */
	size_t len;
	uint32_t flags;
} LepSpecAdded;

/* What both routes, tokenizer.json and vocab.txt, read from their files. */
typedef struct LepTokenizerSpec
{
	const char *file;  /* named in errors */
	LepTrieKey *vocab; /* [n_vocab], distinct; value is the id */
	size_t n_vocab;
	const char *unk_token;
	const char *prefix; /* of continuing pieces */
	uint64_t max_chars;
	uint8_t steps[LEP_NORM_STEPS_MAX];
	size_t n_steps;
	uint32_t splits;
	bool truncate_left;
	LepSpecAdded *added; /* [n_added], in the order in which they are added */
	size_t n_added;
	LepPiece *pieces; /* [n_pieces] */
	size_t n_pieces;
	const char **piece_names; /* [n_pieces] or NULL: added tokens whose ids the pieces take */
} LepTokenizerSpec;

/*
 * Pack spec into a blob.  vocab_size as in lep_tokenizer_build.  Sorts
 * spec->vocab.
 */
LepStatus lep_tokenizer_pack(LepTokenizerSpec *spec, size_t vocab_size, LepArena *arena,
							 void **blob, size_t *blob_size, LepError *err);

/* Parts of tokenizer.json; defined in tokenizer_parts.c, json points into the file. */
struct json_t;
LepStatus lep_spec_normalizer(LepTokenizerSpec *spec, const struct json_t *json, int depth,
							  LepError *err);
LepStatus lep_spec_pre_tokenizer(LepTokenizerSpec *spec, const struct json_t *json, int depth,
								 LepError *err);
LepStatus lep_spec_post_processor(LepTokenizerSpec *spec, const struct json_t *json,
								  LepArena *arena, LepError *err);
/* Append a BertNormalizer's steps; LEP_UNSUPPORTED when there are too many. */
LepStatus lep_spec_bert_normalizer(LepTokenizerSpec *spec, bool clean, bool chinese,
								   bool strip_accents, bool lower, LepError *err);

#endif
