/*
 * layers.h: what the families that descend from BERT share: the keys of config.json, the
 * embeddings, the layer of attention and feed-forward, their usual names.
 */
#ifndef LEPTON_LAYERS_H
#define LEPTON_LAYERS_H

#include "../graph_builder.h"
#include "family.h"

/* Names of keys where they are not those of BERT, and what a file without them means. */
typedef struct LepEncoderKeys
{
	const char *hidden, *layers, *heads, *intermediate, *act; /* NULL: BERT's */
	uint32_t vocab_size, hidden_size, n_layers, n_heads, intermediate_size;
	uint32_t n_positions, n_types; /* n_types 0: the family has none and no key for them */
	const char *activation;
	double norm_eps; /* below 0: there is no key, the value is its opposite */
} LepEncoderKeys;

/* Read the sizes of an encoder into desc; refuse decoders and relative positions. */
LepStatus lep_config_encoder(const json_t *config, const char *file, const LepEncoderKeys *keys,
							 LepDesc *desc, LepError *err);

/*
 * Read pad_token_id as RoBERTa uses it: the row of positions that padding has, behind which
 * texts begin.
 */
LepStatus lep_config_position_pad(const json_t *config, const char *file, LepDesc *desc,
								  LepError *err);

/* Read the width of embeddings that are narrower than the encoder. */
LepStatus lep_config_embedding(const json_t *config, const char *file, const char *key,
							   uint32_t fallback, LepDesc *desc, LepError *err);

/* Refuse a key that is true: it asks for what the family's file does not do. */
LepStatus lep_config_refuse_true(const json_t *config, const char *file, const char *key,
								 LepError *err);

/* The usual name of the table of words, which decoders are often tied to. */
#define LEP_USUAL_WORD "embeddings.word_embeddings.weight"

/*
 * [tokens, desc->embedding] = the rows of the tables of words, positions and types, under their usual names, added
 * up; without types where desc has none
 */
LepBuf lep_build_usual_embed(LepBuilder *b, const LepDesc *desc);

/* Names of a layer's modules, below the layer's own. */
typedef struct LepLayerNames
{
	const char *attention; /* for people */
	const char *query, *key, *value, *attended, *attention_norm;
	const char *up, *down, *norm;
	bool pre_norm; /* norms stand before attention and feed-forward instead of behind */
	const LepRelations *relations; /* of attention; NULL: none */
} LepLayerNames;

/* BERT's names. */
extern const LepLayerNames lep_usual_layer;

/* [tokens, hidden] = one layer, called name, of attention and feed-forward with residuals */
LepBuf lep_build_layer(LepBuilder *b, const LepDesc *desc, const LepLayerNames *names, LepBuf x,
					   const char *name, ...) __attribute__((format(printf, 5, 6)));

#endif
