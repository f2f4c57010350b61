/*
 * graph_parts.h: what a graph is made of, shared by the builder, the passes
 * and the image; nobody else includes it.
 *
 * Invariants between passes:
 *	 - every buffer is written by exactly one operator, before all that read it;
 *	 - the last operator writes the graph's output, in the rows that LepTask says;
 *	 - after lep_pass_fuse, slots are numbered in order of first use.
 */
#ifndef LEPTON_GRAPH_PARTS_H
#define LEPTON_GRAPH_PARTS_H

#include "graph_builder.h"

#define LEP_MAX_JOINED 3 /* tensors that one fused slot concatenates */
#define LEP_MAX_PARTS  5 /* tensors of a slot */
#define LEP_MAX_INPUTS 3
#define LEP_MAX_SLOTS  5 /* weights of one operator */
#define LEP_NO_SLOT	   UINT32_MAX

/* A tensor that fills rows of a slot. */
typedef struct LepPart
{
	int32_t module;		/* index of the module that holds it, -1: the transformer */
	const char *tensor; /* name in the file */
	uint64_t rows;
	uint64_t cols;	/* 0: the tensor has one dimension */
	uint32_t depth; /* 0: the tensor has no third dimension; else its size, a part of cols */
	uint32_t hash;	/* of the name, to find equal parts fast */
} LepPart;

/*
 * One weight in the image: its parts' rows one below the other.  A projected one is computed when the image is
 * written: norm(part 0) * (part 1)^T + bias; weight and bias of the norm are parts 2 and 3
 * when there are four or more, the bias is the last part when their number is odd.
 */
typedef struct LepSlot
{
	LepStore store;
	bool projected;
	float eps;			/* of a projected slot's norm */
	LepScheme scheme;	/* how a compressed model stores it; F32 where nothing is said */
	LepCompute compute; /* of a linear */
	uint32_t n_parts;
	LepPart parts[LEP_MAX_PARTS];
	uint64_t rows, cols; /* a vector has one column */
	/* set by lep_pass_bind */
	const void *data;
	LepDtype dtype; /* of a table; of a linear that of the file, LEP_I8 for int8 and int4 */
	uint64_t bytes;
} LepSlot;

/* Which rows a buffer has. */
typedef enum LepRows
{
	LEP_ROWS_TOKENS,
	LEP_ROWS_TEXTS,
	LEP_ROWS_PICKS,
	LEP_ROWS_COUNT
} LepRows;

/* Where a buffer lives while the graph runs. */
typedef enum LepScope
{
	LEP_SCOPE_BATCH, /* all rows of the batch */
	LEP_SCOPE_LOCAL, /* the rows in work: a panel, or a group of texts */
	LEP_SCOPE_OUT	 /* the caller's out */
} LepScope;

typedef struct LepBuffer
{
	uint32_t width;
	LepRows rows;
	uint32_t maker, n_uses, last_use; /* operator numbers; kept by lep_graph_index */
	bool half; /* holds the kernels' 16-bit floats, in the first half of its place */
	/* set by lep_pass_memory */
	LepScope scope;
	size_t offset; /* floats for each row of the region that stand before it */
} LepBuffer;

/* Columns of a buffer, from col on. */
typedef struct LepArg
{
	uint32_t buf, col;
} LepArg;

typedef struct LepOp
{
	LepOpKind kind;
	const char *name;
	LepArg in[LEP_MAX_INPUTS]; /* linear: x, residual; attention: q, k, v; add: x, y */
	uint32_t n_in;
	uint32_t out;
	/*
	 * linear, sparse: weight, bias; norm: gamma, beta; embed: word, position, type, gamma, beta;
	 * attention: bias, place keys, place queries
	 */
	uint32_t slots[LEP_MAX_SLOTS];
	uint32_t n_slots;
	LepAct act;					  /* linear, activate, gate */
	float eps;					  /* norm, embed with norm */
	bool rms;					  /* norm */
	float scale;				  /* attention */
	uint32_t n_heads, local;	  /* attention */
	uint32_t n_group;			  /* attention: heads that share their keys and values */
	uint32_t turn, bias, place;	  /* attention: 1 + number of a relation, 0: none */
	uint8_t modes[LEP_MAX_POOLS]; /* pool */
	uint32_t n_modes, skip;		  /* pool */
	uint32_t n_around;			  /* unfold: tokens of a row, an odd number */
	uint32_t position_first;	  /* embed */
	int32_t position_pad;		  /* embed: id of tokens that take no place; -1: there is none */
	LepSparse sparse;			  /* sparse */
	uint32_t n_logs;			  /* sparse */
	bool dead;					  /* taken over by another operator */
} LepOp;

