/*
 * bert.c: the BERT family: encoder with absolute positions and post-norm,
 * sequence classification on the pooled first token.  It refuses decoders,
 * relative positions and other heads.
 */
#define LEPTON_ENGINE_SOURCE
#include "family.h"

#include <float.h>
#include <string.h>

static const char *const embed_architectures[] = {
	"BertModel",		  "BertForMaskedLM",
	"BertForPreTraining", "BertForNextSentencePrediction",
	"BertLMHeadModel",	  NULL};
static const char *const classify_architectures[] = {"BertForSequenceClassification", NULL};

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

const LepFamily lep_family_bert = {
	.model_type = "bert",
	.prefix = "bert.",
	.probe = "embeddings.word_embeddings.weight",
	.embed = embed_architectures,
	.classify = classify_architectures,
	.read_config = read_config,
};
