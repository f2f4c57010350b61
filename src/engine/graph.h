/*
 * graph.h: a model as a flat list of operators over named buffers.
 *
 * Passes, in order: build (a family recipe appends operators), fuse, choose precision, place
 * memory, bind kernels.  Each pass is one file and leaves a graph that
 * lep_graph_describe can print.
 *
 * The same description always builds the same graph, so weights are known by
 * their slot number: the image stores slot i, and a backend that builds the graph again
 * finds it there.
 */
#ifndef LEPTON_GRAPH_H
#define LEPTON_GRAPH_H

#include "desc.h"
#include "source.h"

typedef enum LepOpKind
{
	LEP_OP_EMBED,	  /* tokens -> rows */
	LEP_OP_LINEAR,	  /* row-wise; epilogue: bias, activation, residual */
	LEP_OP_ATTENTION, /* over a sequence */
	LEP_OP_ADD,		  /* row-wise; usually fused into a linear as its residual */
	LEP_OP_NORM,	  /* row-wise */
	LEP_OP_ACTIVATE,  /* row-wise; usually fused into a linear */
	LEP_OP_GATE,	  /* row-wise: an activation times another input */
	LEP_OP_POOL,	  /* sequence -> one row */
	LEP_OP_NORMALIZE, /* row-wise: to unit length */
	LEP_OP_CUT,		  /* row-wise: the first columns */
	LEP_OP_PICK,	  /* sequence -> the rows of the batch's picks */
	LEP_OP_UNFOLD,	  /* sequence -> rows that hold the tokens around theirs */
	LEP_OP_SPARSE	  /* sequence -> one row: weights of a linear's outputs, pooled as they come */
} LepOpKind;

/* How a weight slot is stored in the image. */
typedef enum LepStore
{
	LEP_STORE_TABLE,  /* rows as the file has them (f32, f16, bf16), for look-up */
	LEP_STORE_VECTOR, /* f32, as the kernels read it */
	LEP_STORE_LINEAR  /* packed by the kernels */
} LepStore;

typedef struct LepGraph LepGraph;

/*
 * Build the graph of a description and run all passes but binding; everything in the arena.
 * kernels may be NULL for a graph that is only checked against a source.
 * The view must outlive the graph.
 */
LepStatus lep_graph_build(const LepDescView *view, const LepKernels *kernels, LepArena *arena,
						  LepGraph **graph, LepError *err);

/* Check that every slot's tensors are in the source with the right type and shape; count parameters. */
LepStatus lep_graph_check_source(const LepGraph *graph, const LepSource *source,
								 uint64_t *n_parameters, LepError *err);

size_t lep_graph_slot_count(const LepGraph *graph);

#define LEP_INFO_TOKENS 256 /* length of the one text that LepOpInfo.scratch stands for */

/* One line per operator, for lepton_graph(name). */
typedef struct LepOpInfo
{
	const char *op;		   /* "linear" */
	const char *name;	   /* "encoder.layer.0.attention.self.query+key+value" */
	char shape[64];		   /* "[tokens, 384] -> [tokens, 1152]" */
	const char *precision; /* in what it computes: "f32", "i8"; of an embedding as stored */
	const char
		*stored; /* form of its weights in the model: a scheme's name; NULL: no table, no linear */
	const char *segment; /* how it is cut into pieces of work: "rows", "sequences", "texts" */
	uint64_t bytes;		 /* of its weights in the image; 0 before binding */
	uint64_t scratch;	 /* offset of its output in the arena for one text of LEP_INFO_TOKENS */
} LepOpInfo;

size_t lep_graph_op_count(const LepGraph *graph);
void lep_graph_op_info(const LepGraph *graph, size_t i, LepOpInfo *info);

/* Bytes of arena for a batch of n_tokens tokens in n_texts texts, the longest having max_len tokens; 0 on overflow. */
size_t lep_graph_arena_size(const LepGraph *graph, size_t n_tokens, size_t n_texts, size_t max_len);

/*
 * Tokens of a batch, packed one text after another.  picks are places of tokens in the batch,
 * strictly ascending; they matter to LEP_TASK_MASK alone, whose output is one row for each.
 */
typedef struct LepBatch
{
	size_t n_texts, n_tokens;
	const int32_t *ids;		/* [n_tokens], each below desc.vocab */
	const int32_t *types;	/* [n_tokens] or NULL: all 0 */
	const uint32_t *starts; /* [n_texts + 1] */
	const uint32_t *picks;	/* [n_picks], each below n_tokens */
	size_t n_picks;
} LepBatch;

/* Rows of the graph's output for a batch: as many as texts, tokens or picks, see LepTask. */
size_t lep_graph_out_rows(const LepGraph *graph, const LepBatch *batch);

/*
 * Run a bound graph.  out[lep_graph_out_rows, lep_desc_width] gets the raw embedding or logits.  arena has
 * lep_graph_arena_size bytes, 64-byte aligned.  LEP_NOT_FINITE when a value of out is NaN or
 * infinite, LEP_BAD_INPUT for ids outside the model's tables, starts or picks that are no
 * ascending offsets, LEP_TOO_LARGE for a text longer than the model has positions.
 */
LepStatus lep_graph_run(const LepGraph *graph, const LepBatch *batch, void *arena,
						size_t arena_size, float *out, const LepStop *stop, LepError *err);

#endif
