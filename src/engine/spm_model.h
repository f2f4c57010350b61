/*
 * spm_model.h: the parts of a SentencePiece model file (spiece.model,
 * sentencepiece.bpe.model, spm.model ...) that a tokenizer is made of.
 *
 *		lep_spm_read(file, bytes, len, arena, &model, err);
 */
#ifndef LEPTON_SPM_MODEL_H
#define LEPTON_SPM_MODEL_H

#include "base.h"

/* Values of LepSpmPiece.type. */
#define LEP_SPM_NORMAL	1
#define LEP_SPM_UNKNOWN 2
#define LEP_SPM_CONTROL 3
#define LEP_SPM_USER	4
#define LEP_SPM_UNUSED	5
#define LEP_SPM_BYTE	6

/* Values of LepSpmModel.type. */
#define LEP_SPM_UNIGRAM 1
#define LEP_SPM_BPE		2

typedef struct LepSpmPiece
{
	const char *text; /* [len] UTF-8, within the file's bytes */
	size_t len;
	float score;
	int32_t type; /* LEP_SPM_NORMAL ... */
} LepSpmPiece;

typedef struct LepSpmModel
{
	LepSpmPiece *pieces; /* [n_pieces] in order of their ids */
	size_t n_pieces;
	const void *charsmap; /* [charsmap_len] within the file's bytes; NULL: none */
	size_t charsmap_len;
	int64_t type;	/* LEP_SPM_UNIGRAM ... */
	int64_t unk_id; /* of the unknown piece */
	bool byte_fallback;
} LepSpmModel;

/*
 * Read bytes[len] of file (named in errors).  LEP_BAD_FILE when they are no
 * such model; unknown fields are skipped, as protobuf does.
 */
LepStatus lep_spm_read(const char *file, const void *bytes, size_t len, LepArena *arena,
					   LepSpmModel *model, LepError *err);

#endif
