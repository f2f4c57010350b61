/*
 * bert.c: the BERT family: an encoder with absolute positions and norms behind each step.
 * It refuses decoders, relative positions and ERNIE's table of tasks.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"
#include "layers.h"

static const LepArchitecture bert_architectures[] = {
	LEP_USUAL_ARCHITECTURES("Bert"),
	{"BertForPreTraining", LEP_TASK_MASK},
	{"BertForNextSentencePrediction", LEP_TASK_EMBED},
	{"BertLMHeadModel", LEP_TASK_EMBED},
	{NULL, LEP_TASK_EMBED},
};

static const LepArchitecture ernie_architectures[] = {
	LEP_USUAL_ARCHITECTURES("Ernie"),
	{"ErnieForPreTraining", LEP_TASK_MASK},
	{"ErnieForNextSentencePrediction", LEP_TASK_EMBED},
	{NULL, LEP_TASK_EMBED},
};

/* Read config.json. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	static const LepEncoderKeys keys = {
		.vocab_size = 30522,
		.hidden_size = 768,
		.n_layers = 12,
		.n_heads = 12,
		.intermediate_size = 3072,
		.n_positions = 512,
		.n_types = 2,
		.activation = "gelu",
		.norm_eps = 1e-12,
	};
	LepStatus status = lep_config_encoder(config, file, &keys, desc, err);

	return status == LEP_OK ? lep_config_refuse_true(config, file, "use_task_id", err) : status;
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
	x = lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = lep_build_layer(b, desc, &lep_usual_layer, x, "encoder.layer.%u", i);
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_bert[] = {
	{
		.model_type = "bert",
		.prefix = "bert.",
		.typed_pairs = true,
		.architectures = bert_architectures,
		.read_config = read_config,
		.build = build,
	},
	{
		.model_type = "ernie",
		.prefix = "ernie.",
		.typed_pairs = true,
		.architectures = ernie_architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
