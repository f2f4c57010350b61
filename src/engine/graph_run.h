/*
 * graph_run.h: one run of a graph, as graph_run.c and graph_linear.c share it;
 * nobody else includes it.
 */
#ifndef LEPTON_GRAPH_RUN_H
#define LEPTON_GRAPH_RUN_H

#include "graph_parts.h"

/* Where everything is, and the piece in work. */
typedef struct LepRun
{
	const LepGraph *graph;
	const LepKernels *kernels;
	const LepBatch *batch;
	float *rows[LEP_ROWS_COUNT]; /* regions of the arena: what is kept for the batch */
	float *local;
	float *relations;	/* the tables of the graph's relations, one behind the other */
	size_t max_len;		/* tokens of the batch's longest text */
	int32_t *positions; /* [rows of a piece] */
	void *attention;
	void *narrow; /* a block of narrowed rows */
	float *wide;  /* [graph->wide_rows, graph->wide] */
	float *out;
	const LepTap *tap;
	const LepStop *stop;
	LepError *err;
	/* the piece */
	bool sequences;
	size_t row, n_rows;	   /* its rows: tokens, or texts or picks in a stage over those */
	size_t text, n_texts;  /* its texts, when sequences is set */
	size_t pick, n_picks;  /* its picks, when sequences is set */
	const LepOp *narrowed; /* the linear whose input the operator before it has narrowed */
} LepRun;

/* Start of an argument's rows of the piece, from its column on; *n_rows gets how many there are. */
float *lep_run_rows(const LepRun *run, LepArg arg, size_t *n_rows);
/* The same of a buffer of 16-bit floats. */
uint16_t *lep_run_halves(const LepRun *run, LepArg arg);

/* An operator's weight slot and its data, NULL when it has none. */
const LepSlot *lep_run_slot(const LepRun *run, const LepOp *op, uint32_t i);
const void *lep_run_weight(const LepRun *run, const LepOp *op, uint32_t i);

/* Rows (or heads) of one call, when each costs flops; n in all; a multiple of step when it is cut. */
size_t lep_run_share(const LepRun *run, size_t n, uint64_t flops, size_t step);

/* graph_relation.c */

/* Make the tables of the graph's relations for the run's batch. */
LepStatus lep_run_relations(const LepRun *run);
/* Table number - 1 of them; NULL for number 0. */
const float *lep_run_relation(const LepRun *run, uint32_t number);

/* graph_attention.c */

/* out[text's tokens, n_heads * d_head] = attention of each text of the group over itself. */
LepStatus lep_run_attention(LepRun *run, const LepOp *op);

/* graph_linear.c */

/* out = act(x * w^T + bias) + residual, in the numbers that the slot says. */
LepStatus lep_run_linear(LepRun *run, const LepOp *op);
/* out[texts, d_out] = weights of x * w^T + bias, pooled over each text of the piece. */
LepStatus lep_run_sparse(LepRun *run, const LepOp *op);
/* out = norm(x); narrows the rows at once when next, which may be NULL, is a linear that reads them so. */
LepStatus lep_run_norm(LepRun *run, const LepOp *op, const LepOp *next);

#endif
