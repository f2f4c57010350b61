/*
 * run.h: the way of texts through a model: Datum -> tokens -> batches -> rows.
 * All task functions share it, so that scalar, array and trigger forms agree to the last bit.
 *
 * Use:
 *		func_run_begin(&run, model, out);
 *		func_run_add(&run, DatumGetTextPP(d));	 -- n times
 *		func_run_end(&run);						 -- out[n, width] is complete
 */
#ifndef LEPTON_FUNC_RUN_H
#define LEPTON_FUNC_RUN_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"

#include "../engine/task.h"
#include "../store/store.h"

/* A text of this call that has a row. */
typedef struct FuncSeen
{
	uint64 hash; /* of its ids */
	size_t row;
	uint32 at, n; /* its ids in FuncRun.kept; n = 0: a free place */
} FuncSeen;

/* While it is on, what would run a model raises an error that no EXCEPTION clause catches. */
typedef struct FuncRefusal
{
	bool is_on;
	bool has_refused; /* something was */
} FuncRefusal;

extern FuncRefusal func_run_refusal;
/* Raise when running models is refused. */
void func_run_check(void);

typedef struct FuncRun
{
	StoreModel *model;
	float *out;	  /* [rows, width] */
	size_t width; /* of a row */
	size_t rows;  /* added so far */
	size_t first; /* row of the open batch's first text */
	bool alone;	  /* no text will be added that was added before */

	/* the open batch */
	int32 *ids;
	int32 *types;
	uint32 *starts; /* [n_texts + 1] */
	size_t n_texts, n_tokens, max_len;
	size_t texts_capacity, tokens_capacity;
	size_t *sources; /* [rows - first]: the place in out that a row's result is copied from */
	size_t sources_capacity;

	/* texts seen, so that a repeated one is computed once */
	FuncSeen *seen; /* [seen_capacity], open addressing */
	int32 *kept;	/* [n_kept] ids of the texts seen */
	size_t n_seen, seen_capacity, n_kept, kept_capacity;

	/* for lepton_stat_models: rows answered, tokens computed */
	uint64 total_rows, total_tokens, total_batches;
	double seconds;
} FuncRun;

/* A model's own output [func_width(m)] of a row of its graph. */
void func_head_row(const StoreModel *m, const float *row, float *out);

/* Width of a row of m: embedding size, or number of labels. */
size_t func_width(const StoreModel *m);

/* Start; out[n, func_width(m)] must have room for all texts that will be added. */
void func_run_begin(FuncRun *run, StoreModel *m, float *out);
/* Add one text; may run a batch. */
void func_run_add(FuncRun *run, const text *input);
/* The same for a text that is UTF-8 already. */
void func_run_add_utf8(FuncRun *run, const char *utf8, size_t len);
/* Run what is left and count the work. */
void func_run_end(FuncRun *run);

/* One text: the row in palloc'd memory. */
float *func_run_one(StoreModel *m, const text *input);

/* The encoder of this backend: what it gives is valid until its next use. */
LepEncoder *func_encoder(void);

/* Tokens of one text as the model's task takes them; valid until the next text of this backend. */
void func_encode(StoreModel *m, const char *utf8, size_t len, LepTokens *tokens);

/* The parts of a run, for window.c: tokens are valid until the next text of this backend ... */
LepStatus func_run_encode(const LepModel *model, const char *utf8, size_t len, LepTokens *tokens,
						  LepError *err);
/*
 * ... out[rows of the graph, its width]; the longest text has max_len tokens; *on_gpu, which may be NULL, tells where it
 * ran ...
 */
LepStatus func_run_graph(const LepModel *model, const LepBatch *batch, size_t max_len, float *out,
						 bool *on_gpu, LepError *err);
/* ... and what large batches took is given back. */
void func_run_trim(void);

/* Token ids of one text, nothing in front, nothing cut; valid until the next text of this backend. */
void func_tokenize(StoreModel *m, const text *input, LepTokens *tokens);

/* Best label of one text, as text. */
Datum func_classify_one(StoreModel *m, const text *input);

/* A text's bytes as UTF-8; *len bytes, valid, maybe palloc'd. */
const char *func_utf8(const text *input, size_t *len);

/* Name of the model, UTF-8 text argument n of the call, or NULL when the function has fewer arguments. */
const char *func_model_argument(FunctionCallInfo fcinfo, int n);

/* Elements of a one-dimensional text[] argument. */
void func_text_array(ArrayType *array, Datum **elements, bool **nulls, int *n);

/* real[] of n values. */
Datum func_real_array(const float *values, size_t n);

#endif
