/*
 * compress_parts.h: what the parts of a compression share: rounding of weights,
 * products and factorisations on the kernels, the sample on its way through the graph.  Nobody
 * outside compress*.c and its test includes it.
 */
#ifndef LEPTON_COMPRESS_PARTS_H
#define LEPTON_COMPRESS_PARTS_H

#include "compress.h"
#include "graph_parts.h"

#define LEP_ROUND_MOST 4096 /* inputs of a linear whose rounding errors are evened out */

/* One compression: whose weights, on which kernels, who may stop it. */
typedef struct LepPress
{
	const LepSource *source;
	const LepKernels *kernels;
	const LepAllocator *allocator; /* of what is given back before the end */
	uint64_t call_flops;		   /* most work of one kernel call */
	const LepStop *stop;
	LepError *err;
} LepPress;

/* A weight in its stored form; arrays that the scheme does not have are NULL. */
typedef struct LepPressed
{
	LepScheme scheme;
	uint64_t rows, cols;
	void *data;	  /* int8_t or uint16_t [rows, cols], i4: uint8_t [rows, cols / 2]; f32: NULL */
	float *scale; /* [rows], i4: [rows, cols / LEP_I4_GROUP] */
	float *zero;  /* [rows] */
	float *input_scale; /* [cols] */
	float *bias;		/* [rows], of the linear; NULL: as it was */
} LepPressed;

/* Whole numbers that stand for a weight w[rows, cols]: w ~ scale * (q - zero). */
typedef struct LepGrid
{
	float *scale;	   /* [rows, cols / group] */
	const float *zero; /* [rows]; NULL: all constant_zero */
	float constant_zero;
	size_t group; /* columns that share a scale */
	float lowest, highest;
} LepGrid;

/* compress_round.c: rounding, without any state */

uint16_t lep_round_f16(float x);
uint16_t lep_round_bf16(float x);

/* Round halves to even; |x| below 2^22. */
static inline float
lep_round_even(float x)
{
	return (x + 12582912.0f) - 12582912.0f;
}

/* A weight's whole number. */
static inline float
lep_grid_round(float w, float inverse, float zero, float lowest, float highest)
{
	float q = w * inverse;

	/* a value that is no number becomes the lowest */
	q = q > -4096.0f ? q : -4096.0f;
	q = lep_round_even(q < 4096.0f ? q : 4096.0f) + zero;
	q = q > lowest ? q : lowest;
	return q < highest ? q : highest;
}

/*
 * Choose the grid's scales (and zeros, when not NULL) for w[rows, cols]: those of the least squared error,
 * inputs weighted by moment[cols] (NULL: alike); quick: the full range.
 */
LepStatus lep_grid_fit(const LepPress *press, const LepGrid *grid, float *zero, const float *w,
					   size_t rows, size_t cols, const float *moment, bool quick);
/* q[rows, cols] = w[rows, cols] rounded one by one */
LepStatus lep_grid_nearest(const LepPress *press, const LepGrid *grid, const float *w, size_t rows,
						   size_t cols, int8_t *q);
/* w[rows, cols] of q[rows, cols] */
void lep_grid_value(const LepGrid *grid, const int8_t *q, size_t rows, size_t cols, float *w);
/* q[rows, d] and scale[rows] of a table's rows w[rows, d] */
void lep_table_round(const float *w, size_t rows, size_t d, int8_t *q, float *scale);
/*
 * out[n_rows, d] = x[n_rows, d] * input_scale[d] as the integer kernels see it; input_scale may be NULL.
 */
void lep_narrow_value(const float *x, size_t ldx, size_t n_rows, size_t d, const float *input_scale,
					  bool symmetric, float *out);
/* x[n] rounded to 16-bit floats of a kind (LEP_F16, LEP_BF16) */
void lep_half_value(float *x, size_t n, LepDtype kind);

/* compress_solve.c: products and what GPTQ needs */

/* Bytes of scratch for products with at most d_in inputs; 0 on overflow. */
size_t lep_press_scratch(const LepPress *press, size_t d_in);
/* A product as in LepLinear, but l->w is dense: [d_out, d_in]. */
LepStatus lep_press_product(const LepPress *press, const LepLinear *l, void *scratch);
/* Lower half of h[d, d] += x[n, d]^T * x[n, d], columns taken in order[d]; xt: [d, n] of room */
LepStatus lep_press_gram(const LepPress *press, const float *x, size_t n, size_t d,
						 const uint32_t *order, float *xt, float *h, void *scratch);
