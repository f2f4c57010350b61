/*
 * tokenizer_tables.h: the blob's layout and what its builder is told; private
 * to the tokenizer's sources.
 *
 * A tokenizer is a composition, as tokenizer.json tells it:
 *
 *		normalizer steps -> added tokens -> splits -> model -> template
 *
 * Normalizer steps and splits are lists of LepStep.  What a step needs beyond
 * its flags, and all tables of the model, lie in the data area: bytes that the
 * readers append with lep_spec_data and that go into the blob as they are.
 *
 * To add a normalizer: a LEP_NORM_ kind (normalizer.h), its reading
 * (tokenizer_normalizers.c), its run (normalizer.c).  To add a model: a
 * LepModelKind (tokenizer_model.h) in a file of its own.
 *
 * A blob is a LepTokenizerTables followed by its sections, each 64-byte
 * aligned; offsets count from the blob's start, those of steps from the start
 * of the data area.
 */
#ifndef LEPTON_TOKENIZER_TABLES_H
#define LEPTON_TOKENIZER_TABLES_H

#include "normalizer.h"
#include "tokenizer.h"
#include "trie.h"
#include "unicode.h"

#define LEP_TOKENIZER_MAGIC	  UINT64_C(0x6E656B6F7470656C) /* "leptoken" */
#define LEP_TOKENIZER_VERSION 4
#define LEP_STEPS_MAX		  32
#define LEP_ADDED_BYTES_MAX	  256 /* bytes of an added token, so that matching stays linear */
#define LEP_DATA_ALIGN		  ((size_t) 64)

typedef enum LepModelType
{
	LEP_MODEL_WORDPIECE,
	LEP_MODEL_BPE,
	LEP_MODEL_UNIGRAM,
	LEP_MODEL_WORDLEVEL,
	LEP_MODEL_COUNT
} LepModelType;

/* Kinds of splits: the pre-tokenizers.  Numbers are stored in blobs. */
typedef enum LepPreKind
{
	LEP_PRE_BERT = 1,
	LEP_PRE_SPACE,		 /* WhitespaceSplit */
	LEP_PRE_WORDS,		 /* Whitespace */
	LEP_PRE_PUNCTUATION, /* flags: LEP_BEHAVIOR_ */
	LEP_PRE_DIGITS,		 /* flags: LEP_BEHAVIOR_ISOLATED or LEP_BEHAVIOR_CONTIGUOUS */
	LEP_PRE_CHAR,		 /* CharDelimiterSplit; flags: the character */
	LEP_PRE_SCRIPTS,	 /* UnicodeScripts */
	LEP_PRE_FIXED,		 /* FixedLength; flags: characters */
	LEP_PRE_BYTES,		 /* ByteLevel; flags: LEP_BYTES_; data: a regex, if any */
	LEP_PRE_METASPACE,	 /* flags: LEP_META_ and above them the character */
	LEP_PRE_STRING,		 /* Split at a string, the data; flags: LEP_BEHAVIOR_ */
	LEP_PRE_REGEX		 /* Split at a regex, the data; flags: LEP_BEHAVIOR_ */
} LepPreKind;

/* What becomes of the matches of a split, and whether what lies between is meant. */
#define LEP_BEHAVIOR_REMOVED	0u
#define LEP_BEHAVIOR_ISOLATED	1u
#define LEP_BEHAVIOR_PREVIOUS	2u
#define LEP_BEHAVIOR_NEXT		3u
#define LEP_BEHAVIOR_CONTIGUOUS 4u
#define LEP_BEHAVIOR_MASK		7u
#define LEP_BEHAVIOR_INVERT		8u

#define LEP_BYTES_PREFIX 1u /* a space in front of every piece that has none */
#define LEP_BYTES_REGEX	 2u /* split by the data's regex */

#define LEP_META_ALWAYS		 1u /* the character in front of every piece that has none */
#define LEP_META_FIRST		 2u /* in front of the piece at the text's start alone */
#define LEP_META_SPLIT		 4u /* split before every such character */
#define LEP_META_SHIFT		 8
#define LEP_META_CHAR(flags) ((flags) >> LEP_META_SHIFT)

/* How the pre-tokenizer splits, where this says it all; several may apply. */
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

/* A piece of the post-processor's template: a text (LEP_PIECE_) or a special token. */
typedef struct LepPiece
{
	int32_t id;
	int32_t type;
} LepPiece;

#define LEP_PIECE_TEXT	 (-1) /* the first text */
#define LEP_PIECE_SECOND (-2) /* the second text */

