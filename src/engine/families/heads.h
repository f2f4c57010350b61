/*
 * heads.h: what stands behind an encoder for each task, shared by all families: a family
 * names its modules, the arithmetic is here.
 *
 * Use, at the end of a family's build function:
 *		static const LepHeads heads = {.classifier = "classifier", ...};
 *		lep_build_head(b, desc, &heads, x);
 */
#ifndef LEPTON_HEADS_H
#define LEPTON_HEADS_H

#include "../desc.h"
#include "../graph_builder.h"

/*
 * A family's heads, by the names of their modules; NULL where the family has none of the
 * kind.  x are the encoder's rows, d the hidden size.
 *		CLASSIFY	classifier(act(dense(first token of x))), or without dense; of the mean of x with mean;
 *					the mean of what the first token would give with late
 *		ENTITIES	entities(x)
 *		ANSWER		answer(x)
 *					a dense_norm follows dense; with everywhere ENTITIES and ANSWER have dense too
 *		MASK		norm(act(transform(picks of x))) * decoder^T + bias; transform may be NULL
 *		SPARSE		the same of all x, then log1p(relu()), pooled
 * What EMBED does behind x is not the family's: see graph_build.c.
 */
typedef struct LepHeads
{
	const char *dense; /* [d, d] */
	LepAct dense_act;
	const char *dense_norm;
	bool mean, late, everywhere;
	bool dense_plain;		/* dense has no bias */
	const char *classifier; /* [labels, d] */
	const char *entities;	/* [labels, d] */
	const char *answer;		/* [2, d] */

	const char *transform, *transform_norm; /* [transform_width, d] and its norm */
	LepAct transform_act;
	uint32_t transform_width; /* 0: as the word table's rows */
	bool transform_plain;	  /* transform has no bias */
	LepNormKind norm_kind;	  /* of dense_norm and transform_norm */
	const char *decoder;	  /* [vocabulary, transform_width] */
	const char *word;		  /* whole name of the table that a tied decoder is, or NULL */
	bool decoder_plain;		  /* the decoder has no bias */
	const char *bias; /* whole name of the decoder's bias, where it has another one than its own */
} LepHeads;

/* Append the head of desc->task behind the encoder's rows x[tokens, hidden]; nothing for EMBED. */
void lep_build_head(LepBuilder *b, const LepDesc *desc, const LepHeads *heads, LepBuf x);

#endif
