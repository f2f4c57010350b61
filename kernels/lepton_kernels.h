/*
 * lepton_kernels.h: arithmetic on plain arrays, one table of functions per
 * instruction set.
 *
 * Use:
 *		const LepKernels *k = lep_kernels_choose("auto");
 *		k->linear_pack(w, d_out, d_in, packed);
 *		k->linear(&(LepLinear){...});
 *
 * Kernels never allocate, never fail, never read a clock and know neither
 * models, files nor PostgreSQL.  Arrays are row major.  Unless a comment says
 * otherwise pointers need no alignment; packed weights need 64 bytes.
 *
 * Same bits: the result of a row depends on that row alone, never on how many
 * rows are computed with it or where it stands among them.  Every tile height
 * therefore adds in the same order.  (OpenBLAS gives no such promise, so
 * LepKernels.same_bits is false where it is used.)
 */
#ifndef LEPTON_KERNELS_H
#define LEPTON_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lepton_status.h"

#define LEP_ALIGN 64 /* bytes; alignment of packed weights and arenas */

/* How numbers are stored in a table of weights. */
typedef enum LepDtype
{
	LEP_F32 = 0,
	LEP_F16 = 1,
	LEP_BF16 = 2,
	LEP_I8 = 3 /* tables only: rows of int8, each with a scale; see LepEmbed */
} LepDtype;

/* In which numbers a linear multiplies. */
typedef enum LepCompute
{
	LEP_COMPUTE_F32 = 0,
	LEP_COMPUTE_I8,	  /* u8 activations by row, int8 weights, int32 sums: LepKernels.i8 */
	LEP_COMPUTE_HALF, /* the CPU's fast 16-bit floats, f32 sums: LepKernels.half */
	LEP_COMPUTE_COUNT
} LepCompute;

/*
 * Activations, named as in Hugging Face's ACT2FN; the formula of each stands
 * beside its reference version in kernels/ref.c.
 */
typedef enum LepAct
{
	LEP_ACT_NONE = 0,	/* linear, identity */
	LEP_ACT_GELU,		/* x * 0.5 * (1 + erf(x / sqrt 2)) */
	LEP_ACT_GELU_TANH,	/* gelu_new, gelu_pytorch_tanh, gelu_fast, gelu_accurate */
	LEP_ACT_QUICK_GELU, /* x * sigmoid(1.702 x) */
	LEP_ACT_RELU,
	LEP_ACT_RELU6,
	LEP_ACT_RELU2, /* relu(x)^2 */
	LEP_ACT_SILU,  /* silu, swish: x * sigmoid(x) */
	LEP_ACT_MISH,  /* x * tanh(softplus(x)) */
	LEP_ACT_TANH,
	LEP_ACT_SIGMOID,
	LEP_ACT_LEAKY_RELU, /* slope 0.01 */
	LEP_ACT_COUNT
} LepAct;

/*
 * out[n_rows, d_out] = act(x[n_rows, d_in] * w[d_out, d_in]^T + bias[d_out]) + residual[n_rows, d_out]
 *
 * ld* are row strides in elements.  bias and residual may be NULL; residual
 * may be the same array as out.  x must not overlap out.
 */
typedef struct LepLinear
{
	const float *x;
	size_t ldx;
	const void *w; /* packed by linear_pack of the same LepKernels */
	const float *bias;
	const float *residual;
	size_t ldr;
	float *out;
	size_t ldo;
	size_t n_rows, d_out, d_in;
	LepAct act;
} LepLinear;

/*
 * Weights to be packed for a narrow product; w for LEP_COMPUTE_HALF, the rest for
 * LEP_COMPUTE_I8.  input_scale makes outliers of the input harmless without changing the
 * product: x * input_scale is narrowed, w has been divided by it (SmoothQuant,
 * arXiv:2211.10438).
 */
typedef struct LepNarrowWeights
{
	const float *w;		/* [d_out, d_in] */
	const int8_t *q;	/* [d_out, d_in], in -127 .. 127: w = scale * (q - zero) * input_scale */
	const float *scale; /* [d_out] */
	const float *zero;	/* [d_out], whole numbers; NULL: all 0 */
	const float *input_scale; /* [d_in]; NULL: all 1 */
	bool symmetric; /* activations are narrowed symmetrically: their offset is -128 * scale */
} LepNarrowWeights;

/*
 * The same as LepLinear on rows that have been narrowed:
 * out[n_rows, d_out] = act(x * w^T + bias[d_out]) + residual[n_rows, d_out]
 *
 * rows is a block of n_block rows made by LepNarrow.rows, of which this call
 * takes [first, first + n_rows).  With out_half, out holds the 16-bit floats that
 * LepKernels.attention_half reads; only where that is not NULL, and act must then be LEP_ACT_NONE and
 * residual NULL.
 */