typedef enum LepRelationKind
{
	LEP_RELATION_TURN, /* cosines, then sines, [longest text, width] each */
	LEP_RELATION_BIAS, /* [width heads, distances] */
	LEP_RELATION_PLACE /* int32 [distances] */
} LepRelationKind;

/*
 * A table that depends on positions or distances alone, made at the beginning of a run for its longest text of n
 * tokens; distances are 1 - n .. n - 1.
 */
typedef struct LepRelation
{
	LepRelationKind kind;
	uint32_t width;			 /* turn: pairs of a head; bias: heads */
	float theta, factor;	 /* turn */
	const char *name;		 /* bias: its tensor */
	uint32_t n_buckets, max; /* bias; place: n_buckets of the logarithm, 0: none */
	uint32_t span;			 /* place */
} LepRelation;

/*
 * Operators [first, end) that run together over one piece of rows after
 * another: groups of whole texts where sequences is set, panels of rows otherwise.
 */
typedef struct LepStage
{
	uint32_t first, end;
	bool sequences;
	LepRows rows;		/* of a panel */
	size_t panel;		/* rows of a piece; a longer text is a piece of its own */
	size_t local_width; /* floats per row of its local buffers */
} LepStage;

struct LepGraph
{
	LepDescView view;
	const LepKernels *kernels; /* may be NULL before binding */
	LepArena *arena;
	LepOp *ops;
	uint32_t n_ops, max_ops;
	LepBuffer *buffers;
	uint32_t n_buffers, max_buffers;
	LepSlot *slots;
	uint32_t n_slots, max_slots;
	LepRelation *relations;
	uint32_t n_relations, max_relations;
	/* limits on input, from the embedding */
	uint32_t vocab, max_len;
	uint32_t n_types; /* 0: the tokens' types are not looked at */
	/* set by lep_pass_memory */
	LepStage *stages;
	uint32_t n_stages;
	size_t row_width[LEP_ROWS_COUNT]; /* floats per row kept for the batch */
	size_t wide_rows, wide;			  /* rows and columns of a sparse operator's logits in work */
	uint32_t max_head;				  /* widest attention head, 0: no attention */
	uint32_t max_places;			  /* of an attention */
	/* set by lep_pass_bind */
	uint64_t call_flops; /* most work of one kernel call */
	const float *zeroes; /* as wide as the widest norm without bias; NULL: there is none */
	bool bound;
};

struct LepGraphBuilder
{
	LepGraph *graph;
	LepError *err;
	LepStatus status;
	int32_t module; /* whose tensors the next names are, -1: the transformer */
};

/* graph.c: structure */

