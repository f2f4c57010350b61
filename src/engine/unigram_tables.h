/*
 * unigram_tables.h: the Unigram model's tables in the data area; private to
 * unigram.c and unigram_build.c.
 */
#ifndef LEPTON_UNIGRAM_TABLES_H
#define LEPTON_UNIGRAM_TABLES_H

#include "json.h"
#include "tokenizer_tables.h"

typedef struct LepUnigramTables
{
	uint64_t scores_at; /* double[n_scores], by id */
	uint64_t n_scores;
	uint64_t bytes_at; /* int32_t[256]: ids of "<0x00>" ... "<0xFF>", -1 for none */
	double unk_score;  /* of a character that is no piece */
	int32_t unk_id;	   /* -1: none */
	uint32_t byte_fallback;
} LepUnigramTables;

/* Read the model of a tokenizer.json; see LepModelKind. */
LepStatus lep_unigram_read(LepTokenizerSpec *spec, const json_t *json, LepError *err);

/* Append the model's tables; see LepModelKind. */
LepStatus lep_unigram_pack(LepTokenizerSpec *spec, const LepTrieUnit *words, size_t n_words,
						   LepError *err);

#endif
