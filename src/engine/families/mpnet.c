/*
 * mpnet.c: the MPNet family: BERT's layers with a bias by distance that all layers share, and
 * positions that begin behind the padding token's.  It refuses other numbers of buckets than
 * transformers computes with.
 */
#define LEPTON_ENGINE_SOURCE
#include "heads.h"
#include "layers.h"

#define PAD_ID		1  /* whatever "pad_token_id" says, as transformers has it */
#define N_BUCKETS	32 /* the same, whatever "relative_attention_num_buckets" says */
#define MAX_BUCKETS 4096
#define FARTHEST	128 /* from here on distances share a bucket */

/* Numbers of LepDesc.own. */
enum
{
	OWN_BUCKETS /* rows of the table of biases */
};

static const LepArchitecture architectures[] = {
	LEP_USUAL_ARCHITECTURES("MPNet"),
	{NULL, LEP_TASK_EMBED},
};

/* Read config.json as transformers' MPNetConfig does. */
static LepStatus
read_config(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	const LepConfigSize sizes[] = {
		{"vocab_size", 30527, 1, LEP_MAX_VOCAB, &desc->vocab},
		{"hidden_size", 768, 1, LEP_MAX_HIDDEN, &desc->hidden},
		{"num_hidden_layers", 12, 1, LEP_MAX_LAYERS, &desc->n_layers},
		{"num_attention_heads", 12, 1, LEP_MAX_HIDDEN, &desc->n_heads},
		{"intermediate_size", 3072, 1, LEP_MAX_WIDTH, &desc->intermediate},
		{"max_position_embeddings", 512, PAD_ID + 2, LEP_MAX_POSITIONS, &desc->n_positions},
		{"relative_attention_num_buckets", 32, N_BUCKETS, MAX_BUCKETS, &desc->own[OWN_BUCKETS]},
	};
	LepStatus status = lep_config_sizes(config, file, sizes, sizeof(sizes) / sizeof(sizes[0]), err);

	if (status == LEP_OK)
		status = lep_config_act(config, file, "hidden_act", "gelu", &desc->act, err);
	if (status == LEP_OK)
		status = lep_config_f32(config, file, "layer_norm_eps", 1e-12, &desc->norm_eps, err);
	desc->position_first = PAD_ID + 1;
	desc->position_pad = 1 + PAD_ID;
	return status != LEP_OK ? status : lep_config_heads(desc, file, err);
}

/* The encoder and the task's head. */
static LepStatus
build(struct LepGraphBuilder *b, const LepDesc *desc, LepError *err)
{
	const LepHeads heads = {
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
	const LepRelations relations = {
		.bias = "encoder.relative_attention_bias.weight",
		.n_rows = desc->own[OWN_BUCKETS],
		.n_buckets = N_BUCKETS,
		.bias_max = FARTHEST,
	};
	const LepLayerNames layer = {
		.attention = "attention.attn",
		.query = "attention.attn.q",
		.key = "attention.attn.k",
		.value = "attention.attn.v",
		.relations = &relations,
		.attended = "attention.attn.o",
		.attention_norm = "attention.LayerNorm",
		.up = "intermediate.dense",
		.down = "output.dense",
		.norm = "output.LayerNorm",
	};
	LepBuf x = lep_build_usual_embed(b, desc);

	(void) err;
	x = lep_build_norm(b, x, desc->norm_eps, "embeddings.LayerNorm");
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = lep_build_layer(b, desc, &layer, x, "encoder.layer.%u", i);
	lep_build_head(b, desc, &heads, x);
	return lep_build_status(b);
}

const LepFamily lep_family_mpnet[] = {
	{
		.model_type = "mpnet",
		.prefix = "mpnet.",
		.architectures = architectures,
		.read_config = read_config,
		.build = build,
	},
	{.model_type = NULL},
};
