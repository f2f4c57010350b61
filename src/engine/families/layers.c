/*
 * layers.c: config.json and layer of the families that descend from BERT.  It knows no
 * family's own names.
 */
#define LEPTON_ENGINE_SOURCE
#include "layers.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 128 /* a layer's name */

/* Refuse a key that is true. */
LepStatus
lep_config_refuse_true(const json_t *config, const char *file, const char *key, LepError *err)
{
	bool set;
	LepStatus status = lep_config_bool(config, file, key, false, &set, err);

	if (status != LEP_OK || !set)
		return status;
	lep_error(err, LEP_UNSUPPORTED, "key \"%s\" is not supported", key);
	lep_error_detail(err, "It is true in file \"%s\", expected false.", file);
	return LEP_UNSUPPORTED;
}

/* Refuse the keys of config.json that ask for another computation. */
static LepStatus
refuse_variants(const json_t *config, const char *file, LepError *err)
{
	static const char *const flags[] = {"is_decoder", "add_cross_attention", "is_encoder_decoder"};
	const char *positions;
	char quoted[LEP_QUOTE_SIZE];
	LepStatus status = LEP_OK;

	for (size_t i = 0; status == LEP_OK && i < sizeof(flags) / sizeof(flags[0]); i++)
		status = lep_config_refuse_true(config, file, flags[i], err);
	if (status == LEP_OK)
		status = lep_json_string(config, file, "position_embedding_type", false, "absolute",
								 &positions, err);
	if (status != LEP_OK || strcmp(positions, "absolute") == 0)
		return status;
	lep_error(err, LEP_UNSUPPORTED, "position embeddings of type \"%s\" are not supported",
			  lep_error_quote(quoted, sizeof(quoted), positions, strlen(positions)));
	lep_error_detail(err, "Key \"position_embedding_type\" of file \"%s\" must be \"absolute\".",
					 file);
	return LEP_UNSUPPORTED;
}

/* Read a size under the family's key or, where that is not BERT's, under both. */
static LepStatus
read_size(const json_t *config, const char *file, const char *own, const char *usual,
		  uint32_t fallback, int64_t max, uint32_t *out, LepError *err)
{
	/* transformers takes either name and lets the common one win. */
	const char *key = own == NULL || json_object_get(config, usual) != NULL ? usual : own;
	int64_t value;
	LepStatus status = lep_config_int(config, file, key, fallback, 1, max, &value, err);

	if (status == LEP_OK)
		*out = (uint32_t) value;
	return status;
}

/* Read the sizes of an encoder. */
LepStatus
lep_config_encoder(const json_t *config, const char *file, const LepEncoderKeys *keys,
				   LepDesc *desc, LepError *err)
{
	const struct
	{
		const char *own, *usual;
		uint32_t fallback;
		int64_t max;
		uint32_t *out;
	} sizes[] = {
		{NULL, "vocab_size", keys->vocab_size, LEP_MAX_VOCAB, &desc->vocab},
		{keys->hidden, "hidden_size", keys->hidden_size, LEP_MAX_HIDDEN, &desc->hidden},
		{keys->layers, "num_hidden_layers", keys->n_layers, LEP_MAX_LAYERS, &desc->n_layers},
		{keys->heads, "num_attention_heads", keys->n_heads, LEP_MAX_HIDDEN, &desc->n_heads},
		{NULL, keys->intermediate != NULL ? keys->intermediate : "intermediate_size",
		 keys->intermediate_size, LEP_MAX_WIDTH, &desc->intermediate},
		{NULL, "max_position_embeddings", keys->n_positions, LEP_MAX_POSITIONS, &desc->n_positions},
		{NULL, "type_vocab_size", keys->n_types, LEP_MAX_VOCAB, &desc->n_types},
	};
	size_t n = sizeof(sizes) / sizeof(sizes[0]) - (keys->n_types == 0 ? 1 : 0);
	double eps = -keys->norm_eps;
	LepStatus status = refuse_variants(config, file, err);

	for (size_t i = 0; status == LEP_OK && i < n; i++)
		status = read_size(config, file, sizes[i].own, sizes[i].usual, sizes[i].fallback,
						   sizes[i].max, sizes[i].out, err);
	if (status == LEP_OK)
		status = lep_config_act(config, file, keys->act != NULL ? keys->act : "hidden_act",
								keys->activation, &desc->act, err);
	if (status == LEP_OK && keys->norm_eps >= 0)
		status =
			lep_config_real(config, file, "layer_norm_eps", keys->norm_eps, 0, FLT_MAX, &eps, err);
	if (status != LEP_OK)
		return status;
	desc->norm_eps = (float) eps;
	desc->embedding = desc->hidden;
	if (desc->hidden % desc->n_heads != 0)
	{
		lep_error(err, LEP_BAD_FILE, "hidden size is not a multiple of the number of heads");
		lep_error_detail(err, "File \"%s\" has \"%s\" %u and \"%s\" %u.", file,
						 keys->hidden != NULL ? keys->hidden : "hidden_size", desc->hidden,
						 keys->heads != NULL ? keys->heads : "num_attention_heads", desc->n_heads);
		return LEP_BAD_FILE;
	}
	return LEP_OK;
}

