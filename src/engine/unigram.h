/*
 * unigram.h: what the readers of Unigram vocabularies (tokenizer.json,
 * SentencePiece files) hand to the model; private to the tokenizer's sources.
 */
#ifndef LEPTON_UNIGRAM_H
#define LEPTON_UNIGRAM_H

#include "tokenizer_tables.h"

/* A piece and the logarithm of its probability. */
typedef struct LepUnigramPiece
{
	const char *text; /* [len] */
	size_t len;
	double score;
} LepUnigramPiece;

/*
 * Make pieces[n], in order of their ids, the spec's vocabulary.  A text that
 * comes twice has the id of its last piece.  unk_id -1: there is no unknown
 * token, and texts with unknown characters are refused.
 */
LepStatus lep_spec_unigram(LepTokenizerSpec *spec, const LepUnigramPiece *pieces, size_t n,
						   int64_t unk_id, bool byte_fallback, LepError *err);

/*
 * A score as the package reads it from JSON: x is the number nearest to the
 * file's digits, the package's reader may end up on a neighbour.
 */
double lep_unigram_score(double x);

#endif
