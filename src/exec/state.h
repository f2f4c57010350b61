/*
 * state.h: the state of a running LeptonBatch node, shared by exec.c and read.c.
 */
#ifndef LEPTON_EXEC_STATE_H
#define LEPTON_EXEC_STATE_H

#include "batch.h"

#include "executor/executor.h"

#include "../func/call.h"

/* What became of a call for a row. */
typedef enum RowState
{
	ROW_NULL,	/* a text is NULL */
	ROW_READY,	/* its sequences are in the window */
	ROW_SCALAR, /* to be computed where the row is asked for, which raises why */
} RowState;

/* An expression for a text; equal ones of several calls are one. */
typedef struct BatchText
{
	ExprState *state;
	bool is_constant; /* reads no column */
	text *value;	  /* of the row in hand; NULL */
	bool is_known;	  /* value is that of the row in hand */
} BatchText;

/* What a call does with one of its texts. */
typedef struct BatchInput
{
	int text;			 /* number of the BatchText */
	float *constant_row; /* [func_width] of a constant, NULL: a column */
	uint32 *sequences;	 /* [rows of the window] */
} BatchInput;

/* An option of a call. */
typedef struct BatchOption
{
	ExprState *state;
	int16 length;
	bool by_value;
} BatchOption;

typedef struct BatchCallState
{
	const FuncTask *task;
	ExprState *scalar;	   /* the whole call; NULL when it stays where it is */
	ExprState *model_name; /* NULL: the default model */
	bool is_nameless;	   /* the name is NULL */
	StoreModel *model;	   /* NULL until the first row that needs it */
	int engine;
	BatchInput inputs[FUNC_MAX_TEXTS];
	BatchOption options[FUNC_MAX_OPTIONS];
	uint8 *states;			/* RowState [rows of the window] */
	FuncWindowCall **steps; /* [rows of the window], of a function with steps */
	uint64 n_ready;
} BatchCallState;

/* Counts that outlive the node and the shared memory, in the leader. */
typedef struct BatchWorkers
{
	FuncWork totals;
	FuncWork *shared; /* [n], NULL when there is none */
	int n;
	struct ParallelContext *context; /* NULL when it is gone */
} BatchWorkers;

struct BatchState
{
	CustomScanState css;
	int n_columns, n_texts;
	int n_calls; /* that are columns */
	int n_ahead; /* that stay where they are; they follow in calls */
	BatchText *texts;
	BatchCallState *calls;
	ExprState *count, *offset;
	int first_rows;
	bool is_streamed;

	FuncWindow *window;
	MemoryContext rows_context; /* rows of the window */
	TupleTableSlot *row_slot;	/* the row being passed on */
	MinimalTuple *rows;			/* [n_rows] */
	int n_rows, next;
	int target;		   /* rows that the next window may have */
	int64 bound, read; /* rows that will be asked for at most, or -1; rows read */
	bool is_begun, is_at_end;
	bool truncate; /* lepton.truncate of the window */
	int windows;   /* since the last rescan */

	FuncWork totals;	   /* of this process */
	FuncWork *shared;	   /* of this worker, in shared memory */
	BatchWorkers *workers; /* in the leader */

	struct BatchState *next_ahead; /* the next node with calls that stay where they are */
	MemoryContextCallback forget;  /* takes it out of the list */
};

/* answer.c */

/* Value of a text for the row in the scan slot, NULL or not toasted. */
text *batch_text_value(BatchState *s, int number);
/* Options of a call for that row, in its memory; false when one is NULL. */
bool batch_option_values(BatchState *s, BatchCallState *call, Datum *options);
/* Result of a call for that row, which is this one of the window; false when the scalar form must be called. */
bool batch_call_result(BatchState *s, BatchCallState *call, int row, FuncSet *set, Datum *value,
					   bool *isnull);
/* Answer calls elsewhere with what the node has for the row in hand; until the context goes. */
void batch_answer_calls(BatchState *s, MemoryContext context);
/* A model's row [func_width] of a text that a node has for the row in hand, or NULL. */
const float *batch_find_row(const StoreModel *m, const text *value);

/* read.c */

/* Read rows ahead and compute their calls. */
void batch_fill_window(BatchState *s);
/* Forget the rows of the window. */
void batch_forget_rows(BatchState *s);
/* Put a child's row into the scan slot; results of calls come later. */
void batch_load_row(BatchState *s, TupleTableSlot *source);
/* Add what a window did to a sum. */
void batch_add_work(FuncWork *sum, const FuncWork *work);

#endif
