/*
 * megatron_bert.c: Megatron's BERT: norms stand before each step and behind the layers, none
 * behind the embeddings.  It refuses decoders.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"
#include "layers.h"

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("MegatronBert"),
	{"MegatronBertForPreTraining", LEP_TASK_MASK},
	{"MegatronBertForNextSentencePrediction", LEP_TASK_EMBED},
	{NULL, LEP_TASK_EMBED},
};

static const LepLayerNames layer = {
	.attention = "attention.self",
	.query = "attention.self.query",
	.key = "attention.self.key",
	.value = "attention.self.value",
	.attended = "attention.output.dense",
	.attention_norm = "attention.ln",
	.up = "intermediate.dense",
	.down = "output.dense",
	.norm = "ln",
	.pre_norm = true,
};

/* Read config.json. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	static const LepEncoderKeys keys = {
		.vocab_size = 29056,
		.hidden_size = 1024,
		.n_layers = 24,
		.n_heads = 16,
		.intermediate_size = 4096,
		.n_positions = 512,
		.n_types = 2,
		.activation = "gelu",
		.norm_eps = 1e-12,
	};

	return lep_config_encoder(config, file, &keys, desc, err);
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
		.word = LEP_USUAL_WORD,
		.bias = "cls.predictions.bias",
	};
	LepBuf x = lep_build_usual_embed(b, desc);

	(void) err;
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = lep_build_layer(b, desc, &layer, x, "encoder.layer.%u", i);
	x = lep_build_norm(b, x, desc->norm_eps, "encoder.ln");
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_megatron_bert[] = {
	{
		.model_type = "megatron-bert",
		.prefix = "bert.",
		.typed_pairs = true,
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
