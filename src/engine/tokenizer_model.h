/*
 * tokenizer_model.h: what a model (WordPiece, BPE, Unigram, WordLevel) is to
 * the rest of the tokenizer; private to its sources.  One file each: bpe.c and
 * bpe_build.c, unigram.c ..., and a line in lep_models (tokenizer_model.c).
 *
 * A model is read from tokenizer.json (read: fills spec->vocab, n_vocab,
 * unk_token, model_spec), packed once the vocabulary is sorted and its ids are
 * checked (pack: appends its tables to the data area with lep_spec_data and
 * sets spec->model_at), checked when a blob is opened (fits) and run (piece).
 * The trie of the whole vocabulary, the names of all ids and unk_id are made
 * for every model by tokenizer_pack.c.
 */
#ifndef LEPTON_TOKENIZER_MODEL_H
#define LEPTON_TOKENIZER_MODEL_H

#include "json.h"
#include "tokenizer_run.h"
#include "utf8.h"

typedef struct LepModelKind
{
	const char *name; /* its "type" in tokenizer.json */

	/* Read json, the file's "model", an object. */
	LepStatus (*read)(LepTokenizerSpec *spec, const json_t *json, LepError *err);

	/* Append the model's tables, given the vocabulary's trie; NULL: it has none. */
	LepStatus (*pack)(LepTokenizerSpec *spec, const LepTrieUnit *words, size_t n_words,
					  LepError *err);

	/* Are the tables in data sound enough to run without reading out of bounds? */
	bool (*fits)(const struct LepTokenizerTables *tables, LepData data);

	/*
	 * Append the tokens of one piece, chars[n] with n > 0, to the run: with
	 * lep_run_reserve and lep_run_push.  Time at most n log n; lep_run_worked
	 * counts steps.
	 */
	LepStatus (*piece)(LepTokenRun *run, const LepChar *chars, size_t n);
} LepModelKind;

extern const LepModelKind *const lep_models[LEP_MODEL_COUNT];

extern const LepModelKind lep_model_wordpiece; /* wordpiece.c */
extern const LepModelKind lep_model_bpe;	   /* bpe.c */
extern const LepModelKind lep_model_unigram;   /* unigram.c */
extern const LepModelKind lep_model_wordlevel; /* wordlevel.c */

/* Read a vocabulary that is an object of strings and ids into spec->vocab. */
LepStatus lep_spec_vocab(LepTokenizerSpec *spec, const json_t *vocab, LepError *err);

/* Refuse the model as malformed (LEP_BAD_FILE); detail is a sentence. */
LepStatus lep_model_malformed(const LepTokenizerSpec *spec, const char *detail, LepError *err);

/* The bytes of the data area at [offset, offset + n * size), aligned; NULL when they are not all there. */
static inline const void *
lep_data_array(LepData data, uint64_t offset, uint64_t n, size_t size)
{
	if (offset % LEP_DATA_ALIGN != 0 || offset > data.size || n > (data.size - offset) / size)
		return NULL;
	return data.bytes + offset;
}

/* Walk a trie from node over the UTF-8 form of c. */
static inline uint32_t
lep_trie_step_char(const LepTrieUnit *units, size_t n_units, uint32_t node, uint32_t c)
{
	unsigned char bytes[4];
	size_t len = lep_utf8_encode(c, bytes);

	for (size_t i = 0; i < len && node != LEP_TRIE_NONE; i++)
		node = lep_trie_step(units, n_units, node, bytes[i]);
	return node;
}

#endif