/* How a post-processor trims the white space of tokens off their spans. */
typedef struct LepTrim
{
	uint8_t prefix;	  /* what a prefix space put in front of the first token is not trimmed */
	uint8_t first[2]; /* of the first and second text: does its first token come first? */
	uint8_t unused;
} LepTrim;

#define LEP_TRIMS_MAX 4

/* White space at a token's ends, in characters of its string. */
typedef struct LepBlanks
{
	uint32_t lead, trail;
} LepBlanks;

struct LepTokenizerTables
{
	uint64_t magic;
	uint32_t version;
	uint32_t model; /* LepModelType */
	uint64_t size;	/* bytes of the blob */
	uint32_t n_norms, n_splits, n_decoders;
	uint32_t has_decoder;	/* without one, decoding joins tokens with spaces */
	uint32_t splits;		/* LEP_SPLIT_ */
	uint32_t truncate_left; /* truncation keeps the end */
	uint32_t streaming;		/* text can be cut at ASCII white space and worked on in parts */
	uint32_t fast;			/* ASCII words need no normaliser */
	uint32_t max_chars;		/* WordPiece: a longer word is unknown */
	uint32_t continuing; /* WordPiece: trie node behind the continuing prefix, or LEP_TRIE_NONE */
	int32_t unk_id;		 /* -1 without unknown token */
	uint32_t n_ids;		 /* every id is below */
	uint32_t special[2]; /* special tokens in the template of one text and of two */
	uint32_t max_type;	 /* largest type id in the template of one text */
	uint32_t pair_max_type;	 /* the same of two */
	uint32_t no_lower_first; /* lower_first would make added tokens alike or empty */
	uint32_t n_trims;
	uint64_t model_at;		/* the model's own header in the data area */
	LepSection words;		/* LepTrieUnit: the vocabulary, values are ids */
	LepSection raw;			/* LepTrieUnit: added tokens of the text as it is, values index added */
	LepSection normal;		/* LepTrieUnit: added tokens of the normalised text */
	LepSection lowered;		/* LepTrieUnit: the same for lower_first */
	LepSection added;		/* LepAdded */
	LepSection pieces;		/* LepPiece: template of one text */
	LepSection pair;		/* LepPiece: template of two */
	LepSection names;		/* LepName, one for each id */
	LepSection name_bytes;	/* UTF-8: what names point to */
	LepSection blanks;		/* LepBlanks, one for each id, where there are trims */
	LepSection data;		/* bytes */
	uint8_t first_raw[256]; /* can a raw added token begin with this byte? */
	uint8_t kind[256];		/* LEP_BYTE_ */
	uint8_t fold[256];		/* a LEP_BYTE_WORD or LEP_BYTE_ALONE byte, normalised */
	LepTrim trims[LEP_TRIMS_MAX];		/* in order */
	LepStep norms[LEP_STEPS_MAX];		/* LEP_NORM_ */
	LepStep split_steps[LEP_STEPS_MAX]; /* LEP_PRE_, where splits do not say it all */
	LepStep decoders[LEP_STEPS_MAX];	/* LEP_DECODE_ */
};

/* The vocabulary string of an id; that of an added token where there is one, as it reads normalized. */
typedef struct LepName
{
	uint32_t start; /* bytes from the start of name_bytes */
	uint32_t len : 24;
	uint32_t flags : 8; /* LEP_NAME_ */
} LepName;

/* Does the byte-level post-processor trim c (white space or the space of byte-level BPE)? */
static inline bool
lep_blank_char(uint32_t c)
{
	return c == 0x120 || (lep_char_flags(c) & LEP_UC_SPACE) != 0;
}

#define LEP_NAME_KNOWN	 1u /* the id has a token */
#define LEP_NAME_ADDED	 2u /* an added token */
#define LEP_NAME_SPECIAL 4u /* reads like a special token: decoding can pass over it */

/* An added token as the files tell it. */
typedef struct LepSpecAdded
{
	const char *content; /* [len] */
	size_t len;
	uint32_t flags;
	bool special;
} LepSpecAdded;

