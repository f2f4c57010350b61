/*
 * rotary.c: encoders of BERT's layers with rotary positions: NomicBert, GTE, jina-embeddings-v3.  Their files name
 * tensors as the models were first published, or as transformers names them.  It refuses heads of another size than
 * their share.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "../source.h"
#include "heads.h"
#include "layers.h"

/* Numbers of LepDesc.own and own_real. */
enum
{
	OWN_NEWER /* 1: tensors have transformers' names */
};

enum
{
	OWN_THETA,
	OWN_FACTOR
};

/* Names of a layer's modules; gated is NULL where gate and up are apart, gate NULL where there is no gate. */
typedef struct Names
{
	const char *layer, *joined, *query, *key, *value, *attended, *attention_norm;
	const char *gated, *gate, *up, *down, *norm;
	const char *embedding_norm, *transform_norm;
} Names;

/* What the models differ in. */
typedef struct Variant
{
	const char *model_type;
	int64_t vocab_size, hidden_size, n_layers, n_heads, intermediate_size, n_positions, n_types;
	int64_t least_types;
	const char *act;
	double norm_eps, theta;
	bool attention_bias, up_bias, down_bias;
	Names names;  /* as first published */
	bool gated;	  /* feed-forward has a gate */
	bool roberta; /* classifiers are RoBERTa's */
	bool gelu;	  /* predictions use GELU, whatever the encoder does */
	const char *transform, *newer_transform_norm, *decoder, *bias;
} Variant;

static const Variant variants[] = {
	{
		.model_type = "nomic_bert",
		.vocab_size = 30528,
		.hidden_size = 768,
		.n_layers = 12,
		.n_heads = 12,
		.intermediate_size = 3072,
		.n_positions = 2048,
		.n_types = 2,
		.least_types = 1,
		.act = "silu",
		.norm_eps = 1e-12,
		.theta = 1000,
		.names = {.layer = "encoder.layers",
				  .joined = "attn.Wqkv",
				  .attended = "attn.out_proj",
				  .attention_norm = "norm1",
				  .gate = "mlp.fc12",
				  .up = "mlp.fc11",
				  .down = "mlp.fc2",
				  .norm = "norm2",
				  .embedding_norm = "emb_ln",
				  .transform_norm = "cls.predictions.transform.layer_norm"},
		.gated = true,
		.transform = "cls.predictions.transform.dense",
		.newer_transform_norm = "cls.predictions.transform.layer_norm",
		.decoder = "cls.predictions.decoder",
		.bias = "cls.predictions.bias",
	},
	{
		.model_type = "gte",
		.vocab_size = 250048,
		.hidden_size = 768,
		.n_layers = 12,
		.n_heads = 12,
		.intermediate_size = 3072,
		.n_positions = 8192,
		.n_types = 1,
		.least_types = 0,
		.act = "gelu",
		.norm_eps = 1e-12,
		.theta = 160000,
		.attention_bias = true,
		.down_bias = true,
		.names = {.layer = "encoder.layer",
				  .joined = "attention.qkv_proj",
				  .attended = "attention.o_proj",
				  .attention_norm = "attn_ln",
				  .gated = "mlp.up_gate_proj",
				  .down = "mlp.down_proj",
				  .norm = "mlp_ln",
				  .embedding_norm = "embeddings.LayerNorm",
				  .transform_norm = "lm_head.norm"},
		.gated = true,
		.gelu = true,
		.transform = "lm_head.dense",
		.newer_transform_norm = "lm_head.layer_norm",
		.decoder = "lm_head.decoder",
	},
	{
		.model_type = "jina_embeddings_v3",
		.vocab_size = 250002,
		.hidden_size = 1024,
		.n_layers = 24,
		.n_heads = 16,
		.intermediate_size = 4096,
		.n_positions = 8194,
		.n_types = 1,
		.least_types = 1,
		.act = "gelu",
		.norm_eps = 1e-5,
		.theta = 20000,
		.attention_bias = true,
		.up_bias = true,
		.down_bias = true,
		.names = {.layer = "encoder.layers",
				  .joined = "mixer.Wqkv",
				  .attended = "mixer.out_proj",
				  .attention_norm = "norm1",
				  .up = "mlp.fc1",
				  .down = "mlp.fc2",
				  .norm = "norm2",
				  .embedding_norm = "emb_ln",
				  .transform_norm = "lm_head.layer_norm"},
		.roberta = true,
		.gelu = true,
		.transform = "lm_head.dense",
		.newer_transform_norm = "lm_head.layer_norm",
		.decoder = "lm_head.decoder",
		.bias = "lm_head.bias",
	},
};

