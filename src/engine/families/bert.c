/*
 * bert.c: the BERT family: encoder with absolute positions and post-norm.
 * It refuses decoders and relative positions.
 */
#define LEPTON_ENGINE_SOURCE
#include "family.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "heads.h"

static const LepArchitecture architectures[] = {
	{"BertModel", LEP_TASK_EMBED},
	{"BertForMaskedLM", LEP_TASK_MASK},
	{"BertForPreTraining", LEP_TASK_MASK},
	{"BertForNextSentencePrediction", LEP_TASK_EMBED},
	{"BertLMHeadModel", LEP_TASK_EMBED},
	{"BertForSequenceClassification", LEP_TASK_CLASSIFY},
	{"BertForTokenClassification", LEP_TASK_ENTITIES},
	{"BertForQuestionAnswering", LEP_TASK_ANSWER},
	{NULL, LEP_TASK_EMBED},
};

/* Refuse the keys of config.json that ask for another computation. */
static LepStatus
refuse_variants(const json_t *config, const char *file, LepError *err)
{
	static const char *const flags[] = {"is_decoder", "add_cross_attention", "is_encoder_decoder"};
	const char *positions;
	LepStatus status;
	bool set;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
	{
		status = lep_config_bool(config, file, flags[i], false, &set, err);
		if (status != LEP_OK)
			return status;
		if (set)
		{
			lep_error(err, LEP_UNSUPPORTED, "BERT as a decoder is not supported");
			lep_error_detail(err, "Key \"%s\" of file \"%s\" is true, expected false.", flags[i],
							 file);
			return LEP_UNSUPPORTED;
		}
	}
	status = lep_json_string(config, file, "position_embedding_type", false, "absolute", &positions,
							 err);
	if (status != LEP_OK)
		return status;
	if (strcmp(positions, "absolute") != 0)
	{
		char quoted[300];

		lep_error(err, LEP_UNSUPPORTED, "position embeddings of type \"%s\" are not supported",
				  lep_error_quote(quoted, sizeof(quoted), positions, strlen(positions)));
		lep_error_detail(
			err, "Key \"position_embedding_type\" of file \"%s\" must be \"absolute\".", file);
		return LEP_UNSUPPORTED;
	}
	return LEP_OK;
}

/* Read config.json as transformers' BertConfig does. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const struct
	{
		const char *key;
		int64_t fallback, max;
		uint32_t *out;
	} sizes[] = {
		{"vocab_size", 30522, LEP_MAX_VOCAB, &desc->vocab},
		{"hidden_size", 768, LEP_MAX_HIDDEN, &desc->hidden},
		{"num_hidden_layers", 12, LEP_MAX_LAYERS, &desc->n_layers},
		{"num_attention_heads", 12, LEP_MAX_HIDDEN, &desc->n_heads},
		{"intermediate_size", 3072, LEP_MAX_WIDTH, &desc->intermediate},
		{"max_position_embeddings", 512, LEP_MAX_POSITIONS, &desc->n_positions},
		{"type_vocab_size", 2, LEP_MAX_VOCAB, &desc->n_types},
	};
	LepStatus status = refuse_variants(config, file, err);
	double eps;

	for (size_t i = 0; status == LEP_OK && i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		int64_t value;

		status = lep_config_int(config, file, sizes[i].key, sizes[i].fallback, 1, sizes[i].max,
								&value, err);
		if (status == LEP_OK)
			*sizes[i].out = (uint32_t) value;
	}
	if (status == LEP_OK)
		status = lep_config_act(config, file, "hidden_act", "gelu", &desc->act, err);
	if (status == LEP_OK)
		status = lep_config_real(config, file, "layer_norm_eps", 1e-12, 0, FLT_MAX, &eps, err);
	if (status != LEP_OK)
		return status;
	desc->norm_eps = (float) eps;
	if (desc->hidden % desc->n_heads != 0)
	{
		lep_error(err, LEP_BAD_FILE, "hidden size is not a multiple of the number of heads");
		lep_error_detail(err, "File \"%s\" has \"hidden_size\" %u and \"num_attention_heads\" %u.",
						 file, desc->hidden, desc->n_heads);
		return LEP_BAD_FILE;
	}
	return LEP_OK;
}

/* [tokens, hidden] = word, position and type embeddings, normed */
static LepBuf
build_embeddings(LepBuilder *b, const LepDesc *desc)
{
	const LepEmbedTables tables = {
		.word = "embeddings.word_embeddings.weight",
		.position = "embeddings.position_embeddings.weight",
		.type = "embeddings.token_type_embeddings.weight",
		.vocab = desc->vocab,
		.n_positions = desc->n_positions,
		.n_types = desc->n_types,
	};

	return lep_build_norm(b, lep_build_embed(b, &tables, desc->hidden), desc->norm_eps,
						  "embeddings.LayerNorm");
}

/* One layer: attention, then feed-forward, each with a residual and a norm behind it. */
static LepBuf
build_layer(LepBuilder *b, const LepDesc *desc, LepBuf x /* [tokens, hidden] */, uint32_t i)
{
	uint32_t h = desc->hidden;
	float scale = 1.0f / sqrtf((float) (h / desc->n_heads));
	LepBuf q = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.self.query", i);
	LepBuf k = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.self.key", i);
	LepBuf v = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.self.value", i);
	LepBuf y;

	y = lep_build_attention(b, q, k, v, desc->n_heads, scale, "encoder.layer.%u.attention.self", i);
	y = lep_build_linear(b, y, h, true, "encoder.layer.%u.attention.output.dense", i);
	x = lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps,
					   "encoder.layer.%u.attention.output.LayerNorm", i);
	y = lep_build_linear(b, x, desc->intermediate, true, "encoder.layer.%u.intermediate.dense", i);
	y = lep_build_activate(b, y, (LepAct) desc->act);
	y = lep_build_linear(b, y, h, true, "encoder.layer.%u.output.dense", i);
	return lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps,
						  "encoder.layer.%u.output.LayerNorm", i);
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	const LepHeads heads = {
		.dense = "pooler.dense",
		.dense_act = LEP_ACT_TANH,
		.classifier = "classifier",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = "cls.predictions.transform.dense",
		.transform_norm = "cls.predictions.transform.LayerNorm",
		.transform_act = (LepAct) desc->act,
		.decoder = "cls.predictions.decoder",
		.word = "embeddings.word_embeddings.weight",
		.bias = "cls.predictions.bias",
	};
	LepBuf x = build_embeddings(b, desc);

	(void) err;
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = build_layer(b, desc, x, i);
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_bert[] = {
	{
		.model_type = "bert",
		.prefix = "bert.",
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
