/*
 * window.h: rows read ahead: the texts of many rows go through the models
 * together, sorted by length, each distinct sequence of tokens of a model once.
 *
 * Use, once per window:
 *		func_window_reset(w);
 *		func_window_add(w, engine, input, &sequence)	-- n times; engine of func_window_engine
 *		func_window_run(w);
 *		func_window_row(w, m, engine, sequence)			-- any number of times
 *
 * Sequences and their rows stay for later windows while they take less than half of work_mem.
 *
 * Two models that share a graph (a head and its base) are one engine: their texts are
 * tokenized and run once.
 */
#ifndef LEPTON_FUNC_WINDOW_H
#define LEPTON_FUNC_WINDOW_H

#include "run.h"

/* What was done; of one window, or summed up. */
typedef struct FuncWork
{
	uint64 rows;	   /* results */
	uint64 tokens;	   /* that went through a graph */
	uint64 batches;	   /* that went through a graph */
	uint64 on_gpu;	   /* of the batches */
	uint64 duplicates; /* texts whose tokens were there already */
	double tokenizing; /* seconds */
	double running;	   /* seconds */
} FuncWork;

typedef struct FuncWindow FuncWindow;

/* Everything lives in a child of context. */
FuncWindow *func_window_create(MemoryContext context);
/* Forget the texts, not the engines, nor always the sequences. */
void func_window_reset(FuncWindow *w);
/* Forget the engines too; models may be closed after this. */
void func_window_forget(FuncWindow *w);
/* Free the window. */
void func_window_destroy(FuncWindow *w);

/* Number of the engine that serves a model, which must stay open. */
int func_window_engine(FuncWindow *w, const StoreModel *m);

/*
 * Add a text; *sequence is what to ask for later.  False when it cannot be
 * tokenized: calling the scalar form raises why.
 */
bool func_window_add(FuncWindow *w, int engine, const text *input, uint32 *sequence);

/*
 * Add a sequence that has been tokenized; it is copied.  picks[n_picks] are the tokens, ascending, whose rows
 * are asked for where the graph answers for picks; they must follow from the tokens.
 */
uint32 func_window_add_tokens(FuncWindow *w, int engine, const LepTokens *tokens,
							  const uint32 *picks, size_t n_picks);
/* Count seconds that went into making tokens for an engine. */
void func_window_add_time(FuncWindow *w, int engine, double seconds);

/* Memory that is forgotten at the next reset. */
MemoryContext func_window_context(const FuncWindow *w);
/* From now on all that fails raises; else only what ends a statement whatever its rows are. */
void func_window_raise(FuncWindow *w);
/* Raise a status as said. */
void func_window_check(const FuncWindow *w, LepStatus status, const LepError *err);

/* Tokens added since the reset that will be run, and bytes that the window will take. */
uint64 func_window_tokens(const FuncWindow *w);
uint64 func_window_bytes(const FuncWindow *w);

/* Run everything. */
void func_window_run(FuncWindow *w);

/*
 * The row [func_width(m)] of a sequence: m's own output, in the window or palloc'd.  NULL
 * when it could not be computed: calling the scalar form raises why.
 */
const float *func_window_row(const FuncWindow *w, const StoreModel *m, int engine, uint32 sequence);

/* The rows [*n_rows, width of the graph] of a sequence; NULL when they could not be computed. */
const float *func_window_rows(const FuncWindow *w, int engine, uint32 sequence, size_t *n_rows);

/* What one engine did in this window; rows is 0. */
const FuncWork *func_window_work(const FuncWindow *w, int engine);

#endif