/* What all routes (tokenizer.json, vocab.txt ...) read from their files. */
typedef struct LepTokenizerSpec
{
	const char *file;	/* named in errors */
	LepArena *work;		/* memory that lives until the spec is packed */
	LepModelType model; /* LEP_MODEL_WORDPIECE unless said otherwise */
	LepTrieKey *vocab;	/* [n_vocab], distinct; value is the id */
	size_t n_vocab;
	size_t n_model_ids;	 /* of a vocabulary with doubles: ids that it takes; else 0 */
	LepTrieKey *doubles; /* [n_doubles] its entries whose texts have other ids: names alone */
	size_t n_doubles;
	const char *unk_token; /* [unk_len] or NULL: none */
	size_t unk_len;
	const char *prefix; /* WordPiece: of continuing pieces */
	uint64_t max_chars;
	const void *model_spec; /* the model's own, from its read to its pack */
	uint64_t model_at;		/* see the tables; set by the model's pack */
	LepStep norms[LEP_STEPS_MAX];
	size_t n_norms;
	LepStep split_steps[LEP_STEPS_MAX]; /* every pre-tokenizer, in order */
	size_t n_splits;
	LepStep decoders[LEP_STEPS_MAX];
	size_t n_decoders;
	bool has_decoder;
	bool truncate_left;
	LepSpecAdded *added; /* [n_added], in the order in which they are added */
	size_t n_added;
	LepPiece *pieces; /* [n_pieces] template of one text */
	size_t n_pieces;
	const char **piece_names; /* [n_pieces] or NULL: added tokens whose ids the pieces take */
	LepPiece *pair;			  /* [n_pair] template of two texts */
	size_t n_pair;
	const char **pair_names; /* [n_pair] or NULL */
	LepTrim trims[LEP_TRIMS_MAX];
	size_t n_trims;
	unsigned char *data; /* [data_size] the data area so far */
	size_t data_size;
	size_t data_capacity;
} LepTokenizerSpec;

/*
 * Append bytes[len] (NULL: zeros) to the data area, 64-byte aligned; *offset
 * is where.  spec->data moves: keep offsets, not pointers.
 */
LepStatus lep_spec_data(LepTokenizerSpec *spec, const void *bytes, size_t len, uint64_t *offset,
						LepError *err);

/* Append a step to norms or split_steps; LEP_UNSUPPORTED names part when there are too many. */
LepStatus lep_spec_step(LepTokenizerSpec *spec, const char *part, LepStep *steps, size_t *n_steps,
						uint32_t kind, uint32_t flags, const void *bytes, size_t len,
						LepError *err);

/* Find word[len] in the sorted vocabulary (while packing); NULL when it is not there. */
const LepTrieKey *lep_spec_word(const LepTokenizerSpec *spec, const char *word, size_t len);

/*
 * Pack spec into a blob.  vocab_size as in lep_tokenizer_build.  Sorts
 * spec->vocab.
 */
LepStatus lep_tokenizer_pack(LepTokenizerSpec *spec, size_t vocab_size, LepArena *arena,
							 void **blob, size_t *blob_size, LepError *err);

/*
 * Parts of tokenizer.json; json points into the file.  Like the library, a
 * part whose "type" is missing or not known is recognised by its other keys,
 * where it has any.
 */
struct json_t;
LepStatus lep_spec_normalizer(LepTokenizerSpec *spec, const struct json_t *json, int depth,
							  LepError *err); /* tokenizer_normalizers.c */
LepStatus lep_spec_pre_tokenizer(LepTokenizerSpec *spec, const struct json_t *json, int depth,
								 LepError *err); /* tokenizer_splits.c */
LepStatus lep_spec_post_processor(LepTokenizerSpec *spec, const struct json_t *json,
								  LepError *err); /* tokenizer_post.c */
LepStatus lep_spec_decoder(LepTokenizerSpec *spec, const struct json_t *json, int depth,
						   LepError *err); /* decoder_build.c; NULL or null: no decoder */
/* Append a Replace, a normalizer or a decoder (part), as a step of this kind; data as LEP_NORM_REPLACE. */
LepStatus lep_spec_replace(LepTokenizerSpec *spec, const char *part, const struct json_t *json,
						   LepStep *steps, size_t *n_steps, uint32_t kind, LepError *err);
/* Append a Precompiled normalizer of map[len]. */
LepStatus lep_spec_precompiled(LepTokenizerSpec *spec, const void *map, size_t len, LepError *err);
/* Append a BertNormalizer's steps; LEP_UNSUPPORTED when there are too many. */
LepStatus lep_spec_bert_normalizer(LepTokenizerSpec *spec, bool clean, bool chinese,
								   bool strip_accents, bool lower, LepError *err);

#define LEP_PART_DEPTH_MAX 16 /* sequences within sequences */

/* Refuse a part that lepton does not do: LEP_UNSUPPORTED. */
LepStatus lep_part_unsupported(const LepTokenizerSpec *spec, const char *part, const char *name,
							   LepError *err);
/*
 * Refuse a part that does not follow the format (LEP_BAD_FILE): key, or where
 * it is NULL type, or where that is NULL the type's absence.
 */
LepStatus lep_part_malformed(const LepTokenizerSpec *spec, const char *part, const char *type,
							 const char *key, LepError *err);

#endif
