/*
 * deberta_v2.c: the DeBERTa-v2 and -v3 family: BERT's layers with disentangled attention to relative
 * positions, whose projections depend on no text.  It refuses convolutions in groups, heads of
 * another size than their share and poolers of another width.
 */
#define LEPTON_ENGINE_SOURCE
#include "family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "heads.h"

#define NAME_SIZE 128 /* bytes of a tensor's name */

/* Numbers of LepDesc.own. */
enum
{
	OWN_FLAGS,
	OWN_BUCKETS,	/* "position_buckets", 0: none */
	OWN_FARTHEST,	/* "max_relative_positions" */
	OWN_POOLER_ACT, /* LepAct */
	OWN_KERNEL,		/* tokens that the convolution behind the first layer sees, 0: there is none */
	OWN_KERNEL_ACT	/* LepAct */
};

/* Bits of OWN_FLAGS. */
enum
{
	RELATIVE = 1,		 /* attention to relative positions */
	KEYS = 2,			 /* "c2p": queries multiply places */
	QUERIES = 4,		 /* "p2c": keys multiply places */
	SHARED = 8,			 /* places are projected as tokens are */
	NORMED = 16,		 /* relative positions are normed */
	ABSOLUTE = 32,		 /* absolute positions are added to words */
	NEW_PREDICTIONS = 64 /* the newer head for masked tokens */
};

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("DebertaV2"),
	{NULL, LEP_TASK_EMBED},
};

/* Refuse a number of config.json. */
static LepStatus
refuse_number(const char *file, const char *key, int64_t found, int64_t expected, LepError *err)
{
	lep_error(err, LEP_UNSUPPORTED, "key \"%s\" is not supported", key);
	lep_error_detail(err, "File \"%s\" has %lld, expected %lld.", file, (long long) found,
					 (long long) expected);
	return LEP_UNSUPPORTED;
}

/* Read whether one of a text's parts between '|', without blanks, is name; in any case of letters. */
static bool
has_part(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (*text != '\0')
	{
		size_t part = strcspn(text, "|");
		size_t blank = strspn(text, " \t");
		size_t end = part;

		while (end > blank && (text[end - 1] == ' ' || text[end - 1] == '\t'))
			end--;
		if (blank <= part && end - blank == len && strncasecmp(text + blank, name, len) == 0)
			return true;
		text += part + (text[part] == '|');
	}
	return false;
}

/* Read which products with places there are: "c2p|p2c", or a list. */
static LepStatus
read_kinds(const json_t *config, const char *file, uint32_t *flags, LepError *err)
{
	static const char *const names[] = {"c2p", "p2c"};
	const json_t *kinds = json_object_get(config, "pos_att_type");

	if (kinds == NULL || json_is_null(kinds))
		return LEP_OK;
	if (!json_is_string(kinds) && !json_is_array(kinds))
		return lep_error(err, LEP_BAD_FILE, "key \"pos_att_type\" of file \"%s\" is not a list",
						 file);
	for (size_t i = 0; i < 2; i++)
	{
		bool found = json_is_string(kinds) && has_part(json_string_value(kinds), names[i]);

		for (size_t j = 0; j < json_array_size(kinds); j++)
		{
			const char *kind = json_string_value(json_array_get(kinds, j));

			found = found || (kind != NULL && strcmp(kind, names[i]) == 0);
		}
		*flags |= found ? KEYS << i : 0;
	}
	return LEP_OK;
}

/* Read the truth values of config.json into flags. */
static LepStatus
read_flags(const json_t *config, const char *file, uint32_t *flags, LepError *err)
{
	static const struct
	{
		const char *key;
		bool fallback, inverted;
		uint32_t flag;
	} keys[] = {
		{"relative_attention", false, false, RELATIVE},
		{"share_att_key", false, false, SHARED},
		{"position_biased_input", true, false, ABSOLUTE},
		{"legacy", true, true, NEW_PREDICTIONS},
	};
	const char *norm;
	LepStatus status;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		bool set;

		status = lep_config_bool(config, file, keys[i].key, keys[i].fallback, &set, err);
		if (status != LEP_OK)
			return status;
		*flags |= set != keys[i].inverted ? keys[i].flag : 0;
	}
	status = lep_json_string(config, file, "norm_rel_ebd", false, "none", &norm, err);
	if (status != LEP_OK)
		return status;
	*flags |= has_part(norm, "layer_norm") ? NORMED : 0;
	return read_kinds(config, file, flags, err);
}

/* Read what relative positions there are. */
static LepStatus
read_relative(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	int64_t buckets;
	int64_t farthest;
	LepStatus status = lep_config_int(config, file, "position_buckets", -1, INT32_MIN,
									  LEP_MAX_POSITIONS, &buckets, err);

	if (status == LEP_OK)
		status = lep_config_int(config, file, "max_relative_positions", -1, INT32_MIN,
								LEP_MAX_POSITIONS, &farthest, err);
	if (status != LEP_OK)
		return status;
	desc->own[OWN_BUCKETS] = buckets > 0 ? (uint32_t) buckets : 0;
	desc->own[OWN_FARTHEST] = farthest > 0 ? (uint32_t) farthest : desc->n_positions;
	return LEP_OK;
}

