/*
 * slow.h: folders without tokenizer.json: what the steps from vocab.txt,
 * vocab.json + merges.txt or a SentencePiece model to a LepTokenizerSpec share;
 * private to slow_build.c, slow_tokens.c and slow_classes.c.
 *
 * transformers makes such a tokenizer in one of its classes, which
 * tokenizer_config.json or config.json names.  A class is a LepSlowClass: default
 * special tokens, a vocabulary's reader, and its parts as a tokenizer.json would have them.
 */
#ifndef LEPTON_SLOW_H
#define LEPTON_SLOW_H

#include "json.h"
#include "tokenizer_tables.h"

#define LEP_SLOW_CONFIG "tokenizer_config.json"

/* The named special tokens, in the order in which they are added. */
typedef enum LepSlowName
{
	LEP_SLOW_BOS,
	LEP_SLOW_EOS,
	LEP_SLOW_UNK,
	LEP_SLOW_SEP,
	LEP_SLOW_PAD,
	LEP_SLOW_CLS,
	LEP_SLOW_MASK,
	LEP_SLOW_NAMES
} LepSlowName;

/* What a class does to a special token that is a plain string. */
#define LEP_SLOW_WRAPS		  1u /* makes it a token with settings, not special by itself */
#define LEP_SLOW_WRAPS_MASK	  2u /* the same for the mask token alone, special, with lstrip */
#define LEP_SLOW_LSTRIPS_MASK 4u /* with LEP_SLOW_WRAPS: the mask token takes the space before it */

/* A special or added token: a plain string, or one with settings. */
typedef struct LepSlowToken
{
	const char *content; /* NUL terminated */
	bool plain;
	bool special;
	int normalized; /* -1 when not said: the contrary of special */
	uint32_t flags; /* LEP_ADDED_, without LEP_ADDED_NORMALIZED */
	int64_t index;	/* of added_tokens_decoder, for the order */
	size_t order;	/* as read, where the index is the same */
} LepSlowToken;

typedef struct LepSlowList
{
	LepSlowToken *tokens; /* [n] */
	size_t n;
	size_t capacity;
} LepSlowList;

/* Everything that is read on the way. */
typedef struct LepSlow
{
	LepTokenizerSpec *spec;
	const struct LepSlowClass *class;
	const LepSlowFiles *files;
	json_t *settings;					/* tokenizer_config.json as it changes */
	json_t *specific;					/* model-specific special tokens, in order */
	json_t *specials;					/* set of the texts of the settings' special tokens */
	json_t *declared_texts;				/* set of the declared tokens' texts */
	json_t *wanted_keys;				/* set of the special tokens in wanted */
	json_t *ids;						/* the vocabulary: text to id; later added tokens too */
	json_t *model;						/* what the spec points into */
	LepSlowList declared;				/* added_tokens_decoder or added_tokens.json */
	LepSlowList wanted;					/* all tokens to be added, in order */
	LepSlowList own;					/* the SentencePiece model's own added tokens */
	bool has_own;						/* they stand for additional_special_tokens */
	LepSlowToken found[LEP_SLOW_NAMES]; /* the named tokens; content NULL: none */
	LepError *err;
} LepSlow;

typedef struct LepSlowClass
{
	const char *name;					  /* without "Fast" */
	const char *defaults[LEP_SLOW_NAMES]; /* texts of the special tokens; NULL: none */
	uint32_t flags;						  /* LEP_SLOW_ */
	LepSlowFile vocabulary;				  /* the file it is read from */

	/* Read the vocabulary into the spec and slow->ids. */
	LepStatus (*read)(LepSlow *slow);

	/* Read settings that are not tokens; set normalizer, pre_tokenizer and decoder. */
	LepStatus (*parts)(LepSlow *slow);

	/*
	 * The template: names of tokens by their first letters (Bos, Eos, Sep, Cls),
	 * A and B the texts; "roberta" is RobertaProcessing.
	 */
	const char *single;
	const char *pair;
	bool pair_types; /* B and what follows it have type 1 */
} LepSlowClass;

/* Choose the class, from settings and config.json (may be NULL); LEP_UNSUPPORTED names others. */
LepStatus lep_slow_class(LepSlow *slow, const json_t *config);

/* slow_tokens.c: take the special and added tokens out of the settings and their files. */
LepStatus lep_slow_declare(LepSlow *slow, const json_t *special_map, const json_t *added);
/* Collect the tokens to be added, in order; fills found, spec->added and ids. */
LepStatus lep_slow_collect(LepSlow *slow);
/* Append a token to a list. */
LepStatus lep_slow_append(LepSlow *slow, LepSlowList *list, LepSlowToken token);
/* Text of a named special token as the settings have it, else the class's default, else NULL. */
const char *lep_slow_text(const LepSlow *slow, LepSlowName name);

/* Refuse a key of a file (LEP_BAD_FILE); detail is a sentence. */
LepStatus lep_slow_bad_key(const char *file, const char *key, const char *detail, LepError *err);
/* Say that memory ran out. */
LepStatus lep_slow_no_memory(const LepSlow *slow);
/* Is value what Python counts as false? */
bool lep_slow_falsy(const json_t *value);

#endif