/* Add room for one more operator, buffer or slot; NULL when out of memory. */
LepOp *lep_graph_add_op(LepGraph *graph, LepOpKind kind, const char *name);
uint32_t lep_graph_add_buffer(LepGraph *graph, uint64_t width, LepRows rows);
/* The slot made of the same parts, or a new one; LEP_NO_SLOT when out of memory. */
uint32_t lep_graph_add_slot(LepGraph *graph, const LepSlot *slot);
/* 1 + the number of the same relation, or of a new one; 0 when out of memory. */
uint32_t lep_graph_add_relation(LepGraph *graph, const LepRelation *relation);
/* Recount makers and uses of all buffers. */
void lep_graph_index(LepGraph *graph);
/* Drop dead operators and unused slots, number slots by first use. */
LepStatus lep_graph_compact(LepGraph *graph, LepError *err);
/* Format into the graph's arena; NULL when out of memory. */
const char *lep_graph_text(LepGraph *graph, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* True when a row of the operator's output depends on the same rows of its inputs alone. */
bool lep_op_row_wise(const LepOp *op);
/* Does an attention compute scores of q and k alone, over all tokens? */
bool lep_op_plain(const LepOp *op);
LepStatus lep_graph_no_memory(LepError *err);

/* graph_build.c, for the other files of builders */

/* Append an operator with its output of width; NULL after an error. */
LepOp *lep_build_op(LepBuilder *b, LepOpKind kind, const char *name, const LepBuf *in,
					uint32_t n_in, uint64_t width, LepRows rows);
/* Set a part of a slot to a tensor; cols 0 for one dimension. */
void lep_build_part(LepBuilder *b, LepSlot *slot, const char *tensor, uint64_t rows, uint64_t cols);
/* Append a slot; LEP_NO_SLOT after an error. */
uint32_t lep_build_slot(LepBuilder *b, const LepSlot *slot);
/* Width of a buffer, 0 for one that an error left out. */
uint32_t lep_build_width(const LepBuilder *b, LepBuf x);

/* Passes, in the order in which they run; each has its file. */
LepStatus lep_pass_fuse(LepGraph *graph, LepError *err);
LepStatus lep_pass_pick(LepGraph *graph, LepError *err);
LepStatus lep_pass_precision(LepGraph *graph, LepError *err);
LepStatus lep_pass_memory(LepGraph *graph, LepError *err);

/*
 * Decide which buffers hold 16-bit floats, from the slots' compute: those that narrow linears write
 * and attentions alone read.
 */
void lep_graph_choose_halves(LepGraph *graph);
/* The kernels of a linear's product when its activations are narrowed; NULL: f32. */
const LepNarrow *lep_op_narrow(const LepGraph *graph, const LepOp *op);

/* Where the image keeps a slot. */
typedef struct LepBinding
{
	const void *data;
	uint64_t bytes;
	LepDtype dtype;
} LepBinding;

/* Point every slot at its weights; sizes that do not fit are LEP_BAD_IMAGE. */
LepStatus lep_pass_bind(LepGraph *graph, const LepKernels *kernels, const LepBinding *bindings,
						LepError *err);

/*
 * Let a linear of a bound graph compute with other weights, packed for the graph's kernels as scheme asks
 * for; arenas must be measured anew.  The data must outlive its use.  This is how compression
 * tries candidates.
 */
void lep_graph_swap(LepGraph *graph, uint32_t slot, LepScheme scheme, const void *data);
/* In which numbers these kernels multiply weights of a scheme. */
LepCompute lep_scheme_compute(LepScheme scheme, const LepKernels *kernels);

/*
 * Sees the input rows x[n_rows, d_in] of every linear, piece by piece, before it runs; another
 * status than LEP_OK ends the run with it.
 */
typedef struct LepTap
{
	LepStatus (*rows)(void *ctx, const LepOp *op, const float *x, size_t ldx, size_t n_rows,
					  LepError *err);
	void *ctx;
} LepTap;

/* lep_graph_run with a tap, which may be NULL. */
LepStatus lep_graph_run_tapped(const LepGraph *graph, const LepBatch *batch, void *arena,
							   size_t arena_size, float *out, const LepTap *tap,
							   const LepStop *stop, LepError *err);

/* What lep_graph_run says of a batch; *max_len gets the tokens of its longest text. */
LepStatus lep_graph_check_batch(const LepGraph *graph, const LepBatch *batch, size_t *max_len,
								LepError *err);
/* Say that value i of the output is no finite number: LEP_NOT_FINITE. */
LepStatus lep_graph_not_finite(const LepGraph *graph, size_t i, float value, LepError *err);

/* Rows of a kind that a batch has. */
size_t lep_batch_rows(const LepBatch *batch, LepRows rows);

/* graph_weights.c: slots and files */

/* Bytes of a slot in an image; dtype matters for tables.  0 on overflow. */
uint64_t lep_slot_bytes(const LepSlot *slot, const LepKernels *kernels, LepDtype dtype);
/* The dtype in which an image keeps the slot, and its tensors; checks them. */
LepStatus lep_slot_resolve(const LepGraph *graph, uint32_t slot, const LepSource *source,
						   const LepTensor *tensors[LEP_MAX_PARTS], LepDtype *dtype, LepError *err);

/*
 * Read a linear's weights and pack them as its slot computes; tensors are those of
 * lep_slot_resolve, packed has lep_slot_bytes.  Working memory comes from the arena.
 */
LepStatus lep_slot_pack(const LepSlot *slot, const LepSource *source,
						const LepTensor *const *tensors, const LepKernels *kernels, LepArena *arena,
						void *packed, const LepStop *stop, LepError *err);
/*
 * Read all of a slot's numbers into w[rows, cols]; a projected slot's are computed, with working memory from
 * the arena.
 */
LepStatus lep_slot_read(const LepSlot *slot, const LepSource *source,
						const LepTensor *const *tensors, const LepKernels *kernels, LepArena *arena,
						float *w, const LepStop *stop, LepError *err);

/* graph_relation.c */

/* Floats of a relation's table for texts of at most n tokens; false on overflow. */
bool lep_relation_floats(const LepRelation *relation, size_t n, size_t *floats);

/* pass_memory.c: bytes of the arena's regions for one batch */
typedef struct LepRegions
{
	size_t rows[LEP_ROWS_COUNT]; /* offsets of what is kept for the batch */
	size_t relations, local, positions, attention, narrow, wide;
	size_t total; /* bytes */
} LepRegions;

bool lep_graph_regions(const LepGraph *graph, size_t n_tokens, size_t n_texts, size_t max_len,
					   LepRegions *regions);

#endif