/* Read the convolution behind the first layer. */
static LepStatus
read_convolution(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	int64_t kernel;
	int64_t groups;
	LepStatus status =
		lep_config_int(config, file, "conv_kernel_size", 0, INT32_MIN, 255, &kernel, err);

	if (status != LEP_OK || kernel <= 0)
		return status;
	status = lep_config_int(config, file, "conv_groups", 1, 1, LEP_MAX_HIDDEN, &groups, err);
	if (status != LEP_OK)
		return status;
	if (groups != 1)
		return refuse_number(file, "conv_groups", groups, 1, err);
	/* An even number of tokens would give another number of rows. */
	if (kernel % 2 == 0)
		return refuse_number(file, "conv_kernel_size", kernel, kernel + 1, err);
	desc->own[OWN_KERNEL] = (uint32_t) kernel;
	return lep_config_act(config, file, "conv_act", "tanh", &desc->own[OWN_KERNEL_ACT], err);
}

/* Read config.json as transformers' DebertaV2Config does. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const LepConfigSize sizes[] = {
		{"vocab_size", 128100, 1, LEP_MAX_VOCAB, &desc->vocab},
		{"hidden_size", 1536, 1, LEP_MAX_HIDDEN, &desc->hidden},
		{"num_hidden_layers", 24, 1, LEP_MAX_LAYERS, &desc->n_layers},
		{"num_attention_heads", 24, 1, LEP_MAX_HIDDEN, &desc->n_heads},
		{"intermediate_size", 6144, 1, LEP_MAX_WIDTH, &desc->intermediate},
		{"max_position_embeddings", 512, 1, LEP_MAX_POSITIONS, &desc->n_positions},
		{"type_vocab_size", 0, 0, LEP_MAX_VOCAB, &desc->n_types},
	};
	uint32_t head;
	uint32_t pooler;
	LepStatus status = lep_config_sizes(config, file, sizes, sizeof(sizes) / sizeof(sizes[0]), err);

	if (status == LEP_OK)
		status = lep_config_heads(desc, file, err);
	if (status == LEP_OK)
	{
		const LepConfigSize derived[] = {
			{"embedding_size", desc->hidden, 1, LEP_MAX_HIDDEN, &desc->embedding},
			{"attention_head_size", desc->hidden / desc->n_heads, 1, LEP_MAX_HIDDEN, &head},
			{"pooler_hidden_size", desc->hidden, 1, LEP_MAX_HIDDEN, &pooler},
		};

		status = lep_config_sizes(config, file, derived, sizeof(derived) / sizeof(derived[0]), err);
	}
	if (status == LEP_OK && head != desc->hidden / desc->n_heads)
		return refuse_number(file, "attention_head_size", head, desc->hidden / desc->n_heads, err);
	if (status == LEP_OK && desc->task == LEP_TASK_CLASSIFY && pooler != desc->hidden)
		return refuse_number(file, "pooler_hidden_size", pooler, desc->hidden, err);
	if (status == LEP_OK)
		status = lep_config_act(config, file, "hidden_act", "gelu", &desc->act, err);
	if (status == LEP_OK)
		status = lep_config_act(config, file, "pooler_hidden_act", "gelu",
								&desc->own[OWN_POOLER_ACT], err);
	if (status == LEP_OK)
		status = lep_config_f32(config, file, "layer_norm_eps", 1e-7, &desc->norm_eps, err);
	if (status == LEP_OK)
		status = read_flags(config, file, &desc->own[OWN_FLAGS], err);
	if (status == LEP_OK)
		status = read_relative(config, file, desc, err);
	return status == LEP_OK ? read_convolution(config, file, desc, err) : status;
}

/* [tokens, hidden] = word embeddings, with positions and types where there are such, normed */
static LepBuf
build_embeddings(LepBuilder *b, const LepDesc *desc)
{
	const LepEmbedTables tables = {
		.word = "embeddings.word_embeddings.weight",
		.position =
			(desc->own[OWN_FLAGS] & ABSOLUTE) != 0 ? "embeddings.position_embeddings.weight" : NULL,
		.type = desc->n_types > 0 ? "embeddings.token_type_embeddings.weight" : NULL,
		.vocab = desc->vocab,
		.n_positions = desc->n_positions,
		.n_types = desc->n_types,
	};
	LepBuf x = lep_build_embed(b, &tables, desc->embedding);

	if (desc->embedding != desc->hidden)
		x = lep_build_linear(b, x, desc->hidden, false, "embeddings.embed_proj");
	return lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
}