/* Read the width of narrower embeddings. */
LepStatus
lep_config_embedding(const json_t *config, const char *file, const char *key, uint32_t fallback,
					 LepDesc *desc, LepError *err)
{
	return read_size(config, file, NULL, key, fallback, LEP_MAX_HIDDEN, &desc->embedding, err);
}

/* Read the padding's row of positions. */
LepStatus
lep_config_position_pad(const json_t *config, const char *file, LepDesc *desc, LepError *err)
{
	int64_t pad;
	LepStatus status =
		lep_config_int(config, file, "pad_token_id", 1, 0, LEP_MAX_POSITIONS - 2, &pad, err);

	if (status != LEP_OK)
		return status;
	desc->position_pad = (uint32_t) pad + 1;
	desc->position_first = (uint32_t) pad + 1;
	if (lep_desc_places(desc) > 0)
		return LEP_OK;
	lep_error(err, LEP_BAD_FILE, "the model has no positions for a text");
	lep_error_detail(err,
					 "File \"%s\" has %u \"max_position_embeddings\"; \"pad_token_id\" %lld takes "
					 "the first of them.",
					 file, desc->n_positions, (long long) pad);
	return LEP_BAD_FILE;
}

const LepLayerNames lep_usual_layer = {
	.attention = "attention.self",
	.query = "attention.self.query",
	.key = "attention.self.key",
	.value = "attention.self.value",
	.attended = "attention.output.dense",
	.attention_norm = "attention.output.LayerNorm",
	.up = "intermediate.dense",
	.down = "output.dense",
	.norm = "output.LayerNorm",
};

/* Words, positions and types. */
LepBuf
lep_build_usual_embed(LepBuilder *b, const LepDesc *desc)
{
	const LepEmbedTables tables = {
		.word = LEP_USUAL_WORD,
		.position = "embeddings.position_embeddings.weight",
		.type = desc->n_types > 0 ? "embeddings.token_type_embeddings.weight" : NULL,
		.vocab = desc->vocab,
		.n_positions = desc->n_positions,
		.n_types = desc->n_types,
		.position_first = desc->position_first,
		.position_pad = desc->position_pad,
	};

	return lep_build_embed(b, &tables, desc->embedding);
}

/* One layer of attention and feed-forward. */
LepBuf
lep_build_layer(LepBuilder *b, const LepDesc *desc, const LepLayerNames *names, LepBuf x,
				const char *name, ...)
{
	uint32_t h = desc->hidden;
	float scale = 1.0f / sqrtf((float) (h / desc->n_heads));
	char at[NAME_MAX_BYTES];
	va_list args;
	LepBuf y = x;
	LepBuf q;
	LepBuf k;
	LepBuf v;

	va_start(args, name);
	vsnprintf(at, sizeof(at), name, args);
	va_end(args);
	if (names->pre_norm)
		y = lep_build_norm(b, x, desc->norm_eps, "%s.%s", at, names->attention_norm);
	q = lep_build_linear(b, y, h, true, "%s.%s", at, names->query);
	k = lep_build_linear(b, y, h, true, "%s.%s", at, names->key);
	v = lep_build_linear(b, y, h, true, "%s.%s", at, names->value);
	y = lep_build_attention_with(b, q, k, v, desc->n_heads, scale, names->relations, "%s.%s", at,
								 names->attention);
	y = lep_build_linear(b, y, h, true, "%s.%s", at, names->attended);
	x = lep_build_add(b, y, x);
	if (!names->pre_norm)
		x = lep_build_norm(b, x, desc->norm_eps, "%s.%s", at, names->attention_norm);
	y = x;
	if (names->pre_norm)
		y = lep_build_norm(b, x, desc->norm_eps, "%s.%s", at, names->norm);
	y = lep_build_linear(b, y, desc->intermediate, true, "%s.%s", at, names->up);
	y = lep_build_activate(b, y, (LepAct) desc->act);
	y = lep_build_linear(b, y, h, true, "%s.%s", at, names->down);
	x = lep_build_add(b, y, x);
	return names->pre_norm ? x : lep_build_norm(b, x, desc->norm_eps, "%s.%s", at, names->norm);
}