/* The variant of a model_type; the first where there is none of that name. */
static const Variant *
find_variant(const char *model_type)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
	{
		if (strcmp(variants[i].model_type, model_type) == 0)
			return &variants[i];
	}
	return variants;
}

/* The names that a model's file has. */
static Names
names_of(const LepDesc *desc, const Variant *variant)
{
	Names names = variant->names;

	if (desc->own[OWN_NEWER] == 0)
		return names;
	names = (Names){
		.layer = "layers",
		.query = "self_attn.q_proj",
		.key = "self_attn.k_proj",
		.value = "self_attn.v_proj",
		.attended = "self_attn.o_proj",
		.attention_norm = "post_attention_layernorm",
		.gate = "mlp.gate_proj",
		.up = "mlp.up_proj",
		.down = "mlp.down_proj",
		.norm = "post_mlp_layernorm",
		.embedding_norm = "embeddings.LayerNorm",
		.transform_norm = variant->newer_transform_norm,
	};
	if (!variant->gated)
	{
		names.gate = NULL;
		names.up = "mlp.fc1";
		names.down = "mlp.fc2";
	}
	return names;
}

/* Read the rotary positions: the older key, where it says something, instead of the newer. */
static LepStatus
read_rotary(const json_t *config, const char *file, double fallback, LepDesc *desc, LepError *err)
{
	const json_t *own = json_object_get(config, "rope_scaling");
	double theta;
	LepStatus status = lep_config_real(config, file, "rope_theta", fallback, 0, 1e30, &theta, err);

	if (!json_is_object(own) || json_object_size(own) == 0)
		own = json_object_get(config, "rope_parameters");
	if (status != LEP_OK)
		return status;
	return lep_config_rotary(own, NULL, file, theta, &desc->own_real[OWN_THETA],
							 &desc->own_real[OWN_FACTOR], err);
}

/* Read config.json. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const Variant *v = find_variant(desc->family);
	const LepConfigSize sizes[] = {
		{"vocab_size", v->vocab_size, 1, LEP_MAX_VOCAB, &desc->vocab},
		{"hidden_size", v->hidden_size, 1, LEP_MAX_HIDDEN, &desc->hidden},
		{"num_hidden_layers", v->n_layers, 1, LEP_MAX_LAYERS, &desc->n_layers},
		{"num_attention_heads", v->n_heads, 1, LEP_MAX_HIDDEN, &desc->n_heads},
		{"intermediate_size", v->intermediate_size, 1, LEP_MAX_WIDTH / 2, &desc->intermediate},
		{"max_position_embeddings", v->n_positions, 1, LEP_MAX_POSITIONS, &desc->n_positions},
		{"type_vocab_size", v->n_types, v->least_types, LEP_MAX_VOCAB, &desc->n_types},
	};
	int64_t head;
	LepStatus status = lep_config_sizes(config, file, sizes, sizeof(sizes) / sizeof(sizes[0]), err);

	if (status == LEP_OK)
		status = lep_config_heads(desc, file, err);
	if (status == LEP_OK)
		status = lep_json_int(config, file, "head_dim", false, desc->hidden / desc->n_heads, 1,
							  LEP_MAX_HIDDEN, &head, err);
	if (status == LEP_OK && head != desc->hidden / desc->n_heads)
	{
		lep_error(err, LEP_UNSUPPORTED, "key \"head_dim\" is not supported");
		lep_error_detail(err, "File \"%s\" has %lld, expected %u.", file, (long long) head,
						 desc->hidden / desc->n_heads);
		return LEP_UNSUPPORTED;
	}
	if (status == LEP_OK)
		status = lep_config_act(config, file, "hidden_act", v->act, &desc->act, err);
	if (status == LEP_OK)
		status = lep_config_f32(config, file, "layer_norm_eps", v->norm_eps, &desc->norm_eps, err);
	return status == LEP_OK ? read_rotary(config, file, v->theta, desc, err) : status;
}

/* Find out whose names the tensors have. */
static void
look(const LepSource *source, LepDesc *desc)
{
	desc->own[OWN_NEWER] =
		lep_source_find(source, source->tensors, "layers.0.self_attn.q_proj.weight") != NULL;
}

