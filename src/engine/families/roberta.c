/*
 * roberta.c: RoBERTa and the models that differ from it in their names or in where norms stand.  Places are
 * counted behind the padding's row and pass over padding.  It refuses decoders.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "heads.h"
#include "layers.h"

#define DEFINE_ARCHITECTURES(name, stem)    \
	static const LepArchitecture name[] = { \
		LEP_USUAL_ARCHITECTURES(stem),      \
		{NULL, LEP_TASK_EMBED},             \
	}

DEFINE_ARCHITECTURES(roberta, "Roberta");
DEFINE_ARCHITECTURES(xlm_roberta, "XLMRoberta");
DEFINE_ARCHITECTURES(camembert, "Camembert");
DEFINE_ARCHITECTURES(data2vec, "Data2VecText");
DEFINE_ARCHITECTURES(pre_norm, "RobertaPreLayerNorm");
DEFINE_ARCHITECTURES(xl, "XLMRobertaXL");

/* What the models of this file differ in. */
typedef struct Variant
{
	const char *model_type;
	uint32_t vocab_size, hidden_size, n_layers, n_heads, intermediate_size, n_positions, n_types;
	double norm_eps;
	const char *attention_norm, *norm;
	const char *last_norm; /* behind the layers; NULL: norms stand behind each step */
	bool embedding_norm;
} Variant;

static const Variant variants[] = {
	{"roberta", 50265, 768, 12, 12, 3072, 512, 2, 1e-12, "attention.output.LayerNorm",
	 "output.LayerNorm", NULL, true},
	{"xlm-roberta", 30522, 768, 12, 12, 3072, 512, 2, 1e-12, "attention.output.LayerNorm",
	 "output.LayerNorm", NULL, true},
	{"camembert", 30522, 768, 12, 12, 3072, 512, 2, 1e-12, "attention.output.LayerNorm",
	 "output.LayerNorm", NULL, true},
	{"data2vec-text", 30522, 768, 12, 12, 3072, 512, 2, 1e-12, "attention.output.LayerNorm",
	 "output.LayerNorm", NULL, true},
	{"roberta-prelayernorm", 50265, 768, 12, 12, 3072, 512, 2, 1e-12, "attention.LayerNorm",
	 "intermediate.LayerNorm", "LayerNorm", true},
	{"xlm-roberta-xl", 250880, 2560, 36, 32, 10240, 514, 1, 1e-5, "attention.self_attn_layer_norm",
	 "LayerNorm", "encoder.LayerNorm", false},
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

/* Read config.json. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const Variant *variant = find_variant(desc->family);
	const LepEncoderKeys keys = {
		.vocab_size = variant->vocab_size,
		.hidden_size = variant->hidden_size,
		.n_layers = variant->n_layers,
		.n_heads = variant->n_heads,
		.intermediate_size = variant->intermediate_size,
		.n_positions = variant->n_positions,
		.n_types = variant->n_types,
		.activation = "gelu",
		.norm_eps = variant->norm_eps,
	};
	LepStatus status = lep_config_encoder(config, file, &keys, desc, err);

	return status == LEP_OK ? lep_config_position_pad(config, file, desc, err) : status;
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	static const LepHeads heads = {
		.dense = "classifier.dense",
		.dense_act = LEP_ACT_TANH,
		.classifier = "classifier.out_proj",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = "lm_head.dense",
		.transform_norm = "lm_head.layer_norm",
		.transform_act = LEP_ACT_GELU,
		.decoder = "lm_head.decoder",
		.word = LEP_USUAL_WORD,
		.bias = "lm_head.bias",
	};
	const Variant *variant = find_variant(desc->family);
	const LepLayerNames layer = {
		.attention = "attention.self",
		.query = "attention.self.query",
		.key = "attention.self.key",
		.value = "attention.self.value",
		.attended = "attention.output.dense",
		.attention_norm = variant->attention_norm,
		.up = "intermediate.dense",
		.down = "output.dense",
		.norm = variant->norm,
		.pre_norm = variant->last_norm != NULL,
	};
	LepBuf x = lep_build_usual_embed(b, desc);

	(void) err;
	if (variant->embedding_norm)
		x = lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = lep_build_layer(b, desc, &layer, x, "encoder.layer.%u", i);
	if (variant->last_norm != NULL)
		x = lep_build_norm(b, x, desc->norm_eps, "%s", variant->last_norm);
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_roberta[] = {
	{"roberta", "roberta.", false, roberta, read_config, build, NULL},
	{"xlm-roberta", "roberta.", false, xlm_roberta, read_config, build, NULL},
	{"camembert", "roberta.", false, camembert, read_config, build, NULL},
	{"data2vec-text", "data2vec_text.", false, data2vec, read_config, build, NULL},
	{"roberta-prelayernorm", "roberta_prelayernorm.", false, pre_norm, read_config, build, NULL},
	{"xlm-roberta-xl", "roberta.", false, xl, read_config, build, NULL},
	{NULL, NULL, false, NULL, NULL, NULL, NULL},
};