/*
 * h[d, d] of n rows, of which the lower half counts, becomes its Cholesky factor L, h = L L^T;
 * what is missing to that is added to the diagonal.  panel: [2 * d, LEP_PANEL] + d of room.
 */
#define LEP_PANEL 64
LepStatus lep_press_factor(const LepPress *press, float *h, size_t d, size_t n, float *panel,
						   void *scratch);
/*
 * q[rows, cols] = w[rows, cols] rounded so that (w - q) H (w - q)^T is small, where
 * H = L L^T in the order of columns order[cols]: GPTQ, arXiv:2210.17323, in the form of
 * arXiv:2507.18553, column after column from the last one.  room: see lep_press_even_room.
 */
LepStatus lep_press_even(const LepPress *press, const LepGrid *grid, const float *w, size_t rows,
						 size_t cols, const float *factor, const uint32_t *order, int8_t *q,
						 float *room, void *scratch);
/* Floats of room that lep_press_even needs. */
size_t lep_press_even_room(size_t rows, size_t cols);

/* compress_fit.c: one linear */

/* What is to be compressed, and what it gets to see. */
typedef struct LepFit
{
	const float *w;	   /* [rows, cols] */
	const float *bias; /* [rows] or NULL */
	size_t rows, cols;
	const float *x; /* [n, cols]: the sample's inputs */
	size_t ldx, n;
	const LepScheme *schemes; /* [n_schemes] to choose from */
	size_t n_schemes;
} LepFit;

/* compress_balance.c: scales of inputs */

/* What GPTQ leaves of the squared error of plainly rounded weights, roughly. */
#define LEP_EVENED 0.3

/* s[n]: scales of inputs by SmoothQuant's rule, from the largest inputs and weights of each. */
void lep_balance_start(const float *x_top, const float *w_top, size_t n, float strength, float *s);
/* Lower the error that is expected with s[cols]; x[n, cols] are inputs. */
LepStatus lep_balance(const LepPress *press, const LepFit *fit, const float *x, size_t n,
					  bool symmetric, float *s);

/* Compress a linear in the best of the fit's ways; *error is relative and squared. */
LepStatus lep_fit_linear(const LepPress *press, const LepFit *fit, LepArena *arena,
						 LepPressed *stored, double *error);
/* w[rows, cols] of a stored linear, as its product uses it; not of f32, which nobody stores. */
void lep_pressed_value(const LepPress *press, const LepPressed *stored, float *w);
/* out[n, cols]: what the product of a stored linear sees of x[n, cols] */
void lep_pressed_input(const LepPress *press, const LepPressed *stored, const float *x, size_t ldx,
					   size_t n, float *out);

/* compress_run.c: the sample on its way through the graph, operator by operator */

/* What all runs of a sample share; everything lives in the arena. */
typedef struct LepSampleGraph
{
	const LepPress *press;
	LepArena *arena;
	LepGraph *graph; /* its own plan: each operator is a stage, each buffer holds the batch */
	LepBatch batch;
	size_t max_len;
	bool padded; /* tokens of id pad take no place: LepDesc.position_pad */
	int32_t pad;
	LepRegions regions;
	uint32_t *rows; /* [n_rows] the sample's different tokens, ascending */
	size_t n_rows;
	int32_t *row_of;	/* [n_tokens] place of a token in rows */
	int32_t *positions; /* [n_tokens] place of a token in its text */
	void *scratch;		/* for products */
} LepSampleGraph;

/* Tables of an embedding cut to the rows that a sample needs. */
typedef struct LepSampleTables
{
	float *word, *position, *type; /* [n_rows, d], [max_len + padded, d], [1, d]; NULL: none */
} LepSampleTables;

/* One run, in one precision. */
typedef struct LepSampleRun
{
	char *memory; /* [regions.total] */
	float *out;	  /* [n_texts, width] */
	LepSampleTables tables;
} LepSampleRun;

/* Build a source's graph for a sample, and load its vectors. */
LepStatus lep_sample_graph(LepPress *press, LepArena *arena, const LepCompressSample *sample,
						   LepSampleGraph *s);
