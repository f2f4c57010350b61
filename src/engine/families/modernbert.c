/*
 * modernbert.c: the ModernBERT family: norms before attention and feed-forward, gated feed-forward,
 * rotary positions, attention to all tokens in some layers and to those nearby in the others.  It
 * refuses ways of stretching rotary positions that change with the text.
 */
#define LEPTON_ENGINE_SOURCE
#include "family.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "heads.h"

/* Numbers of LepDesc.own. */
enum
{
	OWN_FLAGS,
	OWN_LOCAL,	  /* tokens on either side that a local layer sees */
	OWN_HEAD_ACT, /* LepAct */
	OWN_LAYERS	  /* one bit for each layer, set where it is local; five numbers of 32 */
};

#define MAX_MIXED_LAYERS (32 * (LEP_MAX_OWN - OWN_LAYERS))

/* Bits of OWN_FLAGS. */
enum
{
	NORM_BIAS = 1,
	ATTENTION_BIAS = 2,
	MLP_BIAS = 4,
	DECODER_BIAS = 8,
	CLASSIFIER_BIAS = 16, /* of the dense layer before the classifier */
	MEAN = 32			  /* classifiers pool by the mean */
};

/* Numbers of LepDesc.own_real: those of full layers, then of local ones. */
enum
{
	OWN_THETA = 0,
	OWN_FACTOR = 2
};

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("ModernBert"),
	{NULL, LEP_TASK_EMBED},
};

static const char *const layer_types[] = {"full_attention", "sliding_attention"};

/* Read the truth values of config.json into flags. */
static LepStatus
read_flags(const json_t *config, const char *file, uint32_t *flags, LepError *err)
{
	static const struct
	{
		const char *key;
		bool fallback;
		uint32_t flag;
	} keys[] = {
		{"norm_bias", false, NORM_BIAS},
		{"attention_bias", false, ATTENTION_BIAS},
		{"mlp_bias", false, MLP_BIAS},
		{"decoder_bias", true, DECODER_BIAS},
		{"classifier_bias", false, CLASSIFIER_BIAS},
	};
	const char *pooling;
	LepStatus status;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		bool set;

		status = lep_config_bool(config, file, keys[i].key, keys[i].fallback, &set, err);
		if (status != LEP_OK)
			return status;
		*flags |= set ? keys[i].flag : 0;
	}
	status = lep_json_string(config, file, "classifier_pooling", false, "cls", &pooling, err);
	if (status != LEP_OK)
		return status;
	*flags |= strcmp(pooling, "mean") == 0 ? MEAN : 0;
	if (strcmp(pooling, "mean") == 0 || strcmp(pooling, "cls") == 0)
		return LEP_OK;
	lep_error(err, LEP_BAD_FILE, "key \"classifier_pooling\" of file \"%s\" is wrong", file);
	lep_error_detail(err, "Expected \"cls\" or \"mean\".");
	return LEP_BAD_FILE;
}

/* Mark a layer as local. */
static LepStatus
set_local(LepDesc *desc, const char *file, uint32_t layer, LepError *err)
{
	if (layer >= MAX_MIXED_LAYERS)
	{
		lep_error(err, LEP_UNSUPPORTED, "local attention in layer %u is not supported", layer);
		lep_error_detail(err, "File \"%s\" asks for it; at most %d layers may have it.", file,
						 (int) MAX_MIXED_LAYERS);
		return LEP_UNSUPPORTED;
	}
	desc->own[OWN_LAYERS + layer / 32] |= 1u << layer % 32;
	return LEP_OK;
}