typedef struct LepNarrowLinear
{
	const void *rows;
	size_t n_block, first;
	const void *w; /* packed by the same LepNarrow */
	const float *bias;
	const float *residual;
	size_t ldr;
	void *out; /* float, or uint16_t with out_half */
	size_t ldo;
	bool out_half;
	size_t n_rows, d_out, d_in;
	LepAct act;
} LepNarrowLinear;

/*
 * Products of narrowed activations.  Activations in 8 bits are
 *		x[r, k] * input_scale[k] ~ scale[r] * a[r, k] + offset[r], a in 0 .. 255,
 * with the row's own scale and offset, so that no row changes another; a row that is not
 * finite gives outputs that are not finite.  Blocks of rows and packed weights are 64-byte aligned
 * and their layout is the instruction set's own.
 */
typedef struct LepNarrow
{
	const char *name; /* "i8", "bf16", "f16": what lepton_graph() shows */

	/* Bytes of packed w[d_out, d_in]; 0 when it overflows size_t. */
	size_t (*packed_size)(size_t d_out, size_t d_in);
	void (*pack)(const LepNarrowWeights *weights, size_t d_out, size_t d_in, void *packed);

	/* Bytes of a block of n_rows narrowed rows; 0 when it overflows size_t. */
	size_t (*rows_size)(size_t n_rows, size_t d_in);
	/*
	 * Narrow x[n_rows, d_in] into rows [first, first + n_rows) of a block of n_block rows for the product with w
	 * (whose input_scale and symmetry it obeys).
	 */
	void (*rows)(const float *x, size_t ldx, size_t n_rows, size_t d_in, const void *w,
				 size_t n_block, size_t first, void *block);
	/* LepKernels.norm into out, then rows of out; in one pass where that is faster. */
	void (*norm_rows)(const float *x, const float *gamma, const float *beta, float eps, float *out,
					  size_t n_rows, size_t d_in, const void *w, size_t n_block, size_t first,
					  void *block);
	void (*linear)(const LepNarrowLinear *args);
} LepNarrow;

/*
 * LepAttention over q, k and v in the 16-bit floats of out_half; out is f32.  Scores and sums are
 * f32, probabilities are rounded to 16 bits.
 */
typedef struct LepAttentionHalf
{
	const uint16_t *q, *k, *v;
	size_t ldq; /* in elements */
	float *out;
	size_t ldo;
	size_t n_tokens, n_heads, d_head;
	float scale;
	void *scratch; /* attention_half_scratch(n_tokens, d_head) bytes, 64-byte aligned */
} LepAttentionHalf;

/*
 * Bidirectional attention of one sequence, all heads:
 *		score(t, s) = scale * q_t,h . k_s,h
 *		out[t, h*d_head ..] = softmax(score(t, s) over s) * v_s,h
 * q, k, v and out are [n_tokens, n_heads * d_head] with row strides ldq (q, k
 * and v are column blocks of one fused array, so they share it) and ldo.
 * scratch holds attention_scratch(n_tokens, d_head, n_places) bytes, 64-byte aligned.
 *
 * What stands behind scratch is zero for attention of that kind; each changes it on its own:
 *	 - k and v have n_heads / n_group heads (arXiv:2305.13245);
 *	 - only the rows of n_queries queries from first_query on are computed, with the same bits;
 *	 - a query sees keys at distance below local only, |s - t| < local;
 *	 - q and k are turned by the angles of their positions, pairs being d_head / 2 columns apart
 *	   (rotary embedding, arXiv:2104.09864): (x, y) -> (x cos - y sin, y cos + x sin);
 *	 - bias[h, s - t] is added to the score;
 *	 - scale * (q_t,h . place_key[p],h + k_s,h . place_query[p],h), p = place[s - t], is added to the
 *	   score (disentangled attention, arXiv:2006.03654); each of the two may be NULL.
 */
typedef struct LepAttention
{
	const float *q, *k, *v;
	size_t ldq;
	float *out;
	size_t ldo;
	size_t n_tokens, n_heads, d_head;
	float scale;
	void *scratch;
	size_t n_group;				   /* heads of q that share one of k and v; 0: 1 */
	size_t first_query, n_queries; /* 0 queries: all */
	size_t local;				   /* 0: all keys */
	const float *cosine, *sine; /* [n_tokens, d_head / 2]; NULL: not turned; else d_head is even */
	const float *bias;			/* of head 0 and distance 0; NULL: none */
	size_t ldb;					/* from one head's to the next one's */
	const float *place_key, *place_query; /* [n_places, n_heads * d_head] */
	size_t ldp;
	const int32_t *place; /* of distance 0; never rises with s - t; below n_places */
} LepAttention;