/* Give a run its memory. */
LepStatus lep_sample_run(const LepSampleGraph *s, LepSampleRun *run);
/*
 * Compress table number slot; of the rows that the sample needs, plain gets the values as they are, pressed
 * as they become.
 */
LepStatus lep_sample_table(const LepSampleGraph *s, const LepOp *op, uint32_t which,
						   LepScheme scheme, LepArena *arena, LepSampleTables *plain,
						   LepSampleTables *pressed, LepPressed *stored);
/* Read a linear's weights into w[rows, cols]. */
LepStatus lep_sample_weights(const LepSampleGraph *s, uint32_t slot, float *w);
/* Input rows x[n, ldx] of a linear in a run. */
const float *lep_sample_input(const LepSampleGraph *s, const LepSampleRun *run, const LepOp *op,
							  size_t *ldx, size_t *n);
/*
 * Run operator i.  For a linear, w[rows, cols] are its weights and stored how they are
 * compressed, NULL for not at all; room is [LEP_RUN_ROWS, cols].
 */
#define LEP_RUN_ROWS 512
LepStatus lep_sample_step(const LepSampleGraph *s, LepSampleRun *run, uint32_t i, const float *w,
						  const LepPressed *stored, float *room);

/* Rows that several layers give to one linear. */
typedef struct LepSharedInput
{
	float *x; /* [n, cols] */
	size_t n;
} LepSharedInput;

/* One lep_compress: what is decided so far, and what that does to the sample. */
typedef struct LepCompression
{
	LepPress press;
	const LepCompressOptions *options;
	LepArena *arena;  /* of the result */
	LepArena scratch; /* of the rest */
	LepSampleGraph sample;
	LepSampleRun plain, pressed;
	float *w, *room;		/* [rows, cols] and [LEP_RUN_ROWS, cols] of any linear */
	uint32_t last_norm;		/* linears behind it belong to a head and stay as they are */
	LepPressed *stored;		/* [n_slots] */
	float **vectors;		/* [n_slots] those that are changed */
	double *errors;			/* [n_slots] */
	LepSharedInput *shared; /* [n_slots], n 0 for linears of one layer */
	const LepCompressProgress *progress;
	uint64_t done, total; /* steps of progress */
} LepCompression;

/* How close the compressed outputs are to the plain ones. */
typedef struct LepFidelity
{
	double mean, least; /* cosine */
	double agreement;	/* of labels, 1 for an embedding model */
} LepFidelity;

/* Is operator i a linear that may be compressed? */
bool lep_compression_takes(const LepCompression *c, uint32_t i);
/* Compare out[n_texts, width] with the plain run. */
LepFidelity lep_compression_compare(const LepCompression *c, const float *out);
/* Run operators [first, n_ops) as they are stored now. */
LepStatus lep_compression_run(LepCompression *c, LepSampleRun *run, uint32_t first);
/* Run operator i of the run, its weight stored in this way. */
LepStatus lep_compression_step(LepCompression *c, LepSampleRun *run, uint32_t i,
							   const LepPressed *stored);
/* Compress the tables of an embedding, once. */
LepStatus lep_compression_tables(LepCompression *c, const LepOp *op, LepScheme scheme);
void lep_compression_report(LepCompression *c, uint64_t more);

/* compress_shared.c: collect the inputs of linears that layers share. */
LepStatus lep_compression_gather(LepCompression *c, LepScheme table);

/* compress_choose.c: give linears back more bits until the outputs are as close as was asked for. */
LepStatus lep_compression_improve(LepCompression *c, LepFidelity *fidelity);

/* compress_write.c: the files */

/*
 * Make the new folder: stored[n_slots] are the weights, F32 for those that stay as the source has
 * them, vectors[n_slots] take the place of its vectors where they are not NULL.
 */
LepStatus lep_press_folder(const LepPress *press, const LepGraph *graph, const LepPressed *stored,
						   float *const *vectors, LepArena *arena, LepFolder **folder);
/* Bytes of a stored weight; 0 for F32, which the source stores. */
uint64_t lep_pressed_bytes(const LepPressed *stored);

LepStatus lep_press_no_memory(const LepPress *press);
LepStatus lep_press_cancelled(const LepPress *press);

#endif
