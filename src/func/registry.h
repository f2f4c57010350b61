/*
 * registry.h: the task functions that run a model on texts: one entry each.
 * A scalar call and a batch of rows share the entry, so that both give the same bits.
 *
 * There are two kinds of entries.
 *
 * Plain: each text is one sequence and gives one row; result makes the Datum of the rows.
 *
 * With steps (encode is not NULL): a call becomes 1 .. n sequences (a pair, windows over a long text, a
 * pair for each label), and a sequence gives one row, a row for each token or for each
 * pick, as the graph's task says:
 *		encode(call, sink, err)			-- ahead of time: gives the sequences to the sink; may not raise
 *		absorb(call, i, rows, n_rows)	-- for each sequence i in order: takes its rows [n_rows, width]
 *		finish(call, set, &isnull)		-- makes the Datum, or puts the rows of a set
 * finish leaves the call as encode left it, so that the last two can be done again.
 *
 * A new task function is one entry of the table in registry.c, the functions that
 * it names, and its SQL declaration: STRICT, the texts first, options that have no default, then the model's
 * name, which the form for the default model lacks, then the other options.
 */
#ifndef LEPTON_FUNC_REGISTRY_H
#define LEPTON_FUNC_REGISTRY_H

#include "nodes/execnodes.h"

#include "run.h"

#define FUNC_MAX_TEXTS	 2
#define FUNC_MAX_OPTIONS 5

typedef struct FuncTaskCall FuncTaskCall;

/* Takes the sequences of a call. */
typedef struct FuncSink
{
	/*
	 * Take one sequence; it is copied.  picks[n_picks] are the tokens, ascending, whose rows a model that
	 * answers for picks gives; NULL for others.
	 */
	LepStatus (*add)(struct FuncSink *sink, const LepTokens *tokens, const uint32 *picks,
					 size_t n_picks, LepError *err);
} FuncSink;

/* Takes the rows of a set-returning call. */
typedef struct FuncSet
{
	/* Take a row: values and nulls have one element a column of the function's result. */
	void (*put)(struct FuncSet *set, const Datum *values, const bool *nulls);
} FuncSet;

/* A set that fills the tuplestore of a function called in materialize mode. */
typedef struct FuncStoreSet
{
	FuncSet set; /* first, so that a set is its store */
	ReturnSetInfo *result;
} FuncStoreSet;

/* Make it; InitMaterializedSRF comes before the first row. */
void func_store_set(FuncStoreSet *set, FunctionCallInfo fcinfo);

typedef struct FuncTask
{
	PGFunction function; /* the form that is called */
	const char *symbol;	 /* its name in the library */
	StoreTask task;		 /* that the model must serve */
	int n_texts;		 /* leading arguments that are texts */
	int n_options;		 /* further arguments, the model's name not counted */
	int n_leading;		 /* of them those in front of the model's name */
	bool is_set;		 /* returns rows */

	/*
	 * Plain: make the result of one call in CurrentMemoryContext.  rows[n_texts] are the model's
	 * outputs for the texts, each [func_width(m)].
	 */
	Datum (*result)(StoreModel *m, const float *const *rows);

	/* With steps: see above.  absorb and finish work in CurrentMemoryContext and may raise. */
	LepStatus (*encode)(FuncTaskCall *call, FuncSink *sink, LepError *err);
	void (*absorb)(FuncTaskCall *call, uint32 i, const float *rows, size_t n_rows);
	Datum (*finish)(FuncTaskCall *call, FuncSet *set, bool *isnull);
} FuncTask;

/* One call of a function with steps. */
struct FuncTaskCall
{
	const FuncTask *task;
	StoreModel *model;
	const text *texts[FUNC_MAX_TEXTS]; /* not toasted; valid in the steps, not between them */
	Datum options[FUNC_MAX_OPTIONS];   /* the same; none is NULL */
	MemoryContext context;			   /* for what encode keeps; lives as long as the call */
	void *kept;						   /* the task's, made by encode */
	void *taken;					   /* the task's, between absorb and finish */
	bool is_alone;					   /* absorb and finish come once */
};

/* The entry of a C function, NULL when it is not a task function. */
const FuncTask *func_task(PGFunction function);
/* Tell whether an entry has this symbol; for looking before a library is loaded. */
bool func_task_has_symbol(const char *symbol);

/*
 * Number of the argument that is the model's name in a call with n_args arguments, -1 when it
 * has none: the default model; -2 when the function cannot have so many.
 */
int func_task_model_argument(const FuncTask *task, int n_args);
/* Number of the argument that is option i in a call with n_args arguments. */
int func_task_option_argument(const FuncTask *task, int n_args, int i);

/* Open the model of a call; name NULL: the default. */
StoreModel *func_task_open(const FuncTask *task, const char *name);

/*
 * Where calls may have been computed ahead: by the executor node, for the row in hand.  Gives the
 * result of a call with these arguments; false when it is not there.  NULL when there is no such place.
 */
typedef bool (*FuncAhead)(const FuncTask *task, const StoreModel *m, const text *const *texts,
						  const Datum *options, FuncSet *set, Datum *value, bool *isnull);
extern FuncAhead func_ahead;

/* The body of every scalar form, sets included. */
Datum func_task_call(FunctionCallInfo fcinfo, const FuncTask *task);

/* Results, by the files that own the functions. */
Datum func_embed_result(StoreModel *m, const float *const *rows);
Datum func_classify_result(StoreModel *m, const float *const *rows);
Datum func_similarity_result(StoreModel *m, const float *const *rows);

#endif
