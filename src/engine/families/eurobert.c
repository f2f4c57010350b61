/*
 * eurobert.c: the EuroBERT family: the layers of LLaMA without its mask: norms by the root mean square,
 * rotary positions, gated feed-forward, key heads that several query heads share.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "heads.h"
#include "layers.h"

/* Numbers of LepDesc.own. */
enum
{
	OWN_KEY_HEADS,
	OWN_HEAD, /* columns of an attention head */
	OWN_FLAGS,
	OWN_POOLING
};

enum
{
	OWN_THETA,
	OWN_FACTOR
};

/* Bits of OWN_FLAGS. */
enum
{
	ATTENTION_BIAS = 1,
	MLP_BIAS = 2 /* of the feed-forward and of the decoder */
};

/* OWN_POOLING: what a classifier pools. */
static const char *const poolings[] = {"late", "bos", "mean"};
enum
{
	LATE,
	FIRST,
	MEAN,
	N_POOLINGS
};

static const LepArchitecture architectures[] = {
	{"EuroBertModel", LEP_TASK_EMBED},
	{"EuroBertForMaskedLM", LEP_TASK_MASK},
	{"EuroBertForSequenceClassification", LEP_TASK_CLASSIFY},
	{"EuroBertForTokenClassification", LEP_TASK_ENTITIES},
	{NULL, LEP_TASK_EMBED},
};

/* Read how a classifier pools. */
static LepStatus
read_pooling(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const char *name;
	LepStatus status =
		lep_json_string(config, file, "classifier_pooling", false, poolings[LATE], &name, err);

	if (status != LEP_OK)
		return status;
	for (uint32_t i = 0; i < N_POOLINGS; i++)
	{
		desc->own[OWN_POOLING] = i;
		if (strcmp(name, poolings[i]) == 0)
			return LEP_OK;
	}
	lep_error(err, LEP_BAD_FILE, "key \"classifier_pooling\" of file \"%s\" is wrong", file);
	lep_error_detail(err, "Expected \"bos\", \"mean\" or \"late\".");
	return LEP_BAD_FILE;
}

/* Read the rotary positions: the older key, where it says something, instead of the newer. */
static LepStatus
read_rotary(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const json_t *own = json_object_get(config, "rope_scaling");
	double theta;
	LepStatus status = lep_config_real(config, file, "rope_theta", 10000, 0, 1e30, &theta, err);

	if (!json_is_object(own) || json_object_size(own) == 0)
		own = json_object_get(config, "rope_parameters");
	if (status != LEP_OK)
		return status;
	return lep_config_rotary(own, NULL, file, theta, &desc->own_real[OWN_THETA],
							 &desc->own_real[OWN_FACTOR], err);
}

/* Read config.json as transformers' EuroBertConfig does. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const LepConfigSize sizes[] = {
		{"vocab_size", 128256, 1, LEP_MAX_VOCAB, &desc->vocab},
		{"hidden_size", 768, 1, LEP_MAX_HIDDEN, &desc->hidden},
		{"num_hidden_layers", 12, 1, LEP_MAX_LAYERS, &desc->n_layers},
		{"num_attention_heads", 12, 1, LEP_MAX_HIDDEN, &desc->n_heads},
		{"intermediate_size", 3072, 1, LEP_MAX_WIDTH / 2, &desc->intermediate},
		{"max_position_embeddings", 8192, 1, LEP_MAX_POSITIONS, &desc->n_positions},
	};
	int64_t number = 0;
	bool attention_bias = false;
	bool mlp_bias = false;
	LepStatus status = lep_config_sizes(config, file, sizes, sizeof(sizes) / sizeof(sizes[0]), err);

	if (status == LEP_OK)
		status = lep_config_heads(desc, file, err);
	/* These two may be null. */
	if (status == LEP_OK)
		status = lep_json_int(config, file, "num_key_value_heads", false, desc->n_heads, 1,
							  desc->n_heads, &number, err);
	desc->own[OWN_KEY_HEADS] = (uint32_t) number;
	if (status == LEP_OK)
		status = lep_json_int(config, file, "head_dim", false, desc->hidden / desc->n_heads, 1,
							  LEP_MAX_HIDDEN / desc->n_heads, &number, err);
	desc->own[OWN_HEAD] = (uint32_t) number;
	if (status == LEP_OK)
		status = lep_config_act(config, file, "hidden_act", "silu", &desc->act, err);
	if (status == LEP_OK)
		status = lep_config_f32(config, file, "rms_norm_eps", 1e-5, &desc->norm_eps, err);
	if (status == LEP_OK)
		status = lep_config_bool(config, file, "attention_bias", false, &attention_bias, err);
	if (status == LEP_OK)
		status = lep_config_bool(config, file, "mlp_bias", false, &mlp_bias, err);
	desc->own[OWN_FLAGS] = (attention_bias ? ATTENTION_BIAS : 0) | (mlp_bias ? MLP_BIAS : 0);
	if (status == LEP_OK)
		status = read_pooling(config, file, desc, err);
	return status == LEP_OK ? read_rotary(config, file, desc, err) : status;
}

