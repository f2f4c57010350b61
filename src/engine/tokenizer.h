/*
 * tokenizer.h: text to token ids, exactly as the Hugging Face `tokenizers`
 * package does for the same tokenizer.json.
 *
 * Use:
 *		lep_tokenizer_build(json, json_len, ..., &arena, &blob, &size, err);  -- once, at load
 *		lep_tokenizer_open(blob, size, &tok, err);						   -- tok points into blob
 *		lep_tokenize(tok, scratch, text, len, &options, &out, stop, err);	 -- per text
 *
 * A blob is one position-independent array of flat tables: it is stored in
 * the image and used in place.  It needs 64-byte alignment.
 */
#ifndef LEPTON_TOKENIZER_H
#define LEPTON_TOKENIZER_H

#include "base.h"

/* A read-only view of a blob, which must outlive it; plain struct, nothing to free. */
typedef struct LepTokenizer
{
	const void *blob;
	const struct LepTokenizerTables *tables;
} LepTokenizer;

/* Reusable working memory of lep_tokenize; grows to the longest text seen. */
typedef struct LepTokenScratch LepTokenScratch;

/* Byte range [start, end) of the original text that gave a token; 0,0 for special tokens of the template. */
typedef struct LepSpan
{
	uint32_t start, end;
} LepSpan;

typedef struct LepTokens
{
	const int32_t *ids;	  /* [n] in scratch, valid until its next use */
	const int32_t *types; /* [n] segment ids from the post-processor's template */
	const LepSpan *spans; /* [n] */
	const uint8_t
		*sequence; /* [n] 0 = first text, 1 = second, LEP_SEQUENCE_NONE = the template's */
	size_t n;
	bool truncated;
	/*
	 * For lep_tokens_frame; of results without special tokens alone, else NULL, also where the template
	 * repeats the text or leaves it out.
	 */
	const uint32_t *words;			/* [n] number of the pre-tokenizer's piece that a token is of */
	const LepSpan *whole;			/* [n] spans before the post-processor trims white space */
	const struct LepBlanks *blanks; /* [n] or NULL */
	const char *text;				/* [text_len] which must stay */
	size_t text_len;
} LepTokens;

#define LEP_SEQUENCE_NONE 255

/* Which text of a pair is cut when both are too long together. */
typedef enum LepTruncation
{
	LEP_LONGEST_FIRST,
	LEP_ONLY_FIRST,
	LEP_ONLY_SECOND
} LepTruncation;

typedef struct LepTokenizeOptions
{
	size_t max_tokens;		  /* truncate to this many, special tokens included; 0 = never */
	bool add_special;		  /* apply the post-processor's template */
	bool lower_first;		  /* the package's Lowercase in front of the normaliser, as
						* sentence-transformers puts it there for do_lower_case */
	LepTruncation truncation; /* of pairs */
} LepTokenizeOptions;

/*
 * Build the tables from tokenizer.json.  What the file asks for and lepton
 * does not do is LEP_UNSUPPORTED and names it.  vocab_size is the number of
 * rows of the embedding: an id at or above it that the tokenizer can produce is LEP_BAD_FILE.
 */
LepStatus lep_tokenizer_build(const char *json, size_t json_len, size_t vocab_size, LepArena *arena,
							  void **blob, size_t *blob_size, LepError *err);

/* Files of a folder without tokenizer.json; lep_slow_file_names has their names. */
typedef enum LepSlowFile
{
	LEP_SLOW_VOCAB_TXT,
	LEP_SLOW_SETTINGS,	  /* tokenizer_config.json */
	LEP_SLOW_SPECIAL_MAP, /* special_tokens_map.json */
	LEP_SLOW_ADDED,		  /* added_tokens.json */
	LEP_SLOW_MODEL,		  /* config.json */
	LEP_SLOW_VOCAB_JSON,
	LEP_SLOW_MERGES,  /* merges.txt */
	LEP_SLOW_SPIECE,  /* spiece.model */
	LEP_SLOW_SPM_BPE, /* sentencepiece.bpe.model */
	LEP_SLOW_SPM,	  /* spm.model */
	LEP_SLOW_FILES
} LepSlowFile;

extern const char *const lep_slow_file_names[LEP_SLOW_FILES];

typedef struct LepSlowFiles
{
	const char *text[LEP_SLOW_FILES]; /* [len]; NULL: absent */
	size_t len[LEP_SLOW_FILES];
} LepSlowFiles;