/* Attention of layer i; its scale counts the kinds of products, also where there are no places. */
static LepBuf
build_attention(LepBuilder *b, const LepDesc *desc, LepBuf x /* [tokens, hidden] */, uint32_t i)
{
	uint32_t h = desc->hidden;
	uint32_t flags = desc->own[OWN_FLAGS];
	uint32_t buckets = desc->own[OWN_BUCKETS];
	float n_products = (float) (1 + ((flags & KEYS) != 0) + ((flags & QUERIES) != 0));
	float scale = 1.0f / sqrtf((float) (h / desc->n_heads) * n_products);
	const char *key = (flags & SHARED) != 0 ? "key_proj" : "pos_key_proj";
	const char *query = (flags & SHARED) != 0 ? "query_proj" : "pos_query_proj";
	LepBuf q = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.self.query_proj", i);
	LepBuf k = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.self.key_proj", i);
	LepBuf v = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.self.value_proj", i);
	LepRelations relations = {0};
	char names[4][NAME_SIZE];

	for (int j = 0; j < 4; j++)
		snprintf(names[j], NAME_SIZE, "encoder.layer.%u.attention.self.%s.%s", i,
				 j < 2 ? key : query, j % 2 == 0 ? "weight" : "bias");
	if ((flags & RELATIVE) != 0 && (flags & (KEYS | QUERIES)) != 0)
	{
		relations.table = "encoder.rel_embeddings.weight";
		relations.span = buckets > 0 ? buckets : desc->own[OWN_FARTHEST];
		relations.n_log = buckets;
		relations.place_max = desc->own[OWN_FARTHEST];
	}
	if ((flags & NORMED) != 0)
	{
		relations.norm_weight = "encoder.LayerNorm.weight";
		relations.norm_bias = "encoder.LayerNorm.bias";
		relations.norm_eps = desc->norm_eps;
	}
	if ((flags & KEYS) != 0)
	{
		relations.key_weight = names[0];
		relations.key_bias = names[1];
	}
	if ((flags & QUERIES) != 0)
	{
		relations.query_weight = names[2];
		relations.query_bias = names[3];
	}
	return lep_build_attention_with(b, q, k, v, desc->n_heads, scale, &relations,
									"encoder.layer.%u.attention.self", i);
}

/* One layer: attention, then feed-forward, each with a residual and a norm behind it. */
static LepBuf
build_layer(LepBuilder *b, const LepDesc *desc, LepBuf x /* [tokens, hidden] */, uint32_t i)
{
	uint32_t h = desc->hidden;
	LepBuf y = build_attention(b, desc, x, i);

	y = lep_build_linear(b, y, h, true, "encoder.layer.%u.attention.output.dense", i);
	x = lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps,
					   "encoder.layer.%u.attention.output.LayerNorm", i);
	y = lep_build_linear(b, x, desc->intermediate, true, "encoder.layer.%u.intermediate.dense", i);
	y = lep_build_activate(b, y, (LepAct) desc->act);
	y = lep_build_linear(b, y, h, true, "encoder.layer.%u.output.dense", i);
	return lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps,
						  "encoder.layer.%u.output.LayerNorm", i);
}

/* norm(x + act(convolution of the embeddings)) */
static LepBuf
build_convolution(LepBuilder *b, const LepDesc *desc, LepBuf embeddings, LepBuf x)
{
	LepBuf y = lep_build_convolution(b, embeddings, desc->hidden, desc->own[OWN_KERNEL],
									 "encoder.conv.conv");

	y = lep_build_activate(b, y, (LepAct) desc->own[OWN_KERNEL_ACT]);
	return lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps, "encoder.conv.LayerNorm");
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	bool newer = (desc->own[OWN_FLAGS] & NEW_PREDICTIONS) != 0;
	const LepHeads heads = {
		.dense = "pooler.dense",
		.dense_act = (LepAct) desc->own[OWN_POOLER_ACT],
		.classifier = "classifier",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = newer ? "lm_predictions.lm_head.dense" : "cls.predictions.transform.dense",
		.transform_norm =
			newer ? "lm_predictions.lm_head.LayerNorm" : "cls.predictions.transform.LayerNorm",
		.transform_act = (LepAct) desc->act,
		/* The newer head multiplies with the word table, tied or not. */
		.decoder = newer ? "embeddings.word_embeddings" : "cls.predictions.decoder",
		.word = "embeddings.word_embeddings.weight",
		.bias = newer ? "lm_predictions.lm_head.bias" : "cls.predictions.bias",
	};
	LepBuf embeddings;
	LepBuf x;

	if (desc->own[OWN_POOLER_ACT] >= LEP_ACT_COUNT || desc->own[OWN_KERNEL_ACT] >= LEP_ACT_COUNT)
		return lep_error(err, LEP_BAD_IMAGE, "model description is damaged");
	x = embeddings = build_embeddings(b, desc);
	for (uint32_t i = 0; i < desc->n_layers; i++)
	{
		x = build_layer(b, desc, x, i);
		if (i == 0 && desc->own[OWN_KERNEL] > 0)
			x = build_convolution(b, desc, embeddings, x);
	}
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_deberta_v2[] = {
	{
		.model_type = "deberta-v2",
		.prefix = "deberta.",
		.typed_pairs = true,
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
