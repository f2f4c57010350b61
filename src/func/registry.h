/*
 * registry.h: the task functions that run a model on texts: one entry each.
 * A scalar call and a batch of rows share the entry, so that both give the same bits.
 *
 * A new task function is one entry of the table in registry.c, one function that
 * makes its result, and its SQL declaration: STRICT, the texts first, the model's name last.
 */
#ifndef LEPTON_FUNC_REGISTRY_H
#define LEPTON_FUNC_REGISTRY_H

#include "run.h"

#define FUNC_MAX_TEXTS 2

typedef struct FuncTask
{
	PGFunction function; /* the scalar form */
	const char *symbol;	 /* its name in the library */
	LepTask task;		 /* that the model must serve */
	int n_texts;		 /* leading arguments that are texts; the model's name may follow */

	/*
	 * Make the result of one call in CurrentMemoryContext.  rows[n_texts] are the model's
	 * outputs for the texts, each [func_width(m)].
	 */
	Datum (*result)(StoreModel *m, const float *const *rows);
} FuncTask;

/* The entry of a C function, NULL when it is not a task function. */
const FuncTask *func_task(PGFunction function);
/* Tell whether an entry has this symbol; for looking before a library is loaded. */
bool func_task_has_symbol(const char *symbol);

/* The body of every scalar form. */
Datum func_task_call(FunctionCallInfo fcinfo, const FuncTask *task);

/* Results, by the files that own the functions. */
Datum func_embed_result(StoreModel *m, const float *const *rows);
Datum func_classify_result(StoreModel *m, const float *const *rows);
Datum func_similarity_result(StoreModel *m, const float *const *rows);

#endif
