/*
 * heads.c: builders of the heads of all families: classifiers of texts and tokens, answers,
 * masked tokens, sparse weights.  It knows tasks and shapes, no family.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"

#include <stdio.h>

#define NAMES_MAX 384 /* bytes of a tensor's names */

/* [rows, hidden]: what a classifier reads */
static LepBuf
build_dense(LepBuilder *b, const LepDesc *desc, const LepHeads *heads, LepBuf x)
{
	if (heads->dense == NULL)
		return x;
	x = lep_build_linear(b, x, desc->hidden, !heads->dense_plain, "%s", heads->dense);
	x = lep_build_activate(b, x, heads->dense_act);
	if (heads->dense_norm == NULL)
		return x;
	return lep_build_norm_of(b, x, heads->norm_kind, desc->norm_eps, "%s", heads->dense_norm);
}

/* [texts, labels] */
static void
build_classifier(LepBuilder *b, const LepDesc *desc, const LepHeads *heads, LepBuf x)
{
	const uint8_t mode = heads->mean || heads->late ? LEP_POOL_MEAN : LEP_POOL_CLS;

	if (!heads->late)
		x = lep_build_pool(b, x, &mode, 1, 0);
	x = build_dense(b, desc, heads, x);
	x = lep_build_linear(b, x, desc->n_labels, true, "%s", heads->classifier);
	if (heads->late)
		lep_build_pool(b, x, &mode, 1, 0);
}

/* [rows, embedding]: what the decoder reads */
static LepBuf
build_transform(LepBuilder *b, const LepDesc *desc, const LepHeads *heads, LepBuf x)
{
	if (heads->transform == NULL)
		return x;
	x = lep_build_linear(b, x,
						 heads->transform_width > 0 ? heads->transform_width : desc->embedding,
						 !heads->transform_plain, "%s", heads->transform);
	x = lep_build_activate(b, x, heads->transform_act);
	return lep_build_norm_of(b, x, heads->norm_kind, desc->norm_eps, "%s", heads->transform_norm);
}

/* [picks, vocabulary] or [texts, vocabulary] */
static void
build_decoder(LepBuilder *b, const LepDesc *desc, const LepHeads *heads, LepBuf x)
{
	bool tied = desc->tied == 1 && heads->word != NULL;
	char weight[NAMES_MAX];
	char bias[NAMES_MAX];

	/* Like transformers, take the decoder's own tensors before those that it shares. */
	snprintf(weight, sizeof(weight), "%s.weight%s%s", heads->decoder, tied ? "|" : "",
			 tied ? heads->word : "");
	snprintf(bias, sizeof(bias), "%s.bias%s%s", heads->decoder, heads->bias != NULL ? "|" : "",
			 heads->bias != NULL ? heads->bias : "");
	if (desc->task == LEP_TASK_MASK)
		lep_build_linear_of(b, x, desc->vocab, weight, heads->decoder_plain ? NULL : bias);
	else
		lep_build_sparse(b, x, desc->vocab, weight, heads->decoder_plain ? NULL : bias,
						 (LepSparse) desc->sparse, desc->sparse_logs);
}

/* Append the head of the task. */
void
lep_build_head(LepBuilder *b, const LepDesc *desc, const LepHeads *heads, LepBuf x)
{
	const char *const needed[LEP_TASK_COUNT] = {
		[LEP_TASK_EMBED] = "",
		[LEP_TASK_CLASSIFY] = heads->classifier,
		[LEP_TASK_ENTITIES] = heads->entities,
		[LEP_TASK_ANSWER] = heads->answer,
		[LEP_TASK_MASK] = heads->decoder,
		[LEP_TASK_SPARSE] = heads->decoder,
	};

	if (desc->task >= LEP_TASK_COUNT || needed[desc->task] == NULL)
	{
		lep_build_refuse(b, LEP_UNSUPPORTED, "the model's family does not serve its task");
		return;
	}
	switch ((LepTask) desc->task)
	{
		case LEP_TASK_CLASSIFY:
			build_classifier(b, desc, heads, x);
			break;
		case LEP_TASK_ENTITIES:
			x = heads->everywhere ? build_dense(b, desc, heads, x) : x;
			lep_build_linear(b, x, desc->n_labels, true, "%s", heads->entities);
			break;
		case LEP_TASK_ANSWER:
			x = heads->everywhere ? build_dense(b, desc, heads, x) : x;
			lep_build_linear(b, x, lep_desc_width(desc), true, "%s", heads->answer);
			break;
		case LEP_TASK_MASK:
			x = lep_build_pick(b, x);
			build_decoder(b, desc, heads, build_transform(b, desc, heads, x));
			break;
		case LEP_TASK_SPARSE:
			build_decoder(b, desc, heads, build_transform(b, desc, heads, x));
			break;
		case LEP_TASK_EMBED:
		case LEP_TASK_COUNT:
			break;
	}
}