/* One layer: a norm, attention, a residual; a norm, gated feed-forward, a residual. */
static LepBuf
build_layer(LepBuilder *b, const LepDesc *desc, LepBuf x /* [tokens, hidden] */, uint32_t i)
{
	const LepRelations relations = {.theta = desc->own_real[OWN_THETA],
									.factor = desc->own_real[OWN_FACTOR]};
	bool bias = (desc->own[OWN_FLAGS] & ATTENTION_BIAS) != 0;
	uint32_t d = desc->own[OWN_HEAD];
	uint32_t keys = desc->own[OWN_KEY_HEADS] * d;
	LepBuf y =
		lep_build_norm_of(b, x, LEP_NORM_RMS, desc->norm_eps, "layers.%u.input_layernorm", i);
	LepBuf q = lep_build_linear(b, y, desc->n_heads * d, bias, "layers.%u.self_attn.q_proj", i);
	LepBuf k = lep_build_linear(b, y, keys, bias, "layers.%u.self_attn.k_proj", i);
	LepBuf v = lep_build_linear(b, y, keys, bias, "layers.%u.self_attn.v_proj", i);

	y = lep_build_attention_with(b, q, k, v, desc->n_heads, 1.0f / sqrtf((float) d), &relations,
								 "layers.%u.self_attn", i);
	y = lep_build_linear(b, y, desc->hidden, bias, "layers.%u.self_attn.o_proj", i);
	x = lep_build_add(b, y, x);
	y = lep_build_norm_of(b, x, LEP_NORM_RMS, desc->norm_eps, "layers.%u.post_attention_layernorm",
						  i);
	bias = (desc->own[OWN_FLAGS] & MLP_BIAS) != 0;
	q = lep_build_linear(b, y, desc->intermediate, bias, "layers.%u.mlp.gate_proj", i);
	y = lep_build_linear(b, y, desc->intermediate, bias, "layers.%u.mlp.up_proj", i);
	y = lep_build_gate(b, q, y, (LepAct) desc->act);
	y = lep_build_linear(b, y, desc->hidden, bias, "layers.%u.mlp.down_proj", i);
	return lep_build_add(b, y, x);
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	const LepEmbedTables tables = {
		.word = "embed_tokens.weight",
		.vocab = desc->vocab,
		.n_positions = desc->n_positions,
	};
	const LepHeads heads = {
		.dense = "dense",
		.dense_act = LEP_ACT_GELU,
		.late = desc->own[OWN_POOLING] == LATE,
		.mean = desc->own[OWN_POOLING] == MEAN,
		.classifier = "classifier",
		.entities = "classifier",
		.decoder = "lm_head",
		.decoder_plain = (desc->own[OWN_FLAGS] & MLP_BIAS) == 0,
		.word = tables.word,
	};
	LepBuf x;

	if (desc->own[OWN_HEAD] > LEP_MAX_HIDDEN || desc->own[OWN_KEY_HEADS] > LEP_MAX_HIDDEN)
		return lep_error(err, LEP_BAD_IMAGE, "model description is damaged");
	x = lep_build_embed(b, &tables, desc->hidden);
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = build_layer(b, desc, x, i);
	x = lep_build_norm_of(b, x, LEP_NORM_RMS, desc->norm_eps, "norm");
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_eurobert[] = {
	{
		.model_type = "eurobert",
		.prefix = "model.",
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