/*
 * Build the tables from the vocabulary files of a folder without
 * tokenizer.json, as transformers converts them; the class is the one that
 * tokenizer_config.json or config.json names, or that of the model's type, or
 * BertTokenizer.  LEP_MISSING when its vocabulary is absent.
 */
LepStatus lep_tokenizer_build_slow(const LepSlowFiles *files, size_t vocab_size, LepArena *arena,
								   void **blob, size_t *blob_size, LepError *err);

/* Check the blob's header and bounds; LEP_BAD_IMAGE when they are wrong. */
LepStatus lep_tokenizer_open(const void *blob, size_t size, LepTokenizer *tok, LepError *err);

/* Cut long texts at their start (left) or end, whatever the tokenizer's own file says. */
void lep_tokenizer_set_side(void *blob, bool left);

/* The token for what the vocabulary lacks, -1 when there is none. */
int32_t lep_tokenizer_unknown(const LepTokenizer *tok);
/* Whether the vocabulary marks tokens that go on with a word, by a prefix as "##". */
bool lep_tokenizer_marks_subwords(const LepTokenizer *tok);

/* Whether long texts are cut at their start. */
bool lep_tokenizer_cuts_left(const LepTokenizer *tok);

/* Number of special tokens that the template adds to one text, and to two. */
size_t lep_tokenizer_special_count(const LepTokenizer *tok);
size_t lep_tokenizer_pair_special_count(const LepTokenizer *tok);

/* Largest segment id that lep_tokenize can give; must be below the model's type_vocab_size. */
size_t lep_tokenizer_max_type(const LepTokenizer *tok);
/* The same of lep_tokenize_pair. */
size_t lep_tokenizer_pair_max_type(const LepTokenizer *tok);

LepTokenScratch *lep_token_scratch_new(const LepAllocator *allocator);
void lep_token_scratch_free(LepTokenScratch *scratch);

/*
 * Tokenize text[len], UTF-8 (invalid bytes are LEP_BAD_INPUT).  Linear in
 * len.  With right truncation the text well behind the last kept token is not
 * read, unless the tokenizer's rules need it (no splitting at white space,
 * added tokens looked for in normalised text).  max_tokens must leave room
 * for the special tokens, LEP_BAD_INPUT otherwise; texts of 4 GB are LEP_TOO_LARGE.
 */
LepStatus lep_tokenize(const LepTokenizer *tok, LepTokenScratch *scratch, const char *text,
					   size_t len, const LepTokenizeOptions *options, LepTokens *out,
					   const LepStop *stop, LepError *err);

/*
 * The same for two texts.  Spans are bytes of the text that sequence says.
 * Truncation as the package's strategies do it; LEP_BAD_INPUT when the text
 * that is to be cut is too short for that.
 */
LepStatus lep_tokenize_pair(const LepTokenizer *tok, LepTokenScratch *scratch, const char *first,
							size_t first_len, const char *second, size_t second_len,
							const LepTokenizeOptions *options, LepTokens *out, const LepStop *stop,
							LepError *err);

/* Tokens [from, from + n) of a result without special tokens. */
LepTokens lep_tokens_slice(const LepTokens *tokens, size_t from, size_t n);

/*
 * Put the template around slices of results without special tokens (windows of
 * a long text); second may be NULL.  The result lies in memory of its own in
 * scratch, valid until the next frame, so that slices of the scratch's last
 * result can be framed one after another; a second text needs another scratch.
 * LEP_UNSUPPORTED for templates that do not have each text once.
 */
LepStatus lep_tokens_frame(const LepTokenizer *tok, LepTokenScratch *scratch,
						   const LepTokens *first, const LepTokens *second, LepTokens *out,
						   LepError *err);

/* Vocabulary string text[len] of an id, in the blob; false when the id has none. */
bool lep_token_text(const LepTokenizer *tok, int32_t id, const char **text, size_t *len);

/*
 * Text of ids[n] as the package's decode gives it: UTF-8 text[len], no NUL at
 * its end, in scratch and valid until its next use.  Ids without a token are
 * passed over, and with skip_special special tokens too.
 */
LepStatus lep_token_decode(const LepTokenizer *tok, LepTokenScratch *scratch, const int32_t *ids,
						   size_t n, bool skip_special, const char **text, size_t *len,
						   const LepStop *stop, LepError *err);

#endif
