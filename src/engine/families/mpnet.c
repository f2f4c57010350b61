/*
 * mpnet.c: the MPNet family: BERT's layers with a bias by distance that all layers share, and
 * positions that begin behind the padding token's.  It refuses other numbers of buckets than
 * transformers computes with.
 */
#define LEPTON_ENGINE_SOURCE
#include "family.h"

#include <math.h>

#include "heads.h"

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
	{"MPNetModel", LEP_TASK_EMBED},
	{"MPNetForMaskedLM", LEP_TASK_MASK},
	{"MPNetForSequenceClassification", LEP_TASK_CLASSIFY},
	{"MPNetForTokenClassification", LEP_TASK_ENTITIES},
	{"MPNetForQuestionAnswering", LEP_TASK_ANSWER},
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

/* [tokens, hidden] = word and position embeddings, normed */
static LepBuf
build_embeddings(LepBuilder *b, const LepDesc *desc)
{
	const LepEmbedTables tables = {
		.word = "embeddings.word_embeddings.weight",
		.position = "embeddings.position_embeddings.weight",
		.vocab = desc->vocab,
		.n_positions = desc->n_positions,
		.position_first = desc->position_first,
		.position_pad = desc->position_pad,
	};

	return lep_build_norm(b, lep_build_embed(b, &tables, desc->hidden), desc->norm_eps,
						  "embeddings.LayerNorm");
}

/* One layer: attention, then feed-forward, each with a residual and a norm behind it. */
static LepBuf
build_layer(LepBuilder *b, const LepDesc *desc, LepBuf x /* [tokens, hidden] */, uint32_t i)
{
	const LepRelations relations = {
		.bias = "encoder.relative_attention_bias.weight",
		.n_rows = desc->own[OWN_BUCKETS],
		.n_buckets = N_BUCKETS,
		.bias_max = FARTHEST,
	};
	uint32_t h = desc->hidden;
	float scale = 1.0f / sqrtf((float) (h / desc->n_heads));
	LepBuf q = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.attn.q", i);
	LepBuf k = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.attn.k", i);
	LepBuf v = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.attn.v", i);
	LepBuf y;

	y = lep_build_attention_with(b, q, k, v, desc->n_heads, scale, &relations,
								 "encoder.layer.%u.attention.attn", i);
	y = lep_build_linear(b, y, h, true, "encoder.layer.%u.attention.attn.o", i);
	x = lep_build_norm(b, lep_build_add(b, y, x), desc->norm_eps,
					   "encoder.layer.%u.attention.LayerNorm", i);
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
		.dense = "classifier.dense",
		.dense_act = LEP_ACT_TANH,
		.classifier = "classifier.out_proj",
		.entities = "classifier",
		.answer = "qa_outputs",
		.transform = "lm_head.dense",
		.transform_norm = "lm_head.layer_norm",
		.transform_act = LEP_ACT_GELU,
		.decoder = "lm_head.decoder",
		.word = "embeddings.word_embeddings.weight",
		.bias = "lm_head.bias",
	};
	LepBuf x = build_embeddings(b, desc);

	(void) err;
	for (uint32_t i = 0; i < desc->n_layers; i++)
		x = build_layer(b, desc, x, i);
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
