/*
 * electra.c: ELECTRA, discriminator and generator: BERT's layers behind embeddings that may be
 * narrower than the encoder.  It refuses decoders.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"
#include "layers.h"

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("Electra"),
	{"ElectraForPreTraining", LEP_TASK_EMBED},
	{NULL, LEP_TASK_EMBED},
};

/* Read config.json. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	static const LepEncoderKeys keys = {
		.vocab_size = 30522,
		.hidden_size = 256,
		.n_layers = 12,
		.n_heads = 4,
		.intermediate_size = 1024,
		.n_positions = 512,
		.n_types = 2,
		.activation = "gelu",
		.norm_eps = 1e-12,
	};
	LepStatus status = lep_config_encoder(config, file, &keys, desc, err);

	return status == LEP_OK ? lep_config_embedding(config, file, "embedding_size", 128, desc, err)
							: status;
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	const LepHeads heads = {
		.dense = "classifier.dense",
		.dense_act = LEP_ACT_GELU,
		.classifier = "classifier.out_proj",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = "generator_predictions.dense",
		.transform_norm = "generator_predictions.LayerNorm",
		.transform_act = LEP_ACT_GELU,
		.decoder = "generator_lm_head",
		.word = LEP_USUAL_WORD,
	};
	LepBuf x = lep_build_usual_embed(b, desc);

	(void) err;
	x = lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
	if (desc->embedding != desc->hidden)
		x = lep_build_linear(b, x, desc->hidden, true, "embeddings_project");
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = lep_build_layer(b, desc, &lep_usual_layer, x, "encoder.layer.%u", i);
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_electra[] = {
	{
		.model_type = "electra",
		.prefix = "electra.",
		.typed_pairs = true,
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
