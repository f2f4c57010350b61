/*
 * albert.c: ALBERT: layers that share their weights in groups, behind embeddings narrower than the
 * encoder.  It refuses decoders.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"
#include "layers.h"

/* LepDesc.own */
enum
{
	OWN_GROUPS, /* of layers with the same weights */
	OWN_INNER	/* layers that a group runs one after another, each with its own weights */
};

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("Albert"),
	{"AlbertForPreTraining", LEP_TASK_MASK},
	{NULL, LEP_TASK_EMBED},
};

static const LepLayerNames layer = {
	.attention = "attention",
	.query = "attention.query",
	.key = "attention.key",
	.value = "attention.value",
	.attended = "attention.dense",
	.attention_norm = "attention.LayerNorm",
	.up = "ffn",
	.down = "ffn_output",
	.norm = "full_layer_layer_norm",
};

/* Read config.json. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	static const LepEncoderKeys keys = {
		.vocab_size = 30000,
		.hidden_size = 4096,
		.n_layers = 12,
		.n_heads = 64,
		.intermediate_size = 16384,
		.n_positions = 512,
		.n_types = 2,
		.activation = "gelu_new",
		.norm_eps = 1e-12,
	};
	int64_t groups = 1;
	int64_t inner = 1;
	LepStatus status = lep_config_encoder(config, file, &keys, desc, err);

	if (status == LEP_OK)
		status = lep_config_embedding(config, file, "embedding_size", 128, desc, err);
	if (status == LEP_OK)
		status =
			lep_config_int(config, file, "num_hidden_groups", 1, 1, LEP_MAX_LAYERS, &groups, err);
	if (status == LEP_OK)
		status = lep_config_int(config, file, "inner_group_num", 1, 1, LEP_MAX_LAYERS, &inner, err);
	if (status == LEP_OK && (uint64_t) inner * desc->n_layers > LEP_MAX_LAYERS)
	{
		lep_error(err, LEP_TOO_LARGE, "the model has too many layers");
		lep_error_detail(err, "File \"%s\" asks for %u times %lld; at most %d are allowed.", file,
						 desc->n_layers, (long long) inner, LEP_MAX_LAYERS);
		status = LEP_TOO_LARGE;
	}
	desc->own[OWN_GROUPS] = (uint32_t) groups;
	desc->own[OWN_INNER] = (uint32_t) inner;
	return status;
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	const LepHeads heads = {
		.dense = "pooler",
		.dense_act = LEP_ACT_TANH,
		.classifier = "classifier",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = "predictions.dense",
		.transform_norm = "predictions.LayerNorm",
		.transform_act = (LepAct) desc->act,
		.decoder = "predictions.decoder",
		.word = LEP_USUAL_WORD,
		.bias = "predictions.bias",
	};
	double per_group = (double) desc->n_layers / (double) desc->own[OWN_GROUPS];
	LepBuf x = lep_build_usual_embed(b, desc);

	(void) err;
	if (desc->own[OWN_GROUPS] == 0 || desc->own[OWN_INNER] > LEP_MAX_LAYERS)
		return lep_build_refuse(b, LEP_BAD_FILE, "the model's groups of layers are damaged");
	x = lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
	x = lep_build_linear(b, x, desc->hidden, true, "encoder.embedding_hidden_mapping_in");
	for (uint32_t i = 0; i < desc->n_layers; i++)
	{
		uint32_t group = (uint32_t) ((double) i / per_group);

		for (uint32_t j = 0; j < desc->own[OWN_INNER]; j++)
			x = lep_build_layer(b, desc, &layer, x,
								"encoder.albert_layer_groups.%u.albert_layers.%u", group, j);
	}
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_albert[] = {
	{
		.model_type = "albert",
		.prefix = "albert.",
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
