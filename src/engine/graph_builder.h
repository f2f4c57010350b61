/*
 * graph_builder.h: what a family recipe says: operators, widths and the
 * names of their tensors.  Recipes stay plain; the passes fuse and place.
 *
 * Use, in a family's build function:
 *		LepBuf x = lep_build_embed(b, &tables, desc->hidden);
 *		x = lep_build_norm(b, x, eps, "embeddings.LayerNorm");
 *		q = lep_build_linear(b, x, h, true, "encoder.layer.%u.attention.self.query", i);
 *
 * Names are those of Hugging Face's modules, without the prefix that
 * lep_source_tensor puts before them; ".weight" and ".bias" are appended here.  "a|b" names
 * the first of several tensors that the file has.
 * The same name used twice is the same weight, so layers can share.  Errors
 * stick: after the first one every call returns LEP_NO_BUF and does nothing,
 * so a recipe need not look at results.
 */
#ifndef LEPTON_GRAPH_BUILDER_H
#define LEPTON_GRAPH_BUILDER_H

#include "graph.h"

typedef struct LepGraphBuilder LepBuilder;

/* Number of a buffer: rows of one width, written by one operator. */
typedef uint32_t LepBuf;
#define LEP_NO_BUF UINT32_MAX

/* Look-up tables whose rows are added; position and type may be NULL names. */
typedef struct LepEmbedTables
{
	const char *word, *position, *type; /* whole tensor names */
	uint32_t vocab, n_positions, n_types;
	uint32_t position_first; /* row of the first token's position */
	uint32_t position_pad;	 /* as in LepDesc */
} LepEmbedTables;

/*
 * [tokens, d] = word[id] + position[position_first + place in its text] + type[type]
 * With position_pad, tokens of that id take no place, and have row position_first - 1.
 */
LepBuf lep_build_embed(LepBuilder *b, const LepEmbedTables *tables, uint32_t d);

/* [rows, d_out] = x * weight[d_out, width of x]^T (+ bias[d_out]) */
LepBuf lep_build_linear(LepBuilder *b, LepBuf x, uint32_t d_out, bool bias, const char *name, ...)
	__attribute__((format(printf, 5, 6)));

/* The same with whole names of both tensors; bias may be NULL. */
LepBuf lep_build_linear_of(LepBuilder *b, LepBuf x, uint32_t d_out, const char *weight,
						   const char *bias);

/* Bidirectional attention of each text over itself; q, k and v are [tokens, n_heads * d_head]. */
LepBuf lep_build_attention(LepBuilder *b, LepBuf q, LepBuf k, LepBuf v, uint32_t n_heads,
						   float scale, const char *name, ...)
	__attribute__((format(printf, 7, 8)));

/*
 * What a score gets besides scale * q . k, see LepAttention.  All zero: nothing.  Names are whole
 * names of tensors.
 */
typedef struct LepRelations
{
	uint32_t local; /* tokens see those at a distance below it; 0: all */

	/*
	 * Rotary positions: pair i of d_head / 2 turns by position * theta^(-2 i / d_head) / factor.
	 * theta 0: none.
	 */
	float theta, factor;

	/*
	 * A bias by T5's buckets of distance (arXiv:1910.10683), from a table [n_rows, n_heads] of at least n_buckets
	 * rows; from bias_max on distances share a bucket.  NULL: none.
	 */
	const char *bias;
	uint32_t n_rows, n_buckets, bias_max;

	/*
	 * Disentangled attention: table [2 * span, hidden] of relative positions, through a norm (NULL: none) and a
	 * linear for keys, queries, or both, gives the places.  n_log > 0: distances from n_log / 2 on
	 * share places by the logarithm, up to place_max.  NULL table: none.
	 */
	const char *table;
	const char *norm_weight, *norm_bias;
	float norm_eps;
	const char *key_weight, *key_bias, *query_weight, *query_bias;
	uint32_t span, n_log, place_max;
} LepRelations;

/*
 * The same with relations.  Where q, k and v are one buffer it holds them side by side, [tokens, 3 * n_heads * d_head].
 * k and v may have fewer heads, a divisor of n_heads, which are shared by as many neighbours (arXiv:2305.13245).
 */
LepBuf lep_build_attention_with(LepBuilder *b, LepBuf q, LepBuf k, LepBuf v, uint32_t n_heads,
								float scale, const LepRelations *relations, const char *name, ...)
	__attribute__((format(printf, 8, 9)));

/* Layer norm with weight and bias. */
LepBuf lep_build_norm(LepBuilder *b, LepBuf x, float eps, const char *name, ...)
	__attribute__((format(printf, 4, 5)));

typedef enum LepNormKind
{
	LEP_NORM_WITH_BIAS,
	LEP_NORM_WITHOUT_BIAS,
	LEP_NORM_RMS /* by the root mean square, without bias */
} LepNormKind;

/* A norm of some kind. */
LepBuf lep_build_norm_of(LepBuilder *b, LepBuf x, LepNormKind kind, float eps, const char *name,
						 ...) __attribute__((format(printf, 5, 6)));

LepBuf lep_build_add(LepBuilder *b, LepBuf x, LepBuf y);
LepBuf lep_build_activate(LepBuilder *b, LepBuf x, LepAct act);

/*
 * [tokens, d_out] = a convolution over each text's tokens, n of them at once, zeroes around the text:
 * weight [d_out, width, n], bias [d_out]
 */
LepBuf lep_build_convolution(LepBuilder *b, LepBuf x, uint32_t d_out, uint32_t n, const char *name);

/* [rows, width] = act(x) * y; where x and y are one buffer it holds them side by side. */
LepBuf lep_build_gate(LepBuilder *b, LepBuf x, LepBuf y, LepAct act);
/* [rows, width / 2] = the first half of x times act(its second half) */
LepBuf lep_build_gate_behind(LepBuilder *b, LepBuf x, LepAct act);

/*
 * [texts, n_modes * width] = each text's rows pooled in n_modes modes of LepPool,
 * concatenated; the first skip tokens of a text do not take part.
 */
LepBuf lep_build_pool(LepBuilder *b, LepBuf x, const uint8_t *modes, uint32_t n_modes,
					  uint32_t skip);

/* [picks, width] = the rows of the batch's picks */
LepBuf lep_build_pick(LepBuilder *b, LepBuf x);

/*
 * [texts, d_out] = over the tokens of a text, the maximum or sum of log1p(relu(x * weight^T + bias)),
 * with log1p applied n_logs times: SpladePooling.  Whole tensor names.
 */
LepBuf lep_build_sparse(LepBuilder *b, LepBuf x, uint32_t d_out, const char *weight,
						const char *bias, LepSparse sparse, uint32_t n_logs);

/* x / max(|x|, 1e-12) */
LepBuf lep_build_normalize(LepBuilder *b, LepBuf x);

/* [rows, d] = the first d columns of x */
LepBuf lep_build_cut(LepBuilder *b, LepBuf x, uint32_t d);

/* What a recipe returns at its end: LEP_OK or the first error. */
LepStatus lep_build_status(const LepBuilder *b);

/* Record a recipe's own refusal. */
LepStatus lep_build_refuse(LepBuilder *b, LepStatus status, const char *message, ...)
	__attribute__((format(printf, 3, 4)));

#endif
