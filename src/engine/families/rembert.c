/*
 * rembert.c: RemBERT: BERT's layers between narrow embeddings and a decoder of its own, wider
 * one.  It refuses decoders.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"
#include "layers.h"

/* LepDesc.own */
enum
{
	OWN_OUTPUT /* columns that the decoder reads */
};

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("RemBert"),
	{NULL, LEP_TASK_EMBED},
};

/* Read config.json. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	static const LepEncoderKeys keys = {
		.vocab_size = 250300,
		.hidden_size = 1152,
		.n_layers = 32,
		.n_heads = 18,
		.intermediate_size = 4608,
		.n_positions = 512,
		.n_types = 2,
		.activation = "gelu",
		.norm_eps = 1e-12,
	};
	int64_t output = 1;
	LepStatus status = lep_config_encoder(config, file, &keys, desc, err);

	if (status == LEP_OK)
		status = lep_config_embedding(config, file, "input_embedding_size", 256, desc, err);
	if (status == LEP_OK)
		status = lep_config_int(config, file, "output_embedding_size", 1664, 1, LEP_MAX_HIDDEN,
								&output, err);
	desc->own[OWN_OUTPUT] = (uint32_t) output;
	return status;
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
		.transform = "cls.predictions.dense",
		.transform_norm = "cls.predictions.LayerNorm",
		.transform_act = (LepAct) desc->act,
		.transform_width = desc->own[OWN_OUTPUT],
		.decoder = "cls.predictions.decoder",
	};
	LepBuf x = lep_build_usual_embed(b, desc);

	(void) err;
	x = lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
	x = lep_build_linear(b, x, desc->hidden, true, "encoder.embedding_hidden_mapping_in");
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = lep_build_layer(b, desc, &lep_usual_layer, x, "encoder.layer.%u", i);
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_rembert[] = {
	{
		.model_type = "rembert",
		.prefix = "rembert.",
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