/*
 * out[n_tokens, d] = norm(word[ids] + position[positions] + type[types])
 * Tables are [rows, d] of their dtype.  position and type tables may be NULL.
 * types may be NULL (row 0 of the type table).  The caller has checked that
 * every id is below its table's rows.  A table of LEP_I8 is [rows] scales in f32, then
 * [rows, d] of int8, without a gap: w[r, i] = scale[r] * q[r, i]; so it needs its count of rows.
 */
typedef struct LepEmbed
{
	const int32_t *ids, *positions, *types;
	const void *word, *position, *type;
	LepDtype word_dtype, position_dtype, type_dtype;
	size_t word_rows, position_rows, type_rows; /* of LEP_I8 tables */
	const float *gamma, *beta;					/* [d]; NULL gamma: no norm */
	float eps;
	float *out; /* [n_tokens, d], dense */
	size_t n_tokens, d;
} LepEmbed;

typedef struct LepKernels
{
	const char *isa;	/* name for lepton.cpu_isa, see lep_kernels_names() */
	const char *layout; /* id of the packed weight layout, part of an image's name; [a-z0-9]+ */
	bool same_bits;		/* rows do not depend on their neighbours, see above */

	/* Bytes of linear_pack's output for w[d_out, d_in]; 0 when it overflows size_t. */
	size_t (*linear_packed_size)(size_t d_out, size_t d_in);
	/* Pack w[d_out, d_in] (dense) into packed, 64-byte aligned. */
	void (*linear_pack)(const float *w, size_t d_out, size_t d_in, void *packed);
	void (*linear)(const LepLinear *args);

	/* Bytes of scratch that attention needs, n_places being 0 without places; 0 when it overflows size_t. */
	size_t (*attention_scratch)(size_t n_tokens, size_t d_head, size_t n_places);
	void (*attention)(const LepAttention *args);

	/* Narrow products; half is NULL where 16-bit floats would not be faster than f32. */
	const LepNarrow *i8, *half;
	/* Attention on 16-bit floats; NULL where it would not be faster than attention. */
	size_t (*attention_half_scratch)(size_t n_tokens, size_t d_head);
	void (*attention_half)(const LepAttentionHalf *args);

	void (*embed)(const LepEmbed *args);

	/* out[n_rows, d] = (x - mean) / sqrt(var + eps) * gamma + beta, biased variance; out may be x. */
	void (*norm)(const float *x, const float *gamma, const float *beta, float eps, float *out,
				 size_t n_rows, size_t d);
	/* out[n_rows, d] = x / sqrt(mean of x^2 + eps) * gamma (arXiv:1910.07467); out may be x. */
	void (*rms_norm)(const float *x, const float *gamma, float eps, float *out, size_t n_rows,
					 size_t d);
	/* x[n] = act(x[n]), in place */
	void (*activate)(float *x, size_t n, LepAct act);
	/* out[n] = act(x[n]) * y[n] (arXiv:2002.05202); out may be x or y. */
	void (*gate)(const float *x, const float *y, float *out, size_t n, LepAct act);
	/* x[n_rows, d] = softmax of each row, in place */
	void (*softmax)(float *x, size_t n_rows, size_t d);

	/* out[n] += w * x[n] */
	void (*add_scaled)(float *out, const float *x, float w, size_t n);
	/* out[n] = max(out[n], x[n]); NaN in either gives NaN */
	void (*max)(float *out, const float *x, size_t n);
	/* sum of a[i] * b[i] */
	float (*dot)(const float *a, const float *b, size_t n);
	/* out[n] = x[n] of the given dtype, widened */
	void (*widen)(const void *x, LepDtype dtype, float *out, size_t n);
} LepKernels;

/*
 * The kernels called name, or NULL when name is unknown or this CPU (or
 * operating system) cannot run them.  "auto" is the fastest that can run.
 * "blas" needs lep_blas_load() to have succeeded; "auto" means it only where
 * that has been called and the portable kernels are the only own ones.
 */
const LepKernels *lep_kernels_choose(const char *name);

/* Names that lep_kernels_choose() accepts, NULL terminated, "auto" first. */
const char *const *lep_kernels_names(void);

/*
 * Load OpenBLAS with one thread, once per process; false with a reason in why
 * when it is not there.  Never call it in a process that will fork.  Worth a
 * call when lep_kernels_choose("auto") is "portable".
 */
bool lep_blas_load(char *why, size_t why_size);

/* Bytes of one element of dtype. */
size_t lep_dtype_size(LepDtype dtype);

#endif