/* Read which layers are local: a list of names, or every so many layers one that is not. */
static LepStatus
read_layers(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const json_t *types = json_object_get(config, "layer_types");
	bool listed = types != NULL && !json_is_null(types);
	int64_t every;
	LepStatus status = lep_config_int(config, file, "global_attn_every_n_layers", 3, 1,
									  LEP_MAX_LAYERS, &every, err);

	if (status == LEP_OK && listed &&
		(!json_is_array(types) || json_array_size(types) != desc->n_layers))
	{
		lep_error(err, LEP_BAD_FILE, "key \"layer_types\" of file \"%s\" is wrong", file);
		lep_error_detail(err, "Expected a list of %u names.", desc->n_layers);
		return LEP_BAD_FILE;
	}
	for (uint32_t i = 0; i < desc->n_layers && status == LEP_OK; i++)
	{
		const char *type = layer_types[i % (uint32_t) every != 0];

		if (listed)
			type = json_string_value(json_array_get(types, i));
		if (type == NULL ||
			(strcmp(type, layer_types[0]) != 0 && strcmp(type, layer_types[1]) != 0))
		{
			lep_error(err, LEP_UNSUPPORTED, "type of layer %u is not supported", i);
			lep_error_detail(err, "Key \"layer_types\" of file \"%s\" must name \"%s\" or \"%s\".",
							 file, layer_types[0], layer_types[1]);
			return LEP_UNSUPPORTED;
		}
		if (strcmp(type, layer_types[1]) == 0)
			status = set_local(desc, file, i, err);
	}
	return status;
}

/* Read how far local layers see: half of "local_attention", or "sliding_window". */
static LepStatus
read_local(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	int64_t whole;
	int64_t half;
	LepStatus status =
		lep_config_int(config, file, "local_attention", 128, 0, LEP_MAX_POSITIONS, &whole, err);

	if (status == LEP_OK)
		status = lep_config_int(config, file, "sliding_window", whole / 2, 0, LEP_MAX_POSITIONS,
								&half, err);
	if (status == LEP_OK)
		desc->own[OWN_LOCAL] = (uint32_t) half;
	return status;
}