/* Attention over x. */
static LepBuf
build_attention(LepBuilder *b, const LepDesc *desc, const Variant *v, const Names *n,
				LepBuf x /* [tokens, hidden] */, uint32_t i)
{
	const LepRelations relations = {.theta = desc->own_real[OWN_THETA],
									.factor = desc->own_real[OWN_FACTOR]};
	uint32_t h = desc->hidden;
	float scale = 1.0f / sqrtf((float) (h / desc->n_heads));
	LepBuf q;
	LepBuf k;
	LepBuf value;

	if (n->joined != NULL)
		q = k = value =
			lep_build_linear(b, x, 3 * h, v->attention_bias, "%s.%u.%s", n->layer, i, n->joined);
	else
	{
		q = lep_build_linear(b, x, h, v->attention_bias, "%s.%u.%s", n->layer, i, n->query);
		k = lep_build_linear(b, x, h, v->attention_bias, "%s.%u.%s", n->layer, i, n->key);
		value = lep_build_linear(b, x, h, v->attention_bias, "%s.%u.%s", n->layer, i, n->value);
	}
	x = lep_build_attention_with(b, q, k, value, desc->n_heads, scale, &relations,
								 "%s.%u.attention", n->layer, i);
	return lep_build_linear(b, x, h, v->attention_bias, "%s.%u.%s", n->layer, i, n->attended);
}

/* Feed-forward over x. */
static LepBuf
build_feed(LepBuilder *b, const LepDesc *desc, const Variant *v, const Names *n,
		   LepBuf x /* [tokens, hidden] */, uint32_t i)
{
	uint32_t f = desc->intermediate;
	LepAct act = (LepAct) desc->act;

	if (n->gated != NULL)
	{
		x = lep_build_linear(b, x, 2 * f, v->up_bias, "%s.%u.%s", n->layer, i, n->gated);
		x = lep_build_gate_behind(b, x, act);
	}
	else if (n->gate != NULL)
	{
		LepBuf gate = lep_build_linear(b, x, f, v->up_bias, "%s.%u.%s", n->layer, i, n->gate);

		x = lep_build_linear(b, x, f, v->up_bias, "%s.%u.%s", n->layer, i, n->up);
		x = lep_build_gate(b, gate, x, act);
	}
	else
	{
		x = lep_build_linear(b, x, f, v->up_bias, "%s.%u.%s", n->layer, i, n->up);
		x = lep_build_activate(b, x, act);
	}
	return lep_build_linear(b, x, desc->hidden, v->down_bias, "%s.%u.%s", n->layer, i, n->down);
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	const Variant *v = find_variant(desc->family);
	const Names n = names_of(desc, v);
	const LepEmbedTables tables = {
		.word = "embeddings.word_embeddings.weight",
		.type = desc->n_types > 0 ? "embeddings.token_type_embeddings.weight" : NULL,
		.vocab = desc->vocab,
		.n_positions = desc->n_positions,
		.n_types = desc->n_types,
	};
	const LepHeads heads = {
		.dense = v->roberta ? "classifier.dense" : "pooler.dense",
		.dense_act = LEP_ACT_TANH,
		.classifier = v->roberta ? "classifier.out_proj" : "classifier",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = v->transform,
		.transform_norm = n.transform_norm,
		.transform_act = v->gelu ? LEP_ACT_GELU : (LepAct) desc->act,
		.decoder = v->decoder,
		.word = tables.word,
		.bias = v->bias,
	};
	LepBuf x = lep_build_embed(b, &tables, desc->hidden);

	(void) err;
	x = lep_build_norm(b, x, desc->norm_eps, "%s", n.embedding_norm);
	for (uint32_t i = 0; i < desc->n_layers; i++)
	{
		LepBuf y = build_attention(b, desc, v, &n, x, i);

		x = lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps, "%s.%u.%s", n.layer, i,
						   n.attention_norm);
		y = build_feed(b, desc, v, &n, x, i);
		x = lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps, "%s.%u.%s", n.layer, i,
						   n.norm);
	}
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

#define DEFINE_ARCHITECTURES(name, stem)    \
	static const LepArchitecture name[] = { \
		LEP_USUAL_ARCHITECTURES(stem),      \
		{NULL, LEP_TASK_EMBED},             \
	}

DEFINE_ARCHITECTURES(nomic, "NomicBert");
DEFINE_ARCHITECTURES(gte, "Gte");
DEFINE_ARCHITECTURES(jina, "JinaEmbeddingsV3");

#define FAMILY(type, before, typed, classes)                                                 \
	{                                                                                        \
		.model_type = (type), .prefix = (before), .typed_pairs = (typed),                    \
		.architectures = (classes), .read_config = read_config, .look = look, .build = build \
	}

const LepFamily lep_family_rotary[] = {
	FAMILY("nomic_bert", "nomic_bert.", true, nomic),
	FAMILY("gte", "gte.", false, gte),
	FAMILY("jina_embeddings_v3", "roberta.", false, jina),
	{.model_type = NULL},
};
