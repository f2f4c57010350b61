/*
 * distilbert.c: DistilBERT: BERT's layers under other names, without types of tokens.
 * It refuses decoders.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"
#include "layers.h"

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("DistilBert"),
	{NULL, LEP_TASK_EMBED},
};

static const LepLayerNames layer = {
	.attention = "attention",
	.query = "attention.q_lin",
	.key = "attention.k_lin",
	.value = "attention.v_lin",
	.attended = "attention.out_lin",
	.attention_norm = "sa_layer_norm",
	.up = "ffn.lin1",
	.down = "ffn.lin2",
	.norm = "output_layer_norm",
};

/* Read config.json.  Sinusoidal positions are stored as learned ones are. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	static const LepEncoderKeys keys = {
		.hidden = "dim",
		.layers = "n_layers",
		.heads = "n_heads",
		.intermediate = "hidden_dim",
		.act = "activation",
		.vocab_size = 30522,
		.hidden_size = 768,
		.n_layers = 6,
		.n_heads = 12,
		.intermediate_size = 3072,
		.n_positions = 512,
		.activation = "gelu",
		.norm_eps = -1e-12,
	};

	return lep_config_encoder(config, file, &keys, desc, err);
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	const LepHeads heads = {
		.dense = "pre_classifier",
		.dense_act = LEP_ACT_RELU,
		.classifier = "classifier",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = "vocab_transform",
		.transform_norm = "vocab_layer_norm",
		.transform_act = (LepAct) desc->act,
		.decoder = "vocab_projector",
		.word = LEP_USUAL_WORD,
	};
	LepBuf x = lep_build_usual_embed(b, desc);

	(void) err;
	x = lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = lep_build_layer(b, desc, &layer, x, "transformer.layer.%u", i);
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_distilbert[] = {
	{
		.model_type = "distilbert",
		.prefix = "distilbert.",
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