/* Read the rotary positions of one type of layer. */
static LepStatus
read_rotary(const json_t *config, const char *file, uint32_t local, LepDesc *desc, LepError *err)
{
	static const char *const older[] = {"global_rope_theta", "local_rope_theta"};
	static const double fallback[] = {160000.0, 10000.0};
	const json_t *all = json_object_get(config, "rope_parameters");
	const json_t *own;
	json_t *plain;
	double theta;
	LepStatus status =
		lep_config_real(config, file, older[local], fallback[local], 0, FLT_MAX, &theta, err);

	if (status != LEP_OK)
		return status;
	if (json_is_null(all))
		all = NULL;
	if (all != NULL && !json_is_object(all))
		return lep_error(err, LEP_BAD_FILE,
						 "key \"rope_parameters\" of file \"%s\" is not an object", file);
	/* Without this type of layer its "rope_type" is "default", which goes before an older "type". */
	plain = json_pack("{s:s}", "rope_type", "default");
	if (plain == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory opening a model");
	own = json_object_get(all, layer_types[local]);
	status = lep_config_rotary(
		own == NULL || json_is_null(own) ? plain : own, json_object_get(config, "rope_scaling"),
		file, theta, &desc->own_real[OWN_THETA + local], &desc->own_real[OWN_FACTOR + local], err);
	json_decref(plain);
	return status;
}

/* Read config.json as transformers' ModernBertConfig does. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const LepConfigSize sizes[] = {
		{"vocab_size", 50368, 1, LEP_MAX_VOCAB, &desc->vocab},
		{"hidden_size", 768, 1, LEP_MAX_HIDDEN, &desc->hidden},
		{"num_hidden_layers", 22, 1, LEP_MAX_LAYERS, &desc->n_layers},
		{"num_attention_heads", 12, 1, LEP_MAX_HIDDEN, &desc->n_heads},
		{"intermediate_size", 1152, 1, LEP_MAX_WIDTH / 2, &desc->intermediate},
		{"max_position_embeddings", 8192, 1, LEP_MAX_POSITIONS, &desc->n_positions},
	};
	LepStatus status = lep_config_sizes(config, file, sizes, sizeof(sizes) / sizeof(sizes[0]), err);

	if (status == LEP_OK)
		status = lep_config_heads(desc, file, err);
	if (status == LEP_OK)
		status = lep_config_act(config, file, "hidden_activation", "gelu", &desc->act, err);
	if (status == LEP_OK)
		status = lep_config_act(config, file, "classifier_activation", "gelu",
								&desc->own[OWN_HEAD_ACT], err);
	if (status == LEP_OK)
		status = lep_config_f32(config, file, "norm_eps", 1e-5, &desc->norm_eps, err);
	if (status == LEP_OK)
		status = read_flags(config, file, &desc->own[OWN_FLAGS], err);
	if (status == LEP_OK)
		status = read_layers(config, file, desc, err);
	if (status == LEP_OK)
		status = read_local(config, file, desc, err);
	for (uint32_t local = 0; local < 2 && status == LEP_OK; local++)
		status = read_rotary(config, file, local, desc, err);
	return status;
}

/* Is a layer local? */
static bool
is_local(const LepDesc *desc, uint32_t layer)
{
	return layer < MAX_MIXED_LAYERS && (desc->own[OWN_LAYERS + layer / 32] >> layer % 32 & 1) != 0;
}

/* One layer: a norm, attention, a residual; a norm, gated feed-forward, a residual. */
static LepBuf
build_layer(LepBuilder *b, const LepDesc *desc, LepNormKind kind, LepBuf x /* [tokens, hidden] */,
			uint32_t i)
{
	uint32_t h = desc->hidden;
	uint32_t local = is_local(desc, i);
	bool attention_bias = (desc->own[OWN_FLAGS] & ATTENTION_BIAS) != 0;
	bool mlp_bias = (desc->own[OWN_FLAGS] & MLP_BIAS) != 0;
	const LepRelations relations = {
		.local = local != 0 ? desc->own[OWN_LOCAL] + 1 : 0,
		.theta = desc->own_real[OWN_THETA + local],
		.factor = desc->own_real[OWN_FACTOR + local],
	};
	LepBuf y = x;

	/* The embedding's norm is that of the first layer. */
	if (i > 0)
		y = lep_build_norm_of(b, x, kind, desc->norm_eps, "layers.%u.attn_norm", i);
	y = lep_build_linear(b, y, 3 * h, attention_bias, "layers.%u.attn.Wqkv", i);
	y = lep_build_attention_with(b, y, y, y, desc->n_heads,
								 1.0f / sqrtf((float) (h / desc->n_heads)), &relations,
								 "layers.%u.attn", i);
	y = lep_build_linear(b, y, h, attention_bias, "layers.%u.attn.Wo", i);
	x = lep_build_add(b, y, x);
	y = lep_build_norm_of(b, x, kind, desc->norm_eps, "layers.%u.mlp_norm", i);
	y = lep_build_linear(b, y, 2 * desc->intermediate, mlp_bias, "layers.%u.mlp.Wi", i);
	y = lep_build_gate(b, y, y, (LepAct) desc->act);
	y = lep_build_linear(b, y, h, mlp_bias, "layers.%u.mlp.Wo", i);
	return lep_build_add(b, y, x);
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	uint32_t flags = desc->own[OWN_FLAGS];
	LepNormKind kind = (flags & NORM_BIAS) != 0 ? LEP_NORM_WITH_BIAS : LEP_NORM_WITHOUT_BIAS;
	const LepEmbedTables tables = {
		.word = "embeddings.tok_embeddings.weight",
		.vocab = desc->vocab,
		.n_positions = desc->n_positions,
	};
	const LepHeads heads = {
		.dense = "head.dense",
		.dense_act = (LepAct) desc->own[OWN_HEAD_ACT],
		.dense_norm = "head.norm",
		.dense_plain = (flags & CLASSIFIER_BIAS) == 0,
		.norm_kind = kind,
		.mean = (flags & MEAN) != 0,
		.everywhere = true,
		.classifier = "classifier",
		.entities = "classifier",
		.answer = "classifier",
		.transform = "head.dense",
		.transform_norm = "head.norm",
		.transform_act = (LepAct) desc->own[OWN_HEAD_ACT],
		.transform_plain = (flags & CLASSIFIER_BIAS) == 0,
		.decoder = "decoder",
		.decoder_plain = (flags & DECODER_BIAS) == 0,
		.word = "embeddings.tok_embeddings.weight",
	};
	LepBuf x;

	if (desc->own[OWN_HEAD_ACT] >= LEP_ACT_COUNT || desc->own[OWN_LOCAL] > LEP_MAX_POSITIONS)
		return lep_error(err, LEP_BAD_IMAGE, "model description is damaged");
	x = lep_build_embed(b, &tables, desc->hidden);
	x = lep_build_norm_of(b, x, kind, desc->norm_eps, "embeddings.norm");
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = build_layer(b, desc, kind, x, i);
	x = lep_build_norm_of(b, x, kind, desc->norm_eps, "final_norm");
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_modernbert[] = {
	{
		.model_type = "modernbert",
		.prefix = "model.",
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
